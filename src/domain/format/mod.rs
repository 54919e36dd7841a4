//! Bodies of subscriptions, one file a format, and which client gets which.
//!
//! A list is worth what its strictest client makes of it: one entry that it refuses costs the user all others. So each
//! format checks every endpoint as that client would, and leaves out, with the reason, what would not pass.

mod check;
mod clash;
mod client;
mod extra;
mod given;
mod line;
mod links;
mod loon;
mod names;
mod outline;
mod quanx;
mod sing_box;
mod sip008;
mod surfboard;
mod surge;
mod tree;
mod unfit;
mod xray;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
pub use clash::Clash;
pub use client::{AREA as CLIENT_RULES, Before, Condition, HeaderName, Malformed, Name, Rule, Rules, Text};
pub use extra::Extra;
pub use given::Given;
pub use links::{line, lines, refused};
pub use sing_box::Tier;
pub use unfit::{LeftOut, Unfit};

use super::endpoint::{Endpoint, notice};
use names::Names;

/// The group that a user chooses his server in, and the one that chooses by itself.
const GROUP: &str = "Proxy";
const AUTO: &str = "Auto";
/// What servers are timed with: the page that phones ask whether they are online.
const PROBE: &str = "https://www.gstatic.com/generate_204";

/// How the ways in are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One link a line.
    Links,
    /// The same lines in standard base64, padded, on one line: the form that most clients expect.
    Base64,
    /// Clash's YAML.
    Clash(Clash),
    /// sing-box's JSON.
    SingBox(Tier),
    /// Xray's JSON: a list of whole configurations.
    Xray,
    /// Outline's dynamic access key: one Shadowsocks server.
    Outline,
    /// Shadowsocks' own list.
    Sip008,
    /// Surge's profile.
    Surge,
    /// Surfboard's profile.
    Surfboard,
    /// Loon's list of nodes.
    Loon,
    /// Quantumult X's list of servers.
    QuanX,
}

/// Formats by the name that stands in paths and rules; a format's first name is its own.
const NAMES: [(&str, Format); 22] = [
    ("base64", Format::Base64),
    ("v2ray", Format::Base64),
    ("links", Format::Links),
    ("mihomo", Format::Clash(Clash::Mihomo)),
    ("clash-meta", Format::Clash(Clash::Mihomo)),
    ("stash", Format::Clash(Clash::Stash)),
    ("clash", Format::Clash(Clash::Legacy)),
    ("sing-box", Format::SingBox(Tier::Current)),
    ("singbox", Format::SingBox(Tier::Current)),
    ("sing-box-legacy", Format::SingBox(Tier::Legacy)),
    ("singbox-legacy", Format::SingBox(Tier::Legacy)),
    ("xray", Format::Xray),
    ("v2ray-json", Format::Xray),
    ("outline", Format::Outline),
    ("sip008", Format::Sip008),
    ("surge", Format::Surge),
    ("surfboard", Format::Surfboard),
    ("loon", Format::Loon),
    ("quanx", Format::QuanX),
    ("quantumultx", Format::QuanX),
    ("quantumult-x", Format::QuanX),
    ("plain", Format::Links),
];

/// What a list is about, for the formats that say so.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// Where the subscription is fetched, without format.
    pub url: &'a str,
    /// Hours until clients fetch again.
    pub update_hours: u32,
    /// Bytes that count towards the quota.
    pub used: u64,
    /// Bytes that may be used, 0 = unlimited.
    pub quota: u64,
}

/// What a user gets.
#[derive(Clone, Copy, Debug)]
pub enum Ways<'a> {
    /// He may pass.
    Open(&'a [Endpoint]),
    /// He may not: why, in words for him.
    Barred(&'a str),
    /// He may not, and is not told here. Only for formats that are a list: see [`Format::is_list`].
    None,
}

/// A body, and what is not in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rendered {
    /// The text.
    pub body: String,
    /// How many endpoints it holds; 0 when its one entry only says why there are none.
    pub served: usize,
    /// The endpoints that are left out.
    pub left_out: Vec<LeftOut>,
}

impl Format {
    /// The format of a path or a rule.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        NAMES.iter().find(|(other, _)| *other == name).map(|(_, format)| *format)
    }

    /// Every format, once, in the order of their names' table.
    pub fn all() -> impl Iterator<Item = Self> {
        NAMES.into_iter().filter(|(name, format)| format.name() == *name).map(|(_, format)| format)
    }

    /// Its own name.
    #[must_use]
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(_, format)| *format == self).map_or("", |(name, _)| name)
    }

    /// Every name that there is, for a message.
    #[must_use]
    pub fn names() -> String {
        NAMES.map(|(name, _)| name).join(", ")
    }

    /// The body's media type.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Clash(_) => "text/yaml; charset=utf-8",
            Self::SingBox(_) | Self::Xray | Self::Outline | Self::Sip008 => "application/json; charset=utf-8",
            Self::Links | Self::Base64 | Self::Surge | Self::Surfboard | Self::Loon | Self::QuanX => {
                "text/plain; charset=utf-8"
            }
        }
    }

    /// Whether it is a list and nothing else, which may be empty. The others are whole profiles with groups, which need a
    /// member, or one server.
    #[must_use]
    pub const fn is_list(self) -> bool {
        match self {
            Self::Links | Self::Base64 | Self::Xray | Self::Sip008 | Self::Loon | Self::QuanX => true,
            Self::Clash(_) | Self::SingBox(_) | Self::Outline | Self::Surge | Self::Surfboard => false,
        }
    }

    /// The body. Unless none is asked for it has an entry: an empty list is an error to many clients, so one that cannot be
    /// connected to says by its name why there is no other.
    #[must_use]
    pub fn render(self, ways: Ways<'_>, about: About<'_>) -> Rendered {
        match ways {
            Ways::Barred(reason) => self.only_notice(reason, about),
            Ways::None => self.write(&[], about),
            Ways::Open([]) => self.only_notice("No server is connected yet", about),
            Ways::Open(endpoints) => {
                let rendered = self.write(endpoints, about);
                if rendered.served > 0 {
                    return rendered;
                }
                let left_out = rendered.left_out;
                Rendered { left_out, ..self.only_notice("No server here works with this app", about) }
            }
        }
    }

    fn only_notice(self, text: &str, about: About<'_>) -> Rendered {
        if self == Self::Outline {
            return Rendered { body: outline::refusal(text), ..Rendered::default() };
        }
        Rendered { served: 0, ..self.write(&[notice(text)], about) }
    }

    fn write(self, endpoints: &[Endpoint], about: About<'_>) -> Rendered {
        match self {
            Self::Links => links::write(endpoints),
            Self::Base64 => {
                let rendered = links::write(endpoints);
                Rendered { body: STANDARD.encode(&rendered.body), ..rendered }
            }
            Self::Clash(dialect) => clash::write(endpoints, dialect),
            Self::SingBox(tier) => sing_box::write(endpoints, tier),
            Self::Xray => xray::write(endpoints),
            Self::Outline => outline::write(endpoints),
            Self::Sip008 => sip008::write(endpoints, about),
            Self::Surge => surge::write(endpoints, about),
            Self::Surfboard => surfboard::write(endpoints, about),
            Self::Loon => loon::write(endpoints),
            Self::QuanX => quanx::write(endpoints),
        }
    }
}

/// Entries of a list that passed, by their name in it, and the endpoints that did not.
type Fitted<T> = (Vec<(String, T)>, Vec<LeftOut>);

/// Makes an entry of each endpoint that `node` lets pass, under a name that `clean` made fit and that is its own.
fn fit<T>(
    endpoints: &[Endpoint],
    reserved: &[&str],
    clean: impl Fn(&str) -> String,
    node: impl Fn(&str, &Endpoint) -> Result<T, Unfit>,
) -> Fitted<T> {
    let mut names = Names::reserving(reserved);
    let (mut nodes, mut left_out) = (Vec::new(), Vec::new());
    for endpoint in endpoints {
        let name = names.unique(&clean(&endpoint.name));
        match node(&name, endpoint) {
            Ok(node) => nodes.push((name, node)),
            Err(why) => {
                names.free(&name);
                left_out.push(LeftOut { name: endpoint.name.clone(), why });
            }
        }
    }
    (nodes, left_out)
}

#[cfg(test)]
mod tests;
