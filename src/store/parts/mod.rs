//! The database as parts: JSON text that SQL makes, of at most about 1 MB each, for a backup (`src/cron/backup.rs`).
//!
//! A part's first line says its table, its columns and how many rows follow; every other line is one row, a JSON list. A part
//! of changes has a list of the row's key and the row, which is `null` for a row that is gone.
//!
//! Which tables there are is read from the schema, so that none is forgotten that a later migration makes. Their names stand
//! in the statements as quoted names, and keys as quoted literals.

mod table;

pub use self::table::{Table, tables};
use super::Statement;

/// Bytes of a part that are aimed at. D1's results and rows end at 2 MB, and a part may grow between its planning and its making.
pub const PART: u64 = 900_000;
/// A table of at most so many rows and bytes leaves whole in the one batch.
const SMALL_ROWS: u64 = 2_000;
const SMALL: u64 = 500_000;
/// Text of one statement at most, of the platform's 100 kB, and results of it, of 100.
const LONGEST: usize = 60_000;
const MOST_RESULTS: usize = 50;

/// The rows of which a part is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source<'a> {
    /// A whole table, or what was noted as changed in one.
    Whole(&'a Table),
    /// What was noted as changed since the table's copying began.
    Changes(&'a Table),
}

/// A part that is to be made in one statement with others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The part's name.
    pub name: String,
    /// A scalar subquery.
    sql: String,
    /// About so many bytes.
    bytes: u64,
}

/// How large tables are that are not being noted: a number of bytes for each by its name, [`is_large`] of which says whether it
/// fits into the one batch. Rows read: at most 2,001 of each.
#[must_use]
pub fn measure(tables: &[&Table]) -> Vec<Statement> {
    let size = |table: &&Table| {
        format!(
            "(SELECT coalesce(sum(octet_length(line)), 0) + (count(*) > {SMALL_ROWS}) * {SMALL}
              FROM (SELECT {} AS line FROM {} AS t LIMIT {})) AS {}",
            table.line(),
            name(&table.name),
            SMALL_ROWS + 1,
            name(&table.name)
        )
    };
    select(tables.iter().map(size))
}

/// Whether a table of this measure does not fit into the one batch.
#[must_use]
pub const fn is_large(measured: u64) -> bool {
    measured > SMALL
}

/// Where sources are to be cut: for each by its name a JSON list of [last key, bytes up to there]. Rows read: all of the sources.
#[must_use]
pub fn cuts(sources: &[Source<'_>]) -> Vec<Statement> {
    let cut = |source: &Source<'_>| {
        let (order, key) = source.order();
        format!(
            "(SELECT json_group_array(json_array(json(place), running)) FROM (
              SELECT place, max(running) AS running FROM (
                SELECT {key} AS place, sum(octet_length({line}) + 1) OVER (ORDER BY {order}) AS running {from})
              GROUP BY running / {PART})) AS {name}",
            line = source.line(),
            from = source.from(),
            name = name(source.name()),
        )
    };
    select(sources.iter().map(cut))
}

impl Source<'_> {
    const fn table(&self) -> &Table {
        match self {
            Self::Whole(table) | Self::Changes(table) => table,
        }
    }

    /// The table's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.table().name
    }

    fn line(&self) -> String {
        let line = self.table().line();
        match self {
            Self::Whole(_) => line,
            Self::Changes(table) => {
                let first = table.key().into_iter().next().unwrap_or_default();
                format!("'[' || c.key || ',' || iif(t.{} IS NULL, 'null', {line}) || ']'", name(&first))
            }
        }
    }

    fn from(&self) -> String {
        let table = self.table();
        match self {
            Self::Whole(_) => format!("FROM {} AS t WHERE true", name(&table.name)),
            Self::Changes(_) => format!(
                "FROM backup_changes AS c LEFT JOIN {} AS t ON {} WHERE c.tab = {}",
                name(&table.name),
                table.is_key("c.key"),
                literal(&table.name)
            ),
        }
    }

    /// By what its rows are ordered, and the key of a row in that order as JSON.
    fn order(&self) -> (String, String) {
        match self {
            Self::Whole(table) => (table.key_of("t"), format!("json_array({})", table.key_of("t"))),
            Self::Changes(_) => ("c.key".to_owned(), "c.key".to_owned()),
        }
    }

    fn compares(&self, operator: &str, key: &str) -> String {
        match self {
            Self::Whole(table) => table.compares(operator, key),
            Self::Changes(_) => format!("c.key {operator} {}", literal(key)),
        }
    }

    /// The parts between `cuts`, a list of [`cuts`]. The last one goes on to the end, wherever that is by then.
    ///
    /// # Errors
    /// The text is no such list.
    pub fn pieces(&self, cuts: &str) -> Result<Vec<Piece>, serde_json::Error> {
        let cuts: Vec<(serde_json::Value, u64)> = serde_json::from_str(cuts)?;
        let mut pieces = Vec::new();
        let (mut after, mut before): (Option<String>, u64) = (None, 0);
        for (number, (key, running)) in cuts.iter().enumerate().map(|(at, cut)| (at + 1, cut)) {
            let key = key.to_string();
            let until = (number < cuts.len()).then_some(key.as_str());
            pieces.push(self.piece(number, after.as_deref(), until, running.saturating_sub(before)));
            (after, before) = (Some(key), *running);
        }
        if pieces.is_empty() {
            pieces.push(self.piece(1, None, None, 0));
        }
        Ok(pieces)
    }

    /// All of it as one part of about so many bytes.
    #[must_use]
    pub fn whole(&self, bytes: u64) -> Piece {
        self.piece(1, None, None, bytes)
    }

    fn piece(&self, number: usize, after: Option<&str>, until: Option<&str>, bytes: u64) -> Piece {
        let mut from = self.from();
        for (operator, key) in [(">", after), ("<=", until)] {
            if let Some(key) = key {
                from = format!("{from} AND {}", self.compares(operator, key));
            }
        }
        let sql = format!(
            "(SELECT {header} || coalesce(char(10) || group_concat(line, char(10)), '')
            FROM (SELECT {line} AS line {from} ORDER BY {order}))",
            header = self.table().header(*self, "count(*)"),
            line = self.line(),
            order = self.order().0,
        );
        let kind = if matches!(self, Self::Whole(_)) { "" } else { ".changes" };
        Piece { name: format!("{}{kind}.{number:05}", self.name()), sql, bytes }
    }
}

/// The statements that make these parts, each result named as its part, in as few as results of 1 MB allow.
#[must_use]
pub fn make(pieces: &[Piece]) -> Vec<Statement> {
    let mut groups: Vec<(u64, Vec<String>)> = Vec::new();
    for piece in pieces {
        let column = format!("{} AS {}", piece.sql, name(&piece.name));
        match groups.last_mut() {
            Some((bytes, columns)) if *bytes + piece.bytes <= PART => {
                *bytes += piece.bytes;
                columns.push(column);
            }
            _ => groups.push((piece.bytes, vec![column])),
        }
    }
    groups.into_iter().flat_map(|(_, columns)| select(columns.into_iter())).collect()
}

/// Statements that select these columns.
fn select(columns: impl Iterator<Item = String>) -> Vec<Statement> {
    let mut lists: Vec<Vec<String>> = Vec::new();
    let mut length = 0;
    for column in columns {
        length += column.len();
        match lists.last_mut() {
            Some(list) if length <= LONGEST && list.len() < MOST_RESULTS => list.push(column),
            _ => {
                length = column.len();
                lists.push(vec![column]);
            }
        }
    }
    lists.into_iter().map(|list| Statement::made(format!("SELECT {}", list.join(",\n")))).collect()
}

fn name(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// The head of the audit log, if there is one: it shows whether a restored log was cut.
#[must_use]
pub fn audit_head<'a>(mut tables: impl Iterator<Item = &'a Table>) -> Option<Statement> {
    let table = tables.find(|table| table.name == "audit_head")?;
    let columns: Vec<String> =
        table.columns().iter().map(|(column, _)| format!("{}, t.{}", literal(column), name(column))).collect();
    Some(Statement::made(format!("SELECT json_object({}) AS head FROM audit_head AS t LIMIT 1", columns.join(", "))))
}
