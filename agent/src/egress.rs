//! The way to the panel: directly or through a proxy, and whose certificate is believed.

mod pin;
mod proxy;

use core::pin::Pin as Pinned;
use core::task::{Context, Poll};
use std::sync::Arc;

use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tower_service::Service;

pub(crate) use pin::Pin;
pub(crate) use proxy::Proxy;

use crate::config::Config;
use crate::panel_url::PanelUrl;

/// An error of any layer below HTTP.
type Failed = Box<dyn core::error::Error + Send + Sync>;

/// How the panel is reached: what opens the connection, and what secures it.
#[derive(Clone)]
pub(crate) struct Egress {
    /// Opens connections.
    pub(crate) dial: Dial,
    /// Secures them.
    pub(crate) tls: Arc<ClientConfig>,
}

impl Egress {
    /// The way that settings and environment tell.
    ///
    /// # Errors
    /// The host has no readable store of trusted certificates, and the panel is not on loopback; or a variable such as
    /// `HTTPS_PROXY` holds no proxy that can be used.
    pub(crate) fn new(config: &Config, panel: &PanelUrl) -> Result<Self, String> {
        // Plain HTTP is for loopback, and no proxy leads there.
        let proxy = match &config.proxy {
            _ if panel.is_plain() => None,
            Some(proxy) => Some(proxy.clone()),
            None => Proxy::of_environment(&panel.join(""))?,
        };
        Ok(Self { dial: Dial::new(proxy), tls: Arc::new(tls(panel, &config.pins)?) })
    }
}

fn tls(panel: &PanelUrl, pins: &[Pin]) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    // On loopback over plain HTTP no certificate is ever looked at.
    if roots.is_empty() && !panel.is_plain() {
        let why = found.errors.first().map_or_else(|| "there are none".to_owned(), ToString::to_string);
        return Err(format!("the host's trusted certificates cannot be read: {why}"));
    }
    let builder = ClientConfig::builder();
    if pins.is_empty() {
        return Ok(builder.with_root_certificates(roots).with_no_client_auth());
    }
    let verifier = pin::Verifier::new(roots, pins).map_err(|error| format!("pins: {error}"))?;
    Ok(builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth())
}

/// Opens TCP connections to the panel, through the proxy if there is one.
#[derive(Clone)]
pub(crate) struct Dial {
    direct: HttpConnector,
    tunnel: Option<Tunnel<HttpConnector>>,
}

impl Dial {
    fn new(proxy: Option<Proxy>) -> Self {
        let mut direct = HttpConnector::new();
        direct.enforce_http(false);
        direct.set_nodelay(true);
        let tunnel = proxy.map(|proxy| proxy.tunnel(direct.clone()));
        Self { direct, tunnel }
    }
}

impl Service<Uri> for Dial {
    type Response = TokioIo<TcpStream>;
    type Error = Failed;
    type Future = Pinned<Box<dyn Future<Output = Result<Self::Response, Failed>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        self.direct.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, panel: Uri) -> Self::Future {
        let Some(tunnel) = &mut self.tunnel else {
            let opened = self.direct.call(panel);
            return Box::pin(async { opened.await.map_err(Into::into) });
        };
        let opened = tunnel.call(panel);
        Box::pin(async { opened.await.map_err(|error| format!("through the proxy: {error}").into()) })
    }
}
