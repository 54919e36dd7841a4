//! Limits of speed: who has one goes through the relay, and what comes back from it is counted once.

use super::core::Call;
use super::rig::{ALICE, BOBBY, Rig};
use crate::testing::slot;
use weir_wire::roster::Gate;

fn calls(rig: &Rig) -> Vec<Call> {
    rig.core.calls().into_iter().filter(|call| !matches!(call, Call::Tick(_) | Call::Write { .. })).collect()
}

/// A rig in which alice may pass so many bytes a second.
fn rig(speed: u64) -> Rig {
    let mut rig = Rig::generous();
    rig.core.calls();
    rig.panel.allow(ALICE, speed, 0, 0);
    rig.sync_all();
    rig
}

#[test]
fn who_gets_a_limit_is_led_through_the_relay_without_a_reload_and_nobody_else_is() {
    let rig = rig(1_000);
    assert_eq!(calls(&rig), [Call::Slow(slot(ALICE))]);
    assert!(rig.core.is_slow(ALICE) && !rig.core.is_slow(BOBBY));
    assert_eq!(rig.speeds.get(&slot(ALICE)), Some(&1_000));
}

#[test]
fn another_limit_is_the_relay_s_business_alone_and_without_one_the_gate_leads_out_again() {
    let mut rig = rig(1_000);
    calls(&rig);
    rig.panel.allow(ALICE, 5_000, 0, 0);
    rig.sync_all();
    assert_eq!((calls(&rig), rig.speeds.get(&slot(ALICE))), (vec![], Some(&5_000)));
    rig.panel.allow(ALICE, 0, 0, 0);
    rig.sync_all();
    assert_eq!((calls(&rig), rig.speeds.get(&slot(ALICE))), (vec![Call::Gate(slot(ALICE), true)], Some(&0)));
}

#[test]
fn a_slow_user_is_cut_and_let_in_again_and_is_slow_as_before() {
    let mut rig = rig(1_000);
    calls(&rig);
    rig.panel.user(ALICE, Gate::Disabled, None);
    rig.sync_all();
    assert_eq!(calls(&rig), [Call::Gate(slot(ALICE), false)]);
    rig.panel.user(ALICE, Gate::Open, None);
    rig.panel.allow(ALICE, 1_000, 0, 0);
    rig.sync_all();
    assert_eq!(calls(&rig), [Call::Slow(slot(ALICE))]);
    rig.panel.remove(ALICE);
    rig.sync_all();
    assert_eq!(rig.speeds.get(&slot(ALICE)), None);
}

#[test]
fn limits_hold_over_restarts_of_core_and_agent_while_the_panel_is_away() {
    let mut rig = rig(1_000);
    rig.pass(2_000);
    rig.core.kill();
    rig.settle();
    rig.core.start();
    rig.settle();
    assert!(rig.core.is_slow(ALICE), "the file says so");
    rig.speeds.clear();
    rig.crash();
    assert_eq!(rig.speeds.get(&slot(ALICE)), Some(&1_000), "before anything is heard");
    assert!(rig.core.is_slow(ALICE));
}

#[test]
fn a_core_that_was_loaded_without_the_relay_is_reloaded_when_somebody_needs_it() {
    let mut rig = Rig::generous();
    rig.core.has_relay(false, true);
    rig.panel.allow(ALICE, 1_000, 0, 0);
    rig.sync_all();
    assert!(!rig.core.is_slow(ALICE) && rig.core.is_open(ALICE));
    assert_eq!(rig.report().node.pending_reload, 1);
    rig.pass(700_000);
    assert!(rig.core.is_slow(ALICE));
    assert_eq!(rig.report().node.pending_reload, 0);
}

#[test]
fn when_the_kernel_takes_over_or_gives_up_gates_that_lead_the_other_way_are_moved_and_no_others() {
    let mut rig = rig(1_000);
    calls(&rig);
    for told in [Ok(()), Err("there is no program nft".to_owned())] {
        rig.core.turn_slow_ways_stale();
        rig.node.police_told(told.clone(), rig.clock.now);
        rig.settle();
        assert_eq!(calls(&rig), [Call::Slow(slot(ALICE))]);
        let troubles = rig.report().troubles;
        assert_eq!(troubles.iter().any(|trouble| trouble.contains("by the relay, not by nft")), told.is_err());
    }
    // Who has no limit any more does not stay on a way that holds nobody.
    rig.core.turn_slow_ways_stale();
    rig.panel.allow(ALICE, 0, 0, 0);
    rig.sync_all();
    assert_eq!(calls(&rig), [Call::Gate(slot(ALICE), true)]);
}

#[test]
fn where_no_relay_is_wanted_limits_change_nothing() {
    let mut rig = rig(1_000);
    rig.rules(|rules| rules.relay = false);
    rig.pass(2_000);
    assert!(rig.core.is_open(ALICE) && !rig.core.is_slow(ALICE));
}

#[test]
fn what_comes_back_from_the_relay_is_nobody_s_and_leaves_no_gap() {
    let mut rig = rig(1_000);
    let before = rig.count(ALICE);
    rig.flow_on("of alice", ALICE, 500);
    rig.core.come_back("her second leg", 500);
    rig.settle();
    let connections = rig.report().node.connections;
    for _ in 0..5 {
        rig.core.tell_totals(before + 1 + 1_000, 0);
        rig.pass(1_000);
    }
    assert_eq!(rig.count(ALICE) - before, 500);
    let status = rig.report().node;
    assert_eq!((status.foreign.get(), status.unattributed.get(), status.connections), (0, 0, connections));
    // Its last chunk comes late, as others' do; the ledger remembers whose it was.
    rig.core.end("her second leg");
    rig.settle();
    rig.crash();
    assert_eq!(rig.report().node.foreign.get(), 0);
}
