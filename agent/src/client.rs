//! HTTP to the panel: JSON out, JSON in, and what a refusal or a failure is.

use core::fmt;
use core::time::Duration;
use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, DATE, RETRY_AFTER, USER_AGENT};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use rustls::ClientConfig;
use serde::Serialize;
use serde::de::DeserializeOwned;
use weir_wire::Second;
use weir_wire::refusal::Refusal;
use weir_wire::sync::MAX_LIGHT;

use crate::VERSION;
use crate::civil::http_date;
use crate::egress::{Dial, Egress};
use crate::panel_url::PanelUrl;

/// A request and its whole answer take at most this long.
const LIMIT: Duration = Duration::from_secs(30);
/// The largest answer: a page of 500 slots takes 80 kB.
const MOST_ANSWER: usize = 1 << 20;

/// Why a request brought no answer of the kind that was asked for.
#[derive(Debug)]
pub(crate) enum Failed {
    /// The panel says no, and what to do.
    Refused {
        /// Its words.
        refusal: Refusal,
        /// Its clock, if it said so.
        date: Option<Second>,
    },
    /// Somebody asks to wait so many seconds.
    Wait(u32),
    /// There was no answer, or none of a Weir panel.
    Unreachable(String),
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { refusal, .. } => write!(f, "the panel refused: {}", refusal.message),
            Self::Wait(seconds) => write!(f, "the panel asks to wait {seconds} s"),
            Self::Unreachable(why) => write!(f, "the panel cannot be reached: {why}"),
        }
    }
}

/// A client of one panel.
#[derive(Clone)]
pub(crate) struct PanelClient {
    http: Client<HttpsConnector<Dial>, Full<Bytes>>,
    panel: PanelUrl,
}

impl PanelClient {
    /// A client of the panel that this egress leads to.
    pub(crate) fn new(panel: PanelUrl, egress: &Egress) -> Self {
        let tls = ClientConfig::clone(&egress.tls);
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1();
        let connector = connector.wrap_connector(egress.dial.clone());
        Self { http: Client::builder(TokioExecutor::new()).build(connector), panel }
    }

    /// Posts `body` and reads the answer. `bearer` is the whole `Authorization` header.
    ///
    /// # Errors
    /// See [`Failed`].
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        bearer: Option<&str>,
        body: &impl Serialize,
    ) -> Result<T, Failed> {
        match tokio::time::timeout(LIMIT, self.exchange(path, bearer, body)).await {
            Ok(answer) => answer,
            Err(_) => Err(Failed::Unreachable(format!("no answer within {} s", LIMIT.as_secs()))),
        }
    }

    async fn exchange<T: DeserializeOwned>(
        &self,
        path: &str,
        bearer: Option<&str>,
        body: &impl Serialize,
    ) -> Result<T, Failed> {
        let unreachable = |why: String| Failed::Unreachable(why);
        let body = serde_json::to_vec(body).map_err(|why| unreachable(why.to_string()))?;
        let request = self.request(path, bearer, body).map_err(unreachable)?;
        let answer = self.http.request(request).await.map_err(|why| unreachable(reasons(&why)))?;
        let status = answer.status();
        let header = |name| answer.headers().get(name).and_then(|value| value.to_str().ok());
        let wait = header(RETRY_AFTER).and_then(|seconds| seconds.parse().ok());
        let date = header(DATE).and_then(http_date);
        let body = Limited::new(answer.into_body(), MOST_ANSWER).collect().await;
        let body = body.map_err(|why| unreachable(why.to_string()))?.to_bytes();
        if status == StatusCode::OK {
            return serde_json::from_slice(&body).map_err(|why| unreachable(format!("an answer that is none: {why}")));
        }
        // Only a refusal in our own form is a panel's: a proxy in between has its own idea of 401 or 413.
        match (serde_json::from_slice(&body), wait) {
            (_, Some(seconds)) => Err(Failed::Wait(seconds)),
            (Ok(refusal), None) => Err(Failed::Refused { refusal, date }),
            (Err(_), None) => Err(unreachable(format!("HTTP {status}"))),
        }
    }

    fn request(&self, path: &str, bearer: Option<&str>, body: Vec<u8>) -> Result<Request<Full<Bytes>>, String> {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(self.panel.join(path))
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, format!("weir-agent/{VERSION}"));
        if let Some(bearer) = bearer {
            request = request.header(AUTHORIZATION, bearer);
        }
        let body = if body.len() <= MAX_LIGHT {
            body
        } else {
            request = request.header(CONTENT_ENCODING, "gzip");
            packed(&body).map_err(|why| why.to_string())?
        };
        request.body(Full::new(Bytes::from(body))).map_err(|why| why.to_string())
    }
}

fn packed(body: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut packer = GzEncoder::new(Vec::with_capacity(body.len() / 3), Compression::fast());
    packer.write_all(body)?;
    packer.finish()
}

/// An error with everything that caused it: hyper's own text stops at "client error".
pub(crate) fn reasons(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
