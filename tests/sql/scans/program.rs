//! What a statement walks through, read from the program that `SQLite` makes of it. `EXPLAIN QUERY PLAN` is for people: it says
//! nothing of what triggers do, nor of a table that an `IN` walks through, and calls tables by their aliases.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Connection;

/// A walk through a whole table, or through a whole index of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Walk {
    /// The trigger that walks; none: the statement itself.
    pub(crate) trigger: Option<String>,
    /// What it walks through.
    pub(crate) table: String,
}

/// What one statement leads to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// Its walks.
    pub(crate) walks: BTreeSet<Walk>,
    /// The triggers that it may fire.
    pub(crate) triggers: BTreeSet<String>,
}

/// One step of a program.
struct Step {
    does: String,
    p1: i64,
    p2: i64,
    p4: Option<String>,
}

/// Steps that may lead elsewhere: to the one in their second place. `IfPos`, which passes over what a page leaves out, is not among them.
const LEADS_AWAY: &str = "Goto Gosub Yield MustBeInt Jump Once If IfNot IsNull IsType NotNull IfNullRow Eq Ne Lt Le Gt Ge \
    ElseEq SeekLT SeekLE SeekGE SeekGT SeekScan IfNotOpen IfNoHope NoConflict NotFound Found SeekRowid \
    NotExists Last Rewind IfEmpty IfSmaller IfSizeBetween SorterSort Sort SorterNext Prev Next IdxLE \
    IdxGT IdxLT IdxGE RowSetRead RowSetTest Program FkIfZero IfNotZero DecrJumpZero VFilter VNext Filter \
    SorterCompare";

/// What a statement walks through, with the triggers that it fires. None where it can not be prepared: whoever runs it hears why.
pub(crate) fn walks(connection: &Connection, sql: &str) -> Option<Found> {
    let tables = tables(connection);
    let mut found = Found::default();
    for (trigger, program) in programs(connection, sql)? {
        let walked = walked(&program, &tables);
        found.walks.extend(walked.into_iter().map(|table| Walk { trigger: trigger.clone(), table }));
        found.triggers.extend(trigger);
    }
    Some(found)
}

/// What `SQLite` says to people of a statement, in lines.
pub(crate) fn plan(connection: &Connection, sql: &str) -> String {
    let mut explained = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let mut rows = explained.raw_query();
    let mut lines = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        lines.push(format!("  {}", row.get::<_, String>("detail").unwrap()));
    }
    lines.join("\n")
}

/// Tables by the pages at which they and their indexes begin.
fn tables(connection: &Connection) -> BTreeMap<i64, String> {
    let mut schema =
        connection.prepare_cached("SELECT rootpage, tbl_name FROM sqlite_schema WHERE rootpage > 0").unwrap();
    let rows = schema.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

/// The statement's own program first, then those of the triggers that it fires, by their names.
fn programs(connection: &Connection, sql: &str) -> Option<Vec<(Option<String>, Vec<Step>)>> {
    let mut explained = connection.prepare(&format!("EXPLAIN {sql}")).ok()?;
    let mut rows = explained.raw_query();
    let mut programs: Vec<(Option<String>, Vec<Step>)> = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        let step = Step {
            does: row.get("opcode").unwrap(),
            p1: row.get("p1").unwrap(),
            p2: row.get("p2").unwrap(),
            p4: row.get("p4").unwrap(),
        };
        if row.get::<_, i64>("addr").unwrap() == 0 {
            let trigger = step.p4.as_deref().and_then(|text| text.strip_prefix("-- TRIGGER ")).map(str::to_owned);
            programs.push((trigger, Vec::new()));
        }
        programs.last_mut().unwrap().1.push(step);
    }
    Some(programs)
}

/// The tables that a program walks through from one end on.
fn walked(program: &[Step], tables: &BTreeMap<i64, String>) -> BTreeSet<String> {
    let mut cursors: BTreeMap<i64, &String> = BTreeMap::new();
    let mut walked = BTreeSet::new();
    for (at, step) in program.iter().enumerate() {
        let whole = match step.does.as_str() {
            "OpenRead" | "OpenWrite" | "ReopenIdx" => {
                cursors.extend(tables.get(&step.p2).map(|table| (step.p1, table)));
                None
            }
            "OpenEphemeral" | "OpenAutoindex" | "OpenPseudo" | "SorterOpen" | "VOpen" => {
                cursors.remove(&step.p1);
                None
            }
            "Rewind" | "Last" if goes_on(program, at, &cursors) => cursors.get(&step.p1).copied(),
            "Count" => cursors.get(&step.p1).copied(),
            "Clear" => tables.get(&step.p1),
            _ => None,
        };
        walked.extend(whole.cloned());
    }
    walked
}

/// Whether a loop that begins here may go through other rows than those of its page. `min`, `max`, `EXISTS` and a `LIMIT` of what nothing
/// filters leave it by themselves before the next row, and an `OFFSET` passes over what a page leaves out; whatever else passes over a
/// row leads to the next one from elsewhere.
fn goes_on(program: &[Step], begin: usize, cursors: &BTreeMap<i64, &String>) -> bool {
    let cursor = program[begin].p1;
    let is_next = |step: &Step| matches!(step.does.as_str(), "Next" | "Prev") && step.p1 == cursor;
    let Some(next) = (begin + 1..program.len()).find(|at| is_next(&program[*at])) else { return false };
    let target = |step: &Step| usize::try_from(step.p2).ok();
    if ends_with_a_range(program, cursor, next) {
        return false;
    }
    let before = &program[next - 1];
    let leaves = before.does == "DecrJumpZero" || (before.does == "Goto" && target(before) > Some(next));
    // From an index to its row, which is always there.
    let finds_its_row = |step: &Step| step.does == "NotFound" && cursors.get(&step.p1) == cursors.get(&cursor);
    let leads_away = |step: &Step| LEADS_AWAY.split(' ').any(|does| does == step.does) && !finds_its_row(step);
    !leaves || program.iter().any(|step| target(step) == Some(next) && leads_away(step))
}

/// Whether the loop begins each round with a look whether its range is over: one that begins at an end has a bound at the other.
fn ends_with_a_range(program: &[Step], cursor: i64, next: usize) -> bool {
    let Ok(top) = usize::try_from(program[next].p2) else { return false };
    let leaves = |step: &Step| usize::try_from(step.p2).is_ok_and(|target| target > next);
    let is_key = |step: &Step| step.does == "Rowid" && step.p1 == cursor;
    let is_bound = |at: usize| {
        let step = &program[at];
        leaves(step)
            && match step.does.as_str() {
                "IdxGT" | "IdxGE" | "IdxLT" | "IdxLE" => step.p1 == cursor,
                "Gt" | "Ge" | "Lt" | "Le" => is_key(&program[at - 1]),
                _ => false,
            }
    };
    (top..top + 2).any(is_bound)
}

#[test]
fn whole_tables_are_walked_through_and_ranges_pages_and_ends_are_not() {
    let connection = crate::sqlite::migrated();
    let of = |sql: &str| -> Vec<String> {
        let walks = walks(&connection, sql).unwrap().walks.into_iter();
        walks.map(|Walk { trigger, table }| trigger.map_or(table.clone(), |name| format!("{name}: {table}"))).collect()
    };
    for (sql, table) in [
        ("SELECT name FROM users WHERE note = ?1", "users"),
        ("SELECT name FROM users WHERE note = ?1 LIMIT 1", "users"),
        ("SELECT name FROM users ORDER BY created_at LIMIT 1", "users"),
        ("SELECT count(*) FROM users", "users"),
        ("SELECT id FROM users WHERE id IN (SELECT user FROM usage)", "usage"),
        ("SELECT max(due_at) FROM users WHERE note = ?1", "users"),
        ("SELECT a.id FROM users AS a JOIN users AS b ON b.note = a.name WHERE a.id = ?1", "users"),
        ("UPDATE history SET up = 0 WHERE node = ?1", "history"),
        ("DELETE FROM history", "history"),
        ("UPDATE nodes SET name = ?1 WHERE id = ?2", "nodes_endpoints: nodes"),
    ] {
        assert_eq!(of(sql), [table], "{sql}");
    }
    for sql in [
        "SELECT name FROM users WHERE id = ?1",
        "SELECT name FROM users WHERE name = ?1 COLLATE NOCASE AND deleted_at IS NULL",
        "SELECT name FROM users WHERE id > ?1 ORDER BY id LIMIT 9",
        "SELECT name FROM users WHERE id > ?1 ORDER BY id DESC LIMIT 9",
        "SELECT name FROM users ORDER BY id DESC LIMIT 9 OFFSET ?1",
        "SELECT min(due_at) FROM users WHERE due_at IS NOT NULL",
        "SELECT max(number) FROM roster_versions",
        "SELECT EXISTS (SELECT 1 FROM slots WHERE gate = 'vacant')",
        "DELETE FROM fetch_log WHERE day < ?1",
        "DELETE FROM events WHERE number < ?1",
        "SELECT value FROM json_each(?1) JOIN users ON users.id = value",
    ] {
        assert_eq!(of(sql), [""; 0], "{sql}");
    }
}
