//! Subscriptions of others, whatever they are written in: what is kept is what links can say, fits into its row, and counts up.
//!
//! An input is an answer. One that begins with `:=` stands for the rest of it in base64.

use std::borrow::Cow;
use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use weir::domain::source::gather::{Stored, gather};
use weir::domain::source::ladder::{Body, Entry};
use weir::domain::source::merge::merge;
use weir::domain::source::rules::Rules;
use weir::domain::xpert::link::Link;
use weir::domain::xpert::list::Line;

use super::links;

/// Entries that are read of one answer, and bytes of what is kept of it: both are promises of the product.
const READ: usize = 10_000;
const BYTES: usize = 500_000;

/// Reads an answer, keeps what a source's rules keep, and merges it with itself.
///
/// # Panics
/// What was kept is no link, is too much, or does not add up.
pub fn check(data: &[u8]) {
    let Ok(body) = Body::read(&answer(data)) else { return };
    let entries = body.entries();
    for entry in entries.iter().take(READ) {
        if let Ok(Some(link)) = entry.read() {
            written(&link);
        }
    }
    let rules = Rules { rename: "{source} {name} {n}".into(), max_nodes: 20, ..Rules::default() };
    let blank = |entry: &&Entry<'_>| matches!(entry.read(), Ok(None));
    for rules in [Rules::default(), rules] {
        let gathered = gather(&body, &rules, "Ann's");
        assert!(gathered.links.len() <= rules.max_nodes as usize);
        let text = serde_json::to_string(&gathered.links).expect("links are JSON");
        assert!(text.len() <= BYTES, "{} bytes are kept", text.len());
        let left_out: u32 = gathered.left_out.values().sum();
        let counted = gathered.links.len() + left_out as usize;
        assert!(counted <= entries.len() && counted + entries.iter().filter(blank).count() >= entries.len());
        merged(&gathered.links);
    }
}

/// A link that came of an entry is one line, and that line says what the entry said.
fn written(link: &Link) {
    assert!(!link.text.chars().any(char::is_control), "{:?}", link.text);
    let again = Link::read(&link.text).expect("what was read reads again").expect("a link stays one");
    assert_eq!(again.endpoint, link.endpoint, "{}", link.text);
    links::again(&link.endpoint);
}

/// Two sources of the same links are one list, in which every link goes by the name that it says itself.
fn merged(links: &[Stored]) {
    let taken = [Line("One".to_owned(), "trojan://a@b.example:1#One".to_owned())];
    let merged = merge(&[links.to_vec(), links.to_vec()], &taken);
    assert_eq!(merged.lines.len() + merged.duplicates + merged.over, 2 * links.len());
    assert!(serde_json::to_string(&merged.lines).expect("lines are JSON").len() <= BYTES);
    let mut names = HashSet::from(["One"]);
    for Line(name, text) in &merged.lines {
        assert!(names.insert(name), "two are called {name:?}");
        let link = Link::read(text).expect("a merged link reads").expect("a link stays one");
        assert!(link.endpoint.name == *name || link.endpoint.name.is_empty(), "{name:?} says {:?}", link.endpoint.name);
    }
}

fn answer(data: &[u8]) -> Cow<'_, [u8]> {
    data.strip_prefix(b":=").map_or(Cow::Borrowed(data), |plain| Cow::Owned(STANDARD.encode(plain).into_bytes()))
}
