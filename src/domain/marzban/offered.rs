//! What nodes offer, as Marzban says it: by protocol and tag. A tag is one inbound there, on however many nodes it stands.

use std::collections::BTreeMap;

use serde::Serialize;
use weir_wire::sync::Inbound;

use super::inbounds::Protocol;
use crate::domain::endpoint::NodeWays;

/// An inbound as clients are told of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Offered {
    /// Its tag.
    pub tag: String,
    /// `vmess`, ...
    pub protocol: String,
    /// `tcp`, `ws`, `grpc`, ...
    pub network: String,
    /// `none`, `tls` or `reality`.
    pub tls: &'static str,
    /// Port.
    pub port: u16,
}

impl From<&Inbound> for Offered {
    fn from(inbound: &Inbound) -> Self {
        Self {
            tag: inbound.tag.clone(),
            protocol: inbound.protocol.clone(),
            network: inbound.transport.as_ref().map_or_else(|| "tcp".to_owned(), |transport| transport.kind.clone()),
            tls: match (&inbound.reality, inbound.tls) {
                (Some(_), _) => "reality",
                (None, true) => "tls",
                (None, false) => "none",
            },
            port: inbound.port,
        }
    }
}

/// All inbounds of Marzban's protocols, by protocol, each tag once: as the first node has it.
#[must_use]
pub fn by_protocol(nodes: &[NodeWays]) -> BTreeMap<String, Vec<Offered>> {
    let mut offered: BTreeMap<String, Vec<Offered>> = BTreeMap::new();
    for inbound in nodes.iter().flat_map(|node| &node.inbounds) {
        let is_there = offered.values().flatten().any(|there| there.tag == inbound.tag);
        // Others that nodes have are in links, and unknown to Marzban's clients.
        if Protocol::named(&inbound.protocol).is_some() && !is_there {
            offered.entry(inbound.protocol.clone()).or_default().push(inbound.into());
        }
    }
    offered
}

/// Tags by their protocols, as templates and users name them. What no node offers is left out.
#[must_use]
pub fn of_tags(nodes: &[NodeWays], tags: &[String]) -> BTreeMap<String, Vec<String>> {
    let named = |offered: Vec<Offered>| -> Vec<String> {
        offered.into_iter().map(|one| one.tag).filter(|tag| tags.contains(tag)).collect()
    };
    let all = by_protocol(nodes).into_iter().map(|(protocol, offered)| (protocol, named(offered)));
    all.filter(|(_, tags)| !tags.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn nodes() -> Vec<NodeWays> {
        let inbound = |tag: &str, protocol: &str, more: serde_json::Value| {
            let mut inbound = json!({ "tag": tag, "protocol": protocol, "port": 443 });
            inbound.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            inbound
        };
        let told = json!([
            { "node": "a", "address": "a.example", "inbounds": [
                inbound("V", "vless", json!({ "tls": true, "transport": { "type": "ws" } })),
                inbound("H", "hysteria2", json!({ "tls": true })),
            ] },
            { "node": "b", "address": "b.example", "inbounds": [
                inbound("V", "vless", json!({})),
                inbound("R", "vless", json!({ "tls": true, "reality": { "public_key": "k" } })),
                inbound("S", "shadowsocks", json!({})),
            ] },
        ]);
        serde_json::from_value(told).unwrap()
    }

    #[test]
    fn a_tag_stands_once_and_only_protocols_that_marzban_knows() {
        let shown = serde_json::to_value(by_protocol(&nodes())).unwrap();
        let one = |tag, protocol, network, tls| json!({ "tag": tag, "protocol": protocol, "network": network, "tls": tls, "port": 443 });
        let vless = [one("V", "vless", "ws", "tls"), one("R", "vless", "tcp", "reality")];
        assert_eq!(shown, json!({ "shadowsocks": [one("S", "shadowsocks", "tcp", "none")], "vless": vless }));
        assert_eq!(by_protocol(&[]), BTreeMap::new());
    }

    #[test]
    fn tags_that_nobody_offers_are_left_out() {
        let tags = ["S", "V", "gone", "H"].map(str::to_owned);
        let shown = serde_json::to_value(of_tags(&nodes(), &tags)).unwrap();
        assert_eq!(shown, json!({ "shadowsocks": ["S"], "vless": ["V"] }));
    }
}
