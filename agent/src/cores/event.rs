//! What a core tells of itself and its users.

use std::net::IpAddr;

/// What a core tells, in order. All totals are absolute, so that a repeated or skipped event changes no sum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CoreEvent {
    /// The core answers. All that follows belongs to this incarnation, until the next `Up` or `Down`.
    Up {
        /// The core's start in unix milliseconds; another value means that its counters began anew.
        incarnation: i64,
        /// The core's version.
        version: String,
    },
    /// Connections that are new, moved bytes, or ended since the event before.
    Connections {
        /// The list is complete: a live connection that it does not name has ended unseen.
        reset: bool,
        /// What happened.
        events: Vec<ConnectionEvent>,
    },
    /// What every user has moved in all: for a core that counts users, not connections.
    Counters {
        /// All users that the core counts. One that it does not name any more begins anew when it comes back.
        users: Vec<Counter>,
        /// What a counter that fell means.
        fallen: Fallen,
    },
    /// Where users are connected from just now, by name: for a core that tells no connections.
    Online {
        /// Those who were asked for; their addresses.
        users: Vec<(String, Vec<IpAddr>)>,
    },
    /// The core's own totals of this incarnation, over all connections.
    Totals {
        /// Bytes read from clients.
        up: u64,
        /// Bytes written to clients.
        down: u64,
    },
    /// The core does not answer (any more).
    Down {
        /// Why, for the operator.
        reason: String,
    },
}

/// One user's bytes at one instant, since the core began to count them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counter {
    /// The user's name in the core.
    pub user: String,
    /// Bytes read from the user's clients.
    pub up: u64,
    /// Bytes written to them.
    pub down: u64,
}

/// What it means that a counter is lower than before, within one incarnation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fallen {
    /// It began anew at zero: all that it says came since.
    Zero,
    /// It was put back to an earlier state, at a point that nobody knows: what it says may have been credited before, so it
    /// is where the next difference begins.
    Earlier,
}

/// One connection at one instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionEvent {
    /// The core's id of the connection; unique within an incarnation.
    pub id: String,
    /// Who and where; absent when the core names only the id (an update, or a connection whose start was missed).
    pub origin: Option<Origin>,
    /// Bytes read from the client since the connection began.
    pub up: u64,
    /// Bytes written to the client since the connection began.
    pub down: u64,
    /// The connection has ended and these totals are final.
    pub closed: bool,
}

/// Where a connection came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The name of the inbound's user; empty when the inbound has none.
    pub user: String,
    /// The inbound's tag.
    pub inbound: String,
    /// What the inbound speaks, such as `vless`; empty when the core does not tell.
    pub protocol: String,
    /// The client's `address:port`.
    pub source: String,
}
