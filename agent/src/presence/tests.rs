use super::*;
use crate::testing::{at_millis, begun, origin, slot};

const ALICE: &str = "alice";

fn new(id: &str, source: &str) -> ConnectionEvent {
    begun(id, Origin { source: source.to_owned(), ..origin(ALICE) })
}

fn moved(id: &str) -> ConnectionEvent {
    ConnectionEvent { id: id.to_owned(), origin: None, up: 1, down: 1, closed: false }
}

fn ended(id: &str) -> ConnectionEvent {
    ConnectionEvent { closed: true, ..moved(id) }
}

fn allowance(devices: u32, streams: u32) -> Allowance {
    Allowance { devices, streams }
}

/// Alice's connections under one allowance.
struct Scene {
    presence: Presence,
    allowed: Allowance,
}

impl Scene {
    fn new(devices: u32, streams: u32) -> Self {
        Self { presence: Presence::default(), allowed: allowance(devices, streams) }
    }

    fn tell_at(&mut self, now: u64, reset: bool, events: &[ConnectionEvent]) -> Vec<String> {
        let allowed = self.allowed;
        self.presence.connections(reset, events, at_millis(now), |origin| origin.source.parse().ok(), |_| Some(allowed))
    }

    fn tell(&mut self, events: &[ConnectionEvent]) -> Vec<String> {
        self.tell_at(0, false, events)
    }

    fn allow(&mut self, devices: u32, streams: u32) -> Vec<String> {
        self.allowed = allowance(devices, streams);
        self.presence.allow(&slot(ALICE), self.allowed, at_millis(0))
    }

    fn counts(&self) -> Vec<(u64, u64)> {
        self.presence.held_back(9).iter().map(|of| (of.devices, of.streams)).collect()
    }
}

const NOBODY: [&str; 0] = [];

#[test]
fn the_newest_address_over_the_limit_is_shown_out_and_those_before_stay() {
    let mut scene = Scene::new(2, 0);
    assert_eq!(scene.tell(&[new("a", "192.0.2.1"), new("b", "192.0.2.2"), new("c", "192.0.2.3")]), ["c"]);
    assert_eq!(scene.tell(&[new("a2", "192.0.2.1"), new("c2", "192.0.2.3"), new("b2", "192.0.2.2")]), ["c2"]);
    assert_eq!(scene.counts(), [(2, 0)]);
}

#[test]
fn a_device_that_leaves_makes_room_and_one_that_was_shown_out_has_none() {
    let mut scene = Scene::new(1, 0);
    assert_eq!(scene.tell(&[new("a", "192.0.2.1"), new("b", "192.0.2.2")]), ["b"]);
    // What is held back and has not ended yet takes no place.
    assert_eq!(scene.tell(&[ended("a"), new("a2", "192.0.2.1"), ended("b")]), NOBODY);
    assert_eq!(scene.tell(&[new("b2", "192.0.2.2"), ended("b2"), ended("a2"), new("b3", "192.0.2.2")]), ["b2"]);
    assert_eq!(scene.tell(&[new("a3", "192.0.2.1")]), ["a3"]);
}

#[test]
fn the_newest_connections_over_the_limit_of_connections_end() {
    let mut scene = Scene::new(0, 2);
    assert_eq!(scene.tell(&[new("1", "192.0.2.1"), new("2", "192.0.2.1"), new("3", "192.0.2.2")]), ["3"]);
    assert_eq!(scene.tell(&[ended("1"), new("4", "192.0.2.9"), new("5", "192.0.2.9")]), ["5"]);
    assert_eq!(scene.counts(), [(0, 2)]);
}

#[test]
fn a_connection_whose_address_is_not_known_is_no_device_and_counts_as_a_connection() {
    let mut scene = Scene::new(1, 3);
    assert_eq!(scene.tell(&[new("a", "192.0.2.1"), new("x", "?"), new("y", "?"), new("z", "?")]), ["z"]);
}

#[test]
fn a_lowered_limit_ends_the_newest_and_a_raised_one_nobody() {
    let mut scene = Scene::new(0, 0);
    let all = [new("1", "192.0.2.1"), new("2", "192.0.2.2"), new("3", "192.0.2.3"), new("4", "192.0.2.1")];
    assert_eq!(scene.tell(&all), NOBODY);
    assert_eq!(scene.allow(2, 0), ["3"]);
    assert_eq!(scene.allow(3, 0), NOBODY);
    assert_eq!(scene.allow(2, 2), ["4"]);
    // The first device came first, though its oldest connection has ended since.
    assert_eq!(scene.tell(&[ended("3"), ended("4"), new("5", "192.0.2.1"), ended("1")]), ["5"]);
    scene.allow(2, 3);
    assert_eq!(scene.tell(&[new("6", "192.0.2.1")]), NOBODY);
}

#[test]
fn a_device_stays_the_first_while_any_of_its_connections_lives() {
    let mut scene = Scene::new(0, 0);
    scene.tell(&[new("1", "192.0.2.1"), new("2", "192.0.2.2"), new("3", "192.0.2.1"), ended("1")]);
    assert_eq!(scene.allow(1, 0), ["2"]);
}

#[test]
fn what_the_core_does_not_end_is_ended_again_after_a_while_and_not_at_each_word_of_it() {
    let mut scene = Scene::new(1, 0);
    assert_eq!(scene.tell(&[new("a", "192.0.2.1"), new("b", "192.0.2.2"), moved("b")]), ["b"]);
    assert_eq!(scene.tell_at(AGAIN - 1, false, &[moved("a"), moved("b")]), NOBODY);
    assert_eq!(scene.tell_at(AGAIN, false, &[moved("a"), moved("b")]), ["b"]);
    assert_eq!(scene.counts(), [(1, 0)], "the same connection");
}

#[test]
fn a_list_of_all_ends_what_it_does_not_name_and_leaves_who_is_there_in_place() {
    let mut scene = Scene::new(1, 0);
    scene.tell(&[new("a", "192.0.2.1"), new("a2", "192.0.2.1")]);
    assert_eq!(scene.tell_at(0, true, &[new("b", "192.0.2.2"), new("a2", "192.0.2.1"), ended("a")]), ["b"]);
    assert_eq!(scene.tell_at(0, true, &[]), NOBODY);
    assert!(scene.presence.users.is_empty() && scene.presence.streams.is_empty());
    assert_eq!(scene.tell(&[new("c", "192.0.2.3")]), NOBODY);
}

#[test]
fn in_a_storm_connections_end_together_with_the_tick() {
    let mut scene = Scene::new(1, 0);
    scene.tell(&[new("a", "192.0.2.1")]);
    let storm: Vec<_> = (0..100).map(|number| new(&format!("b{number}"), "192.0.2.2")).collect();
    let at_once = scene.tell(&storm);
    assert_eq!(at_once.len(), usize::try_from(STORM).unwrap());
    assert!(scene.presence.is_waiting());
    assert_eq!(scene.presence.tick().len(), 100 - at_once.len());
    assert!(!scene.presence.is_waiting());
    assert_eq!(scene.tell_at(STORM_WINDOW, false, &[new("late", "192.0.2.2")]), ["late"]);
    assert_eq!((scene.presence.total(), scene.counts()), (101, vec![(101, 0)]));
}

#[test]
fn who_may_not_pass_takes_no_place_and_a_core_that_went_away_left_nobody() {
    let mut presence = Presence::default();
    let network = |origin: &Origin| origin.source.parse().ok();
    let shut = presence.connections(false, &[new("a", "192.0.2.1")], at_millis(0), network, |_| None);
    assert_eq!(shut, NOBODY);
    let one = |_: &SlotName| Some(allowance(1, 0));
    assert_eq!(presence.connections(false, &[new("b", "192.0.2.2")], at_millis(0), network, one), NOBODY);
    presence.core_down();
    assert_eq!(presence.connections(false, &[new("c", "192.0.2.3")], at_millis(0), network, one), NOBODY);
}

#[test]
fn of_many_who_were_held_back_the_latest_are_remembered() {
    let mut presence = Presence::default();
    for number in 0..MOST_REMEMBERED + 10 {
        let mut event = new(&number.to_string(), "192.0.2.1");
        event.origin.as_mut().unwrap().user = format!("user{number}");
        let later = at_millis(u64::try_from(number).unwrap());
        presence.connections(false, &[event.clone()], later, |_| None, |_| Some(allowance(0, 1)));
        event.id = format!("{number} again");
        presence.connections(false, &[event], later, |_| None, |_| Some(allowance(0, 1)));
    }
    let told = presence.held_back(usize::MAX);
    assert_eq!(told.len(), MOST_REMEMBERED);
    assert_eq!(told[0].slot, slot(&format!("user{}", MOST_REMEMBERED + 9)));
}
