//! What makes up a user's numbers.

use weir_wire::{NodeId, Second};
use worker::{Request, Response};

use super::user::find;
use super::visit::Visit;
use super::{go_to, page};
use crate::domain::fetch::Fetch;
use crate::domain::history::{Range, Span};
use crate::http::api::explain::{ExplanationJson, explanation};
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::http::fetch_log::fetches;
use crate::http::history;
use crate::store::addresses::{self, Whereabouts};
use crate::store::aliases::{self, Alias};
use crate::store::fetch_log;
use crate::store::user_page::{self, Name};
use crate::views::panel::{DetailsFacts, HOURS, Holding, NodeSum, Section, Seen, UserDetails};

/// Seconds of the fetch log, and hours of it, at most.
const FETCHED_WITHIN: i64 = 30 * 86_400;
const FETCHES: u32 = 100;

/// `GET /users/{name}/details`, also HEAD
///
/// Queries: 17 in 4 batches. Rows read: 4, 2 per alias, what the API's explanation reads, 200 hours, 100 hours of the fetch log and 3 for each of 31 days, 2 of his addresses and 1
/// per node, at most.
pub(super) async fn show(request: &Request, call: &Call, name: &str) -> Result<Response, Failure> {
    let Some(visit) = Visit::of(request, call).await? else { return go_to("/login") };
    let user = find(call, &visit.actor(request, "users:read")?, name).await?;
    let hours = u32::try_from(HOURS).unwrap_or(u32::MAX);
    let range = Range::new(Span::Hour, None, None, call.now, hours)
        .map_err(|(field, rule)| Failure::Broken(format!("the hours: {field}: {rule}")))?;
    let [hours, _] = user_page::usage(user.id, range);
    let fetched = fetch_log::since_of_user(user.id, call.now.plus(-FETCHED_WITHIN), call.now, FETCHES);
    let batch = [hours, fetched, addresses::of_user(user.id, call.now), aliases::of_user(user.id)];
    let why = explanation(call, user.id).await?;
    let outcomes = call.db.batch(&batch).await?;
    let [hours, fetched, seen, aliases] = outcomes.as_slice() else {
        return Err(Failure::Broken("a batch of four gave other".into()));
    };
    let hours = history::rows(core::slice::from_ref(hours))?;
    let seen = seen.rows::<Whereabouts>()?.pop().filter(|seen| seen.count > 0).as_ref().map(read_seen).transpose()?;
    let numbers = numbers(&why, hours.iter().filter_map(|row| row.1), seen.as_ref());
    let names: Vec<Name> =
        if numbers.is_empty() { Vec::new() } else { call.db.all(user_page::names(&numbers)).await? };
    let names: Vec<(u32, String)> = names.into_iter().map(|name| (name.id, name.name)).collect();
    let facts = DetailsFacts {
        hours: &hours,
        fetches: read_fetches(&fetched.rows::<fetch_log::Row>()?)?,
        seen,
        aliases: aliases.rows::<Alias>()?.into_iter().map(|alias| alias.alias).collect(),
        names: &names,
        ..facts(why)
    };
    let audits = visit.may("audit:read");
    page(&UserDetails::new(visit.shell(Section::Users), &user.name, facts, &visit.say, audits), 200)
}

/// What the explanation says.
fn facts<'a>(why: ExplanationJson) -> DetailsFacts<'a> {
    let sum = |node: &crate::http::api::explain::NodeJson| NodeSum {
        node: node.node,
        bytes: node.up.plus(node.down),
        coefficient: node.coefficient,
        charged: node.charged,
    };
    let hold = |held: &crate::domain::explain::Held| Holding {
        node: held.node,
        unreported: held.unreported,
        spendable: held.spendable,
    };
    DetailsFacts {
        total: why.check.total,
        explained: why.check.explained,
        remainder: why.check.remainder,
        clients: why.external.charged,
        nodes: why.nodes.iter().map(sum).collect(),
        held: why.held.nodes.iter().map(hold).collect(),
        free: why.free,
        stand: why.sentence,
        because: why.check.because,
        hours: &[],
        fetches: Vec::new(),
        seen: None,
        aliases: Vec::new(),
        names: &[],
    }
}

/// The nodes that the page names, each once.
fn numbers(why: &ExplanationJson, of_hours: impl Iterator<Item = u32>, seen: Option<&Seen>) -> Vec<u32> {
    let of_seen = seen.iter().flat_map(|seen| seen.nodes.iter().map(|(node, _)| *node));
    let of_held = why.held.nodes.iter().map(|held| held.node);
    let mut numbers: Vec<u32> =
        why.nodes.iter().map(|node| node.node).chain(of_held).chain(of_seen).chain(of_hours).collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

fn read_seen(found: &Whereabouts) -> Result<Seen, Failure> {
    #[derive(serde::Deserialize)]
    struct Of {
        node: NodeId,
        count: u32,
    }
    let nodes: Vec<Of> =
        serde_json::from_str(&found.nodes).map_err(|error| Failure::Broken(format!("addresses: {error}")))?;
    let nodes = nodes.into_iter().map(|of| (of.node.0, of.count)).collect();
    Ok(Seen { count: found.count, last_at: Second::clamped(found.last_at), nodes })
}

/// The newest first: hours come so, and within an hour its fetches.
fn read_fetches(rows: &[fetch_log::Row]) -> Result<Vec<Fetch>, Failure> {
    let hours = rows.iter().map(fetches).collect::<Result<Vec<_>, Failure>>()?;
    Ok(hours.into_iter().flatten().collect())
}
