use proptest::prelude::*;

use super::epoch::{Known, Left};
use super::*;
use crate::cores::ConnectionEvent;
use crate::testing::{at, begun, origin, slot};

struct Bench {
    folder: tempfile::TempDir,
    ledger: Ledger,
    tally: Tally,
    outbox: Outbox,
    clock: PanelClock,
    batch: Batch,
    flowed: u64,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&folder.path().join("ledger")).unwrap();
        let mut tally = Tally::default();
        tally.down();
        tally.up(1, 0, Second::EPOCH);
        let outbox = Outbox::load(&ledger, Epoch::from_random(1)).unwrap();
        let clock = PanelClock {
            boot: crate::clock::BootId::default(),
            ahead_of_boot: 900_000_000,
            ahead_of_wall: 0,
            learnt: true,
        };
        Self { folder, ledger, tally, outbox, clock, batch: Batch::default(), flowed: 0 }
    }

    fn flow(&mut self, name: &str, bytes: u64) {
        self.flowed += bytes;
        let id = format!("{name} {}", self.flowed);
        let event = ConnectionEvent { up: bytes, closed: true, ..begun(&id, origin(name)) };
        self.tally.connections(false, &[event], at(0), |_| true);
    }

    fn commit(&mut self) {
        self.tally.write(&mut self.batch);
        self.ledger.commit_now(&core::mem::take(&mut self.batch)).unwrap();
    }

    fn cut(&mut self, second: u64) {
        let slots: Vec<_> = self.tally.counts().map(|(slot, _)| slot.clone()).collect();
        self.outbox.cut(&mut self.tally, slots, Stamp::Boot(at(second)), Some(at(second)), &mut self.batch);
        self.commit();
    }

    fn seal(&mut self) -> Option<(Report, Option<Skip>)> {
        self.outbox.seal(&self.ledger, &self.clock, Nobodys::default(), &mut self.batch).unwrap();
        self.commit();
        self.outbox.next(&self.ledger, &self.batch).unwrap()
    }

    fn ack(&mut self, seq: u64) -> bool {
        let known = self.outbox.acknowledge(seq, Second::clamped(900_000), &mut self.batch);
        self.commit();
        known
    }

    fn reload(&mut self) {
        self.outbox = Outbox::load(&self.ledger, Epoch::from_random(99)).unwrap();
        self.tally = Tally::load(&self.ledger).unwrap();
    }
}

fn total(report: &Report) -> u64 {
    report.users.iter().map(|usage| usage.up.get() + usage.down.get()).sum()
}

#[test]
fn a_report_is_the_same_after_a_restart_to_the_byte() {
    let mut bench = Bench::new();
    bench.flow("alice", 10);
    bench.flow("bobby", 20);
    bench.cut(60);
    let (report, skip) = bench.seal().unwrap();
    assert_eq!((report.seq, total(&report), skip), (1, 30, None));
    assert_eq!(report.to.get(), 900_060);
    let sent = serde_json::to_string(&report).unwrap();
    bench.reload();
    bench.flow("alice", 5);
    bench.cut(90);
    let (again, _) = bench.seal().unwrap();
    assert_eq!(serde_json::to_string(&again).unwrap(), sent);
    assert_eq!(again.digest, report_digest(bench.outbox.epoch(), &again));
}

#[test]
fn more_slots_than_fit_become_several_reports_of_the_same_time() {
    let mut bench = Bench::new();
    for number in 0..=MAX_USERS {
        bench.flow(&format!("slot{number}"), 1);
    }
    bench.cut(60);
    let (first, _) = bench.seal().unwrap();
    assert!(bench.ack(1));
    let (second, _) = bench.seal().unwrap();
    assert_eq!((first.users.len(), second.users.len()), (MAX_USERS, 1));
    assert_eq!((first.from, first.to), (second.from, second.to));
}

#[test]
fn a_report_does_not_reach_back_over_a_quarter_hour() {
    let mut bench = Bench::new();
    bench.flow("alice", 1);
    bench.cut(10);
    bench.seal();
    bench.ack(1);
    bench.flow("alice", 1);
    bench.cut(1_800);
    let (report, _) = bench.seal().unwrap();
    assert_eq!((report.from.get(), report.to.get()), (900_900, 901_800));
}

/// While the panel is away a quarter-hour makes one parcel, whatever the rate: a week of a hundred users is 67,200 rows.
#[test]
fn a_week_without_the_panel_costs_little_disk_and_no_byte() {
    const QUARTERS: u64 = 7 * 96;
    const USERS: u64 = 100;
    let mut bench = Bench::new();
    for quarter in 0..QUARTERS {
        for user in 0..USERS {
            bench.flow(&format!("user{user}"), 1_000 + user);
        }
        bench.cut(quarter * 900 + 899);
    }
    let bytes = std::fs::metadata(bench.folder.path().join("ledger")).unwrap().len();
    assert!(bytes < 16 << 20, "{bytes} bytes");
    bench.reload();
    let (mut told, mut seq) = (0, 0);
    while let Some((report, _)) = bench.seal() {
        let last = Second::clamped(report.to.get() - 1);
        assert_eq!(report.from.quarter(), last.quarter(), "report {} lies in one quarter-hour", report.seq);
        told += total(&report);
        seq += 1;
        assert!(bench.ack(report.seq));
    }
    assert_eq!((told, seq), (bench.flowed, QUARTERS));
}

#[test]
fn a_restored_panel_gets_everything_again_in_order() {
    let mut bench = Bench::new();
    for second in 1..=4 {
        bench.flow("alice", second);
        bench.cut(second);
        assert_eq!(bench.seal().unwrap().0.seq, second);
        if second < 4 {
            assert!(bench.ack(second));
        }
    }
    assert!(bench.outbox.expect(2));
    for second in 2..=4 {
        let (report, skip) = bench.outbox.next(&bench.ledger, &bench.batch).unwrap().unwrap();
        assert_eq!((report.seq, total(&report), skip), (second, second, None));
        assert!(bench.ack(second));
    }
    assert!(!bench.outbox.is_waiting());
    assert!(bench.ack(3), "an ack below what was acknowledged means the same");
    assert_eq!(bench.outbox.next(&bench.ledger, &bench.batch).unwrap().unwrap().0.seq, 4);
}

/// A ledger that has lost reports 1 and 2 of three, which the panel wants to be told again.
fn with_two_gone() -> Bench {
    let mut bench = Bench::new();
    for second in 1..=3 {
        bench.flow("alice", 1_000);
        bench.cut(second);
        bench.seal();
        bench.ack(second);
    }
    let mut batch = Batch::default();
    batch.delete(Table::Reports, &ordered(1));
    batch.delete(Table::Reports, &ordered(2));
    bench.ledger.commit_now(&batch).unwrap();
    bench.reload();
    bench.outbox.expect(1);
    bench
}

#[test]
fn reports_that_are_gone_are_skipped_and_said_so() {
    let bench = with_two_gone();
    let (report, skip) = bench.outbox.next(&bench.ledger, &bench.batch).unwrap().unwrap();
    assert_eq!((report.seq, skip), (3, Some(Skip { from: 1, to: 3 })));
}

/// A ledger of which the panel lacks reports 1 and 2, which are gone, and has 3.
fn with_a_gap() -> Bench {
    let mut bench = with_two_gone();
    let (_, skip) = bench.outbox.next(&bench.ledger, &bench.batch).unwrap().unwrap();
    bench.outbox.leaves_out(Second::clamped(900_000), &mut bench.batch);
    bench.commit();
    assert!(!bench.outbox.is_past_gap(Second::clamped(9_000_000)), "it is not even sent");
    bench.outbox.skipped(skip.unwrap(), 3, &mut bench.batch);
    bench.ack(3);
    bench
}

#[test]
fn an_epoch_of_which_reports_are_lost_is_left_a_day_later_and_nothing_that_waits_is() {
    let mut bench = with_a_gap();
    bench.flow("alice", 50);
    bench.cut(60);
    bench.flow("alice", 7);
    bench.commit();
    // Also by an agent that has died since.
    bench.reload();
    let day = 25 * 3_600;
    assert!(!bench.outbox.is_past_gap(Second::clamped(900_000 + day - 1)));
    assert!(bench.outbox.is_past_gap(Second::clamped(900_000 + day)));
    let (tally, batch) = (&mut bench.tally, &mut bench.batch);
    let left = bench.outbox.leave_gap(tally, &bench.ledger, Epoch::from_random(2), Nobodys::default(), batch).unwrap();
    assert_eq!(left, Left { epoch: Epoch::from_random(1), ambiguous: 0 });
    bench.commit();
    bench.reload();
    assert_eq!(bench.tally.count(&slot("alice")).total(), 57, "what was lost is in no count any more");
    let (report, skip) = bench.seal().unwrap();
    let leaves = Leaves { epoch: Epoch::from_random(1), seq: 4, ambiguous: Bytes::ZERO, gap: true };
    assert_eq!((report.seq, total(&report), report.leaves.as_ref(), skip), (1, 50, Some(&leaves), None));
    assert!(bench.ack(1));
    assert!(!bench.outbox.is_past_gap(Second::clamped(9_000_000)), "the new epoch has no gap");
    assert_eq!((bench.outbox.losses(), bench.outbox.gaps()), ((0, 0, 0), 2));
    bench.cut(90);
    let (report, _) = bench.seal().unwrap();
    assert_eq!((report.seq, total(&report), report.leaves), (2, 7, None));
}

#[test]
fn nothing_is_left_behind_while_the_panel_may_lack_what_can_still_be_told() {
    let late = Second::clamped(9_000_000);
    let mut bench = with_a_gap();
    assert!(bench.outbox.is_past_gap(late));
    bench.flow("alice", 5);
    bench.cut(60);
    bench.seal();
    assert!(!bench.outbox.is_past_gap(late), "a report is in flight");
    bench.ack(4);
    assert!(bench.outbox.is_past_gap(late));
    bench.outbox.expect(4);
    assert!(!bench.outbox.is_past_gap(late), "the panel was restored again");
}

#[test]
fn a_node_without_traffic_says_at_once_that_it_left_an_epoch_after_a_gap_and_once() {
    let mut bench = with_a_gap();
    let (tally, batch) = (&mut bench.tally, &mut bench.batch);
    bench.outbox.leave_gap(tally, &bench.ledger, Epoch::from_random(2), Nobodys::default(), batch).unwrap();
    bench.outbox.cut_nobodys(Nobodys::default(), at(70), 600_000, &mut bench.batch);
    bench.commit();
    let (report, _) = bench.seal().unwrap();
    assert_eq!((report.seq, report.users.len(), report.leaves.is_some()), (1, 0, true));
    bench.ack(1);
    bench.outbox.cut_nobodys(Nobodys::default(), at(80), 600_000, &mut bench.batch);
    assert!(!bench.outbox.is_waiting());
}

#[test]
fn a_copied_ledger_gives_up_what_may_have_been_reported_and_keeps_the_rest() {
    let mut bench = Bench::new();
    bench.flow("alice", 1_000);
    bench.cut(1);
    bench.seal();
    bench.flow("alice", 200);
    bench.cut(2);
    bench.flow("alice", 30);
    bench.cut(50);
    bench.flow("alice", 4);
    let left = bench
        .outbox
        .fork(
            &mut bench.tally,
            &bench.ledger,
            Known { since: at(10), refused: None },
            Epoch::from_random(2),
            Nobodys::default(),
            &mut bench.batch,
        )
        .unwrap();
    bench.commit();
    assert_eq!(left, Left { epoch: Epoch::from_random(1), ambiguous: 1_200 });
    assert_eq!(bench.tally.count(&slot("alice")).total(), 34);
    let (report, _) = bench.seal().unwrap();
    let leaves = report.leaves.clone().unwrap();
    assert_eq!((report.seq, total(&report)), (1, 30));
    assert_eq!((leaves.epoch, leaves.seq, leaves.ambiguous), (Epoch::from_random(1), 1, Bytes::saturating(1_200)));
    bench.ack(1);
    bench.cut(60);
    let (report, _) = bench.seal().unwrap();
    assert_eq!((report.seq, total(&report), report.leaves), (2, 4, None));
}

#[test]
fn a_report_that_the_panel_knows_another_one_instead_of_survives_a_fork_when_this_process_counted_it() {
    for (since, refused, kept) in [(10, Some(1), true), (10, None, false), (10, Some(7), false), (30, Some(1), false)] {
        let mut bench = Bench::new();
        bench.flow("alice", 1_000);
        bench.cut(20);
        bench.seal();
        bench.flow("alice", 200);
        bench.cut(50);
        let (known, fresh) = (Known { since: at(since), refused }, Epoch::from_random(2));
        let (tally, batch) = (&mut bench.tally, &mut bench.batch);
        let left = bench.outbox.fork(tally, &bench.ledger, known, fresh, Nobodys::default(), batch).unwrap();
        bench.commit();
        let ambiguous = if kept { 0 } else { 1_000 };
        assert_eq!(left, Left { epoch: Epoch::from_random(1), ambiguous });
        assert_eq!(bench.tally.count(&slot("alice")).total(), 1_200 - ambiguous);
        bench.reload();
        let mut reported = Vec::new();
        while let Some((report, _)) = bench.seal() {
            reported.push((report.seq, report.to.get(), total(&report)));
            bench.ack(report.seq);
        }
        let all = [(1, 900_020, 1_000), (2, 900_050, 200)];
        assert_eq!(reported, if kept { all.to_vec() } else { vec![(1, 900_050, 200)] });
    }
}

#[test]
fn a_refused_report_is_set_aside_and_strands_nothing() {
    let mut bench = Bench::new();
    bench.flow("alice", 1_000);
    bench.cut(1);
    bench.seal();
    bench.flow("alice", 200);
    bench.cut(2);
    bench
        .outbox
        .reject(
            &mut bench.tally,
            &bench.ledger,
            (1, "why"),
            Epoch::from_random(2),
            Nobodys::default(),
            &mut bench.batch,
        )
        .unwrap();
    bench.commit();
    bench.reload();
    assert_eq!(bench.outbox.losses(), (0, 1, 0));
    assert_eq!(bench.tally.count(&slot("alice")).total(), 200);
    assert_eq!(total(&bench.seal().unwrap().0), 200);
    assert_eq!(bench.ledger.all::<serde_json::Value>(Table::Rejected).unwrap().len(), 1);
}

#[test]
fn a_replayed_report_that_is_refused_is_set_aside_and_its_number_skipped() {
    let mut bench = Bench::new();
    for second in 1..=4 {
        bench.flow("alice", second);
        bench.cut(second);
        bench.seal();
        if second < 4 {
            bench.ack(second);
        }
    }
    bench.outbox.expect(1);
    let left = bench.outbox.reject(
        &mut bench.tally,
        &bench.ledger,
        (1, "why"),
        Epoch::from_random(2),
        Nobodys::default(),
        &mut bench.batch,
    );
    assert_eq!(left, Ok(None), "the epoch goes on");
    bench.commit();
    let (report, skip) = bench.seal().unwrap();
    assert_eq!((report.seq, skip), (2, Some(Skip { from: 1, to: 2 })));
    assert_eq!(bench.outbox.losses(), (0, 1, 0));
    for seq in 2..=4 {
        assert_eq!(bench.seal().unwrap().0.seq, seq);
        bench.ack(seq);
    }
    assert!(!bench.outbox.is_waiting());
}

#[test]
fn an_ack_for_what_was_never_sent_betrays_a_copy() {
    let mut bench = Bench::new();
    bench.flow("alice", 1);
    bench.cut(1);
    bench.seal();
    assert!(!bench.ack(2));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Whatever the order of flow, cuts, sends, acks, restarts and restored panels: the panel ends with every byte once.
    #[test]
    fn every_byte_is_reported_once(steps in prop::collection::vec(0..8_u8, 1..80)) {
        let mut bench = Bench::new();
        let mut panel: Vec<u64> = Vec::new();
        for (second, step) in (1_u64..).zip(steps) {
            match step {
                0 | 1 => bench.flow(["alice", "bobby"][usize::from(step)], second),
                2 => bench.cut(second),
                3..=5 => {
                    if let Some((report, skip)) = bench.seal() {
                        prop_assert_eq!(skip, None);
                        let next = panel.len() as u64 + 1;
                        if report.seq == next {
                            panel.push(total(&report));
                        }
                        // Step 3 loses the reply.
                        if report.seq > next {
                            prop_assert!(bench.outbox.expect(next));
                        } else if step != 3 {
                            prop_assert!(bench.ack(panel.len() as u64));
                        }
                    }
                }
                6 => { bench.commit(); bench.reload(); }
                _ => { panel.pop(); }
            }
        }
        bench.cut(1_000);
        for _ in 0..500 {
            let Some((report, _)) = bench.seal() else { break };
            let next = panel.len() as u64 + 1;
            if report.seq == next { panel.push(total(&report)); }
            if report.seq > next { bench.outbox.expect(next); } else { bench.ack(panel.len() as u64); }
        }
        // A sync without a report tells the panel's state as well.
        bench.ack(panel.len() as u64);
        while let Some((report, _)) = bench.outbox.next(&bench.ledger, &bench.batch).unwrap() {
            prop_assert_eq!(report.seq, panel.len() as u64 + 1);
            panel.push(total(&report));
            bench.ack(panel.len() as u64);
        }
        prop_assert_eq!(panel.iter().sum::<u64>(), bench.flowed);
    }
}
