//! How fast each slot moves bytes: what tells how soon it reaches its limit.

use std::collections::HashMap;

use weir_wire::SlotName;

/// A peak is remembered for about this many milliseconds, because core and agent tick independently: one window may see
/// no update of a steady stream and the next one two.
const MEMORY: u64 = 2_000;

/// Bytes per second by slot.
#[derive(Debug, Default)]
pub(crate) struct Rates {
    window: HashMap<SlotName, u64>,
    rates: HashMap<SlotName, u64>,
}

impl Rates {
    /// Bytes moved just now.
    pub(crate) fn add(&mut self, slot: &SlotName, bytes: u64) {
        match self.window.get_mut(slot) {
            Some(sum) => *sum = sum.saturating_add(bytes),
            None => {
                self.window.insert(slot.clone(), bytes);
            }
        }
    }

    /// Ends a window of `millis`.
    pub(crate) fn tick(&mut self, millis: u64) {
        let millis = millis.max(1);
        for rate in self.rates.values_mut() {
            // Rounded up, so that every rate reaches zero.
            *rate -= (*rate).saturating_mul(millis.min(MEMORY)).div_ceil(MEMORY).min(*rate);
        }
        for (slot, bytes) in self.window.drain() {
            let rate = bytes.saturating_mul(1_000) / millis;
            let remembered = self.rates.entry(slot).or_default();
            *remembered = rate.max(*remembered);
        }
        self.rates.retain(|_, rate| *rate > 0);
    }

    /// Bytes per second of one slot.
    #[must_use]
    pub(crate) fn of(&self, slot: &SlotName) -> u64 {
        self.rates.get(slot).copied().unwrap_or_default()
    }

    /// Bytes per second of all slots.
    #[must_use]
    pub(crate) fn total(&self) -> u64 {
        self.rates.values().fold(0, |sum, rate| sum.saturating_add(*rate))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::slot;

    #[test]
    fn a_peak_is_seen_at_once_and_fades() {
        let slot = slot("alice");
        let mut rates = Rates::default();
        rates.add(&slot, 500);
        rates.add(&slot, 500);
        rates.tick(100);
        assert_eq!(rates.of(&slot), 10_000);
        rates.tick(1_000);
        assert_eq!(rates.total(), 5_000);
        for _ in 0..40 {
            rates.tick(1_000);
        }
        assert!(rates.rates.is_empty());
    }
}
