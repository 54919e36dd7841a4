//! `wire <- domain <- {store, http, cron, notify, views} <- lib.rs`, and `wire <- agent`: what the compiler cannot keep.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::fs;
use std::path::{Path, PathBuf};

fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut found = Vec::new();
    let mut folders = vec![root];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    found
}

/// Lines of code (not comments) in `folder` that name one of `forbidden`.
fn offenders(folder: &str, forbidden: &[&str]) -> Vec<String> {
    let mut offenders = Vec::new();
    for (path, text) in sources(folder) {
        for (index, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            if forbidden.iter().any(|name| code.contains(name)) {
                offenders.push(format!("{}:{}: {}", path.display(), index + 1, line.trim()));
            }
        }
    }
    offenders
}

#[test]
fn every_folder_that_the_rule_speaks_of_has_code() {
    for folder in
        ["wire/src", "src/domain", "src/store", "src/http", "src/cron", "src/notify", "src/views", "agent/src"]
    {
        assert!(!sources(folder).is_empty(), "{folder} is empty or has moved: the rule below would check nothing");
    }
}

#[test]
fn the_domain_knows_nobody_but_wire() {
    let forbidden = [
        "crate::store",
        "crate::http",
        "crate::cron",
        "crate::notify",
        "crate::views",
        "crate::clock",
        "crate::random",
    ];
    assert_eq!(offenders("src/domain", &forbidden), Vec::<String>::new());
    let forbidden =
        ["worker::", "js_sys", "wasm_bindgen", "getrandom", "SystemTime", "Instant::now", "Utc::now", "SELECT "];
    assert_eq!(offenders("src/domain", &forbidden), Vec::<String>::new());
}

#[test]
fn the_store_knows_no_face() {
    let forbidden = ["crate::http", "crate::cron", "crate::notify", "crate::views"];
    assert_eq!(offenders("src/store", &forbidden), Vec::<String>::new());
}

#[test]
fn only_one_file_of_the_store_knows_the_worker() {
    let offenders: Vec<String> = offenders("src/store", &["worker::", "js_sys"])
        .into_iter()
        .filter(|line| !line.contains("src/store/d1.rs"))
        .collect();
    assert_eq!(offenders, Vec::<String>::new());
}

#[test]
fn wire_depends_on_neither_side() {
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("wire/Cargo.toml")).unwrap();
    for name in ["worker", "weir ", "weir=", "weir-agent", "tokio", "getrandom", "chrono"] {
        assert!(!manifest.contains(&format!("\n{name}")), "wire must not depend on {name}");
    }
    let forbidden = ["SystemTime", "Instant::now", "getrandom", "std::net", "std::fs"];
    assert_eq!(offenders("wire/src", &forbidden), Vec::<String>::new());
}

#[test]
fn the_agent_depends_on_wire_and_not_on_the_panel() {
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("agent/Cargo.toml")).unwrap();
    assert!(manifest.contains("weir-wire"));
    assert!(!manifest.lines().any(|line| line.starts_with("weir ") || line.starts_with("weir=")));
}

#[test]
fn the_cron_schedules_of_the_code_are_those_of_the_configuration() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let configuration = fs::read_to_string(root.join("wrangler.toml")).unwrap();
    let crons = configuration.lines().find(|line| line.starts_with("crons")).unwrap();
    let code: String = sources("src/cron").into_iter().map(|(_, text)| text).collect();
    for schedule in crons.split('"').skip(1).step_by(2) {
        assert!(code.contains(&format!("\"{schedule}\"")), "no job answers the trigger {schedule}");
    }
}
