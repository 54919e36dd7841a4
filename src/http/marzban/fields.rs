//! Fields of a body, read as tolerantly as Marzban reads them: `null` is as if the field were missing.

use serde_json::{Map, Value};
use weir_wire::{Bytes, Second};

use crate::domain::marzban::instant;
use crate::http::failure::Failure;

/// The largest integer of all numbers here.
const MOST: i64 = 9_007_199_254_740_991;

/// An object of a body.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a>(pub(super) &'a Map<String, Value>);

impl<'a> Fields<'a> {
    /// A field that is there and not `null`.
    pub(super) fn get(self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// A text.
    pub(super) fn text(self, name: &str) -> Result<Option<&'a str>, Failure> {
        let text =
            |value: &'a Value| value.as_str().ok_or_else(|| Failure::invalid(name, "Input should be a valid string"));
        self.get(name).map(text).transpose()
    }

    /// A switch.
    pub(super) fn flag(self, name: &str, default: bool) -> Result<bool, Failure> {
        let flag =
            |value: &Value| value.as_bool().ok_or_else(|| Failure::invalid(name, "Input should be a valid boolean"));
        self.get(name).map(flag).transpose().map(|flag| flag.unwrap_or(default))
    }

    /// A whole number, also written like `5.0`.
    pub(super) fn integer(self, name: &str) -> Result<Option<i64>, Failure> {
        let whole = |value: &Value| {
            let number =
                value.as_i64().or_else(|| value.as_f64().filter(|float| float.fract() == 0.0).and_then(truncated));
            number.ok_or_else(|| Failure::invalid(name, "Input should be a valid integer"))
        };
        self.get(name).map(whole).transpose()
    }

    /// Bytes; of a fraction, the whole ones.
    pub(super) fn bytes(self, name: &str) -> Result<Option<Bytes>, Failure> {
        let bytes = |value: &Value| {
            let number = value.as_i64().or_else(|| value.as_f64().and_then(truncated));
            let number = number
                .ok_or_else(|| Failure::invalid(name, "data limit must be an integer or a float, not a string"))?;
            let bytes = u64::try_from(number).ok().and_then(|number| Bytes::try_from(number).ok());
            bytes.ok_or_else(|| {
                Failure::invalid(name, "Input should be greater than or equal to 0, and at most 9007199254740991")
            })
        };
        self.get(name).map(bytes).transpose()
    }

    /// A second; `Some(None)` is 0, which clears.
    #[expect(clippy::option_option, reason = "missing, cleared and a value are three different things here")]
    pub(super) fn second(self, name: &str) -> Result<Option<Option<Second>>, Failure> {
        self.integer(name)?.map(|seconds| cleared(name, seconds)).transpose()
    }

    /// A second, as ISO 8601 or as a number; `Some(None)` is 0, which clears.
    #[expect(clippy::option_option, reason = "missing, cleared and a value are three different things here")]
    pub(super) fn instant(self, name: &str) -> Result<Option<Option<Second>>, Failure> {
        match self.get(name) {
            Some(Value::String(text)) => {
                let at =
                    instant::read(text).ok_or_else(|| Failure::invalid(name, "Input should be a valid datetime"))?;
                Ok(Some(Some(at)))
            }
            _ => self.second(name),
        }
    }

    /// An object.
    pub(super) fn object(self, name: &str) -> Result<Option<Fields<'a>>, Failure> {
        let object = |value: &'a Value| {
            value.as_object().map(Fields).ok_or_else(|| Failure::invalid(name, "Input should be a valid dictionary"))
        };
        self.get(name).map(object).transpose()
    }
}

/// A second that a number means; none for 0.
fn cleared(name: &str, seconds: i64) -> Result<Option<Second>, Failure> {
    let second = Second::try_from(seconds).map_err(|_| Failure::invalid(name, "unix seconds, an integer from 0"))?;
    Ok(Some(second).filter(|second| second.get() > 0))
}

/// The whole part of a number that we can hold.
#[expect(clippy::cast_possible_truncation, reason = "only of what lies between two integers that f64 has exactly")]
fn truncated(float: f64) -> Option<i64> {
    const BOUND: f64 = 9_007_199_254_740_991.0;
    let whole = (-BOUND..=BOUND).contains(&float).then_some(float.trunc() as i64);
    whole.filter(|number| (-MOST..=MOST).contains(number))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read<T>(value: Value, how: impl Fn(Fields<'_>) -> Result<T, Failure>) -> Result<T, (u16, String)> {
        let map = Map::from_iter([("x".to_owned(), value)]);
        how(Fields(&map)).map_err(|failure| {
            let (status, _, message) = failure.describe();
            (status, message)
        })
    }

    #[test]
    fn bytes_are_truncated_and_neither_negative_nor_text() {
        let bytes = |value| read(value, |fields| fields.bytes("x"));
        assert_eq!(bytes(json!(null)), Ok(None));
        assert_eq!(bytes(json!(5.9)), Ok(Some(Bytes::saturating(5))));
        assert_eq!(bytes(json!(9_007_199_254_740_991_u64)), Ok(Some(Bytes::MAX)));
        for broken in [json!("5"), json!(-1), json!(9_007_199_254_740_992_u64), json!(1e300), json!(true), json!([])] {
            assert_eq!(bytes(broken.clone()).unwrap_err().0, 422, "{broken}");
        }
    }

    #[test]
    fn nought_clears_a_second_and_an_instant() {
        let at = |value| read(value, |fields| fields.instant("x"));
        assert_eq!(at(json!(null)), Ok(None));
        assert_eq!(at(json!(0)), Ok(Some(None)));
        assert_eq!(at(json!("1970-01-01T00:00:07")), Ok(Some(Some(Second::clamped(7)))));
        assert_eq!(at(json!(7.0)), Ok(Some(Some(Second::clamped(7)))));
        for broken in [json!("x"), json!(-1), json!(7.5), json!({})] {
            assert_eq!(at(broken.clone()).unwrap_err().0, 422, "{broken}");
        }
    }
}
