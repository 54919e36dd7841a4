//! An HTTP proxy: `http://name:password@host:port#name`, or `https://` with TLS. Without a login such a link is a web
//! address, and nobody can tell it from a proxy.

use super::tls::PLAIN;
use super::{Endpoint, Login, Protocol, Tls};
use crate::domain::link::{Params, Reason, Url};
use crate::domain::percent::encode;

/// An HTTP proxy with one user's credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http {
    /// The user.
    pub login: Login,
    /// TLS, if the proxy has it.
    pub tls: Option<Tls>,
}

impl Http {
    pub(super) fn read(text: &str, tls: bool) -> Result<Endpoint, Reason> {
        let mut url = Url::parse(text)?;
        if url.user.is_empty() {
            return Err(Reason::NotAProxy);
        }
        let port = url.port_or(Some(if tls { 443 } else { 80 }))?;
        let http = Self { login: Login::of(&url)?, tls: tls.then(|| Tls::read(&mut url.params)) };
        Ok(url.endpoint(port, Protocol::Http(http)))
    }

    pub(super) fn write(&self, endpoint: &Endpoint) -> String {
        let mut params = Params::default();
        if let Some(tls) = &self.tls {
            tls.write(&mut params, &PLAIN);
        }
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let Login { username, password } = &self.login;
        Url::write(scheme, &format!("{}:{}", encode(username), encode(password)), endpoint, "", params)
    }
}
