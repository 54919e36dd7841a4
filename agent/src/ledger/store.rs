//! The file under the ledger: bytes by bytes, and a damaged file told as such.
//!
//! The store keeps checksums of its pages but looks at them only after a crash, and answers a damaged page with a panic.
//! So every file is checked whole when it is opened, and a panic in the store becomes [`LedgerError::Damaged`].

use core::cell::Cell;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use redb::backends::InMemoryBackend;
use redb::{Builder, Database, DatabaseError, Durability, ReadableDatabase, StorageBackend as _};
use redb::{TableDefinition, TableError};

use super::room::Roomy;
use super::{Batch, LedgerError, Table};
use crate::faults::{self, Line};

/// Page cache of the store. Everything is held in memory by the agent itself, so only the pages of the next commit pay.
const CACHE: usize = 1 << 20;

type Rows = redb::ReadOnlyTable<&'static [u8], &'static [u8]>;
/// Key and value.
type Row = (Vec<u8>, Vec<u8>);

thread_local! {
    /// This thread is at work in the store.
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

const fn definition(table: Table) -> TableDefinition<'static, &'static [u8], &'static [u8]> {
    TableDefinition::new(table.name())
}

fn damaged(path: &Path) -> LedgerError {
    LedgerError::Damaged(format!("{}: a page of it is not what was written", path.display()))
}

/// Runs work of the store, and turns its panic into an error.
fn guarded<T>(path: &Path, work: impl FnOnce() -> Result<T, LedgerError>) -> Result<T, LedgerError> {
    let before = GUARDED.replace(true);
    // What the work has changed is given up by everybody who meets the error.
    let done = catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(before);
    done.unwrap_or_else(|_| Err(damaged(path)))
}

/// Tells a panic of the store apart from all others, for the whole process: any other one is a mistake in the agent, and
/// ends it, because half an agent would count or gate half. To be called once, first.
pub(crate) fn tell_damage_apart(ledger: PathBuf) {
    let others = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !GUARDED.get() {
            others(panic);
            std::process::abort();
        }
        if cfg!(panic = "abort") {
            // Nobody can catch it in a build like this one: these are its last words.
            let _ = writeln!(std::io::stderr(), "weir-agent: {}", damaged(&ledger));
        }
    }));
}

/// Keeps the store's own panics quiet, for a test that provokes them.
#[cfg(test)]
pub(super) fn quiet_damage() {
    let others = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !GUARDED.get() {
            others(panic);
        }
    }));
}

/// The value of one row, without changing the file.
pub(super) fn peek(path: &Path, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, LedgerError> {
    let told = |error: redb::Error| LedgerError::of(path, error);
    let value = |rows: &Rows| Ok(rows.get(key)?.map(|row| row.value().to_vec()));
    guarded(path, || {
        let mut builder = Builder::new();
        builder.set_cache_size(CACHE);
        let row = match builder.open_read_only(path) {
            Ok(database) => read(path, &database, table, value)?,
            // It was not closed in order: what has to be repaired before it can be read is repaired in a copy.
            Err(DatabaseError::RepairAborted) => {
                let (copy, bytes) = (InMemoryBackend::new(), fs::read(path).map_err(|error| told(error.into()))?);
                let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                copy.set_len(length).and_then(|()| copy.write(0, &bytes)).map_err(|error| told(error.into()))?;
                let database = builder.create_with_backend(copy).map_err(|error| told(error.into()))?;
                read(path, &database, table, value)?
            }
            Err(error) => return Err(told(error.into())),
        };
        Ok(row.flatten())
    })
}

fn named(path: &Path) -> impl Fn(io::Error) -> LedgerError {
    move |error| LedgerError::Disk(format!("{}: {error}", path.display()))
}

fn store_in(path: &Path, file: File) -> Result<Database, LedgerError> {
    let database = Roomy::new(file).and_then(|file| Builder::new().set_cache_size(CACHE).create_with_backend(file));
    database.map_err(|error| LedgerError::of(path, error))
}

/// Makes the file, which was not there. What could not be made whole is removed.
fn make(path: &Path) -> Result<(), LedgerError> {
    // Made with its mode before the store touches it: between making and narrowing, others could open it.
    let file =
        OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path).map_err(named(path))?;
    let made = guarded(path, || store_in(path, file).map(drop));
    if let Err(LedgerError::Disk(_)) = made {
        // One that stays is told as damaged, which it is.
        let _ = fs::remove_file(path);
    }
    made
}

/// Opens the file that is there. One that has gone is not made anew here: it would lack all that the agent has put into
/// it until now.
fn open(path: &Path) -> Result<Database, LedgerError> {
    let file = OpenOptions::new().read(true).write(true).open(path).map_err(named(path))?;
    file.set_permissions(fs::Permissions::from_mode(0o600)).map_err(named(path))?;
    // The store would take it for a new one.
    if file.metadata().map_err(named(path))?.len() == 0 {
        return Err(LedgerError::Damaged(format!("{}: it is empty", path.display())));
    }
    guarded(path, || {
        let mut database = store_in(path, file)?;
        if !database.check_integrity().map_err(|error| LedgerError::of(path, error))? {
            tracing::warn!(path = %path.display(), "the ledger's bookkeeping of free pages was wrong and is repaired");
        }
        Ok(database)
    })
}

fn read<T>(
    path: &Path,
    database: &impl ReadableDatabase,
    table: Table,
    read: impl FnOnce(&Rows) -> Result<T, redb::StorageError>,
) -> Result<Option<T>, LedgerError> {
    let told = |error: redb::Error| LedgerError::of(path, error);
    let transaction = database.begin_read().map_err(|error| told(error.into()))?;
    match transaction.open_table(definition(table)) {
        Ok(rows) => read(&rows).map(Some).map_err(|error| told(error.into())),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(told(error.into())),
    }
}

fn write(database: &Database, batch: &Batch) -> Result<(), redb::Error> {
    let mut transaction = database.begin_write()?;
    let unsafe_for_a_test = faults::lacks(Line::FsyncBeforeSend);
    transaction.set_durability(if unsafe_for_a_test { Durability::None } else { Durability::Immediate })?;
    for table in &batch.cleared {
        transaction.delete_table(definition(*table))?;
    }
    for table in Table::ALL {
        let mut writes = batch.writes.range((table, Vec::new())..).take_while(|((of, _), _)| *of == table).peekable();
        if writes.peek().is_none() {
            continue;
        }
        let mut rows = transaction.open_table(definition(table))?;
        for ((_, key), value) in writes {
            match value {
                Some(value) => rows.insert(key.as_slice(), value.as_slice())?,
                None => rows.remove(key.as_slice())?,
            };
        }
    }
    Ok(transaction.commit()?)
}

/// The file, as far as it is open.
enum Held {
    Open(Database),
    /// After a failed write the store refuses all work until it is opened anew.
    Closed,
    /// Nothing that it says counts any more.
    Damaged(LedgerError),
}

/// An open file.
pub(super) struct Store {
    path: PathBuf,
    held: Mutex<Held>,
}

impl Store {
    /// Opens the file, or makes it.
    pub(super) fn open(path: &Path) -> Result<Self, LedgerError> {
        if !path.exists() {
            make(path)?;
        }
        Ok(Self { path: path.to_owned(), held: Mutex::new(Held::Open(open(path)?)) })
    }

    /// Works on the file, and opens it before when it is closed. A failure that `closes` leaves it closed.
    fn on<T>(&self, closes: bool, work: impl FnOnce(&Database) -> Result<T, LedgerError>) -> Result<T, LedgerError> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let database = match core::mem::replace(&mut *held, Held::Closed) {
            Held::Open(database) => database,
            Held::Closed => open(&self.path)?,
            Held::Damaged(error) => {
                *held = Held::Damaged(error.clone());
                return Err(error);
            }
        };
        let done = guarded(&self.path, || work(&database));
        match &done {
            Err(error @ LedgerError::Damaged(_)) => {
                *held = Held::Damaged(error.clone());
                // Closing it would write to it.
                core::mem::forget(database);
            }
            Err(_) if closes => self.close(database),
            _ => *held = Held::Open(database),
        }
        done
    }

    /// Closing writes. What is wrong with it now is found when the file is opened the next time.
    fn close(&self, database: Database) {
        let _ = guarded(&self.path, || {
            drop(database);
            Ok(())
        });
    }

    pub(super) fn commit(&self, batch: &Batch) -> Result<(), LedgerError> {
        if let Some(broken) = &batch.broken {
            return Err(LedgerError::Disk(format!("a row cannot be written: {broken}")));
        }
        self.on(true, |database| write(database, batch).map_err(|error| LedgerError::of(&self.path, error)))
    }

    fn read<T>(
        &self,
        table: Table,
        work: impl FnOnce(&Rows) -> Result<T, redb::StorageError>,
    ) -> Result<Option<T>, LedgerError> {
        self.on(false, |database| read(&self.path, database, table, work))
    }

    pub(super) fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, LedgerError> {
        let row = self.read(table, |rows| Ok(rows.get(key)?.map(|row| row.value().to_vec())))?;
        Ok(row.flatten())
    }

    pub(super) fn first_from(&self, table: Table, key: &[u8]) -> Result<Option<Row>, LedgerError> {
        let row = self.read(table, |rows| {
            let row = rows.range(key..)?.next().transpose()?;
            Ok(row.map(|(key, value)| (key.value().to_vec(), value.value().to_vec())))
        })?;
        Ok(row.flatten())
    }

    pub(super) fn all(&self, table: Table) -> Result<Vec<Row>, LedgerError> {
        let rows = self.read(table, |rows| {
            let mut all = Vec::new();
            for row in rows.range::<&[u8]>(..)? {
                let (key, value) = row?;
                all.push((key.value().to_vec(), value.value().to_vec()));
            }
            Ok(all)
        })?;
        Ok(rows.unwrap_or_default())
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        let held = self.held.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Held::Open(database) = core::mem::replace(held, Held::Closed) {
            self.close(database);
        }
    }
}
