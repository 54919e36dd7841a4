//! A document of somebody else's, JSON or YAML alike. Every scalar is text, so that nobody's idea of what a number or a boolean
//! is can change a password: `08`, `1e5` and `yes` are read as they are written.

use serde_json::Value;

/// A value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Tree {
    /// Nothing, or `null`.
    #[default]
    Null,
    Text(String),
    List(Vec<Tree>),
    Map(Vec<(String, Tree)>),
}

static NULL: Tree = Tree::Null;

impl Tree {
    /// What stands under a key; nothing if there is none.
    pub(super) fn get(&self, key: &str) -> &Self {
        match self {
            Self::Map(pairs) => pairs.iter().find(|(name, _)| name == key).map_or(&NULL, |(_, value)| value),
            _ => &NULL,
        }
    }

    /// The same, taken out.
    pub(super) fn take(self, key: &str) -> Self {
        match self {
            Self::Map(pairs) => {
                pairs.into_iter().find(|(name, _)| name == key).map(|(_, value)| value).unwrap_or_default()
            }
            _ => Self::Null,
        }
    }

    /// What stands under the first of some keys that has a value.
    pub(super) fn any(&self, keys: &[&str]) -> &Self {
        keys.iter().map(|key| self.get(key)).find(|value| **value != Self::Null).unwrap_or(&NULL)
    }

    /// Entries of a list.
    pub(super) fn items(&self) -> &[Self] {
        match self {
            Self::List(items) => items,
            _ => &[],
        }
    }

    /// The first entry of a list.
    pub(super) fn first(&self) -> &Self {
        self.items().first().unwrap_or(&NULL)
    }

    /// The text, if it is one that is not empty.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    /// The text, or the first one of a list.
    pub(super) fn one(&self) -> Option<&str> {
        self.text().or_else(|| self.first().text())
    }

    /// The text, or those of a list with commas between.
    pub(super) fn joined(&self) -> Option<String> {
        let list: Vec<&str> = self.items().iter().filter_map(Self::text).collect();
        if list.is_empty() { self.text().map(str::to_owned) } else { Some(list.join(",")) }
    }

    /// Whether it is a switch that is on.
    pub(super) fn is_on(&self) -> bool {
        self.text().is_some_and(|text| text == "1" || text.eq_ignore_ascii_case("true"))
    }

    /// Whether there is anything.
    pub(super) fn is_there(&self) -> bool {
        match self {
            Self::Null => false,
            Self::Text(text) => !text.is_empty(),
            Self::List(items) => !items.is_empty(),
            Self::Map(pairs) => !pairs.is_empty(),
        }
    }

    /// As JSON text; scalars that JSON has types for get them.
    pub(super) fn json(&self) -> String {
        self.value().to_string()
    }

    fn value(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Text(text) => match text.as_str() {
                "true" => Value::Bool(true),
                "false" => Value::Bool(false),
                number => number.parse::<i64>().map_or_else(|_| Value::String(text.clone()), Value::from),
            },
            Self::List(items) => Value::Array(items.iter().map(Self::value).collect()),
            Self::Map(pairs) => Value::Object(pairs.iter().map(|(key, value)| (key.clone(), value.value())).collect()),
        }
    }
}

impl From<Value> for Tree {
    fn from(value: Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(flag) => Self::Text(flag.to_string()),
            Value::Number(number) => Self::Text(number.to_string()),
            Value::String(text) => Self::Text(text),
            Value::Array(items) => Self::List(items.into_iter().map(Self::from).collect()),
            Value::Object(pairs) => Self::Map(pairs.into_iter().map(|(key, value)| (key, value.into())).collect()),
        }
    }
}
