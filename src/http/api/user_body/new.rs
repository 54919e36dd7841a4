//! What callers say of a user when they create him.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use weir_wire::{Bytes, Second};

use super::{NextPlan, Protocols, check_hold};
use crate::domain::limits::{Count, Days, HoldSeconds, HwidLimit};
use crate::domain::name::{Email, Note, OperatorName, PlanName, UserName};
use crate::domain::period::{AnchorDay, Cycle, Period, Strategy};
use crate::domain::zone::Zone;
use crate::http::body::{given, value};
use crate::http::failure::Failure;
use crate::store::plans::Plan;

/// The body of a creation. Quotas in bytes, 0 = unlimited; `expires_at` in unix seconds. What it does not say is the plan's, if
/// it names one.
#[expect(clippy::option_option, reason = "missing, null and a value are three different things here")]
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewUser {
    pub(crate) name: UserName,
    /// What was set of [`weir_wire::credential::ByHand`]. Not for the row of the user, and not for the log.
    #[serde(default, skip_serializing)]
    pub(crate) credentials: Option<Map<String, Value>>,
    /// Whose user he is; the panel's own without it.
    #[serde(default, skip_serializing)]
    pub(crate) owner: Option<OperatorName>,
    #[serde(skip_deserializing, rename(serialize = "owner"), skip_serializing_if = "Option::is_none")]
    pub(crate) owner_id: Option<i64>,
    #[serde(default)]
    email: Option<Email>,
    #[serde(default)]
    note: Option<Note>,
    #[serde(default)]
    pub(crate) plan: Option<PlanName>,
    #[serde(default, deserialize_with = "value")]
    monthly_quota: Option<Bytes>,
    #[serde(default, deserialize_with = "value")]
    total_quota: Option<Bytes>,
    #[serde(default, deserialize_with = "value")]
    reset_strategy: Option<Strategy>,
    #[serde(default, deserialize_with = "value")]
    reset_day: Option<AnchorDay>,
    /// The deployment's own unless told.
    #[serde(default, deserialize_with = "value")]
    time_zone: Option<Zone>,
    #[serde(default, deserialize_with = "given")]
    expires_at: Option<Option<Second>>,
    #[serde(default, deserialize_with = "value")]
    speed_limit: Option<Bytes>,
    #[serde(default, deserialize_with = "value")]
    device_limit: Option<Count>,
    #[serde(default, deserialize_with = "value")]
    stream_limit: Option<Count>,
    #[serde(default, deserialize_with = "given")]
    address_limit: Option<Option<Count>>,
    #[serde(default)]
    hwid_limit: Option<HwidLimit>,
    #[serde(default, rename(serialize = "hold"))]
    hold_seconds: Option<HoldSeconds>,
    #[serde(default)]
    hold_until: Option<Second>,
    #[serde(default)]
    delete_after_days: Option<Days>,
    #[serde(default)]
    pub(crate) next_plan: Option<NextPlan>,
    #[serde(default, rename(serialize = "marzban"), skip_serializing_if = "Option::is_none")]
    protocols: Option<Protocols>,
    /// What he brings along from another panel: when he was created there, when his present period began, what he has used, from when on
    /// links count that it made, and whether a person has shut him out.
    #[serde(default, deserialize_with = "value", skip_serializing_if = "Option::is_none")]
    created_at: Option<Second>,
    #[serde(default, deserialize_with = "value", skip_serializing_if = "Option::is_none")]
    period_start: Option<Second>,
    #[serde(default, deserialize_with = "value", skip_serializing_if = "Option::is_none")]
    monthly_used: Option<Bytes>,
    #[serde(default, deserialize_with = "value", skip_serializing_if = "Option::is_none")]
    total_used: Option<Bytes>,
    #[serde(default, deserialize_with = "value", skip_serializing_if = "Option::is_none")]
    links_since: Option<Second>,
    #[serde(default, deserialize_with = "value", skip_serializing_if = "Option::is_none")]
    disabled: Option<bool>,
    #[serde(skip_deserializing)]
    hold_since: Second,
    #[serde(skip_deserializing)]
    plan_version: u32,
}

impl NewUser {
    /// Gives him what he was not told to have, from his plan or as everybody has it, and returns the period that he is in. `zone` is the
    /// deployment's.
    pub(crate) fn settle(&mut self, plan: Option<&Plan>, zone: Zone, now: Second) -> Result<Period, Failure> {
        self.check_brought(now)?;
        let waits = self.hold_seconds.unwrap_or_default().get() > 0;
        check_hold(waits, self.expires_at, self.hold_until)?;
        self.plan_version = plan.map_or(0, |plan| plan.version);
        let length = plan.filter(|_| !waits).and_then(|plan| plan.expires(now));
        self.expires_at.get_or_insert(length);
        self.monthly_quota.get_or_insert(plan.map_or(Bytes::ZERO, |plan| plan.monthly_quota));
        self.total_quota.get_or_insert(plan.map_or(Bytes::ZERO, |plan| plan.total_quota));
        self.speed_limit.get_or_insert(plan.map_or(Bytes::ZERO, |plan| plan.speed_limit));
        self.device_limit.get_or_insert(plan.map_or_else(Count::default, |plan| plan.device_limit));
        self.stream_limit.get_or_insert(plan.map_or_else(Count::default, |plan| plan.stream_limit));
        self.address_limit.get_or_insert(plan.and_then(|plan| plan.address_limit));
        self.hold_since = now;
        let strategy = plan.map_or_else(Strategy::default, |plan| plan.reset_strategy);
        let day = plan.and_then(|plan| plan.reset_day).unwrap_or(AnchorDay::FIRST);
        let cycle = Cycle {
            strategy: *self.reset_strategy.get_or_insert(strategy),
            day: *self.reset_day.get_or_insert(day),
            zone: *self.time_zone.get_or_insert(zone),
        };
        Ok(self.period_start.map_or_else(|| cycle.first(now), |start| cycle.containing(now, start)))
    }

    /// Holds what he brings along to its rules, and adds what follows.
    fn check_brought(&mut self, now: Second) -> Result<(), Failure> {
        let past =
            [("created_at", self.created_at), ("period_start", self.period_start), ("links_since", self.links_since)];
        if let Some((field, _)) = past.into_iter().find(|(_, at)| at.is_some_and(|at| at > now)) {
            return Err(Failure::invalid(field, "not in the future"));
        }
        self.total_used = self.total_used.or(self.monthly_used);
        if self.monthly_used.unwrap_or_default() > self.total_used.unwrap_or_default() {
            return Err(Failure::invalid("total_used", "at least monthly_used"));
        }
        Ok(())
    }
}
