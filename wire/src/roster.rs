//! Which slots exist, and whose gate is open.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::bytes::Bytes;
use crate::credential::{ByHand, Credentials, SlotSecret};
use crate::id::SlotName;
use crate::time::Second;

/// A state of the roster. `(0, 0)` means none.
///
/// The salt is drawn with every change. A panel restored to an older copy counts the same numbers again, but with other
/// salts; a pair that it does not know gets the full list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "(u64, u32)", into = "(u64, u32)")]
pub struct RosterVersion {
    /// Counts the changes from 1.
    pub number: u64,
    /// 32 random bits.
    pub salt: u32,
}

impl RosterVersion {
    /// What an agent holds before its first sync.
    pub const NONE: Self = Self { number: 0, salt: 0 };
}

impl From<(u64, u32)> for RosterVersion {
    fn from((number, salt): (u64, u32)) -> Self {
        Self { number, salt }
    }
}

impl From<RosterVersion> for (u64, u32) {
    fn from(version: RosterVersion) -> Self {
        (version.number, version.salt)
    }
}

/// Whether a slot's user may pass, and why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gate {
    /// The user may pass, up to the limit.
    Open,
    /// Nobody has the slot yet. Loaded into the cores ahead of time, so that a new user needs no reload.
    Vacant,
    /// The monthly quota is used up.
    Month,
    /// The total quota is used up.
    Total,
    /// The account has expired.
    Expired,
    /// A person switched the account off.
    Disabled,
}

impl Gate {
    /// Whether the user may pass.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Open)
    }
}

/// The protocols that a user may have or not have. Any other one is everybody's.
pub const CHOOSABLE: [&str; 4] = ["vmess", "vless", "trojan", "shadowsocks"];

/// The ways in that were chosen for a user: the protocols that he has, each with the tags of its inbounds that he has not. So an inbound that
/// comes later is his.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ways(pub BTreeMap<String, Vec<String>>);

impl Ways {
    /// Whether the user may come in at an inbound.
    #[must_use]
    pub fn admit(&self, protocol: &str, tag: &str) -> bool {
        let has = |not: &Vec<String>| !not.iter().any(|other| other == tag);
        !CHOOSABLE.contains(&protocol) || self.0.get(protocol).is_some_and(has)
    }
}

/// One slot, as the agent must treat it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RosterEntry {
    /// The name that every inbound knows the user by.
    pub slot: SlotName,
    /// What the credentials of all protocols are derived from.
    pub secret: SlotSecret,
    /// Whether the user may pass.
    pub gate: Gate,
    /// The second of the panel's clock at which the agent shuts the gate by itself, also while the panel is away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Second>,
    /// Bytes a second that the user may pass in each direction, 0 = unlimited.
    #[serde(default, skip_serializing_if = "Bytes::is_zero")]
    pub speed: Bytes,
    /// Distinct client addresses with a live connection, 0 = unlimited.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub devices: u32,
    /// Live connections, 0 = unlimited.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub streams: u32,
    /// The user's plan, for inbounds that are for some plans only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// The ways in that the user has; none for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ways: Option<Ways>,
    /// What of the credentials was set by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_hand: Option<ByHand>,
}

impl RosterEntry {
    /// What the user proves himself with.
    #[must_use]
    pub fn credentials(&self) -> Credentials {
        Credentials::new(self.secret.clone(), self.by_hand.clone())
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
const fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// What changed since the version that the agent holds, or a page of the whole list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RosterChange {
    /// The version after this change. Of a full list, every page names the version of its first page.
    pub version: RosterVersion,
    /// This is a page of the full list, in order of slots: slots that no page names are gone.
    pub full: bool,
    /// With `full`: more pages follow; ask for them with [`RosterCursor`] of this version and the last slot.
    pub more: bool,
    /// New and changed slots, at most [`PAGE`].
    pub upserts: Vec<RosterEntry>,
    /// Slots that are gone; never with `full`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removals: Vec<SlotName>,
}

/// Where the next page of a full list starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RosterCursor {
    /// The version that the first page named.
    pub version: RosterVersion,
    /// The last slot received.
    pub after: SlotName,
}

/// Slots in one reply at most: a delta that is longer is sent as a full list in pages.
pub const PAGE: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_are_by_protocol_and_tag_and_what_nobody_can_choose_is_everybodys() {
        let ways: Ways = serde_json::from_str(r#"{"vless":["old"],"trojan":[]}"#).unwrap();
        let admitted = [("vless", "new"), ("trojan", "old"), ("hysteria2", "old"), ("", "any")]
            .map(|(of, tag)| ways.admit(of, tag));
        assert_eq!(admitted, [true; 4]);
        assert!(!ways.admit("vless", "old") && !ways.admit("vmess", "new") && !ways.admit("shadowsocks", ""));
        assert!(!Ways::default().admit("vless", "new"), "who has none has nothing");
    }
}
