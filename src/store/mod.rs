//! D1: one file a noun, with the SQL on top, the row struct, and the verbs as [`Statement`]s.
//!
//! Statements are values and know nothing of the Worker, so that tests run them on plain `SQLite` under D1's limits;
//! [`d1`] alone sends them.

pub mod addresses;
pub mod admins;
pub mod alerts;
pub mod aliases;
pub mod allowances;
pub mod api_keys;
pub mod audit;
pub mod backup;
pub mod bulk;
pub mod census;
pub mod channels;
pub mod charts;
pub mod d1;
pub mod day;
pub mod deliveries;
pub mod devices;
pub mod due;
pub mod epochs;
pub mod events;
pub mod explain;
pub mod fetch_log;
pub mod gates;
pub mod history;
pub mod holds;
pub mod hosts;
pub mod jobs;
pub mod marzban_list;
pub mod marzban_nodes;
pub mod marzban_usage;
pub mod marzban_users;
pub mod metrics;
pub mod node_addresses;
pub mod node_list;
pub mod node_log;
pub mod nodes;
pub mod operators;
pub mod overview;
pub mod packages;
pub mod parts;
pub mod passkeys;
pub mod plan_users;
pub mod plans;
pub mod quotas;
pub mod restored;
pub mod rollup;
pub mod sessions;
pub mod settings;
pub mod sign_ins;
pub mod slots;
pub mod sources;
pub mod statement;
pub mod summary;
pub mod sweep;
pub mod usage;
pub mod user_list;
pub mod user_page;
pub mod user_templates;
pub mod users;
pub mod xpert_direct;
pub mod xpert_reports;
pub mod xpert_settings;
pub mod xpert_stats;

pub use statement::{Statement, Value};

use core::fmt;

/// What went wrong, by what the caller can do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// The row changed since it was read; read again and repeat.
    Stale,
    /// A unique name is taken.
    Taken,
    /// A reseller's allowance would be broken: of `users` or `bytes`.
    Allowance(&'static str),
    /// No owner would be left among the operators.
    LastOwner,
    /// The direct configs that are switched on would be more than the published list has room for.
    NoRoom,
    /// The database is busy or was moved; the same call may work in a moment.
    Busy(String),
    /// Anything else; for the log only.
    Broken(String),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stale => f.write_str("the row changed since it was read"),
            Self::Taken => f.write_str("a unique value is taken"),
            Self::Allowance(what) => write!(f, "a reseller's allowance of {what} would be broken"),
            Self::LastOwner => f.write_str("no owner would be left"),
            Self::NoRoom => f.write_str("no room for direct configs"),
            Self::Busy(why) => write!(f, "the database is busy: {why}"),
            Self::Broken(why) => write!(f, "the database failed: {why}"),
        }
    }
}

impl std::error::Error for StoreError {}

impl StoreError {
    /// Sorts D1's one-line error text. No other place reads it.
    #[must_use]
    pub fn classify(text: &str) -> Self {
        const PASSING: [&str; 5] = [
            "Network connection lost",
            "object to be reset",
            "reset because its code",
            "overloaded",
            "database is locked",
        ];
        const MOVED: [&str; 6] = [
            "NOT NULL constraint failed: usage.revision",
            "NOT NULL constraint failed: audit_head.link",
            "NOT NULL constraint failed: sessions.operator",
            "NOT NULL constraint failed: bulk.total",
            "NOT NULL constraint failed: bulk_chunks.state",
            "UNIQUE constraint failed: audit.number",
        ];
        if MOVED.iter().any(|moved| text.contains(moved)) {
            Self::Stale
        } else if text.contains("UNIQUE constraint failed") {
            Self::Taken
        } else if text.contains("user_allowance_holds") {
            Self::Allowance("users")
        } else if text.contains("byte_allowance_holds") {
            Self::Allowance("bytes")
        } else if text.contains("no owner would be left") {
            Self::LastOwner
        } else if text.contains("no room for direct configs") {
            Self::NoRoom
        } else if PASSING.iter().any(|passing| text.contains(passing)) {
            Self::Busy(text.to_owned())
        } else {
            Self::Broken(text.to_owned())
        }
    }
}
