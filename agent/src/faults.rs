//! Faults on demand, for tests: built in only with the feature `faults`, which nothing that is installed has. Without it
//! every function here is empty and vanishes.
//!
//! - `WEIR_CRASH=POINT:N` kills this process, as `kill -9` does, when it passes that point for the Nth time;
//! - `WEIR_MUTANT=LINE` takes out one protective line, so that a test can show that it is needed;
//! - `WEIR_CLOCK=FILE` moves the host's clocks by the milliseconds in that file, `WALL BOOT SUSPENDED`, from the moment
//!   that they are written; `WEIR_BOOT=NAME` is a boot's name.

/// A place where a test can kill this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Point {
    /// Bytes were credited, in memory.
    Credit,
    /// A batch was taken and is not yet in the ledger.
    Save,
    /// A batch is in the ledger, and nobody knows yet.
    Commit,
    /// A report was made, in memory.
    Seal,
    /// A sync is about to be sent.
    Send,
    /// The panel's answer is there and was not looked at.
    Reply,
    /// A report's acknowledgement was taken in, in memory.
    Ack,
    /// An epoch has ended, in memory.
    Fork,
    /// The node's key is in the ledger and was not sent.
    EnrolBegun,
    /// The panel has the key, and the ledger is not bound to the node.
    EnrolAnswered,
    /// The ledger is bound to the node, and nobody was told.
    EnrolBound,
    /// A new configuration is on disk under another name.
    ReloadStaged,
    /// It has passed every check.
    ReloadChecked,
    /// It has taken the old one's place.
    ReloadReplaced,
    /// Every connection was ended.
    ReloadDrained,
    /// The core was asked to load it.
    ReloadAsked,
    /// The core has loaded it.
    ReloadUp,
}

/// A line that protects a byte or a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// A batch is on disk before anything that it says is sent.
    FsyncBeforeSend,
    /// A connection that has ended is remembered.
    DoneSet,
    /// The core's file holds the gates' states.
    GateDefault,
}

/// Passes a point. Does not return when a test wants this process to die here.
#[inline]
pub(crate) fn pass(point: Point) {
    #[cfg(feature = "faults")]
    armed::pass(point);
    #[cfg(not(feature = "faults"))]
    let _ = point;
}

/// Whether a test has taken out this line.
#[inline]
#[must_use]
pub(crate) fn lacks(line: Line) -> bool {
    #[cfg(feature = "faults")]
    return armed::lacks(line);
    #[cfg(not(feature = "faults"))]
    {
        let _ = line;
        false
    }
}

/// Milliseconds by which a test has moved the clocks: wall, since boot, suspended.
#[inline]
#[must_use]
pub(crate) fn clock() -> (i64, i64, i64) {
    #[cfg(feature = "faults")]
    return armed::clock();
    #[cfg(not(feature = "faults"))]
    (0, 0, 0)
}

/// The boot's name, if a test has given one.
#[inline]
#[must_use]
pub(crate) fn boot() -> Option<String> {
    #[cfg(feature = "faults")]
    return std::env::var("WEIR_BOOT").ok();
    #[cfg(not(feature = "faults"))]
    None
}

#[cfg(feature = "faults")]
mod armed {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::{Line, Point};

    static CRASH: LazyLock<Option<(String, AtomicI64)>> = LazyLock::new(|| {
        let order = std::env::var("WEIR_CRASH").ok()?;
        let (point, times) = order.split_once(':')?;
        Some((point.to_owned(), AtomicI64::new(times.parse().ok()?)))
    });
    static MUTANT: LazyLock<String> = LazyLock::new(|| std::env::var("WEIR_MUTANT").unwrap_or_default());
    static CLOCK: LazyLock<Option<String>> = LazyLock::new(|| std::env::var("WEIR_CLOCK").ok());

    pub(super) fn pass(point: Point) {
        let Some((wanted, left)) = CRASH.as_ref() else { return };
        if *wanted == format!("{point:?}") && left.fetch_sub(1, Ordering::Relaxed) == 1 {
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
            loop {
                std::thread::park();
            }
        }
    }

    pub(super) fn lacks(line: Line) -> bool {
        *MUTANT == format!("{line:?}")
    }

    pub(super) fn clock() -> (i64, i64, i64) {
        let Some(path) = CLOCK.as_ref() else { return (0, 0, 0) };
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let mut moved = text.split_whitespace().map(|number| number.parse().unwrap_or_default());
        let mut next = || moved.next().unwrap_or_default();
        (next(), next(), next())
    }
}
