//! The one file that survives everything: what was counted, reported, granted and promised.
//!
//! The ledger knows rows, not their meaning: every part of the agent writes its own rows into a [`Batch`], and a batch
//! is one transaction with fsync. So a credit and the finished connection that it came from, or a report and the parcel
//! that it was made of, can never be torn apart by a crash.

mod batch;

use core::fmt;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use redb::{Builder, Database, Durability, ReadableDatabase as _, TableDefinition, TableError};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) use batch::Batch;

/// Format of the rows that this version writes.
const FORMAT: u32 = 1;
const FORMAT_KEY: &[u8] = b"format";
/// Page cache of the store. Everything is held in memory by the agent itself, so only the pages of the next commit pay.
const CACHE: usize = 1 << 20;

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
    pub(crate) const ALL: [Self; 9] = [
        Self::Meta,
        Self::Slots,
        Self::Limits,
        Self::Connections,
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
            Self::Finished => "finished",
            Self::Parcels => "parcels",
            Self::Reports => "reports",
            Self::Rejected => "rejected",
            Self::Roster => "roster",
        }
    }

    const fn definition(self) -> TableDefinition<'static, &'static [u8], &'static [u8]> {
        TableDefinition::new(self.name())
    }
}

/// What is wrong with the ledger, in a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LedgerError {
    /// Another process has the file open.
    InUse(PathBuf),
    /// A later version of the agent has written it.
    Newer {
        /// Its format.
        format: u32,
    },
    /// A row is not what it should be.
    Damaged(String),
    /// The file cannot be read or written.
    Disk(String),
}

impl fmt::Display for LedgerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse(path) => write!(f, "{}: another weir-agent has this ledger open", path.display()),
            Self::Newer { format } => write!(
                f,
                "the ledger has format {format}, and this version of weir-agent knows only up to {FORMAT}: \
                 install the version that wrote it, or a later one"
            ),
            Self::Damaged(what) => write!(f, "the ledger is damaged: {what}"),
            Self::Disk(why) => write!(f, "the ledger cannot be read or written: {why}"),
        }
    }
}

impl std::error::Error for LedgerError {}

fn disk(error: impl fmt::Display) -> LedgerError {
    LedgerError::Disk(error.to_string())
}

/// An open ledger.
#[derive(Clone)]
pub(crate) struct Ledger {
    inner: Arc<Inner>,
}

struct Inner {
    path: PathBuf,
    /// `None` after a failed write: the store refuses all work until it is opened anew.
    database: Mutex<Option<Database>>,
}

impl Ledger {
    /// Opens the file, or makes it (mode 0600, its folder 0700).
    pub(crate) fn open(path: &Path) -> Result<Self, LedgerError> {
        if let Some(folder) = path.parent().filter(|folder| !folder.exists()) {
            let made = fs::create_dir_all(folder);
            made.and_then(|()| fs::set_permissions(folder, fs::Permissions::from_mode(0o700)))
                .map_err(|error| LedgerError::Disk(format!("{}: {error}", folder.display())))?;
        }
        let database = open(path)?;
        let ledger = Self { inner: Arc::new(Inner { path: path.to_owned(), database: Mutex::new(Some(database)) }) };
        match ledger.get::<u32>(Table::Meta, FORMAT_KEY)? {
            Some(format) if format > FORMAT => return Err(LedgerError::Newer { format }),
            Some(_) => {}
            None => {
                let mut batch = Batch::default();
                batch.put(Table::Meta, FORMAT_KEY, &FORMAT);
                ledger.inner.commit(&batch)?;
            }
        }
        Ok(ledger)
    }

    /// Puts the format that this version writes into a batch that clears everything.
    pub(crate) fn put_format(batch: &mut Batch) {
        batch.put(Table::Meta, FORMAT_KEY, &FORMAT);
    }

    /// Makes a batch durable. Gives it back when that failed, so that it can go before the next one.
    pub(crate) async fn commit(&self, batch: Batch) -> Result<(), (LedgerError, Batch)> {
        if batch.is_empty() {
            return Ok(());
        }
        let inner = Arc::clone(&self.inner);
        // On a thread of its own, because an fsync may take long and the core's events must be read meanwhile.
        let work = tokio::task::spawn_blocking(move || match inner.commit(&batch) {
            Ok(()) => Ok(()),
            Err(error) => Err((error, batch)),
        });
        work.await.unwrap_or_else(|error| Err((disk(error), Batch::default())))
    }

    /// Makes a batch durable before going on, for programs that do nothing else meanwhile.
    pub(crate) fn commit_now(&self, batch: &Batch) -> Result<(), LedgerError> {
        self.inner.commit(batch)
    }

    /// One row.
    pub(crate) fn get<T: DeserializeOwned>(&self, table: Table, key: &[u8]) -> Result<Option<T>, LedgerError> {
        let rows = self.inner.read(table, |rows| {
            let row = rows.get(key).map_err(disk)?;
            row.map(|row| decode(table, row.value())).transpose()
        })?;
        Ok(rows.flatten())
    }

    /// The first row at or after `key`.
    pub(crate) fn first_from<T: DeserializeOwned>(
        &self,
        table: Table,
        key: &[u8],
    ) -> Result<Option<(Vec<u8>, T)>, LedgerError> {
        let rows = self.inner.read(table, |rows| {
            let Some(row) = rows.range(key..).map_err(disk)?.next() else { return Ok(None) };
            let (key, value) = row.map_err(disk)?;
            Ok(Some((key.value().to_vec(), decode(table, value.value())?)))
        })?;
        Ok(rows.flatten())
    }

    /// All rows, in order of keys.
    pub(crate) fn all<T: DeserializeOwned>(&self, table: Table) -> Result<Vec<(Vec<u8>, T)>, LedgerError> {
        let rows = self.inner.read(table, |rows| {
            let mut all = Vec::new();
            for row in rows.range::<&[u8]>(..).map_err(disk)? {
                let (key, value) = row.map_err(disk)?;
                all.push((key.value().to_vec(), decode(table, value.value())?));
            }
            Ok(all)
        })?;
        Ok(rows.unwrap_or_default())
    }
}

type Rows = redb::ReadOnlyTable<&'static [u8], &'static [u8]>;

impl Inner {
    fn commit(&self, batch: &Batch) -> Result<(), LedgerError> {
        if let Some(broken) = &batch.broken {
            return Err(LedgerError::Damaged(broken.clone()));
        }
        let mut slot = self.database.lock().unwrap_or_else(PoisonError::into_inner);
        let database = match slot.take() {
            Some(database) => database,
            None => open(&self.path)?,
        };
        write(&database, batch)?;
        *slot = Some(database);
        Ok(())
    }

    fn read<T>(
        &self,
        table: Table,
        read: impl FnOnce(&Rows) -> Result<T, LedgerError>,
    ) -> Result<Option<T>, LedgerError> {
        let mut slot = self.database.lock().unwrap_or_else(PoisonError::into_inner);
        let database = match slot.take() {
            Some(database) => database,
            None => open(&self.path)?,
        };
        let database = slot.insert(database);
        let transaction = database.begin_read().map_err(disk)?;
        match transaction.open_table(table.definition()) {
            Ok(rows) => read(&rows).map(Some),
            Err(TableError::TableDoesNotExist(_)) => Ok(None),
            Err(error) => Err(disk(error)),
        }
    }
}

fn open(path: &Path) -> Result<Database, LedgerError> {
    let named = |error: io::Error| LedgerError::Disk(format!("{}: {error}", path.display()));
    // Made with its mode before the store touches it: between making and narrowing, others could open it.
    let made = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
    made.and_then(|file| file.set_permissions(fs::Permissions::from_mode(0o600))).map_err(named)?;
    match Builder::new().set_cache_size(CACHE).create(path) {
        Ok(database) => Ok(database),
        Err(redb::DatabaseError::DatabaseAlreadyOpen) => Err(LedgerError::InUse(path.to_owned())),
        Err(error) => Err(LedgerError::Disk(format!("{}: {error}", path.display()))),
    }
}

fn write(database: &Database, batch: &Batch) -> Result<(), LedgerError> {
    let mut transaction = database.begin_write().map_err(disk)?;
    transaction.set_durability(Durability::Immediate).map_err(disk)?;
    for table in &batch.cleared {
        transaction.delete_table(table.definition()).map_err(disk)?;
    }
    for table in Table::ALL {
        let mut writes = batch.writes.range((table, Vec::new())..).take_while(|((of, _), _)| *of == table).peekable();
        if writes.peek().is_none() {
            continue;
        }
        let mut rows = transaction.open_table(table.definition()).map_err(disk)?;
        for ((_, key), value) in writes {
            match value {
                Some(value) => rows.insert(key.as_slice(), value.as_slice()).map_err(disk)?,
                None => rows.remove(key.as_slice()).map_err(disk)?,
            };
        }
    }
    transaction.commit().map_err(disk)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    #[tokio::test]
    async fn what_was_committed_is_there_after_opening_again() {
        let folder = folder();
        let path = folder.path().join("sub/ledger.redb");
        let ledger = Ledger::open(&path).unwrap();
        let mut batch = Batch::default();
        put_meta(&mut batch, "seq", &7_u64);
        batch.put(Table::Parcels, &ordered(2), "two");
        batch.put(Table::Parcels, &ordered(300), "three hundred");
        ledger.commit(batch).await.map_err(|(error, _)| error).unwrap();
        drop(ledger);
        let ledger = Ledger::open(&path).unwrap();
        assert_eq!(ledger.get::<u64>(Table::Meta, b"seq"), Ok(Some(7)));
        assert_eq!(ledger.first_from::<String>(Table::Parcels, &ordered(3)).unwrap().unwrap().0, ordered(300));
        assert_eq!(ledger.all::<String>(Table::Parcels).unwrap().len(), 2);
        let mut batch = Batch::default();
        batch.clear(Table::Parcels);
        batch.put(Table::Parcels, &ordered(4), "four");
        ledger.commit_now(&batch).unwrap();
        assert_eq!(ledger.all::<String>(Table::Parcels).unwrap(), [(ordered(4).to_vec(), "four".to_owned())]);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_ledger_of_a_later_version_is_left_alone() {
        let folder = folder();
        let path = folder.path().join("ledger.redb");
        let ledger = Ledger::open(&path).unwrap();
        let mut batch = Batch::default();
        batch.put(Table::Meta, FORMAT_KEY, &2);
        ledger.commit_now(&batch).unwrap();
        drop(ledger);
        let error = Ledger::open(&path).err().unwrap();
        assert_eq!(error, LedgerError::Newer { format: 2 });
        assert!(error.to_string().contains("install the version that wrote it"));
    }

    #[test]
    fn a_second_agent_is_turned_away() {
        let folder = folder();
        let path = folder.path().join("ledger.redb");
        let first = Ledger::open(&path).unwrap();
        assert_eq!(Ledger::open(&path).err(), Some(LedgerError::InUse(path)));
        drop(first);
    }

    #[test]
    fn a_file_that_is_no_ledger_is_named() {
        let folder = folder();
        let path = folder.path().join("ledger.redb");
        fs::write(&path, b"something else entirely, and long enough to be looked at").unwrap();
        assert!(matches!(Ledger::open(&path).err(), Some(LedgerError::Disk(why)) if why.contains("ledger.redb")));
    }
}
