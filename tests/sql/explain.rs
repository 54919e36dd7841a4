//! What an explanation reads, on real SQL: the sums that a period's end leaves, and what lies in the period that follows.

use serde_json::{Value as Json, json};
use weir::domain::explain::{External, Mark, since};
use weir::domain::history::Row;
use weir::store::charts::{Ended, Rows};
use weir::store::explain;
use weir::store::users::Action;
use weir_wire::Bytes;

use crate::scene::{DAY, NOW, Scene};

fn ended(scene: &Scene, user: i64) -> Vec<Ended> {
    scene.sqlite.all(&explain::read(user)[6]).unwrap()
}

/// What was charged since the last period ended: month, bonus, late.
fn charged(scene: &Scene, user: i64) -> (u64, u64, u64) {
    let last = ended(scene, user).first().copied();
    let mark = last.map_or_else(Mark::default, |last| Mark {
        lifetime: last.lifetime.unwrap(),
        bonus_spent: last.bonus_spent.unwrap(),
    });
    let charged = since(&scene.user(user).unwrap().standing(), Some(mark));
    (charged.month.get(), charged.bonus.unwrap().get(), charged.late.unwrap().get())
}

#[test]
fn a_period_that_ends_in_any_way_leaves_the_sums_before_what_begins_the_next() {
    let scene = Scene::new();
    let ann = scene.create("ann", &json!({ "monthly_quota": 100, "reset_strategy": "day" }));
    scene.sqlite.execute("UPDATE usage SET bonus_left = 1000");
    scene.report(&ann.slot, 130, NOW.plus(1));
    assert_eq!(charged(&scene, ann.id), (100, 30, 0));
    // A report begins the next one.
    scene.wait(DAY + 5);
    scene.report(&ann.slot, 7, scene.now.get());
    assert_eq!(charged(&scene, ann.id), (7, 0, 0));
    let last = ended(&scene, ann.id)[0];
    assert_eq!((last.lifetime.unwrap().get(), last.bonus_spent.unwrap().get()), (130, 30));
    assert_eq!(last.planned_end, Some(last.end), "it ended when it should");
    // The sweep does.
    scene.wait(DAY);
    scene.sweep();
    assert_eq!(charged(&scene, ann.id), (0, 0, 0));
    // A person does, twice in one second, with bytes in between.
    scene.report(&ann.slot, 9, scene.now.get().plus(1));
    scene.act(ann.id, &Action::Reset);
    scene.report(&ann.slot, 110, scene.now.get().plus(1));
    assert_eq!(charged(&scene, ann.id), (100, 10, 0));
    scene.act(ann.id, &Action::Reset);
    assert_eq!(charged(&scene, ann.id), (0, 0, 0));
    let last = ended(&scene, ann.id)[0];
    assert!(last.end < last.planned_end.unwrap(), "a person ended it");
    // What comes late counts in neither.
    scene.report(&ann.slot, 12, scene.now.get().plus(-60));
    assert_eq!(charged(&scene, ann.id), (0, 0, 12));
}

#[test]
fn what_is_read_begins_with_the_stretch_in_which_the_period_began() {
    let scene = Scene::new();
    let ann = scene.create("ann", &json!({}));
    let start = NOW.get() - 3 * 3_600 + 1_800;
    let day = start - start % DAY;
    scene.sqlite.execute(&format!(
        "UPDATE usage SET period_start = {start};
        INSERT INTO history SELECT {}, {} + 3600 * value, 1, 1, 2 FROM json_each('[-1, 0, 1]');
        INSERT INTO history_days SELECT {}, {day} + 86400 * value, 1, 1, 2 FROM json_each('[-1, 0, 1]');
        INSERT INTO history_months VALUES ({}, 1790812800, 1, 1, 2), ({}, 1793491200, 1, 1, 2), ({}, 1793491200, 1, 1, 2);
        INSERT INTO xpert_days SELECT {}, {day} / 86400 + value, 's', 1, 'p', 5, 5, 0, 4, 0 FROM json_each('[-1, 0, 1]');
        INSERT INTO xpert_fresh SELECT {}, {day} / 86400 + value, 's', 1, 'p', 5, 5, 0, 3, 0 FROM json_each('[-1, 0, 1]');",
        ann.id, start - start % 3_600, ann.id, ann.id, ann.id, ann.id + 1, ann.id, ann.id,
    ));
    let batch = explain::read(ann.id);
    let rows = |index: usize| -> Vec<i64> {
        let rows: Vec<Rows> = scene.sqlite.all(&batch[index]).unwrap();
        rows[0].decode().unwrap().into_iter().map(|Row(at, ..)| at.get()).collect()
    };
    let hour = start - start % 3_600;
    assert_eq!(rows(2), [hour, hour + 3_600]);
    assert_eq!(rows(3), [day, day + DAY]);
    assert_eq!(rows(4), [1_793_491_200]);
    let external: External = scene.sqlite.all(&batch[5]).unwrap().remove(0);
    assert_eq!((external.charged, external.shared), (Bytes::saturating(7), Bytes::saturating(7)));
}

#[test]
fn a_user_without_any_row_is_read_as_nothing() {
    let scene = Scene::new();
    let ann = scene.create("ann", &json!({}));
    for statement in explain::read(ann.id) {
        scene.sqlite.all::<Json>(&statement).unwrap();
    }
    assert_eq!(charged(&scene, ann.id), (0, 0, 0));
    assert_eq!(ended(&scene, ann.id), []);
    let external: External = scene.sqlite.all(&explain::read(ann.id)[5]).unwrap().remove(0);
    assert_eq!(external, External::default());
}
