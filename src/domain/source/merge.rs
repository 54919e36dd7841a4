//! The list of all sources, as users get it.

use std::collections::HashSet;

use super::super::link::clean_name;
use super::super::xpert::link::Link;
use super::super::xpert::list::Line;
use super::gather::{Stored, key};

/// Bytes of the published list: with direct configs and nodes it stands in one row of D1, which has two million, and a backup
/// writes it as JSON in JSON.
const BYTES: usize = 500_000;

/// What is published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merged {
    /// The links.
    pub lines: Vec<Line>,
    /// Links that lead where another one leads already.
    pub duplicates: usize,
    /// Links for which there is no room.
    pub over: usize,
}

impl Merged {
    /// What is not in it, in a sentence.
    #[must_use]
    pub fn note(&self) -> Option<String> {
        (self.over > 0)
            .then(|| format!("{} links of the last sources do not fit into the list of 500,000 bytes", self.over))
    }
}

/// Merges sources, the first ones first. Of links that lead to the same place the first is kept, and direct configs come
/// before all. Names become unique: clients merge or refuse entries of the same name, and direct configs are never renamed.
#[must_use]
pub fn merge(sources: &[Vec<Stored>], direct: &[Line]) -> Merged {
    let mut names: HashSet<String> = direct.iter().map(|line| line.0.clone()).collect();
    let mut keys: HashSet<String> =
        direct.iter().filter_map(|line| Link::read(&line.1).ok().flatten()).map(|link| key(&link)).collect();
    let mut merged = Merged { lines: Vec::new(), duplicates: 0, over: 0 };
    let mut bytes = 2_usize;
    for Stored(name, text, key) in sources.iter().flatten() {
        if !keys.insert(key.clone()) {
            merged.duplicates = merged.duplicates.saturating_add(1);
            continue;
        }
        let line = named(name, text, &names);
        bytes = bytes.saturating_add(serde_json::to_string(&line).map_or(BYTES, |text| text.len().saturating_add(1)));
        if bytes > BYTES {
            merged.over = merged.over.saturating_add(1);
            continue;
        }
        names.insert(line.0.clone());
        merged.lines.push(line);
    }
    merged
}

/// The line under a name that nobody has.
fn named(name: &str, text: &str, taken: &HashSet<String>) -> Line {
    if !taken.contains(name) {
        return Line(name.to_owned(), text.to_owned());
    }
    let free = (2..=u32::MAX).map(|n| clean_name(&with_number(name, n))).find(|free| !taken.contains(free));
    let free = free.unwrap_or_default();
    let text = Link::read(text).ok().flatten().map_or_else(|| text.to_owned(), |link| link.named(&free));
    Line(free, text)
}

/// A number behind a name, which a name of the greatest length must not push out.
fn with_number(name: &str, number: u32) -> String {
    let short: String = name.chars().take(117).collect();
    format!("{short} {number}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(text: &str) -> Stored {
        let link = Link::read(text).unwrap().unwrap();
        Stored(link.endpoint.name.clone(), link.text.clone(), key(&link))
    }

    fn names(merged: &Merged) -> Vec<&str> {
        merged.lines.iter().map(|line| line.0.as_str()).collect()
    }

    #[test]
    fn the_first_source_keeps_what_others_have_too() {
        let one = vec![stored("trojan://x@a.example:1#One"), stored("trojan://x@b.example:1#Two")];
        let other = vec![stored("trojan://x@A.example:1#Other"), stored("trojan://x@c.example:1#One")];
        let merged = merge(&[one, other], &[]);
        assert_eq!(names(&merged), ["One", "Two", "One 2"]);
        assert_eq!(merged.lines[2].1, Link::read("trojan://x@c.example:1#One").unwrap().unwrap().named("One 2"));
        assert_eq!((merged.duplicates, merged.over, merged.note()), (1, 0, None));
    }

    #[test]
    fn links_give_way_to_direct_configs() {
        let direct = [Line("One".into(), "trojan://x@a.example:1#One".into())];
        let source = vec![stored("trojan://x@a.example:1#Same"), stored("trojan://y@d.example:1#One")];
        assert_eq!(names(&merge(&[source], &direct)), ["One 2"]);
    }

    #[test]
    fn names_of_the_greatest_length_become_unique_too() {
        let long = "n".repeat(128);
        let same = |host: &str| stored(&format!("trojan://x@{host}.example:1#{long}"));
        let merged = merge(&[vec![same("a"), same("b"), same("c")]], &[]);
        let distinct: HashSet<&str> = names(&merged).into_iter().collect();
        assert_eq!(distinct.len(), 3);
        for Line(name, text) in &merged.lines {
            assert_eq!(&Link::read(text).unwrap().unwrap().endpoint.name, name);
        }
    }

    #[test]
    fn the_list_fits_into_its_row_and_says_what_did_not() {
        let source = |from: u32| -> Vec<Stored> {
            (from..from + 200).map(|n| stored(&format!("trojan://{}@h{n}.example:1#{n}", "x".repeat(4_000)))).collect()
        };
        let merged = merge(&[source(0), source(200)], &[]);
        let text = serde_json::to_string(&merged.lines).unwrap();
        assert!(text.len() <= BYTES, "{}", text.len());
        assert_eq!(merged.lines.len() + merged.over, 400);
        assert!(merged.note().unwrap().starts_with(&merged.over.to_string()));
    }
}
