//! Reading bodies: capped before anything is parsed, and parsed with the name of the field that is wrong.

use std::io::Read as _;

use futures_util::StreamExt as _;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use worker::Request;

use super::failure::Failure;

/// Largest body of the JSON APIs, in bytes.
pub(crate) const MAX_JSON: usize = 64 << 10;

/// Largest form, in bytes.
const MAX_FORM: usize = 4 << 10;

/// Reads at most `limit` bytes. The declared length is checked first, so that a large body is refused unread.
pub(crate) async fn read(request: &mut Request, limit: usize) -> Result<Vec<u8>, Failure> {
    let broke_off = |error: worker::Error| Failure::Malformed(format!("the body broke off: {error}"));
    let declared = request.headers().get("content-length")?.and_then(|length| length.parse::<usize>().ok());
    if declared.is_some_and(|length| length > limit) {
        return Err(Failure::TooLarge(limit));
    }
    // What has a length has no more than that, and comes in one call; a stream takes a dozen for each chunk.
    if declared.is_some() {
        let body = request.bytes().await.map_err(broke_off)?;
        return if body.len() > limit { Err(Failure::TooLarge(limit)) } else { Ok(body) };
    }
    if request.inner().body().is_none() {
        return Ok(Vec::new());
    }
    let mut stream = request.stream()?;
    let mut body = Vec::new();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(broke_off)?;
        if body.len().saturating_add(chunk.len()) > limit {
            return Err(Failure::TooLarge(limit));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Unpacks gzip to at most `limit` bytes.
pub(crate) fn gunzip(packed: &[u8], limit: usize) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    let cap = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    flate2::read::GzDecoder::new(packed)
        .take(cap)
        .read_to_end(&mut body)
        .map_err(|error| Failure::Malformed(format!("the body is not gzip: {error}")))?;
    if body.len() > limit { Err(Failure::TooLarge(limit)) } else { Ok(body) }
}

/// Longest rule that a refusal quotes, in characters: it may repeat what the caller sent.
const MAX_RULE: usize = 200;

/// Parses a JSON object. Text that is not JSON is malformed (400); JSON of another shape is invalid (422) and the field is
/// named.
pub(crate) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    // A list would do for an object otherwise, with the fields in their order here.
    if !body.trim_ascii_start().starts_with(b"{") {
        syntax(body)?;
        return Err(Failure::invalid("body", "a JSON object"));
    }
    whole(body)
}

fn whole<T: DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let field = error.path().to_string();
        let cause = error.into_inner();
        if cause.is_data() {
            // What comes after the wrong field may be no JSON at all.
            syntax(body).err().unwrap_or_else(|| broken(&field, &cause.to_string()))
        } else {
            Failure::Malformed(format!("the body is not JSON: {cause}"))
        }
    })?;
    json.end().map_err(|error| Failure::Malformed(format!("the body is not one JSON value: {error}")))?;
    Ok(value)
}

/// Whether the body is JSON, whatever it says.
fn syntax(body: &[u8]) -> Result<(), Failure> {
    whole::<IgnoredAny>(body).map(|_| ())
}

/// A parser's complaint as a rule for people: without the place in the text, and without the names of our types. A field
/// that is missing is named itself, not what it is missing from.
fn broken(path: &str, complaint: &str) -> Failure {
    let path = if path == "." { "" } else { path };
    let complaint = complaint.rsplit_once(" at line ").map_or(complaint, |(rule, _)| rule);
    for (opening, rule) in [("missing field `", "it is missing"), ("duplicate field `", "it is given twice")] {
        if let Some(name) = complaint.strip_prefix(opening).and_then(|rest| rest.strip_suffix('`')) {
            let dot = if path.is_empty() { "" } else { "." };
            return Failure::invalid(format!("{path}{dot}{name}"), rule);
        }
    }
    let rule = match complaint.rsplit_once(", expected ") {
        // A text in the wrong place may be a secret: that it is a text says enough.
        Some((found, wanted)) => {
            let found = found.split_once(" string \"").map_or(found.to_owned(), |(kind, _)| format!("{kind} string"));
            format!("{found}, expected {}", plain(wanted))
        }
        None => complaint.to_owned(),
    };
    let field = if path.is_empty() { "body" } else { path };
    Failure::invalid(field, rule.chars().take(MAX_RULE).collect::<String>())
}

/// A type of ours in words that a caller knows.
fn plain(wanted: &str) -> &str {
    match wanted {
        "u16" => "an integer from 0 to 65535",
        "a nonzero u16" => "an integer from 1 to 65535",
        "u32" | "u64" => "an integer from 0",
        "i64" => "an integer",
        _ if wanted.starts_with("struct ") => "an object",
        _ => wanted,
    }
}

/// Parses what stands in one field of a body, as [`parse`] does; a refusal names the field below `name`.
pub(crate) fn field<T: DeserializeOwned>(name: &str, value: &serde_json::Value) -> Result<T, Failure> {
    whole(value.to_string().as_bytes()).map_err(|failure| match failure {
        Failure::Invalid { field, rule } if field == "body" => Failure::invalid(name, rule),
        Failure::Invalid { field, rule } => Failure::invalid(format!("{name}.{field}"), rule),
        other => other,
    })
}

/// What stands with changes to some of its fields (RFC 7396, of the fields themselves): one that is `null` has its default again, one that
/// is missing stays.
pub(crate) fn merged<T: Serialize + DeserializeOwned>(stands: &T, changes: &Map<String, Value>) -> Result<T, Failure> {
    let Ok(Value::Object(mut fields)) = serde_json::to_value(stands) else {
        return Err(Failure::Broken("what stands is no object".into()));
    };
    for (name, value) in changes {
        if value.is_null() && fields.remove(name).is_some() {
            continue;
        }
        fields.insert(name.clone(), value.clone());
    }
    parse(Value::from(fields).to_string().as_bytes())
}

/// Reads and parses a JSON body of at most [`MAX_JSON`] bytes.
pub(crate) async fn json<T: DeserializeOwned>(request: &mut Request) -> Result<T, Failure> {
    parse(&read(request, MAX_JSON).await?)
}

/// Reads a form of at most [`MAX_FORM`] bytes, for [`crate::domain::percent::form_field`].
pub(crate) async fn form(request: &mut Request) -> Result<String, Failure> {
    let form = read(request, MAX_FORM).await?;
    String::from_utf8(form).map_err(|_| Failure::Malformed("the form is not UTF-8".into()))
}

/// A field that may be missing and may not be `null`: whoever clears a quota by it must not learn later that it stayed.
pub(crate) fn value<'de, D: Deserializer<'de>, T: Deserialize<'de>>(field: D) -> Result<Option<T>, D::Error> {
    T::deserialize(field).map(Some)
}

/// Tells a field that is `null` from one that is missing.
#[expect(clippy::option_option, reason = "missing, null and a value are three different things here")]
pub(crate) fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(field: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(field).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Serialize, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Ship {
        name: String,
        #[serde(default)]
        hull: Option<Hull>,
    }

    #[derive(Debug, Serialize, Deserialize, PartialEq)]
    struct Hull {
        length: u32,
    }

    fn refusal(body: &str) -> (u16, String) {
        let (status, _, message) = parse::<Ship>(body.as_bytes()).unwrap_err().describe();
        (status, message)
    }

    #[test]
    fn only_an_object_is_taken_for_one() {
        assert_eq!(parse::<Ship>(br#" {"name":"Vasa"} "#).unwrap(), Ship { name: "Vasa".into(), hull: None });
        for other in [r#"["Vasa"]"#, "[]", "null", "1", r#""Vasa""#, "true"] {
            assert_eq!(refusal(other), (422, "body: a JSON object".into()), "{other}");
        }
    }

    #[test]
    fn changes_leave_what_they_do_not_name_and_null_is_the_default() {
        let stands = Ship { name: "Vasa".into(), hull: Some(Hull { length: 69 }) };
        let merge = |changes: Value| merged(&stands, changes.as_object().unwrap());
        let ship =
            |name: &str, length: Option<u32>| Ship { name: name.into(), hull: length.map(|length| Hull { length }) };
        assert_eq!(merge(serde_json::json!({})).unwrap(), ship("Vasa", Some(69)));
        assert_eq!(merge(serde_json::json!({ "name": "Mars" })).unwrap(), ship("Mars", Some(69)));
        assert_eq!(merge(serde_json::json!({ "hull": null })).unwrap(), ship("Vasa", None));
        for (changes, field) in [
            (serde_json::json!({ "sails": 3 }), "sails"),
            (serde_json::json!({ "hull": { "length": "x" } }), "hull.length"),
            (serde_json::json!({ "name": null }), "name"),
        ] {
            let refused = merge(changes).unwrap_err();
            assert!(matches!(&refused, Failure::Invalid { field: named, .. } if named == field), "{refused:?}");
        }
    }

    #[test]
    fn what_is_no_json_is_malformed() {
        for text in
            ["", " ", "[", "{", "Vasa", r#"{"name":"Vasa"}{}"#, r#"{"name":7}}"#, r#"{"sails":3"#, "[]x", "\u{feff}{}"]
        {
            assert_eq!(refusal(text).0, 400, "{text}");
        }
        assert_eq!(refusal("[1,").0, 400);
    }

    #[test]
    fn a_refusal_names_the_field_and_none_of_our_types() {
        assert_eq!(refusal(r#"{"name":7}"#), (422, "name: invalid type: integer `7`, expected a string".into()));
        assert_eq!(refusal(r#"{"name":"Vasa","hull":7}"#).1, "hull: invalid type: integer `7`, expected an object");
        assert_eq!(
            refusal(r#"{"name":"Vasa","hull":{"length":-1}}"#).1,
            "hull.length: invalid value: integer `-1`, expected an integer from 0"
        );
        assert_eq!(
            refusal(r#"{"name":"Vasa","hull":"a secret, expected nowhere"}"#).1,
            "hull: invalid type: string, expected an object"
        );
        assert!(refusal(r#"{"name":"Vasa","sails":3}"#).1.starts_with("sails: unknown field `sails`, expected"));
        assert_eq!(refusal("{}").1, "name: it is missing");
        assert_eq!(refusal(r#"{"name":"Vasa","hull":{}}"#).1, "hull.length: it is missing");
        assert_eq!(refusal(r#"{"name":"Vasa","name":"Vasa"}"#).1, "name: it is given twice");
    }

    #[test]
    fn a_refusal_does_not_repeat_a_whole_body() {
        let (status, message) = refusal(&format!(r#"{{"name":"Vasa","hull":"{}"}}"#, "x".repeat(10_000)));
        assert_eq!(status, 422);
        assert!(message.chars().count() <= "hull: ".len() + MAX_RULE, "{message}");
    }
}
