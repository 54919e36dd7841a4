//! Events, deliveries and alerts on real SQL: what causes one, what does not, in which order they wait, and what they cost.

use serde_json::{Value as Json, json};
use weir::domain::notice::Kind;
use weir::store::addresses::{self, Suspect};
use weir::store::channels::{self, Channel, Created, Fields, Standing};
use weir::store::deliveries::{self, Mark, Shown, Waiting};
use weir::store::epochs::Guard;
use weir::store::events::{self, NewEvent};
use weir::store::users::Action;
use weir::store::{alerts, day, jobs};
use weir_wire::address::{AddressKey, AddressSet};
use weir_wire::{Bytes, Epoch, NodeId, Second};

use crate::scene::{DAY, NOW, Scene};

/// A channel that wants these kinds; its number.
fn channel(scene: &Scene, name: &str, kinds: &[&str], audience: &str) -> i64 {
    let wants = serde_json::to_string(kinds).unwrap();
    let fields =
        Fields { name, type_name: "webhook", enabled: true, audience, rules: "{}", wants: &wants, target: "sealed" };
    scene.sqlite.all::<Created>(&channels::create(&fields, 20, NOW)).unwrap().pop().unwrap().id
}

/// All events as `[kind, key, data]`.
fn events(scene: &Scene) -> Vec<(String, String, Json)> {
    let rows: String = scene
        .sqlite
        .value("SELECT json_group_array(json_array(kind, key, data)) FROM (SELECT * FROM events ORDER BY number)");
    let rows: Vec<(String, String, String)> = serde_json::from_str(&rows).unwrap();
    rows.into_iter().map(|(kind, key, data)| (kind, key, serde_json::from_str(&data).unwrap())).collect()
}

fn kinds(scene: &Scene) -> Vec<String> {
    events(scene).into_iter().map(|(kind, _, _)| kind).collect()
}

fn fan_out(scene: &Scene) {
    scene.sqlite.batch(&deliveries::fan_out(scene.now.get())).unwrap();
}

/// Enters `count` events about a user.
fn happen(scene: &Scene, user: i64, names: &[&str]) {
    for name in names {
        let event =
            NewEvent { key: name, kind: Kind::Sharing, user: Some(user), node: None, data: &json!({ "user": name }) };
        scene.sqlite.run(&events::add(&event, scene.now.get())).unwrap();
    }
}

fn waiting(scene: &Scene, channel: i64) -> Vec<Waiting> {
    scene.sqlite.all(&deliveries::waiting(channel, false)).unwrap()
}

const GATES: [&str; 4] = ["user.limited", "user.expired", "user.enabled", "user.disabled"];

#[test]
fn what_no_channel_wants_is_not_written() {
    let scene = Scene::new();
    let ann = scene.create("ann", &json!({ "monthly_quota": 100 }));
    scene.report(&ann.slot, 100, NOW);
    scene.act(ann.id, &Action::Disable);
    happen(&scene, ann.id, &["one"]);
    assert_eq!(scene.gate(ann.id), "disabled");
    assert_eq!(kinds(&scene), [""; 0]);
    let off = channel(&scene, "off", &["user.disabled"], "operator");
    scene.sqlite.execute(&format!("UPDATE channels SET enabled = 0 WHERE id = {off}"));
    scene.act(ann.id, &Action::Enable);
    scene.act(ann.id, &Action::Disable);
    assert_eq!(kinds(&scene), [""; 0], "a channel that is off wants nothing");
    scene.sqlite.execute(&format!("UPDATE channels SET enabled = 1 WHERE id = {off}"));
    scene.act(ann.id, &Action::Enable);
    scene.act(ann.id, &Action::Disable);
    assert_eq!(kinds(&scene), ["user.disabled"]);
    scene.sqlite.run(&channels::delete(off)).unwrap();
    scene.act(ann.id, &Action::Enable);
    scene.act(ann.id, &Action::Disable);
    assert_eq!(kinds(&scene).len(), 1, "nor does one that is gone");
}

#[test]
fn a_gate_that_moves_is_told_with_its_reason_whoever_moved_it() {
    let scene = Scene::new();
    channel(&scene, "hook", &GATES, "operator");
    let ann = scene.create("ann", &json!({ "monthly_quota": 100 }));
    assert_eq!(kinds(&scene), [""; 0], "a new user was closed to nobody");
    scene.report(&ann.slot, 100, NOW);
    scene.act(ann.id, &Action::Reset);
    scene.act(ann.id, &Action::Disable);
    scene.act(ann.id, &Action::Enable);
    scene.change(ann.id, &json!({ "expires_at": NOW.plus(50) }));
    scene.wait(60);
    scene.sweep();
    let told: Vec<(String, Json)> =
        events(&scene).into_iter().map(|(kind, _, data)| (kind, data["reason"].clone())).collect();
    let expected = [
        ("user.limited", "month"),
        ("user.enabled", "month"),
        ("user.disabled", "person"),
        ("user.enabled", "person"),
        ("user.expired", "expired"),
    ];
    assert_eq!(told, expected.map(|(kind, reason)| (kind.to_owned(), json!(reason))));
    let (_, _, data) = &events(&scene)[0];
    assert_eq!(
        (&data["user"], &data["user_id"], &data["used"], &data["quota"]),
        (&json!("ann"), &json!(ann.id), &json!(100), &json!(100))
    );
}

#[test]
fn credentials_that_are_replaced_and_users_who_are_deleted_move_no_gate_that_anybody_is_told_of() {
    let scene = Scene::new();
    channel(&scene, "hook", &GATES, "operator");
    let ann = scene.create("ann", &json!({ "monthly_quota": 100 }));
    scene.act(ann.id, &Action::Revoke);
    scene.delete(ann.id);
    assert_eq!(kinds(&scene), [""; 0]);
}

#[test]
fn a_limit_is_told_once_per_period_and_again_when_there_was_more_to_use() {
    let scene = Scene::new();
    channel(&scene, "hook", &["user.limited"], "operator");
    let ann = scene.create("ann", &json!({ "monthly_quota": 100 }));
    scene.report(&ann.slot, 100, NOW);
    // A person closes and opens: the same limit is reached as before.
    scene.act(ann.id, &Action::Disable);
    scene.act(ann.id, &Action::Enable);
    assert_eq!(kinds(&scene).len(), 1);
    scene.change(ann.id, &json!({ "monthly_quota": 200 }));
    scene.report(&ann.slot, 100, NOW);
    assert_eq!(kinds(&scene).len(), 2, "another quota");
    scene.wait(20 * DAY);
    scene.sweep();
    scene.report(&ann.slot, 200, scene.now.get());
    assert_eq!(kinds(&scene).len(), 3, "another period");
}

#[test]
fn a_warning_is_given_once_per_period_and_threshold_and_only_to_whom_it_is_true_of() {
    let scene = Scene::new();
    channel(&scene, "hook", &["user.quota_warning"], "operator");
    let users = ["ann", "bob", "cleo", "dan"].map(|name| scene.create(name, &json!({ "monthly_quota": 100 })));
    let [ann, bob, cleo, dan] = users.each_ref();
    for (user, bytes) in [(ann, 80), (bob, 79), (cleo, 100), (dan, 85)] {
        scene.report(&user.slot, bytes, NOW);
    }
    let guard = Guard { node: NodeId(3), epoch: Epoch::from_random(5), last_seq: 4 };
    let stale = Guard { last_seq: 3, ..guard };
    let candidates = users.each_ref().map(|user| (user.id, 80));
    scene.sqlite.run(&events::warn(&candidates, &stale, NOW)).unwrap();
    assert_eq!(kinds(&scene), [""; 0], "a report that was overtaken warns of nothing");
    scene.sqlite.run(&events::warn(&candidates, &guard, NOW)).unwrap();
    scene.sqlite.run(&events::warn(&candidates, &guard, NOW)).unwrap();
    let told: Vec<Json> =
        events(&scene).into_iter().map(|(_, _, data)| json!([data["user"], data["percent"], data["used"]])).collect();
    assert_eq!(told, [json!(["ann", 80, 80]), json!(["dan", 80, 85])]);
    scene.sqlite.run(&events::warn(&[(ann.id, 50)], &guard, NOW)).unwrap();
    assert_eq!(kinds(&scene).len(), 3, "another threshold");
}

#[test]
fn accounts_are_told_of_when_their_expiry_comes_near_and_no_others_are_read() {
    let scene = Scene::new();
    channel(&scene, "hook", &["user.expiring"], "operator");
    for (name, days) in [("ann", 2), ("bob", 4), ("cleo", 40)] {
        scene.create(name, &json!({ "expires_at": NOW.plus(days * DAY) }));
    }
    let dan = scene.create("dan", &json!({ "expires_at": NOW.plus(2 * DAY) }));
    scene.delete(dan.id);
    let look = |last: Second| scene.sqlite.run(&alerts::expiring(&[3, 1], last, scene.now.get())).unwrap();
    let told = || -> Vec<Json> {
        events(&scene).into_iter().map(|(_, _, data)| json!([data["user"], data["days"]])).collect()
    };
    look(Second::EPOCH);
    assert_eq!(told(), [json!(["ann", 3])]);
    // Three days without a run: bob's three days and his one day have both begun; ann has expired.
    scene.wait(3 * DAY + 60);
    look(NOW);
    assert_eq!(told(), [json!(["ann", 3]), json!(["bob", 3]), json!(["bob", 1])]);
    look(NOW);
    assert_eq!(told().len(), 3, "once");
    let plan: String = scene.sqlite.value(
        "SELECT group_concat(detail, ';') FROM pragma_index_list('users') AS i
          JOIN (SELECT name AS detail FROM sqlite_schema WHERE name = 'users_expires') WHERE i.name = detail",
    );
    assert_eq!(plan, "users_expires");
}

#[test]
fn a_node_is_silent_once_and_back_once() {
    let scene = Scene::new();
    channel(&scene, "hook", &["node.silent", "node.back"], "operator");
    scene
        .sqlite
        .execute("INSERT INTO nodes (id, name, address, created_at) VALUES (3, 'paris', 'a', 0), (4, 'oslo', 'b', 0)");
    scene.hold(1);
    let look = || scene.sqlite.batch(&alerts::nodes(scene.now.get().plus(-600), scene.now.get())).unwrap();
    look();
    assert_eq!(kinds(&scene), [""; 0], "a node that never came is waited for");
    scene.wait(600);
    look();
    look();
    assert_eq!(kinds(&scene), ["node.silent"]);
    scene.wait(100);
    scene.hold(1);
    look();
    look();
    let told: Vec<Json> = events(&scene)
        .into_iter()
        .map(|(kind, _, data)| json!([kind, data["node"], data["since"], data["until"]]))
        .collect();
    let (since, until) = (NOW.get(), NOW.get() + 700);
    assert_eq!(told, [json!(["node.silent", "paris", since, null]), json!(["node.back", "paris", since, until])]);
    scene.wait(700);
    look();
    assert_eq!(kinds(&scene).len(), 3, "another silence");
}

#[test]
fn forks_and_gaps_are_told_and_clocks_are_not() {
    let scene = Scene::new();
    channel(&scene, "hook", &["node.fork"], "operator");
    scene.sqlite.execute(
        "INSERT INTO nodes (id, name, address, created_at) VALUES (3, 'paris', 'a', 0);
        INSERT INTO node_events (node, at, kind, detail) VALUES (3, 5, 'fork', 'x'), (3, 6, 'clock', 'y'), (3, 7, 'gap', 'z')",
    );
    let told: Vec<Json> =
        events(&scene).into_iter().map(|(_, _, data)| json!([data["node"], data["what"], data["detail"]])).collect();
    assert_eq!(told, [json!(["paris", "fork", "x"]), json!(["paris", "gap", "z"])]);
}

#[test]
fn a_job_that_fails_again_and_again_is_told_once_a_day() {
    let scene = Scene::new();
    channel(&scene, "hook", &["job.failed"], "operator");
    scene.sqlite.execute("UPDATE jobs SET failures = 2 WHERE name = 'pool'; UPDATE jobs SET failures = 3, error = 'busy' WHERE name = 'sweep'");
    let look = || scene.sqlite.run(&alerts::jobs(scene.now.get())).unwrap();
    look();
    look();
    assert_eq!(kinds(&scene).len(), 1);
    assert_eq!(events(&scene)[0].2, json!({ "job": "sweep", "failures": 3, "error": "busy" }));
    scene.wait(DAY);
    look();
    assert_eq!(kinds(&scene).len(), 2);
}

#[test]
fn programs_may_follow_every_user_and_pay_only_when_they_do() {
    let scene = Scene::new();
    scene.create("before", &json!({}));
    channel(&scene, "hook", &["user.created", "user.updated", "user.deleted", "user.reset"], "operator");
    let ann = scene.create("ann", &json!({ "monthly_quota": 100 }));
    scene.change(ann.id, &json!({ "note": "x" }));
    scene.change(ann.id, &json!({ "monthly_quota": 200 }));
    scene.change(ann.id, &json!({ "monthly_quota": 200 }));
    scene.report(&ann.slot, 5, NOW);
    scene.act(ann.id, &Action::Disable);
    scene.wait(5);
    scene.act(ann.id, &Action::Reset);
    scene.delete(ann.id);
    assert_eq!(kinds(&scene), ["user.created", "user.updated", "user.updated", "user.reset", "user.deleted"]);
}

#[test]
fn a_link_that_is_replaced_is_told_once_for_each_time() {
    let scene = Scene::new();
    channel(&scene, "hook", &["user.revoked"], "operator");
    let ann = scene.create("ann", &json!({}));
    scene.act(ann.id, &Action::Revoke);
    scene.act(ann.id, &Action::Revoke);
    assert_eq!(kinds(&scene), ["user.revoked", "user.revoked"]);
}

#[test]
fn an_account_that_expired_after_a_hold_that_nobody_saw_end_is_told_with_that_expiry() {
    let scene = Scene::new();
    channel(&scene, "hook", &["user.expired"], "operator");
    let ann = scene.create("ann", &json!({ "hold": 60, "hold_until": NOW.get() + 10 }));
    scene.act(ann.id, &Action::Disable);
    scene.wait(DAY);
    scene.act(ann.id, &Action::Enable);
    assert_eq!(kinds(&scene), ["user.expired"]);
    assert_eq!(events(&scene)[0].2["expires_at"], json!(NOW.get() + 70));
}

#[test]
fn an_event_wakes_the_outbox_and_becomes_one_delivery_for_each_channel_that_wants_it() {
    let scene = Scene::new();
    let first = channel(&scene, "first", &["sharing.suspected"], "operator");
    let second = channel(&scene, "second", &["sharing.suspected", "user.limited"], "operator");
    let third = channel(&scene, "third", &["user.limited"], "operator");
    let users = channel(&scene, "users", &["sharing.suspected"], "user");
    let ann = scene.create("ann", &json!({ "email": "ann@b.example" }));
    let bob = scene.create("bob", &json!({}));
    scene.sqlite.execute("UPDATE jobs SET next_at = 9007199254740991 WHERE name = 'outbox'");
    happen(&scene, ann.id, &["one", "two"]);
    happen(&scene, bob.id, &["three"]);
    happen(&scene, ann.id, &["one"]);
    let next: i64 = scene.sqlite.value("SELECT next_at FROM jobs WHERE name = 'outbox'");
    assert_eq!(next, NOW.get());
    fan_out(&scene);
    fan_out(&scene);
    let counts = [first, second, third, users].map(|id| waiting(&scene, id).len());
    assert_eq!(counts, [3, 3, 0, 2], "an event happens once, and a user without an address is told nothing");
    let late = channel(&scene, "late", &["sharing.suspected"], "operator");
    fan_out(&scene);
    assert_eq!(waiting(&scene, late), [], "a new channel is not told what was before it");
    let told: Vec<Waiting> = scene.sqlite.all(&deliveries::waiting(users, true)).unwrap();
    assert_eq!(told.iter().map(|row| row.email.as_deref()).collect::<Vec<_>>(), [Some("ann@b.example"); 2]);
}

#[test]
fn what_got_through_leaves_the_queue_and_what_did_not_stays_with_its_reason() {
    let scene = Scene::new();
    let hook = channel(&scene, "hook", &["sharing.suspected"], "operator");
    let ann = scene.create("ann", &json!({}));
    happen(&scene, ann.id, &["one", "two", "three"]);
    fan_out(&scene);
    let numbers: Vec<i64> = waiting(&scene, hook).iter().map(|row| row.event).collect();
    let delivered = Mark { state: "delivered", refused: false, next_at: NOW, status: Some(200), error: None };
    scene.sqlite.run(&deliveries::mark(hook, &numbers[..1], &delivered, NOW)).unwrap();
    let refused = Mark { state: "waiting", refused: true, next_at: NOW.plus(60), status: Some(422), error: Some("no") };
    scene.sqlite.run(&deliveries::mark(hook, &numbers[..2], &refused, NOW)).unwrap();
    let left = waiting(&scene, hook);
    assert_eq!(left.iter().map(|row| (row.refusals, row.next_at)).collect::<Vec<_>>(), [(1, NOW.get() + 60), (0, 0)]);
    let all: Vec<Shown> = scene.sqlite.all(&deliveries::list(None, "", (i64::from(u32::MAX), 0), 10)).unwrap();
    let shown: Vec<_> = all.iter().map(|row| (row.state.as_str(), row.tries, row.error.as_deref())).collect();
    assert_eq!(shown, [("waiting", 0, None), ("waiting", 1, Some("no")), ("delivered", 1, None)]);
    let page: Vec<Shown> = scene.sqlite.all(&deliveries::list(Some(hook), "", (all[0].event, hook), 1)).unwrap();
    assert_eq!(page[0].event, all[1].event);
    assert_eq!(
        scene
            .sqlite
            .all::<Shown>(&deliveries::list(Some(hook), "waiting", (i64::from(u32::MAX), 0), 10))
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn what_a_channel_does_not_take_for_three_days_is_dead_and_can_be_sent_again() {
    let scene = Scene::new();
    let hook = channel(&scene, "hook", &["sharing.suspected"], "operator");
    let other = channel(&scene, "other", &["sharing.suspected"], "operator");
    let ann = scene.create("ann", &json!({}));
    happen(&scene, ann.id, &["one", "two"]);
    fan_out(&scene);
    scene.wait(3 * DAY - 1);
    happen(&scene, ann.id, &["three"]);
    fan_out(&scene);
    let give_up = || scene.sqlite.run(&deliveries::give_up(hook, "it failed", scene.now.get())).unwrap();
    give_up();
    assert_eq!(waiting(&scene, hook).len(), 3);
    scene.wait(1);
    give_up();
    assert_eq!((waiting(&scene, hook).len(), waiting(&scene, other).len()), (1, 3));
    let dead: Vec<Shown> = scene.sqlite.all(&deliveries::list(None, "dead", (i64::from(u32::MAX), 0), 10)).unwrap();
    assert_eq!(dead.iter().map(|row| row.error.as_deref()).collect::<Vec<_>>(), [Some("it failed"); 2]);
    scene.sqlite.run(&deliveries::replay(hook, dead[1].event, scene.now.get())).unwrap();
    assert_eq!(waiting(&scene, hook).iter().map(|row| row.event).collect::<Vec<_>>(), [1, 3], "in its old place");
    scene.sqlite.run(&deliveries::replay_dead(hook, 1_000, scene.now.get())).unwrap();
    assert_eq!(waiting(&scene, hook).len(), 3);
}

#[test]
fn two_runs_do_not_have_one_channel_at_once() {
    let scene = Scene::new();
    let hook = channel(&scene, "hook", &["sharing.suspected"], "operator");
    let ann = scene.create("ann", &json!({}));
    happen(&scene, ann.id, &["one"]);
    fan_out(&scene);
    let claimed = || scene.sqlite.value::<i64>("SELECT claimed_until FROM channels");
    let claim = |at: Second| {
        let before = claimed();
        scene.sqlite.run(&channels::claim(hook, at)).unwrap();
        claimed() != before
    };
    assert!(claim(NOW));
    assert!(!claim(NOW.plus(119)));
    assert!(claim(NOW.plus(120)), "a run that died holds nothing for good");
    let standing = Standing { failures: 4, next_at: 7, ..Standing::default() };
    scene.sqlite.run(&channels::release(hook, NOW, &standing, NOW)).unwrap();
    let due: Vec<Channel> = scene.sqlite.all(&channels::due()).unwrap();
    assert_eq!(due[0].failures, 0, "what was overtaken says nothing");
    scene.sqlite.run(&channels::release(hook, NOW.plus(120), &standing, NOW)).unwrap();
    let due: Vec<Channel> = scene.sqlite.all(&channels::due()).unwrap();
    assert_eq!((due[0].failures, due[0].next_at, claimed()), (4, 7, 0));
    assert!(claim(NOW.plus(-DAY)));
    assert!(claim(NOW.plus(-2 * DAY)), "a clock that was set back");
}

#[test]
fn old_events_are_forgotten_with_their_deliveries_and_no_number_comes_twice() {
    let scene = Scene::new();
    let hook = channel(&scene, "hook", &["sharing.suspected"], "operator");
    let ann = scene.create("ann", &json!({}));
    happen(&scene, ann.id, &["one", "two"]);
    fan_out(&scene);
    scene.wait(DAY);
    happen(&scene, ann.id, &["three"]);
    fan_out(&scene);
    let forget = |before: Second| scene.sqlite.batch(&events::forget(before)).unwrap();
    forget(NOW);
    assert_eq!(kinds(&scene).len(), 3);
    forget(NOW.plus(1));
    assert_eq!((kinds(&scene).len(), waiting(&scene, hook).len()), (1, 1));
    forget(NOW.plus(10 * DAY));
    assert_eq!(kinds(&scene).len(), 1, "the newest stays");
    happen(&scene, ann.id, &["four"]);
    fan_out(&scene);
    assert_eq!(waiting(&scene, hook).len(), 2);
}

#[test]
fn there_are_so_many_channels_and_no_more() {
    let scene = Scene::new();
    for name in ["a", "b"] {
        channel(&scene, name, &[], "operator");
    }
    let fields =
        Fields { name: "c", type_name: "email", enabled: true, audience: "user", rules: "{}", wants: "[]", target: "" };
    assert!(scene.sqlite.all::<Created>(&channels::create(&fields, 2, NOW)).unwrap().is_empty());
    let taken = Fields { name: "A", ..fields };
    assert_eq!(scene.sqlite.run(&channels::create(&taken, 20, NOW)), Err(weir::store::StoreError::Taken));
    let gone: Vec<Channel> = scene.sqlite.all(&channels::all()).unwrap();
    scene.sqlite.run(&channels::delete(gone[1].id)).unwrap();
    let next = scene.sqlite.all::<Created>(&channels::create(&fields, 2, NOW)).unwrap()[0].id;
    assert!(next > gone[1].id, "a number is not given again");
}

#[test]
fn the_report_tells_the_day_by_user_and_what_nodes_counted_since_the_last_one() {
    let scene = Scene::new();
    scene
        .sqlite
        .execute("INSERT INTO nodes (id, name, address, created_at) VALUES (3, 'paris', 'a', 0), (4, 'oslo', 'b', 0)");
    let [ann, bob, cleo] = ["ann", "bob", "cleo"].map(|name| scene.create(name, &json!({})));
    let midnight = NOW.plus(-12 * 3_600);
    for (slot, hour, bytes) in [(&ann, 1, 5), (&ann, 13, 6), (&bob, 2, 50), (&cleo, 30, 9)] {
        scene.sqlite.execute(&format!(
            "INSERT INTO history (user, hour, node, up, down) VALUES ({}, {}, 3, {bytes}, 1);
            UPDATE usage SET last_at = {} WHERE user = {}",
            slot.id,
            midnight.get() + hour * 3_600,
            midnight.get() + hour * 3_600 + 60,
            slot.id
        ));
    }
    let top: Vec<day::Top> = scene.sqlite.all(&day::top_users(midnight, midnight.plus(DAY))).unwrap();
    let named: Vec<_> = top.iter().map(|top| (top.name.as_str(), top.bytes.get(), top.active)).collect();
    assert_eq!(named, [("bob", 51, 2), ("ann", 13, 2)]);
    scene.report(&ann.slot, 100, NOW);
    let nodes = || scene.sqlite.all::<day::Node>(&day::nodes()).unwrap();
    assert_eq!(nodes().iter().map(|node| (node.bytes.get(), node.told.get())).collect::<Vec<_>>(), [(100, 0), (0, 0)]);
    let told: Vec<day::Told> = nodes().iter().map(|node| day::Told(node.id, node.bytes)).collect();
    scene.sqlite.run(&day::mark(&told)).unwrap();
    scene.report(&ann.slot, 30, NOW);
    assert_eq!(nodes()[0].bytes.minus(nodes()[0].told), Bytes::saturating(30));
}

#[test]
fn what_instances_spent_adds_up_by_day() {
    use weir::domain::notice::report::Cost;
    let scene = Scene::new();
    let cost = Cost { requests: 1, queries: 2, rows_read: 3, rows_written: 4 };
    for day in [7, 7, 8] {
        scene.sqlite.run(&day::spend(day, cost)).unwrap();
    }
    let spent: Vec<Cost> = scene.sqlite.all(&day::spent(7)).unwrap();
    assert_eq!(spent, [Cost { requests: 2, queries: 4, rows_read: 6, rows_written: 8 }]);
    assert_eq!(scene.sqlite.all::<Cost>(&day::spent(9)).unwrap(), []);
}

#[test]
fn an_outbox_that_is_called_while_it_runs_runs_again() {
    let scene = Scene::new();
    channel(&scene, "hook", &["sharing.suspected"], "operator");
    let job: jobs::Job =
        scene.sqlite.all(&jobs::all()).unwrap().into_iter().find(|job: &jobs::Job| job.name == "outbox").unwrap();
    let retry = NOW.plus(60);
    scene.sqlite.run(&jobs::begin(&job, NOW, retry)).unwrap();
    happen(&scene, 1, &["one"]);
    let ending =
        jobs::Ending { lasted_ms: 1, cost: weir::store::d1::Cost::default(), error: None, retry, next: Second::LAST };
    scene.sqlite.run(&jobs::end("outbox", NOW, &ending)).unwrap();
    assert_eq!(scene.sqlite.value::<i64>("SELECT next_at FROM jobs WHERE name = 'outbox'"), NOW.get());
}

#[test]
fn sharing_that_is_noted_is_told_once_a_note_and_only_where_somebody_wants_it() {
    let scene = Scene::new();
    let alice = scene.create("alice", &json!({}));
    let note = |until: Option<Second>| {
        let now = scene.now.get();
        let hash = AddressKey::derive(b"key", 1).hash(&alice.slot, [192, 0, 2, 1].into());
        let set = AddressSet { slot: alice.slot.clone(), day: 1, hashes: vec![hash] };
        scene.sqlite.batch(&addresses::tell(NodeId(1), &[&set], now)).unwrap();
        let suspect = [Suspect(alice.id, 4, 3)];
        scene.sqlite.batch(&addresses::note(&suspect, now.plus(1_800), until, now)).unwrap();
    };
    note(None);
    assert_eq!(kinds(&scene), Vec::<String>::new());
    channel(&scene, "ops", &["sharing.suspected"], "operator");
    scene.wait(1_800);
    note(Some(scene.now.get().plus(900)));
    note(None);
    let cut_until = scene.now.get().plus(900);
    let told = json!({ "user": "alice", "user_id": alice.id, "sources": 4, "limit": 3, "cut_until": cut_until });
    let [(kind, _, data)] = &events(&scene)[..] else { panic!("one event") };
    assert_eq!((kind.as_str(), data), ("sharing.suspected", &told));
}
