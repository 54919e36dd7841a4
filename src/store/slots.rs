//! Slots: the roster that every node holds, vacant places included.

mod by_hand;
mod pool;
mod report;

use serde::Deserialize;
use weir_wire::roster::{PAGE, RosterVersion};
use weir_wire::{Bytes, SlotName};

pub use self::by_hand::{ByHandSlot, Mark, add_by_hand, marked};
pub use self::pool::{Vacancy, add_vacant, is_vacant, vacancy};
pub use self::report::{Holder, Movable, decide, find, retire_vacant};
use super::Statement;

/// The gate that a usage row `u` calls for, as an SQL expression; the rule of [`weir_wire::grant::Account::is_used_up`]. The
/// bytes of the period may be another expression than the column.
macro_rules! gate_of_usage {
    () => {
        $crate::store::slots::gate_of_usage!("u.month")
    };
    ($month:literal) => {
        concat!(
            "CASE WHEN u.bonus_left > 0 THEN 'open'
  WHEN u.monthly_quota > 0 AND ",
            $month,
            " >= u.monthly_quota THEN 'month'
  WHEN u.total_quota > 0 AND u.lifetime - u.bonus_spent >= u.total_quota THEN 'total' ELSE 'open' END"
        )
    };
}
pub(super) use gate_of_usage;

// Follows directly on the statement that changed slots: `changes()` looks at no other. Rows: 1 written if it changed
// anything, 1 read.
const NUMBER_CHANGE: &str = "
INSERT INTO roster_versions (number, salt)
SELECT number + 1, CAST(?1 AS INTEGER) FROM (SELECT number FROM roster_versions ORDER BY number DESC LIMIT 1)
WHERE changes() > 0";

/// Draws the next roster version if the statement before changed a slot.
#[must_use]
pub fn number_change(salt: u32) -> Statement {
    Statement::new(NUMBER_CHANGE).bind(salt)
}

// Rows: 2 written per slot (row, index).
const TOUCH: &str = "
UPDATE slots SET changed = 1 + (SELECT max(number) FROM roster_versions)
WHERE name IN (SELECT value FROM json_each(?1)) AND gate <> 'retired'";

/// Puts slots into every node's next roster change, unchanged: a node that holds a limit for one states it and asks.
/// [`number_change`] must follow directly.
#[must_use]
pub fn touch(slots: &[SlotName]) -> Statement {
    Statement::new(TOUCH).bind_json(&slots)
}

// Rows read: 2 per slot (index, row).
const CHANGED_SINCE: &str = "
SELECT name, gate, until, speed, devices, streams, plan, marzban, credentials FROM slots WHERE changed > CAST(?1 AS INTEGER) ORDER BY changed LIMIT ?2";

// Rows read: 1 per slot, and those retired in between.
const PAGE_AFTER: &str = "
SELECT name, gate, until, speed, devices, streams, plan, marzban, credentials FROM slots WHERE name > ?1 AND gate <> 'retired' ORDER BY name LIMIT ?2";

/// A roster entry as stored.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct EntryRow {
    /// Slot.
    pub name: SlotName,
    /// Gate, or `retired`.
    pub gate: String,
    /// When the agent shuts the gate by itself.
    pub until: Option<i64>,
    /// Bytes a second in each direction, 0 = unlimited.
    pub speed: Bytes,
    /// Client addresses with a live connection, 0 = unlimited.
    pub devices: u32,
    /// Streams, 0 = unlimited.
    pub streams: u32,
    /// The user's plan.
    pub plan: Option<String>,
    /// JSON of the [`crate::domain::marzban::choice::Choice`] that was made for him.
    pub marzban: Option<String>,
    /// Credentials that were set by hand, sealed.
    pub credentials: Option<String>,
}

/// Slots changed after roster number `since`, one more than a page, so that a longer list shows.
#[must_use]
pub fn changed_since(since: RosterVersion) -> Statement {
    Statement::new(CHANGED_SINCE).bind(Bytes::saturating(since.number)).bind(one_more_than_a_page())
}

/// A page of the full roster, one entry more than a page if there is one.
#[must_use]
pub fn page_after(slot: Option<&SlotName>) -> Statement {
    Statement::new(PAGE_AFTER).bind(slot.map_or("", SlotName::as_str)).bind(one_more_than_a_page())
}

fn one_more_than_a_page() -> u32 {
    u32::try_from(PAGE).unwrap_or(u32::MAX).saturating_add(1)
}
