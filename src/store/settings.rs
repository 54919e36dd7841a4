//! What an operator sets in the panel: one row an area.

use serde::Deserialize;

use super::Statement;

/// What [`read`] returns.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Row {
    /// JSON object of the area's fields.
    pub value: String,
}

// Rows read: 1.
const READ: &str = "SELECT value FROM settings WHERE area = ?1";

/// An area; no row while nothing was set.
#[must_use]
pub fn read(area: &str) -> Statement {
    Statement::new(READ).bind(area)
}

// Rows written: 1.
const WRITE: &str =
    "INSERT INTO settings (area, value) VALUES (?1, ?2) ON CONFLICT (area) DO UPDATE SET value = excluded.value";

/// Replaces an area.
#[must_use]
pub fn write(area: &str, value: &str) -> Statement {
    Statement::new(WRITE).bind(area).bind(value)
}

// Rows written: 1.
const FORGET: &str = "DELETE FROM settings WHERE area = ?1";

/// An area is again as it is without anybody's doing.
#[must_use]
pub fn forget(area: &str) -> Statement {
    Statement::new(FORGET).bind(area)
}

/// What [`of`] returns.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Named {
    /// The area.
    pub area: String,
    /// JSON object of its fields.
    pub value: String,
}

// Rows read: 1 per area, and 1 more per area that was set.
const OF: &str = "SELECT area, value FROM settings WHERE area IN (?1, ?2, ?3, ?4, ?5, ?6, ?7)";

/// Several areas; no row of one of which nothing was set.
#[must_use]
pub fn of(areas: [&str; 7]) -> Statement {
    areas.into_iter().fold(Statement::new(OF), Statement::bind)
}
