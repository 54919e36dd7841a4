//! The core's configuration as Marzban's clients see it. Ours stands on the hosts and is never read by the panel: what is shown is made
//! from what agents tell of their inbounds, which has no secrets.

use serde_json::{Map, Value, json};
use weir_wire::sync::Inbound;

use super::inbounds::Protocol;
use crate::domain::endpoint::NodeWays;

/// A configuration in the core's form: each tag once, as the first node has it. Without users, keys and rules.
#[must_use]
pub fn view(nodes: &[NodeWays]) -> Value {
    let mut inbounds: Vec<&Inbound> = Vec::new();
    for inbound in nodes.iter().flat_map(|node| &node.inbounds) {
        let is_known = Protocol::named(&inbound.protocol).is_some();
        if is_known && !inbounds.iter().any(|there| there.tag == inbound.tag) {
            inbounds.push(inbound);
        }
    }
    let inbounds: Vec<Value> = inbounds.into_iter().map(shown).collect();
    json!({
        "log": { "loglevel": "warning" },
        "inbounds": inbounds,
        "outbounds": [{ "protocol": "freedom", "tag": "DIRECT" }],
        "routing": { "rules": [] },
    })
}

fn shown(inbound: &Inbound) -> Value {
    let settings = match inbound.protocol.as_str() {
        "vless" => json!({ "clients": [], "decryption": "none" }),
        "shadowsocks" => json!({ "clients": [], "network": "tcp,udp", "method": inbound.method }),
        _ => json!({ "clients": [] }),
    };
    json!({
        "tag": inbound.tag,
        "listen": if inbound.loopback { "127.0.0.1" } else { "0.0.0.0" },
        "port": inbound.port,
        "protocol": inbound.protocol,
        "settings": settings,
        "streamSettings": stream(inbound),
    })
}

fn stream(inbound: &Inbound) -> Value {
    let mut stream = Map::new();
    let transport = inbound.transport.as_ref();
    stream.insert("network".into(), json!(transport.map_or("tcp", |transport| transport.kind.as_str())));
    if let Some(transport) = transport {
        let settings = match transport.kind.as_str() {
            "grpc" => json!({ "serviceName": transport.service.clone().unwrap_or_default() }),
            _ => {
                json!({ "path": transport.path.clone().unwrap_or_else(|| "/".into()), "host": transport.host.clone().unwrap_or_default() })
            }
        };
        stream.insert(format!("{}Settings", transport.kind), settings);
    }
    let names: Vec<&String> = inbound.server_name.iter().collect();
    match (&inbound.reality, inbound.tls) {
        (Some(reality), _) => {
            stream.insert("security".into(), json!("reality"));
            let shown = json!({ "serverNames": names, "shortIds": reality.short_ids, "publicKey": reality.public_key });
            stream.insert("realitySettings".into(), shown);
        }
        (None, true) => {
            stream.insert("security".into(), json!("tls"));
            let shown = json!({ "serverName": inbound.server_name, "alpn": inbound.alpn });
            stream.insert("tlsSettings".into(), shown);
        }
        (None, false) => {
            stream.insert("security".into(), json!("none"));
        }
    }
    Value::Object(stream)
}

/// Whether a document may be kept; the sentences are Marzban's where it has one.
///
/// # Errors
/// What is wrong with it.
pub fn check(document: &Map<String, Value>) -> Result<(), String> {
    let inbounds = list(document, "inbounds")?;
    let outbounds = list(document, "outbounds")?;
    let mut tags: Vec<&str> = Vec::new();
    for (what, all) in [("inbounds", inbounds), ("outbounds", outbounds)] {
        for one in all {
            let text = |field: &str| one.get(field).and_then(Value::as_str).filter(|text| !text.is_empty());
            let tag = text("tag").ok_or_else(|| format!("all {what} must have a unique tag"))?;
            if text("protocol").is_none() {
                return Err(format!("all {what} must have a protocol"));
            }
            if what == "inbounds" && tag.contains(',') {
                return Err("character «,» is not allowed in inbound tag".into());
            }
            if tags.contains(&tag) {
                return Err(format!("all {what} must have a unique tag"));
            }
            tags.push(tag);
        }
        // Inbounds and outbounds may share a tag.
        tags.clear();
    }
    Ok(())
}

fn list<'a>(document: &'a Map<String, Value>, what: &str) -> Result<&'a Vec<Value>, String> {
    let list = document.get(what).and_then(Value::as_array).filter(|list| !list.is_empty());
    list.ok_or_else(|| format!("config doesn't have {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(document: &Value) -> String {
        check(document.as_object().unwrap()).err().unwrap_or_default()
    }

    #[test]
    fn a_document_needs_inbounds_and_outbounds_with_tags_of_their_own() {
        let one = |tag: &str| json!({ "tag": tag, "protocol": "vless" });
        let with = |inbounds: Value| json!({ "inbounds": inbounds, "outbounds": [one("out")] });
        assert_eq!(checked(&with(json!([one("in"), one("out")]))), "");
        for none in [json!({}), with(json!([])), with(json!({})), with(Value::Null)] {
            assert_eq!(checked(&none), "config doesn't have inbounds");
        }
        assert_eq!(checked(&json!({ "inbounds": [one("in")] })), "config doesn't have outbounds");
        for bad in [json!([one("")]), json!([{ "protocol": "vless" }]), json!([7]), json!([one("a"), one("a")])] {
            assert_eq!(checked(&with(bad)), "all inbounds must have a unique tag");
        }
        assert_eq!(checked(&with(json!([one("a,b")]))), "character «,» is not allowed in inbound tag");
        assert_eq!(checked(&with(json!([{ "tag": "a" }]))), "all inbounds must have a protocol");
    }

    #[test]
    fn what_is_shown_may_be_kept_and_has_no_keys() {
        let told = json!([{ "node": "a", "address": "a.example", "inbounds": [
            { "tag": "R", "protocol": "vless", "port": 443, "tls": true, "server_name": "x.example", "reality": { "public_key": "pub", "short_ids": ["ab"] } },
            { "tag": "S", "protocol": "shadowsocks", "port": 1080, "method": "2022-blake3-aes-128-gcm", "server_key": "sesame" },
            { "tag": "W", "protocol": "trojan", "port": 444, "tls": true, "transport": { "type": "ws", "path": "/w" } },
            { "tag": "H", "protocol": "hysteria2", "port": 445, "obfs": { "type": "salamander", "password": "sesame" } },
        ] }]);
        let nodes: Vec<NodeWays> = serde_json::from_value(told).unwrap();
        let view = view(&nodes);
        assert_eq!(checked(&view), "");
        assert!(!view.to_string().contains("sesame"), "{view}");
        let tags: Vec<_> =
            view["inbounds"].as_array().unwrap().iter().map(|one| one["tag"].as_str().unwrap()).collect();
        assert_eq!(tags, ["R", "S", "W"]);
        assert_eq!(view["inbounds"][2]["streamSettings"]["wsSettings"]["path"], "/w");
        assert_eq!(view["inbounds"][0]["streamSettings"]["realitySettings"]["publicKey"], "pub");
    }
}
