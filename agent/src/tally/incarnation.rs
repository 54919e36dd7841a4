//! How an incarnation of the core begins, and what the one before may have taken with it.

use weir_wire::status::Loss;
use weir_wire::{Bytes, Second};

use super::Tally;

impl Tally {
    /// The core answers, at a moment that is `at` by the panel's clock. `lost` is the estimate of the bytes that one tick of
    /// all live connections moves: when they died with their incarnation, so many may never have been told.
    pub(crate) fn up(&mut self, incarnation: i64, lost: u64, at: Second) {
        if self.whole.incarnation == Some(incarnation) {
            return;
        }
        let running = self.whole.incarnation.is_none();
        let counted = !self.live.is_empty() || !self.counters.is_empty();
        if !running && counted && lost > 0 {
            self.whole.lost_estimate = self.whole.lost_estimate.saturating_add(lost);
            self.whole.last_loss = Some(Loss { at, bytes: Bytes::saturating(lost) });
        }
        self.whole.gap.begin(running);
        self.whole.incarnation = Some(incarnation);
        self.baseline = running;
        self.live.clear();
        self.relayed = (0, 0);
        self.finished.clear();
        self.counters.clear();
        self.changed.live.clear();
        self.changed.gone.clear();
        self.changed.incarnation = true;
        self.changed.whole = true;
    }

    /// A core whose counters end with it is known to be down. In a new ledger this means that all its counters will begin after the
    /// ledger, so none of them is a baseline.
    pub(crate) const fn down(&mut self) {
        if self.whole.incarnation.is_none() {
            self.whole.incarnation = Some(0);
            self.changed.whole = true;
        }
    }

    /// The incarnation that was counted last; `None` in a new ledger.
    #[must_use]
    pub(crate) const fn incarnation(&self) -> Option<i64> {
        self.whole.incarnation
    }

    /// Estimate of the bytes that died uncounted with killed cores, since the ledger was made.
    #[must_use]
    pub(crate) const fn lost_estimate(&self) -> u64 {
        self.whole.lost_estimate
    }

    /// The last core that died with live connections.
    #[must_use]
    pub(crate) const fn last_loss(&self) -> Option<Loss> {
        self.whole.last_loss
    }
}
