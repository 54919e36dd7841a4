//! The dashboard.

use weir_wire::Bytes;
use worker::{Request, Response};

use super::figures::node_facts;
use super::visit::Visit;
use super::{go_to, page};
use crate::domain::history::{Bucket, Span, buckets};
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::store::d1::Outcome;
use crate::store::summary::{self, Failed, Summary, Top};
use crate::store::{day, overview, settings};
use crate::views::NodeFacts;
use crate::views::panel::{Cost, Dashboard, DashboardFacts, DashboardLive, FailedJob, Section, TopUser, Totals};

/// `GET /`, also HEAD
///
/// Queries: 8. Rows read: 2 for the session, 2 totals, 1 per node and ledger, the count of the hour, 38 for its top users, 1 for the
/// day's cost, and 1 per job that exists.
pub(super) async fn show(request: &Request, call: &Call) -> Result<Response, Failure> {
    let Some(visit) = Visit::of(request, call).await? else { return go_to("/login") };
    if !visit.may("stats:read") {
        return go_to("/users");
    }
    let today = call.now.get() / 86_400;
    let [nodes, ledgers] = overview::glance();
    let batch =
        [overview::totals(), nodes, ledgers, summary::read(), summary::top(), day::spent(today), summary::failed()];
    let outcomes = call.db.batch(&batch).await?;
    let [totals, nodes, ledgers, counted, top, spent, failed] = outcomes.as_slice() else {
        return Err(Failure::Broken("a batch of seven gave other".into()));
    };
    let nodes = overview::glanced(nodes.rows()?, ledgers.rows()?);
    let totals: overview::Totals = totals.rows()?.pop().unwrap_or_default();
    let traffic: Bytes = nodes.iter().map(|node| node.bytes).sum();
    let facts: Vec<NodeFacts<'_>> =
        nodes.iter().filter(|node| node.deleted_at.is_none()).map(|node| node_facts(node, call.now)).collect();
    let days = days(counted, traffic)?;
    let live = DashboardLive::new(
        DashboardFacts {
            totals: Totals { users: totals.users, active: totals.users_open },
            traffic,
            days: &days,
            top: top.rows::<Top>()?.into_iter().map(|user| TopUser { name: user.name, bytes: user.month }).collect(),
            nodes: &facts,
            failed: failed
                .rows::<Failed>()?
                .into_iter()
                .map(|job| FailedJob { name: job.name, failures: job.failures })
                .collect(),
            cost: spent.rows::<Spent>()?.pop().map(|spent| Cost {
                requests: spent.requests,
                read: spent.rows_read,
                written: spent.rows_written,
            }),
        },
        &visit.say,
    );
    if visit.wants_part {
        return page(&live, 200);
    }
    page(&Dashboard { shell: visit.shell(Section::Dashboard), live }, 200)
}

/// What [`day::spent`] returns, as far as it is shown.
#[derive(serde::Deserialize)]
struct Spent {
    requests: u64,
    rows_read: u64,
    rows_written: u64,
}

/// The days of the last count, and in the one of that count what came since. Before the first count everything is of today.
fn days(counted: &Outcome, traffic: Bytes) -> Result<Vec<Bucket>, Failure> {
    let Some(row) = counted.rows::<settings::Row>()?.pop() else { return Ok(Vec::new()) };
    let counted: Summary =
        serde_json::from_str(&row.value).map_err(|error| Failure::Broken(format!("the count of the hour: {error}")))?;
    let since = crate::domain::history::Row(counted.at, None, Bytes::ZERO, traffic.minus(counted.bytes));
    Ok(buckets(Span::Day, counted.days.into_iter().chain([since])))
}
