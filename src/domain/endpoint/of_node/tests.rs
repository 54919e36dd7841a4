use serde_json::{Value, json};
use weir_wire::Second;

use super::*;
use crate::domain::user::Standing;
use crate::domain::zone::Zone;

const PUBLIC_KEY: &str = "3p7bfXt9wbTTW2HC7OQ1Nz-DQ8hbeGdNrfx-FG-IK08";

#[expect(clippy::needless_pass_by_value, reason = "callers write it down on the spot")]
fn inbound(protocol: &str, fields: Value) -> Inbound {
    let mut inbound = json!({ "tag": protocol, "protocol": protocol, "port": 443 });
    inbound.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    serde_json::from_value(inbound).unwrap()
}

/// The ways in of somebody with this plan.
fn of_plan(plan: Option<&str>, node: &Value) -> Vec<Endpoint> {
    let node: NodeWays = serde_json::from_value(node.clone()).unwrap();
    let slot: SlotName = "abcd2345".parse().unwrap();
    let credentials = SlotSecret::derive(b"0123456789abcdef0123456789abcdef", &slot).into();
    let standing = Standing::default();
    let account =
        Account { name: "ann", plan, standing: &standing, next_reset: None, zone: Zone::UTC, now: Second::EPOCH };
    of_nodes(&[node], &Bearer { slot: &slot, credentials: &credentials, account })
}

fn with(addresses: &Value, inbounds: &[Inbound]) -> Value {
    json!({ "node": "Zürich", "address": "vpn.example", "country": "CH", "inbounds": inbounds, "addresses": addresses })
}

fn of(inbounds: &[Inbound]) -> Vec<Endpoint> {
    of_plan(None, &with(&json!([]), inbounds))
}

/// The one link of an inbound, which reads back as what it was made of.
fn link(inbound: &Inbound) -> String {
    at(&json!([]), inbound)
}

fn at(addresses: &Value, inbound: &Inbound) -> String {
    let [endpoint] = of_plan(None, &with(addresses, core::slice::from_ref(inbound))).try_into().unwrap();
    let link = endpoint.link();
    assert_eq!(Endpoint::read(&link).unwrap().unwrap(), endpoint, "{link}");
    link
}

fn has(link: &str, parts: &[&str]) {
    for part in parts {
        assert!(link.contains(part), "{part} in {link}");
    }
}

#[test]
fn an_inbound_that_clients_would_choke_on_becomes_no_way_in_and_says_why() {
    let method =
        |method: &str, key: Option<&str>| inbound("shadowsocks", json!({ "method": method, "server_key": key }));
    let tls = json!({ "tls": true, "server_name": "a.example" });
    let reality = |reality: Value, name: Option<&str>| {
        inbound("vless", json!({ "tls": true, "server_name": name, "reality": reality }))
    };
    let key = json!({ "public_key": PUBLIC_KEY });
    let vpn = NodeAddress::try_from("vpn.example".to_owned()).unwrap();
    for (unusable, word) in [
        (inbound("tun", json!({})), "protocol"),
        (inbound("hysteria", tls.clone()), "protocol"),
        (inbound("trojan", json!({ "port": 0 })), "port"),
        (inbound("shadowsocks", json!({})), "method"),
        (method("2022-blake3-aes-128-gcm", None), "key"),
        (method("2022-blake3-aes-128-gcm", Some("AAAA")), "key"),
        (method("2022-blake3-aes-256-gcm", Some("AAAAAAAAAAAAAAAAAAAAAA==")), "key"),
        (method("2022-blake3-chacha20-poly1305", Some("AAAAAAAAAAAAAAAAAAAAAA==")), "several users"),
        (method("20:aes-256-gcm", None), "none"),
        (reality(json!({ "public_key": "" }), Some("a.example")), "key"),
        (reality(key.clone(), None), "server_name"),
        (reality(json!({ "public_key": PUBLIC_KEY, "short_ids": ["abc"] }), Some("a.example")), "short id"),
        (inbound("anytls", json!({ "tls": true, "server_name": "a.example", "reality": key })), "REALITY"),
        (inbound("vless", json!({ "transport": { "type": "quic" } })), "transport"),
        (inbound("vmess", json!({ "tls": true, "transport": { "type": "http", "method": "GET" } })), "PUT"),
        (inbound("hysteria2", json!({ "obfs": { "type": "salamander", "password": "" } })), "password"),
        (inbound("hysteria2", json!({ "obfs": { "type": "new", "password": "x" } })), "obfuscation"),
        (inbound("hysteria2", json!({ "hop_ports": "9-1" })), "ports"),
        (inbound("trojan", json!({ "loopback": true })), "loopback"),
    ] {
        assert_eq!(of(core::slice::from_ref(&unusable)), [], "{unusable:?}");
        let reason = why_not(&unusable, &vpn).unwrap();
        assert!(reason.contains(word), "{reason}");
    }
    assert_eq!(of(&[method("2022-blake3-aes-128-gcm", Some("AAAAAAAAAAAAAAAAAAAAAA=="))]).len(), 1);
    assert_eq!(why_not(&inbound("trojan", tls), &vpn), None);
}

#[test]
fn a_plain_inbound_has_no_tls_and_the_others_say_how_to_check_the_certificate() {
    has(&link(&inbound("vless", json!({}))), &["security=none", "#Z%C3%BCrich%20vless"]);
    let self_signed = json!({ "tls": true, "server_name": "weir.test", "insecure": true, "alpn": ["h2", "http/1.1"] });
    for protocol in ["vless", "trojan", "hysteria2", "tuic", "anytls"] {
        let link = link(&inbound(protocol, self_signed.clone()));
        has(&link.to_lowercase(), &["sni=weir.test", "insecure=1", "alpn=h2%2chttp%2f1.1"]);
    }
    has(&link(&inbound("tuic", json!({ "tls": true }))), &["alpn=h3", "congestion_control=bbr"]);
    has(&link(&inbound("tuic", json!({ "tls": true, "congestion_control": "cubic" }))), &["congestion_control=cubic"]);
}

#[test]
fn reality_has_its_key_its_first_short_id_a_browser_and_its_users_flow() {
    let fields = json!({ "tls": true, "server_name": "site.example", "flow": "xtls-rprx-vision",
                         "reality": { "public_key": PUBLIC_KEY, "short_ids": ["0123abcd", "ff"] } });
    let pbk = format!("pbk={PUBLIC_KEY}");
    let vless = link(&inbound("vless", fields.clone()));
    has(&vless, &["security=reality", "sni=site.example", "fp=chrome", &pbk, "sid=0123abcd", "flow=xtls-rprx-vision"]);
    has(&link(&inbound("trojan", fields.clone())), &["security=reality", &pbk]);
    // The server takes clients without one.
    let mut without = fields.clone();
    without["reality"]["short_ids"] = json!([""]);
    assert!(!link(&inbound("vless", without)).contains("sid="));
    // A transport takes no flow, whatever somebody says.
    let mut grpc = fields;
    grpc["transport"] = json!({ "type": "grpc", "service": "Tun" });
    let grpc = link(&inbound("vless", grpc));
    has(&grpc, &["type=grpc", "serviceName=Tun", &pbk]);
    assert!(!grpc.contains("flow="));
}

#[test]
fn transports_are_those_of_the_inbound() {
    let over = |tls: bool, transport: Value| link(&inbound("vless", json!({ "tls": tls, "transport": transport })));
    has(
        &over(true, json!({ "type": "ws", "path": "/a b", "host": "x.example" })),
        &["type=ws", "host=x.example", "path=%2Fa%20b"],
    );
    has(&over(true, json!({ "type": "ws", "early_data": 2048 })), &["path=%2F%3Fed%3D2048"]);
    has(&over(false, json!({ "type": "httpupgrade", "path": "/u" })), &["type=httpupgrade", "path=%2Fu"]);
    has(
        &over(true, json!({ "type": "http", "host": "a.example,b.example" })),
        &["type=http", "host=a.example%2Cb.example"],
    );
    has(
        &over(false, json!({ "type": "http", "host": "a.example,b.example", "path": "/p" })),
        &["type=tcp", "headerType=http", "host=a.example", "path=%2Fp"],
    );
    let vmess = link(&inbound("vmess", json!({ "transport": { "type": "ws", "path": "/v" } })));
    assert!(vmess.starts_with("vmess://"), "{vmess}");
}

#[test]
fn hysteria2_has_its_obfuscation_and_ports() {
    let fields = json!({ "tls": true, "obfs": { "type": "salamander", "password": "cry me" },
                         "hop_ports": "20000-21000", "hop_interval": 30 });
    let hysteria = inbound("hysteria2", fields);
    has(&link(&hysteria), &["obfs=salamander", "obfs-password=cry%20me", "mport=20000-21000", "hop-interval=30"]);
    // Behind another port nobody knows of such ports.
    let moved = at(&json!([[1, { "inbound": "hysteria2", "port": 8443 }]]), &hysteria);
    has(&moved, &["vpn.example:8443"]);
    assert!(!moved.contains("mport") && !moved.contains("hop-interval"), "{moved}");
}

#[test]
fn naive_over_udp_alone_is_quic() {
    has(&link(&inbound("naive", json!({ "tls": true, "network": "udp" }))), &["naive+quic://"]);
    has(&link(&inbound("naive", json!({ "tls": true }))), &["naive+https://"]);
}

#[test]
fn an_address_says_what_is_not_as_the_inbound_has_it() {
    let behind = inbound(
        "vless",
        json!({ "loopback": true, "transport": { "type": "ws", "path": "/in", "host": "old.example" } }),
    );
    let everything = json!([[1, { "inbound": "vless", "remark": "{FLAG} {USERNAME} {TRANSPORT}:{PORT}",
        "address": "2001:db8::1", "port": 8443, "security": "tls", "sni": "cdn.example", "host": "origin.example",
        "path": "out", "alpn": ["h2", "http/1.1"], "fingerprint": "firefox", "insecure": true }]]);
    let link = at(&everything, &behind);
    has(
        &link,
        &[
            "@[2001:db8::1]:8443?",
            "security=tls",
            "sni=cdn.example",
            "host=origin.example",
            "path=%2Fout",
            "alpn=h2%2Chttp%2F1.1",
            "fp=firefox",
            "allowInsecure=1",
            "#%F0%9F%87%A8%F0%9F%87%AD%20ann%20ws%3A8443",
        ],
    );
    // Nothing said, everything as it is, and loopback is the operator's business.
    has(
        &at(&json!([[1, { "inbound": "vless" }]]), &behind),
        &["@vpn.example:443?", "security=none", "host=old.example", "path=%2Fin"],
    );
    let grpc = inbound("vless", json!({ "tls": true, "transport": { "type": "grpc", "service": "In" } }));
    let other = json!([[1, { "inbound": "vless", "path": "Out", "host": "a.example" }]]);
    has(&at(&other, &grpc), &["serviceName=Out", "authority=a.example"]);
    let reality = inbound(
        "vless",
        json!({ "tls": true, "server_name": "site.example", "flow": "xtls-rprx-vision",
        "reality": { "public_key": PUBLIC_KEY } }),
    );
    has(
        &at(&json!([[1, { "inbound": "vless", "sni": "alias.example", "fingerprint": "ios" }]]), &reality),
        &["sni=alias.example", "fp=ios"],
    );
    let bare = at(&json!([[1, { "inbound": "vless", "security": "none" }]]), &reality);
    has(&bare, &["security=none"]);
    assert!(!bare.contains("flow=") && !bare.contains("pbk="), "{bare}");
}

#[test]
fn addresses_come_first_in_their_order_and_an_inbound_that_has_any_has_no_other_link() {
    let tls = json!({ "tls": true });
    let inbounds = [inbound("trojan", tls.clone()), inbound("vless", tls.clone()), inbound("anytls", tls)];
    let addresses = json!([
        [1, { "inbound": "anytls", "remark": "1" }],
        [0, { "inbound": "trojan", "remark": "off" }],
        [1, { "inbound": "gone", "remark": "gone" }],
        [1, { "inbound": "anytls", "remark": "2", "plans": ["Basic", "premium"] }],
    ]);
    let names = |plan: Option<&str>| {
        let ways = of_plan(plan, &with(&addresses, &inbounds));
        ways.into_iter().map(|way| way.name).collect::<Vec<_>>()
    };
    assert_eq!(names(Some("basic")), ["1", "2", "Zürich vless"]);
    assert_eq!(names(Some("free")), ["1", "Zürich vless"]);
    assert_eq!(names(None), ["1", "Zürich vless"]);
}

#[test]
fn what_was_stored_before_there_were_addresses_is_read_as_it_was() {
    let old = json!({ "node": "Wien", "address": "127.0.0.1", "inbounds": [
        { "tag": "in", "protocol": "trojan", "port": 443, "tls": true, "server_name": "weir.test", "insecure": true },
        { "tag": "near", "protocol": "vless", "port": 80, "tls": false, "insecure": false, "loopback": true },
    ] });
    let names: Vec<String> = of_plan(None, &old).into_iter().map(|way| way.name).collect();
    // On this host itself loopback is reachable.
    assert_eq!(names, ["Wien trojan", "Wien vless"]);
}
