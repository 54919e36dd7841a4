//! The pool of vacant slots: how many there are, and how many there should be.

use serde::Deserialize;
use weir_wire::SlotName;

use crate::store::Statement;

// Rows: 3 written per slot (row, two indexes), n read.
const ADD_VACANT: &str = "
INSERT INTO slots (name, gate, born, changed)
SELECT value, 'vacant', number + 1, number + 1
FROM json_each(?1), (SELECT number FROM roster_versions ORDER BY number DESC LIMIT 1)
WHERE true ON CONFLICT (name) DO NOTHING";

/// Adds vacant slots. [`super::number_change`] must follow directly.
#[must_use]
pub fn add_vacant(slots: &[SlotName]) -> Statement {
    Statement::new(ADD_VACANT).bind_json(&slots)
}

// Rows read: at most half a pool of index entries (5 % of the users, at least 32), and the counter twice.
const VACANCY: &str = "
SELECT value AS users, (SELECT count(*) FROM (SELECT 1 FROM slots WHERE gate = 'vacant'
    LIMIT (SELECT max(32, value / 20) FROM counters WHERE name = 'users'))) AS vacant
FROM counters WHERE name = 'users'";

// Rows read: 2.
const IS_VACANT: &str = "
SELECT value AS users, EXISTS (SELECT 1 FROM slots WHERE gate = 'vacant') AS vacant FROM counters WHERE name = 'users'";

/// How the pool of vacant slots stands.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub struct Vacancy {
    /// Users that exist.
    pub users: i64,
    /// Vacant slots, counted up to half a pool.
    pub vacant: i64,
}

/// Half of what the pool should hold: 5 % of the users, at least 32.
const fn half_pool(users: i64) -> i64 {
    if users / 20 > 32 { users / 20 } else { 32 }
}

/// Slots made at once at most: 3 rows are written for each.
const REFILL: i64 = 1_000;

impl Vacancy {
    /// How many slots to make: none while the pool is half full, because each refill makes every core load anew.
    #[must_use]
    pub fn lacking(self) -> usize {
        let half = half_pool(self.users);
        let lacking = if self.vacant < half { (2 * half - self.vacant).min(REFILL) } else { 0 };
        usize::try_from(lacking).unwrap_or_default()
    }
}

/// Counts the users and the vacant slots.
#[must_use]
pub fn vacancy() -> Statement {
    Statement::new(VACANCY)
}

/// Counts the users, and vacant slots no further than one.
#[must_use]
pub fn is_vacant() -> Statement {
    Statement::new(IS_VACANT)
}
