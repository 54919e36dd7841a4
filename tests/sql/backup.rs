//! The database as parts: every table in exactly one of them, each of the size that D1 can hand out, and the rows of one instant.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;
use weir::store::parts::{self, Source, Table};

use crate::scene::Scene;
use crate::sqlite::Sqlite;

/// A row as the API of D1 hands it out: results by their names.
type Row = BTreeMap<String, Json>;

fn tables(sqlite: &Sqlite) -> Vec<Table> {
    sqlite.all(&parts::tables()).unwrap()
}

fn table(sqlite: &Sqlite, name: &str) -> Table {
    tables(sqlite).into_iter().find(|table| table.name == name).unwrap()
}

fn rows(sqlite: &Sqlite, statements: &[weir::store::Statement]) -> Row {
    statements.iter().flat_map(|statement| sqlite.all::<Row>(statement).unwrap()).flatten().collect()
}

/// Lines of a part, after a first line that counts them rightly.
fn lines(part: &str) -> Vec<Json> {
    let mut lines = part.lines().map(|line| serde_json::from_str::<Json>(line).unwrap());
    let first = lines.next().unwrap();
    let rest: Vec<Json> = lines.collect();
    assert_eq!(first["rows"], rest.len());
    rest
}

/// All rows of a table, each as a list.
fn all(sqlite: &Sqlite, table: &str) -> BTreeSet<String> {
    let columns: Vec<String> = serde_json::from_str(
        &sqlite.value::<String>(&format!("SELECT json_group_array(name) FROM pragma_table_info('{table}')")),
    )
    .unwrap();
    let statement = parts_of(table);
    let rows: Vec<Row> = sqlite.query(&statement);
    rows.iter().map(|row| Json::Array(columns.iter().map(|column| row[column].clone()).collect()).to_string()).collect()
}

fn parts_of(table: &str) -> weir::store::Statement {
    weir::store::Statement::made(format!("SELECT * FROM {table}"))
}

/// Copies a table in chunks; `between` runs after each.
fn chunks(sqlite: &Sqlite, table: &Table, step: u32, mut between: impl FnMut(usize)) -> Vec<String> {
    let (mut parts, mut after): (Vec<String>, Option<String>) = (Vec::new(), None);
    loop {
        let row: Row = sqlite.all(&table.chunk(after.as_deref(), step)).unwrap().pop().unwrap();
        if row["rows"] == 0 {
            return parts;
        }
        parts.push(row["part"].as_str().unwrap().to_owned());
        after = Some(row["last"].as_str().unwrap().to_owned());
        between(parts.len());
    }
}

/// What a restore makes of chunks and changes.
fn restored(chunks: &[String], changes: &[String]) -> BTreeSet<String> {
    let changes: Vec<Json> = changes.iter().flat_map(|part| lines(part)).collect();
    let header: Json = serde_json::from_str(chunks[0].lines().next().unwrap()).unwrap();
    let columns: Vec<&str> = header["columns"].as_array().unwrap().iter().map(|c| c.as_str().unwrap()).collect();
    let key = ["user", "hour", "node"].map(|name| columns.iter().position(|column| *column == name).unwrap());
    let key_of = |row: &Json| Json::Array(key.iter().map(|place| row[*place].clone()).collect()).to_string();
    let mut rows: BTreeMap<String, Json> =
        chunks.iter().flat_map(|part| lines(part)).map(|row| (key_of(&row), row)).collect();
    for change in changes {
        rows.remove(&change[0].to_string());
        if !change[1].is_null() {
            rows.insert(change[0].to_string(), change[1].clone());
        }
    }
    rows.into_values().map(|row| row.to_string()).collect()
}

fn history(sqlite: &Sqlite, users: u32, hours: u32) {
    sqlite.execute(&format!(
        "INSERT INTO history (user, hour, node, up, down)
         WITH RECURSIVE u(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM u WHERE n < {users}),
           h(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM h WHERE n < {hours})
         SELECT u.n, h.n, 1, u.n * 1000, 9007199254740991 FROM u, h"
    ));
}

#[test]
fn every_table_of_the_schema_is_in_the_backup_once_but_for_those_that_say_how_far_it_got() {
    let sqlite = Sqlite::new();
    let found: Vec<String> = tables(&sqlite).into_iter().map(|table| table.name).collect();
    let unique: BTreeSet<String> = found.iter().cloned().collect();
    assert_eq!(found.len(), unique.len());
    let schema: Vec<String> = sqlite
        .all::<Row>(&weir::store::Statement::new("SELECT name FROM sqlite_schema WHERE type = 'table'"))
        .unwrap()
        .into_iter()
        .map(|row| row["name"].as_str().unwrap().to_owned())
        .collect();
    let left_out: BTreeSet<&str> = schema
        .iter()
        .map(String::as_str)
        .filter(|name| !unique.contains(*name) && !name.starts_with("sqlite_"))
        .collect();
    assert_eq!(left_out, BTreeSet::from(["backup_changes", "backup_parts", "backup_state"]));
    // A table that a later migration makes is found as well, with a composite key and more columns than a function has arguments.
    let columns: Vec<String> = (0..40).map(|n| format!("c{n} INTEGER NOT NULL DEFAULT {n}")).collect();
    sqlite.execute(&format!(
        "CREATE TABLE later (\"a b\" TEXT, n INTEGER, {}, PRIMARY KEY (n, \"a b\")) STRICT, WITHOUT ROWID",
        columns.join(", ")
    ));
    sqlite.execute("INSERT INTO later (\"a b\", n) VALUES ('x ]\"''[', 7), ('y', 8)");
    let later = table(&sqlite, "later");
    let made = rows(&sqlite, &parts::make(&[Source::Whole(&later).whole(10)]));
    let (name, part) = made.into_iter().next().unwrap();
    assert_eq!(name, "later.00001");
    let lines = lines(part.as_str().unwrap());
    assert_eq!(lines[0].as_array().unwrap().len(), 42);
    assert_eq!((lines[0][0].as_str().unwrap(), &lines[0][41]), ("x ]\"'[", &Json::from(39)));
    assert_eq!(chunks(&sqlite, &later, 1, |_| ()).len(), 2);
}

#[test]
fn small_tables_leave_in_one_statement_and_every_row_is_as_it_stands() {
    let scene = Scene::new();
    for number in 0..20 {
        scene.create(&format!("user-{number}"), &serde_json::json!({ "note": "тест \"quoted\" \u{1} line\nbreak" }));
    }
    let found = tables(&scene.sqlite);
    let small: Vec<&Table> = found.iter().collect();
    let sizes = rows(&scene.sqlite, &parts::measure(&small));
    assert!(sizes.values().all(|size| !parts::is_large(size.as_u64().unwrap())), "{sizes:?}");
    let pieces: Vec<_> =
        found.iter().map(|table| Source::Whole(table).whole(sizes[&table.name].as_u64().unwrap())).collect();
    let statements = parts::make(&pieces);
    assert!(statements.len() <= 2, "{} statements", statements.len());
    let made = rows(&scene.sqlite, &statements);
    assert_eq!(made.len(), found.len());
    for table in &found {
        let part = made[&format!("{}.00001", table.name)].as_str().unwrap();
        let rows: BTreeSet<String> = lines(part).iter().map(Json::to_string).collect();
        assert_eq!(rows, all(&scene.sqlite, &table.name), "{}", table.name);
    }
}

#[test]
fn a_table_of_any_size_is_cut_into_parts_of_about_a_megabyte_that_hold_each_row_once() {
    let sqlite = Sqlite::new();
    history(&sqlite, 600, 168);
    let table = table(&sqlite, "history");
    assert!(parts::is_large(rows(&sqlite, &parts::measure(&[&table]))["history"].as_u64().unwrap()));
    let expected = all(&sqlite, "history");
    let cuts = rows(&sqlite, &parts::cuts(&[Source::Whole(&table)]));
    let pieces = Source::Whole(&table).pieces(cuts["history"].as_str().unwrap()).unwrap();
    let statements = parts::make(&pieces);
    assert_eq!(statements.len(), pieces.len(), "each part is a result of its own");
    let whole: Vec<String> =
        rows(&sqlite, &statements).into_values().map(|part| part.as_str().unwrap().to_owned()).collect();
    let chunked = chunks(&sqlite, &table, 20_000, |_| ());
    for parts in [whole, chunked] {
        assert!(parts.len() >= 3);
        assert!(
            parts.iter().all(|part| part.len() <= 1_000_000),
            "{:?}",
            parts.iter().map(String::len).collect::<Vec<_>>()
        );
        let found: Vec<String> = parts.iter().flat_map(|part| lines(part)).map(|row| row.to_string()).collect();
        assert_eq!(found.len(), expected.len());
        assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), expected);
    }
}

#[test]
fn a_row_of_more_than_a_part_is_a_part_of_its_own() {
    let sqlite = Sqlite::new();
    for id in 1..=3 {
        sqlite.execute(&format!("INSERT INTO xpert_direct (id, raw, protocol, server, port, name, position, added_at) VALUES ({id}, '{id}' || hex(zeroblob(600000)), '', '', 1, '', 1, 1)"));
    }
    let table = table(&sqlite, "xpert_direct");
    let parts = chunks(&sqlite, &table, 100, |_| ());
    assert_eq!(parts.iter().map(|part| lines(part).len()).collect::<Vec<_>>(), [1, 1, 1]);
}

#[test]
fn what_changes_while_a_large_table_is_copied_is_noted_and_makes_the_copy_one_of_the_last_moment() {
    let sqlite = Sqlite::new();
    history(&sqlite, 100, 100);
    let table = table(&sqlite, "history");
    sqlite.batch(&table.watch()).unwrap();
    let copied = chunks(&sqlite, &table, 2_000, |part| {
        if part > 4 {
            return; // what is made ahead of it would never end
        }
        // Behind the cursor and before it: a report that comes late, one that is new, a roll-up, and a key that moves.
        sqlite.execute("INSERT INTO history VALUES (2, 3, 1, 5, 5) ON CONFLICT DO UPDATE SET up = up + 5, down = 1");
        sqlite.execute(&format!(
            "INSERT INTO history VALUES (90, 90 + {part}, 1, 7, 7) ON CONFLICT DO UPDATE SET up = up + 7, down = 1"
        ));
        sqlite.execute(&format!("DELETE FROM history WHERE user = {part} AND hour BETWEEN 10 AND 20"));
        sqlite.execute(&format!("INSERT INTO history VALUES (101, {part}, 1, 1, 1)"));
        sqlite.execute(&format!("UPDATE history SET node = 2 WHERE user = 50 AND hour = {part}"));
    });
    let changes = Source::Changes(&table);
    let cuts = rows(&sqlite, &parts::cuts(&[changes]));
    let pieces = changes.pieces(cuts["history"].as_str().unwrap()).unwrap();
    let made: Vec<String> =
        rows(&sqlite, &parts::make(&pieces)).into_values().map(|part| part.as_str().unwrap().to_owned()).collect();
    let exact: BTreeSet<String> = all(&sqlite, "history").into_iter().collect();
    assert_ne!(restored(&copied, &[]), exact, "without the changes it would be torn");
    assert_eq!(restored(&copied, &made), exact);
    sqlite.batch(&table.unwatch()).unwrap();
    assert_eq!(
        sqlite.value::<u32>("SELECT count(*) FROM sqlite_schema WHERE type = 'trigger' AND name LIKE 'backup%'"),
        0
    );
}

#[test]
fn many_changes_are_cut_into_parts_as_well() {
    let sqlite = Sqlite::new();
    let table = table(&sqlite, "history");
    sqlite.batch(&table.watch()).unwrap();
    history(&sqlite, 300, 100);
    let changes = Source::Changes(&table);
    let cuts = rows(&sqlite, &parts::cuts(&[changes]));
    let pieces = changes.pieces(cuts["history"].as_str().unwrap()).unwrap();
    let made: Vec<String> =
        rows(&sqlite, &parts::make(&pieces)).into_values().map(|part| part.as_str().unwrap().to_owned()).collect();
    assert!(made.len() >= 2 && made.iter().all(|part| part.len() <= 1_000_000));
    assert_eq!(made.iter().map(|part| lines(part).len()).sum::<usize>(), 30_000);
}
