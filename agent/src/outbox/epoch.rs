//! How an epoch ends: the ledger turned out to be a copy, the panel refused a report for its form, or reports are lost.

use std::collections::BTreeMap;

use serde::Serialize;
use weir_wire::sync::{Leaves, Report};
use weir_wire::{Bytes, Epoch, SlotName};

use super::parcel::{Parcel, Waiting};
use super::{Nobodys, Outbox, parcel};
use crate::clock::Moment;
use crate::ledger::{Batch, Ledger, LedgerError, Table, ordered};
use crate::tally::Tally;
use crate::tally::count::Count;

/// An epoch that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Left {
    /// Which.
    pub(crate) epoch: Epoch,
    /// Bytes that are never billed, because they may have been reported before.
    pub(crate) ambiguous: u64,
}

/// A report that the panel refused, for people to look at.
#[derive(Debug, Serialize)]
struct Rejected<'a> {
    epoch: Epoch,
    why: &'a str,
    report: &'a Report,
}

/// What is known of a copy of this ledger.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    /// What was counted from then on was counted by nobody else.
    pub(crate) since: Moment,
    /// The panel knows another report by this number, so it has not applied the one of this ledger.
    pub(crate) refused: Option<u64>,
}

/// Bytes by slot, up and down.
type Cut = BTreeMap<SlotName, (u64, u64)>;

fn add(cut: &mut Cut, users: impl IntoIterator<Item = (SlotName, u64, u64)>) {
    for (slot, up, down) in users {
        let sum = cut.entry(slot).or_default();
        *sum = (sum.0.saturating_add(up), sum.1.saturating_add(down));
    }
}

impl Outbox {
    /// The ledger is a copy of another one that has gone on: what was made before `since` may have been reported by it, so it
    /// is given up, and so is the report in flight unless it is certain that nobody has applied its bytes. Later parcels are
    /// kept and reported in the epoch `fresh`. When the ledger cannot be read, nothing is changed.
    pub(crate) fn fork(
        &mut self,
        tally: &mut Tally,
        ledger: &Ledger,
        known: Known,
        fresh: Epoch,
        nobodys: Nobodys,
        batch: &mut Batch,
    ) -> Result<Left, LedgerError> {
        let is_later = |waiting: &Waiting| waiting.made.is_some_and(|made| made >= known.since);
        let mut cut = self.cut_bytes(ledger, batch, is_later)?;
        let seq = self.in_flight.as_ref().map_or(self.books.seq, |report| report.seq);
        if let Some(waiting) = self.in_flight_of.filter(is_later)
            && let Some(report) = self.in_flight.take_if(|report| known.refused == Some(report.seq))
        {
            let parcel = Parcel::of_report(&report);
            add(&mut cut, parcel.users.iter().cloned());
            batch.put(Table::Parcels, &ordered(waiting.order), &parcel);
            self.parcels.push_front(waiting);
        }
        let in_flight = self.in_flight.take();
        let mut ambiguous = in_flight.as_ref().map_or(0, |report| {
            report.users.iter().fold(0_u64, |sum, usage| sum.saturating_add(usage.up.plus(usage.down).get()))
        });
        self.parcels.retain(|waiting| {
            let kept = is_later(waiting);
            if !kept {
                ambiguous = ambiguous.saturating_add(waiting.bytes);
                batch.delete(Table::Parcels, &ordered(waiting.order));
            }
            kept
        });
        self.books.forks = self.books.forks.saturating_add(1);
        self.books.ambiguous = self.books.ambiguous.saturating_add(ambiguous);
        let leaves = self.leaves(seq, ambiguous, false);
        Ok(self.begin(tally, &cut, leaves, fresh, nobodys, batch))
    }

    /// The panel refused report `seq` for its form: it is set aside, and all else goes on. When it was the one in flight,
    /// that is in the epoch `fresh`; the number of one that was acknowledged before, and is replayed, will be skipped.
    /// When the ledger cannot be read, nothing is changed.
    pub(crate) fn reject(
        &mut self,
        tally: &mut Tally,
        ledger: &Ledger,
        (seq, why): (u64, &str),
        fresh: Epoch,
        nobodys: Nobodys,
        batch: &mut Batch,
    ) -> Result<Option<Left>, LedgerError> {
        if self.in_flight.as_ref().is_none_or(|report| report.seq != seq) {
            if let Some(report) = self.archive.remove(seq, ledger, batch)? {
                self.set_aside(&report, why, batch);
                self.write_books(batch);
            }
            return Ok(None);
        }
        let cut = self.cut_bytes(ledger, batch, |_| true)?;
        if let Some(report) = self.in_flight.take() {
            self.set_aside(&report, why, batch);
        }
        let leaves = self.leaves(seq, 0, false);
        Ok(Some(self.begin(tally, &cut, leaves, fresh, nobodys, batch)))
    }

    /// Reports of this epoch are lost, and [`Self::is_past_gap`]: everything that is still to be reported waits in parcels, and goes on
    /// in the epoch `fresh`. When the ledger cannot be read, nothing is changed.
    pub(crate) fn leave_gap(
        &mut self,
        tally: &mut Tally,
        ledger: &Ledger,
        fresh: Epoch,
        nobodys: Nobodys,
        batch: &mut Batch,
    ) -> Result<Left, LedgerError> {
        let cut = self.cut_bytes(ledger, batch, |_| true)?;
        let leaves = self.leaves(self.books.seq, 0, true);
        Ok(self.begin(tally, &cut, leaves, fresh, nobodys, batch))
    }

    fn leaves(&self, seq: u64, ambiguous: u64, gap: bool) -> Leaves {
        Leaves { epoch: self.books.epoch, seq, ambiguous: Bytes::saturating(ambiguous), gap }
    }

    fn set_aside(&mut self, report: &Report, why: &str, batch: &mut Batch) {
        let key = ordered(u64::from(self.books.rejected));
        batch.put(Table::Rejected, &key, &Rejected { epoch: self.books.epoch, why, report });
        self.books.rejected = self.books.rejected.saturating_add(1);
    }

    /// What is in the parcels that `counts` names.
    fn cut_bytes(&self, ledger: &Ledger, batch: &Batch, counts: impl Fn(&Waiting) -> bool) -> Result<Cut, LedgerError> {
        let mut cut = Cut::new();
        for waiting in self.parcels.iter().filter(|waiting| counts(waiting)) {
            add(&mut cut, parcel(ledger, batch, waiting.order)?.users);
        }
        Ok(cut)
    }

    /// Counts begin anew with what is still to be reported, because the panel starts the new epoch at zero.
    fn begin(
        &mut self,
        tally: &mut Tally,
        cut: &Cut,
        leaves: Leaves,
        fresh: Epoch,
        nobodys: Nobodys,
        batch: &mut Batch,
    ) -> Left {
        let slots: Vec<_> = tally.counts().map(|(slot, _)| slot.clone()).collect();
        for slot in slots {
            let cut = cut.get(&slot).copied().unwrap_or_default();
            tally.change(&slot, |count| *count = Count::begin(cut, count.unreported()));
        }
        let left = Left { epoch: leaves.epoch, ambiguous: leaves.ambiguous.get() };
        self.books.leaves = Some(leaves);
        self.books.epoch = fresh;
        self.books.seq = 1;
        self.books.acked = 0;
        self.books.gap_at = None;
        self.books.base = (nobodys.unattributed, nobodys.foreign);
        self.books.told = self.books.base;
        self.replay = None;
        self.archive.clear(batch);
        self.put_in_flight(None, batch);
        self.write_books(batch);
        left
    }
}
