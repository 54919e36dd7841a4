//! Gates: which are wanted open, which the core has open, and what has to be done about the difference.

use std::collections::{BTreeMap, BTreeSet};

use weir_wire::SlotName;

use crate::clock::Moment;

/// Milliseconds before a gate whose change failed is tried again.
const AGAIN: u64 = 1_000;

/// The wanted state and the core's.
#[derive(Debug, Default)]
pub(crate) struct Gates {
    wanted: BTreeMap<SlotName, bool>,
    /// What the running core has loaded, and how; `None` while it is not known.
    core: Option<BTreeMap<SlotName, bool>>,
    /// Slots whose state may differ.
    differing: BTreeSet<SlotName>,
    /// Changes under way.
    moving: BTreeMap<SlotName, bool>,
    again: Option<Moment>,
}

impl Gates {
    /// Wants one gate open or shut. Returns whether that is new.
    pub(crate) fn want(&mut self, slot: &SlotName, open: bool) -> bool {
        match self.wanted.get_mut(slot) {
            Some(wanted) if *wanted == open => return false,
            Some(wanted) => *wanted = open,
            None => {
                self.wanted.insert(slot.clone(), open);
            }
        }
        self.differing.insert(slot.clone());
        true
    }

    /// Whether a slot's gate is wanted shut, or the slot is unknown.
    #[must_use]
    pub(crate) fn is_shut(&self, slot: &SlotName) -> bool {
        !self.wanted.get(slot).copied().unwrap_or_default()
    }

    /// The core has told what it has loaded. What it has and nobody wants is shut: slots gone from the roster stay in the
    /// core until its next reload.
    pub(crate) fn learn(&mut self, loaded: impl IntoIterator<Item = (SlotName, bool)>) {
        let loaded: BTreeMap<_, _> = loaded.into_iter().collect();
        for slot in loaded.keys() {
            self.wanted.entry(slot.clone()).or_insert(false);
        }
        self.differing.extend(loaded.keys().cloned());
        self.core = Some(loaded);
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

    /// What to change in the core now.
    pub(crate) fn moves(&mut self, now: Moment) -> Vec<(SlotName, bool)> {
        let Some(core) = &self.core else { return Vec::new() };
        if self.again.is_some_and(|again| now < again) {
            return Vec::new();
        }
        self.again = None;
        let mut moves = Vec::new();
        self.differing.retain(|slot| {
            let Some(open) = core.get(slot) else { return false };
            let wanted = self.wanted.get(slot).copied().unwrap_or_default();
            if self.moving.contains_key(slot) {
                return true;
            }
            if *open == wanted {
                return false;
            }
            self.moving.insert(slot.clone(), wanted);
            moves.push((slot.clone(), wanted));
            true
        });
        // Shutting first: an open gate lets bytes through that nobody has granted.
        moves.sort_by_key(|(_, open)| *open);
        moves
    }

    /// A change has ended. `done` is `None` when the core does not answer, `Some(false)` when it has not loaded the slot.
    pub(crate) fn moved(&mut self, slot: &SlotName, open: bool, done: Option<bool>, now: Moment) {
        if self.moving.remove(slot).is_none() {
            return;
        }
        let Some(core) = &mut self.core else { return };
        match done {
            Some(true) => {
                core.insert(slot.clone(), open);
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
        self.wanted.values().filter(|open| !**open).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(name: &str) -> SlotName {
        name.parse().unwrap()
    }

    fn at(second: u64) -> Moment {
        Moment::from_millis(second * 1_000)
    }

    #[test]
    fn the_core_is_moved_to_what_is_wanted_shutting_first() {
        let mut gates = Gates::default();
        gates.want(&slot("alice"), true);
        gates.want(&slot("bobby"), false);
        assert_eq!(gates.moves(at(0)), [], "nothing is known of the core");
        gates.learn([(slot("alice"), false), (slot("bobby"), true), (slot("gone"), true)]);
        let moves = [(slot("bobby"), false), (slot("gone"), false), (slot("alice"), true)];
        assert_eq!(gates.moves(at(0)), moves);
        assert_eq!(gates.moves(at(0)), [], "under way");
        for (slot, open) in &moves {
            gates.moved(slot, *open, Some(true), at(0));
        }
        assert_eq!(gates.moves(at(1)), []);
        assert!(gates.differing.is_empty());
    }

    #[test]
    fn a_wish_that_changes_under_way_is_followed_afterwards() {
        let mut gates = Gates::default();
        gates.learn([(slot("alice"), false)]);
        gates.want(&slot("alice"), true);
        assert_eq!(gates.moves(at(0)), [(slot("alice"), true)]);
        gates.want(&slot("alice"), false);
        assert_eq!(gates.moves(at(0)), []);
        gates.moved(&slot("alice"), true, Some(true), at(0));
        assert_eq!(gates.moves(at(0)), [(slot("alice"), false)]);
    }

    #[test]
    fn a_failed_change_is_tried_again_later_and_an_unloaded_slot_is_not() {
        let mut gates = Gates::default();
        gates.learn([(slot("alice"), true), (slot("bobby"), true)]);
        assert_eq!(gates.moves(at(0)).len(), 2);
        gates.moved(&slot("alice"), false, None, at(0));
        gates.moved(&slot("bobby"), false, Some(false), at(0));
        assert_eq!(gates.moves(at(0)), []);
        assert_eq!(gates.moves(at(1)), [(slot("alice"), false)]);
        assert!(!gates.is_loaded(&slot("bobby")));
    }

    #[test]
    fn a_new_incarnation_is_compared_afresh() {
        let mut gates = Gates::default();
        gates.want(&slot("alice"), false);
        gates.learn([(slot("alice"), true)]);
        gates.moves(at(0));
        gates.forget_core();
        gates.moved(&slot("alice"), false, Some(true), at(0));
        gates.learn([(slot("alice"), true)]);
        assert_eq!(gates.moves(at(0)), [(slot("alice"), false)]);
    }
}
