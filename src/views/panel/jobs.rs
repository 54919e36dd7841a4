//! The jobs: how each went, and when it runs again.

use askama::Template;
use weir_wire::Second;

use super::super::asset;
use super::super::format::Moment;
use super::say::Say;
use super::shell::Shell;
use super::words::Words;
use super::words::jobs::{self as words, JobWords};
use crate::domain::page::language::digits;
use crate::store::jobs::Job;

/// Seconds after which a run is surely over: the platform ends one after 15 minutes.
const LONGEST: i64 = 900;
/// Seconds from now beyond which a job has no time: it waits until somebody calls it.
const NEVER: i64 = 10 * 366 * 86_400;

/// `GET /settings/jobs`
#[derive(Template)]
#[template(path = "panel/jobs.html")]
pub(crate) struct Jobs<'a> {
    /// What stands around it.
    pub(crate) shell: Shell<'a>,
    /// The part that refreshes itself.
    pub(crate) live: JobsLive,
}

/// What changes from moment to moment.
#[derive(Template)]
#[template(path = "panel/jobs_live.html")]
pub(crate) struct JobsLive {
    words: &'static Words,
    job: &'static JobWords,
    jobs: Vec<JobLine>,
    /// Whether they may be run by hand.
    changes: bool,
}

/// How a run went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Went {
    NotYet,
    Runs,
    Well,
    Failed,
    CutOff,
}

/// A job of the list.
struct JobLine {
    name: String,
    does: &'static str,
    went: &'static str,
    /// Of the style sheet.
    class: &'static str,
    last: Option<Moment>,
    took: Option<String>,
    failures: Option<String>,
    error: Option<String>,
    note: Option<String>,
    cost: Option<String>,
    next: Option<Moment>,
    /// Instead of an instant.
    next_words: &'static str,
}

impl JobsLive {
    /// In the order of their names.
    pub(crate) fn new(jobs: Vec<Job>, say: &Say, changes: bool) -> Self {
        let job = words::of(say.language);
        let jobs = jobs.into_iter().map(|one| JobLine::new(one, job, say)).collect();
        Self { words: say.words, job, jobs, changes }
    }
}

impl JobLine {
    fn new(job: Job, words: &'static JobWords, say: &Say) -> Self {
        let (went, class) = match went(&job, say.now) {
            Went::NotYet => (words.not_yet, ""),
            Went::Runs => (words.runs, "active"),
            Went::Well => (words.ran, "active"),
            Went::Failed => (words.failed, "expired"),
            Went::CutOff => (words.cut_off, "limited"),
        };
        let next = say.now.since(Second::clamped(job.next_at)).saturating_neg();
        let count = |number: u32| say.count(number.into());
        let cost = words.cost_of.replace("{queries}", &count(job.queries)).replace("{read}", &count(job.rows_read));
        let failures = (job.failures > 0 && class != "active").then(|| count(job.failures));
        Self {
            does: (words.does)(&job.name),
            went,
            class,
            last: job.started_at.map(|at| say.moment(Second::clamped(at))),
            took: job.ended_at.map(|_| words.took.replace("{time}", &lasted(job.lasted_ms, words, say))),
            failures: failures.map(|count| words.in_a_row.replace("{count}", &count)),
            error: job.error,
            note: job.note,
            cost: job.ended_at.map(|_| cost.replace("{written}", &count(job.rows_written))),
            next: (60..NEVER).contains(&next).then(|| say.moment(Second::clamped(job.next_at))),
            next_words: if next < 60 { words.at_once } else { words.when_needed },
            name: job.name,
        }
    }
}

fn went(job: &Job, now: Second) -> Went {
    let Some(started) = job.started_at else { return Went::NotYet };
    // While a run goes on, and when it was cut off, it counts as failed and has no error.
    match (job.failures, &job.error) {
        (0, _) => Went::Well,
        (_, Some(_)) => Went::Failed,
        _ if now.since(Second::clamped(started)) < LONGEST => Went::Runs,
        _ => Went::CutOff,
    }
}

fn lasted(ms: i64, words: &JobWords, say: &Say) -> String {
    if ms < 1_000 {
        return words.milliseconds.replace("{count}", &digits(&ms.to_string(), say.language));
    }
    say.span(ms / 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Second = Second::clamped(1_796_083_200);

    fn job(failures: u32, error: Option<&str>, ago: Option<i64>) -> Job {
        let started_at = ago.map(|ago| NOW.get() - ago);
        let error = error.map(str::to_owned);
        Job {
            name: "sweep".into(),
            next_at: 0,
            started_at,
            ended_at: None,
            lasted_ms: 0,
            queries: 0,
            rows_read: 0,
            rows_written: 0,
            failures,
            error,
            cursor: None,
            note: None,
        }
    }

    #[test]
    fn a_run_that_goes_on_is_told_from_one_that_was_cut_off() {
        assert_eq!(went(&job(0, None, None), NOW), Went::NotYet);
        assert_eq!(went(&job(0, None, Some(5)), NOW), Went::Well);
        assert_eq!(went(&job(1, None, Some(5)), NOW), Went::Runs);
        assert_eq!(went(&job(1, None, Some(901)), NOW), Went::CutOff);
        assert_eq!(went(&job(2, Some("x"), Some(5)), NOW), Went::Failed);
    }
}
