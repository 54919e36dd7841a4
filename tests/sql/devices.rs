//! Devices on real SQL, and what a fetch of a subscription reads beside its user.

use serde_json::json;
use weir::domain::devices::Seen;
use weir::store::devices::{self as store, Device, Told};
use weir::store::fetch_log::{self, List, Opened};
use weir::store::settings;

use crate::scene::Scene;

const ON: &str = r#"{"enabled":true,"limit":2,"without_id":"serve"}"#;

fn told(id: &str) -> Told<'_> {
    Told { id, os: "Android", os_version: "14", model: "Pixel 8", client: "happ" }
}

impl Scene {
    fn opened(&self, user: i64, has_id: bool) -> Opened {
        self.sqlite.all(&fetch_log::open(user, has_id, self.now.get())).unwrap().pop().unwrap()
    }

    fn listed(&self, user: i64, has_id: bool) -> List {
        self.sqlite.all(&fetch_log::list(user, has_id, self.now.get())).unwrap().pop().unwrap()
    }

    fn enter(&self, user: i64, id: &str, most: usize) {
        self.sqlite.run(&store::enter(user, &told(id), most, self.now.get())).unwrap();
    }

    fn devices(&self, user: i64) -> Vec<Device> {
        self.sqlite.all(&store::of_user(user)).unwrap()
    }

    fn ids(&self, user: i64) -> Vec<String> {
        self.devices(user).into_iter().map(|device| device.id).collect()
    }

    fn set(&self, area: &str, value: &str) {
        self.sqlite.run(&settings::write(area, value)).unwrap();
    }
}

#[test]
fn a_fetch_reads_settings_as_they_are_now() {
    let scene = Scene::new();
    let ann = scene.create("ann", &json!({}));
    let read = || {
        let opened = scene.opened(ann.id, false);
        let listed = scene.listed(ann.id, false);
        assert_eq!((&listed.device_settings, &listed.profile), (&opened.device_settings, &opened.profile));
        (opened.clients, opened.device_settings, opened.profile)
    };
    let set = |text: &str| Some(text.to_owned());
    assert_eq!(read(), (None, None, None));
    scene.set("clients", "[]");
    scene.set("devices", ON);
    scene.set("retention", "{}");
    assert_eq!(read(), (set("[]"), set(ON), None));
    scene.set("clients", "[1]");
    scene.set("subscriptions", r#"{"title":"a"}"#);
    assert_eq!(read(), (set("[1]"), set(ON), set(r#"{"title":"a"}"#)));
    scene.set("subscriptions", "{}");
    scene.sqlite.run(&settings::forget("clients")).unwrap();
    assert_eq!(read(), (None, set(ON), set("{}")));
    scene.sqlite.run(&settings::forget("devices")).unwrap();
    scene.sqlite.run(&settings::forget("subscriptions")).unwrap();
    assert_eq!(read(), (None, None, None));
}

#[test]
fn a_fetch_reads_the_endpoints_as_nodes_have_them_now() {
    let scene = Scene::new();
    let ann = scene.create("ann", &json!({}));
    assert_eq!(scene.opened(ann.id, false).endpoints, "[]");
    scene.sqlite.execute("INSERT INTO nodes (name, address, created_at) VALUES ('Wien', '192.0.2.1', 0)");
    scene.sqlite.execute(r#"UPDATE nodes SET inbounds = '[{"tag":"a"}]'"#);
    let endpoints = scene.opened(ann.id, false).endpoints;
    assert_eq!(endpoints, scene.sqlite.value::<String>("SELECT value FROM meta WHERE name = 'endpoints'"));
    assert!(endpoints.contains(r#""node":"Wien""#) && endpoints.contains(r#"[{"tag":"a"}]"#), "{endpoints}");
}

#[test]
fn devices_are_read_only_where_they_are_told_apart_and_the_client_names_its_own() {
    let scene = Scene::new();
    let (ann, ben) = (scene.create("ann", &json!({})), scene.create("ben", &json!({})));
    scene.enter(ann.id, "a", 2);
    scene.enter(ben.id, "b", 2);
    assert_eq!(scene.opened(ann.id, true).devices, None);
    scene.set("devices", r#"{"enabled":false,"limit":2}"#);
    assert_eq!(scene.opened(ann.id, true).devices, None);
    scene.set("devices", ON);
    assert_eq!(scene.opened(ann.id, false).devices, None);
    let seen: Vec<Seen> = serde_json::from_str(&scene.opened(ann.id, true).devices.unwrap()).unwrap();
    assert_eq!(seen, [Seen("a".into(), scene.now.get())]);
    assert_eq!(scene.listed(ann.id, true).devices, scene.opened(ann.id, true).devices);
    assert_eq!(scene.listed(ann.id, false).devices, None);
}

#[test]
fn the_last_place_is_taken_once() {
    let scene = Scene::new();
    let ann = scene.create("ann", &json!({}));
    for id in ["a", "b", "c"] {
        scene.enter(ann.id, id, 2);
    }
    assert_eq!(scene.ids(ann.id), ["a", "b"]);
    // One that is there already is no new one.
    scene.wait(60);
    scene.enter(ann.id, "a", 3);
    assert_eq!(scene.devices(ann.id)[0].last_at - scene.devices(ann.id)[0].first_at, 60);
}

#[test]
fn a_device_that_comes_again_keeps_its_name_and_its_first_day() {
    let scene = Scene::new();
    let ann = scene.create("ann", &json!({}));
    scene.enter(ann.id, "a", 2);
    scene.sqlite.run(&store::rename(ann.id, "a", "Ann's phone")).unwrap();
    let before = scene.devices(ann.id).pop().unwrap();
    scene.wait(4_000);
    scene.sqlite.run(&store::again(ann.id, &Told { os_version: "15", ..told("a") }, scene.now.get())).unwrap();
    let after = scene.devices(ann.id).pop().unwrap();
    assert_eq!(after, Device { os_version: "15".into(), last_at: scene.now.get().get(), ..before });
    // A device that is gone does not come back by being seen.
    scene.sqlite.run(&store::again(ann.id, &told("b"), scene.now.get())).unwrap();
    assert_eq!(scene.ids(ann.id), ["a"]);
}

#[test]
fn one_device_is_forgotten_or_all_of_a_user_s_and_nobody_else_s() {
    let scene = Scene::new();
    let (ann, ben) = (scene.create("ann", &json!({})), scene.create("ben", &json!({})));
    for id in ["a", "b", "c"] {
        scene.enter(ann.id, id, 9);
        scene.enter(ben.id, id, 9);
    }
    scene.sqlite.run(&store::forget(ann.id, Some("b"))).unwrap();
    assert_eq!(scene.ids(ann.id), ["a", "c"]);
    scene.sqlite.run(&store::forget(ann.id, None)).unwrap();
    assert!(scene.ids(ann.id).is_empty());
    assert_eq!(scene.ids(ben.id), ["a", "b", "c"]);
    scene.delete(ben.id);
    assert!(scene.ids(ben.id).is_empty());
}

#[test]
fn a_limit_of_one_s_own_is_set_changed_and_cleared() {
    let scene = Scene::new();
    let ann = scene.create("ann", &json!({ "hwid_limit": 3 }));
    assert_eq!(ann.hwid_limit, Some(3));
    assert_eq!(scene.change(ann.id, &json!({ "note": "x" })).hwid_limit, Some(3));
    assert_eq!(scene.change(ann.id, &json!({ "hwid_limit": 0 })).hwid_limit, Some(0));
    assert_eq!(scene.change(ann.id, &json!({ "hwid_limit": null })).hwid_limit, None);
    assert_eq!(scene.create("ben", &json!({})).hwid_limit, None);
}
