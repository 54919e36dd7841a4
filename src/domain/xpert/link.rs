//! Links of others, as far as this API must know them: what they are called, and which are the same.

use crate::domain::endpoint::{Endpoint, Host, Protocol, Shadowsocks};
use crate::domain::format::{self, Unfit};
use crate::domain::link::Reason;

/// A link that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// What it says.
    pub endpoint: Endpoint,
    /// The line as it came, without space around it; written anew where a client would refuse a list for how it is written.
    pub text: String,
}

impl Link {
    /// Reads one line; none if it is blank or a comment.
    ///
    /// # Errors
    /// Why it cannot be carried: it is no link, or one for which a client refuses all the others of its list.
    pub fn read(line: &str) -> Result<Option<Self>, Reason> {
        let text = line.trim_start_matches('\u{feff}').trim();
        if text.chars().any(char::is_control) {
            return Err(Reason::NotAUri);
        }
        let Some(endpoint) = Endpoint::read(text)? else { return Ok(None) };
        match format::refused(&endpoint) {
            Some(why) => Err(Reason::Strict(part(why))),
            None => Ok(Some(Self { text: written(&endpoint, text), endpoint })),
        }
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
        // As it is written under a name: a link that was renamed is still the same.
        format::line("", &Endpoint { server, unknown: Vec::new(), ..self.endpoint.clone() })
    }

    /// The link under another name.
    #[must_use]
    pub fn named(&self, name: &str) -> String {
        format::line(name, &self.endpoint)
    }
}

/// What mihomo does not take.
const fn part(why: Unfit) -> &'static str {
    match why {
        Unfit::Method => "method",
        Unfit::Cipher => "cipher",
        Unfit::Flow => "flow",
        Unfit::Pin => "pinned certificate",
        Unfit::Encryption => "encryption",
        Unfit::Plugin => "plugin",
        _ => "transport",
    }
}

/// The line for a list. Two things that are as good as not said are a mistake to mihomo, which refuses the list: an obfuscation called `none`,
/// and a v2ray-plugin whose mode is the usual one.
fn written(endpoint: &Endpoint, text: &str) -> String {
    let is_misread = match &endpoint.protocol {
        Protocol::Hysteria2(hysteria2) => hysteria2.obfs.is_none() && text.contains("obfs="),
        Protocol::Shadowsocks(Shadowsocks { plugin: Some(plugin), .. }) => *plugin != plugin.clone().spelled_out(),
        _ => false,
    };
    if is_misread { format::line(&endpoint.name, endpoint) } else { text.to_owned() }
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

    #[test]
    fn what_ends_the_list_of_a_strict_client_is_no_link_for_it() {
        const UUID: &str = "3b1f0c52-7d6e-4a90-8c1d-5e2f9a7b6c30";
        for (line, part) in [
            ("ss://bf-cfb:test@a.example:8888", "method"),
            ("ss://aes-256-gcm:x@a.example:1?plugin=v2ray-plugin%3Bmode%3Dquic", "plugin"),
            ("ss://aes-256-gcm:x@a.example:1?plugin=obfs-local%3Bobfs%3Dnone", "plugin"),
            ("hysteria2://x@a.example/?pinSHA256=short", "pinned certificate"),
            (&format!("vmess://{UUID}@a.example:1?encryption=weird"), "cipher"),
            (&format!("vless://{UUID}@a.example:1?flow=xtls-rprx-direct&security=tls"), "flow"),
            ("vless://nobody@a.example:1?flow=xtls-rprx-direct&security=tls", "flow"),
            (&format!("vless://{UUID}@a.example:1?encryption=auto&security=tls"), "encryption"),
            (&format!("vless://{UUID}@a.example:1?encryption=mlkem768x25519plus.native.1rtt.abc"), "encryption"),
            (&format!("vless://{UUID}@a.example:1?type=xhttp&mode=weird&security=tls"), "transport"),
        ] {
            assert_eq!(Link::read(line), Err(Reason::Strict(part)), "{line}");
        }
        let key = "A".repeat(43);
        for line in [
            "ss://aes-256-gcm:x@a.example:1?plugin=kcptun%3Bx%3Dy",
            "ss://aes-256-gcm:x@a.example:1?plugin=obfs-local",
            "ssh://a.example:1",
            &format!("vless://{UUID}@a.example:1?encryption=mlkem768x25519plus.native.1rtt.{key}"),
            &format!("vless://{UUID}@a.example:1?type=kcp&mode=weird"),
        ] {
            assert!(!matches!(Link::read(line), Err(Reason::Strict(_))), "{line}");
        }
    }

    #[test]
    fn a_line_that_a_strict_client_misreads_is_written_anew() {
        for (line, written) in [
            ("hysteria2://p@a.example:1/?obfs=none#a", "hysteria2://p@a.example:1/#a"),
            (
                "ss://YWVzLTI1Ni1nY206eA@a.example:1?plugin=v2ray-plugin%3Btls#a",
                "ss://YWVzLTI1Ni1nY206eA@a.example:1/?plugin=v2ray-plugin%3Bmode%3Dwebsocket%3Btls#a",
            ),
            (
                "ss://YWVzLTI1Ni1nY206eA@a.example:1?plugin=v2ray-plugin%3Bpath%3D/mode%3D1#mode=",
                "ss://YWVzLTI1Ni1nY206eA@a.example:1/?plugin=v2ray-plugin%3Bmode%3Dwebsocket%3Bpath%3D%2Fmode%3D1#mode%3D",
            ),
            (
                "ss://YWVzLTI1Ni1nY206eA@a.example:1?plugin=v2ray-plugin#a",
                "ss://YWVzLTI1Ni1nY206eA@a.example:1/?plugin=v2ray-plugin%3Bmode%3Dwebsocket#a",
            ),
        ] {
            assert_eq!(read(line).text, written);
            assert_eq!(read(written).text, written);
            assert_eq!(read(line).key(), read(written).key(), "it is not another link for that");
        }
        let said = "ss://YWVzLTI1Ni1nY206eA@a.example:1?plugin=v2ray-plugin;mode=websocket&later=1#a";
        assert_eq!(read(said).text, said);
    }
}
