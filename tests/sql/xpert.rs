//! Reports about other people's servers: whatever is folded and forgotten when, the sums are those of the reports.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::json;
use weir::domain::fetch::Fetch;
use weir::domain::xpert::servers::{Seen, add_up};
use weir::store::fetch_log::{self, Row};
use weir::store::users::Action;
use weir::store::xpert_reports::{self, After, Entry};
use weir::store::xpert_stats::{self, AllRow, DayRow, Waiting};
use weir::store::{events, gates, slots};
use weir_wire::{Bytes, Second};

use crate::scene::{DAY, NOW, Scene};
use crate::sqlite::Sqlite;

const TODAY: i64 = 20_000;
const SERVERS: [&str; 3] = ["a.example", "b.example", "c.example"];

/// What happens to the tables.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// A report: user, server, port, days ago, bytes up, bytes down.
    Report(i64, usize, u32, i64, u64, u64),
    Fold,
    /// Fold, and forget days before so many days ago.
    Forget(i64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (1..5_i64, 0..3_usize, 443..445_u32, 0..12_i64, 0..1_000_u64, 0..1_000_u64)
            .prop_map(|(user, server, port, ago, up, down)| Step::Report(user, server, port, ago, up, down)),
        2 => Just(Step::Fold),
        1 => (0..12_i64).prop_map(Step::Forget),
    ]
}

fn entry(user: i64, server: &str, port: u32, up: u64, down: u64) -> Entry<'_> {
    Entry {
        user,
        server,
        port,
        protocol: "vless",
        up: Bytes::saturating(up),
        down: Bytes::saturating(down),
        is_trusted: false,
        is_charged: false,
        key: "",
    }
}

/// (user, days since 1970, server, port) -> (up, down).
type Model = BTreeMap<(i64, i64, &'static str, u32), (u64, u64)>;

fn forget(sqlite: &Sqlite, first_day: i64) {
    sqlite.batch(&xpert_stats::fold()).unwrap();
    sqlite.run(&xpert_stats::forget_rows(first_day)).unwrap();
    sqlite.batch(&xpert_stats::forget_sums(first_day)).unwrap();
}

fn compare(sqlite: &Sqlite, model: &Model, first_day: i64) {
    let within: Vec<_> = model.iter().filter(|((_, day, ..), _)| *day >= first_day).collect();
    let all: AllRow = sqlite.all(&xpert_stats::of_all(first_day)).unwrap().pop().unwrap();
    let users: BTreeSet<_> = within.iter().map(|((user, ..), _)| user).collect();
    let servers: BTreeSet<_> = within.iter().map(|((_, _, server, _), _)| server).collect();
    assert_eq!(all.users, users.len() as u64, "users from {first_day}");
    assert_eq!(all.servers, servers.len() as u64, "servers");
    assert_eq!(all.protocols, u64::from(!within.is_empty()), "protocols");
    assert_eq!(all.day_rows, within.len() as u64, "rows");
    assert_eq!(all.bytes, within.iter().map(|(_, (up, down))| up + down).sum::<u64>(), "bytes");
    for user in 1..5 {
        let rows: Vec<DayRow> = sqlite.all(&xpert_stats::of_user(user, first_day)).unwrap();
        let days: Vec<(i64, Vec<Seen>)> =
            rows.into_iter().map(|row| (row.day, serde_json::from_str(&row.servers).unwrap())).collect();
        let mut expected: BTreeMap<(String, u32), (u64, u64, u64)> = BTreeMap::new();
        for ((_, _, server, port), (up, down)) in within.iter().filter(|((of, ..), _)| *of == user) {
            let sum = expected.entry(((*server).to_owned(), *port)).or_default();
            *sum = (sum.0 + up, sum.1 + down, sum.2 + 1);
        }
        let found: BTreeMap<_, _> =
            add_up(days).into_iter().map(|s| ((s.server, s.port), (s.up, s.down, s.days))).collect();
        assert_eq!(found, expected, "user {user}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn sums_are_those_of_the_reports_whenever_they_are_folded_and_forgotten(
        steps in prop::collection::vec(step(), 1..60),
        first in 0..12_i64,
    ) {
        let sqlite = Sqlite::new();
        let mut model = Model::new();
        for step in steps {
            match step {
                Step::Report(user, server, port, ago, up, down) => {
                    let (server, day) = (SERVERS[server], TODAY - ago);
                    let now = Second::clamped(day * 86_400 + 77);
                    sqlite.batch(&xpert_reports::record(&entry(user, server, port, up, down), now)).unwrap();
                    let sum = model.entry((user, day, server, port)).or_default();
                    *sum = (sum.0 + up, sum.1 + down);
                }
                Step::Fold => sqlite.batch(&xpert_stats::fold()).unwrap(),
                Step::Forget(ago) => {
                    forget(&sqlite, TODAY - ago);
                    model.retain(|(_, day, ..), _| *day >= TODAY - ago);
                }
            }
        }
        compare(&sqlite, &model, TODAY - first);
        compare(&sqlite, &model, 0);
        sqlite.batch(&xpert_stats::fold()).unwrap();
        compare(&sqlite, &model, TODAY - first);
    }
}

#[test]
fn counts_stick_at_the_largest_number_that_can_be_read_back() {
    let sqlite = Sqlite::new();
    let now = Second::clamped(TODAY * 86_400);
    let most = Bytes::MAX.get();
    for _ in 0..2 {
        sqlite.batch(&xpert_reports::record(&entry(1, "a.example", 443, most, 1), now)).unwrap();
    }
    sqlite.batch(&xpert_stats::fold()).unwrap();
    sqlite.batch(&xpert_reports::record(&entry(1, "a.example", 443, most, 1), now)).unwrap();
    let all: AllRow = sqlite.all(&xpert_stats::of_all(0)).unwrap().pop().unwrap();
    assert_eq!(all.bytes, most);
    sqlite.batch(&xpert_stats::fold()).unwrap();
    assert_eq!(sqlite.value::<u64>("SELECT up FROM xpert_days"), most);
}

#[test]
fn a_key_is_remembered_for_128_reports_of_its_user() {
    let sqlite = Sqlite::new();
    sqlite.execute("INSERT INTO usage (user) VALUES (1), (2)");
    let now = Second::clamped(TODAY * 86_400);
    let send = |user: i64, key: String| {
        sqlite.batch(&xpert_reports::record(&Entry { key: &key, ..entry(user, "a.example", 443, 1, 0) }, now)).unwrap();
    };
    let sum = || sqlite.value::<u64>("SELECT sum(up) FROM xpert_fresh WHERE user = 1");
    send(1, "first----".into());
    for number in 0..127 {
        send(1, format!("k{number:08}"));
    }
    send(1, "first----".into());
    send(2, "first----".into());
    assert_eq!(sum(), 128);
    send(1, "another--".into());
    send(1, "first----".into());
    assert_eq!(sum(), 130, "the 129th newest key is forgotten");
}

#[test]
fn waiting_rows_are_counted_up_to_a_limit() {
    let sqlite = Sqlite::new();
    for port in 1..9 {
        let report = entry(1, "a.example", port, 1, 0);
        sqlite.batch(&xpert_reports::record(&report, Second::clamped(TODAY * 86_400))).unwrap();
    }
    let waiting = |most| sqlite.all::<Waiting>(&xpert_stats::waiting(most)).unwrap().pop().unwrap().waiting;
    assert_eq!((waiting(5), waiting(100)), (5, 8));
}

#[test]
fn fetches_are_entered_once_a_family_up_to_eight_and_forgotten_by_the_day() {
    let sqlite = Sqlite::new();
    sqlite.execute("INSERT INTO users (id, name, gate, slot, created_at) VALUES (1, 'ann', 'open', 'a', 0)");
    let at = |hour: i64| Second::clamped(TODAY * 86_400 + hour * 3_600 + 59);
    let note = |family: String, hour: i64| {
        let fetch = Fetch(family, "links".into(), at(hour).get());
        sqlite.run(&fetch_log::note(1, &fetch, at(hour))).unwrap();
    };
    for number in 0..12 {
        note(format!("app{}", number % 10), 0);
    }
    note("app0".into(), 1);
    let rows = |since| {
        let rows = sqlite.all::<Row>(&fetch_log::since(at(since), 10)).unwrap();
        assert_eq!(sqlite.all::<Row>(&fetch_log::since_of_user(1, at(since), at(30), 10)).unwrap(), rows);
        rows
    };
    let families = |row: &Row| {
        let entries: Vec<Fetch> = serde_json::from_str(&row.entries).unwrap();
        entries.into_iter().map(|fetch| fetch.0).collect::<Vec<_>>()
    };
    assert_eq!(rows(0).iter().map(families).collect::<Vec<_>>()[0], ["app0"]);
    assert_eq!(families(&rows(0)[1]), ["app0", "app1", "app2", "app3", "app4", "app5", "app6", "app7"]);
    note("app0".into(), 24);
    assert_eq!([rows(0).len(), rows(1).len(), rows(2).len()], [3, 2, 1]);
    sqlite.run(&fetch_log::forget(at(23))).unwrap();
    assert_eq!(rows(0).len(), 3, "the day of the limit stays");
    sqlite.run(&fetch_log::forget(at(24))).unwrap();
    assert_eq!(rows(0).len(), 1);
}

/// Charges a report, without what follows.
fn charge(scene: &Scene, user: i64, bytes: u64, key: &str) -> Option<After> {
    let entry = Entry { is_charged: true, key, ..entry(user, "a.example", 443, bytes, 0) };
    let [first, second] = xpert_reports::record(&entry, scene.now.get()).try_into().unwrap();
    let after = scene.sqlite.all(&first).unwrap().pop();
    scene.sqlite.run(&second).unwrap();
    after
}

fn charged(scene: &Scene, user: i64) -> Option<After> {
    scene.sqlite.all(&xpert_reports::charged(user, scene.now.get())).unwrap().pop()
}

fn settle(scene: &Scene, user: i64) {
    let now = scene.now.get();
    let batch = [gates::settle_moved(&[user], now), slots::number_change(scene.salt()), gates::schedule(&[user], now)];
    scene.sqlite.batch(&batch).unwrap();
}

fn uses_up(after: &After) -> bool {
    after.waits == 1
}

fn sums(after: &After) -> [u64; 4] {
    [after.month, after.lifetime, after.bonus_left, after.bonus_spent].map(Bytes::get)
}

#[test]
fn a_charge_that_takes_the_last_of_a_bonus_uses_its_user_up_though_it_crosses_no_quota() {
    let scene = Scene::new();
    let ann = scene.create("ann", &json!({ "monthly_quota": 100 })).id;
    // A node's bytes have gone beyond the quota before the bonus was bought.
    scene.sqlite.execute(&format!("UPDATE usage SET month = 120, lifetime = 120, bonus_left = 30 WHERE user = {ann}"));
    let after = charge(&scene, ann, 20, "").unwrap();
    assert_eq!((sums(&after), uses_up(&after)), ([120, 140, 10, 20], false));
    let after = charge(&scene, ann, 50, "").unwrap();
    assert_eq!((sums(&after), uses_up(&after)), ([160, 190, 0, 30], true));
    settle(&scene, ann);
    assert_eq!(scene.gate(ann), "month");
    assert!(!uses_up(&charge(&scene, ann, 50, "").unwrap()), "nothing is left to follow");
}

#[test]
fn what_did_not_follow_from_one_charge_follows_from_the_next_and_from_a_retry() {
    let scene = Scene::new();
    let ann = scene.create("ann", &json!({ "total_quota": 100 })).id;
    assert!(uses_up(&charge(&scene, ann, 100, "k--------").unwrap()));
    assert_eq!(charge(&scene, ann, 100, "k--------"), None, "the key was seen");
    let left = charged(&scene, ann).unwrap();
    assert_eq!((sums(&left), uses_up(&left)), ([100, 100, 0, 0], true));
    assert!(uses_up(&charge(&scene, ann, 1, "").unwrap()));
    settle(&scene, ann);
    assert_eq!((scene.gate(ann).as_str(), uses_up(&charged(&scene, ann).unwrap())), ("total", false));
    // Whom a person has shut waits for nothing, and a period that has ended is none to look at.
    scene.change(ann, &json!({ "total_quota": 300 }));
    scene.act(ann, &Action::Disable);
    assert!(!uses_up(&charge(&scene, ann, 300, "").unwrap()));
    scene.wait(40 * DAY);
    assert_eq!(charged(&scene, ann), None);
}

#[test]
fn a_plan_that_waits_for_an_expired_user_to_be_used_up_is_called_for_once() {
    let scene = Scene::new();
    scene.sqlite.execute("INSERT INTO plans (name) VALUES ('gold')");
    let next = json!({ "plan": "gold", "add_remaining_traffic": false, "fire_on_either": false });
    let ann = scene.create("ann", &json!({ "monthly_quota": 100 })).id;
    scene.change(ann, &json!({ "expires_at": NOW.get() - 5, "next_plan": next }));
    assert_eq!(scene.gate(ann), "expired");
    assert!(!uses_up(&charge(&scene, ann, 99, "").unwrap()));
    assert!(uses_up(&charge(&scene, ann, 1, "").unwrap()));
    settle(&scene, ann);
    assert_eq!(scene.due().iter().map(|due| due.id).collect::<Vec<_>>(), [ann]);
    assert!(!uses_up(&charge(&scene, ann, 1, "").unwrap()));
}

#[test]
fn thresholds_are_asked_for_when_a_charge_passes_a_percent_and_a_warning_is_sent_once() {
    let scene = Scene::new();
    let ann = scene.create("ann", &json!({ "monthly_quota": 1_000 })).id;
    let percents = |bytes| charge(&scene, ann, bytes, "").unwrap().percents;
    assert_eq!(percents(790), None, "nobody wants a warning");
    scene.sqlite.execute("INSERT INTO wanted (kind, channel) VALUES ('user.quota_warning', 1)");
    assert_eq!(percents(9), None, "no percent was passed");
    assert_eq!(percents(1).as_deref(), Some(""));
    scene.sqlite.execute("INSERT INTO settings (area, value) VALUES ('alerts', '{\"quota_percent\":[50,80]}')");
    assert_eq!(charged(&scene, ann).unwrap().percents.as_deref(), Some("[50,80]"));
    let told = || {
        scene
            .sqlite
            .value::<String>("SELECT coalesce(group_concat(key), '') FROM events WHERE kind = 'user.quota_warning'")
    };
    let warn = |percent| scene.sqlite.run(&events::warn_now(&[(ann, percent)], NOW)).unwrap();
    warn(81);
    assert_eq!(told(), "", "he does not stand there");
    warn(80);
    warn(80);
    let start: i64 = scene.sqlite.value(&format!("SELECT period_start FROM usage WHERE user = {ann}"));
    assert_eq!(told(), format!("quota:{ann}:{start}:80"));
}
