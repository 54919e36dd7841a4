//! The status in words: each figure that is not as it should be with one sentence on what to do.

use core::fmt;

use super::status::Report;
use crate::civil::rfc3339;

/// Seconds by which the clocks may differ before anybody has to look.
const CLOCK_TOLERANCE: u64 = 60;

impl Report {
    /// What could not be counted, granted or told exactly: the number, what it is, and what to do.
    fn inexact(&self) -> [(u64, &'static str); 6] {
        let node = &self.node;
        [
            (
                node.unattributed.get(),
                "unattributed bytes: the core counted them and told of no connection that moved them. They come from \
                 connections that lived while the agent did not run; billed to nobody",
            ),
            (
                node.foreign.get(),
                "foreign bytes: of users that the template itself names, or of slots that are gone. If you know no such \
                 users, look at the template's inbounds",
            ),
            (
                node.ambiguous.get(),
                "ambiguous bytes: a copy of this ledger may have reported them before; never billed. Let only one host \
                 run with a ledger, and do not put it back from a backup",
            ),
            (
                node.lost_estimate.get(),
                "bytes, as an estimate, that a killed core took with it. Stop the core with `systemctl stop`, and look \
                 in its log if it dies by itself",
            ),
            (
                u64::from(node.rejected),
                "reports that the panel refused for their form. They are kept in the ledger; upgrade the older one of \
                 panel and agent, and tell the project",
            ),
            (
                u64::from(self.forks),
                "forks: the panel knew more of this ledger than it did itself. See ambiguous bytes",
            ),
        ]
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let node = &self.node;
        writeln!(f, "{} of {} (agent {}, epoch {})", self.name, self.panel, self.agent, self.epoch)?;
        match self.heard_ago {
            Some(millis) => write!(f, "panel      heard {} s ago", millis / 1_000)?,
            None => write!(f, "panel      not heard yet")?,
        }
        writeln!(f, ", {} bytes to report, {} reports waiting", self.unreported, self.waiting)?;
        if self.deleted {
            writeln!(
                f,
                "           this node was deleted there: all gates are shut. Stop the agent, or enrol it anew"
            )?;
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
        write!(f, "reloads    {}", node.reloads)?;
        match self.reloaded {
            Some(last) => {
                writeln!(f, ", the last at {}: {}; it cut {} connections", rfc3339(last.at), last.why, last.cut)?;
            }
            None => writeln!(f)?,
        }
        write!(f, "clock      the panel's is {} ms ahead of this host's", self.panel_clock_ahead)?;
        if self.panel_clock_ahead.unsigned_abs() > CLOCK_TOLERANCE * 1_000 {
            write!(f, ": set this host's. Bytes are counted right meanwhile")?;
        }
        writeln!(f)?;
        for (number, what) in self.inexact().into_iter().filter(|(number, _)| *number > 0) {
            writeln!(f, "inexact    {number} {what}")?;
        }
        for rule in &node.bypasses {
            writeln!(f, "bypass     {rule}: a shut gate ends such connections one by one, after their first bytes")?;
        }
        for trouble in &self.troubles {
            writeln!(f, "trouble    {trouble}")?;
        }
        Ok(())
    }
}
