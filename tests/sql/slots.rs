//! The pool of vacant slots and the roster that every node holds, on real SQL.

use serde_json::json;
use weir::store::slots::{self, EntryRow, Vacancy};
use weir_wire::SlotName;
use weir_wire::roster::PAGE;

use crate::scene::Scene;

fn vacancy(scene: &Scene) -> Vacancy {
    scene.sqlite.all(&slots::vacancy()).unwrap().pop().unwrap()
}

#[test]
fn a_pool_is_refilled_below_its_half_and_to_its_whole() {
    let lacking = |users, vacant| Vacancy { users, vacant }.lacking();
    assert_eq!([lacking(0, 0), lacking(0, 31), lacking(0, 32), lacking(0, 64)], [64, 33, 0, 0]);
    assert_eq!([lacking(640, 31), lacking(660, 32), lacking(660, 33)], [33, 34, 0], "10 % of the users, at least 64");
    assert_eq!([lacking(5_000, 249), lacking(5_000, 250)], [251, 0]);
    assert_eq!(lacking(1_000_000, 0), 1_000, "not all at once: rows are paid for");
}

#[test]
fn vacant_slots_are_counted_no_further_than_half_a_pool() {
    let scene = Scene::new();
    assert_eq!(vacancy(&scene), Vacancy { users: 0, vacant: 32 });
    for number in 0..33 {
        scene.create(&format!("user-{number}"), &json!({}));
    }
    assert_eq!(vacancy(&scene), Vacancy { users: 33, vacant: 31 });
    assert_eq!(vacancy(&scene).lacking(), 33);
    scene.sqlite.execute("UPDATE counters SET value = 2000 WHERE name = 'users'");
    scene.add_slots(500);
    assert_eq!(vacancy(&scene), Vacancy { users: 2_000, vacant: 100 });
}

#[test]
fn whether_any_slot_is_vacant_is_known_without_counting() {
    let scene = Scene::new();
    let found = || scene.sqlite.all::<Vacancy>(&slots::is_vacant()).unwrap();
    assert_eq!(found(), [Vacancy { users: 0, vacant: 1 }]);
    scene.sqlite.execute("UPDATE slots SET gate = 'retired'");
    assert_eq!(found(), [Vacancy { users: 0, vacant: 0 }]);
    scene.sqlite.execute("DELETE FROM counters");
    assert_eq!(found(), []);
}

#[test]
fn new_slots_reach_every_node_in_one_change_and_are_taken_oldest_first() {
    let scene = Scene::new();
    let held = scene.roster();
    let new = scene.add_slots(5);
    assert_eq!(scene.roster(), held + 1);
    assert_eq!(scene.changed_since(held).into_keys().collect::<Vec<_>>(), new);
    for number in 0..64 {
        assert_eq!(scene.create(&format!("user-{number}"), &json!({})).slot.as_str(), format!("slot{number:04}"));
    }
    assert_eq!(scene.create("next", &json!({})).slot, new[0], "those that nodes have had for longest were taken first");
}

#[test]
fn a_slot_that_is_there_is_not_made_again() {
    let scene = Scene::new();
    let ann = scene.create("ann", &json!({}));
    let before = scene.sqlite.dump();
    scene.sqlite.batch(&[slots::add_vacant(&[ann.slot]), slots::number_change(1)]).unwrap();
    assert_eq!(scene.sqlite.dump(), before);
}

#[test]
fn the_whole_roster_comes_in_pages_by_name_without_what_is_retired() {
    let scene = Scene::new();
    scene.add_slots(1_136);
    let [ann, bob] = ["ann", "bob"].map(|name| scene.create(name, &json!({})));
    scene.delete(bob.id);
    let mut names: Vec<SlotName> = Vec::new();
    let mut pages = 0;
    loop {
        let rows: Vec<EntryRow> = scene.sqlite.all(&slots::page_after(names.last())).unwrap();
        pages += 1;
        let more = rows.len() > PAGE;
        names.extend(rows.into_iter().take(PAGE).map(|row| row.name));
        if !more {
            break;
        }
    }
    assert_eq!((pages, names.len()), (3, 1_199));
    assert!(names.windows(2).all(|pair| pair[0] < pair[1]));
    assert!(names.contains(&ann.slot) && !names.contains(&bob.slot));
}

#[test]
fn a_touched_slot_is_in_the_next_change_as_it_is() {
    let scene = Scene::new();
    let [ann, bob, cleo] = ["ann", "bob", "cleo"].map(|name| scene.create(name, &json!({})));
    scene.delete(cleo.id);
    let held = scene.roster();
    let touched = [ann.slot.clone(), cleo.slot, "nobodys".parse().unwrap()];
    scene.sqlite.batch(&[slots::touch(&touched), slots::number_change(1)]).unwrap();
    assert_eq!(scene.changed_since(held).into_iter().collect::<Vec<_>>(), [(ann.slot, ("open".into(), None))]);
    assert_eq!(scene.roster(), held + 1);
    scene.sqlite.batch(&[slots::touch(&[]), slots::number_change(1)]).unwrap();
    assert_eq!(scene.roster(), held + 1);
    assert_eq!(scene.gate(bob.id), "open");
}
