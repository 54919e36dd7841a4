//! The backups: which there are, making one, and the parts of one.

use serde::Deserialize;
use weir_wire::{Bytes, Second};
use worker::{Request, Response};

use super::visit::Visit;
use super::{go_to, page};
use crate::bucket::{self, Found};
use crate::domain::settings::{Area as _, Backup};
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::store::jobs::{self, Job};
use crate::store::{backup, settings};
use crate::views::panel::{BackupFacts, BackupPage, Backups, BackupsLive, PartFacts, Section};

/// `GET /settings/backups`, also HEAD
///
/// Queries: 4. Rows read: 2 for the session, 1 of the settings, 2 for how far a backup is, and 1 per job. The bucket is listed for who may
/// read backups, not when a script asks how far one is.
pub(super) async fn list(request: &Request, call: &Call) -> Result<Response, Failure> {
    let Some(visit) = Visit::of(request, call).await? else { return go_to("/login") };
    visit.ask("backup:write")?;
    let outcomes = call.db.batch(&[backup::state(), jobs::all(), settings::read(Backup::NAME)]).await?;
    let [state, all, stored] = outcomes.as_slice() else {
        return Err(Failure::Broken("a batch of three gave other".into()));
    };
    let state: backup::State = state.rows()?.pop().unwrap_or_default();
    let job = all.rows::<Job>()?.into_iter().find(|job| job.name == "backup");
    let live = BackupsLive::new(&state, job.and_then(|job| job.error), &visit.say);
    if visit.wants_part {
        return page(&live, 200);
    }
    let stored = stored.rows::<settings::Row>()?.pop();
    let wishes: Backup = stored
        .map_or(Ok(Backup::default()), |row| serde_json::from_str(&row.value))
        .map_err(|error| Failure::Broken(format!("settings of backup: {error}")))?;
    let bucket = bucket::Backups::bound(&call.env);
    let found = match &bucket {
        Some(bucket) if visit.may("backup:read") => Some(bucket.list().await?.into_iter().filter_map(facts).collect()),
        _ => None,
    };
    let shell = visit.shell(Section::Backups);
    page(&Backups::new(shell, &wishes, bucket.is_some(), found, live, &visit.say), 200)
}

fn facts(Found { instant, summary }: Found) -> Option<BackupFacts> {
    let number = |name: &str| summary.as_ref()?.get(name)?.parse::<u64>().ok();
    let at = number("at").and_then(|at| i64::try_from(at).ok()).map(Second::clamped);
    let summary =
        at.map(|at| (at, number("rows").unwrap_or_default(), Bytes::saturating(number("bytes").unwrap_or_default())));
    Some(BackupFacts { instant: instant.parse().ok()?, summary })
}

/// As much of a manifest as is shown.
#[derive(Deserialize)]
struct Manifest {
    parts: Vec<Part>,
}

#[derive(Deserialize)]
struct Part {
    name: String,
    rows: u64,
    bytes: u64,
    sha256: String,
}

/// `GET /settings/backups/{instant}`, also HEAD
///
/// Rows read: 2 for the session.
pub(super) async fn show(request: &Request, call: &Call, instant: &str) -> Result<Response, Failure> {
    let Some(visit) = Visit::of(request, call).await? else { return go_to("/login") };
    visit.ask("backup:read")?;
    if instant.is_empty() || !instant.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Failure::NotFound("backup"));
    }
    let bucket = bucket::Backups::bound(&call.env).ok_or(Failure::NotFound("backup"))?;
    let text = bucket.manifest(instant).await?.text().await?;
    let manifest: Manifest =
        serde_json::from_str(&text).map_err(|error| Failure::Broken(format!("manifest of {instant}: {error}")))?;
    let parts = manifest.parts.into_iter().map(|part| PartFacts {
        name: part.name,
        rows: part.rows,
        bytes: Bytes::saturating(part.bytes),
        sha256: part.sha256,
    });
    page(&BackupPage::new(visit.shell(Section::Backups), instant, parts.collect(), &visit.say), 200)
}
