//! History: bytes per user, hour and node, as the node counted them. What is read of it stands in [`super::charts`], how it grows
//! old in [`super::rollup`]. A node's hours are added up by a trigger on its epoch's sums ([`super::epochs::advance`]).

use serde::Serialize;
use weir_wire::{Bytes, Second};

use super::{Statement, epochs};

// Rows: n written, n read (json_each) + the guard's 1.
const ADD: &str = "
INSERT INTO history (user, hour, node, up, down)
SELECT value ->> 0, ?5, ?2, value ->> 1, value ->> 2 FROM json_each(?1)
WHERE coalesce((SELECT last_seq FROM epochs WHERE node = ?2 AND epoch = ?3), 0) = CAST(?4 AS INTEGER)
ON CONFLICT (user, hour, node) DO UPDATE SET
  up = min(up + excluded.up, 9007199254740991), down = min(down + excluded.down, 9007199254740991)";

/// One user's bytes: `[user, up, down]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Flow(
    /// User.
    pub i64,
    /// Bytes read from clients.
    pub Bytes,
    /// Bytes written to clients.
    pub Bytes,
);

/// Adds a report's bytes to the hour that contains `at`, if the epoch still stands at `guard`.
#[must_use]
pub fn add(flows: &[Flow], guard: &epochs::Guard, at: Second) -> Statement {
    guard.bind(Statement::new(ADD).bind_json(&flows)).bind(at.hour())
}
