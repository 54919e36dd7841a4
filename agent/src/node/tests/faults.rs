//! Disks that fail, hosts that stand still, and a core that dies.

use weir_wire::Bytes;
use weir_wire::refusal::{Code, Refusal};
use weir_wire::roster::Gate;

use super::panel::Panel;
use super::rig::{ALICE, BOBBY, Rig};
use crate::client::Failed;
use crate::ledger::{Batch, Table, ordered};
use crate::testing::slot;

const MANY: u64 = 300 << 20;

#[test]
fn a_full_disk_is_told_and_nothing_is_sent_that_the_ledger_lacks() {
    let mut rig = Rig::generous();
    rig.disk_fails = true;
    rig.flow(ALICE, MANY);
    rig.pass(2_000);
    let n = rig.sync().n;
    for _ in 0..3 {
        let request = rig.sync();
        assert_eq!((request.report, request.asks, request.n), (None, Vec::new(), n));
        assert!(request.status.unwrap().last_error.contains("no space left on device"));
    }
    assert!(rig.trouble().contains("no space left on device"));
}

#[test]
fn enforcing_goes_on_with_a_full_disk() {
    let mut rig = Rig::new();
    rig.panel.limits.insert(slot(ALICE), 50_000);
    rig.flow(ALICE, 10);
    rig.sync_all();
    rig.disk_fails = true;
    rig.flow(ALICE, 49_990);
    assert!(!rig.core.is_open(ALICE), "at her limit");
    rig.panel.user(BOBBY, Gate::Disabled, None);
    rig.sync();
    rig.pass(2_000);
    rig.sync();
    assert!(!rig.core.is_open(BOBBY), "the roster counts");
    assert_eq!(rig.core.in_file(BOBBY), Some(false));
}

#[test]
fn a_roster_that_is_not_in_the_ledger_is_not_said_to_be_held() {
    let mut rig = Rig::generous();
    let durable = rig.panel.version();
    rig.disk_fails = true;
    rig.flow(ALICE, 10);
    rig.pass(2_000);
    rig.panel.user(BOBBY, Gate::Disabled, None);
    rig.sync();
    rig.sync();
    assert_eq!(rig.sync().held, durable);
    assert!(!rig.core.is_open(BOBBY));
    rig.disk_fails = false;
    rig.pass(2_000);
    assert_eq!(rig.sync().held, rig.panel.version());
}

#[test]
fn everything_is_exact_when_the_disk_is_back() {
    let mut rig = Rig::generous();
    rig.flow(ALICE, MANY);
    rig.until_sync();
    // It fails at every place in turn: before the sync, during one, and when the answer is stored.
    for round in 0..4 {
        rig.disk_fails = true;
        for second in 0..3 {
            rig.flow(ALICE, 1_000_000);
            rig.flow_once(&format!("short {round} {second}"), BOBBY, 77);
            rig.sync_if_sent();
            rig.pass(1_000);
        }
        // Over the end of a quarter-hour, which cuts parcels.
        for _ in 0..31 {
            rig.pass(30_000);
            rig.sync_if_sent();
        }
        rig.disk_fails = false;
        rig.pass(3_000);
        assert_eq!(rig.trouble(), "");
        rig.sync_all();
    }
    rig.crash();
    rig.node.leave(rig.clock.now);
    rig.sync_all();
    assert_eq!(rig.panel.applied(ALICE), 1 + MANY + 12_000_000);
    assert_eq!(rig.panel.applied(BOBBY), 1 + 12 * 77);
    assert_eq!(rig.node.outbox.losses(), (0, 0, 0));
}

#[test]
fn a_crash_with_a_full_disk_goes_on_from_what_the_ledger_has() {
    let mut rig = Rig::generous();
    rig.disk_fails = true;
    rig.flow(ALICE, MANY);
    for _ in 0..3 {
        rig.pass(400_000);
        rig.sync_if_sent();
    }
    rig.disk_fails = false;
    // The connection outlives the agent, so its bytes are told again.
    rig.crash();
    rig.node.leave(rig.clock.now);
    rig.sync_all();
    assert_eq!(rig.panel.applied(ALICE), 1 + MANY);
}

#[test]
fn a_disk_that_fails_while_the_agent_is_asked_to_end_does_not_keep_it() {
    let mut rig = Rig::generous();
    rig.flow(ALICE, MANY);
    rig.disk_fails = true;
    rig.node.leave(rig.clock.now);
    rig.pass(1_000);
    rig.sync_if_sent();
    rig.pass(1_000);
    rig.sync_if_sent();
    assert!(rig.node.has_left());
}

#[test]
fn a_ledger_that_cannot_be_read_is_told_and_enforcing_goes_on() {
    let mut rig = Rig::generous();
    rig.panel.policy.report_bytes = Bytes::saturating(100);
    rig.sync();
    rig.flow(ALICE, 500);
    rig.node.leave(rig.clock.now);
    rig.tick();
    // A parcel that waits is not what was written.
    rig.sent = None;
    rig.crash();
    let mut batch = Batch::default();
    let parcels = rig.ledger().all::<serde_json::Value>(Table::Parcels).unwrap();
    for (key, _) in &parcels {
        batch.put(Table::Parcels, key, "rotten");
    }
    if parcels.is_empty() {
        batch.put(Table::Parcels, &ordered(900), "rotten");
    }
    rig.ledger().commit_now(&batch).unwrap();
    rig.flow(ALICE, 500);
    rig.pass(700_000);
    rig.panel.user(BOBBY, Gate::Disabled, None);
    rig.sync_all();
    assert!(!rig.core.is_open(BOBBY));
}

/// A life that is cut off by putting the whole host back, with the agent in its memory: what it counted until the
/// snapshot was reported by the life that was cut off.
fn put_back(told: impl FnOnce(&mut Rig)) -> Rig {
    let mut rig = Rig::generous();
    rig.flow(ALICE, MANY);
    rig.pass(1_000);
    // The snapshot is taken here, with these bytes uncut. The other life has reported them, and others after.
    rig.sent = None;
    let epoch = rig.node.outbox.epoch();
    rig.panel.epochs.get_mut(&epoch).unwrap().digests.extend(["of the other life".to_owned(), "and more".to_owned()]);
    rig.panel.applied.insert(slot(ALICE), 1 + MANY);
    told(&mut rig);
    rig
}

#[test]
fn a_host_that_was_suspended_into_an_earlier_state_gives_up_what_was_counted_before() {
    let mut rig = put_back(|rig| rig.clock.suspended += 3_600_000);
    rig.pass_answered(4_000);
    rig.flow_on("alice later", ALICE, 2 * MANY);
    rig.node.leave(rig.clock.now);
    rig.sync_all();
    assert_eq!(rig.panel.applied(ALICE), 1 + 3 * MANY);
    assert_eq!(rig.node.outbox.losses(), (MANY, 0, 1));
}

#[test]
fn a_host_that_was_put_back_without_knowing_finds_its_clock_behind_in_a_reply() {
    let mut rig = put_back(|rig| rig.stood_still += 3_600_000);
    rig.sync();
    rig.pass_answered(4_000);
    rig.flow_on("alice later", ALICE, 2 * MANY);
    rig.node.leave(rig.clock.now);
    rig.sync_all();
    assert_eq!(rig.panel.applied(ALICE), 1 + 3 * MANY);
    assert_eq!(rig.node.outbox.losses().2, 1);
}

#[test]
fn a_host_that_was_put_back_finds_its_clock_behind_in_the_refusal_itself() {
    let mut rig = put_back(|rig| rig.stood_still += 3_600_000);
    rig.node.leave(rig.clock.now);
    rig.until_sync();
    let request = rig.sent.take().unwrap();
    assert!(request.report.is_some());
    let refusal: Refusal = rig.panel.answer(&request, rig.panel_second()).unwrap_err();
    assert_eq!(refusal.code, Code::Fork);
    rig.flow_on("alice between", ALICE, 5);
    let date = Some(rig.panel_second());
    rig.fail(&Failed::Refused { refusal, date });
    rig.pass_answered(4_000);
    rig.flow_on("alice later", ALICE, 2 * MANY);
    rig.sync_all();
    rig.sync_all();
    assert_eq!(rig.panel.applied(ALICE), 1 + 3 * MANY, "what flowed before the refusal is ambiguous");
    assert_eq!(rig.node.outbox.losses(), (MANY + 5, 0, 1));
}

#[test]
fn a_host_that_only_slept_loses_nothing() {
    let mut rig = Rig::generous();
    for _ in 0..5 {
        rig.flow(ALICE, MANY);
        rig.clock.suspended += 600_000;
        rig.clock.now = rig.clock.now.plus(600_000);
        rig.pass(3_000);
        rig.sync_if_sent();
    }
    rig.node.leave(rig.clock.now);
    rig.sync_all();
    assert_eq!(rig.panel.applied(ALICE), 1 + 5 * MANY);
    assert_eq!(rig.node.outbox.losses(), (0, 0, 0));
}

#[test]
fn a_stepped_wall_clock_changes_nothing() {
    let mut rig = Rig::generous();
    for step in [3_600_000, -7_200_000, 31_536_000_000] {
        rig.clock.wall += step;
        rig.flow(ALICE, MANY);
        let requests = rig.sync_all();
        let report = requests.iter().find_map(|request| request.report.clone()).unwrap();
        assert!((report.to.get() - rig.panel_second().get()).abs() <= 60, "{report:?}");
    }
    assert_eq!(rig.panel.applied(ALICE), 1 + 3 * MANY);
}

#[test]
fn a_panel_clock_that_jitters_is_no_resurrection() {
    let mut rig = Rig::generous();
    let since = rig.node.since;
    for jitter in [400, -400, 700, 0, -900] {
        rig.stood_still = jitter;
        rig.sync();
    }
    assert_eq!(rig.node.since, since);
}

#[test]
fn a_killed_core_costs_an_estimate_and_no_counted_byte() {
    let mut rig = Rig::generous();
    for _ in 0..3 {
        rig.flow(ALICE, 1_000_000);
        rig.pass(1_000);
        rig.sync_if_sent();
    }
    rig.core.kill();
    rig.core.start();
    rig.settle();
    rig.flow_on("alice again", ALICE, 10);
    rig.node.leave(rig.clock.now);
    rig.sync_all();
    assert_eq!(rig.panel.applied(ALICE), 1 + 3_000_000 + 10);
    let status = rig.report().node;
    let estimate = status.lost_estimate.get();
    assert!(
        (50_000..=200_000).contains(&estimate),
        "{estimate}: a million bytes a second, looked at ten times a second"
    );
}

#[test]
fn a_core_that_is_down_is_told_with_its_beginning_and_forgotten_when_it_is_back() {
    let mut rig = Rig::generous();
    rig.core.kill();
    rig.settle();
    let told = rig.trouble();
    assert!(told.contains("connection refused (since 2027-01-15T08:"), "{told}");
    rig.pass(60_000);
    assert_eq!(rig.trouble(), told);
    rig.core.start();
    rig.settle();
    assert_eq!(rig.trouble(), "");
}

#[test]
fn a_panel_that_asks_to_wait_is_left_alone_for_so_long() {
    let mut rig = Rig::generous();
    rig.until_sync();
    let at = rig.clock.now;
    rig.fail(&Failed::Wait(120));
    rig.until_sync();
    assert!(rig.clock.now.since(at) >= 90_000);
}

#[test]
fn a_panel_in_trouble_is_asked_more_and_more_rarely_and_a_ring_ends_the_waiting() {
    let mut rig = Rig::generous();
    let mut pauses = Vec::new();
    let mut at = rig.clock.now;
    for _ in 0..9 {
        rig.until_sync();
        pauses.push(rig.clock.now.since(at));
        at = rig.clock.now;
        rig.refuse(Panel::refusal(Code::Unavailable, None));
    }
    assert!(pauses[1..].is_sorted() && pauses[8] >= 45_000, "{pauses:?}");
    rig.node.ring();
    rig.settle();
    assert!(rig.sent.is_some());
}
