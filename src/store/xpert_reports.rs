//! Reports of clients about traffic through other servers: one row written per report.

use serde::Deserialize;
use weir_wire::{Bytes, Second};

use super::Statement;

// Rows read: 2 (state, user).
const BY_TOKEN: &str = "
SELECT s.settings, u.id AS user FROM xpert_state AS s
LEFT JOIN users AS u ON u.id = ?1 AND u.generation = CAST(?2 AS INTEGER) AND u.deleted_at IS NULL WHERE s.id = 1";
// Rows read: 2 (state, alias); a deleted user has none.
const BY_ALIAS: &str = "
SELECT s.settings, a.user FROM xpert_state AS s LEFT JOIN aliases AS a ON a.alias = ?1 WHERE s.id = 1";

/// Whose report it is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Sender {
    /// JSON of [`crate::domain::xpert::settings::Stored`].
    pub settings: String,
    /// The user, if there is one.
    pub user: Option<i64>,
}

/// Finds the user of a subscription token.
#[must_use]
pub fn by_token(user: u32, generation: u32) -> Statement {
    Statement::new(BY_TOKEN).bind(user).bind(generation)
}

/// Finds the user of an alias.
#[must_use]
pub fn by_alias(alias: &str) -> Statement {
    Statement::new(BY_ALIAS).bind(alias)
}

// Sums stick at 2^53 - 1, as everywhere: a larger one could not be read back.
macro_rules! record {
    ($guard:literal) => {
        concat!(
            "
INSERT INTO xpert_fresh (user, day, server, port, protocol, up, down, trusted, charged, last_at)
SELECT ?1, CAST(?2 AS INTEGER) / 86400, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?2 WHERE ",
            $guard,
            "
ON CONFLICT (user, day, server, port, protocol) DO UPDATE SET
  up = min(up + excluded.up, 9007199254740991), down = min(down + excluded.down, 9007199254740991),
  trusted = min(trusted + excluded.trusted, 9007199254740991),
  charged = min(charged + excluded.charged, 9007199254740991), last_at = max(last_at, excluded.last_at)"
        )
    };
}

// Rows: 1 written.
const RECORD: &str = record!("true");
// Follows directly on the statement that remembers or charges: `changes()` looks at no other. Rows: 1 written.
const RECORD_IF_NEW: &str = record!("changes() > 0");

/// Digests that a user's row keeps, and the letters of each.
const KEYS: u32 = 128;
/// See [`KEYS`].
pub const KEY_LETTERS: u32 = 9;

// Rows: 1 read, 1 written.
const REMEMBER: &str = "
UPDATE usage SET report_keys = substr(?2 || report_keys, 1, CAST(?3 AS INTEGER))
WHERE user = ?1 AND instr(report_keys, ?2) = 0";

// The columns of `After`: the user is looked at when he is used up alone, by the rule of `gate_of_usage`, which needs an alias that
// RETURNING does not have; settings when `$warns`, and whoever has used up his quota is told that instead.
macro_rules! after {
    ($now:literal, $warns:literal) => {
        concat!(
            "monthly_quota, month, lifetime, bonus_left, bonus_spent, hold,
  CASE WHEN bonus_left = 0 AND (monthly_quota > 0 AND month >= monthly_quota
      OR total_quota > 0 AND lifetime - bonus_spent >= total_quota)
    THEN coalesce((SELECT gate = 'open' OR (gate = 'expired' AND next_plan IS NOT NULL AND coalesce(due_at, 9007199254740991) > CAST(",
            $now,
            " AS INTEGER))
    FROM users WHERE users.id = usage.user), 0) ELSE 0 END AS waits,
  CASE WHEN monthly_quota > 0 AND (month < monthly_quota OR bonus_left > 0)",
            $warns,
            "
    THEN (SELECT coalesce((SELECT value ->> 'quota_percent' FROM settings WHERE area = 'alerts'), '')
    FROM wanted WHERE kind = 'user.quota_warning' LIMIT 1) END AS percents"
        )
    };
}

// The rule of usage's APPLY, for bytes that no node counted: what exceeds a quota is taken from the bonus first. Nothing
// is charged to a period that has ended. Rows: 2 read (usage, and what is returned), 1 written; 1 more read of whom it leaves used up.
// Thresholds of warnings are whole percents of the quota, so they are asked for when one is passed alone, at most a hundred times a
// period: 2 more read then, if anybody wants a warning.
const CHARGE: &str = concat!(
    "
UPDATE usage SET (month, lifetime, bonus_left, bonus_spent, report_keys) = (
  SELECT min(month + charged - bonus, 9007199254740991), min(lifetime + charged, 9007199254740991),
    bonus_left - bonus, bonus_spent + bonus, substr(?2 || report_keys, 1, CAST(?3 AS INTEGER))
  FROM (SELECT charged, min(max(charged - min(month_left, total_left), 0), bonus_left) AS bonus
    FROM (SELECT CAST(?4 AS INTEGER) AS charged,
      CASE WHEN monthly_quota = 0 THEN 9007199254740991 ELSE max(monthly_quota - month, 0) END AS month_left,
      CASE WHEN total_quota = 0 THEN 9007199254740991 ELSE max(total_quota - (lifetime - bonus_spent), 0) END AS total_left)))
WHERE user = ?1 AND (?2 = '' OR instr(report_keys, ?2) = 0) AND period_end > CAST(?5 AS INTEGER)
RETURNING ",
    after!(
        "?5",
        " AND month * 100 / monthly_quota > (month - CAST(?4 AS INTEGER)) * 100 / monthly_quota"
    )
);

// Rows read: 1, 1 more of whoever is used up, and 2 more if anybody wants warnings.
const CHARGED: &str =
    concat!("SELECT ", after!("?2", ""), " FROM usage WHERE user = ?1 AND period_end > CAST(?2 AS INTEGER)");

/// What a charge leaves.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct After {
    /// Per period, 0 = unlimited.
    pub monthly_quota: Bytes,
    /// Used in the period, without bonus.
    pub month: Bytes,
    /// Used since the account was made, bonus included.
    pub lifetime: Bytes,
    /// Bonus left.
    pub bonus_left: Bytes,
    /// Bonus spent.
    pub bonus_spent: Bytes,
    /// How many seconds the account lasts from its first use on; 0 = it has begun.
    pub hold: i64,
    /// 1: he is used up and what follows from that has not followed: his gate is open, or he has expired and nobody has called for the plan
    /// that is queued. It is how he stands that decides, not this charge: the one that used him up may have been cut off before anything
    /// followed, and what a bonus had covered crosses no quota.
    pub waits: u32,
    /// As in [`crate::store::slots::Holder`]; none also when no whole percent of the quota was passed.
    pub percents: Option<String>,
}

/// How a user stands whose charge was stored before, as [`After`]; no row if his period has ended.
#[must_use]
pub fn charged(user: i64, now: Second) -> Statement {
    Statement::new(CHARGED).bind(user).bind(now)
}

/// One report, ready to record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Whose.
    pub user: i64,
    /// Server.
    pub server: &'a str,
    /// Its port.
    pub port: u32,
    /// Protocol.
    pub protocol: &'a str,
    /// Bytes from the client.
    pub up: Bytes,
    /// Bytes to the client.
    pub down: Bytes,
    /// Whether it was signed.
    pub is_trusted: bool,
    /// Whether it is charged to the user's quota.
    pub is_charged: bool,
    /// Digest of its Idempotency-Key, [`KEY_LETTERS`] letters; empty without one.
    pub key: &'a str,
}

impl Entry<'_> {
    /// Bytes of both directions.
    #[must_use]
    pub fn bytes(&self) -> Bytes {
        self.up.plus(self.down)
    }

    fn bytes_if(&self, holds: bool) -> Bytes {
        if holds { self.bytes() } else { Bytes::ZERO }
    }
}

/// Records a report: one batch, in which every statement changes a row unless the key was seen before or, when the report
/// is charged, the user's period has ended and the next one has not begun. A charge comes first and returns [`After`].
#[must_use]
pub fn record(entry: &Entry<'_>, now: Second) -> Vec<Statement> {
    let letters = KEYS * KEY_LETTERS;
    let first = match (entry.is_charged, entry.key) {
        (true, key) => {
            let charge = Statement::new(CHARGE).bind(entry.user).bind(key).bind(letters);
            Some(charge.bind(entry.bytes()).bind(now))
        }
        (false, "") => None,
        (false, key) => Some(Statement::new(REMEMBER).bind(entry.user).bind(key).bind(letters)),
    };
    let record = Statement::new(if first.is_some() { RECORD_IF_NEW } else { RECORD })
        .bind(entry.user)
        .bind(now)
        .bind(entry.server)
        .bind(entry.port)
        .bind(entry.protocol)
        .bind(entry.up)
        .bind(entry.down)
        .bind(entry.bytes_if(entry.is_trusted))
        .bind(entry.bytes_if(entry.is_charged));
    first.into_iter().chain([record]).collect()
}
