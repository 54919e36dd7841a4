//! How a process ends: in order, or anywhere in a sync.

use weir_wire::Epoch;

use super::rig::{ALICE, BOBBY, Rig};
use crate::client::Failed;
use crate::node::Step;
use crate::node::reply::Dice;

#[test]
fn an_agent_that_is_asked_to_end_reports_everything_and_then_ends() {
    let mut rig = Rig::generous();
    rig.flow(ALICE, 123);
    rig.flow(BOBBY, 456);
    rig.sync_if_sent();
    assert!(!rig.node.has_left(), "nobody has asked");
    rig.node.leave(rig.clock.now);
    rig.settle();
    assert!(!rig.node.has_left(), "the report is on its way");
    while !rig.node.has_left() {
        rig.pass(100);
        rig.sync_if_sent();
    }
    assert_eq!((rig.panel.applied(ALICE), rig.panel.applied(BOBBY)), (124, 457));
    assert_eq!(rig.unreported(), 0);
}

#[test]
fn an_agent_that_is_asked_to_end_while_a_sync_is_under_way_reports_what_that_one_does_not() {
    let mut rig = Rig::generous();
    rig.flow(ALICE, 300 << 20);
    rig.until_sync();
    rig.flow(BOBBY, 456);
    rig.node.leave(rig.clock.now);
    while !rig.node.has_left() {
        rig.sync_if_sent();
        rig.pass(100);
    }
    assert_eq!(rig.unreported(), 0);
    assert_eq!(rig.panel.applied(BOBBY), 457);
}

#[test]
fn an_agent_that_is_asked_to_end_without_a_panel_tries_once_and_keeps_everything() {
    let mut rig = Rig::generous();
    rig.flow(ALICE, 123);
    rig.lose_panel();
    rig.node.leave(rig.clock.now);
    rig.settle();
    assert!(!rig.node.has_left(), "an earlier failure is no answer");
    rig.fail(&Failed::Unreachable("connection refused".to_owned()));
    assert!(rig.node.has_left());
    rig.crash();
    rig.node.leave(rig.clock.now);
    rig.sync_all();
    assert_eq!(rig.panel.applied(ALICE), 124);
}

/// One life of a node up to the phase named, then a crash, then everything that there is to report.
#[test]
fn a_crash_in_any_phase_of_a_sync_loses_and_doubles_nothing() {
    for phase in ["idle", "made and not saved", "saved and not sent", "sent", "applied", "answered and not saved"] {
        let mut rig = Rig::generous();
        rig.sync_all();
        rig.flow(ALICE, 300 << 20);
        rig.tick();
        if phase != "idle" {
            rig.node.ring();
            assert_eq!(rig.node.advance(rig.clock), Step::Save, "{phase}");
        }
        if !["idle", "made and not saved"].contains(&phase) {
            let batch = rig.node.take_batch(rig.clock.now);
            rig.ledger().commit_now(&batch).unwrap();
            rig.node.saved(Ok(()), rig.clock.now);
        }
        if ["sent", "applied", "answered and not saved"].contains(&phase) {
            let Step::Send(request) = rig.node.advance(rig.clock) else { panic!("{phase}") };
            assert!(request.report.is_some(), "{phase}");
            if phase != "sent" {
                let reply = rig.panel.answer(&request, rig.panel_second()).unwrap();
                if phase == "answered and not saved" {
                    let dice = Dice { jitter: 0, epoch: Epoch::from_random(77) };
                    rig.node.replied(reply, rig.clock, dice);
                }
            }
        }
        rig.crash();
        rig.flow(ALICE, 10);
        rig.node.leave(rig.clock.now);
        rig.sync_all();
        assert_eq!(rig.panel.applied(ALICE), 1 + (300 << 20) + 10, "{phase}");
        assert_eq!(rig.node.outbox.losses(), (0, 0, 0), "{phase}");
    }
}

#[test]
fn a_sync_with_a_report_costs_one_commit_before_it_is_sent() {
    let mut rig = Rig::generous();
    rig.sync_all();
    rig.flow(ALICE, 300 << 20);
    let before = rig.commits;
    rig.node.ring();
    rig.settle();
    assert!(rig.sent.is_some());
    assert_eq!(rig.commits - before, 1);
}
