//! Limits: up to which count a slot may pass, and when the panel has to be asked for more.
//!
//! A limit is absolute on the slot's count in this epoch, so a lost or repeated answer adds nothing. Without one that is
//! in force, a slot may pass `floor` bytes beyond its count, once, until an ask is answered. Nobody asks for a slot at which
//! nothing moves: a grant that ends there, or that another node needs, is let go of, and the next byte asks.

pub(crate) mod ask;
mod give_back;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use weir_wire::SlotName;
use weir_wire::pace::GRANT_LASTS as LASTS;
use weir_wire::sync::{Ask, Limit};

use self::ask::{MAX_ASKS, Nagging, Reason, View};
use crate::clock::Moment;
use crate::ledger::{Batch, Ledger, LedgerError, Table};
use crate::tally::slot_of;

/// One slot's limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Held {
    /// The count up to which the slot may pass.
    limit: u64,
    kind: Kind,
    /// What the panel has recorded as the most that this node may hold: `max(stated, answered)` of the last answered
    /// ask; `None` before the first.
    recorded: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    /// An answer, and when its ask was sent.
    Granted(Moment),
    /// What a slot may pass without an answer. It does not end, and is not given twice.
    Floor,
    /// Nothing is held: the gate is open, and the first byte beyond `limit` takes the floor.
    LetGo,
    /// The slot is in no roster any more; nothing may pass.
    Gone,
}

/// What a sync says of limits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Said<'a> {
    pub(crate) asks: &'a [Ask],
    pub(crate) gives_back: &'a [SlotName],
}

/// All limits of the epoch.
#[derive(Debug, Default)]
pub(crate) struct Limiter {
    held: BTreeMap<SlotName, Held>,
    nagging: BTreeMap<SlotName, Nagging>,
    /// Slots of whose grant a part was given back, until that is answered.
    giving: BTreeSet<SlotName>,
    changed: Vec<SlotName>,
    cleared: bool,
    due: Due,
}

/// When an ask is due, kept between two looks at all slots: with thousands of events a second, looking at thousands of
/// slots for each would be most of what the agent does.
#[derive(Debug, Default)]
struct Due {
    /// The tick in which all slots were looked at: rates and time are other ones in the next.
    tick: Moment,
    /// All slots were looked at; otherwise they must be.
    known: bool,
    /// Of all slots as they were looked at last.
    earliest: Option<Moment>,
    /// Slots that moved bytes since they were last looked at.
    moved: Vec<SlotName>,
}

/// So many slots are looked at one by one; with more of them all are.
const MOST_MOVED: usize = 64;

impl Limiter {
    /// Reads what the ledger holds. Grants of an earlier boot have ended, because its clock is gone.
    pub(crate) fn load(ledger: &Ledger, same_boot: bool) -> Result<Self, LedgerError> {
        let mut limiter = Self::default();
        for (slot, mut held) in ledger.all::<Held>(Table::Limits)? {
            let Some(slot) = slot_of(&slot) else { continue };
            if let (Kind::Granted(_), false) = (held.kind, same_boot) {
                // A second of the boot at which it must have ended: the floor is set at the slot's next look.
                held.kind = Kind::Granted(Moment::default());
                held.limit = 0;
            }
            limiter.held.insert(slot, held);
        }
        Ok(limiter)
    }

    /// Puts all that has changed since the last time into `batch`.
    pub(crate) fn write(&mut self, batch: &mut Batch) {
        if core::mem::take(&mut self.cleared) {
            batch.clear(Table::Limits);
        }
        for slot in self.changed.drain(..) {
            match self.held.get(&slot) {
                Some(held) => batch.put(Table::Limits, slot.as_str().as_bytes(), held),
                None => batch.delete(Table::Limits, slot.as_str().as_bytes()),
            }
        }
    }

    /// Whether the ledger lacks something.
    #[must_use]
    pub(crate) fn has_changed(&self) -> bool {
        self.cleared || !self.changed.is_empty()
    }

    fn put(&mut self, slot: &SlotName, held: Held) {
        if self.held.insert(slot.clone(), held) != Some(held) {
            self.changed.push(slot.clone());
        }
    }

    fn look_at(&mut self, slot: &SlotName) {
        if self.due.moved.len() >= MOST_MOVED {
            self.due = Due::default();
        } else if self.due.known && self.due.moved.last() != Some(slot) {
            self.due.moved.push(slot.clone());
        }
    }

    /// The limit in force for a slot that has counted `count`; `None` where nothing is held and nothing has moved since. A
    /// slot without one that has bytes gets the floor.
    pub(crate) fn limit(&mut self, slot: &SlotName, count: u64, floor: u64, now: Moment) -> Option<u64> {
        self.look_at(slot);
        match self.held.get(slot).copied() {
            None if count == 0 => None,
            None => Some(self.take_floor(slot, count, floor, None)),
            Some(held @ Held { kind: Kind::Granted(given), .. }) if ended(held.limit, given, now) => {
                // The panel counts on it no more an hour later, without a word. Of an earlier boot's it does not know.
                let recorded = if now.since(given) >= LASTS { Some(count) } else { held.recorded };
                self.put(slot, Held { limit: count, kind: Kind::LetGo, recorded });
                None
            }
            Some(Held { kind: Kind::LetGo, limit, .. }) if count <= limit => None,
            Some(Held { kind: Kind::LetGo, recorded, .. }) => Some(self.take_floor(slot, count, floor, recorded)),
            Some(held) => Some(held.limit),
        }
    }

    fn take_floor(&mut self, slot: &SlotName, count: u64, floor: u64, recorded: Option<u64>) -> u64 {
        let limit = count.saturating_add(floor);
        self.put(slot, Held { limit, kind: Kind::Floor, recorded });
        limit
    }

    /// The limit that is held, without setting one.
    #[must_use]
    pub(crate) fn held(&self, slot: &SlotName) -> Option<u64> {
        self.held.get(slot).map(|held| held.limit)
    }

    /// The panel has touched the slot's entry, which is how it asks to be asked. Only a slot with a limit or bytes can
    /// tell anything. `called` when it touched this one, and did not send a list of all.
    pub(crate) fn press(&mut self, slot: &SlotName, count: u64, called: bool) {
        self.due = Due::default();
        match self.held.get(slot).copied() {
            // Back in the roster: what it may pass is decided by an answer.
            Some(held @ Held { kind: Kind::Gone, .. }) => self.put(slot, Held { kind: Kind::Floor, ..held }),
            None if count == 0 => return,
            _ => {}
        }
        self.nagging.entry(slot.clone()).or_default().press(called);
    }

    /// The slot is in no roster any more: nothing may pass, and the panel is told once, so that it frees the grant.
    pub(crate) fn remove(&mut self, slot: &SlotName, count: u64) {
        self.due = Due::default();
        if let Some(held) = self.held.get(slot).copied() {
            self.put(slot, Held { limit: held.limit.min(count), kind: Kind::Gone, ..held });
            self.nagging.entry(slot.clone()).or_default().press(false);
        }
    }

    /// Asks for one sync, nearest to their limit first, at most [`MAX_ASKS`].
    pub(crate) fn asks(&self, view: &impl View) -> Vec<Ask> {
        let reasons = self.reasons(view);
        let mut asks: Vec<_> = reasons.into_iter().map(|(slot, reason)| (reason, slot)).collect();
        asks.sort();
        asks.truncate(MAX_ASKS);
        let asks = asks.into_iter().map(|(_, slot)| {
            let count = view.count(&slot);
            let held = self.held.get(&slot).map_or(count, |held| held.limit);
            ask::ask(slot, count, held)
        });
        asks.collect()
    }

    /// When the next sync is due for the sake of an ask: now, at a later moment, or never as things stand. `tick` is the
    /// present one: within a tick only the slots whose limit was asked for since the last call are looked at anew.
    pub(crate) fn due(&mut self, view: &impl View, tick: Moment, now: Moment) -> Option<Moment> {
        let moment = |slot: &SlotName| self.nagging.get(slot).map_or(now, Nagging::not_before);
        let earliest = if self.due.known && self.due.tick == tick {
            let moved = self.due.moved.iter().filter(|slot| self.reason(slot, view).is_some()).map(moment);
            self.due.earliest.into_iter().chain(moved).min()
        } else {
            self.reasons(view).iter().map(|(slot, _)| moment(slot)).min()
        };
        self.due = Due { tick, known: true, earliest, moved: Vec::new() };
        earliest
    }

    fn reasons(&self, view: &impl View) -> Vec<(SlotName, Reason)> {
        let reasons = self.held.keys().filter_map(|slot| self.reason(slot, view).map(|why| (slot.clone(), why)));
        // Slots without a limit that the panel wants to know of.
        let bare = self.nagging.iter().filter(|(slot, nagging)| nagging.is_pressed() && !self.held.contains_key(slot));
        reasons.chain(bare.map(|(slot, _)| (slot.clone(), Reason::pressed()))).collect()
    }

    /// Why a slot with a limit is asked for, if it is.
    fn reason(&self, slot: &SlotName, view: &impl View) -> Option<Reason> {
        let held = self.held.get(slot)?;
        let pressed = self.nagging.get(slot).is_some_and(Nagging::is_pressed);
        let differs = held.recorded != Some(held.limit);
        match held.kind {
            Kind::LetGo if !pressed && !differs => None,
            _ => Reason::of(slot, held.limit, pressed, differs, view),
        }
    }

    /// The reply to the latest sync came: `limits` are the answers to what was `said` in it. `longest` is the back-off's end
    /// in milliseconds. Returns the slots whose limit may have changed.
    pub(crate) fn answered(
        &mut self,
        said: Said<'_>,
        limits: &[Limit],
        sent: Moment,
        now: Moment,
        longest: u64,
        view: &impl View,
    ) -> Vec<SlotName> {
        self.due = Due::default();
        let answers: BTreeMap<_, _> = limits.iter().map(|answer| (&answer.slot, answer.limit.get())).collect();
        for ask in said.asks {
            let slot = &ask.slot;
            let before = self.held.get(slot).copied();
            if matches!(before, Some(Held { kind: Kind::Gone, .. })) {
                self.held.remove(slot);
                self.changed.push(slot.clone());
                self.nagging.remove(slot);
                self.giving.remove(slot);
                continue;
            }
            let nagging = self.nagging.entry(slot.clone()).or_default();
            let Some(limit) = answers.get(slot).copied() else {
                nagging.unanswered(now, longest);
                continue;
            };
            self.giving.remove(slot);
            let recorded = Some(ask.held.get().max(limit));
            // Nothing is held, as it was said; what has passed since asks anew.
            let let_go = said.gives_back.contains(slot) && ask.held == ask.count && limit <= ask.count.get();
            if let (true, Some(held @ Held { kind: Kind::LetGo | Kind::Floor, .. })) = (let_go, before) {
                nagging.answered(true, now, longest);
                self.put(slot, Held { recorded, ..held });
                continue;
            }
            // An answer below what has passed is as good as one at it, and both shut the gate.
            self.put(slot, Held { limit, kind: Kind::Granted(sent), recorded });
            let better = before.is_none_or(|held| limit > held.limit) && limit > view.count(slot);
            let settled = recorded == Some(limit) && limit > view.count(slot);
            self.nagging.entry(slot.clone()).or_default().answered(better || settled, now, longest);
        }
        said.asks.iter().map(|ask| ask.slot.clone()).collect()
    }

    /// Another epoch begins: it has no limits.
    pub(crate) fn clear(&mut self) {
        *self = Self { cleared: true, ..Self::default() };
    }
}

/// A grant of an earlier boot is marked by a limit of 0 given at the boot: no panel grants less than was counted.
fn ended(limit: u64, given: Moment, now: Moment) -> bool {
    now.since(given) >= LASTS || (limit == 0 && given == Moment::default())
}
