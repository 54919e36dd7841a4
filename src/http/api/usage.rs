//! Usage over time, and the billing periods that have ended.

use serde::Serialize;
use serde_json::json;
use weir_wire::{Bytes, NodeId, Second};
use worker::{Request, Response};

use super::users::find;
use super::{ITEMS, MOST_ITEMS, number, parameter};
use crate::domain::history::{self, Bucket, Range, Row, Span};
use crate::http::auth::{authorize, authorize_for_users};
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::http::history::rows;
use crate::store::charts::{self, Ended, WholeSince, Whose};
use crate::store::user_list::Total;

/// Buckets of one answer at most, and when they are told apart by node.
const BUCKETS: u32 = 1_000;
const SPLIT_BUCKETS: u32 = 200;

/// A chart; bytes as the nodes counted them, instants in unix seconds.
#[derive(Serialize)]
struct ChartJson {
    by: &'static str,
    /// Begin of the first bucket.
    from: Second,
    /// End of the last one.
    to: Second,
    /// Buckets from here on hold everything. What is older may have been folded into longer ones.
    whole_since: i64,
    up: Bytes,
    down: Bytes,
    total: usize,
    /// Those with bytes, the oldest first.
    items: Vec<Bucket>,
    next: Option<u32>,
}

/// `GET /api/v1/users/{name}/usage`
///
/// Query: `from`, `to`, `by` (hour, day, month), `node`, `split=node`. Rows read: 2 for the user, 2, and 1 per (node, hour) or
/// (node, day) that is stored in the range.
pub(crate) async fn of_user(request: &Request, call: &Call, name: &str) -> Result<Response, Failure> {
    let actor = authorize_for_users(request, call, "users:read").await?;
    let node = parameter(request, "node").map(|text| text.parse().map(NodeId)).transpose();
    let node = node.map_err(|_| Failure::invalid("node", "a node's number"))?;
    let (split, range) = asked(request, call)?;
    let user = find(call, &actor, name).await?;
    chart(call, Whose::User(user.id, node), split, range).await
}

/// `GET /api/v1/nodes/{id}/usage`
///
/// Query: `from`, `to`, `by`. Of all its users together, also of a node that was deleted. Rows read: 3, and 1 per hour or day.
pub(crate) async fn of_node(request: &Request, call: &Call, id: &str) -> Result<Response, Failure> {
    authorize(request, call, "nodes:read").await?;
    let (_, range) = asked(request, call)?;
    let node = id.parse().map(NodeId).map_err(|_| Failure::NotFound("node"))?;
    if call.db.all::<serde_json::Value>(charts::is_node(node)).await?.is_empty() {
        return Err(Failure::NotFound("node"));
    }
    chart(call, Whose::Node(node), false, range).await
}

/// `GET /api/v1/usage`
///
/// Query: `from`, `to`, `by`, `split=node`. Rows read: 2, and for each node 3, and 2 per hour or day; split only 1.
pub(crate) async fn of_all(request: &Request, call: &Call) -> Result<Response, Failure> {
    authorize(request, call, "stats:read").await?;
    let (split, range) = asked(request, call)?;
    chart(call, Whose::All, split, range).await
}

/// Whether the buckets are told apart by node, and which ones are asked for.
fn asked(request: &Request, call: &Call) -> Result<(bool, Range), Failure> {
    let by = parameter(request, "by").unwrap_or_else(|| Span::Day.name().to_owned());
    let by = Span::named(&by).ok_or_else(|| Failure::invalid("by", "hour, day or month"))?;
    let split = match parameter(request, "split").as_deref() {
        None | Some("") => false,
        Some("node") => true,
        Some(_) => return Err(Failure::invalid("split", "node, or not at all")),
    };
    let (from, to) = (instant(request, "from")?, instant(request, "to")?);
    let most = if split { SPLIT_BUCKETS } else { BUCKETS };
    let range = Range::new(by, from, to, call.now, most).map_err(|(field, rule)| Failure::invalid(field, rule))?;
    Ok((split, range))
}

fn instant(request: &Request, name: &'static str) -> Result<Option<Second>, Failure> {
    let Some(text) = parameter(request, name) else { return Ok(None) };
    let second = text.parse().ok().and_then(|second: i64| Second::try_from(second).ok());
    let second = second.filter(|second| *second <= history::LAST);
    second.map(Some).ok_or_else(|| Failure::invalid(name, "unix seconds from 0 to the year 9999"))
}

async fn chart(call: &Call, whose: Whose, split: bool, range: Range) -> Result<Response, Failure> {
    let mut batch = charts::read(whose, split, range);
    batch.push(charts::whole_since());
    let outcomes = call.db.batch(&batch).await?;
    let Some((since, tables)) = outcomes.split_last() else {
        return Err(Failure::Broken("a batch gave nothing".into()));
    };
    let since = since.rows::<WholeSince>()?.pop().ok_or_else(|| Failure::Broken("no bounds of the history".into()))?;
    let rows = rows(tables)?;
    let named = |row: Row| if split { row } else { Row(row.0, None, row.2, row.3) };
    let items = history::buckets(range.by, rows.into_iter().map(named));
    Ok(Response::from_json(&ChartJson {
        by: range.by.name(),
        from: range.from,
        to: range.to,
        whole_since: match range.by {
            Span::Hour => since.hours,
            Span::Day => since.days,
            Span::Month => 0,
        },
        up: items.iter().map(|bucket| bucket.up).sum(),
        down: items.iter().map(|bucket| bucket.down).sum(),
        total: items.len(),
        items,
        next: None,
    })?)
}

/// A period that has ended as the API shows it.
#[derive(Serialize)]
pub(super) struct PeriodJson {
    start: Second,
    end: Second,
    quota: Bytes,
    /// Charged in it, without bonus.
    bytes: Bytes,
    /// A person ended it before its time. `null` when that was not noted yet.
    reset: Option<bool>,
}

impl From<Ended> for PeriodJson {
    fn from(ended: Ended) -> Self {
        let Ended { start, end, quota, bytes, planned_end, .. } = ended;
        Self { start, end, quota, bytes, reset: planned_end.map(|planned| end < planned) }
    }
}

/// `GET /api/v1/users/{name}/periods`
///
/// The billing periods that have ended, the newest first. Query: `limit` 1..=200, `offset`. Rows read: 2 for the user, and 1 per
/// period of his, twice for those shown.
pub(crate) async fn periods(request: &Request, call: &Call, name: &str) -> Result<Response, Failure> {
    let actor = authorize_for_users(request, call, "users:read").await?;
    let limit = number(request, "limit", ITEMS, 1, MOST_ITEMS)?;
    let offset = number(request, "offset", 0, 0, u32::MAX)?;
    let user = find(call, &actor, name).await?;
    let outcomes = call.db.batch(&[charts::periods(user.id, limit, offset), charts::count_periods(user.id)]).await?;
    let [page, count] = outcomes.as_slice() else { return Err(Failure::Broken("a batch of two gave other".into())) };
    let items: Vec<PeriodJson> = page.rows::<Ended>()?.into_iter().map(PeriodJson::from).collect();
    let total = count.rows::<Total>()?.first().map_or(0, |count| count.total);
    let end = offset.saturating_add(u32::try_from(items.len()).unwrap_or(u32::MAX));
    let next = (end < total && !items.is_empty()).then_some(end);
    Ok(Response::from_json(&json!({ "items": items, "total": total, "next": next }))?)
}
