//! The ways into our own nodes for one user.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use weir_wire::SlotName;
use weir_wire::credential::SlotSecret;
use weir_wire::sync::Inbound;

use super::super::name::NodeAddress;
use super::{
    Anytls, Endpoint, Host, Http, Hysteria2, Login, Naive, Protocol, Security, Shadowsocks, Socks, Stream, Tls, Trojan,
    Tuic, Vless, Vmess, key_length,
};

/// A node as clients see it.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct NodeWays {
    /// The node's name.
    pub node: String,
    /// What clients connect to.
    pub address: NodeAddress,
    /// What it offers.
    pub inbounds: Vec<Inbound>,
}

/// The ways in of the user who has `slot`, in the order of nodes and inbounds. An inbound that no client could use
/// becomes none.
#[must_use]
pub fn of_nodes(nodes: &[NodeWays], slot: &SlotName, secret: &SlotSecret) -> Vec<Endpoint> {
    let inbounds = nodes.iter().flat_map(|node| node.inbounds.iter().map(move |inbound| (node, inbound)));
    inbounds
        .filter(|(_, inbound)| inbound.port > 0)
        .filter_map(|(node, inbound)| {
            Some(Endpoint {
                name: format!("{} {}", node.node, inbound.protocol),
                server: Host::from(&node.address),
                port: inbound.port,
                protocol: protocol(inbound, slot, secret)?,
                unknown: Vec::new(),
            })
        })
        .collect()
}

/// An entry that no client can connect with, whose name tells the user something.
#[must_use]
pub fn notice(text: &str) -> Endpoint {
    Endpoint {
        name: text.to_owned(),
        server: Host::from(core::net::IpAddr::from([127, 0, 0, 1])),
        port: 1,
        // The protocol that every client reads.
        protocol: Protocol::Shadowsocks(Shadowsocks {
            method: "aes-128-gcm".into(),
            password: "none".into(),
            plugin: None,
            udp_over_tcp: false,
        }),
        unknown: Vec::new(),
    }
}

fn protocol(inbound: &Inbound, slot: &SlotName, secret: &SlotSecret) -> Option<Protocol> {
    let tls = || Tls { server_name: inbound.server_name.clone(), insecure: inbound.insecure, ..Tls::default() };
    let stream = || Stream::tcp(if inbound.tls { Security::Tls(tls()) } else { Security::None });
    let login = || Login { username: slot.as_str().to_owned(), password: secret.password() };
    Some(match inbound.protocol.as_str() {
        "trojan" => Protocol::Trojan(Trojan { password: secret.password(), stream: stream() }),
        "vless" => Protocol::Vless(Vless {
            uuid: secret.uuid(),
            encryption: "none".into(),
            flow: None,
            packet_encoding: None,
            stream: stream(),
        }),
        "vmess" => Protocol::Vmess(Vmess {
            uuid: secret.uuid(),
            alter_id: 0,
            cipher: "auto".into(),
            packet_encoding: None,
            stream: stream(),
        }),
        "shadowsocks" => Protocol::Shadowsocks(shadowsocks(inbound, secret)?),
        // These are nothing without TLS, whatever the inbound says.
        "hysteria2" => Protocol::Hysteria2(Hysteria2 { auth: secret.password(), tls: tls(), ..Hysteria2::default() }),
        "tuic" => Protocol::Tuic(Tuic {
            uuid: secret.uuid(),
            password: secret.password(),
            congestion_control: Some("bbr".into()),
            tls: Tls { alpn: vec!["h3".into()], ..tls() },
            ..Tuic::default()
        }),
        "anytls" => Protocol::Anytls(Anytls { password: secret.password(), tls: tls() }),
        "naive" => Protocol::Naive(Naive { login: login(), quic: false, tls: tls() }),
        "socks" | "mixed" => Protocol::Socks(Socks { login: Some(login()) }),
        "http" => Protocol::Http(Http { login: login(), tls: inbound.tls.then(tls) }),
        _ => return None,
    })
}

fn shadowsocks(inbound: &Inbound, secret: &SlotSecret) -> Option<Shadowsocks> {
    let method = inbound.method.clone()?;
    let password = match method.as_str() {
        "2022-blake3-aes-128-gcm" => format!("{}:{}", server_key(inbound)?, secret.shadowsocks_key_16()),
        "2022-blake3-aes-256-gcm" => format!("{}:{}", server_key(inbound)?, secret.shadowsocks_key_32()),
        // Several users of one key: the core knows no such thing.
        other if other.starts_with("2022-") => return None,
        _ => secret.password(),
    };
    Some(Shadowsocks { method, password, plugin: None, udp_over_tcp: false })
}

/// The server's key, if it has the length that its method takes; with any other, clients refuse the whole list.
fn server_key(inbound: &Inbound) -> Option<&str> {
    let length = key_length(inbound.method.as_deref()?)?;
    let key = inbound.server_key.as_deref()?;
    STANDARD.decode(key).is_ok_and(|bytes| bytes.len() == length).then_some(key)
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

    fn of(inbounds: Vec<Inbound>) -> Vec<Endpoint> {
        let slot: SlotName = "abcd2345".parse().unwrap();
        let secret = SlotSecret::derive(b"0123456789abcdef0123456789abcdef", &slot);
        let address = NodeAddress::try_from("vpn.example".to_owned()).unwrap();
        of_nodes(&[NodeWays { node: "Zürich".into(), address, inbounds }], &slot, &secret)
    }

    #[test]
    fn an_inbound_that_clients_would_choke_on_becomes_no_way_in() {
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
    fn a_plain_inbound_has_no_tls_and_the_others_say_how_to_check_the_certificate() {
        let self_signed = |protocol| Inbound {
            tls: true,
            server_name: Some("weir.test".into()),
            insecure: true,
            ..inbound(protocol)
        };
        let links: Vec<String> = of(vec![inbound("vless"), self_signed("vless"), self_signed("hysteria2")])
            .iter()
            .map(Endpoint::link)
            .collect();
        assert!(links[0].contains("security=none"), "{}", links[0]);
        for link in &links[1..] {
            assert!(link.contains("sni=weir.test") && link.to_lowercase().contains("insecure=1"), "{link}");
        }
    }
}
