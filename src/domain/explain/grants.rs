//! What nodes know and the panel was not told yet, of the grants that a usage row keeps.

use std::collections::BTreeMap;

use serde::Serialize;
use weir_wire::Bytes;

/// A grant as the usage row keeps it: `[n, count, reported, held, known, spendable, answered at]`.
type Grant = [u64; 7];

/// What a node knows and the panel was not told yet, and what it may still let pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Held {
    /// Node.
    pub node: u32,
    /// The node's own bytes that it has counted and not reported.
    pub unreported: Bytes,
    /// The same as they will be charged: they count as spent already.
    pub known: Bytes,
    /// Charged bytes that it may let pass without asking.
    pub spendable: Bytes,
}

/// What each node holds, of the usage row's JSON `{"node:epoch:slot": grant}`. Nodes that hold nothing are left out.
///
/// # Errors
/// It is not that JSON.
pub fn held(entries: &str) -> Result<Vec<Held>, serde_json::Error> {
    let entries: BTreeMap<String, Grant> = serde_json::from_str(entries)?;
    let mut nodes: BTreeMap<u32, Held> = BTreeMap::new();
    for (key, [_, count, reported, _, known, spendable, _]) in entries {
        let Some(node) = key.split(':').next().and_then(|node| node.parse().ok()) else { continue };
        let held = nodes.entry(node).or_default();
        held.node = node;
        held.unreported = held.unreported.plus(Bytes::saturating(count.saturating_sub(reported)));
        held.known = held.known.plus(Bytes::saturating(known));
        held.spendable = held.spendable.plus(Bytes::saturating(spendable));
    }
    Ok(nodes.into_values().filter(|held| !(held.unreported.is_zero() && held.spendable.is_zero())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(count: u64) -> Bytes {
        Bytes::saturating(count)
    }

    #[test]
    fn grants_are_told_by_node() {
        let entries = r#"{"3:00000000000000aa:slota":[9,700,500,900,200,200,1],"3:00000000000000aa:slotb":[1,5,5,5,0,0,1],
            "4:00000000000000bb:slota":[2,0,0,10,0,10,1],"5:00000000000000cc:slota":[2,7,7,7,0,0,1]}"#;
        let held = held(entries).unwrap();
        let node = |node, unreported, known, spendable| Held {
            node,
            unreported: bytes(unreported),
            known: bytes(known),
            spendable: bytes(spendable),
        };
        assert_eq!(held, [node(3, 200, 200, 200), node(4, 0, 0, 10)]);
    }
}
