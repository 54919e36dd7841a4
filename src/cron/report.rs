//! The daily report, and what it tells.

use chrono::NaiveDate;
use weir_wire::Second;

use super::Next;
use crate::domain::notice::Kind;
use crate::domain::notice::report::{Cost, Report, Share};
use crate::domain::notice::settings::Alerts;
use crate::domain::schedule::Schedule;
use crate::domain::zone::Zone;
use crate::http::api::settings as areas;
use crate::http::audit;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::http::settings;
use crate::store::day::{self, Limited, Node, Told, Top};
use crate::store::events::{self, NewEvent};
use crate::store::jobs::{self, Job};
use crate::store::overview::{self, Totals};

/// Once a day at the hour that the operator sets, about the day before. The day of the last report is noted; the first run
/// only notes where the nodes' counts stand.
pub(super) async fn run(call: &Call, job: &Job) -> Result<Next, Failure> {
    let settings: Alerts = areas::read(call).await?;
    let zone = settings::zone(&call.env);
    let hour = i64::from(settings.report_hour) * 3_600;
    let today = zone.date(call.now);
    let is_due = zone.midnight(today).plus(hour) <= call.now && job.cursor.as_deref() != Some(&today.to_string());
    if is_due {
        let nodes: Vec<Node> = call.db.all(day::nodes()).await?;
        let told: Vec<Told> = nodes.iter().map(|node| Told(node.id, node.bytes)).collect();
        let mut batch = vec![day::mark(&told), jobs::keep(&job.name, Some(&today.to_string()))];
        if job.cursor.is_some() {
            let silent = call.now.plus(-60 * i64::from(settings.silent_minutes));
            let report = report(call, today, zone, &nodes, silent).await?;
            let key = format!("report:{today}");
            let event = NewEvent { key: &key, kind: Kind::DailyReport, user: None, node: None, data: &report };
            batch.push(events::add(&event, call.now));
        }
        call.db.batch(&batch).await?;
    }
    Ok(Next::At(Schedule::Daily(hour).after(call.now, zone)))
}

/// Rows read: 2 per user, 1 per hour and node of each who had traffic, 4 per node, 1 per job.
async fn report(call: &Call, today: NaiveDate, zone: Zone, nodes: &[Node], silent: Second) -> Result<Report, Failure> {
    let day = today.pred_opt().unwrap_or(today);
    let yesterday_utc = call.now.get() / 86_400 - 1;
    let statements = [
        overview::totals(),
        day::top_users(zone.midnight(day), zone.midnight(today)),
        day::limited(),
        jobs::all(),
        day::spent(yesterday_utc),
    ];
    let outcomes = call.db.batch(&statements).await?;
    let [totals, top, limited, jobs, spent] = outcomes.as_slice() else {
        return Err(Failure::Broken("a batch of five gave other".into()));
    };
    let totals = totals.rows::<Totals>()?.pop().unwrap_or_default();
    let top: Vec<Top> = top.rows()?;
    let mut shares: Vec<Share> =
        nodes.iter().map(|node| Share { name: node.name.clone(), bytes: node.bytes.minus(node.told) }).collect();
    shares.retain(|share| !share.bytes.is_zero());
    shares.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.name.cmp(&b.name)));
    let is_silent = |node: &&Node| node.live == 1 && node.seen_at > 0 && node.seen_at <= silent.get();
    Ok(Report {
        day: day.to_string(),
        users: totals.users,
        users_open: totals.users_open,
        users_active: top.first().map_or(0, |first| first.active),
        bytes: shares.iter().fold(weir_wire::Bytes::ZERO, |sum, share| sum.plus(share.bytes)),
        nodes: shares,
        top_users: top.into_iter().map(|top| Share { name: top.name, bytes: top.bytes }).collect(),
        nodes_silent: nodes.iter().filter(is_silent).map(|node| node.name.clone()).collect(),
        limits_reached: limited.rows::<Limited>()?.pop().unwrap_or_default().limited,
        jobs_failed: jobs.rows::<Job>()?.into_iter().filter(|job| job.error.is_some()).map(|job| job.name).collect(),
        cost: spent.rows::<Cost>()?.pop().unwrap_or_default(),
        audit_head: audit::head(call).await?.map(|head| format!("{}:{}", head.count, head.link)),
    })
}
