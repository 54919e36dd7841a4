//! History on real SQL: hours become days, days become months, and no byte is lost or counted twice on the way.

use std::collections::BTreeMap;

use proptest::prelude::*;
use weir::store::epochs::{self, Guard, Sums};
use weir::store::history::{self, Flow};
use weir::store::rollup::{self, Found, Old};
use weir_wire::{Bytes, Epoch, NodeId, Second};

use crate::scene::{DAY, NOW, message, seen};
use crate::sqlite::Sqlite;

const HOUR: i64 = 3_600;

/// Users 1 to 3 and nodes 1 to 3.
fn panel() -> Sqlite {
    let sqlite = Sqlite::new();
    sqlite.execute(
        "INSERT INTO usage (user) VALUES (1), (2), (3);
        INSERT INTO nodes (id, name, address, created_at) VALUES (1, 'a', 'a', 0), (2, 'b', 'b', 0), (3, 'c', 'c', 0);",
    );
    sqlite
}

/// The node's next report, of one user: his hour, and its node's by the sums of its epoch.
fn report(sqlite: &Sqlite, user: i64, node: u32, at: Second, up: u64, down: u64) {
    let last_seq: u64 = sqlite.value(&format!("SELECT coalesce((SELECT last_seq FROM epochs WHERE node = {node}), 0)"));
    let guard = Guard { node: NodeId(node), epoch: Epoch::from_random(1), last_seq };
    let [up, down] = [up, down].map(Bytes::saturating);
    let add = history::add(&[Flow(user, up, down)], &guard, at);
    let to = at.plus(1);
    let sums = Sums { up, down, unknown: Bytes::ZERO };
    let moved = epochs::advance(&message(last_seq + 1, to), &guard, to, sums, &seen(NOW));
    // The same batch again finds that the epoch has moved.
    for _ in 0..2 {
        sqlite.batch(&[add.clone(), moved.clone()]).unwrap();
    }
}

/// What the job does for everybody, at most `rows` rows in each statement; how many were taken.
fn fold(sqlite: &Sqlite, old: Old, rows: u32) -> u32 {
    let found: Vec<Found> = sqlite.all(&rollup::find(-1, old, 100)).unwrap();
    let Found { with_hours, with_days, .. } = &found[0];
    let folds = [
        rollup::hours(with_hours, old, rows),
        rollup::days(with_days, old, rows),
        rollup::node_hours(old, rows),
        rollup::node_days(old, rows),
    ];
    let mut taken = 0;
    for [add, delete] in folds {
        sqlite.batch(&[add, delete]).unwrap();
        taken += sqlite.value::<u32>("SELECT changes()");
    }
    taken
}

fn old(hours: Second, days: Second) -> Old {
    Old { hours, days }
}

/// Up and down per owner and node, over everything that is kept.
fn totals(sqlite: &Sqlite) -> BTreeMap<(String, i64), (u64, u64)> {
    let rows: String = sqlite.value(
        "SELECT json_group_array(json_array(who, node, up, down)) FROM (
          SELECT who, node, sum(up) AS up, sum(down) AS down FROM (
            SELECT 'user ' || user AS who, node, up, down FROM history
            UNION ALL SELECT 'user ' || user, node, up, down FROM history_days
            UNION ALL SELECT 'user ' || user, node, up, down FROM history_months)
          GROUP BY who, node
          UNION ALL SELECT 'all', node, sum(up), sum(down) FROM (SELECT * FROM node_hours
            UNION ALL SELECT * FROM node_days UNION ALL SELECT * FROM node_months) GROUP BY node)",
    );
    let rows: Vec<(String, i64, u64, u64)> = serde_json::from_str(&rows).unwrap();
    rows.into_iter().map(|(who, node, up, down)| ((who, node), (up, down))).collect()
}

fn rows(sqlite: &Sqlite, table: &str) -> Vec<[i64; 5]> {
    let sql = format!("SELECT json_group_array(json_array(a, b, c, up, down)) FROM (SELECT * FROM {table})");
    let at = if table == "history" { "hour" } else { table.strip_prefix("history_").unwrap().trim_end_matches('s') };
    serde_json::from_str(&sqlite.value::<String>(&sql.replace("a, b, c", &format!("user, {at}, node")))).unwrap()
}

#[test]
fn an_hour_becomes_part_of_its_day_and_the_day_of_its_month() {
    let sqlite = panel();
    let day = Second::clamped(NOW.get() - NOW.get() % DAY);
    for (at, bytes) in [(day.plus(-1), 1), (day, 2), (day.plus(23 * HOUR), 4), (day.plus(DAY), 8)] {
        report(&sqlite, 1, 2, at, bytes, 10 * bytes);
    }
    fold(&sqlite, old(day.plus(DAY), Second::EPOCH), 100);
    let [d, h] = [day.get(), day.get() + DAY];
    assert_eq!(rows(&sqlite, "history_days"), [[1, d - DAY, 2, 1, 10], [1, d, 2, 6, 60]]);
    assert_eq!(rows(&sqlite, "history"), [[1, h, 2, 8, 80]], "what is not old stays");
    let november = 1_793_491_200;
    fold(&sqlite, old(day.plus(DAY), day.plus(30 * DAY)), 100);
    assert_eq!(rows(&sqlite, "history_months"), [[1, november, 2, 7, 70]]);
    assert_eq!(rows(&sqlite, "history_days"), Vec::<[i64; 5]>::new());
}

#[test]
fn a_report_for_an_hour_that_was_folded_is_added_by_the_next_fold() {
    let sqlite = panel();
    let late = NOW.plus(-20 * DAY);
    report(&sqlite, 1, 1, late, 5, 6);
    let old = old(NOW, Second::EPOCH);
    fold(&sqlite, old, 100);
    report(&sqlite, 1, 1, late, 50, 60);
    assert_eq!(rows(&sqlite, "history").len(), 1, "the hour is there again");
    fold(&sqlite, old, 100);
    assert_eq!(rows(&sqlite, "history_days"), [[1, late.get() - late.get() % DAY, 1, 55, 66]]);
    assert_eq!(fold(&sqlite, old, 100), 0, "a third one finds nothing");
}

#[test]
fn a_fold_writes_a_row_for_each_it_takes_and_one_for_each_it_makes() {
    let sqlite = panel();
    let day = Second::clamped(NOW.get() - NOW.get() % DAY);
    for user in 1..=3 {
        for hour in 0..24 {
            report(&sqlite, user, 1, day.plus(hour * HOUR), 1, 1);
        }
    }
    let before: i64 = sqlite.value("SELECT total_changes()");
    let list = "[1,2,3]";
    sqlite.batch(&rollup::hours(list, old(NOW.plus(DAY), Second::EPOCH), 5_000)).unwrap();
    let written = sqlite.value::<i64>("SELECT total_changes()") - before;
    assert_eq!(written, 3 * 24 + 3);
}

#[test]
fn only_who_has_something_old_is_folded_and_everybody_is_looked_at_once() {
    let sqlite = panel();
    report(&sqlite, 2, 1, NOW.plus(-30 * DAY), 1, 1);
    report(&sqlite, 3, 1, NOW, 1, 1);
    let old = old(NOW.plus(-7 * DAY), NOW.plus(-400 * DAY));
    let find = |after, users| sqlite.all::<Found>(&rollup::find(after, old, users)).unwrap().remove(0);
    let found = find(-1, 100);
    assert_eq!(
        (found.last, found.seen, found.with_hours.as_str(), found.with_days.as_str()),
        (Some(3), 3, "[2]", "[]")
    );
    assert_eq!((find(1, 1).last, find(1, 1).with_hours), (Some(2), "[2]".into()));
    assert_eq!((find(3, 5).last, find(3, 5).seen), (None, 0));
}

#[test]
fn the_bound_from_which_hours_are_whole_never_moves_back() {
    let sqlite = panel();
    let bounds =
        || sqlite.value::<String>("SELECT group_concat(value) FROM meta WHERE name IN ('days_since', 'hours_since')");
    sqlite.run(&rollup::mark(old(Second::clamped(900), Second::clamped(80)))).unwrap();
    assert_eq!(bounds(), "80,900");
    sqlite.run(&rollup::mark(old(Second::clamped(901), Second::clamped(79)))).unwrap();
    assert_eq!(bounds(), "80,901");
}

#[derive(Clone, Debug)]
enum Step {
    Report {
        user: i64,
        node: u32,
        ago: i64,
        up: u64,
        down: u64,
    },
    /// With bounds so many days ago, so many rows at most, and cut off after some of its batches.
    Fold {
        hours: i64,
        days: i64,
        rows: u32,
        batches: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (1_i64..=3, 1_u32..=3, 0_i64..100 * DAY, 0_u64..1_000, 0_u64..1_000)
            .prop_map(|(user, node, ago, up, down)| Step::Report { user, node, ago, up, down }),
        2 => (0_i64..100, 0_i64..100, 1_u32..6, 0_usize..=4)
            .prop_map(|(hours, days, rows, batches)| Step::Fold { hours, days, rows, batches }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn folds_in_any_order_any_number_of_times_and_cut_off_anywhere_change_no_total(steps in prop::collection::vec(step(), 1..40)) {
        let sqlite = panel();
        let mut expected: BTreeMap<(String, i64), (u64, u64)> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Report { user, node, ago, up, down } => {
                    report(&sqlite, user, node, NOW.plus(-ago), up, down);
                    for who in [format!("user {user}"), "all".into()] {
                        let sum = expected.entry((who, i64::from(node))).or_default();
                        *sum = (sum.0 + up, sum.1 + down);
                    }
                }
                Step::Fold { hours, days, rows, batches } => {
                    let old = old(NOW.plus(-hours * DAY), NOW.plus(-days * DAY));
                    let list = "[1,2,3]";
                    let folds = [
                        rollup::hours(list, old, rows),
                        rollup::node_days(old, rows),
                        rollup::days(list, old, rows),
                        rollup::node_hours(old, rows),
                    ];
                    for fold in folds.iter().take(batches) {
                        sqlite.batch(fold).unwrap();
                        // A batch that fails half-way leaves nothing behind.
                        let broken = weir::store::Statement::new("INSERT INTO meta (name, value) VALUES ('panel', '')");
                        prop_assert!(sqlite.batch(&[fold[0].clone(), fold[1].clone(), broken]).is_err());
                    }
                }
            }
            prop_assert_eq!(&totals(&sqlite), &expected);
        }
        // At last everything is folded: nothing old is left behind, and the totals still stand.
        while fold(&sqlite, old(NOW.plus(DAY), NOW.plus(60 * DAY)), 7) > 0 {}
        prop_assert_eq!(&totals(&sqlite), &expected);
        let left: i64 = sqlite.value("SELECT (SELECT count(*) FROM history) + (SELECT count(*) FROM history_days)
          + (SELECT count(*) FROM node_hours) + (SELECT count(*) FROM node_days)");
        prop_assert_eq!(left, 0);
    }
}
