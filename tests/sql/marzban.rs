//! What Marzban's API reads and writes of operators, nodes and users, on real SQL.

use serde_json::json;
use weir::domain::endpoint::{Address, NodeWays};
use weir::domain::fetch::Fetch;
use weir::domain::role::Role;
use weir::store::admins::{self, Admin};
use weir::store::bulk::{self, Selection};
use weir::store::census::{self, Census};
use weir::store::fetch_log::Newest;
use weir::store::hosts::{self, New};
use weir::store::marzban_nodes::{self, Usage};
use weir::store::marzban_users::{self, Found, Seen};
use weir::store::operators::{self, Fields};
use weir::store::slots::{self, EntryRow};
use weir::store::user_list::Query;
use weir::store::user_templates::{self, Template};
use weir::store::users::Action;
use weir::store::{StoreError, allowances, fetch_log, marzban_list, node_list, nodes};
use weir_wire::roster::RosterVersion;
use weir_wire::sync::InboundPlans;
use weir_wire::{NodeId, Second};

use crate::scene::Scene;
use crate::sqlite::Sqlite;

const NOW: Second = Second::clamped(1_800_000_000);
const DAY: i64 = 86_400;

fn admin(sqlite: &Sqlite, name: &str) -> Admin {
    sqlite.all(&admins::by_name(name)).unwrap().pop().unwrap()
}

fn reseller(sqlite: &Sqlite, name: &str) -> i64 {
    let fields = Fields { role: Role::Reseller, user_allowance: None, byte_allowance: None };
    sqlite.run(&operators::create(name, "x", &fields, NOW)).unwrap();
    admin(sqlite, name).id
}

/// A user of an operator's.
fn owned(scene: &Scene, name: &str, owner: i64) -> i64 {
    let user = scene.create(name, &json!({}));
    scene.sqlite.run(&allowances::own(name, Some(owner))).unwrap();
    user.id
}

#[test]
fn an_admins_usage_is_that_of_his_users_and_never_below_nothing() {
    let scene = Scene::new();
    let (shop, other) = (reseller(&scene.sqlite, "Shop"), reseller(&scene.sqlite, "other"));
    let usage = || admin(&scene.sqlite, "shop").users_usage.get();
    assert_eq!(usage(), 0);
    let users = [owned(&scene, "one", shop), owned(&scene, "two", shop), owned(&scene, "three", other)];
    for user in users {
        scene.sqlite.execute(&format!("UPDATE usage SET lifetime = 100 WHERE user = {user}"));
    }
    assert_eq!(usage(), 200);
    scene.delete(users[0]);
    assert_eq!(usage(), 200, "who is deleted has used what he has used");
    scene.sqlite.run(&admins::reset(shop)).unwrap();
    assert_eq!(usage(), 0);
    scene.sqlite.execute(&format!("UPDATE usage SET lifetime = 9007199254740991 WHERE user = {}", users[1]));
    assert_eq!(usage(), 9_007_199_254_740_991 - 200);
    scene.sqlite.run(&allowances::own("two", Some(other))).unwrap();
    assert_eq!(usage(), 0, "less than when it was reset");
}

#[test]
fn the_newest_fetch_of_a_week_stands_beside_its_user() {
    let scene = Scene::new();
    let [ann, bob] = ["ann", "bob"].map(|name| scene.create(name, &json!({})).id);
    let note = |user: i64, family: &str, hours: i64| {
        let at = NOW.plus(-3600 * hours);
        scene.sqlite.run(&fetch_log::note(user, &Fetch(family.into(), "links".into(), at.get()), at)).unwrap();
    };
    let fetched = |name: &str| -> Option<String> {
        let found: Vec<Found> = scene.sqlite.all(&marzban_users::by_name(name, NOW)).unwrap();
        found.into_iter().next().unwrap().seen.fetched
    };
    assert_eq!(fetched("ann"), None);
    note(ann, "older", 8 * 24);
    assert_eq!(fetched("ann"), None, "of more than a week ago");
    let newest = |user: i64| -> Newest { scene.sqlite.all(&fetch_log::newest(user, NOW)).unwrap().pop().unwrap() };
    assert_eq!(newest(ann).entries, None);
    for (family, hours) in [("old", 7 * 24), ("half", 90), ("new", 27)] {
        note(ann, family, hours);
        assert!(fetched("ann").unwrap().contains(family), "{family}");
        assert_eq!(newest(ann).entries, fetched("ann"), "he is told the same");
    }
    note(bob, "his", 3);
    let list = marzban_list::list(&marzban_list::Query::default(), NOW);
    let seen: Vec<Seen> = scene.sqlite.all(&list).unwrap();
    let told: Vec<String> = seen.into_iter().map(|seen| seen.fetched.unwrap()).collect();
    assert!(told[0].contains("new") && told[1].contains("his"), "{told:?}");
    let same: Vec<Seen> = scene.sqlite.all(&marzban_users::by_numbers(&[ann, bob], NOW)).unwrap();
    assert_eq!(same.into_iter().map(|seen| seen.fetched.unwrap()).collect::<Vec<_>>(), told);
}

#[test]
fn what_was_chosen_of_the_ways_in_goes_to_the_nodes_with_the_next_roster() {
    let scene = Scene::new();
    let user = scene.create("ann", &json!({ "marzban": { "vless": {} } }));
    let told = |since: u64| -> Vec<Option<String>> {
        let held = RosterVersion { number: since, salt: 0 };
        let rows: Vec<EntryRow> = scene.sqlite.all(&slots::changed_since(held)).unwrap();
        rows.into_iter().filter(|row| row.gate == "open").map(|row| row.marzban).collect()
    };
    assert_eq!(told(0), [Some(r#"{"vless":{}}"#.to_owned())]);
    let held = scene.roster();
    scene.change(user.id, &json!({ "marzban": { "vless": { "excluded": ["a"] } } }));
    assert_eq!(told(held), [Some(r#"{"vless":{"excluded":["a"]}}"#.to_owned())]);
    let held = scene.roster();
    let renewed = scene.act(user.id, &Action::Revoke);
    assert_ne!(renewed.slot, user.slot);
    assert_eq!(told(held), [Some(r#"{"vless":{"excluded":["a"]}}"#.to_owned())], "his new slot too");
}

#[test]
fn admins_are_listed_by_creation_page_and_part_of_the_name() {
    let sqlite = Sqlite::new();
    for name in ["beta", "Alpha", "alps"] {
        reseller(&sqlite, name);
    }
    let names = |part: &str, limit: u32, offset: u32| {
        let admins: Vec<Admin> = sqlite.all(&admins::list(part, limit, offset)).unwrap();
        admins.into_iter().map(|admin| admin.name).collect::<Vec<_>>()
    };
    assert_eq!(names("", 10, 0), ["beta", "Alpha", "alps"]);
    assert_eq!(names("ALP", 10, 0), ["Alpha", "alps"]);
    assert_eq!(names("", 1, 1), ["Alpha"]);
    assert_eq!(names("%", u32::MAX, 0), [""; 0]);
}

#[test]
fn a_bulk_action_over_one_owners_users_takes_nobody_else() {
    let scene = Scene::new();
    let shop = reseller(&scene.sqlite, "shop");
    let his = [owned(&scene, "one", shop), owned(&scene, "two", shop)];
    scene.create("three", &json!({}));
    let gone = owned(&scene, "gone", shop);
    scene.delete(gone);
    let query = |owner| Query { owner, ..Query::default() };
    let now = scene.now.get();
    for (owner, total) in [(Some(shop), 2), (None, 3)] {
        let selection = Selection::Filter(query(owner));
        let counted: Vec<bulk::Chosen> = scene.sqlite.all(&bulk::count(&selection, now)).unwrap();
        assert_eq!(counted[0].total, total);
        let page: Vec<weir::store::users::User> = scene.sqlite.all(&bulk::page(&selection, 10, 0, now)).unwrap();
        assert_eq!(page.len(), usize::try_from(total).unwrap());
    }
    let selection = Selection::Filter(query(Some(shop)));
    let wish = bulk::Wish { selection: &selection, total: 2, asked: "{}", action: "\"disable\"", by: "x" };
    scene.sqlite.batch(&bulk::create(&wish, now)).unwrap();
    let pinned: String = scene.sqlite.value("SELECT users FROM bulk_chunks");
    assert_eq!(serde_json::from_str::<Vec<i64>>(&pinned).unwrap(), his);
    let stale = bulk::Wish { total: 3, ..wish };
    assert_eq!(scene.sqlite.batch(&bulk::create(&stale, now)), Err(StoreError::Stale));
}

#[test]
fn users_are_counted_by_how_they_stand() {
    let scene = Scene::new();
    let now = scene.now.get();
    let shop = reseller(&scene.sqlite, "shop");
    let set = |user: i64, sql: &str| scene.sqlite.execute(&sql.replace("?1", &user.to_string()));
    let users = ["open", "shut", "over", "used", "waits", "sharing"].map(|name| owned(&scene, name, shop));
    set(users[1], "UPDATE users SET disabled_at = 1 WHERE id = ?1");
    set(users[2], &format!("UPDATE users SET expires_at = {} WHERE id = ?1", now.get()));
    set(users[3], "UPDATE usage SET monthly_quota = 5, month = 5 WHERE user = ?1");
    set(users[4], "UPDATE usage SET hold = 60 WHERE user = ?1");
    set(users[5], &format!("UPDATE users SET suspended_until = {} WHERE id = ?1", now.get() + 1));
    set(users[0], &format!("UPDATE usage SET last_at = {} WHERE user = ?1", now.get() - DAY + 1));
    set(users[1], &format!("UPDATE usage SET last_at = {} WHERE user = ?1", now.get() - DAY));
    // Marzban counts who is both among those who are used up.
    let both = owned(&scene, "both", shop);
    set(both, &format!("UPDATE users SET expires_at = {} WHERE id = ?1", now.get()));
    set(both, "UPDATE usage SET monthly_quota = 5, month = 5 WHERE user = ?1");
    scene.create("nobodys", &json!({}));
    let gone = scene.create("gone", &json!({})).id;
    scene.delete(gone);
    let count = |owner| scene.sqlite.all::<Census>(&census::count(owner, now)).unwrap()[0];
    let his = Census { total: 7, active: 1, on_hold: 1, disabled: 2, expired: 1, limited: 2, online: 1 };
    assert_eq!(count(Some(shop)), his);
    assert_eq!(count(None), Census { total: 8, active: 2, ..his });
    assert_eq!(count(Some(99)), Census::default());
}

fn node(sqlite: &Sqlite, name: &str) -> NodeId {
    let created: Vec<node_list::Created> =
        sqlite.all(&node_list::create(name, "vpn.example", 1000, None, name, NOW)).unwrap();
    let inbound = r#"[{"tag":"in","protocol":"trojan","port":443}]"#;
    sqlite.run(&nodes::set_inbounds(NodeId(created[0].id), inbound)).unwrap();
    NodeId(created[0].id)
}

#[test]
fn bytes_of_nodes_are_added_up_over_hours_days_and_months() {
    let sqlite = Sqlite::new();
    let (one, two) = (node(&sqlite, "one"), node(&sqlite, "two"));
    // 2027-01-15 08:00 is NOW; the month began at 1798761600.
    let month = 1_798_761_600;
    let add = |table: &str, at: i64, up: u64| {
        sqlite.execute(&format!("INSERT INTO {table} VALUES ({}, {at}, {up}, 1)", one.0));
    };
    let hour = NOW.get() - NOW.get() % 3_600;
    let day = NOW.get() - NOW.get() % DAY - 20 * DAY;
    add("node_hours", hour, 1_000);
    add("node_hours", hour - 3_600, 200);
    add("node_days", day, 30);
    add("node_months", month - 31 * DAY * 12, 4);
    let usage = |since: i64, until: i64| {
        let rows: Vec<Usage> =
            sqlite.all(&marzban_nodes::usage(Second::clamped(since), Second::clamped(until))).unwrap();
        rows.into_iter().map(|row| (row.name, row.up.get())).collect::<Vec<_>>()
    };
    let gives = |up: u64| vec![("one".to_owned(), up), ("two".to_owned(), 0)];
    assert_eq!(usage(0, NOW.get()), gives(1_234));
    assert_eq!(usage(NOW.get(), NOW.get()), gives(1_000), "the hour that has the start");
    assert_eq!(usage(hour - 3_600, hour - 1), gives(200));
    assert_eq!(usage(day + 5, day + 9), gives(30), "the day that has the start");
    assert_eq!(usage(day + DAY, hour - 7_200), gives(0));
    sqlite.batch(&node_list::delete(two, NOW)).unwrap();
    assert_eq!(usage(0, NOW.get()).len(), 1);
}

#[test]
fn hosts_take_the_place_of_all_addresses_of_their_tags_and_are_what_fetches_read() {
    let sqlite = Sqlite::new();
    let (one, two) = (node(&sqlite, "one"), node(&sqlite, "two"));
    sqlite.execute(&format!(
        "INSERT INTO node_keys (hash, node, coefficient, node_since, created_at) VALUES ('k', {}, 1000, 0, 0)",
        two.0
    ));
    let address = |remark: &str, tag: &str| -> Address {
        serde_json::from_value(json!({ "inbound": tag, "remark": remark })).unwrap()
    };
    let (a, b, c, other) = (address("a", "in"), address("b", "in"), address("c", "in"), address("o", "other"));
    let put = |tags: &[&str], new: &[New<'_>], plans: &[(u32, Vec<InboundPlans>)]| {
        let tags: Vec<String> = tags.iter().map(|tag| (*tag).to_owned()).collect();
        sqlite.batch(&hosts::replace(&tags, new, plans)).unwrap();
        let rows: Vec<hosts::Row> = sqlite.all(&hosts::read()[1]).unwrap();
        let said = |row: hosts::Row| {
            let address: Address = serde_json::from_str(&row.settings).unwrap();
            format!("{} {} {}", row.node, row.is_active, address.remark.unwrap())
        };
        rows.into_iter().map(said).collect::<Vec<_>>()
    };
    let all = [New(one.0, 1, &a), New(two.0, 0, &b), New(one.0, 1, &other)];
    assert_eq!(put(&["in", "other"], &all, &[(one.0, vec![]), (two.0, vec![])]), ["1 1 a", "1 1 o", "2 0 b"]);
    let plans = vec![InboundPlans { inbound: "in".into(), plans: vec!["gold".into()] }];
    assert_eq!(
        put(&["in"], &[New(two.0, 1, &c), New(two.0, 1, &a)], &[(one.0, vec![]), (two.0, plans)]),
        ["1 1 o", "2 1 c", "2 1 a"]
    );
    let published: String = sqlite.value("SELECT value FROM meta WHERE name = 'endpoints'");
    let ways: Vec<NodeWays> = serde_json::from_str(&published).unwrap();
    assert_eq!(ways.iter().map(|node| node.addresses.len()).collect::<Vec<_>>(), [1, 2]);
    let told: String = sqlite.value("SELECT inbound_plans FROM node_keys");
    assert_eq!(told, r#"[{"inbound":"in","plans":["gold"]}]"#);
    assert_eq!(sqlite.value::<Option<String>>(&format!("SELECT inbound_plans FROM nodes WHERE id = {}", one.0)), None);
}

#[test]
fn a_template_has_a_name_of_its_own() {
    let sqlite = Sqlite::new();
    let template = |name: &str, id: i64| Template {
        id,
        name: name.into(),
        data_limit: Some((1 << 53) - 1),
        expire_duration: Some(0),
        username_prefix: None,
        username_suffix: Some("_x".into()),
        inbounds: r#"["in"]"#.into(),
    };
    let one: Template = sqlite.all(&user_templates::create(&template("one", 0))).unwrap().pop().unwrap();
    assert_eq!(one, template("one", one.id));
    assert_eq!(sqlite.run(&user_templates::create(&template("one", 0))), Err(StoreError::Taken));
    sqlite.run(&user_templates::create(&template("two", 0))).unwrap();
    assert_eq!(sqlite.run(&user_templates::change(&template("two", one.id))), Err(StoreError::Taken));
    sqlite.run(&user_templates::change(&template("first", one.id))).unwrap();
    let names = |limit, offset| {
        let all: Vec<Template> = sqlite.all(&user_templates::list(limit, offset)).unwrap();
        all.into_iter().map(|template| template.name).collect::<Vec<_>>()
    };
    assert_eq!(names(u32::MAX, 0), ["first", "two"]);
    sqlite.run(&user_templates::delete(one.id)).unwrap();
    assert_eq!(names(1, 0), ["two"]);
}

#[test]
fn another_coefficient_is_the_nodes_and_its_keys() {
    let sqlite = Sqlite::new();
    let one = node(&sqlite, "one");
    sqlite.execute("INSERT INTO node_keys (hash, node, coefficient, node_since, created_at) VALUES ('k', 1, 1000, 0, 0), ('other', 2, 1000, 0, 0)");
    sqlite.batch(&marzban_nodes::set_coefficient(one, 1_500)).unwrap();
    sqlite.run(&marzban_nodes::set_ports("ONE", 1, 65_535)).unwrap();
    let row: marzban_nodes::Row = sqlite.all(&marzban_nodes::one(one)).unwrap().pop().unwrap();
    assert_eq!((row.coefficient, row.port, row.api_port), (1_500, 1, 65_535));
    let keys: String = sqlite.value("SELECT json_group_array(coefficient) FROM node_keys ORDER BY hash");
    assert_eq!(keys, "[1500,1000]");
}
