//! The core, and what is said of the whole. There is no core beside the panel: it is those of the nodes.

use serde::Serialize;
use serde_json::{Map, Value, json};
use weir_wire::Second;
use weir_wire::status::NodeStatus;
use worker::{Request, Response};

use super::core_config as config;
use super::{logs, offered};
use crate::bell;
use crate::domain::marzban::inbounds::Protocol;
use crate::domain::marzban::node::runs;
use crate::domain::marzban::offered::by_protocol;
use crate::http::auth::{authorize, authorize_for_users};
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::route::Core;
use crate::store::census::{self, Census, Kept};
use crate::store::overview::{self, Totals};
use crate::store::settings;

/// The version whose API this is: clients tell by it what they may ask for.
const SPOKEN: &str = "0.8.4";

/// Answers what is asked of these.
pub(super) async fn answer(request: Request, call: &Call, route: Core) -> Result<Response, Failure> {
    match route {
        Core::Get => get(&request, call).await,
        Core::Restart => restart(&request, call).await,
        Core::Config => config::show(&request, call).await,
        Core::ChangeConfig => config::change(request, call).await,
        Core::Logs => logs::of_core(&request, call).await,
        Core::System => system(&request, call).await,
        Core::Inbounds => inbounds(&request, call).await,
    }
}

/// A node that was heard of, as far as this face needs it.
struct Heard {
    seen: Option<Second>,
    status: NodeStatus,
}

/// All nodes that are there. Rows read: 1 per node, 1 per ledger.
async fn heard(call: &Call) -> Result<Vec<Heard>, Failure> {
    let [bare, ledgers] = call.db.batch(&overview::glance()).await?.try_into().map_err(|_| broken("two results"))?;
    let nodes = overview::glanced(bare.rows()?, ledgers.rows()?);
    let there = nodes.into_iter().filter(|node| node.deleted_at.is_none());
    there
        .map(|node| {
            let status = serde_json::from_str(&node.status).map_err(|error| broken(&error.to_string()))?;
            Ok(Heard { seen: node.seen_at.map(Second::clamped), status })
        })
        .collect()
}

fn broken(why: &str) -> Failure {
    Failure::Broken(format!("nodes: {why}"))
}

/// `GET /api/core`
///
/// Whether a core of any node runs, and the version of the first of them; without one an empty version.
async fn get(request: &Request, call: &Call) -> Result<Response, Failure> {
    authorize_for_users(request, call, "users:read").await?;
    let nodes = heard(call).await?;
    let running: Vec<&Heard> = nodes.iter().filter(|node| runs(node.seen, &node.status, call.now)).collect();
    let version = running.first().map_or("", |node| node.status.core_version.as_str());
    let body = json!({ "version": version, "started": !running.is_empty(), "logs_websocket": "/api/core/logs" });
    Ok(Response::from_json(&body)?)
}

/// `POST /api/core/restart`
///
/// Rings every node's bell: agents sync at once, and apply what waits. A core is reloaded only when something needs it.
async fn restart(request: &Request, call: &Call) -> Result<Response, Failure> {
    authorize(request, call, "nodes:write").await?;
    bell::ring(&call.env).await;
    Ok(Response::from_json(&json!({}))?)
}

/// `GET /api/inbounds`
///
/// While no node has told any inbound, all protocols without one. Rows read: 1, beside who calls.
async fn inbounds(request: &Request, call: &Call) -> Result<Response, Failure> {
    authorize_for_users(request, call, "users:read").await?;
    let nodes = offered::nodes(call).await?;
    if nodes.is_empty() {
        let none: Map<String, Value> =
            Protocol::ALL.into_iter().map(|one| (one.name().to_owned(), json!([]))).collect();
        return Ok(Response::from_json(&none)?);
    }
    Ok(Response::from_json(&by_protocol(&nodes))?)
}

/// What Marzban's dashboard shows on top. A Worker has no memory and no processors to tell of: those are 0.
#[derive(Serialize)]
struct SystemStats {
    version: &'static str,
    mem_total: u64,
    mem_used: u64,
    cpu_cores: u32,
    cpu_usage: f64,
    total_user: u32,
    online_users: u32,
    users_active: u32,
    users_on_hold: u32,
    users_disabled: u32,
    users_expired: u32,
    users_limited: u32,
    incoming_bandwidth: u64,
    outgoing_bandwidth: u64,
    incoming_bandwidth_speed: u64,
    outgoing_bandwidth_speed: u64,
}

/// `GET /api/system`
///
/// Bytes are those of all nodes and all time, from clients and to clients; speeds those that agents told last. A reseller sees how
/// many users he has himself. Users are counted now and then ([`Kept::lasts`]).
async fn system(request: &Request, call: &Call) -> Result<Response, Failure> {
    let actor = authorize_for_users(request, call, "users:read").await?;
    let census = counted(call, actor.only).await?;
    let nodes = heard(call).await?;
    let sums: Option<overview::Directions> = call.db.first(overview::directions()).await?;
    let sums = sums.unwrap_or_default();
    let running = || nodes.iter().filter(|node| runs(node.seen, &node.status, call.now));
    let rate = |of: fn(&NodeStatus) -> u64| running().map(|node| of(&node.status)).fold(0, u64::saturating_add);
    let stats = SystemStats {
        version: SPOKEN,
        mem_total: 0,
        mem_used: 0,
        cpu_cores: 0,
        cpu_usage: 0.0,
        total_user: census.total,
        online_users: census.online,
        users_active: census.active,
        users_on_hold: census.on_hold,
        users_disabled: census.disabled,
        users_expired: census.expired,
        users_limited: census.limited,
        incoming_bandwidth: sums.up.get(),
        outgoing_bandwidth: sums.down.get(),
        incoming_bandwidth_speed: exact(rate(|status| status.rate_up)),
        outgoing_bandwidth_speed: exact(rate(|status| status.rate_down)),
    };
    Ok(Response::from_json(&stats)?)
}

/// What every client reads exactly.
fn exact(number: u64) -> u64 {
    number.min((1 << 53) - 1)
}

/// Users by status: the count that is kept, or a new one when that is too old. Rows read: 3, and 2 per user for a new one.
async fn counted(call: &Call, owner: Option<i64>) -> Result<Census, Failure> {
    let outcomes = call.db.batch(&[census::read(owner), overview::totals()]).await?;
    let [kept, totals] = outcomes.try_into().map_err(|_| broken("two results"))?;
    let kept = kept.rows::<settings::Row>()?.pop().and_then(|row| serde_json::from_str::<Kept>(&row.value).ok());
    let totals: Totals = totals.rows()?.pop().unwrap_or_default();
    if let Some(kept) = kept.filter(|kept| kept.lasts(call.now, &totals)) {
        return Ok(kept.census);
    }
    let census: Option<Census> = call.db.first(census::count(owner, call.now)).await?;
    let census = census.ok_or_else(|| Failure::Broken("a count gave no row".into()))?;
    let kept = Kept { at: call.now, counters: (totals.users, totals.users_open), census };
    call.db.run(census::write(owner, &kept)).await?;
    Ok(census)
}
