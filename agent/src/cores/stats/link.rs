//! One HTTP/2 connection for gRPC calls, in plain text on loopback.

use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;
use std::net::SocketAddr;

use http::Uri;
use http::uri::PathAndQuery;
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tonic::body::Body;
use tonic::client::Grpc;
use tonic::codegen::Service;
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

use crate::cores::CoreError;

/// A core on loopback answers in milliseconds; ten seconds is a core that hangs.
const ANSWER: Duration = Duration::from_secs(10);
const CONNECT: Duration = Duration::from_secs(2);
/// The counters of 10,000 users are 1.2 MB, of a million 120 MB.
const LARGEST: usize = 256 << 20;
const WINDOW: u32 = 4 << 20;

/// A connection that is not made anew when it breaks: a caller would not notice that another process answers.
#[derive(Clone)]
pub(crate) struct Link {
    sender: SendRequest<Body>,
    origin: Uri,
}

impl Service<http::Request<Body>> for Link {
    type Response = http::Response<Incoming>;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.sender.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(self.sender.send_request(request))
    }
}

/// Why a call brought nothing.
#[derive(Debug)]
pub(crate) struct CallFailed(Status);

impl CallFailed {
    /// The core answers, and has no such method.
    #[must_use]
    pub(crate) fn is_unknown_method(&self) -> bool {
        self.0.code() == Code::Unimplemented
    }

    /// The core itself said no, so the connection is whole: V2Ray and Xray say all of their own errors by this code.
    #[must_use]
    pub(crate) fn is_answer(&self) -> bool {
        self.0.code() == Code::Unknown && !self.0.message().is_empty() && std::error::Error::source(&self.0).is_none()
    }

    /// What it said.
    #[must_use]
    pub(crate) fn message(&self) -> &str {
        self.0.message()
    }
}

impl From<CallFailed> for CoreError {
    fn from(failed: CallFailed) -> Self {
        let said = failed.message().to_owned();
        match failed.0.code() {
            Code::Unimplemented => Self::Config(format!("the core's api lacks a service: {said}")),
            _ if failed.is_answer() => Self::Config(said),
            _ => Self::Unreachable(said),
        }
    }
}

impl Link {
    /// Connects.
    ///
    /// # Errors
    /// [`CoreError::Unreachable`] when nothing that speaks HTTP/2 answers there.
    pub(crate) async fn open(address: SocketAddr) -> Result<Self, CoreError> {
        let failed = |why: &dyn fmt::Display| CoreError::Unreachable(format!("{address}: {why}"));
        let opened = timeout(CONNECT, async {
            let stream = TcpStream::connect(address).await.map_err(|why| failed(&why))?;
            // Without it the last bytes of a call wait for the acknowledgement of those before.
            stream.set_nodelay(true).map_err(|why| failed(&why))?;
            let mut builder = Builder::new(TokioExecutor::new());
            builder.initial_stream_window_size(WINDOW).initial_connection_window_size(WINDOW);
            builder.handshake(TokioIo::new(stream)).await.map_err(|why| failed(&why))
        });
        let (sender, connection) = opened.await.map_err(|_| failed(&"no answer within 2 seconds"))??;
        // Ends with the last sender, or with the connection; either is seen by whoever calls next.
        tokio::spawn(async move { drop(connection.await) });
        let origin = Uri::try_from(format!("http://{address}")).map_err(|why| failed(&why))?;
        Ok(Self { sender, origin })
    }

    /// Calls a method by its full path.
    ///
    /// # Errors
    /// What the core or the connection said.
    pub(crate) async fn call<Q, A>(&self, path: String, request: Q) -> Result<A, CallFailed>
    where
        Q: prost::Message + Send + Sync + 'static,
        A: prost::Message + Default + Send + Sync + 'static,
    {
        let path = PathAndQuery::try_from(path).map_err(|why| CallFailed(Status::internal(why.to_string())))?;
        let mut grpc = Grpc::with_origin(self.clone(), self.origin.clone()).max_decoding_message_size(LARGEST);
        let calling = async {
            grpc.ready().await.map_err(|why| Status::unavailable(why.to_string()))?;
            grpc.unary(Request::new(request), path, ProstCodec::<Q, A>::default()).await
        };
        match timeout(ANSWER, calling).await {
            Ok(Ok(answer)) => Ok(answer.into_inner()),
            Ok(Err(status)) => Err(CallFailed(status)),
            Err(_) => Err(CallFailed(Status::deadline_exceeded("no answer within 10 seconds"))),
        }
    }
}
