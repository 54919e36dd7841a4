//! Which client gets which format, and trying it out.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::json;
use worker::{Request, Response};

use crate::domain::audit::{Entry, Facts};
use crate::domain::format::{CLIENT_RULES, Format, Given, Rules};
use crate::http::audit::{Deed, recorded};
use crate::http::auth::authorize;
use crate::http::body;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::store::Statement;
use crate::store::settings::{self as store, Row};

/// What the audit log calls the rules.
const SUBJECT: &str = "settings/clients";

/// The body of a change.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    rules: Rules,
}

/// `GET /api/v1/client-rules`
///
/// Rows read: 1.
pub(crate) async fn show(request: &Request, call: &Call) -> Result<Response, Failure> {
    authorize(request, call, "settings:read").await?;
    let own = own(call).await?;
    rendered(own.is_none(), &own.map_or_else(shipped, Ok)?)
}

/// `PUT /api/v1/client-rules`
pub(crate) async fn replace(mut request: Request, call: &Call) -> Result<Response, Failure> {
    let actor = authorize(&request, call, "settings:write").await?;
    let new: Written = body::json(&mut request).await?;
    let text = stored(&new.rules)?;
    let prepare = async || {
        let after = Facts::new().plain("rules", value(&new.rules)?);
        let entry = Entry::new("settings.change", SUBJECT).before(before(call).await?).after(after);
        Ok(Deed::new(entry, [store::write(CLIENT_RULES, &text)], ()))
    };
    recorded(call, &actor, prepare).await?;
    rendered(false, &new.rules)
}

/// `DELETE /api/v1/client-rules`
///
/// The shipped rules are in force again, those of later releases too.
pub(crate) async fn reset(request: &Request, call: &Call) -> Result<Response, Failure> {
    let actor = authorize(request, call, "settings:write").await?;
    let prepare = async || {
        if read(call).await?.is_none() {
            return Ok(Deed::nothing(()));
        }
        let after = Facts::new().plain("rules", "shipped");
        let entry = Entry::new("settings.change", SUBJECT).before(before(call).await?).after(after);
        let forget: [Statement; 1] = [store::forget(CLIENT_RULES)];
        Ok(Deed::new(entry, forget, ()))
    };
    recorded(call, &actor, prepare).await?;
    rendered(true, &shipped()?)
}

/// A request as a client would send it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Attempt {
    user_agent: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// Rules that are not in force yet.
    #[serde(default)]
    rules: Option<Rules>,
}

/// `POST /api/v1/client-rules/try`
///
/// Nothing is changed. Rows read: 1.
pub(crate) async fn attempt(mut request: Request, call: &Call) -> Result<Response, Failure> {
    authorize(&request, call, "settings:read").await?;
    let attempt: Attempt = body::json(&mut request).await?;
    let rules = match attempt.rules {
        Some(rules) => rules,
        None => own(call).await?.map_or_else(shipped, Ok)?,
    };
    let mut headers: BTreeMap<String, String> =
        attempt.headers.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
    headers.insert("user-agent".into(), attempt.user_agent);
    let found = rules.find(|name| headers.get(&name.to_ascii_lowercase()).cloned());
    let format = found.map_or(Given::List(Format::Base64), |(_, rule)| rule.format);
    let extra: BTreeMap<&str, &str> = found.map(|(_, rule)| rule.headers.iter().collect()).unwrap_or_default();
    Ok(Response::from_json(&json!({
        "rule": found.map(|(place, rule)| json!({ "index": place, "name": rule.name.as_str() })),
        "format": format,
        "content_type": format.content_type(),
        "headers": extra,
    }))?)
}

async fn read(call: &Call) -> Result<Option<Row>, Failure> {
    Ok(call.db.first(store::read(CLIENT_RULES)).await?)
}

/// The operator's own rules, if he has any.
async fn own(call: &Call) -> Result<Option<Rules>, Failure> {
    let Some(row) = read(call).await? else { return Ok(None) };
    Rules::read(&row.value).map(Some).map_err(|error| Failure::Broken(format!("client rules: {error}")))
}

fn shipped() -> Result<Rules, Failure> {
    Rules::built_in().cloned().map_err(|error| Failure::Broken(format!("the built-in client rules: {error}")))
}

/// What was in force before, readable or not: whoever replaces rules that cannot be read any more must not fail at them.
async fn before(call: &Call) -> Result<Facts, Failure> {
    let rules = match read(call).await? {
        None => json!("shipped"),
        Some(row) => serde_json::from_str(&row.value).unwrap_or_default(),
    };
    Ok(Facts::new().plain("rules", rules))
}

fn value(rules: &Rules) -> Result<serde_json::Value, Failure> {
    serde_json::to_value(rules).map_err(|error| Failure::Broken(format!("client rules: {error}")))
}

fn stored(rules: &Rules) -> Result<String, Failure> {
    serde_json::to_string(rules).map_err(|error| Failure::Broken(format!("client rules: {error}")))
}

fn rendered(is_shipped: bool, rules: &Rules) -> Result<Response, Failure> {
    Ok(Response::from_json(&json!({ "rules": rules, "shipped": is_shipped }))?)
}
