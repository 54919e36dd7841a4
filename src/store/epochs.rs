//! Epochs: one row per ledger that ever reported, and the rule that makes a report count once.

use serde::Deserialize;
use weir_wire::sync::Report;
use weir_wire::{Bytes, Epoch, NodeId, Second};

use super::{Statement, Value};

/// Reports whose digest is kept, to tell a repeated report from a forked one.
pub const DIGESTS: usize = 64;

/// "If this epoch still stands at this number": every statement that a report leads to carries it, because a batch
/// cannot branch, and the statement that moves the number comes last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guard {
    /// The node that reports.
    pub node: NodeId,
    /// Its ledger.
    pub epoch: Epoch,
    /// `last_seq` that the report follows on; 0 for an epoch that the panel does not know.
    pub last_seq: u64,
}

impl Guard {
    /// Binds node, epoch and number as the next three parameters, `?2`, `?3`, `?4` in every statement.
    #[must_use]
    pub fn bind(&self, statement: Statement) -> Statement {
        statement.bind(self.node).bind(self.epoch).bind(Bytes::saturating(self.last_seq))
    }
}

// Rows read: 1.
const KEY: &str = "SELECT expires_at, deleted_at FROM node_keys WHERE hash = ?1";

/// Until when a node's key is one.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub struct Key {
    /// The key ends here (it was rotated).
    pub expires_at: Option<i64>,
    /// The node was deleted.
    pub deleted_at: Option<i64>,
}

/// Looks a key up by its hash, and nothing else of its node.
#[must_use]
pub fn key(key_hash: &str) -> Statement {
    Statement::new(KEY).bind(key_hash)
}

// One row read per key, per epoch and for the newest roster version; one more when the node's roster is not the newest.
// The version comes first: in another place of the join SQLite stores it before it reads it, and that row is billed too.
const AUTHENTICATE: &str = "
SELECT k.node, k.coefficient, k.node_since, k.fresh, k.expires_at, k.deleted_at, k.restored, k.inbound_plans,
  coalesce(e.last_seq, 0) AS last_seq, coalesce(e.last_to, 0) AS last_to, coalesce(e.seen_at, 0) AS seen_at,
  coalesce(e.held, 0) AS held, coalesce(e.loaded, 0) AS loaded, coalesce(e.unknown, 0) AS unknown,
  CASE WHEN ?3 THEN e.digests END AS digests,
  v.number AS roster_number, v.salt AS roster_salt,
  CASE v.number WHEN CAST(?4 AS INTEGER) THEN v.salt
    ELSE (SELECT salt FROM roster_versions WHERE number = CAST(?4 AS INTEGER)) END AS held_salt
FROM (SELECT number, salt FROM roster_versions ORDER BY number DESC LIMIT 1) AS v
CROSS JOIN node_keys AS k
LEFT JOIN epochs AS e ON e.node = k.node AND e.epoch = ?2
WHERE k.hash = ?1";

/// Who speaks, and where his ledger stands.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Caller {
    /// Node number.
    pub node: u32,
    /// Per mille.
    pub coefficient: u32,
    /// When the node was created: no byte of it is older.
    pub node_since: i64,
    /// 1 until the first sync with this key.
    pub fresh: i64,
    /// The key ends here (it was rotated).
    pub expires_at: Option<i64>,
    /// The node was deleted.
    pub deleted_at: Option<i64>,
    /// 1 while the node still has to replay what a restored panel lacks.
    pub restored: i64,
    /// JSON list of [`weir_wire::sync::InboundPlans`]; none: the node never had any.
    pub inbound_plans: Option<String>,
    /// Last report applied, 0 when the epoch is unknown.
    pub last_seq: u64,
    /// `to` of that report as it was applied.
    pub last_to: i64,
    /// When the epoch's status was last stored.
    pub seen_at: i64,
    /// Roster number that was last stored as held.
    pub held: u64,
    /// Roster number that was last stored as loaded.
    pub loaded: u64,
    /// Bytes of the epoch so far whose slots the panel does not know or nobody has.
    pub unknown: Bytes,
    /// JSON list of the last digests, the newest last (only when asked for and the epoch is known).
    pub digests: Option<String>,
    /// The newest roster version.
    pub roster_number: u64,
    /// Its salt.
    pub roster_salt: u32,
    /// The salt that belongs to the number that the node holds, if the panel knows that number.
    pub held_salt: Option<u32>,
}

/// Looks a node up by the hash of its key, with its epoch.
#[must_use]
pub fn authenticate(key_hash: &str, epoch: Epoch, with_digests: bool, held: u64) -> Statement {
    Statement::new(AUTHENTICATE).bind(key_hash).bind(epoch).bind(i64::from(with_digests)).bind(Bytes::saturating(held))
}

/// What a sync says of the node itself; stored with a report, or alone when it was not stored for a minute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The panel's clock.
    pub now: Second,
    /// The host's clock minus the panel's, seconds.
    pub clock_off: i64,
    /// Version of the agent.
    pub agent: String,
    /// Roster number held.
    pub held: u64,
    /// Roster number loaded into the core.
    pub loaded: u64,
    /// `NodeStatus` as JSON; `None` keeps the stored one.
    pub status: Option<String>,
}

// The statement that moves `last_seq`; it comes last in the batch. Rows: 2 written (the row, and by trigger the node's hour), 1 + the
// guard's 1 read.
// After a gap the digests start anew, because their places in the list stand for consecutive numbers.
const MOVE: &str = "
INSERT INTO epochs (last_seq, node, epoch, last_to, up, down, unknown, unattributed, outside,
  created_at, applied_at, seen_at, clock_off, agent, held, loaded, status, digests)
SELECT ?1, ?2, ?3, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?11, ?11, ?12, ?13, ?14, ?15, coalesce(?16, '{}'), json_array(?17)
WHERE coalesce((SELECT last_seq FROM epochs WHERE node = ?2 AND epoch = ?3), 0) = CAST(?4 AS INTEGER)
ON CONFLICT (node, epoch) DO UPDATE SET
  last_seq = excluded.last_seq, last_to = excluded.last_to,
  up = min(up + excluded.up, 9007199254740991), down = min(down + excluded.down, 9007199254740991),
  unknown = min(unknown + excluded.unknown, 9007199254740991),
  unattributed = excluded.unattributed, outside = excluded.outside,
  applied_at = excluded.applied_at, seen_at = excluded.seen_at, clock_off = excluded.clock_off, agent = excluded.agent,
  held = excluded.held, loaded = excluded.loaded, status = coalesce(?16, status),
  digests = CASE
    WHEN excluded.last_seq <> epochs.last_seq + 1 THEN excluded.digests
    WHEN json_array_length(epochs.digests) >= 64 THEN json_remove(json_insert(epochs.digests, '$[#]', ?17), '$[0]')
    ELSE json_insert(epochs.digests, '$[#]', ?17) END
WHERE epochs.last_seq = CAST(?4 AS INTEGER)";

/// Sums of a report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Bytes of known slots from clients.
    pub up: Bytes,
    /// Bytes of known slots to clients.
    pub down: Bytes,
    /// Bytes of slots that the panel does not know or that nobody had.
    pub unknown: Bytes,
}

/// Marks `report` as applied. `to` is its end as clamped.
#[must_use]
pub fn advance(report: &Report, guard: &Guard, to: Second, sums: Sums, seen: &Seen) -> Statement {
    guard
        .bind(Statement::new(MOVE).bind(Bytes::saturating(report.seq)))
        .bind(to)
        .bind(sums.up)
        .bind(sums.down)
        .bind(sums.unknown)
        .bind(report.unattributed)
        .bind(report.foreign)
        .bind(seen.now)
        .bind(seen.clock_off)
        .bind(seen.agent.as_str())
        .bind(Bytes::saturating(seen.held))
        .bind(Bytes::saturating(seen.loaded))
        .bind(seen.status.clone().map_or(Value::Null, Value::Text))
        .bind(report.digest.as_str())
}

// Rows: 1 written, 1 read.
const SEE: &str = "
INSERT INTO epochs (node, epoch, created_at, seen_at, clock_off, agent, held, loaded, status)
VALUES (?1, ?2, ?3, ?3, ?4, ?5, ?6, ?7, coalesce(?8, '{}'))
ON CONFLICT (node, epoch) DO UPDATE SET seen_at = excluded.seen_at, clock_off = excluded.clock_off,
  agent = excluded.agent, held = excluded.held, loaded = excluded.loaded, status = coalesce(?8, status)";

/// Stores how the node is.
#[must_use]
pub fn see(node: NodeId, epoch: Epoch, seen: &Seen) -> Statement {
    Statement::new(SEE)
        .bind(node)
        .bind(epoch)
        .bind(seen.now)
        .bind(seen.clock_off)
        .bind(seen.agent.as_str())
        .bind(Bytes::saturating(seen.held))
        .bind(Bytes::saturating(seen.loaded))
        .bind(seen.status.clone().map_or(Value::Null, Value::Text))
}

// Rows: 2 written (the row and its index).
const NOTE: &str = "INSERT INTO node_events (node, at, kind, detail)
SELECT ?2, ?5, ?6, ?7
WHERE coalesce((SELECT last_seq FROM epochs WHERE node = ?2 AND epoch = ?3), 0) = CAST(?4 AS INTEGER) AND ?1";

// Rows: 2 written (the row and its index) if there is something to say, 1 read + the guard's 1.
const NOTE_LOST: &str = "INSERT INTO node_events (node, at, kind, detail)
SELECT ?2, ?5, 'gap', 'reports ' || (had + 1) || ' to ' || (CAST(?6 AS INTEGER) - 1) || ' of epoch ' || ?1 || ' are lost'
FROM (SELECT coalesce((SELECT last_seq FROM epochs WHERE node = ?2 AND epoch = ?1), 0) AS had)
WHERE had < CAST(?6 AS INTEGER) - 1
  AND coalesce((SELECT last_seq FROM epochs WHERE node = ?2 AND epoch = ?3), 0) = CAST(?4 AS INTEGER)";

/// Notes in the batch that applies a node's report which reports of an epoch `left` before report `seq` nobody will send any more. None when
/// the panel has them all, which it has unless it was restored after the node left that epoch.
#[must_use]
pub fn note_lost(guard: &Guard, now: Second, left: Epoch, seq: u64) -> Statement {
    guard.bind(Statement::new(NOTE_LOST).bind(left)).bind(now).bind(Bytes::saturating(seq))
}

/// Notes something about a node in the batch that applies its report.
#[must_use]
pub fn note(guard: &Guard, now: Second, kind: &str, detail: &str) -> Statement {
    guard.bind(Statement::new(NOTE).bind(1_i64)).bind(now).bind(kind).bind(detail)
}
