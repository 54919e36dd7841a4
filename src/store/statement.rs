//! A query as a value, so that the same text and parameters run on D1 and, in tests, on plain `SQLite`.

use std::borrow::Cow;

use serde::Serialize;
use weir_wire::{Bytes, Epoch, NodeId, Second, SlotName};

/// One bound parameter.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// SQL NULL.
    Null,
    /// An integer within ±(2^53-1). D1 binds every number as REAL: where an expression divides, concatenates or makes
    /// JSON of it, the statement casts it back.
    Int(i64),
    /// Text.
    Text(String),
}

/// SQL with its parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// The text, with parameters `?1`, `?2`, ...
    pub sql: Cow<'static, str>,
    /// The parameters in order.
    pub values: Vec<Value>,
}

impl Statement {
    /// A statement whose parameters are still to be bound.
    #[must_use]
    pub const fn new(sql: &'static str) -> Self {
        Self { sql: Cow::Borrowed(sql), values: Vec::new() }
    }

    /// A statement whose text depends on the schema. Nothing that somebody else wrote belongs into it but as a quoted name or literal.
    #[must_use]
    pub const fn made(sql: String) -> Self {
        Self { sql: Cow::Owned(sql), values: Vec::new() }
    }

    /// Binds the next parameter.
    #[must_use]
    pub fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Binds the next parameter as JSON text, for `json_each`: any number of rows cost one parameter, and integers in it
    /// are true integers for `SQLite`.
    #[must_use]
    pub fn bind_json<T: Serialize>(self, value: &T) -> Self {
        // Serialising plain lists of integers and strings cannot fail; `null` would select no row at all.
        self.bind(serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned()))
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Self::Int(i64::from(value))
    }
}

impl From<Bytes> for Value {
    fn from(value: Bytes) -> Self {
        Self::Int(value.signed())
    }
}

impl From<Second> for Value {
    fn from(value: Second) -> Self {
        Self::Int(value.get())
    }
}

impl From<NodeId> for Value {
    fn from(value: NodeId) -> Self {
        Self::Int(i64::from(value.0))
    }
}

impl From<Epoch> for Value {
    fn from(value: Epoch) -> Self {
        Self::Text(value.to_string())
    }
}

impl From<&SlotName> for Value {
    fn from(value: &SlotName) -> Self {
        Self::Text(value.as_str().to_owned())
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}
