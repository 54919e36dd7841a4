//! What the node knows, in parts.

use weir_wire::Bytes;
use weir_wire::roster::RosterVersion;
use weir_wire::sync::SyncRequest;

use crate::clock::Moment;
use crate::ledger::{Batch, Ledger};
use crate::loading::Template;

/// The core, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum CoreSeen {
    /// Not heard of yet.
    #[default]
    Unknown,
    /// It does not answer; the reason.
    Down(String),
    /// It answers.
    Up {
        /// Its start in unix milliseconds.
        incarnation: i64,
        /// Its version.
        version: String,
    },
}

/// Whether a core that takes users live has those of the roster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Bringing {
    /// It has, as far as is known; or it is no such core, or down.
    #[default]
    Rest,
    /// It must be given them, not before this moment.
    Due(Moment),
    /// It is being given them; `again` when they have changed since.
    Running {
        /// Once more afterwards.
        again: bool,
    },
    /// It runs something that they cannot be brought into.
    Refused,
}

/// Where the sync stands.
#[derive(Debug)]
pub(super) enum Phase {
    Idle,
    /// The request is made; what it says must be in the ledger before it is sent.
    Made(Box<SyncRequest>),
    /// It was sent at that moment.
    Sent(Box<SyncRequest>, Moment),
}

/// What the panel was last heard to say, and how the syncs go.
#[derive(Debug, Default)]
pub(super) struct Talk {
    /// The last reply.
    pub(super) heard: Option<Moment>,
    /// The last sync without a reply.
    pub(super) failed: Option<Moment>,
    /// The last time that the panel named the time.
    pub(super) told_time: Moment,
    pub(super) failures: u32,
    /// No sync before.
    pub(super) not_before: Moment,
    /// A sync at this moment even without a reason.
    pub(super) next: Moment,
    /// As soon as possible.
    pub(super) now: bool,
    /// The last report that was answered was refused for its form.
    pub(super) rejected: bool,
    /// Milliseconds of the last round trip.
    pub(super) round_trip: u64,
    /// Bytes of this epoch that the panel knows nobody for, as it last said.
    pub(super) unknown: Bytes,
}

/// The core's file, which it reads at its next start.
#[derive(Debug, Default)]
pub(super) struct CoreFile {
    /// A gate has changed since it was written.
    pub(super) unwritten: Option<Moment>,
    /// What the core remembers of its gates may be older, and outranks it.
    pub(super) forget: bool,
    pub(super) writing: bool,
    /// It was found to be what the template and the roster make since the last load that failed.
    pub(super) whole: bool,
    /// The incarnation before the reload that was begun last.
    pub(super) reloading: Option<i64>,
}

/// The operator's template, as it was seen last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum TemplateSeen {
    #[default]
    Never,
    Missing,
    There(Template),
}

/// The ledger, and what it lacks.
pub(super) struct Books {
    pub(super) ledger: Ledger,
    /// What the next commit writes, beside what tally and limiter have.
    pub(super) batch: Batch,
    /// A batch that could not be written. It goes first and alone: what came after may not be torn from it.
    pub(super) failed: Option<Batch>,
    /// The roster's version that the ledger has, and the one in the batch that was taken last.
    pub(super) durable: RosterVersion,
    pub(super) taken: RosterVersion,
    /// After it could not be read: when to try again.
    pub(super) again: Moment,
}
