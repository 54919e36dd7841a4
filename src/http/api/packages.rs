//! Packages: traffic bought on top of the quotas.

use serde::{Deserialize, Serialize};
use serde_json::json;
use weir_wire::Bytes;
use worker::{Request, Response};

use super::segment;
use super::users::find;
use crate::domain::audit::{Entry, Facts};
use crate::domain::name::{Note, OrderId};
use crate::http::accounts;
use crate::http::audit::{Deed, recorded};
use crate::http::auth::authorize;
use crate::http::body;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::store::d1::Outcome;
use crate::store::packages::{self, Package, Purchase};
use crate::store::users::User;
use crate::{bell, random};

/// The body of a purchase. `bytes` from 1.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewPackage {
    order: OrderId,
    bytes: Bytes,
    #[serde(default)]
    note: Option<Note>,
}

/// A package as the API shows it; instants in unix seconds.
#[derive(Serialize)]
struct PackageJson {
    order: String,
    bytes: Bytes,
    note: String,
    entered_by: String,
    bought_at: i64,
    refunded_at: Option<i64>,
    refunded_bytes: Option<Bytes>,
}

impl From<Package> for PackageJson {
    fn from(package: Package) -> Self {
        Self {
            order: package.order_id,
            bytes: package.bytes,
            note: package.note,
            entered_by: package.entered_by,
            bought_at: package.bought_at,
            refunded_at: package.refunded_at,
            refunded_bytes: package.refunded_bytes,
        }
    }
}

/// `GET /api/v1/users/{name}/packages`
///
/// The newest first, 100 at most.
pub(crate) async fn list(request: &Request, call: &Call, name: &str) -> Result<Response, Failure> {
    authorize(request, call, "users:read").await?;
    let user = find(call, name).await?;
    let packages: Vec<Package> = call.db.all(packages::of_user(user.id)).await?;
    let items: Vec<PackageJson> = packages.into_iter().map(PackageJson::from).collect();
    Ok(Response::from_json(&json!({ "total": items.len(), "items": items, "next": null }))?)
}

/// `POST /api/v1/users/{name}/packages`
///
/// 201 with the package; 200 with it when this very purchase was entered before, so a shop may repeat it; 409 when the
/// order was entered with other contents. A user whom a quota closed is opened.
pub(crate) async fn buy(mut request: Request, call: &Call, name: &str) -> Result<Response, Failure> {
    let actor = authorize(&request, call, "users:write").await?;
    let new: NewPackage = body::json(&mut request).await?;
    if new.bytes.is_zero() {
        return Err(Failure::invalid("bytes", "an integer from 1 to 9007199254740991"));
    }
    let name = segment(name)?;
    let prepare = async || {
        let user = accounts::find(call, &name).await?;
        let (order, note) = (new.order.as_str(), new.note.as_ref().map_or("", Note::as_str));
        if let Some(entered) = call.db.first::<Package>(packages::by_order(order)).await? {
            return same_purchase(entered, &user, new.bytes).map(|package| Deed::nothing(Some(package)));
        }
        let facts = Facts::new().plain("order", order).plain("bytes", new.bytes.get()).plain("note", note);
        let purchase = Purchase { user: user.id, order, bytes: new.bytes, note, by: &actor.name };
        let batch = packages::buy(&purchase, random::salt()?, call.now);
        Ok(Deed::new(Entry::new("package.buy", accounts::subject(&user.name)).after(facts), batch, None))
    };
    let (outcomes, entered) = recorded(call, &actor, prepare).await?;
    if let Some(package) = entered {
        return Ok(Response::from_json(&PackageJson::from(package))?);
    }
    bell::ring(&call.env).await;
    Ok(Response::from_json(&PackageJson::from(only(outcomes.last())?))?.with_status(201))
}

/// A purchase that was entered before, if it is the same one.
fn same_purchase(entered: Package, user: &User, bytes: Bytes) -> Result<Package, Failure> {
    if (entered.user, entered.bytes) == (user.id, bytes) {
        return Ok(entered);
    }
    let message = format!("order {} was entered with another user or other bytes", entered.order_id);
    Err(Failure::Conflict { code: "order_differs", message })
}

/// `POST /api/v1/users/{name}/packages/{order}/refund`
///
/// The package, with what was left of it to take back.
pub(crate) async fn refund(request: &Request, call: &Call, name: &str, order: &str) -> Result<Response, Failure> {
    let actor = authorize(request, call, "users:write").await?;
    let (name, order) = (segment(name)?, segment(order)?);
    let prepare = async || {
        let user = accounts::find(call, &name).await?;
        let found: Option<Package> = call.db.first(packages::by_order(&order)).await?;
        let package = found.filter(|package| package.user == user.id).ok_or(Failure::NotFound("package"))?;
        if package.refunded_at.is_some() {
            return Ok(Deed::nothing(Some(package)));
        }
        let facts = Facts::new().plain("order", order.as_str()).plain("bytes", package.bytes.get());
        let entry = Entry::new("package.refund", accounts::subject(&user.name)).before(facts);
        let batch = packages::refund(user.id, &package.order_id, random::salt()?, call.now);
        Ok(Deed::new(entry, batch, None))
    };
    let (outcomes, refunded) = recorded(call, &actor, prepare).await?;
    if let Some(package) = refunded {
        return Ok(Response::from_json(&PackageJson::from(package))?);
    }
    bell::ring(&call.env).await;
    Ok(Response::from_json(&PackageJson::from(only(outcomes.get(4))?))?)
}

fn only(outcome: Option<&Outcome>) -> Result<Package, Failure> {
    let package = outcome.map(Outcome::rows).transpose()?.and_then(|mut rows: Vec<Package>| rows.pop());
    package.ok_or_else(|| Failure::Broken("a package that was written is not there".into()))
}
