//! Connections that have ended: the core tells some of them again, and a second credit would bill a user twice.
//!
//! What each was credited with is kept, too: the core adds a chunk to its counters after it has written it, so of a connection
//! that was ended by force it may tell the end first and the last chunk with a later list.

use std::collections::{HashMap, HashSet, VecDeque};

use serde::{Deserialize, Serialize};
use weir_wire::SlotName;

use super::connection::ConnectionKey;
use crate::faults::{self, Line};
use crate::ledger::{Batch, Ledger, LedgerError, Table, number, ordered};

/// Ended connections that are remembered at most. The core's own list of ended ones holds 1,000.
const MOST: usize = 4_096;
/// After this many complete lists without it, the core has forgotten a connection.
const LISTS: u8 = 2;

/// The ended connections of the present incarnation, in the order of their end.
#[derive(Debug, Default)]
pub(crate) struct Finished {
    order: VecDeque<Ended>,
    credited: HashMap<ConnectionKey, Credited>,
    next: u64,
    /// Orders from here on are not in the ledger yet.
    unwritten: u64,
    rewritten: Vec<u64>,
    deleted: Vec<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Ended {
    order: u64,
    key: ConnectionKey,
    lists_without: u8,
}

/// Who was credited with what of an ended connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Credited {
    /// The slot that its inbound named; `None` for a name that can be no slot.
    pub(crate) owner: Option<SlotName>,
    /// It came back from the agent's relay.
    pub(crate) back: bool,
    /// Bytes from the client.
    pub(crate) up: u64,
    /// Bytes to the client.
    pub(crate) down: u64,
}

impl Credited {
    /// Of a connection whose totals nobody kept: nothing more of it is ever credited.
    const UNKNOWN: Self = Self { owner: None, back: false, up: u64::MAX, down: u64::MAX };
}

/// A row of the ledger. A ledger of format 1 has the first two fields alone.
#[derive(Serialize, Deserialize)]
struct Row(
    ConnectionKey,
    u8,
    #[serde(default)] Option<SlotName>,
    #[serde(default = "unknown")] u64,
    #[serde(default = "unknown")] u64,
    #[serde(default)] bool,
);

const fn unknown() -> u64 {
    u64::MAX
}

impl Finished {
    /// Reads what the ledger holds.
    pub(crate) fn load(ledger: &Ledger) -> Result<Self, LedgerError> {
        let mut finished = Self::default();
        for (order, Row(key, lists_without, owner, up, down, back)) in ledger.all(Table::Finished)? {
            let order = number(&order);
            finished.order.push_back(Ended { order, key, lists_without });
            finished.credited.insert(key, Credited { owner, back, up, down });
            finished.next = order + 1;
        }
        finished.unwritten = finished.next;
        Ok(finished)
    }

    /// Whether the connection has ended.
    #[must_use]
    pub(crate) fn contains(&self, key: ConnectionKey) -> bool {
        self.credited.contains_key(&key) && !faults::lacks(Line::DoneSet)
    }

    /// An ended connection is told with these totals: whose it was, and how much more that is than was told before, up and
    /// down. Totals that are older than those say nothing.
    pub(crate) fn told_late(&mut self, key: ConnectionKey, up: u64, down: u64) -> Option<Credited> {
        let credited = self.credited.get_mut(&key)?;
        let more = (up.saturating_sub(credited.up), down.saturating_sub(credited.down));
        if more == (0, 0) {
            return None;
        }
        credited.up = credited.up.max(up);
        credited.down = credited.down.max(down);
        // The order of their end is the order of the rows.
        if let Some(ended) = self.order.iter().rev().find(|ended| ended.key == key)
            && ended.order < self.unwritten
        {
            self.rewritten.push(ended.order);
        }
        Some(Credited { up: more.0, down: more.1, ..credited.clone() })
    }

    /// Remembers an ended connection, and what was credited of it.
    pub(crate) fn insert(&mut self, key: ConnectionKey, credited: Option<Credited>) {
        if self.credited.contains_key(&key) {
            return;
        }
        self.credited.insert(key, credited.unwrap_or(Credited::UNKNOWN));
        self.order.push_back(Ended { order: self.next, key, lists_without: 0 });
        self.next += 1;
        if self.order.len() > MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.credited.remove(&oldest.key);
            self.forget(oldest.order);
        }
    }

    /// Notes a complete list of the core: what two of them no longer show is forgotten.
    pub(crate) fn listed(&mut self, shown: &HashSet<ConnectionKey>) {
        let mut kept = VecDeque::with_capacity(self.order.len());
        for mut ended in core::mem::take(&mut self.order) {
            let before = ended.lists_without;
            ended.lists_without = if shown.contains(&ended.key) { 0 } else { before + 1 };
            if ended.lists_without >= LISTS {
                self.credited.remove(&ended.key);
                self.forget(ended.order);
                continue;
            }
            if ended.lists_without != before && ended.order < self.unwritten {
                self.rewritten.push(ended.order);
            }
            kept.push_back(ended);
        }
        self.order = kept;
    }

    fn forget(&mut self, order: u64) {
        if order < self.unwritten {
            self.deleted.push(order);
        }
    }

    /// Forgets all, because a new incarnation has begun.
    pub(crate) fn clear(&mut self) {
        let next = self.next;
        *self = Self { next, unwritten: next, ..Self::default() };
    }

    /// Writes what has changed since the last time.
    pub(crate) fn write(&mut self, batch: &mut Batch) {
        for order in self.deleted.drain(..) {
            batch.delete(Table::Finished, &ordered(order));
        }
        let rewritten: HashSet<u64> = self.rewritten.drain(..).collect();
        let unwritten = self.unwritten;
        let changed = |ended: &&Ended| ended.order >= unwritten || rewritten.contains(&ended.order);
        // New ones are at the end: without rewritten ones the walk stops at the first that is written.
        let walk = self.order.iter().rev().take_while(|ended| ended.order >= unwritten || !rewritten.is_empty());
        for ended in walk.filter(changed) {
            let Credited { owner, back, up, down } =
                self.credited.get(&ended.key).cloned().unwrap_or(Credited::UNKNOWN);
            batch.put(
                Table::Finished,
                &ordered(ended.order),
                &Row(ended.key, ended.lists_without, owner, up, down, back),
            );
        }
        self.unwritten = self.next;
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: usize) -> ConnectionKey {
        ConnectionKey::of(&format!("connection {id}"))
    }

    #[test]
    fn an_ended_connection_is_forgotten_after_two_lists_without_it() {
        let mut finished = Finished::default();
        finished.insert(key(1), None);
        finished.insert(key(2), None);
        finished.listed(&HashSet::from([key(1)]));
        assert!(finished.contains(key(1)) && finished.contains(key(2)));
        finished.listed(&HashSet::new());
        assert!(finished.contains(key(1)) && !finished.contains(key(2)));
        finished.listed(&HashSet::new());
        assert_eq!(finished.len(), 0);
    }

    #[test]
    fn the_oldest_go_when_there_are_too_many_and_the_ledger_follows() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&folder.path().join("ledger")).unwrap();
        let mut finished = Finished::default();
        let flush = |finished: &mut Finished| {
            let mut batch = Batch::default();
            finished.write(&mut batch);
            ledger.commit_now(&batch).unwrap();
            Finished::load(&ledger).unwrap()
        };
        for id in 0..MOST {
            finished.insert(key(id), None);
        }
        assert_eq!(flush(&mut finished).len(), MOST);
        for id in MOST..MOST + 10 {
            finished.insert(key(id), None);
        }
        let loaded = flush(&mut finished);
        assert_eq!(loaded.len(), MOST);
        assert!(!loaded.contains(key(9)) && loaded.contains(key(10)) && loaded.contains(key(MOST + 9)));
        finished.listed(&HashSet::from([key(10)]));
        let mut loaded = flush(&mut finished);
        loaded.listed(&HashSet::new());
        assert_eq!(loaded.len(), 1);
    }

    #[test]
    fn what_is_told_late_of_an_ended_connection_survives_the_ledger_and_counts_once() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&folder.path().join("ledger")).unwrap();
        let mut finished = Finished::default();
        let of_alice = |up, down| Credited { owner: Some("alice".parse().unwrap()), back: false, up, down };
        finished.insert(key(1), Some(of_alice(10, 20)));
        let flush = |finished: &mut Finished| {
            let mut batch = Batch::default();
            finished.write(&mut batch);
            ledger.commit_now(&batch).unwrap();
            Finished::load(&ledger).unwrap()
        };
        let mut loaded = flush(&mut finished);
        assert_eq!(loaded.told_late(key(1), 10, 20), None);
        assert_eq!(loaded.told_late(key(1), 9, 25), Some(of_alice(0, 5)));
        let mut loaded = flush(&mut loaded);
        assert_eq!(loaded.told_late(key(1), 10, 25), None);
        assert_eq!(loaded.told_late(key(1), 11, 25), Some(of_alice(1, 0)));
        assert_eq!(loaded.told_late(key(2), 11, 25), None);
    }

    #[test]
    fn of_a_row_without_totals_nothing_is_ever_credited_again() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&folder.path().join("ledger")).unwrap();
        let mut batch = Batch::default();
        batch.put(Table::Finished, &ordered(0), &(key(1), 0));
        ledger.commit_now(&batch).unwrap();
        let mut loaded = Finished::load(&ledger).unwrap();
        assert!(loaded.contains(key(1)));
        assert_eq!(loaded.told_late(key(1), 1_000_000, 1_000_000), None);
    }
}
