//! Packages: traffic bought on top of the quotas, each order once.
//!
//! Reports draw from one counter, `usage.bonus_left`, and touch no package. What is left of each is settled when one is bought, taken
//! back or ends, in the same batch and before that changes the order in which they are used.

use serde::Deserialize;
use weir_wire::{Bytes, Second};

use super::users::by_id;
use super::{Statement, gates, jobs, slots};

/// A package.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Package {
    /// Number.
    pub id: i64,
    /// The shop's number of the order.
    pub order_id: String,
    /// User.
    pub user: i64,
    /// Bytes.
    pub bytes: Bytes,
    /// What the operator wants to remember.
    pub note: String,
    /// What was paid, in the shop's words.
    pub price: String,
    /// Who entered it.
    pub entered_by: String,
    /// When.
    pub bought_at: i64,
    /// When what is left of it ends.
    pub expires_at: Option<i64>,
    /// Bytes that were left when the user's packages were last settled ([`crate::domain::bonus::left`]).
    pub remaining: Bytes,
    /// When it was taken back.
    pub refunded_at: Option<i64>,
    /// Bytes that were left to take back.
    pub refunded_bytes: Option<Bytes>,
    /// When its rest ended.
    pub expired_at: Option<i64>,
    /// Bytes that ended with it.
    pub expired_bytes: Option<Bytes>,
}

macro_rules! columns {
    () => {
        "SELECT id, order_id, user, bytes, note, price, entered_by, bought_at, expires_at, remaining, refunded_at, refunded_bytes,
  expired_at, expired_bytes FROM packages "
    };
}

// Rows read: 1.
const BY_ORDER: &str = concat!(columns!(), "WHERE order_id = ?1");
// Rows read: 1 per package, 100 at most.
const OF_USER: &str = concat!(columns!(), "WHERE user = ?1 ORDER BY id DESC LIMIT 100");
// Rows read: 1 per package of the user, and 1.
const OPEN: &str = "
SELECT u.bonus_left, (SELECT json_group_array(json_object('id', id, 'remaining', remaining, 'expires_at', expires_at))
    FROM packages WHERE packages.user = u.user AND remaining > 0) AS open
FROM usage AS u WHERE u.user = ?1";

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

/// What [`open`] returns.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct OpenRow {
    /// What is left of the user's bonus.
    pub bonus_left: Bytes,
    /// JSON list of [`crate::domain::bonus::Open`].
    pub open: String,
}

/// What says how much is left of each of a user's packages.
#[must_use]
pub fn open(user: i64) -> Statement {
    Statement::new(OPEN).bind(user)
}

// Gives what reports have drawn since the last time to the packages that they have used: the sum of what the packages have is
// then no more than the bonus. Rows read: 4 per open package of the users and 1 per other one; written: 1 per package that
// was drawn from, and 1 more when it is going to end.
const SETTLE: &str = "
UPDATE packages SET remaining = remaining - taken
FROM (SELECT id AS of_id, min(remaining, drawn - before) AS taken FROM (
    SELECT p.id, p.remaining,
      sum(p.remaining) OVER (PARTITION BY p.user ORDER BY p.expires_at IS NULL, p.expires_at, p.id) - p.remaining AS before,
      sum(p.remaining) OVER (PARTITION BY p.user) - u.bonus_left AS drawn
    FROM json_each(?1) AS asked CROSS JOIN packages AS p ON p.user = asked.value JOIN usage AS u ON u.user = p.user
    WHERE p.remaining > 0)
  WHERE drawn > before)
WHERE packages.id = of_id";

/// Settles what reports have drawn from these users' packages.
///
/// It must come first in every batch that changes the bonus or the packages of a user in another way than by drawing from them.
#[must_use]
pub fn settle(users: &[i64]) -> Statement {
    Statement::new(SETTLE).bind_json(&users)
}

// What is credited is what the bonus can still hold, so that package and bonus agree. Rows written: 3 (row, two indexes), and 1 more
// when it is going to end.
const BUY: &str = "
INSERT INTO packages (user, order_id, bytes, note, entered_by, bought_at, price, expires_at, remaining)
SELECT ?1, ?2, ?3, ?4, ?5, CAST(?6 AS INTEGER), ?7, CAST(?8 AS INTEGER),
  min(CAST(?3 AS INTEGER), 9007199254740991 - (SELECT bonus_left FROM usage WHERE usage.user = ?1))
WHERE true ON CONFLICT (order_id) DO NOTHING";

// Directly after BUY: `changes()` is 0 for an order that was entered before. Rows: 2 read, 1 written.
const CREDIT: &str = "
UPDATE usage SET revision = revision + 1,
  bonus_left = bonus_left + (SELECT remaining FROM packages WHERE order_id = ?2)
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
    /// What was paid.
    pub price: &'a str,
    /// Who enters it.
    pub by: &'a str,
    /// When what is left of it ends.
    pub expires_at: Option<Second>,
}

/// Where the package that was there before, or is now, stands in the outcomes of [`buy`].
pub const BOUGHT: usize = 5;

/// Enters a purchase, once for each order, decides the user's gate anew, and makes every node that holds a limit for him
/// ask. The second statement changes a row if the order is new, the one at [`BOUGHT`] returns the package.
#[must_use]
pub fn buy(purchase: &Purchase<'_>, salt: u32, now: Second) -> Vec<Statement> {
    let Purchase { user, order, bytes, note, price, by, expires_at } = *purchase;
    let buy = Statement::new(BUY).bind(user).bind(order).bind(bytes).bind(note).bind(by).bind(now);
    let mut batch = vec![
        settle(&[user]),
        buy.bind(price).bind(expires_at),
        Statement::new(CREDIT).bind(user).bind(order),
        gates::settle(user, now),
        slots::number_change(salt),
        by_order(order),
    ];
    batch.extend(expires_at.map(|at| jobs::call("packages", at)));
    batch
}

// What has been used is used: only what is left can be taken back. Before REFUND, which decides whether there is something to do.
// Rows: 2 read, 1 written.
const DEBIT: &str = "
UPDATE usage SET revision = revision + 1,
  bonus_left = bonus_left - (SELECT remaining FROM packages WHERE order_id = ?2)
WHERE user = ?1 AND EXISTS (SELECT 1 FROM packages WHERE order_id = ?2 AND refunded_at IS NULL)";

// Rows: 1 read, 1 written, and 1 more when it was going to end.
const REFUND: &str = "
UPDATE packages SET refunded_at = CAST(?2 AS INTEGER), refunded_bytes = remaining, remaining = 0
WHERE order_id = ?1 AND refunded_at IS NULL";

/// Where the package stands in the outcomes of [`refund`].
pub const REFUNDED: usize = 6;

/// Takes a package back: what is left of it leaves the user's bonus. A repeated refund changes nothing. The last two
/// statements return the package and the user.
#[must_use]
pub fn refund(user: i64, order: &str, salt: u32, now: Second) -> Vec<Statement> {
    vec![
        settle(&[user]),
        Statement::new(DEBIT).bind(user).bind(order),
        Statement::new(REFUND).bind(order).bind(now),
        gates::settle(user, now),
        slots::number_change(salt),
        // An expired account may be used up by this, and its queued plan begin: no gate moves then that would call the sweep.
        gates::schedule(&[user], now),
        by_order(order),
        by_id(user),
    ]
}

/// The packages that are due at second `?2` among those of the list `?1`.
macro_rules! due {
    () => {
        "id IN (SELECT value FROM json_each(?1)) AND expires_at <= CAST(?2 AS INTEGER) AND expired_at IS NULL
  AND refunded_at IS NULL"
    };
}

// Rows read: 1 per package that is due, and 1 when a package is going to end.
const DUE: &str = "
SELECT id, user FROM packages
WHERE expires_at <= CAST(?1 AS INTEGER) AND expired_at IS NULL AND refunded_at IS NULL ORDER BY expires_at LIMIT CAST(?2 AS INTEGER)";
// Rows read: 1 when a package is going to end.
const NEXT: &str = "
SELECT min(expires_at) AS expires_at FROM packages
WHERE expires_at IS NOT NULL AND expired_at IS NULL AND refunded_at IS NULL";

/// A package that is due.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub struct Due {
    /// Package.
    pub id: i64,
    /// Its user.
    pub user: i64,
}

/// Packages whose time has come, at most `limit`.
#[must_use]
pub fn due(now: Second, limit: u32) -> Statement {
    Statement::new(DUE).bind(now).bind(limit)
}

/// What [`next`] returns.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub struct NextDue {
    /// When the next package ends.
    pub expires_at: Option<i64>,
}

/// When the next package ends.
#[must_use]
pub fn next() -> Statement {
    Statement::new(NEXT)
}

// Before EXPIRE, which decides what is due. Rows: 5 read per package, 1 written per user.
const DEBIT_DUE: &str = concat!(
    "
UPDATE usage SET revision = revision + 1, bonus_left = bonus_left - rest
FROM (SELECT user AS of_user, sum(remaining) AS rest FROM packages WHERE ",
    due!(),
    " GROUP BY user)
WHERE user = of_user"
);

// Rows: 2 read per package, 2 written (row, and its index entry out).
const EXPIRE: &str = concat!(
    "
UPDATE packages SET expired_at = CAST(?2 AS INTEGER), expired_bytes = remaining, remaining = 0
WHERE ",
    due!()
);

/// Ends packages: what is left of them leaves the bonus, gates are decided anew, and nodes that hold a limit ask. One that was ended or
/// taken back meanwhile is left alone.
#[must_use]
pub fn expire(due: &[Due], salt: u32, now: Second) -> Vec<Statement> {
    let packages: Vec<i64> = due.iter().map(|due| due.id).collect();
    let mut users: Vec<i64> = due.iter().map(|due| due.user).collect();
    users.sort_unstable();
    users.dedup();
    vec![
        settle(&users),
        Statement::new(DEBIT_DUE).bind_json(&packages).bind(now),
        Statement::new(EXPIRE).bind_json(&packages).bind(now),
        gates::settle_all(&users, now),
        slots::number_change(salt),
        gates::schedule(&users, now),
    ]
}
