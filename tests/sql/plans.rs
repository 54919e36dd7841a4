//! Plans on real SQL: those that are built in, and what applying a changed one does to its users.

use serde_json::{Value as Json, json};
use weir::domain::period::AnchorDay;
use weir::store::StoreError;
use weir::store::plan_users::{self, Counts, Holders, PlanHolders, PlanUser};
use weir::store::plans::{self, Gift, Plan};
use weir::store::users::{Action, User};
use weir_wire::Bytes;

use crate::scene::{DAY, NOW, Scene};

fn plan(scene: &Scene, name: &str) -> Plan {
    scene.sqlite.all(&plans::by_name(name)).unwrap().pop().unwrap()
}

/// A user who was given a plan as the API gives it.
fn holder(scene: &Scene, name: &str, plan: &Plan, fields: &Json) -> User {
    let mut all = serde_json::to_value(plan).unwrap();
    let all = all.as_object_mut().unwrap();
    all.remove("name");
    all.insert("plan".into(), json!(plan.name));
    all.insert("plan_version".into(), json!(plan.version));
    all.insert("reset_day".into(), json!(plan.reset_day.map_or(1, AnchorDay::get)));
    all.extend(fields.as_object().unwrap().clone());
    scene.create(name, &json!(all))
}

fn changed(scene: &Scene, plan: &Plan) -> Plan {
    scene.sqlite.all(&plans::change(plan)).unwrap().pop().unwrap()
}

fn outdated(scene: &Scene, plan: &Plan) -> Vec<PlanUser> {
    scene.sqlite.all(&plan_users::page(plan, 200, 0)).unwrap()
}

/// What the job does in one chunk.
fn give(scene: &Scene, plan: &Plan, users: &[PlanUser]) {
    let now = scene.now.get();
    let gifts: Vec<Gift<'_>> = users.iter().map(|user| user.gift(plan, now)).collect();
    scene.sqlite.batch(&plans::give(&gifts, scene.salt(), now)).unwrap();
}

#[test]
fn four_plans_are_built_in_with_a_gigabyte_of_1024_cubed_and_a_kilobyte_of_1024_bytes() {
    let scene = Scene::new();
    let all: Vec<Plan> = scene.sqlite.all(&plans::all()).unwrap();
    let told: Vec<_> = all
        .iter()
        .map(|plan| (plan.name.as_str(), plan.monthly_quota.get(), plan.speed_limit.get(), plan.device_limit.get()))
        .collect();
    let gib = |count| Bytes::gib(count).get();
    assert_eq!(
        told,
        [
            ("basic", gib(100), 5_242_880, 5),
            ("free", gib(10), 1_048_576, 2),
            ("premium", gib(500), 10_485_760, 10),
            ("unlimited", 0, 0, 0),
        ]
    );
    for plan in all {
        let rest =
            (plan.version, plan.total_quota, plan.stream_limit.get(), plan.address_limit, plan.duration_days.get());
        assert_eq!(rest, (1, Bytes::ZERO, 0, None, 0), "{}", plan.name);
    }
}

#[test]
fn a_name_is_taken_in_any_case_and_a_version_that_was_overtaken_changes_nothing() {
    let scene = Scene::new();
    let basic = plan(&scene, "BASIC");
    let again = scene.sqlite.all::<Plan>(&plans::create(&Plan { name: "Basic".into(), ..basic.clone() }));
    assert_eq!(again, Err(StoreError::Taken));
    let new = changed(&scene, &Plan { monthly_quota: Bytes::mib(1), ..basic.clone() });
    assert_eq!((new.version, new.monthly_quota), (2, Bytes::mib(1)));
    let late: Vec<Plan> = scene.sqlite.all(&plans::change(&Plan { total_quota: Bytes::mib(9), ..basic })).unwrap();
    assert_eq!((late, plan(&scene, "basic")), (vec![], new));
}

#[test]
fn a_plan_that_somebody_has_or_waits_for_is_not_deleted() {
    let scene = Scene::new();
    let next = json!({ "plan": "premium", "add_remaining_traffic": false, "fire_on_either": true });
    let ann = holder(&scene, "ann", &plan(&scene, "free"), &json!({ "next_plan": next }));
    let left = || {
        for name in ["FREE", "premium", "basic"] {
            scene.sqlite.run(&plans::delete(name)).unwrap();
        }
        scene.sqlite.value::<String>("SELECT group_concat(name) FROM (SELECT name FROM plans ORDER BY name)")
    };
    assert_eq!(left(), "free,premium,unlimited");
    scene.change(ann.id, &json!({ "next_plan": null }));
    assert_eq!(left(), "free,unlimited");
    scene.delete(ann.id);
    assert_eq!(left(), "unlimited");
}

#[test]
fn a_changed_plan_reaches_its_users_when_it_is_applied_and_nobody_else() {
    let scene = Scene::new();
    let basic = plan(&scene, "basic");
    let ann = holder(&scene, "ann", &basic, &json!({ "reset_day": 9 }));
    let own = holder(&scene, "own", &basic, &json!({ "device_limit": 50 }));
    let other = holder(&scene, "other", &plan(&scene, "free"), &json!({}));
    scene.report(&ann.slot, 2 << 20, NOW.plus(1));
    let new = changed(&scene, &Plan { monthly_quota: Bytes::mib(1), speed_limit: Bytes::mib(7), ..basic });
    assert_eq!(scene.user(ann.id).unwrap().monthly_quota, Bytes::gib(100), "changing it is not applying it");

    let users = outdated(&scene, &new);
    assert_eq!(users.iter().map(|user| user.name.as_str()).collect::<Vec<_>>(), ["ann", "own"]);
    let counts: Counts = scene.sqlite.all(&plan_users::counts(&new)).unwrap().pop().unwrap();
    assert_eq!(counts.users, 2);
    let fields = json!({
        "monthly_quota": 2, "total_quota": 0, "reset_strategy": 0, "reset_day": 0, "speed_limit": 2, "device_limit": 1,
        "stream_limit": 0, "address_limit": 0,
    });
    assert_eq!(serde_json::to_value(counts).unwrap(), fields);

    let held = scene.roster();
    give(&scene, &new, &users);
    let (now, his) = (scene.user(ann.id).unwrap(), scene.user(own.id).unwrap());
    assert_eq!((now.monthly_quota, now.speed_limit, now.plan_version), (Bytes::mib(1), Bytes::mib(7), 2));
    assert_eq!(
        (now.cycle.day.get(), now.month.get(), now.period_end),
        (9, 2 << 20, ann.period_end),
        "his day and month stay"
    );
    assert_eq!(his.device_limit, 5);
    assert_eq!((scene.gate(ann.id), scene.gate(own.id)), ("month".into(), "open".into()));
    assert_eq!(scene.changed_since(held).into_keys().collect::<Vec<_>>(), [ann.slot.clone(), own.slot.clone()]);
    assert_eq!(scene.user(other.id).unwrap(), other);
    assert_eq!(outdated(&scene, &new), [], "once");
    let holders: Holders = scene.sqlite.all(&plan_users::holders(&new)).unwrap().pop().unwrap();
    assert_eq!(holders, Holders { users: 2, outdated: 0 });
}

#[test]
fn every_plan_is_counted_also_one_that_nobody_has_and_without_those_who_are_deleted() {
    let scene = Scene::new();
    let basic = plan(&scene, "basic");
    for name in ["ann", "ben"] {
        holder(&scene, name, &basic, &json!({}));
    }
    let new = changed(&scene, &Plan { monthly_quota: Bytes::mib(1), ..basic });
    holder(&scene, "cleo", &new, &json!({}));
    let gone = holder(&scene, "dan", &new, &json!({}));
    scene.delete(gone.id);
    let all: Vec<PlanHolders> = scene.sqlite.all(&plan_users::all_holders()).unwrap();
    let counts: Vec<(&str, u32, u32)> =
        all.iter().map(|plan| (plan.name.as_str(), plan.holders.users, plan.holders.outdated)).collect();
    assert_eq!(counts, [("basic", 3, 2), ("free", 0, 0), ("premium", 0, 0), ("unlimited", 0, 0)]);
}

#[test]
fn who_was_changed_or_reported_between_reading_and_giving_is_given_it_the_next_time() {
    type Act = fn(&Scene, &User);
    let acts: [Act; 2] = [
        |scene, user| scene.report(&user.slot, 5, NOW.plus(1)),
        |scene, user| drop(scene.act(user.id, &Action::Disable)),
    ];
    for act in acts {
        let scene = Scene::new();
        let basic = plan(&scene, "basic");
        let ann = holder(&scene, "ann", &basic, &json!({}));
        let new = changed(&scene, &Plan { monthly_quota: Bytes::mib(1), ..basic });
        let users = outdated(&scene, &new);
        act(&scene, &ann);
        let after = scene.user(ann.id).unwrap();
        give(&scene, &new, &users);
        assert_eq!(scene.user(ann.id).unwrap(), after);
        give(&scene, &new, &outdated(&scene, &new));
        let given = scene.user(ann.id).unwrap();
        assert_eq!((given.plan_version, given.monthly_quota), (2, Bytes::mib(1)));
        assert_eq!((given.month, given.disabled_at), (after.month, after.disabled_at));
    }
}

#[test]
fn a_changed_strategy_moves_the_end_of_the_period_and_closes_one_that_is_over_first() {
    let scene = Scene::new();
    let basic = plan(&scene, "basic");
    let ann = holder(&scene, "ann", &basic, &json!({}));
    scene.report(&ann.slot, 70, NOW.plus(1));
    let new = changed(&scene, &Plan { reset_strategy: weir::domain::period::Strategy::Week, ..basic });
    give(&scene, &new, &outdated(&scene, &new));
    let now = scene.user(ann.id).unwrap();
    assert_eq!((now.period_start, now.month.get()), (ann.period_start, 70));
    assert!(now.period_end > NOW.get() && now.period_end <= NOW.get() + 7 * DAY);
    scene.wait(8 * DAY);
    let newer = changed(&scene, &Plan { reset_day: serde_json::from_value(json!(3)).unwrap(), ..new });
    give(&scene, &newer, &outdated(&scene, &newer));
    let later = scene.user(ann.id).unwrap();
    assert_eq!((later.month.get(), later.cycle.day.get()), (0, 3));
    assert!((later.period_start..later.period_end).contains(&scene.now.get().get()));
    assert_eq!(
        scene.periods(ann.id),
        [[ann.period_start, now.period_end, i64::try_from(Bytes::gib(100).get()).unwrap(), 70]]
    );
    assert_eq!(scene.due(), []);
}

#[test]
fn a_thousand_users_are_given_a_plan_within_ten_rows_written_each() {
    let scene = Scene::new();
    scene.add_slots(1_000);
    let basic = plan(&scene, "basic");
    for number in 0..1_000 {
        holder(&scene, &format!("user-{number}"), &basic, &json!({}));
    }
    let new = changed(&scene, &Plan { monthly_quota: Bytes::mib(1), ..basic });
    let changes = || scene.sqlite.value::<i64>("SELECT total_changes()");
    let (before, mut chunks) = (changes(), 0);
    while let users = outdated(&scene, &new)
        && !users.is_empty()
    {
        give(&scene, &new, &users);
        chunks += 1;
    }
    assert_eq!(chunks, 5);
    // Three index entries of each (plan, roster, and the one that is written anew) are rows that are paid for as well.
    assert!(changes() - before <= 4 * 1_000, "{} rows", changes() - before);
}
