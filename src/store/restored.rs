//! A panel that was restored to an earlier point has forgotten reports, grants and who took which slot since. It learns of
//! it from the first agent that was acknowledged more than the panel knows. From then on:
//!
//! - slots that are vacant now are retired, because somebody may have got them since;
//! - a user with a quota is granted nothing new: an ask is answered with the limit that it states;
//! - this ends when every node that was alive has replayed its reports and stated its limits, or after [`LASTS`].

use weir_wire::{Epoch, NodeId, Second};

use super::Statement;

/// Seconds after which nodes that never came back are not waited for: the limits that they hold last 24 h.
pub const LASTS: i64 = 25 * 3600;

// The first of a restoration writes the row; nodes that come later find it.
const BEGIN: &str = "
INSERT INTO meta (name, value) VALUES ('restored_at', CAST(CAST(?1 AS INTEGER) AS TEXT)) ON CONFLICT (name) DO NOTHING";

// Rows read: the vacant slots; written: 3 for each. Directly after BEGIN: `changes()` looks at no other statement.
const RETIRE_VACANT: &str = "
UPDATE slots SET gate = 'retired', changed = 1 + (SELECT max(number) FROM roster_versions)
WHERE gate = 'vacant' AND changes() > 0";

// A version that no node holds, and no other: every node takes the whole roster, and states the limits that it holds.
const NEW_ROSTER: &str = "
INSERT INTO roster_versions (number, salt)
SELECT max(number) + 1, CAST(?2 AS INTEGER) FROM roster_versions
WHERE EXISTS (SELECT 1 FROM meta WHERE name = 'restored_at' AND value = CAST(CAST(?1 AS INTEGER) AS TEXT)) HAVING true";
const FORGET_ROSTERS: &str = "
DELETE FROM roster_versions WHERE number < (SELECT max(number) FROM roster_versions)
  AND EXISTS (SELECT 1 FROM meta WHERE name = 'restored_at' AND value = CAST(CAST(?1 AS INTEGER) AS TEXT))";

// Waits for the node that speaks. If it is the first, also for all that were alive when the copy was taken: it was heard
// of within the minute before that, if it was alive itself.
const WAIT: &str = "
UPDATE node_keys SET restored = 1
WHERE deleted_at IS NULL AND (node = ?2 OR (
  EXISTS (SELECT 1 FROM meta WHERE name = 'restored_at' AND value = CAST(CAST(?1 AS INTEGER) AS TEXT))
  AND node IN (SELECT node FROM epochs WHERE seen_at >= CAST(?3 AS INTEGER) + coalesce(
    (SELECT max(seen_at) FROM epochs WHERE node = ?2), (SELECT max(seen_at) FROM epochs), 0))))";

const NOTE: &str = "INSERT INTO node_events (node, at, kind, detail) VALUES (?2, ?1, 'restored', ?3)";

/// Begins, or joins, the time in which nodes replay: the panel has `last_seq` of an epoch of which `node` knows that
/// `acked` was applied. Draws a roster with `salt`.
#[must_use]
pub fn begin(node: NodeId, epoch: Epoch, last_seq: u64, acked: u64, salt: u32, now: Second) -> [Statement; 6] {
    let missing = acked.saturating_sub(last_seq);
    let detail =
        format!("the panel was restored to an earlier point: {missing} reports of epoch {epoch} are due again");
    [
        Statement::new(BEGIN).bind(now),
        Statement::new(RETIRE_VACANT),
        Statement::new(NEW_ROSTER).bind(now).bind(salt),
        Statement::new(FORGET_ROSTERS).bind(now),
        Statement::new(WAIT).bind(now).bind(node).bind(-LASTS),
        Statement::new(NOTE).bind(now).bind(node).bind(detail.as_str()),
    ]
}

const REPLAYED: &str = "UPDATE node_keys SET restored = 0 WHERE node = ?1 AND restored = 1";
const END: &str = "
DELETE FROM meta WHERE name = 'restored_at' AND (
  CAST(value AS INTEGER) <= CAST(?1 AS INTEGER) - 90000
  OR NOT EXISTS (SELECT 1 FROM node_keys WHERE restored = 1 AND deleted_at IS NULL))";
// Directly after END.
const LET_GO: &str = "UPDATE node_keys SET restored = 0 WHERE restored = 1 AND changes() > 0";

/// `node` has replayed everything and stated its limits. The last statement but one changes a row if it was the last.
#[must_use]
pub fn replayed(node: NodeId, now: Second) -> [Statement; 3] {
    let [end, let_go] = end(now);
    [Statement::new(REPLAYED).bind(node), end, let_go]
}

/// Ends the time if nobody is waited for any more. Rows read: 1 when the panel was not restored.
#[must_use]
pub fn end(now: Second) -> [Statement; 2] {
    [Statement::new(END).bind(now), Statement::new(LET_GO)]
}
