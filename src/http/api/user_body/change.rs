//! What callers say of a user when they change him.

use serde::{Deserialize, Serialize};
use weir_wire::{Bytes, Second};

use super::{NextPlan, Protocols, check_hold};
use crate::domain::limits::{Count, Days, HoldSeconds, HwidLimit};
use crate::domain::name::{Email, Note, PlanName, UserName};
use crate::domain::period::{AnchorDay, Cycle, Strategy};
use crate::domain::zone::Zone;
use crate::http::body::{given, value};
use crate::http::failure::Failure;
use crate::store::plans::Plan;
use crate::store::users::User;

/// The body of a change: fields that it lacks stay; `null` clears those that a user may be without.
#[expect(clippy::option_option, reason = "missing, null and a value are three different things here")]
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserChange {
    #[serde(default, deserialize_with = "value", skip_serializing_if = "Option::is_none")]
    name: Option<UserName>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    email: Option<Option<Email>>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    note: Option<Option<Note>>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub(crate) plan: Option<Option<PlanName>>,
    #[serde(default, deserialize_with = "value", skip_serializing_if = "Option::is_none")]
    monthly_quota: Option<Bytes>,
    #[serde(default, deserialize_with = "value", skip_serializing_if = "Option::is_none")]
    total_quota: Option<Bytes>,
    #[serde(default, deserialize_with = "value", skip_serializing_if = "Option::is_none")]
    reset_strategy: Option<Strategy>,
    #[serde(default, deserialize_with = "value", skip_serializing_if = "Option::is_none")]
    reset_day: Option<AnchorDay>,
    #[serde(default, deserialize_with = "value", skip_serializing_if = "Option::is_none")]
    time_zone: Option<Zone>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    expires_at: Option<Option<Second>>,
    #[serde(default, deserialize_with = "value", skip_serializing_if = "Option::is_none")]
    speed_limit: Option<Bytes>,
    #[serde(default, deserialize_with = "value", skip_serializing_if = "Option::is_none")]
    device_limit: Option<Count>,
    #[serde(default, deserialize_with = "value", skip_serializing_if = "Option::is_none")]
    stream_limit: Option<Count>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    address_limit: Option<Option<Count>>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    hwid_limit: Option<Option<HwidLimit>>,
    #[serde(default, deserialize_with = "given", rename(serialize = "hold"), skip_serializing_if = "Option::is_none")]
    hold_seconds: Option<Option<HoldSeconds>>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    hold_until: Option<Option<Second>>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    delete_after_days: Option<Option<Days>>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub(crate) next_plan: Option<Option<NextPlan>>,
    #[serde(
        default,
        deserialize_with = "given",
        rename(serialize = "marzban"),
        skip_serializing_if = "Option::is_none"
    )]
    protocols: Option<Option<Protocols>>,
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    hold_since: Option<Second>,
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    plan_version: Option<u32>,
}

impl UserChange {
    /// A field that it names and that no two users can share.
    pub(crate) const fn personal(&self) -> Option<&'static str> {
        if self.name.is_some() {
            Some("name")
        } else if self.email.is_some() {
            Some("email")
        } else {
            None
        }
    }

    /// Whether it changes nothing of what many users can share.
    pub(crate) const fn is_empty(&self) -> bool {
        !self.matters()
            && self.note.is_none()
            && self.address_limit.is_none()
            && self.hwid_limit.is_none()
            && self.protocols.is_none()
    }

    /// Whether a gate, a limit, what the nodes hold him to, or a second at which the sweep must look may depend on it.
    pub(crate) const fn matters(&self) -> bool {
        self.monthly_quota.is_some()
            || self.total_quota.is_some()
            || self.moves_cycle()
            || self.expires_at.is_some()
            || self.plan.is_some()
            || self.speed_limit.is_some()
            || self.device_limit.is_some()
            || self.stream_limit.is_some()
            || self.hold_seconds.is_some()
            || self.hold_until.is_some()
            || self.delete_after_days.is_some()
            || self.next_plan.is_some()
            || self.protocols.is_some()
    }

    const fn moves_cycle(&self) -> bool {
        self.reset_strategy.is_some() || self.reset_day.is_some() || self.time_zone.is_some()
    }

    /// Adds the values of a new plan that it does not name itself.
    pub(crate) fn take(&mut self, plan: &Plan) {
        self.plan_version = Some(plan.version);
        self.monthly_quota.get_or_insert(plan.monthly_quota);
        self.total_quota.get_or_insert(plan.total_quota);
        self.reset_strategy.get_or_insert(plan.reset_strategy);
        self.reset_day = self.reset_day.or(plan.reset_day);
        self.speed_limit.get_or_insert(plan.speed_limit);
        self.device_limit.get_or_insert(plan.device_limit);
        self.stream_limit.get_or_insert(plan.stream_limit);
        self.address_limit.get_or_insert(plan.address_limit);
    }

    /// Whether it depends on how the user stands what it means: an expiry ends a hold, and a hold has no expiry.
    pub(crate) const fn moves_times(&self) -> bool {
        self.expires_at.is_some() || self.hold_seconds.is_some() || self.hold_until.is_some()
    }

    /// Adds what follows from a changed expiry or hold of `user`.
    pub(crate) fn settle(&mut self, user: &User, now: Second) -> Result<(), Failure> {
        let waited = user.standing().is_waiting(now);
        let waits = match self.hold_seconds {
            Some(seconds) => seconds.unwrap_or_default().get() > 0,
            None => waited && self.expires_at.flatten().is_none(),
        };
        check_hold(waits, self.expires_at, self.hold_until.flatten())?;
        if waits {
            self.expires_at = Some(None);
            if !waited {
                self.hold_since = Some(now);
                self.hold_until.get_or_insert(None);
            }
        } else if user.hold > 0 {
            // It began at its time-out, which the sweep has not seen yet, or it is taken off hold.
            let begun = user.standing().ends_at().filter(|_| !waited);
            self.expires_at = self.expires_at.or(begun.map(Some));
            self.hold_seconds = Some(Some(HoldSeconds::default()));
            self.hold_until = Some(None);
        } else if self.hold_seconds.is_some() {
            self.hold_seconds = Some(Some(HoldSeconds::default()));
        }
        Ok(())
    }

    /// The end of the period of a user whose cycle it moves: the first boundary after `now`.
    pub(crate) fn period_end(&self, user: &User, now: Second) -> Option<Second> {
        let cycle = Cycle {
            strategy: self.reset_strategy.unwrap_or(user.cycle.strategy),
            day: self.reset_day.unwrap_or(user.cycle.day),
            zone: self.time_zone.unwrap_or(user.cycle.zone),
        };
        self.moves_cycle().then(|| user.moved_end(cycle, now))
    }
}
