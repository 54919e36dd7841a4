//! Credentials that were set by hand, on real SQL: whose slot they are, what a sync and a list read, and that no two users have the same.

use serde_json::json;
use weir::store::slots::{self, ByHandSlot, EntryRow, Mark};
use weir::store::users::{self, Action};
use weir_wire::roster::RosterVersion;

use crate::scene::Scene;

fn slot(name: &str, marks: &[&str]) -> ByHandSlot {
    ByHandSlot {
        name: name.parse().unwrap(),
        sealed: format!("sealed {name}"),
        marks: marks.iter().map(|mark| (*mark).to_owned()).collect(),
    }
}

impl Scene {
    fn create_with(&self, name: &str, by_hand: &ByHandSlot) {
        let user = json!({
            "name": name, "email": null, "note": null, "monthly_quota": 0, "total_quota": 0,
            "reset_strategy": "calendar_month", "reset_day": 1, "time_zone": "UTC", "expires_at": null,
        });
        let now = self.now.get();
        let batch = users::create(&user, name, Some(by_hand), (now, now.plus(86_400)), self.salt(), now);
        self.sqlite.batch(&batch).unwrap();
    }

    fn holder(&self, marks: &[&str], own: Option<&str>) -> Option<String> {
        let marks: Vec<String> = marks.iter().map(|mark| (*mark).to_owned()).collect();
        let own = own.map(|own| own.parse().unwrap());
        self.sqlite.all::<Mark>(&slots::marked(&marks, own.as_ref())).unwrap().pop().map(|found| found.mark)
    }
}

#[test]
fn a_user_takes_the_slot_that_was_made_for_him_and_the_pool_keeps_its_own() {
    let scene = Scene::new();
    let held = scene.roster();
    scene.create_with("ann", &slot("byhand22", &["m1", "m2"]));
    let ann = scene.user(scene.sqlite.value("SELECT id FROM users WHERE name = 'ann'")).unwrap();
    assert_eq!((ann.slot.as_str(), ann.credentials.as_deref()), ("byhand22", Some("sealed byhand22")));
    let held = RosterVersion { number: held, salt: 0 };
    let told: Vec<EntryRow> = scene.sqlite.all(&slots::changed_since(held)).unwrap();
    let entry = told.iter().find(|entry| entry.name.as_str() == "byhand22").unwrap();
    assert_eq!((entry.gate.as_str(), entry.credentials.as_deref()), ("open", Some("sealed byhand22")));
    let bob = scene.create("bob", &json!({}));
    assert_eq!((bob.slot.as_str(), bob.credentials), ("slot0000", None));
}

#[test]
fn a_user_changes_over_and_back_and_his_old_slot_is_never_used_again() {
    let scene = Scene::new();
    let ann = scene.create("ann", &json!({}));
    let set = scene.act(ann.id, &Action::Credentials(Some(slot("byhand22", &["m1"]))));
    assert_eq!((set.slot.as_str(), set.credentials.as_deref()), ("byhand22", Some("sealed byhand22")));
    assert_eq!(set.generation, ann.generation, "links stay");
    let gate = |slot: &str| scene.sqlite.value::<String>(&format!("SELECT gate FROM slots WHERE name = '{slot}'"));
    assert_eq!((gate(ann.slot.as_str()), gate("byhand22")), ("retired".into(), "open".into()));
    // The same credentials in another slot: those of the slot that ends do not stand in the way.
    let again = scene.act(ann.id, &Action::Credentials(Some(slot("byhand33", &["m1"]))));
    assert_eq!(again.slot.as_str(), "byhand33");
    let derived = scene.act(ann.id, &Action::Credentials(None));
    assert_eq!((derived.slot.as_str(), derived.credentials), ("slot0001", None));
    assert_eq!(gate("byhand33"), "retired");
    let revoked = scene.act(ann.id, &Action::Revoke);
    assert_eq!((revoked.credentials, revoked.generation), (None, ann.generation + 1));
}

#[test]
fn what_another_user_has_is_found_until_his_slot_ends() {
    let scene = Scene::new();
    scene.create_with("ann", &slot("byhand22", &["m1", "m2"]));
    assert_eq!(scene.holder(&["m0", "m2"], None).as_deref(), Some("m2"));
    assert_eq!(scene.holder(&["m0"], None), None);
    assert_eq!(scene.holder(&["m1"], Some("byhand22")), None, "his own");
    let bob = scene.create("bob", &json!({}));
    let twice = scene.try_act(bob.id, &Action::Credentials(Some(slot("byhand44", &["m3", "m1"]))));
    assert!(twice.is_err(), "the database itself refuses what nobody looked for");
    assert_eq!(scene.user(bob.id).unwrap().slot, bob.slot, "and changes nothing");
    let ann: i64 = scene.sqlite.value("SELECT id FROM users WHERE name = 'ann'");
    scene.sqlite.batch(&users::delete(ann, scene.salt(), scene.now.get())).unwrap();
    assert_eq!(scene.holder(&["m1", "m2"], None), None);
}
