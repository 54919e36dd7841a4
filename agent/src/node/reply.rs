//! What a sync led to.

use weir_wire::pace;
use weir_wire::refusal::{Code, Refusal};
use weir_wire::sync::{SyncReply, SyncRequest};
use weir_wire::{Epoch, SlotName};

use super::ending::Ending;
use super::schedule::{Sight, sight};
use super::trouble::Source;
use super::{Command, DELETED, Node, POLICY, Phase, allowance};
use crate::client::Failed;
use crate::clock::{Moment, Reading};
use crate::faults::{self, Point};
use crate::ledger::put_meta;
use crate::limiter::Said;

/// Back-off after the first failure and at most, in milliseconds.
const FIRST_BACK_OFF: u64 = 1_000;
const LAST_BACK_OFF: u64 = 60_000;
/// After a refusal that only an operator can mend.
const LONG_BACK_OFF: u64 = 60_000;

/// Randomness for one decision: `jitter` spreads many agents, `epoch` names a new ledger if one must begin.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dice {
    /// Random bits.
    pub(crate) jitter: u32,
    /// Random bits.
    pub(crate) epoch: Epoch,
}

/// Whether a refusal may be about the report: it names a field of it, or none.
fn is_of_report(refusal: &Refusal) -> bool {
    refusal.field.as_ref().is_none_or(|field| field.starts_with("report"))
}

fn is_of_addresses(refusal: &Refusal) -> bool {
    refusal.field.as_ref().is_some_and(|field| field.starts_with("address"))
}

impl Dice {
    /// `millis`, give or take a quarter.
    fn spread(self, millis: u64) -> u64 {
        pace::spread(millis, self.jitter)
    }
}

impl Node {
    fn answered_request(&mut self) -> Option<(Box<SyncRequest>, Moment)> {
        match core::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Sent(request, sent) => Some((request, sent)),
            other => {
                self.phase = other;
                None
            }
        }
    }

    /// The panel has answered.
    pub(crate) fn replied(&mut self, reply: SyncReply, reading: Reading, dice: Dice) {
        let Some((request, sent)) = self.answered_request() else { return };
        let now = reading.now;
        let was_lost = self.is_panel_lost();
        self.heard(&reply, sent, reading, dice);
        let changed = self.obey(reply, &request, sent, now, dice);
        if was_lost {
            self.decide_all(now);
        }
        for slot in &changed {
            self.decide(slot, now);
        }
        self.forget_departed();
        self.move_gates(now);
    }

    fn heard(&mut self, reply: &SyncReply, sent: Moment, reading: Reading, dice: Dice) {
        let now = reading.now;
        self.told_time(sent, reading, reply.time);
        if self.policy != reply.policy {
            self.policy = reply.policy;
            put_meta(&mut self.books.batch, POLICY, &self.policy);
        }
        if self.deleted != reply.deleted {
            self.deleted = reply.deleted;
            put_meta(&mut self.books.batch, DELETED, &self.deleted);
            self.decide_all(now);
        }
        self.troubles.end(Source::Panel);
        self.talk.heard = Some(now);
        self.talk.failures = 0;
        self.talk.round_trip = now.since(sent);
        self.talk.unknown = reply.unknown;
        self.totals_told = (self.totals, now);
        self.rest_until(now, 0);
        self.talk.next = now.plus(dice.spread(self.policy.rest()));
    }

    /// Takes over acknowledgement, roster and limits. Returns the slots whose gate may have to move.
    fn obey(
        &mut self,
        reply: SyncReply,
        request: &SyncRequest,
        sent: Moment,
        now: Moment,
        dice: Dice,
    ) -> Vec<SlotName> {
        if let Some(told) = &request.inbounds {
            if self.inbounds.as_ref() == Some(told) {
                self.inbounds = None;
            }
            self.inbounds_told = Some(told.clone());
        }
        self.addresses.answered(!request.addresses.is_empty(), reply.address_key);
        let mut changed = Vec::new();
        let doors_may_differ = reply.roster.is_some() || reply.inbound_plans.is_some();
        if let Some(plans) = reply.inbound_plans {
            self.doors.take(plans, &mut self.books.batch);
        }
        if let Some(change) = reply.roster {
            let called = !change.full;
            let touched = self.roster.apply(change, &mut self.books.batch);
            for slot in &touched.upserts {
                self.allow(slot, now);
                self.tell_speed(slot);
                self.departed.remove(slot);
                self.limiter.press(slot, self.tally.count(slot).total(), called);
            }
            for slot in &touched.removals {
                self.commands.push(Command::ForgetSpeed { slot: slot.clone() });
                self.departed.insert(slot.clone());
                self.limiter.remove(slot, self.tally.count(slot).total());
            }
            if !self.rules.core.users_live && touched.credentials {
                self.loading.credentials_changed(&mut self.books.batch);
            }
            changed.extend(touched.upserts);
            changed.extend(touched.removals);
            self.next_end = self.roster.next_end(self.clock.second(now));
            self.look_at_loaded(false);
        }
        if doors_may_differ {
            self.show_out();
            self.bring_soon(now);
        }
        if !reply.deleted && reply.n == request.n {
            let longest = self.policy.rest();
            let view = sight!(self, now);
            let said = Said { asks: &request.asks, gives_back: &request.gives_back };
            changed.extend(self.limiter.answered(said, &reply.limits, sent, now, longest, &view));
        }
        // A panel that has more than was ever sent got it from a copy of this ledger.
        self.talk.rejected &= request.report.is_none();
        if let Some(skip) = request.skip {
            self.outbox.skipped(skip, reply.ack, &mut self.books.batch);
        }
        if !self.outbox.acknowledge(reply.ack, self.clock.second(now), &mut self.books.batch) {
            self.forked(dice.epoch, None);
        }
        self.left_behind(dice.epoch, now);
        if request.report.is_some() {
            faults::pass(Point::Ack);
        }
        let more = self.outbox.is_waiting() || self.ending.is_some();
        self.talk.now |= self.roster.cursor().is_some() || (more && !self.awaits_catch_up());
        changed
    }

    /// Ends what a user has too much of, if his limits were lowered.
    fn allow(&mut self, slot: &SlotName, now: Moment) {
        let Some(allowed) = self.roster.get(slot).map(allowance) else { return };
        let over = self.presence.allow(slot, allowed, now);
        self.commands.extend(over.into_iter().map(|id| Command::Close { id }));
    }

    /// Ends the connections of those who may not be where they are any more.
    fn show_out(&mut self) {
        let roster = &self.roster;
        let unwelcome = self.doors.unwelcome(|slot| roster.get(slot));
        self.commands.extend(unwelcome.into_iter().map(|id| Command::Close { id }));
    }

    /// Slots that are in no roster, with nothing to report and nothing in the core, are forgotten.
    fn forget_departed(&mut self) {
        let gone: Vec<_> = self
            .departed
            .iter()
            .filter(|slot| self.tally.count(slot).unreported() == (0, 0) && !self.gates.may_be_loaded(slot))
            .cloned()
            .collect();
        for slot in gone {
            self.departed.remove(&slot);
            self.tally.forget(&slot);
        }
        let (roster, departed) = (&self.roster, &self.departed);
        self.gates.prune(|slot| roster.get(slot).is_some() || departed.contains(slot));
    }

    /// The sync brought no reply.
    pub(crate) fn failed(&mut self, failure: &Failed, reading: Reading, dice: Dice) {
        let Some((request, sent)) = self.answered_request() else { return };
        let now = reading.now;
        let was_lost = self.is_panel_lost();
        self.troubles.meet(Source::Panel, failure.to_string(), now);
        self.talk.failed = Some(now);
        self.talk.failures = self.talk.failures.saturating_add(1);
        let back_off =
            FIRST_BACK_OFF.saturating_mul(1 << self.talk.failures.min(7).saturating_sub(1)).min(LAST_BACK_OFF);
        self.rest_until(now, dice.spread(back_off));
        self.talk.now = true;
        match failure {
            Failed::Wait(seconds) => {
                self.rest_until(now, dice.spread(u64::from(*seconds).clamp(1, 3_600).saturating_mul(1_000)));
            }
            Failed::Unreachable(_) => {}
            Failed::Refused { refusal, date } => {
                // Before anything follows from a fork: it may be the first word after the host was put back.
                if let Some(second) = date {
                    self.told_time(sent, reading, *second);
                }
                self.refused(refusal, &request, now, dice);
            }
        }
        if self.is_panel_lost() != was_lost {
            self.decide_all(now);
        }
        self.move_gates(now);
    }

    fn refused(&mut self, refusal: &Refusal, request: &SyncRequest, now: Moment, dice: Dice) {
        let fresh = dice.epoch;
        match (refusal.code, &request.report) {
            (Code::Fork, _) => self.forked(fresh, refusal.seq),
            (Code::Expect, _) => {
                if !self.outbox.expect(refusal.seq.unwrap_or(1)) {
                    self.forked(fresh, None);
                }
            }
            // A form that the panel does not take will not get better by itself; without this report it may.
            (Code::Malformed | Code::Invalid | Code::TooLarge, Some(report)) if is_of_report(refusal) => {
                self.ending = Some(Ending::Rejected { seq: report.seq, why: refusal.message.clone(), fresh });
                // If it was not the report after all, the next one must not follow it at once.
                let again = core::mem::replace(&mut self.talk.rejected, true);
                self.rest_until(now, if again { dice.spread(LONG_BACK_OFF) } else { 0 });
                return;
            }
            (Code::Malformed | Code::Invalid, _) if is_of_addresses(refusal) => {
                tracing::warn!(why = %refusal.message, "the panel refused addresses: it is told none until the next start");
                self.addresses.refused();
            }
            (Code::Deleted, _) if !self.deleted => {
                self.deleted = true;
                put_meta(&mut self.books.batch, DELETED, &true);
                self.decide_all(now);
                self.rest_until(now, dice.spread(LONG_BACK_OFF));
                return;
            }
            (Code::Unavailable, _) => return,
            _ => {
                self.rest_until(now, dice.spread(LONG_BACK_OFF));
                return;
            }
        }
        // These are mended by what follows at once.
        self.talk.failures = 0;
        self.talk.failed = None;
        self.rest_until(now, 0);
    }
}
