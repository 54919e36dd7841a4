//! A share link of the URL form, taken apart and put together.

use super::{Params, Reason, decoded};
use crate::domain::endpoint::{Endpoint, Host, Protocol};
use crate::domain::percent::encode;

/// Longest name that is kept, in characters.
pub const NAME: usize = 128;

/// A link in its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// What stands before the `@`, still encoded; empty without one.
    pub user: String,
    /// Where to connect.
    pub host: Host,
    /// What stands behind the host's colon.
    pub port: Option<String>,
    /// What stands between the port and the parameters, without slashes at its ends.
    pub path: String,
    /// The parameters.
    pub params: Params,
    /// The name, decoded and without control characters.
    pub name: String,
}

impl Url {
    /// Takes apart what follows `scheme://`.
    ///
    /// # Errors
    /// The host is missing or wrong.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        let (text, name) = text.split_once('#').unwrap_or((text, ""));
        let (text, query) = text.split_once('?').unwrap_or((text, ""));
        // A password in standard base64 may hold a slash, so the host is looked for first.
        let (user, place) = text.rsplit_once('@').unwrap_or(("", text));
        let (place, path) = place.split_once('/').unwrap_or((place, ""));
        let (host, port) = host_and_port(place)?;
        Ok(Self {
            user: user.to_owned(),
            host,
            port: port.map(str::to_owned),
            path: path.trim_matches('/').to_owned(),
            params: Params::parse(query),
            name: clean_name(&decoded(name)),
        })
    }

    /// The port, or the protocol's usual one.
    ///
    /// # Errors
    /// It is no number from 1 to 65535, or there is none.
    pub fn port_or(&self, usual: Option<u16>) -> Result<u16, Reason> {
        match &self.port {
            Some(text) => port_number(text),
            None => usual.ok_or(Reason::PortMissing),
        }
    }

    /// User name and password; without a colon there is only the first.
    #[must_use]
    pub fn login(&self) -> (String, String) {
        let (name, password) = self.user.split_once(':').unwrap_or((&self.user, ""));
        (decoded(name), decoded(password))
    }

    /// The endpoint of what was read; the parameters that are left are kept as unknown.
    #[must_use]
    pub fn endpoint(self, port: u16, protocol: Protocol) -> Endpoint {
        Endpoint { name: self.name, server: self.host, port, protocol, unknown: self.params.rest() }
    }

    /// Writes a link of `endpoint`. `user` is encoded already; `params` come before what is unknown.
    #[must_use]
    pub fn write(scheme: &str, user: &str, endpoint: &Endpoint, path: &str, mut params: Params) -> String {
        for (name, value) in &endpoint.unknown {
            params.add(name, value.as_str());
        }
        let at = if user.is_empty() { "" } else { "@" };
        let (host, port) = (endpoint.server.in_url(), endpoint.port);
        format!("{scheme}://{user}{at}{host}:{port}{path}{}#{}", params.query(), encode(&endpoint.name))
    }
}

/// A port from 1.
///
/// # Errors
/// It is no number, or not from 1 to 65535.
pub fn port_number(text: &str) -> Result<u16, Reason> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Reason::PortInvalid);
    }
    text.parse().ok().filter(|port| *port > 0).ok_or(Reason::PortRange)
}

/// A name as lists show it: no control characters, which end lines, and not endless.
pub(crate) fn clean_name(name: &str) -> String {
    let printable: String = name.chars().filter(|c| !c.is_control()).take(NAME).collect();
    printable.trim().to_owned()
}

fn host_and_port(place: &str) -> Result<(Host, Option<&str>), Reason> {
    let (host, port) = if let Some(rest) = place.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or(Reason::ServerInvalid)?;
        (host, if rest.is_empty() { None } else { Some(rest.strip_prefix(':').ok_or(Reason::ServerInvalid)?) })
    } else {
        place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port)))
    };
    Ok((Host::read(&decoded(host))?, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_at_ends_the_user_and_brackets_hold_an_address() {
        let url = Url::parse("a/b@c@[2001:db8::1]:8443/x/?k=v@w#n%20m").unwrap();
        assert_eq!((url.user.as_str(), url.host.as_str(), url.port.as_deref()), ("a/b@c", "2001:db8::1", Some("8443")));
        assert_eq!((url.path.as_str(), url.name.as_str()), ("x", "n m"));
    }

    #[test]
    fn a_host_without_brackets_has_one_colon() {
        assert_eq!(Url::parse("u@2001:db8::1").unwrap().port_or(None), Err(Reason::PortInvalid));
        assert_eq!(Url::parse("u@[::1").unwrap_err(), Reason::ServerInvalid);
        assert_eq!(Url::parse("u@[::1]443").unwrap_err(), Reason::ServerInvalid);
    }

    #[test]
    fn a_name_ends_no_line_and_is_not_endless() {
        assert_eq!(Url::parse("h#a%0Ab%7F").unwrap().name, "ab");
        assert_eq!(Url::parse(&format!("h#{}", "x".repeat(500))).unwrap().name.len(), 128);
    }
}
