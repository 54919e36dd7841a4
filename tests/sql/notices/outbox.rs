//! Deliveries: for whom there is one, in which order they wait, and what becomes of them.

use serde_json::json;
use weir::store::channels::{self, Channel, Created, Fields, Standing};
use weir::store::deliveries::{self, Mark, Shown, Waiting};
use weir::store::{alerts, events, jobs};
use weir_wire::Second;

use super::{channel, fan_out, happen, kinds, waiting};
use crate::scene::{DAY, NOW, Scene};

#[test]
fn an_event_wakes_the_outbox_and_becomes_one_delivery_for_each_channel_that_wants_it() {
    let scene = Scene::new();
    let first = channel(&scene, "first", &["sharing.suspected"], "operator");
    let second = channel(&scene, "second", &["sharing.suspected", "user.limited"], "operator");
    let third = channel(&scene, "third", &["user.limited"], "operator");
    let users = channel(&scene, "users", &["sharing.suspected"], "user");
    let ann = scene.create("ann", &json!({ "email": "ann@b.example" }));
    let bob = scene.create("bob", &json!({}));
    scene.sqlite.execute("UPDATE jobs SET next_at = 9007199254740991 WHERE name = 'outbox'");
    happen(&scene, ann.id, &["one", "two"]);
    happen(&scene, bob.id, &["three"]);
    happen(&scene, ann.id, &["one"]);
    let next: i64 = scene.sqlite.value("SELECT next_at FROM jobs WHERE name = 'outbox'");
    assert_eq!(next, NOW.get());
    fan_out(&scene);
    fan_out(&scene);
    let counts = [first, second, third, users].map(|id| waiting(&scene, id).len());
    assert_eq!(counts, [3, 3, 0, 2], "an event happens once, and a user without an address is told nothing");
    let late = channel(&scene, "late", &["sharing.suspected"], "operator");
    fan_out(&scene);
    assert_eq!(waiting(&scene, late), [], "a new channel is not told what was before it");
    let told: Vec<Waiting> = scene.sqlite.all(&deliveries::waiting(users, true, NOW)).unwrap();
    assert_eq!(told.iter().map(|row| row.email.as_deref()).collect::<Vec<_>>(), [Some("ann@b.example"); 2]);
}

#[test]
fn what_got_through_leaves_the_queue_and_what_did_not_stays_with_its_reason() {
    let scene = Scene::new();
    let hook = channel(&scene, "hook", &["sharing.suspected"], "operator");
    let ann = scene.create("ann", &json!({}));
    happen(&scene, ann.id, &["one", "two", "three"]);
    fan_out(&scene);
    let numbers: Vec<i64> = waiting(&scene, hook).iter().map(|row| row.event).collect();
    let delivered = Mark {
        state: "delivered",
        refusals: 0,
        next_at: NOW,
        status: Some(200),
        error: None,
        ..refused(numbers[0], 0)
    };
    let together = [delivered, refused(numbers[1], 60)];
    scene.sqlite.run(&deliveries::mark(hook, &together, NOW)).unwrap();
    scene.sqlite.run(&deliveries::mark(hook, &[refused(numbers[0], 60)], NOW)).unwrap();
    assert_eq!(waiting(&scene, hook), [], "the later one waits for the earlier one");
    scene.wait(60);
    let left = waiting(&scene, hook);
    assert_eq!(left.iter().map(|row| (row.event, row.refusals)).collect::<Vec<_>>(), [(numbers[1], 1)]);
    let all: Vec<Shown> = scene.sqlite.all(&deliveries::list(None, "", (i64::from(u32::MAX), 0), 10)).unwrap();
    let shown: Vec<_> = all.iter().map(|row| (row.state.as_str(), row.tries, row.error.as_deref())).collect();
    assert_eq!(shown, [("waiting", 0, None), ("waiting", 1, Some("no")), ("delivered", 1, None)]);
    let page: Vec<Shown> = scene.sqlite.all(&deliveries::list(Some(hook), "", (all[0].event, hook), 1)).unwrap();
    assert_eq!(page[0].event, all[1].event);
    assert_eq!(
        scene
            .sqlite
            .all::<Shown>(&deliveries::list(Some(hook), "waiting", (i64::from(u32::MAX), 0), 10))
            .unwrap()
            .len(),
        2
    );
}

/// One try at which the endpoint took offence, to be repeated so many seconds later.
fn refused(event: i64, wait: i64) -> Mark {
    let next_at = NOW.plus(wait);
    Mark { event, state: "waiting", tries: 1, refusals: 1, next_at, status: Some(422), error: Some("no".into()) }
}

#[test]
fn however_many_must_wait_they_take_no_place_and_hold_back_their_own_users_alone() {
    let scene = Scene::new();
    let hook = channel(&scene, "hook", &["sharing.suspected"], "operator");
    let many = 2 * i64::from(deliveries::WINDOW);
    for user in 1..=many {
        happen(&scene, user, &[&format!("refused {user}")]);
    }
    fan_out(&scene);
    let marks: Vec<Mark> = (1..=many).map(|event| refused(event, 60)).collect();
    scene.sqlite.run(&deliveries::mark(hook, &marks, NOW)).unwrap();
    happen(&scene, 7, &["held"]);
    happen(&scene, many + 1, &["free"]);
    happen(&scene, 9, &["held, too"]);
    fan_out(&scene);
    let events = || waiting(&scene, hook).iter().map(|row| row.event).collect::<Vec<_>>();
    assert_eq!(events(), [many + 2]);
    let later = |at| scene.sqlite.all::<channels::Claimed>(&channels::claim(hook, at)).unwrap()[0].later;
    assert_eq!(later(NOW), Some(NOW.get() + 60), "when the first of them may be tried");
    scene.wait(60);
    assert_eq!(later(NOW.plus(180)), None);
    let due = events();
    assert_eq!(due.len(), usize::try_from(deliveries::WINDOW).unwrap());
    assert_eq!(
        (due.first(), due.last()),
        (Some(&1), Some(&(many + 2))),
        "the fresh one has its place, whoever waits longer"
    );
    scene.sqlite.run(&deliveries::mark(hook, &[Mark { state: "dead", ..refused(7, 0) }], NOW)).unwrap();
    assert!(events().contains(&(many + 1)), "what was given up holds back nothing");
}

#[test]
fn what_is_given_up_untried_counts_as_no_try() {
    let scene = Scene::new();
    let hook = channel(&scene, "hook", &["sharing.suspected"], "operator");
    happen(&scene, 1, &["one"]);
    fan_out(&scene);
    let gone = Mark { state: "dead", tries: 0, refusals: 0, ..refused(1, 0) };
    scene.sqlite.run(&deliveries::mark(hook, &[gone], NOW)).unwrap();
    let dead: Vec<Shown> = scene.sqlite.all(&deliveries::list(None, "dead", (i64::from(u32::MAX), 0), 10)).unwrap();
    assert_eq!((dead[0].tries, dead[0].tried_at, dead[0].error.as_deref()), (0, None, Some("no")));
}

#[test]
fn what_a_channel_does_not_take_for_three_days_is_dead_and_can_be_sent_again() {
    let scene = Scene::new();
    let hook = channel(&scene, "hook", &["sharing.suspected"], "operator");
    let other = channel(&scene, "other", &["sharing.suspected"], "operator");
    let ann = scene.create("ann", &json!({}));
    happen(&scene, ann.id, &["one", "two"]);
    fan_out(&scene);
    scene.wait(3 * DAY - 1);
    happen(&scene, ann.id, &["three"]);
    fan_out(&scene);
    let give_up = || scene.sqlite.run(&deliveries::give_up(hook, "it failed", scene.now.get())).unwrap();
    give_up();
    assert_eq!(waiting(&scene, hook).len(), 3);
    scene.wait(1);
    give_up();
    assert_eq!((waiting(&scene, hook).len(), waiting(&scene, other).len()), (1, 3));
    let dead: Vec<Shown> = scene.sqlite.all(&deliveries::list(None, "dead", (i64::from(u32::MAX), 0), 10)).unwrap();
    assert_eq!(dead.iter().map(|row| row.error.as_deref()).collect::<Vec<_>>(), [Some("it failed"); 2]);
    scene.sqlite.run(&deliveries::replay(hook, dead[1].event, scene.now.get())).unwrap();
    assert_eq!(waiting(&scene, hook).iter().map(|row| row.event).collect::<Vec<_>>(), [1, 3], "in its old place");
    scene.sqlite.run(&deliveries::replay_dead(hook, 1_000, scene.now.get())).unwrap();
    assert_eq!(waiting(&scene, hook).len(), 3);
}

#[test]
fn two_runs_do_not_have_one_channel_at_once() {
    let scene = Scene::new();
    let hook = channel(&scene, "hook", &["sharing.suspected"], "operator");
    let ann = scene.create("ann", &json!({}));
    happen(&scene, ann.id, &["one"]);
    fan_out(&scene);
    let claimed = || scene.sqlite.value::<i64>("SELECT claimed_until FROM channels");
    let claim = |at: Second| {
        let before = claimed();
        scene.sqlite.run(&channels::claim(hook, at)).unwrap();
        claimed() != before
    };
    assert!(claim(NOW));
    assert!(!claim(NOW.plus(119)));
    assert!(claim(NOW.plus(120)), "a run that died holds nothing for good");
    let standing = Standing { failures: 4, next_at: 7, ..Standing::default() };
    scene.sqlite.run(&channels::release(hook, NOW, &standing, NOW)).unwrap();
    let due: Vec<Channel> = scene.sqlite.all(&channels::due()).unwrap();
    assert_eq!(due[0].failures, 0, "what was overtaken says nothing");
    scene.sqlite.run(&channels::release(hook, NOW.plus(120), &standing, NOW)).unwrap();
    let due: Vec<Channel> = scene.sqlite.all(&channels::due()).unwrap();
    assert_eq!((due[0].failures, due[0].next_at, claimed()), (4, 7, 0));
    assert!(claim(NOW.plus(-DAY)));
    assert!(claim(NOW.plus(-2 * DAY)), "a clock that was set back");
}

#[test]
fn old_events_are_forgotten_with_their_deliveries_and_no_number_comes_twice() {
    let scene = Scene::new();
    let hook = channel(&scene, "hook", &["sharing.suspected"], "operator");
    let ann = scene.create("ann", &json!({}));
    happen(&scene, ann.id, &["one", "two"]);
    fan_out(&scene);
    scene.wait(DAY);
    happen(&scene, ann.id, &["three"]);
    fan_out(&scene);
    let forget = |before: Second| scene.sqlite.batch(&events::forget(before)).unwrap();
    forget(NOW);
    assert_eq!(kinds(&scene).len(), 3);
    forget(NOW.plus(1));
    assert_eq!((kinds(&scene).len(), waiting(&scene, hook).len()), (1, 1));
    forget(NOW.plus(10 * DAY));
    assert_eq!(kinds(&scene).len(), 1, "the newest stays");
    happen(&scene, ann.id, &["four"]);
    fan_out(&scene);
    assert_eq!(waiting(&scene, hook).len(), 2);
}

#[test]
fn there_are_so_many_channels_and_no_more() {
    let scene = Scene::new();
    for name in ["a", "b"] {
        channel(&scene, name, &[], "operator");
    }
    let fields =
        Fields { name: "c", type_name: "email", enabled: true, audience: "user", rules: "{}", wants: "[]", target: "" };
    assert!(scene.sqlite.all::<Created>(&channels::create(&fields, 2, NOW)).unwrap().is_empty());
    let taken = Fields { name: "A", ..fields };
    assert_eq!(scene.sqlite.run(&channels::create(&taken, 20, NOW)), Err(weir::store::StoreError::Taken));
    let gone: Vec<Channel> = scene.sqlite.all(&channels::all()).unwrap();
    scene.sqlite.run(&channels::delete(gone[1].id)).unwrap();
    let next = scene.sqlite.all::<Created>(&channels::create(&fields, 2, NOW)).unwrap()[0].id;
    assert!(next > gone[1].id, "a number is not given again");
}

#[test]
fn an_outbox_that_is_called_while_it_runs_runs_again() {
    let scene = Scene::new();
    channel(&scene, "hook", &["sharing.suspected"], "operator");
    let job: jobs::Job =
        scene.sqlite.all(&jobs::all()).unwrap().into_iter().find(|job: &jobs::Job| job.name == "outbox").unwrap();
    let retry = NOW.plus(60);
    scene.sqlite.run(&jobs::begin(&job, NOW, retry)).unwrap();
    happen(&scene, 1, &["one"]);
    let ending = jobs::Ending {
        lasted_ms: 1,
        cost: weir::store::d1::Cost::default(),
        outcome: jobs::Outcome::Done,
        retry,
        next: Second::LAST,
    };
    scene.sqlite.run(&jobs::end("outbox", NOW, &ending)).unwrap();
    assert_eq!(scene.sqlite.value::<i64>("SELECT next_at FROM jobs WHERE name = 'outbox'"), NOW.get());
}

#[test]
fn a_job_that_is_cut_off_each_time_is_told_although_the_runs_between_only_wait() {
    let scene = Scene::new();
    channel(&scene, "hook", &["job.failed"], "operator");
    let jobs = || -> Vec<jobs::Job> { scene.sqlite.all(&jobs::all()).unwrap() };
    let backup = || jobs().into_iter().find(|job| job.name == "backup").unwrap();
    let begin = || scene.sqlite.run(&jobs::begin(&backup(), NOW, NOW)).unwrap();
    let end = |outcome| {
        let cost = weir::store::d1::Cost::default();
        let ending = jobs::Ending { lasted_ms: 1, cost, outcome, retry: NOW, next: NOW };
        scene.sqlite.run(&jobs::end("backup", NOW, &ending)).unwrap();
    };
    let told = || {
        scene.sqlite.run(&alerts::jobs(NOW)).unwrap();
        scene.sqlite.value::<i64>("SELECT count(*) FROM events WHERE kind = 'job.failed'")
    };
    for cut_off in 1..=3 {
        assert_eq!(told(), 0);
        begin();
        assert_eq!(backup().failures, cut_off);
        if cut_off < 3 {
            begin();
            end(jobs::Outcome::Waits);
            assert_eq!(backup().failures, cut_off);
        }
    }
    assert_eq!(told(), 1);
    begin();
    end(jobs::Outcome::Done);
    assert_eq!(backup().failures, 0);
}
