//! Actions on many users at once: looked at before, done by a job, undone for a day.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use worker::{Request, Response};

use super::users::named;
use super::{ITEMS, MOST_ITEMS, number, segment};
use crate::domain::audit::{Entry, Facts};
use crate::http::audit::{Deed as Audited, recorded};
use crate::http::auth::authorize;
use crate::http::body;
use crate::http::bulk::{Chosen, Deed, Left, Step, begin, entered, plan_step};
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::store::bulk::{self, Bulk, CREATED, Created, Selection, State};
use crate::store::d1::Outcome;
use crate::store::jobs;
use crate::store::plans::Plan;
use crate::store::users::User;

/// The body of both requests. `expect` is the number of users that somebody has seen.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    selection: Chosen,
    action: Value,
    #[serde(default)]
    expect: Option<u32>,
}

/// The same, checked.
struct Asked {
    selection: Selection,
    deed: Deed,
    plan: Option<Plan>,
    total: u32,
    wanted: Wanted,
}

/// Rows that are written for one user at most: 12 of his own, and his part of the chunk's.
const ROWS_PER_USER: u32 = 12;

async fn read(request: &mut Request, call: &Call) -> Result<Asked, Failure> {
    let mut wanted: Wanted = body::json(request).await?;
    let selection = wanted.selection.selection()?;
    let deed: Deed = body::field("action", &wanted.action)?;
    deed.check()?;
    let mut plan = None;
    if let Deed::Change(change) = &deed {
        plan = named(call, "action.change.plan", change.plan.as_ref().and_then(Option::as_ref)).await?;
        let next = change.next_plan.as_ref().and_then(Option::as_ref).and_then(|next| next.plan.as_ref());
        let next = named(call, "action.change.next_plan.plan", next).await?;
        // As the plans are written: what is stored is compared with the users' rows.
        for (path, plan) in [("/change/plan", &plan), ("/change/next_plan/plan", &next)] {
            if let (Some(name), Some(plan)) = (wanted.action.pointer_mut(path), plan) {
                *name = json!(plan.name);
            }
        }
    }
    let deed: Deed = body::field("action", &wanted.action)?;
    let total = count(call, &selection).await?;
    Ok(Asked { selection, deed, plan, total, wanted })
}

async fn count(call: &Call, selection: &Selection) -> Result<u32, Failure> {
    let chosen: Option<bulk::Chosen> = call.db.first(bulk::count(selection, call.now)).await?;
    let chosen = chosen.ok_or_else(|| Failure::Broken("a count gave no row".into()))?;
    match chosen.missing {
        Some(index) => Err(Failure::invalid(format!("selection.users[{index}]"), "the name of a user who exists")),
        None => Ok(chosen.total),
    }
}

/// One user of a preview.
#[derive(Serialize)]
#[serde(untagged)]
enum Outlook {
    Changes(Step),
    Stays(Left),
}

/// `POST /api/v1/bulk/preview`
///
/// Query: `limit` 1..=200, `offset`. What would change for each user of a page, or why nothing would; changes nothing. Rows read: 2
/// per user shown; by a filter every user twice.
pub(crate) async fn preview(mut request: Request, call: &Call) -> Result<Response, Failure> {
    authorize(&request, call, "users:read").await?;
    let (limit, offset) =
        (number(&request, "limit", ITEMS, 1, MOST_ITEMS)?, number(&request, "offset", 0, 0, u32::MAX)?);
    let asked = read(&mut request, call).await?;
    let users: Vec<User> = call.db.all(bulk::page(&asked.selection, limit, offset, call.now)).await?;
    let end = offset.saturating_add(u32::try_from(users.len()).unwrap_or(u32::MAX));
    let next = (end < asked.total && !users.is_empty()).then_some(end);
    let look = |user: User| match plan_step(&user, &asked.deed, asked.plan.as_ref(), call.now) {
        Ok((step, _)) => Outlook::Changes(step),
        Err(why) => Outlook::Stays(Left { user: user.id, name: user.name, why: why.to_owned() }),
    };
    let items: Vec<Outlook> = users.into_iter().map(look).collect();
    let rows = asked.total.saturating_mul(ROWS_PER_USER);
    let body = json!({ "total": asked.total, "rows_written_at_most": rows, "items": items, "next": next });
    Ok(Response::from_json(&body)?)
}

/// `POST /api/v1/bulk`
///
/// 202 with how far it is: the first users are done at once, a job goes on with the others. 409 when the selection has other
/// users than `expect`.
pub(crate) async fn create(mut request: Request, call: &Call) -> Result<Response, Failure> {
    let actor = authorize(&request, call, "users:write").await?;
    let asked = read(&mut request, call).await?;
    let prepare = async || {
        let total = count(call, &asked.selection).await?;
        if let Some(expected) = asked.wanted.expect.filter(|expected| *expected != total) {
            let message = format!("the selection has {total} users now, not {expected}: look again");
            return Err(Failure::Conflict { code: "selection_changed", message });
        }
        if total == 0 {
            return Err(Failure::invalid("selection", "at least one user"));
        }
        let (selection, action) = (json!(asked.wanted.selection), asked.wanted.action.clone());
        Ok(entered(call, &actor, (&asked.selection, total), selection, action))
    };
    let (outcomes, ()) = recorded(call, &actor, prepare).await?;
    let created: Option<Created> =
        outcomes.get(CREATED).map(Outcome::rows).transpose()?.and_then(|mut rows: Vec<_>| rows.pop());
    let Created { id } = created.ok_or_else(|| Failure::Broken("what was entered has no number".into()))?;
    begin(call).await;
    let mut response = Response::from_json(&shown(call, id).await?)?.with_status(202);
    response.headers_mut().set("location", &format!("/api/v1/bulk/{id}"))?;
    Ok(response)
}

/// How far it is.
#[derive(Serialize)]
struct BulkJson {
    id: i64,
    created_at: i64,
    entered_by: String,
    selection: Value,
    action: Value,
    state: State,
    /// Users that were chosen, changed, left as they were, restored, and not restored.
    total: u32,
    done: u32,
    skipped: u32,
    undone: u32,
    kept: u32,
    ended_at: Option<i64>,
    /// Until when it can be undone; none while it goes on, and when it is too late.
    undo_until: Option<i64>,
}

impl BulkJson {
    fn new(bulk: Bulk, call: &Call) -> Self {
        Self {
            undo_until: bulk.undo_until().filter(|until| *until > call.now.get()),
            id: bulk.id,
            created_at: bulk.created_at,
            entered_by: bulk.entered_by,
            selection: decode(&bulk.selection),
            action: decode(&bulk.action),
            state: bulk.state,
            total: bulk.total,
            done: bulk.done,
            skipped: bulk.skipped,
            undone: bulk.undone,
            kept: bulk.kept,
            ended_at: bulk.ended_at,
        }
    }
}

/// `GET /api/v1/bulk`
///
/// Query: `limit` 1..=200, `before` (a number). The newest first; `next` is the `before` of the next page.
pub(crate) async fn list(request: &Request, call: &Call) -> Result<Response, Failure> {
    authorize(request, call, "users:read").await?;
    let limit = number(request, "limit", ITEMS, 1, MOST_ITEMS)?;
    let before = number(request, "before", u32::MAX, 1, u32::MAX)?;
    let found: Vec<Bulk> = call.db.all(bulk::list(i64::from(before), limit)).await?;
    let more = found.len() >= usize::try_from(limit).unwrap_or(usize::MAX);
    let next = found.last().filter(|last| more && last.id > 1).map(|last| last.id);
    let items: Vec<BulkJson> = found.into_iter().map(|bulk| BulkJson::new(bulk, call)).collect();
    Ok(Response::from_json(&json!({ "items": items, "next": next }))?)
}

/// `GET /api/v1/bulk/{id}`
///
/// With the first 200 users who were left as they were, and who were not restored, and why.
pub(crate) async fn get(request: &Request, call: &Call, id: &str) -> Result<Response, Failure> {
    authorize(request, call, "users:read").await?;
    let id = found(call, id).await?.id;
    let outcomes = call.db.batch(&[bulk::left(id, false), bulk::left(id, true)]).await?;
    let mut body = json!(shown(call, id).await?);
    for (name, outcome) in ["skipped_users", "kept_users"].into_iter().zip(&outcomes) {
        let left: Option<bulk::Left> = outcome.rows()?.pop();
        if let Some(body) = body.as_object_mut() {
            body.insert(name.to_owned(), left.map_or(Value::Null, |left| decode(&left.left)));
        }
    }
    Ok(Response::from_json(&body)?)
}

/// `POST /api/v1/bulk/{id}/undo`
///
/// 202: who has been changed since stays as he is. 409 when it was undone, or ended more than a day ago.
pub(crate) async fn undo(request: &Request, call: &Call, id: &str) -> Result<Response, Failure> {
    let actor = authorize(request, call, "users:write").await?;
    let prepare = async || {
        let bulk = found(call, id).await?;
        if !bulk.can_be_undone(call.now) {
            let message = format!("bulk {} was undone, or ended more than a day ago", bulk.id);
            return Err(Failure::Conflict { code: "not_undoable", message });
        }
        let batch = [bulk::undo(bulk.id), jobs::call("bulk", call.now)];
        Ok(Audited::new(entry("bulk.undo", &bulk), batch, bulk.id))
    };
    let (_, id) = recorded(call, &actor, prepare).await?;
    begin(call).await;
    Ok(Response::from_json(&shown(call, id).await?)?.with_status(202))
}

/// `POST /api/v1/bulk/{id}/stop`
///
/// Who has been changed stays so, and can be restored. 409 when it does not go on.
pub(crate) async fn stop(request: &Request, call: &Call, id: &str) -> Result<Response, Failure> {
    let actor = authorize(request, call, "users:write").await?;
    let prepare = async || {
        let bulk = found(call, id).await?;
        if bulk.state != State::Running {
            let message = format!("bulk {} does not go on", bulk.id);
            return Err(Failure::Conflict { code: "not_running", message });
        }
        Ok(Audited::new(entry("bulk.stop", &bulk), [bulk::stop(bulk.id, call.now)], bulk.id))
    };
    let (_, id) = recorded(call, &actor, prepare).await?;
    Ok(Response::from_json(&shown(call, id).await?)?)
}

fn entry(action: &'static str, bulk: &Bulk) -> Entry {
    Entry::new(action, format!("bulk/{}", bulk.id)).before(Facts::new().plain("done", bulk.done))
}

async fn found(call: &Call, id: &str) -> Result<Bulk, Failure> {
    let id: i64 = segment(id)?.parse().map_err(|_| Failure::NotFound("bulk action"))?;
    call.db.first(bulk::by_id(id)).await?.ok_or(Failure::NotFound("bulk action"))
}

async fn shown(call: &Call, id: i64) -> Result<BulkJson, Failure> {
    let bulk: Option<Bulk> = call.db.first(bulk::by_id(id)).await?;
    bulk.map(|bulk| BulkJson::new(bulk, call)).ok_or(Failure::NotFound("bulk action"))
}

fn decode(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}
