//! A table as its parts need it: its columns, its key, a row of it as text, and the triggers that note its changes.

use serde::Deserialize;

use super::{PART, Source, literal, name};
use crate::store::Statement;

/// Tables that nearly every report writes: they leave in the one batch however large they are, because noting their changes
/// would cost a row more for each user of each report.
const HOT: [&str; 2] = ["epochs", "usage"];
/// What [`json_array`] takes at most: a function has 32 arguments.
const ARGUMENTS: usize = 30;

/// A table as its parts need it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// JSON list of its columns as [name, place in the primary key from 1, or 0].
    columns: String,
    /// How many of the triggers are there that note its changes: 3 once its copying has begun.
    watched: u32,
}

// Rows read: the schema. What is left out: the platform's own tables, the list of migrations (the manifest has it), and how
// far backups have got.
const TABLES: &str = "
SELECT m.name,
  (SELECT json_group_array(json_array(c.name, c.pk)) FROM pragma_table_info(m.name) AS c) AS columns,
  (SELECT count(*) FROM sqlite_schema AS t WHERE t.type = 'trigger' AND t.tbl_name = m.name
    AND substr(t.name, 1, 15) = 'backup_changes_') AS watched
FROM sqlite_schema AS m
WHERE m.type = 'table' AND substr(m.name, 1, 7) <> 'sqlite_' AND substr(m.name, 1, 4) <> '_cf_'
  AND m.name NOT IN ('d1_migrations', 'backup_state', 'backup_parts', 'backup_changes')
ORDER BY m.name";

/// Every table that a backup holds.
#[must_use]
pub fn tables() -> Statement {
    Statement::new(TABLES)
}

impl Table {
    /// Whether its changes are being noted, so that it was copied or is.
    #[must_use]
    pub const fn is_watched(&self) -> bool {
        self.watched > 0
    }

    /// Whether it leaves in the one batch whatever its size.
    #[must_use]
    pub fn is_hot(&self) -> bool {
        HOT.contains(&self.name.as_str())
    }

    pub(super) fn columns(&self) -> Vec<(String, u32)> {
        serde_json::from_str(&self.columns).unwrap_or_default()
    }

    /// The primary key's columns in its order, or the row's number.
    pub(super) fn key(&self) -> Vec<String> {
        let mut key: Vec<_> = self.columns().into_iter().filter(|(_, place)| *place > 0).collect();
        key.sort_by_key(|(_, place)| *place);
        let key: Vec<String> = key.into_iter().map(|(name, _)| name).collect();
        if key.is_empty() { vec!["rowid".to_owned()] } else { key }
    }

    /// The key's columns of row `of`, with commas between.
    pub(super) fn key_of(&self, of: &str) -> String {
        self.key().iter().map(|column| format!("{of}.{}", name(column))).collect::<Vec<_>>().join(", ")
    }

    /// Key = the JSON list `list`, column by column.
    pub(super) fn is_key(&self, list: &str) -> String {
        let same = |(place, column): (usize, &String)| format!("t.{} = {list} ->> {place}", name(column));
        self.key().iter().enumerate().map(same).collect::<Vec<_>>().join(" AND ")
    }

    /// Key compared with the literal `key`, a JSON list.
    pub(super) fn compares(&self, operator: &str, key: &str) -> String {
        let key_values = (0..self.key().len()).map(|place| format!("{} ->> {place}", literal(key))).collect::<Vec<_>>();
        format!("({}) {operator} ({})", self.key_of("t"), key_values.join(", "))
    }

    /// One row as JSON text.
    pub(super) fn line(&self) -> String {
        let columns: Vec<String> = self.columns().iter().map(|(column, _)| format!("t.{}", name(column))).collect();
        let mut lists = columns.chunks(ARGUMENTS).map(|columns| format!("json_array({})", columns.join(", ")));
        let first = lists.next().unwrap_or_default();
        // No value is a list itself, so only the brackets of the outer list go.
        lists.fold(first, |before, list| format!("rtrim({before}, ']') || ',' || ltrim({list}, '[')"))
    }

    /// The first line of a part, with the number of lines that `rows` counts.
    pub(super) fn header(&self, source: Source<'_>, rows: &str) -> String {
        let columns: Vec<String> = self.columns().into_iter().map(|(column, _)| column).collect();
        let columns = serde_json::to_string(&columns).unwrap_or_default();
        let kind = if matches!(source, Source::Whole(_)) { "rows" } else { "changes" };
        format!(
            "json_object('table', {}, 'columns', json({}), 'kind', '{kind}', 'rows', {rows})",
            literal(&self.name),
            literal(&columns)
        )
    }

    fn trigger(&self, event: &str) -> String {
        name(&format!("backup_changes_{}_{event}", self.name))
    }

    /// From now on its changes are noted. Each change writes 1 row more, once for each row that changes.
    #[must_use]
    pub fn watch(&self) -> [Statement; 3] {
        [("insert", &["NEW"][..]), ("update", &["OLD", "NEW"]), ("delete", &["OLD"])].map(|(event, rows)| {
            let note = |of: &&str| {
                format!(
                    "INSERT INTO backup_changes (tab, key) VALUES ({}, json_array({})) ON CONFLICT DO NOTHING; ",
                    literal(&self.name),
                    self.key_of(of)
                )
            };
            Statement::made(format!(
                "CREATE TRIGGER IF NOT EXISTS {} AFTER {} ON {} BEGIN {}END",
                self.trigger(event),
                event.to_uppercase(),
                name(&self.name),
                rows.iter().map(note).collect::<String>()
            ))
        })
    }

    /// Its changes are not noted any more.
    #[must_use]
    pub fn unwatch(&self) -> [Statement; 3] {
        ["insert", "update", "delete"]
            .map(|event| Statement::made(format!("DROP TRIGGER IF EXISTS {}", self.trigger(event))))
    }

    /// The next part of the table after the key `after`: `part`, its `rows` (none: the end is reached), and the key `last`
    /// of its last row. Rows read: 3 for each of `step` rows.
    #[must_use]
    pub fn chunk(&self, after: Option<&str>, step: u32) -> Statement {
        let beyond = after.map_or_else(String::new, |key| format!("WHERE {}", self.compares(">", key)));
        let order = self.key_of("t");
        Statement::made(format!(
            "SELECT {header} || char(10) || group_concat(line, char(10)) AS part, count(*) AS rows, max(running) AS bytes, place AS last
            FROM (SELECT {line} AS line, json_array({order}) AS place,
                sum(octet_length({line}) + 1) OVER (ORDER BY {order}) AS running
              FROM (SELECT * FROM {table} AS t {beyond} ORDER BY {order} LIMIT {step}) AS t)
            WHERE running <= {PART} OR running = octet_length(line) + 1",
            header = self.header(Source::Whole(self), "count(*)"),
            line = self.line(),
            table = name(&self.name),
        ))
    }
}
