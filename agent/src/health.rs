//! Whether a running agent is well: for monitors, and for an upgrade that must know whether to take itself back.

use std::fs;
use std::path::Path;

use crate::node::status::Report;

/// Milliseconds after which what an agent wrote of itself is not that of one that runs: it writes every five seconds.
const LASTS: i64 = 20_000;

/// What a running agent last wrote of itself: the text, and what it says.
///
/// # Errors
/// Why there is nothing to be read, in a sentence.
pub(crate) fn read(path: &Path) -> Result<(String, Report), String> {
    let text = fs::read_to_string(path)
        .map_err(|error| format!("{}: {error}; has `weir-agent run` been started?", path.display()))?;
    let report = serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok((text, report))
}

/// Milliseconds since it was written. `now` is the host's clock, unix milliseconds.
#[must_use]
pub(crate) const fn age(report: &Report, now: i64) -> i64 {
    now.saturating_sub(report.written_at)
}

/// Whether it is of an agent that runs. `now` as above.
#[must_use]
pub(crate) const fn is_fresh(report: &Report, now: i64) -> bool {
    age(report, now) <= LASTS
}

/// What keeps the agent from doing its work; nothing when it is well. `now` is the host's clock, unix milliseconds.
#[must_use]
pub(crate) fn complaints(report: &Report, now: i64) -> Vec<String> {
    if !is_fresh(report, now) {
        let age = age(report, now) / 1_000;
        return vec![format!("the agent does not run, or cannot write: it last told of itself {age} s ago")];
    }
    let facts = [
        (report.deleted, "the panel has deleted this node"),
        (report.heard_ago.is_none(), "the panel has not answered yet"),
        (!report.core_up, "the core does not answer"),
    ];
    let facts = facts.into_iter().filter(|(is_so, _)| *is_so).map(|(_, what)| what.to_owned());
    facts.chain(report.troubles.iter().cloned()).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An agent that is well at 1,000,000.
    pub(crate) fn well() -> Report {
        let told = r#"{"agent":"0.1.0","pid":1,"written_at":1000000,"panel":"https://panel.example","name":"pa\"ris",
            "epoch":"4b0d4b7f0b1c9a55","heard_ago":4000,"panel_clock_ahead":-12,"slots":128,"waiting":2,"unreported":1048576,
            "core_up":true,"deleted":false,"troubles":[],"node":{"core":"sing-box","core_version":"1.14.4","online":12}}"#;
        serde_json::from_str(told).unwrap()
    }

    #[test]
    fn an_agent_that_works_has_no_complaints() {
        assert_eq!(complaints(&well(), 1_000_000 + LASTS), [""; 0]);
    }

    #[test]
    fn every_complaint_is_told() {
        let report = Report { deleted: true, heard_ago: None, core_up: false, ..well() };
        let report = Report { troubles: vec!["the disk is full".to_owned()], ..report };
        assert_eq!(complaints(&report, 1_000_000).len(), 4);
    }

    #[test]
    fn what_an_agent_wrote_long_ago_tells_nothing_else() {
        let report = Report { core_up: false, ..well() };
        let told = complaints(&report, 1_000_001 + LASTS);
        assert!(told.len() == 1 && told[0].contains("does not run"), "{told:?}");
    }
}
