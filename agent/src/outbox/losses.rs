//! What could not be told exactly, since the ledger was made.

use weir_wire::sync::Skip;

use super::Outbox;
use crate::ledger::Batch;

impl Outbox {
    /// The panel has moved to `acked` in answer to a sync with `skip`: the reports that were left out are lost. Counted with
    /// that answer and not when they are left out, because a sync without an answer is repeated.
    pub(crate) fn skipped(&mut self, skip: Skip, acked: u64, batch: &mut Batch) {
        if acked >= skip.to {
            let lost = u32::try_from(skip.to.saturating_sub(skip.from)).unwrap_or(u32::MAX);
            self.books.gaps = self.books.gaps.saturating_add(lost);
            self.write_books(batch);
        }
    }

    /// Bytes that forks made ambiguous, reports that were set aside, and forks.
    #[must_use]
    pub(crate) const fn losses(&self) -> (u64, u32, u32) {
        (self.books.ambiguous, self.books.rejected, self.books.forks)
    }

    /// Reports that the panel lacks and this ledger no longer had.
    #[must_use]
    pub(crate) const fn gaps(&self) -> u32 {
        self.books.gaps
    }
}
