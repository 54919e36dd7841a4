//! Who may come in where: inbounds that are for users of some plans only, and users for whom some inbounds were chosen. Who comes elsewhere
//! is shown out.
//!
//! No rule of the core's file can say this: a user's plan and choice change and a slot gets its user while the core runs, and no reload
//! may be needed for it. So a connection is ended by its id as soon as the core tells of it, like one that passes by a shut gate. A core
//! that tells no connections and takes users live, inbound by inbound, has each in his own alone.

use std::collections::BTreeMap;

use weir_wire::SlotName;
use weir_wire::roster::RosterEntry;
use weir_wire::sync::InboundPlans;

use crate::cores::ConnectionEvent;
use crate::ledger::{Batch, Ledger, LedgerError, Table, put_meta};

const META: &str = "inbound_plans";

/// Which inbounds are for whom, and who is where.
#[derive(Debug, Default)]
pub(crate) struct Doors {
    /// As the panel said last; durable, because the agent may start while the panel is away.
    plans: Vec<InboundPlans>,
    /// Live connections by the core's id.
    guests: BTreeMap<String, Guest>,
}

/// Who came in where.
#[derive(Debug)]
struct Guest {
    slot: SlotName,
    /// The inbound's tag.
    inbound: String,
    /// What it speaks.
    protocol: String,
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

    /// Tags of the inbounds that are for users of other plans than this one: for a core that has users inbound by inbound.
    pub(crate) fn closed_to(&self, plan: Option<&str>) -> Vec<String> {
        self.plans.iter().filter(|door| !door.admits(plan)).map(|door| door.inbound.clone()).collect()
    }

    /// Takes in what the core told; returns the connections of these that must end. `entry` is a slot of ours in the roster.
    pub(crate) fn connections<'a>(
        &mut self,
        reset: bool,
        events: &[ConnectionEvent],
        entry: impl Fn(&SlotName) -> Option<&'a RosterEntry>,
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
                let guest = Guest { slot, inbound: origin.inbound.clone(), protocol: origin.protocol.clone() };
                self.guests.insert(event.id.clone(), guest);
            }
            if self.guests.get(&event.id).is_some_and(|guest| self.is_unwelcome(guest, &entry)) {
                unwelcome.push(event.id.clone());
            }
        }
        unwelcome
    }

    /// All live connections that must end, after plans or choices have changed.
    pub(crate) fn unwelcome<'a>(&self, entry: impl Fn(&SlotName) -> Option<&'a RosterEntry>) -> Vec<String> {
        self.guests.iter().filter(|(_, guest)| self.is_unwelcome(guest, &entry)).map(|(id, _)| id.clone()).collect()
    }

    fn is_unwelcome<'a>(&self, guest: &Guest, entry: &impl Fn(&SlotName) -> Option<&'a RosterEntry>) -> bool {
        // Users who are not the panel's are the operator's own, and nobody else's business.
        let Some(entry) = entry(&guest.slot) else { return false };
        let door = self.plans.iter().find(|door| door.inbound == guest.inbound);
        let has_chosen = entry.ways.as_ref().is_none_or(|ways| ways.admit(&guest.protocol, &guest.inbound));
        !has_chosen || door.is_some_and(|door| !door.admits(entry.plan.as_deref()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cores::Origin;
    use crate::testing::{self, origin};

    fn event(id: &str, from: Option<(&str, &str)>, closed: bool) -> ConnectionEvent {
        let origin = from.map(|(user, inbound)| Origin {
            inbound: inbound.to_owned(),
            protocol: "vless".to_owned(),
            ..origin(user)
        });
        ConnectionEvent { id: id.to_owned(), origin, up: 0, down: 0, closed }
    }

    fn doors() -> Doors {
        let mut doors = Doors::default();
        let plans = vec![InboundPlans { inbound: "best".to_owned(), plans: vec!["Premium".to_owned()] }];
        doors.take(plans, &mut Batch::default());
        doors
    }

    fn entry(name: &str, plan: Option<&str>, ways: Option<&str>) -> RosterEntry {
        let ways = ways.map(|json| serde_json::from_str(json).unwrap());
        RosterEntry { plan: plan.map(str::to_owned), ways, ..testing::entry(name) }
    }

    fn roster() -> Vec<RosterEntry> {
        vec![entry("alice", Some("premium"), None), entry("bobby", Some("free"), None), entry("carol", None, None)]
    }

    fn of<'a>(roster: &'a [RosterEntry], slot: &SlotName) -> Option<&'a RosterEntry> {
        roster.iter().find(|entry| entry.slot == *slot)
    }

    #[test]
    fn who_has_not_the_plan_is_shown_out_at_each_word_of_his_connection() {
        let (mut doors, roster) = (doors(), roster());
        let events = [
            event("1", Some(("alice", "best")), false),
            event("2", Some(("bobby", "best")), false),
            event("3", Some(("carol", "best")), false),
            event("4", Some(("bobby", "any")), false),
            event("5", Some(("operator", "best")), false),
            event("6", None, false),
            event("7", Some(("bobby", "best")), true),
        ];
        assert_eq!(doors.connections(false, &events, |slot| of(&roster, slot)), ["2", "3"]);
        // The core did not end it the first time.
        let again = [event("2", None, false), event("1", None, false)];
        assert_eq!(doors.connections(false, &again, |slot| of(&roster, slot)), ["2"]);
        let ended = [event("2", None, true)];
        assert_eq!(doors.connections(false, &ended, |slot| of(&roster, slot)), Vec::<String>::new());
    }

    #[test]
    fn an_inbound_is_closed_to_everybody_without_one_of_its_plans() {
        let doors = doors();
        assert_eq!(doors.closed_to(Some("premium")), Vec::<String>::new());
        assert_eq!([doors.closed_to(Some("free")), doors.closed_to(None)], [["best"], ["best"]]);
    }

    #[test]
    fn who_loses_the_plan_or_the_inbound_is_shown_out_of_what_he_had() {
        let (mut doors, roster) = (doors(), roster());
        let events = [event("1", Some(("alice", "best")), false), event("2", Some(("bobby", "any")), false)];
        doors.connections(false, &events, |slot| of(&roster, slot));
        assert_eq!(doors.unwelcome(|slot| of(&roster, slot)), Vec::<String>::new());
        let free = entry("alice", Some("free"), None);
        assert_eq!(doors.unwelcome(|_| Some(&free)), ["1"]);
        doors.take(vec![InboundPlans { inbound: "any".to_owned(), plans: Vec::new() }], &mut Batch::default());
        assert_eq!(doors.unwelcome(|slot| of(&roster, slot)), ["2"]);
        doors.connections(true, &[], |slot| of(&roster, slot));
        assert_eq!(doors.unwelcome(|slot| of(&roster, slot)), Vec::<String>::new());
    }

    #[test]
    fn who_has_not_the_inbound_is_shown_out_of_it_and_of_no_other() {
        let mut doors = Doors::default();
        let roster =
            [entry("alice", None, Some(r#"{"vless":["old"]}"#)), entry("bobby", None, Some(r#"{"trojan":[]}"#))];
        let events = [
            event("1", Some(("alice", "old")), false),
            event("2", Some(("alice", "new")), false),
            event("3", Some(("bobby", "new")), false),
        ];
        assert_eq!(doors.connections(false, &events, |slot| of(&roster, slot)), ["1", "3"]);
        let swapped = [entry("alice", None, Some(r#"{"vless":["new"]}"#)), entry("bobby", None, None)];
        assert_eq!(doors.unwelcome(|slot| of(&swapped, slot)), ["2"]);
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
