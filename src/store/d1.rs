//! Sends statements to D1 and counts what they cost.

use core::cell::Cell;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use worker::js_sys::{self, Array, JSON, Promise};
use worker::wasm_bindgen::{JsCast as _, JsValue};
use worker::wasm_bindgen_futures::JsFuture;
use worker::{D1Database, D1PreparedStatement};
use worker_sys::types::{D1Database as Binding, D1Result};

use super::{Statement, StoreError, Value};

/// Queries and rows of one request, as D1 bills them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Statements, each one of a batch counted.
    pub queries: usize,
    /// Rows read.
    pub read: usize,
    /// Rows written.
    pub written: usize,
}

/// The database, for the length of one request.
pub struct Db {
    d1: D1Database,
    cost: Cell<Cost>,
    #[cfg(feature = "faults")]
    fuse: crate::faults::Fuse,
}

/// What one statement gave. Its rows are the runtime's until somebody asks for them.
pub struct Outcome {
    result: D1Result,
    meta: Meta,
}

#[derive(Clone, Copy, Default, Deserialize)]
struct Meta {
    rows_read: Option<usize>,
    rows_written: Option<usize>,
    changes: Option<usize>,
    size_after: Option<usize>,
}

impl Outcome {
    fn new(result: D1Result) -> Self {
        let meta = result.meta().ok().and_then(|meta| json(&meta).ok()).unwrap_or_default();
        Self { result, meta }
    }

    /// The rows.
    ///
    /// # Errors
    /// [`StoreError::Broken`] when a row is not of the expected shape.
    pub fn rows<T: DeserializeOwned>(&self) -> Result<Vec<T>, StoreError> {
        let rows = self.raw();
        if rows.length() == 0 {
            return Ok(Vec::new());
        }
        json(&rows).map_err(|error| StoreError::Broken(format!("decoding rows: {error}")))
    }

    /// The rows as the runtime's own objects, whose texts stay where they are.
    #[must_use]
    pub fn raw(&self) -> Array {
        self.result.results().ok().flatten().unwrap_or_default()
    }

    /// Rows that the statement changed, without those of triggers.
    #[must_use]
    pub fn changes(&self) -> usize {
        self.meta.changes.unwrap_or_default()
    }

    /// Bytes of the whole database after the statement.
    #[must_use]
    pub fn size(&self) -> usize {
        self.meta.size_after.unwrap_or_default()
    }
}

/// A value of the runtime, as the JSON that it makes of it in one call. To take an object apart costs several calls for each field of each row, which
/// was a sixth of the CPU of a report of 100 users.
fn json<T: DeserializeOwned>(value: &JsValue) -> Result<T, String> {
    let text = JSON::stringify(value).map_err(|error| format!("{error:?}"))?;
    serde_json::from_str(&String::from(text)).map_err(|error| error.to_string())
}

impl Db {
    /// Wraps the binding.
    #[must_use]
    pub fn new(d1: D1Database) -> Self {
        Self {
            d1,
            cost: Cell::default(),
            #[cfg(feature = "faults")]
            fuse: crate::faults::Fuse::new(),
        }
    }

    /// What was spent so far.
    #[must_use]
    pub fn cost(&self) -> Cost {
        self.cost.get()
    }

    fn prepare(&self, statement: &Statement) -> Result<D1PreparedStatement, StoreError> {
        let values: Vec<JsValue> = statement.values.iter().map(to_js).collect();
        #[cfg(not(feature = "faults"))]
        let sql = statement.sql.as_ref();
        #[cfg(feature = "faults")]
        let sql = crate::faults::sql(&statement.sql);
        self.d1.prepare(sql).bind(&values).map_err(|error| StoreError::classify(&error.to_string()))
    }

    fn count(&self, outcome: &Outcome) {
        let mut cost = self.cost.get();
        cost.queries += 1;
        cost.read += outcome.meta.rows_read.unwrap_or_default();
        cost.written += outcome.meta.rows_written.unwrap_or_default();
        self.cost.set(cost);
    }

    /// Runs one statement.
    ///
    /// # Errors
    /// What D1 said, classified.
    pub async fn run(&self, statement: Statement) -> Result<Outcome, StoreError> {
        #[cfg(feature = "faults")]
        self.fuse.burn()?;
        let result = settled(self.prepare(&statement)?.inner().run()).await?;
        let outcome = Outcome::new(result.unchecked_into());
        self.count(&outcome);
        Ok(outcome)
    }

    /// The rows of one statement.
    ///
    /// # Errors
    /// What D1 said, classified.
    pub async fn all<T: DeserializeOwned>(&self, statement: Statement) -> Result<Vec<T>, StoreError> {
        self.run(statement).await?.rows()
    }

    /// The first row of one statement.
    ///
    /// # Errors
    /// What D1 said, classified.
    pub async fn first<T: DeserializeOwned>(&self, statement: Statement) -> Result<Option<T>, StoreError> {
        Ok(self.all(statement).await?.into_iter().next())
    }

    /// Runs statements in order in one transaction: all of them or none.
    ///
    /// # Errors
    /// What D1 said of the statement that failed, classified; nothing was written.
    pub async fn batch(&self, statements: &[Statement]) -> Result<Vec<Outcome>, StoreError> {
        #[cfg(feature = "faults")]
        self.fuse.burn()?;
        let prepared = statements.iter().map(|statement| self.prepare(statement)).collect::<Result<Vec<_>, _>>()?;
        let prepared: Array = prepared.iter().map(D1PreparedStatement::inner).collect();
        let binding: &Binding = self.d1.as_ref().unchecked_ref();
        let results: Array = settled(binding.batch(prepared)).await?.unchecked_into();
        let outcomes: Vec<Outcome> = results.iter().map(|result| Outcome::new(result.unchecked_into())).collect();
        for outcome in &outcomes {
            self.count(outcome);
        }
        Ok(outcomes)
    }
}

fn to_js(value: &Value) -> JsValue {
    match value {
        Value::Null => JsValue::NULL,
        #[expect(clippy::cast_precision_loss, reason = "values are within 2^53, which f64 carries exactly")]
        Value::Int(number) => JsValue::from_f64(*number as f64),
        Value::Text(text) => JsValue::from_str(text),
    }
}

async fn settled(promise: Result<Promise, JsValue>) -> Result<JsValue, StoreError> {
    let result = match promise {
        Ok(promise) => JsFuture::from(promise).await,
        Err(error) => Err(error),
    };
    result.map_err(failed)
}

fn failed(error: JsValue) -> StoreError {
    // The text of a D1 error is a JavaScript stack over many lines; its cause is the one line that matters.
    let cause = error.dyn_ref::<js_sys::Error>().and_then(|error| error.cause().dyn_into::<js_sys::Error>().ok());
    cause.map_or_else(
        || StoreError::classify(&worker::Error::from(error).to_string()),
        |cause| StoreError::classify(&String::from(cause.message())),
    )
}
