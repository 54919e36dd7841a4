//! Gates on real SQL: the rule of `domain::user::gate`, when a gate is looked at again, and what nodes learn of it.

use proptest::prelude::*;
use serde_json::json;
use weir::domain::due::{Account, Next};
use weir::domain::marzban::status as marzban;
use weir::domain::user::{Gate, Hold, Standing, Status, gate, status};
use weir::store::due::Event;
use weir::store::marzban_users::Seen;
use weir::store::user_list::{self, Query};
use weir::store::users::User;
use weir::store::{gates, marzban_list, slots};
use weir_wire::{Bytes, Second};

use crate::scene::{DAY, NOW, Scene};

/// Bytes so small that quotas and usage meet often.
fn few() -> impl Strategy<Value = Bytes> {
    prop_oneof![2 => Just(0_u64), 5 => 0_u64..6, 1 => Just(Bytes::MAX.get())].prop_map(Bytes::saturating)
}

/// An instant around now, or none, or the last of all.
fn instant() -> impl Strategy<Value = Option<Second>> {
    prop_oneof![
        3 => Just(None),
        4 => (-2_i64..3).prop_map(|seconds| Some(NOW.plus(seconds))),
        1 => Just(Some(Second::LAST)),
    ]
}

fn hold() -> impl Strategy<Value = Option<Hold>> {
    prop_oneof![2 => Just(None), 1 => (1_i64..4, instant()).prop_map(|(seconds, until)| Some(Hold { seconds, until }))]
}

fn standing() -> impl Strategy<Value = Standing> {
    let shut = (prop::bool::weighted(0.2), prop_oneof![2 => Just(None), 1 => instant()]);
    let times = (instant(), hold());
    (shut, times, few(), few(), few(), few(), few(), few()).prop_map(
        |(shut, times, monthly_quota, total_quota, month, lifetime, bonus_left, spent)| Standing {
            disabled: shut.0,
            suspended_until: shut.1,
            // Whoever is on hold has no expiry.
            expires_at: times.0.filter(|_| times.1.is_none()),
            hold: times.1,
            monthly_quota,
            total_quota,
            month,
            lifetime,
            bonus_left,
            // Spent bytes are among those of the lifetime.
            bonus_spent: spent.min(lifetime),
        },
    )
}

fn account() -> impl Strategy<Value = Account> {
    let next = prop_oneof![Just(None), Just(Some(Next::OnEither)), Just(Some(Next::OnBoth))];
    let end = prop_oneof![(1_i64..5).prop_map(|seconds| NOW.plus(seconds)), Just(Second::LAST)];
    (standing(), end, prop_oneof![Just(None), (0_u32..2).prop_map(Some)], next).prop_map(
        |(standing, period_end, delete_after_days, next)| Account { standing, period_end, delete_after_days, next },
    )
}

fn name_of(gate: Gate) -> String {
    serde_json::from_value(serde_json::to_value(gate).unwrap()).unwrap()
}

/// Puts a user's rows into a standing, past every rule.
fn put(scene: &Scene, user: i64, standing: &Standing) {
    let Standing { monthly_quota, total_quota, month, lifetime, bonus_left, bonus_spent, .. } = standing;
    let or_null = |at: Option<Second>| at.map_or_else(|| "NULL".to_owned(), |at| at.to_string());
    let expires = or_null(standing.expires_at);
    let suspended = or_null(standing.suspended_until);
    let disabled = if standing.disabled { "5" } else { "NULL" };
    let hold = standing.hold.map_or(0, |hold| hold.seconds);
    let hold_until = or_null(standing.hold.and_then(|hold| hold.until));
    scene.sqlite.execute(&format!(
        "UPDATE users SET expires_at = {expires}, disabled_at = {disabled}, suspended_until = {suspended} WHERE id = {user};
         UPDATE usage SET monthly_quota = {monthly_quota}, total_quota = {total_quota}, month = {month},
           lifetime = {lifetime}, bonus_left = {bonus_left}, bonus_spent = {bonus_spent},
           hold = {hold}, hold_until = {hold_until} WHERE user = {user}"
    ));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn sql_decides_a_gate_as_the_domain_does(standing in standing()) {
        let scene = Scene::new();
        let ann = scene.create("ann", &json!({}));
        put(&scene, ann.id, &standing);
        let expected = gate(&standing, NOW);
        scene.sqlite.batch(&[gates::settle_moved(&[ann.id], NOW), slots::number_change(1)]).unwrap();
        prop_assert_eq!(scene.gate(ann.id), name_of(expected), "when time passes");
        scene.sqlite.execute("UPDATE slots SET gate = 'disabled' WHERE user IS NOT NULL");
        scene.sqlite.batch(&[gates::settle(ann.id, NOW), slots::number_change(1)]).unwrap();
        prop_assert_eq!(scene.gate(ann.id), name_of(expected), "when a person acts");
        let mirrored: String = scene.sqlite.value("SELECT gate FROM users");
        prop_assert_eq!(mirrored, name_of(expected));
        let open: i64 = scene.sqlite.value("SELECT value FROM counters WHERE name = 'users_open'");
        prop_assert_eq!(open, i64::from(expected == Gate::Open));
        let until = scene.sqlite.value::<Option<i64>>("SELECT until FROM slots WHERE user IS NOT NULL");
        prop_assert_eq!(until, standing.ends_at().map(Second::get));
        let shown = status(&standing, NOW);
        for one in Status::ALL {
            let query = Query { status: Some(one), limit: 9, ..Query::default() };
            let found: Vec<User> = scene.sqlite.all(&user_list::list(&query, NOW)).unwrap();
            prop_assert_eq!(found.len(), usize::from(one == shown), "{:?} of {:?}", one, shown);
        }
        let shown = marzban::status(&standing, NOW);
        for one in Status::ALL {
            let query = marzban_list::Query { status: Some(one), ..marzban_list::Query::default() };
            let found: Vec<Seen> = scene.sqlite.all(&marzban_list::list(&query, NOW)).unwrap();
            prop_assert_eq!(found.len(), usize::from(one == shown), "{:?} of {:?} at Marzban", one, shown);
        }
    }

    #[test]
    fn sql_says_when_a_user_is_due_as_the_domain_does(account in account()) {
        let scene = Scene::new();
        let ann = scene.create("ann", &json!({}));
        put(&scene, ann.id, &account.standing);
        let days = account.delete_after_days.map_or_else(|| "NULL".to_owned(), |days| days.to_string());
        let (next, on_either) = match account.next {
            None => ("NULL", 1),
            Some(Next::OnEither) => ("'basic'", 1),
            Some(Next::OnBoth) => ("'basic'", 0),
        };
        scene.sqlite.execute(&format!(
            "UPDATE users SET delete_after_days = {days}, next_plan = {next}, next_on_either = {on_either};
             UPDATE usage SET period_end = {}", account.period_end));
        scene.sqlite.run(&gates::schedule(&[ann.id], NOW)).unwrap();
        let due: i64 = scene.sqlite.value("SELECT due_at FROM users");
        prop_assert_eq!(due, account.due_at(NOW).get());
        if due <= NOW.get() {
            let row = scene.due().pop().unwrap();
            let over = account.is_over(NOW);
            prop_assert_eq!(row.event(NOW) == Event::Delete, over && row.event(NOW) != Event::Ends);
            scene.sweep();
            let left = scene.sqlite.value::<Option<i64>>("SELECT due_at FROM users");
            prop_assert!(left.is_none_or(|due| due > NOW.get()), "he is due again at once: {left:?}");
        }
    }
}

#[test]
fn who_is_settled_by_a_person_is_in_the_next_roster_change_and_who_is_settled_by_time_only_if_he_moves() {
    let scene = Scene::new();
    let [ann, bob] = ["ann", "bob"].map(|name| scene.create(name, &json!({ "monthly_quota": 10 })));
    let held = scene.roster();
    scene.sqlite.batch(&[gates::settle_moved(&[ann.id, bob.id], NOW), slots::number_change(1)]).unwrap();
    assert_eq!((scene.roster(), scene.changed_since(held).len()), (held, 0), "nothing moved: no version is drawn");
    scene.sqlite.batch(&[gates::settle(ann.id, NOW), slots::number_change(1)]).unwrap();
    assert_eq!(scene.roster(), held + 1);
    assert_eq!(scene.changed_since(held).into_keys().collect::<Vec<_>>(), [ann.slot]);
    scene.sqlite.execute("UPDATE usage SET month = 10 WHERE user = 2");
    let held = scene.roster();
    scene.sqlite.batch(&[gates::settle_moved(&[1, 2], NOW), slots::number_change(1)]).unwrap();
    assert_eq!(scene.changed_since(held).into_iter().collect::<Vec<_>>(), [(bob.slot, ("month".into(), None))]);
}

#[test]
fn a_node_learns_the_second_of_an_expiry_and_its_end() {
    let scene = Scene::new();
    let ann = scene.create("ann", &json!({ "expires_at": NOW.get() + 60 }));
    let until = |held| scene.changed_since(held)[&ann.slot].clone();
    assert_eq!(until(0), ("open".into(), Some(NOW.get() + 60)));
    let held = scene.roster();
    scene.change(ann.id, &json!({ "expires_at": NOW.get() + 120 }));
    assert_eq!(until(held), ("open".into(), Some(NOW.get() + 120)), "though the gate stays");
    scene.change(ann.id, &json!({ "expires_at": null }));
    assert_eq!(until(held), ("open".into(), None));
    // Put straight into the row: the sweep alone finds the difference.
    scene.sqlite.execute(&format!("UPDATE users SET expires_at = {}", NOW.get() + 9));
    let held = scene.roster();
    scene.sqlite.batch(&[gates::settle_moved(&[ann.id], NOW), slots::number_change(1)]).unwrap();
    assert_eq!(until(held), ("open".into(), Some(NOW.get() + 9)));
}

#[test]
fn a_user_is_due_at_the_end_of_his_period_or_at_the_expiry_to_come() {
    let scene = Scene::new();
    let ann = scene.create("ann", &json!({}));
    let due = || scene.sqlite.value::<Option<i64>>("SELECT due_at FROM users");
    let end = ann.period_end;
    for (expires, expected) in [
        (None, end),
        (Some(NOW.get() - DAY), end),
        (Some(NOW.get()), end),
        (Some(NOW.get() + 1), NOW.get() + 1),
        (Some(end - 1), end - 1),
        (Some(end), end),
        (Some(end + 1), end),
        (Some(Second::LAST.get()), end),
    ] {
        scene.change(ann.id, &json!({ "expires_at": expires }));
        assert_eq!(due(), Some(expected), "{expires:?}");
    }
}

#[test]
fn a_schedule_that_stays_writes_nothing_and_a_deleted_user_has_none() {
    let scene = Scene::new();
    let [ann, bob] = ["ann", "bob"].map(|name| scene.create(name, &json!({})));
    scene.delete(bob.id);
    let before: i64 = scene.sqlite.value("SELECT total_changes()");
    scene.sqlite.run(&gates::schedule(&[ann.id, bob.id], NOW)).unwrap();
    assert_eq!(scene.sqlite.value::<i64>("SELECT total_changes()"), before);
    assert_eq!(scene.sqlite.value::<Option<i64>>("SELECT due_at FROM users WHERE id = 2"), None);
}

#[test]
fn retired_credentials_are_never_opened_again() {
    let scene = Scene::new();
    let ann = scene.create("ann", &json!({}));
    scene.sqlite.batch(&[gates::retire(&[ann.id]), slots::number_change(1)]).unwrap();
    let held = scene.roster();
    for settle in [gates::settle(ann.id, NOW), gates::settle_moved(&[ann.id], NOW), gates::settle_new("ann", NOW)] {
        scene.sqlite.batch(&[settle, slots::number_change(1)]).unwrap();
    }
    scene.sqlite.batch(&[gates::retire(&[ann.id]), slots::number_change(1)]).unwrap();
    scene.sqlite.batch(&[slots::touch(&[ann.slot]), slots::number_change(1)]).unwrap();
    assert_eq!((scene.gate(ann.id), scene.roster()), ("retired".into(), held));
}
