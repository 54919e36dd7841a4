//! nginx with its module vts: a user is a key of the operator's own making, counted by the module, and let in by a map that
//! the agent writes.
//!
//! The module adds a request up when it ends, and a reload lets running requests go on: so both counting and cutting are about
//! new requests, and the operator is told so.

mod gates;
mod status;
#[cfg(test)]
mod tests;

use core::time::Duration;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use http::Request;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch as latest};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use weir_wire::SlotName;
use weir_wire::sync::Inbound;

use super::silence::Silence;
use super::{Boxed, ConfiguredSlot, Core, CoreError, CoreEvent, Fallen, Reload, Traits, Written, command};
use crate::lock::lock;
use gates::{BATCH, Loaded, Users};
use status::Document;

/// Where the module shows its figures.
const PATH: &str = "/status/format/json";
/// Nothing is lost between two readings, and no reading is newer than the last request that ended.
const READ_EVERY: Duration = Duration::from_secs(1);
const ANSWER: Duration = Duration::from_secs(10);
const RETRY: Duration = Duration::from_secs(1);
/// 100,000 users are 40 MB.
const LARGEST: usize = 256 << 20;
/// nginx has no start that the agent could tell from another: a reload keeps its counters, and a restart may put them back to
/// those of its last dump. So there is one incarnation, and what fell is where the next difference begins.
const INCARNATION: i64 = 1;

/// What the operator must know.
pub(crate) const LIMITS: [&str; 5] = [
    "A request is counted when it ends: a download or WebSocket that runs for hours shows its bytes after hours, and can pass a \
     limit until then.",
    "Of a WebSocket, what its client sends is not counted: the module sees the request's head alone.",
    "A user who is cut cannot make new requests; running ones go on until they end.",
    "After a kill -9 or a restart nginx may go back to its last dump: what was moved since is counted by nobody.",
    "Limits of speed, devices and streams are not enforced.",
];

/// How to read and steer an nginx on this host.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The map of users that nginx includes; written by the agent alone.
    pub(crate) output: PathBuf,
    /// Port on 127.0.0.1 where `/status` is.
    pub(crate) port: u16,
    /// Makes nginx read its files again, gracefully: `["systemctl", "reload", "nginx"]`.
    pub(crate) reload: Vec<String>,
    /// Starts nginx, and does nothing when it runs.
    pub(crate) start: Vec<String>,
    /// How long nginx may take to answer after its start.
    pub(crate) start_limit: Duration,
}

struct Inner {
    settings: Settings,
    tick: latest::Sender<Duration>,
    users: Mutex<Users>,
    /// Held while the map is being written, and while nginx is made to read it.
    loaded: tokio::sync::Mutex<Loaded>,
}

/// An nginx on this host.
#[derive(Clone)]
pub(crate) struct Nginx(Arc<Inner>);

impl Inner {
    async fn read(&self) -> Result<Document, CoreError> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.settings.port));
        let failed = |why: &dyn core::fmt::Display| CoreError::Unreachable(format!("http://{address}{PATH}: {why}"));
        let asking = async {
            let stream = TcpStream::connect(address).await.map_err(|why| failed(&why))?;
            let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|why| failed(&why))?;
            tokio::spawn(async move { drop(connection.await) });
            let request = Request::get(PATH).header("host", address.to_string()).body(Empty::<Bytes>::new());
            let answer = sender.send_request(request.map_err(|why| failed(&why))?).await.map_err(|why| failed(&why))?;
            if !answer.status().is_success() {
                return Err(failed(&answer.status()));
            }
            let body = Limited::new(answer.into_body(), LARGEST).collect().await.map_err(|why| failed(&why))?;
            Document::read(&body.to_bytes()).map_err(|why| failed(&why))
        };
        timeout(ANSWER, asking).await.map_err(|_| failed(&"no answer within 10 seconds"))?
    }

    async fn reload(&self, slots: &[ConfiguredSlot]) -> Result<Reload, CoreError> {
        self.write_of(slots).await?;
        command::run(&self.settings.start, None, None).await.map_err(CoreError::NotTaken)?;
        let until = Instant::now() + self.settings.start_limit;
        loop {
            match self.read().await {
                Ok(_) => return Ok(Reload { incarnation: INCARNATION, cut: 0 }),
                Err(why) if Instant::now() >= until => return Err(CoreError::NotTaken(why.to_string())),
                Err(_) => sleep(BATCH).await,
            }
        }
    }

    async fn watch(&self, events: &mpsc::UnboundedSender<CoreEvent>) {
        let mut ticks = self.tick.subscribe();
        let mut up = false;
        let mut silence = Silence::default();
        loop {
            let read = Instant::now();
            match self.read().await {
                Ok(document) => {
                    let version = document.version();
                    let begun = up || events.send(CoreEvent::Up { incarnation: INCARNATION, version }).is_ok();
                    let counters = CoreEvent::Counters { users: document.users(), fallen: Fallen::Earlier };
                    if !begun || events.send(counters).is_err() {
                        return;
                    }
                    up = true;
                    silence.end();
                    let tick = *ticks.borrow_and_update();
                    tokio::select! {
                        () = events.closed() => return,
                        () = sleep_until(read + tick) => {}
                        Ok(()) = ticks.changed() => {}
                    }
                }
                Err(why) => {
                    up = false;
                    if !silence.tell(why, events) {
                        return;
                    }
                    tokio::select! {
                        () = events.closed() => return,
                        () = sleep(RETRY) => {}
                    }
                }
            }
        }
    }
}

impl Nginx {
    /// Does not touch nginx.
    pub(crate) fn new(settings: Settings) -> Self {
        Self(Arc::new(Inner {
            settings,
            tick: latest::Sender::new(READ_EVERY),
            users: Mutex::default(),
            loaded: tokio::sync::Mutex::default(),
        }))
    }

    /// Of nginx and of its module.
    ///
    /// # Errors
    /// [`CoreError::Unreachable`] when the module does not show its figures.
    pub(crate) async fn version(&self) -> Result<String, CoreError> {
        self.0.read().await.map(|document| document.version())
    }
}

impl Core for Nginx {
    fn kind(&self) -> &'static str {
        "nginx"
    }

    fn traits(&self) -> Traits {
        let (kind, limits) = (self.kind(), LIMITS.to_vec());
        Traits { kind, users_live: true, counters_outlive: true, read_every: READ_EVERY, limits }
    }

    fn watch(&self, events: mpsc::UnboundedSender<CoreEvent>) -> Boxed<'_, ()> {
        Box::pin(async move { self.0.watch(&events).await })
    }

    fn set_tick(&self, tick: Duration) {
        self.0.tick.send_if_modified(|held| core::mem::replace(held, tick) != tick);
    }

    fn set_gate<'a>(&'a self, slot: &'a SlotName, open: bool) -> Boxed<'a, Result<(), CoreError>> {
        Box::pin(self.0.set_gate(slot, open))
    }

    fn close<'a>(&'a self, _id: &'a str) -> Boxed<'a, Result<(), CoreError>> {
        // It tells no connections, so there is none to name.
        Box::pin(core::future::ready(Ok(())))
    }

    fn write<'a>(&'a self, slots: &'a [ConfiguredSlot], _forget: bool) -> Boxed<'a, Result<Written, CoreError>> {
        Box::pin(async move { self.0.write_of(slots).await.map(|()| Written::Whole) })
    }

    fn reload<'a>(&'a self, slots: &'a [ConfiguredSlot], _kept: Boxed<'a, ()>) -> Boxed<'a, Result<Reload, CoreError>> {
        // Its counters survive a reload, so nothing has to be kept before.
        Box::pin(self.0.reload(slots))
    }

    fn gates(&self) -> Boxed<'_, Result<Vec<(SlotName, bool)>, CoreError>> {
        let gates = lock(&self.0.users).gates.iter().map(|(slot, open)| (slot.clone(), *open)).collect();
        Box::pin(core::future::ready(Ok(gates)))
    }

    fn bring<'a>(&'a self, slots: &'a [ConfiguredSlot]) -> Boxed<'a, Result<Vec<(SlotName, bool)>, CoreError>> {
        Box::pin(self.0.bring(slots))
    }

    fn inbounds(&self) -> Result<Vec<Inbound>, CoreError> {
        // What is behind nginx is the operator's own making; it has no protocol that the panel could write links for.
        Ok(Vec::new())
    }

    fn bypasses(&self) -> Vec<String> {
        Vec::new()
    }

    fn by_header(&self) -> Vec<String> {
        Vec::new()
    }
}
