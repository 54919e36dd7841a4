//! Operators, allowances and attempts to sign in, on real SQL.

use serde_json::{Value, json};
use weir::domain::role::Role;
use weir::store::operators::{self, Fields, HandedOut, Holder, Operator};
use weir::store::sessions::{self, From, Open, Session};
use weir::store::sign_ins::{self, ADDRESS_FAILURES, Attempt, Bucket, Candidate, Counts, FAILURES, LOCKED_FOR};
use weir::store::{StoreError, allowances};
use weir_wire::{Bytes, Second};

use crate::scene::Scene;
use crate::sqlite::Sqlite;

const NOW: Second = Second::clamped(1_800_000_000);

fn fields(role: Role) -> Fields {
    Fields { role, user_allowance: None, byte_allowance: None }
}

fn operator(sqlite: &Sqlite, name: &str, fields: &Fields) -> Operator {
    sqlite.run(&operators::create(name, &format!("hash of {name}"), fields, NOW)).unwrap();
    sqlite.all(&operators::by_name(name)).unwrap().pop().unwrap()
}

#[test]
fn an_operator_is_found_without_case_and_entered_once() {
    let sqlite = Sqlite::new();
    let ann = operator(&sqlite, "Ann", &fields(Role::Admin));
    assert_eq!((ann.role, ann.disabled_at, ann.totp_since, ann.recovery_codes), (Role::Admin, None, None, 0));
    assert_eq!(sqlite.all::<Operator>(&operators::by_name("ANN")).unwrap(), [ann]);
    assert_eq!(sqlite.run(&operators::create("ann", "x", &fields(Role::Owner), NOW)), Err(StoreError::Taken));
}

#[test]
fn whoever_a_deployment_enters_is_an_owner() {
    let sqlite = Sqlite::new();
    sqlite.execute("INSERT INTO operators (name, password_hash, created_at) VALUES ('admin', 'x', 1)");
    assert_eq!(sqlite.all::<Operator>(&operators::by_name("admin")).unwrap().pop().unwrap().role, Role::Owner);
}

#[test]
fn an_owner_is_always_left() {
    let sqlite = Sqlite::new();
    let (one, two) = (operator(&sqlite, "one", &fields(Role::Owner)), operator(&sqlite, "two", &fields(Role::Owner)));
    operator(&sqlite, "three", &fields(Role::Admin));
    sqlite.run(&operators::disable(two.id, Some(NOW))).unwrap();
    let before = sqlite.dump();
    assert_eq!(sqlite.run(&operators::disable(one.id, Some(NOW))), Err(StoreError::LastOwner));
    assert_eq!(sqlite.run(&operators::change(one.id, &fields(Role::Viewer))), Err(StoreError::LastOwner));
    assert_eq!(sqlite.batch(&operators::delete(one.id)), Err(StoreError::LastOwner));
    assert_eq!(sqlite.dump(), before);
    sqlite.batch(&operators::delete(two.id)).unwrap();
    let two = operator(&sqlite, "two", &fields(Role::Owner));
    sqlite.batch(&operators::delete(one.id)).unwrap();
    assert_eq!(sqlite.run(&operators::change(two.id, &fields(Role::Admin))), Err(StoreError::LastOwner));
}

impl Scene {
    fn give(&self, name: &str, set: &Value, owner: i64) -> Result<(), StoreError> {
        self.create(name, set);
        self.sqlite.run(&allowances::own(name, Some(owner)))?;
        self.hold_to_allowance(owner)
    }

    fn hold_to_allowance(&self, owner: i64) -> Result<(), StoreError> {
        let now = self.now.get();
        allowances::hold(owner, now).iter().try_for_each(|statement| self.sqlite.run(statement))
    }

    fn reseller(&self, users: Option<u32>, gib: Option<u64>) -> i64 {
        let byte_allowance = gib.map(Bytes::gib);
        operator(&self.sqlite, "shop", &Fields { role: Role::Reseller, user_allowance: users, byte_allowance }).id
    }
}

const GIB: u64 = 1 << 30;
const BYTES: Result<(), StoreError> = Err(StoreError::Allowance("bytes"));

#[test]
fn a_reseller_has_as_many_users_as_he_may() {
    let scene = Scene::new();
    let shop = scene.reseller(Some(2), None);
    scene.give("one", &json!({}), shop).unwrap();
    scene.give("two", &json!({}), shop).unwrap();
    assert_eq!(scene.give("three", &json!({}), shop), Err(StoreError::Allowance("users")));
    let two: i64 = scene.sqlite.value("SELECT id FROM users WHERE name = 'two'");
    scene.sqlite.batch(&weir::store::users::delete(two, scene.salt(), scene.now.get())).unwrap();
    scene.hold_to_allowance(shop).unwrap();
}

#[test]
fn bytes_are_what_his_users_may_use_in_a_month() {
    for (set, gib, fits) in [
        (json!({ "monthly_quota": 3 * GIB }), 3, true),
        (json!({ "monthly_quota": 3 * GIB + 1 }), 3, false),
        (json!({ "total_quota": 3 * GIB }), 3, true),
        (json!({ "monthly_quota": 9 * GIB, "total_quota": 3 * GIB }), 3, true),
        (json!({}), 8_388_607, false),
        (json!({ "monthly_quota": GIB, "reset_strategy": "week" }), 5, true),
        (json!({ "monthly_quota": GIB, "reset_strategy": "week" }), 4, false),
        (json!({ "monthly_quota": GIB, "reset_strategy": "day" }), 31, true),
        (json!({ "monthly_quota": GIB, "reset_strategy": "day" }), 30, false),
    ] {
        let scene = Scene::new();
        let shop = scene.reseller(None, Some(gib));
        assert_eq!(scene.give("one", &set, shop).is_ok(), fits, "{set} of {gib} GB");
    }
}

#[test]
fn what_a_deleted_user_might_have_used_counts_for_31_days_whatever_his_period() {
    let scene = Scene::new();
    let shop = scene.reseller(None, Some(10));
    scene.give("one", &json!({ "monthly_quota": 6 * GIB }), shop).unwrap();
    let handed: Vec<HandedOut> = scene.sqlite.all(&operators::handed_out(shop, scene.now.get())).unwrap();
    assert_eq!(handed, [HandedOut { users: 1, bytes: Some(6 * GIB) }]);
    let one: i64 = scene.sqlite.value("SELECT id FROM users WHERE name = 'one'");
    let month = 31 * 86_400;
    scene.sqlite.execute(&format!("UPDATE usage SET period_end = {} WHERE user = {one}", scene.now.get().get() + 1));
    scene.sqlite.batch(&weir::store::users::delete(one, scene.salt(), scene.now.get())).unwrap();
    assert_eq!(scene.give("two", &json!({ "monthly_quota": 5 * GIB }), shop), BYTES);
    scene.now.set(scene.now.get().plus(3_600));
    assert_eq!(scene.hold_to_allowance(shop), BYTES, "the period that he was made with has ended");
    scene.sqlite.execute("DELETE FROM users WHERE name = 'two'");
    let handed: Vec<HandedOut> = scene.sqlite.all(&operators::handed_out(shop, scene.now.get())).unwrap();
    assert_eq!(handed, [HandedOut { users: 0, bytes: Some(6 * GIB) }]);
    let over = scene.now.get().plus(month + 1);
    for statement in allowances::hold(shop, over) {
        scene.sqlite.run(&statement).unwrap();
    }
}

#[test]
fn packages_and_queued_plans_count_as_well() {
    let scene = Scene::new();
    let shop = scene.reseller(None, Some(5));
    scene.give("one", &json!({ "monthly_quota": 4 * GIB }), shop).unwrap();
    scene.sqlite.execute(&format!("UPDATE usage SET bonus_left = {}, bonus_spent = {}", GIB / 2, GIB / 2));
    scene.hold_to_allowance(shop).unwrap();
    scene.sqlite.execute("UPDATE usage SET bonus_spent = bonus_spent + 1");
    assert_eq!(scene.hold_to_allowance(shop), BYTES, "spent bonus was handed out too");
    scene.sqlite.execute("UPDATE usage SET bonus_left = 0, bonus_spent = 0");
    scene.hold_to_allowance(shop).unwrap();
    scene.sqlite.execute("UPDATE users SET next_plan = 'free'");
    assert_eq!(scene.hold_to_allowance(shop), BYTES);
    assert_eq!(scene.sqlite.run(&allowances::no_new_period(shop)), BYTES);
    let free = operator(&scene.sqlite, "free", &fields(Role::Reseller)).id;
    scene.sqlite.run(&allowances::no_new_period(free)).unwrap();
}

#[test]
fn a_deleted_resellers_users_are_the_panels_own() {
    let scene = Scene::new();
    let shop = scene.reseller(None, None);
    scene.give("one", &json!({}), shop).unwrap();
    scene.sqlite.run(&operators::keep_codes(shop, &["h".into()])).unwrap();
    scene.sqlite.batch(&operators::delete(shop)).unwrap();
    assert_eq!(scene.sqlite.value::<u32>("SELECT count(*) FROM users WHERE owner IS NOT NULL"), 0);
    assert_eq!(scene.sqlite.value::<u32>("SELECT count(*) FROM recovery_codes"), 0);
}

#[test]
fn sessions_are_ended_one_by_one_or_all_but_one_and_only_ones_own() {
    let sqlite = Sqlite::new();
    let (ann, bob) = (operator(&sqlite, "ann", &fields(Role::Owner)), operator(&sqlite, "bob", &fields(Role::Viewer)));
    let from = From { address: Some("192.0.2.1"), user_agent: "browser" };
    for (hash, operator) in [("a1", ann.id), ("a2", ann.id), ("a3", ann.id), ("b1", bob.id)] {
        sqlite.run(&sessions::open(hash, operator, from, NOW, sessions::LASTS)).unwrap();
    }
    let hashes = |operator: i64| -> Vec<String> {
        sqlite.all::<Open>(&sessions::of_operator(operator, NOW)).unwrap().into_iter().map(|open| open.hash).collect()
    };
    sqlite.run(&sessions::end("a1")).unwrap();
    assert_eq!(hashes(ann.id), ["a2", "a3"]);
    sqlite.run(&sessions::end_others(ann.id, "a3")).unwrap();
    assert_eq!((hashes(ann.id), hashes(bob.id)), (vec!["a3".to_owned()], vec!["b1".to_owned()]));
    let found: Session = sqlite.all(&sessions::find("b1")).unwrap().pop().unwrap();
    assert_eq!((found.operator, found.role), (bob.id, Role::Viewer));
    sqlite.run(&operators::disable(bob.id, Some(NOW))).unwrap();
    assert!(
        sqlite.all::<Session>(&sessions::find("b1")).unwrap().is_empty(),
        "a disabled operator's sessions are none"
    );
    let ended = NOW.plus(sessions::LASTS);
    assert!(sqlite.all::<Open>(&sessions::of_operator(ann.id, ended)).unwrap().is_empty());
}

#[test]
fn names_and_addresses_are_counted_apart_and_locked_for_a_while() {
    let sqlite = Sqlite::new();
    let attempt = |bucket, at| -> Option<u32> {
        sqlite.all::<Attempt>(&sign_ins::attempt(bucket, at)).unwrap().pop().map(|attempt| attempt.failures)
    };
    let (name, address) = (Bucket::Name(7), Bucket::Address(7));
    for count in 1..=FAILURES {
        assert_eq!(attempt(name, NOW), Some(count));
    }
    assert_eq!(attempt(name, NOW.plus(LOCKED_FOR - 1)), None);
    for count in 1..=ADDRESS_FAILURES {
        assert_eq!(attempt(address, NOW), Some(count));
    }
    assert_eq!(attempt(address, NOW), None);
    assert_eq!(attempt(name, NOW.plus(LOCKED_FOR)), Some(1), "forgotten");
    assert_eq!(attempt(Bucket::Name(8), NOW), Some(1));
    sqlite.run(&sign_ins::forgive(address)).unwrap();
    assert_eq!(attempt(address, NOW), Some(ADDRESS_FAILURES), "only the good one is forgiven");
    sqlite.run(&sign_ins::forgive(name)).unwrap();
    assert_eq!(attempt(name, NOW), Some(1), "all are");
}

/// An attempt against address and name: what each of them counts then, none of what is locked.
fn attempt_from(sqlite: &Sqlite, address: Counts, name: Counts, at: Second) -> [Option<u32>; 2] {
    let [one, two, three] = sign_ins::attempt_from((Bucket::Address(7), address), (Bucket::Name(7), name), at);
    let counted = [one, two].map(|statement| sqlite.all::<Attempt>(&statement).unwrap().pop());
    sqlite.run(&three).unwrap();
    counted.map(|attempt| attempt.map(|attempt| attempt.failures))
}

#[test]
fn a_good_attempt_counts_against_nobody_and_forgets_the_failures_of_its_name_alone() {
    let sqlite = Sqlite::new();
    let attempt = |address, name| attempt_from(&sqlite, address, name, NOW);
    for count in 1..=5 {
        assert_eq!(attempt(Counts::Fails, Counts::Fails), [Some(count), Some(count)]);
    }
    assert_eq!(attempt(Counts::Passes, Counts::Fails), [Some(5), Some(6)], "a password without its code");
    assert_eq!(attempt(Counts::Passes, Counts::Clears), [Some(5), Some(0)]);
    assert_eq!(attempt(Counts::Fails, Counts::Fails), [Some(6), Some(1)]);
    // A good one does not make the failures before it younger.
    assert_eq!(attempt_from(&sqlite, Counts::Passes, Counts::Clears, NOW.plus(LOCKED_FOR - 1)), [Some(6), Some(0)]);
    assert_eq!(attempt_from(&sqlite, Counts::Fails, Counts::Fails, NOW.plus(LOCKED_FOR)), [Some(1), Some(1)]);
}

#[test]
fn whoever_is_locked_out_himself_does_not_count_against_a_name() {
    let sqlite = Sqlite::new();
    for _ in 0..ADDRESS_FAILURES {
        sqlite.all::<Attempt>(&sign_ins::attempt(Bucket::Address(7), NOW)).unwrap();
    }
    for counts in [(Counts::Fails, Counts::Fails), (Counts::Passes, Counts::Clears)] {
        let before = sqlite.dump();
        assert_eq!(attempt_from(&sqlite, counts.0, counts.1, NOW), [None, None]);
        assert_eq!(sqlite.dump(), before);
    }
}

#[test]
fn what_is_tried_on_a_locked_name_counts_the_same_whether_it_was_right_or_wrong() {
    let after = |counts: (Counts, Counts)| {
        let sqlite = Sqlite::new();
        for _ in 0..FAILURES {
            sqlite.all::<Attempt>(&sign_ins::attempt(Bucket::Name(7), NOW)).unwrap();
        }
        for later in 0..7 {
            let [there, name] = attempt_from(&sqlite, counts.0, counts.1, NOW.plus(later));
            assert!(there.is_some() && name.is_none());
        }
        // Salts differ from one database to another.
        sqlite.dump().into_iter().filter(|row| row.starts_with("sign_ins ")).collect::<Vec<_>>()
    };
    assert_eq!(after((Counts::Passes, Counts::Clears)), after((Counts::Fails, Counts::Fails)));
    assert_eq!(after((Counts::Passes, Counts::Fails)), after((Counts::Fails, Counts::Fails)));
}

#[test]
fn nobody_enters_who_is_no_longer_as_he_was_found() {
    let enter = |meanwhile: &str| {
        let sqlite = Sqlite::new();
        operator(&sqlite, "keeper", &fields(Role::Owner));
        let ann = operator(&sqlite, "ann", &fields(Role::Owner));
        sqlite.execute(meanwhile);
        let before = sqlite.dump();
        let from = From { address: None, user_agent: "" };
        let entered = sqlite.batch(&[
            operators::enter(ann.id, "Ann", "hash of ann", NOW),
            sessions::open_entered("hash", ann.id, from, NOW, 60),
        ]);
        assert_eq!(sqlite.dump() == before, entered.is_err(), "{meanwhile}");
        entered
    };
    assert_eq!(enter("SELECT 1"), Ok(()));
    for meanwhile in [
        "UPDATE operators SET disabled_at = 1 WHERE name = 'ann'",
        "UPDATE operators SET password_hash = 'another' WHERE name = 'ann'",
        "UPDATE operators SET name = 'eve' WHERE name = 'ann'",
        "UPDATE operators SET totp = 'sealed', totp_since = 1 WHERE name = 'ann'",
        "DELETE FROM operators WHERE name = 'ann'",
    ] {
        assert_eq!(enter(meanwhile), Err(StoreError::Stale), "{meanwhile}");
    }
}

#[test]
fn a_candidate_comes_back_whether_somebody_has_the_name_or_not() {
    let sqlite = Sqlite::new();
    let ann = operator(&sqlite, "ann", &fields(Role::Owner));
    operator(&sqlite, "keeper", &fields(Role::Owner));
    let find = |name: &str| -> Candidate { sqlite.all(&sign_ins::find(name)).unwrap().pop().unwrap() };
    assert_eq!((find("ANN").id, find("nobody").id), (Some(ann.id), None));
    sqlite.run(&operators::enrol(ann.id, Some("sealed"))).unwrap();
    assert_eq!(find("ann").totp, None, "asked for only once it is confirmed");
    sqlite.run(&operators::confirm(ann.id, NOW, 60_000_000)).unwrap();
    assert_eq!((find("ann").totp.as_deref(), find("ann").totp_step), (Some("sealed"), 60_000_000));
    sqlite.run(&operators::take(ann.id, 60_000_001)).unwrap();
    assert_eq!(find("ann").totp_step, 60_000_001);
    sqlite.run(&operators::disable(ann.id, Some(NOW))).unwrap();
    assert_eq!(find("ann").id, None, "a disabled operator is nobody");
}

#[test]
fn a_recovery_code_is_its_operators_and_used_once() {
    let sqlite = Sqlite::new();
    let (ann, bob) = (operator(&sqlite, "ann", &fields(Role::Owner)), operator(&sqlite, "bob", &fields(Role::Viewer)));
    sqlite.run(&operators::keep_codes(ann.id, &["one".into(), "two".into()])).unwrap();
    let has =
        |operator: i64, hash: &str| !sqlite.all::<Holder>(&operators::has_code(operator, hash)).unwrap().is_empty();
    assert!(has(ann.id, "one") && !has(bob.id, "one") && !has(ann.id, "three"));
    sqlite.run(&operators::spend_code(ann.id, "one")).unwrap();
    assert!(!has(ann.id, "one") && has(ann.id, "two"));
    assert_eq!(sqlite.all::<Operator>(&operators::by_id(ann.id)).unwrap().pop().unwrap().recovery_codes, 1);
}
