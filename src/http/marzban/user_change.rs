//! A user as he is created and changed by Marzban's API, in the fields that the store takes.

use serde::Serialize;
use weir_wire::{Bytes, Second};

use super::user_body::{NextPlan, Said, Wanted};
use super::user_json::NextPlanJson;
use crate::domain::limits::{Days, HoldSeconds};
use crate::domain::marzban::choice::Choice;
use crate::domain::name::{Note, UserName};
use crate::domain::period::{AnchorDay, Cycle, Strategy};
use crate::domain::user::Standing;
use crate::domain::zone::Zone;
use crate::store::users::User;

/// A new user.
#[derive(Serialize)]
pub(super) struct NewUser {
    name: UserName,
    note: Option<Note>,
    monthly_quota: Bytes,
    total_quota: Bytes,
    reset_strategy: Strategy,
    reset_day: AnchorDay,
    time_zone: Zone,
    expires_at: Option<Second>,
    hold: HoldSeconds,
    hold_since: Second,
    hold_until: Option<Second>,
    delete_after_days: Option<Days>,
    next_plan: Option<NextPlan>,
    marzban: Choice,
}

impl NewUser {
    /// Who follows from a body. `zone` is the deployment's.
    pub(super) fn new(name: UserName, said: Said, choice: Choice, zone: Zone, now: Second) -> Self {
        let waits = said.status == Some(Wanted::OnHold);
        Self {
            name,
            note: said.note,
            monthly_quota: said.data_limit.unwrap_or_default(),
            total_quota: Bytes::ZERO,
            reset_strategy: said.strategy.unwrap_or(Strategy::NoReset),
            reset_day: AnchorDay::FIRST,
            time_zone: zone,
            expires_at: said.expire.flatten().filter(|_| !waits),
            hold: said.hold.filter(|_| waits).unwrap_or_default(),
            hold_since: now,
            hold_until: said.hold_until.flatten().filter(|_| waits),
            delete_after_days: said.auto_delete.flatten(),
            next_plan: said.next_plan.flatten(),
            marzban: choice,
        }
    }

    /// When his usage begins anew.
    pub(super) const fn cycle(&self) -> Cycle {
        Cycle { strategy: self.reset_strategy, day: self.reset_day, zone: self.time_zone }
    }
}

/// What is to be changed of a user: what is missing stays.
#[expect(clippy::option_option, reason = "missing, null and a value are three different things here")]
#[derive(Default, Serialize)]
pub(super) struct Change {
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<Note>,
    #[serde(skip_serializing_if = "Option::is_none")]
    monthly_quota: Option<Bytes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reset_strategy: Option<Strategy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disabled_at: Option<Option<Second>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    suspended_until: Option<Option<Second>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Option<Second>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hold: Option<HoldSeconds>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hold_since: Option<Second>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hold_until: Option<Option<Second>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delete_after_days: Option<Option<Days>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_plan: Option<Option<NextPlan>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    marzban: Option<Choice>,
}

impl Change {
    /// What follows from a body for a user, as he stands at `now`. What he has already is no change: clients send back all that they
    /// read.
    pub(super) fn new(said: &Said, choice: Option<Choice>, user: &User, now: Second) -> Self {
        let mut change = Self {
            note: said.note.clone().filter(|note| note.as_str() != user.note),
            monthly_quota: said.data_limit.filter(|limit| *limit != user.monthly_quota),
            reset_strategy: said.strategy.filter(|strategy| !is_shown_as(*strategy, user.cycle.strategy)),
            delete_after_days: said.auto_delete.filter(|days| days.map(Days::get) != user.delete_after_days),
            next_plan: next_plan(said, user),
            marzban: choice,
            ..Self::default()
        };
        change.set_status(said, user, now);
        change.set_times(said, user, now);
        change
    }

    /// What drops what is queued for a user.
    pub(super) fn dropping_next(user: &User) -> Self {
        Self { next_plan: user.next_plan.as_ref().map(|_| None), ..Self::default() }
    }

    /// Whether nothing is changed.
    pub(super) fn is_empty(&self) -> bool {
        serde_json::to_value(self).is_ok_and(|fields| fields.as_object().is_some_and(serde_json::Map::is_empty))
    }

    /// The end of his period, if his cycle changes.
    pub(super) fn period_end(&self, user: &User, now: Second) -> Option<Second> {
        self.reset_strategy.map(|strategy| user.moved_end(Cycle { strategy, ..user.cycle }, now))
    }

    fn set_status(&mut self, said: &Said, user: &User, now: Second) {
        match said.status {
            Some(Wanted::Disabled) => self.disabled_at = user.disabled_at.is_none().then_some(Some(now)),
            Some(Wanted::Active | Wanted::OnHold) => {
                self.disabled_at = user.disabled_at.map(|_| None);
                self.suspended_until = user.suspended_until.map(|_| None);
            }
            None => {}
        }
    }

    /// An expiry ends a hold, and so does "active"; "on hold" ends an expiry.
    fn set_times(&mut self, said: &Said, user: &User, now: Second) {
        let standing = user.standing();
        let waited = standing.is_waiting(now);
        let waits = match said.status {
            Some(Wanted::OnHold) => true,
            Some(Wanted::Active) => false,
            _ => waited && said.expire.flatten().is_none(),
        };
        if waits {
            let hold = said.hold.filter(|seconds| seconds.get() > 0);
            self.hold = hold.filter(|seconds| i64::from(seconds.get()) != user.hold);
            let until = said.hold_until.or((!waited).then_some(None));
            self.hold_until = until.filter(|until| until.map(Second::get) != user.hold_until);
            self.hold_since = (!waited).then_some(now);
            self.expires_at = user.expires_at.map(|_| None);
        } else {
            let expires = said.expire.or_else(|| begun(user, &standing, waited));
            self.expires_at = expires.filter(|expires| expires.map(Second::get) != user.expires_at);
            if user.hold > 0 && (waited || expires.is_some()) {
                self.hold = Some(HoldSeconds::default());
                self.hold_until = Some(None);
            }
        }
    }
}

/// The expiry of an account whose hold has timed out, which the sweep has not seen yet.
#[expect(clippy::option_option, reason = "as the field has it")]
fn begun(user: &User, standing: &Standing, waited: bool) -> Option<Option<Second>> {
    (user.hold > 0 && !waited).then(|| standing.ends_at())
}

/// Whether a strategy is what is shown of another one: of the calendar's month, which Marzban does not know, its own.
fn is_shown_as(said: Strategy, own: Strategy) -> bool {
    super::user_json::strategy_name(said) == super::user_json::strategy_name(own)
}

#[expect(clippy::option_option, reason = "missing, null and a value are three different things here")]
fn next_plan(said: &Said, user: &User) -> Option<Option<NextPlan>> {
    match said.next_plan? {
        None => user.next_plan.as_ref().map(|_| None),
        Some(next) if next.is_as_shown(NextPlanJson::of(user).as_ref()) => None,
        Some(next) => Some(Some(next)),
    }
}
