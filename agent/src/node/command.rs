//! What the node wants done: with the core, and with the sync.

use core::time::Duration;

use weir_wire::SlotName;
use weir_wire::sync::SyncRequest;

use crate::cores::{ConfiguredSlot, Way};

/// What has to be done with the core. The outcome comes back by the method named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// [`super::Node::gate_set`]
    SetGate {
        /// Whose.
        slot: SlotName,
        /// To what.
        way: Way,
    },
    /// The relay holds a slot to so many bytes a second in each direction, 0 = unlimited. Nothing comes back.
    SetSpeed {
        /// Whose.
        slot: SlotName,
        /// How fast.
        speed: u64,
    },
    /// The relay forgets a slot. Nothing comes back.
    ForgetSpeed {
        /// Whose.
        slot: SlotName,
    },
    /// End one connection: of a slot whose gate is shut, whose user may not be on that inbound, or has too many. Nothing comes back.
    Close {
        /// The core's id of it.
        id: String,
    },
    /// Nothing comes back.
    SetTick(Duration),
    /// [`super::Node::gates_told`]
    AskGates,
    /// [`super::Node::gates_told`], of a core that takes users live.
    Bring {
        /// Everybody of the roster.
        slots: Vec<ConfiguredSlot>,
    },
    /// [`super::Node::written`]
    Write {
        /// What goes into the core's file.
        slots: Vec<ConfiguredSlot>,
        /// The core's memory of its gates goes as well.
        forget: bool,
        /// All of the file may be new: the template was saved, and no core runs.
        renew: bool,
    },
    /// [`super::Node::reloaded`]
    Reload {
        /// What goes into the core's file.
        slots: Vec<ConfiguredSlot>,
    },
}

/// What comes next for the sync.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing now.
    Rest,
    /// [`super::Node::take_batch`] must be committed, then [`super::Node::saved`] called, and then this again.
    Save,
    /// Send it, then call [`super::Node::replied`] or [`super::Node::failed`].
    Send(Box<SyncRequest>),
}
