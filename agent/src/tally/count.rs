//! One slot's bytes, from the first of the epoch on.

use serde::{Deserialize, Serialize};

/// Cumulative bytes of one slot in this epoch, and how many of them have been cut into parcels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Count {
    up: Direction,
    down: Direction,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Direction {
    counted: u64,
    cut: u64,
    /// Bytes that were counted and cut, and that the core then took back: the next ones pay for them, because a report
    /// can never be negative.
    debt: u64,
}

impl Direction {
    fn credit(&mut self, delta: i64) {
        let size = delta.unsigned_abs();
        if delta >= 0 {
            let paid = size.min(self.debt);
            self.debt -= paid;
            self.counted = self.counted.saturating_add(size - paid);
        } else {
            let back = size.min(self.counted - self.cut);
            self.counted -= back;
            self.debt = self.debt.saturating_add(size - back);
        }
    }

    const fn unreported(self) -> u64 {
        self.counted - self.cut
    }
}

impl Count {
    /// A count that begins with bytes which are cut already, and others which are not: `(up, down)` each. That is how an
    /// epoch begins that another one has ended in.
    #[must_use]
    pub(crate) const fn begin(cut: (u64, u64), uncut: (u64, u64)) -> Self {
        Self {
            up: Direction { counted: cut.0.saturating_add(uncut.0), cut: cut.0, debt: 0 },
            down: Direction { counted: cut.1.saturating_add(uncut.1), cut: cut.1, debt: 0 },
        }
    }

    /// Adds what the core counted since, negative when it took something back.
    pub(crate) fn credit(&mut self, up: i64, down: i64) {
        self.up.credit(up);
        self.down.credit(down);
    }

    /// Bytes of the epoch, up and down: the scale of limits.
    #[must_use]
    pub(crate) const fn total(&self) -> u64 {
        self.up.counted.saturating_add(self.down.counted)
    }

    /// `(up, down)` that are in no parcel yet.
    #[must_use]
    pub(crate) const fn unreported(&self) -> (u64, u64) {
        (self.up.unreported(), self.down.unreported())
    }

    /// Takes what is unreported into a parcel.
    pub(crate) const fn cut(&mut self) -> (u64, u64) {
        let taken = self.unreported();
        self.up.cut = self.up.counted;
        self.down.cut = self.down.counted;
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_core_takes_back_is_never_reported_and_never_negative() {
        let mut count = Count::default();
        count.credit(100, 0);
        assert_eq!(count.cut(), (100, 0));
        count.credit(20, 7);
        count.credit(-30, 0);
        assert_eq!(count.unreported(), (0, 7));
        assert_eq!(count.total(), 107);
        count.credit(15, 0);
        assert_eq!(count.unreported(), (5, 7), "ten of them pay the debt");
    }
}
