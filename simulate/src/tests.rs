//! What must hold of every run.

use weir_wire::Bytes;

use crate::args::Args;
use crate::outcome::Outcome;
use crate::table;
use crate::world::{ROUND_TRIP, World};

fn run(args: &Args) -> Outcome {
    World::new(args).run(|_| ())
}

fn small(users: u32, seed: u64) -> Args {
    Args { seed, ..Args::new(users, users.div_ceil(100), 2) }
}

#[test]
fn every_byte_is_reported_or_still_waits() {
    for seed in 1..4 {
        let out = run(&small(300, seed));
        assert!(out.generated > 0);
        assert_eq!(out.generated, out.reported + out.unreported);
        assert!(out.unreported < out.generated / 10, "{} of {}", out.unreported, out.generated);
    }
}

/// The agent spreads its interval by a quarter, and sends one report after another where several wait.
#[test]
fn no_total_is_staler_than_the_policy_says() {
    for (report_seconds, interval) in [(600, 30), (120, 10), (3_600, 60)] {
        let mut args = small(300, 5);
        (args.policy.report_seconds, args.policy.interval) = (report_seconds, interval);
        let out = run(&args);
        // No parcel reaches over a quarter-hour, whatever the policy.
        let age = u64::from(report_seconds.min(900)) * 1_000;
        let bound = age + args.policy.rest() * 5 / 4 + 1_000 + 5 * ROUND_TRIP;
        assert!(out.staleness <= bound, "{} of {bound} ms", out.staleness);
        assert!(out.staleness > age, "bytes of a light user wait until they are old");
    }
}

#[test]
fn no_quota_is_exceeded_by_more_than_its_bound() {
    let mut limited = 0;
    for seed in 1..6 {
        let mut args = small(400, seed);
        (args.active, args.always_on, args.days) = (1.0, 0.0, 9);
        let out = run(&args);
        assert_eq!(out.beyond_bound, 0, "worst {}", out.overshoot);
        limited += out.limited;
    }
    assert!(limited > 15, "only {limited} users reached their quota");
}

#[test]
fn more_users_never_cost_fewer_rows() {
    let mut before = (0, 0, 0);
    for users in [50, 100, 200, 400, 800] {
        let sum = run(&Args { nodes: 4, ..small(users, 2) }).sum();
        let now = (sum.written, sum.read, sum.requests);
        assert!(now.0 > before.0 && now.1 > before.1 && now.2 > before.2, "{users} users: {now:?} after {before:?}");
        before = now;
    }
}

#[test]
fn the_same_seed_gives_the_same_table_and_another_one_another() {
    let args = small(200, 9);
    let first = run(&args);
    assert_eq!(table::text(&args, &first), table::text(&args, &run(&args)));
    assert_ne!(first.generated, run(&small(200, 10)).generated);
}

#[test]
fn rarer_reports_cost_fewer_rows_and_are_staler() {
    let at = |seconds| {
        let mut args = small(300, 3);
        args.policy.report_seconds = seconds;
        run(&args)
    };
    let (often, rarely) = (at(120), at(900));
    assert!(rarely.sum().written < often.sum().written);
    assert!(rarely.staleness > often.staleness);
}

#[test]
fn smaller_heaps_are_reported_more_often() {
    let at = |bytes| {
        let mut args = small(300, 3);
        args.policy.report_bytes = bytes;
        run(&args).report_users
    };
    assert!(at(Bytes::mib(16)) > at(Bytes::mib(256)));
}

#[test]
fn at_the_months_end_everybodys_period_ends_and_costs_its_rows() {
    let usual = run(&small(300, 4));
    let end = run(&Args { month_end: true, ..small(300, 4) });
    let periods = |out: &Outcome| out.by[crate::cost::For::Periods as usize].written;
    assert!(periods(&end) >= 300 * 4, "{}", periods(&end));
    assert!(periods(&end) > 2 * periods(&usual));
}

#[test]
fn webhooks_cost_what_each_of_them_costs() {
    let without = run(&small(100, 4));
    let with = run(&Args { webhooks: 10, ..small(100, 4) });
    assert_eq!(with.sum().written - without.sum().written, with.active * 10 * 4);
    assert_eq!(with.requests - without.requests, with.active * 10);
}

#[test]
fn an_idle_node_lets_go_of_the_last_floor_of_a_quota_for_the_one_that_starves() {
    let mut args = small(400, 1);
    (args.active, args.always_on, args.days) = (1.0, 0.0, 9);
    let out = run(&args);
    assert!(out.limited > 3, "only {} users reached their quota", out.limited);
    // Halves go back and forth while a user has more than a floor, and then a few times more.
    let calls = out.bell - out.changes;
    assert!(calls < 40 * out.limited + 9, "{calls} calls for {} users", out.limited);
}
