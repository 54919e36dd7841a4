//! Whose users are whose.

use serde::Deserialize;
use worker::{Request, Response};

use super::segment;
use crate::domain::audit::{Entry, Facts};
use crate::domain::name::OperatorName;
use crate::http::accounts;
use crate::http::audit::{Deed, recorded};
use crate::http::auth::authorize;
use crate::http::body;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::store::allowances;
use crate::store::operators::{self as store, Operator};

/// The body of a handing over.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Handed {
    /// An operator's name; `null` = the panel's own.
    operator: Option<OperatorName>,
}

/// `PUT /api/v1/users/{name}/owner`
///
/// Gives a user to an operator, within his allowances, or with `null` back to the panel. 204.
pub(crate) async fn set(mut request: Request, call: &Call, name: &str) -> Result<Response, Failure> {
    let actor = authorize(&request, call, "users:own").await?;
    let Handed { operator } = body::json(&mut request).await?;
    let name = segment(name)?;
    let prepare = async || {
        let user = accounts::find(call, &actor, &name).await?;
        let found: Option<Operator> = match &operator {
            Some(operator) => call.db.first(store::by_name(operator.as_str())).await?,
            None => None,
        };
        if operator.is_some() && found.is_none() {
            return Err(Failure::invalid("operator", "the name of an operator, or null"));
        }
        let owner = found.map(|operator| operator.id);
        let entry = Entry::new("user.own", accounts::subject(&user.name))
            .before(Facts::new().plain("owner", user.owner))
            .after(Facts::new().plain("owner", owner));
        let mut batch = vec![allowances::own(&user.name, owner)];
        batch.extend(owner.into_iter().flat_map(|owner| allowances::hold(owner, call.now)));
        Ok(Deed::new(entry, batch, ()))
    };
    recorded(call, &actor, prepare).await?;
    Ok(Response::empty()?.with_status(204))
}
