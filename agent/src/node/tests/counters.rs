//! Beside a core that counts users, not connections, and takes them while it runs.

use weir_wire::roster::Gate;

use super::core::Call;
use super::rig::{ALICE, BOBBY, Rig, total};
use crate::cores::Core as _;
use crate::testing::slot;

#[test]
fn the_users_of_a_core_that_runs_are_brought_into_it_without_a_restart() {
    let mut rig = Rig::live();
    let calls = rig.core.calls();
    assert!(calls.contains(&Call::Bring) && !calls.contains(&Call::Reload), "{calls:?}");
    assert_eq!(rig.core.in_file(ALICE), Some(true), "they are in its file as well, for its next start");
    let status = rig.sync().status.unwrap();
    assert_eq!((status.reloads, status.pending_reload, status.limits.len()), (0, 0, 1));
}

#[test]
fn new_users_come_and_go_without_a_restart() {
    let mut rig = Rig::live();
    rig.core.calls();
    rig.panel.user("carol", Gate::Open, None);
    rig.panel.remove(BOBBY);
    rig.sync_all();
    rig.pass_answered(3_000);
    assert!(rig.core.is_open("carol") && !rig.core.is_open(BOBBY));
    assert_eq!(rig.core.in_file("carol"), Some(true));
    assert!(!rig.core.calls().contains(&Call::Reload));
    assert_eq!(rig.sync().loaded, rig.panel.version(), "the panel may hand out slots that come with it");
}

#[test]
fn bytes_reach_the_panel_once_over_crashes_of_the_agent_and_restarts_of_the_core() {
    let mut rig = Rig::live();
    rig.moved(ALICE, 300, 700);
    rig.sync_all();
    rig.core.move_bytes(ALICE, 0, 50);
    // The core is read again by the next process: what it counted meanwhile is in its counters.
    rig.crash();
    rig.sync_all();
    assert_eq!(rig.panel.applied(ALICE), 1_051);
    rig.core.kill();
    rig.settle();
    rig.core.start();
    rig.moved(ALICE, 20, 0);
    rig.pass_answered(2_000);
    rig.sync_all();
    assert_eq!(rig.count(ALICE), 1_071);
    assert!(rig.core.is_open(ALICE), "the new one is given its users");
}

#[test]
fn a_core_that_dies_while_bytes_flow_is_told_with_an_estimate() {
    let mut rig = Rig::live();
    for _ in 0..20 {
        rig.moved(ALICE, 10_000, 0);
        rig.pass(100);
    }
    rig.core.kill();
    rig.settle();
    rig.core.start();
    rig.settle();
    let status = rig.sync().status.unwrap();
    // A tenth of a second, at 100,000 bytes a second.
    assert!((5_000..=20_000).contains(&status.lost_estimate.get()), "{:?}", status.lost_estimate);
}

#[test]
fn what_passes_after_the_cut_is_counted_and_told_as_such() {
    let mut rig = Rig::live();
    rig.panel.grants.remove(&slot(ALICE));
    rig.panel.limits.insert(slot(ALICE), 5_000);
    rig.panel.user(ALICE, Gate::Open, None);
    rig.sync_all();
    let before = rig.count(ALICE);
    rig.moved(ALICE, 1 << 41, 0);
    assert!(!rig.core.is_open(ALICE));
    let told = rig.sync().status.unwrap().overshoot.get();
    assert_eq!(told, 0, "up to the reading that found him at his limit, his gate was open");
    rig.moved(ALICE, 700, 77);
    rig.sync_all();
    assert_eq!(rig.sync().status.unwrap().overshoot.get(), 777);
    assert_eq!(rig.count(ALICE), before + (1 << 41) + 777, "it counts like all other bytes");
    rig.crash();
    assert_eq!(rig.sync().status.unwrap().overshoot.get(), 777, "it is durable");
}

#[test]
fn slots_count_as_online_for_a_minute_after_their_last_byte() {
    let mut rig = Rig::live();
    rig.moved(ALICE, 1, 0);
    assert_eq!(rig.sync().status.unwrap().online, 2);
    for _ in 0..70 {
        rig.pass_answered(1_000);
        rig.moved(BOBBY, 1, 0);
    }
    assert_eq!(rig.sync().status.unwrap().online, 1);
}

#[test]
fn the_first_reading_beside_a_core_that_ran_before_is_where_it_begins() {
    let mut rig = Rig::live();
    rig.moved(ALICE, 5_000, 0);
    rig.new_ledger();
    rig.sync_all();
    assert_eq!(rig.count(ALICE), 0);
    rig.moved(ALICE, 9, 0);
    let reported: u64 = rig.sync_all().iter().filter_map(|request| request.report.as_ref()).map(total).sum();
    assert_eq!((rig.count(ALICE), reported), (9, 9));
}

#[test]
fn counters_that_outlive_their_core_begin_at_the_first_reading_though_it_was_down_before() {
    let mut rig = Rig::live();
    rig.moved(ALICE, 5_000, 0);
    rig.core.dump();
    let traits = rig.core.traits();
    rig.rules(|rules| rules.core = traits);
    rig.core.kill();
    rig.new_ledger();
    // Its users are known before it is up: the node starts it.
    rig.sync();
    rig.pass_answered(2_000);
    assert!(rig.core.is_open(ALICE));
    assert_eq!(rig.count(ALICE), 0);
    rig.moved(ALICE, 9, 0);
    let reported: u64 = rig.sync_all().iter().filter_map(|request| request.report.as_ref()).map(total).sum();
    assert_eq!((rig.count(ALICE), reported), (9, 9));
}

#[test]
fn counters_that_end_with_their_core_are_counted_from_zero_when_it_was_down_before() {
    let mut rig = Rig::live();
    rig.moved(ALICE, 5_000, 0);
    rig.core.kill();
    rig.new_ledger();
    rig.sync();
    rig.core.start();
    rig.core.move_bytes(ALICE, 30, 0);
    rig.core.tell_all();
    rig.settle();
    assert_eq!(rig.count(ALICE), 30);
}
