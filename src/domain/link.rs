//! A user's ways in, and each as the share link that clients import.
//!
//! Clients refuse a whole list for one entry that they cannot read, so an inbound that no client could use becomes no link.

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use weir_wire::SlotName;
use weir_wire::credential::SlotSecret;
use weir_wire::sync::Inbound;

use super::name::NodeAddress;

/// A node as clients see it.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Endpoint {
    /// The node's name.
    pub node: String,
    /// What clients connect to.
    pub address: NodeAddress,
    /// What it offers.
    pub inbounds: Vec<Inbound>,
}

/// One way in for one user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// What the client's list shows; unique within a list.
    pub name: String,
    /// Where to connect.
    pub address: NodeAddress,
    /// Port, from 1.
    pub port: u16,
    /// TLS, if the inbound has it. Protocols that are nothing without TLS have it always.
    pub tls: Option<Tls>,
    /// Protocol and credentials.
    pub access: Access,
}

/// What a client must know about a certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// The name that the certificate is for, when it is not the address.
    pub server_name: Option<String>,
    /// It is self-signed: the client must not check it.
    pub insecure: bool,
}

/// A protocol with one user's credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// Trojan: password.
    Trojan(String),
    /// VLESS: uuid.
    Vless(String),
    /// `VMess`: uuid.
    Vmess(String),
    /// Shadowsocks: method, and password (2022: the server's key, a colon, the user's key).
    Shadowsocks(String, String),
    /// Hysteria 2: password.
    Hysteria2(String),
    /// TUIC 5: uuid, password.
    Tuic(String, String),
    /// `AnyTLS`: password.
    Anytls(String),
    /// Naive: user name, password.
    Naive(String, String),
    /// SOCKS 5: user name, password.
    Socks(String, String),
    /// HTTP proxy: user name, password.
    Http(String, String),
}

/// The links of the user who has `slot`, in the order of nodes and inbounds.
#[must_use]
pub fn links(endpoints: &[Endpoint], slot: &SlotName, secret: &SlotSecret) -> Vec<Link> {
    let mut names = HashSet::new();
    let inbounds = endpoints.iter().flat_map(|of| of.inbounds.iter().map(move |inbound| (of, inbound)));
    inbounds
        .filter_map(|(endpoint, inbound)| {
            let access = access(inbound, slot, secret).filter(|_| inbound.port > 0)?;
            let always_tls =
                matches!(access, Access::Hysteria2(_) | Access::Tuic(..) | Access::Anytls(_) | Access::Naive(..));
            let tls = Tls { server_name: inbound.server_name.clone(), insecure: inbound.insecure };
            Some(Link {
                name: unique(format!("{} {}", endpoint.node, inbound.protocol), &mut names),
                address: endpoint.address.clone(),
                port: inbound.port,
                tls: (inbound.tls || always_tls).then_some(tls),
                access,
            })
        })
        .collect()
}

/// Clients merge or refuse entries of the same name: the second `name` becomes `name 2`.
fn unique(name: String, taken: &mut HashSet<String>) -> String {
    if taken.insert(name.clone()) {
        return name;
    }
    let free = (2..=u32::MAX).map(|number| format!("{name} {number}")).find(|other| !taken.contains(other));
    let free = free.unwrap_or(name);
    taken.insert(free.clone());
    free
}

fn access(inbound: &Inbound, slot: &SlotName, secret: &SlotSecret) -> Option<Access> {
    let login = || (slot.as_str().to_owned(), secret.password());
    Some(match inbound.protocol.as_str() {
        "trojan" => Access::Trojan(secret.password()),
        "vless" => Access::Vless(secret.uuid()),
        "vmess" => Access::Vmess(secret.uuid()),
        "shadowsocks" => return shadowsocks(inbound, secret),
        "hysteria2" => Access::Hysteria2(secret.password()),
        "tuic" => Access::Tuic(secret.uuid(), secret.password()),
        "anytls" => Access::Anytls(secret.password()),
        "naive" => {
            let (name, password) = login();
            Access::Naive(name, password)
        }
        "socks" | "mixed" => {
            let (name, password) = login();
            Access::Socks(name, password)
        }
        "http" => {
            let (name, password) = login();
            Access::Http(name, password)
        }
        _ => return None,
    })
}

fn shadowsocks(inbound: &Inbound, secret: &SlotSecret) -> Option<Access> {
    let method = inbound.method.clone()?;
    let password = match method.as_str() {
        "2022-blake3-aes-128-gcm" => format!("{}:{}", server_key(inbound, 16)?, secret.shadowsocks_key_16()),
        "2022-blake3-aes-256-gcm" => format!("{}:{}", server_key(inbound, 32)?, secret.shadowsocks_key_32()),
        // Several users of one key: the core knows no such thing.
        other if other.starts_with("2022-") => return None,
        _ => secret.password(),
    };
    Some(Access::Shadowsocks(method, password))
}

/// The server's key, if it is one of `length` bytes; with any other, clients refuse the whole list.
fn server_key(inbound: &Inbound, length: usize) -> Option<&str> {
    let key = inbound.server_key.as_deref()?;
    STANDARD.decode(key).is_ok_and(|bytes| bytes.len() == length).then_some(key)
}

/// An entry that no client can connect with, whose name tells the user something.
#[must_use]
pub fn notice(text: &str) -> Link {
    Link {
        name: text.to_owned(),
        address: NodeAddress::from(core::net::IpAddr::from([127, 0, 0, 1])),
        port: 1,
        tls: None,
        // The protocol that every client reads.
        access: Access::Shadowsocks("aes-128-gcm".into(), "none".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inbound(protocol: &str) -> Inbound {
        Inbound {
            tag: "in".into(),
            protocol: protocol.into(),
            port: 443,
            tls: false,
            server_name: None,
            insecure: false,
            method: None,
            server_key: None,
        }
    }

    fn of(inbounds: Vec<Inbound>) -> Vec<Link> {
        let slot: SlotName = "abcd2345".parse().unwrap();
        let secret = SlotSecret::derive(b"0123456789abcdef0123456789abcdef", &slot);
        let address = NodeAddress::try_from("vpn.example".to_owned()).unwrap();
        links(&[Endpoint { node: "Zürich".into(), address, inbounds }], &slot, &secret)
    }

    #[test]
    fn every_name_in_a_list_is_its_own() {
        let names = |links: Vec<Link>| links.into_iter().map(|link| link.name).collect::<Vec<_>>();
        let all = vec![inbound("vless"), inbound("vless"), inbound("vmess"), inbound("vless")];
        assert_eq!(names(of(all)), ["Zürich vless", "Zürich vless 2", "Zürich vmess", "Zürich vless 3"]);
    }

    #[test]
    fn an_inbound_that_clients_would_choke_on_becomes_no_link() {
        let method = |method: &str, key: Option<&str>| Inbound {
            method: Some(method.into()),
            server_key: key.map(Into::into),
            ..inbound("shadowsocks")
        };
        let unusable = vec![
            inbound("tun"),
            inbound("shadowsocks"),
            Inbound { port: 0, ..inbound("trojan") },
            method("2022-blake3-aes-128-gcm", None),
            method("2022-blake3-aes-128-gcm", Some("AAAA")),
            method("2022-blake3-aes-256-gcm", Some("AAAAAAAAAAAAAAAAAAAAAA==")),
            method("2022-blake3-chacha20-poly1305", Some("AAAAAAAAAAAAAAAAAAAAAA==")),
        ];
        assert_eq!(of(unusable), []);
        assert_eq!(of(vec![method("2022-blake3-aes-128-gcm", Some("AAAAAAAAAAAAAAAAAAAAAA=="))]).len(), 1);
    }

    #[test]
    fn protocols_that_are_nothing_without_tls_have_it() {
        for protocol in ["hysteria2", "tuic", "anytls", "naive"] {
            assert_eq!(of(vec![inbound(protocol)])[0].tls, Some(Tls::default()), "{protocol}");
        }
        assert_eq!(of(vec![inbound("vmess")])[0].tls, None);
    }
}
