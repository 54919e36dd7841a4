//! The tally: who moved how many bytes, from the core's absolute totals.
//!
//! A connection is credited with `total - credited`, so an event that is repeated, skipped or read again after a restart
//! changes no sum. The total of an ended connection is authoritative and may correct downwards. A connection that ended
//! is remembered, because the core tells some of them again, and of some that were ended by force a last chunk late.

pub(crate) mod connection;
pub(crate) mod count;
mod counters;
pub(crate) mod finished;
pub(crate) mod gap;
mod incarnation;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::{Deserialize, Serialize};
use weir_wire::SlotName;
use weir_wire::status::Loss;

use self::connection::{ConnectionKey, Live};
use self::count::Count;
use self::counters::Counters;
use self::finished::{Credited, Finished};
use self::gap::Gap;
use crate::clock::Moment;
use crate::cores::{BACK, ConnectionEvent};
use crate::ledger::{Batch, Ledger, LedgerError, Table, put_meta};

const META: &str = "tally";

/// What one list of events did.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Moved {
    /// Slots that moved bytes, and how many.
    pub(crate) slots: Vec<(SlotName, u64)>,
    /// Live connections that are new or moved bytes: id and slot.
    pub(crate) alive: Vec<(String, SlotName)>,
}

/// Everything that was counted.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    whole: Whole,
    live: HashMap<ConnectionKey, Live>,
    finished: Finished,
    counters: Counters,
    counts: BTreeMap<SlotName, Count>,
    /// Bytes, up and down, that came back from the relay since the core or the agent started.
    relayed: (u64, u64),
    /// The next complete list is a baseline: the core ran before the ledger was made.
    baseline: bool,
    changed: Changed,
}

/// Whose bytes these are.
#[derive(Clone, Copy)]
enum Whose<'a> {
    Slot(&'a SlotName),
    /// A user's who is in no roster of ours.
    Foreign,
    /// Those of a connection that came back from the agent's relay.
    Relay,
}

impl<'a> Whose<'a> {
    fn of(owner: Option<&'a SlotName>, back: bool, ours: &impl Fn(&SlotName) -> bool) -> Self {
        match owner.filter(|slot| ours(slot)) {
            _ if back => Self::Relay,
            Some(slot) => Self::Slot(slot),
            None => Self::Foreign,
        }
    }
}

/// What is counted over all connections.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Whole {
    /// `None` in a new ledger; 0 when the core is known to begin after it.
    incarnation: Option<i64>,
    gap: Gap,
    foreign: u64,
    lost_estimate: u64,
    /// Bytes that were credited while their slot's gate was shut.
    #[serde(default)]
    overshoot: u64,
    #[serde(default)]
    last_loss: Option<Loss>,
}

/// What the ledger does not have yet.
#[derive(Debug, Default)]
struct Changed {
    whole: bool,
    /// The ledger's connections and finished ones are of an ended incarnation.
    incarnation: bool,
    live: HashSet<ConnectionKey>,
    gone: Vec<ConnectionKey>,
    slots: HashSet<SlotName>,
}

impl Tally {
    /// Reads what the ledger holds.
    pub(crate) fn load(ledger: &Ledger) -> Result<Self, LedgerError> {
        let mut tally = Self {
            whole: ledger.get(Table::Meta, META.as_bytes())?.unwrap_or_default(),
            finished: Finished::load(ledger)?,
            counters: Counters::load(ledger)?,
            ..Self::default()
        };
        for (key, live) in ledger.all::<Live>(Table::Connections)? {
            if let Ok(bytes) = <[u8; 16]>::try_from(key.as_slice()) {
                tally.live.insert(ConnectionKey::from_bytes(bytes), Live { written: true, ..live });
            }
        }
        for (slot, count) in ledger.all::<Count>(Table::Slots)? {
            if let Some(slot) = slot_of(&slot) {
                tally.counts.insert(slot, count);
            }
        }
        Ok(tally)
    }

    /// Puts all that has changed since the last time into `batch`.
    pub(crate) fn write(&mut self, batch: &mut Batch) {
        let changed = core::mem::take(&mut self.changed);
        if changed.incarnation {
            batch.clear(Table::Connections);
            batch.clear(Table::Finished);
            batch.clear(Table::Counters);
        }
        self.counters.write(batch);
        for key in changed.gone {
            batch.delete(Table::Connections, &key.bytes());
        }
        for key in changed.live {
            if let Some(live) = self.live.get_mut(&key) {
                live.written = true;
                batch.put(Table::Connections, &key.bytes(), live);
            }
        }
        self.finished.write(batch);
        for slot in changed.slots {
            match self.counts.get(&slot) {
                Some(count) => batch.put(Table::Slots, slot.as_str().as_bytes(), count),
                None => batch.delete(Table::Slots, slot.as_str().as_bytes()),
            }
        }
        if changed.whole {
            put_meta(batch, META, &self.whole);
        }
    }

    /// The core's own totals.
    pub(crate) fn totals(&mut self, up: u64, down: u64, at: Moment) {
        let before = self.whole.gap.bytes();
        self.whole.gap.total(up.saturating_add(down), at);
        // The total itself need not be durable: the core tells it again.
        self.changed.whole |= self.whole.gap.bytes() != before;
    }

    /// Credits a list of events. `ours` tells the slots whose bytes count for a user; all others are foreign.
    pub(crate) fn connections(
        &mut self,
        reset: bool,
        events: &[ConnectionEvent],
        at: Moment,
        ours: impl Fn(&SlotName) -> bool,
    ) -> Moved {
        let mut moved = Moved::default();
        let baseline = self.baseline && reset;
        for event in events {
            self.event(event, baseline, &ours, &mut moved);
        }
        if reset {
            self.baseline = false;
            let shown: HashSet<_> = events.iter().map(|event| ConnectionKey::of(&event.id)).collect();
            let unseen: Vec<_> = self.live.keys().copied().filter(|key| !shown.contains(key)).collect();
            for key in unseen {
                self.end(key);
            }
            self.finished.listed(&shown);
        }
        self.whole.gap.connections_told(at);
        self.changed.whole |= !events.is_empty();
        moved
    }

    fn event(&mut self, event: &ConnectionEvent, baseline: bool, ours: &impl Fn(&SlotName) -> bool, moved: &mut Moved) {
        let key = ConnectionKey::of(&event.id);
        if self.finished.contains(key) {
            if event.closed
                && let Some(Credited { owner, back, up, down }) = self.finished.told_late(key, event.up, event.down)
            {
                let whose = Whose::of(owner.as_ref(), back, ours);
                self.credit(whose, signed(up), signed(down), moved);
            }
            return;
        }
        let new = !self.live.contains_key(&key);
        if new {
            // Whose bytes these are is not known (yet): they stay in the gap until an event names the origin.
            let Some(origin) = &event.origin else { return };
            let owner = SlotName::try_from(origin.user.clone()).ok();
            let (up, down) = if baseline { (event.up, event.down) } else { (0, 0) };
            self.whole.gap.credit(signed(up).saturating_add(signed(down)));
            self.live.insert(key, Live { owner, back: origin.inbound == BACK, up, down, written: false });
        }
        let Some(live) = self.live.get_mut(&key) else { return };
        let up = signed(event.up).saturating_sub(signed(live.up));
        let down = signed(event.down).saturating_sub(signed(live.down));
        live.up = event.up;
        live.down = event.down;
        let (owner, back) = (live.owner.clone(), live.back);
        if new || up != 0 || down != 0 {
            self.changed.live.insert(key);
            self.credit(Whose::of(owner.as_ref(), back, ours), up, down, moved);
            if let Some(slot) = owner.filter(|_| !event.closed) {
                moved.alive.push((event.id.clone(), slot));
            }
        }
        if event.closed {
            self.end(key);
        }
    }

    fn credit(&mut self, whose: Whose<'_>, up: i64, down: i64, moved: &mut Moved) {
        let bytes = up.saturating_add(down);
        self.whole.gap.credit(bytes);
        if up == 0 && down == 0 {
            return;
        }
        let slot = match whose {
            Whose::Slot(slot) => slot,
            Whose::Foreign => {
                self.whole.foreign = self.whole.foreign.saturating_add_signed(bytes);
                return;
            }
            // The core's totals have them twice, its users once.
            Whose::Relay => {
                self.relayed = (self.relayed.0.saturating_add_signed(up), self.relayed.1.saturating_add_signed(down));
                return;
            }
        };
        self.counts.entry(slot.clone()).or_default().credit(up, down);
        self.changed.slots.insert(slot.clone());
        moved.slots.push((slot.clone(), u64::try_from(bytes).unwrap_or_default()));
    }

    fn end(&mut self, key: ConnectionKey) {
        let credited = self.live.remove(&key).map(|Live { owner, back, up, down, written }| {
            self.changed.live.remove(&key);
            if written {
                self.changed.gone.push(key);
            }
            Credited { owner, back, up, down }
        });
        self.finished.insert(key, credited);
    }

    /// The count of one slot.
    #[must_use]
    pub(crate) fn count(&self, slot: &SlotName) -> Count {
        self.counts.get(slot).copied().unwrap_or_default()
    }

    /// All counts.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (&SlotName, &Count)> {
        self.counts.iter()
    }

    /// Bytes of all slots that are in no parcel yet.
    #[must_use]
    pub(crate) fn uncut(&self) -> u64 {
        let uncut = self.counts.values().map(Count::unreported);
        uncut.fold(0_u64, |sum, (up, down)| sum.saturating_add(up).saturating_add(down))
    }

    /// Changes one count: it is cut, or an epoch ends.
    pub(crate) fn change<T>(&mut self, slot: &SlotName, change: impl FnOnce(&mut Count) -> T) -> T {
        self.changed.slots.insert(slot.clone());
        change(self.counts.entry(slot.clone()).or_default())
    }

    /// Forgets a slot that has no bytes to report and is in no roster any more.
    pub(crate) fn forget(&mut self, slot: &SlotName) {
        self.counts.remove(slot);
        self.changed.slots.insert(slot.clone());
    }

    /// Whether the ledger lacks something.
    #[must_use]
    pub(crate) fn has_changed(&self) -> bool {
        self.changed.whole || self.changed.incarnation || !self.changed.slots.is_empty()
    }

    /// Bytes, up and down, that came back from the relay since the core or the agent started: the core's totals have them twice.
    #[must_use]
    pub(crate) const fn relayed(&self) -> (u64, u64) {
        self.relayed
    }

    /// Live connections of clients.
    #[must_use]
    pub(crate) fn live(&self) -> usize {
        self.live.values().filter(|live| !live.back).count()
    }

    /// Slots with a live connection.
    #[must_use]
    pub(crate) fn online(&self) -> usize {
        self.live.values().filter_map(|live| live.owner.as_ref()).collect::<HashSet<_>>().len()
    }

    /// Bytes since the ledger was made that the core counted and nobody could be credited with.
    #[must_use]
    pub(crate) fn unattributed(&self) -> u64 {
        self.whole.gap.bytes()
    }

    /// Bytes since the ledger was made of users outside the roster.
    #[must_use]
    pub(crate) const fn foreign(&self) -> u64 {
        self.whole.foreign
    }
}

/// The slot of a ledger key.
#[must_use]
pub(crate) fn slot_of(key: &[u8]) -> Option<SlotName> {
    core::str::from_utf8(key).ok().and_then(|name| name.parse().ok())
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
