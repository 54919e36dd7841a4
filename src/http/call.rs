//! What a handler gets beside the request: the environment for the length of one call.

use core::cell::OnceCell;

use sha2::{Digest as _, Sha256};
use weir_wire::Second;
use worker::{Env, Request};

use super::failure::Failure;
use crate::store::d1::Db;
use crate::{clock, random};

/// One call: its bindings, its instant, its database.
pub(crate) struct Call {
    /// Bindings and secrets.
    pub(crate) env: Env,
    /// The database, which counts what this call costs.
    pub(crate) db: Db,
    /// The instant of this call.
    pub(crate) now: Second,
    id: OnceCell<String>,
}

impl Call {
    /// Opens the database and reads the clock.
    pub(crate) fn new(env: Env) -> Result<Self, Failure> {
        let db = Db::new(env.d1("DB").map_err(|_| Failure::Unconfigured("the database binding DB"))?);
        Ok(Self { env, db, now: clock::now(), id: OnceCell::new() })
    }

    /// What the log of the Worker, the audit log and the answer name this call by; drawn when it is first asked for.
    pub(crate) fn id(&self) -> Result<&str, Failure> {
        if let Some(id) = self.drawn_id() {
            return Ok(id);
        }
        let id = hex::encode(random::bytes::<8>()?);
        Ok(self.id.get_or_init(|| id))
    }

    /// The same, if anything is named by it.
    pub(crate) fn drawn_id(&self) -> Option<&str> {
        self.id.get().map(String::as_str)
    }

    /// A secret's bytes; an unset or short one fails closed.
    pub(crate) fn secret(&self, name: &'static str) -> Result<Vec<u8>, Failure> {
        let secret = self.env.secret(name).map_err(|_| Failure::Unconfigured(name))?.to_string();
        if secret.len() < 32 { Err(Failure::Unconfigured(name)) } else { Ok(secret.into_bytes()) }
    }
}

/// The token of an `Authorization: Bearer` header.
pub(crate) fn bearer(request: &Request) -> Result<Option<String>, Failure> {
    let header = request.headers().get("authorization")?;
    Ok(header.and_then(|header| {
        let (scheme, token) = header.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
    }))
}

/// SHA-256 in hex: how tokens are stored and looked up.
pub(crate) fn sha256_hex(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}
