//! Rows of the history as the database returns them.

use crate::domain::history::Row;
use crate::http::failure::Failure;
use crate::store::charts::Rows;
use crate::store::d1::Outcome;

/// The rows of all tables.
pub(crate) fn rows(tables: &[Outcome]) -> Result<Vec<Row>, Failure> {
    let mut all = Vec::new();
    for table in tables {
        for rows in table.rows::<Rows>()? {
            all.extend(rows.decode().map_err(|error| Failure::Broken(format!("history: {error}")))?);
        }
    }
    Ok(all)
}
