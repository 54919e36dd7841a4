//! How far a backup has got (`src/cron/backup.rs`); its parts are made by [`super::parts`].

use serde::{Deserialize, Serialize};
use weir_wire::Second;

use super::Statement;
use super::parts::Table;

/// How far a backup has got.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct State {
    /// When somebody asked for one.
    pub wanted_at: Option<i64>,
    /// Begin of the one under way.
    pub began_at: Option<i64>,
    /// The newest migration at that begin.
    pub migration: Option<String>,
    /// The table that is being copied.
    pub tab: Option<String>,
    /// The key after which it goes on.
    pub after: Option<String>,
    /// How many parts of it there are.
    pub parts: u32,
    /// Rows that its next part may have.
    pub step: u32,
    /// Begin of the newest that is complete.
    pub made_at: Option<i64>,
    /// The newest migration now.
    pub newest: Option<String>,
}

// Rows read: 1, and 1 of the migrations.
const STATE: &str = "
SELECT wanted_at, began_at, migration, tab, after, parts, step, made_at,
  (SELECT name FROM d1_migrations ORDER BY id DESC LIMIT 1) AS newest FROM backup_state";

/// How far a backup has got.
#[must_use]
pub fn state() -> Statement {
    Statement::new(STATE)
}

/// Seconds after which a run is surely over: the platform ends one after 15 minutes.
const HELD: i64 = 900;

// Rows written: 1.
const HOLD: &str = "
UPDATE backup_state SET held_until = CAST(?1 AS INTEGER) + CAST(?2 AS INTEGER)
WHERE held_until IS NULL OR held_until <= CAST(?1 AS INTEGER) OR held_until > CAST(?1 AS INTEGER) + CAST(?2 AS INTEGER)";
const LET_GO: &str = "UPDATE backup_state SET held_until = NULL";

/// A run begins; it changes a row unless another one may still go on.
#[must_use]
pub fn hold(now: Second) -> Statement {
    Statement::new(HOLD).bind(now).bind(HELD)
}

/// When the run that goes on is over for sure.
#[must_use]
pub fn is_over(now: Second) -> Second {
    now.plus(HELD)
}

/// A run ends.
#[must_use]
pub fn let_go() -> Statement {
    Statement::new(LET_GO)
}

// Rows written: 1.
const WANT: &str = "UPDATE backup_state SET wanted_at = CAST(?1 AS INTEGER) WHERE wanted_at IS NULL";

/// Somebody asks for a backup.
#[must_use]
pub fn want(now: Second) -> Statement {
    Statement::new(WANT).bind(now)
}

// Rows written: 1, and what an earlier one has left.
const BEGIN: &str = "
UPDATE backup_state SET began_at = CAST(?1 AS INTEGER), migration = (SELECT name FROM d1_migrations ORDER BY id DESC LIMIT 1),
  tab = NULL, after = NULL, parts = 0, step = 0";
const NO_PARTS: &str = "DELETE FROM backup_parts";
const NO_CHANGES: &str = "DELETE FROM backup_changes";

/// A backup begins. Nothing may be watched then: a table that is watched counts as copied.
#[must_use]
pub fn begin(now: Second) -> [Statement; 2] {
    [Statement::new(BEGIN).bind(now), Statement::new(NO_PARTS)]
}

/// Nothing is noted any more in `watched`, and what was noted is forgotten.
#[must_use]
pub fn tidy(watched: &[&Table]) -> Vec<Statement> {
    let unwatch = watched.iter().flat_map(|table| table.unwatch());
    unwatch.chain([Statement::new(NO_CHANGES)]).collect()
}

// Who asked while it was under way gets another one, because it may show an instant before his wish.
const END: &str = "
UPDATE backup_state SET made_at = coalesce(CAST(?1 AS INTEGER), made_at), began_at = NULL, migration = NULL, tab = NULL, after = NULL,
  wanted_at = CASE WHEN ?1 IS NULL OR wanted_at > CAST(?1 AS INTEGER) THEN wanted_at END";

/// The backup that began at `made` is complete, or the one under way is given up.
#[must_use]
pub fn end(made: Option<Second>) -> [Statement; 2] {
    [Statement::new(END).bind(made), Statement::new(NO_PARTS)]
}

/// A part that is in the bucket.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Part {
    /// Its name in the backup.
    pub name: String,
    /// Lines after the first.
    pub rows: u64,
    /// Size.
    pub bytes: u64,
    /// SHA-256 of its bytes, in hex.
    pub sha256: String,
}

// Rows written: 1 each.
const KEEP_PART: &str = "
INSERT INTO backup_parts (name, rows, bytes, sha256) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (name) DO UPDATE SET rows = excluded.rows, bytes = excluded.bytes, sha256 = excluded.sha256";
const GO_ON: &str = "
UPDATE backup_state SET tab = ?1, after = ?2, parts = CAST(?3 AS INTEGER), step = CAST(?4 AS INTEGER)
WHERE began_at = CAST(?5 AS INTEGER)";

/// A part of `table` is in the bucket; it goes on after `state.after`, or with another table.
#[must_use]
pub fn kept(part: Option<&Part>, state: &State) -> Vec<Statement> {
    let count = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let part = part.map(|part| {
        Statement::new(KEEP_PART)
            .bind(part.name.as_str())
            .bind(count(part.rows))
            .bind(count(part.bytes))
            .bind(part.sha256.as_str())
    });
    let state = Statement::new(GO_ON)
        .bind(state.tab.as_deref())
        .bind(state.after.as_deref())
        .bind(state.parts)
        .bind(state.step)
        .bind(state.began_at);
    part.into_iter().chain([state]).collect()
}

// Rows read: 1 per part.
const PARTS: &str = "SELECT name, rows, bytes, sha256 FROM backup_parts ORDER BY name";

/// Parts of the backup under way.
#[must_use]
pub fn parts() -> Statement {
    Statement::new(PARTS)
}

/// What the one batch says beside its parts.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Moment {
    /// JSON list of the migrations that were applied, in order.
    pub migrations: String,
    /// JSON list of the tables of the schema.
    pub tables: String,
    /// JSON list of [table, largest row number ever given], for tables that give none twice.
    pub sequences: String,
    /// The backup that it belongs to.
    pub began_at: Option<i64>,
}

const MOMENT: &str = "
SELECT (SELECT json_group_array(name) FROM (SELECT name FROM d1_migrations ORDER BY id)) AS migrations,
  (SELECT json_group_array(m.name) FROM (SELECT name FROM sqlite_schema AS m
    WHERE m.type = 'table' AND substr(m.name, 1, 7) <> 'sqlite_' AND substr(m.name, 1, 4) <> '_cf_'
      AND m.name NOT IN ('d1_migrations', 'backup_state', 'backup_parts', 'backup_changes') ORDER BY m.name) AS m) AS tables,
  (SELECT json_group_array(json_array(name, seq)) FROM sqlite_sequence WHERE name <> 'd1_migrations') AS sequences,
  (SELECT began_at FROM backup_state) AS began_at";

/// The schema of the moment at which the parts are made.
#[must_use]
pub fn moment() -> Statement {
    Statement::new(MOMENT)
}
