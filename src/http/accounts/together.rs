//! What is done to users in one batch that is more than one action: several things to one, what is queued, another owner, many at once.

use serde::Serialize;
use weir_wire::Second;

use super::{allowance, begins_sooner, entry, find, hold_to_allowance, last, subject, told};
use crate::domain::audit::{Actor, Entry, Facts};
use crate::http::audit::{Deed, recorded};
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::store::d1::Outcome;
use crate::store::due::{self, Due};
use crate::store::marzban_list::{self, Gone};
use crate::store::operators::{self, Operator};
use crate::store::slots::ByHandSlot;
use crate::store::users::{self, Action, User};
use crate::store::{allowances, plans, sweep};
use crate::{bell, random};

/// What is done to one user together.
pub(crate) struct Together<T> {
    /// Fields to change, as [`Action::Change`] has them.
    pub(crate) change: T,
    /// The period's new end, if the cycle moves.
    pub(crate) period_end: Option<Second>,
    /// Other credentials that were set by hand, if he gets any.
    pub(crate) slot: Option<ByHandSlot>,
    /// Whether a new period begins now as well.
    pub(crate) resets: bool,
}

/// Changes fields of a user and his credentials in one batch, and wakes the nodes. `choose` decides what, by how he stands.
pub(crate) async fn change_together<T: Serialize>(
    call: &Call,
    actor: &Actor,
    name: &str,
    choose: impl AsyncFn(&User) -> Result<Together<T>, Failure>,
) -> Result<User, Failure> {
    let prepare = async || {
        let user = find(call, actor, name).await?;
        let Together { change, period_end, slot, resets } = choose(&user).await?;
        let by_hand = slot.is_some();
        let (change, credentials) = (Action::Change(&change, period_end), Action::Credentials(slot));
        let mut entry = entry(&user, &change, call.now);
        let mut actions = vec![&change];
        if resets {
            let start = user.period_start.max(call.now.get());
            let after = entry.after.unwrap_or_default().plain("monthly_used", 0).plain("period_start", start);
            entry = told("user.reset", &user, after);
            actions.push(&Action::Reset);
        }
        if by_hand {
            entry.after = entry.after.map(|after| after.plain("credentials_by_hand", true));
            actions.push(&credentials);
        }
        let mut batch = users::act_together(&user, &actions, random::salt()?, call.now);
        if let Some(operator) = actor.only
            && (resets || begins_sooner(&user, &change, call.now))
        {
            batch.insert(0, allowances::no_new_period(operator));
        }
        hold_to_allowance(actor, &mut batch, call.now);
        Ok(Deed::new(entry, batch, ()))
    };
    let (outcomes, ()) = recorded(call, actor, prepare).await?;
    let user = last(&outcomes)?.ok_or(Failure::NotFound("user"))?;
    bell::ring(&call.env).await;
    Ok(user)
}

/// Begins what is queued for a user before its time. Nothing is begun if a report came in between.
pub(crate) async fn begin_next(call: &Call, actor: &Actor, name: &str) -> Result<(), Failure> {
    const NONE: Failure = Failure::NotFound("User doesn't have next plan");
    let prepare = async || {
        let user = find(call, actor, name).await?;
        let due: Due = call.db.first(due::of_user(user.id)).await?.ok_or(Failure::NotFound("user"))?;
        if due.next_plan.is_none() {
            return Err(NONE);
        }
        let plans = if due.next_values.is_none() { call.db.all(plans::all()).await? } else { Vec::new() };
        let mut batch = sweep::begin_early(&due, &plans, random::salt()?, call.now).ok_or(NONE)?;
        if let Some(operator) = actor.only {
            batch.insert(0, allowances::no_new_period(operator));
        }
        batch.extend(allowance(actor, call.now));
        let after = Facts::new().plain("next_plan", None::<String>).plain("monthly_used", 0);
        Ok(Deed::new(told("user.reset", &user, after), batch, ()))
    };
    recorded(call, actor, prepare).await?;
    bell::ring(&call.env).await;
    Ok(())
}

/// Gives a user to the operator of a name, within his allowances, or with none back to the panel.
pub(crate) async fn hand_over(call: &Call, actor: &Actor, name: &str, operator: Option<&str>) -> Result<(), Failure> {
    let prepare = async || {
        let user = find(call, actor, name).await?;
        let owner = match operator {
            Some(operator) => {
                let found: Option<Operator> = call.db.first(operators::by_name(operator)).await?;
                Some(found.ok_or(Failure::NotFound("operator"))?.id)
            }
            None => None,
        };
        let entry = Entry::new("user.own", subject(&user.name))
            .before(Facts::new().plain("owner", user.owner))
            .after(Facts::new().plain("owner", owner));
        let mut batch = vec![allowances::own(&user.name, owner)];
        batch.extend(owner.into_iter().flat_map(|owner| allowances::hold(owner, call.now)));
        Ok(Deed::new(entry, batch, ()))
    };
    recorded(call, actor, prepare).await?;
    Ok(())
}

/// Deletes the users whom `choose` finds, as [`super::delete`] does each, in one batch and one entry; the names of those who are deleted now:
/// whoever is changed in between stays.
pub(crate) async fn delete_many(
    call: &Call,
    actor: &Actor,
    choose: impl AsyncFn() -> Result<Vec<User>, Failure>,
) -> Result<Vec<String>, Failure> {
    let prepare = async || {
        let chosen = choose().await?;
        if chosen.is_empty() {
            return Ok(Deed::nothing(()));
        }
        let names: Vec<String> = chosen.iter().map(|user| user.name.clone()).collect();
        let read: Vec<(i64, i64)> = chosen.iter().map(|user| (user.id, user.revision)).collect();
        let entry = Entry::new("user.delete", "users").before(Facts::new().plain("names", names));
        let mut batch = users::delete_read(&read, random::salt()?, call.now);
        batch.push(marzban_list::deleted(&read, call.now));
        Ok(Deed::new(entry, batch, ()))
    };
    let (outcomes, ()) = recorded(call, actor, prepare).await?;
    let gone: Vec<Gone> = outcomes.last().map(Outcome::rows).transpose()?.unwrap_or_default();
    if !gone.is_empty() {
        bell::ring(&call.env).await;
    }
    Ok(gone.into_iter().map(|gone| gone.name).collect())
}
