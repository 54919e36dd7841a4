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

// Counts an attempt before anybody is told whether its password is right, so that attempts made at the same instant are counted
// too. What is locked is not counted on and returns no row. A good one (`?5` is 0) takes the same rows in the same way, so that
// nothing tells it from a bad one while the bucket is locked; it forgets the failures before it if `?6` is 1, and leaves the
// instant of the last one as it is. Rows: 1 read, 1 written.
macro_rules! attempt {
    ($bucket:literal) => {
        concat!(
            "
INSERT OR IGNORE INTO sign_ins (bucket, failures, last_at) VALUES (",
            $bucket,
            ", ?5, ?2)
ON CONFLICT (bucket) DO UPDATE SET
  last_at = CASE WHEN excluded.failures > 0 THEN excluded.last_at ELSE last_at END,
  failures = CASE WHEN last_at <= excluded.last_at - CAST(?4 AS INTEGER) OR ?6 THEN excluded.failures
    ELSE failures + excluded.failures END
WHERE failures < CAST(?3 AS INTEGER) OR last_at <= excluded.last_at - CAST(?4 AS INTEGER)
RETURNING failures"
        )
    };
}
const ATTEMPT: &str = attempt!("?1");
// Follows directly on the statement of the address: whoever is locked out himself does not count against the name that he tries. A
// row without a bucket is none, and is ignored.
const ATTEMPT_FOR_NAME: &str = attempt!("CASE WHEN changes() > 0 THEN ?1 END");

/// What [`attempt`] returns.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub struct Attempt {
    /// Attempts without a good one, this one included.
    pub failures: u32,
}

/// How an attempt counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counts {
    /// As a failure, until it is forgiven.
    Fails,
    /// Not at all.
    Passes,
    /// As a good one: failures before it are forgotten.
    Clears,
}

fn counted(sql: &'static str, bucket: Bucket, counts: Counts, now: Second) -> Statement {
    let statement = Statement::new(sql).bind(bucket.number()).bind(now).bind(bucket.most()).bind(LOCKED_FOR);
    statement.bind(u32::from(counts == Counts::Fails)).bind(u32::from(counts == Counts::Clears))
}

/// Counts an attempt to sign in. No row comes back while the bucket is locked.
#[must_use]
pub fn attempt(bucket: Bucket, now: Second) -> Statement {
    counted(ATTEMPT, bucket, Counts::Fails, now)
}

// Follows directly on the statement of the name: when that one is locked, a good attempt counts against its address like any other.
// Otherwise whoever tries a locked name could tell by his own address whether he has found the password. Rows: none unless something is
// locked; then 1 read, 1 written.
const ATTEMPT_IN_VAIN: &str = "
UPDATE sign_ins SET failures = min(CAST(?4 AS INTEGER), failures + CAST(?2 AS INTEGER)), last_at = ?3
WHERE bucket = CASE WHEN changes() = 0 THEN ?1 ELSE -1 END AND (failures < CAST(?4 AS INTEGER) OR last_at = ?3)";

/// Counts an attempt against the address that it comes from and the name that it is for; the statements go in one batch. The first two
/// return an [`Attempt`]: none of what is locked, and none of the name while the address is.
#[must_use]
pub fn attempt_from(address: (Bucket, Counts), name: (Bucket, Counts), now: Second) -> [Statement; 3] {
    let (bucket, counts) = address;
    let in_vain = Statement::new(ATTEMPT_IN_VAIN).bind(bucket.number()).bind(u32::from(counts != Counts::Fails));
    [
        counted(ATTEMPT, bucket, counts, now),
        counted(ATTEMPT_FOR_NAME, name.0, name.1, now),
        in_vain.bind(now).bind(bucket.most()),
    ]
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
