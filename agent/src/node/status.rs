//! How the node is, for the panel and for `weir-agent status`.

use serde::{Deserialize, Serialize};
use weir_wire::Bytes;
use weir_wire::status::NodeStatus;

use super::{CoreSeen, Node};
use crate::VERSION;
use crate::clock::Reading;
use crate::cores::incarnation;
use crate::presence::HeldBack;

/// Users in the list of those who were held back.
const MOST_HELD_BACK: usize = 20;

/// What `weir-agent status` shows: the file that `run` rewrites every few seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Report {
    /// Version of the agent.
    pub(crate) agent: String,
    /// Its process id.
    pub(crate) pid: u32,
    /// When this was written, unix milliseconds of the host's clock.
    pub(crate) written_at: i64,
    /// The panel's address.
    pub(crate) panel: String,
    /// The node's name there.
    pub(crate) name: String,
    /// The ledger's epoch.
    pub(crate) epoch: String,
    /// Milliseconds since the panel's last reply; `None` before the first.
    pub(crate) heard_ago: Option<u64>,
    /// The panel's clock minus the host's, milliseconds.
    pub(crate) panel_clock_ahead: i64,
    /// Slots in the roster.
    pub(crate) slots: usize,
    /// Parcels and reports that the panel has not acknowledged.
    pub(crate) waiting: usize,
    /// Bytes of users that the panel has not acknowledged.
    pub(crate) unreported: u64,
    /// The core answers.
    pub(crate) core_up: bool,
    /// Bytes up and down that the core has moved since it started, by its own count.
    #[serde(default)]
    pub(crate) core_bytes: (u64, u64),
    /// The panel has deleted this node.
    pub(crate) deleted: bool,
    /// Bytes of this epoch whose slots the panel does not know or nobody has, as the panel last said.
    #[serde(default)]
    pub(crate) unknown: Bytes,
    /// Users who were held back since the agent started, the latest first.
    #[serde(default)]
    pub(crate) held_back: Vec<HeldBack>,
    /// What is wrong now, the gravest first, each with its beginning by the panel's clock.
    pub(crate) troubles: Vec<String>,
    /// What the panel is told as well.
    pub(crate) node: NodeStatus,
}

impl Node {
    /// How the node is, for the panel.
    #[must_use]
    pub(super) fn status(&self, reading: Reading) -> NodeStatus {
        let now = reading.now;
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let (core_version, incarnation) = match &self.core {
            CoreSeen::Up { incarnation, version } => {
                (version.clone(), incarnation::unix_millis(*incarnation, reading.awake(), reading.wall))
            }
            CoreSeen::Unknown | CoreSeen::Down(_) => (String::new(), 0),
        };
        let millis = now.since(self.totals_told.1).max(1);
        // A core that began anew counts from zero: its first rate is unknown.
        let rate = |total: u64, told: u64| total.saturating_sub(told).saturating_mul(1_000) / millis;
        let nobodys = self.outbox.of_epoch(self.nobodys());
        let (ambiguous, rejected, forks) = self.outbox.losses();
        NodeStatus {
            core: self.rules.core.kind.to_owned(),
            core_version,
            incarnation,
            uptime: now.since(self.started) / 1_000,
            online: count(self.tally.online().max(self.active.len())),
            connections: count(self.tally.live()),
            rate_up: rate(self.totals.0, self.totals_told.0.0),
            rate_down: rate(self.totals.1, self.totals_told.0.1),
            gates_shut: count(self.gates.shut()),
            held_back: self.presence.total(),
            pending_reload: count(self.pending().open),
            reloads: self.loading.reloads(),
            cut: self.loading.cut(),
            reloaded: self.loading.last(),
            rejected,
            gaps: self.outbox.gaps(),
            forks,
            unattributed: Bytes::saturating(nobodys.unattributed),
            foreign: Bytes::saturating(nobodys.foreign),
            ambiguous: Bytes::saturating(ambiguous),
            lost_estimate: Bytes::saturating(self.tally.lost_estimate()),
            last_loss: self.tally.last_loss(),
            overshoot: Bytes::saturating(self.tally.overshoot()),
            limits: self.rules.core.limits.iter().map(|limit| (*limit).to_owned()).collect(),
            bypasses: self.bypasses.clone(),
            last_error: self.troubles.told(&self.clock).collect::<Vec<_>>().join("; "),
        }
    }

    /// What `weir-agent status` shows.
    #[must_use]
    pub(crate) fn report(&self, reading: Reading, panel: &str, name: &str) -> Report {
        Report {
            agent: VERSION.to_owned(),
            pid: std::process::id(),
            written_at: reading.wall,
            panel: panel.to_owned(),
            name: name.to_owned(),
            epoch: self.outbox.epoch().to_string(),
            heard_ago: self.talk.heard.map(|heard| reading.now.since(heard)),
            panel_clock_ahead: self.clock.ahead_of_wall,
            slots: self.roster.len(),
            waiting: self.outbox.waiting(),
            unreported: self.outbox.bytes().saturating_add(self.tally.uncut()),
            core_up: matches!(self.core, CoreSeen::Up { .. }),
            core_bytes: self.totals,
            deleted: self.deleted,
            unknown: self.talk.unknown,
            held_back: self.presence.held_back(MOST_HELD_BACK),
            troubles: self.troubles.told(&self.clock).collect(),
            node: self.status(reading),
        }
    }
}
