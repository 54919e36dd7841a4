use serde_json::json;

use super::*;

fn marked(inbound: &Value, marked: Marked<'_>) -> Inbound {
    let inbound = inbound.as_object().unwrap();
    describe(inbound, Scheme::of(inbound).unwrap().unwrap(), marked).unwrap()
}

/// An inbound with these fields beside the tag and the port.
#[expect(clippy::needless_pass_by_value, reason = "a case is written where it is used")]
fn of(kind: &str, fields: Value) -> Inbound {
    let mut inbound = json!({ "type": kind, "tag": "in", "listen": "::", "listen_port": 443 });
    inbound.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    marked(&inbound, Marked::default())
}

#[expect(clippy::needless_pass_by_value, reason = "a case is written where it is used")]
fn over(fields: Value) -> InboundTransport {
    of("vmess", json!({ "transport": fields })).transport.unwrap()
}

fn plain(kind: &str) -> Inbound {
    Inbound { tag: "in".into(), protocol: kind.into(), port: 443, ..Inbound::default() }
}

#[test]
fn reality_is_told_without_its_private_key() {
    let private = "XasIfmJKikt54X-Lg4AO5m87sSkmGLb9HC-LJ_-I4Os";
    let tls = |short_id: Value| {
        json!({ "tls": { "enabled": true, "server_name": "site.example", "reality": {
            "enabled": true, "private_key": private, "short_id": short_id,
            "handshake": { "server": "other.example", "server_port": 443 } } } })
    };
    let inbound = of("vless", tls(json!(["", "0123abcd"])));
    let reality = InboundReality {
        public_key: "3p7bfXt9wbTTW2HC7OQ1Nz-DQ8hbeGdNrfx-FG-IK08".into(),
        short_ids: vec![String::new(), "0123abcd".into()],
        handshake: Some("other.example".into()),
    };
    assert_eq!(inbound.reality, Some(reality));
    assert_eq!((inbound.server_name.as_deref(), inbound.flow.as_deref()), (Some("site.example"), Some(VISION)));
    assert!(!serde_json::to_string(&inbound).unwrap().contains(private));
    assert_eq!(of("vless", tls(json!("ab"))).reality.unwrap().short_ids, ["ab"]);
    // Only vless has flows.
    assert_eq!(of("trojan", tls(json!("ab"))).flow, None);
    let off = json!({ "tls": { "enabled": true, "reality": { "enabled": false, "private_key": private } } });
    assert_eq!(of("vless", off).reality, None);
}

#[test]
fn transports_are_told_as_clients_must_ask_for_them() {
    let kind = |kind: &str| InboundTransport { kind: kind.into(), ..InboundTransport::default() };
    let path = |path: &str| Some(path.to_owned());
    assert_eq!(over(json!({ "type": "ws" })), kind("ws"));
    assert_eq!(
        over(json!({ "type": "ws", "path": "chat", "headers": { "host": ["a.example", "b.example"] } })),
        InboundTransport { path: path("/chat"), host: path("a.example,b.example"), ..kind("ws") }
    );
    assert_eq!(
        over(json!({ "type": "ws", "path": "/", "max_early_data": 2048,
                     "early_data_header_name": "Sec-WebSocket-Protocol" })),
        InboundTransport { path: path("/"), early_data: Some(2048), ..kind("ws") }
    );
    // In the path, where no client but sing-box puts them: every client may leave them out.
    assert_eq!(over(json!({ "type": "ws", "max_early_data": 2048 })), kind("ws"));
    assert_eq!(
        over(json!({ "type": "httpupgrade", "path": "/up", "host": "a.example" })),
        InboundTransport { path: path("/up"), host: path("a.example"), ..kind("httpupgrade") }
    );
    assert_eq!(
        over(json!({ "type": "http", "host": ["a.example", "b.example"], "path": "/h2", "method": "PUT" })),
        InboundTransport { path: path("/h2"), host: path("a.example,b.example"), method: path("PUT"), ..kind("http") }
    );
    assert_eq!(
        over(json!({ "type": "grpc", "service_name": "Tunnel" })),
        InboundTransport { service: path("Tunnel"), ..kind("grpc") }
    );
    assert_eq!(of("vmess", json!({})).transport, None);
}

#[test]
fn tls_is_told_with_its_name_and_protocols() {
    assert_eq!(of("trojan", json!({})), plain("trojan"));
    assert_eq!(of("trojan", json!({ "tls": { "enabled": false, "server_name": "a.example" } })), plain("trojan"));
    let tls = Inbound { tls: true, server_name: Some("a.example".into()), ..plain("trojan") };
    assert_eq!(of("trojan", json!({ "tls": { "enabled": true, "server_name": "a.example" } })), tls);
    // sing-box fetches the certificate itself.
    assert_eq!(of("trojan", json!({ "tls": { "enabled": true, "acme": { "domain": ["a.example"] } } })), tls);
    let alpn = of("trojan", json!({ "tls": { "enabled": true, "server_name": "a.example", "alpn": "h2" } }));
    assert_eq!(alpn, Inbound { alpn: vec!["h2".into()], ..tls });
}

#[test]
fn what_only_some_protocols_have_is_told() {
    let obfs = InboundObfs { kind: "salamander".into(), password: "cry".into() };
    let hysteria = json!({ "tls": { "enabled": true }, "obfs": { "type": "salamander", "password": "cry" },
                           "up_mbps": 100, "down_mbps": 100 });
    assert_eq!(of("hysteria2", hysteria), Inbound { tls: true, obfs: Some(obfs), ..plain("hysteria2") });
    assert_eq!(
        of("tuic", json!({ "tls": { "enabled": true }, "congestion_control": "cubic" })),
        Inbound { tls: true, congestion_control: Some("cubic".into()), ..plain("tuic") }
    );
    assert_eq!(
        of("naive", json!({ "tls": { "enabled": true }, "network": "udp" })),
        Inbound { tls: true, network: Some("udp".into()), ..plain("naive") }
    );
    assert!(of("trojan", json!({ "multiplex": { "enabled": true } })).multiplex);
    let key = "AAAAAAAAAAAAAAAAAAAAAA==";
    let shadowsocks = |method: &str| of("shadowsocks", json!({ "method": method, "password": key }));
    assert_eq!(shadowsocks("2022-blake3-aes-128-gcm").server_key.as_deref(), Some(key));
    // Of older methods each user has his own password, and the inbound's is nobody's business.
    assert_eq!(shadowsocks("aes-128-gcm").server_key, None);
}

#[test]
fn an_inbound_on_loopback_says_so() {
    for (listen, loopback) in
        [("127.0.0.1", true), ("127.3.2.1", true), ("::1", true), ("::", false), ("192.0.2.1", false)]
    {
        assert_eq!(of("vless", json!({ "listen": listen })).loopback, loopback, "{listen}");
    }
}

#[test]
fn marks_of_the_operator_are_told() {
    let hop = Hop { ports: "20000-21000,443".into(), interval: Some(30) };
    let inbound = json!({ "type": "hysteria2", "tag": "in", "listen_port": 443, "tls": { "enabled": true } });
    let told = marked(&inbound, Marked { self_signed: true, hop: Some(&hop) });
    assert_eq!((told.hop_ports.as_deref(), told.hop_interval), (Some("20000-21000,443"), Some(30)));
    assert!(told.insecure);
    for (ports, fits) in [("1-65535", true), ("443", true), ("0-9", false), ("9-8", false), ("1:2", false), ("", false)]
    {
        assert_eq!(Hop { ports: ports.into(), interval: None }.breaks().is_none(), fits, "{ports}");
    }
}
