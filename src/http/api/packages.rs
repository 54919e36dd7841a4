//! Packages: traffic bought on top of the quotas.

use serde::{Deserialize, Serialize};
use serde_json::json;
use weir_wire::{Bytes, Second};
use worker::{Request, Response};

use super::segment;
use super::users::find;
use crate::domain::audit::{Entry, Facts};
use crate::domain::bonus;
use crate::domain::name::{Note, OrderId, Price};
use crate::http::accounts;
use crate::http::audit::{Deed, recorded};
use crate::http::auth::authorize_for_users;
use crate::http::body;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::store::d1::Outcome;
use crate::store::packages::{self, BOUGHT, OpenRow, Package, Purchase, REFUNDED};
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
    #[serde(default)]
    price: Option<Price>,
    /// When what is left of it ends, in unix seconds; never without it.
    #[serde(default)]
    expires_at: Option<Second>,
}

/// A package as the API shows it; instants in unix seconds.
#[derive(Serialize)]
pub(super) struct PackageJson {
    order: String,
    bytes: Bytes,
    /// Bytes that are still to be used.
    left: Bytes,
    /// Bytes that were used.
    used: Bytes,
    note: String,
    price: String,
    entered_by: String,
    bought_at: i64,
    expires_at: Option<i64>,
    /// When a job took what was left of it, and how much that was.
    expired_at: Option<i64>,
    expired_bytes: Option<Bytes>,
    refunded_at: Option<i64>,
    refunded_bytes: Option<Bytes>,
}

/// As it stands directly after the user's packages were settled.
impl From<Package> for PackageJson {
    fn from(package: Package) -> Self {
        Self {
            order: package.order_id,
            bytes: package.bytes,
            left: package.remaining,
            used: [Some(package.remaining), package.refunded_bytes, package.expired_bytes]
                .into_iter()
                .flatten()
                .fold(package.bytes, Bytes::minus),
            note: package.note,
            price: package.price,
            entered_by: package.entered_by,
            bought_at: package.bought_at,
            expires_at: package.expires_at,
            expired_at: package.expired_at,
            expired_bytes: package.expired_bytes,
            refunded_at: package.refunded_at,
            refunded_bytes: package.refunded_bytes,
        }
    }
}

/// `GET /api/v1/users/{name}/packages`
///
/// The newest first, 100 at most. Rows read: 3 for the user, and 2 per package of his.
pub(crate) async fn list(request: &Request, call: &Call, name: &str) -> Result<Response, Failure> {
    let actor = authorize_for_users(request, call, "users:read").await?;
    let user = find(call, &actor, name).await?;
    let outcomes = call.db.batch(&[packages::of_user(user.id), packages::open(user.id)]).await?;
    let [found, open] = outcomes.as_slice() else { return Err(Failure::Broken("a batch of two gave other".into())) };
    let items: Vec<PackageJson> = as_of_now(found, open)?.0.into_iter().map(PackageJson::from).collect();
    Ok(Response::from_json(&json!({ "total": items.len(), "items": items, "next": null }))?)
}

/// The packages that [`packages::of_user`] gave, with what is left of each now by what [`packages::open`] gave in the same batch; and
/// what is left of all that the user has.
pub(super) fn as_of_now(found: &Outcome, open: &Outcome) -> Result<(Vec<Package>, Bytes), Failure> {
    let OpenRow { bonus_left, open } =
        open.rows()?.pop().ok_or_else(|| Failure::Broken("a user without usage".into()))?;
    let open: Vec<bonus::Open> =
        serde_json::from_str(&open).map_err(|error| Failure::Broken(format!("packages: {error}")))?;
    let left = bonus::left(&open, bonus_left);
    let mut packages: Vec<Package> = found.rows()?;
    for package in &mut packages {
        package.remaining = left.get(&package.id).copied().unwrap_or_default();
    }
    Ok((packages, left.into_values().sum()))
}

/// `POST /api/v1/users/{name}/packages`
///
/// 201 with the package; 200 with it when this very purchase was entered before, so a shop may repeat it; 409 when the
/// order was entered with other contents. A user whom a quota closed is opened.
pub(crate) async fn buy(mut request: Request, call: &Call, name: &str) -> Result<Response, Failure> {
    let actor = authorize_for_users(&request, call, "users:write").await?;
    let new: NewPackage = body::json(&mut request).await?;
    if new.bytes.is_zero() {
        return Err(Failure::invalid("bytes", "an integer from 1 to 9007199254740991"));
    }
    let name = segment(name)?;
    let prepare = async || {
        let user = accounts::find(call, &actor, &name).await?;
        let order = new.order.as_str();
        if let Some(entered) = call.db.first::<Package>(packages::by_order(order)).await? {
            return same_purchase(&entered, &user, &new).map(|()| Deed::nothing(Some(entered)));
        }
        // Only of a new one: a purchase that is repeated after its end is answered as it was.
        if new.expires_at.is_some_and(|at| at <= call.now) {
            return Err(Failure::invalid("expires_at", "an instant to come, in unix seconds"));
        }
        let purchase = new.purchase(user.id, &actor.name);
        let facts = Facts::new().plain("order", order).plain("bytes", new.bytes.get()).plain("note", purchase.note);
        let facts = facts.plain("price", purchase.price).plain("expires_at", new.expires_at.map(Second::get));
        let mut batch = packages::buy(&purchase, random::salt()?, call.now);
        batch.extend(accounts::allowance(&actor, call.now));
        Ok(Deed::new(Entry::new("package.buy", accounts::subject(&user.name)).after(facts), batch, None))
    };
    let (outcomes, entered) = recorded(call, &actor, prepare).await?;
    if let Some(package) = entered {
        let outcomes = call.db.batch(&[packages::by_order(&package.order_id), packages::open(package.user)]).await?;
        let [found, open] = outcomes.as_slice() else {
            return Err(Failure::Broken("a batch of two gave other".into()));
        };
        let package = as_of_now(found, open)?.0.pop().ok_or(Failure::NotFound("package"))?;
        return Ok(Response::from_json(&PackageJson::from(package))?);
    }
    bell::ring(&call.env).await;
    Ok(Response::from_json(&PackageJson::from(only(outcomes.get(BOUGHT))?))?.with_status(201))
}

impl NewPackage {
    fn purchase<'a>(&'a self, user: i64, by: &'a str) -> Purchase<'a> {
        Purchase {
            user,
            order: self.order.as_str(),
            bytes: self.bytes,
            note: self.note.as_ref().map_or("", Note::as_str),
            price: self.price.as_ref().map_or("", Price::as_str),
            by,
            expires_at: self.expires_at,
        }
    }
}

/// Whether a purchase that was entered before is the same one.
fn same_purchase(entered: &Package, user: &User, new: &NewPackage) -> Result<(), Failure> {
    let expires_at = new.expires_at.map(Second::get);
    if (entered.user, entered.bytes, entered.expires_at) == (user.id, new.bytes, expires_at) {
        return Ok(());
    }
    let message = format!("order {} was entered with another user, other bytes or another end", entered.order_id);
    Err(Failure::Conflict { code: "order_differs", message })
}

/// `POST /api/v1/users/{name}/packages/{order}/refund`
///
/// The package, with what was left of it to take back.
pub(crate) async fn refund(request: &Request, call: &Call, name: &str, order: &str) -> Result<Response, Failure> {
    let actor = authorize_for_users(request, call, "users:write").await?;
    let (name, order) = (segment(name)?, segment(order)?);
    let prepare = async || {
        let user = accounts::find(call, &actor, &name).await?;
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
    Ok(Response::from_json(&PackageJson::from(only(outcomes.get(REFUNDED))?))?)
}

fn only(outcome: Option<&Outcome>) -> Result<Package, Failure> {
    let package = outcome.map(Outcome::rows).transpose()?.and_then(|mut rows: Vec<Package>| rows.pop());
    package.ok_or_else(|| Failure::Broken("a package that was written is not there".into()))
}
