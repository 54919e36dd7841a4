//! How an epoch ends, and what an earlier life of this ledger may have reported already.

use weir_wire::{Epoch, Second, SlotName};

use super::{CLOCK, Node};
use crate::clock::{Moment, Reading};
use crate::faults::{self, Point};
use crate::ledger::{LedgerError, put_meta};
use crate::outbox::epoch::Known;
use crate::outbox::parcel::Stamp;

/// The panel's clock may run ahead of what this host believes by so many milliseconds, by half the round trip, and by a
/// thousandth of the time since it was last told, which is ten times what a bad quartz drifts. Beyond, the host has stood
/// still.
const STOOD_STILL: i64 = 2_000;
/// Milliseconds for which the core may still tell of bytes from before it was suspended: a slow tick and some more.
const CATCHING_UP: u64 = 1_500;
/// Milliseconds of suspension that are no rounding.
const SUSPENDED: u64 = 100;

/// Why an epoch ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// This ledger is a copy, and the other one has gone on.
    Fork {
        /// The next epoch.
        fresh: Epoch,
        /// The report that the panel has refused because it knows another one by its number.
        refused: Option<u64>,
    },
    /// The panel refused a report for its form.
    Rejected {
        /// The report.
        seq: u64,
        /// What the panel said.
        why: String,
        /// The next epoch.
        fresh: Epoch,
    },
    /// Reports of it are lost.
    Gap {
        /// The next epoch.
        fresh: Epoch,
    },
}

/// Until when the bytes that the core tells may be of a time that a copy of this ledger has lived through as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CatchUp {
    /// The process has begun: until the core's first list is credited.
    FirstList,
    /// The host has stood still: until that moment.
    Until(Moment),
    /// No bytes any more.
    Over,
}

impl Node {
    /// The host may have been put back to an earlier state, with this process in it: what was counted until now may have
    /// been reported by the life that was cut off. Nothing comes of it unless the panel finds a fork.
    fn resumed(&mut self, now: Moment) {
        tracing::info!("the host was suspended, or put back to an earlier state");
        self.since = now.plus(CATCHING_UP);
        // The core's first list, if it is still to come, ends no sooner.
        if self.catch_up != CatchUp::FirstList {
            self.catch_up = CatchUp::Until(self.since);
        }
    }

    /// The core's first list was credited: these bytes may have been counted and reported by a copy of this ledger that has
    /// gone on.
    pub(super) fn first_list(&mut self, slots: Vec<SlotName>, now: Moment) {
        if now < self.since {
            self.catch_up = CatchUp::Until(self.since);
        } else {
            self.caught_up();
        }
        self.cut(slots, Stamp::Boot(now), None);
    }

    /// From here on every byte was counted by nobody else.
    fn caught_up(&mut self) {
        self.catch_up = CatchUp::Over;
        self.talk.now |= self.ending.is_some();
    }

    /// Notes that this ledger is a copy. What is known of it already stands.
    pub(super) fn forked(&mut self, fresh: Epoch, refused: Option<u64>) {
        if !matches!(self.ending, Some(Ending::Fork { .. })) {
            self.ending = Some(Ending::Fork { fresh, refused });
        }
    }

    /// Notes that reports of this epoch were lost long enough ago, if nothing else ends it.
    pub(super) fn left_behind(&mut self, fresh: Epoch, now: Moment) {
        if self.ending.is_none() && self.outbox.is_past_gap(self.clock.second(now)) {
            self.ending = Some(Ending::Gap { fresh });
        }
    }

    /// Whether a fork was found that cannot be gone through yet: what the core still tells of the time before would be taken
    /// for new, and billed again. Until then nothing is reported.
    pub(super) fn awaits_catch_up(&self) -> bool {
        matches!(self.ending, Some(Ending::Fork { .. })) && self.catch_up != CatchUp::Over
    }

    /// Looks whether the host was suspended since the last look.
    pub(super) fn look_at_suspension(&mut self, reading: Reading) {
        if reading.suspended > self.suspended.saturating_add(SUSPENDED) {
            self.resumed(reading.now);
        }
        self.suspended = self.suspended.max(reading.suspended);
        if let CatchUp::Until(end) = self.catch_up
            && reading.now >= end
        {
            self.end_catch_up(reading.now);
        }
    }

    /// What is uncut is older than what comes now.
    pub(super) fn end_catch_up(&mut self, now: Moment) {
        self.caught_up();
        let slots = self.unreported.keys().cloned().collect();
        self.cut(slots, Stamp::Boot(now), None);
    }

    /// The panel has named the time, in an answer to what was sent at `sent`. A host that is put back without being told
    /// finds its clock behind.
    pub(super) fn told_time(&mut self, sent: Moment, reading: Reading, second: Second) {
        let ahead = self.clock.learn(sent, reading, second);
        put_meta(&mut self.books.batch, CLOCK, &self.clock);
        let unsure = reading.now.since(self.talk.told_time) / 1_000 + reading.now.since(sent) / 2;
        let unsure = i64::try_from(unsure).unwrap_or(i64::MAX);
        self.talk.told_time = reading.now;
        if ahead > STOOD_STILL.saturating_add(unsure) {
            self.resumed(reading.now);
        }
    }

    /// Ends the epoch, or sets the refused report aside. What it leads to must be in the ledger before anything is sent.
    pub(super) fn end_epoch(&mut self, now: Moment) -> Result<(), LedgerError> {
        let Some(ending) = self.ending.clone().filter(|_| !self.awaits_catch_up()) else { return Ok(()) };
        let nobodys = self.nobodys();
        let (tally, ledger, batch) = (&mut self.tally, &self.books.ledger, &mut self.books.batch);
        let left = match &ending {
            Ending::Fork { fresh, refused } => {
                let known = Known { since: self.since, refused: *refused };
                self.outbox.fork(tally, ledger, known, *fresh, nobodys, batch).map(Some)?
            }
            Ending::Rejected { seq, why, fresh } => {
                self.outbox.reject(tally, ledger, (*seq, why), *fresh, nobodys, batch)?
            }
            // A panel that was restored again since wants to be told everything again first.
            Ending::Gap { .. } if !self.outbox.is_past_gap(self.clock.second(now)) => None,
            Ending::Gap { fresh } => self.outbox.leave_gap(tally, ledger, *fresh, nobodys, batch).map(Some)?,
        };
        self.ending = None;
        if let Some(left) = left {
            tracing::warn!(left = %left.epoch, begun = %self.outbox.epoch(), ambiguous = left.ambiguous, "a new epoch begins");
            self.limiter.clear();
            self.decide_all(now);
            self.move_gates(now);
            faults::pass(Point::Fork);
        }
        Ok(())
    }
}
