//! The panel's statements on plain `SQLite`, under D1's limits: what SQL does is tested as SQL.

use std::path::Path;

use rusqlite::limits::Limit;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ToSql};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json};
use weir::store::{Statement, StoreError, Value};

use crate::scans;

/// A database with every migration applied.
pub(crate) struct Sqlite {
    connection: Connection,
}

/// Binds as D1 does: every JavaScript number arrives as REAL.
struct Bound<'a>(&'a Value);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self.0 {
            Value::Null => ToSqlOutput::Borrowed(ValueRef::Null),
            #[expect(clippy::cast_precision_loss, reason = "as D1 does; values are within 2^53")]
            Value::Int(number) => ToSqlOutput::Borrowed(ValueRef::Real(*number as f64)),
            Value::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
        })
    }
}

/// An empty database in memory, with every migration applied. The limits are those of workerd's `SQLite` (`src/workerd/util/sqlite.c++`).
pub(crate) fn migrated() -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    connection.set_prepared_statement_cache_capacity(128);
    for (limit, value) in [
        (Limit::SQLITE_LIMIT_VARIABLE_NUMBER, 100),
        (Limit::SQLITE_LIMIT_COMPOUND_SELECT, 5),
        (Limit::SQLITE_LIMIT_EXPR_DEPTH, 100),
        (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 50),
        (Limit::SQLITE_LIMIT_FUNCTION_ARG, 32),
        (Limit::SQLITE_LIMIT_VDBE_OP, 25_000),
        (Limit::SQLITE_LIMIT_SQL_LENGTH, 100_000),
        (Limit::SQLITE_LIMIT_LENGTH, 2_000_000),
        (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 10),
    ] {
        connection.set_limit(limit, value).unwrap();
    }
    let mut migrations: Vec<_> = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    migrations.sort();
    for migration in migrations {
        connection.execute_batch(&std::fs::read_to_string(migration).unwrap()).unwrap();
    }
    connection
}

impl Sqlite {
    pub(crate) fn new() -> Self {
        Self { connection: migrated() }
    }

    pub(crate) const fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Plain SQL, for setting a scene.
    pub(crate) fn execute(&self, sql: &str) {
        self.connection.execute_batch(sql).unwrap();
    }

    /// Runs one statement and decodes its rows.
    pub(crate) fn all<T: DeserializeOwned>(&self, statement: &Statement) -> Result<Vec<T>, StoreError> {
        scans::look(statement);
        self.run_all(statement)
    }

    /// The rows of a statement that is a test's own, which may walk through whatever it likes.
    pub(crate) fn query<T: DeserializeOwned>(&self, statement: &Statement) -> Vec<T> {
        self.run_all(statement).unwrap()
    }

    fn run_all<T: DeserializeOwned>(&self, statement: &Statement) -> Result<Vec<T>, StoreError> {
        let classify = |error: rusqlite::Error| StoreError::classify(&error.to_string());
        let mut prepared = self.connection.prepare_cached(&statement.sql).map_err(classify)?;
        let names: Vec<String> = prepared.column_names().into_iter().map(String::from).collect();
        let mut rows =
            prepared.query(rusqlite::params_from_iter(statement.values.iter().map(Bound))).map_err(classify)?;
        let mut decoded = Vec::new();
        while let Some(row) = rows.next().map_err(classify)? {
            let object: Map<String, Json> =
                names.iter().enumerate().map(|(i, name)| (name.clone(), json(row.get_ref(i).unwrap()))).collect();
            decoded.push(serde_json::from_value(Json::Object(object)).unwrap());
        }
        Ok(decoded)
    }

    /// Runs one statement for its effect.
    pub(crate) fn run(&self, statement: &Statement) -> Result<(), StoreError> {
        self.all::<Json>(statement).map(drop)
    }

    /// Runs statements in one transaction: all of them or none.
    pub(crate) fn batch(&self, statements: &[Statement]) -> Result<(), StoreError> {
        self.execute("BEGIN");
        let outcome = statements.iter().try_for_each(|statement| self.run(statement));
        self.execute(if outcome.is_ok() { "COMMIT" } else { "ROLLBACK" });
        outcome
    }

    /// Runs statements in one transaction, and decodes the rows of the last one.
    pub(crate) fn batch_last<T: DeserializeOwned>(&self, statements: &[Statement]) -> Result<Vec<T>, StoreError> {
        let (last, others) = statements.split_last().unwrap();
        self.execute("BEGIN");
        let outcome = others.iter().try_for_each(|statement| self.run(statement)).and_then(|()| self.all(last));
        self.execute(if outcome.is_ok() { "COMMIT" } else { "ROLLBACK" });
        outcome
    }

    /// Every row of every table, to see that nothing was changed.
    pub(crate) fn dump(&self) -> Vec<String> {
        let mut tables =
            self.connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").unwrap();
        let tables: Vec<String> = tables.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        let mut dump = Vec::new();
        for table in tables {
            let mut statement = self.connection.prepare(&format!("SELECT * FROM {table}")).unwrap();
            let columns = statement.column_count();
            let mut rows = statement.query([]).unwrap();
            while let Some(row) = rows.next().unwrap() {
                let values: Vec<Json> = (0..columns).map(|column| json(row.get_ref(column).unwrap())).collect();
                dump.push(format!("{table} {}", Json::Array(values)));
            }
        }
        dump
    }

    /// One value of plain SQL.
    pub(crate) fn value<T: DeserializeOwned>(&self, sql: &str) -> T {
        let json = self.connection.query_row(sql, [], |row| Ok(json(row.get_ref(0)?))).unwrap();
        serde_json::from_value(json).unwrap()
    }
}

fn json(value: ValueRef<'_>) -> Json {
    match value {
        ValueRef::Null => Json::Null,
        ValueRef::Integer(number) => number.into(),
        ValueRef::Real(number) => number.into(),
        ValueRef::Text(text) => String::from_utf8_lossy(text).into(),
        ValueRef::Blob(_) => panic!("no column is a BLOB"),
    }
}
