//! Reports of clients: what they moved through servers that are not ours.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use weir_wire::Bytes;
use worker::{Request, Response};

use super::who::{UNKNOWN, Who};
use super::{limits, settings, signature};
use crate::domain::notice::settings::Alerts;
use crate::domain::notice::warning::{self, Use};
use crate::domain::xpert::report::Report;
use crate::http::body;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::store::due::{self, Due};
use crate::store::xpert_reports::{self as store, After, Entry, KEY_LETTERS, Sender};
use crate::store::{events, gates, holds, slots};
use crate::{bell, random};

/// Largest body, in bytes.
const MAX_REPORT: usize = 8 << 10;
/// Longest Idempotency-Key.
const MAX_KEY: usize = 255;
/// A report is charged anew at most this often when the user's period ends at the same instant.
const ATTEMPTS: usize = 3;

/// `POST /api/xpert/traffic-webhook`
///
/// Rows written: 1, and 1 for the usage row when the report has an Idempotency-Key or is charged. Rows read: 2, and at most
/// 2 more then. Queries: 2, and 1 more then. A charge that leaves the user used up reads 1 more, one that passes a whole percent of the
/// quota while somebody wants warnings 2 more; what follows is told at its statements.
pub(super) async fn record(mut request: Request, call: &Call) -> Result<Response, Failure> {
    limits::address(&request, call).await?;
    let key = key(&request)?;
    let bytes = body::read(&mut request, MAX_REPORT).await?;
    let report: Report = body::parse(&bytes)?;
    report.check()?;
    let is_trusted = signature::is_trusted(&request, call, &bytes)?;
    let who = Who::read(call, &report.user_token)?;
    limits::token(call, &report.user_token).await?;

    let sender: Option<Sender> = call.db.first(who.find()).await?;
    let sender = sender.ok_or_else(|| Failure::Broken("xpert_state has no row".into()))?;
    let settings = settings::in_force(call, &sender.settings)?;
    if !settings.tracking_enabled {
        return Ok(Response::from_json(&json!({ "status": "disabled", "message": "Traffic tracking is disabled" }))?);
    }
    let entry = Entry {
        user: sender.user.ok_or(UNKNOWN)?,
        server: &report.server,
        port: u32::try_from(report.port).unwrap_or_default(),
        protocol: &report.protocol,
        up: Bytes::saturating(report.bytes_uploaded),
        down: Bytes::saturating(report.bytes_downloaded),
        is_trusted,
        is_charged: settings.quota_counting.charges(is_trusted),
        key: &key,
    };
    store_once(call, &entry).await?;
    Ok(Response::from_json(&json!({ "status": "success", "message": "Traffic recorded successfully" }))?)
}

/// The digest that an Idempotency-Key is remembered by; empty without one.
fn key(request: &Request) -> Result<String, Failure> {
    let key = request.headers().get("idempotency-key")?.unwrap_or_default();
    if key.len() > MAX_KEY {
        return Err(Failure::invalid("Idempotency-Key", format!("at most {MAX_KEY} characters")));
    }
    if key.is_empty() {
        return Ok(key);
    }
    let digest = URL_SAFE_NO_PAD.encode(Sha256::digest(key));
    Ok(digest.chars().take(usize::try_from(KEY_LETTERS).unwrap_or_default()).collect())
}

/// Records a report unless its key was seen, and shuts the user's gate when it uses up his quota.
async fn store_once(call: &Call, entry: &Entry<'_>) -> Result<(), Failure> {
    for _ in 0..ATTEMPTS {
        let outcomes = call.db.batch(&store::record(entry, call.now)).await?;
        if outcomes.last().is_some_and(|recorded| recorded.changes() > 0) {
            let after: Option<After> = match outcomes.first().filter(|_| entry.is_charged) {
                Some(charged) => charged.rows()?.pop(),
                None => None,
            };
            return match after {
                Some(after) => follow(call, entry, &after, entry.bytes()).await,
                None => Ok(()),
            };
        }
        // The key was seen: this is a retry. Only a charge can have met a period that has ended.
        if !entry.is_charged {
            return Ok(());
        }
        // What follows from the charge that was stored may have been cut off.
        if let Some(after) = call.db.first::<After>(store::charged(entry.user, call.now)).await? {
            // A hold may be another one than the charge has met: the next use begins it.
            return follow(call, entry, &After { hold: 0, ..after.clone() }, after.month).await;
        }
        let ended: Option<Due> = call.db.first(due::ended(entry.user, call.now)).await?;
        let Some(ended) = ended else { return Ok(()) };
        call.db.batch(&due::turn(&[&ended], random::salt()?, call.now)).await?;
    }
    Err(Failure::Busy("a report was overtaken again and again".into()))
}

/// What follows from a charge: it may be the account's first use, shut the gate, begin a queued plan, and be worth a warning.
/// `added` are the bytes of the period's that may have passed a threshold; a warning that was sent is not sent again.
async fn follow(call: &Call, entry: &Entry<'_>, after: &After, added: Bytes) -> Result<(), Failure> {
    let begins = after.hold > 0 && !entry.bytes().is_zero();
    let moves = begins || after.waits == 1;
    let percents = Alerts::percents(after.percents.as_deref())
        .map_err(|error| Failure::Broken(format!("settings of alerts: {error}")))?;
    let before = after.month.minus(added);
    let passed = warning::crossed(&percents, Use { before, added, quota: after.monthly_quota });
    let users = [entry.user];
    let mut batch = Vec::with_capacity(6);
    if begins {
        batch.extend(holds::begin_now(entry.user, call.now));
    }
    if moves {
        batch.extend([
            gates::settle_moved(&users, call.now),
            slots::number_change(random::salt()?),
            gates::schedule(&users, call.now),
        ]);
    }
    if let Some(percent) = passed {
        batch.push(events::warn_now(&[(entry.user, percent)], call.now));
    }
    if batch.is_empty() {
        return Ok(());
    }
    call.db.batch(&batch).await?;
    if moves {
        bell::ring(&call.env).await;
    }
    Ok(())
}
