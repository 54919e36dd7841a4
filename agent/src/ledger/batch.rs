//! Changes that become durable together or not at all.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::Table;

/// Puts and deletes for one transaction. A later change of the same key replaces the earlier one.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(super) cleared: BTreeSet<Table>,
    pub(super) writes: BTreeMap<(Table, Vec<u8>), Option<Vec<u8>>>,
    pub(super) broken: Option<String>,
}

impl Batch {
    /// Whether there is nothing to commit.
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        self.cleared.is_empty() && self.writes.is_empty() && self.broken.is_none()
    }

    /// Stores `value` as JSON under `key`.
    pub(crate) fn put<T: Serialize + ?Sized>(&mut self, table: Table, key: &[u8], value: &T) {
        match serde_json::to_vec(value) {
            Ok(json) => {
                self.writes.insert((table, key.to_vec()), Some(json));
            }
            // The commit fails with it: a row that is silently left out would be found missing only after a crash.
            Err(error) => self.broken = Some(format!("{}: {error}", table.name())),
        }
    }

    /// Removes `key`, if it is there.
    pub(crate) fn delete(&mut self, table: Table, key: &[u8]) {
        self.writes.insert((table, key.to_vec()), None);
    }

    /// Removes all rows of `table`, before whatever this batch puts into it from now on.
    pub(crate) fn clear(&mut self, table: Table) {
        self.writes.retain(|(of, _), _| *of != table);
        self.cleared.insert(table);
    }

    /// Puts an older batch, whose commit failed, before this one.
    pub(crate) fn after(&mut self, older: Self) {
        let mut merged = older;
        for table in core::mem::take(&mut self.cleared) {
            merged.clear(table);
        }
        merged.writes.append(&mut self.writes);
        merged.broken = merged.broken.or(self.broken.take());
        *self = merged;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_batch_goes_before_the_next_one() {
        let mut older = Batch::default();
        older.put(Table::Meta, b"a", &1);
        older.put(Table::Meta, b"b", &1);
        older.put(Table::Slots, b"s", &1);
        let mut newer = Batch::default();
        newer.put(Table::Meta, b"a", &2);
        newer.clear(Table::Slots);
        newer.after(older);
        let written: Vec<_> = newer.writes.into_iter().map(|((table, key), value)| (table, key, value)).collect();
        assert_eq!(
            written,
            [(Table::Meta, b"a".to_vec(), Some(b"2".to_vec())), (Table::Meta, b"b".to_vec(), Some(b"1".to_vec()))]
        );
    }
}
