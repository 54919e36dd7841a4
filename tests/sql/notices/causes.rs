//! What causes an event, and what does not.

use serde_json::{Value as Json, json};
use weir::store::addresses::{self, Suspect};
use weir::store::epochs::Guard;
use weir::store::users::Action;
use weir::store::{alerts, channels};
use weir_wire::address::{AddressKey, AddressSet};
use weir_wire::{Epoch, NodeId, Second};

use super::{channel, events, happen, kinds};
use crate::scene::{DAY, NOW, Scene};

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
fn a_period_that_what_was_queued_begins_is_told_apart_from_every_other() {
    let scene = Scene::new();
    channel(&scene, "hook", &["user.reset"], "operator");
    let told = || -> Vec<Json> { events(&scene).into_iter().map(|(_, _, data)| data["next_plan"].clone()).collect() };
    let next = json!({ "plan": "basic", "add_remaining_traffic": false, "fire_on_either": true });
    let ann = scene.create("ann", &json!({ "monthly_quota": 100, "next_plan": next }));
    scene.wait(5);
    scene.act(ann.id, &Action::Reset);
    assert_eq!(told(), [json!(false)], "what is queued stays queued");
    scene.wait(5);
    scene.report(&ann.slot, 100, scene.now.get());
    scene.sweep();
    assert_eq!(told(), [json!(false), json!(true)]);
    assert_eq!(events(&scene)[1].2["used"], json!(100));
    scene.wait(5);
    scene.act(ann.id, &Action::Reset);
    assert_eq!(told(), [json!(false), json!(true), json!(false)]);
    scene.wait(40 * DAY);
    scene.sweep();
    assert_eq!(told().last(), Some(&json!(false)), "the clock began it");
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
