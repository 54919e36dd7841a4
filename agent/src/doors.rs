//! Inbounds that are for users of some plans only: who comes there without such a plan is shown out.
//!
//! No rule of the core's file can say this: a user's plan changes and a slot gets its user while the core runs, and no reload may
//! be needed for it. So a connection is ended by its id as soon as the core tells of it, like one that passes by a shut gate.

use std::collections::BTreeMap;

use weir_wire::SlotName;
use weir_wire::sync::InboundPlans;

use crate::cores::ConnectionEvent;
use crate::ledger::{Batch, Ledger, LedgerError, Table, put_meta};

const META: &str = "inbound_plans";

/// Which inbounds are for whom, and who is where.
#[derive(Debug, Default)]
pub(crate) struct Doors {
    /// As the panel said last; durable, because the agent may start while the panel is away.
    plans: Vec<InboundPlans>,
    /// Live connections by the core's id: slot and inbound.
    guests: BTreeMap<String, (SlotName, String)>,
}

impl Doors {
    /// Reads what the ledger holds.
    pub(crate) fn load(ledger: &Ledger) -> Result<Self, LedgerError> {
        let plans = ledger.get(Table::Meta, META.as_bytes())?.unwrap_or_default();
        Ok(Self { plans, guests: BTreeMap::new() })
    }

    /// Takes what the panel says.
    pub(crate) fn take(&mut self, plans: Vec<InboundPlans>, batch: &mut Batch) {
        if self.plans != plans {
            self.plans = plans;
            put_meta(batch, META, &self.plans);
        }
    }

    /// The core went away, and with it every connection.
    pub(crate) fn core_down(&mut self) {
        self.guests.clear();
    }

    /// Takes in what the core told; returns the connections of these that must end. `plan` is the plan of a slot of ours.
    pub(crate) fn connections<'a>(
        &mut self,
        reset: bool,
        events: &[ConnectionEvent],
        plan: impl Fn(&SlotName) -> Option<Option<&'a str>>,
    ) -> Vec<String> {
        if reset {
            self.guests.clear();
        }
        let mut unwelcome = Vec::new();
        for event in events {
            if event.closed {
                self.guests.remove(&event.id);
                continue;
            }
            if let Some(origin) = &event.origin
                && let Ok(slot) = origin.user.parse()
            {
                self.guests.insert(event.id.clone(), (slot, origin.inbound.clone()));
            }
            if self.guests.get(&event.id).is_some_and(|guest| self.is_unwelcome(guest, &plan)) {
                unwelcome.push(event.id.clone());
            }
        }
        unwelcome
    }

    /// All live connections that must end, after plans have changed.
    pub(crate) fn unwelcome<'a>(&self, plan: impl Fn(&SlotName) -> Option<Option<&'a str>>) -> Vec<String> {
        if self.plans.is_empty() {
            return Vec::new();
        }
        self.guests.iter().filter(|(_, guest)| self.is_unwelcome(guest, &plan)).map(|(id, _)| id.clone()).collect()
    }

    fn is_unwelcome<'a>(
        &self,
        (slot, inbound): &(SlotName, String),
        plan: &impl Fn(&SlotName) -> Option<Option<&'a str>>,
    ) -> bool {
        let Some(door) = self.plans.iter().find(|door| door.inbound == *inbound) else { return false };
        // Users who are not the panel's are the operator's own, and nobody else's business.
        plan(slot).is_some_and(|plan| !door.admits(plan))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cores::Origin;

    fn event(id: &str, from: Option<(&str, &str)>, closed: bool) -> ConnectionEvent {
        let origin = from.map(|(user, inbound)| Origin {
            user: user.to_owned(),
            inbound: inbound.to_owned(),
            source: "192.0.2.1:5".to_owned(),
        });
        ConnectionEvent { id: id.to_owned(), origin, up: 0, down: 0, closed }
    }

    fn doors() -> Doors {
        let mut doors = Doors::default();
        let plans = vec![InboundPlans { inbound: "best".to_owned(), plans: vec!["Premium".to_owned()] }];
        doors.take(plans, &mut Batch::default());
        doors
    }

    #[expect(clippy::option_option, reason = "nobody's slot and a user without a plan are two things")]
    fn plan(slot: &SlotName) -> Option<Option<&'static str>> {
        match slot.as_str() {
            "alice" => Some(Some("premium")),
            "bobby" => Some(Some("free")),
            "carol" => Some(None),
            _ => None,
        }
    }

    #[test]
    fn who_has_not_the_plan_is_shown_out_at_each_word_of_his_connection() {
        let mut doors = doors();
        let events = [
            event("1", Some(("alice", "best")), false),
            event("2", Some(("bobby", "best")), false),
            event("3", Some(("carol", "best")), false),
            event("4", Some(("bobby", "any")), false),
            event("5", Some(("operator", "best")), false),
            event("6", None, false),
            event("7", Some(("bobby", "best")), true),
        ];
        assert_eq!(doors.connections(false, &events, plan), ["2", "3"]);
        // The core did not end it the first time.
        assert_eq!(doors.connections(false, &[event("2", None, false), event("1", None, false)], plan), ["2"]);
        assert_eq!(doors.connections(false, &[event("2", None, true)], plan), Vec::<String>::new());
    }

    #[test]
    fn who_loses_the_plan_or_the_inbound_is_shown_out_of_what_he_had() {
        let mut doors = doors();
        doors.connections(
            false,
            &[event("1", Some(("alice", "best")), false), event("2", Some(("bobby", "any")), false)],
            plan,
        );
        assert_eq!(doors.unwelcome(plan), Vec::<String>::new());
        assert_eq!(doors.unwelcome(|_| Some(Some("free"))), ["1"]);
        doors.take(vec![InboundPlans { inbound: "any".to_owned(), plans: Vec::new() }], &mut Batch::default());
        assert_eq!(doors.unwelcome(plan), ["2"]);
        doors.connections(true, &[], plan);
        assert_eq!(doors.unwelcome(plan), Vec::<String>::new());
    }

    #[test]
    fn what_the_panel_said_is_there_after_a_start_without_it() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&folder.path().join("ledger")).unwrap();
        let mut batch = Batch::default();
        let plans = vec![InboundPlans { inbound: "best".to_owned(), plans: vec!["premium".to_owned()] }];
        Doors::load(&ledger).unwrap().take(plans.clone(), &mut batch);
        ledger.commit_now(&batch).unwrap();
        assert_eq!(Doors::load(&ledger).unwrap().plans, plans);
    }
}
