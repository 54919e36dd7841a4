//! Share links: what is read of each, and that reading what was written changes nothing.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed")]

mod any;
mod fields;

use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use weir::domain::endpoint::Endpoint;

#[derive(Deserialize)]
struct Vectors {
    vectors: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    id: String,
    verdict: String,
    link: String,
    expect: Map<String, Value>,
}

fn vectors() -> Vec<Vector> {
    let vectors: Vectors = serde_json::from_str(include_str!("../vectors/sharelinks.json")).unwrap();
    assert!(vectors.vectors.len() > 40);
    vectors.vectors
}

/// What a link that leaves them out means.
fn implied() -> Map<String, Value> {
    json!({ "encryption": "none" }).as_object().unwrap().clone()
}

#[test]
fn every_vector_is_read_to_exactly_its_fields_or_refused_for_its_reason() {
    for Vector { id, verdict, link, mut expect } in vectors() {
        let read = Endpoint::read(&link);
        match verdict.as_str() {
            "valid" | "tolerate" => {
                let endpoint = read.unwrap_or_else(|reason| panic!("{id}: {reason}")).unwrap();
                expect.retain(|_, value| !value.is_null());
                let mut fields = fields::of(&endpoint);
                fields.retain(|key, value| expect.contains_key(key) || implied().get(key) != Some(value));
                assert_eq!(Value::Object(fields), Value::Object(expect), "{id}");
            }
            "reject" => assert_eq!(expect.get("error").unwrap(), read.unwrap_err().code(), "{id}"),
            "unsupported" => assert_eq!(read.unwrap_err().code(), "unsupported", "{id}"),
            "skip" => assert_eq!(read, Ok(None), "{id}"),
            other => panic!("{id}: a verdict {other}"),
        }
    }
}

#[test]
fn schemes_that_are_not_carried_say_so() {
    for link in
        ["ssr://YWJj", "hysteria://a@b.test:1", "snell://x@y.test:2", "juicity://u:p@h.test:3", "ftp://a@b.test"]
    {
        let reason = Endpoint::read(link).unwrap_err();
        assert_eq!(reason.code(), "unsupported", "{link}");
        assert!(reason.to_string().starts_with(link.split(':').next().unwrap()), "{reason}");
    }
    assert_eq!(Endpoint::read("https://example.org/page").unwrap_err().code(), "not_a_proxy");
}

#[test]
fn both_forms_of_vmess_are_the_same() {
    let url = "vmess://3b1f0c52-7d6e-4a90-8c1d-5e2f9a7b6c30@h.test:443?encryption=auto&type=ws&host=a.test&path=%2Fw&security=tls&sni=s.test&fp=chrome#n";
    let endpoint = Endpoint::read(url).unwrap().unwrap();
    let json = endpoint.link();
    assert!(!json.contains('@'), "{json}");
    assert_eq!(Endpoint::read(&json).unwrap().unwrap(), endpoint);
}

#[test]
fn an_unknown_parameter_of_a_url_takes_no_place_in_the_json_of_vmess() {
    let url = "vmess://3b1f0c52-7d6e-4a90-8c1d-5e2f9a7b6c30@h.test:443?id=other&add=evil.test&new=1#n";
    let endpoint = Endpoint::read(url).unwrap().unwrap();
    let again = Endpoint::read(&endpoint.link()).unwrap().unwrap();
    assert_eq!((again.protocol, again.server, again.name), (endpoint.protocol, endpoint.server, endpoint.name));
    assert_eq!(again.unknown, [("new".to_owned(), "1".to_owned())]);
}

#[test]
fn a_link_is_one_line_of_ascii_with_no_bare_parameter() {
    for vector in vectors() {
        let Ok(Some(endpoint)) = Endpoint::read(&vector.link) else { continue };
        let link = endpoint.link();
        assert!(link.bytes().all(|byte| byte.is_ascii_graphic()), "{link}");
        let query = link.split('#').next().unwrap().split_once('?').map_or("", |(_, query)| query);
        assert!(query.split('&').all(|pair| pair.is_empty() || pair.contains('=')), "{link}");
    }
}

/// A letter that links give a meaning to, or any other.
fn letter() -> impl Strategy<Value = char> {
    prop_oneof![prop::sample::select("%#?&=@:/[],;|+- \u{0}é0aA".chars().collect::<Vec<_>>()), any::<char>()]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn reading_what_was_written_changes_nothing(endpoint in any::endpoint()) {
        let link = endpoint.link();
        let read = Endpoint::read(&link);
        prop_assert_eq!(read, Ok(Some(endpoint)), "{}", link);
    }

    #[test]
    fn no_text_behind_a_scheme_ends_the_reader(
        scheme in prop::sample::select(vec!["vless", "vmess", "trojan", "ss", "hy2", "hysteria2+realm", "tuic", "anytls",
            "naive+https", "wg", "socks", "https"]),
        rest in prop::collection::vec(letter(), 0..60),
    ) {
        let link = format!("{scheme}://{}", rest.into_iter().collect::<String>());
        if let Ok(Some(endpoint)) = Endpoint::read(&link) {
            let written = endpoint.link();
            prop_assert_eq!(Endpoint::read(&written).map(|read| read.map(|read| read.link())), Ok(Some(written)));
        }
    }

    #[test]
    fn a_damaged_link_is_refused_or_read_to_something_that_can_be_written(
        which in any::<prop::sample::Index>(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), letter(), any::<bool>()), 1..6),
    ) {
        let vectors = vectors();
        let mut letters: Vec<char> = which.get(&vectors).link.chars().collect();
        for (place, letter, insert) in edits {
            let place = place.index(letters.len());
            if insert { letters.insert(place, letter) } else { letters[place] = letter }
        }
        if let Ok(Some(endpoint)) = Endpoint::read(&letters.into_iter().collect::<String>()) {
            let written = endpoint.link();
            let again = Endpoint::read(&written);
            prop_assert!(matches!(again, Ok(Some(_))), "{written}: {again:?}");
        }
    }
}
