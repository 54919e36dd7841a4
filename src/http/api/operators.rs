//! Operators.

use serde::{Deserialize, Serialize};
use serde_json::json;
use weir_wire::Bytes;
use worker::{Request, Response};

use super::segment;
use crate::domain::audit::{Actor, Entry, Facts};
use crate::domain::name::OperatorName;
use crate::domain::role::Role;
use crate::http::audit::{Deed, recorded};
use crate::http::auth::authorize;
use crate::http::body::{self, given};
use crate::http::call::{Call, sha256_hex};
use crate::http::failure::Failure;
use crate::random;
use crate::route::Operators;
use crate::store::operators::{self as store, Fields, HandedOut, Operator};
use crate::store::{Statement, passkeys, sessions};

const READ: &str = "operators:read";
const WRITE: &str = "operators:write";

/// Answers a request about operators.
pub(crate) async fn answer(request: Request, call: &Call, route: Operators<'_>) -> Result<Response, Failure> {
    match route {
        Operators::List => list(&request, call).await,
        Operators::Create => create(request, call).await,
        Operators::Get(name) => get(&request, call, name).await,
        Operators::Change(name) => change(request, call, name).await,
        Operators::Delete(name) => delete(&request, call, name).await,
        Operators::Enable(name) => shut(&request, call, name, false).await,
        Operators::Disable(name) => shut(&request, call, name, true).await,
        Operators::ResetPassword(name) => reset_password(&request, call, name).await,
        Operators::ForgetTwoFactor(name) => forget_two_factor(&request, call, name).await,
    }
}

/// An operator as the API shows him; instants in unix seconds.
#[derive(Serialize)]
pub(super) struct OperatorJson {
    id: i64,
    name: String,
    role: Role,
    created_at: i64,
    disabled_at: Option<i64>,
    /// Of a reseller: users at most, `null` = any number.
    user_allowance: Option<u32>,
    /// Of a reseller: bytes at most that his users may use in a month, `null` = any number.
    byte_allowance: Option<Bytes>,
    /// Since when the second factor is asked for.
    two_factor_since: Option<i64>,
    recovery_codes: u32,
    /// When he signed in last.
    signed_in_at: Option<i64>,
}

impl From<Operator> for OperatorJson {
    fn from(operator: Operator) -> Self {
        Self {
            id: operator.id,
            name: operator.name,
            role: operator.role,
            created_at: operator.created_at,
            disabled_at: operator.disabled_at,
            user_allowance: operator.user_allowance,
            byte_allowance: operator.byte_allowance,
            two_factor_since: operator.totp_since,
            recovery_codes: operator.recovery_codes,
            signed_in_at: operator.signed_in_at,
        }
    }
}

/// An operator with what he has handed out to users of his own.
pub(super) async fn whole(call: &Call, operator: Operator) -> Result<serde_json::Value, Failure> {
    let handed: Option<HandedOut> = call.db.first(store::handed_out(operator.id, call.now)).await?;
    let mut shown = serde_json::to_value(OperatorJson::from(operator))
        .map_err(|error| Failure::Broken(format!("operator: {error}")))?;
    if let Some(shown) = shown.as_object_mut() {
        shown.insert("handed_out".into(), json!(handed));
    }
    Ok(shown)
}

async fn find(call: &Call, name: &str) -> Result<Operator, Failure> {
    call.db.first(store::by_name(&segment(name)?)).await?.ok_or(Failure::NotFound("operator"))
}

pub(super) fn subject(operator: &Operator) -> String {
    format!("operators/{}", operator.name)
}

/// A password is generated, never chosen: 128 random bits.
pub(super) fn password() -> Result<String, Failure> {
    Ok(hex::encode(random::bytes::<16>()?))
}

/// `GET /api/v1/operators`
async fn list(request: &Request, call: &Call) -> Result<Response, Failure> {
    authorize(request, call, READ).await?;
    let all: Vec<Operator> = call.db.all(store::all()).await?;
    let items: Vec<OperatorJson> = all.into_iter().map(OperatorJson::from).collect();
    Ok(Response::from_json(&json!({ "total": items.len(), "items": items, "next": null }))?)
}

/// `GET /api/v1/operators/{name}`
///
/// With what he has handed out. Rows read: 2 per user of his.
async fn get(request: &Request, call: &Call, name: &str) -> Result<Response, Failure> {
    authorize(request, call, READ).await?;
    let operator = find(call, name).await?;
    Ok(Response::from_json(&whole(call, operator).await?)?)
}

/// The body of a creation.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewOperator {
    name: OperatorName,
    role: Role,
    #[serde(default)]
    user_allowance: Option<u32>,
    #[serde(default)]
    byte_allowance: Option<Bytes>,
}

/// The body of a change: what it lacks stays, `null` ends an allowance.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::option_option, reason = "missing, null and a value are three different things here")]
struct OperatorChange {
    #[serde(default, deserialize_with = "body::value")]
    role: Option<Role>,
    #[serde(default, deserialize_with = "given")]
    user_allowance: Option<Option<u32>>,
    #[serde(default, deserialize_with = "given")]
    byte_allowance: Option<Option<Bytes>>,
}

/// Only resellers have allowances: one that binds nobody would be taken for one that does.
fn checked(fields: Fields) -> Result<Fields, Failure> {
    let field = match fields {
        Fields { role: Role::Reseller, .. } => return Ok(fields),
        Fields { user_allowance: Some(_), .. } => "user_allowance",
        Fields { byte_allowance: Some(_), .. } => "byte_allowance",
        _ => return Ok(fields),
    };
    Err(Failure::invalid(field, "null, unless the role is reseller"))
}

fn facts(fields: &Fields) -> Facts {
    Facts::new()
        .plain("role", fields.role.name())
        .plain("user_allowance", fields.user_allowance)
        .plain("byte_allowance", fields.byte_allowance.map(Bytes::get))
}

/// `POST /api/v1/operators`
///
/// 201 with the operator and his generated `password`, which is shown once.
async fn create(mut request: Request, call: &Call) -> Result<Response, Failure> {
    let actor = authorize(&request, call, WRITE).await?;
    let NewOperator { name, role, user_allowance, byte_allowance } = body::json(&mut request).await?;
    let fields = checked(Fields { role, user_allowance, byte_allowance })?;
    let password = password()?;
    let prepare = async || {
        let entry = Entry::new("operator.create", format!("operators/{name}")).after(facts(&fields));
        let batch =
            [store::create(name.as_str(), &sha256_hex(&password), &fields, call.now), store::by_name(name.as_str())];
        Ok(Deed::new(entry, batch, ()))
    };
    let (outcomes, ()) = recorded(call, &actor, prepare).await?;
    let created = outcomes.last().map(crate::store::d1::Outcome::rows::<Operator>).transpose()?;
    let created = created.and_then(|mut rows| rows.pop()).ok_or_else(|| Failure::Broken("no operator".into()))?;
    let mut shown = whole(call, created).await?;
    if let Some(shown) = shown.as_object_mut() {
        shown.insert("password".into(), json!(password));
    }
    let mut response = Response::from_json(&shown)?.with_status(201);
    response.headers_mut().set("location", &format!("/api/v1/operators/{name}"))?;
    Ok(response)
}

/// Does something to an operator, and records it.
async fn act(
    call: &Call,
    actor: &Actor,
    name: &str,
    choose: impl Fn(&Operator) -> Result<(Entry, Vec<Statement>), Failure>,
) -> Result<Operator, Failure> {
    let prepare = async || {
        let operator = find(call, name).await?;
        let (entry, batch) = choose(&operator)?;
        Ok(Deed::new(entry, batch, operator))
    };
    Ok(recorded(call, actor, prepare).await?.1)
}

/// The same, and answers how he stands then.
async fn act_and_show(
    call: &Call,
    actor: &Actor,
    name: &str,
    choose: impl Fn(&Operator) -> Result<(Entry, Vec<Statement>), Failure>,
) -> Result<Response, Failure> {
    let operator = act(call, actor, name, choose).await?;
    let found: Option<Operator> = call.db.first(store::by_id(operator.id)).await?;
    Ok(Response::from_json(&whole(call, found.ok_or(Failure::NotFound("operator"))?).await?)?)
}

/// `PATCH /api/v1/operators/{name}`
///
/// Whoever is no reseller any more has no allowances. The last owner stays one.
async fn change(mut request: Request, call: &Call, name: &str) -> Result<Response, Failure> {
    let actor = authorize(&request, call, WRITE).await?;
    let change: OperatorChange = body::json(&mut request).await?;
    let choose = |operator: &Operator| {
        let role = change.role.unwrap_or(operator.role);
        let stays = role == Role::Reseller;
        let fields = checked(Fields {
            role,
            user_allowance: change.user_allowance.unwrap_or(operator.user_allowance.filter(|_| stays)),
            byte_allowance: change.byte_allowance.unwrap_or(operator.byte_allowance.filter(|_| stays)),
        })?;
        let before = facts(&Fields {
            role: operator.role,
            user_allowance: operator.user_allowance,
            byte_allowance: operator.byte_allowance,
        });
        let entry = Entry::new("operator.change", subject(operator)).before(before).after(facts(&fields));
        Ok((entry, vec![store::change(operator.id, &fields)]))
    };
    act_and_show(call, &actor, name, choose).await
}

/// `POST /api/v1/operators/{name}/enable` and `/disable`
///
/// A disabled operator's sessions end. His users stay as they are. The last owner cannot be disabled.
async fn shut(request: &Request, call: &Call, name: &str, out: bool) -> Result<Response, Failure> {
    let actor = authorize(request, call, WRITE).await?;
    let choose = |operator: &Operator| {
        let at = out.then_some(call.now);
        let facts = |at: Option<i64>| Facts::new().plain("disabled_at", at);
        let entry = Entry::new(if out { "operator.disable" } else { "operator.enable" }, subject(operator));
        let entry = entry.before(facts(operator.disabled_at)).after(facts(at.map(weir_wire::Second::get)));
        let mut batch = vec![store::disable(operator.id, at)];
        batch.extend(out.then(|| sessions::end_all(operator.id)));
        Ok((entry, batch))
    };
    act_and_show(call, &actor, name, choose).await
}

/// `DELETE /api/v1/operators/{name}`
///
/// 204. His users become the panel's own. The last owner cannot be deleted.
async fn delete(request: &Request, call: &Call, name: &str) -> Result<Response, Failure> {
    let actor = authorize(request, call, WRITE).await?;
    let choose = |operator: &Operator| {
        let before = Facts::new().plain("role", operator.role.name());
        Ok((Entry::new("operator.delete", subject(operator)).before(before), store::delete(operator.id)))
    };
    act(call, &actor, name, choose).await?;
    Ok(Response::empty()?.with_status(204))
}

/// `POST /api/v1/operators/{name}/reset-password`
///
/// Answers his new generated `password`, which is shown once. His sessions and passkeys end: he has lost what lets him in, or
/// somebody else has found it.
async fn reset_password(request: &Request, call: &Call, name: &str) -> Result<Response, Failure> {
    let actor = authorize(request, call, WRITE).await?;
    let password = password()?;
    let choose = |operator: &Operator| {
        let batch = vec![
            store::set_password(operator.id, &sha256_hex(&password)),
            sessions::end_all(operator.id),
            passkeys::remove_all(operator.id),
        ];
        Ok((Entry::new("operator.password", subject(operator)), batch))
    };
    let operator = act(call, &actor, name, choose).await?;
    Ok(Response::from_json(&json!({ "name": operator.name, "password": password }))?)
}

/// `DELETE /api/v1/operators/{name}/two-factor`
///
/// 204. For somebody who has lost his second factor and his recovery codes.
async fn forget_two_factor(request: &Request, call: &Call, name: &str) -> Result<Response, Failure> {
    let actor = authorize(request, call, WRITE).await?;
    let choose = |operator: &Operator| {
        let batch = vec![store::enrol(operator.id, None), store::forget_codes(operator.id)];
        Ok((Entry::new("operator.two_factor_end", subject(operator)), batch))
    };
    act(call, &actor, name, choose).await?;
    Ok(Response::empty()?.with_status(204))
}
