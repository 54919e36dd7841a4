//! Everything that says why a user stands where he stands, of one instant: [`read`] is one batch.

use serde::Deserialize;
use weir_wire::Bytes;

use super::{Statement, charts, packages, users};

/// Periods that have ended which are told.
pub const PERIODS: u32 = 10;

// Rows read: 1.
const GRANTS: &str = "SELECT entries, known, out, brought_month, brought_total FROM usage WHERE user = ?1";

/// What nodes hold of a user, and what he brought along.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Grants {
    /// JSON, see [`crate::domain::explain::held`].
    pub entries: String,
    /// Charged bytes that are counted and not reported.
    pub known: Bytes,
    /// Charged bytes that nodes may let pass without asking.
    pub out: Bytes,
    /// Bytes of another panel in the period that he came in.
    pub brought_month: Bytes,
    /// The same over the lifetime.
    pub brought_total: Bytes,
}

// Rows read: 2, and 1 per (node, hour), (node, day), (node, month) in the period or containing its begin.
macro_rules! since_begin {
    ($table:literal, $at:literal, $longest:literal) => {
        concat!(
            "SELECT json_group_array(json_array(",
            $at,
            ", node, up, down)) AS rows FROM ",
            $table,
            " WHERE user = ?1 AND ",
            $at,
            " > (SELECT period_start - ",
            $longest,
            " FROM usage WHERE usage.user = ?1)"
        )
    };
}

const HOURS: &str = since_begin!("history", "hour", "3600");
const DAYS: &str = since_begin!("history_days", "day", "86400");
const MONTHS: &str = since_begin!("history_months", "month", "31 * 86400");

// Rows read: 2, and 1 per (server, port, protocol, day) of the user since the period began.
const EXTERNAL: &str = "
SELECT coalesce(min(sum(charged) FILTER (WHERE day * 86400 >= began), 9007199254740991), 0) AS charged,
  coalesce(min(sum(charged) FILTER (WHERE day * 86400 < began), 9007199254740991), 0) AS shared
FROM (SELECT user AS of_user, period_start AS began FROM usage WHERE user = ?1) CROSS JOIN (
  SELECT day, charged FROM xpert_days WHERE user = ?1 AND day >= (SELECT period_start / 86400 FROM usage WHERE usage.user = ?1)
  UNION ALL
  SELECT day, charged FROM xpert_fresh WHERE user = ?1 AND day >= (SELECT period_start / 86400 FROM usage WHERE usage.user = ?1))";

// Rows read: 1 per node, deleted ones included: they may have bytes in the period.
const NODES: &str = "SELECT id, name, coefficient FROM nodes";

/// A node as far as charges go.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct NodeRow {
    /// Number.
    pub id: u32,
    /// Name.
    pub name: String,
    /// Per mille, today.
    pub coefficient: u32,
}

/// One batch: the user, what nodes hold of him, his hours, days and months since his period began, what clients' reports were
/// charged, his last ended periods, his packages and what they are settled by, and all nodes.
#[must_use]
pub fn read(user: i64) -> [Statement; 10] {
    let of_user = |sql| Statement::new(sql).bind(user);
    [
        users::by_id(user),
        of_user(GRANTS),
        of_user(HOURS),
        of_user(DAYS),
        of_user(MONTHS),
        of_user(EXTERNAL),
        charts::periods(user, PERIODS, 0),
        packages::of_user(user),
        packages::open(user),
        Statement::new(NODES),
    ]
}
