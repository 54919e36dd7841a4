//! The core's own gRPC service: plain HTTP/2 on loopback, a bearer secret on every call.

use core::fmt;
use core::time::Duration;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Mutex;

use serde_json::{Map, Value};
use tokio::time::timeout;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};

use crate::cores::CoreError;
use crate::cores::host_secret::HostSecret;
use crate::cores::template::wrong;
use crate::lock::lock;
use daemon::started_service_client::StartedServiceClient;

#[expect(
    unreachable_pub,
    clippy::pedantic,
    clippy::enum_variant_names,
    clippy::allow_attributes_without_reason,
    reason = "generated from the core's schema"
)]
pub(super) mod daemon {
    tonic::include_proto!("daemon");
}

/// A core on loopback answers in milliseconds; ten seconds is a core that hangs.
const ANSWER: Duration = Duration::from_secs(10);
const CONNECT: Duration = Duration::from_secs(2);
/// What may be on its way unread. The core drops events of a subscriber whose window is full, so the window must hold
/// what comes while this process is busy: about 250 bytes an event.
const WINDOW: u32 = 8 << 20;
/// A list of 10,000 gates is 1.5 MB, of 100,000 connections 30 MB; the protocol's default of 4 MB would end the stream.
const LARGEST: usize = 256 << 20;

/// Where a core answers, and with which secret.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Target {
    address: SocketAddr,
    secret: String,
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({}, ..)", self.address)
    }
}

impl Target {
    /// Of the service that the agent adds to a template without one.
    pub(super) fn ours(port: u16, secret: &HostSecret) -> Self {
        Self { address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)), secret: secret.api() }
    }

    /// Of an entry of `services` with the type `api`.
    ///
    /// # Errors
    /// [`CoreError::Config`] when it cannot be reached from this host without TLS.
    pub(super) fn of_service(service: &Map<String, Value>) -> Result<Self, CoreError> {
        let own = |key: &str| service.get(key).and_then(Value::as_str).unwrap_or_default();
        let place = |key: &str| format!("services (type api) {key}");
        if service.get("tls").and_then(|tls| tls.get("enabled")).and_then(Value::as_bool) == Some(true) {
            return Err(wrong(&place("tls"), "must be off: the agent speaks to the core in plain text on loopback"));
        }
        let ip = match own("listen") {
            "" | "::" => IpAddr::V6(Ipv6Addr::LOCALHOST),
            "0.0.0.0" => IpAddr::V4(Ipv4Addr::LOCALHOST),
            listen => listen.parse().map_err(|_| wrong(&place("listen"), "must be an IP address"))?,
        };
        let port = service.get("listen_port").and_then(Value::as_u64).and_then(|port| u16::try_from(port).ok());
        let Some(port) = port.filter(|port| *port != 0) else {
            return Err(wrong(&place("listen_port"), "must be a port from 1 to 65535"));
        };
        Ok(Self { address: SocketAddr::new(ip, port), secret: own("secret").to_owned() })
    }
}

/// Puts the secret on every call.
#[derive(Clone)]
pub(super) struct Bearer(MetadataValue<Ascii>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}

/// A connection to a core.
pub(super) type Client = StartedServiceClient<InterceptedService<Channel, Bearer>>;

/// What to tell the operator about a failed call.
pub(super) fn explain(status: &Status) -> CoreError {
    match status.code() {
        Code::Unauthenticated | Code::PermissionDenied => {
            CoreError::Config("the core refuses the secret of its api service".into())
        }
        Code::NotFound | Code::InvalidArgument => CoreError::Config(status.message().to_owned()),
        Code::Unimplemented => {
            CoreError::Config("the core has no connection events; sing-box 1.14 or later has".into())
        }
        _ => CoreError::Unreachable(status.message().to_owned()),
    }
}

/// One connection for calls, and the places where the core may be.
pub(super) struct Api {
    /// The first is tried first. There are two while a new configuration moves the service: the core answers at the
    /// old place until it has loaded the new one.
    targets: Mutex<Vec<Target>>,
    client: Mutex<Option<Client>>,
}

impl Api {
    pub(super) fn new(target: Target) -> Self {
        Self { targets: Mutex::new(vec![target]), client: Mutex::new(None) }
    }

    /// The core will answer here once it has loaded its new configuration.
    pub(super) fn expect(&self, target: Target) {
        let mut targets = lock(&self.targets);
        targets.retain(|other| *other != target);
        targets.insert(0, target);
        targets.truncate(2);
    }

    /// Opens a connection of its own, for streams.
    ///
    /// # Errors
    /// [`CoreError::Unreachable`] when the core answers at none of its places.
    pub(super) async fn connect(&self) -> Result<Client, CoreError> {
        let targets = lock(&self.targets).clone();
        let mut last = CoreError::Unreachable("its address is not known".into());
        for target in targets {
            match dial(&target).await {
                Ok(client) => return Ok(client),
                Err(why) => last = why,
            }
        }
        Err(last)
    }

    async fn call<T, F>(&self, ask: impl Fn(Client) -> F) -> Result<T, CoreError>
    where
        F: Future<Output = Result<T, Status>>,
    {
        let kept = lock(&self.client).clone();
        if let Some(client) = kept {
            match timeout(ANSWER, ask(client)).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(status)) => match explain(&status) {
                    // The connection may be one to a core that is gone; every call here may be repeated.
                    CoreError::Unreachable(_) => {}
                    other => return Err(other),
                },
                Err(_) => return Err(CoreError::Unreachable("no answer within 10 seconds".into())),
            }
            *lock(&self.client) = None;
        }
        let client = self.connect().await?;
        let answer = timeout(ANSWER, ask(client.clone())).await;
        let answer = answer.map_err(|_| CoreError::Unreachable("no answer within 10 seconds".into()))?;
        let answer = answer.map_err(|status| explain(&status))?;
        *lock(&self.client) = Some(client);
        Ok(answer)
    }

    /// The core's start in unix milliseconds.
    pub(super) async fn started_at(&self) -> Result<i64, CoreError> {
        self.call(|mut client| async move { Ok(client.get_started_at(()).await?.into_inner().started_at) }).await
    }

    /// Switches a selector.
    pub(super) async fn select(&self, group: &str, outbound: &str) -> Result<(), CoreError> {
        self.call(|mut client| async move {
            let request =
                daemon::SelectOutboundRequest { group_tag: group.to_owned(), outbound_tag: outbound.to_owned() };
            client.select_outbound(request).await.map(drop)
        })
        .await
    }

    /// Ends a connection; one that has ended already is no error.
    pub(super) async fn close(&self, id: &str) -> Result<(), CoreError> {
        self.call(|mut client| async move {
            client.close_connection(daemon::CloseConnectionRequest { id: id.to_owned() }).await.map(drop)
        })
        .await
    }

    /// Ends every connection.
    pub(super) async fn close_all(&self) -> Result<(), CoreError> {
        self.call(|mut client| async move { client.close_all_connections(()).await.map(drop) }).await
    }

    /// Every selector and group of the running core.
    pub(super) async fn groups(&self) -> Result<Vec<daemon::Group>, CoreError> {
        self.call(|client| async move { groups(client).await }).await
    }
}

/// Every selector and group of the core at the other end of `client`.
pub(super) async fn groups(mut client: Client) -> Result<Vec<daemon::Group>, Status> {
    let mut stream = client.subscribe_groups(()).await?.into_inner();
    let first = stream.message().await?;
    first.map(|groups| groups.group).ok_or_else(|| Status::unavailable("the core ended the list of its groups"))
}

async fn dial(target: &Target) -> Result<Client, CoreError> {
    let unreachable = |why: &dyn fmt::Display| CoreError::Unreachable(format!("{}: {why}", target.address));
    let mut bearer: MetadataValue<Ascii> = format!("Bearer {}", target.secret)
        .parse()
        .map_err(|_| CoreError::Config("the secret of the api service must be visible ASCII".into()))?;
    bearer.set_sensitive(true);
    let endpoint = Endpoint::from_shared(format!("http://{}", target.address)).map_err(|why| unreachable(&why))?;
    let endpoint =
        endpoint.connect_timeout(CONNECT).initial_stream_window_size(WINDOW).initial_connection_window_size(WINDOW * 2);
    let channel = endpoint.connect().await.map_err(|why| unreachable(&root(&why)))?;
    Ok(StartedServiceClient::with_interceptor(channel, Bearer(bearer)).max_decoding_message_size(LARGEST))
}

/// "transport error" alone helps nobody; the innermost cause says "connection refused".
fn root<'a>(why: &'a (dyn std::error::Error + 'static)) -> &'a (dyn std::error::Error + 'static) {
    let mut inner = why;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner
}
