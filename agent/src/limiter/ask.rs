//! Why a slot is asked for, how urgent it is, and how not to ask too often.

use weir_wire::pace;
use weir_wire::sync::Ask;
use weir_wire::{Bytes, SlotName};

use crate::clock::Moment;

pub(crate) use weir_wire::sync::MAX_ASKS;

/// What the limiter must know of the slots.
pub(crate) trait View {
    /// Bytes counted in this epoch.
    fn count(&self, slot: &SlotName) -> u64;
    /// Bytes that will pass before an answer to an ask of now can be in force.
    fn ahead(&self, slot: &SlotName) -> u64;
    /// Bytes have passed in the last half minute or so.
    fn moves(&self, slot: &SlotName) -> bool;
    /// The roster lets the slot pass.
    fn is_open(&self, slot: &SlotName) -> bool;
}

/// How near a slot is to its limit: the order of asks when there are more than fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Reason {
    left: u64,
}

impl Reason {
    /// The panel wants to know.
    pub(crate) const fn pressed() -> Self {
        Self { left: 0 }
    }

    /// Why the slot is asked for, if it is.
    pub(crate) fn of(slot: &SlotName, limit: u64, pressed: bool, differs: bool, view: &impl View) -> Option<Self> {
        let left = limit.saturating_sub(view.count(slot));
        if pressed { Some(Self::pressed()) } else { (differs || is_near(slot, limit, view)).then_some(Self { left }) }
    }
}

/// Whether an open slot is shut by its limit, or will be before an answer is in force.
pub(crate) fn is_near(slot: &SlotName, limit: u64, view: &impl View) -> bool {
    view.is_open(slot) && pace::is_near(limit, view.count(slot), view.ahead(slot))
}

/// When a slot may be the reason for the next sync. It goes into every sync anyway while it has a reason.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Nagging {
    pressed: bool,
    /// What the node does not need of the grant may be of use elsewhere; `false` once it was given back.
    called: bool,
    not_before: Moment,
    pause: u64,
}

impl Nagging {
    /// Asks at once. `called` when the panel may want back what is not needed here.
    pub(crate) const fn press(&mut self, called: bool) {
        *self = Self { pressed: true, called, not_before: Moment::from_millis(0), pause: 0 };
    }

    /// Whether something may have to be given back; only once for each time that the panel wants an ask.
    pub(crate) const fn take_call(&mut self) -> bool {
        core::mem::replace(&mut self.called, false)
    }

    /// The panel wants an ask, whatever the limit.
    pub(crate) const fn is_pressed(&self) -> bool {
        self.pressed
    }

    /// The earliest moment of a sync for its sake.
    pub(crate) const fn not_before(&self) -> Moment {
        self.not_before
    }

    /// An answer came; `good` when it leaves something to pass.
    pub(crate) fn answered(&mut self, good: bool, now: Moment, longest: u64) {
        (self.pressed, self.called) = (false, false);
        if good {
            *self = Self::default();
        } else {
            self.unanswered(now, longest);
        }
    }

    /// Nothing came of it: the next one waits, twice as long each time.
    pub(crate) fn unanswered(&mut self, now: Moment, longest: u64) {
        self.pause = pace::next_pause(self.pause, longest);
        self.not_before = now.plus(self.pause);
    }
}

/// An ask of plain numbers.
pub(crate) fn ask(slot: SlotName, count: u64, held: u64) -> Ask {
    Ask { slot, count: Bytes::saturating(count), held: Bytes::saturating(held) }
}
