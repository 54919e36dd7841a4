//! Trojan: `trojan://password@host:port?..#name`; a link that names no security means TLS.

use super::{Endpoint, Protocol, Stream};
use crate::domain::link::{Params, Reason, Url, decoded};
use crate::domain::percent::encode;

/// Trojan with one user's credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trojan {
    /// The user's password.
    pub password: String,
    /// What it runs over.
    pub stream: Stream,
}

impl Trojan {
    pub(super) fn read(text: &str) -> Result<Endpoint, Reason> {
        let mut url = Url::parse(text)?;
        let port = url.port_or(Some(443))?;
        if url.user.is_empty() {
            return Err(Reason::PasswordMissing);
        }
        let trojan = Self { password: decoded(&url.user), stream: Stream::read(&mut url.params, "tls")? };
        Ok(url.endpoint(port, Protocol::Trojan(trojan)))
    }

    pub(super) fn write(&self, endpoint: &Endpoint) -> String {
        let mut params = Params::default();
        self.stream.write(&mut params);
        Url::write("trojan", &encode(&self.password), endpoint, "", params)
    }
}
