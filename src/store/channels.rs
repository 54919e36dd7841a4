//! Channels: where events are told, and how each stands.

use serde::Deserialize;
use weir_wire::Second;

use super::Statement;

/// A channel. Its address and secrets are sealed.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Channel {
    /// Number.
    pub id: i64,
    /// Name.
    pub name: String,
    /// `webhook`, `telegram` or `email`.
    #[serde(rename = "type")]
    pub type_name: String,
    /// 1 unless it was switched off.
    pub enabled: i64,
    /// `operator` or `user`.
    pub audience: String,
    /// JSON of [`crate::domain::notice::channel::Rules`].
    pub rules: String,
    /// Sealed JSON of [`crate::domain::notice::channel::Target`].
    pub target: String,
    /// When it was created.
    pub created_at: i64,
    /// Tries in a row that failed.
    pub failures: u32,
    /// Not before then.
    pub next_at: i64,
    /// When it was last tried.
    pub tried_at: Option<i64>,
    /// HTTP status of that try.
    pub status: Option<u16>,
    /// Why it failed.
    pub error: Option<String>,
    /// When it last took something.
    pub delivered_at: Option<i64>,
}

macro_rules! columns {
    () => {
        "SELECT id, name, type, enabled, audience, rules, target, created_at, failures, next_at, tried_at, status, error,
  delivered_at FROM channels "
    };
}

// Rows read: 1 per channel.
const ALL: &str = concat!(columns!(), "ORDER BY name");
// Rows read: 1.
const ONE: &str = concat!(columns!(), "WHERE id = CAST(?1 AS INTEGER)");
// Rows read: 1 per channel, and 1 more for each that has something to tell. Whoever was served longest ago comes first, so
// none is put off by others that have more to tell.
const DUE: &str = concat!(
    columns!(),
    "WHERE enabled AND EXISTS (SELECT 1 FROM deliveries INDEXED BY deliveries_waiting
  WHERE channel = channels.id AND state = 'waiting') ORDER BY coalesce(tried_at, 0), id"
);

/// All channels by name.
#[must_use]
pub fn all() -> Statement {
    Statement::new(ALL)
}

/// One channel.
#[must_use]
pub fn one(id: i64) -> Statement {
    Statement::new(ONE).bind(id)
}

/// The channels that are on and have something to tell.
#[must_use]
pub fn due() -> Statement {
    Statement::new(DUE)
}

/// What is stored of a channel that an operator enters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fields<'a> {
    /// Name.
    pub name: &'a str,
    /// Type.
    pub type_name: &'a str,
    /// Whether it is on.
    pub enabled: bool,
    /// `operator` or `user`.
    pub audience: &'a str,
    /// JSON of the rules.
    pub rules: &'a str,
    /// JSON list of the kinds that get through.
    pub wants: &'a str,
    /// Sealed target.
    pub target: &'a str,
}

impl Fields<'_> {
    fn bind(&self, statement: Statement) -> Statement {
        let statement =
            statement.bind(self.name).bind(self.type_name).bind(i64::from(self.enabled)).bind(self.audience);
        statement.bind(self.rules).bind(self.wants).bind(self.target)
    }
}

// Rows read: 1 per channel; there are `most` at most.
const CREATE: &str = "
INSERT INTO channels (name, type, enabled, audience, rules, wants, target, created_at)
SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8 WHERE (SELECT count(*) FROM channels) < CAST(?9 AS INTEGER) RETURNING id";

/// What [`create`] returns.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub struct Created {
    /// Its number.
    pub id: i64,
}

/// Creates a channel unless there are `most`.
#[must_use]
pub fn create(fields: &Fields<'_>, most: u32, now: Second) -> Statement {
    fields.bind(Statement::new(CREATE)).bind(now).bind(most)
}

// A new address may be better than the old one: it is tried at once.
const CHANGE: &str = "
UPDATE channels SET name = ?1, type = ?2, enabled = ?3, audience = ?4, rules = ?5, wants = ?6, target = ?7,
  failures = 0, next_at = 0 WHERE id = CAST(?8 AS INTEGER)";

/// Replaces a channel's fields; it is tried again at once.
#[must_use]
pub fn change(id: i64, fields: &Fields<'_>) -> Statement {
    fields.bind(Statement::new(CHANGE)).bind(id)
}

const DELETE: &str = "DELETE FROM channels WHERE id = CAST(?1 AS INTEGER)";

/// Deletes a channel. Its deliveries are forgotten with their events.
#[must_use]
pub fn delete(id: i64) -> Statement {
    Statement::new(DELETE).bind(id)
}

/// Seconds for which a run has a channel to itself, if nothing more is heard of that run.
pub const CLAIM: i64 = 120;

// Rows: 2 read, 1 written. A claim of a clock that was set back since then counts for nothing.
const CLAIM_IT: &str = "
UPDATE channels SET claimed_until = CAST(?2 AS INTEGER) + 120
WHERE id = CAST(?1 AS INTEGER) AND enabled AND (claimed_until <= CAST(?2 AS INTEGER) OR claimed_until > CAST(?2 AS INTEGER) + 120)
RETURNING (SELECT min(next_at) FROM deliveries INDEXED BY deliveries_waiting
  WHERE channel = channels.id AND state = 'waiting' AND next_at > CAST(?2 AS INTEGER)) AS later";

/// What [`claim`] returns.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub struct Claimed {
    /// When the first delivery that must wait may be tried; none where none must.
    pub later: Option<i64>,
}

/// Takes a channel for [`CLAIM`] seconds; it returns a row unless another run has it.
#[must_use]
pub fn claim(id: i64, now: Second) -> Statement {
    Statement::new(CLAIM_IT).bind(id).bind(now)
}

/// How a channel's tries went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Tries in a row that failed.
    pub failures: u32,
    /// Not before then.
    pub next_at: i64,
    /// HTTP status of the last try.
    pub status: Option<u16>,
    /// Why it failed.
    pub error: Option<String>,
    /// Whether anything got through.
    pub delivered: bool,
}

// Rows: 1 read, 1 written. A run that was overtaken says nothing about a channel that is another one's by now.
const RELEASE: &str = "
UPDATE channels SET claimed_until = 0, failures = ?3, next_at = ?4, tried_at = ?5, status = ?6, error = ?7,
  delivered_at = CASE WHEN ?8 THEN ?5 ELSE delivered_at END
WHERE id = CAST(?1 AS INTEGER) AND claimed_until = CAST(?2 AS INTEGER) + 120";

/// Gives back a channel that was claimed at `claimed`.
#[must_use]
pub fn release(id: i64, claimed: Second, standing: &Standing, now: Second) -> Statement {
    Statement::new(RELEASE)
        .bind(id)
        .bind(claimed)
        .bind(standing.failures)
        .bind(standing.next_at)
        .bind(now)
        .bind(standing.status.map(u32::from))
        .bind(standing.error.as_deref())
        .bind(i64::from(standing.delivered))
}

// Rows: 1 read, 1 written.
const WAKE: &str = "UPDATE channels SET failures = 0, next_at = 0 WHERE id = CAST(?1 AS INTEGER)";

/// Lets a channel be tried at once.
#[must_use]
pub fn wake(id: i64) -> Statement {
    Statement::new(WAKE).bind(id)
}
