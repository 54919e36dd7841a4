//! What the panel's pages read: bounded however much there is, and the same as the sums that it stands for.

use weir::domain::history::{Range, Row, Span};
use weir::store::charts::Rows;
use weir::store::overview::{self, AllTime, Bare, Directions, Ledgers, Node};
use weir::store::summary::{self, Most, Summary, Top};
use weir::store::user_page::{self, DAYS, HOURS};
use weir_wire::{Bytes, NodeId, Second};

use crate::scene::{DAY, NOW};
use crate::sqlite::Sqlite;

const HOUR: i64 = 3_600;

/// Users 1 to 20, each with more traffic than the one before; the first has none.
fn users() -> Sqlite {
    let sqlite = Sqlite::new();
    for user in 1..=20_i64 {
        sqlite.execute(&format!(
            "INSERT INTO users (id, name, gate, slot, created_at) VALUES ({user}, 'user-{user}', 'open', 's{user}', 0);
            INSERT INTO usage (user, month, period_end) VALUES ({user}, {}, {});",
            (user - 1) * 1_000,
            NOW.plus(DAY).get()
        ));
    }
    sqlite
}

fn count(sqlite: &Sqlite) -> Summary {
    let most: Vec<Most> = sqlite.all(&summary::most(NOW)).unwrap();
    let top = most.into_iter().map(|most| most.user).collect();
    Summary { at: NOW, bytes: Bytes::ZERO, days: Vec::new(), top }
}

#[test]
fn the_users_with_the_most_traffic_are_named_as_they_stand_now() {
    let sqlite = users();
    sqlite.batch(&[summary::write(&count(&sqlite))]).unwrap();
    let names = |sqlite: &Sqlite| {
        sqlite.all::<Top>(&summary::top()).unwrap().into_iter().map(|top| top.name).collect::<Vec<_>>()
    };
    let first: Vec<String> = (13..=20).rev().map(|user| format!("user-{user}")).collect();
    assert_eq!(names(&sqlite), first);
    // One is deleted, one uses more, within the hour.
    sqlite.execute("UPDATE users SET deleted_at = 1 WHERE id = 20; UPDATE usage SET month = 1000000 WHERE user = 13;");
    let names = names(&sqlite);
    assert_eq!((names.len(), names[0].as_str(), names.last().unwrap().as_str()), (8, "user-13", "user-12"));
}

#[test]
fn nobody_without_traffic_and_no_period_that_is_over_is_among_them() {
    let sqlite = users();
    sqlite.execute(&format!("UPDATE usage SET period_end = {} WHERE user > 3", NOW.get()));
    assert_eq!(count(&sqlite).top, [3, 2]);
    let none: Vec<Top> = sqlite.all(&summary::top()).unwrap();
    assert_eq!(none, [], "before the first count");
}

#[test]
fn a_glance_at_the_nodes_says_what_the_whole_says() {
    let sqlite = Sqlite::new();
    sqlite.execute(
        "INSERT INTO nodes (id, name, address, created_at, deleted_at) VALUES
          (1, 'a', 'a', 0, NULL), (2, 'b', 'b', 0, 7), (3, 'new', 'c', 0, NULL);
        INSERT INTO epochs (node, epoch, up, down, unattributed, unknown, outside, created_at, seen_at, agent, clock_off) VALUES
          (1, 'x', 1, 2, 3, 4, 5, 10, 20, 'old', 1), (1, 'y', 10, 20, 30, 40, 50, 20, 30, 'late', 2), (2, 'z', 7, 7, 7, 7, 7, 1, 1, 'z', 0);",
    );
    let [nodes, ledgers] = overview::glance();
    let glanced = overview::glanced(sqlite.all::<Bare>(&nodes).unwrap(), sqlite.all::<Ledgers>(&ledgers).unwrap());
    let whole: Vec<Node> = sqlite.all(&overview::nodes()).unwrap();
    assert_eq!(glanced, whole);
    assert_eq!((glanced[0].agent.as_str(), glanced[0].bytes), ("late", Bytes::saturating(33)));
    let one: Vec<Node> = sqlite.all(&overview::node(NodeId(1))).unwrap();
    assert_eq!(one, [whole[0].clone()]);
    assert!(sqlite.all::<Node>(&overview::node(NodeId(2))).unwrap().is_empty(), "a deleted one has no page");
}

#[test]
fn totals_of_all_time_stick_at_the_largest_number_that_can_be_read_back() {
    let sqlite = Sqlite::new();
    let all_time = || sqlite.all::<AllTime>(&overview::all_time()).unwrap()[0].bytes;
    assert_eq!(all_time(), Bytes::ZERO);
    // Three ledgers, each of which alone is as full as a ledger can be.
    for epoch in ["x", "y", "z"] {
        sqlite.execute(&format!(
            "INSERT INTO epochs (node, epoch, up, down, created_at) VALUES (1, '{epoch}', {0}, {0}, 0)",
            Bytes::MAX.get()
        ));
    }
    assert_eq!(all_time(), Bytes::MAX);
    let directions: Vec<Directions> = sqlite.all(&overview::directions()).unwrap();
    assert_eq!((directions[0].up, directions[0].down), (Bytes::MAX, Bytes::MAX));
}

#[test]
fn a_user_page_reads_the_newest_of_each_table_and_no_more() {
    let sqlite = Sqlite::new();
    let today = Span::Day.start(NOW);
    for node in 1..=4_i64 {
        for back in 0..100_i64 {
            sqlite.execute(&format!(
                "INSERT INTO history (user, hour, node, up, down) VALUES (1, {}, {node}, 1, 2), (2, {0}, {node}, 9, 9);
                INSERT INTO history_days (user, day, node, up, down) VALUES (1, {}, {node}, 1, 2);",
                NOW.hour().plus(-back * HOUR).get(),
                today.plus(-back * DAY).get(),
            ));
        }
    }
    let range = Range::new(Span::Day, None, None, NOW, 30).unwrap();
    let [hours, days] = user_page::usage(1, range).map(|statement| {
        let rows: Vec<Rows> = sqlite.all(&statement).unwrap();
        rows[0].decode().unwrap()
    });
    assert_eq!((hours.len(), days.len()), (HOURS, DAYS));
    assert_eq!(hours[0].0, NOW.hour());
    assert_eq!(hours.iter().map(|row| row.0).min(), Some(NOW.hour().plus(-49 * HOUR)));
    assert!(hours.iter().all(|row| row.2 == Bytes::saturating(1)), "nobody else's");
}

#[test]
fn a_node_page_adds_hours_up_to_days_beside_the_days_that_were_hours() {
    let sqlite = Sqlite::new();
    let today = Span::Day.start(NOW);
    let at = |back: i64| today.plus(-back * DAY).get();
    sqlite.execute(&format!(
        "INSERT INTO node_hours (node, hour, up, down) VALUES (1, {0}, 1, 2), (1, {0} + 3600, 3, 4), (2, {0}, 9, 9);
        INSERT INTO node_days (node, day, up, down) VALUES (1, {1}, 5, 6), (1, {2}, 7, 8);",
        at(0),
        at(9),
        at(40)
    ));
    let rows: Vec<Rows> = sqlite.all(&user_page::node_days(NodeId(1), today.plus(-29 * DAY))).unwrap();
    let row = |at: i64, up, down| Row(Second::clamped(at), None, Bytes::saturating(up), Bytes::saturating(down));
    let mut rows = rows[0].decode().unwrap();
    rows.sort_by_key(|row| row.0);
    assert_eq!(rows, [row(at(9), 5, 6), row(at(0), 4, 6)]);
}
