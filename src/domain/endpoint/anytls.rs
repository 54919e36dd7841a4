//! `AnyTLS`: `anytls://auth@host:port/?sni=..&insecure=..#name`.

use super::tls::PLAIN;
use super::{Endpoint, Protocol, Tls};
use crate::domain::link::{Params, Reason, Url, decoded};
use crate::domain::percent::encode;

/// `AnyTLS` with one user's credentials.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Anytls {
    /// The user's password.
    pub password: String,
    /// Its certificate.
    pub tls: Tls,
}

impl Anytls {
    pub(super) fn read(text: &str) -> Result<Endpoint, Reason> {
        let mut url = Url::parse(text)?;
        let port = url.port_or(Some(443))?;
        if url.user.is_empty() {
            return Err(Reason::PasswordMissing);
        }
        let anytls = Self { password: decoded(&url.user), tls: Tls::read(&mut url.params) };
        Ok(url.endpoint(port, Protocol::Anytls(anytls)))
    }

    pub(super) fn write(&self, endpoint: &Endpoint) -> String {
        let mut params = Params::default();
        self.tls.write(&mut params, &PLAIN);
        Url::write("anytls", &encode(&self.password), endpoint, "/", params)
    }
}
