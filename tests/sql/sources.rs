//! Subscriptions of others: which is fetched next, which fetch may write, and when the published list is behind.

use serde_json::json;
use weir::store::sources::{self as store, Copy, Good, MOST, New, Source, State};
use weir::store::{StoreError, xpert_direct};
use weir_wire::Second;

use crate::sqlite::Sqlite;

const NOW: Second = Second::clamped(1_800_000_000);

fn add(sqlite: &Sqlite, name: &str, priority: u32) -> Source {
    let new = New { name, url: "https://a.example/", priority, enabled: true, rules: "{}" };
    sqlite.all(&store::add(&new, NOW)).unwrap().pop().unwrap()
}

fn claim(sqlite: &Sqlite, id: Option<i64>, now: Second) -> Option<Source> {
    sqlite.all(&store::claim(id, now, now.plus(900))).unwrap().pop()
}

fn one(sqlite: &Sqlite, id: i64) -> Source {
    sqlite.all(&store::one(id)).unwrap().pop().unwrap()
}

fn keep(sqlite: &Sqlite, source: &Source, links: &str) {
    let good = Good {
        links,
        count: 1,
        format: "links",
        left_out: "{}",
        userinfo: Some("upload=1"),
        etag: Some("\"1\""),
        last_modified: None,
    };
    sqlite.run(&store::keep(source, &good, NOW.plus(3_600))).unwrap();
}

fn state(sqlite: &Sqlite) -> State {
    sqlite.all(&store::state()).unwrap().pop().unwrap()
}

fn publish(sqlite: &Sqlite) {
    sqlite.run(&store::publish(state(sqlite).version, "[]", None)).unwrap();
    assert_eq!(state(sqlite).version, state(sqlite).published);
}

#[test]
fn the_source_that_is_due_the_longest_is_begun_and_one_that_was_cut_off_waits() {
    let sqlite = Sqlite::new();
    let (first, second) = (add(&sqlite, "a", 1), add(&sqlite, "b", 1));
    sqlite.execute("UPDATE xpert_sources SET next_at = 100 WHERE name = 'a'");
    assert_eq!(claim(&sqlite, None, NOW).unwrap().id, second.id);
    let begun = claim(&sqlite, None, NOW).unwrap();
    assert_eq!((begun.id, begun.attempts, begun.failures, begun.tried_at), (first.id, 1, 1, Some(NOW.get())));
    assert!(begun.error.unwrap().contains("cut off"));
    assert_eq!(claim(&sqlite, None, NOW.plus(899)), None, "both were begun and say nothing more");
    assert!(claim(&sqlite, None, NOW.plus(900)).is_some());
    sqlite.run(&store::toggle(first.id)).unwrap();
    sqlite.run(&store::toggle(second.id)).unwrap();
    assert_eq!(claim(&sqlite, None, NOW.plus(90_000)), None, "what is off is not fetched by itself");
    assert!(claim(&sqlite, Some(first.id), NOW).is_some(), "but when it is asked for");
    assert_eq!(claim(&sqlite, Some(77), NOW), None);
}

#[test]
fn only_the_newest_fetch_of_what_is_set_now_writes() {
    let sqlite = Sqlite::new();
    let id = add(&sqlite, "a", 1).id;
    let (old, new) = (claim(&sqlite, Some(id), NOW).unwrap(), claim(&sqlite, Some(id), NOW).unwrap());
    keep(&sqlite, &new, r#"[["N","n","k"]]"#);
    keep(&sqlite, &old, r#"[["O","o","k"]]"#);
    sqlite.run(&store::fail(&old, "late", "{}", NOW)).unwrap();
    sqlite.run(&store::same(&old, None, NOW)).unwrap();
    let stands = one(&sqlite, id);
    assert_eq!((stands.error, stands.failures, stands.successes, stands.config_count), (None, 0, 1, 1));
    assert_eq!(sqlite.value::<String>("SELECT links FROM xpert_sources"), r#"[["N","n","k"]]"#);
    let under_way = claim(&sqlite, Some(id), NOW).unwrap();
    sqlite.run(&store::change(id, None, Some("https://b.example/"), None, None)).unwrap();
    keep(&sqlite, &under_way, r#"[["O","o","k"]]"#);
    assert_eq!(sqlite.value::<String>("SELECT links FROM xpert_sources"), r#"[["N","n","k"]]"#);
    assert_eq!(
        (one(&sqlite, id).etag, one(&sqlite, id).next_at),
        (None, 0),
        "another address is fetched whole and soon"
    );
}

#[test]
fn a_fetch_that_fails_leaves_the_copy_and_says_why() {
    let sqlite = Sqlite::new();
    let id = add(&sqlite, "a", 1).id;
    keep(&sqlite, &claim(&sqlite, Some(id), NOW).unwrap(), r#"[["N","n","k"]]"#);
    publish(&sqlite);
    let later = claim(&sqlite, Some(id), NOW.plus(10)).unwrap();
    sqlite.run(&store::fail(&later, "it answered 503", r#"{"unsupported":2}"#, NOW.plus(310))).unwrap();
    let stands = one(&sqlite, id);
    assert_eq!(stands.error.as_deref(), Some("it answered 503"));
    assert_eq!((stands.config_count, stands.good_at, stands.tried_at), (1, Some(NOW.get()), Some(NOW.get() + 10)));
    assert_eq!(
        (stands.failures, stands.next_at, stands.left_out.as_str()),
        (1, NOW.get() + 310, r#"{"unsupported":2}"#)
    );
    assert_eq!(state(&sqlite).version, state(&sqlite).published, "nothing is published for it");
    sqlite.run(&store::same(&claim(&sqlite, Some(id), NOW.plus(400)).unwrap(), None, NOW.plus(900))).unwrap();
    let stands = one(&sqlite, id);
    assert_eq!((stands.error, stands.failures, stands.good_at), (None, 0, Some(NOW.get() + 400)));
    assert_eq!((stands.etag.as_deref(), stands.userinfo.as_deref()), (Some("\"1\""), Some("upload=1")));
    let again = claim(&sqlite, Some(id), NOW.plus(1_000)).unwrap();
    sqlite.run(&store::same(&again, Some("upload=2"), NOW.plus(1_600))).unwrap();
    assert_eq!(one(&sqlite, id).userinfo.as_deref(), Some("upload=2"));
}

#[test]
fn the_published_list_is_behind_exactly_when_what_it_is_made_of_has_changed() {
    let sqlite = Sqlite::new();
    let is_behind = || state(&sqlite).version != state(&sqlite).published;
    let direct = |raw: &str| {
        let link = xpert_direct::New { raw, protocol: "trojan", server: "a", port: 1, name: "A", remarks: None };
        sqlite.batch(&xpert_direct::add(&[link], NOW)).unwrap();
    };
    direct("trojan://1");
    assert!(!is_behind(), "without sources a direct config costs nothing more");
    let id = add(&sqlite, "a", 1).id;
    assert!(!is_behind(), "a source without a copy changes nothing");
    let fetched = |links: &str| keep(&sqlite, &claim(&sqlite, Some(id), NOW).unwrap(), links);
    fetched(r#"[["N","n","k"]]"#);
    assert!(is_behind());
    publish(&sqlite);
    fetched(r#"[["N","n","k"]]"#);
    assert!(!is_behind(), "the same links again");
    sqlite.run(&store::change(id, Some("b"), None, None, None)).unwrap();
    assert!(!is_behind(), "its name is not in the list");
    for change in [store::change(id, None, None, Some(2), None), store::toggle(id), store::toggle(id)] {
        sqlite.run(&change).unwrap();
        assert!(is_behind());
        publish(&sqlite);
    }
    direct("trojan://2");
    assert!(is_behind());
    publish(&sqlite);
    sqlite.run(&store::remove(id)).unwrap();
    assert!(is_behind());
}

#[test]
fn a_list_that_was_made_of_older_sources_is_not_published() {
    let sqlite = Sqlite::new();
    let id = add(&sqlite, "a", 1).id;
    let version = state(&sqlite).version;
    keep(&sqlite, &claim(&sqlite, Some(id), NOW).unwrap(), r#"[["N","n","k"]]"#);
    sqlite.run(&store::publish(version, r#"[["old","old"]]"#, None)).unwrap();
    assert_eq!(sqlite.value::<String>("SELECT aggregated FROM xpert_state"), "[]");
    let version = state(&sqlite).version;
    sqlite.run(&store::publish(version, r#"[["N","n"]]"#, Some("a note"))).unwrap();
    assert_eq!(sqlite.value::<String>("SELECT aggregated FROM xpert_state"), r#"[["N","n"]]"#);
    assert_eq!(state(&sqlite).note.as_deref(), Some("a note"));
}

#[test]
fn copies_come_by_priority_and_only_of_what_is_on() {
    let sqlite = Sqlite::new();
    for (name, priority) in [("a", 9), ("b", 1), ("c", 1), ("d", 2)] {
        let id = add(&sqlite, name, priority).id;
        keep(&sqlite, &claim(&sqlite, Some(id), NOW).unwrap(), &json!([[name, name, name]]).to_string());
    }
    sqlite.execute("UPDATE xpert_sources SET enabled = 0 WHERE name = 'd'");
    let copies: Vec<Copy> = sqlite.batch_last(&store::copies()).unwrap();
    let names: Vec<String> = copies.into_iter().map(|copy| copy.links[3..4].to_owned()).collect();
    assert_eq!(names, ["b", "c", "a"]);
}

#[test]
fn there_are_at_most_fifty_and_each_has_its_own_name() {
    let sqlite = Sqlite::new();
    for number in 0..MOST {
        add(&sqlite, &format!("s{number}"), 1);
    }
    let new = New { name: "more", url: "https://a.example/", priority: 1, enabled: true, rules: "{}" };
    assert_eq!(sqlite.all::<Source>(&store::add(&new, NOW)).unwrap(), []);
    sqlite.execute("DELETE FROM xpert_sources WHERE name = 's0'");
    let same = New { name: "S1", ..new };
    assert_eq!(sqlite.all::<Source>(&store::add(&same, NOW)).unwrap_err(), StoreError::Taken);
}
