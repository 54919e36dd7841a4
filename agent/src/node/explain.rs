//! The status in words: each figure that is not as it should be with one sentence on what to do.

use core::fmt;

use weir_wire::figure::{BYPASS, CLOCK, CLOCK_TOLERANCE, Figure};
use weir_wire::status::ReloadReason;

use super::status::Report;
use crate::civil::rfc3339;
use crate::presence::HeldBack;

impl Report {
    /// What could not be counted, granted or told exactly.
    fn inexact(&self) -> impl Iterator<Item = (u64, &'static str, Figure)> {
        let node = &self.node;
        let bytes = [
            (node.unattributed, Figure::Unattributed),
            (node.foreign, Figure::Foreign),
            (self.unknown, Figure::Unknown),
            (node.ambiguous, Figure::Ambiguous),
            (node.lost_estimate, Figure::Lost),
            (node.overshoot, Figure::Overshoot),
        ];
        let counts = [(node.gaps, Figure::Gaps), (node.rejected, Figure::Rejected), (node.forks, Figure::Forks)];
        let bytes = bytes.into_iter().map(|(number, figure)| (number.get(), " bytes", figure));
        let counts = counts.into_iter().map(|(number, figure)| (u64::from(number), "", figure));
        bytes.chain(counts).filter(|(number, ..)| *number > 0)
    }

    fn write_reloads(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let node = &self.node;
        write!(f, "reloads    {}", node.reloads)?;
        if let Some(last) = node.reloaded {
            write!(f, ", the last at {}: {}; it cut {}", rfc3339(last.at), last.why, last.cut)?;
        }
        writeln!(f)?;
        if node.cut > 0 {
            let figure = Figure::Cut(node.reloaded.map_or(ReloadReason::Other, |last| last.why));
            writeln!(f, "cut        {} {}: {}", node.cut, figure.name(node.cut.into()), figure.advice())?;
        }
        Ok(())
    }

    fn write_clock(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ahead = self.panel_clock_ahead;
        let side = if ahead < 0 { "behind" } else { "ahead of" };
        write!(f, "clock      the panel's is {} ms {side} this host's", ahead.unsigned_abs())?;
        if ahead.unsigned_abs() > CLOCK_TOLERANCE * 1_000 { writeln!(f, ": {CLOCK}") } else { writeln!(f) }
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
        for HeldBack { slot, devices, streams } in &self.held_back {
            write!(f, "held back  {slot}: {devices} connections from one device too many, ")?;
            writeln!(f, "{streams} over the limit of connections")?;
        }
        write!(f, "slots      {}, {} waiting for a reload", self.slots, node.pending_reload)?;
        if node.pending_reload > 0 {
            write!(f, ": {}", Figure::PendingReload.advice())?;
        }
        writeln!(f)?;
        writeln!(f, "rate       {} B/s up, {} B/s down", node.rate_up, node.rate_down)?;
        self.write_reloads(f)?;
        self.write_clock(f)?;
        for (number, unit, figure) in self.inexact() {
            write!(f, "inexact    {number}{unit} {}", figure.name(number))?;
            if let Some(last) = node.last_loss.filter(|_| figure == Figure::Lost) {
                write!(f, ", the last {} at {}", last.bytes, rfc3339(last.at))?;
            }
            writeln!(f, ": {}", figure.advice())?;
        }
        for rule in &node.bypasses {
            writeln!(f, "bypass     {rule}: {BYPASS}")?;
        }
        for limit in &node.limits {
            writeln!(f, "limit      {limit}")?;
        }
        for trouble in &self.troubles {
            writeln!(f, "trouble    {trouble}")?;
        }
        Ok(())
    }
}
