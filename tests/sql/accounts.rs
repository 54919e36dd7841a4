//! Accounts on real SQL: those that wait for their first use, those that are shut for sharing, queued plans, and deletion.

use serde_json::{Value as Json, json};
use weir::store::due::{self, Due};
use weir::store::epochs::Guard;
use weir::store::plans::{self, Plan};
use weir::store::users::{Action, User};
use weir::store::{gates, holds, sweep};
use weir_wire::{Bytes, Epoch, NodeId, Second};

use crate::scene::{DAY, NOW, Scene};

fn gib(count: u64) -> u64 {
    Bytes::gib(count).get()
}

fn due(scene: &Scene, user: &User) -> Option<i64> {
    scene.sqlite.value(&format!("SELECT due_at FROM users WHERE id = {}", user.id))
}

/// A user's row and the `until` of his slot.
fn seen(scene: &Scene, user: &User) -> (i64, Option<i64>, Option<i64>) {
    let now = scene.user(user.id).unwrap();
    let until = format!("SELECT until FROM slots WHERE name = '{}'", now.slot);
    (now.hold, now.expires_at, scene.sqlite.value(&until))
}

#[test]
fn the_first_use_begins_an_account_once_at_the_second_of_its_bytes() {
    let scene = Scene::new();
    let ann = scene.create("ann", &json!({ "hold": 60, "hold_since": NOW.get() }));
    assert_eq!(seen(&scene, &ann), (60, None, None));
    scene.report(&ann.slot, 0, NOW.plus(1));
    scene.report(&ann.slot, 9, NOW);
    assert_eq!(seen(&scene, &ann), (60, None, None), "no byte is no use, and what flowed before the hold neither");
    scene.wait(30);
    let held = scene.roster();
    scene.report(&ann.slot, 5, NOW.plus(21));
    let end = NOW.get() + 20 + 60;
    assert_eq!(seen(&scene, &ann), (0, Some(end), Some(end)));
    assert_eq!(due(&scene, &ann), Some(end));
    assert_eq!(scene.changed_since(held)[&ann.slot], ("open".into(), Some(end)), "nodes learn when it ends");
    scene.report(&ann.slot, 5, NOW.plus(31));
    assert_eq!(seen(&scene, &ann), (0, Some(end), Some(end)), "the second use begins nothing");
    scene.wait(50);
    scene.sweep();
    assert_eq!(scene.gate(ann.id), "expired");
}

#[test]
fn a_report_that_is_not_the_next_one_begins_nothing() {
    let scene = Scene::new();
    let ann = scene.create("ann", &json!({ "hold": 60 }));
    let before = scene.sqlite.dump();
    let guard = Guard { node: NodeId(3), epoch: Epoch::from_random(5), last_seq: 7 };
    scene.sqlite.run(&holds::begin(&[ann.id], &guard, NOW)).unwrap();
    assert_eq!(scene.sqlite.dump(), before);
}

#[test]
fn a_first_use_costs_four_rows_more_and_only_who_waits_pays_them() {
    let scene = Scene::new();
    let written = |fields| {
        let user = scene.create(&format!("user-{}", scene.salt()), &fields);
        let before: i64 = scene.sqlite.value("SELECT total_changes()");
        scene.report(&user.slot, 5, NOW.plus(1));
        scene.sqlite.value::<i64>("SELECT total_changes()") - before
    };
    // The roster's next version is one row a report. Index entries of due_at and changed are counted by the platform alone.
    assert_eq!(written(json!({ "hold": 60 })) - written(json!({})), 2 + 1);
}

#[test]
fn a_first_use_that_arrives_after_the_account_would_have_ended_shuts_it() {
    let scene = Scene::new();
    let ann = scene.create("ann", &json!({ "hold": 60 }));
    scene.wait(DAY);
    scene.report(&ann.slot, 5, NOW.plus(10));
    assert_eq!((seen(&scene, &ann).1, scene.gate(ann.id).as_str()), (Some(NOW.get() + 69), "expired"));
}

#[test]
fn a_hold_that_times_out_begins_the_account_at_that_second_however_late_the_sweep_comes() {
    let scene = Scene::new();
    let ann = scene.create("ann", &json!({ "hold": 100, "hold_until": NOW.get() + 10 }));
    assert_eq!((due(&scene, &ann), seen(&scene, &ann).2), (Some(NOW.get() + 10), Some(NOW.get() + 110)));
    scene.wait(50);
    scene.sweep();
    assert_eq!(seen(&scene, &ann), (0, Some(NOW.get() + 110), Some(NOW.get() + 110)));
    assert_eq!((scene.gate(ann.id).as_str(), due(&scene, &ann)), ("open", Some(NOW.get() + 110)));
    scene.report(&ann.slot, 5, scene.now.get());
    assert_eq!(seen(&scene, &ann).1, Some(NOW.get() + 110), "it has begun");
    let bob = scene.create("bob", &json!({ "hold": 5, "hold_until": scene.now.get().get() + 1 }));
    scene.wait(60);
    scene.sweep();
    assert_eq!(scene.gate(bob.id), "expired");
}

#[test]
fn a_first_use_and_a_persons_change_between_reading_and_writing_outlast_the_sweep() {
    type Act = fn(&Scene, &User);
    let acts: [Act; 3] = [
        |scene, user| scene.report(&user.slot, 5, NOW.plus(60)),
        |scene, user| drop(scene.change(user.id, &json!({ "hold": 900, "hold_until": null }))),
        |scene, user| {
            drop(scene.change(user.id, &json!({ "hold": 0, "hold_until": null, "expires_at": NOW.get() + DAY })));
        },
    ];
    for act in acts {
        let scene = Scene::new();
        let ann = scene.create("ann", &json!({ "hold": 100, "hold_until": NOW.get() + 50 }));
        scene.wait(60);
        let due = scene.due();
        act(&scene, &ann);
        let after = seen(&scene, &ann);
        scene.turn(&due);
        assert_eq!(seen(&scene, &ann), after);
        assert_eq!(scene.gate(ann.id), "open");
    }
}

#[test]
fn a_suspension_shuts_until_its_end_and_a_person_may_end_it_earlier() {
    let scene = Scene::new();
    let [ann, bob, cyd] = ["ann", "bob", "cyd"].map(|name| scene.create(name, &json!({ "monthly_quota": 10 })));
    scene.act(cyd.id, &Action::Disable);
    scene.sqlite.batch(&gates::suspend(&[ann.id, bob.id, cyd.id], NOW.plus(600), 1, NOW)).unwrap();
    let gates = || [&ann, &bob, &cyd].map(|user| scene.gate(user.id));
    assert_eq!(gates(), ["sharing", "sharing", "disabled"]);
    assert_eq!(due(&scene, &ann), Some(NOW.get() + 600));
    scene.sqlite.batch(&gates::suspend(&[ann.id], NOW.plus(60), 1, NOW)).unwrap();
    assert_eq!(due(&scene, &ann), Some(NOW.get() + 600), "a longer one is not shortened");
    scene.act(bob.id, &Action::Enable);
    assert_eq!(gates(), ["sharing", "open", "disabled"]);
    assert_eq!(scene.user(bob.id).unwrap().suspended_until, None);
    scene.report(&ann.slot, 10, NOW.plus(1));
    assert_eq!(scene.gate(ann.id), "sharing", "a report moves no gate that sharing has shut");
    scene.wait(600);
    scene.sweep();
    assert_eq!(gates(), ["month", "open", "disabled"], "behind it stands what he has used");
    assert_eq!(scene.user(ann.id).unwrap().suspended_until, None);
    assert_eq!(scene.due(), []);
}

#[test]
fn nodes_learn_speed_devices_and_streams_with_the_next_roster_change() {
    let scene = Scene::new();
    let limits = |user: &User| -> Vec<i64> {
        let slot = scene.user(user.id).unwrap().slot;
        let sql = format!("SELECT json_array(speed, devices, streams) FROM slots WHERE name = '{slot}'");
        serde_json::from_str(&scene.sqlite.value::<String>(&sql)).unwrap()
    };
    let ann = scene.create("ann", &json!({ "speed_limit": 1_048_576, "device_limit": 2 }));
    assert_eq!(limits(&ann), [1_048_576, 2, 0]);
    let held = scene.roster();
    scene.change(ann.id, &json!({ "speed_limit": 0, "stream_limit": 30 }));
    assert_eq!(limits(&ann), [0, 2, 30]);
    assert!(scene.changed_since(held).into_keys().eq([ann.slot.clone()]));
    scene.act(ann.id, &Action::Revoke);
    assert_eq!(limits(&ann), [0, 2, 30], "new credentials have the same limits");
}

#[test]
fn nodes_learn_of_each_change_of_a_plan() {
    let scene = Scene::new();
    let ann = scene.create("ann", &json!({ "plan": "basic" }));
    let plan = || {
        let slot = scene.user(ann.id).unwrap().slot;
        scene.sqlite.value::<Option<String>>(&format!("SELECT plan FROM slots WHERE name = '{slot}'"))
    };
    assert_eq!(plan().as_deref(), Some("basic"));
    let held = scene.roster();
    scene.change(ann.id, &json!({ "plan": "premium" }));
    assert_eq!(plan().as_deref(), Some("premium"));
    assert!(scene.changed_since(held).into_keys().eq([ann.slot.clone()]));
    scene.act(ann.id, &Action::Revoke);
    assert_eq!(plan().as_deref(), Some("premium"), "new credentials are of the same plan");
    scene.change(ann.id, &json!({ "plan": null }));
    assert_eq!(plan(), None);
}

#[test]
fn a_queued_plan_begins_when_the_account_is_used_up_and_counts_from_then_on() {
    let scene = Scene::new();
    let next = json!({ "plan": "basic", "add_remaining_traffic": true, "fire_on_either": true });
    let fields = json!({
        "monthly_quota": 1_000, "total_quota": 800, "reset_day": 9, "expires_at": NOW.get() + DAY, "next_plan": next,
    });
    let ann = scene.create("ann", &fields);
    scene.sqlite.execute("UPDATE jobs SET next_at = 9 WHERE name = 'sweep'");
    scene.report(&ann.slot, 700, NOW.plus(1));
    assert_eq!(scene.due(), [], "he is not used up yet");
    scene.report(&ann.slot, 150, NOW.plus(1));
    assert_eq!((scene.gate(ann.id).as_str(), due(&scene, &ann)), ("total", Some(0)));
    assert_eq!(scene.sqlite.value::<i64>("SELECT next_at FROM jobs WHERE name = 'sweep'"), 0, "the sweep is called");
    scene.wait(5);
    let held = scene.roster();
    scene.sweep();
    let now = scene.user(ann.id).unwrap();
    assert_eq!((now.plan.as_deref(), now.plan_version, now.next_plan.as_deref()), (Some("basic"), 1, None));
    assert_eq!(
        (now.monthly_quota.get(), now.total_quota.get(), now.speed_limit.get(), now.device_limit),
        (gib(100), 0, 5_120 * 1_024, 5)
    );
    assert_eq!((now.month.get(), now.lifetime.get(), now.period_start, now.expires_at), (0, 850, NOW.get() + 5, None));
    assert_eq!((now.bonus_left.get(), now.cycle.day.get()), (0, 9), "nothing was left, and his day stays");
    assert_eq!((scene.gate(ann.id).as_str(), scene.due().len()), ("open", 0));
    assert!(scene.changed_since(held).contains_key(&ann.slot));
    assert_eq!(scene.periods(ann.id), [[ann.period_start, NOW.get() + 5, 1_000, 850]]);
}

#[test]
fn a_queued_plan_begins_at_the_expiry_keeps_the_rest_and_lasts_its_days() {
    let scene = Scene::new();
    scene.sqlite.execute("UPDATE plans SET duration_days = 30, total_quota = 500 WHERE name = 'basic'");
    for (keeps, rest) in [(true, 300), (false, 0)] {
        let next = json!({ "plan": "BASIC", "add_remaining_traffic": keeps, "fire_on_either": true });
        let expires = scene.now.get().plus(60);
        let fields = json!({ "monthly_quota": 1_000, "expires_at": expires, "next_plan": next });
        let user = scene.create(&format!("user-{keeps}"), &fields);
        assert_eq!(user.next_plan.as_deref(), Some("basic"), "by its own name");
        scene.report(&user.slot, 700, scene.now.get().plus(1));
        scene.wait(60);
        scene.sweep();
        let now = scene.user(user.id).unwrap();
        assert_eq!((now.bonus_left.get(), now.total_quota.get()), (rest, 1_200), "the total counts from now on");
        assert_eq!(now.expires_at, Some(scene.now.get().get() + 30 * DAY));
        assert_eq!((scene.gate(user.id).as_str(), now.next_plan), ("open", None));
    }
}

#[test]
fn a_queued_plan_waits_behind_a_person_and_for_both_when_told() {
    let scene = Scene::new();
    let next = |either| json!({ "plan": "basic", "add_remaining_traffic": false, "fire_on_either": either });
    let shut = scene.create("shut", &json!({ "monthly_quota": 5, "next_plan": next(true) }));
    let both =
        scene.create("both", &json!({ "monthly_quota": 5, "expires_at": NOW.get() + 60, "next_plan": next(false) }));
    scene.act(shut.id, &Action::Disable);
    for user in [&shut, &both] {
        scene.report(&user.slot, 5, NOW.plus(1));
    }
    scene.sweep();
    assert_eq!((scene.gate(shut.id), scene.gate(both.id)), ("disabled".into(), "month".into()));
    assert_eq!(scene.due(), []);
    scene.act(shut.id, &Action::Enable);
    scene.wait(60);
    scene.sweep();
    for user in [&shut, &both] {
        assert_eq!(
            (scene.gate(user.id).as_str(), scene.user(user.id).unwrap().plan.as_deref()),
            ("open", Some("basic"))
        );
    }
}

#[test]
fn late_bytes_of_replaced_credentials_that_use_up_an_expired_account_begin_its_queued_plan() {
    let scene = Scene::new();
    let next = json!({ "plan": "basic", "add_remaining_traffic": false, "fire_on_either": false });
    let old = scene.create("ann", &json!({ "monthly_quota": 5, "expires_at": NOW.get() + 60 }));
    scene.act(old.id, &Action::Revoke);
    // Queued after the credentials were replaced: the old slot knows nothing of it.
    scene.change(old.id, &json!({ "next_plan": next }));
    scene.wait(60);
    scene.sweep();
    assert_eq!(scene.gate(old.id), "expired");
    scene.report(&old.slot, 5, NOW.plus(1));
    scene.sweep();
    let now = scene.user(old.id).unwrap();
    assert_eq!((scene.gate(old.id).as_str(), now.plan.as_deref()), ("open", Some("basic")));
}

/// What stands in the queue of a user who is given values instead of a plan.
fn values(data_limit: u64, expire: Option<i64>, keeps: bool, either: bool) -> Json {
    let values = json!({ "data_limit": data_limit, "expire": expire });
    json!({ "values": values, "add_remaining_traffic": keeps, "fire_on_either": either })
}

#[test]
fn queued_values_begin_as_a_plan_does_and_leave_plan_limits_and_cycle_as_they_are() {
    let scene = Scene::new();
    let expires = NOW.get() + 40 * DAY;
    let fields = json!({
        "monthly_quota": 1_000, "plan": "basic", "plan_version": 1, "speed_limit": 7, "device_limit": 3, "stream_limit": 2,
        "address_limit": 4, "reset_strategy": "week", "reset_day": 9, "expires_at": NOW.get() + DAY,
        "next_plan": values(500, Some(expires), true, true),
    });
    let ann = scene.create("ann", &fields);
    assert_eq!(ann.next_plan.as_deref(), Some(""), "the name of no plan");
    scene.report(&ann.slot, 1_050, NOW.plus(1));
    assert_eq!((scene.gate(ann.id).as_str(), due(&scene, &ann)), ("month", Some(0)), "the sweep is called");
    scene.wait(5);
    scene.sweep();
    let now = scene.user(ann.id).unwrap();
    assert_eq!((now.monthly_quota.get(), now.total_quota.get(), now.month.get(), now.bonus_left.get()), (500, 0, 0, 0));
    assert_eq!((now.expires_at, now.next_plan, now.next_values), (Some(expires), None, None));
    assert_eq!((now.plan.as_deref(), now.plan_version, now.speed_limit.get()), (Some("basic"), 1, 7));
    assert_eq!((now.device_limit, now.stream_limit, now.address_limit), (3, 2, Some(4)));
    assert_eq!(now.cycle, ann.cycle);
    assert_eq!((now.period_start, now.period_end), (NOW.get() + 5, NOW.get() + 5 + 7 * DAY));
    assert_eq!((scene.gate(ann.id).as_str(), scene.due().len()), ("open", 0));
    assert_eq!(scene.periods(ann.id), [[ann.period_start, NOW.get() + 5, 1_000, 1_050]]);
}

#[test]
fn the_rest_of_a_quota_is_added_to_queued_values_if_told_and_never_to_an_unlimited_one() {
    let scene = Scene::new();
    for (name, quota, keeps, becomes) in
        [("kept", 500, true, 800), ("lost", 500, false, 500), ("unlimited", 0, true, 0)]
    {
        let expires = scene.now.get().plus(60);
        let next = values(quota, None, keeps, true);
        let user = scene.create(name, &json!({ "monthly_quota": 1_000, "expires_at": expires, "next_plan": next }));
        scene.report(&user.slot, 700, scene.now.get().plus(1));
        scene.wait(60);
        scene.sweep();
        let now = scene.user(user.id).unwrap();
        assert_eq!((now.monthly_quota.get(), now.bonus_left.get(), now.expires_at), (becomes, 0, None), "{name}");
        assert_eq!((scene.gate(user.id).as_str(), now.next_plan), ("open", None), "{name}");
    }
}

#[test]
fn queued_values_wait_for_both_when_told_and_a_plan_takes_their_place() {
    let scene = Scene::new();
    let fields =
        json!({ "monthly_quota": 5, "expires_at": NOW.get() + 60, "next_plan": values(9, None, false, false) });
    let both = scene.create("both", &fields);
    scene.report(&both.slot, 5, NOW.plus(1));
    scene.sweep();
    assert_eq!(scene.gate(both.id), "month");
    scene.wait(60);
    scene.sweep();
    assert_eq!((scene.gate(both.id).as_str(), scene.user(both.id).unwrap().monthly_quota.get()), ("open", 9));
    let queued = scene.change(both.id, &json!({ "next_plan": values(7, None, false, true) }));
    assert!(queued.next_values.is_some());
    let plan = json!({ "plan": "basic", "add_remaining_traffic": false, "fire_on_either": true });
    let planned = scene.change(both.id, &json!({ "next_plan": plan }));
    assert_eq!((planned.next_plan.as_deref(), planned.next_values), (Some("basic"), None));
    let other = scene.change(both.id, &json!({ "note": "x" }));
    assert_eq!(other.next_plan.as_deref(), Some("basic"), "what is not spoken of stays");
    let none = scene.change(both.id, &json!({ "next_plan": null }));
    assert_eq!((none.next_plan, none.next_values), (None, None));
}

#[test]
fn what_is_queued_begins_before_its_time_when_a_person_says_so() {
    let scene = Scene::new();
    let begin = |user: &User| {
        let due: Due = scene.sqlite.all(&due::of_user(user.id)).unwrap().pop().unwrap();
        let plans: Vec<Plan> = scene.sqlite.all(&plans::all()).unwrap();
        let batch = sweep::begin_early(&due, &plans, scene.salt(), scene.now.get());
        batch.map(|batch| scene.sqlite.batch(&batch).unwrap()).is_some()
    };
    let by_values = scene.create("by-values", &json!({ "monthly_quota": 9, "next_plan": values(5, None, true, true) }));
    let plan = json!({ "plan": "basic", "add_remaining_traffic": false, "fire_on_either": true });
    let by_plan = scene.create("by-plan", &json!({ "next_plan": plan }));
    let nothing = scene.create("nothing", &json!({}));
    assert!(begin(&by_values) && begin(&by_plan) && !begin(&nothing));
    let user = |user: &User| scene.user(user.id).unwrap();
    assert_eq!((user(&by_values).monthly_quota.get(), user(&by_values).next_plan), (14, None));
    assert_eq!((user(&by_plan).plan.as_deref(), user(&by_plan).next_plan), (Some("basic"), None));
}

#[test]
fn what_a_person_changed_before_a_queued_plan_begins_stands() {
    let scene = Scene::new();
    let next = json!({ "plan": "basic", "add_remaining_traffic": true, "fire_on_either": true });
    let ann = scene.create("ann", &json!({ "monthly_quota": 5, "next_plan": next }));
    scene.report(&ann.slot, 5, NOW.plus(1));
    let due = scene.due();
    let changed = scene.change(ann.id, &json!({ "monthly_quota": 9, "next_plan": null }));
    scene.turn(&due);
    assert_eq!(scene.user(ann.id).unwrap(), changed);
}

#[test]
fn a_queued_plan_that_is_gone_is_forgotten() {
    let scene = Scene::new();
    let next = json!({ "plan": "basic", "add_remaining_traffic": true, "fire_on_either": true });
    let ann = scene.create("ann", &json!({ "monthly_quota": 5, "next_plan": next }));
    scene.sqlite.execute("DELETE FROM plans");
    scene.report(&ann.slot, 5, NOW.plus(1));
    scene.sweep();
    assert_eq!(
        (scene.due().len(), scene.user(ann.id).unwrap().next_plan, scene.gate(ann.id).as_str()),
        (0, None, "month")
    );
    let nobody = scene.create("nobody", &json!({ "plan": "basic", "next_plan": next }));
    assert_eq!((nobody.plan, nobody.next_plan), (None, None), "nor can it be given any more");
}

#[test]
fn an_account_is_deleted_so_many_days_after_its_expiry_and_not_while_a_person_has_shut_it() {
    let scene = Scene::new();
    let fields = json!({ "expires_at": NOW.get() + 60, "delete_after_days": 2 });
    let [ann, bob] = ["ann", "bob"].map(|name| scene.create(name, &fields));
    scene.act(bob.id, &Action::Disable);
    let gone = |user: &User| scene.user(user.id).is_none();
    scene.wait(60 + 2 * DAY - 1);
    scene.sweep();
    assert_eq!(
        (gone(&ann), scene.gate(ann.id).as_str(), due(&scene, &ann)),
        (false, "expired", Some(NOW.get() + 60 + 2 * DAY))
    );
    scene.wait(1);
    let held = scene.roster();
    scene.sweep();
    assert_eq!((gone(&ann), gone(&bob)), (true, false));
    assert_eq!(scene.changed_since(held)[&ann.slot].0, "retired");
    assert_eq!(scene.sqlite.value::<i64>("SELECT value FROM counters WHERE name = 'users'"), 1);
    scene.act(bob.id, &Action::Enable);
    scene.sweep();
    assert!(gone(&bob));
    assert_eq!(scene.due(), []);
}

#[test]
fn who_was_extended_between_reading_and_writing_is_not_deleted() {
    let scene = Scene::new();
    let ann = scene.create("ann", &json!({ "expires_at": NOW.get() + 60, "delete_after_days": 0 }));
    scene.wait(60);
    let due = scene.due();
    let changed = scene.change(ann.id, &json!({ "expires_at": NOW.get() + DAY }));
    scene.turn(&due);
    let now = scene.user(ann.id).unwrap();
    assert_eq!(User { revision: changed.revision, ..now }, changed);
}

#[test]
fn an_end_beyond_the_last_second_is_the_last_second() {
    let scene = Scene::new();
    let ann = scene.create("ann", &json!({ "hold": i64::from(u32::MAX), "hold_until": Second::LAST }));
    assert_eq!(seen(&scene, &ann).2, Some(Second::LAST.get()));
}
