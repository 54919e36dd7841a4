//! Packages on real SQL: what is left of each, against a naive model that takes every byte from a package when it is used.

use proptest::prelude::*;
use serde_json::{Value as Json, json};
use weir::domain::bonus;
use weir::store::packages::{self, Due, NextDue, OpenRow, Package, Purchase};
use weir::store::users::Action;
use weir_wire::{Bytes, Second};

use crate::scene::{NOW, Scene};

const MONTH_QUOTA: u64 = 100;

fn buy(scene: &Scene, user: i64, order: &str, bytes: u64, expires_at: Option<Second>) -> Package {
    let bytes = Bytes::saturating(bytes);
    let purchase = Purchase { user, order, bytes, note: "", price: "5 EUR", by: "shop", expires_at };
    scene.sqlite.batch(&packages::buy(&purchase, scene.salt(), scene.now.get())).unwrap();
    scene.sqlite.all(&packages::by_order(order)).unwrap().remove(0)
}

fn refund(scene: &Scene, user: i64, order: &str) -> Package {
    scene.sqlite.batch(&packages::refund(user, order, scene.salt(), scene.now.get())).unwrap();
    scene.sqlite.all(&packages::by_order(order)).unwrap().remove(0)
}

/// One run of the job, that looks at `limit` packages.
fn expire(scene: &Scene, limit: u32) -> Vec<Due> {
    let due: Vec<Due> = scene.sqlite.all(&packages::due(scene.now.get(), limit)).unwrap();
    scene.sqlite.batch(&packages::expire(&due, scene.salt(), scene.now.get())).unwrap();
    due
}

/// What is left of each package of a user that has something left, by order, and of his bonus.
fn left(scene: &Scene, user: i64) -> (Vec<(String, u64)>, u64) {
    let row: OpenRow = scene.sqlite.all(&packages::open(user)).unwrap().remove(0);
    let left = bonus::left(&serde_json::from_str::<Vec<bonus::Open>>(&row.open).unwrap(), row.bonus_left);
    let found: Vec<Package> = scene.sqlite.all(&packages::of_user(user)).unwrap();
    let named = found.into_iter().filter_map(|package| {
        let left = left.get(&package.id).filter(|left| !left.is_zero())?;
        Some((package.order_id, left.get()))
    });
    let mut named: Vec<_> = named.collect();
    named.sort();
    (named, row.bonus_left.get())
}

fn orders(of: &[(&str, u64)]) -> Vec<(String, u64)> {
    of.iter().map(|(order, bytes)| ((*order).to_owned(), *bytes)).collect()
}

#[test]
fn a_package_that_ends_takes_its_rest_along_and_shuts_whom_nothing_else_opens() {
    let scene = Scene::new();
    let ann = scene.create("ann", &json!({ "monthly_quota": MONTH_QUOTA }));
    scene.report(&ann.slot, MONTH_QUOTA, NOW);
    buy(&scene, ann.id, "week", 50, Some(NOW.plus(600)));
    scene.report(&ann.slot, 20, NOW.plus(1));
    scene.wait(599);
    assert_eq!(expire(&scene, 10), [], "not before its second");
    assert_eq!(scene.gate(ann.id), "open");
    let held = scene.roster();
    let revision = || scene.sqlite.value::<i64>("SELECT revision FROM usage");
    let before = revision();
    scene.wait(1);
    assert_eq!(expire(&scene, 10).len(), 1);
    assert_eq!((scene.gate(ann.id).as_str(), scene.user(ann.id).unwrap().bonus_left.get()), ("month", 0));
    assert_eq!(scene.changed_since(held).keys().collect::<Vec<_>>(), [&ann.slot], "nodes that hold a limit ask again");
    assert!(revision() > before, "a report that was prepared before is prepared again");
    let week: Package = scene.sqlite.all(&packages::by_order("week")).unwrap().remove(0);
    assert_eq!((week.expired_at, week.expired_bytes.map(Bytes::get)), (Some(NOW.get() + 600), Some(30)));
    let after = scene.sqlite.dump();
    assert_eq!(expire(&scene, 10), []);
    assert_eq!(scene.sqlite.dump(), after, "a second run finds nothing");
}

#[test]
fn what_was_read_before_another_run_ended_it_is_not_taken_twice() {
    let scene = Scene::new();
    let ann = scene.create("ann", &json!({}));
    buy(&scene, ann.id, "a", 50, Some(NOW.plus(5)));
    buy(&scene, ann.id, "b", 50, None);
    buy(&scene, ann.id, "c", 50, Some(NOW.plus(5)));
    scene.wait(5);
    let due: Vec<Due> = scene.sqlite.all(&packages::due(scene.now.get(), 10)).unwrap();
    refund(&scene, ann.id, "c");
    for _ in 0..2 {
        scene.sqlite.batch(&packages::expire(&due, scene.salt(), scene.now.get())).unwrap();
        assert_eq!(left(&scene, ann.id), (orders(&[("b", 50)]), 50));
    }
    let refunded: Package = scene.sqlite.all(&packages::by_order("c")).unwrap().remove(0);
    assert_eq!((refunded.refunded_bytes.map(Bytes::get), refunded.expired_at), (Some(50), None));
}

#[test]
fn a_refund_takes_back_what_is_left_of_that_package_and_not_of_others() {
    let scene = Scene::new();
    let ann = scene.create("ann", &json!({ "monthly_quota": MONTH_QUOTA }));
    buy(&scene, ann.id, "old", 50, None);
    buy(&scene, ann.id, "new", 50, None);
    scene.report(&ann.slot, MONTH_QUOTA + 30, NOW);
    assert_eq!(left(&scene, ann.id), (orders(&[("new", 50), ("old", 20)]), 70));
    assert_eq!(refund(&scene, ann.id, "old").refunded_bytes.map(Bytes::get), Some(20));
    assert_eq!(left(&scene, ann.id), (orders(&[("new", 50)]), 50));
    let before = scene.user(ann.id);
    assert_eq!(refund(&scene, ann.id, "old").refunded_bytes.map(Bytes::get), Some(20));
    assert_eq!(scene.user(ann.id), before);
}

#[test]
fn a_package_bought_later_that_ends_sooner_pays_only_from_then_on() {
    let scene = Scene::new();
    let ann = scene.create("ann", &json!({ "monthly_quota": MONTH_QUOTA }));
    buy(&scene, ann.id, "forever", 50, None);
    scene.report(&ann.slot, MONTH_QUOTA + 30, NOW);
    buy(&scene, ann.id, "day", 50, Some(NOW.plus(600)));
    scene.report(&ann.slot, 10, NOW.plus(1));
    assert_eq!(left(&scene, ann.id), (orders(&[("day", 40), ("forever", 20)]), 60));
}

#[test]
fn a_bonus_without_a_package_is_used_first_and_ends_with_none() {
    let scene = Scene::new();
    let ann = scene.create("ann", &json!({ "monthly_quota": MONTH_QUOTA }));
    buy(&scene, ann.id, "day", 50, Some(NOW.plus(600)));
    scene.sqlite.execute("UPDATE usage SET bonus_left = bonus_left + 40");
    scene.report(&ann.slot, MONTH_QUOTA + 15, NOW);
    assert_eq!(left(&scene, ann.id), (orders(&[("day", 50)]), 75));
    scene.wait(600);
    expire(&scene, 10);
    assert_eq!(left(&scene, ann.id), (vec![], 25));
}

#[test]
fn packages_can_hold_no_more_than_a_bonus_can() {
    let scene = Scene::new();
    let ann = scene.create("ann", &json!({}));
    let most = Bytes::MAX.get();
    assert_eq!(buy(&scene, ann.id, "a", most - 5, None).remaining.get(), most - 5);
    assert_eq!(buy(&scene, ann.id, "b", 50, None).remaining.get(), 5);
    assert_eq!(left(&scene, ann.id), (orders(&[("a", most - 5), ("b", 5)]), most));
    assert_eq!(refund(&scene, ann.id, "b").refunded_bytes.map(Bytes::get), Some(5));
    assert_eq!(left(&scene, ann.id).1, most - 5);
}

#[test]
fn nothing_is_read_when_no_package_ends_and_the_next_end_is_known() {
    let scene = Scene::new();
    let ann = scene.create("ann", &json!({}));
    let next = || scene.sqlite.all::<NextDue>(&packages::next()).unwrap()[0].expires_at;
    buy(&scene, ann.id, "forever", 5, None);
    assert_eq!(next(), None);
    buy(&scene, ann.id, "late", 5, Some(NOW.plus(900)));
    buy(&scene, ann.id, "soon", 5, Some(NOW.plus(600)));
    assert_eq!(next(), Some(NOW.get() + 600));
    let called: i64 = scene.sqlite.value("SELECT next_at FROM jobs WHERE name = 'packages'");
    assert!(called <= NOW.get() + 600);
    let plan: Vec<Json> = scene.sqlite.all(&explained()).unwrap();
    assert!(plan.iter().any(|step| step["detail"].as_str().unwrap().contains("INDEX packages_due")), "{plan:?}");
    refund(&scene, ann.id, "soon");
    assert_eq!(next(), Some(NOW.get() + 900));
}

fn explained() -> weir::store::Statement {
    let due = packages::due(NOW, 10);
    weir::store::Statement { sql: format!("EXPLAIN QUERY PLAN {}", due.sql).into(), ..due }
}

/// A package of the model: order, left, end, and whether it was taken back or has ended.
#[derive(Debug)]
struct Model {
    order: String,
    left: u64,
    ends: Option<i64>,
    over: bool,
}

#[derive(Clone, Debug)]
enum Step {
    Buy { bytes: u64, ends: Option<i64> },
    Use { bytes: u64 },
    Refund { which: usize },
    Expire { limit: u32 },
    Wait { seconds: i64 },
    Reset,
}

fn step() -> impl Strategy<Value = Step> {
    let ends = prop_oneof![Just(None), (1_i64..2_000).prop_map(Some)];
    prop_oneof![
        4 => (1_u64..200, ends).prop_map(|(bytes, ends)| Step::Buy { bytes, ends }),
        6 => (0_u64..250).prop_map(|bytes| Step::Use { bytes }),
        1 => (0_usize..8).prop_map(|which| Step::Refund { which }),
        2 => (1_u32..4).prop_map(|limit| Step::Expire { limit }),
        3 => (0_i64..900).prop_map(|seconds| Step::Wait { seconds }),
        1 => Just(Step::Reset),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn what_is_left_of_each_package_is_what_a_model_counts_byte_by_byte(steps in prop::collection::vec(step(), 1..50)) {
        let scene = Scene::new();
        let ann = scene.create("ann", &json!({ "monthly_quota": MONTH_QUOTA }));
        let mut model: Vec<Model> = Vec::new();
        let (mut month, mut bought, mut gone, mut used) = (0, 0, 0, 0);
        for step in steps {
            let now = scene.now.get();
            match step {
                Step::Buy { bytes, ends } => {
                    let (order, ends) = (format!("order{:03}", model.len()), ends.map(|seconds| now.plus(seconds)));
                    // A shop may say it twice.
                    for _ in 0..2 {
                        buy(&scene, ann.id, &order, bytes, ends);
                    }
                    model.push(Model { order, left: bytes, ends: ends.map(Second::get), over: false });
                    bought += bytes;
                }
                Step::Use { bytes } => {
                    scene.report(&ann.slot, bytes, now.plus(1));
                    let mut beyond = bytes.saturating_sub(MONTH_QUOTA.saturating_sub(month));
                    let before = beyond;
                    let mut order: Vec<&mut Model> = model.iter_mut().filter(|package| !package.over).collect();
                    order.sort_by_key(|package| (package.ends.is_none(), package.ends, package.order.clone()));
                    for package in order {
                        let taken = beyond.min(package.left);
                        package.left -= taken;
                        beyond -= taken;
                        used += taken;
                    }
                    month += bytes - (before - beyond);
                }
                Step::Refund { which } => {
                    let count = model.len().max(1);
                    if let Some(package) = model.get_mut(which % count) {
                        let refunded = refund(&scene, ann.id, &package.order);
                        if refunded.refunded_at == Some(now.get()) && !package.over {
                            prop_assert_eq!(refunded.refunded_bytes.map(Bytes::get), Some(package.left));
                        }
                        gone += package.left;
                        (package.left, package.over) = (0, true);
                    }
                }
                Step::Expire { limit } => {
                    for due in expire(&scene, limit) {
                        let package = &mut model[usize::try_from(due.id - 1).unwrap()];
                        prop_assert!(package.ends.unwrap() <= now.get());
                        gone += package.left;
                        (package.left, package.over) = (0, true);
                    }
                }
                Step::Wait { seconds } => scene.wait(seconds),
                Step::Reset => {
                    scene.wait(1);
                    scene.act(ann.id, &Action::Reset);
                    month = 0;
                }
            }
            let (lefts, bonus) = left(&scene, ann.id);
            let expected: Vec<_> =
                model.iter().filter(|package| package.left > 0).map(|package| (package.order.clone(), package.left)).collect();
            prop_assert_eq!(&lefts, &expected);
            prop_assert_eq!(bonus, lefts.iter().map(|(_, left)| left).sum::<u64>());
            let user = scene.user(ann.id).unwrap();
            prop_assert_eq!((user.month.get(), user.bonus_spent.get()), (month, used));
            prop_assert_eq!(bought, bonus + used + gone, "no byte is charged twice, and none is given away");
        }
    }
}
