//! Admins: operators, in Marzban's words. Sudo are owners and admins, everybody else is a plain admin.

use serde::Deserialize;
use serde_json::{Value, json};
use worker::{Request, Response};

use super::admin_json::{AdminJson, is_sudo};
use super::query::{name as decoded, page};
use crate::domain::audit::{Actor, ActorKind, Entry, Facts, Secret};
use crate::domain::name::OperatorName;
use crate::domain::password;
use crate::domain::role::Role;
use crate::http::address::parameter;
use crate::http::audit::{Deed, recorded};
use crate::http::auth::{authorize, authorize_for_users};
use crate::http::body;
use crate::http::bulk;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::random;
use crate::route::Admins;
use crate::store::admins::{self as store, Admin};
use crate::store::bulk::Selection;
use crate::store::operators::{self, Fields};
use crate::store::user_list::Query;
use crate::store::{passkeys, sessions};

const NONE: Failure = Failure::NotFound("admin");
/// Characters of a webhook at most.
const LONGEST_WEBHOOK: usize = 1_024;

/// Answers what is asked of admins.
pub(super) async fn answer(request: Request, call: &Call, route: Admins<'_>) -> Result<Response, Failure> {
    match route {
        Admins::Own => own(&request, call).await,
        Admins::Create => create(request, call).await,
        Admins::Change(name) => change(request, call, name).await,
        Admins::Delete(name) => delete(&request, call, name).await,
        Admins::List => list(&request, call).await,
        Admins::DisableUsers(name) => with_users(&request, call, name, "disable").await,
        Admins::ActivateUsers(name) => with_users(&request, call, name, "enable").await,
        Admins::ResetUsage(name) => reset_usage(&request, call, name).await,
        Admins::Usage(name) => usage(&request, call, name).await,
    }
}

async fn find(call: &Call, name: &str) -> Result<Admin, Failure> {
    call.db.first(store::by_name(name)).await?.ok_or(NONE)
}

fn shown(admin: Admin) -> Result<Response, Failure> {
    Ok(Response::from_json(&AdminJson::from(admin))?)
}

/// `GET /api/admin`
///
/// Whoever calls. An API key is nobody's: it is shown by its own name, as one who may do what its scopes say.
/// Rows read: 3, and 2 per user of his.
async fn own(request: &Request, call: &Call) -> Result<Response, Failure> {
    let actor = authorize_for_users(request, call, "users:read").await?;
    if actor.kind == ActorKind::Operator {
        return shown(find(call, &actor.name).await?);
    }
    let key =
        AdminJson { username: actor.name, is_sudo: true, telegram_id: None, discord_webhook: None, users_usage: None };
    Ok(Response::from_json(&key)?)
}

/// `GET /api/admins`
///
/// Query: `offset`, `limit`, `username` (a part of the name, without case). Rows read: 1 per operator, and 2 per user of those shown.
async fn list(request: &Request, call: &Call) -> Result<Response, Failure> {
    authorize(request, call, "operators:read").await?;
    let (offset, limit) = page(request)?;
    let part = parameter(request, "username").unwrap_or_default();
    let admins: Vec<Admin> = call.db.all(store::list(&part, limit, offset)).await?;
    Ok(Response::from_json(&admins.into_iter().map(AdminJson::from).collect::<Vec<_>>())?)
}

/// The body of a creation.
#[derive(Deserialize)]
struct NewAdmin {
    username: OperatorName,
    password: String,
    is_sudo: bool,
    #[serde(default)]
    telegram_id: Option<i64>,
    #[serde(default)]
    discord_webhook: Option<String>,
}

/// The body of a change: what it lacks, and what is `null`, stays.
#[derive(Deserialize)]
struct AdminChange {
    is_sudo: bool,
    #[serde(default)]
    password: Option<String>,
    #[serde(default)]
    telegram_id: Option<i64>,
    #[serde(default)]
    discord_webhook: Option<String>,
}

/// What is said of him beside, if it may be said.
fn checked(telegram_id: Option<i64>, webhook: Option<String>) -> Result<(Option<i64>, Option<String>), Failure> {
    if telegram_id.is_some_and(|id| id.unsigned_abs() >= 1 << 53) {
        return Err(Failure::invalid("telegram_id", "an integer between -2^53 and 2^53"));
    }
    let webhook = webhook.filter(|webhook| !webhook.is_empty());
    if webhook.as_ref().is_some_and(|webhook| !webhook.starts_with("https://discord.com")) {
        let rule = "Value error, Discord webhook must start with 'https://discord.com'";
        return Err(Failure::invalid("discord_webhook", rule));
    }
    if webhook.as_ref().is_some_and(|webhook| webhook.chars().count() > LONGEST_WEBHOOK) {
        return Err(Failure::invalid("discord_webhook", format!("at most {LONGEST_WEBHOOK} characters")));
    }
    Ok((telegram_id, webhook))
}

/// A chosen password as it is stored.
fn kept(call: &Call, chosen: &str) -> Result<String, Failure> {
    match password::breaks(chosen) {
        Some(rule) => Err(Failure::invalid("password", rule)),
        None => Ok(password::kept(&call.secret("AUTH_KEY")?, random::bytes()?, chosen)),
    }
}

fn facts(role: Role, telegram_id: Option<i64>, discord_webhook: Option<&str>) -> Facts {
    let facts = Facts::new().plain("role", role.name()).plain("telegram_id", telegram_id);
    match discord_webhook {
        // Whoever has it can write there.
        Some(webhook) => facts.hidden("discord_webhook", Secret::new(webhook)),
        None => facts.plain("discord_webhook", Value::Null),
    }
}

/// `POST /api/admin`
///
/// A plain admin is a reseller without allowances. The password is chosen by the caller: `domain/password.rs` says how it is stored.
async fn create(mut request: Request, call: &Call) -> Result<Response, Failure> {
    let actor = authorize(&request, call, "operators:write").await?;
    let new: NewAdmin = body::json(&mut request).await?;
    let (telegram_id, webhook) = checked(new.telegram_id, new.discord_webhook)?;
    let stored = kept(call, &new.password)?;
    let role = if new.is_sudo { Role::Admin } else { Role::Reseller };
    let fields = Fields { role, user_allowance: None, byte_allowance: None };
    let name = new.username.as_str();
    let prepare = async || {
        let there: Option<Admin> = call.db.first(store::by_name(name)).await?;
        if there.is_some() {
            return Err(Failure::Conflict { code: "taken", message: "Admin already exists".into() });
        }
        let entry = Entry::new("operator.create", format!("operators/{name}"));
        let batch = [
            operators::create(name, &stored, &fields, call.now),
            store::describe(name, telegram_id, webhook.as_deref()),
        ];
        Ok(Deed::new(entry.after(facts(role, telegram_id, webhook.as_deref())), batch, ()))
    };
    recorded(call, &actor, prepare).await?;
    shown(find(call, name).await?)
}

fn is_himself(actor: &Actor, admin: &Admin) -> bool {
    actor.kind == ActorKind::Operator && actor.name.eq_ignore_ascii_case(&admin.name)
}

/// `PUT /api/admin/{username}`
///
/// `is_sudo: true` makes an admin of him, `false` changes nothing: who is sudo stays it. A new password ends all his sessions and
/// passkeys.
async fn change(mut request: Request, call: &Call, name: &str) -> Result<Response, Failure> {
    let actor = authorize(&request, call, "operators:write").await?;
    let name = decoded(name)?;
    let change: AdminChange = body::json(&mut request).await?;
    let (telegram_id, webhook) = checked(change.telegram_id, change.discord_webhook)?;
    let stored = change.password.as_deref().map(|chosen| kept(call, chosen)).transpose()?;
    let prepare = async || {
        let admin = find(call, &name).await?;
        if is_sudo(admin.role) && !is_himself(&actor, &admin) {
            return Err(Failure::Denied(
                "You're not allowed to edit another sudoer's account. Use marzban-cli instead.",
            ));
        }
        let role = if change.is_sudo && !is_sudo(admin.role) { Role::Admin } else { admin.role };
        let telegram_id = telegram_id.or(admin.telegram_id);
        let webhook = webhook.as_deref().or(admin.discord_webhook.as_deref());
        let mut batch = vec![store::describe(&admin.name, telegram_id, webhook)];
        if role != admin.role {
            // Only resellers have allowances.
            let fields = Fields { role, user_allowance: None, byte_allowance: None };
            batch.push(operators::change(admin.id, &fields));
        }
        if let Some(stored) = &stored {
            batch.push(operators::set_password(admin.id, stored));
            batch.push(sessions::end_all(admin.id));
            batch.push(passkeys::remove_all(admin.id));
        }
        let entry = Entry::new("operator.change", format!("operators/{}", admin.name))
            .before(facts(admin.role, admin.telegram_id, admin.discord_webhook.as_deref()))
            .after(facts(role, telegram_id, webhook).plain("password_changed", stored.is_some()));
        Ok(Deed::new(entry, batch, admin.name))
    };
    let (_, name) = recorded(call, &actor, prepare).await?;
    shown(find(call, &name).await?)
}

/// `DELETE /api/admin/{username}`
///
/// His users become the panel's own.
async fn delete(request: &Request, call: &Call, name: &str) -> Result<Response, Failure> {
    let actor = authorize(request, call, "operators:write").await?;
    let name = decoded(name)?;
    let prepare = async || {
        let admin = find(call, &name).await?;
        if is_sudo(admin.role) {
            return Err(Failure::Denied("You're not allowed to delete sudo accounts. Use marzban-cli instead."));
        }
        let entry = Entry::new("operator.delete", format!("operators/{}", admin.name));
        Ok(Deed::new(entry.before(Facts::new().plain("role", admin.role.name())), operators::delete(admin.id), ()))
    };
    recorded(call, &actor, prepare).await?;
    Ok(Response::from_json(&json!({ "detail": "Admin removed successfully" }))?)
}

/// `POST /api/admin/{username}/users/disable` and `/activate`
///
/// A bulk action over all users of his: the first are done at once, a job goes on with the others.
async fn with_users(request: &Request, call: &Call, name: &str, action: &'static str) -> Result<Response, Failure> {
    let actor = authorize(request, call, "users:write").await?;
    let name = decoded(name)?;
    let choose = async || {
        let admin = find(call, &name).await?;
        let his = Query { owner: Some(admin.id), ..Query::default() };
        Ok((Selection::Filter(his), json!({ "owner": admin.name })))
    };
    bulk::start(call, &actor, action, choose).await?;
    let done = if action == "disable" { "disabled" } else { "activated" };
    Ok(Response::from_json(&json!({ "detail": format!("Users successfully {done}") }))?)
}

/// `POST /api/admin/usage/reset/{username}`
async fn reset_usage(request: &Request, call: &Call, name: &str) -> Result<Response, Failure> {
    let actor = authorize(request, call, "operators:write").await?;
    let name = decoded(name)?;
    let prepare = async || {
        let admin = find(call, &name).await?;
        let usage = |bytes: u64| Facts::new().plain("users_usage", bytes);
        let entry = Entry::new("operator.change", format!("operators/{}", admin.name));
        let entry = entry.before(usage(admin.users_usage.get())).after(usage(0));
        Ok(Deed::new(entry, [store::reset(admin.id)], ()))
    };
    recorded(call, &actor, prepare).await?;
    shown(find(call, &name).await?)
}

/// `GET /api/admin/usage/{username}`
///
/// The bare number.
async fn usage(request: &Request, call: &Call, name: &str) -> Result<Response, Failure> {
    authorize(request, call, "operators:read").await?;
    Ok(Response::from_json(&find(call, &decoded(name)?).await?.users_usage)?)
}
