//! What clients must know of an inbound, as far as the cores name it alike. Private keys stay here.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use x25519_dalek::{PublicKey, StaticSecret};

use super::json::{some, texts};

/// Whether an inbound listens on loopback alone.
pub(super) fn is_on_loopback(inbound: &Map<String, Value>) -> bool {
    let listens = some(inbound.get("listen"));
    listens.and_then(|listen| listen.parse::<IpAddr>().ok()).is_some_and(|ip| ip.is_loopback())
}

/// Texts that are kept.
pub(super) fn owned(value: Option<&Value>) -> Vec<String> {
    texts(value).into_iter().map(str::to_owned).collect()
}

/// The hosts of a transport, with commas between them: its own key, or else its header.
pub(super) fn hosts(transport: &Value) -> Option<String> {
    let headers = transport.get("headers").and_then(Value::as_object);
    let in_headers = headers.and_then(|of| of.iter().find(|(name, _)| name.eq_ignore_ascii_case("host")));
    let mut hosts = texts(transport.get("host"));
    if hosts.is_empty() {
        hosts = texts(in_headers.map(|(_, value)| value));
    }
    Some(hosts.join(",")).filter(|hosts| !hosts.is_empty())
}

/// The X25519 public key of a private one, both 32 bytes in URL-safe base64 without padding. Of a key that is none it is empty: the
/// core refuses such a file, and until then no client can use the inbound.
pub(super) fn public_key(private: &str) -> String {
    let bytes: Option<[u8; 32]> = URL_SAFE_NO_PAD.decode(private).ok().and_then(|bytes| bytes.try_into().ok());
    let public = bytes.map(|bytes| PublicKey::from(&StaticSecret::from(bytes)));
    public.map(|public| URL_SAFE_NO_PAD.encode(public.as_bytes())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn hosts_are_those_of_the_transport_or_else_of_its_header() {
        let both = json!({ "host": ["a.example", "b.example"], "headers": { "Host": "c.example" } });
        assert_eq!(hosts(&both).as_deref(), Some("a.example,b.example"));
        assert_eq!(hosts(&json!({ "headers": { "HOST": "c.example" } })).as_deref(), Some("c.example"));
        assert_eq!(hosts(&json!({ "host": "" })), None);
    }

    #[test]
    fn a_public_key_is_what_others_make_of_the_private_one() {
        for (private, public) in [
            // RFC 7748, section 6.1: Bob's keys.
            ("XasIfmJKikt54X-Lg4AO5m87sSkmGLb9HC-LJ_-I4Os", "3p7bfXt9wbTTW2HC7OQ1Nz-DQ8hbeGdNrfx-FG-IK08"),
            // `mihomo generate reality-keypair` and `sing-box generate reality-keypair`.
            ("WIs3AGt1IsvwxBkqm_fpjVhyw_og5rMhbUL4hXild1o", "yu6Ay_7F5E5xN2WcbfeTzdZrzSf4p6UOc-1CfLcL2UA"),
            ("yCxvSGH6ATpRwzrIZg_Qkq19HyqXB0bjm_pixe62704", "9jQXZ0r8iconXBewyMJcPmlk5bMUmaE-cfsqmeRasTY"),
        ] {
            assert_eq!(public_key(private), public);
        }
        for broken in ["", "AAAA", "XasIfmJKikt54X+Lg4AO5m87sSkmGLb9HC+LJ/+I4Os=", "no key"] {
            assert_eq!(public_key(broken), "", "{broken}");
        }
    }

    #[test]
    fn an_inbound_without_an_address_is_not_on_loopback() {
        let listens = |on: Value| is_on_loopback(json!({ "listen": on }).as_object().unwrap());
        assert!(listens(json!("127.0.0.1")) && listens(json!("::1")));
        assert!(!listens(json!("::")) && !listens(json!("")) && !is_on_loopback(&Map::new()));
    }
}
