//! Backups: which there are, making one now, and fetching one. A backup holds names, addresses and the hashes of every key.

use serde_json::json;
use worker::{Request, Response};

use super::segment;
use crate::bucket::{Backups, Found};
use crate::domain::audit::Entry;
use crate::http::audit::{Deed, recorded};
use crate::http::auth::authorize;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::store::{backup, jobs};

/// `GET /api/v1/backups`
///
/// The newest first. Rows read: those of the credential.
pub(crate) async fn list(request: &Request, call: &Call) -> Result<Response, Failure> {
    authorize(request, call, "backup:read").await?;
    let items: Vec<_> = bucket(call)?.list().await?.into_iter().filter_map(item).collect();
    Ok(Response::from_json(&json!({ "total": items.len(), "items": items, "next": null }))?)
}

fn item(Found { instant, summary }: Found) -> Option<serde_json::Value> {
    let number = |name: &str| summary.as_ref()?.get(name)?.parse::<i64>().ok();
    let instant: i64 = instant.parse().ok()?;
    let (at, rows, bytes) = (number("at"), number("rows"), number("bytes"));
    Some(json!({ "instant": instant, "complete": summary.is_some(), "at": at, "rows": rows, "bytes": bytes }))
}

/// `POST /api/v1/backups`
///
/// 202: the next triggers, one a minute, make it. Rows written: 2, and those of the audit log.
pub(crate) async fn make(request: &Request, call: &Call) -> Result<Response, Failure> {
    let actor = authorize(request, call, "backup:write").await?;
    bucket(call)?;
    let batch = || [backup::want(call.now), jobs::call("backup", call.now)];
    recorded(call, &actor, async || Ok(Deed::new(Entry::new("backup.make", "backups"), batch(), ()))).await?;
    Ok(Response::empty()?.with_status(202))
}

/// `GET /api/v1/backups/{instant}`
///
/// The manifest.
pub(crate) async fn show(request: &Request, call: &Call, instant: &str) -> Result<Response, Failure> {
    authorize(request, call, "backup:read").await?;
    bucket(call)?.manifest(&named(instant)?).await
}

/// `GET /api/v1/backups/{instant}/{part}`
pub(crate) async fn part(request: &Request, call: &Call, instant: &str, part: &str) -> Result<Response, Failure> {
    authorize(request, call, "backup:read").await?;
    let mut response = bucket(call)?.open(&named(instant)?, &named(part)?).await?;
    response.headers_mut().set("content-type", "application/x-ndjson")?;
    Ok(response)
}

fn bucket(call: &Call) -> Result<Backups, Failure> {
    Backups::bound(&call.env).ok_or(Failure::Unconfigured("the bucket binding BACKUP"))
}

/// A segment that can be a part of an object's key: what no backup is called is not looked for.
fn named(text: &str) -> Result<String, Failure> {
    let text = segment(text)?;
    let is_name =
        text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.')) && text != "manifest.json";
    if is_name { Ok(text) } else { Err(Failure::NotFound("backup")) }
}
