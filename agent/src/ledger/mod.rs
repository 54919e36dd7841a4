//! The one file that survives everything: what was counted, reported, granted and promised.
//!
//! The ledger knows rows, not their meaning: every part of the agent writes its own rows into a [`Batch`], and a batch
//! is one transaction with fsync. So a credit and the finished connection that it came from, or a report and the parcel
//! that it was made of, can never be torn apart by a crash.

mod aside;
mod batch;
mod error;
mod room;
mod store;
#[cfg(test)]
mod tests;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) use aside::set_aside;
pub(crate) use batch::Batch;
pub(crate) use error::LedgerError;
use store::Store;
pub(crate) use store::tell_damage_apart;

/// Format of the rows that this version writes. It reads the earlier ones; 2 keeps what ended connections were credited with.
const FORMAT: u32 = 2;
const FORMAT_KEY: &[u8] = b"format";

/// What the rows are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Table {
    /// Single values, by name.
    Meta,
    /// Counts, by slot.
    Slots,
    /// Limits, by slot.
    Limits,
    /// Live connections and what they were credited with, by connection.
    Connections,
    /// What each user of a core without connections was last told to have moved, by the user's name.
    Counters,
    /// Connections that have ended and must not be credited again, by order.
    Finished,
    /// Bytes that are cut off but in no report yet, by order.
    Parcels,
    /// Acknowledged reports of this epoch, by sequence number.
    Reports,
    /// Reports that the panel refused, by order.
    Rejected,
    /// The roster, by slot.
    Roster,
}

impl Table {
    /// Every table.
    pub(crate) const ALL: [Self; 10] = [
        Self::Meta,
        Self::Slots,
        Self::Limits,
        Self::Connections,
        Self::Counters,
        Self::Finished,
        Self::Parcels,
        Self::Reports,
        Self::Rejected,
        Self::Roster,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Slots => "slots",
            Self::Limits => "limits",
            Self::Connections => "connections",
            Self::Counters => "counters",
            Self::Finished => "finished",
            Self::Parcels => "parcels",
            Self::Reports => "reports",
            Self::Rejected => "rejected",
            Self::Roster => "roster",
        }
    }
}

/// An open ledger.
#[derive(Clone)]
pub(crate) struct Ledger {
    store: Arc<Store>,
}

impl Ledger {
    /// Opens the file, or makes it (mode 0600, its folder 0700). A file of a later version is not touched.
    pub(crate) fn open(path: &Path) -> Result<Self, LedgerError> {
        if let Some(folder) = path.parent().filter(|folder| !folder.exists()) {
            let made = fs::create_dir_all(folder);
            made.and_then(|()| fs::set_permissions(folder, fs::Permissions::from_mode(0o700)))
                .map_err(|error| LedgerError::Disk(format!("{}: {error}", folder.display())))?;
        }
        let format = |json: Option<Vec<u8>>| json.map(|json| decode::<u32>(Table::Meta, &json)).transpose();
        // Whatever else is wrong with the file is told when it is opened.
        if let Ok(json) = store::peek(path, Table::Meta, FORMAT_KEY) {
            refuse_newer(format(json)?)?;
        }
        let ledger = Self { store: Arc::new(Store::open(path)?) };
        let found = format(ledger.store.get(Table::Meta, FORMAT_KEY)?)?;
        refuse_newer(found)?;
        if found != Some(FORMAT) {
            let mut batch = Batch::default();
            Self::put_format(&mut batch);
            ledger.commit_now(&batch)?;
        }
        Ok(ledger)
    }

    /// Puts the format that this version writes into a batch that clears everything.
    pub(crate) fn put_format(batch: &mut Batch) {
        batch.put(Table::Meta, FORMAT_KEY, &FORMAT);
    }

    /// Makes a batch durable. Gives it back when that failed.
    pub(crate) async fn commit(&self, batch: Batch) -> Result<(), (LedgerError, Batch)> {
        if batch.is_empty() {
            return Ok(());
        }
        let store = Arc::clone(&self.store);
        // On a thread of its own, because an fsync may take long and the core's events must be read meanwhile.
        let work = tokio::task::spawn_blocking(move || match store.commit(&batch) {
            Ok(()) => Ok(()),
            Err(error) => Err((error, batch)),
        });
        // It ends early only with the whole process.
        work.await.unwrap_or_else(|error| Err((LedgerError::Disk(error.to_string()), Batch::default())))
    }

    /// Makes a batch durable before going on, for programs that do nothing else meanwhile.
    pub(crate) fn commit_now(&self, batch: &Batch) -> Result<(), LedgerError> {
        self.store.commit(batch)
    }

    /// One row.
    pub(crate) fn get<T: DeserializeOwned>(&self, table: Table, key: &[u8]) -> Result<Option<T>, LedgerError> {
        let row = self.store.get(table, key)?;
        row.map(|json| decode(table, &json)).transpose()
    }

    /// One row as it will be when `batch` is committed.
    pub(crate) fn get_after<T: DeserializeOwned>(
        &self,
        batch: &Batch,
        table: Table,
        key: &[u8],
    ) -> Result<Option<T>, LedgerError> {
        match batch.writes.get(&(table, key.to_vec())) {
            Some(row) => row.as_ref().map(|json| decode(table, json)).transpose(),
            None if batch.cleared.contains(&table) => Ok(None),
            None => self.get(table, key),
        }
    }

    /// The first row at or after `key`.
    pub(crate) fn first_from<T: DeserializeOwned>(
        &self,
        table: Table,
        key: &[u8],
    ) -> Result<Option<(Vec<u8>, T)>, LedgerError> {
        let row = self.store.first_from(table, key)?;
        row.map(|(key, json)| Ok((key, decode(table, &json)?))).transpose()
    }

    /// All rows, in order of keys.
    pub(crate) fn all<T: DeserializeOwned>(&self, table: Table) -> Result<Vec<(Vec<u8>, T)>, LedgerError> {
        let rows = self.store.all(table)?;
        rows.into_iter().map(|(key, json)| Ok((key, decode(table, &json)?))).collect()
    }
}

fn refuse_newer(format: Option<u32>) -> Result<(), LedgerError> {
    match format {
        Some(format) if format > FORMAT => Err(LedgerError::Newer { format }),
        _ => Ok(()),
    }
}

fn decode<T: DeserializeOwned>(table: Table, json: &[u8]) -> Result<T, LedgerError> {
    serde_json::from_slice(json).map_err(|error| LedgerError::Damaged(format!("table {}: {error}", table.name())))
}

/// A number as a key that sorts as the number does.
#[must_use]
pub(crate) fn ordered(number: u64) -> [u8; 8] {
    number.to_be_bytes()
}

/// The number of an [`ordered`] key; 0 for anything else.
#[must_use]
pub(crate) fn number(key: &[u8]) -> u64 {
    key.try_into().map(u64::from_be_bytes).unwrap_or_default()
}

/// Puts a named single value into a batch.
pub(crate) fn put_meta<T: Serialize>(batch: &mut Batch, name: &str, value: &T) {
    batch.put(Table::Meta, name.as_bytes(), value);
}
