//! YAML as far as client configurations need it: documents of plain values, anchors and merge keys.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle};

use super::tree::Tree;

/// Deepest nesting, and most values of a document, those that aliases repeat included: an alias of an alias of an alias would
/// otherwise grow without bound.
const DEPTH: usize = 32;
const VALUES: usize = 200_000;
/// Most bytes of its texts, counted as the values are. A body has two million; a list that repeats one by an alias may come to have more, and an
/// isolate has 128 million.
const BYTES: usize = 8 << 20;

/// The entries of `proxies:`, if the text is a document that has them at its top.
pub(super) fn proxies(text: &str) -> Option<Tree> {
    // Rules and groups behind are most of such a file, and nobody needs them; anchors may stand anywhere.
    let part = section(text)?;
    let found = read(part).or_else(|| read(text))?;
    let proxies = found.get("proxies");
    (!proxies.items().is_empty()).then(|| proxies.clone())
}

/// The lines from `proxies:` to the next key of the same level.
fn section(text: &str) -> Option<&str> {
    let is_key = |line: &str| line.trim_start_matches(['"', '\'']).starts_with("proxies");
    let mut begin = None;
    let mut at = 0_usize;
    for line in text.split_inclusive('\n') {
        match begin {
            None if is_key(line) && line.contains(':') => begin = Some(at),
            Some(begin) if !line.starts_with([' ', '\t', '-', '#', '\r', '\n', '}', ']']) => {
                return text.get(begin..at);
            }
            _ => {}
        }
        at = at.saturating_add(line.len());
    }
    begin.and_then(|begin| text.get(begin..))
}

/// A collection that has not ended.
enum Open {
    List(Vec<Tree>),
    Map(Vec<(String, Tree)>, Option<String>),
}

/// Reads a text's first document; none if it is not YAML, has an alias of nothing, or is too deep or too large.
pub(super) fn read(text: &str) -> Option<Tree> {
    let mut stack: Vec<(Open, usize)> = Vec::new();
    let mut anchors: HashMap<usize, Tree> = HashMap::new();
    let mut spent = Size::default();
    for event in Parser::new_from_str(text) {
        let (event, _) = event.ok()?;
        let (value, anchor) = match event {
            Event::SequenceStart(anchor, _) => {
                stack.push((Open::List(Vec::new()), anchor));
                if stack.len() > DEPTH {
                    return None;
                }
                continue;
            }
            Event::MappingStart(anchor, _) => {
                stack.push((Open::Map(Vec::new(), None), anchor));
                if stack.len() > DEPTH {
                    return None;
                }
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match stack.pop()? {
                (Open::List(items), anchor) => (Tree::List(items), anchor),
                (Open::Map(pairs, _), anchor) => (Tree::Map(merged(pairs)), anchor),
            },
            Event::Scalar(text, style, anchor, _) => {
                spent.add(Size { values: 0, bytes: text.len() })?;
                (scalar(text.into_owned(), style), anchor)
            }
            Event::Alias(id) => {
                // Before it is copied: what is too large must not be there even for a moment.
                let value = anchors.get(&id)?;
                spent.add(size(value))?;
                (value.clone(), 0)
            }
            _ => continue,
        };
        spent.add(Size { values: 1, bytes: 0 })?;
        if anchor > 0 {
            spent.add(size(&value))?;
            anchors.insert(anchor, value.clone());
        }
        match stack.last_mut() {
            None => return Some(value),
            Some((Open::List(items), _)) => items.push(value),
            Some((Open::Map(pairs, key), _)) => match key.take() {
                Some(key) => pairs.push((key, value)),
                // What is no text is no key that anybody here looks for.
                None => *key = Some(value.text().unwrap_or_default().to_owned()),
            },
        }
    }
    None
}

fn scalar(text: String, style: ScalarStyle) -> Tree {
    let is_null = style == ScalarStyle::Plain && matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL");
    if is_null { Tree::Null } else { Tree::Text(text) }
}

/// Pairs with those of `<<` that they do not have themselves.
fn merged(pairs: Vec<(String, Tree)>) -> Vec<(String, Tree)> {
    let (bases, mut own): (Vec<_>, Vec<_>) = pairs.into_iter().partition(|(key, _)| key == "<<");
    for (_, base) in bases {
        let maps = if let Tree::List(maps) = base { maps } else { vec![base] };
        for (key, value) in maps.into_iter().flat_map(|map| if let Tree::Map(pairs) = map { pairs } else { Vec::new() })
        {
            if own.iter().all(|(name, _)| *name != key) {
                own.push((key, value));
            }
        }
    }
    own
}

/// How much of memory values take.
#[derive(Clone, Copy, Default)]
struct Size {
    values: usize,
    /// Of texts and keys.
    bytes: usize,
}

impl Size {
    /// None when it is too much.
    fn add(&mut self, more: Self) -> Option<()> {
        *self = self.plus(more);
        (self.values <= VALUES && self.bytes <= BYTES).then_some(())
    }

    const fn plus(self, more: Self) -> Self {
        Self { values: self.values.saturating_add(more.values), bytes: self.bytes.saturating_add(more.bytes) }
    }
}

fn size(tree: &Tree) -> Size {
    match tree {
        Tree::Null => Size { values: 1, bytes: 0 },
        Tree::Text(text) => Size { values: 1, bytes: text.len() },
        Tree::List(items) => items.iter().map(size).fold(Size { values: 1, bytes: 0 }, Size::plus),
        Tree::Map(pairs) => pairs
            .iter()
            .map(|(key, value)| size(value).plus(Size { values: 0, bytes: key.len() }))
            .fold(Size { values: 1, bytes: 0 }, Size::plus),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names(text: &str) -> Vec<String> {
        let found = proxies(text).unwrap_or_default();
        found.items().iter().map(|proxy| proxy.get("name").text().unwrap_or("-").to_owned()).collect()
    }

    #[test]
    fn proxies_are_found_wherever_they_stand_and_however_they_are_written() {
        for text in [
            "proxies:\n  - {name: a, x: [1, 2]}\n  - name: b\n    y: z\n",
            "port: 7890\nproxies:\n- name: a\n- name: b\n\n# c\nproxy-groups:\n- name: g\n  proxies: [a, b]\nrules: [\"MATCH,g\"]\n",
            "---\r\n\"proxies\": [{name: a}, {name: b}]\r\nrules: []\r\n",
            "proxies: [\n  {name: a},\n  {\"name\": 'b'}\n]\nrules: []\n",
            "base: &base {x: 1}\nproxies:\n  - {name: a, <<: *base}\n  - <<: *base\n    name: b\n",
        ] {
            assert_eq!(names(text), ["a", "b"], "{text}");
        }
        for text in [
            "",
            "proxies:\n",
            "proxies: none",
            "proxies: []",
            "port: 1\n",
            "rules:\n - proxies: [{name: a}]",
            "\tproxies: [",
        ] {
            assert_eq!(names(text), Vec::<String>::new(), "{text}");
        }
    }

    #[test]
    fn scalars_are_what_was_written() {
        let found = read("{a: 08, b: 1e5, c: yes, d: '~', e: ~, f: null, g: 0x1F, h: \"null\", i: 1_0}").unwrap();
        let text = |key: &str| found.get(key).text();
        assert_eq!(
            ["a", "b", "c", "d", "g", "h", "i"].map(text),
            ["08", "1e5", "yes", "~", "0x1F", "null", "1_0"].map(Some)
        );
        assert_eq!(["e", "f"].map(text), [None, None]);
    }

    #[test]
    fn merge_keys_give_what_is_missing() {
        let found = read("a: &a {x: 1, y: 2}\nb: &b {z: 3}\nc: {y: 9, <<: [*a, *b]}").unwrap();
        let merged = found.get("c");
        assert_eq!(["x", "y", "z"].map(|key| merged.get(key).text()), [Some("1"), Some("9"), Some("3")]);
    }

    #[test]
    fn aliases_of_aliases_do_not_grow_without_bound() {
        let list = |level: usize| vec![format!("*a{}", level - 1); 10].join(", ");
        let lines: Vec<String> = (1..12).map(|level| format!("a{level}: &a{level} [{}]", list(level))).collect();
        let text = format!("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n{}\n", lines.join("\n"));
        assert_eq!(read(&text), None);
        assert_eq!(read("a: *nothing"), None);
        assert_eq!(read(&"[".repeat(100_000)), None);
    }

    #[test]
    fn aliases_of_one_long_text_do_not_fill_the_memory() {
        let list =
            |length: usize, times: usize| format!("proxies:\n- &a {}\n{}", "x".repeat(length), "- *a\n".repeat(times));
        assert_eq!(proxies(&list(1 << 20, 300)), None);
        assert_eq!(read(&format!("- &a {{{}: 1}}\n{}", "x".repeat(1_000), "- *a\n".repeat(10_000))), None);
        assert_eq!(proxies(&list(1_000, 300)).unwrap().items().len(), 301);
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(text in "[-\\[\\]{}:,&*<!|>'\"#%@\\\\ \n\ta-c0-2~?]{0,200}", other in "\\PC{0,200}") {
            let _ = (proxies(&format!("proxies:\n{text}")), read(&text), read(&other));
        }
    }
}
