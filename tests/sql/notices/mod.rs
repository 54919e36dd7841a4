//! Events, deliveries and alerts on real SQL: what causes one, what does not, in which order they wait, and what they cost.

mod causes;
mod outbox;
mod report;

use serde_json::{Value as Json, json};
use weir::domain::notice::Kind;
use weir::store::channels::{self, Created, Fields};
use weir::store::deliveries::{self, Waiting};
use weir::store::events::{self, NewEvent};

use crate::scene::{NOW, Scene};

/// A channel that wants these kinds; its number.
fn channel(scene: &Scene, name: &str, kinds: &[&str], audience: &str) -> i64 {
    let wants = serde_json::to_string(kinds).unwrap();
    let fields =
        Fields { name, type_name: "webhook", enabled: true, audience, rules: "{}", wants: &wants, target: "sealed" };
    scene.sqlite.all::<Created>(&channels::create(&fields, 20, NOW)).unwrap().pop().unwrap().id
}

/// All events as `[kind, key, data]`.
fn events(scene: &Scene) -> Vec<(String, String, Json)> {
    let rows: String = scene
        .sqlite
        .value("SELECT json_group_array(json_array(kind, key, data)) FROM (SELECT * FROM events ORDER BY number)");
    let rows: Vec<(String, String, String)> = serde_json::from_str(&rows).unwrap();
    rows.into_iter().map(|(kind, key, data)| (kind, key, serde_json::from_str(&data).unwrap())).collect()
}

fn kinds(scene: &Scene) -> Vec<String> {
    events(scene).into_iter().map(|(kind, _, _)| kind).collect()
}

fn fan_out(scene: &Scene) {
    scene.sqlite.batch(&deliveries::fan_out(scene.now.get())).unwrap();
}

/// Enters an event of each of these names about a user.
fn happen(scene: &Scene, user: i64, names: &[&str]) {
    for name in names {
        let event =
            NewEvent { key: name, kind: Kind::Sharing, user: Some(user), node: None, data: &json!({ "user": name }) };
        scene.sqlite.run(&events::add(&event, scene.now.get())).unwrap();
    }
}

fn waiting(scene: &Scene, channel: i64) -> Vec<Waiting> {
    scene.sqlite.all(&deliveries::waiting(channel, false, scene.now.get())).unwrap()
}
