//! Where a channel may send: https to a host of the open Internet. The operator enters the address, but a mistyped or
//! stolen form must not make the Worker speak to what only it can reach.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::Url;

use crate::domain::link::port_number;
use crate::domain::reach::{is_public, labels};

/// Longest address.
const MAX: usize = 2_048;

/// Why an address is refused.
pub const RULE: &str = "an https:// address of at most 2048 characters with a public host and no user name; \
    host names beyond ASCII in their xn-- form";

/// Whether a channel may send to `url`. `private` also lets plain http and hosts of private networks pass, for a deployment
/// that says so.
#[must_use]
pub fn may_send(url: &str, private: bool) -> bool {
    let rest = match url.split_once("://") {
        Some(("https", rest)) => rest,
        Some(("http", rest)) if private => rest,
        _ => return false,
    };
    let clean =
        url.len() <= MAX && url.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'\\' | b'"' | b'<' | b'>'));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let named = !authority.contains('@') && host(authority).is_some_and(|host| is_host(host, private));
    // What the runtime's `fetch` cannot read is told now, not with the first event: an `xn--` form of nothing, for example.
    clean && named && Url::parse(url).is_ok()
}

/// Whether two addresses have one scheme, host and port; false where one cannot be read.
#[must_use]
pub fn same_host(one: &str, other: &str) -> bool {
    let origin = |url| Url::parse(url).map(|url| url.origin()).ok().filter(url::Origin::is_tuple);
    origin(one).is_some_and(|one| Some(one) == origin(other))
}

/// The host of an authority whose port, if it names one, is a port.
fn host(authority: &str) -> Option<&str> {
    let (host, rest) = match authority.strip_prefix('[') {
        Some(_) => authority.split_at(authority.find(']')?.checked_add(1)?),
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    let port = rest.strip_prefix(':');
    let fits = rest.is_empty() || port.is_some_and(|port| port_number(port).is_ok());
    fits.then_some(host)
}

fn is_host(host: &str, private: bool) -> bool {
    if let Some(address) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        return address.parse().is_ok_and(|address: Ipv6Addr| private || is_public(IpAddr::V6(address)));
    }
    if let Ok(address) = host.parse::<Ipv4Addr>() {
        return private || is_public(IpAddr::V4(address));
    }
    let host = host.to_ascii_lowercase();
    let Some(labels) = labels(&host) else { return false };
    let top = labels.last().copied().unwrap_or_default();
    let inside = ["localhost", "local", "internal", "localdomain", "lan", "home", "arpa"].contains(&top);
    private || (labels.len() > 1 && !inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn https_to_the_open_internet_is_fine() {
        for url in [
            "https://example.org",
            "https://hooks.example.org/weir?x=1#y",
            "https://example.org:8443/a",
            "https://93.184.215.14/hook",
            "https://[2606:4700::1111]:443/hook",
            "https://xn--e1afmkfd.xn--p1ai/hook",
        ] {
            assert!(may_send(url, false), "{url}");
        }
    }

    #[test]
    fn what_only_the_worker_could_reach_is_refused() {
        for url in [
            "http://example.org/",
            "ftp://example.org/",
            "https:example.org",
            "https://",
            "https://localhost/",
            "https://panel.internal/",
            "https://intranet/",
            "https://127.0.0.1/",
            "https://10.1.2.3/",
            "https://192.168.1.1:8080/",
            "https://172.16.0.1/",
            "https://169.254.169.254/latest/meta-data",
            "https://100.64.0.1/",
            "https://0.0.0.0/",
            "https://0x7f.1/",
            "https://2130706433/",
            "https://127.1/",
            "https://0177.0.0.1/",
            "https://[::1]/",
            "https://[::ffff:10.0.0.1]/",
            "https://[fd00::1]/",
            "https://[fe80::1]/",
            "https://[2002:7f00:1::]/",
            "https://user:secret@example.org/",
            "https://example.org@127.0.0.1/",
            "https://example.org\\@127.0.0.1/",
            "https://exämple.org/",
            "https://example.org:0/",
            "https://xn--e0afmkfd.xn--p1ai/hook",
            "https://example.org:99999/",
            "https://example.org:+443/",
            "https://example.org:/x",
            "https://exam ple.org/",
            "https://.example.org/",
            "https://%31%32%37.0.0.1/",
        ] {
            assert!(!may_send(url, false), "{url}");
        }
    }

    #[test]
    fn a_deployment_may_allow_its_own_network() {
        for url in ["http://127.0.0.1:8080/hook", "https://10.1.2.3/", "http://[::1]:80/", "http://localhost:1/"] {
            assert!(may_send(url, true), "{url}");
        }
        for url in ["ftp://127.0.0.1/", "http://user@127.0.0.1/", "http://127.1/"] {
            assert!(!may_send(url, true), "{url}");
        }
    }
}
