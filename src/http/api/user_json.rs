//! A user as the API shows him.

use serde::Serialize;
use weir_wire::{Bytes, Second};
use worker::Request;

use crate::domain::audit::Actor;
use crate::domain::marzban::choice::Choice;
use crate::domain::period::{AnchorDay, Period, Strategy};
use crate::domain::plan::NextValues;
use crate::domain::user::{Status, gate, status};
use crate::domain::zone::Zone;
use crate::http::accounts::subscription_url;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::store::users::User;

/// See the field names; bytes are integers, instants unix seconds.
#[derive(Serialize)]
pub(super) struct UserJson {
    id: i64,
    name: String,
    email: Option<String>,
    note: String,
    status: Status,
    /// Why he may not pass: `month`, `total`, `expired`, `person`, `sharing`.
    reason: Option<&'static str>,
    created_at: i64,
    /// None while he is on hold.
    expires_at: Option<Second>,
    /// Until when he is shut for sharing.
    suspended_until: Option<Second>,
    plan: Option<String>,
    /// The version of the plan that he was last given.
    plan_version: u32,
    /// Per period, 0 = unlimited.
    monthly_quota: Bytes,
    /// Over the lifetime, 0 = unlimited.
    total_quota: Bytes,
    /// `calendar_month`, `no_reset`, `day`, `week`, `month`, `year`.
    reset_strategy: Strategy,
    reset_day: AnchorDay,
    time_zone: Zone,
    period_start: i64,
    /// The end of the period; it may have passed a moment ago.
    period_end: Option<i64>,
    /// When usage begins anew.
    next_reset_at: Option<Second>,
    monthly_used: Bytes,
    total_used: Bytes,
    bonus_left: Bytes,
    /// Bytes a second in each direction, 0 = unlimited.
    speed_limit: Bytes,
    /// Client addresses with a live connection, 0 = unlimited.
    device_limit: u32,
    /// 0 = unlimited.
    stream_limit: u32,
    /// In five minutes over all nodes, 0 = unlimited; `null` = the deployment's own limit.
    address_limit: Option<u32>,
    /// Devices that may fetch the subscription, 0 = any number; `null` = the deployment's own limit.
    hwid_limit: Option<u32>,
    /// How long the account lasts from its first use on; `null` when it has begun.
    hold_seconds: Option<i64>,
    /// When it begins unused.
    hold_until: Option<Second>,
    next_plan: Option<NextPlanJson>,
    /// The protocols that he has, with what of their inbounds he has not; `null` = all of them.
    protocols: Option<Choice>,
    delete_after_days: Option<u32>,
    /// End of the newest report with bytes of his.
    last_seen_at: Option<i64>,
    subscription_url: Option<String>,
    /// The operator whose user he is, by number; `null` = the panel's own.
    owner_id: Option<i64>,
}

/// The plan that begins when the account is used up or has expired.
#[derive(Serialize)]
struct NextPlanJson {
    /// `null` if values begin instead of a plan.
    plan: Option<String>,
    /// Bytes per period, 0 = unlimited; of values alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    monthly_quota: Option<Bytes>,
    /// Of values alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Second>,
    add_remaining_traffic: bool,
    fire_on_either: bool,
}

impl UserJson {
    /// As an operator may see him: who may not use his link is not shown it.
    pub(super) fn seen_by(self, actor: &Actor) -> Self {
        let subscription_url = self.subscription_url.filter(|_| actor.reaches("users:links"));
        Self { subscription_url, ..self }
    }

    /// Renders a user as he stands now.
    pub(super) fn new(user: User, request: &Request, call: &Call) -> Result<Self, Failure> {
        let standing = user.standing_at(call.now);
        let now = call.now;
        let waits = standing.hold.filter(|_| standing.is_waiting(now));
        let values = NextValues::stored(user.next_values.as_deref());
        let next_plan = user.next_plan.clone().map(|plan| NextPlanJson {
            plan: Some(plan).filter(|plan| !plan.is_empty()),
            monthly_quota: values.map(|values| values.data_limit),
            expires_at: values.and_then(|values| values.expire),
            add_remaining_traffic: user.next_keeps_rest == 1,
            fire_on_either: user.next_on_either == 1,
        });
        let period = Period { start: Second::clamped(user.period_start), end: Second::clamped(user.period_end) };
        let next = user.period(now);
        Ok(Self {
            subscription_url: Some(subscription_url(&user, request, call)?),
            owner_id: user.owner,
            id: user.id,
            name: user.name,
            email: user.email,
            note: user.note,
            status: status(&standing, now),
            reason: gate(&standing, now).reason(),
            created_at: user.created_at,
            expires_at: standing.ends_at().filter(|_| waits.is_none()),
            suspended_until: standing.suspended_until.filter(|_| standing.is_suspended(now)),
            plan: user.plan,
            plan_version: user.plan_version,
            monthly_quota: user.monthly_quota,
            total_quota: user.total_quota,
            reset_strategy: user.cycle.strategy,
            reset_day: user.cycle.day,
            time_zone: user.cycle.zone,
            period_start: user.period_start,
            period_end: period.ends().then_some(user.period_end),
            next_reset_at: next.ends().then_some(next.end),
            monthly_used: standing.month,
            total_used: user.lifetime,
            bonus_left: user.bonus_left,
            speed_limit: user.speed_limit,
            device_limit: user.device_limit,
            stream_limit: user.stream_limit,
            address_limit: user.address_limit,
            hwid_limit: user.hwid_limit,
            hold_seconds: waits.map(|hold| hold.seconds),
            hold_until: waits.and_then(|hold| hold.until),
            next_plan,
            protocols: Choice::stored(user.marzban.as_deref()),
            delete_after_days: user.delete_after_days,
            last_seen_at: (user.last_at > 0).then_some(user.last_at),
        })
    }
}
