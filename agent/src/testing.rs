//! What the tests of all parts share.

use std::path::Path;

use weir_wire::credential::SlotSecret;
use weir_wire::roster::{Gate, RosterEntry};
use weir_wire::{Bytes, SlotName};

use crate::clock::Moment;
use crate::cores::{ConnectionEvent, Origin};

/// A slot by its name.
pub(crate) fn slot(name: &str) -> SlotName {
    name.parse().unwrap()
}

/// A slot of the roster whose user may pass, without plan or limits.
pub(crate) fn entry(name: &str) -> RosterEntry {
    let slot = slot(name);
    RosterEntry {
        secret: SlotSecret::derive(b"key", &slot),
        slot,
        gate: Gate::Open,
        until: None,
        speed: Bytes::ZERO,
        devices: 0,
        streams: 0,
        plan: None,
        ways: None,
        by_hand: None,
    }
}

/// Where a user's connection comes from.
pub(crate) fn origin(user: &str) -> Origin {
    Origin {
        user: user.to_owned(),
        inbound: "in".to_owned(),
        protocol: "trojan".to_owned(),
        source: "192.0.2.1:5".to_owned(),
    }
}

/// A connection that begins, and has moved nothing yet.
pub(crate) fn begun(id: &str, origin: Origin) -> ConnectionEvent {
    ConnectionEvent { id: id.to_owned(), origin: Some(origin), up: 0, down: 0, closed: false }
}

/// The moment so many seconds after the boot.
pub(crate) fn at(second: u64) -> Moment {
    at_millis(second * 1_000)
}

/// The moment so many milliseconds after the boot.
pub(crate) fn at_millis(millis: u64) -> Moment {
    Moment::from_millis(millis)
}

/// Runs a future to its end.
pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// A folder in memory, where there is such a place: for tests of order, in which thousands of fsyncs would take minutes.
pub(crate) fn folder_in_memory() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}
