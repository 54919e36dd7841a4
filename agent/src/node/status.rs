//! How the node is, for the panel and for `weir-agent status`.

use serde::{Deserialize, Serialize};
use weir_wire::Bytes;
use weir_wire::sync::NodeStatus;

use super::{CoreSeen, Node};
use crate::VERSION;
use crate::clock::{Moment, Reading};

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
    /// Forks since the ledger was made.
    pub(crate) forks: u32,
    /// The core answers.
    pub(crate) core_up: bool,
    /// The panel has deleted this node.
    pub(crate) deleted: bool,
    /// What the panel is told as well.
    pub(crate) node: NodeStatus,
}

impl Node {
    /// How the node is, for the panel.
    #[must_use]
    pub(super) fn status(&self, now: Moment) -> NodeStatus {
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let (core_version, incarnation) = match &self.core {
            CoreSeen::Up { incarnation, version } => (version.clone(), *incarnation),
            CoreSeen::Unknown | CoreSeen::Down => (String::new(), 0),
        };
        let millis = now.since(self.totals_told.1).max(1);
        // A core that began anew counts from zero: its first rate is unknown.
        let rate = |total: u64, told: u64| total.saturating_sub(told).saturating_mul(1_000) / millis;
        let nobodys = self.outbox.of_epoch(self.nobodys());
        let (ambiguous, rejected, _) = self.outbox.losses();
        NodeStatus {
            core: "sing-box".to_owned(),
            core_version,
            incarnation,
            uptime: now.since(self.started) / 1_000,
            online: count(self.tally.online()),
            connections: count(self.tally.live()),
            rate_up: rate(self.totals.0, self.totals_told.0.0),
            rate_down: rate(self.totals.1, self.totals_told.0.1),
            gates_shut: count(self.gates.shut()),
            pending_reload: count(self.pending().open),
            reloads: self.loading.reloads(),
            rejected,
            unattributed: Bytes::saturating(nobodys.unattributed),
            foreign: Bytes::saturating(nobodys.foreign),
            ambiguous: Bytes::saturating(ambiguous),
            lost_estimate: Bytes::saturating(self.tally.lost_estimate()),
            bypasses: self.bypasses.clone(),
            last_error: self.trouble(),
        }
    }

    /// What is wrong now, the gravest first; empty when all is well.
    fn trouble(&self) -> String {
        let found = [&self.disk_error, &self.core_error, &self.talk.error];
        found.into_iter().flatten().next().cloned().unwrap_or_default()
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
            forks: self.outbox.losses().2,
            core_up: matches!(self.core, CoreSeen::Up { .. }),
            deleted: self.deleted,
            node: self.status(reading.now),
        }
    }
}

impl core::fmt::Display for Report {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let node = &self.node;
        writeln!(f, "{} of {} (agent {}, epoch {})", self.name, self.panel, self.agent, self.epoch)?;
        match self.heard_ago {
            Some(millis) => writeln!(f, "panel      heard {} s ago, {} to report", millis / 1_000, self.waiting)?,
            None => writeln!(f, "panel      not heard yet, {} to report", self.waiting)?,
        }
        if self.deleted {
            writeln!(f, "           this node was deleted there: all gates are shut")?;
        }
        let core = if self.core_up { "answers" } else { "does not answer" };
        writeln!(f, "core       {} {} {core}", node.core, node.core_version)?;
        writeln!(
            f,
            "users      {} online, {} connections, {} gates shut",
            node.online, node.connections, node.gates_shut
        )?;
        writeln!(f, "slots      {}, {} waiting for a reload", self.slots, node.pending_reload)?;
        writeln!(f, "rate       {} B/s up, {} B/s down", node.rate_up, node.rate_down)?;
        // What the panel could not be told exactly, each with the reason: docs/reliability.md says what to do.
        let errors = [
            ("unattributed bytes: the core counted them and told no connection", node.unattributed.get()),
            ("foreign bytes: of users outside the roster", node.foreign.get()),
            ("ambiguous bytes: a copy of this ledger may have reported them", node.ambiguous.get()),
            ("bytes estimated lost with a killed core", node.lost_estimate.get()),
            ("reports that the panel refused", u64::from(node.rejected)),
            ("forks of the ledger", u64::from(self.forks)),
        ];
        for (what, number) in errors.into_iter().filter(|(_, number)| *number > 0) {
            writeln!(f, "           {number} {what}")?;
        }
        writeln!(f, "clock      the panel's is {} ms ahead of this host's", self.panel_clock_ahead)?;
        for rule in &node.bypasses {
            writeln!(f, "bypasses the gate: {rule}")?;
        }
        if !node.last_error.is_empty() {
            writeln!(f, "trouble    {}", node.last_error)?;
        }
        Ok(())
    }
}
