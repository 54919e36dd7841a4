//! What time alone changes, on real SQL: periods end, accounts expire, and nobody is opened whom a person has shut.

use serde_json::json;
use weir::store::users::Action;
use weir_wire::Second;

use crate::scene::{DAY, NOW, Scene};

/// The first second of December, where the periods of scenes end.
const DECEMBER: Second = Second::clamped(1_796_083_200);
const JANUARY: Second = Second::clamped(DECEMBER.get() + 31 * DAY);

#[test]
fn a_period_ends_with_its_last_second_and_is_kept() {
    let scene = Scene::new();
    let ann = scene.create("ann", &json!({ "monthly_quota": 1_000 }));
    scene.report(&ann.slot, 600, NOW);
    scene.now.set(DECEMBER.plus(-1));
    assert_eq!(scene.due(), []);
    scene.now.set(DECEMBER);
    scene.sweep();
    let now = scene.user(ann.id).unwrap();
    assert_eq!((now.period_start, now.period_end), (DECEMBER.get(), JANUARY.get()));
    assert_eq!((now.month.get(), now.lifetime.get()), (0, 600));
    assert_eq!(scene.periods(ann.id), [[ann.period_start, DECEMBER.get(), 1_000, 600]]);
    assert_eq!(scene.sqlite.value::<i64>("SELECT due_at FROM users"), JANUARY.get());
}

#[test]
fn a_second_run_finds_nothing_to_do() {
    let scene = Scene::new();
    for name in ["ann", "bob"] {
        scene.create(name, &json!({ "monthly_quota": 5, "expires_at": DECEMBER.get() - 5 }));
    }
    scene.now.set(DECEMBER);
    scene.sweep();
    let after = scene.sqlite.dump();
    assert_eq!(scene.due(), []);
    scene.sweep();
    assert_eq!(scene.sqlite.dump(), after);
}

#[test]
fn what_was_read_before_another_run_did_it_is_not_done_twice() {
    let scene = Scene::new();
    let ann = scene.create("ann", &json!({}));
    scene.report(&ann.slot, 600, NOW);
    scene.now.set(DECEMBER);
    let due = scene.due();
    scene.turn(&due);
    scene.report(&ann.slot, 40, DECEMBER.plus(30));
    let after = scene.sqlite.dump();
    scene.turn(&due);
    assert_eq!(scene.sqlite.dump(), after);
    assert_eq!(scene.user(ann.id).unwrap().month.get(), 40);
}

#[test]
fn a_period_that_nobody_looked_at_for_months_ends_once() {
    let scene = Scene::new();
    let ann = scene.create("ann", &json!({ "reset_day": 31, "monthly_quota": 10 }));
    let end = ann.period_end;
    scene.report(&ann.slot, 10, NOW);
    scene.wait(100 * DAY);
    scene.sweep();
    let now = scene.user(ann.id).unwrap();
    assert!((now.period_start..now.period_end).contains(&scene.now.get().get()));
    assert_eq!(scene.periods(ann.id), [[ann.period_start, end, 10, 10]]);
    assert_eq!(scene.gate(ann.id), "open");
}

#[test]
fn a_new_period_opens_only_whom_the_monthly_quota_had_shut() {
    let scene = Scene::new();
    let month = scene.create("month", &json!({ "monthly_quota": 10 }));
    let total = scene.create("total", &json!({ "monthly_quota": 100, "total_quota": 10 }));
    let both = scene.create("both", &json!({ "monthly_quota": 10, "total_quota": 10 }));
    let expired = scene.create("expired", &json!({ "monthly_quota": 10, "expires_at": NOW.get() + DAY }));
    let person = scene.create("person", &json!({ "monthly_quota": 10 }));
    let free = scene.create("free", &json!({}));
    for user in [&month, &total, &both, &expired, &person, &free] {
        scene.report(&user.slot, 10, NOW);
    }
    scene.act(person.id, &Action::Disable);
    let gates = || [&month, &total, &both, &expired, &person, &free].map(|user| scene.gate(user.id));
    assert_eq!(gates(), ["month", "total", "month", "month", "disabled", "open"]);
    scene.wait(DAY);
    scene.sweep();
    assert_eq!(gates(), ["month", "total", "month", "expired", "disabled", "open"]);
    scene.now.set(DECEMBER);
    let held = scene.roster();
    scene.sweep();
    assert_eq!(gates(), ["open", "total", "total", "expired", "disabled", "open"]);
    let moved: Vec<_> = scene.changed_since(held).into_keys().collect();
    assert_eq!(moved, [month.slot.clone(), both.slot.clone()], "nodes hear of those whose gate moved, and of no other");
    assert_eq!(scene.roster(), held + 1);
    assert_eq!(scene.sqlite.value::<i64>("SELECT value FROM counters WHERE name = 'users_open'"), 2);
    scene.act(person.id, &Action::Enable);
    assert_eq!(scene.gate(person.id), "open", "his quota was renewed while a person had shut him out");
}

#[test]
fn an_account_expires_at_its_second_and_not_before() {
    let scene = Scene::new();
    let ann = scene.create("ann", &json!({ "expires_at": NOW.get() + 60 }));
    scene.wait(59);
    assert_eq!(scene.due(), []);
    scene.wait(1);
    scene.sweep();
    assert_eq!(scene.gate(ann.id), "expired");
    let user = scene.user(ann.id).unwrap();
    assert_eq!((user.period_start, user.period_end), (ann.period_start, ann.period_end), "his period goes on");
    assert_eq!(scene.sqlite.value::<i64>("SELECT due_at FROM users"), ann.period_end);
    scene.change(ann.id, &json!({ "expires_at": NOW.get() + 90 }));
    assert_eq!(scene.gate(ann.id), "open");
    scene.wait(30);
    scene.sweep();
    assert_eq!(scene.gate(ann.id), "expired");
}

#[test]
fn an_expiry_and_a_periods_end_at_the_same_second_are_both_done() {
    let scene = Scene::new();
    let ann = scene.create("ann", &json!({ "monthly_quota": 10, "expires_at": DECEMBER.get() }));
    scene.report(&ann.slot, 10, NOW);
    scene.now.set(DECEMBER.plus(5));
    scene.sweep();
    let now = scene.user(ann.id).unwrap();
    assert_eq!((scene.gate(ann.id).as_str(), now.month.get(), now.period_end), ("expired", 0, JANUARY.get()));
    assert_eq!(scene.due(), []);
}

#[test]
fn who_was_reported_between_reading_and_writing_stays_due_and_is_not_shut_for_a_month() {
    let scene = Scene::new();
    let ann = scene.create("ann", &json!({ "monthly_quota": 10 }));
    scene.now.set(DECEMBER.plus(5));
    let due = scene.due();
    // A node reports the last bytes of November, and they reach the quota.
    scene.report(&ann.slot, 10, DECEMBER);
    assert_eq!(scene.gate(ann.id), "month");
    scene.turn(&due);
    assert_eq!(scene.due().len(), 1, "he is looked at again");
    scene.sweep();
    assert_eq!((scene.gate(ann.id).as_str(), scene.user(ann.id).unwrap().month.get()), ("open", 0));
    assert_eq!(scene.periods(ann.id)[0][3], 10);
}

#[test]
fn what_a_person_changed_between_reading_and_writing_stands() {
    type Act = fn(&Scene, i64);
    let actions: [(&str, Act); 5] = [
        ("expiry", |scene, user| drop(scene.change(user, &json!({ "expires_at": DECEMBER.get() + DAY })))),
        ("anchor", |scene, user| drop(scene.change(user, &json!({ "reset_day": 3 })))),
        ("disabled", |scene, user| drop(scene.act(user, &Action::Disable))),
        ("revoked", |scene, user| drop(scene.act(user, &Action::Revoke))),
        ("reset", |scene, user| drop(scene.act(user, &Action::Reset))),
    ];
    for (what, action) in actions {
        let scene = Scene::new();
        let ann = scene.create("ann", &json!({ "monthly_quota": 10, "expires_at": DECEMBER.get() + 3 * DAY }));
        scene.report(&ann.slot, 4, NOW);
        scene.now.set(DECEMBER.plus(5));
        let due = scene.due();
        action(&scene, ann.id);
        let after = scene.sqlite.dump();
        scene.turn(&due);
        assert_eq!(scene.sqlite.dump(), after, "{what}");
        let kept: i64 = scene.periods(ann.id).iter().map(|period| period[3]).sum();
        assert_eq!(kept, 4, "{what}");
    }
}

#[test]
fn who_was_deleted_between_reading_and_writing_stays_deleted() {
    let scene = Scene::new();
    let ann = scene.create("ann", &json!({ "monthly_quota": 10 }));
    scene.now.set(DECEMBER);
    let due = scene.due();
    scene.delete(ann.id);
    let after = scene.sqlite.dump();
    scene.turn(&due);
    assert_eq!(scene.sqlite.dump(), after);
}

#[test]
fn a_period_that_a_report_has_begun_is_not_ended_again() {
    let scene = Scene::new();
    let ann = scene.create("ann", &json!({ "monthly_quota": 10 }));
    scene.report(&ann.slot, 10, NOW);
    scene.now.set(DECEMBER.plus(60));
    scene.report(&ann.slot, 3, DECEMBER.plus(50));
    assert_eq!(scene.gate(ann.id), "open");
    scene.sweep();
    assert_eq!(scene.user(ann.id).unwrap().month.get(), 3);
    assert_eq!(scene.periods(ann.id), [[ann.period_start, DECEMBER.get(), 10, 10]]);
    assert_eq!(scene.due(), [], "he was due by his old period, and is not any more");
}

#[test]
fn a_thousand_periods_end_in_one_batch_within_five_rows_written_each() {
    const USERS: i64 = 1_000;
    let scene = Scene::new();
    scene.add_slots(1_000);
    for number in 0..USERS {
        let user = scene.create(&format!("user-{number}"), &json!({ "monthly_quota": 10 }));
        scene.sqlite.execute(&format!(
            "UPDATE usage SET month = {}, lifetime = 9 WHERE user = {}",
            number % 10,
            user.id
        ));
    }
    scene.now.set(DECEMBER);
    let due = scene.due();
    let changes = || scene.sqlite.value::<i64>("SELECT total_changes()");
    let before = changes();
    scene.turn(&due);
    // The index entry of `due_at` is a row that is paid for as well.
    assert!(changes() - before + USERS <= 5 * USERS, "{} rows, {USERS} index entries", changes() - before);
    assert_eq!(scene.sqlite.value::<i64>("SELECT count(*) FROM periods"), USERS);
    assert_eq!(scene.sqlite.value::<i64>("SELECT sum(bytes) FROM periods"), USERS / 10 * 45);
    assert_eq!(scene.sqlite.value::<i64>("SELECT sum(month) FROM usage"), 0);
    assert_eq!(scene.due(), []);
}

#[test]
fn those_longest_overdue_come_first_and_no_more_than_are_asked_for() {
    let scene = Scene::new();
    for (name, seconds) in [("late", 300), ("early", 100), ("later", 500), ("never", 5 * DAY)] {
        scene.create(name, &json!({ "expires_at": NOW.get() + seconds }));
    }
    let due = |limit| {
        let statement = weir::store::due::due(NOW.plus(1_000), limit);
        let due: Vec<weir::store::due::Due> = scene.sqlite.all(&statement).unwrap();
        due.into_iter().map(|due| due.id).collect::<Vec<_>>()
    };
    assert_eq!(due(2), [2, 1]);
    assert_eq!(due(100), [2, 1, 3]);
}

#[test]
fn late_bytes_of_a_period_that_began_and_ended_unnoticed_get_a_row_of_their_own() {
    let scene = Scene::new();
    let ann = scene.create("ann", &json!({ "monthly_quota": 100, "reset_strategy": "day" }));
    scene.report(&ann.slot, 10, NOW.plus(60));
    // Cron is away for two days and a half: the second day begins and ends unnoticed.
    scene.wait(2 * DAY + DAY / 2);
    scene.sweep();
    let (first, second) = (NOW.get(), NOW.get() + DAY);
    assert_eq!(scene.periods(ann.id), [[first, second, 100, 10]]);
    scene.report(&ann.slot, 150, NOW.plus(DAY + 60));
    scene.report(&ann.slot, 7, NOW.plus(DAY + 90));
    scene.report(&ann.slot, 3, NOW.plus(DAY - 60));
    assert_eq!(scene.periods(ann.id), [[first, second, 100, 13], [second, second + DAY, 100, 157]]);
    let user = scene.user(ann.id).unwrap();
    assert_eq!((user.month.get(), user.lifetime.get(), user.period_start), (0, 170, second + DAY));
    // Bytes from before he was a user have no period but his first.
    scene.report(&ann.slot, 1, NOW.plus(-60));
    assert_eq!(scene.periods(ann.id).len(), 2);
}

#[test]
fn an_unnoticed_period_lies_between_those_that_were_noticed() {
    let scene = Scene::new();
    let ann = scene.create("ann", &json!({ "reset_strategy": "week" }));
    scene.wait(16 * DAY);
    scene.sweep();
    // By the cycle that he has now, the bytes would belong to a period that began before he was a user.
    scene.change(ann.id, &json!({ "reset_strategy": "month" }));
    scene.report(&ann.slot, 5, NOW.plus(8 * DAY));
    let day = |at: i64| (at - NOW.get()) / DAY;
    let periods: Vec<_> =
        scene.periods(ann.id).iter().map(|[start, end, _, bytes]| (day(*start), day(*end), *bytes)).collect();
    assert_eq!(periods, [(0, 7, 0), (7, 14, 5)]);
}
