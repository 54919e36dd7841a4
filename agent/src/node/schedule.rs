//! When to sync, and what to say.

use weir_wire::pace::{self, MOST_WAITING};
use weir_wire::sync::{Ask, Report, Skip, SyncRequest};
use weir_wire::{Bytes, PROTOCOL, SlotName};

use super::trouble::Source;
use super::{NUMBER, Node, Phase, Step};
use crate::VERSION;
use crate::clock::{Moment, Reading};
use crate::faults::{self, Point};
use crate::ledger::{LedgerError, put_meta};
use crate::limiter::ask::View;
use crate::outbox::parcel::Stamp;
use crate::rate::Rates;
use crate::roster::Roster;
use crate::tally::Tally;

/// What the limiter must know, without borrowing the limiter itself.
pub(super) struct Sight<'a> {
    pub(super) tally: &'a Tally,
    pub(super) roster: &'a Roster,
    pub(super) rates: &'a Rates,
    pub(super) second: weir_wire::Second,
    /// Milliseconds until an answer to an ask of now is in force.
    pub(super) ahead: u64,
}

impl View for Sight<'_> {
    fn count(&self, slot: &SlotName) -> u64 {
        self.tally.count(slot).total()
    }

    fn ahead(&self, slot: &SlotName) -> u64 {
        pace::passes(self.rates.of(slot), self.ahead)
    }

    fn moves(&self, slot: &SlotName) -> bool {
        self.rates.of(slot) > 0
    }

    fn is_open(&self, slot: &SlotName) -> bool {
        self.roster.is_open(slot, self.second)
    }
}

macro_rules! sight {
    ($node:expr, $now:expr) => {
        Sight {
            tally: &$node.tally,
            roster: &$node.roster,
            rates: &$node.rates,
            second: $node.clock.second($now),
            ahead: $node.ahead(),
        }
    };
}
pub(super) use sight;

impl Node {
    /// Milliseconds until an answer to an ask of now is in force: a tick, the round trip, and the least gap.
    pub(super) fn ahead(&self) -> u64 {
        let tick = u64::try_from(self.tick.as_millis()).unwrap_or(pace::SLOW_TICK);
        pace::until_answered(tick, self.talk.round_trip)
    }

    /// The next step of the sync. Not to be called while a batch is being committed.
    pub(crate) fn advance(&mut self, reading: Reading) -> Step {
        let now = reading.now;
        match core::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Idle => {
                if !self.is_sync_due(now) {
                    return Step::Rest;
                }
                self.talk.now = false;
                if !self.is_ledger_lost(now) {
                    match self.make(reading) {
                        Ok(request) => {
                            self.troubles.end(Source::LedgerRead);
                            self.phase = Phase::Made(Box::new(request));
                            return Step::Save;
                        }
                        Err(error) => {
                            self.ledger_unread(&error, now);
                        }
                    }
                }
                self.send(self.bare(reading), now)
            }
            Phase::Made(request) => self.send(*request, now),
            sent @ Phase::Sent(..) => {
                self.phase = sent;
                Step::Rest
            }
        }
    }

    /// A sync with everything that there is to tell.
    fn make(&mut self, reading: Reading) -> Result<SyncRequest, LedgerError> {
        let now = reading.now;
        self.end_epoch(now)?;
        let sight = sight!(self, now);
        self.limiter.give_back(&sight);
        let (report, skip) = if self.awaits_catch_up() { None } else { self.next_report(now)? }.unzip();
        let books = &mut self.books;
        self.n = self.n.saturating_add(1);
        put_meta(&mut books.batch, NUMBER, &self.n);
        // What is held will be in the ledger before this is sent.
        let held = self.roster.version();
        let (asks, addresses) = (self.asks(now), self.addresses.tell(now));
        let gives_back = self.limiter.giving_back(&asks);
        Ok(SyncRequest { held, asks, gives_back, report, skip: skip.flatten(), addresses, ..self.bare(reading) })
    }

    fn next_report(&mut self, now: Moment) -> Result<Option<(Report, Option<Skip>)>, LedgerError> {
        self.end_quarter(now);
        self.cut_due(now);
        let nobodys = self.nobodys();
        let books = &mut self.books;
        self.outbox.seal(&books.ledger, &self.clock, nobodys, &mut books.batch)?;
        let next = self.outbox.next(&books.ledger, &books.batch)?;
        if next.as_ref().is_some_and(|(_, skip)| skip.is_some()) {
            self.outbox.leaves_out(self.clock.second(now), &mut books.batch);
        }
        if next.is_some() {
            faults::pass(Point::Seal);
        }
        Ok(next)
    }

    fn send(&mut self, request: SyncRequest, now: Moment) -> Step {
        let request = Box::new(request);
        self.phase = Phase::Sent(request.clone(), now);
        Step::Send(request)
    }

    fn is_sync_due(&mut self, now: Moment) -> bool {
        if now < self.talk.not_before {
            return false;
        }
        if self.talk.now || now >= self.talk.next {
            return true;
        }
        let sight = sight!(self, now);
        !self.is_ledger_lost(now) && self.limiter.due(&sight, self.ticked, now).is_some_and(|at| at <= now)
    }

    /// A sync without report and asks: who and how the node is.
    fn bare(&self, reading: Reading) -> SyncRequest {
        SyncRequest {
            protocol: PROTOCOL,
            agent: VERSION.to_owned(),
            epoch: self.outbox.epoch(),
            n: self.n,
            clock: reading.wall_second(),
            acked: Bytes::saturating(self.outbox.acked()),
            held: self.books.durable,
            loaded: self.loading.version(),
            roster_after: self.roster.cursor(),
            asks: Vec::new(),
            gives_back: Vec::new(),
            report: None,
            skip: None,
            status: Some(self.status(reading)),
            inbounds: self.inbounds.clone(),
            address_day: self.addresses.day(),
            addresses: Vec::new(),
        }
    }

    fn asks(&self, now: Moment) -> Vec<Ask> {
        let sight = sight!(self, now);
        self.limiter.asks(&sight)
    }

    /// Cuts what has to be reported: much, old, or of a slot that nears its limit.
    fn cut_due(&mut self, now: Moment) {
        if self.outbox.waiting() >= MOST_WAITING && self.leaving.is_none() {
            return;
        }
        let near: Vec<_> = self.asks(now).into_iter().map(|ask| ask.slot).collect();
        let policy = self.policy;
        let due = |slot: &SlotName, since: Moment| {
            let (up, down) = self.tally.count(slot).unreported();
            self.leaving.is_some() || self.deleted || policy.is_due(up.saturating_add(down), now.since(since))
        };
        let mut slots: Vec<_> =
            self.unreported.iter().filter(|(slot, since)| due(slot, **since)).map(|(slot, _)| slot.clone()).collect();
        slots.extend(near.into_iter().filter(|slot| {
            self.limiter.held(slot).is_some_and(|limit| {
                let count = self.tally.count(slot);
                let (up, down) = count.unreported();
                policy.is_last(up.saturating_add(down), limit, count.total())
            })
        }));
        slots.sort();
        slots.dedup();
        if !slots.is_empty() {
            self.cut(slots, Stamp::Boot(now), Some(now));
        }
        let age = if self.leaving.is_some() { 0 } else { policy.report_age() };
        self.outbox.cut_nobodys(self.nobodys(), now, age, &mut self.books.batch);
    }

    /// Somebody rang: the panel has news.
    pub(crate) fn ring(&mut self) {
        self.talk.now = true;
        // The panel is there, whatever the last sync met.
        self.talk.not_before = Moment::default();
    }

    /// The agent is asked to end: everything is reported as soon as possible.
    pub(crate) fn leave(&mut self, now: Moment) {
        self.leaving = Some(now);
        self.cut_all(now);
        self.talk.now = true;
        self.talk.not_before = Moment::default();
    }

    /// Whether everything that was counted when the agent was asked to end is with the panel, or cannot get there now.
    #[must_use]
    pub(crate) fn has_left(&self) -> bool {
        let Some(leaving) = self.leaving else { return false };
        let since = |moment: Option<Moment>| moment.is_some_and(|moment| moment >= leaving);
        let done = since(self.talk.heard) && (!self.outbox.is_waiting() || self.is_ledger_lost(leaving));
        matches!(self.phase, Phase::Idle) && (done || since(self.talk.failed))
    }

    pub(super) const fn rest_until(&mut self, now: Moment, millis: u64) {
        self.talk.not_before = now.plus(if millis > pace::GAP { millis } else { pace::GAP });
    }
}
