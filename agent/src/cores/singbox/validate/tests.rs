use serde_json::json;

use super::*;

const UUID: &str = "4a451ae6-90da-4f80-a0f2-cdb4a4a2d5f2";

/// A configuration with nothing wrong in it.
fn sound() -> Value {
    json!({
        "inbounds": [
            { "type": "vless", "tag": "v", "listen_port": 443, "users": [{ "name": "alice", "uuid": UUID }] },
            { "type": "hysteria2", "tag": "h", "listen_port": 443, "users": [{ "name": "alice", "password": "p" }] },
            { "type": "shadowsocks", "tag": "s", "listen_port": 8388, "method": "2022-blake3-aes-128-gcm",
              "password": "AAAAAAAAAAAAAAAAAAAAAA==",
              "users": [{ "name": "alice", "password": "AAAAAAAAAAAAAAAAAAAAAQ==" }] },
            { "type": "mixed", "tag": "m", "listen": "127.0.0.1", "listen_port": 1080,
              "users": [{ "username": "alice", "password": "p" }, { "username": "bob", "password": "p" }] },
        ],
        "outbounds": [{ "type": "direct", "tag": "direct" },
                      { "type": "selector", "tag": "gate", "outbounds": ["direct"], "default": "direct" }],
        "endpoints": [{ "type": "wireguard", "tag": "wg", "detour": "direct" }],
        "services": [{ "type": "api", "listen": "127.0.0.1", "listen_port": 9090 }],
        "dns": { "servers": [{ "type": "udp", "tag": "d", "detour": "wg" }] },
        "route": { "final": "wg", "rule_set": [{ "tag": "set" }], "rules": [
            { "inbound": "v", "outbound": "gate" },
            { "type": "logical", "mode": "or", "rules": [{ "inbound": ["h", "s"] }, { "rule_set": "set" }],
              "outbound": "direct" },
        ] },
    })
}

#[test]
fn a_sound_configuration_passes() {
    assert_eq!(validate(&sound()), Ok(()));
}

#[test]
fn what_the_core_s_own_check_lets_pass_is_refused_by_its_place() {
    for (pointer, value, words) in [
        ("/route/final", json!("gone"), "route.final: there is no outbound \"gone\""),
        ("/route/rules/0/outbound", json!("gone"), "route.rules[0].outbound"),
        ("/route/rules/0/inbound", json!("gone"), "route.rules[0].inbound"),
        ("/route/rules/1/rules/0/inbound", json!(["h", "gone"]), "route.rules[1].rules[0].inbound"),
        ("/route/rules/1/rules/1/rule_set", json!("gone"), "route.rules[1].rules[1].rule_set"),
        ("/outbounds/1/outbounds", json!(["direct", "gone"]), "outbounds[1].outbounds"),
        ("/outbounds/1/default", json!("gone"), "outbounds[1].default"),
        ("/outbounds/1/tag", json!("direct"), "\"direct\" is taken"),
        ("/endpoints/0/tag", json!("direct"), "\"direct\" is taken"),
        ("/endpoints/0/detour", json!("gone"), "endpoints[0].detour"),
        ("/inbounds/1/tag", json!("v"), "\"v\" is taken"),
        ("/dns/servers/0/detour", json!("gone"), "dns.servers[0].detour"),
        ("/inbounds/2/listen_port", json!(443), "443 is taken by inbounds[0]"),
        ("/inbounds/3/listen_port", json!(9090), "9090 is taken by inbounds[3]"),
        ("/inbounds/0/users/0/uuid", json!("not-a-uuid"), "inbounds[0].users[0].uuid"),
        ("/inbounds/0/users/0/name", json!(""), "inbounds[0].users[0].name"),
        ("/inbounds/1/users/0/password", json!(""), "inbounds[1].users[0].password"),
        ("/inbounds/2/password", json!("AAAA"), "inbounds[2].password: must be 16 bytes"),
        ("/inbounds/2/users/0/password", json!("AAAA"), "inbounds[2].users[0].password"),
        ("/inbounds/3/users/1/username", json!("alice"), "another user"),
        ("/inbounds/3/users", json!([]), "inbounds[3].users: must not be empty"),
    ] {
        let mut config = sound();
        *config.pointer_mut(pointer).unwrap() = value;
        let told = validate(&config).unwrap_err().to_string();
        assert!(told.contains(words), "{pointer}: {told}");
    }
}

#[test]
fn two_users_with_one_proof_are_refused_because_the_core_would_credit_one_of_them() {
    let mut config = sound();
    config["inbounds"][0]["users"] = json!([{ "name": "alice", "uuid": UUID }, { "name": "bob", "uuid": UUID }]);
    assert!(validate(&config).unwrap_err().to_string().contains("inbounds[0].users[1].uuid"));
    config["inbounds"][0]["users"] = json!([{ "name": "alice", "uuid": UUID, "flow": "bogus" }]);
    assert!(validate(&config).unwrap_err().to_string().contains("flow"));
}

#[test]
fn one_port_may_serve_tcp_and_udp_or_two_addresses() {
    let mut config = sound();
    config["inbounds"][3]["listen_port"] = 443.into();
    assert!(validate(&config).unwrap_err().to_string().contains("443 is taken"), "one listens everywhere");
    config["inbounds"][0]["listen"] = "192.0.2.1".into();
    assert_eq!(validate(&config), Ok(()));
}
