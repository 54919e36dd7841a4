use serde_json::json;

use super::*;

fn parsed(template: &Value) -> Template {
    Template::parse(&template.to_string()).unwrap()
}

fn refusal(template: &Value) -> String {
    Template::parse(&template.to_string()).unwrap_err().to_string()
}

#[test]
fn the_key_of_the_agent_never_reaches_the_core() {
    let template = parsed(&json!({ "weir": { "stay_in_front": [] }, "log": { "level": "warn" } }));
    assert_eq!(Value::Object(template.config), json!({ "log": { "level": "warn" } }));
}

#[test]
fn a_wrong_template_is_refused_by_place_and_rule() {
    let trojan = json!({ "type": "trojan", "tag": "in", "listen_port": 443 });
    for (template, words) in [
        (json!([]), "JSON object"),
        (json!({ "weir": { "stay_in_frnt": [0] } }), "stay_in_frnt"),
        (json!({ "weir": { "stay_in_front": [0] } }), "route.rules has no index 0"),
        (json!({ "weir": { "leave_alone": ["x"] }, "inbounds": [trojan] }), "no inbound \"x\""),
        (json!({ "weir": { "self_signed": ["x"] }, "inbounds": [trojan] }), "no inbound \"x\""),
        (json!({ "weir": { "hop": { "in": { "ports": "1-9" } } }, "inbounds": [trojan] }), "\"in\" of hysteria2"),
        (
            json!({ "weir": { "hop": { "hy": { "ports": "9-1" } } },
                    "inbounds": [{ "type": "hysteria2", "tag": "hy", "listen_port": 443 }] }),
            "weir.hop.hy.ports",
        ),
        (json!({ "inbounds": { "type": "trojan" } }), "inbounds: must be a list"),
        (json!({ "inbounds": ["trojan"] }), "inbounds: must be a list"),
        (json!({ "route": [] }), "route: must be an object"),
        (json!({ "route": { "rules": {} } }), "route.rules: must be a list"),
        (json!({ "inbounds": [{ "type": "trojan", "listen_port": 443 }] }), "inbounds[0].tag: must be set"),
        (json!({ "inbounds": [{ "type": "trojan", "tag": "in" }] }), "inbounds[0].listen_port"),
        (json!({ "inbounds": [{ "type": "trojan", "tag": "in", "listen_port": 0 }] }), "inbounds[0].listen_port"),
        (
            json!({ "inbounds": [{ "type": "trojan", "tag": "in", "listen_port": 1, "users": {} }] }),
            "inbounds[0].users",
        ),
        (json!({ "outbounds": [{ "type": "direct", "tag": "weir:alice" }] }), "outbounds[0].tag"),
        (
            json!({ "inbounds": [{ "type": "shadowsocks", "tag": "ss", "listen_port": 1,
                                   "method": "2022-blake3-chacha20-poly1305" }] }),
            "cannot serve several users",
        ),
    ] {
        let told = refusal(&template);
        assert!(told.contains(words), "{template}: {told}");
    }
}

#[test]
fn rules_stand_before_the_gate_only_while_none_chose_an_outbound_or_when_marked() {
    let template = parsed(&json!({
        "weir": { "stay_in_front": [3, 5] },
        "route": { "rules": [
            { "action": "sniff" },
            { "protocol": "bittorrent", "action": "reject" },
            { "domain": "first.example", "outbound": "direct" },
            { "domain": "marked.example", "outbound": "direct" },
            { "action": "sniff" },
            { "domain": "last.example", "action": "route", "outbound": "direct" },
        ] },
    }));
    let rules = template.rules();
    assert_eq!(rules.leading.len(), 2);
    let domains = |rules: &[Value]| rules.iter().map(|rule| text(rule, "domain").to_owned()).collect::<Vec<_>>();
    assert_eq!(domains(&rules.in_front), ["marked.example", "last.example"]);
    assert_eq!(domains(&rules.behind), ["first.example", ""]);
}

#[test]
fn everything_that_bypasses_the_gate_is_named() {
    let template = parsed(&json!({
        "weir": { "stay_in_front": [1], "leave_alone": ["own"] },
        "inbounds": [{ "type": "mixed", "tag": "own", "listen": "127.0.0.1", "listen_port": 1080 }],
        "route": { "rules": [{ "protocol": "dns", "action": "hijack-dns" }, { "outbound": "direct" }] },
    }));
    let words = template.bypasses();
    assert_eq!(words.len(), 3, "{words:?}");
    for part in ["DNS queries before the gate, uncounted", "\"outbound\":\"direct\"", "inbound \"own\""] {
        assert!(words.iter().any(|word| word.contains(part)), "{part}: {words:?}");
    }
}

#[test]
fn open_gates_lead_to_the_final_outbound_or_the_first() {
    let outbounds = json!([{ "type": "direct", "tag": "one" }, { "type": "direct", "tag": "two" }]);
    let tag = |template: &Value| parsed(template).final_outbound().unwrap();
    assert_eq!(tag(&json!({})), None);
    assert_eq!(tag(&json!({ "outbounds": outbounds })).as_deref(), Some("one"));
    assert_eq!(tag(&json!({ "outbounds": outbounds, "route": { "final": "two" } })).as_deref(), Some("two"));
    let nameless = parsed(&json!({ "outbounds": [{ "type": "direct" }] })).final_outbound().unwrap_err();
    assert!(nameless.to_string().contains("outbounds[0].tag"));
}

#[test]
fn clients_are_told_of_inbounds_with_our_users_alone() {
    let template = parsed(&json!({
        "weir": { "leave_alone": ["own"], "self_signed": ["hy"] },
        "inbounds": [
            { "type": "tun", "tag": "tun" },
            { "type": "mixed", "tag": "own", "listen_port": 1080 },
            { "type": "hysteria2", "tag": "hy", "listen_port": 443,
              "tls": { "enabled": true, "server_name": "a.example" } },
            { "type": "shadowsocks", "tag": "ss", "listen_port": 8388, "method": "2022-blake3-aes-128-gcm",
              "password": "AAAAAAAAAAAAAAAAAAAAAA==" },
        ],
    }));
    let [hysteria, shadowsocks] = template.inbounds().try_into().unwrap();
    assert_eq!((hysteria.tag.as_str(), hysteria.port, hysteria.tls, hysteria.insecure), ("hy", 443, true, true));
    assert_eq!(hysteria.server_name.as_deref(), Some("a.example"));
    assert_eq!((shadowsocks.tls, shadowsocks.insecure), (false, false));
    assert_eq!(shadowsocks.server_key.as_deref(), Some("AAAAAAAAAAAAAAAAAAAAAA=="));
}

#[test]
fn inbounds_over_http_take_an_address_from_a_header() {
    let inbound = |tag: &str, kind: &str, transport: &str| {
        let transport = if transport.is_empty() { json!(null) } else { json!({ "type": transport }) };
        json!({ "type": kind, "tag": tag, "listen_port": 443, "transport": transport })
    };
    let template = parsed(&json!({ "inbounds": [
        inbound("plain", "trojan", ""),
        inbound("ws", "vless", "ws"),
        inbound("upgrade", "vmess", "httpupgrade"),
        inbound("h2", "trojan", "http"),
        inbound("grpc", "vless", "grpc"),
        inbound("quic", "vless", "quic"),
        inbound("mixed", "mixed", ""),
        inbound("naive", "naive", ""),
        inbound("hy", "hysteria2", ""),
    ] }));
    assert_eq!(template.by_header(), ["ws", "upgrade", "h2", "grpc", "mixed", "naive"]);
}

#[test]
fn users_leave_under_a_mark_only_as_they_leave_otherwise() {
    let with = |outbound: Value, route: Value, inbounds: Value| {
        parsed(&json!({ "inbounds": inbounds, "outbounds": [{ "type": "direct", "tag": "other" }, outbound], "route": route }))
            .marked()
    };
    let last = || json!({ "final": "out" });
    let model = with(json!({ "type": "direct", "tag": "out", "bind_interface": "eth1" }), last(), json!([])).unwrap();
    assert_eq!(model["bind_interface"], "eth1");
    assert_eq!(parsed(&json!({})).marked().unwrap()["type"], "direct");
    let direct = |key: &str| json!({ "type": "direct", "tag": "out", key: "1" });
    for (outbound, route, inbounds, words) in [
        (json!({ "type": "socks", "tag": "out" }), last(), json!([]), "\"out\" of the template is not of type direct"),
        (direct("routing_mark"), last(), json!([]), "has routing_mark"),
        (direct("detour"), last(), json!([]), "has detour"),
        (direct("netns"), last(), json!([]), "has netns"),
        (direct("tcp_fast_open"), json!({ "final": "out", "default_mark": 7 }), json!([]), "route.default_mark"),
        (direct("tcp_fast_open"), last(), json!([{ "type": "tun", "tag": "tun" }]), "type tun"),
        (direct("tcp_fast_open"), json!({ "final": "wireguard" }), json!([]), "\"wireguard\" of the template"),
    ] {
        let why = with(outbound, route, inbounds).unwrap_err();
        assert!(why.contains(words), "{why}");
    }
}
