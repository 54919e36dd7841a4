//! What every face does with users: finding, creating, acting on them, and waking the nodes.

mod together;

pub(crate) use together::{Together, begin_next, change_together, delete_many, hand_over};

use serde::Serialize;
use serde_json::{Map, Value};
use weir_wire::Second;
use worker::Request;

use super::address;
use super::audit::{Deed, recorded};
use super::by_hand;
use super::call::Call;
use super::failure::Failure;
use super::slots::refill_empty;
use crate::domain::audit::{Actor, Entry, Facts};
use crate::domain::period::Period;
use crate::domain::token::Subscription;
use crate::store::Statement;
use crate::store::allowances;
use crate::store::d1::Outcome;
use crate::store::slots::ByHandSlot;
use crate::store::users::{self, Action, User};
use crate::{bell, random};

/// A user by name, without case. Another's user is to a reseller as one whom nobody has.
pub(crate) async fn find(call: &Call, actor: &Actor, name: &str) -> Result<User, Failure> {
    let found: Option<User> = call.db.first(users::by_name(name)).await?;
    found.filter(|user| actor.only.is_none() || user.owner == actor.only).ok_or(Failure::NotFound("user"))
}

/// What fails a batch if a reseller goes beyond his allowances; nothing for anybody else. Behind what is changed.
pub(crate) fn allowance(actor: &Actor, now: Second) -> impl Iterator<Item = Statement> {
    actor.only.into_iter().flat_map(move |operator| allowances::hold(operator, now))
}

/// Puts it into a batch whose last statement returns the user, and stays the last.
fn hold_to_allowance(actor: &Actor, batch: &mut Vec<Statement>, now: Second) {
    let last = batch.pop();
    batch.extend(allowance(actor, now));
    batch.extend(last);
}

/// Creates a user in his first period. `new` serialises as [`users::create`] wants it. He takes a slot that the nodes have
/// loaded, and when none is vacant some are made; with credentials of his own, which `said` has, he waits for their next reload.
pub(crate) async fn create<T: Serialize>(
    call: &Call,
    actor: &Actor,
    new: &T,
    name: &str,
    said: Option<&Map<String, Value>>,
    period: Period,
) -> Result<User, Failure> {
    create_for(call, actor, new, name, said, period, None).await
}

/// The same for an operator whose user he is to be, within his allowances. Whoever has only users of his own has this one too.
pub(crate) async fn create_for<T: Serialize>(
    call: &Call,
    actor: &Actor,
    new: &T,
    name: &str,
    said: Option<&Map<String, Value>>,
    period: Period,
    owner: Option<i64>,
) -> Result<User, Failure> {
    let owner = actor.only.or(owner);
    let prepare = async || {
        // Whoever takes a slot is recorded: if somebody took the last one since, this is prepared again.
        let slot = match said {
            Some(said) => by_hand::slot(call, "credentials", said, None).await?,
            None => None,
        };
        if slot.is_none() {
            refill_empty(call).await?;
        }
        let entry = Entry::new("user.create", subject(name)).after(Facts::of(new, &PLAIN));
        let mut batch = users::create(new, name, slot.as_ref(), (period.start, period.end), random::salt()?, call.now);
        if let Some(operator) = owner {
            let last = batch.pop();
            batch.push(allowances::own(name, owner));
            batch.extend(allowances::hold(operator, call.now));
            batch.extend(last);
        }
        Ok(Deed::new(entry, batch, ()))
    };
    let (outcomes, ()) = recorded(call, actor, prepare).await?;
    let user = last(&outcomes)?.ok_or_else(|| Failure::Broken("no slot after a refill".into()))?;
    bell::ring(&call.env).await;
    Ok(user)
}

/// Does something to the user of a name, whose gate or limit may depend on it, and wakes the nodes. `choose` decides what,
/// by how he stands.
pub(crate) async fn act<'a, T: Serialize + 'a>(
    call: &Call,
    actor: &Actor,
    name: &str,
    choose: impl Fn(&User) -> Result<Action<'a, T>, Failure>,
) -> Result<User, Failure> {
    let prepare = async || {
        let user = find(call, actor, name).await?;
        let action = choose(&user)?;
        if matches!(action, Action::Revoke) {
            refill_empty(call).await?;
        }
        let mut batch = users::act(&user, &action, random::salt()?, call.now);
        if let Some(operator) = actor.only
            && begins_sooner(&user, &action, call.now)
        {
            batch.insert(0, allowances::no_new_period(operator));
        }
        hold_to_allowance(actor, &mut batch, call.now);
        Ok(Deed::new(entry(&user, &action, call.now), batch, ()))
    };
    let (outcomes, ()) = recorded(call, actor, prepare).await?;
    let user = last(&outcomes)?.ok_or(Failure::NotFound("user"))?;
    bell::ring(&call.env).await;
    Ok(user)
}

/// Whether a period begins before its time, and with it the quota anew.
fn begins_sooner<T>(user: &User, action: &Action<'_, T>, now: Second) -> bool {
    match action {
        Action::Reset => true,
        Action::Change(_, Some(end)) => *end < user.period(now).end,
        _ => false,
    }
}

/// Gives a user other credentials: those of the slot that `choose` makes, else new derived ones. His links stay.
pub(crate) async fn renew(
    call: &Call,
    actor: &Actor,
    name: &str,
    choose: impl AsyncFn(&User) -> Result<Option<ByHandSlot>, Failure>,
) -> Result<User, Failure> {
    let prepare = async || {
        let user = find(call, actor, name).await?;
        let slot = choose(&user).await?;
        if slot.is_none() {
            refill_empty(call).await?;
        }
        let action = Action::<()>::Credentials(slot);
        let batch = users::act(&user, &action, random::salt()?, call.now);
        Ok(Deed::new(entry(&user, &action, call.now), batch, ()))
    };
    let (outcomes, ()) = recorded(call, actor, prepare).await?;
    let user = last(&outcomes)?.ok_or(Failure::NotFound("user"))?;
    bell::ring(&call.env).await;
    Ok(user)
}

/// Changes fields that no gate depends on.
pub(crate) async fn describe<T: Serialize>(
    call: &Call,
    actor: &Actor,
    name: &str,
    changes: &T,
) -> Result<User, Failure> {
    let prepare = async || {
        let user = find(call, actor, name).await?;
        Ok(Deed::new(changed(&user, changes), users::describe(user.id, changes), ()))
    };
    let (outcomes, ()) = recorded(call, actor, prepare).await?;
    last(&outcomes)?.ok_or(Failure::NotFound("user"))
}

/// Deletes a user. His history stays, and bytes that are still to be reported are credited to it.
pub(crate) async fn delete(call: &Call, actor: &Actor, name: &str) -> Result<(), Failure> {
    let prepare = async || {
        let user = find(call, actor, name).await?;
        let entry = Entry::new("user.delete", subject(&user.name)).before(facts(&user));
        Ok(Deed::new(entry, users::delete(user.id, random::salt()?, call.now), ()))
    };
    recorded(call, actor, prepare).await?;
    bell::ring(&call.env).await;
    Ok(())
}

/// Texts of a user that the audit log may show.
const PLAIN: [&str; 9] =
    ["name", "email", "note", "reset_strategy", "time_zone", "expires_at", "plan", "next_plan", "marzban"];

/// What the audit log calls a user.
pub(crate) fn subject(name: &str) -> String {
    format!("users/{name}")
}

/// What the audit log tells of a user, by the names that changes have.
fn facts(user: &User) -> Facts {
    let json = |text: Option<&str>| text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or(Value::Null);
    let next_plan = match json(user.next_values.as_deref()) {
        Value::Null => Value::from(user.next_plan.clone()),
        values => values,
    };
    Facts::new()
        .plain("id", user.id)
        .plain("name", user.name.as_str())
        .plain("email", user.email.clone())
        .plain("note", user.note.as_str())
        .plain("monthly_quota", user.monthly_quota.get())
        .plain("total_quota", user.total_quota.get())
        .plain("reset_strategy", serde_json::to_value(user.cycle.strategy).unwrap_or_default())
        .plain("reset_day", serde_json::to_value(user.cycle.day).unwrap_or_default())
        .plain("time_zone", serde_json::to_value(user.cycle.zone).unwrap_or_default())
        .plain("expires_at", user.expires_at)
        .plain("disabled_at", user.disabled_at)
        .plain("suspended_until", user.suspended_until)
        .plain("plan", user.plan.clone())
        .plain("plan_version", user.plan_version)
        .plain("next_plan", next_plan)
        .plain("marzban", json(user.marzban.as_deref()))
        .plain("speed_limit", user.speed_limit.get())
        .plain("device_limit", user.device_limit)
        .plain("stream_limit", user.stream_limit)
        .plain("address_limit", user.address_limit)
        .plain("hwid_limit", user.hwid_limit)
        .plain("delete_after_days", user.delete_after_days)
        .plain("hold", user.hold)
        .plain("hold_until", user.hold_until)
        .plain("generation", user.generation)
        .plain("credentials_by_hand", user.credentials.is_some())
        .plain("owner", user.owner)
        .plain("monthly_used", user.month.get())
        .plain("total_used", user.lifetime.get())
        .plain("period_start", user.period_start)
}

fn changed<T: Serialize>(user: &User, changes: &T) -> Entry {
    told("user.change", user, Facts::of(changes, &PLAIN))
}

/// What was so before stands there for what is changed, and for nothing else.
fn told(action: &'static str, user: &User, after: Facts) -> Entry {
    Entry::new(action, subject(&user.name)).before(facts(user).named_in(&after)).after(after)
}

fn entry<T: Serialize>(user: &User, action: &Action<'_, T>, now: Second) -> Entry {
    let after = Facts::new();
    match action {
        Action::Change(changes, _) => changed(user, changes),
        Action::Enable => {
            let opened = after.plain("disabled_at", None::<i64>);
            let suspended = user.suspended_until.is_some();
            told("user.enable", user, if suspended { opened.plain("suspended_until", None::<i64>) } else { opened })
        }
        Action::Disable => {
            told("user.disable", user, after.plain("disabled_at", user.disabled_at.unwrap_or(now.get())))
        }
        Action::Reset => {
            let start = user.period_start.max(now.get());
            told("user.reset", user, after.plain("monthly_used", 0).plain("period_start", start))
        }
        // What they are is nobody's business.
        Action::Credentials(slot) => told("user.credentials", user, after.plain("credentials_by_hand", slot.is_some())),
        Action::Revoke => told("user.revoke", user, after.plain("generation", user.generation.saturating_add(1))),
    }
}

/// The user's subscription at the address that this request was sent to.
pub(crate) fn subscription_url(user: &User, request: &Request, call: &Call) -> Result<String, Failure> {
    subscription_at(&address::origin(request), user, call)
}

/// The user's subscription below an origin.
pub(crate) fn subscription_at(origin: &str, user: &User, call: &Call) -> Result<String, Failure> {
    let number = u32::try_from(user.id).map_err(|_| Failure::Broken(format!("user number {}", user.id)))?;
    let token = Subscription { user: number, generation: user.generation }.token(&call.secret("AUTH_KEY")?);
    Ok(format!("{origin}/sub/{token}"))
}

/// The user that the last statement of a batch returns.
fn last(outcomes: &[Outcome]) -> Result<Option<User>, Failure> {
    Ok(outcomes.last().map(Outcome::rows).transpose()?.and_then(|mut rows: Vec<User>| rows.pop()))
}
