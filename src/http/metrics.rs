//! What a monitoring system asks for.

use worker::{Method, Request, Response};

use super::auth::authorize;
use super::call::Call;
use super::failure::Failure;
use crate::domain::exposition::{CONTENT_TYPE, Exposition, Kind};
use crate::store::metrics::{self as store, Counted, Read, Value};

/// `GET /metrics`, also HEAD
///
/// Rows read: 1 of the key, those of [`store::read`], and when users are counted anew 2 per user. Rows written: 1 of a key once an hour, and
/// 1 per count. Queries: 2, and 1 each for these two.
pub(super) async fn metrics(request: &Request, call: &Call) -> Result<Response, Failure> {
    authorize(request, call, "stats:read").await?;
    let read: Option<Read> = call.db.first(store::read(call.now.get() / 86_400)).await?;
    let read = read.ok_or_else(|| Failure::Broken("the metrics' row is missing".into()))?;
    let users = match read.counted(call.now) {
        Some(counted) => counted,
        None => count(call).await?,
    };
    let text = told(&read, users, call);
    let response = if request.method() == Method::Head { Response::empty()? } else { Response::ok(text)? };
    response.headers().set("content-type", CONTENT_TYPE)?;
    Ok(response)
}

async fn count(call: &Call) -> Result<Counted, Failure> {
    let counted: Option<Value> = call.db.first(store::count(call.now)).await?;
    let counted = counted.and_then(|row| serde_json::from_str(&row.value).ok());
    counted.ok_or_else(|| Failure::Broken("the count of users cannot be read".into()))
}

fn told(read: &Read, users: Counted, call: &Call) -> String {
    let mut all = Exposition::default();
    let version = [("version", env!("CARGO_PKG_VERSION"))];
    all.family("weir_build_info", Kind::Gauge, "1, with the panel's version.").sample(&version, 1);
    tell_users(&mut all, users);
    tell_nodes(&mut all, read, call);
    tell_outbox(&mut all, read);
    tell_jobs(&mut all, read, call);
    tell_cost(&mut all, read);
    all.text()
}

fn tell_users(all: &mut Exposition, users: Counted) {
    all.family("weir_users", Kind::Gauge, "Users by status.")
        .sample(&[("status", "active")], users.active)
        .sample(&[("status", "on_hold")], users.on_hold)
        .sample(&[("status", "limited")], users.limited)
        .sample(&[("status", "expired")], users.expired)
        .sample(&[("status", "disabled")], users.disabled);
    all.family("weir_users_counted_timestamp_seconds", Kind::Gauge, "When users were last counted.")
        .sample(&[], users.at.get());
}

fn tell_nodes(all: &mut Exposition, read: &Read, call: &Call) {
    let mut family = all.family("weir_node_bytes_total", Kind::Counter, "Bytes of users that the node has reported.");
    for node in &read.nodes {
        family.sample(&[("node", &node.name), ("direction", "up")], node.up);
        family.sample(&[("node", &node.name), ("direction", "down")], node.down);
    }
    let help = "Bytes that the node's core counted and no connection explains.";
    let mut family = all.family("weir_node_unattributed_bytes_total", Kind::Counter, help);
    for node in &read.nodes {
        family.sample(&[("node", &node.name)], node.unattributed);
    }
    let help = "Bytes of users and inbounds outside the roster, and of slots that the panel does not know.";
    let mut family = all.family("weir_node_foreign_bytes_total", Kind::Counter, help);
    for node in &read.nodes {
        family.sample(&[("node", &node.name)], node.outside.plus(node.unknown));
    }
    let help = "Seconds since the end of the node's newest report; it rises also while nobody uses the node.";
    let mut family = all.family("weir_node_report_lag_seconds", Kind::Gauge, help);
    for node in &read.nodes {
        if let Some(last_to) = node.last_to {
            family.sample(&[("node", &node.name)], call.now.get().saturating_sub(last_to).max(0));
        }
    }
    let help = "When the node was last heard of; stored once a minute.";
    let mut family = all.family("weir_node_last_seen_timestamp_seconds", Kind::Gauge, help);
    for node in &read.nodes {
        if let Some(seen_at) = node.seen_at {
            family.sample(&[("node", &node.name)], seen_at);
        }
    }
    let mut family = all.family("weir_node_online_users", Kind::Gauge, "Users with a live connection.");
    for node in &read.nodes {
        family.sample(&[("node", &node.name)], node.online);
    }
    let mut family = all.family("weir_node_connections", Kind::Gauge, "Live connections.");
    for node in &read.nodes {
        family.sample(&[("node", &node.name)], node.connections);
    }
}

fn tell_outbox(all: &mut Exposition, read: &Read) {
    let help = "Deliveries of a channel that wait (pending) or were given up (failed), 1000 of each at most.";
    let mut family = all.family("weir_outbox_deliveries", Kind::Gauge, help);
    for channel in &read.channels {
        family.sample(&[("channel", &channel.name), ("state", "pending")], channel.waiting);
        family.sample(&[("channel", &channel.name), ("state", "failed")], channel.dead);
    }
    let mut family = all.family("weir_channel_failures", Kind::Gauge, "Tries in a row that a channel failed.");
    for channel in &read.channels {
        family.sample(&[("channel", &channel.name)], channel.failures);
    }
}

fn tell_jobs(all: &mut Exposition, read: &Read, call: &Call) {
    let mut family = all.family("weir_job_last_run_timestamp_seconds", Kind::Gauge, "When a job last began.");
    for job in &read.jobs {
        if let Some(started_at) = job.started_at {
            family.sample(&[("name", &job.name)], started_at);
        }
    }
    let help = "Whether the last run of a job that came to an end went well, 1 or 0.";
    let mut family = all.family("weir_job_last_run_success", Kind::Gauge, help);
    for job in &read.jobs {
        family.sample(&[("name", &job.name)], u8::from(job.failures(call.now) == 0));
    }
    let mut family = all.family("weir_job_failures", Kind::Gauge, "Runs of a job in a row that failed.");
    for job in &read.jobs {
        family.sample(&[("name", &job.name)], job.failures(call.now));
    }
    let mut family = all.family("weir_job_last_duration_seconds", Kind::Gauge, "How long the last run of a job took.");
    for job in &read.jobs {
        let milliseconds = job.lasted_ms.max(0);
        family.sample(&[("name", &job.name)], format!("{}.{:03}", milliseconds / 1_000, milliseconds % 1_000));
    }
}

fn tell_cost(all: &mut Exposition, read: &Read) {
    let cost = read.cost();
    let help = "Rows of the database that this UTC day has cost as far as instances have told; a lower bound.";
    all.family("weir_d1_rows_today", Kind::Gauge, help)
        .sample(&[("operation", "read")], cost.rows_read)
        .sample(&[("operation", "written")], cost.rows_written);
    all.family("weir_d1_queries_today", Kind::Gauge, "Queries of this UTC day, likewise.").sample(&[], cost.queries);
    all.family("weir_requests_today", Kind::Gauge, "Requests of this UTC day, likewise.").sample(&[], cost.requests);
}
