//! What of the ways in a user has, as Marzban's API lets choose: protocols, and inbounds of theirs. It shapes his links and lists, and the
//! nodes hold him to it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use weir_wire::roster::Ways;

use super::inbounds::{Inbounds, Protocol};
use crate::domain::endpoint::NodeWays;

/// What is chosen of one protocol.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chosen {
    /// Of vless and trojan, as it was said: links have the inbound's own.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub flow: String,
    /// Of Shadowsocks, as it was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Tags of the inbounds that he has not. An inbound that comes later is his.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub excluded: Vec<String>,
}

/// The protocols that a user has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice(pub BTreeMap<Protocol, Chosen>);

impl Choice {
    /// Every protocol that users can have, with all of its inbounds: what a user has for whom nothing was chosen.
    #[must_use]
    pub fn all(inbounds: &Inbounds) -> Self {
        let enabled = Protocol::ALL.into_iter().filter(|protocol| inbounds.is_enabled(*protocol));
        Self(enabled.map(|protocol| (protocol, Chosen::default())).collect())
    }

    /// The choice as it is stored. One that cannot be read, because a later release wrote it, is none.
    #[must_use]
    pub fn stored(text: Option<&str>) -> Option<Self> {
        serde_json::from_str(text?).ok()
    }

    /// Chooses of a protocol the inbounds with these tags; without any, all.
    pub fn include(&mut self, protocol: Protocol, tags: &[String], inbounds: &Inbounds) {
        let Some(chosen) = self.0.get_mut(&protocol) else { return };
        chosen.excluded = match tags {
            [] => Vec::new(),
            _ => inbounds.tags(protocol).iter().filter(|tag| !tags.contains(tag)).cloned().collect(),
        };
    }

    /// The tags of a protocol's inbounds: those that he has, and those that he has not.
    #[must_use]
    pub fn split<'a>(&self, protocol: Protocol, inbounds: &'a Inbounds) -> (Vec<&'a str>, Vec<&'a str>) {
        let excluded =
            |tag: &&str| self.0.get(&protocol).is_none_or(|chosen| chosen.excluded.iter().any(|other| other == tag));
        let (not, his) = inbounds.tags(protocol).iter().map(String::as_str).partition(excluded);
        (his, not)
    }

    /// The choice as the nodes are told it.
    #[must_use]
    pub fn ways(&self) -> Ways {
        Ways(self.0.iter().map(|(protocol, chosen)| (protocol.name().to_owned(), chosen.excluded.clone())).collect())
    }

    /// The nodes as he sees them.
    #[must_use]
    pub fn narrow<'a>(choice: Option<&Self>, nodes: &'a [NodeWays]) -> Cow<'a, [NodeWays]> {
        let Some(ways) = choice.map(Self::ways) else { return Cow::Borrowed(nodes) };
        let narrowed = nodes.iter().map(|node| {
            let mut node = node.clone();
            let gone: Vec<String> = node
                .inbounds
                .iter()
                .filter(|one| !ways.admit(&one.protocol, &one.tag))
                .map(|one| one.tag.clone())
                .collect();
            node.inbounds.retain(|one| ways.admit(&one.protocol, &one.tag));
            node.addresses.retain(|(_, address)| !gone.contains(&address.inbound));
            node
        });
        Cow::Owned(narrowed.collect())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;
    use weir_wire::roster::CHOOSABLE;

    use super::*;

    fn nodes() -> Vec<NodeWays> {
        let one = |tag: &str, protocol: &str| json!({ "tag": tag, "protocol": protocol, "port": 443 });
        serde_json::from_value(json!([
            { "node": "ams", "address": "127.0.0.1", "inbounds": [one("a", "vless"), one("b", "vless"), one("h", "hysteria2")] },
            { "node": "fra", "address": "127.0.0.1", "inbounds": [one("b", "vless"), one("c", "trojan")] },
        ]))
        .unwrap()
    }

    fn tags(nodes: &[NodeWays]) -> Vec<Vec<&str>> {
        nodes.iter().map(|node| node.inbounds.iter().map(|one| one.tag.as_str()).collect()).collect()
    }

    #[test]
    fn a_protocol_or_an_inbound_that_is_not_chosen_is_nowhere() {
        let (nodes, inbounds) = (nodes(), Inbounds::of(&nodes()));
        assert_eq!(tags(&Choice::narrow(None, &nodes)), [["a", "b", "h"].as_slice(), &["b", "c"]]);
        let mut choice = Choice::all(&inbounds);
        assert_eq!(choice.0.keys().copied().collect::<Vec<_>>(), [Protocol::Vless, Protocol::Trojan]);
        choice.0.remove(&Protocol::Trojan);
        choice.include(Protocol::Vless, &["a".into()], &inbounds);
        assert_eq!(tags(&Choice::narrow(Some(&choice), &nodes)), [["a", "h"].as_slice(), &[]]);
        assert_eq!(choice.split(Protocol::Vless, &inbounds), (vec!["a"], vec!["b"]));
        choice.include(Protocol::Vless, &[], &inbounds);
        assert_eq!(choice.split(Protocol::Vless, &inbounds), (vec!["a", "b"], vec![]));
    }

    #[test]
    fn the_nodes_are_told_of_each_protocol_that_users_can_choose() {
        let choice = Choice::all(&Inbounds::default());
        assert_eq!(choice.ways().0.keys().map(String::as_str).collect::<BTreeSet<_>>(), CHOOSABLE.into());
    }

    #[test]
    fn without_any_inbound_every_protocol_can_be_had() {
        let none = Inbounds::default();
        assert_eq!(Choice::all(&none).0.len(), 4);
        let some = Inbounds::of(&nodes());
        assert!(some.is_enabled(Protocol::Vless) && !some.is_enabled(Protocol::Vmess));
        assert!(some.has("c") && !some.has("h"), "what Marzban's API cannot name is no inbound there");
    }

    #[test]
    fn a_choice_is_stored_and_read_again() {
        let mut choice = Choice::all(&Inbounds::default());
        choice.0.insert(
            Protocol::Vless,
            Chosen { flow: "xtls-rprx-vision".into(), excluded: vec!["a".into()], method: None },
        );
        let text = serde_json::to_string(&choice).unwrap();
        assert_eq!(Choice::stored(Some(&text)), Some(choice));
        assert_eq!((Choice::stored(None), Choice::stored(Some("[]"))), (None, None));
    }
}
