//! Usage and grants: the row that says what a user has used, and what his nodes may still pass.
//!
//! The arithmetic is that of [`weir_wire::grant`], in SQL inside the batch, because D1 has no transaction around a
//! read, a computation and a write. `tests/grants_sql.rs` runs both on the same histories and compares every number.

use serde::Serialize;
use weir_wire::grant::Rules;
use weir_wire::{Bytes, Epoch, NodeId, Second, SlotName};

use super::{Statement, epochs};

/// How a report's time lies to the user's current period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Landing {
    /// In it.
    Current,
    /// After its end: a new period begins first.
    Roll,
    /// Before its start: into the row of a period that has ended, and not into the current month.
    Late,
}

/// One user's share of a report, ready to apply: `[user, key, bytes, revision, landing, period start, period end, begins,
/// again]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Charge(
    /// User.
    pub i64,
    /// Grant entry, `node:epoch:slot`.
    pub String,
    /// Up and down, the node's own bytes.
    pub Bytes,
    /// `usage.revision` that this was prepared on.
    pub i64,
    /// Where the bytes land.
    pub Landing,
    /// Start of the period that contains the report (with [`Landing::Roll`]).
    pub Second,
    /// Its end.
    pub Second,
    /// Whether the account's time begins with these bytes.
    pub bool,
    /// Whether an earlier line of the same report charges him too: his credentials were replaced, so he has two slots.
    pub bool,
);

/// The name of a grant entry. Slots and epochs hold nothing that a JSON path would have to escape.
#[must_use]
pub fn entry_key(node: NodeId, epoch: Epoch, slot: &SlotName) -> String {
    format!("{node}:{epoch}:{slot}")
}

// Applies a report's bytes to n users.
// Rows: n written (the usage row; + 1 per period that rolls over, by trigger), n read (json_each) + the guard's 1.
// The nested SELECTs name each step once: what stands there, what is charged, where it lands. Sums stick at 2^53 - 1, as
// Bytes do: a larger one could not be read back, and one user's row would break every list that he is in.
// `last_charge` is what the report has charged him in all its lines: APPLY_LATE runs once behind them, so the row of an ended period
// lacks until then what his earlier lines have taken of its quota.
const APPLY: &str = "
INSERT INTO usage (user, job)
SELECT value ->> 0, value FROM json_each(?1)
WHERE coalesce((SELECT last_seq FROM epochs WHERE node = ?2 AND epoch = ?3), 0) = CAST(?4 AS INTEGER)
ON CONFLICT (user) DO UPDATE SET
  (month, lifetime, bonus_left, bonus_spent, remainder, entries, known, out,
   period_start, period_end, last_at, last_charge, revision, hold) = (
  SELECT
    min(CASE landing WHEN 'current' THEN usage.month + charged - bonus WHEN 'roll' THEN charged - bonus ELSE usage.month END,
      9007199254740991),
    min(usage.lifetime + charged, 9007199254740991),
    usage.bonus_left - bonus,
    usage.bonus_spent + bonus,
    rest,
    json_set(usage.entries, path,
      json_array(n, count_now, reported_now, held, known_now, spendable_now, answered_at)),
    usage.known - known + known_now,
    usage.out - spendable + spendable_now,
    CASE landing WHEN 'roll' THEN excluded.job ->> 5 ELSE usage.period_start END,
    CASE landing WHEN 'roll' THEN excluded.job ->> 6 ELSE usage.period_end END,
    max(usage.last_at, CAST(?6 AS INTEGER) + 1),
    min(charged_before + charged - bonus, 9007199254740991),
    CASE WHEN usage.revision = excluded.job ->> 3 THEN usage.revision + (landing = 'roll') END,
    CASE WHEN excluded.job ->> 7 THEN 0 ELSE usage.hold END
  FROM (
    SELECT *, min(max(charged - min(month_left, total_left), 0), usage.bonus_left) AS bonus,
      (unreported / 1000) * coefficient + ((unreported % 1000) * coefficient + 999) / 1000 AS known_now,
      (unspent / 1000) * coefficient + ((unspent % 1000) * coefficient + 999) / 1000 AS spendable_now
    FROM (
      SELECT *,
        (bytes / 1000) * coefficient + ((bytes % 1000) * coefficient + usage.remainder) / 1000 AS charged,
        ((bytes % 1000) * coefficient + usage.remainder) % 1000 AS rest,
        count_now - reported_now AS unreported,
        max(held - count_now, 0) AS unspent,
        CASE
          WHEN landing = 'late' THEN coalesce((
            SELECT CASE WHEN quota = 0 THEN 9007199254740991 ELSE max(quota - bytes - charged_before, 0) END FROM periods
            WHERE periods.user = usage.user AND start <= CAST(?6 AS INTEGER) ORDER BY start DESC LIMIT 1), 9007199254740991)
          WHEN usage.monthly_quota = 0 THEN 9007199254740991
          WHEN landing = 'roll' THEN usage.monthly_quota
          ELSE max(usage.monthly_quota - usage.month, 0) END AS month_left,
        CASE WHEN usage.total_quota = 0 THEN 9007199254740991
          ELSE max(usage.total_quota - (usage.lifetime - usage.bonus_spent), 0) END AS total_left
      FROM (
        SELECT *, max(count, reported_now) AS count_now FROM (SELECT *, min(reported + bytes, 9007199254740991) AS reported_now FROM (
          SELECT CAST(?5 AS INTEGER) AS coefficient, excluded.job ->> 2 AS bytes, excluded.job ->> 4 AS landing, path,
            CASE WHEN excluded.job ->> 8 THEN usage.last_charge ELSE 0 END AS charged_before,
            coalesce(entry ->> 0, 0) AS n, coalesce(entry ->> 1, 0) AS count, coalesce(entry ->> 2, 0) AS reported,
            coalesce(entry ->> 3, 0) AS held, coalesce(entry ->> 4, 0) AS known, coalesce(entry ->> 5, 0) AS spendable,
            coalesce(entry ->> 6, 0) AS answered_at
          FROM (SELECT path, usage.entries -> path AS entry
            FROM (SELECT '$.\"' || (excluded.job ->> 1) || '\"' AS path))))))))";

/// Applies a report's charges, if the epoch still stands at `guard`. Fails as stale when a user's revision has moved.
/// `at` is the second that decides hour and period (`to - 1`).
#[must_use]
pub fn apply(charges: &[Charge], guard: &epochs::Guard, coefficient: u32, at: Second) -> Statement {
    guard.bind(Statement::new(APPLY).bind_json(&charges)).bind(coefficient).bind(at)
}

// Before APPLY, which looks for the period's quota. Only sent when a report is late. Rows per late user: 5 read; written: 1 where
// a period began and ended unnoticed, which only happens while cron is away for longer than it lasts.
const OPEN_LATE: &str = "
INSERT INTO periods (user, start, end, quota, bytes, planned_end)
SELECT of_user, CASE WHEN own_start > CAST(?5 AS INTEGER) THEN before_end ELSE max(own_start, before_end) END,
  min(own_end, after_start), quota, 0, own_end
FROM (SELECT usage.user AS of_user, value ->> 1 AS own_start, value ->> 2 AS own_end, usage.monthly_quota AS quota,
    (SELECT end FROM periods WHERE periods.user = usage.user AND start <= CAST(?5 AS INTEGER) ORDER BY start DESC LIMIT 1)
      AS before_end,
    coalesce((SELECT min(start) FROM periods WHERE periods.user = usage.user AND start > CAST(?5 AS INTEGER)),
      usage.period_start) AS after_start
  FROM json_each(?1) JOIN usage ON usage.user = value ->> 0
  WHERE coalesce((SELECT last_seq FROM epochs WHERE node = ?2 AND epoch = ?3), 0) = CAST(?4 AS INTEGER))
WHERE before_end <= CAST(?5 AS INTEGER)
ON CONFLICT (user, start) DO NOTHING";

/// The period that a late report belongs to by the user's cycle: `[user, start, end]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Late(
    /// User.
    pub i64,
    /// Inclusive.
    pub Second,
    /// Exclusive.
    pub Second,
);

/// Makes the rows of periods that began and ended unnoticed, so that late bytes find theirs. [`apply`] and [`apply_late`] must
/// follow.
#[must_use]
pub fn open_late(late: &[Late], guard: &epochs::Guard, at: Second) -> Statement {
    guard.bind(Statement::new(OPEN_LATE).bind_json(&late)).bind(at)
}

// Adds what APPLY has just charged, in all lines, to the ended period in which it flowed. Only sent when a report is late.
// Rows: 1 written and <= 4 read per late user. Runs after APPLY in the same batch.
const APPLY_LATE: &str = "
UPDATE periods SET bytes = min(bytes + charge, 9007199254740991)
FROM (SELECT usage.user AS of_user, last_charge AS charge,
        (SELECT max(start) FROM periods WHERE periods.user = usage.user AND start <= CAST(?5 AS INTEGER)) AS of_start
      FROM json_each(?1) JOIN usage ON usage.user = value ->> 0
      WHERE coalesce((SELECT last_seq FROM epochs WHERE node = ?2 AND epoch = ?3), 0) = CAST(?4 AS INTEGER))
WHERE user = of_user AND start = of_start";

/// Credits late charges to the ended periods in which they flowed.
#[must_use]
pub fn apply_late(late: &[Late], guard: &epochs::Guard, at: Second) -> Statement {
    guard.bind(Statement::new(APPLY_LATE).bind_json(&late)).bind(at)
}

/// A grant lasts 24 h on the node; an hour later the panel counts on it no more.
pub const GRANT_FREED_AFTER: i64 = 25 * 3600;
/// As `ASK` has it.
const _: () = assert!(GRANT_FREED_AFTER == 90_000);

/// Whether nobody will report any more what an entry (`key`, `value` of `json_each`) has counted: its ledger was silent since second
/// `$since`, and another ledger of its node was heard after that. Whoever sets a ledger aside and enrols its host anew says nothing of
/// the one before. A node that is merely down stays known whole.
macro_rules! is_forsaken {
    ($since:literal) => {
        concat!(
            "(value ->> 4 > 0 AND value ->> 6 <= ",
            $since,
            " AND EXISTS (SELECT 1 FROM epochs WHERE node = CAST(key AS INTEGER) AND epoch = substr(key, instr(key, ':') + 1, 16)
          AND seen_at <= ",
            $since,
            ") AND EXISTS (SELECT 1 FROM epochs WHERE node = CAST(key AS INTEGER) AND seen_at > ",
            $since,
            "))"
        )
    };
}

// Answers up to 256 asks. [slot, key, count, stated limit, gives back] each.
// Rows: 1 written per ask answered; read 2 per ask (json_each, slot), and 1 (whether the panel was restored: then a user
// with a quota gets the limit that the node states and not more, see restored.rs). For whoever gets nothing while no node holds anything
// of his, 1 per entry and up to 2 epochs of each that is 25 hours old: whether what blocks him is forsaken.
// An ask whose n is not above the stored one changes nothing and returns nothing. Who gives back gets no more than he states, and
// calls nobody.
const ASK: &str = concat!(
    "
INSERT INTO usage (user, job)
SELECT slots.user, json_array(ask.value ->> 1, ask.value ->> 2, ask.value ->> 3, slots.gate = 'open', slots.name,
  EXISTS (SELECT 1 FROM meta WHERE name = 'restored_at'), ask.value ->> 4)
FROM json_each(?1) AS ask JOIN slots ON slots.name = ask.value ->> 0
WHERE slots.user IS NOT NULL
ON CONFLICT (user) DO UPDATE SET (entries, known, out, answer, called_at) = (
  SELECT
    json_set(usage.entries, path, json_array(CAST(?2 AS INTEGER), count_now, reported, held_now, known_now,
      (unspent / 1000) * coefficient + ((unspent % 1000) * coefficient + 999) / 1000, CAST(?6 AS INTEGER))),
    usage.known - known + known_now,
    usage.out - spendable + (unspent / 1000) * coefficient + ((unspent % 1000) * coefficient + 999) / 1000,
    json_array(excluded.job ->> 4, answer),
    CASE WHEN is_open AND NOT frozen AND NOT gives_back AND granted = 0 AND usage.called_at <= CAST(?6 AS INTEGER) - 30
      AND (others > 0 OR EXISTS (SELECT 1 FROM json_each(usage.entries) WHERE ",
    is_forsaken!("CAST(?6 AS INTEGER) - 90000"),
    "))
      THEN CAST(?6 AS INTEGER) ELSE usage.called_at END
  FROM (SELECT *, max(held_now - count_now, 0) AS unspent
  FROM (SELECT *, max(stated, answer) AS held_now
  FROM (SELECT *, CASE WHEN frozen AND is_open THEN stated ELSE min(count_now + CASE WHEN granted = 0 THEN 0 WHEN coefficient = 0 THEN largest
      ELSE granted * 1000 / coefficient END, CASE WHEN gives_back THEN max(stated, count_now) ELSE 9007199254740991 END) END AS answer
  FROM (SELECT *, restored AND left_over IS NOT NULL AS frozen, CASE WHEN NOT is_open THEN 0 WHEN left_over IS NULL THEN largest
      WHEN free <= floor THEN min(free, largest) ELSE min(max(floor, free / 2), largest) END AS granted
  FROM (SELECT *, max(left_over + usage.bonus_left - (usage.known - known + known_now) - others, 0) AS free
  FROM (SELECT *, usage.out - spendable AS others,
      ((count_now - reported) / 1000) * coefficient + (((count_now - reported) % 1000) * coefficient + 999) / 1000
        AS known_now,
      nullif(min(
        CASE WHEN usage.monthly_quota = 0 THEN 9007199254740991 ELSE max(usage.monthly_quota - usage.month, 0) END,
        CASE WHEN usage.total_quota = 0 THEN 9007199254740991
          ELSE max(usage.total_quota - (usage.lifetime - usage.bonus_spent), 0) END), 9007199254740991) AS left_over
  FROM (SELECT *, max(count_asked, reported) AS count_now
  FROM (SELECT path, CAST(?3 AS INTEGER) AS coefficient, CAST(?4 AS INTEGER) AS floor, CAST(?5 AS INTEGER) AS largest,
      excluded.job ->> 1 AS count_asked, excluded.job ->> 2 AS stated, excluded.job ->> 3 AS is_open,
      excluded.job ->> 5 AS restored, excluded.job ->> 6 AS gives_back,
      coalesce(entry ->> 2, 0) AS reported, coalesce(entry ->> 4, 0) AS known, coalesce(entry ->> 5, 0) AS spendable
    FROM (SELECT path, usage.entries -> path AS entry
      FROM (SELECT '$.\"' || (excluded.job ->> 0) || '\"' AS path)))))))))))
WHERE CAST(?2 AS INTEGER) > coalesce(usage.entries -> ('$.\"' || (excluded.job ->> 0) || '\"') ->> 0, 0)
RETURNING user, answer, called_at"
);

/// One ask, ready to answer: `[slot, key, count, stated limit, gives back]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AskRow(
    /// Slot.
    pub SlotName,
    /// Grant entry.
    pub String,
    /// Count now.
    pub Bytes,
    /// Limit that the node holds.
    pub Bytes,
    /// It wants no more.
    pub bool,
);

/// What [`ask`] returns per answered ask.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
pub struct AnswerRow {
    /// User.
    pub user: i64,
    /// JSON `[slot, limit]`.
    pub answer: String,
    /// Equals `now` when unspent grants of other nodes have to be called for.
    pub called_at: i64,
}

/// Answers asks of sync number `n`.
#[must_use]
pub fn ask(asks: &[AskRow], n: u64, coefficient: u32, rules: Rules, now: Second) -> Statement {
    Statement::new(ASK)
        .bind_json(&asks)
        .bind(Bytes::saturating(n))
        .bind(coefficient)
        .bind(rules.floor)
        .bind(rules.largest)
        .bind(now)
}

// Frees entries: what they hold is no longer spendable; with ?2 = 1 their unreported bytes are no longer known either.
// ?1 is a prefix of entry keys (a node, or a node's epoch). Rare (fork, node deleted): it reads every usage row.
const FREE: &str = "
UPDATE usage SET (entries, known, out) = (
  SELECT json_group_object(key, json(entry)), coalesce(sum(entry ->> 4), 0), coalesce(sum(entry ->> 5), 0) FROM (
    SELECT key, CASE
      WHEN instr(key, ?1) <> 1 THEN value
      WHEN ?2 THEN json_array(value ->> 0, value ->> 1, value ->> 1, value ->> 1, 0, 0, value ->> 6)
      ELSE json_array(value ->> 0, value ->> 1, value ->> 2, value ->> 1, value ->> 4, 0, value ->> 6) END AS entry
    FROM json_each(usage.entries)))
WHERE instr(entries, '\"' || ?1) > 0
  AND (?3 IS NULL OR coalesce((SELECT last_seq FROM epochs WHERE node = ?3 AND epoch = ?4), 0) = CAST(?5 AS INTEGER))";

fn free(prefix: String, forget: bool) -> Statement {
    Statement::new(FREE).bind(prefix).bind(i64::from(forget))
}

/// Frees what one epoch of a node holds, and forgets what it counted and never reported: it was left, and those bytes
/// are ambiguous. A second host that goes on in it enters itself again with its next ask.
#[must_use]
pub fn leave_epoch(left: Epoch, guard: &epochs::Guard) -> Statement {
    let statement = free(format!("{}:{left}:", guard.node), true);
    statement.bind(guard.node).bind(guard.epoch).bind(Bytes::saturating(guard.last_seq))
}

/// Frees and forgets everything of a node that is gone for good.
#[must_use]
pub fn leave_node(node: NodeId) -> Statement {
    unguarded(free(format!("{node}:"), true))
}

/// Frees what a deleted node holds. What it counted and still has to report stays known.
#[must_use]
pub(super) fn free_node(node: NodeId) -> Statement {
    unguarded(free(format!("{node}:"), false))
}

/// Whether an entry (`key`, `value` of `json_each`) holds what its node will never spend: it was not asked about until
/// second `?2`, or its credentials were replaced and the node holds a roster that lacks them.
macro_rules! is_idle {
    () => {
        "(value ->> 6 <= CAST(?2 AS INTEGER) OR EXISTS (
        SELECT 1 FROM slots AS s JOIN epochs AS e
        ON e.node = CAST(key AS INTEGER) AND e.epoch = substr(key, instr(key, ':') + 1, 16) AND e.held >= s.changed
        WHERE s.name = substr(key, instr(key, ':') + 18) AND s.gate = 'retired'))"
    };
}

// What an idle entry counted and still has to report stays known. A forsaken one goes back to what was reported: should its ledger come
// back after all, its next ask states its count anew. Rows read: 2 per user, and per entry of his 2 (json_each), 4 (its slot and epoch,
// twice) and, if it is 25 hours old, 4 more epochs; written: 1 per user of whom anything is freed.
const FREE_IDLE: &str = concat!(
    "
UPDATE usage SET (entries, known, out) = (
  SELECT json_group_object(key, json(entry)), coalesce(sum(entry ->> 4), 0), coalesce(sum(entry ->> 5), 0) FROM (
    SELECT key, CASE WHEN ",
    is_forsaken!("CAST(?2 AS INTEGER)"),
    " THEN json_array(value ->> 0, value ->> 2, value ->> 2, value ->> 2, 0, 0, value ->> 6) WHEN ",
    is_idle!(),
    " THEN json_array(value ->> 0, value ->> 1, value ->> 2, value ->> 1, value ->> 4, 0, value ->> 6)
      ELSE value END AS entry
    FROM json_each(usage.entries)))
WHERE user IN (SELECT value FROM json_each(?1))
  AND EXISTS (SELECT 1 FROM json_each(usage.entries) WHERE value ->> 5 > 0 AND ",
    is_idle!(),
    " OR ",
    is_forsaken!("CAST(?2 AS INTEGER)"),
    ")"
);

/// Frees what was granted to these users and will never be spent, and what was counted and will never be reported. Only done for users
/// who starve, because only then does it matter.
#[must_use]
pub fn free_idle(users: &[i64], now: Second) -> Statement {
    Statement::new(FREE_IDLE).bind_json(&users).bind(now.plus(-GRANT_FREED_AFTER))
}

fn unguarded(statement: Statement) -> Statement {
    statement.bind(None::<i64>).bind(None::<i64>).bind(None::<i64>)
}
