//! Traffic by hour and node as a picture.

use std::collections::BTreeMap;

use weir_wire::{Bytes, Second};

use super::say::Say;
use crate::domain::history::{Row, Span};

/// Hours that are shown.
pub(crate) const HOURS: i64 = 48;
/// Nodes with a colour of their own; the others share one more.
const COLOURS: usize = 5;
const HOUR: i64 = 3_600;
/// Units of the picture: an hour is 10 wide, the highest bar 100 high.
const WIDTH: i64 = 10;
const HEIGHT: u64 = 100;

/// Bars of the last 48 hours, a part for each node.
pub(crate) struct Hours {
    pub(crate) parts: Vec<Part>,
    /// The largest hour.
    pub(crate) most: String,
    pub(crate) first: String,
    pub(crate) last: String,
    /// Colour and name, the node with the most first.
    pub(crate) nodes: Vec<(usize, String)>,
    /// Hours with traffic, the newest first: hour, node, size.
    pub(crate) table: Vec<(String, String, String)>,
}

/// A node's part of an hour.
pub(crate) struct Part {
    pub(crate) x: i64,
    pub(crate) y: u64,
    pub(crate) height: u64,
    pub(crate) colour: usize,
    /// Hour, node and size.
    pub(crate) text: String,
}

/// None when there was no traffic at all. `name` names a node.
pub(crate) fn hours(rows: &[Row], name: impl Fn(u32) -> String, say: &Say) -> Option<Hours> {
    let now = Span::Hour.start(say.now);
    let mut by_hour: BTreeMap<Second, BTreeMap<u32, Bytes>> = BTreeMap::new();
    let mut by_node: BTreeMap<u32, Bytes> = BTreeMap::new();
    for Row(at, node, up, down) in rows {
        let (node, bytes) = (node.unwrap_or_default(), up.plus(*down));
        for sum in [by_hour.entry(*at).or_default().entry(node).or_default(), by_node.entry(node).or_default()] {
            *sum = sum.plus(bytes);
        }
    }
    let most =
        by_hour.values().map(|nodes| nodes.values().copied().sum::<Bytes>()).max().filter(|most| !most.is_zero())?;
    let mut nodes: Vec<(u32, Bytes)> = by_node.into_iter().collect();
    nodes.sort_by_key(|(_, bytes)| core::cmp::Reverse(*bytes));
    let colour = |node: u32| nodes.iter().position(|(one, _)| *one == node).unwrap_or(COLOURS).min(COLOURS);
    let clock = |at: Second| say.clock(at);
    let mut parts = Vec::new();
    let mut table = Vec::new();
    for (at, flows) in &by_hour {
        let x = (HOURS - 1 - now.since(*at) / HOUR) * WIDTH;
        let mut below = 0;
        for (node, _) in &nodes {
            let Some(bytes) = flows.get(node).filter(|bytes| !bytes.is_zero()) else { continue };
            let share = u128::from(bytes.get()) * u128::from(HEIGHT) / u128::from(most.get());
            // What was little is still to be seen.
            let height = u64::try_from(share).unwrap_or(HEIGHT).max(1).min(HEIGHT.saturating_sub(below));
            below += height;
            let (hour, name, size) = (clock(*at), name(*node), say.size(*bytes));
            let text = format!("{hour}, {name}: {size}");
            parts.push(Part { x, y: HEIGHT - below, height, colour: colour(*node), text });
            table.push((hour, name, size));
        }
    }
    table.reverse();
    Some(Hours {
        parts,
        most: say.size(most),
        first: clock(now.plus(-(HOURS - 1) * HOUR)),
        last: clock(now),
        nodes: nodes.iter().map(|(node, _)| (colour(*node), name(*node))).collect(),
        table,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::notice::texts::Language;
    use crate::domain::zone::Zone;

    const NOW: Second = Second::clamped(1_796_083_200);

    #[test]
    fn an_hour_is_a_bar_whose_parts_are_its_nodes_the_largest_below() {
        let row = |back: i64, node, mib| Row(NOW.plus(-back * HOUR), Some(node), Bytes::ZERO, Bytes::mib(mib));
        let say = Say::new(Language::En, Zone::UTC, NOW);
        let picture = hours(&[row(0, 1, 10), row(0, 2, 30), row(47, 2, 4)], |node| format!("n{node}"), &say).unwrap();
        let parts: Vec<_> = picture.parts.iter().map(|part| (part.x, part.y, part.height, part.colour)).collect();
        assert_eq!(parts, [(0, 90, 10, 0), (470, 25, 75, 0), (470, 0, 25, 1)]);
        assert_eq!(picture.nodes, [(0, "n2".to_owned()), (1, "n1".to_owned())]);
        assert_eq!(picture.table.first().unwrap().1, "n1");
        assert!(hours(&[], |_| String::new(), &say).is_none());
    }

    #[test]
    fn many_nodes_share_the_last_colour() {
        let rows: Vec<Row> =
            (1..=9).map(|node| Row(NOW, Some(node), Bytes::ZERO, Bytes::mib(u64::from(20 - node)))).collect();
        let say = Say::new(Language::En, Zone::UTC, NOW);
        let picture = hours(&rows, |node| node.to_string(), &say).unwrap();
        assert_eq!(picture.nodes.iter().map(|(colour, _)| *colour).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5, 5, 5, 5]);
        assert!(picture.parts.iter().all(|part| part.y + part.height <= HEIGHT));
    }
}
