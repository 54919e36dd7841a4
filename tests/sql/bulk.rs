//! Actions on many users on real SQL: whom they are for, that each chunk is done once, and that what is undone is as it was.

use serde_json::{Value as Json, json};
use weir::domain::user::Status;
use weir::store::aliases::{self, Alias};
use weir::store::bulk::{self, Bulk, Chosen, Chunk, Deleted, Selection, State, Sum, Unreset, Wish};
use weir::store::user_list::Query;
use weir::store::users::{self, Action, User};
use weir::store::{Statement, StoreError};

use crate::scene::{DAY, NOW, Scene};

fn filter(status: Option<Status>, plan: Option<&str>, search: &str) -> Selection {
    let plan = plan.map(str::to_owned);
    Selection::Filter(Query { search: search.into(), status, plan, ..Query::default() })
}

fn names(names: &[&str]) -> Selection {
    Selection::Names(names.iter().map(|&name| name.to_owned()).collect())
}

fn count(scene: &Scene, selection: &Selection) -> Chosen {
    scene.sqlite.all(&bulk::count(selection, scene.now.get())).unwrap().pop().unwrap()
}

fn try_start(scene: &Scene, selection: &Selection, total: u32) -> Result<(), StoreError> {
    let wish = Wish { selection, total, asked: "{}", action: "\"reset\"", by: "shop" };
    scene.sqlite.batch(&bulk::create(&wish, scene.now.get()))
}

fn start(scene: &Scene, selection: &Selection) -> Bulk {
    try_start(scene, selection, count(scene, selection).total).unwrap();
    scene.sqlite.all(&bulk::open()).unwrap().pop().unwrap()
}

fn stored(scene: &Scene, id: i64) -> Bulk {
    scene.sqlite.all(&bulk::by_id(id)).unwrap().pop().unwrap()
}

fn next(scene: &Scene, id: i64, state: State) -> Option<Chunk> {
    scene.sqlite.all(&bulk::next(id, state)).unwrap().pop()
}

fn users(scene: &Scene, chunk: &Chunk) -> Vec<User> {
    scene.sqlite.all(&bulk::users_of(&chunk.users)).unwrap()
}

fn sum(users: &[User]) -> Sum {
    let read: Vec<(i64, i64)> = users.iter().map(|user| (user.id, user.revision)).collect();
    let changed = u32::try_from(read.len()).unwrap();
    Sum { steps: Some("[]".into()), left: "[]".into(), changed, kept: 0, read }
}

fn resetting(scene: &Scene, users: &[User]) -> Vec<Statement> {
    let deeds: Vec<(&User, &Action<'_, Json>)> = users.iter().map(|user| (user, &Action::Reset)).collect();
    users::act_all(&deeds, scene.salt(), scene.now.get())
}

/// One chunk of resets as the engine does it.
fn reset_chunk(scene: &Scene, bulk: &Bulk, chunk: &Chunk) -> Result<(), StoreError> {
    let users = users(scene, chunk);
    let effects = resetting(scene, &users);
    let claim = bulk::claim(bulk.id, chunk.number, bulk.state, &sum(&users), effects, scene.now.get());
    scene.sqlite.batch(&claim)
}

#[test]
fn a_filter_chooses_whom_a_list_shows_and_names_whom_they_name() {
    let scene = Scene::new();
    scene.create("ann", &json!({ "plan": "basic", "plan_version": 1, "note": "cash" }));
    scene.create("bob", &json!({ "plan": "basic", "plan_version": 1 }));
    let carl = scene.create("carl", &json!({}));
    scene.act(carl.id, &Action::Disable);
    let dora = scene.create("dora", &json!({}));
    scene.delete(dora.id);
    let total = |selection: Selection| count(&scene, &selection).total;
    assert_eq!(total(filter(None, None, "")), 3);
    assert_eq!(total(filter(None, Some("BASIC"), "")), 2);
    assert_eq!(total(filter(Some(Status::Disabled), None, "")), 1);
    assert_eq!(total(filter(None, Some("basic"), "CASH")), 1);
    assert_eq!(count(&scene, &names(&["Ann", "BOB", "ann"])), Chosen { total: 2, missing: None });
    assert_eq!(count(&scene, &names(&["ann", "dora"])), Chosen { total: 1, missing: Some(1) });
    let page: Vec<User> = scene.sqlite.all(&bulk::page(&names(&["bob", "ann"]), 1, 1, NOW)).unwrap();
    assert_eq!(page[0].name, "bob", "in the order of their creation");
}

#[test]
fn ten_thousand_users_are_chosen_in_forty_rows_each_user_once() {
    let scene = Scene::new();
    scene.sqlite.execute(
        "INSERT INTO users (id, name, gate, slot, created_at)
           SELECT value, 'user-' || value, 'open', 'slot-' || value, 0 FROM json_each((
             WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000) SELECT json_group_array(i) FROM n));
         INSERT INTO usage (user) SELECT id FROM users;",
    );
    let bulk = start(&scene, &filter(None, None, ""));
    assert_eq!((bulk.total, bulk.state), (10_000, State::Running));
    assert_eq!(scene.sqlite.value::<i64>("SELECT count(*) FROM bulk_chunks"), 40);
    let each: i64 = scene.sqlite.value("SELECT count(DISTINCT one.value) FROM bulk_chunks, json_each(users) AS one");
    assert_eq!(each, 10_000);
    let most: i64 = scene.sqlite.value("SELECT max(json_array_length(users)) FROM bulk_chunks");
    assert_eq!(most, i64::from(bulk::CHUNK));
}

#[test]
fn other_users_than_were_counted_are_not_chosen() {
    let scene = Scene::new();
    scene.create("ann", &json!({}));
    let before = scene.sqlite.dump();
    for total in [0, 2] {
        assert_eq!(try_start(&scene, &filter(None, None, ""), total), Err(StoreError::Stale));
    }
    assert_eq!(scene.sqlite.dump(), before);
}

#[test]
fn a_chunk_is_done_once_and_only_to_users_as_they_were_read() {
    let scene = Scene::new();
    let ann = scene.create("ann", &json!({ "monthly_quota": 100 }));
    scene.create("bob", &json!({}));
    let bulk = start(&scene, &filter(None, None, ""));
    let chunk = next(&scene, bulk.id, bulk.state).unwrap();
    let read = users(&scene, &chunk);
    // A report does not overtake it, a person does.
    scene.report(&ann.slot, 40, NOW);
    let claim = |read: &[User]| {
        let effects = resetting(&scene, read);
        let batch = bulk::claim(bulk.id, chunk.number, bulk.state, &sum(read), effects, scene.now.get());
        scene.sqlite.batch(&batch)
    };
    scene.change(ann.id, &json!({ "monthly_quota": 50 }));
    let before = scene.sqlite.dump();
    assert_eq!(claim(&read), Err(StoreError::Stale));
    assert_eq!(scene.sqlite.dump(), before);
    let read = users(&scene, &chunk);
    scene.report(&ann.slot, 2, NOW);
    assert_eq!(claim(&read), Ok(()));
    assert_eq!(scene.user(ann.id).unwrap().month.get(), 0);
    let done = stored(&scene, bulk.id);
    assert_eq!((done.state, done.done, done.skipped, done.ended_at), (State::Done, 2, 0, Some(NOW.get())));
    let before = scene.sqlite.dump();
    assert_eq!(claim(&users(&scene, &chunk)), Err(StoreError::Stale), "a second run that had read the same chunk");
    assert_eq!(scene.sqlite.dump(), before);
}

#[test]
fn what_was_stopped_goes_no_further_and_can_be_undone_for_a_day() {
    let scene = Scene::new();
    for number in 0..600 {
        scene.add_slots(1);
        scene.create(&format!("user-{number}"), &json!({}));
    }
    let bulk = start(&scene, &filter(None, None, ""));
    let first = next(&scene, bulk.id, bulk.state).unwrap();
    reset_chunk(&scene, &bulk, &first).unwrap();
    scene.sqlite.run(&bulk::stop(bulk.id, NOW)).unwrap();
    let second = next(&scene, bulk.id, State::Running).unwrap();
    assert_eq!(reset_chunk(&scene, &bulk, &second), Err(StoreError::Stale));
    let stopped = stored(&scene, bulk.id);
    assert_eq!((stopped.state, stopped.done, stopped.undo_until()), (State::Stopped, 250, Some(NOW.get() + DAY)));
    assert!(stopped.can_be_undone(NOW.plus(DAY - 1)) && !stopped.can_be_undone(NOW.plus(DAY)));
    scene.sqlite.run(&bulk::undo(bulk.id)).unwrap();
    let undoing = stored(&scene, bulk.id);
    let chunk = next(&scene, bulk.id, undoing.state).unwrap();
    assert_eq!(chunk.number, first.number, "what was not done is not undone");
    let nothing = Sum { steps: None, left: "[]".into(), ..Sum::default() };
    scene.sqlite.batch(&bulk::claim(bulk.id, chunk.number, undoing.state, &nothing, Vec::new(), NOW)).unwrap();
    let undone = stored(&scene, bulk.id);
    assert_eq!((undone.state, undone.can_be_undone(NOW)), (State::Undone, false));
    assert_eq!(scene.sqlite.all::<Bulk>(&bulk::open()).unwrap(), []);
}

#[test]
fn a_reset_that_is_taken_back_leaves_one_period_with_every_byte() {
    let scene = Scene::new();
    let ann = scene.create("ann", &json!({ "monthly_quota": 100 }));
    scene.wait(3_600);
    scene.report(&ann.slot, 90, scene.now.get());
    let was = scene.user(ann.id).unwrap();
    scene.act(ann.id, &Action::Reset);
    scene.wait(60);
    let since = scene.user(ann.id).unwrap().period_start;
    scene.report(&ann.slot, 5, scene.now.get());
    // One that is late counts in the period that the reset ended.
    scene.report(&ann.slot, 3, NOW.plus(3_000));
    assert_eq!(scene.gate(ann.id), "open");
    let unreset = Unreset { user: ann.id, since, start: was.period_start, end: was.period_end };
    scene.sqlite.batch(&bulk::unreset(&[unreset], scene.salt(), scene.now.get())).unwrap();
    let now = scene.user(ann.id).unwrap();
    assert_eq!((now.period_start, now.period_end), (was.period_start, was.period_end));
    assert_eq!((now.month.get(), now.lifetime.get()), (98, 98));
    assert_eq!(scene.periods(ann.id), Vec::<[i64; 4]>::new());
    scene.report(&ann.slot, 2, scene.now.get());
    assert_eq!((scene.gate(ann.id).as_str(), scene.user(ann.id).unwrap().month.get()), ("month", 100));
    // Another period has begun: nothing is left to take back.
    scene.act(ann.id, &Action::Reset);
    let before = scene.user(ann.id).unwrap();
    scene.sqlite.batch(&bulk::unreset(&[unreset], scene.salt(), scene.now.get())).unwrap();
    assert_eq!(scene.user(ann.id).unwrap().month, before.month);
}

#[test]
fn whoever_was_deleted_comes_back_with_his_history_and_link_and_with_new_credentials() {
    let scene = Scene::new();
    let ann = scene.create("ann", &json!({ "monthly_quota": 100, "email": "ann@example.org" }));
    let bob = scene.create("bob", &json!({}));
    scene.report(&ann.slot, 100, NOW);
    let read = [ann.id, bob.id].map(|id| (id, scene.user(id).unwrap().revision));
    let was = scene.user(ann.id).unwrap();
    scene.sqlite.batch(&users::delete_read(&read, scene.salt(), NOW)).unwrap();
    assert_eq!(scene.user(ann.id), None);
    assert_eq!(scene.sqlite.value::<i64>("SELECT value FROM counters WHERE name = 'users'"), 0);
    scene.create("Bob", &json!({}));
    let gone: Vec<Deleted> = scene.sqlite.all(&bulk::deleted_of(&json!([ann.id, bob.id]).to_string())).unwrap();
    let taken: Vec<(i64, u32)> = gone.iter().map(|user| (user.id, user.is_taken)).collect();
    assert_eq!(taken, [(ann.id, 0), (bob.id, 1)]);
    scene.sqlite.batch(&bulk::bring_back(&[ann.id], scene.salt(), NOW)).unwrap();
    let now = scene.user(ann.id).unwrap();
    assert_ne!(now.slot, was.slot, "a slot is never used again");
    assert_eq!(scene.sqlite.value::<String>(&format!("SELECT gate FROM slots WHERE name = '{}'", was.slot)), "retired");
    let same = User { slot: was.slot.clone(), revision: was.revision, ..now.clone() };
    assert_eq!(same, was, "generation, usage, period, mail");
    assert_eq!(scene.gate(ann.id), "month", "as he stands, and not simply open");
    assert_eq!(scene.sqlite.value::<i64>("SELECT value FROM counters WHERE name = 'users'"), 2);
    assert!(scene.sqlite.value::<Option<i64>>(&format!("SELECT due_at FROM users WHERE id = {}", ann.id)).is_some());
    // Late bytes of the old credentials are his.
    scene.report(&was.slot, 7, NOW);
    assert_eq!(scene.user(ann.id).unwrap().lifetime.get(), 107);
}

/// A chunk of deletions as the engine does it.
fn delete_chunk(scene: &Scene, bulk: &Bulk, chunk: &Chunk) {
    let users = users(scene, chunk);
    let steps: Vec<Json> =
        users.iter().map(|user| json!({ "user": user.id, "name": user.name, "before": {}, "after": {} })).collect();
    let sum = Sum { steps: Some(json!(steps).to_string()), ..sum(&users) };
    let mut effects = vec![bulk::keep_aliases(bulk.id, chunk.number)];
    effects.extend(users::delete_read(&sum.read, scene.salt(), scene.now.get()));
    let claim = bulk::claim(bulk.id, chunk.number, bulk.state, &sum, effects, scene.now.get());
    scene.sqlite.batch(&claim).unwrap();
}

#[test]
fn whoever_comes_back_has_the_aliases_again_that_nobody_else_has_by_now() {
    let scene = Scene::new();
    let [ann, bob, carl] = ["ann", "bob", "carl"].map(|name| scene.create(name, &json!({})).id);
    let add = |user: i64, alias: &str| scene.sqlite.run(&aliases::add(user, alias, NOW)).unwrap();
    let of = |user: i64| -> Vec<String> {
        let found: Vec<Alias> = scene.sqlite.all(&aliases::of_user(user)).unwrap();
        found.into_iter().map(|alias| alias.alias).collect()
    };
    let bulk = start(&scene, &names(&["ann", "bob", "carl"]));
    let chunk = next(&scene, bulk.id, bulk.state).unwrap();
    // Given when the chunk stood already.
    for (user, alias) in [(ann, "old\"one"), (ann, "old-two"), (bob, "bobs")] {
        add(user, alias);
    }
    delete_chunk(&scene, &bulk, &chunk);
    assert_eq!(scene.sqlite.value::<i64>("SELECT count(*) FROM aliases"), 0);
    let dora = scene.create("dora", &json!({})).id;
    add(dora, "old-two");
    scene.sqlite.batch(&bulk::bring_back(&[ann, carl], scene.salt(), NOW)).unwrap();
    scene.sqlite.run(&bulk::return_aliases(bulk.id, chunk.number, &[ann, carl])).unwrap();
    assert_eq!([of(ann), of(carl), of(dora)], [vec!["old\"one".to_owned()], vec![], vec!["old-two".to_owned()]]);
    assert_eq!(of(bob), Vec::<String>::new(), "he did not come back");
    let since: i64 = scene.sqlite.value(&format!("SELECT created_at FROM aliases WHERE user = {ann}"));
    assert_eq!(since, NOW.get());
}

#[test]
fn a_deletion_of_users_without_aliases_keeps_its_steps_as_they_are() {
    let scene = Scene::new();
    let ann = scene.create("ann", &json!({})).id;
    let bulk = start(&scene, &names(&["ann"]));
    let chunk = next(&scene, bulk.id, bulk.state).unwrap();
    delete_chunk(&scene, &bulk, &chunk);
    let steps: Json = serde_json::from_str(&scene.sqlite.value::<String>("SELECT steps FROM bulk_chunks")).unwrap();
    assert_eq!(steps, json!([{ "user": ann, "name": "ann", "before": {}, "after": {} }]));
    scene.sqlite.batch(&bulk::bring_back(&[ann], scene.salt(), NOW)).unwrap();
    scene.sqlite.run(&bulk::return_aliases(bulk.id, chunk.number, &[ann])).unwrap();
    assert_eq!(scene.sqlite.value::<i64>("SELECT count(*) FROM aliases"), 0);
}

#[test]
fn without_a_slot_for_each_nobody_comes_back() {
    let scene = Scene::new();
    let ann = scene.create("ann", &json!({}));
    scene.delete(ann.id);
    scene.sqlite.execute("DELETE FROM slots WHERE gate = 'vacant'");
    let before = scene.sqlite.dump();
    assert!(scene.sqlite.batch(&bulk::bring_back(&[ann.id], scene.salt(), NOW)).is_err());
    assert_eq!(scene.sqlite.dump(), before);
}

#[test]
fn what_ended_long_ago_is_forgotten_and_what_goes_on_is_not() {
    let scene = Scene::new();
    scene.create("ann", &json!({}));
    let bulk = start(&scene, &filter(None, None, ""));
    scene.sqlite.batch(&bulk::forget(NOW.plus(99 * DAY))).unwrap();
    assert_eq!(stored(&scene, bulk.id).state, State::Running);
    reset_chunk(&scene, &bulk, &next(&scene, bulk.id, bulk.state).unwrap()).unwrap();
    scene.sqlite.batch(&bulk::forget(NOW)).unwrap();
    assert_eq!(stored(&scene, bulk.id).state, State::Done);
    scene.sqlite.batch(&bulk::forget(NOW.plus(1))).unwrap();
    assert_eq!(scene.sqlite.value::<i64>("SELECT (SELECT count(*) FROM bulk) + (SELECT count(*) FROM bulk_chunks)"), 0);
}
