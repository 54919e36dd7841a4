//! What a running agent says of itself.

use super::Finding::{self, Good, Note};
use crate::config::Config;
use crate::node::status::Report;
use crate::{clock, health};

fn report(config: &Config) -> Option<Report> {
    health::read(&config.status_file()).ok().map(|(_, report)| report)
}

fn is_fresh(report: &Report) -> bool {
    health::is_fresh(report, clock::read().wall)
}

/// What the agent says that runs now.
pub(super) fn running(config: &Config) -> Option<Report> {
    report(config).filter(is_fresh)
}

/// Whether the agent runs, and how it is.
pub(super) fn of_agent(config: &Config) -> Finding {
    match report(config) {
        Some(report) if is_fresh(&report) => {
            let troubles =
                if report.troubles.is_empty() { String::new() } else { format!(": {}", report.troubles.join("; ")) };
            let sentence = format!(
                "The agent runs (process {}) for node {} of {}{troubles}.",
                report.pid, report.name, report.panel
            );
            if troubles.is_empty() { Good(sentence) } else { Note(sentence) }
        }
        Some(report) => Note(format!("The agent of node {} of {} does not run now.", report.name, report.panel)),
        None => {
            Note("The agent has not run yet: enrol this host with `weir-agent enroll`, then start weir-agent.".into())
        }
    }
}
