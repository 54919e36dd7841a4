//! What becomes of reports when the panel says no, or knows less or more than it should.

use weir_wire::Bytes;
use weir_wire::refusal::Code;
use weir_wire::sync::Skip;

use super::panel::Panel;
use super::rig::{ALICE, BOBBY, Rig, total};
use crate::ledger::{Batch, Table, ordered};
use crate::testing::slot;

#[test]
fn a_restored_panel_gets_what_it_lacks_in_order() {
    let mut rig = Rig::generous();
    for _ in 0..4 {
        rig.flow(ALICE, 300 << 20);
        rig.sync_all();
    }
    let whole = rig.panel.applied(ALICE);
    let epoch = rig.node.outbox.epoch();
    // The database of some reports ago.
    let count = rig.panel.reports.len() as u64;
    for report in rig.panel.reports.split_off(2) {
        rig.panel.epochs.get_mut(&epoch).unwrap().digests.pop();
        for usage in &report.users {
            *rig.panel.applied.get_mut(&usage.slot).unwrap() -= usage.up.plus(usage.down).get();
        }
    }
    rig.flow(ALICE, 300 << 20);
    rig.sync_all();
    assert_eq!(rig.panel.applied(ALICE), whole + (300 << 20));
    let numbers: Vec<_> = rig.panel.reports.iter().map(|report| report.seq).collect();
    assert_eq!(numbers, (1..=count + 1).collect::<Vec<_>>());
    assert_eq!(rig.node.outbox.epoch(), epoch);
}

#[test]
fn what_is_no_longer_kept_is_skipped_and_named() {
    let mut rig = Rig::generous();
    for _ in 0..3 {
        rig.flow(ALICE, 300 << 20);
        rig.sync_all();
    }
    let epoch = rig.node.outbox.epoch();
    let count = rig.panel.reports.len();
    let mut batch = Batch::default();
    for seq in 1..count as u64 {
        batch.delete(Table::Reports, &ordered(seq));
    }
    rig.ledger().commit_now(&batch).unwrap();
    rig.crash();
    rig.panel.epochs.get_mut(&epoch).unwrap().digests.clear();
    let requests = rig.sync_all();
    let skips: Vec<_> = requests.iter().filter_map(|request| request.skip).collect();
    assert_eq!(skips, [Skip { from: 1, to: count as u64 }]);
    assert_eq!(rig.panel.epochs[&epoch].digests.len(), count);
    assert_eq!(rig.node.outbox.epoch(), epoch);
    assert_eq!(rig.node.outbox.gaps() as usize, count - 1);
    rig.crash();
    let report = rig.report();
    assert_eq!(report.node.gaps as usize, count - 1, "it outlives the agent");
    assert!(report.to_string().contains("missing: The panel was put back to an older copy"), "{report}");
}

#[test]
fn a_day_after_reports_were_skipped_the_counts_that_contain_them_are_left() {
    let mut rig = Rig::generous();
    for _ in 0..3 {
        rig.flow(ALICE, 300 << 20);
        rig.sync_all();
    }
    let old = rig.node.outbox.epoch();
    let count = rig.panel.reports.len() as u64;
    let mut batch = Batch::default();
    for seq in 1..count {
        batch.delete(Table::Reports, &ordered(seq));
    }
    rig.ledger().commit_now(&batch).unwrap();
    rig.crash();
    rig.panel.epochs.get_mut(&old).unwrap().digests.clear();
    assert!(rig.sync_all().iter().any(|request| request.skip.is_some()));
    // The agent dies once more: what it left out is no secret of the process.
    rig.crash();
    rig.sync_all();
    let (billed, of_bobby) = (rig.panel.applied(ALICE), rig.panel.applied(BOBBY));
    rig.flow(ALICE, 70);
    assert!(rig.count(ALICE) > 900 << 20 && rig.node.limiter.held(&slot(ALICE)).is_some());
    assert_eq!(rig.node.outbox.epoch(), old, "whoever restored the wrong copy may still restore another one");
    let day = 26 * 3_600_000;
    rig.clock.now = rig.clock.now.plus(day);
    rig.clock.wall += i64::try_from(day).unwrap();
    let requests = rig.sync_all();
    assert_ne!(rig.node.outbox.epoch(), old);
    assert_eq!(rig.panel.applied(ALICE), billed + 70, "and nothing is told twice");
    assert_eq!(rig.node.limiter.held(&slot(ALICE)), None, "the panel does not count on it any more");
    assert!(rig.core.is_open(ALICE));
    let first = requests.iter().filter(|request| request.epoch != old).find_map(|request| request.report.clone());
    let leaves = first.unwrap().leaves.unwrap();
    assert_eq!((leaves.epoch, leaves.ambiguous, leaves.gap), (old, Bytes::ZERO, true));
    rig.flow(ALICE, 5);
    rig.flow(BOBBY, 6);
    rig.until_sync();
    let request = rig.sync();
    assert!(request.asks.iter().any(|ask| ask.slot == slot(ALICE) && ask.count.get() < 100), "{:?}", request.asks);
    rig.node.leave(rig.clock.now);
    rig.sync_all();
    assert_eq!((rig.panel.applied(ALICE), rig.panel.applied(BOBBY)), (billed + 75, of_bobby + 6));
    assert_eq!(rig.node.outbox.losses(), (0, 0, 0), "it is no fork");
}

#[test]
fn a_refused_report_is_set_aside_and_everything_else_goes_on_in_a_new_epoch() {
    let mut rig = Rig::generous();
    rig.flow(ALICE, 300 << 20);
    rig.until_sync();
    rig.flow(BOBBY, 40);
    let mut refusal = Panel::refusal(Code::Invalid, None);
    refusal.field = Some("report.users[0].up".to_owned());
    let (old, stuck) = (rig.node.outbox.epoch(), rig.sent.clone().unwrap().report.unwrap());
    rig.refuse(refusal);
    rig.node.leave(rig.clock.now);
    let requests = rig.sync_all();
    assert_ne!(rig.node.outbox.epoch(), old);
    let first = requests[0].report.as_ref().unwrap();
    let leaves = first.leaves.as_ref().unwrap();
    assert_eq!((first.seq, leaves.epoch, leaves.seq, leaves.ambiguous), (1, old, stuck.seq, Bytes::ZERO));
    assert_eq!(rig.panel.applied(BOBBY), 41);
    assert_eq!(rig.panel.applied(ALICE) + total(&stuck), 1 + (300 << 20));
    assert_eq!(rig.node.outbox.losses(), (0, 1, 0));
    assert_eq!(rig.ledger().all::<serde_json::Value>(Table::Rejected).unwrap().len(), 1);
}

#[test]
fn a_refusal_that_names_another_field_costs_no_report() {
    let mut rig = Rig::generous();
    rig.flow(ALICE, 300 << 20);
    rig.until_sync();
    let (epoch, at) = (rig.node.outbox.epoch(), rig.clock.now);
    let mut refusal = Panel::refusal(Code::Invalid, None);
    refusal.field = Some("asks".to_owned());
    rig.refuse(refusal);
    rig.sync_all();
    assert_eq!(rig.node.outbox.epoch(), epoch);
    assert_eq!(rig.panel.applied(ALICE), 1 + (300 << 20));
    assert!(rig.clock.now.since(at) >= 45_000, "and is not repeated at once");
}

#[test]
fn refusals_in_a_row_are_a_minute_apart() {
    let mut rig = Rig::generous();
    rig.panel.policy.report_bytes = Bytes::saturating(1);
    rig.sync();
    let mut times = Vec::new();
    for _ in 0..3 {
        rig.flow(ALICE, 300 << 20);
        while rig.sent.as_ref().is_none_or(|request| request.report.is_none()) {
            rig.sync_if_sent();
            rig.until_sync();
        }
        times.push(rig.clock.now);
        rig.refuse_with(Code::Malformed);
    }
    assert!(times[2].since(times[1]) >= 45_000, "{times:?}");
    rig.node.leave(rig.clock.now);
    rig.sync_all();
    assert_eq!(rig.node.outbox.losses().1, 3);
}

#[test]
fn a_copied_ledger_gives_up_what_may_have_been_reported_and_counts_every_later_byte() {
    let mut rig = Rig::generous();
    rig.flow(ALICE, 300 << 20);
    rig.sync_all();
    rig.flow(BOBBY, 5);
    rig.tick();
    let copy = rig.copy_ledger();
    let old = rig.node.outbox.epoch();
    // This life goes on and is cut off.
    rig.pass(10_000);
    rig.flow(ALICE, 310 << 20);
    rig.sync_all();
    let billed = rig.panel.applied(ALICE);
    rig.pass(10_000);
    // Bobby's bytes are in the copy, and hers are told by the core again.
    rig.put_ledger_back(&copy);
    rig.pass(2_000);
    // What the core still knows of the connection is credited again, and may have been reported: it was.
    rig.flow_on("alice later", ALICE, 320 << 20);
    rig.sync_all();
    rig.node.leave(rig.clock.now);
    rig.sync_all();
    assert_ne!(rig.node.outbox.epoch(), old);
    assert_eq!(rig.panel.applied(ALICE), billed + (320 << 20));
    let (ambiguous, _, forks) = rig.node.outbox.losses();
    assert_eq!((ambiguous, forks), ((310 << 20) + 5, 1));
    let leaving = rig.panel.reports.iter().find_map(|report| report.leaves.clone()).unwrap();
    assert_eq!((leaving.epoch, leaving.ambiguous.get()), (old, (310 << 20) + 5));
}

#[test]
fn an_acknowledgement_of_more_than_was_sent_is_a_fork_as_well() {
    let mut rig = Rig::generous();
    let copy = rig.copy_ledger();
    for _ in 0..3 {
        rig.flow(BOBBY, 300 << 20);
        rig.sync_all();
    }
    let (billed, old) = (rig.panel.applied(BOBBY), rig.node.outbox.epoch());
    rig.put_ledger_back(&copy);
    rig.sync();
    rig.pass(1_000);
    rig.node.leave(rig.clock.now);
    rig.sync_all();
    assert_ne!(rig.node.outbox.epoch(), old);
    assert_eq!(rig.panel.applied(BOBBY), billed);
    assert_eq!(rig.node.outbox.losses().2, 1);
}

#[test]
fn a_fork_has_no_limits_and_asks_anew() {
    let mut rig = Rig::generous();
    rig.flow(ALICE, 300 << 20);
    rig.until_sync();
    rig.refuse_with(Code::Fork);
    rig.until_sync();
    rig.sync_if_sent();
    assert_eq!(rig.node.limiter.held(&slot(ALICE)), None, "she has moved nothing in this epoch");
    rig.flow(ALICE, 5);
    rig.until_sync();
    let request = rig.sync();
    assert_eq!(request.asks[0].count.get(), 5);
}

#[test]
fn a_user_held_at_his_limit_is_not_locked_in_by_a_fork() {
    let mut rig = Rig::new();
    rig.panel.limits.insert(slot(ALICE), 2_000);
    rig.flow(ALICE, 10);
    rig.sync_all();
    rig.flow(ALICE, 1_990);
    assert!(!rig.core.is_open(ALICE));
    rig.until_sync();
    rig.refuse_with(Code::Fork);
    rig.until_sync();
    assert!(rig.core.is_open(ALICE), "the new epoch knows no limit for her yet");
}

#[test]
fn a_deleted_node_shuts_every_gate_and_flushes() {
    let mut rig = Rig::generous();
    rig.flow(ALICE, 700);
    rig.flow(BOBBY, 80);
    rig.panel.deleted = true;
    rig.sync();
    assert!(!rig.core.is_open(ALICE) && !rig.core.is_open(BOBBY));
    rig.sync_all();
    assert_eq!((rig.panel.applied(ALICE), rig.panel.applied(BOBBY)), (701, 81));
    rig.crash();
    assert!(!rig.core.is_open(ALICE), "also after a restart without a panel");
    rig.until_sync();
    rig.refuse_with(Code::Deleted);
    assert!(!rig.core.is_open(ALICE));
    assert!(rig.report().deleted);
}

#[test]
fn a_node_that_was_deleted_long_ago_keeps_its_ledger_and_its_gates_shut() {
    let mut rig = Rig::generous();
    rig.flow(ALICE, 700);
    rig.until_sync();
    rig.refuse_with(Code::Deleted);
    assert!(!rig.core.is_open(ALICE));
    for _ in 0..3 {
        let at = rig.clock.now;
        rig.until_sync();
        assert!(rig.clock.now.since(at) >= 45_000, "once a minute");
        rig.refuse_with(Code::Deleted);
    }
    rig.crash();
    assert!(!rig.core.is_open(ALICE));
    assert!(rig.unreported() >= 700);
}
