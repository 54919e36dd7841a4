//! What the log keeps of a thing. Nothing secret gets in: what is not named as plain stands there as a fingerprint.

use serde::Serialize;
use serde_json::{Map, Value};
use weir_wire::credential::hmac_sha256;

/// A text that nobody may read in the log, such as a share link with its password. It has no way out but its fingerprint.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides a text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// 64 bits of `HMAC-SHA256(AUDIT_KEY, "weir/audit/secret/1:" text)`: two of the same text look the same, so a change
    /// shows, and without the key nobody can try texts.
    fn fingerprint(&self, key: &[u8]) -> String {
        let mut message = b"weir/audit/secret/1:".to_vec();
        message.extend(self.0.as_bytes());
        let digest: Vec<u8> = hmac_sha256(key, &message).into_iter().take(8).collect();
        format!("secret:{}", hex::encode(digest))
    }
}

impl core::fmt::Debug for Secret {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Fact {
    Plain(Value),
    Hidden(Secret),
}

/// Named facts, in the order in which they were given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts(Vec<(String, Fact)>);

impl Facts {
    /// No fact yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds what everybody may read who may read the log.
    #[must_use]
    pub fn plain(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.push((name.to_owned(), Fact::Plain(value.into())));
        self
    }

    /// Adds what nobody may read.
    #[must_use]
    pub fn hidden(mut self, name: &str, secret: Secret) -> Self {
        self.0.push((name.to_owned(), Fact::Hidden(secret)));
        self
    }

    /// The fields of a value that serialises to an object: those in `plain` and all that are no text (numbers, switches,
    /// nothing) as they are, every other one hidden. So a field that comes to the value later is hidden until somebody
    /// decides otherwise.
    #[must_use]
    pub fn of<T: Serialize>(value: &T, plain: &[&str]) -> Self {
        let Ok(Value::Object(fields)) = serde_json::to_value(value) else { return Self::new() };
        let fact = |(name, value): (String, Value)| {
            let open =
                plain.contains(&name.as_str()) || matches!(value, Value::Null | Value::Bool(_) | Value::Number(_));
            let fact = if open { Fact::Plain(value) } else { Fact::Hidden(Secret(value.to_string())) };
            (name, fact)
        };
        Self(fields.into_iter().map(fact).collect())
    }

    /// Of these facts those that `other` names too: what was so before, of what is changed.
    #[must_use]
    pub fn named_in(mut self, other: &Self) -> Self {
        self.0.retain(|(name, _)| other.0.iter().any(|(named, _)| named == name));
        self
    }

    /// As it is stored.
    #[must_use]
    pub fn json(&self, key: &[u8]) -> String {
        let fact = |(name, fact): &(String, Fact)| {
            let value = match fact {
                Fact::Plain(value) => value.clone(),
                Fact::Hidden(secret) => Value::String(secret.fingerprint(key)),
            };
            (name.clone(), value)
        };
        Value::Object(self.0.iter().map(fact).collect::<Map<_, _>>()).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Thing {
        name: &'static str,
        password: &'static str,
        size: u32,
        keys: Vec<&'static str>,
        is_on: bool,
        owner: Option<&'static str>,
    }

    const THING: Thing =
        Thing { name: "ann", password: "hunter2", size: 7, keys: Vec::new(), is_on: true, owner: None };

    #[test]
    fn what_is_not_named_as_plain_is_hidden() {
        let json = Facts::of(&THING, &["name"]).json(b"key");
        assert!(json.contains(r#""name":"ann""#) && json.contains(r#""size":7"#), "{json}");
        assert!(json.contains(r#""is_on":true"#) && json.contains(r#""owner":null"#), "{json}");
        assert!(json.contains(r#""password":"secret:"#) && json.contains(r#""keys":"secret:"#), "{json}");
        assert!(!json.contains("hunter2"));
    }

    #[test]
    fn a_fingerprint_tells_a_change_and_depends_on_the_key() {
        let print = |text: &str, key: &[u8]| Facts::new().hidden("raw", Secret::new(text)).json(key);
        assert_eq!(print("a", b"key"), print("a", b"key"));
        assert_ne!(print("a", b"key"), print("b", b"key"));
        assert_ne!(print("a", b"key"), print("a", b"other"));
        assert_eq!(format!("{:?}", Secret::new("a")), "Secret(..)");
    }

    #[test]
    fn before_shows_what_after_changes() {
        let before = Facts::new().plain("quota", 5).plain("name", "ann").plain("note", "x");
        let after = Facts::new().plain("quota", 9).plain("new", true);
        assert_eq!(before.named_in(&after).json(b""), r#"{"quota":5}"#);
    }
}
