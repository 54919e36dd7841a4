//! What could not be told exactly, since the ledger was made.

use weir_wire::Second;
use weir_wire::sync::Skip;

use super::Outbox;
use crate::ledger::Batch;

/// Seconds after a gap until its epoch is left. A panel that was restored waits for nodes for 25 hours at most, and grants a user with a
/// quota nothing new meanwhile: the limits that he holds here would be gone with the epoch. And whoever restores the wrong copy first
/// gets a day in which the reports that are kept can still be replayed. What was lost has flowed: a day long it may count as used.
const LEFT_AFTER: i64 = 25 * 3_600;

impl Outbox {
    /// A sync is about to leave reports out. Noted before it is sent: whether the panel took that, an agent that dies never learns.
    pub(crate) fn leaves_out(&mut self, at: Second, batch: &mut Batch) {
        self.books.gap_at = Some(at);
        self.write_books(batch);
    }

    /// Whether reports of this epoch are lost, the panel has all others, and time enough has passed: the counts of this epoch contain
    /// what no report will ever tell, and the panel takes that for used up as long as the epoch lasts.
    pub(crate) fn is_past_gap(&self, now: Second) -> bool {
        let is_long_ago = self.books.gap_at.is_some_and(|at| now.since(at) >= LEFT_AFTER);
        is_long_ago && self.in_flight.is_none() && self.replay.is_none()
    }

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
