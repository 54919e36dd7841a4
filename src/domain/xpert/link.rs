//! Links of others, as far as this API must know them: what they are called, and which are the same.

use crate::domain::endpoint::{Endpoint, Host, Protocol};
use crate::domain::link::Reason;

/// A link that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// What it says.
    pub endpoint: Endpoint,
    /// The line as it came, without space around it.
    pub text: String,
}

impl Link {
    /// Reads one line; none if it is blank or a comment.
    ///
    /// # Errors
    /// Why it cannot be carried.
    pub fn read(line: &str) -> Result<Option<Self>, Reason> {
        let text = line.trim_start_matches('\u{feff}').trim();
        if text.chars().any(char::is_control) {
            return Err(Reason::NotAUri);
        }
        Ok(Endpoint::read(text)?.map(|endpoint| Self { endpoint, text: text.to_owned() }))
    }

    /// Protocol, as cores call it.
    #[must_use]
    pub const fn protocol(&self) -> &'static str {
        match self.endpoint.protocol {
            Protocol::Vless(_) => "vless",
            Protocol::Vmess(_) => "vmess",
            Protocol::Trojan(_) => "trojan",
            Protocol::Shadowsocks(_) => "shadowsocks",
            Protocol::Hysteria2(_) | Protocol::Realm(_) => "hysteria2",
            Protocol::Tuic(_) => "tuic",
            Protocol::Anytls(_) => "anytls",
            Protocol::Naive(_) => "naive",
            Protocol::Wireguard(_) => "wireguard",
            Protocol::Socks(_) => "socks",
            Protocol::Http(_) => "http",
        }
    }

    /// Equal for links that lead to the same place with the same credentials, whatever they are called.
    #[must_use]
    pub fn key(&self) -> String {
        let lower = Host::read(&self.endpoint.server.as_str().to_lowercase());
        let server = lower.unwrap_or_else(|_| self.endpoint.server.clone());
        Endpoint { name: String::new(), server, unknown: Vec::new(), ..self.endpoint.clone() }.link()
    }

    /// The link under another name.
    #[must_use]
    pub fn named(&self, name: &str) -> String {
        Endpoint { name: name.to_owned(), ..self.endpoint.clone() }.link()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Link {
        Link::read(line).unwrap().unwrap()
    }

    #[test]
    fn the_same_place_under_another_name_is_the_same() {
        let one = read("trojan://secret@Example.org:443?sni=a.org#One");
        let other = read(" trojan://secret@example.org:443?sni=a.org&later=1#Two ");
        assert_eq!(one.key(), other.key());
        assert_ne!(one.key(), read("trojan://other@example.org:443?sni=a.org#One").key());
        assert_eq!(other.text, "trojan://secret@example.org:443?sni=a.org&later=1#Two");
        assert_eq!(read(&one.named("Three")).endpoint.name, "Three");
    }

    #[test]
    fn a_line_break_inside_is_no_link() {
        assert!(Link::read("trojan://secret@example.org:443#a\nb").is_err());
        assert_eq!(Link::read("# comment"), Ok(None));
    }
}
