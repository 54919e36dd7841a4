//! Values of JSON and YAML documents whose keys keep the order in which they were written.

use std::borrow::Cow;

use serde::ser::{Serialize, SerializeMap as _, Serializer};

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Tree {
    Text(String),
    Number(u64),
    Flag(bool),
    List(Vec<Tree>),
    Map(Map),
    Json(serde_json::Value),
}

/// Keys and values in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Map(Vec<(Cow<'static, str>, Tree)>);

impl Map {
    pub(super) const fn new() -> Self {
        Self(Vec::new())
    }

    /// With one value more.
    pub(super) fn with(mut self, key: impl Into<Cow<'static, str>>, value: impl Into<Tree>) -> Self {
        self.0.push((key.into(), value.into()));
        self
    }

    /// With one value more, if there is one.
    pub(super) fn some(self, key: &'static str, value: Option<impl Into<Tree>>) -> Self {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }

    /// With `true`, if it is so; what is not so is left out.
    pub(super) fn flag(self, key: &'static str, is_set: bool) -> Self {
        self.some(key, is_set.then_some(true))
    }

    /// With all of another.
    pub(super) fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// JSON on one line.
    pub(super) fn json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// YAML that needs no escaping rules of its own: every top key stands at the line's begin, every entry of a list on a
    /// line, and the rest is JSON, which is YAML. So every string is in quotes, whatever it looks like.
    pub(super) fn yaml(&self) -> String {
        let line = |(key, value): &(Cow<'static, str>, Tree)| match value {
            Tree::List(list) if !list.is_empty() => {
                let entries: Vec<String> = list.iter().map(|entry| format!("  - {}\n", entry.inline())).collect();
                format!("{key}:\n{}", entries.concat())
            }
            value => format!("{key}: {}\n", value.inline()),
        };
        self.0.iter().map(line).collect::<Vec<_>>().concat()
    }
}

impl Tree {
    /// JSON on one line.
    pub(super) fn json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// JSON that YAML readers take: characters that JSON allows and YAML does not are escaped. They occur in strings only.
    fn inline(&self) -> String {
        let json = self.json();
        let is_refused =
            |c: char| matches!(c, '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}');
        if !json.contains(is_refused) {
            return json;
        }
        json.chars().map(|c| if is_refused(c) { format!("\\u{:04x}", u32::from(c)) } else { c.to_string() }).collect()
    }
}

impl Serialize for Map {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in &self.0 {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

impl Serialize for Tree {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Number(number) => serializer.serialize_u64(*number),
            Self::Flag(flag) => serializer.serialize_bool(*flag),
            Self::List(list) => list.serialize(serializer),
            Self::Map(map) => map.serialize(serializer),
            Self::Json(value) => value.serialize(serializer),
        }
    }
}

impl From<&str> for Tree {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Tree {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&String> for Tree {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}

impl From<bool> for Tree {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<u16> for Tree {
    fn from(number: u16) -> Self {
        Self::Number(number.into())
    }
}

impl From<u32> for Tree {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}

impl From<u64> for Tree {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl From<Map> for Tree {
    fn from(map: Map) -> Self {
        Self::Map(map)
    }
}

impl From<serde_json::Value> for Tree {
    fn from(value: serde_json::Value) -> Self {
        Self::Json(value)
    }
}

impl<T: Into<Tree>> From<Vec<T>> for Tree {
    fn from(list: Vec<T>) -> Self {
        Self::List(list.into_iter().map(Into::into).collect())
    }
}

impl<T: Into<Tree>, const N: usize> From<[T; N]> for Tree {
    fn from(list: [T; N]) -> Self {
        Self::List(list.into_iter().map(Into::into).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yaml_is_top_keys_and_lines_of_json() {
        let map = Map::new()
            .with("port", 7890_u16)
            .with("proxies", [Map::new().with("name", "no").with("sid", "08").with("n", 1_u64)])
            .with("none", Vec::<Tree>::new());
        assert_eq!(map.yaml(), "port: 7890\nproxies:\n  - {\"name\":\"no\",\"sid\":\"08\",\"n\":1}\nnone: []\n");
    }

    #[test]
    fn what_yaml_refuses_is_escaped() {
        let map = Map::new().with("a", "x\u{85}\u{2028}\u{7f}\u{1f680}\"\n");
        assert_eq!(map.yaml(), "a: \"x\\u0085\\u2028\\u007f\u{1f680}\\\"\\n\"\n");
    }
}
