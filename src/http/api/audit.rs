//! The audit log: reading it, and finding out whether it is as it was written.

use serde::Serialize;
use serde_json::{Value, json};
use worker::{Request, Response};

use super::{ITEMS, MOST_ITEMS, number, parameter};
use crate::domain::audit::{Head, Kept, LOOK_AHEAD, Link, Row, Verdict, Walk, verify};
use crate::http::auth::authorize;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::store::audit::{self as store, Below, Linked, Packed, Query};
use crate::store::d1::Outcome;

const READ: &str = "audit:read";
/// Rows that one call of [`check`] looks at, at most and without being asked. A row costs about 12 µs, so 200 are a quarter of
/// the free plan's CPU time; the most is for the paid plan.
const MOST_CHECKED: u32 = 1_000;
const CHECKED: u32 = 200;
const LAST: i64 = (1 << 53) - 1;

/// A row as the API shows it.
#[derive(Serialize)]
struct RowJson {
    number: i64,
    at: i64,
    actor_kind: String,
    actor: String,
    action: String,
    subject: String,
    before: Option<Value>,
    after: Option<Value>,
    origin: Option<String>,
    request: String,
    link: String,
}

impl RowJson {
    fn new((row, link): (Row, String)) -> Self {
        // What somebody put there by hand need not be JSON.
        let json = |text: String| serde_json::from_str(&text).unwrap_or(Value::String(text));
        Self {
            number: row.number,
            at: row.at,
            actor_kind: row.actor_kind,
            actor: row.actor,
            action: row.action,
            subject: row.subject,
            before: row.before.map(json),
            after: row.after.map(json),
            origin: row.origin,
            request: row.request,
            link,
        }
    }
}

/// `GET /api/v1/audit`
///
/// Query: `actor`, `action`, `subject`, `from`, `to` (unix seconds, `to` exclusive), `limit` 1..=200, `before` (a number).
/// The newest first. One call looks at [`store::WINDOW`] rows at most and says with `next` where the following one goes on,
/// also when it has found nothing. Rows read: those shown and 3; with a filter those of the window.
pub(crate) async fn list(request: &Request, call: &Call) -> Result<Response, Failure> {
    authorize(request, call, READ).await?;
    let text = |name| parameter(request, name).unwrap_or_default();
    let query = Query {
        before: integer(request, "before", LAST)?,
        from: integer(request, "from", 0)?,
        to: integer(request, "to", LAST)?,
        actor: text("actor"),
        action: text("action"),
        subject: text("subject"),
        limit: number(request, "limit", ITEMS, 1, MOST_ITEMS)?,
    };
    let outcomes = call.db.batch(&store::page(&query)).await?;
    let [page, below] = outcomes.as_slice() else { return Err(Failure::Broken("a batch of two gave other".into())) };
    let rows = unpacked(page)?;
    let next = query.next(&rows, below.rows::<Below>()?.pop());
    let items: Vec<RowJson> = rows.into_iter().map(RowJson::new).collect();
    Ok(Response::from_json(&json!({ "items": items, "next": next }))?)
}

fn unpacked(outcome: &Outcome) -> Result<Vec<(Row, String)>, Failure> {
    Ok(outcome.rows::<Packed>()?.iter().map(Packed::unpack).collect())
}

/// A query parameter that is an integer from 0 on.
fn integer(request: &Request, name: &'static str, default: i64) -> Result<i64, Failure> {
    let Some(text) = parameter(request, name) else { return Ok(default) };
    let number = text.parse().ok().filter(|number| (0..=LAST).contains(number));
    number.ok_or_else(|| Failure::invalid(name, format!("an integer from 0 to {LAST}")))
}

/// What [`check`] answers.
#[derive(Serialize)]
struct Report {
    /// Nothing is wrong with what was looked at.
    ok: bool,
    #[serde(flatten)]
    verdict: Verdict,
    /// The head that the caller has kept, against the log.
    kept: Option<Kept>,
    /// Rows by the head's word, and the link of the last; to be kept outside.
    count: Option<i64>,
    link: Option<String>,
    /// When row 1 was written: a log that was wiped begins anew. Not in later pieces.
    since: Option<i64>,
}

/// `GET /api/v1/audit/verify`
///
/// Query: `from` (a number, 1), `limit` 1..=1000 (200), `head` (`count:link`, kept outside earlier). Looks at `limit` rows
/// from there on; `next` says where the following call goes on. Rows read: `limit` and 12.
pub(crate) async fn check(request: &Request, call: &Call) -> Result<Response, Failure> {
    authorize(request, call, READ).await?;
    let key = call.secret("AUDIT_KEY")?;
    let from = integer(request, "from", 1)?.max(1);
    let most = usize::try_from(number(request, "limit", CHECKED, 1, MOST_CHECKED)?).unwrap_or_default();
    let kept = parameter(request, "head").map(|text| kept(&text)).transpose()?;
    // With the row before, those that are looked at besides, and one that tells whether more follow.
    let window = most + LOOK_AHEAD + 2;
    let low = if from == 1 { -LAST } else { from - 1 };
    let mut batch = vec![store::piece(low, u32::try_from(window).unwrap_or(u32::MAX)), store::head()];
    batch.extend(kept.map(|(count, _)| store::link(count)));
    let outcomes = call.db.batch(&batch).await?;
    let [piece, head, links @ ..] = outcomes.as_slice() else {
        return Err(Failure::Broken("a batch of two gave other".into()));
    };
    let rows = unpacked(piece)?;
    let head: Option<Head> = head.rows()?.pop();
    let end = head.as_ref().filter(|head| head.link(&key).is_some()).map(|head| head.count);
    if let Some(end) = end.filter(|end| from > end.saturating_add(1)) {
        return Err(Failure::invalid("from", format!("the log has {end} rows")));
    }
    let ended = rows.len() < window;
    let verdict = verify(&key, &Walk { from, rows: &rows, most, ended, head: head.as_ref() });
    let linked: Option<Linked> = links.first().map(Outcome::rows).transpose()?.and_then(|mut rows| rows.pop());
    let kept = kept.map(|(count, link)| match linked {
        _ if count == 0 => Kept::Ok,
        None => Kept::Missing,
        Some(linked) if linked.link == link.to_string() => Kept::Ok,
        Some(_) => Kept::Differs,
    });
    let ok = verdict.is_ok() && kept.is_none_or(|kept| kept == Kept::Ok);
    let since = rows.first().filter(|_| from == 1).map(|(row, _)| row.at);
    let (count, link) = head.map(|head| (head.count, head.link)).unzip();
    Ok(Response::from_json(&Report { ok, verdict, kept, count, link, since })?)
}

/// `count:link`, as an answer of [`check`] gave them.
fn kept(text: &str) -> Result<(i64, Link), Failure> {
    let read = || {
        let (count, link) = text.split_once(':')?;
        let count = count.parse().ok().filter(|count| (0..=LAST).contains(count))?;
        Some((count, if count == 0 { Link::NONE } else { Link::read(link)? }))
    };
    read()
        .ok_or_else(|| Failure::invalid("head", "a number of rows, a colon, and the link of the last in 64 hex digits"))
}
