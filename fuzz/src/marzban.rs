//! What Marzban's clients send: users, hosts, the core's configuration, instants and spans. What is taken of hosts is shown and taken again
//! as the same; what is refused is refused with a sentence and no other status than theirs.
//!
//! An input is a body, or a text of a query.

use weir::domain::marzban::hosts::HostJson;
use weir::domain::marzban::{config, instant, log, node, username};
use weir::marzban_bodies;
use weir_wire::Second;

const NOW: Second = Second::clamped(1_795_867_200);

/// Reads an input as each of those that there are.
///
/// # Panics
/// What is made of it does not hold.
pub fn check(data: &[u8]) {
    for is_new in [true, false] {
        if let Err((status, sentence)) = marzban_bodies::user(data, is_new) {
            assert!([400, 422].contains(&status) && sentence.contains(' '), "{status}: {sentence}");
        }
    }
    hosts(data);
    if let Ok(document) = serde_json::from_slice(data)
        && let Err(sentence) = config::check(&document)
    {
        assert!(sentence.contains(' '), "{sentence}");
    }
    if let Ok(text) = core::str::from_utf8(data) {
        query(text);
    }
}

fn hosts(data: &[u8]) {
    let hosts = match marzban_bodies::hosts(data) {
        Ok(hosts) => hosts,
        Err((status, sentence)) => {
            assert!([400, 422].contains(&status) && sentence.contains(' '), "{status}: {sentence}");
            return;
        }
    };
    let shown: std::collections::BTreeMap<_, Vec<HostJson>> =
        hosts.iter().map(|(tag, hosts)| (tag, hosts.iter().map(HostJson::from).collect())).collect();
    let text = serde_json::to_string(&shown).expect("hosts are JSON");
    assert_eq!(marzban_bodies::hosts(text.as_bytes()).as_ref(), Ok(&hosts), "{text}");
}

fn query(text: &str) {
    if let Some(at) = instant::read(text) {
        assert_eq!(instant::read(&instant::naive(at)), Some(at), "{text}");
    }
    let (start, end) = text.split_once('&').unwrap_or((text, ""));
    if let Ok((from, to)) = instant::span(Some(start), Some(end), NOW) {
        assert!(from <= to, "{text}");
    }
    assert!(log::interval(text).is_none_or(|seconds| seconds > 0.0 && seconds <= 10.0), "{text}");
    assert!(!log::line(NOW, "Wien", "fork", text).contains(['\r', '\n']), "{text:?}");
    if let Ok(coefficient) = text.parse() {
        assert!(node::per_mille(coefficient).is_none_or(|per_mille| per_mille > 0), "{text}");
    }
    assert!(!username::is_username(text) || text.bytes().all(|byte| byte.is_ascii_graphic()), "{text:?}");
}
