//! Where the Worker may be sent: what is let through is, to another reader of addresses, the same host of the open Internet.
//!
//! An input is an address, and on further lines where redirects lead from there.

use core::net::{Ipv4Addr, Ipv6Addr};

use url::{Host, Url};
use weir::domain::notice::discreet::{Hidden, shortened};
use weir::domain::notice::endpoint::may_send;
use weir::domain::reach::{Place, Target};

/// Networks that are not of the open Internet, by IANA's registries of special addresses.
const SPECIAL_V4: [(Ipv4Addr, u32); 16] = [
    (Ipv4Addr::UNSPECIFIED, 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
    (Ipv4Addr::BROADCAST, 32),
];
const SPECIAL_V6: [(Ipv6Addr, u32); 4] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

/// Reads an address, and redirects from it.
///
/// # Panics
/// What is let through leads, to a client, into a private network or elsewhere than it was taken for; or more of it is told than its host.
pub fn check(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else { return };
    let mut lines = text.split('\n');
    let first = lines.next().unwrap_or_default();
    is_discreet(first);
    if may_send(first, false) {
        let url = Url::parse(first).unwrap_or_else(|error| panic!("{error}: {first:?}"));
        assert!(url.scheme() == "https" && is_open(&url), "{first:?}");
    }
    let Ok(mut place) = Place::read(first, &[]) else { return };
    let mut url = seen(&place);
    for location in lines.take(3) {
        let Ok(next) = place.follow(location, &[]) else { return };
        let mut joined = url.join(location).unwrap_or_else(|error| panic!("{error}: {location:?} from {url}"));
        joined.set_fragment(None);
        url = seen(&next);
        assert_eq!(url, joined, "{location:?} from {place:?}");
        place = next;
    }
}

/// Others are shown the host of an address, and an error that quotes the address shows no path.
fn is_discreet(address: &str) {
    let short = shortened(address);
    let quoted = Hidden::default().address(address).taken_from(&format!("cannot load {address}"));
    let Ok(url) = Url::parse(address) else {
        assert_eq!(short, "…", "{address:?}");
        return;
    };
    if short == "…" {
        assert!(!matches!(url.scheme(), "http" | "https"), "{address:?}");
        return;
    }
    let shown = Url::parse(short.trim_end_matches("/…")).unwrap_or_else(|error| panic!("{error}: {short:?}"));
    assert_eq!(shown.origin(), url.origin(), "{address:?}");
    assert_eq!((shown.path(), shown.query(), shown.username(), shown.password()), ("/", None, "", None), "{short:?}");
    assert!(url.path().len() < 12 || !quoted.contains(url.path()), "{address:?}: {quoted:?}");
}

/// The place as clients read it.
fn seen(place: &Place) -> Url {
    let url = Url::parse(&place.url).unwrap_or_else(|error| panic!("{error}: {place:?}"));
    assert!(matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none());
    let port = url.port_or_known_default().expect("http and https have a port");
    let host = url.host_str().expect("there is a host");
    let is_name = matches!(url.host(), Some(Host::Domain(_)));
    if is_name {
        assert_eq!(format!("{host}:{port}"), place.authority, "{place:?}");
        assert_eq!(place.target, Target::Name(host.to_owned()));
    } else {
        assert_eq!(place.target, Target::Ready);
        assert!(place.authority.ends_with(&format!(":{port}")), "{place:?}");
    }
    assert!(is_open(&url), "{place:?}");
    url
}

/// Whether a client that connects there connects to the open Internet.
fn is_open(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => {
            name.contains('.')
                && ![".localhost", ".local", ".internal", ".arpa"].iter().any(|end| name.ends_with(end))
                // No resolver takes it for an address.
                && !name.rsplit('.').next().is_none_or(|top| top.starts_with(|first: char| first.is_ascii_digit()))
        }
        Some(Host::Ipv4(address)) => {
            let within =
                |&(network, bits): &(Ipv4Addr, u32)| (address.to_bits() ^ network.to_bits()).leading_zeros() >= bits;
            !SPECIAL_V4.iter().any(within)
        }
        Some(Host::Ipv6(address)) => {
            let within =
                |&(network, bits): &(Ipv6Addr, u32)| (address.to_bits() ^ network.to_bits()).leading_zeros() >= bits;
            address.to_bits() >> 125 == 1 && !SPECIAL_V6.iter().any(within)
        }
        None => false,
    }
}
