//! Jobs: when each ran, when it runs again, and how it went.

use serde::Deserialize;
use weir_wire::Second;

use super::Statement;
use super::d1::Cost;

/// A job as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Job {
    /// Name.
    pub name: String,
    /// From when on it is due.
    pub next_at: i64,
    /// Begin of the last run.
    pub started_at: Option<i64>,
    /// End of the last run that came to an end.
    pub ended_at: Option<i64>,
    /// Milliseconds from its begin to its end.
    pub lasted_ms: i64,
    /// Queries of it.
    pub queries: u32,
    /// Rows that it read.
    pub rows_read: u32,
    /// Rows that it wrote.
    pub rows_written: u32,
    /// Runs in a row that did not end well.
    pub failures: u32,
    /// Why the last of them failed.
    pub error: Option<String>,
    /// Where it goes on.
    pub cursor: Option<String>,
    /// What it says of itself that is no error.
    pub note: Option<String>,
}

macro_rules! columns {
    () => {
        "SELECT name, next_at, started_at, ended_at, lasted_ms, queries, rows_read, rows_written, failures, error, cursor, note FROM jobs "
    };
}

// Rows read: 1 per job that exists.
const ALL: &str = concat!(columns!(), "ORDER BY name");
// The same. A clock that was set back must not put a job off for longer than the longest wait.
const DUE: &str = concat!(
    columns!(),
    "WHERE next_at <= CAST(?1 AS INTEGER) OR (next_at > CAST(?1 AS INTEGER) + 93600 AND next_at < 9007199254740991)
  OR started_at > CAST(?1 AS INTEGER) + 60 ORDER BY next_at, name"
);

/// All jobs.
#[must_use]
pub fn all() -> Statement {
    Statement::new(ALL)
}

/// The jobs that are due, the longest overdue first.
#[must_use]
pub fn due(now: Second) -> Statement {
    Statement::new(DUE).bind(now)
}

// Rows: 1 read, 1 written.
const BEGIN: &str = "
UPDATE jobs SET started_at = CAST(?2 AS INTEGER), next_at = CAST(?3 AS INTEGER), failures = failures + 1, error = NULL
WHERE name = ?1 AND next_at = CAST(?4 AS INTEGER)";

/// Begins a run; it changes a row unless another run began meanwhile. Until [`end`] says otherwise the run counts as cut off,
/// and is repeated at `retry`.
#[must_use]
pub fn begin(job: &Job, now: Second, retry: Second) -> Statement {
    Statement::new(BEGIN).bind(job.name.as_str()).bind(now).bind(retry).bind(job.next_at)
}

// Rows: 1 read, 1 written. Who asked for another run while this one went on is not forgotten: `next_at` is his. A run that only waited for
// another one says nothing of how that ended: what counted as failed before goes on to count.
const END: &str = "
UPDATE jobs SET ended_at = CAST(?2 AS INTEGER), lasted_ms = CAST(?3 AS INTEGER), queries = CAST(?4 AS INTEGER),
  rows_read = CAST(?5 AS INTEGER), rows_written = CAST(?6 AS INTEGER), error = ?7,
  failures = CASE WHEN ?10 THEN max(failures - 1, 0) WHEN ?7 IS NULL THEN 0 ELSE failures END,
  next_at = CASE WHEN next_at = CAST(?8 AS INTEGER) THEN CAST(?9 AS INTEGER) ELSE min(next_at, CAST(?9 AS INTEGER)) END
WHERE name = ?1";

/// What became of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome<'a> {
    /// It has done what there was to do.
    Done,
    /// It has done nothing, because another run may still go on, or was cut off.
    Waits,
    /// Why it failed.
    Failed(&'a str),
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending<'a> {
    /// Milliseconds that it took.
    pub lasted_ms: i64,
    /// What it cost.
    pub cost: Cost,
    /// What became of it.
    pub outcome: Outcome<'a>,
    /// What [`begin`] noted as the time of a repetition.
    pub retry: Second,
    /// When the job runs next.
    pub next: Second,
}

/// Notes the end of a run.
#[must_use]
pub fn end(name: &str, now: Second, ending: &Ending<'_>) -> Statement {
    let error = if let Outcome::Failed(why) = ending.outcome { Some(why) } else { None };
    let count = |number: usize| i64::try_from(number).unwrap_or(i64::from(u32::MAX)).min(i64::from(u32::MAX));
    Statement::new(END)
        .bind(name)
        .bind(now)
        .bind(ending.lasted_ms)
        .bind(count(ending.cost.queries))
        .bind(count(ending.cost.read))
        .bind(count(ending.cost.written))
        .bind(error)
        .bind(ending.retry)
        .bind(ending.next)
        .bind(i64::from(ending.outcome == Outcome::Waits))
}

// Rows: 1 read, 1 written.
const CALL: &str = "UPDATE jobs SET next_at = min(next_at, CAST(?2 AS INTEGER)) WHERE name = ?1";

/// Makes a job due at `at` if it is not due before; it changes a row if there is such a job.
#[must_use]
pub fn call(name: &str, at: Second) -> Statement {
    Statement::new(CALL).bind(name).bind(at)
}

// Rows: 1 read, 1 written.
const KEEP: &str = "UPDATE jobs SET cursor = ?2 WHERE name = ?1";

/// Notes where a job goes on; `None` from the beginning. It belongs into the batch of the chunk that is done.
#[must_use]
pub fn keep(name: &str, cursor: Option<&str>) -> Statement {
    Statement::new(KEEP).bind(name).bind(cursor)
}

// Rows: 1 read, 1 written.
const NOTE: &str = "UPDATE jobs SET note = ?2 WHERE name = ?1";

/// What a job says of itself that is no error.
#[must_use]
pub fn note(name: &str, note: Option<&str>) -> Statement {
    Statement::new(NOTE).bind(name).bind(note)
}
