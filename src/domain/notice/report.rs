//! The daily report.

use serde::{Deserialize, Serialize};
use weir_wire::Bytes;

/// A day in numbers, as it stands in the event's data.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Report {
    /// The day, in the deployment's time zone.
    pub day: String,
    /// Users that exist when the report is made.
    pub users: u64,
    /// Those who may pass then.
    pub users_open: u64,
    /// Users with traffic on that day.
    pub users_active: u64,
    /// Bytes since the report before this one, up and down, as the nodes counted them.
    pub bytes: Bytes,
    /// The same by node, the most first; nodes without any are left out.
    pub nodes: Vec<Share>,
    /// The users with the most bytes on that day, the most first.
    pub top_users: Vec<Share>,
    /// Nodes that are silent when the report is made.
    pub nodes_silent: Vec<String>,
    /// Users whom a quota keeps shut when the report is made.
    pub limits_reached: u64,
    /// Jobs whose last run failed.
    pub jobs_failed: Vec<String>,
    /// What the database cost.
    pub cost: Cost,
    /// Head of the audit log, so that a rewritten log is found by whoever kept the report.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audit_head: Option<String>,
}

/// Somebody's part of the bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// User or node.
    pub name: String,
    /// Bytes.
    pub bytes: Bytes,
}

/// What the database cost on the last whole UTC day, by which it is billed: a lower bound, because an instance of the Worker
/// that ends takes with it what it has not told yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cost {
    /// Requests and runs of the trigger.
    pub requests: u64,
    /// Statements.
    pub queries: u64,
    /// Rows read.
    pub rows_read: u64,
    /// Rows written.
    pub rows_written: u64,
}

impl Cost {
    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            requests: self.requests.saturating_add(other.requests),
            queries: self.queries.saturating_add(other.queries),
            rows_read: self.rows_read.saturating_add(other.rows_read),
            rows_written: self.rows_written.saturating_add(other.rows_written),
        }
    }
}
