//! What the dashboard shows of days and users, counted once an hour: a page that is open all day must not add up thousands of rows
//! every few seconds. It stands in the table of settings under a name that no area of the API has.

use serde::{Deserialize, Serialize};
use weir_wire::{Bytes, Second};

use super::{Statement, settings};
use crate::domain::history::Row;

/// Where it stands.
const AREA: &str = "summary";

/// Users that are kept beside those that are shown: some may be deleted within the hour.
const SPARE: u32 = 4;

/// Users of the list of those with the most traffic.
const TOP: u32 = 8;

/// The count of an hour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// When it was counted.
    pub at: Second,
    /// Bytes of all nodes and all time then: what came since belongs to the day of the last hour.
    pub bytes: Bytes,
    /// UTC days with their bytes, the last 30.
    pub days: Vec<Row>,
    /// Numbers of the users with the most traffic in their period.
    pub top: Vec<i64>,
}

// Rows read: 1.
/// The last count; no row before the first.
#[must_use]
pub fn read() -> Statement {
    settings::read(AREA)
}

/// Keeps a count.
#[must_use]
pub fn write(summary: &Summary) -> Statement {
    settings::write(AREA, &serde_json::to_string(summary).unwrap_or_default())
}

// Rows read: 1 per ledger.
const BYTES: &str = "SELECT min(coalesce(sum(up + down), 0), 9007199254740991) AS bytes FROM epochs";

/// What [`bytes`] returns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct AllBytes {
    /// Up and down.
    pub bytes: Bytes,
}

/// Bytes of all nodes and all time.
#[must_use]
pub fn bytes() -> Statement {
    Statement::new(BYTES)
}

// Rows read: 1 per user, deleted ones included, and 2 more for each that is kept: the sort is cut at as many.
const MOST: &str = "
SELECT user FROM usage WHERE month > 0 AND period_end > CAST(?1 AS INTEGER) ORDER BY month DESC, user LIMIT ?2";

/// What [`most`] returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Most {
    /// Number.
    pub user: i64,
}

/// The users with the most traffic in a period that goes on. Some of them may have been deleted.
#[must_use]
pub fn most(now: Second) -> Statement {
    Statement::new(MOST).bind(now).bind(TOP + SPARE)
}

// Rows read: 2, and at most 3 for each of the 12 users of the list.
const TOP_NOW: &str = "
SELECT users.name, u.month FROM json_each((SELECT value ->> '$.top' FROM settings WHERE area = 'summary')) AS top
  CROSS JOIN usage AS u ON u.user = top.value CROSS JOIN users ON users.id = u.user
WHERE users.deleted_at IS NULL ORDER BY u.month DESC, users.id LIMIT ?1";

/// A user of the list as he stands now.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Top {
    /// Name.
    pub name: String,
    /// Bytes of his period.
    pub month: Bytes,
}

/// The users of the last count, with what they used by now.
#[must_use]
pub fn top() -> Statement {
    Statement::new(TOP_NOW).bind(TOP)
}

// Rows read: 1 per job that exists.
const FAILED: &str = "SELECT name, failures FROM jobs WHERE failures >= 3 ORDER BY name";

/// A job that has failed three times in a row, as the alert about it has it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Failed {
    /// Name.
    pub name: String,
    /// Runs in a row.
    pub failures: u32,
}

/// The jobs that need a look.
#[must_use]
pub fn failed() -> Statement {
    Statement::new(FAILED)
}
