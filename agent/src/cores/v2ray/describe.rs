//! From an inbound of the template to what its clients must know. Private keys stay here.

use serde_json::{Map, Value};
use weir_wire::inbound::{Inbound, InboundReality, InboundTransport};

use super::users::{Scheme, VISION};
use crate::cores::describe::{hosts, is_on_loopback, owned, public_key};
use crate::cores::json::{some, text};

/// What clients must know of an inbound whose users are ours. `None` without a tag or one fixed port.
pub(super) fn describe(inbound: &Map<String, Value>, scheme: &Scheme, self_signed: bool) -> Option<Inbound> {
    let own = |key: &str| some(inbound.get(key));
    let null = Value::Null;
    let stream = inbound.get("streamSettings").unwrap_or(&null);
    let settings = inbound.get("settings").unwrap_or(&null);
    let tls = (text(stream, "security") == "tls").then(|| stream.get("tlsSettings").unwrap_or(&null));
    let reality = (text(stream, "security") == "reality").then(|| stream.get("realitySettings").unwrap_or(&null));
    let method = match scheme {
        Scheme::Shadowsocks { .. } | Scheme::Shadowsocks2022 { .. } => some(settings.get("method")),
        _ => None,
    };
    Some(Inbound {
        tag: own("tag")?,
        protocol: own("protocol")?,
        port: port(inbound)?,
        loopback: is_on_loopback(inbound),
        tls: tls.is_some() || reality.is_some(),
        server_name: tls
            .and_then(|tls| some(tls.get("serverName")))
            .or_else(|| reality.and_then(|reality| owned(reality.get("serverNames")).into_iter().next())),
        insecure: self_signed,
        alpn: tls.map(|tls| owned(tls.get("alpn"))).unwrap_or_default(),
        reality: reality.map(|reality| InboundReality {
            public_key: public_key(text(reality, "privateKey")),
            short_ids: owned(reality.get("shortIds")),
            handshake: some(reality.get("dest")).or_else(|| some(reality.get("target"))),
        }),
        transport: transport(stream),
        flow: (*scheme == Scheme::Vless { vision: true }).then(|| VISION.to_owned()),
        server_key: matches!(scheme, Scheme::Shadowsocks2022 { .. }).then(|| some(settings.get("password"))).flatten(),
        method,
        ..Inbound::default()
    })
}

/// The inbound's port, if it has one. The core takes it as a number or as text.
pub(super) fn port(inbound: &Map<String, Value>) -> Option<u16> {
    let port = match inbound.get("port")? {
        Value::Number(number) => number.as_u64().and_then(|port| u16::try_from(port).ok()),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    port.filter(|port| *port > 0)
}

/// What vmess, vless and trojan run over, in sing-box's words, which the wire has.
fn transport(stream: &Value) -> Option<InboundTransport> {
    let network = text(stream, "network");
    let (kind, settings) = match network {
        "" | "tcp" | "raw" => return None,
        "ws" => ("ws", "wsSettings"),
        "grpc" | "gun" => ("grpc", "grpcSettings"),
        "http" | "h2" => ("http", "httpSettings"),
        "httpupgrade" => ("httpupgrade", "httpupgradeSettings"),
        other => return Some(InboundTransport { kind: other.to_owned(), ..InboundTransport::default() }),
    };
    let null = Value::Null;
    let settings = stream.get(settings).unwrap_or(&null);
    Some(InboundTransport {
        kind: kind.to_owned(),
        path: some(settings.get("path")),
        host: hosts(settings),
        service: some(settings.get("serviceName")),
        ..InboundTransport::default()
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn described(inbound: &Value, scheme: &Scheme) -> Inbound {
        describe(inbound.as_object().unwrap(), scheme, false).unwrap()
    }

    #[test]
    fn a_websocket_behind_tls_is_described_with_its_path_and_host() {
        let inbound = json!({
            "tag": "a", "protocol": "vmess", "port": "443", "listen": "127.0.0.1",
            "streamSettings": {
                "network": "ws", "security": "tls", "tlsSettings": { "serverName": "a.example", "alpn": ["http/1.1"] },
                "wsSettings": { "path": "/w", "headers": { "Host": "b.example" } },
            },
        });
        let expected = Inbound {
            tag: "a".into(),
            protocol: "vmess".into(),
            port: 443,
            loopback: true,
            tls: true,
            server_name: Some("a.example".into()),
            alpn: vec!["http/1.1".into()],
            transport: Some(InboundTransport {
                kind: "ws".into(),
                path: Some("/w".into()),
                host: Some("b.example".into()),
                ..InboundTransport::default()
            }),
            ..Inbound::default()
        };
        assert_eq!(described(&inbound, &Scheme::Vmess), expected);
    }

    #[test]
    fn reality_shows_its_public_key_alone() {
        let inbound = json!({
            "tag": "a", "protocol": "vless", "port": 443,
            "streamSettings": {
                "security": "reality",
                "realitySettings": {
                    "dest": "www.example.com:443", "serverNames": ["www.example.com"], "shortIds": ["", "ab"],
                    "privateKey": "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo",
                },
            },
        });
        let told = described(&inbound, &Scheme::Vless { vision: true });
        let reality = told.reality.clone().unwrap();
        // The pair of RFC 7748, 6.1.
        assert_eq!(reality.public_key, "hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo");
        assert_eq!((reality.short_ids.len(), told.server_name.as_deref()), (2, Some("www.example.com")));
        assert_eq!(told.flow.as_deref(), Some(VISION));
        assert!(!serde_json::to_string(&told).unwrap().contains("dwdtCnMY"));
    }

    #[test]
    fn shadowsocks_2022_shows_the_key_that_clients_need() {
        let inbound = json!({
            "tag": "a", "protocol": "shadowsocks", "port": 8388,
            "settings": { "method": "2022-blake3-aes-128-gcm", "password": "c2VydmVy" },
        });
        let told = described(&inbound, &Scheme::Shadowsocks2022 { wide: false });
        assert_eq!(
            (told.method.as_deref(), told.server_key.as_deref()),
            (Some("2022-blake3-aes-128-gcm"), Some("c2VydmVy"))
        );
    }

    #[test]
    fn a_range_of_ports_is_no_port() {
        for (port_value, expected) in
            [(json!(443), Some(443)), (json!("443"), Some(443)), (json!("1-9"), None), (json!(0), None)]
        {
            assert_eq!(port(json!({ "port": port_value }).as_object().unwrap()), expected);
        }
    }
}
