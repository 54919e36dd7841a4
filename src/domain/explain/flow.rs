//! What history tells of a period: the hours and days that lie in it, and those in which it began.

use std::collections::BTreeMap;

use serde::Serialize;
use weir_wire::{Bytes, Second};

use crate::domain::history::{Row, Span};

/// Bytes of one stretch of time, as the nodes counted them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Stretch {
    /// `hour`, `day` or `month`, of UTC.
    pub by: &'static str,
    /// Its begin.
    pub start: Second,
    /// Bytes from clients.
    pub up: Bytes,
    /// Bytes to clients.
    pub down: Bytes,
}

/// What history tells of a period.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flows {
    /// Up and down by node, of the stretches that lie in the period.
    pub nodes: BTreeMap<u32, (Bytes, Bytes)>,
    /// Those stretches, the oldest first.
    pub timeline: Vec<Stretch>,
    /// The stretches in which the period began: what of them belongs to it is not kept.
    pub shared: Vec<Stretch>,
}

/// Sorts stored rows by whether they lie in the period that began at `start`. Each table's rows come with its span.
#[must_use]
pub fn flows(start: Second, tables: &[(Span, Vec<Row>)]) -> Flows {
    let mut flows = Flows::default();
    let mut sums: BTreeMap<(Second, &'static str), (Bytes, Bytes)> = BTreeMap::new();
    for (span, rows) in tables {
        for Row(at, node, up, down) in rows {
            if *at < start && span.next(*at) <= start {
                continue;
            }
            if let Some(node) = node.filter(|_| *at >= start) {
                let sum = flows.nodes.entry(node).or_default();
                *sum = (sum.0.plus(*up), sum.1.plus(*down));
            }
            let sum = sums.entry((*at, span.name())).or_default();
            *sum = (sum.0.plus(*up), sum.1.plus(*down));
        }
    }
    for ((at, by), (up, down)) in sums {
        let list = if at >= start { &mut flows.timeline } else { &mut flows.shared };
        list.push(Stretch { by, start: at, up, down });
    }
    flows
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Second = Second::clamped(1_793_491_200 + 5_400);

    fn bytes(count: u64) -> Bytes {
        Bytes::saturating(count)
    }

    fn row(at: i64, node: u32, count: u64) -> Row {
        Row(Second::clamped(at), Some(node), bytes(count), bytes(10 * count))
    }

    #[test]
    fn what_began_before_the_period_is_not_taken_for_its_own() {
        let hour = START.hour().get();
        let hours = vec![row(hour - 3_600, 1, 1), row(hour, 1, 2), row(hour + 3_600, 1, 4), row(hour + 3_600, 2, 8)];
        let days = vec![row(hour - 3_600, 1, 16), row(hour - 3_600 + 86_400, 1, 32)];
        let flows = flows(START, &[(Span::Hour, hours), (Span::Day, days)]);
        assert_eq!(flows.nodes, BTreeMap::from([(1, (bytes(36), bytes(360))), (2, (bytes(8), bytes(80)))]));
        let stretches =
            |list: &[Stretch]| list.iter().map(|s| (s.by, s.start.get() - hour, s.up.get())).collect::<Vec<_>>();
        assert_eq!(stretches(&flows.timeline), [("hour", 3_600, 12), ("day", 82_800, 32)]);
        assert_eq!(stretches(&flows.shared), [("day", -3_600, 16), ("hour", 0, 2)]);
    }
}
