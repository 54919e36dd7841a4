//! An entry of a client's configuration on its way to a link. It is written as the link that says the same and read like any
//! other, so that what holds for links holds for it.

use super::super::endpoint::Host;
use super::super::link::{Params, Reason};
use super::super::percent::encode;
use super::super::xpert::link::Link;
use super::tree::Tree;

/// The parts of a link.
pub(super) struct Draft {
    scheme: &'static str,
    user: String,
    name: String,
    host: String,
    port: String,
    pub(super) params: Params,
}

impl Draft {
    pub(super) fn new(scheme: &'static str, name: Option<&str>, host: &Tree, port: &Tree) -> Self {
        let text = |tree: &Tree| tree.text().unwrap_or_default().to_owned();
        Self {
            scheme,
            user: String::new(),
            name: name.unwrap_or_default().to_owned(),
            host: text(host),
            port: text(port),
            params: Params::default(),
        }
    }

    /// Puts credentials before the host, with a colon between them.
    pub(super) fn user(mut self, parts: &[&Tree]) -> Self {
        let parts: Vec<String> = parts.iter().filter_map(|part| part.text()).map(encode).collect();
        self.user = parts.join(":");
        self
    }

    /// Adds a parameter if the document has a value for it.
    pub(super) fn with(mut self, name: &str, value: &Tree) -> Self {
        self.params.some(name, value.joined());
        self
    }

    /// Adds a switch if it is on.
    pub(super) fn flag(mut self, name: &str, value: &Tree) -> Self {
        self.params.flag(name, value.is_on());
        self
    }

    /// The link.
    pub(super) fn link(self) -> Result<Link, Reason> {
        let host = Host::read(&self.host)?.in_url();
        let port = if self.port.is_empty() { String::new() } else { format!(":{}", self.port) };
        if !self.port.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Reason::PortInvalid);
        }
        let at = if self.user.is_empty() { "" } else { "@" };
        let text =
            format!("{}://{}{at}{host}{port}{}#{}", self.scheme, self.user, self.params.query(), encode(&self.name));
        let link = Link::read(&text)?.ok_or(Reason::NotAUri)?;
        // As we write it: a form that more clients read.
        Ok(Link { text: link.endpoint.link(), ..link })
    }
}

/// Refuses what has no place in a link and must not be dropped in silence.
pub(super) fn without(tree: &Tree, settings: &[&'static str]) -> Result<(), Reason> {
    let found = settings.iter().find(|name| tree.get(name).is_there());
    found.map_or(Ok(()), |name| Err(Reason::Setting(name)))
}
