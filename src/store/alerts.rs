//! Alerts that no request causes: time alone does. Each statement reads only who may be worth one.

use weir_wire::Second;

use super::Statement;

macro_rules! wanted {
    ($kind:literal) => {
        concat!("EXISTS (SELECT 1 FROM wanted WHERE kind = '", $kind, "')")
    };
}

// Whose expiry came within a threshold since the last look. Rows read: 1 per threshold, 2 per user found (row, key); written:
// 2 per alert.
const EXPIRING: &str = concat!(
    "
INSERT INTO events (key, at, kind, user, data)
SELECT 'expiring:' || users.id || ':' || users.expires_at || ':' || days.value, CAST(?3 AS INTEGER), 'user.expiring', users.id,
  json_object('user', users.name, 'user_id', users.id, 'expires_at', users.expires_at, 'days', days.value)
FROM json_each(?1) AS days CROSS JOIN users INDEXED BY users_expires
WHERE users.expires_at > max(CAST(?3 AS INTEGER), CAST(?2 AS INTEGER) + days.value * 86400)
  AND users.expires_at <= CAST(?3 AS INTEGER) + days.value * 86400
  AND users.expires_at IS NOT NULL AND users.deleted_at IS NULL AND ",
    wanted!("user.expiring"),
    " ON CONFLICT (key) DO NOTHING"
);

/// Tells of accounts that expire within one of `days`, and did not yet at the last look.
#[must_use]
pub fn expiring(days: &[u32], last: Second, now: Second) -> Statement {
    Statement::new(EXPIRING).bind_json(&days).bind(last).bind(now)
}

macro_rules! heard {
    () => {
        "(SELECT nodes.id AS id, nodes.name AS name, max(e.seen_at) AS seen FROM nodes CROSS JOIN epochs AS e ON e.node = nodes.id
  WHERE nodes.deleted_at IS NULL GROUP BY nodes.id)"
    };
}

// Rows read: 1 per node and 1 per ledger of it, 1 per node that is silent (key); written: 2 per alert.
const SILENT: &str = concat!(
    "
INSERT INTO events (key, at, kind, node, data)
SELECT 'silent:' || id || ':' || seen, CAST(?2 AS INTEGER), 'node.silent', id,
  json_object('node', name, 'node_id', id, 'since', seen)
FROM ",
    heard!(),
    " WHERE seen > 0 AND seen <= CAST(?1 AS INTEGER) AND ",
    wanted!("node.silent"),
    " ON CONFLICT (key) DO NOTHING"
);

// As many, and 2 per node that was silent before. Of silences of one node the last key is the newest: seconds have ten digits.
const BACK: &str = concat!(
    "
INSERT INTO events (key, at, kind, node, data)
SELECT 'back:' || id || ':' || since, CAST(?2 AS INTEGER), 'node.back', id,
  json_object('node', name, 'node_id', id, 'since', since, 'until', seen)
FROM (SELECT n.*, (SELECT e.data ->> 'since' FROM events AS e
    WHERE e.key >= 'silent:' || n.id || ':' AND e.key < 'silent:' || n.id || ';' ORDER BY e.key DESC LIMIT 1) AS since
  FROM ",
    heard!(),
    " AS n)
WHERE since IS NOT NULL AND seen > since AND seen > CAST(?1 AS INTEGER) AND ",
    wanted!("node.back"),
    " ON CONFLICT (key) DO NOTHING"
);

/// Tells which nodes were not heard of since `before`, and which of those that were told so are heard again.
#[must_use]
pub fn nodes(before: Second, now: Second) -> [Statement; 2] {
    [Statement::new(SILENT).bind(before).bind(now), Statement::new(BACK).bind(before).bind(now)]
}

// A single failure passes by itself: the job is repeated. Rows read: 1 per job; written: 2 per alert, one a day and job.
const JOBS: &str = concat!(
    "
INSERT INTO events (key, at, kind, data)
SELECT 'job:' || name || ':' || (CAST(?1 AS INTEGER) / 86400), CAST(?1 AS INTEGER), 'job.failed',
  json_object('job', name, 'failures', failures, 'error', coalesce(error, 'it was cut off'))
FROM jobs WHERE failures >= 3 AND ",
    wanted!("job.failed"),
    " ON CONFLICT (key) DO NOTHING"
);

/// Tells which jobs have failed three times in a row, once a day.
#[must_use]
pub fn jobs(now: Second) -> Statement {
    Statement::new(JOBS).bind(now)
}
