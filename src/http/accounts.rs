//! What every face does with users: finding, creating, acting on them, and waking the nodes.

use serde::Serialize;
use worker::Request;

use super::address;
use super::call::Call;
use super::failure::Failure;
use super::slots::refill;
use crate::domain::period::Period;
use crate::domain::token::Subscription;
use crate::store::d1::Outcome;
use crate::store::users::{self, Action, User};
use crate::{bell, random};

/// A user by name, without case.
pub(crate) async fn find(call: &Call, name: &str) -> Result<User, Failure> {
    call.db.first(users::by_name(name)).await?.ok_or(Failure::NotFound("user"))
}

/// Creates a user in his first period. `new` serialises as [`users::create`] wants it. He takes a slot that the nodes have
/// loaded; when none is vacant some are made.
pub(crate) async fn create<T: Serialize>(call: &Call, new: &T, name: &str, period: Period) -> Result<User, Failure> {
    let attempt = || async {
        let batch = users::create(new, name, (period.start, period.end), random::salt()?, call.now);
        last(&call.db.batch(&batch).await?)
    };
    let user = if let Some(user) = attempt().await? {
        user
    } else {
        refill(call).await?;
        attempt().await?.ok_or_else(|| Failure::Broken("no slot after a refill".into()))?
    };
    bell::ring(&call.env).await;
    Ok(user)
}

/// Does something to a user whose gate or limit may depend on it, and wakes the nodes.
pub(crate) async fn act<T: Serialize>(call: &Call, user: &User, action: &Action<'_, T>) -> Result<User, Failure> {
    let batch = users::act(user, action, random::salt()?, call.now);
    let user = last(&call.db.batch(&batch).await?)?.ok_or(Failure::NotFound("user"))?;
    bell::ring(&call.env).await;
    Ok(user)
}

/// Changes fields that no gate depends on.
pub(crate) async fn describe<T: Serialize>(call: &Call, user: &User, changes: &T) -> Result<User, Failure> {
    last(&call.db.batch(&users::describe(user.id, changes)).await?)?.ok_or(Failure::NotFound("user"))
}

/// Deletes a user. His history stays, and bytes that are still to be reported are credited to it.
pub(crate) async fn delete(call: &Call, user: &User) -> Result<(), Failure> {
    call.db.batch(&users::delete(user.id, random::salt()?, call.now)).await?;
    bell::ring(&call.env).await;
    Ok(())
}

/// The user's subscription at the address that this request was sent to.
pub(crate) fn subscription_url(user: &User, request: &Request, call: &Call) -> Result<String, Failure> {
    let number = u32::try_from(user.id).map_err(|_| Failure::Broken(format!("user number {}", user.id)))?;
    let token = Subscription { user: number, generation: user.generation }.token(&call.secret("AUTH_KEY")?);
    Ok(format!("{}/sub/{token}", address::origin(request)))
}

/// The user that the last statement of a batch returns.
fn last(outcomes: &[Outcome]) -> Result<Option<User>, Failure> {
    Ok(outcomes.last().map(Outcome::rows).transpose()?.and_then(|mut rows: Vec<User>| rows.pop()))
}
