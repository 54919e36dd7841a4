//! What is done to many users at once: whom it is for, how far it has got, and what it takes to undo it.
//!
//! The users are fixed when it is asked for, some hundred in a row. Each such chunk is done in one batch, which fails as stale if
//! anybody in it was changed since he was read, and does nothing if the chunk was done before.

mod selection;
mod undoing;

pub use selection::{CREATED, Chosen, Created, Selection, Wish, count, create, page};
pub use undoing::{Deleted, Unreset, bring_back, deleted_of, keep_aliases, return_aliases, unreset};

use serde::{Deserialize, Serialize};
use weir_wire::Second;

use super::Statement;
use super::users::columns;

/// Users of a chunk. What is changed of them is JSON in one parameter and one column, far below 2 MB.
pub const CHUNK: u32 = 250;
/// Seconds for which it can be undone after its end.
pub const UNDO_FOR: i64 = 86_400;

/// How far it has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It goes on.
    Running,
    /// It was done to all.
    Done,
    /// A person stopped it.
    Stopped,
    /// It is being undone.
    Undoing,
    /// It was undone.
    Undone,
}

/// Something that is done to many users.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Bulk {
    /// Number.
    pub id: i64,
    /// When it was asked for.
    pub created_at: i64,
    /// Who asked for it.
    pub entered_by: String,
    /// Whom it is for, as the API takes it.
    pub selection: String,
    /// What is done, as the API takes it.
    pub action: String,
    /// How far it is.
    pub state: State,
    /// Users that were chosen.
    pub total: u32,
    /// Those who were changed.
    pub done: u32,
    /// Those who were left as they were.
    pub skipped: u32,
    /// Those who were restored.
    pub undone: u32,
    /// Those who were not, because somebody changed them since.
    pub kept: u32,
    /// When it was done, stopped or undone.
    pub ended_at: Option<i64>,
}

impl Bulk {
    /// Until when it can be undone; none while that has not begun, or is over for good.
    #[must_use]
    pub fn undo_until(&self) -> Option<i64> {
        let ends = matches!(self.state, State::Done | State::Stopped);
        self.ended_at.filter(|_| ends).map(|ended| ended.saturating_add(UNDO_FOR))
    }

    /// Whether it can be undone at `now`.
    #[must_use]
    pub fn can_be_undone(&self, now: Second) -> bool {
        self.state == State::Running || self.undo_until().is_some_and(|until| now.get() < until)
    }
}

macro_rules! columns_of_bulk {
    () => {
        "SELECT id, created_at, entered_by, selection, action, state, total, done, skipped, undone, kept, ended_at FROM bulk "
    };
}

// Rows read: 1.
const BY_ID: &str = concat!(columns_of_bulk!(), "WHERE id = ?1");
// Rows read: 1 if there is one, else none.
const OPEN: &str = concat!(columns_of_bulk!(), "WHERE state IN ('running', 'undoing') ORDER BY id LIMIT 1");
// Rows read: 1 per row returned, 1 per row left out before.
const LIST: &str = concat!(columns_of_bulk!(), "WHERE id < CAST(?1 AS INTEGER) ORDER BY id DESC LIMIT ?2");

/// One of them.
#[must_use]
pub fn by_id(id: i64) -> Statement {
    Statement::new(BY_ID).bind(id)
}

/// The oldest one that goes on.
#[must_use]
pub fn open() -> Statement {
    Statement::new(OPEN)
}

/// At most `limit` of smaller numbers than `before`, the newest first.
#[must_use]
pub fn list(before: i64, limit: u32) -> Statement {
    Statement::new(LIST).bind(before).bind(limit)
}

/// A chunk as it waits.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Chunk {
    /// Its number.
    pub number: i64,
    /// JSON list of its users' numbers.
    pub users: String,
    /// JSON of what was changed of them.
    pub steps: String,
}

// Rows read: 1 per chunk up to the one that is found.
const NEXT: &str = "
SELECT number, users, steps FROM bulk_chunks
WHERE bulk = ?1 AND state = CASE ?2 WHEN 'running' THEN 'waiting' ELSE 'done' END ORDER BY number LIMIT 1";

/// The next chunk that is to be done, or undone if `state` says so.
#[must_use]
pub fn next(id: i64, state: State) -> Statement {
    Statement::new(NEXT).bind(id).bind(if state == State::Undoing { "undoing" } else { "running" })
}

// Rows read: 3 per user.
const USERS: &str = concat!(
    columns!(),
    "FROM json_each(?1) AS asked CROSS JOIN users ON users.id = asked.value JOIN usage AS u ON u.user = users.id
WHERE deleted_at IS NULL"
);

/// The users of a JSON list of numbers, without those who were deleted.
#[must_use]
pub fn users_of(numbers: &str) -> Statement {
    Statement::new(USERS).bind(numbers)
}

// NULL, and so stale, where the chunk was done before, the whole was stopped, or a user was changed since he was read. Rows: 1
// written; 2 read, and 2 per user.
const CLAIM: &str = "
UPDATE bulk_chunks SET steps = coalesce(?4, steps), skipped = coalesce(?5, skipped), kept = coalesce(?6, kept),
  state = CASE WHEN (SELECT state FROM bulk WHERE id = ?1) = ?3
    AND state = CASE ?3 WHEN 'running' THEN 'waiting' ELSE 'done' END
    AND (SELECT count(*) FROM json_each(?7) AS was CROSS JOIN usage AS u ON u.user = was.value ->> 0 AND u.revision = was.value ->> 1)
      = json_array_length(?7)
    THEN CASE ?3 WHEN 'running' THEN 'done' ELSE 'undone' END END
WHERE bulk = ?1 AND number = CAST(?2 AS INTEGER)";

// Rows: 1 read, 1 written.
const COUNT_ON: &str = "
UPDATE bulk SET done = done + CAST(?2 AS INTEGER), skipped = skipped + CAST(?3 AS INTEGER),
  undone = undone + CAST(?4 AS INTEGER), kept = kept + CAST(?5 AS INTEGER) WHERE id = ?1";

// Rows read: 1, and 1 per chunk; written: 2 when it is the last chunk (row, index).
const FINISH: &str = "
UPDATE bulk SET state = CASE state WHEN 'running' THEN 'done' ELSE 'undone' END, ended_at = CAST(?2 AS INTEGER)
WHERE id = ?1 AND state IN ('running', 'undoing') AND NOT EXISTS (SELECT 1 FROM bulk_chunks
  WHERE bulk_chunks.bulk = bulk.id AND bulk_chunks.state = CASE bulk.state WHEN 'running' THEN 'waiting' ELSE 'done' END)";

/// What a chunk comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// JSON of what is changed, or none when it is undone.
    pub steps: Option<String>,
    /// JSON of who is left as he is: as he was, or as somebody changed him since.
    pub left: String,
    /// Users who are changed.
    pub changed: u32,
    /// Users who are left as they are.
    pub kept: u32,
    /// `[user, revision as read]` of those who are changed.
    pub read: Vec<(i64, i64)>,
}

/// Does `effects` as what is to be done to one chunk, once; `state` says whether it is being done or undone.
#[must_use]
pub fn claim(id: i64, chunk: i64, state: State, sum: &Sum, effects: Vec<Statement>, now: Second) -> Vec<Statement> {
    let undoes = state == State::Undoing;
    let (skipped, kept) = if undoes { (None, Some(sum.left.as_str())) } else { (Some(sum.left.as_str()), None) };
    let claim = Statement::new(CLAIM)
        .bind(id)
        .bind(chunk)
        .bind(if undoes { "undoing" } else { "running" })
        .bind(sum.steps.as_deref())
        .bind(skipped)
        .bind(kept)
        .bind_json(&sum.read);
    let count = |counts: bool, number: u32| if counts { number } else { 0 };
    let counted = Statement::new(COUNT_ON)
        .bind(id)
        .bind(count(!undoes, sum.changed))
        .bind(count(!undoes, sum.kept))
        .bind(count(undoes, sum.changed))
        .bind(count(undoes, sum.kept));
    let mut batch = vec![claim];
    batch.extend(effects);
    batch.extend([counted, finish(id, now)]);
    batch
}

/// Ends it if no chunk is left to be done.
#[must_use]
pub fn finish(id: i64, now: Second) -> Statement {
    Statement::new(FINISH).bind(id).bind(now)
}

// Rows: 1 read, 2 written (row, index).
const STOP: &str =
    "UPDATE bulk SET state = 'stopped', ended_at = CAST(?2 AS INTEGER) WHERE id = ?1 AND state = 'running'";
// Rows: 1 read, 2 written.
const UNDO: &str = "
UPDATE bulk SET state = 'undoing', ended_at = NULL WHERE id = ?1 AND state IN ('running', 'done', 'stopped')";

/// Stops it where it is.
#[must_use]
pub fn stop(id: i64, now: Second) -> Statement {
    Statement::new(STOP).bind(id).bind(now)
}

/// Has it undone, as far as it was done.
#[must_use]
pub fn undo(id: i64) -> Statement {
    Statement::new(UNDO).bind(id)
}

// Rows read: 1 per chunk, and 1 per user shown.
const LEFT: &str = "
SELECT coalesce(json_group_array(json(one)), '[]') AS left FROM (
  SELECT said.value AS one FROM bulk_chunks, json_each(CASE ?2 WHEN 'skipped' THEN skipped ELSE kept END) AS said
  WHERE bulk = ?1 ORDER BY number, said.key LIMIT 200)";

/// What [`left`] returns.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Left {
    /// JSON list.
    pub left: String,
}

/// The first 200 users who were skipped, or, with `undone`, not restored, with the reasons.
#[must_use]
pub fn left(id: i64, undone: bool) -> Statement {
    Statement::new(LEFT).bind(id).bind(if undone { "kept" } else { "skipped" })
}

// Rows read: those found; written: 1 per row deleted.
const FORGET_CHUNKS: &str = "
DELETE FROM bulk_chunks WHERE bulk IN (SELECT id FROM bulk WHERE ended_at < CAST(?1 AS INTEGER))";
const FORGET: &str = "DELETE FROM bulk WHERE ended_at < CAST(?1 AS INTEGER)";

/// Forgets what ended before `at`.
#[must_use]
pub fn forget(at: Second) -> [Statement; 2] {
    [FORGET_CHUNKS, FORGET].map(|sql| Statement::new(sql).bind(at))
}
