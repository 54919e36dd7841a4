//! Sends statements to D1 and counts what they cost.

use core::cell::Cell;

use serde::de::DeserializeOwned;
use worker::wasm_bindgen::JsValue;
use worker::{D1Database, D1PreparedStatement, D1Result};

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

/// What one statement gave.
pub struct Outcome(D1Result);

impl Outcome {
    /// The rows.
    ///
    /// # Errors
    /// [`StoreError::Broken`] when a row is not of the expected shape.
    pub fn rows<T: DeserializeOwned>(&self) -> Result<Vec<T>, StoreError> {
        self.0.results().map_err(|error| StoreError::Broken(format!("decoding rows: {error}")))
    }

    /// Rows that the statement changed, without those of triggers.
    #[must_use]
    pub fn changes(&self) -> usize {
        self.0.meta().ok().flatten().and_then(|meta| meta.changes).unwrap_or_default()
    }

    /// Bytes of the whole database after the statement.
    #[must_use]
    pub fn size(&self) -> usize {
        self.0.meta().ok().flatten().and_then(|meta| meta.size_after).unwrap_or_default()
    }
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
        self.d1.prepare(sql).bind(&values).map_err(|error| failed(&error))
    }

    fn count(&self, result: &D1Result) {
        let mut cost = self.cost.get();
        cost.queries += 1;
        if let Ok(Some(meta)) = result.meta() {
            cost.read += meta.rows_read.unwrap_or_default();
            cost.written += meta.rows_written.unwrap_or_default();
        }
        self.cost.set(cost);
    }

    /// Runs one statement.
    ///
    /// # Errors
    /// What D1 said, classified.
    pub async fn run(&self, statement: Statement) -> Result<Outcome, StoreError> {
        #[cfg(feature = "faults")]
        self.fuse.burn()?;
        let result = self.prepare(&statement)?.run().await.map_err(|error| failed(&error))?;
        self.count(&result);
        Ok(Outcome(result))
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
        let results = self.d1.batch(prepared).await.map_err(|error| failed(&error))?;
        for result in &results {
            self.count(result);
        }
        Ok(results.into_iter().map(Outcome).collect())
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

fn failed(error: &worker::Error) -> StoreError {
    // `Display` of a D1 error prints a JavaScript stack over many lines; its cause is the one line that matters.
    match error {
        worker::Error::D1(error) => StoreError::classify(&error.cause()),
        other => StoreError::classify(&other.to_string()),
    }
}
