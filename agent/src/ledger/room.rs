//! The file under the store, with the room that it needs set aside on the disk.
//!
//! A file that is only made long has no room until it is written, and the store never writes a page in place. On a disk
//! that somebody else has filled, the next commit would fail though the ledger does not grow.
//!
//! The store answers from its memory what it has read once, so it would not notice for long that somebody has cut the file
//! off or removed it. Each commit looks at both.

use core::sync::atomic::{AtomicU64, Ordering};
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt as _;

use redb::backends::FileBackend;
use redb::{DatabaseError, StorageBackend};
use rustix::fs::{FallocateFlags, fallocate};

/// Bytes that have room at least: the store gives back what it does not need when it is closed, and wants it again with its
/// first commits.
const ROOM: u64 = 4 << 20;

/// A locked file whose whole length has room, and some more.
#[derive(Debug)]
pub(super) struct Roomy {
    locked: FileBackend,
    file: File,
    /// What the store has made of its length.
    length: AtomicU64,
}

impl Roomy {
    pub(super) fn new(file: File) -> Result<Self, DatabaseError> {
        let locked = FileBackend::new(file.try_clone()?)?;
        let length = file.metadata()?.len();
        let roomy = Self { locked, file, length: AtomicU64::new(length) };
        roomy.set_aside(length);
        Ok(roomy)
    }

    fn look(&self) -> io::Result<()> {
        let there = self.file.metadata()?;
        if there.len() != self.length.load(Ordering::Relaxed) {
            return Err(io::Error::new(ErrorKind::UnexpectedEof, "somebody has changed its length"));
        }
        if there.nlink() == 0 {
            return Err(io::Error::new(ErrorKind::NotFound, "somebody has removed it"));
        }
        Ok(())
    }

    fn set_aside(&self, length: u64) {
        // A disk without room, or a filesystem that sets none aside: then a write may fail, which the store tells.
        let set_aside = |bytes| fallocate(&self.file, FallocateFlags::KEEP_SIZE, 0, bytes);
        if set_aside(length.max(ROOM)).is_err() && length > 0 {
            let _ = set_aside(length);
        }
    }
}

impl StorageBackend for Roomy {
    fn len(&self) -> io::Result<u64> {
        self.locked.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.locked.read(offset, out)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.locked.set_len(length)?;
        self.length.store(length, Ordering::Relaxed);
        self.set_aside(length);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.look()?;
        self.locked.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        // Before the first write, which may give a file that was cut off its old length again.
        self.look()?;
        self.locked.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.locked.close()
    }
}
