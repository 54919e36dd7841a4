//! Slots whose credentials were set by hand, and the marks that keep two from having the same.

use serde::Deserialize;
use weir_wire::SlotName;

use crate::store::Statement;

// No other vacant slot was born at 0, so the next user takes it: he must be entered in the same batch. Rows: 3 written.
const ADD_BY_HAND: &str = "
INSERT INTO slots (name, gate, born, changed, credentials)
SELECT ?1, 'vacant', 0, number + 1, ?2 FROM (SELECT number FROM roster_versions ORDER BY number DESC LIMIT 1)";

// Rows: 2 written per credential (row, index), 1 read.
const MARK: &str = "INSERT INTO credential_marks (mark, slot) SELECT value, ?1 FROM json_each(?2)";

/// A slot with credentials that were set by hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ByHandSlot {
    /// Its name.
    pub name: SlotName,
    /// The credentials, sealed.
    pub sealed: String,
    /// What no other slot's credentials may have.
    pub marks: Vec<String>,
}

/// Adds it as the slot that is taken next. A user who takes it must be entered, and [`super::number_change`] must follow, in the same batch.
#[must_use]
pub fn add_by_hand(slot: &ByHandSlot) -> [Statement; 2] {
    [
        Statement::new(ADD_BY_HAND).bind(slot.name.as_str()).bind(slot.sealed.as_str()),
        Statement::new(MARK).bind(slot.name.as_str()).bind_json(&slot.marks),
    ]
}

// Rows read: 2 per mark (json_each, mark).
const HOLDER_OF_MARK: &str = "
SELECT asked.value AS mark FROM json_each(?1) AS asked JOIN credential_marks AS m ON m.mark = asked.value
WHERE m.slot <> ?2 LIMIT 1";

/// A mark that a slot has.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Mark {
    /// The mark.
    pub mark: String,
}

/// One of these marks that another slot than `own` has.
#[must_use]
pub fn marked(marks: &[String], own: Option<&SlotName>) -> Statement {
    Statement::new(HOLDER_OF_MARK).bind_json(&marks).bind(own.map_or("", SlotName::as_str))
}
