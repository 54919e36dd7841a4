//! Bytes that are cut off and wait to be reported.

use serde::{Deserialize, Serialize};
use weir_wire::sync::Report;
use weir_wire::{Second, SlotName};

use crate::clock::{Moment, PanelClock};

/// Seconds by which what is learnt of the panel's clock later may move the end of a quarter-hour without being believed.
const SAME_QUARTER: i64 = 60;

/// An instant that becomes panel time as late as possible: what the clock's offset is may be learnt only later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Stamp {
    /// A moment of the present boot.
    Boot(Moment),
    /// The end of a quarter-hour of the panel's clock, as that was known when it came. The clock is known to a second at best
    /// and drifts without the panel: a better knowledge would put the whole parcel over the end that it was cut at.
    Quarter(Moment, Second),
    /// A second of the panel's clock: an earlier boot's moments mean nothing in this one.
    Panel(Second),
}

impl Stamp {
    /// The panel's second.
    #[must_use]
    pub(crate) fn second(self, clock: &PanelClock) -> Second {
        match self {
            Self::Boot(moment) => clock.second(moment),
            Self::Quarter(moment, quarter) => quarter_or(quarter, clock.second(moment)),
            Self::Panel(second) => second,
        }
    }

    /// The first second that begins at it or after it. An end is exclusive: rounded down it would leave out the second in
    /// which the last bytes flowed, and they would count before a reset or a creation that they followed.
    #[must_use]
    pub(crate) fn end(self, clock: &PanelClock) -> Second {
        match self {
            Self::Boot(moment) => clock.second(moment.plus(999)),
            Self::Quarter(moment, quarter) => quarter_or(quarter, clock.second(moment.plus(999))),
            Self::Panel(second) => second,
        }
    }

    /// The same instant for the boots to come.
    #[must_use]
    pub(crate) fn fixed(self, clock: &PanelClock) -> Self {
        Self::Panel(self.second(clock))
    }

    /// The same for an exclusive end.
    #[must_use]
    pub(crate) fn fixed_end(self, clock: &PanelClock) -> Self {
        Self::Panel(self.end(clock))
    }
}

/// A clock that turns out to be far off was a guess, and so was the quarter.
fn quarter_or(quarter: Second, learnt: Second) -> Second {
    if learnt.since(quarter).abs() <= SAME_QUARTER { quarter } else { learnt }
}

/// Bytes per slot that flowed in `[from, to)`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Parcel {
    /// Start, inclusive.
    pub(crate) from: Stamp,
    /// End, exclusive.
    pub(crate) to: Stamp,
    /// Slot, bytes from clients, bytes to clients.
    pub(crate) users: Vec<(SlotName, u64, u64)>,
}

impl Parcel {
    /// What a report was made of that nobody has applied.
    #[must_use]
    pub(crate) fn of_report(report: &Report) -> Self {
        let users = report.users.iter().map(|usage| (usage.slot.clone(), usage.up.get(), usage.down.get()));
        Self { from: Stamp::Panel(report.from), to: Stamp::Panel(report.to), users: users.collect() }
    }

    /// All bytes in it.
    #[must_use]
    pub(crate) fn bytes(&self) -> u64 {
        self.users.iter().fold(0, |sum, (_, up, down)| sum.saturating_add(*up).saturating_add(*down))
    }
}

/// What is held in memory of a parcel in the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Waiting {
    /// Its key.
    pub(crate) order: u64,
    /// When it was cut; `None` before this process started.
    pub(crate) made: Option<Moment>,
    /// Its bytes.
    pub(crate) bytes: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{BootId, Reading};

    #[test]
    fn a_clock_that_is_known_better_moves_no_end_of_a_quarter_and_one_that_was_far_off_does() {
        let reading = Reading { now: Moment::from_millis(0), wall: 900_000_000, suspended: 0 };
        let guess = PanelClock::resume(None, &BootId::default(), reading);
        let at = |seconds: u64| Stamp::Quarter(Moment::from_millis(seconds * 1_000), Second::clamped(900_900));
        let learnt = |off: i64| PanelClock { ahead_of_boot: guess.ahead_of_boot + off, ..guess.clone() };
        for off in [0, 400, -400, 1_300, -59_000] {
            let clock = learnt(off);
            assert_eq!((at(900).second(&clock).get(), at(900).end(&clock).get()), (900_900, 900_900), "{off}");
            assert_eq!(at(900).fixed_end(&clock), Stamp::Panel(Second::clamped(900_900)));
        }
        assert_eq!(at(900).second(&learnt(3_600_000)).get(), 904_500);
    }
}
