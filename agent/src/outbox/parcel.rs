//! Bytes that are cut off and wait to be reported.

use serde::{Deserialize, Serialize};
use weir_wire::sync::Report;
use weir_wire::{Second, SlotName};

use crate::clock::{Moment, PanelClock};

/// An instant that becomes panel time as late as possible: what the clock's offset is may be learnt only later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Stamp {
    /// A moment of the present boot.
    Boot(Moment),
    /// A second of the panel's clock: an earlier boot's moments mean nothing in this one.
    Panel(Second),
}

impl Stamp {
    /// The panel's second.
    #[must_use]
    pub(crate) fn second(self, clock: &PanelClock) -> Second {
        match self {
            Self::Boot(moment) => clock.second(moment),
            Self::Panel(second) => second,
        }
    }

    /// The first second that begins at it or after it. An end is exclusive: rounded down it would leave out the second in
    /// which the last bytes flowed, and they would count before a reset or a creation that they followed.
    #[must_use]
    pub(crate) fn end(self, clock: &PanelClock) -> Second {
        match self {
            Self::Boot(moment) => clock.second(moment.plus(999)),
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
