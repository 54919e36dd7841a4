//! The audit log in the database: no effect without its row, no fork, and nothing that is done to the rows goes unseen.

use serde_json::{Value as Json, json};
use weir::domain::audit::{Actor, ActorKind, BrokenKind, Entry, Facts, Head, HeadState, LOOK_AHEAD, Link, Row, Tail};
use weir::domain::audit::{Verdict, Walk, verify};
use weir::store::audit::{self, Below, End, Packed, Query};
use weir::store::users::{self, Action};
use weir::store::{Statement, StoreError};

use crate::scene::{NOW, Scene};
use crate::sqlite::Sqlite;

const KEY: &[u8] = b"0123456789abcdef0123456789abcdef";

fn actor() -> Actor {
    Actor {
        kind: ActorKind::Operator,
        name: "admin".into(),
        address: Some("192.0.2.1".into()),
        role: None,
        scopes: None,
        only: None,
    }
}

fn head(sqlite: &Sqlite) -> Head {
    sqlite.all(&audit::head()).unwrap().pop().unwrap()
}

/// What follows a head that was read: a row, and the head behind it.
fn next(head: &Head, key: &[u8], entry: &Entry) -> Vec<Statement> {
    let previous = head.link(KEY).unwrap_or(Link::NONE);
    let row = Row::new(head.count + 1, NOW.get() + head.count, &actor(), entry, "00ff", key);
    let link = Link::of(key, previous, &row);
    audit::append_next(&row, &link, &Head::sealed(key, head.count + 1, link), &head.link).into()
}

fn entry(subject: &str) -> Entry {
    let facts = |quota: u64| Facts::new().plain("monthly_quota", quota);
    Entry::new("user.change", subject).before(facts(5)).after(facts(9))
}

fn record(sqlite: &Sqlite, subject: &str) {
    sqlite.batch(&next(&head(sqlite), KEY, &entry(subject))).unwrap();
}

/// A log of so many rows.
fn log(rows: usize) -> Sqlite {
    let sqlite = Sqlite::new();
    for number in 1..=rows {
        record(&sqlite, &format!("users/user{number}"));
    }
    sqlite
}

fn look(sqlite: &Sqlite) -> Verdict {
    let rows: Vec<Packed> = sqlite.all(&audit::piece(-1_000, 1_000)).unwrap();
    let rows: Vec<(Row, String)> = rows.iter().map(Packed::unpack).collect();
    let head: Option<Head> = sqlite.all(&audit::head()).unwrap().pop();
    verify(KEY, &Walk { from: 1, rows: &rows, most: 1_000 - LOOK_AHEAD, ended: true, head: head.as_ref() })
}

fn broken(sqlite: &Sqlite) -> Option<(i64, BrokenKind)> {
    look(sqlite).first_broken.map(|broken| (broken.number, broken.kind))
}

/// A log of twenty rows after somebody wrote into it.
fn after(sql: &str) -> Sqlite {
    let sqlite = log(20);
    sqlite.execute(sql);
    sqlite
}

#[test]
fn rows_come_back_from_the_database_as_they_were_linked() {
    let sqlite = log(3);
    let facts = Facts::new().plain("note", "quote \" and \\, \u{1F600}, \u{7}, \0 and \n").plain("none", Json::Null);
    let actor = Actor { name: "a\0b'\";--".into(), address: None, ..actor() };
    let odd = Entry::new("user.change", "users/ann").after(facts);
    let before = head(&sqlite);
    let row = Row::new(4, NOW.get(), &actor, &odd, "", KEY);
    let link = Link::of(KEY, before.link(KEY).unwrap(), &row);
    let batch = audit::append(&[(row.clone(), link)], &Head::sealed(KEY, 4, link), &before.link);
    sqlite.batch(&batch).unwrap();
    let last: Vec<Packed> = sqlite.all(&audit::piece(4, 1)).unwrap();
    assert_eq!(last[0].unpack(), (row, link.to_string()));
    let verdict = look(&sqlite);
    assert!(verdict.is_ok(), "{verdict:?}");
    assert_eq!((verdict.checked, verdict.tail), (4, Tail::Ok));
}

#[test]
fn an_action_that_was_prepared_on_an_older_head_is_done_not_at_all() {
    let scene = Scene::new();
    let ann = scene.create("ann", &json!({ "monthly_quota": 5 }));
    let read = head(&scene.sqlite);
    record(&scene.sqlite, "users/bob");
    let before = scene.sqlite.dump();
    let change = json!({ "monthly_quota": 9 });
    let mut batch = users::act(&ann, &Action::Change(&change, None), scene.salt(), NOW);
    batch.extend(next(&read, KEY, &entry("users/ann")));
    assert_eq!(scene.sqlite.batch(&batch), Err(StoreError::Stale));
    assert_eq!(scene.sqlite.dump(), before);
    assert!(look(&scene.sqlite).is_ok());
}

#[test]
fn a_head_that_was_moved_while_the_number_stays_free_is_stale_too() {
    let sqlite = log(5);
    let read = head(&sqlite);
    sqlite.execute("UPDATE audit_head SET link = 'x'");
    assert_eq!(sqlite.batch(&next(&read, KEY, &entry("users/ann"))), Err(StoreError::Stale));
    assert_eq!(sqlite.value::<i64>("SELECT count(*) FROM audit"), 5);
}

#[test]
fn a_row_that_would_get_another_number_than_the_head_says_is_stale_and_written_when_somebody_has_looked() {
    for meanwhile in ["DELETE FROM audit WHERE number = 5", "UPDATE audit SET number = 9 WHERE number = 5"] {
        let sqlite = log(5);
        sqlite.execute(meanwhile);
        let (before, read) = (sqlite.dump(), head(&sqlite));
        assert_eq!(sqlite.batch(&next(&read, KEY, &entry("users/ann"))), Err(StoreError::Stale), "{meanwhile}");
        assert_eq!(sqlite.dump(), before);
        let row = Row::new(6, NOW.get(), &actor(), &entry("users/ann"), "", KEY);
        let link = Link::of(KEY, read.link(KEY).unwrap(), &row);
        sqlite.batch(&audit::append(&[(row, link)], &Head::sealed(KEY, 6, link), &read.link)).unwrap();
    }
}

#[test]
fn an_action_that_fails_leaves_no_row() {
    let scene = Scene::new();
    scene.create("ann", &json!({}));
    let before = scene.sqlite.dump();
    let bob = json!({ "name": "ann", "monthly_quota": 0, "total_quota": 0, "reset_strategy": "calendar_month", "reset_day": 1,
        "time_zone": "UTC" });
    let mut batch = users::create(&bob, "ann", None, (NOW, NOW.plus(1)), scene.salt(), NOW);
    batch.extend(next(&head(&scene.sqlite), KEY, &entry("users/ann")));
    assert_eq!(scene.sqlite.batch(&batch), Err(StoreError::Taken));
    assert_eq!(scene.sqlite.dump(), before);
}

#[test]
fn every_column_that_is_edited_by_hand_is_found() {
    for (number, kind) in [(1, BrokenKind::Edited), (10, BrokenKind::Edited), (20, BrokenKind::Edited)] {
        for edit in [
            "at = at - 1",
            "actor_kind = 'job'",
            "actor = 'somebody'",
            "action = 'user.delete'",
            "subject = 'users/bob'",
            "before = NULL",
            "after = '{\"monthly_quota\":10}'",
            "origin = '192.0.2.2'",
            "origin = NULL",
            "request = ''",
        ] {
            let sqlite = after(&format!("UPDATE audit SET {edit} WHERE number = {number}"));
            assert_eq!(broken(&sqlite), Some((number, kind)), "{edit} of {number}");
        }
    }
    assert_eq!(
        broken(&after("UPDATE audit SET link = lower(hex(zeroblob(32))) WHERE number = 10")),
        Some((10, BrokenKind::Edited))
    );
    assert_eq!(broken(&after("UPDATE audit SET number = 21 WHERE number = 20")), Some((20, BrokenKind::Missing)));
}

#[test]
fn rows_that_are_deleted_cut_swapped_or_added_by_hand_are_found() {
    assert_eq!(broken(&after("DELETE FROM audit WHERE number = 1")), Some((1, BrokenKind::Missing)));
    assert_eq!(broken(&after("DELETE FROM audit WHERE number = 10")), Some((10, BrokenKind::Missing)));
    assert_eq!(broken(&after("DELETE FROM audit WHERE number > 15")), Some((16, BrokenKind::Cut)));
    assert_eq!(look(&after("DELETE FROM audit WHERE number > 15")).tail, Tail::Cut);
    assert_eq!(broken(&after("DELETE FROM audit")), Some((1, BrokenKind::Cut)));
    let swap = "UPDATE audit SET number = 0 WHERE number = 5; UPDATE audit SET number = 5 WHERE number = 9;
      UPDATE audit SET number = 9 WHERE number = 0";
    assert_eq!(broken(&after(swap)), Some((5, BrokenKind::Edited)));
    let copy =
        "at, actor_kind, actor, action, subject, before, after, origin, request, link FROM audit WHERE number = 20";
    assert_eq!(broken(&after(&format!("INSERT INTO audit SELECT 21, {copy}"))), Some((21, BrokenKind::Beyond)));
    assert_eq!(broken(&after(&format!("INSERT INTO audit SELECT -7, {copy}"))), Some((-7, BrokenKind::Beyond)));
}

#[test]
fn a_head_that_is_set_back_by_hand_is_found() {
    let cut = "DELETE FROM audit WHERE number > 15; UPDATE audit_head SET count = 15, link = (SELECT link FROM audit WHERE number = 15)";
    assert_eq!(look(&after(cut)).head, HeadState::Forged);
    let wiped = "DELETE FROM audit; UPDATE audit_head SET count = 0, link = '', seal = ''";
    assert_eq!((look(&after(wiped)).head, look(&after(wiped)).is_ok()), (HeadState::New, false));
    assert_eq!(look(&after("DELETE FROM audit_head")).head, HeadState::Missing);
}

#[test]
fn a_log_that_was_written_anew_with_another_key_is_found() {
    let sqlite = Sqlite::new();
    let mut previous = Link::NONE;
    let rows: Vec<(Row, Link)> = (1..=20)
        .map(|number| {
            let row = Row::new(number, NOW.get(), &actor(), &entry("users/ann"), "", b"another key");
            previous = Link::of(b"another key", previous, &row);
            (row, previous)
        })
        .collect();
    sqlite.batch(&audit::append(&rows, &Head::sealed(b"another key", 20, previous), "")).unwrap();
    assert_eq!((broken(&sqlite), look(&sqlite).head), (Some((1, BrokenKind::Rewritten)), HeadState::Forged));
}

#[test]
fn the_end_is_told_with_and_without_head_and_rows() {
    let end = |sqlite: &Sqlite| sqlite.all::<End>(&audit::end()).unwrap().pop().unwrap();
    assert_eq!((end(&log(0)).head().unwrap().is_new(), end(&log(0)).last), (true, None));
    let sqlite = log(3);
    assert_eq!((end(&sqlite).head(), end(&sqlite).last), (Some(head(&sqlite)), Some(3)));
    assert_eq!(end(&sqlite).last_link, Some(head(&sqlite).link));
    sqlite.execute("DELETE FROM audit_head");
    assert_eq!((end(&sqlite).head(), end(&sqlite).last), (None, Some(3)));
    // A head that was taken away comes back with the next row.
    sqlite.batch(&audit::append(&[], &Head::sealed(KEY, 3, Link::NONE), "")).unwrap();
    assert_eq!(end(&sqlite).count, Some(3));
}

#[test]
fn a_page_looks_at_one_window_and_says_where_the_next_begins() {
    let sqlite = log(1);
    sqlite.execute(&format!(
        "WITH RECURSIVE n (number) AS (SELECT 2 UNION ALL SELECT number + 1 FROM n WHERE number < 5000)
        INSERT INTO audit SELECT number, {} + number, 'api_key', iif(number % 100 = 0, 'shop', 'script'),
          iif(number = 7, 'user.delete', 'user.create'), 'users/user' || number, NULL, NULL, NULL, '', '' FROM n",
        NOW.get()
    ));
    let page = |query: &Query| {
        let [page, below] = audit::page(query);
        let rows: Vec<Packed> = sqlite.all(&page).unwrap();
        let below: Option<Below> = sqlite.all(&below).unwrap().pop();
        (rows.iter().map(|row| row.number).collect::<Vec<i64>>(), below.map(|below| below.number))
    };
    let any = Query {
        before: (1 << 53) - 1,
        from: 0,
        to: (1 << 53) - 1,
        actor: String::new(),
        action: String::new(),
        subject: String::new(),
        limit: 3,
    };
    assert_eq!(page(&any), (vec![5000, 4999, 4998], Some(3000)));
    assert_eq!(page(&Query { before: 4998, ..any.clone() }), (vec![4997, 4996, 4995], Some(2997)));
    assert_eq!(page(&Query { actor: "shop".into(), limit: 50, ..any.clone() }).0.len(), 20);
    assert_eq!(page(&Query { action: "user.delete".into(), ..any.clone() }), (vec![], Some(3000)));
    assert_eq!(page(&Query { action: "user.delete".into(), before: 1001, ..any.clone() }), (vec![7], None));
    assert_eq!(page(&Query { subject: "users/user4711".into(), ..any.clone() }).0, vec![4711]);
    let at = NOW.get() + 4000;
    assert_eq!(page(&Query { from: at, to: at + 2, ..any.clone() }).0, vec![4001, 4000]);
    assert_eq!(page(&Query { before: 1, ..any }), (vec![], None));
}
