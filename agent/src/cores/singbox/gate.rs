//! A slot's gate in the core: a selector, and what it leads to by the tags of its members.

use weir_wire::SlotName;

use super::marks;
use crate::cores::Way;
use crate::faults::{self, Line};

/// What a shut gate leads to.
pub(in crate::cores) const REFUSE: &str = "weir-refuse";
/// What an open gate leads to when the template has no outbound.
pub(in crate::cores) const DIRECT: &str = "weir-direct";
const GATE: &str = "weir:";
/// What a slow gate leads to: a connection to the agent's relay, named by the slot.
pub(in crate::cores) const RELAY: &str = "weir-relay:";
const STATED: &str = "weir-config:";

/// The selector of a slot.
pub(super) fn gate_tag(slot: &SlotName) -> String {
    format!("{GATE}{slot}")
}

/// The outbound through the relay of a slot.
pub(in crate::cores) fn relay_tag(slot: &SlotName) -> String {
    format!("{RELAY}{slot}")
}

/// Where a gate leads that has this member selected.
pub(super) fn way_of(member: &str) -> Way {
    match member {
        REFUSE => Way::Shut,
        slow if slow.starts_with(RELAY) || marks::of_tag(slow).is_some() => Way::Slow,
        _ => Way::Open,
    }
}

/// Of a gate's members, the one that holds its user to his speed: his routing mark while the kernel goes by those, otherwise the
/// relay.
fn slow_member<'a>(mut members: impl Iterator<Item = &'a str> + Clone, kernel: bool) -> Option<&'a str> {
    let relay = members.clone().find(|member| member.starts_with(RELAY));
    members.find(|member| kernel && marks::of_tag(member).is_some()).or(relay)
}

/// The slot of a selector, if it is a gate.
pub(super) fn slot_of_gate(tag: &str) -> Option<SlotName> {
    tag.strip_prefix(GATE).and_then(|slot| slot.parse().ok())
}

/// The selector that states the digest of the configuration.
pub(super) fn stating_tag(digest: &str) -> String {
    format!("{STATED}{digest}")
}

/// The digest of the configuration that a selector states, if that is its purpose.
pub(super) fn stated_digest(tag: &str) -> Option<&str> {
    tag.strip_prefix(STATED)
}

/// The member that a gate starts with: that of its way, unless a test takes that line out. A file of before may have no slow way.
pub(super) fn starts_with(members: &[String], way: Way, kernel: bool) -> String {
    let way = if faults::lacks(Line::GateDefault) { way.max(Way::Open) } else { way };
    let all = members.iter().map(String::as_str);
    let member = |way| match way {
        Way::Slow => slow_member(all.clone(), kernel),
        _ => all.clone().find(|member| way_of(member) == way),
    };
    member(way).or_else(|| member(Way::Open).filter(|_| way.is_open())).unwrap_or(REFUSE).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::slot;

    const MARK: &str = "weir-mark:57000a01:alice";

    #[test]
    fn a_member_says_by_its_tag_where_the_gate_leads() {
        let members = [REFUSE, "direct", "weir-relay:alice", MARK];
        assert_eq!(members.map(way_of), [Way::Shut, Way::Open, Way::Slow, Way::Slow]);
        assert_eq!(slot_of_gate(&gate_tag(&slot("alice"))), Some(slot("alice")));
        assert_eq!(stated_digest(&stating_tag("ab-cd")), Some("ab-cd"));
        assert_eq!((slot_of_gate("direct"), stated_digest("direct")), (None, None));
    }

    #[test]
    fn a_slow_gate_leads_through_whatever_holds_its_user_and_out_where_nothing_can() {
        let starts = |members: &[&str], way, kernel| {
            starts_with(&members.iter().map(|member| (*member).to_owned()).collect::<Vec<_>>(), way, kernel)
        };
        let all = ["direct", REFUSE, "weir-relay:alice", MARK];
        assert_eq!(starts(&all, Way::Slow, true), MARK);
        assert_eq!(starts(&all, Way::Slow, false), "weir-relay:alice");
        assert_eq!(starts(&all[..2], Way::Slow, true), "direct");
        assert_eq!(starts(&all, Way::Shut, true), REFUSE);
        assert_eq!(starts(&[REFUSE], Way::Open, true), REFUSE);
    }
}
