//! Parts of a core's configuration.

use serde_json::{Map, Value, json};

use super::CoreError;
use super::template::wrong;

/// The list under `key`, empty when it is absent.
pub(super) fn list<'a>(of: &'a Map<String, Value>, key: &str) -> &'a [Value] {
    of.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The text under `key`, empty when it is absent.
pub(super) fn text<'a>(of: &'a Value, key: &str) -> &'a str {
    of.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// A text that is not empty.
pub(super) fn some(value: Option<&Value>) -> Option<String> {
    value.and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// One text or a list of them, as the cores take both.
pub(super) fn texts(value: Option<&Value>) -> Vec<&str> {
    match value {
        Some(Value::String(one)) => vec![one.as_str()],
        Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// The object under `key`, made when it is absent.
///
/// # Errors
/// [`CoreError::Config`]: it is something else.
pub(super) fn object<'a>(of: &'a mut Map<String, Value>, key: &str) -> Result<&'a mut Map<String, Value>, CoreError> {
    of.entry(key.to_owned()).or_insert(json!({})).as_object_mut().ok_or_else(|| wrong(key, "must be an object"))
}

/// The list under `key`, made when it is absent.
///
/// # Errors
/// [`CoreError::Config`]: it is something else.
pub(super) fn array<'a>(of: &'a mut Map<String, Value>, key: &str) -> Result<&'a mut Vec<Value>, CoreError> {
    of.entry(key.to_owned()).or_insert(json!([])).as_array_mut().ok_or_else(|| wrong(key, "must be a list"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_text_and_a_list_of_them_are_read_alike_and_nothing_else_is() {
        assert_eq!(texts(Some(&json!("a"))), ["a"]);
        assert_eq!(texts(Some(&json!(["a", 1, "b"]))), ["a", "b"]);
        assert_eq!((texts(Some(&json!(1))), texts(None)), (Vec::new(), Vec::new()));
    }

    #[test]
    fn what_is_absent_is_made_and_what_is_something_else_is_named() {
        let mut of = Map::from_iter([("list".to_owned(), json!(1))]);
        object(&mut of, "new").unwrap().insert("a".into(), 1.into());
        assert_eq!(of["new"], json!({ "a": 1 }));
        assert_eq!(array(&mut of, "list"), Err(CoreError::Config("template list: must be a list".into())));
    }
}
