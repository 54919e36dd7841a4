//! What callers say of a user when they create and change him.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use weir_wire::{Bytes, Second};

use crate::domain::limits::{Count, Days, HoldSeconds, HwidLimit};
use crate::domain::marzban::choice::{Choice, Chosen};
use crate::domain::name::{Breaks, Email, Note, OperatorName, PlanName, UserName};
use crate::domain::period::{AnchorDay, Cycle, Period, Strategy};
use crate::domain::plan::NextValues;
use crate::domain::zone::Zone;
use crate::http::body::{given, value};
use crate::http::failure::Failure;
use crate::store::plans::Plan;
use crate::store::users::User;

/// The plan that begins when the account is used up or has expired, or values that do.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "SaidNext")]
pub(crate) struct NextPlan {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) plan: Option<PlanName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    values: Option<NextValues>,
    add_remaining_traffic: bool,
    fire_on_either: bool,
}

/// The same as it is said.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SaidNext {
    #[serde(default)]
    plan: Option<PlanName>,
    #[serde(default)]
    monthly_quota: Option<Bytes>,
    #[serde(default)]
    expires_at: Option<Second>,
    /// What is left of the quota then becomes a bonus.
    #[serde(default)]
    add_remaining_traffic: bool,
    /// On either, or only when both have come.
    #[serde(default = "yes")]
    fire_on_either: bool,
}

impl TryFrom<SaidNext> for NextPlan {
    type Error = Breaks;

    fn try_from(said: SaidNext) -> Result<Self, Breaks> {
        let SaidNext { plan, monthly_quota, expires_at, add_remaining_traffic, fire_on_either } = said;
        let has_values = monthly_quota.is_some() || expires_at.is_some();
        if plan.is_some() == has_values {
            return Err(Breaks("either a plan, or monthly_quota or expires_at or both"));
        }
        let values =
            has_values.then(|| NextValues { data_limit: monthly_quota.unwrap_or_default(), expire: expires_at });
        Ok(Self { plan, values, add_remaining_traffic, fire_on_either })
    }
}

/// The protocols that a user has, with what of their inbounds he has not.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "Choice")]
struct Protocols(Choice);

/// Inbounds that may be named of a protocol, and the letters of a tag.
const MOST_TAGS: usize = 100;
const LONGEST_TAG: usize = 128;

impl TryFrom<Choice> for Protocols {
    type Error = Breaks;

    fn try_from(choice: Choice) -> Result<Self, Breaks> {
        let fits = |chosen: &Chosen| {
            ["", "xtls-rprx-vision"].contains(&chosen.flow.as_str())
                && chosen.method.as_ref().is_none_or(|method| method.len() <= LONGEST_TAG)
                && chosen.excluded.len() <= MOST_TAGS
                && chosen.excluded.iter().all(|tag| tag.len() <= LONGEST_TAG)
        };
        if choice.0.is_empty() || !choice.0.values().all(fits) {
            return Err(Breaks(
                "at least one of vmess, vless, trojan and shadowsocks, with a flow that is empty or xtls-rprx-vision, and at most 100 tags",
            ));
        }
        Ok(Self(choice))
    }
}

const fn yes() -> bool {
    true
}

/// The body of a creation. Quotas in bytes, 0 = unlimited; `expires_at` in unix seconds. What it does not say is the plan's, if
/// it names one.
#[expect(clippy::option_option, reason = "missing, null and a value are three different things here")]
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewUser {
    pub(super) name: UserName,
    /// What was set of [`weir_wire::credential::ByHand`]. Not for the row of the user, and not for the log.
    #[serde(default, skip_serializing)]
    pub(super) credentials: Option<Map<String, Value>>,
    /// Whose user he is; the panel's own without it.
    #[serde(default, skip_serializing)]
    pub(super) owner: Option<OperatorName>,
    #[serde(skip_deserializing, rename(serialize = "owner"), skip_serializing_if = "Option::is_none")]
    pub(super) owner_id: Option<i64>,
    #[serde(default)]
    email: Option<Email>,
    #[serde(default)]
    note: Option<Note>,
    #[serde(default)]
    pub(super) plan: Option<PlanName>,
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
    pub(super) next_plan: Option<NextPlan>,
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
    pub(super) fn settle(&mut self, plan: Option<&Plan>, zone: Zone, now: Second) -> Result<Period, Failure> {
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

/// Whether an account that waits, or does not, can have this expiry and this time-out.
#[expect(clippy::option_option, reason = "missing, null and a value are three different things here")]
fn check_hold(waits: bool, expires: Option<Option<Second>>, until: Option<Second>) -> Result<(), Failure> {
    if waits && expires.flatten().is_some() {
        return Err(Failure::invalid("expires_at", "not together with hold_seconds, after which the account expires"));
    }
    if !waits && until.is_some() {
        return Err(Failure::invalid("hold_until", "only with hold_seconds from 1"));
    }
    Ok(())
}

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
    pub(super) const fn matters(&self) -> bool {
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
