//! The daily report.

use serde_json::json;
use weir::store::day;
use weir_wire::Bytes;

use crate::scene::{DAY, NOW, Scene};

#[test]
fn the_report_tells_the_day_by_user_and_what_nodes_counted_since_the_last_one() {
    let scene = Scene::new();
    scene
        .sqlite
        .execute("INSERT INTO nodes (id, name, address, created_at) VALUES (3, 'paris', 'a', 0), (4, 'oslo', 'b', 0)");
    let [ann, bob, cleo] = ["ann", "bob", "cleo"].map(|name| scene.create(name, &json!({})));
    let midnight = NOW.plus(-12 * 3_600);
    for (slot, hour, bytes) in [(&ann, 1, 5), (&ann, 13, 6), (&bob, 2, 50), (&cleo, 30, 9)] {
        scene.sqlite.execute(&format!(
            "INSERT INTO history (user, hour, node, up, down) VALUES ({}, {}, 3, {bytes}, 1);
            UPDATE usage SET last_at = {} WHERE user = {}",
            slot.id,
            midnight.get() + hour * 3_600,
            midnight.get() + hour * 3_600 + 60,
            slot.id
        ));
    }
    let top: Vec<day::Top> = scene.sqlite.all(&day::top_users(midnight, midnight.plus(DAY))).unwrap();
    let named: Vec<_> = top.iter().map(|top| (top.name.as_str(), top.bytes.get(), top.active)).collect();
    assert_eq!(named, [("bob", 51, 2), ("ann", 13, 2)]);
    scene.report(&ann.slot, 100, NOW);
    let nodes = || scene.sqlite.all::<day::Node>(&day::nodes()).unwrap();
    assert_eq!(nodes().iter().map(|node| (node.bytes.get(), node.told.get())).collect::<Vec<_>>(), [(100, 0), (0, 0)]);
    let told: Vec<day::Told> = nodes().iter().map(|node| day::Told(node.id, node.bytes)).collect();
    scene.sqlite.run(&day::mark(&told)).unwrap();
    scene.report(&ann.slot, 30, NOW);
    assert_eq!(nodes()[0].bytes.minus(nodes()[0].told), Bytes::saturating(30));
}

#[test]
fn what_instances_spent_adds_up_by_day() {
    use weir::domain::notice::report::Cost;
    let scene = Scene::new();
    let cost = Cost { requests: 1, queries: 2, rows_read: 3, rows_written: 4 };
    for day in [7, 7, 8] {
        scene.sqlite.run(&day::spend(day, cost)).unwrap();
    }
    let spent: Vec<Cost> = scene.sqlite.all(&day::spent(7)).unwrap();
    assert_eq!(spent, [Cost { requests: 2, queries: 4, rows_read: 6, rows_written: 8 }]);
    assert_eq!(scene.sqlite.all::<Cost>(&day::spent(9)).unwrap(), []);
}
