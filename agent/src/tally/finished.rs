//! Connections that have ended: the core tells some of them again, and a second credit would bill a user twice.

use std::collections::{HashSet, VecDeque};

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
    keys: HashSet<ConnectionKey>,
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

impl Finished {
    /// Reads what the ledger holds.
    pub(crate) fn load(ledger: &Ledger) -> Result<Self, LedgerError> {
        let mut finished = Self::default();
        for (order, (key, lists_without)) in ledger.all::<(ConnectionKey, u8)>(Table::Finished)? {
            let order = number(&order);
            finished.order.push_back(Ended { order, key, lists_without });
            finished.keys.insert(key);
            finished.next = order + 1;
        }
        finished.unwritten = finished.next;
        Ok(finished)
    }

    /// Whether the connection has ended.
    #[must_use]
    pub(crate) fn contains(&self, key: ConnectionKey) -> bool {
        self.keys.contains(&key) && !faults::lacks(Line::DoneSet)
    }

    /// Remembers an ended connection.
    pub(crate) fn insert(&mut self, key: ConnectionKey) {
        if !self.keys.insert(key) {
            return;
        }
        self.order.push_back(Ended { order: self.next, key, lists_without: 0 });
        self.next += 1;
        if self.order.len() > MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.keys.remove(&oldest.key);
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
                self.keys.remove(&ended.key);
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
            batch.put(Table::Finished, &ordered(ended.order), &(ended.key, ended.lists_without));
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
        finished.insert(key(1));
        finished.insert(key(2));
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
            finished.insert(key(id));
        }
        assert_eq!(flush(&mut finished).len(), MOST);
        for id in MOST..MOST + 10 {
            finished.insert(key(id));
        }
        let loaded = flush(&mut finished);
        assert_eq!(loaded.len(), MOST);
        assert!(!loaded.contains(key(9)) && loaded.contains(key(10)) && loaded.contains(key(MOST + 9)));
        finished.listed(&HashSet::from([key(10)]));
        let mut loaded = flush(&mut finished);
        loaded.listed(&HashSet::new());
        assert_eq!(loaded.len(), 1);
    }
}
