//! Passkeys: found for operators who may sign in, forgotten with them; and challenges that are answered once.

use weir::domain::role::Role;
use weir::store::operators::{self, Fields};
use weir::store::passkeys::{self, Answered, Listed, New, Passkey};
use weir_wire::Second;

use crate::sqlite::Sqlite;

const NOW: Second = Second::clamped(1_800_000_000);

fn operator(sqlite: &Sqlite, name: &str) -> i64 {
    let fields = Fields { role: Role::Owner, user_allowance: None, byte_allowance: None };
    sqlite.run(&operators::create(name, "hash", &fields, NOW)).unwrap();
    sqlite.all::<operators::Operator>(&operators::by_name(name)).unwrap().pop().unwrap().id
}

fn add(sqlite: &Sqlite, id: &str, operator: i64) {
    let new = New { id, operator, name: "phone", algorithm: -7, public_key: "key", sign_count: 4_000_000_000 };
    sqlite.run(&passkeys::add(&new, NOW)).unwrap();
}

fn found(sqlite: &Sqlite, id: &str) -> Option<Passkey> {
    sqlite.all(&passkeys::find(id)).unwrap().pop()
}

#[test]
fn a_passkey_is_found_for_an_operator_who_is_not_shut_out() {
    let sqlite = Sqlite::new();
    let (ann, _) = (operator(&sqlite, "ann"), operator(&sqlite, "ben"));
    add(&sqlite, "one", ann);
    let key = found(&sqlite, "one").unwrap();
    assert_eq!((key.operator, key.operator_name.as_str(), key.role), (ann, "ann", Role::Owner));
    assert_eq!((key.algorithm, key.sign_count), (-7, 4_000_000_000));
    assert_eq!(found(&sqlite, "two"), None);
    sqlite.run(&passkeys::used("one", 4_000_000_001, NOW.plus(5))).unwrap();
    assert_eq!(found(&sqlite, "one").unwrap().sign_count, 4_000_000_001);
    let listed: Vec<Listed> = sqlite.all(&passkeys::of_operator(ann)).unwrap();
    assert_eq!(listed.first().unwrap().last_used_at, Some(NOW.plus(5).get()));
    sqlite.run(&operators::disable(ann, Some(NOW))).unwrap();
    assert_eq!(found(&sqlite, "one"), None);
}

#[test]
fn a_passkey_is_removed_by_its_operator_and_goes_with_him() {
    let sqlite = Sqlite::new();
    let (ann, ben) = (operator(&sqlite, "ann"), operator(&sqlite, "ben"));
    add(&sqlite, "one", ann);
    add(&sqlite, "two", ann);
    add(&sqlite, "three", ben);
    sqlite.run(&passkeys::remove("one", ben)).unwrap();
    assert!(found(&sqlite, "one").is_some());
    sqlite.run(&passkeys::remove("one", ann)).unwrap();
    assert!(found(&sqlite, "one").is_none());
    sqlite.batch(&operators::delete(ann)).unwrap();
    assert_eq!(sqlite.value::<u32>("SELECT count(*) FROM passkeys"), 1);
    assert!(found(&sqlite, "three").is_some());
}

#[test]
fn a_challenge_is_answered_once_and_forgotten_after_its_end() {
    let sqlite = Sqlite::new();
    let end = NOW.plus(300);
    sqlite.batch(&passkeys::answer("hash", end, NOW)).unwrap();
    assert!(sqlite.batch(&passkeys::answer("hash", end, NOW)).is_err());
    assert_eq!(sqlite.all::<Answered>(&passkeys::answered("hash")).unwrap().len(), 1);
    sqlite.batch(&passkeys::answer("other", end.plus(300), end)).unwrap();
    assert_eq!(sqlite.all::<Answered>(&passkeys::answered("hash")).unwrap().len(), 0);
}
