//! Gates: which are wanted open, which the core has open, and what has to be done about the difference.

use std::collections::{BTreeMap, BTreeSet};

use weir_wire::SlotName;

use crate::clock::Moment;
use crate::cores::Way;

/// Milliseconds before a gate whose change failed is tried again.
const AGAIN: u64 = 1_000;

/// The wanted state and the core's.
#[derive(Debug, Default)]
pub(crate) struct Gates {
    wanted: BTreeMap<SlotName, Way>,
    /// What the running core has loaded, and how; `None` while it is not known.
    core: Option<BTreeMap<SlotName, Way>>,
    /// Slots whose state may differ.
    differing: BTreeSet<SlotName>,
    /// Changes under way.
    moving: BTreeMap<SlotName, Way>,
    /// Slots for which the running core has no slow way: it was loaded before there was one.
    fast_only: BTreeSet<SlotName>,
    again: Option<Moment>,
}

impl Gates {
    /// Wants one gate to lead somewhere. Returns whether that is new.
    pub(crate) fn want(&mut self, slot: &SlotName, way: Way) -> bool {
        match self.wanted.get_mut(slot) {
            Some(wanted) if *wanted == way => return false,
            Some(wanted) => *wanted = way,
            None => {
                self.wanted.insert(slot.clone(), way);
            }
        }
        self.differing.insert(slot.clone());
        true
    }

    /// Whether a slot's gate is wanted shut, or the slot is unknown.
    #[must_use]
    pub(crate) fn is_shut(&self, slot: &SlotName) -> bool {
        !self.wanted.get(slot).copied().unwrap_or_default().is_open()
    }

    /// Whether a slot's gate is wanted to lead through the relay.
    #[must_use]
    pub(crate) fn is_slow(&self, slot: &SlotName) -> bool {
        self.wanted.get(slot) == Some(&Way::Slow)
    }

    /// Whether a slot's user is faster than he may be until the core is reloaded.
    #[must_use]
    pub(crate) fn is_too_fast(&self, slot: &SlotName) -> bool {
        self.is_slow(slot) && self.fast_only.contains(slot)
    }

    /// The core has told what it has loaded. What it has and nobody wants is shut: slots gone from the roster stay in the
    /// core until its next reload.
    pub(crate) fn learn(&mut self, loaded: impl IntoIterator<Item = (SlotName, Way)>) {
        let loaded: BTreeMap<_, _> = loaded.into_iter().collect();
        for slot in loaded.keys() {
            self.wanted.entry(slot.clone()).or_default();
        }
        self.differing.extend(loaded.keys().cloned());
        self.core = Some(loaded);
        self.fast_only.clear();
        self.again = None;
    }

    /// The core is down, or begins anew: nothing of it is known.
    pub(crate) fn forget_core(&mut self) {
        self.core = None;
        self.moving.clear();
    }

    /// Whether it is known what the core has loaded.
    #[must_use]
    pub(crate) const fn core_is_known(&self) -> bool {
        self.core.is_some()
    }

    /// Whether the running core has loaded a slot.
    #[must_use]
    pub(crate) fn is_loaded(&self, slot: &SlotName) -> bool {
        self.core.as_ref().is_some_and(|core| core.contains_key(slot))
    }

    /// Whether a slot's gate means something to the core, as far as is known: one that it has not loaded has none.
    #[must_use]
    pub(crate) fn may_be_loaded(&self, slot: &SlotName) -> bool {
        self.core.as_ref().is_none_or(|core| core.contains_key(slot))
    }

    /// Whether the core is known to have every gate as it is wanted, as [`Gates::moves`] found last.
    #[must_use]
    pub(crate) fn are_set(&self) -> bool {
        self.core.is_some() && self.differing.is_empty() && self.moving.is_empty()
    }

    /// What to change in the core now.
    pub(crate) fn moves(&mut self, now: Moment) -> Vec<(SlotName, Way)> {
        let Some(core) = &self.core else { return Vec::new() };
        if self.again.is_some_and(|again| now < again) {
            return Vec::new();
        }
        self.again = None;
        let mut moves = Vec::new();
        self.differing.retain(|slot| {
            let Some(way) = core.get(slot) else { return false };
            let mut wanted = self.wanted.get(slot).copied().unwrap_or_default();
            if wanted == Way::Slow && self.fast_only.contains(slot) {
                wanted = Way::Open;
            }
            if self.moving.contains_key(slot) {
                return true;
            }
            if *way == wanted {
                return false;
            }
            self.moving.insert(slot.clone(), wanted);
            moves.push((slot.clone(), wanted));
            true
        });
        // Shutting first: an open gate lets bytes through that nobody has granted.
        moves.sort_by_key(|(_, way)| *way);
        moves
    }

    /// A change has ended. `done` is `None` when the core does not answer, `Some(false)` when it has not loaded the slot.
    pub(crate) fn moved(&mut self, slot: &SlotName, way: Way, done: Option<bool>, now: Moment) {
        if self.moving.remove(slot).is_none() {
            return;
        }
        let Some(core) = &mut self.core else { return };
        match done {
            Some(true) => {
                core.insert(slot.clone(), way);
            }
            // The slot itself is there, and can be opened and shut.
            Some(false) if way == Way::Slow => {
                self.fast_only.insert(slot.clone());
                self.differing.insert(slot.clone());
            }
            Some(false) => {
                core.remove(slot);
            }
            None => self.again = Some(now.plus(AGAIN)),
        }
    }

    /// Forgets slots that are neither in the roster nor in the core.
    pub(crate) fn prune(&mut self, in_roster: impl Fn(&SlotName) -> bool) {
        let core = self.core.as_ref();
        self.wanted.retain(|slot, _| in_roster(slot) || core.is_none_or(|core| core.contains_key(slot)));
    }

    /// Gates that are wanted shut.
    #[must_use]
    pub(crate) fn shut(&self) -> usize {
        self.wanted.values().filter(|way| !way.is_open()).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, slot};

    #[test]
    fn the_core_is_moved_to_what_is_wanted_shutting_first() {
        let mut gates = Gates::default();
        gates.want(&slot("alice"), Way::Open);
        gates.want(&slot("bobby"), Way::Shut);
        assert_eq!(gates.moves(at(0)), [], "nothing is known of the core");
        gates.learn([(slot("alice"), Way::Shut), (slot("bobby"), Way::Open), (slot("gone"), Way::Open)]);
        let moves = [(slot("bobby"), Way::Shut), (slot("gone"), Way::Shut), (slot("alice"), Way::Open)];
        assert_eq!(gates.moves(at(0)), moves);
        assert_eq!(gates.moves(at(0)), [], "under way");
        for (slot, way) in &moves {
            gates.moved(slot, *way, Some(true), at(0));
        }
        assert_eq!(gates.moves(at(1)), []);
        assert!(gates.differing.is_empty());
    }

    #[test]
    fn a_wish_that_changes_under_way_is_followed_afterwards() {
        let mut gates = Gates::default();
        gates.learn([(slot("alice"), Way::Shut)]);
        gates.want(&slot("alice"), Way::Open);
        assert_eq!(gates.moves(at(0)), [(slot("alice"), Way::Open)]);
        gates.want(&slot("alice"), Way::Shut);
        assert_eq!(gates.moves(at(0)), []);
        gates.moved(&slot("alice"), Way::Open, Some(true), at(0));
        assert_eq!(gates.moves(at(0)), [(slot("alice"), Way::Shut)]);
    }

    #[test]
    fn a_failed_change_is_tried_again_later_and_an_unloaded_slot_is_not() {
        let mut gates = Gates::default();
        gates.learn([(slot("alice"), Way::Open), (slot("bobby"), Way::Open)]);
        assert_eq!(gates.moves(at(0)).len(), 2);
        gates.moved(&slot("alice"), Way::Shut, None, at(0));
        gates.moved(&slot("bobby"), Way::Shut, Some(false), at(0));
        assert_eq!(gates.moves(at(0)), []);
        assert_eq!(gates.moves(at(1)), [(slot("alice"), Way::Shut)]);
        assert!(!gates.is_loaded(&slot("bobby")));
    }

    #[test]
    fn a_new_incarnation_is_compared_afresh() {
        let mut gates = Gates::default();
        gates.want(&slot("alice"), Way::Shut);
        gates.learn([(slot("alice"), Way::Open)]);
        gates.moves(at(0));
        gates.forget_core();
        gates.moved(&slot("alice"), Way::Shut, Some(true), at(0));
        gates.learn([(slot("alice"), Way::Open)]);
        assert_eq!(gates.moves(at(0)), [(slot("alice"), Way::Shut)]);
    }

    #[test]
    fn where_the_core_has_no_slow_way_the_gate_opens_until_it_was_reloaded_and_shuts_as_ever() {
        let mut gates = Gates::default();
        gates.learn([(slot("alice"), Way::Shut)]);
        gates.want(&slot("alice"), Way::Slow);
        assert_eq!(gates.moves(at(0)), [(slot("alice"), Way::Slow)]);
        gates.moved(&slot("alice"), Way::Slow, Some(false), at(0));
        assert!(gates.is_too_fast(&slot("alice")) && gates.is_loaded(&slot("alice")));
        assert_eq!(gates.moves(at(0)), [(slot("alice"), Way::Open)]);
        gates.moved(&slot("alice"), Way::Open, Some(true), at(0));
        gates.want(&slot("alice"), Way::Shut);
        assert_eq!(gates.moves(at(0)), [(slot("alice"), Way::Shut)]);
        gates.moved(&slot("alice"), Way::Shut, Some(true), at(0));
        gates.want(&slot("alice"), Way::Slow);
        gates.learn([(slot("alice"), Way::Shut)]);
        assert!(!gates.is_too_fast(&slot("alice")));
        assert_eq!(gates.moves(at(0)), [(slot("alice"), Way::Slow)]);
    }
}
