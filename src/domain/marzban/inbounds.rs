//! The inbounds that Marzban's API can name: those of its four protocols, by their tags. An inbound of two nodes with one tag is one there.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::endpoint::NodeWays;

/// A protocol that Marzban's API knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// `VMess`.
    Vmess,
    /// VLESS.
    Vless,
    /// Trojan.
    Trojan,
    /// Shadowsocks.
    Shadowsocks,
}

impl Protocol {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Vmess, Self::Vless, Self::Trojan, Self::Shadowsocks];

    /// The protocol of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|protocol| protocol.name() == name)
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Vmess => "vmess",
            Self::Vless => "vless",
            Self::Trojan => "trojan",
            Self::Shadowsocks => "shadowsocks",
        }
    }
}

/// What the nodes offer, in the order in which their tags first come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inbounds {
    tags: BTreeMap<Protocol, Vec<String>>,
    /// Of Shadowsocks.
    methods: Vec<String>,
}

impl Inbounds {
    /// Those of the nodes.
    #[must_use]
    pub fn of(nodes: &[NodeWays]) -> Self {
        let mut found = Self::default();
        for inbound in nodes.iter().flat_map(|node| &node.inbounds) {
            let Some(protocol) = Protocol::named(&inbound.protocol) else { continue };
            let tags = found.tags.entry(protocol).or_default();
            if !tags.contains(&inbound.tag) {
                tags.push(inbound.tag.clone());
            }
            if let Some(method) = inbound.method.as_ref().filter(|method| !found.methods.contains(method)) {
                found.methods.push(method.clone());
            }
        }
        found
    }

    /// The tags of a protocol.
    #[must_use]
    pub fn tags(&self, protocol: Protocol) -> &[String] {
        self.tags.get(&protocol).map_or(&[], Vec::as_slice)
    }

    /// Whether an inbound of any protocol has this tag.
    #[must_use]
    pub fn has(&self, tag: &str) -> bool {
        self.tags.values().flatten().any(|known| known == tag)
    }

    /// Whether users can have a protocol: one without any inbound is of no use, but as long as none is known at all, users may be made
    /// before the nodes.
    #[must_use]
    pub fn is_enabled(&self, protocol: Protocol) -> bool {
        self.tags.is_empty() || self.tags.contains_key(&protocol)
    }

    /// The methods of the Shadowsocks inbounds.
    #[must_use]
    pub fn methods(&self) -> &[String] {
        &self.methods
    }
}
