//! SOCKS 5: `socks://base64(name:password)@host:port#name`, or `socks5://name:password@..`. The first is written: clients
//! read it alike, while some send the other one's password as it is encoded.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{Endpoint, Protocol};
use crate::domain::link::{Params, Reason, Url, decoded, lenient_text};
use crate::domain::percent::encode;

/// A name and a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// Never empty.
    pub username: String,
    /// May be empty.
    pub password: String,
}

impl Login {
    /// The login of a URL.
    pub(super) fn of(url: &Url) -> Result<Self, Reason> {
        let (username, password) = url.login();
        if username.is_empty() { Err(Reason::UsernameMissing) } else { Ok(Self { username, password }) }
    }
}

/// SOCKS 5.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Socks {
    /// None: the proxy asks for none.
    pub login: Option<Login>,
}

impl Socks {
    pub(super) fn read(text: &str) -> Result<Endpoint, Reason> {
        let url = Url::parse(text)?;
        let port = url.port_or(Some(1080))?;
        let from_base64 = || {
            let plain = lenient_text(&decoded(&url.user))?;
            let (username, password) = plain.split_once(':')?;
            (!username.is_empty()).then(|| Login { username: username.to_owned(), password: password.to_owned() })
        };
        let login = match from_base64() {
            _ if url.user.is_empty() => None,
            Some(login) if !url.user.contains(':') => Some(login),
            _ => Some(Login::of(&url)?),
        };
        Ok(url.endpoint(port, Protocol::Socks(Self { login })))
    }

    pub(super) fn write(&self, endpoint: &Endpoint) -> String {
        let (scheme, user) = match &self.login {
            None => ("socks", String::new()),
            // Behind base64 nobody could tell where such a name ends.
            Some(Login { username, password }) if username.contains(':') => {
                ("socks5", format!("{}:{}", encode(username), encode(password)))
            }
            Some(Login { username, password }) => ("socks", URL_SAFE_NO_PAD.encode(format!("{username}:{password}"))),
        };
        Url::write(scheme, &user, endpoint, "", Params::default())
    }
}
