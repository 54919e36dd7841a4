//! Acknowledged reports, kept in case that the panel is restored to an earlier point.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use weir_wire::Second;
use weir_wire::sync::Report;

use crate::ledger::{Batch, Ledger, LedgerError, Table, number, ordered};

/// Seconds for which an acknowledged report is kept: 7 days, the span of the platform's own restore on the free plan.
const KEPT: i64 = 7 * 86_400;
/// Reports that are kept at most, and slots in all of them: about 30 MB on disk.
const MOST_REPORTS: usize = 20_000;
const MOST_ROWS: usize = 500_000;

/// A report and when it was acknowledged, by the panel's clock.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    at: Second,
    report: Report,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    seq: u64,
    at: Second,
    rows: usize,
}

/// The acknowledged reports of this epoch, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Archive {
    entries: VecDeque<Entry>,
    rows: usize,
}

impl Archive {
    /// Reads what the ledger holds.
    pub(crate) fn load(ledger: &Ledger) -> Result<Self, LedgerError> {
        let mut archive = Self::default();
        let mut next = 0;
        // One at a time: all of them together may be larger than the agent's memory promise.
        while let Some((key, kept)) = ledger.first_from::<Kept>(Table::Reports, &ordered(next))? {
            let seq = number(&key);
            archive.push(seq, kept.at, kept.report.users.len());
            next = seq + 1;
        }
        Ok(archive)
    }

    fn push(&mut self, seq: u64, at: Second, rows: usize) {
        self.entries.push_back(Entry { seq, at, rows });
        self.rows += rows;
    }

    /// Keeps a report that was acknowledged at `at`, and drops what is too old or too much.
    pub(crate) fn keep(&mut self, report: &Report, at: Second, batch: &mut Batch) {
        if self.entries.back().is_some_and(|last| last.seq >= report.seq) {
            return;
        }
        batch.put(Table::Reports, &ordered(report.seq), &Kept { at, report: report.clone() });
        self.push(report.seq, at, report.users.len());
        while let Some(oldest) = self.entries.front().copied() {
            let old = at.since(oldest.at) > KEPT;
            if !old && self.entries.len() <= MOST_REPORTS && self.rows <= MOST_ROWS {
                break;
            }
            self.entries.pop_front();
            self.rows -= oldest.rows;
            batch.delete(Table::Reports, &ordered(oldest.seq));
        }
    }

    /// The oldest report at or after `seq`, as it will be when `batch` is committed.
    pub(crate) fn from(&self, seq: u64, ledger: &Ledger, batch: &Batch) -> Result<Option<Report>, LedgerError> {
        for entry in self.entries.iter().filter(|entry| entry.seq >= seq) {
            if let Some(kept) = ledger.get_after::<Kept>(batch, Table::Reports, &ordered(entry.seq))? {
                return Ok(Some(kept.report));
            }
        }
        Ok(None)
    }

    /// Takes one report out.
    pub(crate) fn remove(
        &mut self,
        seq: u64,
        ledger: &Ledger,
        batch: &mut Batch,
    ) -> Result<Option<Report>, LedgerError> {
        let Some(place) = self.entries.iter().position(|entry| entry.seq == seq) else { return Ok(None) };
        let kept = ledger.get_after::<Kept>(batch, Table::Reports, &ordered(seq))?;
        if let Some(entry) = self.entries.remove(place) {
            self.rows -= entry.rows;
        }
        batch.delete(Table::Reports, &ordered(seq));
        Ok(kept.map(|kept| kept.report))
    }

    /// Forgets all: another epoch begins.
    pub(crate) fn clear(&mut self, batch: &mut Batch) {
        *self = Self::default();
        batch.clear(Table::Reports);
    }
}
