//! Hysteria 2 by way of a rendezvous server: `hysteria2+realm://token@host/realm?auth=..`.

use super::tls::PLAIN;
use super::{Endpoint, Protocol, Tls};
use crate::domain::link::{Params, Reason, Url, decoded};
use crate::domain::percent::encode;

/// A server that is found under a name, with one user's credentials. The endpoint's host is the rendezvous server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Realm {
    /// What the rendezvous server wants.
    pub token: String,
    /// The name that the server goes by there.
    pub realm: String,
    /// What authenticates the user at the server.
    pub auth: String,
    /// The server's certificate.
    pub tls: Tls,
}

impl Realm {
    pub(super) fn read(text: &str) -> Result<Endpoint, Reason> {
        let mut url = Url::parse(text)?;
        let port = url.port_or(Some(443))?;
        if url.path.is_empty() {
            return Err(Reason::RealmMissing);
        }
        let params = &mut url.params;
        let realm = Self {
            token: decoded(&url.user),
            realm: decoded(&url.path),
            auth: params.take(&["auth"]).unwrap_or_default(),
            tls: Tls::read(params),
        };
        Ok(url.endpoint(port, Protocol::Realm(realm)))
    }

    pub(super) fn write(&self, endpoint: &Endpoint) -> String {
        let mut params = Params::default();
        params.some("auth", Some(self.auth.as_str()).filter(|auth| !auth.is_empty()));
        self.tls.write(&mut params, &PLAIN);
        let path = format!("/{}", encode(&self.realm));
        Url::write("hysteria2+realm", &encode(&self.token), endpoint, &path, params)
    }
}
