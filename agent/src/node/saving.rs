//! What the ledger has, what it lacks, and what is still done when it cannot be written.

use super::trouble::Source;
use super::{Node, Phase, SAVED};
use crate::clock::Moment;
use crate::ledger::{Batch, LedgerError, put_meta};
use crate::outbox::parcel::Stamp;

/// Milliseconds before a ledger that could not be read is read again. Until then the panel hears of it.
const READ_AGAIN: u64 = 10_000;

impl Node {
    /// Whether the ledger lacks something.
    #[must_use]
    pub(crate) fn is_unsaved(&self) -> bool {
        self.books.failed.is_some()
            || !self.books.batch.is_empty()
            || self.tally.has_changed()
            || self.limiter.has_changed()
    }

    /// What the ledger lacks: all of it, or, after a failure, what could not be written then.
    pub(crate) fn take_batch(&mut self, now: Moment) -> Batch {
        if let Some(failed) = self.books.failed.take() {
            return failed;
        }
        self.tally.write(&mut self.books.batch);
        self.limiter.write(&mut self.books.batch);
        put_meta(&mut self.books.batch, SAVED, &Stamp::Boot(now));
        self.books.taken = self.roster.version();
        core::mem::take(&mut self.books.batch)
    }

    /// The batch was committed, or was not and is given back.
    pub(crate) fn saved(&mut self, outcome: Result<(), (LedgerError, Batch)>, now: Moment) {
        match outcome {
            Ok(()) => {
                self.books.durable = self.books.taken;
                self.troubles.end(Source::LedgerWrite);
            }
            Err((error, batch)) => {
                self.books.failed = Some(batch);
                self.troubles.meet(Source::LedgerWrite, error.to_string(), now);
                // Nothing may be sent that the ledger lacks. The next sync says how the node is, no more.
                if matches!(self.phase, Phase::Made(_)) {
                    self.phase = Phase::Idle;
                    self.talk.now = true;
                }
            }
        }
    }

    /// What `weir-agent status` shows was written, or was not. Often the first to find a full disk, because the ledger has
    /// room set aside.
    pub(crate) fn status_written(&mut self, outcome: Result<(), String>, now: Moment) {
        match outcome {
            Ok(()) => self.troubles.end(Source::Status),
            Err(why) => self.troubles.meet(Source::Status, format!("the status file cannot be written: {why}"), now),
        }
    }

    /// The ledger could not be read: the next sync says how the node is, no more.
    pub(super) fn ledger_unread(&mut self, error: &LedgerError, now: Moment) {
        self.troubles.meet(Source::LedgerRead, error.to_string(), now);
        self.books.again = now.plus(READ_AGAIN);
    }

    /// Whether nothing can be promised now, because the ledger would not keep it.
    #[must_use]
    pub(super) fn is_ledger_lost(&self, now: Moment) -> bool {
        self.troubles.has(Source::LedgerWrite) || (self.troubles.has(Source::LedgerRead) && now < self.books.again)
    }
}
