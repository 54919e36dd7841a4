//! What the tests of all parts share.

use std::path::Path;

use weir_wire::SlotName;

use crate::clock::Moment;

/// A slot by its name.
pub(crate) fn slot(name: &str) -> SlotName {
    name.parse().unwrap()
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
