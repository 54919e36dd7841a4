//! One user: his page, and the forms that add and change one.

use core::slice;
use std::collections::BTreeMap;

use weir_wire::{Bytes, Second};
use worker::{Request, Response};

use super::figures::{online_within, user_facts};
use super::visit::Visit;
use super::{go_to, page};
use crate::domain::audit::Actor;
use crate::domain::history::{Range, Row, Span, buckets};
use crate::domain::page::qr::Qr;
use crate::domain::percent;
use crate::http::accounts;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::http::history;
use crate::store::d1::Outcome;
use crate::store::plans::{self, Plan};
use crate::store::user_page::{self, DAYS, Device, HOURS, Name, Package};
use crate::store::users::User;
use crate::views::UserView;
use crate::views::panel::{
    AddUser, DeviceFacts, EditUser, NodeShare, PackageFacts, Section, UserPage, UserPageFacts, UserPageLive,
};

/// Days of the chart.
const CHART: u32 = 30;

/// `GET /users/{name}`, also HEAD
///
/// Queries: 7. Rows read: 2 for the session, 2 for the user, 200 hours, 60 days, 10 packages, 20 devices and 1 per node that
/// counted him, at most.
pub(super) async fn show(request: &Request, call: &Call, name: &str) -> Result<Response, Failure> {
    let Some(visit) = Visit::of(request, call).await? else { return go_to("/login") };
    let actor = visit.actor(request, "users:read")?;
    let user = find(call, &actor, name).await?;
    let range = Range::new(Span::Day, None, None, call.now, CHART)
        .map_err(|(field, rule)| Failure::Broken(format!("the chart: {field}: {rule}")))?;
    let [hours, days] = user_page::usage(user.id, range);
    let batch = [hours, days, user_page::packages(user.id), user_page::devices(user.id)];
    let outcomes = call.db.batch(&batch).await?;
    let [hours, days, packages, devices] = outcomes.as_slice() else {
        return Err(Failure::Broken("a batch of four gave other".into()));
    };
    let flowed = Used::of(hours, days)?;
    let nodes = shares(call, &flowed.rows).await?;
    let period = user.period(call.now);
    let days = buckets(Span::Day, flowed.rows.iter().map(|row| Row(row.0, None, row.2, row.3)));
    let facts = UserPageFacts {
        view: UserView::new(&user_facts(&user, online_within(&call.env)), &visit.say),
        standing: user.standing_at(call.now),
        email: user.email.as_deref(),
        plan: user.plan.as_deref(),
        next_reset: period.ends().then_some(period.end),
        created_at: Second::clamped(user.created_at),
        speed: user.speed_limit,
        devices_most: user.device_limit,
        days: &days,
        since: flowed.since,
        nodes,
        packages: packages.rows()?.into_iter().map(package).collect(),
        devices: devices.rows()?.into_iter().map(device).collect(),
    };
    let live = UserPageLive::new(facts, &visit.say);
    if visit.wants_part {
        return page(&live, 200);
    }
    // Whoever has the link gets in.
    let shows = actor.reaches("users:links");
    let url = if shows { accounts::subscription_url(&user, request, call)? } else { String::new() };
    let ask = |words: &str| words.replace("{name}", &user.name);
    let template = UserPage {
        shell: visit.shell(Section::Users),
        name: &user.name,
        qr: if shows { Qr::of(&url) } else { None },
        url: &url,
        delete_ask: ask(visit.say.words.delete_ask),
        revoke_ask: ask(live.details.revoke_ask),
        reset_ask: ask(visit.say.words.reset_ask),
        live,
    };
    page(&template, 200)
}

pub(super) async fn find(call: &Call, actor: &Actor, name: &str) -> Result<User, Failure> {
    accounts::find(call, actor, &percent::decode(name).ok_or(Failure::NotFound("user"))?).await
}

/// What he used in the days of the chart.
struct Used {
    rows: Vec<Row>,
    /// From when on they are whole, when there were more than the page reads.
    since: Option<Second>,
}

impl Used {
    fn of(hours: &Outcome, days: &Outcome) -> Result<Self, Failure> {
        let (hours, days) = (history::rows(slice::from_ref(hours))?, history::rows(slice::from_ref(days))?);
        // Days are older than hours: once the hours do not fit, the days do not follow on them.
        if hours.len() >= HOURS {
            return Ok(Self::whole(hours, Span::Hour));
        }
        let cut = (days.len() >= DAYS).then(|| Self::whole(days.clone(), Span::Day));
        let (days, since) = cut.map_or((days, None), |cut| (cut.rows, cut.since));
        Ok(Self { rows: hours.into_iter().chain(days).collect(), since })
    }

    /// Without the oldest bucket, of which another node's rows may be missing.
    fn whole(rows: Vec<Row>, span: Span) -> Self {
        let oldest = rows.iter().map(|row| row.0).min().unwrap_or_default();
        let rows = rows.into_iter().filter(|row| row.0 > oldest).collect();
        Self { rows, since: Some(span.next(oldest)) }
    }
}

/// By node, the most first.
async fn shares(call: &Call, rows: &[Row]) -> Result<Vec<NodeShare>, Failure> {
    let mut sums: BTreeMap<u32, Bytes> = BTreeMap::new();
    for Row(_, node, up, down) in rows {
        let sum = sums.entry(node.unwrap_or_default()).or_default();
        *sum = sum.plus(up.plus(*down));
    }
    if sums.is_empty() {
        return Ok(Vec::new());
    }
    let numbers: Vec<u32> = sums.keys().copied().collect();
    let known: Vec<Name> = call.db.all(user_page::names(&numbers)).await?;
    let named = |node: u32| known.iter().find(|name| name.id == node).map(|name| name.name.clone());
    let mut shares: Vec<NodeShare> =
        sums.into_iter().map(|(node, bytes)| NodeShare { name: named(node), bytes }).collect();
    shares.sort_by_key(|share| core::cmp::Reverse(share.bytes));
    Ok(shares)
}

fn package(package: Package) -> PackageFacts {
    PackageFacts {
        bytes: package.bytes,
        note: if package.note.is_empty() { package.order_id.clone() } else { package.note },
        order: package.order_id,
        bought_at: Second::clamped(package.bought_at),
        is_refunded: package.refunded_at.is_some(),
        is_over: package.expired_at.is_some(),
    }
}

fn device(device: Device) -> DeviceFacts {
    let name = if device.name.is_empty() { device.model } else { device.name };
    let system = [device.os, device.os_version, device.client];
    let system: Vec<String> = system.into_iter().filter(|text| !text.is_empty()).collect();
    DeviceFacts { id: device.id, name, system: system.join(" "), last_at: Second::clamped(device.last_at) }
}

/// `GET /new/user`, also HEAD
///
/// Rows read: 2 for the session, and the plans.
pub(super) async fn add(request: &Request, call: &Call) -> Result<Response, Failure> {
    let Some(visit) = Visit::of(request, call).await? else { return go_to("/login") };
    visit.actor(request, "users:write")?;
    let plans: Vec<Plan> = call.db.all(plans::all()).await?;
    page(&AddUser::new(visit.shell(Section::Users), &plans, &visit.say), 200)
}

/// `GET /users/{name}/edit`, also HEAD
///
/// Rows read: 2 for the session, 2 for the user, and the plans.
pub(super) async fn edit(request: &Request, call: &Call, name: &str) -> Result<Response, Failure> {
    let Some(visit) = Visit::of(request, call).await? else { return go_to("/login") };
    let user = find(call, &visit.actor(request, "users:write")?, name).await?;
    let plans: Vec<Plan> = call.db.all(plans::all()).await?;
    page(&EditUser::new(visit.shell(Section::Users), &user, &plans, &visit.say), 200)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_that_does_not_hold_everything_begins_with_a_whole_bucket() {
        let row = |hour: i64, node| Row(Second::clamped(hour * 3_600), Some(node), Bytes::ZERO, Bytes::mib(1));
        let used = Used::whole(vec![row(9, 1), row(9, 2), row(8, 2)], Span::Hour);
        assert_eq!((used.rows.len(), used.since), (2, Some(Second::clamped(9 * 3_600))));
    }
}
