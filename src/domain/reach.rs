//! Which addresses the Worker may be sent to by what others wrote: http and https to the open Internet, and nothing else.
//!
//! The rule is strict instead of clever: an address that is not written in the one usual way is refused, not interpreted, so
//! that no second reader can take it for another one. It is applied to each redirect anew.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::Url;

/// Longest address.
const MAX: usize = 2_048;
/// Ports from 1024 on that belong to databases, file servers and the like, or that browsers refuse.
const CLOSED: [u16; 31] = [
    1_433, 1_521, 1_719, 1_720, 1_723, 2_049, 2_375, 2_376, 2_379, 3_306, 3_389, 3_659, 4_045, 5_060, 5_061, 5_432,
    5_900, 5_984, 6_000, 6_379, 6_566, 6_665, 6_666, 6_667, 6_668, 6_669, 6_697, 9_200, 10_080, 11_211, 27_017,
];

/// Why an address is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is no address of the usual form.
    Unclear,
    /// It is neither http nor https.
    Scheme,
    /// It holds a user name.
    Login,
    /// The host is no plain name and no plain address.
    Host(String),
    /// The name means something inside a network only.
    Inside(String),
    /// The address is none of the open Internet.
    Private(IpAddr),
    /// The port is none at which lists are served.
    Port(u16),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unclear => f.write_str("an address of at most 2048 ASCII characters is needed, in its usual form"),
            Self::Scheme => f.write_str("the address must begin with https:// or http://"),
            Self::Login => f.write_str("the address must hold no user name and no @ before its path"),
            Self::Host(host) => {
                write!(f, "{host} is neither a plain host name (beyond ASCII: its xn-- form) nor a plain IP address")
            }
            Self::Inside(host) => write!(f, "{host} is a name of a private network"),
            Self::Private(address) => write!(f, "{address} is no address of the open Internet"),
            Self::Port(port) => write!(f, "port {port} is none at which lists are served"),
        }
    }
}

/// Where to connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// An address of the open Internet, or one that the operator allows.
    Ready,
    /// A name whose addresses are still to be looked at.
    Name(String),
}

/// An address that may be fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The whole address without a fragment, as every client writes it: no dots in its path, no port that goes without saying.
    pub url: String,
    /// `host:port` in lower case.
    pub authority: String,
    /// Where to connect.
    pub target: Target,
}

impl Place {
    /// Reads an absolute address. `allowed` are authorities (`host:port`, the port always named) that may be private.
    ///
    /// # Errors
    /// Why it may not be fetched.
    pub fn read(url: &str, allowed: &[String]) -> Result<Self, Refusal> {
        let url = url.split('#').next().unwrap_or_default();
        let clean = url.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'\\' | b'"' | b'<' | b'>'));
        if url.len() > MAX || !clean {
            return Err(Refusal::Unclear);
        }
        let (scheme, rest) = url.split_once("://").ok_or(Refusal::Scheme)?;
        let usual = match scheme.to_ascii_lowercase().as_str() {
            "https" => 443,
            "http" => 80,
            _ => return Err(Refusal::Scheme),
        };
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        if authority.contains('@') {
            return Err(Refusal::Login);
        }
        let (host, port) = host_and_port(authority).ok_or_else(|| Refusal::Host(authority.to_owned()))?;
        let (host, port) = (host.to_ascii_lowercase(), port.unwrap_or(usual));
        let authority = format!("{host}:{port}");
        let target = if allowed.contains(&authority) { Target::Ready } else { target(&host, port)? };
        let url = Url::parse(url).map_err(|_| Refusal::Unclear)?.into();
        Ok(Self { url, authority, target })
    }

    /// Where a redirect from here leads.
    ///
    /// # Errors
    /// Why it may not be followed.
    pub fn follow(&self, location: &str, allowed: &[String]) -> Result<Self, Refusal> {
        // What else Unicode takes for a space is a part of the path to every client.
        let location = location.trim_ascii().split('#').next().unwrap_or_default();
        let first = location.split(['/', '?']).next().unwrap_or_default();
        let scheme_end = self.url.find("://").map_or(0, |at| at.saturating_add(3));
        let (scheme, rest) = self.url.split_at_checked(scheme_end).unwrap_or_default();
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        let path = rest.split('?').next().unwrap_or_default();
        let url = if location.is_empty() {
            self.url.clone()
        } else if first.contains(':') {
            location.to_owned()
        } else if let Some(rest) = location.strip_prefix("//") {
            format!("{scheme}{rest}")
        } else if location.starts_with('/') {
            format!("{scheme}{authority}{location}")
        } else if location.starts_with('?') {
            format!("{scheme}{path}{location}")
        } else {
            let folder = path.rsplit_once('/').map_or(authority, |(folder, _)| folder);
            format!("{scheme}{folder}/{location}")
        };
        Self::read(&url, allowed)
    }
}

/// Host and port of an authority.
fn host_and_port(authority: &str) -> Option<(&str, Option<u16>)> {
    let (host, rest) = match authority.strip_prefix('[') {
        Some(_) => authority.split_at_checked(authority.find(']')?.checked_add(1)?)?,
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    if rest.is_empty() {
        return Some((host, None));
    }
    let digits = rest.strip_prefix(':').filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))?;
    digits.parse().ok().filter(|port| *port > 0).map(|port| (host, Some(port)))
}

fn target(host: &str, port: u16) -> Result<Target, Refusal> {
    let target = if let Some(inner) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        let address: Ipv6Addr = inner.parse().map_err(|_| Refusal::Host(host.to_owned()))?;
        public(IpAddr::V6(address))?
    } else if let Ok(address) = host.parse::<Ipv4Addr>() {
        public(IpAddr::V4(address))?
    } else {
        name(host)?
    };
    let fits = matches!(port, 80 | 443) || (port >= 1_024 && !CLOSED.contains(&port));
    if fits { Ok(target) } else { Err(Refusal::Port(port)) }
}

fn public(address: IpAddr) -> Result<Target, Refusal> {
    if is_public(address) { Ok(Target::Ready) } else { Err(Refusal::Private(address)) }
}

/// The labels of a name, if it is one and no address.
#[must_use]
pub fn labels(host: &str) -> Option<Vec<&str>> {
    let labels: Vec<&str> = host.split('.').collect();
    let plain = |label: &&str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
    };
    // A last label that begins with a digit makes the whole an IPv4 address in one of its old ways to write it (0x7f.1).
    let is_address = labels.last().is_none_or(|top| top.starts_with(|first: char| first.is_ascii_digit()));
    (host.len() <= 253 && labels.iter().all(plain) && !is_address).then_some(labels)
}

fn name(host: &str) -> Result<Target, Refusal> {
    let Some(labels) = labels(host) else { return Err(Refusal::Host(host.chars().take(80).collect())) };
    let top = labels.last().copied().unwrap_or_default();
    let inside = ["localhost", "local", "internal", "intranet", "localdomain", "lan", "home", "corp", "arpa"];
    if labels.len() < 2 || inside.contains(&top) {
        return Err(Refusal::Inside(host.to_owned()));
    }
    Ok(Target::Name(host.to_owned()))
}

/// Whether an address is one of the open Internet that a name of a public service may have.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            !(address.is_private()
                || address.is_loopback()
                || address.is_link_local()
                || address.is_broadcast()
                || address.is_documentation()
                || a == 0
                || a >= 224
                || (a == 100 && (64..128).contains(&b))
                || (a == 198 && (b == 18 || b == 19))
                || (a == 192 && b == 0 && c == 0)
                || (a == 192 && b == 88 && c == 99))
        }
        IpAddr::V6(address) => {
            let [first, second, ..] = address.segments();
            // 2000::/3 is all that is routed. 6to4 and Teredo carry IPv4 addresses inside; documentation and ORCHIDs are nobody's.
            let carried = first == 0x2002
                || (first == 0x2001 && (second < 0x0200 || second == 0xdb8))
                || (first == 0x3fff && second < 0x1000);
            (0x2000..0x4000).contains(&first) && !carried
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Special networks of IANA's registries, written another way than the code.
    const SPECIAL: [(&str, u32); 18] = [
        ("0.0.0.0", 8),
        ("10.0.0.0", 8),
        ("100.64.0.0", 10),
        ("127.0.0.0", 8),
        ("169.254.0.0", 16),
        ("172.16.0.0", 12),
        ("192.0.0.0", 24),
        ("192.0.2.0", 24),
        ("192.88.99.0", 24),
        ("192.168.0.0", 16),
        ("198.18.0.0", 15),
        ("198.51.100.0", 24),
        ("203.0.113.0", 24),
        ("224.0.0.0", 4),
        ("240.0.0.0", 4),
        ("255.255.255.255", 32),
        ("127.0.0.1", 32),
        ("169.254.169.254", 32),
    ];

    fn special() -> impl Strategy<Value = Ipv4Addr> {
        (0..SPECIAL.len(), any::<u32>()).prop_map(|(index, random)| {
            let (network, bits) = SPECIAL[index];
            let network = u32::from(network.parse::<Ipv4Addr>().unwrap());
            let mask = u32::MAX.checked_shr(bits).unwrap_or(0);
            Ipv4Addr::from(network | (random & mask))
        })
    }

    /// Every way in which somebody has written an IPv4 address to get past a filter.
    fn notations(address: Ipv4Addr) -> Vec<String> {
        let number = u32::from(address);
        let [a, b, c, d] = address.octets();
        let low = number & 0xffff;
        vec![
            format!("{a}.{b}.{c}.{d}"),
            number.to_string(),
            format!("{number:#x}"),
            format!("{number:#X}"),
            format!("0{number:o}"),
            format!("0x{a:x}.0x{b:x}.0x{c:x}.0x{d:x}"),
            format!("0{a:o}.0{b:o}.0{c:o}.0{d:o}"),
            format!("000{a:o}.{b}.{c}.{d}"),
            format!("{a}.{b}.{low}"),
            format!("{a}.{}", number & 0x00ff_ffff),
            format!("{a}.{b}.{c}.{d}."),
            format!("{a}.{b}.{c}.0x{d:x}"),
            format!("{a}%2e{b}%2e{c}%2e{d}"),
            format!("{a}\u{3002}{b}\u{3002}{c}\u{3002}{d}"),
            format!("\u{ff11}{a}.{b}.{c}.{d}"),
            format!("[::ffff:{a}.{b}.{c}.{d}]"),
            format!("[::ffff:{:x}:{:x}]", number >> 16, low),
            format!("[::{a}.{b}.{c}.{d}]"),
            format!("[64:ff9b::{a}.{b}.{c}.{d}]"),
            format!("[64:ff9b:1::{:x}:{:x}]", number >> 16, low),
            format!("[2002:{:x}:{:x}::1]", number >> 16, low),
            format!("[2001:0:{:x}:{:x}::]", number >> 16, low),
            format!("[::ffff:{a}.{b}.{c}.{d}%25eth0]"),
        ]
    }

    proptest! {
        #[test]
        fn no_notation_of_a_private_address_gets_through(address in special(), port in prop::option::of(1_u16..)) {
            prop_assert!(!is_public(IpAddr::V4(address)), "{address}");
            let port = port.map_or_else(String::new, |port| format!(":{port}"));
            for host in notations(address) {
                for url in [format!("http://{host}{port}/"), format!("https://{host}{port}"), format!("HTTP://{host}{port}?x")] {
                    prop_assert!(Place::read(&url, &[]).is_err(), "{url}");
                    let base = Place::read("https://sub.example.org/a/b?c", &[]).unwrap();
                    prop_assert!(base.follow(&url, &[]).is_err(), "{url}");
                    prop_assert!(base.follow(url.trim_start_matches(|c: char| c != '/'), &[]).is_err(), "{url}");
                }
                for trick in [
                    format!("http://example.org@{host}{port}/"),
                    format!("http://example.org:80@{host}{port}/"),
                    format!("http://{host}{port}\\@example.org/"),
                    format!("http://{host}{port}#@example.org/"),
                    format!("http:{host}/"),
                    format!("http:///{host}/"),
                    format!("http://\t{host}/"),
                    format!(" http://{host}/"),
                ] {
                    prop_assert!(Place::read(&trick, &[]).is_err(), "{trick}");
                }
            }
        }

        #[test]
        fn outside_the_special_networks_a_plain_address_is_public(number in any::<u32>()) {
            let address = Ipv4Addr::from(number);
            let within = |&(network, bits): &(&str, u32)| {
                let network = u32::from(network.parse::<Ipv4Addr>().unwrap());
                let shift = 32 - bits;
                number.checked_shr(shift) == network.checked_shr(shift)
            };
            prop_assert_eq!(is_public(IpAddr::V4(address)), !SPECIAL.iter().any(within), "{}", address);
        }

        #[test]
        fn of_ipv6_only_what_is_routed_is_public(number in any::<u128>()) {
            let address = Ipv6Addr::from(number);
            let routed = number >> 125 == 1;
            prop_assert!(routed || !is_public(IpAddr::V6(address)), "{}", address);
        }
    }

    #[test]
    fn special_ipv6_networks_are_not_public() {
        for text in [
            "::",
            "::1",
            "fe80::1",
            "fec0::1",
            "fc00::1",
            "fd12:3456::1",
            "ff02::1",
            "100::1",
            "2001:db8::1",
            "2001::1",
            "2001:10::1",
            "2001:20::1",
            "2002:a00:1::",
            "3fff::1",
            "64:ff9b::a00:1",
            "::ffff:8.8.8.8",
            "5f00::1",
        ] {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
        for text in ["2606:4700::1111", "2a01:4f8::1", "2001:4860:4860::8888", "3000::1"] {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn names_and_public_addresses_are_places() {
        let name = |url: &str| Place::read(url, &[]).unwrap();
        assert_eq!(name("https://Sub.Example.org/a?b#c").url, "https://sub.example.org/a?b");
        assert_eq!(name("https://Sub.Example.org").authority, "sub.example.org:443");
        assert_eq!(name("http://sub.example.org:2096/x").target, Target::Name("sub.example.org".into()));
        assert_eq!(name("http://93.184.215.14:8080/").target, Target::Ready);
        assert_eq!(name("https://[2606:4700::1111]/").target, Target::Ready);
        assert_eq!(name("https://xn--e1afmkfd.xn--p1ai/").authority, "xn--e1afmkfd.xn--p1ai:443");
    }

    #[test]
    fn a_refusal_says_what_is_wrong() {
        let refusal = |url: &str| Place::read(url, &[]).unwrap_err().to_string();
        for (url, says) in [
            ("ftp://example.org/", "https:// or http://"),
            ("file:///etc/passwd", "https:// or http://"),
            ("example.org", "https:// or http://"),
            ("http://user:secret@example.org/", "no user name"),
            ("http://127.0.0.1/", "127.0.0.1 is no address of the open Internet"),
            ("http://localhost/", "localhost is a name of a private network"),
            ("http://panel.internal/", "panel.internal is a name of a private network"),
            ("http://router/", "router is a name of a private network"),
            ("http://localhost./", "localhost. is neither"),
            ("http://0x7f.1/", "0x7f.1 is neither"),
            ("http://example.org:25/", "port 25"),
            ("http://example.org:6379/", "port 6379"),
            ("http://example.org:0/", "example.org:0 is neither"),
            ("http://m\u{fc}nchen.example/", "ASCII"),
        ] {
            assert!(refusal(url).contains(says), "{url}: {}", refusal(url));
        }
    }

    #[test]
    fn a_redirect_is_resolved_and_checked() {
        let base = Place::read("http://a.example.org:8080/x/y?z=1", &[]).unwrap();
        for (location, expected) in [
            ("https://b.example.org/q", "https://b.example.org/q"),
            ("//b.example.org/q", "http://b.example.org/q"),
            ("/q?r", "http://a.example.org:8080/q?r"),
            ("q", "http://a.example.org:8080/x/q"),
            ("?r=2", "http://a.example.org:8080/x/y?r=2"),
            ("../q", "http://a.example.org:8080/q"),
            ("", "http://a.example.org:8080/x/y?z=1"),
            ("#top", "http://a.example.org:8080/x/y?z=1"),
        ] {
            assert_eq!(base.follow(location, &[]).map(|place| place.url), Ok(expected.into()), "{location}");
        }
        for location in [
            "javascript:alert(1)",
            "http:/127.0.0.1",
            "//127.0.0.1/",
            "http:b.example.org",
            "\\\\b.example.org",
            "\u{2003}",
        ] {
            assert!(base.follow(location, &[]).is_err(), "{location}");
        }
    }

    #[test]
    fn what_the_operator_allows_is_allowed_in_that_very_form() {
        let allowed = ["127.0.0.1:9000".to_owned()];
        assert_eq!(Place::read("http://127.0.0.1:9000/x", &allowed).map(|place| place.target), Ok(Target::Ready));
        for url in
            ["http://127.0.0.1:9001/", "http://127.0.0.1/", "http://2130706433:9000/", "http://[::ffff:7f00:1]:9000/"]
        {
            assert!(Place::read(url, &allowed).is_err(), "{url}");
        }
    }
}
