//! Where users connect from, as keyed hashes, and who was seen from too many places.

use serde::{Deserialize, Serialize};
use weir_wire::address::AddressSet;
use weir_wire::{NodeId, Second};

use super::Statement;
use crate::domain::sharing::counts_since;

/// Whether what `$node` told at second `$at` is upheld, as an SQL expression: the process that told it was heard after second
/// `$since`, and would have told if it had changed. What an earlier process told, nobody takes back.
macro_rules! is_upheld {
    ($node:literal, $at:literal, $since:literal) => {
        concat!(
            "EXISTS (SELECT 1 FROM epochs AS e WHERE e.node = CAST(",
            $node,
            " AS INTEGER) AND e.seen_at > CAST(",
            $since,
            " AS INTEGER) AND ",
            $at,
            " >= e.seen_at - (e.status ->> 'uptime'))"
        )
    };
}

/// Whether the set `told.value` of node `told.key` counts, as an SQL expression: it was told after second `$since`, or is
/// upheld.
macro_rules! stands {
    ($since:literal) => {
        concat!(
            "(told.value ->> 0 > CAST(",
            $since,
            " AS INTEGER) OR ",
            is_upheld!("told.key", "told.value ->> 0", $since),
            ")"
        )
    };
}

/// How many addresses the row `addresses` has, counted from second `$since` on, as an SQL expression. A client's hash is
/// another one under another day's key, so that around midnight one client may stand there twice: hashes are compared
/// within a day, and the day with the most counts. It is right again as soon as the nodes have told their sets under the
/// new key, and never too high.
macro_rules! count_of {
    ($since:literal) => {
        concat!(
            "(SELECT coalesce(max(of_day), 0) FROM (SELECT count(DISTINCT hash.value) AS of_day
    FROM json_each(sets) AS told JOIN json_each(told.value, '$[2]') AS hash
    WHERE ",
            stands!($since),
            " GROUP BY told.value ->> 1))"
        )
    };
}

/// `{"node": addresses there}` of the sets that count.
macro_rules! by_node {
    ($since:literal) => {
        concat!(
            "(SELECT json_group_object(told.key, json_array_length(told.value, '$[2]')) FROM json_each(sets) AS told WHERE ",
            stands!($since),
            ")"
        )
    };
}

// Takes n sets of one node. A set that is empty ends what the node told before; who has no row gets none for it. Sets that have
// lapsed, and those of credentials that were replaced, are left out. A set that is upheld and stays as it is writes nothing.
// Rows: 1 written per set that differs; read 3 per set (json_each, slot, user's row) and, where that is there, what json_each finds
// in it: 1 per node, and 1 more for each that was not told of for a quarter of an hour.
const TELL: &str = concat!(
    "
INSERT INTO addresses (user, slot, sets, last_at)
SELECT slots.user, slots.name, json_object(?2, json_array(CAST(?3 AS INTEGER), told.value -> 1, told.value -> 2)),
  CAST(?3 AS INTEGER)
FROM json_each(?1) AS told JOIN slots ON slots.name = told.value ->> 0
WHERE slots.user IS NOT NULL AND slots.gate <> 'retired' AND (json_array_length(told.value, '$[2]') > 0
  OR EXISTS (SELECT 1 FROM addresses WHERE addresses.user = slots.user))
ON CONFLICT (user) DO UPDATE SET slot = excluded.slot,
  sets = (SELECT json_group_object(key, json(value)) FROM (
    SELECT told.key AS key, told.value AS value FROM json_each(addresses.sets) AS told
    WHERE addresses.slot = excluded.slot AND told.key <> ?2 AND ",
    stands!("?4"),
    "
    UNION ALL SELECT key, value FROM json_each(excluded.sets) WHERE json_array_length(value, '$[2]') > 0)),
  last_at = CASE WHEN json_array_length(excluded.sets, '$.\"' || ?2 || '\"[2]') > 0 THEN excluded.last_at
    ELSE addresses.last_at END
WHERE NOT coalesce(addresses.slot = excluded.slot
  AND addresses.sets -> ('$.\"' || ?2 || '\"[1]') = excluded.sets -> ('$.\"' || ?2 || '\"[1]')
  AND addresses.sets -> ('$.\"' || ?2 || '\"[2]') = excluded.sets -> ('$.\"' || ?2 || '\"[2]')
  AND ",
    is_upheld!("?2", "addresses.sets ->> ('$.\"' || ?2 || '\"[0]')", "?4"),
    ", false)"
);

// How many addresses those of a sync have now, whether it changed anything or not: whoever goes on is noted again. Rows read: 4 per
// set (json_each, slot, row, user), and what json_each finds in the row: 1 per node and 1 per address.
const COUNT: &str = concat!(
    "
SELECT addresses.user AS user, quiet_until, address_limit AS own_limit, ",
    count_of!("?2"),
    " AS count
FROM json_each(?1) AS told JOIN slots ON slots.name = told.value ->> 0 JOIN addresses ON addresses.user = slots.user
  JOIN users ON users.id = addresses.user
WHERE slots.gate <> 'retired'"
);

/// What is returned per user of whom a node tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Seen {
    /// User.
    pub user: i64,
    /// Distinct addresses over all nodes.
    pub count: u32,
    /// How many he may have, 0 = as many as he likes; none where the deployment's limit holds.
    pub own_limit: Option<u32>,
    /// Until when nothing more is noted about him.
    pub quiet_until: i64,
}

/// Takes the sets that a node tells. A set that comes twice leaves what is there. The second statement returns [`Seen`].
#[must_use]
pub fn tell(node: NodeId, sets: &[&AddressSet], now: Second) -> [Statement; 2] {
    let since = counts_since(now);
    [
        Statement::new(TELL).bind_json(&sets).bind(node.to_string()).bind(now).bind(since),
        Statement::new(COUNT).bind_json(&sets).bind(since),
    ]
}

/// A user who has too many addresses: `[user, count, limit]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Suspect(
    /// User.
    pub i64,
    /// Addresses.
    pub u32,
    /// How many he may have.
    pub u32,
);

// Rows per user: 2 read and 1 per node of his, 2 written (row, index).
const NOTE: &str = concat!(
    "
INSERT INTO suspicious_activity (user, at, count, \"limit\", nodes, until)
SELECT addresses.user, CAST(?2 AS INTEGER), suspect.value ->> 1, suspect.value ->> 2, ",
    by_node!("?3"),
    ", CAST(?4 AS INTEGER)
FROM json_each(?1) AS suspect JOIN addresses ON addresses.user = suspect.value ->> 0
WHERE addresses.quiet_until <= CAST(?2 AS INTEGER)"
);

// Rows per user: 2 read, 1 written.
const QUIET: &str = "
UPDATE addresses SET quiet_until = CAST(?3 AS INTEGER)
WHERE user IN (SELECT value ->> 0 FROM json_each(?1)) AND quiet_until <= CAST(?2 AS INTEGER)";

/// Notes users who have too many addresses, and nothing more about them until `quiet_until`. `cut_until` says until when
/// they are cut.
#[must_use]
pub fn note(suspects: &[Suspect], quiet_until: Second, cut_until: Option<Second>, now: Second) -> Vec<Statement> {
    vec![
        Statement::new(NOTE).bind_json(&suspects).bind(now).bind(counts_since(now)).bind(cut_until),
        Statement::new(QUIET).bind_json(&suspects).bind(now).bind(quiet_until),
    ]
}

/// What is known of where a user is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Whereabouts {
    /// Distinct addresses over all nodes.
    pub count: u32,
    /// When a node last told of one.
    pub last_at: i64,
    /// JSON list of `{"node", "count", "told_at"}`.
    pub nodes: String,
}

// Rows read: 1, what json_each finds in it, and 1 per node.
const OF_USER: &str = concat!(
    "
SELECT last_at, ",
    count_of!("?2"),
    " AS count,
  (SELECT json_group_array(json_object('node', CAST(key AS INTEGER), 'count', json_array_length(value, '$[2]'),
      'told_at', value ->> 0))
    FROM (SELECT told.key AS key, told.value AS value FROM json_each(sets) AS told WHERE ",
    stands!("?2"),
    " ORDER BY CAST(told.key AS INTEGER))) AS nodes
FROM addresses WHERE user = ?1"
);

/// Where a user is now; no row when no node has told of him lately.
#[must_use]
pub fn of_user(user: i64, now: Second) -> Statement {
    Statement::new(OF_USER).bind(user).bind(counts_since(now))
}

/// A note about a user.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Suspicious {
    /// Number, in order of time.
    pub id: i64,
    /// His name.
    pub name: String,
    /// When.
    pub at: i64,
    /// Addresses that he had.
    pub count: u32,
    /// How many he may have.
    pub limit: u32,
    /// JSON object: addresses by node.
    pub nodes: String,
    /// Until when he was cut for it.
    pub until: Option<i64>,
}

macro_rules! notes {
    ($which:literal) => {
        concat!(
            "
SELECT s.id, users.name, s.at, s.count, s.\"limit\", s.nodes, s.until
FROM suspicious_activity AS s JOIN users ON users.id = s.user
WHERE s.id < CAST(?1 AS INTEGER)",
            $which,
            " ORDER BY s.id DESC LIMIT ?2"
        )
    };
}

// Rows read of both: 2 per note.
const NOTES: &str = notes!("");
const NOTES_OF: &str = notes!(" AND s.user = ?3");

/// Notes with numbers below `before`, the newest first, of one user or of all.
#[must_use]
pub fn notes(user: Option<i64>, before: i64, limit: u32) -> Statement {
    let statement = |sql| Statement::new(sql).bind(before).bind(limit);
    user.map_or_else(|| statement(NOTES), |user| statement(NOTES_OF).bind(user))
}

// Rows: 1 read and 2 written per note that goes, and 2 read.
const FORGET_NOTES: &str = "
DELETE FROM suspicious_activity WHERE id < coalesce(
  (SELECT id FROM suspicious_activity WHERE at >= CAST(?1 AS INTEGER) ORDER BY id LIMIT 1), 9007199254740991)";

// Rows: 1 read per user of whom any node ever told, 1 written per one who goes.
const FORGET_SETS: &str =
    "DELETE FROM addresses WHERE last_at < CAST(?1 AS INTEGER) AND quiet_until <= CAST(?2 AS INTEGER)";

/// Forgets notes from before `kept_since`, and users who were not seen for a day: their hashes are of no key that any node
/// has.
#[must_use]
pub fn forget(kept_since: Second, now: Second) -> Vec<Statement> {
    vec![Statement::new(FORGET_NOTES).bind(kept_since), Statement::new(FORGET_SETS).bind(now.plus(-86_400)).bind(now)]
}
