//! What was reported, in figures.

use serde_json::{Value, json};
use worker::{Request, Response};

use super::who::{UNKNOWN, Who};
use super::{STATS, days};
use crate::domain::percent;
use crate::domain::xpert::figures::{DAYS, first_day, gigabytes, stamp};
use crate::domain::xpert::servers::{Server, add_up};
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::http::marzban::authorize;
use crate::store::xpert_reports::Sender;
use crate::store::xpert_stats::{self as store, AllRow, DayRow};

/// `GET /api/xpert/traffic-stats/{user_token}?days=`
///
/// The token is the credential. Rows read: 2, and one per (server, port, protocol, day) of that user in the window.
pub(super) async fn of_user(request: &Request, call: &Call, token: &str) -> Result<Response, Failure> {
    let days = days(request)?.unwrap_or(DAYS);
    let token = percent::decode(token).ok_or(UNKNOWN)?;
    let who = Who::read(call, &token)?;
    let first = first_day(call.now, days);
    let rows: Vec<DayRow> = match &who {
        Who::Token(subscription) => {
            let batch = [who.find(), store::of_user(i64::from(subscription.user), first)];
            let outcomes = call.db.batch(&batch).await?;
            let [found, rows] = outcomes.as_slice() else {
                return Err(Failure::Broken("a batch of two gave other".into()));
            };
            let sender: Option<Sender> = found.rows()?.pop();
            sender.and_then(|sender| sender.user).ok_or(UNKNOWN)?;
            rows.rows()?
        }
        Who::Alias(_) => call.db.all(store::of_user(who.user(call).await?, first)).await?,
    };
    let days_of = |row: DayRow| {
        let seen = serde_json::from_str(&row.servers).map_err(|error| Failure::Broken(format!("a day: {error}")))?;
        Ok((row.day, seen))
    };
    let servers = add_up(rows.into_iter().map(days_of).collect::<Result<_, Failure>>()?);
    let total = servers.iter().fold(0_u64, |sum, row| sum.saturating_add(row.up).saturating_add(row.down));
    Ok(Response::from_json(&json!({
        "user_token": token,
        "total_gb_used": gigabytes(total),
        "period_days": days,
        "servers": servers.iter().map(server).collect::<Vec<_>>(),
    }))?)
}

fn server(row: &Server) -> Value {
    json!({
        "server": row.server,
        "port": row.port,
        "protocol": row.protocol,
        "upload_gb": gigabytes(row.up),
        "download_gb": gigabytes(row.down),
        "total_gb": gigabytes(row.up.saturating_add(row.down)),
        "connections": row.days,
        "last_used": stamp(row.last_at),
    })
}

/// `GET /api/xpert/traffic-stats/global?days=`
pub(super) async fn global(request: &Request, call: &Call) -> Result<Response, Failure> {
    let (row, mut figures) = sums(request, call).await?;
    let top: Vec<(String, u32, String, u64)> =
        serde_json::from_str(&row.top).map_err(|error| Failure::Broken(format!("top servers: {error}")))?;
    let top = top.into_iter().map(|(server, port, protocol, bytes)| {
        json!({ "server": server, "port": port, "protocol": protocol, "total_gb": gigabytes(bytes) })
    });
    set(&mut figures, "top_servers", top.collect());
    Ok(Response::from_json(&figures)?)
}

/// `GET /api/xpert/marzban-traffic-stats?days=`
pub(super) async fn marzban(request: &Request, call: &Call) -> Result<Response, Failure> {
    let (_, mut figures) = sums(request, call).await?;
    set(&mut figures, "external_servers", json!(true));
    set(&mut figures, "integration_type", json!("xpert_panel"));
    set(&mut figures, "data_source", json!("traffic_monitoring_system"));
    Ok(Response::from_json(&json!({ "users_traffic": figures }))?)
}

fn set(object: &mut Value, name: &str, value: Value) {
    if let Some(object) = object.as_object_mut() {
        object.insert(name.to_owned(), value);
    }
}

/// The sums over all users that both answers share. Rows read: one per (server, port, protocol, day) in the window, one
/// per day, and three per report row of the last hour; never one per user.
async fn sums(request: &Request, call: &Call) -> Result<(AllRow, Value), Failure> {
    authorize(request, call, STATS).await?;
    let days = days(request)?.unwrap_or(DAYS);
    let row: Option<AllRow> = call.db.first(store::of_all(first_day(call.now, days))).await?;
    let row = row.ok_or_else(|| Failure::Broken("a sum gave no row".into()))?;
    let figures = json!({
        "total_users": row.users,
        "total_servers": row.servers,
        "total_gb_used": gigabytes(row.bytes),
        "total_connections": row.day_rows,
        "total_protocols": row.protocols,
        "period_days": days,
    });
    Ok((row, figures))
}
