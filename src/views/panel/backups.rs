//! The backups: making one, which there are, and how one is fetched and restored.

use askama::Template;
use weir_wire::{Bytes, Second};

use super::super::asset;
use super::super::format::Moment;
use super::say::Say;
use super::shell::Shell;
use super::words::backups::{self as words, BackupWords};
use crate::domain::page::language::digits;
use crate::domain::settings::Backup;
use crate::store::backup::State;

/// A backup in the bucket, as its manifest says in short.
pub(crate) struct BackupFacts {
    /// The second in which it began, its name.
    pub(crate) instant: i64,
    /// The instant that it shows, its rows, its bytes; none while it is not complete.
    pub(crate) summary: Option<(Second, u64, Bytes)>,
}

/// A backup of the list.
struct Line {
    instant: i64,
    /// Date and age.
    at: Option<(String, Moment)>,
    rows: String,
    size: String,
}

/// `GET /settings/backups`
#[derive(Template)]
#[template(path = "panel/backups.html")]
pub(crate) struct Backups<'a> {
    shell: Shell<'a>,
    backup: &'static BackupWords,
    is_bound: bool,
    /// None for whom may not see it.
    list: Option<Vec<Line>>,
    /// When they are made, and how many are kept.
    daily: String,
    fetch: String,
    live: BackupsLive,
}

/// How far a backup has got.
#[derive(Template)]
#[template(path = "panel/backups_live.html")]
pub(crate) struct BackupsLive {
    said: String,
    is_under_way: bool,
    error: Option<String>,
}

impl BackupsLive {
    /// `error` is why the job's last run failed.
    pub(crate) fn new(state: &State, error: Option<String>, say: &Say) -> Self {
        let words = words::of(say.language);
        let is_under_way = state.began_at.is_some() || state.wanted_at.is_some();
        let said = match (state.began_at, state.wanted_at, state.made_at) {
            (Some(_), ..) => words.under_way.replace("{count}", &say.count(state.parts.into())),
            (None, Some(_), _) => words.asked.to_owned(),
            (None, None, Some(made)) => say.timed(words.made, Second::clamped(made)),
            (None, None, None) => words.none.to_owned(),
        };
        Self { said, is_under_way, error }
    }
}

impl<'a> Backups<'a> {
    /// `found` is none for whom may not see it.
    pub(crate) fn new(
        shell: Shell<'a>,
        settings: &Backup,
        is_bound: bool,
        found: Option<Vec<BackupFacts>>,
        live: BackupsLive,
        say: &Say,
    ) -> Self {
        let backup = words::of(say.language);
        let newest = found.as_ref().and_then(|found| found.iter().find(|one| one.summary.is_some()));
        let fetch = newest.map_or_else(
            || "make backup TO=$HOME/weir-backup".to_owned(),
            |newest| format!("make backup TO=$HOME/weir-backup INSTANT={}", newest.instant),
        );
        let count = |number: u32| say.count(number.into());
        let daily = backup
            .daily
            .replace("{hour}", &digits(&format!("{}:00", settings.hour), say.language))
            .replace("{count}", &count(settings.keep));
        Self {
            shell,
            backup,
            is_bound,
            list: found.map(|found| found.into_iter().map(|one| line(one, say)).collect()),
            daily: if settings.enabled { daily } else { backup.off.to_owned() },
            fetch,
            live,
        }
    }
}

fn line(BackupFacts { instant, summary }: BackupFacts, say: &Say) -> Line {
    let (at, rows, size) = match summary {
        Some((at, rows, bytes)) => (Some((say.date(at), say.moment(at))), say.count(rows), say.size(bytes)),
        None => (None, String::new(), String::new()),
    };
    Line { instant, at, rows, size }
}

/// A part of a backup.
pub(crate) struct PartFacts {
    /// Its name in the bucket.
    pub(crate) name: String,
    /// Rows.
    pub(crate) rows: u64,
    /// Size.
    pub(crate) bytes: Bytes,
    /// In hex.
    pub(crate) sha256: String,
}

/// `GET /settings/backups/{instant}`
#[derive(Template)]
#[template(path = "panel/backup.html")]
pub(crate) struct BackupPage<'a> {
    shell: Shell<'a>,
    backup: &'static BackupWords,
    title: String,
    instant: &'a str,
    /// Name, rows, size, digest.
    parts: Vec<(String, String, String, String)>,
    fetch: String,
}

impl<'a> BackupPage<'a> {
    /// Of the backup of this name.
    pub(crate) fn new(shell: Shell<'a>, instant: &'a str, parts: Vec<PartFacts>, say: &Say) -> Self {
        let backup = words::of(say.language);
        let part = |part: PartFacts| (part.name, say.count(part.rows), say.size(part.bytes), part.sha256);
        Self {
            shell,
            backup,
            title: backup.backup_of.replace("{instant}", instant),
            instant,
            parts: parts.into_iter().map(part).collect(),
            fetch: format!("make backup TO=$HOME/weir-backup INSTANT={instant}"),
        }
    }
}
