//! Addresses of nodes: what a fetch reads is what stands in the tables, after every kind of change.

use serde_json::{Value as Json, json};
use weir::domain::endpoint::{Address, NodeWays};
use weir::store::node_addresses::{self as store, Row};
use weir::store::{Statement, node_list, nodes};
use weir_wire::sync::InboundPlans;
use weir_wire::{NodeId, Second};

use crate::sqlite::Sqlite;

const NOW: Second = Second::clamped(1_794_744_000);
const INBOUND: &str = r#"[{"tag":"in","protocol":"trojan","port":443,"tls":true,"insecure":false}]"#;

#[derive(serde::Deserialize)]
struct Text {
    value: String,
}

/// A panel with two nodes that have told an inbound.
fn panel() -> (Sqlite, NodeId, NodeId) {
    let sqlite = Sqlite::new();
    let mut ids = ["Wien", "Bern"].into_iter().map(|name| {
        let created: Vec<node_list::Created> =
            sqlite.all(&node_list::create(name, "vpn.example", 1000, None, name, NOW)).unwrap();
        let node = NodeId(created[0].id);
        sqlite.run(&nodes::set_inbounds(node, INBOUND)).unwrap();
        node
    });
    let (first, second) = (ids.next().unwrap(), ids.next().unwrap());
    drop(ids);
    (sqlite, first, second)
}

fn address(fields: Json) -> Address {
    serde_json::from_value(fields).unwrap()
}

fn add(sqlite: &Sqlite, node: NodeId, is_active: bool, fields: Json) -> i64 {
    let [add, after @ ..] = store::add(node, is_active, &address(fields), &[]);
    let row: Row = sqlite.all(&add).unwrap().pop().unwrap();
    sqlite.batch(&after).unwrap();
    row.id
}

/// What fetches read, by node; both mirrors say the same.
fn published(sqlite: &Sqlite) -> Vec<NodeWays> {
    let read = |sql: &'static str| sqlite.all::<Text>(&Statement::new(sql)).unwrap().pop().unwrap().value;
    let meta = read("SELECT value FROM meta WHERE name = 'endpoints'");
    assert_eq!(meta, read("SELECT endpoints AS value FROM xpert_state WHERE id = 1"));
    serde_json::from_str(&meta).unwrap()
}

fn remarks(node: &NodeWays) -> Vec<(u8, &str)> {
    node.addresses.iter().map(|(is_active, address)| (*is_active, address.remark.as_ref().unwrap().as_str())).collect()
}

#[test]
fn every_change_of_addresses_is_what_the_next_fetch_reads() {
    let (sqlite, wien, bern) = panel();
    assert!(published(&sqlite).iter().all(|node| node.addresses.is_empty()));
    let first = add(&sqlite, wien, true, json!({ "inbound": "in", "remark": "a", "port": 8443, "plans": ["basic"] }));
    let second = add(&sqlite, wien, false, json!({ "inbound": "in", "remark": "b" }));
    let third = add(&sqlite, bern, true, json!({ "inbound": "in", "remark": "c" }));
    let [of_wien, of_bern] = published(&sqlite).try_into().unwrap();
    assert_eq!((remarks(&of_wien), remarks(&of_bern)), (vec![(1, "a"), (0, "b")], vec![(1, "c")]));
    let expected = json!({ "inbound": "in", "remark": "a", "port": 8443, "plans": ["basic"] });
    assert_eq!(of_wien.addresses[0].1, address(expected), "nothing is lost on the way");

    sqlite.batch(&store::change(wien, second, true, &address(json!({ "inbound": "in", "remark": "B" })), &[])).unwrap();
    sqlite.batch(&store::order(wien, &[second, first], &[])).unwrap();
    let rows: Vec<Row> = sqlite.all(&store::of_node(wien)).unwrap();
    assert_eq!(rows.iter().map(|row| (row.id, row.position)).collect::<Vec<_>>(), [(second, 1), (first, 2)]);
    assert_eq!(remarks(&published(&sqlite)[0]), [(1, "B"), (1, "a")]);

    // A number of another node's address changes nothing.
    let other = address(json!({ "inbound": "x" }));
    for foreign in [store::remove(wien, third, &[]), store::change(wien, third, false, &other, &[])] {
        sqlite.batch(&foreign).unwrap();
    }
    sqlite.batch(&store::order(wien, &[third, first, second], &[])).unwrap();
    assert_eq!(remarks(&published(&sqlite)[1]), [(1, "c")]);

    sqlite.batch(&store::remove(wien, first, &[])).unwrap();
    assert_eq!(remarks(&published(&sqlite)[0]), [(1, "B")]);
}

#[test]
fn what_a_node_is_called_and_where_it_is_reaches_the_next_fetch() {
    let (sqlite, wien, _) = panel();
    sqlite.run(&node_list::change(wien, "Graz", "192.0.2.1", Some("AT"))).unwrap();
    let graz = published(&sqlite).remove(0);
    let country = graz.country.as_ref().map(weir::domain::name::Country::as_str);
    assert_eq!((graz.node.as_str(), graz.address.as_str(), country), ("Graz", "192.0.2.1", Some("AT")));
}

#[test]
fn a_deleted_node_takes_its_addresses_with_it() {
    let (sqlite, wien, bern) = panel();
    add(&sqlite, wien, true, json!({ "inbound": "in", "remark": "a" }));
    add(&sqlite, bern, true, json!({ "inbound": "in", "remark": "b" }));
    sqlite.batch(&node_list::delete(wien, NOW)).unwrap();
    let [left] = published(&sqlite).try_into().unwrap();
    assert_eq!(remarks(&left), [(1, "b")]);
    assert_eq!(sqlite.all::<Row>(&store::of_node(wien)).unwrap(), []);
}

#[derive(Debug, PartialEq, serde::Deserialize)]
struct Key {
    hash: String,
    inbound_plans: Option<String>,
}

#[test]
fn a_node_and_its_keys_old_and_new_are_told_which_inbounds_are_for_whom() {
    let (sqlite, wien, bern) = panel();
    let enrol = |node: NodeId, hash: &str| {
        sqlite.execute("UPDATE nodes SET token_key = NULL");
        sqlite.batch(&nodes::enroll(node, hash, NOW)).unwrap();
    };
    let keys = || -> Vec<(String, Option<String>)> {
        let keys = sqlite.query::<Key>(&Statement::new("SELECT hash, inbound_plans FROM node_keys ORDER BY hash"));
        keys.into_iter().map(|key| (key.hash, key.inbound_plans)).collect()
    };
    enrol(wien, "a");
    enrol(bern, "b");
    let basic = [InboundPlans { inbound: "in".into(), plans: vec!["basic".into()] }];
    let fields = address(json!({ "inbound": "in", "plans": ["basic"] }));
    // A node that never had any goes on to be told nothing.
    sqlite.batch(&store::order(bern, &[], &[])).unwrap();
    sqlite.batch(&store::add(wien, true, &fields, &basic)).unwrap();
    let told = r#"[{"inbound":"in","plans":["basic"]}]"#.to_owned();
    assert_eq!(keys(), [("a".into(), Some(told.clone())), ("b".into(), None)]);
    enrol(wien, "c");
    assert_eq!(keys().pop(), Some(("c".into(), Some(told))));
    // One that had some is told that it has none.
    sqlite.batch(&store::order(wien, &[], &[])).unwrap();
    assert_eq!(keys(), [("a".into(), Some("[]".into())), ("b".into(), None), ("c".into(), Some("[]".into()))]);
}
