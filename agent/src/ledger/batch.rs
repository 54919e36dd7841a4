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

    #[cfg(test)]
    pub(crate) fn pending<T: serde::de::DeserializeOwned>(&self, of: Table) -> Vec<(Vec<u8>, Option<T>)> {
        let rows = self.writes.iter().filter(|((table, _), _)| *table == of);
        rows.map(|((_, key), row)| (key.clone(), row.as_ref().map(|json| serde_json::from_slice(json).unwrap())))
            .collect()
    }
}
