//! What an answer is: links, links in base64, or a client's configuration. The first rung that fits decides.
//!
//! Nothing that a body names is fetched, and base64 is taken off once: a list of lists is none.

use core::fmt;

use super::super::link::{Reason, lenient};
use super::super::xpert::link::Link;

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
}

impl Format {
    /// For people and programs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Links => "links",
            Self::Base64 => "base64",
        }
    }
}

/// An entry, still to be read or read already.
#[derive(Clone, Copy, Debug)]
pub enum Entry<'a> {
    /// A line.
    Line(&'a str),
    /// What a configuration says, or why it cannot be carried.
    Made(&'a Result<Link, Reason>),
}

impl Entry<'_> {
    /// The link; none for a blank line or a comment.
    ///
    /// # Errors
    /// Why it cannot be carried.
    pub fn read(self) -> Result<Option<Link>, Reason> {
        match self {
            Self::Line(line) => Link::read(line),
            Self::Made(made) => made.clone().map(Some),
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
            Content::Lines(text) => text.lines().map(Entry::Line).collect(),
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
