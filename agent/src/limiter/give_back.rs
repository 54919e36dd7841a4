//! What a node gives back of its grants when the panel touches a slot, because another node may starve.

use weir_wire::SlotName;
use weir_wire::grant::kept;
use weir_wire::sync::Ask;

use super::ask::{View, is_near};
use super::{Held, Kind, Limiter};

impl Limiter {
    /// Lowers the limits of slots that the panel has touched to what is needed, before that is said: another node may
    /// starve. Whoever is near his limit, or at it, asks as ever.
    pub(crate) fn give_back(&mut self, view: &impl View) {
        let called: Vec<_> =
            self.nagging.iter_mut().filter_map(|(slot, nagging)| nagging.take_call().then(|| slot.clone())).collect();
        for slot in called {
            let Some(held @ Held { kind: Kind::Granted(_), .. }) = self.held.get(&slot).copied() else { continue };
            let count = view.count(&slot);
            let left = held.limit.saturating_sub(count);
            if left == 0 || is_near(&slot, held.limit, view) {
                continue;
            }
            let keeps = kept(left, view.moves(&slot));
            let kind = if keeps == 0 { Kind::LetGo } else { held.kind };
            self.put(&slot, Held { limit: count.saturating_add(keeps), kind, ..held });
            self.giving.insert(slot);
        }
    }

    /// Of `asks`, the slots that give back: no more is wanted for them than is stated.
    #[must_use]
    pub(crate) fn giving_back(&self, asks: &[Ask]) -> Vec<SlotName> {
        let gives = |slot: &SlotName| match self.held.get(slot).map(|held| held.kind) {
            Some(Kind::LetGo) => true,
            Some(Kind::Granted(_)) => self.giving.contains(slot),
            _ => false,
        };
        asks.iter().filter(|ask| gives(&ask.slot)).map(|ask| ask.slot.clone()).collect()
    }
}
