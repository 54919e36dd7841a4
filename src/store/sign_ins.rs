//! Attempts to sign in, counted per name and per address, and what they are checked against.

use serde::Deserialize;
use weir_wire::Second;

use super::Statement;
use crate::domain::role::Role;

/// So many failed sign-ins in a row lock a name.
pub const FAILURES: u32 = 10;
/// So many failed sign-ins lock an address, whatever names they were for. More, because people share addresses.
pub const ADDRESS_FAILURES: u32 = 30;
/// Seconds after the last failure for which either stays locked, and after which failures are forgotten.
pub const LOCKED_FOR: i64 = 900;

/// Where attempts are counted: 65,536 buckets of names and as many of addresses, by their hashes. So a lock-out tells nothing about who
/// exists, and guesses cannot fill the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bucket {
    /// Of a name.
    Name(u16),
    /// Of an address.
    Address(u16),
}

impl Bucket {
    /// Attempts that lock it.
    #[must_use]
    pub const fn most(self) -> u32 {
        match self {
            Self::Name(_) => FAILURES,
            Self::Address(_) => ADDRESS_FAILURES,
        }
    }

    fn number(self) -> u32 {
        match self {
            Self::Name(bucket) => u32::from(bucket),
            Self::Address(bucket) => (1 << 16) | u32::from(bucket),
        }
    }
}

// Counts an attempt before its password is looked at, so that attempts made at the same instant are counted too. What is
// locked is not counted on and returns no row. Rows: 1 read, 1 written.
const ATTEMPT: &str = "
INSERT INTO sign_ins (bucket, failures, last_at) VALUES (?1, 1, ?2)
ON CONFLICT (bucket) DO UPDATE SET last_at = excluded.last_at,
  failures = CASE WHEN last_at <= excluded.last_at - CAST(?4 AS INTEGER) THEN 1 ELSE failures + 1 END
WHERE failures < CAST(?3 AS INTEGER) OR last_at <= excluded.last_at - CAST(?4 AS INTEGER)
RETURNING failures";

/// What [`attempt`] returns.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub struct Attempt {
    /// Attempts without a good one, this one included.
    pub failures: u32,
}

/// Counts an attempt to sign in. No row comes back while the bucket is locked.
#[must_use]
pub fn attempt(bucket: Bucket, now: Second) -> Statement {
    Statement::new(ATTEMPT).bind(bucket.number()).bind(now).bind(bucket.most()).bind(LOCKED_FOR)
}

// Rows read: 1.
const LAST: &str = "SELECT last_at FROM sign_ins WHERE bucket = ?1";

/// When the last attempt was counted.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub struct Last {
    /// Unix second.
    pub last_at: i64,
}

/// When the last attempt of a bucket was counted.
#[must_use]
pub fn last(bucket: Bucket) -> Statement {
    Statement::new(LAST).bind(bucket.number())
}

// Rows read: 1, whether the name exists or not; one row comes back in any case. A disabled operator is nobody.
const FIND: &str = "
SELECT o.id, o.role, o.password_hash, iif(o.totp_since IS NULL, NULL, o.totp) AS totp, coalesce(o.totp_step, 0) AS totp_step
FROM (SELECT 1) LEFT JOIN operators AS o ON o.name = ?1 AND o.disabled_at IS NULL";

/// What a sign-in is checked against.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Candidate {
    /// The operator, if there is one of this name.
    pub id: Option<i64>,
    /// What he is.
    pub role: Option<Role>,
    /// His password as it is stored: see [`crate::domain::password`].
    pub password_hash: Option<String>,
    /// The sealed secret of his second factor, if he has confirmed one.
    pub totp: Option<String>,
    /// The last step whose code was taken.
    pub totp_step: i64,
}

/// Finds the operator of a name.
#[must_use]
pub fn find(name: &str) -> Statement {
    Statement::new(FIND).bind(name)
}

// Rows: 1 read, 1 written.
const FORGIVE: &str = "DELETE FROM sign_ins WHERE bucket = ?1";
const FORGIVE_ONE: &str = "UPDATE sign_ins SET failures = failures - 1 WHERE bucket = ?1 AND failures > 0";

/// Forgets failed attempts for a name after a good one; of an address only the good one itself: otherwise somebody who has an
/// operator of his own could guess on and on.
#[must_use]
pub fn forgive(bucket: Bucket) -> Statement {
    let sql = match bucket {
        Bucket::Name(_) => FORGIVE,
        Bucket::Address(_) => FORGIVE_ONE,
    };
    Statement::new(sql).bind(bucket.number())
}
