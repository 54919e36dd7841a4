//! No statement of the panel walks through a table that grows with users, nodes, hours or events, but for those that do by decision
//! (`decided.rs`): every statement that a test runs is looked at, those that no other test runs are in `unrun.rs`, and those of the
//! hot paths in `hot.rs`, where no decision counts. The rule is in docs/architecture.md, "What a request costs".

mod decided;
mod hot;
mod program;
mod unrun;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{LazyLock, Mutex, PoisonError};

use rusqlite::Connection;
use weir::store::Statement;

use self::decided::{DECIDED, EVERYTHING};
use self::program::{Found, plan, walks};
use crate::scene::Scene;
use crate::sqlite::{self, Sqlite};

/// Tables that stay small whatever the panel serves: of one row, or of a row for each setting, job, channel, plan and source of links; what
/// one backup has made, and what was answered in the last minutes.
const SMALL: [&str; 16] = [
    "audit_head",
    "backup_parts",
    "backup_state",
    "channels",
    "counters",
    "d1_migrations",
    "jobs",
    "meta",
    "passkey_challenges",
    "plans",
    "settings",
    "sqlite_sequence",
    "subscription_state",
    "wanted",
    "xpert_sources",
    "xpert_state",
];

/// Tables that grow with those who run the panel and with what they do by hand, not with whom it serves. Only the hot paths must not walk
/// through them.
const OF_OPERATORS: [&str; 8] =
    ["api_keys", "bulk", "operators", "passkeys", "recovery_codes", "sessions", "user_templates", "xpert_direct"];

/// The schema, to explain statements with: to explain one beside those that a test runs would change what `changes()` says there.
static SCHEMA: LazyLock<Mutex<Connection>> = LazyLock::new(|| {
    let connection = sqlite::migrated();
    connection
        .execute_batch("CREATE TABLE d1_migrations (id INTEGER PRIMARY KEY, name TEXT UNIQUE, applied_at TEXT)")
        .unwrap();
    Mutex::new(connection)
});

/// Texts that were looked at.
static SEEN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Looks at each statement that the panel makes, once, and fails if it walks where it must not. What the schema lacks is a test's own.
pub(crate) fn look(statement: &Statement) {
    let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    if seen.contains(statement.sql.as_ref()) {
        return;
    }
    seen.insert(statement.sql.to_string());
    drop(seen);
    let Some(walked) = walked(&statement.sql) else { return };
    let decided = decided::tables(&statement.sql);
    let may = |table: &str| !grows(table) || decided == EVERYTHING || decided.contains(&table);
    let beyond: Vec<&String> = walked.iter().filter(|table| !may(table)).collect();
    assert!(beyond.is_empty(), "{}", fault(&statement.sql, &beyond));
}

fn explained(sql: &str) -> Option<Found> {
    walks(&SCHEMA.lock().unwrap_or_else(PoisonError::into_inner), sql)
}

/// The tables that are not small and that a statement walks through itself.
fn walked(sql: &str) -> Option<BTreeSet<String>> {
    let walks = explained(sql)?.walks.into_iter().filter(|walk| walk.trigger.is_none());
    Some(walks.map(|walk| walk.table).filter(|table| !SMALL.contains(&table.as_str())).collect())
}

fn grows(table: &str) -> bool {
    !SMALL.contains(&table) && !OF_OPERATORS.contains(&table)
}

fn fault(sql: &str, tables: &[&String]) -> String {
    let plan = plan(&SCHEMA.lock().unwrap_or_else(PoisonError::into_inner), sql);
    format!(
        "this statement walks through {tables:?}, of which no table may be read from end to end, unless tests/sql/scans/decided.rs \
         says why:\n{}\nIts plan:\n{plan}\n",
        sql.trim()
    )
}

#[test]
fn no_statement_of_a_hot_path_walks_through_a_table_that_grows() {
    let scene = Scene::new();
    for (path, statements) in hot::paths(&scene) {
        for statement in statements {
            let walked = walked(&statement.sql).unwrap_or_else(|| panic!("{path}: no statement: {}", statement.sql));
            assert!(walked.is_empty(), "{path}: {}", fault(&statement.sql, &walked.iter().collect::<Vec<_>>()));
        }
    }
}

#[test]
fn neither_does_one_that_no_other_test_runs() {
    for statement in unrun::statements() {
        assert!(explained(&statement.sql).is_some(), "no statement: {}", statement.sql);
        look(&statement);
    }
}

#[test]
fn whatever_walks_by_decision_still_does() {
    for decided in &DECIDED {
        let mut together = BTreeSet::new();
        for made in (decided.made)() {
            let explain = |one: &Statement| walked(&one.sql).unwrap_or_else(|| panic!("no statement: {}", one.sql));
            let walked: BTreeSet<String> = made.iter().flat_map(explain).filter(|table| grows(table)).collect();
            assert!(!walked.is_empty(), "{}: nothing of it walks any more: {:.300}", decided.why, made[0].sql);
            together.extend(walked);
        }
        let together: Vec<&str> = together.iter().map(String::as_str).collect();
        assert!(decided.tables == EVERYTHING || decided.tables == together, "{}: {together:?}", decided.why);
    }
}

/// Triggers that walk by decision: `(trigger, table)`. It makes the list of all nodes anew that every fetch of a subscription reads, when a
/// node or an address of one is changed.
const BY_TRIGGER: [(&str, &str); 1] = [("nodes_endpoints", "nodes")];

#[test]
fn no_trigger_walks_through_a_table_that_grows_but_those_that_do_by_decision() {
    let sqlite = Sqlite::new();
    let tables: Vec<weir::store::parts::Table> = sqlite.query(&weir::store::parts::tables());
    for table in &tables {
        for statement in table.watch() {
            sqlite.execute(&statement.sql);
        }
    }
    let (mut walked, mut fired) = (BTreeSet::new(), BTreeSet::new());
    let names: Vec<String> = list(&sqlite, "SELECT json_group_array(name) FROM sqlite_schema WHERE type = 'table'");
    for table in names {
        let columns = list(&sqlite, &format!("SELECT json_group_array(name) FROM pragma_table_info('{table}')"));
        let sets: Vec<String> = columns.iter().map(|column| format!("\"{column}\" = \"{column}\"")).collect();
        for sql in [
            format!("INSERT INTO {table} DEFAULT VALUES"),
            format!("UPDATE {table} SET {}", sets.join(", ")),
            format!("DELETE FROM {table}"),
        ] {
            let Some(found) = walks(sqlite.connection(), &sql) else { continue };
            walked.extend(found.walks.into_iter().filter_map(|walk| Some((walk.trigger?, walk.table))));
            fired.extend(found.triggers);
        }
    }
    walked.retain(|(_, table)| grows(table));
    let triggers = list(&sqlite, "SELECT json_group_array(name) FROM sqlite_schema WHERE type = 'trigger'");
    assert_eq!(fired, triggers.into_iter().collect(), "every trigger was looked at");
    assert_eq!(walked, BY_TRIGGER.map(|(trigger, table)| (trigger.to_owned(), table.to_owned())).into_iter().collect());
}

fn list(sqlite: &Sqlite, sql: &str) -> Vec<String> {
    serde_json::from_str(&sqlite.value::<String>(sql)).unwrap()
}

/// The text of every file below a folder.
fn files(folder: &Path) -> Vec<(String, String)> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else {
            files.push((path.display().to_string(), std::fs::read_to_string(&path).unwrap()));
        }
    }
    files
}

/// Names of the public functions of a file that make statements: `(name, whether it is a method)`.
fn makers(text: &str) -> Vec<(&str, bool)> {
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    let heads = code.match_indices("pub fn ").chain(code.match_indices("pub const fn "));
    let maker = |(at, head): (usize, &str)| {
        let rest = &code[at + head.len()..];
        let (signature, _) = rest.split_once('{')?;
        let (_, returned) = signature.rsplit_once("->")?;
        let name = rest.split(['(', '<']).next()?;
        let makes = returned.contains("Statement") && !signature.contains("statement: Statement");
        makes.then_some((name, code[..at].ends_with("    ")))
    };
    heads.filter_map(maker).collect()
}

#[test]
fn every_function_that_makes_statements_is_called_by_a_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tests = files(&root.join("tests/sql"));
    let mut uncalled = Vec::new();
    for (path, text) in files(&root.join("src/store")) {
        let parts: Vec<&str> = path.split("src/store/").last().unwrap().trim_end_matches(".rs").split('/').collect();
        for (name, is_method) in makers(&text) {
            let call = if is_method { format!(".{name}(") } else { format!("::{name}") };
            let calls = |(_, test): &(String, String)| {
                let is_whole = |(at, _): (usize, &str)| {
                    !test[at + call.len()..].starts_with(|next: char| next == '_' || next.is_alphanumeric())
                };
                let names_module = is_method || parts.iter().any(|part| test.contains(part));
                names_module && test.match_indices(&call).any(|found| is_method || is_whole(found))
            };
            if !tests.iter().any(calls) {
                uncalled.push(format!("{}::{name}", parts.join("::")));
            }
        }
    }
    assert_eq!(uncalled, Vec::<String>::new(), "call them in tests/sql/scans/unrun.rs, or in a test of what they do");
}
