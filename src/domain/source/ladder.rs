//! What an answer is: links, links in base64, or a client's configuration. The first rung that fits decides.
//!
//! Nothing that a body names is fetched, and base64 is taken off once: a list of lists is none.

use core::fmt;

use super::super::link::{Reason, lenient};
use super::super::xpert::link::Link;
use super::document::{self, Nodes};
use super::tree::Tree;
use super::{clash, sing_box, sip008, xray};

/// Schemes that begin the lines of a list.
const SCHEMES: [&str; 18] = [
    "vless",
    "vmess",
    "trojan",
    "ss",
    "ssr",
    "hysteria2",
    "hy2",
    "hysteria",
    "tuic",
    "anytls",
    "naive+https",
    "naive+quic",
    "wireguard",
    "wg",
    "socks",
    "socks5",
    "hysteria2+realm",
    "hy2+realm",
];

/// Why an answer is no list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// There is nothing in it.
    Empty,
    /// It is not UTF-8.
    NotText,
    /// It is a web page.
    WebPage,
    /// It is none of what we know.
    Unknown,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the answer was empty",
            Self::NotText => "the answer was not UTF-8 text",
            Self::WebPage => "the answer was a web page, not a subscription",
            Self::Unknown => "the answer was neither links, nor base64 of links, nor a configuration that is known",
        })
    }
}

/// How an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Links, one a line.
    Links,
    /// The same in base64.
    Base64,
    /// A configuration of Clash or mihomo, YAML or JSON.
    Clash,
    /// A configuration of sing-box.
    SingBox,
    /// One or several configurations of Xray.
    Xray,
    /// Shadowsocks servers as SIP008 and Outline write them.
    Sip008,
}

impl Format {
    /// For people and programs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Links => "links",
            Self::Base64 => "base64",
            Self::Clash => "clash",
            Self::SingBox => "sing-box",
            Self::Xray => "xray",
            Self::Sip008 => "sip008",
        }
    }
}

/// An entry, still to be read.
#[derive(Clone, Copy)]
pub struct Entry<'a>(Kind<'a>);

#[derive(Clone, Copy)]
enum Kind<'a> {
    Line(&'a str),
    Node(Format, Option<&'a str>, &'a Tree),
}

impl Entry<'_> {
    /// The link; none for a blank line, a comment, and what is no server.
    ///
    /// # Errors
    /// Why it cannot be carried.
    pub fn read(self) -> Result<Option<Link>, Reason> {
        match self.0 {
            Kind::Line(line) => Link::read(line),
            Kind::Node(Format::Clash, _, node) => clash::read(node).transpose(),
            Kind::Node(Format::SingBox, _, node) => sing_box::read(node).transpose(),
            Kind::Node(Format::Xray, name, node) => xray::read(node, name).transpose(),
            Kind::Node(_, _, node) => sip008::read(node).map(Some),
        }
    }
}

/// An answer that was understood.
pub struct Body {
    /// How it is written.
    pub format: Format,
    content: Content,
}

enum Content {
    Lines(String),
    Nodes(Nodes),
}

impl Body {
    /// Finds out what an answer is.
    ///
    /// # Errors
    /// It is no list.
    pub fn read(bytes: &[u8]) -> Result<Self, Trouble> {
        let text = core::str::from_utf8(bytes).map_err(|_| Trouble::NotText)?;
        let text = text.trim_start_matches('\u{feff}').trim();
        if text.is_empty() {
            return Err(Trouble::Empty);
        }
        if text.starts_with('<') {
            return Err(Trouble::WebPage);
        }
        if let Some(body) = Self::plain(text) {
            return Ok(body);
        }
        let inner = unwrapped(text).ok_or(Trouble::Unknown)?;
        let is_list = inner.windows(3).any(|three| three == b"://");
        let inner = core::str::from_utf8(&inner);
        let inner = inner.map_err(|_| if is_list { Trouble::NotText } else { Trouble::Unknown })?;
        let inner = inner.trim_start_matches('\u{feff}').trim();
        let body = Self::plain(inner).ok_or(Trouble::Unknown)?;
        let format = if body.format == Format::Links { Format::Base64 } else { body.format };
        Ok(Self { format, ..body })
    }

    /// Every rung but base64.
    fn plain(text: &str) -> Option<Self> {
        if let Some((format, nodes)) = document::nodes(text) {
            return Some(Self { format, content: Content::Nodes(nodes) });
        }
        let is_link = |line: &str| {
            let scheme = line.trim_start_matches('\u{feff}').trim().split_once("://").map(|(scheme, _)| scheme);
            scheme.is_some_and(|scheme| SCHEMES.iter().any(|known| scheme.eq_ignore_ascii_case(known)))
        };
        // Of a web address only one with a login is a proxy: a list of nothing but other addresses is none.
        let is_proxy = |line: &str| line.trim().starts_with("http") && matches!(Link::read(line), Ok(Some(_)));
        if text.lines().any(is_link) || text.lines().take(100).any(is_proxy) {
            return Some(Self { format: Format::Links, content: Content::Lines(text.to_owned()) });
        }
        None
    }

    /// The entries in their order. A line is read when somebody looks at it.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry<'_>> {
        match &self.content {
            Content::Lines(text) => text.lines().map(|line| Entry(Kind::Line(line))).collect(),
            Content::Nodes(nodes) => {
                nodes.iter().map(|(name, node)| Entry(Kind::Node(self.format, name.as_deref(), node))).collect()
            }
        }
    }
}

/// Takes one layer of base64 off: any alphabet, wrapped or not, padded or not.
fn unwrapped(text: &str) -> Option<Vec<u8>> {
    let dense: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    lenient(&dense)
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
    use proptest::prelude::*;

    use super::*;

    const LIST: &str = "# ours\r\ntrojan://x@a.example:1#One\r\n\r\nvless://11111111-2222-4333-8444-555555555555@b.example:2#Zw\u{f6}lf\n";

    fn names(bytes: &[u8]) -> (Format, Vec<String>) {
        let body = Body::read(bytes).unwrap();
        let links = body.entries().into_iter().filter_map(|entry| entry.read().ok().flatten());
        (body.format, links.map(|link| link.endpoint.name).collect())
    }

    #[test]
    fn plain_lines_are_read_with_a_mark_of_their_encoding_or_without() {
        assert_eq!(names(LIST.as_bytes()), (Format::Links, vec!["One".into(), "Zw\u{f6}lf".into()]));
        assert_eq!(names(format!("\u{feff}{LIST}").as_bytes()).1.len(), 2);
        assert_eq!(names(b"junk\nss://YWVzLTI1Ni1nY206eA@c.example:3#S").1, ["S"]);
        assert_eq!(names(b"http://ann:secret@d.example:8080#H").1, ["H"]);
    }

    #[test]
    fn base64_is_read_in_every_alphabet_padded_or_not_wrapped_or_not() {
        for length in 0..4 {
            let list = format!("{LIST}#{}\n", "\u{ff}?>".repeat(length));
            for engine in [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD] {
                let code = engine.encode(&list);
                let wrapped: Vec<&str> = code.as_bytes().chunks(76).map(|c| core::str::from_utf8(c).unwrap()).collect();
                for text in [code.clone(), wrapped.join("\r\n"), format!(" {} \n", wrapped.join("\n"))] {
                    assert_eq!(names(text.as_bytes()).0, Format::Base64, "{text}");
                    assert_eq!(names(text.as_bytes()).1.len(), 2, "{text}");
                }
            }
        }
    }

    #[test]
    fn base64_is_taken_off_once() {
        assert_eq!(Body::read(STANDARD.encode(STANDARD.encode(LIST)).as_bytes()).err(), Some(Trouble::Unknown));
    }

    #[test]
    fn what_is_no_list_is_called_what_it_is() {
        for (bytes, trouble) in [
            (&b""[..], Trouble::Empty),
            (b" \n\t", Trouble::Empty),
            (b"trojan://x@a.example:1#\xff", Trouble::NotText),
            (b"<!DOCTYPE html><html>trojan://x@a.example:1", Trouble::WebPage),
            (b"\n <HTML>", Trouble::WebPage),
            (b"hell", Trouble::Unknown),
            (b"dHJvamFuOi8veEBhLmV4YW1wbGU6MSP/", Trouble::NotText),
            (b"No such subscription.", Trouble::Unknown),
            (b"https://other.example/sub\nhttps://third.example/sub", Trouble::Unknown),
        ] {
            assert_eq!(Body::read(bytes).err(), Some(trouble), "{}", String::from_utf8_lossy(bytes));
        }
    }

    /// Names of what is read, and codes of what is not.
    fn read(text: &str) -> (&'static str, Vec<String>) {
        let body = Body::read(text.as_bytes()).unwrap();
        let shown = |entry: Entry<'_>| match entry.read() {
            Ok(link) => link.map(|link| link.endpoint.name),
            Err(reason) => Some(format!("!{}", reason.code())),
        };
        (body.format.name(), body.entries().into_iter().filter_map(shown).collect())
    }

    #[test]
    fn what_a_clash_configuration_has_beside_servers_is_passed_over_and_what_no_link_can_say_is_refused() {
        let text = "port: 7890\nproxies:\n\
            - {name: a, type: ss, server: a.example, port: 1, cipher: aes-256-gcm, password: 1e5}\n\
            - {name: b, type: ssr, server: a.example, port: 1}\n\
            - {name: c, type: direct}\n\
            - {name: d, type: trojan, server: a.example, port: 1, password: x, dialer-proxy: a}\n\
            - {name: e, type: vless, server: a.example, port: 70000, uuid: u}\n\
            - {name: f, type: vmess, server: 'not a host', port: 1, uuid: u, alterId: 0, cipher: auto}\n\
            - {name: g, type: ss, server: a.example, port: 1, cipher: aes-256-gcm, password: x, plugin: gost-plugin}\n\
            - {name: h, type: trojan, server: a.example, port: 1, password: x, network: xhttp, xhttp-opts: {reuse: 1}}\n\
            - not a map\n\
            rules: [\"MATCH,DIRECT\"]\n";
        let refused = [
            "!unsupported",
            "!setting_unsupported",
            "!port_range",
            "!server_invalid",
            "!setting_unsupported",
            "!setting_unsupported",
            "!unsupported",
        ];
        let (format, names) = read(text);
        assert_eq!(
            (format, &names[..1], &names[1..]),
            ("clash", &["a".to_owned()][..], &refused.map(str::to_owned)[..])
        );
        let wrapped = STANDARD.encode(text);
        assert_eq!(read(&wrapped), (format, names));
        let body = Body::read(text.as_bytes()).unwrap();
        let link = body.entries().first().unwrap().read().unwrap().unwrap();
        assert_eq!(link.text, format!("ss://{}@a.example:1#a", URL_SAFE_NO_PAD.encode("aes-256-gcm:1e5")));
    }

    #[test]
    fn json_is_told_apart_by_what_is_in_it() {
        let vless = r#"{"type":"vless","tag":"s","server":"a.example","server_port":1,"uuid":"u"}"#;
        let xray = r#"{"protocol":"vless","tag":"t","settings":{"vnext":[{"address":"a.example","port":1,"users":[{"id":"u"}]}]}}"#;
        let flat = r#"{"protocol":"trojan","tag":"t","settings":{"address":"a.example","port":1,"password":"p"},"streamSettings":{"security":"tls"}}"#;
        let ss = r#"{"remarks":"o","server":"a.example","server_port":1,"method":"aes-256-gcm","password":"p"}"#;
        for (text, format, names) in [
            (
                format!(r#"{{"log":{{}},"outbounds":[{vless},{{"type":"selector","tag":"x","outbounds":["s"]}}]}}"#),
                "sing-box",
                &["s"][..],
            ),
            (format!("[{vless}]"), "sing-box", &["s"]),
            (
                format!(
                    r#"{{"outbounds":[{vless},{{"type":"vless","server":"a.example","server_port":1,"uuid":"u","detour":"s"}}]}}"#
                ),
                "sing-box",
                &["s", "!setting_unsupported"],
            ),
            (format!(r#"{{"outbounds":[{xray},{{"protocol":"freedom"}},{flat}]}}"#), "xray", &["t", "t"]),
            (
                format!(
                    r#"[{{"remarks":"One","outbounds":[{{"protocol":"freedom"}},{xray},{flat}]}},{{"remarks":"Two","outbounds":[{flat}]}}]"#
                ),
                "xray",
                &["One", "Two"],
            ),
            (format!(r#"{{"version":1,"servers":[{ss}]}}"#), "sip008", &["o"]),
            (ss.to_owned(), "sip008", &["o"]),
            (format!("[{ss}]"), "sip008", &["o"]),
            (ss.replace("password", "prefix"), "sip008", &["!setting_unsupported"]),
            (
                r#"{"proxies":[{"name":"c","type":"trojan","server":"a.example","port":1,"password":"p"}]}"#.to_owned(),
                "clash",
                &["c"],
            ),
        ] {
            assert_eq!(read(&text), (format, names.iter().map(|name| (*name).to_owned()).collect()), "{text}");
        }
        for text in [
            "{}",
            "[]",
            "[1,2]",
            r#"{"outbounds":[]}"#,
            r#"{"error":{"message":"expired"}}"#,
            r#"["trojan"]"#,
            "{\"a\":",
        ] {
            assert_eq!(Body::read(text.as_bytes()).err(), Some(Trouble::Unknown), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), text in "\\PC{0,200}") {
            for bytes in [bytes.as_slice(), text.as_bytes(), STANDARD.encode(&bytes).as_bytes()] {
                if let Ok(body) = Body::read(bytes) {
                    for entry in body.entries() {
                        let _ = entry.read();
                    }
                }
            }
        }
    }
}
