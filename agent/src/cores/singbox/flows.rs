//! Live connections, and their absolute totals out of what one subscription tells.

use std::collections::HashMap;

use super::api::daemon::{self, ConnectionEventType};
use crate::cores::{ConnectionEvent, Origin, RelayPlan};

/// A live connection.
#[derive(Debug, Default)]
struct Flow {
    user: String,
    /// By this subscription: an absolute total and the changes after it.
    up: u64,
    down: u64,
    /// The total that it began with, unless the changes are known to come on top of it.
    first: (u64, u64),
    /// The most that was ever told. A new subscription's first total may be from a moment before the old one's last
    /// change; a live connection's total never falls.
    told_up: u64,
    told_down: u64,
    /// It began after the next subscription was asked for, whose list need not name it.
    young: bool,
}

impl Flow {
    /// What is certain: nobody pays twice.
    fn tell(&mut self) -> (u64, u64) {
        let (up, down) = self.doubt();
        self.told_up = self.told_up.max(self.up - up);
        self.told_down = self.told_down.max(self.down - down);
        (self.told_up, self.told_down)
    }

    /// Bytes that may stand in the first total and in the changes after it.
    fn doubt(&self) -> (u64, u64) {
        let (up, down) = self.first;
        (up.min(self.up.saturating_sub(up)), down.min(self.down.saturating_sub(down)))
    }
}

/// All live connections of the running core. Holds nothing of ended ones.
#[derive(Debug, Default)]
pub(super) struct Flows {
    live: HashMap<String, Flow>,
    /// Lists that were asked for beside the first of a session, and which of them was the last that came.
    lists_asked: u64,
    lists_told: u64,
}

fn count(bytes: i64) -> u64 {
    u64::try_from(bytes).unwrap_or_default()
}

impl Flows {
    /// Takes in what the core told and says it in absolute totals.
    pub(super) fn apply(&mut self, mut message: daemon::ConnectionEvents) -> Vec<ConnectionEvent> {
        if message.reset {
            self.lists_told = self.lists_asked;
            // Who came first matters to whoever counts devices; the core lists its connections in no order.
            message.events.sort_by_key(|event| event.connection.as_ref().map_or(0, |connection| connection.created_at));
        }
        let mut before = if message.reset { core::mem::take(&mut self.live) } else { HashMap::new() };
        let mut told = Vec::with_capacity(message.events.len());
        for event in message.events {
            let event = match event.r#type() {
                ConnectionEventType::ConnectionEventNew => self.begin(event, message.reset, &mut before),
                ConnectionEventType::ConnectionEventUpdate => self.update(event),
                ConnectionEventType::ConnectionEventClosed => self.end(event),
            };
            told.extend(event);
        }
        // The subscription names them after its list. Left out here, they would be taken for ended.
        for (id, mut flow) in before.into_iter().filter(|(_, flow)| flow.young) {
            let (up, down) = flow.tell();
            told.push(ConnectionEvent { id: id.clone(), origin: None, up, down, closed: false });
            self.live.insert(id, flow);
        }
        told
    }

    /// Another subscription is asked for: what begins from now on need not be in its list.
    pub(super) fn await_list(&mut self) {
        self.lists_asked += 1;
        self.live.values_mut().for_each(|flow| flow.young = false);
    }

    fn begin(
        &mut self,
        event: daemon::ConnectionEvent,
        listed: bool,
        before: &mut HashMap<String, Flow>,
    ) -> Option<ConnectionEvent> {
        let connection = event.connection?;
        let (up, down) = (count(connection.uplink_total), count(connection.downlink_total));
        let mut flow = self.live.remove(&event.id).or_else(|| before.remove(&event.id)).unwrap_or_default();
        // The list that a subscription begins with names connections that have ended, too: their totals are final.
        let closed = connection.closed_at != 0;
        let (up, down) = if closed {
            (up, down)
        } else {
            flow.up = up;
            flow.down = down;
            // In the list that a subscription begins with, the core notes where its changes start from after it has read
            // these totals. Otherwise it does so before, and the changes may name the same bytes again: an association's
            // first datagrams often do.
            flow.first = if listed { (0, 0) } else { (up, down) };
            flow.young = !listed;
            flow.user.clone_from(&connection.user);
            let told = flow.tell();
            self.live.insert(event.id.clone(), flow);
            told
        };
        Some(ConnectionEvent { id: event.id, origin: Some(origin(connection)), up, down, closed })
    }

    fn update(&mut self, event: daemon::ConnectionEvent) -> Option<ConnectionEvent> {
        // An update of a connection that was never named cannot be made absolute; the core sends none.
        let flow = self.live.get_mut(&event.id)?;
        if event.uplink_delta == 0 && event.downlink_delta == 0 {
            return None;
        }
        flow.up = flow.up.saturating_add(count(event.uplink_delta));
        flow.down = flow.down.saturating_add(count(event.downlink_delta));
        let (up, down) = flow.tell();
        Some(ConnectionEvent { id: event.id, origin: None, up, down, closed: false })
    }

    fn end(&mut self, event: daemon::ConnectionEvent) -> Option<ConnectionEvent> {
        let flow = self.live.remove(&event.id);
        let (origin, up, down) = match (event.connection, flow) {
            // Final, and exact even where the sum of changes was not.
            (Some(connection), _) => {
                let (up, down) = (count(connection.uplink_total), count(connection.downlink_total));
                (Some(origin(connection)), up, down)
            }
            (None, Some(mut flow)) => {
                let (up, down) = flow.tell();
                (None, up, down)
            }
            // A repetition without totals would state that the connection moved nothing.
            (None, None) => return None,
        };
        Some(ConnectionEvent { id: event.id, origin, up, down, closed: true })
    }

    /// Whether any connection may have moved more than was told: another list of all would say.
    pub(super) fn in_doubt(&self) -> bool {
        self.live.values().any(|flow| flow.doubt() != (0, 0))
    }

    /// Ids of all live connections.
    pub(super) fn ids(&self) -> Vec<String> {
        self.live.keys().cloned().collect()
    }

    /// Ids of one user's live connections.
    pub(super) fn ids_of(&self, user: &str) -> Vec<String> {
        self.live.iter().filter(|(_, flow)| flow.user == user).map(|(id, _)| id.clone()).collect()
    }

    /// How many of these connections are clients' own: what comes back from the relay is the second half of one.
    pub(super) fn clients(&self, ids: &[String]) -> usize {
        let of_client = |id: &&String| self.live.get(*id).is_none_or(|flow| flow.user != RelayPlan::BACK_USER);
        ids.iter().filter(of_client).count()
    }

    /// Whether any of these connections lives.
    pub(super) fn has_any(&self, ids: &[String]) -> bool {
        ids.iter().any(|id| self.live.contains_key(id))
    }

    /// How many lists have been asked for.
    pub(super) const fn lists_asked(&self) -> u64 {
        self.lists_asked
    }

    /// Whether a list has come that was asked for after `asked` of them.
    pub(super) const fn is_listed_after(&self, asked: u64) -> bool {
        self.lists_told > asked
    }

    /// Forgets all: the incarnation has ended.
    pub(super) fn clear(&mut self) {
        self.live = HashMap::new();
    }
}

fn origin(connection: daemon::Connection) -> Origin {
    let protocol = connection.inbound_type;
    Origin { user: connection.user, inbound: connection.inbound, protocol, source: connection.source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(id: &str, up: i64, closed_at: i64) -> daemon::ConnectionEvent {
        daemon::ConnectionEvent {
            id: id.into(),
            connection: Some(daemon::Connection {
                user: "alice234".into(),
                uplink_total: up,
                downlink_total: up * 2,
                closed_at,
                ..Default::default()
            }),
            ..Default::default()
        }
    }

    fn update(id: &str, up: i64) -> daemon::ConnectionEvent {
        daemon::ConnectionEvent { r#type: 1, id: id.into(), uplink_delta: up, ..Default::default() }
    }

    fn closed(id: &str, total: Option<i64>) -> daemon::ConnectionEvent {
        let connection = total.and_then(|total| named(id, total, 9).connection);
        daemon::ConnectionEvent { r#type: 2, id: id.into(), connection, closed_at: 9, ..Default::default() }
    }

    fn say(flows: &mut Flows, reset: bool, events: Vec<daemon::ConnectionEvent>) -> Vec<(String, u64, bool)> {
        let told = flows.apply(daemon::ConnectionEvents { events, reset });
        told.into_iter().map(|event| (event.id, event.up, event.closed)).collect()
    }

    #[test]
    fn changes_add_up_to_absolute_totals_and_the_end_is_authoritative() {
        let mut flows = Flows::default();
        assert_eq!(say(&mut flows, true, vec![named("a", 10, 0)]), [("a".into(), 10, false)]);
        assert_eq!(say(&mut flows, false, vec![update("a", 5)]), [("a".into(), 15, false)]);
        assert_eq!(say(&mut flows, false, vec![update("a", 0)]), []);
        assert_eq!(say(&mut flows, false, vec![closed("a", Some(14))]), [("a".into(), 14, true)]);
        assert!(flows.ids().is_empty());
    }

    #[test]
    fn an_end_without_totals_keeps_the_last_known_ones_and_its_repetition_says_nothing() {
        let mut flows = Flows::default();
        say(&mut flows, true, vec![named("a", 10, 0)]);
        assert_eq!(say(&mut flows, false, vec![closed("a", None)]), [("a".into(), 10, true)]);
        assert_eq!(say(&mut flows, false, vec![closed("a", None)]), []);
        assert_eq!(say(&mut flows, false, vec![closed("a", Some(11))]), [("a".into(), 11, true)]);
    }

    #[test]
    fn a_list_of_all_names_ended_connections_with_final_totals_and_forgets_unnamed_ones() {
        let mut flows = Flows::default();
        say(&mut flows, true, vec![named("a", 1, 0), named("b", 1, 0), named("c", 1, 0)]);
        let told = say(&mut flows, true, vec![named("a", 4, 0), named("b", 5, 9)]);
        assert_eq!(told, [("a".into(), 4, false), ("b".into(), 5, true)]);
        assert_eq!(flows.ids(), ["a"]);
        assert!(flows.has_any(&["a".into()]) && !flows.has_any(&["b".into(), "c".into()]));
    }

    #[test]
    fn a_new_subscription_that_lags_neither_lowers_a_live_total_nor_adds_to_it_twice() {
        let mut flows = Flows::default();
        say(&mut flows, true, vec![named("a", 10, 0)]);
        say(&mut flows, false, vec![update("a", 90)]);
        assert_eq!(say(&mut flows, true, vec![named("a", 60, 0)]), [("a".into(), 100, false)]);
        assert_eq!(say(&mut flows, false, vec![update("a", 30)]), [("a".into(), 100, false)]);
        assert_eq!(say(&mut flows, false, vec![update("a", 30)]), [("a".into(), 120, false)]);
    }

    #[test]
    fn what_a_change_may_name_again_is_told_once_until_a_list_of_all_or_the_end_says_more() {
        let mut flows = Flows::default();
        say(&mut flows, true, vec![]);
        assert_eq!(say(&mut flows, false, vec![named("a", 40, 0)]), [("a".into(), 40, false)]);
        assert!(!flows.in_doubt());
        assert_eq!(say(&mut flows, false, vec![update("a", 7)]), [("a".into(), 40, false)]);
        assert_eq!(say(&mut flows, false, vec![update("a", 93)]), [("a".into(), 100, false)]);
        assert!(flows.in_doubt());
        assert_eq!(say(&mut flows, true, vec![named("a", 140, 0)]), [("a".into(), 140, false)]);
        assert_eq!(say(&mut flows, false, vec![update("a", 10)]), [("a".into(), 150, false)]);
        assert!(!flows.in_doubt());
        say(&mut flows, false, vec![named("b", 40, 0), update("b", 7)]);
        assert_eq!(say(&mut flows, false, vec![closed("b", None)]), [("b".into(), 40, true)]);
        say(&mut flows, false, vec![named("c", 40, 0), update("c", 7)]);
        assert_eq!(say(&mut flows, false, vec![closed("c", Some(47))]), [("c".into(), 47, true)]);
    }

    #[test]
    fn a_connection_that_began_after_the_list_was_asked_for_lives_on() {
        let mut flows = Flows::default();
        say(&mut flows, true, vec![]);
        say(&mut flows, false, vec![named("old", 1, 0), named("gone", 1, 0)]);
        flows.await_list();
        say(&mut flows, false, vec![named("young", 5, 0)]);
        let told = say(&mut flows, true, vec![named("old", 2, 0)]);
        assert_eq!(told, [("old".into(), 2, false), ("young".into(), 5, false)]);
        assert!(flows.has_any(&["young".into()]) && !flows.has_any(&["gone".into()]));
        assert_eq!(say(&mut flows, false, vec![named("young", 5, 0)]), [("young".into(), 5, false)]);
        flows.await_list();
        assert_eq!(say(&mut flows, true, vec![named("old", 2, 0)]), [("old".into(), 2, false)]);
    }

    #[test]
    fn a_list_that_was_asked_for_before_says_nothing_of_what_came_after() {
        let mut flows = Flows::default();
        say(&mut flows, true, vec![]);
        flows.await_list();
        let asked = flows.lists_asked();
        say(&mut flows, true, vec![]);
        assert!(!flows.is_listed_after(asked));
        flows.await_list();
        say(&mut flows, false, vec![named("a", 1, 0)]);
        assert!(!flows.is_listed_after(asked));
        say(&mut flows, true, vec![named("a", 1, 0)]);
        assert!(flows.is_listed_after(asked));
    }

    #[test]
    fn what_comes_back_from_the_relay_is_no_client_s_connection() {
        let mut flows = Flows::default();
        let mut back = named("b", 1, 0);
        back.connection.as_mut().unwrap().user = RelayPlan::BACK_USER.to_owned();
        say(&mut flows, true, vec![named("a", 1, 0), back]);
        assert_eq!(flows.clients(&["a".to_owned(), "b".to_owned()]), 1);
    }

    #[test]
    fn a_list_of_all_names_first_who_came_first() {
        let mut flows = Flows::default();
        let mut events = vec![named("c", 1, 0), named("a", 1, 0), named("b", 1, 0)];
        for (event, created) in events.iter_mut().zip([30, 10, 20]) {
            event.connection.as_mut().unwrap().created_at = created;
        }
        let told: Vec<_> = say(&mut flows, true, events).into_iter().map(|(id, ..)| id).collect();
        assert_eq!(told, ["a", "b", "c"]);
    }

    #[test]
    fn a_user_s_connections_are_found_by_his_name() {
        let mut flows = Flows::default();
        say(&mut flows, true, vec![named("a", 1, 0)]);
        assert_eq!(flows.ids_of("alice234"), ["a"]);
        assert!(flows.ids_of("bob23456").is_empty());
    }
}
