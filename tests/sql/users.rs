//! Users on real SQL: what a person does to them, and what nothing else may undo.

use serde_json::{Value as Json, json};
use weir::domain::user::Status;
use weir::store::user_list::{self, Order, Query, Total};
use weir::store::users::{self, Action, User};
use weir::store::{StoreError, gates, usage};
use weir_wire::Bytes;

use crate::scene::{DAY, NOW, Scene};

#[test]
fn a_new_user_takes_the_oldest_vacant_slot_and_opens_it() {
    let scene = Scene::new();
    scene.add_slots(3);
    let held = scene.roster();
    let ann = scene.create("ann", &json!({ "monthly_quota": 1_000, "reset_day": 20 }));
    assert_eq!(ann.slot.as_str(), "slot0000");
    assert_eq!(scene.gate(ann.id), "open");
    assert_eq!(scene.roster(), held + 1, "one change, however many statements");
    let changed = scene.changed_since(held);
    assert_eq!(changed.into_iter().collect::<Vec<_>>(), [(ann.slot.clone(), ("open".into(), None))]);
    assert_eq!((ann.month.get(), ann.lifetime.get(), ann.monthly_quota.get()), (0, 0, 1_000));
    assert!((ann.period_start..ann.period_end).contains(&NOW.get()));
    assert_eq!(counters(&scene), (1, 1));
}

#[test]
fn without_a_vacant_slot_nobody_is_created_and_nothing_is_changed() {
    let scene = Scene::new();
    scene.sqlite.execute("DELETE FROM slots");
    let before = scene.sqlite.dump();
    assert_eq!(scene.try_create("ann", &json!({})), Ok(None));
    assert_eq!(scene.sqlite.dump(), before);
}

#[test]
fn a_name_is_taken_in_any_case_until_its_user_is_deleted() {
    let scene = Scene::new();
    let ann = scene.create("ann", &json!({}));
    let before = scene.sqlite.dump();
    for name in ["ann", "Ann", "ANN"] {
        assert_eq!(scene.try_create(name, &json!({})), Err(StoreError::Taken), "{name}");
    }
    assert_eq!(scene.sqlite.dump(), before);
    scene.delete(ann.id);
    let other = scene.create("ANN", &json!({}));
    assert_ne!((other.id, other.slot.clone()), (ann.id, ann.slot), "somebody else, with other credentials");
    assert_eq!(other.lifetime.get(), 0);
}

#[test]
fn a_name_is_taken_also_when_no_slot_is_vacant() {
    let scene = Scene::new();
    scene.create("ann", &json!({}));
    scene.sqlite.execute("DELETE FROM slots WHERE gate = 'vacant'");
    assert_eq!(scene.try_create("Ann", &json!({})), Err(StoreError::Taken));
}

#[test]
fn who_is_created_expired_gets_no_open_gate() {
    let scene = Scene::new();
    let late = scene.create("late", &json!({ "expires_at": NOW.get() }));
    let soon = scene.create("soon", &json!({ "expires_at": NOW.get() + 1 }));
    assert_eq!((scene.gate(late.id), scene.gate(soon.id)), ("expired".into(), "open".into()));
    assert_eq!(counters(&scene), (2, 1));
    let due = |user: &User| scene.sqlite.value::<i64>(&format!("SELECT due_at FROM users WHERE id = {}", user.id));
    assert_eq!(due(&late), late.period_end, "an expiry that has passed is no event any more");
    assert_eq!(due(&soon), NOW.get() + 1);
}

#[test]
fn what_a_new_user_brings_along_counts_from_the_beginning() {
    let scene = Scene::new();
    let born = NOW.get() - 400 * DAY;
    let brought = json!({
        "monthly_quota": 1_000, "created_at": born, "monthly_used": 1_000, "total_used": 7_000, "links_since": born + 5,
        "disabled": true,
    });
    let ann = scene.create("ann", &brought);
    assert_eq!((ann.created_at, ann.month.get(), ann.lifetime.get()), (born, 1_000, 7_000));
    assert_eq!((ann.disabled_at, scene.gate(ann.id)), (Some(NOW.get()), "disabled".into()));
    let since = || scene.sqlite.value::<Option<i64>>(&format!("SELECT links_since FROM users WHERE id = {}", ann.id));
    assert_eq!(since(), Some(born + 5));
    scene.act(ann.id, &Action::Enable);
    assert_eq!(scene.gate(ann.id), "month", "what he used elsewhere shuts him");
    scene.act(ann.id, &Action::Credentials(None));
    assert_eq!(since(), Some(born + 5), "other credentials leave his links");
    scene.act(ann.id, &Action::Revoke);
    assert_eq!(since(), Some(NOW.get()), "a revocation ends those of another panel too");
}

#[test]
fn fields_that_a_change_lacks_stay_and_null_clears() {
    let scene = Scene::new();
    let fields = json!({
        "email": "ann@example.org", "note": "a note", "monthly_quota": 10, "total_quota": 20, "reset_day": 5,
        "expires_at": NOW.get() + DAY,
    });
    let ann = scene.create("ann", &fields);
    let described: User = scene.sqlite.batch_last(&users::describe(ann.id, &json!({}))).unwrap().pop().unwrap();
    assert_eq!(described, ann, "nothing was said, nothing is changed");
    let change = |fields: Json| User { revision: ann.revision, ..scene.change(ann.id, &fields) };
    assert_eq!(change(json!({})), ann);
    let renamed = change(json!({ "name": "ANN.B" }));
    assert_eq!(renamed, User { name: "ANN.B".into(), ..ann.clone() });
    let cleared = change(json!({ "email": null, "note": null, "expires_at": null }));
    assert_eq!(cleared, User { email: None, note: String::new(), expires_at: None, ..renamed });
    let unlimited = change(json!({ "monthly_quota": 0 }));
    assert_eq!((unlimited.monthly_quota.get(), unlimited.total_quota.get()), (0, 20));
}

#[test]
fn a_user_cannot_be_renamed_to_another_and_can_change_his_own_case() {
    let scene = Scene::new();
    let [ann, bob] = ["ann", "bob"].map(|name| scene.create(name, &json!({})));
    let before = scene.sqlite.dump();
    let taken = scene.try_act(bob.id, &Action::Change(&json!({ "name": "ANN", "monthly_quota": 5 }), None));
    assert_eq!(taken, Err(StoreError::Taken));
    assert_eq!(scene.sqlite.dump(), before, "the quota is not changed either");
    assert_eq!(scene.change(ann.id, &json!({ "name": "Ann" })).name, "Ann");
}

#[test]
fn a_changed_quota_limits_and_opens_at_once_and_reaches_every_node() {
    let scene = Scene::new();
    let ann = scene.create("ann", &json!({}));
    scene.report(&ann.slot, 500, NOW);
    for (quota, gate) in [(501, "open"), (500, "month"), (499, "month"), (600, "open"), (0, "open")] {
        let held = scene.roster();
        scene.change(ann.id, &json!({ "monthly_quota": quota }));
        assert_eq!(scene.gate(ann.id), gate, "{quota}");
        // Also when the gate stays: a node that holds a limit for him has to ask again.
        assert_eq!(scene.changed_since(held).keys().collect::<Vec<_>>(), [&ann.slot], "{quota}");
        assert_eq!(scene.roster(), held + 1);
    }
    scene.change(ann.id, &json!({ "total_quota": 500, "monthly_quota": 1 }));
    assert_eq!(scene.gate(ann.id), "month", "the month is named first");
    scene.act(ann.id, &Action::Reset);
    assert_eq!(scene.gate(ann.id), "total", "a reset opens only what the month has shut");
}

#[test]
fn what_a_person_shut_only_a_person_opens() {
    let scene = Scene::new();
    let ann = scene.create("ann", &json!({ "monthly_quota": 10 }));
    scene.act(ann.id, &Action::Disable);
    scene.report(&ann.slot, 5, NOW);
    scene.change(ann.id, &json!({ "monthly_quota": 1_000, "expires_at": null }));
    scene.act(ann.id, &Action::Reset);
    scene.wait(40 * DAY);
    scene.sweep();
    scene.report(&ann.slot, 5, scene.now.get());
    let revoked = scene.act(ann.id, &Action::Revoke);
    assert_eq!(scene.gate(ann.id), "disabled");
    assert_eq!(revoked.disabled_at, Some(NOW.get()), "since when is not forgotten");
    scene.act(ann.id, &Action::Disable);
    assert_eq!(scene.user(ann.id).unwrap().disabled_at, Some(NOW.get()), "nor moved by a second time");
    scene.act(ann.id, &Action::Enable);
    assert_eq!(scene.gate(ann.id), "open");
    assert_eq!(counters(&scene), (1, 1));
}

#[test]
fn enabling_opens_nothing_that_a_quota_or_the_clock_has_shut() {
    let scene = Scene::new();
    let full = scene.create("full", &json!({ "monthly_quota": 10 }));
    scene.report(&full.slot, 10, NOW);
    let late = scene.create("late", &json!({ "expires_at": NOW.get() - 1 }));
    for user in [&full, &late] {
        scene.act(user.id, &Action::Disable);
        scene.act(user.id, &Action::Enable);
    }
    assert_eq!((scene.gate(full.id), scene.gate(late.id)), ("month".into(), "expired".into()));
}

#[test]
fn a_reset_keeps_the_period_that_it_ends_and_the_lifetime() {
    let scene = Scene::new();
    let ann = scene.create("ann", &json!({ "monthly_quota": 100 }));
    scene.report(&ann.slot, 100, NOW);
    scene.wait(60);
    let reset = scene.act(ann.id, &Action::Reset);
    let at = NOW.get() + 60;
    assert_eq!((reset.month.get(), reset.lifetime.get()), (0, 100));
    assert_eq!((reset.period_start, reset.period_end), (at, ann.period_end), "its end stays");
    assert_eq!(scene.periods(ann.id), [[ann.period_start, at, 100, 100]]);
    assert_eq!(scene.gate(ann.id), "open");
    // Once more within the same second, after bytes of that second.
    scene.report(&ann.slot, 7, weir_wire::Second::clamped(at + 1));
    scene.act(ann.id, &Action::Reset);
    scene.report(&ann.slot, 8, weir_wire::Second::clamped(at + 1));
    scene.act(ann.id, &Action::Reset);
    let kept: i64 = scene.periods(ann.id).iter().map(|period| period[3]).sum();
    assert_eq!(kept, 115, "no byte is lost between two resets of one second");
}

#[test]
fn a_reset_day_moves_the_end_of_the_period_and_not_its_start() {
    let scene = Scene::new();
    let ann = scene.create("ann", &json!({}));
    scene.report(&ann.slot, 100, NOW);
    let day = 86_400 * (NOW.get() / 86_400);
    for (reset_day, days) in [(16, 1), (15, 30), (14, 29), (30, 15)] {
        let moved = scene.change(ann.id, &json!({ "reset_day": reset_day }));
        assert_eq!((moved.period_start, moved.period_end), (ann.period_start, day + days * DAY), "{reset_day}");
        assert_eq!(moved.month.get(), 100);
        let due: i64 = scene.sqlite.value("SELECT due_at FROM users");
        assert_eq!(due, moved.period_end);
    }
}

#[test]
fn what_a_person_does_after_the_period_ended_closes_it_first() {
    let scene = Scene::new();
    let ann = scene.create("ann", &json!({ "monthly_quota": 100 }));
    scene.report(&ann.slot, 100, NOW);
    scene.wait(40 * DAY);
    let changed = scene.change(ann.id, &json!({ "monthly_quota": 50 }));
    assert_eq!(scene.periods(ann.id), [[ann.period_start, ann.period_end, 100, 100]], "with the quota that it had");
    assert_eq!((changed.month.get(), changed.period_start), (0, changed.period_start.max(ann.period_end)));
    assert_eq!(scene.gate(ann.id), "open");
}

#[test]
fn revoking_gives_other_credentials_and_keeps_what_was_used() {
    let scene = Scene::new();
    let ann = scene.create("ann", &json!({ "monthly_quota": 100 }));
    scene.report(&ann.slot, 60, NOW);
    let held = scene.roster();
    let revoked = scene.act(ann.id, &Action::Revoke);
    assert_ne!(revoked.slot, ann.slot);
    assert_eq!((revoked.generation, revoked.month.get()), (ann.generation + 1, 60));
    let changed = scene.changed_since(held);
    assert_eq!((changed[&ann.slot].0.as_str(), changed[&revoked.slot].0.as_str()), ("retired", "open"));
    assert_eq!(scene.roster(), held + 1);
    scene.report(&ann.slot, 40, NOW);
    assert_eq!(scene.user(ann.id).unwrap().month.get(), 100, "late bytes of the old credentials are his");
    assert_eq!(scene.sqlite.value::<String>("SELECT gate FROM slots WHERE name = 'slot0000'"), "retired");
    assert_eq!(scene.gate(ann.id), "month", "and shut the new ones");
    assert_eq!(counters(&scene), (1, 0));
}

#[test]
fn what_was_granted_to_replaced_credentials_is_free_once_the_node_has_dropped_them() {
    let mib = |count| Bytes::mib(count).get();
    let scene = Scene::new();
    let ann = scene.create("ann", &json!({ "monthly_quota": mib(100) }));
    assert_eq!(scene.ask(&ann.slot, 1, 0, 0), Some(mib(50)));
    assert_eq!(scene.ask(&ann.slot, 2, mib(10), mib(50)), Some(mib(55)), "10 MiB are spent and not reported yet");
    let held = scene.roster();
    let fresh = scene.act(ann.id, &Action::Revoke).slot;
    let out = || scene.sqlite.value::<u64>("SELECT out FROM usage");
    let free = || scene.sqlite.run(&usage::free_idle(&[ann.id], scene.now.get())).unwrap();
    scene.hold(held);
    free();
    assert_eq!(out(), mib(45), "the node has the old credentials still");
    scene.hold(held + 1);
    free();
    assert_eq!((out(), scene.sqlite.value::<u64>("SELECT known FROM usage")), (0, mib(10)));
    assert_eq!(scene.ask(&fresh, 3, 0, 0), Some(mib(45)), "half of the 90 MiB that are left");
    free();
    assert_eq!(out(), mib(45), "what the new credentials hold stays");
    scene.report(&ann.slot, mib(10), NOW);
    assert_eq!(scene.sqlite.value::<u64>("SELECT known FROM usage"), 0);
    assert_eq!(scene.user(ann.id).unwrap().month.get(), mib(10));
}

#[test]
fn a_grant_that_nobody_asked_about_for_25_hours_is_free() {
    let mib = |count| Bytes::mib(count).get();
    let scene = Scene::new();
    let [ann, bob] = ["ann", "bob"].map(|name| scene.create(name, &json!({ "monthly_quota": mib(100) })));
    for user in [&ann, &bob] {
        assert_eq!(scene.ask(&user.slot, 1, 0, 0), Some(mib(50)));
    }
    let outs = || scene.sqlite.value::<String>("SELECT group_concat(out) FROM (SELECT out FROM usage ORDER BY user)");
    let free = || scene.sqlite.run(&usage::free_idle(&[ann.id], scene.now.get())).unwrap();
    scene.wait(25 * 3600 - 1);
    let before = scene.sqlite.dump();
    free();
    assert_eq!(scene.sqlite.dump(), before);
    scene.wait(1);
    free();
    assert_eq!(outs(), format!("0,{}", mib(50)), "of nobody else");
    let before: i64 = scene.sqlite.value("SELECT total_changes()");
    free();
    assert_eq!(scene.sqlite.value::<i64>("SELECT total_changes()"), before, "what is free is not written again");
}

#[test]
fn without_a_vacant_slot_nothing_is_revoked() {
    let scene = Scene::new();
    let ann = scene.create("ann", &json!({}));
    scene.sqlite.execute("DELETE FROM slots WHERE gate = 'vacant'");
    let before = scene.sqlite.dump();
    assert!(scene.try_act(ann.id, &Action::Revoke).is_err());
    assert_eq!(scene.sqlite.dump(), before);
}

#[test]
fn a_deleted_user_is_gone_and_his_late_bytes_are_still_his() {
    let scene = Scene::new();
    let ann = scene.create("ann", &json!({ "monthly_quota": 100 }));
    scene.report(&ann.slot, 60, NOW);
    let held = scene.roster();
    scene.delete(ann.id);
    assert_eq!(scene.changed_since(held)[&ann.slot].0, "retired");
    assert_eq!((scene.user(ann.id), counters(&scene)), (None, (0, 0)));
    scene.report(&ann.slot, 5, NOW);
    assert_eq!(scene.sqlite.value::<i64>("SELECT lifetime FROM usage"), 65);
    scene.delete(ann.id);
    assert_eq!(counters(&scene), (0, 0), "he is not counted off twice");
    scene.wait(40 * DAY);
    assert_eq!(scene.due(), [], "and the sweep leaves him alone");
}

#[test]
fn a_list_shows_each_status_and_finds_by_name_mail_and_note() {
    let scene = Scene::new();
    for (name, fields) in [
        ("bob", json!({ "email": "Bob@Example.org", "note": "pays cash" })),
        ("Ann", json!({ "note": "Ärger, 100 % of it_" })),
        ("carl", json!({ "monthly_quota": 10 })),
        ("dora", json!({ "total_quota": 10 })),
        ("emil", json!({ "expires_at": NOW.get() })),
        ("fay", json!({ "expires_at": NOW.get() + 1 })),
        ("gil", json!({ "hold": 60 })),
        ("hal", json!({ "hold": 60 })),
    ] {
        scene.create(name, &fields);
    }
    for id in [3, 4] {
        let user = scene.user(id).unwrap();
        scene.report(&user.slot, 10, NOW);
    }
    scene.act(2, &Action::Disable);
    scene.sqlite.batch(&gates::suspend(&[8], NOW.plus(60), 1, NOW)).unwrap();
    let all = Query { limit: 50, ..Query::default() };
    let find = |query: &Query| -> Vec<String> {
        let page: Vec<User> = scene.sqlite.all(&user_list::list(query, NOW)).unwrap();
        let total: Vec<Total> = scene.sqlite.all(&user_list::count(query, NOW)).unwrap();
        assert_eq!(usize::try_from(total[0].total).unwrap(), page.len(), "{query:?}");
        page.into_iter().map(|user| user.name).collect()
    };
    let by_status = |status| find(&Query { status, ..all.clone() });
    assert_eq!(by_status(None), ["Ann", "bob", "carl", "dora", "emil", "fay", "gil", "hal"]);
    for (status, names) in [
        (Status::Active, ["bob", "fay"].as_slice()),
        (Status::OnHold, &["gil"]),
        (Status::Limited, &["carl", "dora"]),
        (Status::Expired, &["emil"]),
        (Status::Disabled, &["Ann", "hal"]),
    ] {
        assert_eq!(by_status(Some(status)), names);
    }
    let of_node = |node| find(&Query { node: Some(node), ..all.clone() });
    assert_eq!(of_node(3), ["carl", "dora"], "who has used it");
    assert_eq!(of_node(33), Vec::<String>::new());
    let search = |text: &str| find(&Query { search: text.into(), ..all.clone() });
    assert_eq!(search("ANN"), ["Ann"]);
    assert_eq!(search("example.ORG"), ["bob"]);
    assert_eq!(search("CASH"), ["bob"]);
    assert_eq!(search("Ärger"), ["Ann"]);
    assert_eq!(search("100 %"), ["Ann"]);
    assert_eq!(search("%"), ["Ann"], "a percent sign stands for itself");
    assert_eq!(search("_"), ["Ann"]);
    assert_eq!(search("' OR '1'='1"), Vec::<String>::new());
    assert_eq!(search(&"x".repeat(500)), Vec::<String>::new());
    assert_eq!(find(&Query { search: "a".into(), status: Some(Status::Limited), ..all }), ["carl", "dora"]);
}

#[test]
fn pages_of_every_order_show_every_user_once_also_between_deleted_ones() {
    let scene = Scene::new();
    scene.add_slots(64);
    for number in 0..40_u64 {
        let name = if number % 2 == 0 { format!("user-{number}") } else { format!("USER-{number}") };
        let user = scene.create(&name, &json!({}));
        scene.wait(60);
        if number % 3 == 0 {
            scene.report(&user.slot, number % 7, scene.now.get());
        }
    }
    for id in [1, 2, 17, 40] {
        scene.delete(id);
    }
    let orders = [Order::Name, Order::NameDown, Order::Used, Order::UsedDown, Order::Created, Order::CreatedDown];
    for (order, search) in orders.into_iter().flat_map(|order| [(order, ""), (order, "user")]) {
        let mut found: Vec<User> = Vec::new();
        for offset in (0..45).step_by(5) {
            let query = Query { search: search.into(), order, limit: 5, offset, ..Query::default() };
            found.extend(scene.sqlite.all::<User>(&user_list::list(&query, NOW)).unwrap());
        }
        assert_eq!(found.len(), 36, "{order:?}");
        let mut sorted = found.clone();
        sorted.sort_by_key(|user| user.id);
        sorted.dedup_by_key(|user| user.id);
        assert_eq!(sorted.len(), 36, "{order:?}");
        let in_order = found.windows(2).all(|pair| {
            let (one, next) = (&pair[0], &pair[1]);
            match order {
                Order::Name => one.name.to_lowercase() < next.name.to_lowercase(),
                Order::NameDown => one.name.to_lowercase() > next.name.to_lowercase(),
                Order::Used => one.month <= next.month,
                Order::UsedDown => one.month >= next.month,
                Order::Created => one.created_at < next.created_at,
                Order::CreatedDown => one.created_at > next.created_at,
            }
        });
        assert!(in_order, "{order:?}");
    }
}

/// Users that exist, and those whose gate is open, as the counters say.
fn counters(scene: &Scene) -> (i64, i64) {
    let value = |name: &str| scene.sqlite.value(&format!("SELECT value FROM counters WHERE name = '{name}'"));
    (value("users"), value("users_open"))
}
