use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use weir_wire::address::day;

use super::*;
use crate::cores::Origin;
use crate::testing::{at_millis, begun, origin, slot};

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;

fn key(day: u32) -> AddressKey {
    AddressKey::derive(b"key", day)
}

fn event(id: &str, user: &str, source: &str, closed: bool) -> ConnectionEvent {
    let origin = Origin { source: source.to_owned(), ..origin(user) };
    ConnectionEvent { closed, ..begun(id, origin) }
}

fn end(id: &str) -> ConnectionEvent {
    ConnectionEvent { id: id.to_owned(), origin: None, up: 0, down: 0, closed: true }
}

/// Addresses of a node that has heard the panel on day 1, at moment 0.
fn heard() -> Addresses {
    let mut addresses = Addresses::new(["proxied".to_owned()]);
    addresses.by_header(vec!["ws".to_owned(), "proxied".to_owned()]);
    addresses.answered(false, Some(key(1)));
    addresses
}

impl Addresses {
    fn happens(&mut self, now: u64, events: &[ConnectionEvent]) {
        self.connections(false, events, at_millis(now), |_| true);
    }

    /// A sync that arrives: how many addresses of each user it tells.
    fn sync(&mut self, now: u64) -> BTreeMap<String, usize> {
        let sets = self.tell(at_millis(now));
        self.answered(true, None);
        sets.into_iter().map(|set| (set.slot.to_string(), set.hashes.len())).collect()
    }
}

fn told<const N: usize>(sets: [(&str, usize); N]) -> BTreeMap<String, usize> {
    sets.into_iter().map(|(slot, count)| (slot.to_owned(), count)).collect()
}

#[test]
fn nothing_is_told_before_the_panel_hands_down_a_key() {
    let mut addresses = Addresses::new([]);
    addresses.by_header(Vec::new());
    addresses.happens(0, &[event("a", "alice", "192.0.2.1:5", false)]);
    assert_eq!((addresses.day(), addresses.tell(at_millis(0)).len()), (Some(0), 0));
    addresses.answered(true, Some(key(7)));
    assert_eq!(addresses.day(), Some(7));
    let [set] = &addresses.tell(at_millis(1))[..] else { panic!("one set") };
    assert_eq!(set.hashes, [key(7).hash(&slot("alice"), "192.0.2.1".parse().unwrap())]);
}

#[test]
fn a_change_is_told_at_most_once_a_minute_and_a_set_that_stays_is_told_again_before_it_lapses() {
    let mut addresses = heard();
    addresses.happens(0, &[event("a", "alice", "192.0.2.1:5", false)]);
    assert_eq!(addresses.sync(0), told([("alice", 1)]));
    addresses.happens(SECOND, &[event("b", "alice", "192.0.2.2:5", false)]);
    assert_eq!(addresses.sync(59 * SECOND), told([]));
    assert_eq!(addresses.sync(MINUTE), told([("alice", 2)]));
    addresses.happens(2 * MINUTE, &[event("c", "alice", "192.0.2.2:6", false)]);
    assert_eq!(addresses.sync(12 * MINUTE), told([]));
    assert_eq!(addresses.sync(13 * MINUTE), told([("alice", 2)]));
}

#[test]
fn an_address_counts_while_a_connection_lives_and_five_minutes_after() {
    let mut addresses = heard();
    addresses.happens(0, &[event("a", "alice", "192.0.2.1:5", false), event("b", "alice", "192.0.2.2:5", false)]);
    assert_eq!(addresses.sync(0), told([("alice", 2)]));
    addresses.happens(2 * MINUTE, &[end("a")]);
    assert_eq!(addresses.sync(7 * MINUTE - 1), told([]));
    assert_eq!(addresses.sync(7 * MINUTE), told([("alice", 1)]));
    addresses.happens(8 * MINUTE, &[end("b"), end("b")]);
    // The panel hears that nobody is left, and the user is forgotten.
    assert_eq!(addresses.sync(13 * MINUTE), told([("alice", 0)]));
    addresses.happens(13 * MINUTE, &[event("c", "alice", "192.0.2.1:5", true)]);
    assert_eq!(addresses.sync(14 * MINUTE - 1), told([]));
    assert_eq!(addresses.sync(14 * MINUTE), told([("alice", 1)]));
    assert_eq!(addresses.sync(18 * MINUTE), told([("alice", 0)]));
    assert_eq!(addresses.sync(19 * MINUTE), told([]));
    assert!(addresses.users.is_empty() && addresses.live.is_empty());
}

#[test]
fn a_connection_that_was_over_before_it_was_told_counts_and_one_that_ended_long_ago_does_not() {
    let mut addresses = heard();
    addresses.happens(0, &[event("a", "alice", "192.0.2.1:5", true)]);
    addresses.connections(true, &[event("b", "bobby", "192.0.2.2:5", true)], at_millis(0), |_| true);
    assert_eq!(addresses.sync(0), told([("alice", 1)]));
}

#[test]
fn what_a_list_of_all_does_not_name_has_ended_and_so_has_everything_of_a_core_that_is_down() {
    let mut addresses = heard();
    let (alice, bobby) = (event("a", "alice", "192.0.2.1:5", false), event("b", "bobby", "192.0.2.2:5", false));
    addresses.happens(0, &[alice.clone(), bobby.clone()]);
    addresses.connections(true, &[alice], at_millis(MINUTE), |_| true);
    assert_eq!(addresses.sync(5 * MINUTE), told([("alice", 1), ("bobby", 1)]));
    assert_eq!(addresses.sync(6 * MINUTE), told([("bobby", 0)]));
    addresses.core_down(at_millis(7 * MINUTE));
    assert_eq!(addresses.sync(12 * MINUTE), told([("alice", 0)]));
    addresses.connections(true, &[bobby], at_millis(20 * MINUTE), |_| true);
    assert_eq!(addresses.sync(20 * MINUTE), told([("bobby", 1)]));
}

#[test]
fn clients_of_one_network_are_one_and_those_whom_a_gate_refuses_are_none() {
    let mut addresses = heard();
    addresses.happens(
        0,
        &[
            event("1", "alice", "192.0.2.1:5", false),
            event("2", "alice", "[::ffff:192.0.2.1]:6", false),
            event("3", "alice", "[2001:db8:0:1::1]:5", false),
            event("4", "alice", "[2001:db8:0:1:ffff::2]:5", false),
            event("5", "alice", "[2001:db8:0:2::1]:5", false),
            event("6", "alice", "127.0.0.1:5", false),
            event("7", "alice", "nowhere", false),
            event("8", "NO SLOT", "192.0.2.9:5", false),
        ],
    );
    addresses.connections(false, &[event("9", "bobby", "192.0.2.1:5", false)], at_millis(0), |slot| {
        slot.as_str() != "bobby"
    });
    assert_eq!(addresses.sync(0), told([("alice", 4)]));
}

#[test]
fn an_address_out_of_a_header_counts_only_behind_a_declared_proxy() {
    let from = |inbound: &str, id: &str, source: &str| {
        let mut event = event(id, "alice", source, false);
        event.origin.as_mut().unwrap().inbound = inbound.to_owned();
        event
    };
    let mut addresses = heard();
    addresses.happens(0, &[from("ws", "1", "192.0.2.1:5"), from("ws", "2", "127.0.0.1:5")]);
    assert_eq!(addresses.sync(0), told([]));
    // The proxy itself is nobody's client.
    addresses.happens(0, &[from("proxied", "3", "127.0.0.1:5"), from("proxied", "4", "10.0.0.7:5")]);
    assert_eq!(addresses.sync(1), told([]));
    addresses.happens(0, &[from("proxied", "5", "192.0.2.1:5")]);
    assert_eq!(addresses.sync(2), told([("alice", 1)]));
}

#[test]
fn before_the_template_was_read_nobody_knows_which_addresses_are_forged() {
    let mut addresses = Addresses::new([]);
    addresses.answered(false, Some(key(1)));
    addresses.happens(0, &[event("a", "alice", "192.0.2.1:5", false)]);
    assert_eq!(addresses.sync(0), told([]));
}

#[test]
fn a_sync_that_failed_has_told_nothing() {
    let mut addresses = heard();
    addresses.happens(0, &[event("a", "alice", "192.0.2.1:5", false)]);
    assert_eq!(addresses.tell(at_millis(0)).len(), 1);
    assert_eq!(addresses.tell(at_millis(1)).len(), 1);
    // A sync that said only how the node is was answered.
    addresses.answered(false, None);
    assert_eq!(addresses.sync(2), told([("alice", 1)]));
}

#[test]
fn another_day_s_key_tells_everything_anew() {
    let mut addresses = heard();
    addresses.happens(0, &[event("a", "alice", "192.0.2.1:5", false)]);
    addresses.sync(0);
    addresses.answered(false, Some(key(2)));
    assert!(addresses.tell(at_millis(30 * SECOND)).is_empty());
    let [set] = &addresses.tell(at_millis(MINUTE))[..] else { panic!("one set") };
    assert_eq!((set.day, set.hashes.len()), (2, 1));
}

#[test]
fn a_panel_that_refuses_addresses_gets_none_any_more() {
    let mut addresses = heard();
    addresses.happens(0, &[event("a", "alice", "192.0.2.1:5", false)]);
    addresses.refused();
    addresses.answered(false, Some(key(2)));
    assert_eq!((addresses.day(), addresses.tell(at_millis(0)).len()), (None, 0));
}

#[test]
fn neither_a_user_nor_a_node_nor_a_sync_has_more_than_its_share() {
    let mut addresses = heard();
    for number in 0..40_u32 {
        addresses.happens(0, &[event(&format!("a{number}"), "alice", &format!("192.0.2.{number}:5"), false)]);
    }
    assert_eq!(addresses.sync(0), told([("alice", MAX_ADDRESSES)]));
    for number in 0..12_000_u32 {
        for client in 0..10 {
            let id = format!("{number} {client}");
            addresses.happens(0, &[event(&id, &format!("user{number}"), &format!("192.0.2.{client}:5"), false)]);
        }
    }
    assert_eq!(addresses.users.len(), MOST_USERS);
    assert_eq!(addresses.live.len(), MAX_ADDRESSES + 10 * (MOST_USERS - 1));
    let mut heard = BTreeSet::new();
    for sync in 0_u64.. {
        let sets = addresses.tell(at_millis(sync * 30 * SECOND));
        addresses.answered(true, None);
        assert!(sets.len() <= MAX_ADDRESS_SETS);
        assert!(sets.iter().map(|set| set.hashes.len()).sum::<usize>() <= MAX_ADDRESSES_IN_ALL);
        let before = heard.len();
        heard.extend(sets.into_iter().map(|set| set.slot));
        if heard.len() == MOST_USERS {
            break;
        }
        assert!(heard.len() > before, "those who wait come first");
    }
}

#[derive(Clone, Debug)]
enum Happens {
    Begin(usize, u8),
    End(usize),
    Pass(u64),
    Sync { arrives: bool },
    List,
    Down,
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        4 => (0..6_usize, 0..4_u8).prop_map(|(id, client)| Happens::Begin(id, client)),
        3 => (0..6_usize).prop_map(Happens::End),
        4 => (0..120_000_u64).prop_map(Happens::Pass),
        4 => any::<bool>().prop_map(|arrives| Happens::Sync { arrives }),
        1 => Just(Happens::List),
        1 => Just(Happens::Down),
    ]
}

proptest! {
    /// Whatever happens, what the panel was told last is at most a minute behind, and was told at most once in a minute.
    #[test]
    fn the_panel_knows_the_window_of_five_minutes(events in prop::collection::vec(happens(), 1..80)) {
        let mut addresses = heard();
        let mut now = 0;
        // Live connections, and when each client was last seen.
        let mut live: BTreeMap<String, u8> = BTreeMap::new();
        let mut last: BTreeMap<u8, u64> = BTreeMap::new();
        let mut told: Option<(u64, usize)> = None;
        let mut births = 0;
        let mut ids: Vec<Option<String>> = vec![None; 6];
        let named = |id: &str, client: u8, closed| event(id, "alice", &format!("192.0.2.{client}:5"), closed);
        for what in events {
            match what {
                Happens::Begin(place, client) => {
                    births += 1;
                    let id = format!("connection {births}");
                    addresses.happens(now, &[named(&id, client, false)]);
                    last.insert(client, now);
                    if let Some(old) = ids[place].replace(id.clone()) {
                        addresses.happens(now, &[end(&old)]);
                        last.insert(live.remove(&old).unwrap(), now);
                    }
                    live.insert(id, client);
                }
                Happens::End(place) => if let Some(id) = ids[place].take() {
                    addresses.happens(now, &[end(&id)]);
                    last.insert(live.remove(&id).unwrap(), now);
                },
                Happens::Pass(millis) => now += millis,
                Happens::List => {
                    let all: Vec<_> = live.iter().map(|(id, client)| named(id, *client, false)).collect();
                    addresses.connections(true, &all, at_millis(now), |_| true);
                }
                Happens::Down => {
                    addresses.core_down(at_millis(now));
                    last.extend(live.values().map(|client| (*client, now)));
                    live.clear();
                    ids.fill(None);
                }
                Happens::Sync { arrives } => {
                    let counting: BTreeSet<u8> = last
                        .iter()
                        .filter(|(client, seen)| live.values().any(|of| of == *client) || now - **seen < COUNTS)
                        .map(|(client, _)| *client)
                        .collect();
                    let sets = addresses.tell(at_millis(now));
                    prop_assert!(sets.len() <= 1);
                    if let Some(set) = sets.first() {
                        prop_assert_eq!(set.hashes.len(), counting.len());
                        prop_assert!(told.is_none_or(|(at, _)| now - at >= REST));
                    } else {
                        let known = told.map_or(0, |(_, count)| count);
                        prop_assert!(known == counting.len() || told.is_some_and(|(at, _)| now - at < REST) );
                        prop_assert!(known == 0 || told.is_some_and(|(at, _)| now - at < AGAIN));
                    }
                    addresses.answered(arrives, None);
                    if arrives && let Some(set) = sets.first() {
                        told = (!set.hashes.is_empty()).then_some((now, set.hashes.len())).or(told.map(|_| (now, 0)));
                    }
                }
            }
        }
    }
}

#[test]
fn a_day_begins_at_midnight_of_the_panel() {
    assert_eq!(day(weir_wire::Second::clamped(86_399)) + 1, day(weir_wire::Second::clamped(86_400)));
}

#[test]
fn a_core_that_names_no_inbound_is_believed_only_if_none_of_them_takes_a_clients_word() {
    let online = |addresses: &mut Addresses, ip: &str| {
        addresses.online(&[("alice".to_owned(), vec![ip.parse().unwrap()])], at_millis(0), |_| true);
        addresses.sync(0)
    };
    // One over HTTP that everybody can reach.
    assert_eq!(online(&mut heard(), "203.0.113.7"), told([]));
    let mut plain = heard();
    plain.by_header(Vec::new());
    plain.online(&[("bobby".to_owned(), vec!["203.0.113.8".parse().unwrap()])], at_millis(0), |slot| {
        slot.as_str() != "bobby"
    });
    assert_eq!(online(&mut plain, "203.0.113.7"), told([("alice", 1)]));
    let mut proxied = heard();
    proxied.by_header(vec!["proxied".to_owned()]);
    assert_eq!(online(&mut proxied, "127.0.0.1"), told([]), "the proxy itself");
    assert_eq!(online(&mut proxied, "203.0.113.7"), told([("alice", 1)]));
}
