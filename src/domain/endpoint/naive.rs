//! Naive: `naive+https://name:password@host:port?..#name`, or `naive+quic://`.

use super::tls::PLAIN;
use super::{Endpoint, Login, Protocol, Tls};
use crate::domain::link::{Params, Reason, Url};
use crate::domain::percent::encode;

/// Naive with one user's credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Naive {
    /// The user.
    pub login: Login,
    /// Over QUIC instead of TCP.
    pub quic: bool,
    /// Its certificate, which naive always checks.
    pub tls: Tls,
}

impl Naive {
    pub(super) fn read(text: &str, quic: bool) -> Result<Endpoint, Reason> {
        let mut url = Url::parse(text)?;
        let port = url.port_or(Some(443))?;
        let naive = Self { login: Login::of(&url)?, quic, tls: Tls::read(&mut url.params) };
        Ok(url.endpoint(port, Protocol::Naive(naive)))
    }

    pub(super) fn write(&self, endpoint: &Endpoint) -> String {
        let mut params = Params::default();
        self.tls.write(&mut params, &PLAIN);
        let scheme = if self.quic { "naive+quic" } else { "naive+https" };
        let Login { username, password } = &self.login;
        Url::write(scheme, &format!("{}:{}", encode(username), encode(password)), endpoint, "", params)
    }
}
