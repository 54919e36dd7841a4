//! The outbox: from counts to parcels to reports, each byte in exactly one of them.
//!
//! A parcel becomes a report only when it is next to be sent, so a refused report strands none behind it; a report never
//! changes again, so it can be sent any number of times. One report is in flight.

pub(crate) mod archive;
pub(crate) mod epoch;
mod losses;
pub(crate) mod parcel;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use weir_wire::digest::report_digest;
use weir_wire::sync::{Leaves, MAX_USERS, Report, Skip, SlotUsage};
use weir_wire::{Bytes, Epoch, Second, SlotName};

use self::archive::Archive;
use self::parcel::{Parcel, Stamp, Waiting};
use crate::clock::{Moment, PanelClock};
use crate::ledger::{Batch, Ledger, LedgerError, Table, number, ordered, put_meta};
use crate::tally::Tally;
use crate::tally::count::Count;

const META: &str = "outbox";
const IN_FLIGHT: &str = "in_flight";

/// What is unreported, and what was reported.
#[derive(Debug)]
pub(crate) struct Outbox {
    books: Books,
    in_flight: Option<Report>,
    /// What this process has made it of.
    in_flight_of: Option<Waiting>,
    parcels: VecDeque<Waiting>,
    archive: Archive,
    /// The panel lacks this report and those after it.
    replay: Option<u64>,
}

/// The numbers of the epoch.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Books {
    epoch: Epoch,
    /// The next report's.
    seq: u64,
    /// The last that the panel has acknowledged.
    acked: u64,
    /// The next parcel's.
    parcel: u64,
    /// End of the last parcel.
    cut_to: Option<Stamp>,
    /// End of the last report.
    sealed_to: Second,
    /// What the first report of this epoch tells of the one before.
    leaves: Option<Leaves>,
    /// Unattributed and foreign bytes that belong to earlier epochs.
    base: (u64, u64),
    /// Unattributed and foreign bytes as the last report told them, since the ledger was made.
    #[serde(default)]
    told: (u64, u64),
    ambiguous: u64,
    rejected: u32,
    forks: u32,
    /// Reports that the panel lacks and this ledger no longer had.
    #[serde(default)]
    gaps: u32,
    /// When a sync last left out reports of this epoch, by the panel's clock.
    #[serde(default)]
    gap_at: Option<Second>,
}

/// Bytes that belong to no user, since the ledger was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Nobodys {
    /// The core counted them and no connection told.
    pub(crate) unattributed: u64,
    /// Of users outside the roster.
    pub(crate) foreign: u64,
}

/// A parcel that waits.
fn parcel(ledger: &Ledger, batch: &Batch, order: u64) -> Result<Parcel, LedgerError> {
    let parcel = ledger.get_after(batch, Table::Parcels, &ordered(order))?;
    parcel.ok_or_else(|| LedgerError::Damaged(format!("parcel {order} is missing")))
}

impl Outbox {
    /// Reads what the ledger holds; a new ledger gets `fresh` as its epoch.
    pub(crate) fn load(ledger: &Ledger, fresh: Epoch) -> Result<Self, LedgerError> {
        let books = ledger.get(Table::Meta, META.as_bytes())?.unwrap_or(Books {
            epoch: fresh,
            seq: 1,
            acked: 0,
            parcel: 0,
            cut_to: None,
            sealed_to: Second::EPOCH,
            leaves: None,
            base: (0, 0),
            told: (0, 0),
            ambiguous: 0,
            rejected: 0,
            forks: 0,
            gaps: 0,
            gap_at: None,
        });
        let mut parcels = VecDeque::new();
        let mut next = 0;
        while let Some((key, parcel)) = ledger.first_from::<Parcel>(Table::Parcels, &ordered(next))? {
            let order = number(&key);
            parcels.push_back(Waiting { order, made: None, bytes: parcel.bytes() });
            next = order + 1;
        }
        let in_flight = ledger.get::<Option<Report>>(Table::Meta, IN_FLIGHT.as_bytes())?.flatten();
        Ok(Self { books, in_flight, in_flight_of: None, parcels, archive: Archive::load(ledger)?, replay: None })
    }

    fn write_books(&self, batch: &mut Batch) {
        put_meta(batch, META, &self.books);
    }

    fn put_in_flight(&mut self, report: Option<Report>, batch: &mut Batch) {
        put_meta(batch, IN_FLIGHT, &report);
        self.in_flight = report;
        self.in_flight_of = None;
    }

    /// An earlier boot's moments become panel time, by the clock that was stored in it.
    pub(crate) fn fix_stamps(
        &mut self,
        ledger: &Ledger,
        clock: &PanelClock,
        batch: &mut Batch,
    ) -> Result<(), LedgerError> {
        self.books.cut_to = self.books.cut_to.map(|stamp| stamp.fixed(clock));
        self.write_books(batch);
        for waiting in &self.parcels {
            let key = ordered(waiting.order);
            if let Some(parcel) = ledger.get::<Parcel>(Table::Parcels, &key)? {
                let (from, to) = (parcel.from.fixed(clock), parcel.to.fixed_end(clock));
                batch.put(Table::Parcels, &key, &Parcel { from, to, ..parcel });
            }
        }
        Ok(())
    }

    /// Cuts the unreported bytes of `slots` off into parcels that end at `to`. `made` is `None` for bytes that an earlier
    /// process has counted. Returns whether there were any.
    pub(crate) fn cut(
        &mut self,
        tally: &mut Tally,
        slots: impl IntoIterator<Item = SlotName>,
        to: Stamp,
        made: Option<Moment>,
        batch: &mut Batch,
    ) -> bool {
        let mut users = Vec::new();
        for slot in slots {
            if tally.count(&slot).unreported() != (0, 0) {
                let (up, down) = tally.change(&slot, Count::cut);
                users.push((slot, up, down));
            }
        }
        let from = self.books.cut_to.unwrap_or(to);
        for chunk in users.chunks(MAX_USERS) {
            self.push(&Parcel { from, to, users: chunk.to_vec() }, made, batch);
        }
        self.books.cut_to = Some(to);
        self.write_books(batch);
        !users.is_empty()
    }

    /// Cuts a parcel without users when nobody's bytes have changed since they were told, nothing else waits, and nothing
    /// has been cut for `age` milliseconds: a node at which nobody is busy any more would never tell them. Also, and at once, when
    /// an epoch was left after a gap and no report has said so: what the panel still counts in it is missing elsewhere.
    pub(crate) fn cut_nobodys(&mut self, nobodys: Nobodys, now: Moment, age: u64, batch: &mut Batch) {
        let young =
            matches!(self.books.cut_to, Some(Stamp::Boot(last) | Stamp::Quarter(last, _)) if now.since(last) < age);
        let leaves = self.books.seq == 1 && self.books.leaves.as_ref().is_some_and(|leaves| leaves.gap);
        let nothing = young || self.books.told == (nobodys.unattributed, nobodys.foreign);
        if self.is_waiting() || (nothing && !leaves) {
            return;
        }
        let to = Stamp::Boot(now);
        let from = self.books.cut_to.unwrap_or(to);
        self.push(&Parcel { from, to, users: Vec::new() }, Some(now), batch);
        self.books.cut_to = Some(to);
        self.write_books(batch);
    }

    fn push(&mut self, parcel: &Parcel, made: Option<Moment>, batch: &mut Batch) {
        batch.put(Table::Parcels, &ordered(self.books.parcel), parcel);
        self.parcels.push_back(Waiting { order: self.books.parcel, made, bytes: parcel.bytes() });
        self.books.parcel += 1;
    }

    /// Makes the oldest parcel the report in flight, unless one is. The batch must be durable before the report is sent.
    pub(crate) fn seal(
        &mut self,
        ledger: &Ledger,
        clock: &PanelClock,
        nobodys: Nobodys,
        batch: &mut Batch,
    ) -> Result<(), LedgerError> {
        let (None, Some(waiting)) = (&self.in_flight, self.parcels.front().copied()) else { return Ok(()) };
        let key = ordered(waiting.order);
        let parcel = parcel(ledger, batch, waiting.order)?;
        self.parcels.pop_front();
        // Chunks of one cut share their times, so only `to` must not fall behind; the hour and the billing period are
        // those of `to - 1`, and no parcel reaches over a quarter-hour.
        let to = parcel.to.end(clock).max(self.books.sealed_to).max(Second::clamped(1));
        let from = parcel.from.second(clock).max(to.plus(-1).quarter()).min(to.plus(-1));
        let users = parcel.users.into_iter().map(|(slot, up, down)| SlotUsage {
            slot,
            up: Bytes::saturating(up),
            down: Bytes::saturating(down),
        });
        let mut report = Report {
            seq: self.books.seq,
            from,
            to,
            users: users.collect(),
            unattributed: Bytes::saturating(nobodys.unattributed.saturating_sub(self.books.base.0)),
            foreign: Bytes::saturating(nobodys.foreign.saturating_sub(self.books.base.1)),
            leaves: (self.books.seq == 1).then(|| self.books.leaves.clone()).flatten(),
            digest: String::new(),
        };
        report.digest = report_digest(self.books.epoch, &report);
        self.books.seq += 1;
        self.books.sealed_to = to;
        self.books.told = (nobodys.unattributed, nobodys.foreign);
        batch.delete(Table::Parcels, &key);
        self.put_in_flight(Some(report), batch);
        self.in_flight_of = Some(waiting);
        self.write_books(batch);
        Ok(())
    }

    /// The report to send, and what must be skipped before it.
    pub(crate) fn next(&self, ledger: &Ledger, batch: &Batch) -> Result<Option<(Report, Option<Skip>)>, LedgerError> {
        let report = match self.replay {
            Some(seq) => self.archive.from(seq, ledger, batch)?.or_else(|| self.in_flight.clone()),
            None => self.in_flight.clone(),
        };
        Ok(report.map(|report| {
            let skip = self.replay.filter(|seq| *seq < report.seq).map(|from| Skip { from, to: report.seq });
            (report, skip)
        }))
    }

    /// The panel has everything up to `seq`. Returns `false` when this ledger never sent that: it is a copy of another
    /// one that has gone on.
    pub(crate) fn acknowledge(&mut self, seq: u64, at: Second, batch: &mut Batch) -> bool {
        if seq >= self.books.seq {
            return false;
        }
        if let Some(report) = self.in_flight.take_if(|report| report.seq <= seq) {
            self.archive.keep(&report, at, batch);
            self.put_in_flight(None, batch);
        }
        // What the panel once had and lacks now is replayed, whether it says so by `expect` or by its `ack`.
        let last_sent = self.books.seq - 1;
        let complete = seq == last_sent || self.in_flight.as_ref().is_some_and(|report| report.seq == seq + 1);
        self.replay = (!complete).then_some(seq + 1);
        if self.books.acked != seq {
            self.books.acked = seq;
            self.write_books(batch);
        }
        true
    }

    /// The panel lacks `seq` and what follows. Returns `false` when this ledger never sent what comes before it.
    pub(crate) fn expect(&mut self, seq: u64) -> bool {
        self.replay = Some(seq);
        seq <= self.books.seq
    }

    /// The last report that a panel has acknowledged, also one that has forgotten it since; 0 before the first.
    #[must_use]
    pub(crate) fn acked(&self) -> u64 {
        self.books.seq - 1 - u64::from(self.in_flight.is_some())
    }

    /// The epoch.
    #[must_use]
    pub(crate) const fn epoch(&self) -> Epoch {
        self.books.epoch
    }

    /// Something waits to be sent.
    #[must_use]
    pub(crate) fn is_waiting(&self) -> bool {
        self.in_flight.is_some() || !self.parcels.is_empty() || self.replay.is_some()
    }

    /// Bytes that were cut and are not acknowledged.
    #[must_use]
    pub(crate) fn bytes(&self) -> u64 {
        let users = self.in_flight.iter().flat_map(|report| &report.users);
        let in_flight = users.fold(0_u64, |sum, usage| sum.saturating_add(usage.up.plus(usage.down).get()));
        self.parcels.iter().fold(in_flight, |sum, waiting| sum.saturating_add(waiting.bytes))
    }

    /// Parcels and reports that wait.
    #[must_use]
    pub(crate) fn waiting(&self) -> usize {
        self.parcels.len() + usize::from(self.in_flight.is_some())
    }

    #[cfg(test)]
    pub(crate) const fn in_flight(&self) -> Option<&Report> {
        self.in_flight.as_ref()
    }

    /// Unattributed and foreign bytes of this epoch.
    #[must_use]
    pub(crate) const fn of_epoch(&self, nobodys: Nobodys) -> Nobodys {
        Nobodys {
            unattributed: nobodys.unattributed.saturating_sub(self.books.base.0),
            foreign: nobodys.foreign.saturating_sub(self.books.base.1),
        }
    }
}
