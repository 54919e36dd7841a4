//! Reports: when they are made, and of what.

use weir_wire::sync::SyncRequest;
use weir_wire::{Bytes, Second};

use super::rig::{ALICE, BOBBY, FLOOR, Rig, total};
use crate::client::Failed;
use crate::testing::slot;

/// What the next syncs report, in order.
fn reported(requests: &[SyncRequest]) -> Vec<u64> {
    requests.iter().filter_map(|request| request.report.as_ref()).map(total).collect()
}

#[test]
fn few_and_young_bytes_wait_and_old_ones_do_not() {
    let mut rig = Rig::generous();
    // Otherwise the end of the quarter-hour cuts both.
    rig.panel.policy.report_seconds = 600;
    rig.sync();
    let before = rig.panel.applied(ALICE);
    let began = rig.clock.now;
    rig.flow(ALICE, 5_000);
    rig.pass(200_000);
    rig.flow(BOBBY, 5_000);
    while rig.panel.applied(ALICE) == before {
        rig.sync();
        assert!(rig.clock.now.since(began) <= 640_000, "never reported");
    }
    assert!(rig.clock.now.since(began) >= 600_000, "{}", rig.clock.now.since(began));
    assert_eq!(rig.panel.applied(ALICE), 5_001);
    assert_eq!(rig.panel.applied(BOBBY), 1, "his bytes are still young when hers go");
}

#[test]
fn much_is_reported_with_the_next_sync_and_only_of_whom_it_is() {
    let mut rig = Rig::generous();
    rig.flow(ALICE, (256 << 20) - 2);
    rig.flow(BOBBY, 70);
    assert!(reported(&rig.sync_all()).is_empty());
    rig.flow(ALICE, 2);
    assert_eq!(reported(&rig.sync_all()), [256 << 20]);
    assert_eq!(rig.panel.applied(BOBBY), 1);
}

#[test]
fn what_is_near_a_limit_is_reported_at_once() {
    let mut rig = Rig::new();
    rig.panel.limits.insert(slot(ALICE), 50_000);
    rig.flow(ALICE, 10);
    rig.sync_all();
    rig.flow(ALICE, 40_000);
    rig.pass(1_000);
    rig.sync_all();
    let before = rig.panel.applied(ALICE);
    rig.flow(ALICE, 50_000 - FLOOR - 40_010);
    rig.pass(1_000);
    rig.sync_all();
    assert!(rig.panel.applied(ALICE) > before);
    assert_eq!(rig.panel.applied(ALICE), rig.count(ALICE));
}

#[test]
fn nobodys_bytes_are_told_while_a_user_stands_at_his_limit_and_is_asked_for() {
    let mut rig = Rig::new();
    rig.panel.limits.insert(slot(ALICE), 50_000);
    rig.flow(ALICE, 10);
    rig.sync_all();
    rig.flow(ALICE, 49_990);
    rig.sync_all();
    rig.flow("a stranger", 300);
    let began = rig.clock.now;
    while rig.sync().report.is_none_or(|report| report.foreign.get() != 300) {
        assert!(rig.clock.now.since(began) <= 1_200_000, "never told");
    }
}

#[test]
fn nobodys_bytes_are_told_even_when_no_user_has_any() {
    let mut rig = Rig::new();
    rig.sync_all();
    let began = rig.clock.now;
    rig.flow_once("of a stranger", "stranger", 300);
    let mut told = Vec::new();
    while rig.clock.now.since(began) < 2_000_000 {
        told.extend(rig.sync().report.map(|report| (report.users.len(), report.foreign.get(), rig.clock.now)));
    }
    let [(users, foreign, at)] = told[..] else { panic!("once, and not {told:?}") };
    assert_eq!((users, foreign), (0, 300));
    assert!(at.since(began) <= 940_000, "{}", at.since(began));
}

#[test]
fn the_rules_are_the_panels_and_survive_a_restart() {
    let mut rig = Rig::generous();
    rig.panel.policy.report_bytes = Bytes::saturating(100);
    rig.panel.policy.interval = 5;
    rig.sync();
    rig.crash();
    rig.sync();
    rig.flow(BOBBY, 200);
    let at = rig.clock.now;
    rig.sync_all();
    assert_eq!(rig.panel.applied(BOBBY), 201);
    assert!(rig.clock.now.since(at) <= 6_000);
}

#[test]
fn no_report_reaches_over_a_quarter_hour_of_the_panels_clock() {
    let mut rig = Rig::generous();
    let quarter = Second::clamped(rig.panel_second().get() + 900).quarter();
    while rig.panel_second().get() < quarter.get() - 3 {
        rig.pass(1_000);
        rig.sync_if_sent();
    }
    rig.flow(ALICE, 40_000);
    while rig.panel_second() <= quarter {
        rig.pass(1_000);
    }
    rig.flow(ALICE, 600);
    rig.node.leave(rig.clock.now);
    rig.sync_all();
    let [.., before, after] = &rig.panel.reports[..] else { panic!("{:?}", rig.panel.reports) };
    assert_eq!((before.to, total(before), total(after)), (quarter, 40_000, 600));
    assert!(after.from >= quarter && after.to > quarter);
}

#[test]
fn a_sync_that_comes_sooner_after_a_quarter_hour_than_a_tick_ends_it_first() {
    let mut rig = Rig::generous();
    rig.panel.policy.report_bytes = Bytes::saturating(100);
    rig.sync();
    let quarter = Second::clamped(rig.panel_second().get() + 900).quarter();
    while rig.panel_second().get() < quarter.get() - 2 {
        rig.pass(1_000);
        rig.sync_if_sent();
    }
    rig.flow(ALICE, 40_000);
    rig.clock.now = rig.clock.now.plus(2_500);
    rig.node.ring();
    rig.settle();
    let report = rig.sync_if_sent().unwrap().report.unwrap();
    assert_eq!((report.to, total(&report)), (quarter, 40_000));
}

#[test]
fn bytes_of_an_outage_land_in_the_quarters_in_which_they_flowed() {
    let mut rig = Rig::generous();
    rig.sync_all();
    for _ in 0..4 {
        rig.flow(ALICE, 1_000);
        for _ in 0..9 {
            rig.pass(100_000);
            if rig.sent.is_some() {
                rig.fail(&Failed::Unreachable("connection refused".to_owned()));
            }
        }
    }
    let before = rig.panel.reports.len();
    rig.node.leave(rig.clock.now);
    rig.sync_all();
    let quarters: Vec<_> = rig.panel.reports[before..].iter().map(|report| report.to.plus(-1).quarter()).collect();
    assert!(quarters.is_sorted() && quarters.len() >= 4, "{quarters:?}");
    assert_eq!(rig.panel.applied(ALICE), 4_001);
}

#[test]
fn a_lost_reply_leads_to_the_same_report_again_to_the_byte() {
    let mut rig = Rig::generous();
    rig.flow(ALICE, 300 << 20);
    rig.until_sync();
    let sent = rig.sent.clone().unwrap();
    let report = sent.report.clone().unwrap();
    rig.panel.answer(&sent, rig.panel_second()).unwrap();
    rig.flow(ALICE, 55);
    rig.fail(&Failed::Unreachable("the reply was lost".to_owned()));
    let again = rig.sync();
    assert_eq!(again.report, Some(report));
    rig.node.leave(rig.clock.now);
    rig.sync_all();
    assert_eq!(rig.panel.applied(ALICE), rig.count(ALICE));
}
