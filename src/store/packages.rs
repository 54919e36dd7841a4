//! Packages: traffic bought on top of the quotas, each order once.

use serde::Deserialize;
use weir_wire::{Bytes, Second};

use super::users::by_id;
use super::{Statement, gates, slots};

/// A package.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Package {
    /// The shop's number of the order.
    pub order_id: String,
    /// User.
    pub user: i64,
    /// Bytes.
    pub bytes: Bytes,
    /// What the operator wants to remember, such as the price.
    pub note: String,
    /// Who entered it.
    pub entered_by: String,
    /// When.
    pub bought_at: i64,
    /// When it was taken back.
    pub refunded_at: Option<i64>,
    /// Bytes that were left to take back.
    pub refunded_bytes: Option<Bytes>,
}

macro_rules! columns {
    () => {
        "SELECT order_id, user, bytes, note, entered_by, bought_at, refunded_at, refunded_bytes FROM packages "
    };
}

// Rows read: 1.
const BY_ORDER: &str = concat!(columns!(), "WHERE order_id = ?1");
// Rows read: 1 per package, 100 at most.
const OF_USER: &str = concat!(columns!(), "WHERE user = ?1 ORDER BY id DESC LIMIT 100");

/// Finds a package by its order.
#[must_use]
pub fn by_order(order: &str) -> Statement {
    Statement::new(BY_ORDER).bind(order)
}

/// A user's packages, the newest first, 100 at most.
#[must_use]
pub fn of_user(user: i64) -> Statement {
    Statement::new(OF_USER).bind(user)
}

// Rows written: 3 (row, two indexes).
const BUY: &str = "
INSERT INTO packages (user, order_id, bytes, note, entered_by, bought_at) VALUES (?1, ?2, ?3, ?4, ?5, CAST(?6 AS INTEGER))
ON CONFLICT (order_id) DO NOTHING";

// Directly after BUY: `changes()` is 0 for an order that was entered before. Rows: 1 read, 1 written.
const CREDIT: &str = "
UPDATE usage SET revision = revision + 1, bonus_left = min(bonus_left + CAST(?2 AS INTEGER), 9007199254740991)
WHERE user = ?1 AND changes() > 0";

/// Who buys what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purchase<'a> {
    /// User.
    pub user: i64,
    /// The shop's number of the order.
    pub order: &'a str,
    /// Bytes.
    pub bytes: Bytes,
    /// Note.
    pub note: &'a str,
    /// Who enters it.
    pub by: &'a str,
}

/// Enters a purchase, once for each order, decides the user's gate anew, and makes every node that holds a limit for him
/// ask. The first statement changes a row if the order is new, the last one returns the package.
#[must_use]
pub fn buy(purchase: &Purchase<'_>, salt: u32, now: Second) -> Vec<Statement> {
    let Purchase { user, order, bytes, note, by } = *purchase;
    vec![
        Statement::new(BUY).bind(user).bind(order).bind(bytes).bind(note).bind(by).bind(now),
        Statement::new(CREDIT).bind(user).bind(bytes),
        gates::settle(user, now),
        slots::number_change(salt),
        by_order(order),
    ]
}

// What has been used of a bonus is used: only what is left can be taken back. Rows: 2 read, 1 written.
const REFUND: &str = "
UPDATE packages SET refunded_at = CAST(?2 AS INTEGER),
  refunded_bytes = min(bytes, (SELECT bonus_left FROM usage WHERE usage.user = packages.user))
WHERE order_id = ?1 AND refunded_at IS NULL";

// Directly after REFUND. Rows: 2 read, 1 written.
const DEBIT: &str = "
UPDATE usage SET revision = revision + 1,
  bonus_left = bonus_left - (SELECT refunded_bytes FROM packages WHERE order_id = ?2)
WHERE user = ?1 AND changes() > 0";

/// Takes a package back: what is left of it leaves the user's bonus. A repeated refund changes nothing. The last two
/// statements return the package and the user.
#[must_use]
pub fn refund(user: i64, order: &str, salt: u32, now: Second) -> Vec<Statement> {
    vec![
        Statement::new(REFUND).bind(order).bind(now),
        Statement::new(DEBIT).bind(user).bind(order),
        gates::settle(user, now),
        slots::number_change(salt),
        by_order(order),
        by_id(user),
    ]
}
