//! From how many addresses a user connects, counted by SQL over what nodes tell.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::{Value as Json, json};
use weir::store::addresses::{self, Seen, Suspect, Suspicious, Whereabouts};
use weir::store::users::User;
use weir::store::{epochs, gates};
use weir_wire::address::{AddressKey, AddressSet, LEASE};
use weir_wire::{Epoch, NodeId, Second, SlotName};

use crate::scene::{Scene, seen};

const TODAY: u32 = 20_772;

/// What a node tells of a slot under a day's key: clients by the last number of their address.
fn set(slot: &SlotName, day: u32, clients: &[u8]) -> AddressSet {
    let key = AddressKey::derive(b"key", day);
    let hashes = clients.iter().map(|client| key.hash(slot, [192, 0, 2, *client].into())).collect();
    AddressSet { slot: slot.clone(), day, hashes }
}

impl Scene {
    fn tell_sets(&self, node: u32, sets: &[AddressSet]) -> Vec<Seen> {
        let sets: Vec<_> = sets.iter().collect();
        self.sqlite.batch_last(&addresses::tell(NodeId(node), &sets, self.now.get())).unwrap()
    }

    /// A node tells of one user today; how many addresses he has then.
    fn tell(&self, node: u32, user: &User, clients: &[u8]) -> u32 {
        let [seen] = self.tell_sets(node, &[set(&user.slot, TODAY, clients)])[..] else { panic!("one user") };
        assert_eq!(seen.user, user.id);
        seen.count
    }

    fn whereabouts(&self, user: i64) -> Option<Whereabouts> {
        self.sqlite.all(&addresses::of_user(user, self.now.get())).unwrap().pop()
    }

    fn note(&self, user: i64, count: u32, quiet: i64, cut: Option<i64>) {
        let now = self.now.get();
        let batch = addresses::note(&[Suspect(user, count, 3)], now.plus(quiet), cut.map(|cut| now.plus(cut)), now);
        self.sqlite.batch(&batch).unwrap();
    }

    fn notes(&self, user: Option<i64>, before: i64) -> Vec<Suspicious> {
        self.sqlite.all(&addresses::notes(user, before, 10)).unwrap()
    }
}

#[test]
fn one_client_on_two_nodes_is_one_and_others_add_up() {
    let scene = Scene::new();
    let alice = scene.create("alice", &json!({}));
    assert_eq!(scene.tell(1, &alice, &[1, 2]), 2);
    assert_eq!(scene.tell(2, &alice, &[2, 3]), 3);
    assert_eq!(scene.tell(10, &alice, &[3, 4]), 4);
    // A set replaces the one before, on its node alone.
    assert_eq!(scene.tell(2, &alice, &[2]), 4);
    assert_eq!(scene.tell(10, &alice, &[]), 2);
    assert_eq!(scene.tell(1, &alice, &[]), 1);
}

#[test]
fn a_set_that_comes_twice_or_is_lost_changes_no_count() {
    let scene = Scene::new();
    let alice = scene.create("alice", &json!({}));
    scene.tell(1, &alice, &[1, 2]);
    let before = scene.sqlite.dump();
    assert_eq!(scene.tell(1, &alice, &[1, 2]), 2);
    assert_eq!(scene.sqlite.dump(), before);
    scene.tell(1, &alice, &[]);
    assert_eq!(scene.tell(1, &alice, &[]), 0);
}

#[test]
fn users_are_counted_apart_and_each_by_one_row() {
    let scene = Scene::new();
    let (alice, bobby) = (scene.create("alice", &json!({})), scene.create("bobby", &json!({})));
    let seen = scene.tell_sets(1, &[set(&alice.slot, TODAY, &[1]), set(&bobby.slot, TODAY, &[1, 2])]);
    let counts: BTreeMap<i64, u32> = seen.into_iter().map(|seen| (seen.user, seen.count)).collect();
    assert_eq!(counts, BTreeMap::from([(alice.id, 1), (bobby.id, 2)]));
    assert_eq!(scene.sqlite.value::<i64>("SELECT count(*) FROM addresses"), 2);
}

#[test]
fn nothing_is_kept_of_those_who_are_not_there() {
    let scene = Scene::new();
    let alice = scene.create("alice", &json!({}));
    let vacant: SlotName = scene.sqlite.value("SELECT name FROM slots WHERE gate = 'vacant' LIMIT 1");
    let sets =
        [set(&vacant, TODAY, &[1]), set(&"nobody99".parse().unwrap(), TODAY, &[1]), set(&alice.slot, TODAY, &[])];
    assert_eq!(scene.tell_sets(1, &sets), []);
    scene.delete(alice.id);
    assert_eq!(scene.tell_sets(1, &[set(&alice.slot, TODAY, &[1])]), []);
    assert_eq!(scene.sqlite.value::<i64>("SELECT count(*) FROM addresses"), 0);
}

#[test]
fn a_node_that_went_away_counts_for_a_quarter_of_an_hour_and_not_longer() {
    let scene = Scene::new();
    let alice = scene.create("alice", &json!({}));
    scene.tell(1, &alice, &[1, 2]);
    scene.wait(LEASE - 1);
    assert_eq!(scene.tell(2, &alice, &[3]), 3);
    assert_eq!(scene.whereabouts(alice.id).unwrap().count, 3);
    scene.wait(1);
    assert_eq!(scene.whereabouts(alice.id).unwrap().count, 1);
    assert_eq!(scene.tell(2, &alice, &[3, 4]), 2);
    assert!(!scene.sqlite.value::<String>("SELECT sets FROM addresses").contains("\"1\""));
}

/// The node is heard, `uptime` seconds after its process began.
fn hear(scene: &Scene, node: u32, uptime: i64) {
    let status = Some(json!({ "uptime": uptime }).to_string());
    let seen = epochs::Seen { status, ..seen(scene.now.get()) };
    scene.sqlite.run(&epochs::see(NodeId(node), Epoch::from_random(u64::from(node)), &seen)).unwrap();
}

#[test]
fn a_set_stands_and_is_not_written_again_while_the_process_that_told_it_is_heard() {
    let scene = Scene::new();
    let alice = scene.create("alice", &json!({}));
    scene.wait(100);
    hear(&scene, 1, 50);
    scene.tell(1, &alice, &[1, 2]);
    let told = scene.sqlite.value::<String>("SELECT sets FROM addresses");
    for minute in 1..100 {
        scene.wait(60);
        hear(&scene, 1, 50 + 60 * minute);
        if minute % 12 == 0 {
            assert_eq!(scene.tell(1, &alice, &[1, 2]), 2);
        }
        assert_eq!(scene.whereabouts(alice.id).unwrap().count, 2);
    }
    assert_eq!(scene.sqlite.value::<String>("SELECT sets FROM addresses"), told);
    // What another node tells leaves it where it is, and a change is written.
    assert_eq!(scene.tell(2, &alice, &[3]), 3);
    assert_eq!(scene.tell(1, &alice, &[1, 4]), 3);
    assert_ne!(scene.sqlite.value::<String>("SELECT sets FROM addresses"), told);
    assert_eq!(
        scene.tell_sets(1, &[set(&alice.slot, TODAY + 1, &[1, 4])])[0].count,
        2,
        "under another key it is told anew"
    );
    scene.wait(LEASE);
    assert_eq!(scene.whereabouts(alice.id).unwrap().count, 0, "the node went away");
}

#[test]
fn what_an_earlier_process_told_lapses_and_is_told_again_by_the_next_one() {
    let scene = Scene::new();
    let alice = scene.create("alice", &json!({}));
    scene.wait(100);
    hear(&scene, 1, 50);
    scene.tell(1, &alice, &[1, 2]);
    scene.wait(600);
    hear(&scene, 1, 10);
    let before = scene.sqlite.value::<String>("SELECT sets FROM addresses");
    scene.wait(LEASE - 601);
    hear(&scene, 1, 309);
    assert_eq!(scene.whereabouts(alice.id).unwrap().count, 2);
    scene.wait(1);
    assert_eq!(scene.whereabouts(alice.id).unwrap().count, 0, "nobody takes it back");
    assert_eq!(scene.tell(1, &alice, &[1, 2]), 2);
    assert_ne!(
        scene.sqlite.value::<String>("SELECT sets FROM addresses"),
        before,
        "the same set, told by another process"
    );
}

#[test]
fn no_client_counts_twice_when_the_key_changes_at_midnight() {
    let scene = Scene::new();
    let alice = scene.create("alice", &json!({}));
    let told = |node: u32, day: u32, clients: &[u8]| scene.tell_sets(node, &[set(&alice.slot, day, clients)])[0].count;
    assert_eq!(told(1, TODAY, &[1, 2]), 2);
    assert_eq!(told(2, TODAY, &[2, 3]), 3);
    // The same three clients, told under the new key by one node after the other.
    assert_eq!(told(1, TODAY + 1, &[1, 2]), 2);
    assert_eq!(told(2, TODAY + 1, &[2, 3]), 3);
    // A node that is late with yesterday's key.
    assert_eq!(told(2, TODAY, &[2, 3]), 2);
    assert_eq!(told(3, TODAY + 1, &[4]), 3);
}

#[test]
fn new_credentials_begin_anew() {
    let scene = Scene::new();
    let alice = scene.create("alice", &json!({}));
    scene.tell(1, &alice, &[1, 2]);
    let revoked = scene.act(alice.id, &weir::store::users::Action::Revoke);
    assert_eq!(scene.tell_sets(1, &[set(&alice.slot, TODAY, &[1, 2, 3])]), []);
    assert_eq!(scene.tell(2, &revoked, &[2]), 1);
}

#[test]
fn whoever_is_noted_is_left_alone_until_the_quiet_time_ends() {
    let scene = Scene::new();
    let alice = scene.create("alice", &json!({}));
    scene.tell(1, &alice, &[1, 2, 3]);
    assert_eq!(scene.tell(2, &alice, &[3, 4]), 4);
    scene.note(alice.id, 4, 1_800, None);
    // Another node's sync that saw the same in between.
    scene.note(alice.id, 4, 1_800, None);
    scene.wait(1_799);
    scene.note(alice.id, 5, 1_800, None);
    scene.wait(1);
    scene.tell(1, &alice, &[1, 2, 3, 4, 5]);
    scene.note(alice.id, 5, 900, Some(900));
    let notes = scene.notes(None, i64::MAX >> 11);
    let told: Vec<_> = notes.iter().map(|note| (note.count, note.limit, note.until)).collect();
    assert_eq!(told, [(5, 3, Some(scene.now.get().plus(900).get())), (4, 3, None)]);
    assert_eq!(notes[1].at, scene.now.get().plus(-1_800).get());
    assert_eq!(serde_json::from_str::<Json>(&notes[1].nodes).unwrap(), json!({ "1": 3, "2": 2 }));
    assert_eq!(scene.tell_sets(2, &[set(&alice.slot, TODAY, &[1])])[0].quiet_until, scene.now.get().plus(900).get());
}

#[test]
fn a_limit_of_the_user_s_own_comes_with_his_count() {
    let scene = Scene::new();
    let alice = scene.create("alice", &json!({}));
    let own_limit = || scene.tell_sets(1, &[set(&alice.slot, TODAY, &[1])])[0].own_limit;
    assert_eq!(own_limit(), None);
    scene.sqlite.execute("UPDATE users SET address_limit = 7");
    assert_eq!(own_limit(), Some(7));
}

#[test]
fn a_cut_is_noted_in_the_batch_that_shuts_the_gate_and_time_alone_opens_it() {
    let scene = Scene::new();
    let alice = scene.create("alice", &json!({}));
    scene.tell(1, &alice, &[1, 2, 3, 4]);
    let now = scene.now.get();
    let mut batch = addresses::note(&[Suspect(alice.id, 4, 3)], now.plus(900), Some(now.plus(900)), now);
    batch.extend(gates::suspend(&[alice.id], now.plus(900), scene.salt(), now));
    let before = scene.roster();
    scene.sqlite.batch(&batch).unwrap();
    assert_eq!(scene.gate(alice.id), "sharing");
    assert_eq!(scene.notes(Some(alice.id), 1 << 40)[0].until, Some(now.plus(900).get()));
    assert!(scene.changed_since(before).contains_key(&alice.slot), "every node hears of it");
    scene.wait(899);
    scene.sweep();
    assert_eq!(scene.gate(alice.id), "sharing");
    scene.wait(1);
    scene.sweep();
    assert_eq!(scene.gate(alice.id), "open");
    // What was told before the cut has lapsed with it.
    assert_eq!(scene.tell(2, &alice, &[1, 2, 3]), 3);
}

#[test]
fn notes_come_newest_first_by_user_and_in_pages() {
    let scene = Scene::new();
    let (alice, bobby) = (scene.create("alice", &json!({})), scene.create("bobby", &json!({})));
    for user in [&alice, &bobby, &alice] {
        scene.tell(1, user, &[1, 2, 3, 4]);
        scene.note(user.id, 4, 60, None);
        scene.wait(60);
    }
    let names = |notes: Vec<Suspicious>| notes.into_iter().map(|note| note.name).collect::<Vec<_>>();
    let all = scene.notes(None, 1 << 40);
    assert_eq!(names(scene.notes(None, all[0].id)), ["bobby", "alice"]);
    assert_eq!(names(all), ["alice", "bobby", "alice"]);
    assert_eq!(names(scene.notes(Some(bobby.id), 1 << 40)), ["bobby"]);
}

#[test]
fn what_is_old_is_forgotten_and_what_is_not_stays() {
    let scene = Scene::new();
    let (alice, bobby) = (scene.create("alice", &json!({})), scene.create("bobby", &json!({})));
    for user in [&alice, &bobby] {
        scene.tell(1, user, &[1]);
        scene.note(user.id, 4, 60, None);
        scene.wait(40_000);
    }
    let forget = |kept_since: Second| scene.sqlite.batch(&addresses::forget(kept_since, scene.now.get())).unwrap();
    let left = || {
        let count = |table: &str| scene.sqlite.value::<i64>(&format!("SELECT count(*) FROM {table}"));
        (count("suspicious_activity"), count("addresses"))
    };
    forget(scene.now.get().plus(-80_000));
    assert_eq!(left(), (2, 2));
    scene.wait(10_000);
    forget(scene.now.get().plus(-60_000));
    assert_eq!(left(), (1, 1));
    scene.wait(86_400);
    forget(scene.now.get());
    assert_eq!(left(), (0, 0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Against a slow model: each node's newest set, those that have not lapsed, the day with the most clients.
    #[test]
    fn the_count_is_that_of_the_sets_that_stand(
        events in prop::collection::vec((1..4_u32, 0..2_u32, prop::collection::btree_set(0..6_u8, 0..5), 0..500_i64), 1..30),
    ) {
        let scene = Scene::new();
        let alice = scene.create("alice", &json!({}));
        let mut sets: BTreeMap<u32, (i64, u32, BTreeSet<u8>)> = BTreeMap::new();
        for (node, later, clients, wait) in events {
            scene.wait(wait);
            let now = scene.now.get();
            let told: Vec<u8> = clients.iter().copied().collect();
            let seen = scene.tell_sets(node, &[set(&alice.slot, TODAY + later, &told)]);
            sets.insert(node, (now.get(), TODAY + later, clients));
            let mut days: BTreeMap<u32, BTreeSet<u8>> = BTreeMap::new();
            for (_, day, clients) in sets.values().filter(|(at, ..)| now.get() - at < LEASE) {
                days.entry(*day).or_default().extend(clients);
            }
            let expected = days.values().map(BTreeSet::len).max().unwrap_or_default();
            let counted = seen.first().map_or(0, |seen| usize::try_from(seen.count).unwrap());
            prop_assert_eq!(counted, expected);
            let shown = scene.whereabouts(alice.id).map_or(0, |shown| usize::try_from(shown.count).unwrap());
            prop_assert_eq!(shown, expected);
        }
    }
}
