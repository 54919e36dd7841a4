//! Aliases: links of an old panel that go on to work. Each is as good as the user's own link, so it is told only to those who may see that.

use serde::Deserialize;
use serde_json::json;
use worker::{Request, Response};

use super::segment;
use super::users::find;
use crate::domain::alias::{self, MOST, RULE};
use crate::domain::audit::{Entry, Facts, Secret};
use crate::http::accounts::subject;
use crate::http::audit::{Deed, recorded};
use crate::http::auth::authorize_for_users;
use crate::http::body;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::route::Aliases;
use crate::store::aliases::{self as store, Alias, Holder};

/// `/api/v1/users/{name}/aliases...`
pub(crate) async fn answer(request: Request, call: &Call, route: Aliases<'_>) -> Result<Response, Failure> {
    match route {
        Aliases::List(name) => list(&request, call, name).await,
        Aliases::Add(name) => add(request, call, name).await,
        Aliases::RemoveAll(name) => remove(&request, call, name, None).await,
        Aliases::Remove(name, alias) => remove(&request, call, name, Some(alias)).await,
    }
}

/// `GET /api/v1/users/{name}/aliases`
///
/// Rows read: 3, and 2 per alias.
async fn list(request: &Request, call: &Call, name: &str) -> Result<Response, Failure> {
    let actor = authorize_for_users(request, call, "users:links").await?;
    let user = find(call, &actor, name).await?;
    let items: Vec<Alias> = call.db.all(store::of_user(user.id)).await?;
    Ok(Response::from_json(&json!({ "total": items.len(), "items": items, "next": null }))?)
}

/// A new alias.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    alias: String,
}

/// `POST /api/v1/users/{name}/aliases`
///
/// An alias that he has is answered as if it were new, so that an import may be repeated.
async fn add(mut request: Request, call: &Call, name: &str) -> Result<Response, Failure> {
    let actor = authorize_for_users(&request, call, "users:write").await?;
    let New { alias: text } = body::json(&mut request).await?;
    if !alias::fits(&text) {
        return Err(Failure::invalid("alias", RULE.to_string()));
    }
    let prepare = async || {
        let user = find(call, &actor, name).await?;
        let all: Vec<Alias> = call.db.all(store::of_user(user.id)).await?;
        if let Some(known) = all.iter().find(|known| known.alias == text) {
            return Ok(Deed::nothing(known.clone()));
        }
        if all.len() >= MOST {
            let message = format!("the user has {MOST} aliases, which is as many as may be");
            return Err(Failure::Conflict { code: "too_many", message });
        }
        let holder: Option<Holder> = call.db.first(store::holder(&text)).await?;
        if holder.is_some() {
            return Err(Failure::Conflict { code: "taken", message: "the alias is another user's".into() });
        }
        let entry = Entry::new("alias.add", about(&user.name)).after(hidden(&[text.as_str()]));
        let new = Alias { alias: text.clone(), created_at: call.now.get() };
        Ok(Deed::new(entry, [store::add(user.id, &text, call.now)], new))
    };
    let (_, alias) = recorded(call, &actor, prepare).await?;
    Ok(Response::from_json(&alias)?.with_status(201))
}

/// `DELETE /api/v1/users/{name}/aliases` and `DELETE /api/v1/users/{name}/aliases/{alias}`
async fn remove(request: &Request, call: &Call, name: &str, text: Option<&str>) -> Result<Response, Failure> {
    let actor = authorize_for_users(request, call, "users:write").await?;
    let text = text.map(segment).transpose()?;
    let prepare = async || {
        let user = find(call, &actor, name).await?;
        let all: Vec<Alias> = call.db.all(store::of_user(user.id)).await?;
        let gone = all.iter().map(|known| known.alias.as_str());
        let gone: Vec<&str> = gone.filter(|known| text.as_deref().is_none_or(|text| text == *known)).collect();
        if gone.is_empty() {
            return if text.is_some() { Err(Failure::NotFound("alias")) } else { Ok(Deed::nothing(())) };
        }
        let entry = Entry::new("alias.delete", about(&user.name)).before(hidden(&gone));
        Ok(Deed::new(entry, [store::remove(user.id, text.as_deref())], ()))
    };
    recorded(call, &actor, prepare).await?;
    Ok(Response::empty()?.with_status(204))
}

/// What the audit log calls a user's aliases. It is read by some who may not see a link, so the texts stay out of it.
fn about(user: &str) -> String {
    format!("{}/aliases", subject(user))
}

fn hidden(aliases: &[&str]) -> Facts {
    Facts::new().plain("count", aliases.len()).hidden("aliases", Secret::new(aliases.join("\n")))
}
