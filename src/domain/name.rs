//! Names and texts that people choose, each with its rule.

use core::fmt;
use core::net::IpAddr;

use serde::{Deserialize, Serialize};

/// A text that breaks its rule; the sentence is the rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Breaks(pub &'static str);

impl fmt::Display for Breaks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Breaks {}

macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $rule:literal, $fits:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = Breaks;

            fn try_from(text: String) -> Result<Self, Breaks> {
                let fits: fn(&str) -> bool = $fits;
                if fits(&text) { Ok(Self(text)) } else { Err(Breaks($rule)) }
            }
        }

        impl From<$name> for String {
            fn from(text: $name) -> Self {
                text.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text!(
    /// A user's name, unique without case among those who exist. Its letters need no escaping in a path but `@`.
    UserName,
    "3 to 32 of A-Z a-z 0-9 _ . @ -",
    |text| {
        (3..=32).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'@' | b'-'))
    }
);

text!(
    /// An operator's name, unique without case. It needs no escaping in a path but for `@`.
    OperatorName,
    "1 to 32 of A-Z a-z 0-9 _ . @ -, not . or ..",
    |text| {
        (1..=32).contains(&text.len())
            && !is_dots(text)
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'@' | b'-'))
    }
);

text!(
    /// An e-mail address, as far as its form tells; only a delivered mail proves one.
    Email,
    "an e-mail address of at most 254 characters, such as ann@example.org",
    |text| {
        let parts = text.split_once('@');
        text.len() <= 254
            && text.is_ascii()
            && text.bytes().all(|b| b.is_ascii_graphic())
            && parts.is_some_and(|(local, host)| !local.is_empty() && host.contains('.') && is_host_name(host))
    }
);

text!(
    /// What an operator wants to remember of a user.
    Note,
    "at most 1000 characters, no control characters but line breaks",
    |text| { text.chars().count() <= 1_000 && text.chars().all(|c| !c.is_control() || c == '\n') }
);

text!(
    /// What was paid, in the words of who sold it.
    Price,
    "at most 64 printable characters",
    |text| text.chars().count() <= 64 && text.chars().all(|c| !c.is_control())
);

text!(
    /// A shop's own number of an order. Its letters need no escaping in a path but `:` and `#`.
    OrderId,
    "1 to 64 of A-Z a-z 0-9 _ . : # -, not . or ..",
    |text| {
        (1..=64).contains(&text.len())
            && !is_dots(text)
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b':' | b'#' | b'-'))
    }
);

text!(
    /// A channel's name, unique without case.
    ChannelName,
    "1 to 64 printable characters, no space at either end",
    |text| {
        (1..=64).contains(&text.chars().count()) && text.trim() == text && text.chars().all(|c| !c.is_control())
    }
);

text!(
    /// A plan's name, unique without case. It needs no escaping in a path.
    PlanName,
    "1 to 32 of A-Z a-z 0-9 _ . -, not . or ..",
    |text| {
        (1..=32).contains(&text.len())
            && !is_dots(text)
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
    }
);

text!(
    /// A node's name, unique without case among those that exist. Clients see it in every link.
    NodeName,
    "1 to 32 printable characters, no space at either end",
    |text| {
        (1..=32).contains(&text.chars().count()) && text.trim() == text && text.chars().all(|c| !c.is_control())
    }
);

text!(
    /// Where clients reach a node: a host name or an IP address, without port. Names beyond ASCII in their `xn--` form.
    NodeAddress,
    "a host name or an IP address, without scheme and port",
    |text| text.parse::<IpAddr>().is_ok() || is_host_name(text)
);

text!(
    /// Where a node is: a country's ISO 3166-1 code.
    Country,
    "two capital letters, such as DE",
    |text| text.len() == 2 && text.bytes().all(|b| b.is_ascii_uppercase())
);

impl Country {
    /// Its flag, as most systems draw the two letters.
    #[must_use]
    pub fn flag(&self) -> String {
        let indicator = |letter: u8| char::from_u32(0x1_f1e6 + u32::from(letter.wrapping_sub(b'A')));
        self.0.bytes().filter_map(indicator).collect()
    }
}

text!(
    /// What a client's list shows for an address. `{NAMES}` in it stand for something ([`super::remark`]).
    Remark,
    "1 to 128 printable characters",
    |text| (1..=128).contains(&text.chars().count()) && text.chars().all(|c| !c.is_control())
);

text!(
    /// A name of a server as TLS and HTTP have it.
    ServerName,
    "a host name, without scheme and port",
    is_host_name
);

text!(
    /// A path of a request, or the name of a gRPC service.
    HttpPath,
    "1 to 256 printable ASCII characters without blanks",
    |text| (1..=256).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
);

/// Handshakes that uTLS imitates in every client that has it.
pub const FINGERPRINTS: [&str; 10] =
    ["chrome", "firefox", "edge", "safari", "360", "qq", "ios", "android", "random", "randomized"];

text!(
    /// The browser whose handshake a client imitates.
    Fingerprint,
    "chrome, firefox, edge, safari, 360, qq, ios, android, random or randomized",
    |text| FINGERPRINTS.contains(&text)
);

impl NodeAddress {
    /// As it stands in a URL: IPv6 in brackets.
    #[must_use]
    pub fn in_url(&self) -> String {
        if self.0.contains(':') { format!("[{}]", self.0) } else { self.0.clone() }
    }
}

impl From<IpAddr> for NodeAddress {
    fn from(address: IpAddr) -> Self {
        Self(address.to_string())
    }
}

/// RFC 1123 host names that a URL can hold: in one, a last label that is a number in any notation makes the whole an IPv4 address
/// (WHATWG URL 3.5), and a label that begins with `xn--` must be punycode.
/// Whether a text in a path means the path itself or the one above: clients take such a part away, percent-encoded or not, before they ask, and what they
/// ask then is something else (WHATWG URL, double-dot path segment).
pub(super) fn is_dots(text: &str) -> bool {
    matches!(text, "." | "..")
}

fn is_host_name(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253
        && text.split('.').all(label)
        && matches!(url::Host::parse(text), Ok(url::Host::Domain(name)) if name.eq_ignore_ascii_case(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits<T: TryFrom<String>>(text: &str) -> bool {
        T::try_from(text.to_owned()).is_ok()
    }

    #[test]
    fn user_names_hold_to_their_letters_and_length() {
        for good in ["ann", "Ann.B_c-d@e", &"x".repeat(32)] {
            assert!(fits::<UserName>(good), "{good}");
        }
        for bad in ["", "ab", "a b", "änn", "a/b", "ann\n", "<b>", &"x".repeat(33)] {
            assert!(!fits::<UserName>(bad), "{bad}");
        }
    }

    #[test]
    fn a_name_in_a_path_is_not_what_clients_take_for_the_path_itself() {
        for (fits, name) in [
            (fits::<OperatorName> as fn(&str) -> bool, "an operator"),
            (fits::<PlanName>, "a plan"),
            (fits::<OrderId>, "an order"),
            (fits::<UserName>, "a user"),
        ] {
            for bad in [".", ".."] {
                assert!(!fits(bad), "{name} {bad}");
            }
            assert!(fits("a.."), "{name}");
        }
    }

    #[test]
    fn addresses_are_hosts_without_port() {
        for good in ["example.org", "a-b.c", "localhost", "127.0.0.1", "2001:db8::1", "xn--mnchen-3ya.de"] {
            assert!(fits::<NodeAddress>(good), "{good}");
        }
        for bad in [
            "",
            "http://a",
            "a:1",
            "a b",
            "-a.b",
            "münchen.de",
            "1.2.3",
            "1.2.3.400",
            "a..b",
            "0x7f",
            "a.0x",
            "xn--a.b",
        ] {
            assert!(!fits::<NodeAddress>(bad), "{bad}");
        }
        assert_eq!(NodeAddress::try_from("2001:db8::1".to_owned()).unwrap().in_url(), "[2001:db8::1]");
    }

    #[test]
    fn a_country_has_a_flag() {
        let flag = |code: &str| Country::try_from(code.to_owned()).unwrap().flag();
        assert_eq!((flag("DE").as_str(), flag("US").as_str()), ("🇩🇪", "🇺🇸"));
        for bad in ["", "D", "de", "DEU", "D1"] {
            assert!(!fits::<Country>(bad), "{bad}");
        }
    }

    #[test]
    fn an_email_needs_both_sides() {
        assert!(fits::<Email>("ann+x@example.org"));
        for bad in ["ann", "@example.org", "ann@", "ann@host", "a nn@example.org", "ann@exa_mple.org"] {
            assert!(!fits::<Email>(bad), "{bad}");
        }
    }
}
