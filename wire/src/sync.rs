//! `POST /agent/v1/sync`: the one message that an agent sends again and again.

use serde::{Deserialize, Serialize};

use crate::address::{AddressKey, AddressSet};
use crate::bytes::Bytes;
use crate::id::{Epoch, SlotName};
pub use crate::inbound::{Inbound, InboundPlans};
use crate::roster::{RosterChange, RosterCursor, RosterVersion};
use crate::status::NodeStatus;
use crate::time::Second;

/// Asks in one sync at most, nearest to their limit first.
pub const MAX_ASKS: usize = 256;
/// Slots in one report at most.
pub const MAX_USERS: usize = 2_000;
/// Body of a sync that is sent as it is, in bytes. A longer one is packed, and the panel asks whose key it comes with before it unpacks or parses it.
pub const MAX_LIGHT: usize = 4 << 10;
/// Body of a sync as sent, in bytes.
pub const MAX_BODY: usize = 256 << 10;
/// Body of a sync after gunzip, in bytes.
pub const MAX_INFLATED: usize = 1 << 20;

/// From agent to panel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncRequest {
    /// [`crate::PROTOCOL`] of the agent.
    pub protocol: u32,
    /// Version of the agent, for people.
    pub agent: String,
    /// The ledger that speaks.
    pub epoch: Epoch,
    /// Rises by one with every sync of the epoch, and is durable before it is sent: an ask whose `n` is not above the
    /// one that the panel has stored is old and is ignored, and the agent takes limits only from the reply to its latest.
    pub n: u64,
    /// The host's wall clock, so that the panel can show how far it is off.
    pub clock: Second,
    /// The last report of the epoch that a panel has acknowledged; 0 before the first. A panel that stands below it was
    /// restored to an earlier point.
    #[serde(default)]
    pub acked: Bytes,
    /// The roster version that is durable in the ledger.
    pub held: RosterVersion,
    /// The roster version that the core has loaded.
    pub loaded: RosterVersion,
    /// The next page of a full list is wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roster_after: Option<RosterCursor>,
    /// Limits that are asked for and stated, at most [`MAX_ASKS`].
    #[serde(default)]
    pub asks: Vec<Ask>,
    /// Slots of `asks` whose grants are given back: `held` is what the node keeps ([`crate::grant::kept`]), and it is granted
    /// no more. A panel that does not know of this grants as ever.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gives_back: Vec<SlotName>,
    /// The oldest report that is not acknowledged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<Report>,
    /// The reports before `report` that the panel lacks and the agent no longer has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skip: Option<Skip>,
    /// How the node is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<NodeStatus>,
    /// What clients can connect to; sent after every change and start of the core until a sync succeeds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inbounds: Option<Vec<Inbound>>,
    /// The day of the address key that the agent has, 0 for none. An agent that tells no addresses leaves it out, and gets
    /// no key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address_day: Option<u32>,
    /// Where clients connect from: of users for whom that has changed, each at most once a minute. At most
    /// [`crate::address::MAX_ADDRESS_SETS`] and [`crate::address::MAX_ADDRESSES_IN_ALL`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<AddressSet>,
}

/// `[slot, count now, limit held]`: a limit is asked for and the one that is held is stated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(SlotName, Bytes, Bytes)", into = "(SlotName, Bytes, Bytes)")]
pub struct Ask {
    /// Whose limit.
    pub slot: SlotName,
    /// Bytes, up and down, that this node has counted for the slot in this epoch.
    pub count: Bytes,
    /// The limit in force on the node, on the same scale as `count`.
    pub held: Bytes,
}

impl From<(SlotName, Bytes, Bytes)> for Ask {
    fn from((slot, count, held): (SlotName, Bytes, Bytes)) -> Self {
        Self { slot, count, held }
    }
}

impl From<Ask> for (SlotName, Bytes, Bytes) {
    fn from(ask: Ask) -> Self {
        (ask.slot, ask.count, ask.held)
    }
}

/// An immutable statement of bytes that flowed in `[from, to)` of the panel's clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Counts the reports of the epoch from 1 by one.
    pub seq: u64,
    /// Start, inclusive.
    pub from: Second,
    /// End, exclusive. The bytes belong to the hour and the billing period that contain `to - 1`.
    pub to: Second,
    /// `[slot, up, down]` per slot, at most [`MAX_USERS`], each slot once.
    pub users: Vec<SlotUsage>,
    /// Bytes of the epoch so far that the core counted and no user could be credited with (absolute, latest wins).
    pub unattributed: Bytes,
    /// Bytes of the epoch so far of inbounds or users outside the roster (absolute, latest wins).
    pub foreign: Bytes,
    /// The first report of an epoch that follows on another one names the one that it leaves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaves: Option<Leaves>,
    /// [`crate::digest::report_digest`] of this report.
    pub digest: String,
}

/// `[slot, up, down]`: one slot's bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(SlotName, Bytes, Bytes)", into = "(SlotName, Bytes, Bytes)")]
pub struct SlotUsage {
    /// Whose bytes.
    pub slot: SlotName,
    /// Bytes read from clients.
    pub up: Bytes,
    /// Bytes written to clients.
    pub down: Bytes,
}

impl From<(SlotName, Bytes, Bytes)> for SlotUsage {
    fn from((slot, up, down): (SlotName, Bytes, Bytes)) -> Self {
        Self { slot, up, down }
    }
}

impl From<SlotUsage> for (SlotName, Bytes, Bytes) {
    fn from(usage: SlotUsage) -> Self {
        (usage.slot, usage.up, usage.down)
    }
}

/// A fork, a rejected report or a gap ended an epoch; this is what the new one knows of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leaves {
    /// The epoch that ended.
    pub epoch: Epoch,
    /// Its report that was refused; after a gap the one that would have been next.
    pub seq: u64,
    /// Bytes that may have been reported before and are therefore not billed.
    pub ambiguous: Bytes,
    /// Nothing was wrong with the ledger: reports of that epoch are lost, and what they told must not stay known for ever. The digest
    /// leaves it out, so that a panel that does not know it takes the report.
    #[serde(default, skip_serializing_if = "crate::inbound::is_false")]
    pub gap: bool,
}

/// Reports `from..to` are lost; report `to` follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skip {
    /// The report that the panel expects.
    pub from: u64,
    /// The oldest report that the agent still has.
    pub to: u64,
}

/// From panel to agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncReply {
    /// `n` of the request.
    pub n: u64,
    /// The panel's clock.
    pub time: Second,
    /// The last report of this epoch that the panel has, 0 before the first: everything up to it is acknowledged.
    pub ack: u64,
    /// The reporting rules in force.
    pub policy: Policy,
    /// Changes of the roster, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roster: Option<RosterChange>,
    /// Answers to the asks of this request, and to no other.
    #[serde(default)]
    pub limits: Vec<Limit>,
    /// The node was deleted: shut all gates, flush, stop when everything is acknowledged.
    #[serde(default)]
    pub deleted: bool,
    /// Bytes of this epoch, before the report of this sync, whose slots the panel does not know or nobody has. Only the
    /// panel can tell.
    #[serde(default)]
    pub unknown: Bytes,
    /// Today's address key, when the agent has another day's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address_key: Option<AddressKey>,
    /// The node's inbounds that are for some plans only; whoever has another one is refused there. Absent: as was said last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inbound_plans: Option<Vec<InboundPlans>>,
}

/// `[slot, limit]`: the slot may pass until this node's count in this epoch reaches the limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(SlotName, Bytes)", into = "(SlotName, Bytes)")]
pub struct Limit {
    /// Whose limit.
    pub slot: SlotName,
    /// The bound.
    pub limit: Bytes,
}

impl From<(SlotName, Bytes)> for Limit {
    fn from((slot, limit): (SlotName, Bytes)) -> Self {
        Self { slot, limit }
    }
}

impl From<Limit> for (SlotName, Bytes) {
    fn from(limit: Limit) -> Self {
        (limit.slot, limit.limit)
    }
}

/// When an agent syncs and reports; set by the operator in the panel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Seconds between syncs while nothing presses.
    pub interval: u32,
    /// A user's bytes go into a report when this many are unreported,
    pub report_bytes: Bytes,
    /// or when the oldest unreported byte is this many seconds old.
    pub report_seconds: u32,
    /// What a slot may pass beyond its count while no ask was answered.
    pub floor: Bytes,
}

impl Default for Policy {
    fn default() -> Self {
        Self { interval: 30, report_bytes: Bytes::mib(256), report_seconds: 900, floor: Bytes::mib(1) }
    }
}
