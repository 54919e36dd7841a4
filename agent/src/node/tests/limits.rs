//! Asks, limits, and what a user may pass without an answer.

use weir_wire::Second;
use weir_wire::refusal::Code;
use weir_wire::roster::Gate;
use weir_wire::sync::Limit;

use super::rig::{ALICE, BOBBY, FLOOR, Rig};
use crate::clock::Moment;
use crate::config::OnPanelLoss;
use crate::node::FAST;
use crate::testing::slot;

const DAY: u64 = 86_400_000;

fn asked(request: &weir_wire::sync::SyncRequest, user: &str) -> Option<(u64, u64)> {
    let ask = request.asks.iter().find(|ask| ask.slot == slot(user))?;
    Some((ask.count.get(), ask.held.get()))
}

/// A rig in which alice has passed 100 bytes and may pass up to 50,000.
fn granted() -> Rig {
    let mut rig = Rig::new();
    rig.panel.limits.insert(slot(ALICE), 50_000);
    rig.flow(ALICE, 100);
    rig.sync();
    rig.tick();
    rig
}

#[test]
fn the_first_byte_asks_at_once_and_nobody_else_does() {
    let mut rig = Rig::new();
    let began = rig.clock.now;
    rig.flow(ALICE, 1);
    rig.until_sync();
    assert!(rig.clock.now.since(began) <= 200, "not with the next poll");
    let request = rig.sync();
    assert_eq!(asked(&request, ALICE), Some((1, 1 + FLOOR)));
    assert_eq!(asked(&request, BOBBY), None);
}

#[test]
fn every_sync_has_a_higher_number_also_after_a_crash() {
    let mut rig = Rig::new();
    let first = rig.sync().n;
    rig.until_sync();
    let second = rig.sent.as_ref().unwrap().n;
    rig.crash();
    assert!(first < second && second < rig.sync().n);
}

#[test]
fn the_gate_shuts_at_the_limit_and_not_before() {
    let mut rig = granted();
    assert!(rig.flow(ALICE, 49_899));
    assert_eq!(rig.count(ALICE), 49_999);
    assert!(rig.core.is_open(ALICE));
    assert!(rig.flow(ALICE, 1));
    assert!(!rig.core.is_open(ALICE), "in the same moment");
    assert!(rig.core.is_open(BOBBY));
    assert!(!rig.flow_on("alice 2", ALICE, 1));
}

#[test]
fn without_an_answer_the_floor_may_pass_once() {
    let mut rig = Rig::new();
    assert!(rig.flow(ALICE, 10));
    rig.lose_panel();
    assert!(rig.flow(ALICE, FLOOR - 1));
    assert!(rig.core.is_open(ALICE));
    rig.pass(3 * DAY / 100);
    assert!(rig.flow(ALICE, 1));
    assert!(!rig.core.is_open(ALICE));
    // Neither time, nor a crash, nor another boot gives it again.
    rig.pass(120_000);
    rig.crash();
    rig.boot("another boot");
    rig.pass(120_000);
    assert!(!rig.core.is_open(ALICE));
    assert_eq!(rig.count(ALICE), 10 + FLOOR);
}

#[test]
fn it_asks_again_before_the_limit_is_reached_and_looks_more_often_there() {
    let mut rig = granted();
    for _ in 0..5 {
        rig.flow(ALICE, 5_000);
        rig.pass(1_000);
    }
    assert_eq!(rig.count(ALICE), 25_100);
    let quiet = rig.sync();
    assert_eq!(asked(&quiet, ALICE), None, "far from it");
    rig.flow(ALICE, 14_900);
    let began = rig.clock.now;
    rig.panel.limits.insert(slot(ALICE), 90_000);
    assert_eq!(asked(&rig.sync(), ALICE), Some((40_000, 50_000)));
    assert!(rig.clock.now.since(began) <= 1_100);
    assert_eq!(rig.node.tick_length(), FAST);
    rig.flow(ALICE, 10_000);
    assert!(rig.core.is_open(ALICE), "the answer came before the limit");
}

#[test]
fn a_user_at_his_limit_is_asked_for_with_every_sync_and_opened_by_an_answer() {
    let mut rig = granted();
    rig.flow(ALICE, 49_900);
    assert!(!rig.core.is_open(ALICE));
    for _ in 0..3 {
        assert_eq!(asked(&rig.sync(), ALICE), Some((50_000, 50_000)));
        assert!(!rig.core.is_open(ALICE));
    }
    rig.panel.limits.insert(slot(ALICE), 60_000);
    rig.sync();
    assert!(rig.core.is_open(ALICE));
    assert!(rig.flow_on("alice 2", ALICE, 9_999));
}

#[test]
fn a_limit_that_is_lowered_below_what_has_passed_shuts_at_once() {
    let mut rig = granted();
    rig.flow(ALICE, 10_000);
    // The panel touches the entry, which makes the node ask.
    rig.panel.limits.insert(slot(ALICE), 5_000);
    rig.panel.user(ALICE, Gate::Open, None);
    rig.sync();
    assert!(rig.core.is_open(ALICE));
    assert_eq!(asked(&rig.sync(), ALICE), Some((10_100, 50_000)));
    assert!(!rig.core.is_open(ALICE));
}

#[test]
fn limits_in_a_reply_to_an_older_number_are_ignored() {
    let mut rig = Rig::new();
    rig.flow(ALICE, 10);
    rig.until_sync();
    let request = rig.sent.take().unwrap();
    let mut reply = rig.panel.answer(&request, rig.panel_second()).unwrap();
    reply.limits = vec![Limit { slot: slot(ALICE), limit: weir_wire::Bytes::mib(1) }];
    reply.n -= 1;
    rig.reply(reply);
    rig.flow(ALICE, FLOOR);
    assert!(!rig.core.is_open(ALICE), "the floor is all that there is");
}

#[test]
fn limits_of_another_slot_than_was_asked_for_are_ignored() {
    let mut rig = Rig::new();
    rig.flow(ALICE, 10);
    rig.until_sync();
    let request = rig.sent.take().unwrap();
    let mut reply = rig.panel.answer(&request, rig.panel_second()).unwrap();
    reply.limits = vec![Limit { slot: slot(BOBBY), limit: weir_wire::Bytes::mib(1) }];
    rig.reply(reply);
    rig.flow(BOBBY, FLOOR + 1);
    rig.flow_on("bobby 2", BOBBY, FLOOR);
    assert!(!rig.core.is_open(BOBBY));
}

#[test]
fn a_grant_lasts_a_day_of_the_boots_clock_whatever_the_wall_clock_does() {
    let mut rig = granted();
    rig.flow(ALICE, 900);
    rig.clock.wall += 1_000 * i64::try_from(DAY).unwrap();
    rig.lose_panel();
    rig.pass(DAY - 300_000);
    assert_eq!(rig.node.limiter.held(&slot(ALICE)), Some(50_000));
    rig.pass(360_000);
    assert_eq!(rig.node.limiter.held(&slot(ALICE)), Some(1_000), "nothing is held");
    assert!(rig.core.is_open(ALICE));
    rig.flow(ALICE, 1);
    assert_eq!(rig.node.limiter.held(&slot(ALICE)), Some(1_001 + FLOOR));
    rig.flow(ALICE, FLOOR);
    assert!(!rig.core.is_open(ALICE));
}

#[test]
fn a_grant_that_ends_where_nothing_moves_is_asked_for_again_with_the_next_byte() {
    let mut rig = granted();
    let mut asks = 0;
    while rig.clock.now.since(Moment::default()) < DAY + 1_500_000 {
        rig.pass(30_000);
        asks += rig.sync_if_sent().map_or(0, |request| request.asks.len());
    }
    assert_eq!(asks, 0, "a day in which he did nothing costs nothing");
    rig.flow(ALICE, 1);
    assert_eq!(asked(&rig.sync(), ALICE), Some((101, 101 + FLOOR)));
    assert!(rig.core.is_open(ALICE));
}

#[test]
fn a_grant_that_another_node_needs_is_given_back_before_that_is_said_and_no_connection_breaks() {
    let mut rig = granted();
    rig.pass(40_000);
    rig.sync_if_sent();
    rig.panel.touch(ALICE);
    rig.panel.limits.insert(slot(ALICE), 100);
    rig.sync();
    rig.until_sync();
    assert_eq!(rig.node.limiter.held(&slot(ALICE)), Some(100));
    rig.crash();
    rig.until_sync();
    let request = rig.sync();
    assert_eq!(
        (asked(&request, ALICE), request.gives_back),
        (Some((100, 100)), vec![slot(ALICE)]),
        "also after a crash"
    );
    for _ in 0..5 {
        assert_eq!(asked(&rig.sync(), ALICE), None);
    }
    assert!(rig.core.is_open(ALICE), "his connection lives");
    rig.panel.limits.insert(slot(ALICE), 9_000);
    assert!(rig.flow(ALICE, 1));
    let request = rig.sync();
    assert_eq!((asked(&request, ALICE), request.gives_back), (Some((101, 101 + FLOOR)), vec![]));
    assert_eq!(rig.node.limiter.held(&slot(ALICE)), Some(9_000));
}

#[test]
fn a_grant_outlives_the_process_and_not_the_boot() {
    let mut rig = granted();
    rig.crash();
    assert_eq!(rig.node.limiter.held(&slot(ALICE)), Some(50_000));
    rig.flow(ALICE, 900);
    rig.pass(1_000);
    rig.boot("another boot");
    assert_eq!(rig.node.limiter.held(&slot(ALICE)), Some(1_000));
    assert_eq!(asked(&rig.sync(), ALICE), Some((1_000, 1_000)), "the panel has recorded 50,000");
}

#[test]
fn a_boot_with_a_young_clock_does_not_revive_a_grant() {
    let mut rig = granted();
    rig.pass(1_000);
    rig.clock.now = Moment::from_millis(3);
    rig.boot("another boot");
    rig.flow(ALICE, 1);
    rig.flow(ALICE, FLOOR);
    assert!(!rig.core.is_open(ALICE));
}

#[test]
fn while_the_panel_is_lost_a_user_is_held_at_his_limit() {
    let mut rig = granted();
    rig.lose_panel();
    rig.flow(ALICE, 49_900);
    assert!(!rig.core.is_open(ALICE));
}

#[test]
fn an_operator_may_let_users_pass_while_the_panel_is_lost_and_it_settles_later() {
    let mut rig = granted();
    rig.rules(|rules| rules.on_panel_loss = OnPanelLoss::Open);
    rig.flow(ALICE, 49_900);
    assert!(!rig.core.is_open(ALICE), "the panel is not lost yet");
    rig.lose_panel();
    assert!(rig.core.is_open(ALICE));
    rig.flow_on("alice 2", ALICE, 70_000);
    assert!(rig.core.is_open(ALICE));
    rig.sync();
    assert!(!rig.core.is_open(ALICE), "the panel is back, and alice is over her limit");
    rig.sync_all();
    assert_eq!(rig.panel.applied(ALICE), 120_000);
}

#[test]
fn a_refused_key_is_a_lost_panel_and_nothing_more() {
    let mut rig = granted();
    rig.flow(ALICE, 30_000);
    let (before, epoch) = (rig.unreported(), rig.node.outbox.epoch());
    for _ in 0..5 {
        rig.until_sync();
        rig.refuse_with(Code::Key);
    }
    assert_eq!((rig.unreported(), rig.node.outbox.epoch()), (before, epoch));
    assert_eq!(rig.node.limiter.held(&slot(ALICE)), Some(50_000));
    assert!(rig.trouble().contains("refused"), "{}", rig.trouble());
    rig.sync();
    assert_eq!(rig.trouble(), "");
}

#[test]
fn a_refused_key_is_not_tried_again_at_once() {
    let mut rig = granted();
    rig.until_sync();
    let at = rig.clock.now;
    rig.refuse_with(Code::Key);
    rig.until_sync();
    assert!(rig.clock.now.since(at) >= 45_000, "{}", rig.clock.now.since(at));
}

#[test]
fn an_entry_ends_by_itself_at_its_second() {
    let mut rig = granted();
    let until = Second::clamped(rig.panel_second().get() + 60);
    rig.panel.user(ALICE, Gate::Open, Some(until));
    rig.sync();
    rig.sync_if_sent();
    rig.sent = None;
    while rig.panel_second().get() < until.get() - 2 {
        rig.pass(1_000);
        rig.sync_if_sent();
    }
    assert!(rig.core.is_open(ALICE));
    // Not because all gates are looked at once a minute.
    rig.node.looked_at_all = rig.clock.now;
    while rig.panel_second() < until {
        // The panel names whole seconds, so the node may be half of one ahead.
        assert!(rig.core.is_open(ALICE) || rig.panel_second().plus(1) >= until, "not before");
        rig.pass(1_000);
    }
    assert!(!rig.core.is_open(ALICE));
    assert!(rig.core.is_open(BOBBY));
    rig.crash();
    assert!(!rig.core.is_open(ALICE), "also after a restart");
}

#[test]
fn a_slot_that_left_the_roster_is_shut_and_its_grant_is_freed_by_one_ask() {
    let mut rig = granted();
    rig.flow(ALICE, 4_000);
    rig.panel.remove(ALICE);
    rig.sync();
    assert!(!rig.core.is_open(ALICE));
    let request = rig.sync();
    assert_eq!(asked(&request, ALICE), Some((4_100, 4_100)));
    assert_eq!(asked(&rig.sync(), ALICE), None);
    rig.node.leave(rig.clock.now);
    rig.sync_all();
    assert_eq!(rig.panel.applied(ALICE), 4_100, "its bytes are reported all the same");
}
