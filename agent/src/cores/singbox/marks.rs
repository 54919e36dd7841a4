//! Routing marks: for each slot a copy of the outbound that open gates lead to, whose packets carry a mark of the slot's own, so
//! that the kernel can hold them to a speed.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use weir_wire::SlotName;

use crate::cores::ConfiguredSlot;
use crate::cores::digest::cut;

/// The first 8 bits of every mark of ours, and which bits those are.
pub(crate) const MARKS: u32 = 0x5700_0000;
pub(crate) const MASK: u32 = 0xff00_0000;
const TAG: &str = "weir-mark:";

/// The outbound of a slot and its mark. The running core repeats its tags when it is asked, so it states its marks itself.
pub(super) fn tag(mark: u32, slot: &SlotName) -> String {
    format!("{TAG}{mark:08x}:{slot}")
}

/// The slot and the mark of an outbound, if it has one.
pub(super) fn of_tag(tag: &str) -> Option<(SlotName, u32)> {
    let (mark, slot) = tag.strip_prefix(TAG)?.split_once(':')?;
    let mark = u32::from_str_radix(mark, 16).ok().filter(|mark| mark & MASK == MARKS)?;
    Some((slot.parse().ok()?, mark))
}

/// The digest of a template whose gates have such outbounds.
pub(super) fn digest(of_template: &str) -> String {
    cut(Sha256::new_with_prefix(format!("weir/sing-box/marks/1\n{of_template}")))
}

/// The slots' outbounds, after `model`; none without it.
pub(super) fn outbounds(model: Option<&Map<String, Value>>, slots: &[&ConfiguredSlot]) -> BTreeMap<SlotName, Value> {
    let Some(model) = model else { return BTreeMap::new() };
    let of = |(slot, mark): (SlotName, u32)| {
        let mut outbound = model.clone();
        outbound.insert("tag".into(), tag(mark, &slot).into());
        outbound.insert("routing_mark".into(), mark.into());
        (slot, Value::Object(outbound))
    };
    assigned(slots).into_iter().map(of).collect()
}

/// A mark for each slot, which it keeps when others come and go, except that of two with the same hash: after a reload the rules
/// of before are right for all but a few, until the core has told its own.
fn assigned(slots: &[&ConfiguredSlot]) -> Vec<(SlotName, u32)> {
    let mut taken = BTreeSet::new();
    let mark = |slot: &&ConfiguredSlot| {
        let hash = Sha256::digest(slot.slot.as_str());
        let start = hash.iter().take(3).fold(0, |number: u32, byte| number << 8 | u32::from(*byte));
        // 16 million marks, and 10,000 slots at most.
        let free = (start..=!MASK).chain(0..start).map(|number| MARKS | number).find(|mark| taken.insert(*mark));
        free.map(|mark| (slot.slot.clone(), mark))
    };
    slots.iter().filter_map(mark).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cores::testing::slot;

    fn slots(names: impl Iterator<Item = String>) -> Vec<ConfiguredSlot> {
        names.map(|name| slot(&name, true)).collect()
    }

    #[test]
    fn every_slot_has_a_mark_of_its_own_and_keeps_it_when_others_come() {
        let names = |count: u32| (0..count).map(|number| format!("slot{:04}", 1_111 + number).replace(['0', '1'], "z"));
        let all: Vec<ConfiguredSlot> = slots(names(4_000).collect::<BTreeSet<_>>().into_iter());
        let all: Vec<&ConfiguredSlot> = all.iter().collect();
        let marks: BTreeMap<SlotName, u32> = assigned(&all).into_iter().collect();
        assert_eq!(marks.len(), all.len());
        assert_eq!(marks.values().collect::<BTreeSet<_>>().len(), all.len());
        assert!(marks.values().all(|mark| mark & MASK == MARKS && *mark != MARKS), "{marks:?}");
        let fewer: Vec<&ConfiguredSlot> = all.iter().copied().step_by(3).collect();
        assert!(assigned(&fewer).iter().filter(|(slot, mark)| marks[slot] != *mark).count() < 3);
    }

    #[test]
    fn a_tag_says_its_slot_and_its_mark_and_no_other_does() {
        let slot: SlotName = "alice234".parse().unwrap();
        assert_eq!(tag(0x5700_0a01, &slot), "weir-mark:57000a01:alice234");
        assert_eq!(of_tag("weir-mark:57000a01:alice234"), Some((slot, 0x5700_0a01)));
        for other in ["weir-mark:00000a01:alice234", "weir-mark:57000a01", "weir-mark:57000a01:no slot", "direct"] {
            assert_eq!(of_tag(other), None, "{other}");
        }
    }
}
