//! What the operator sets about traffic through other servers.

use serde_json::{Map, Value, json};
use worker::{Request, Response};

use super::{READ, WRITE, variables};
use crate::domain::audit::{Entry, Facts};
use crate::domain::xpert::settings::{Settings, Stored};
use crate::http::audit::{Deed, recorded};
use crate::http::auth::authorize;
use crate::http::body;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::store::xpert_settings::{self as store, Row};

/// Texts among them, all of which the audit log may show.
const PLAIN: [&str; 4] = ["domain", "title", "direct_title", "quota_counting"];

/// The settings in force: those of the panel over those of the variables.
pub(in crate::http) fn in_force(call: &Call, stored: &str) -> Result<Settings, Failure> {
    Ok(read_stored(stored)?.over(variables::settings(&call.env)))
}

fn read_stored(text: &str) -> Result<Stored, Failure> {
    serde_json::from_str(text).map_err(|error| Failure::Broken(format!("stored settings: {error}")))
}

/// The settings in force. Rows read: 1.
pub(super) async fn read(call: &Call) -> Result<Settings, Failure> {
    in_force(call, &stored(call).await?)
}

async fn stored(call: &Call) -> Result<String, Failure> {
    let row: Option<Row> = call.db.first(store::read()).await?;
    row.map(|row| row.settings).ok_or_else(|| Failure::Broken("xpert_state has no row".into()))
}

/// `GET /api/xpert/settings`
///
/// The settings in force, those of them that were set here, and notes about variables that do nothing.
pub(super) async fn show(request: &Request, call: &Call) -> Result<Response, Failure> {
    authorize(request, call, READ).await?;
    let stored = stored(call).await?;
    answer(call, &stored)
}

fn answer(call: &Call, stored: &str) -> Result<Response, Failure> {
    let settings = in_force(call, stored)?;
    let set: Value =
        serde_json::from_str(stored).map_err(|error| Failure::Broken(format!("stored settings: {error}")))?;
    Ok(Response::from_json(&json!({ "settings": settings, "set_here": set, "notes": variables::notes(&call.env) }))?)
}

/// `PUT /api/xpert/settings`
///
/// Replaces what was set here: a field that the body lacks is again what the Worker's variable says.
pub(super) async fn replace(mut request: Request, call: &Call) -> Result<Response, Failure> {
    let actor = authorize(&request, call, WRITE).await?;
    let new: Stored = body::json(&mut request).await?;
    new.check()?;
    let text = serde_json::to_string(&new).map_err(|error| Failure::Broken(format!("settings: {error}")))?;
    let prepare = async || {
        let before: Stored = read_stored(&stored(call).await?)?;
        let entry = Entry::new("settings.change", "settings/xpert")
            .before(Facts::of(&before, &PLAIN))
            .after(Facts::of(&new, &PLAIN));
        Ok(Deed::new(entry, [store::write(&text)], ()))
    };
    recorded(call, &actor, prepare).await?;
    answer(call, &text)
}

/// `PATCH /api/xpert/settings`
///
/// Changes some of what was set here: a field that the body lacks stays, one that is `null` is again what the Worker's variable says.
pub(super) async fn change(mut request: Request, call: &Call) -> Result<Response, Failure> {
    let actor = authorize(&request, call, WRITE).await?;
    let changes: Map<String, Value> = body::json(&mut request).await?;
    let prepare = async || {
        let before = stored(call).await?;
        let stands: Stored = read_stored(&before)?;
        let new: Stored = body::merged(&stands, &changes)?;
        new.check()?;
        if new == stands {
            return Ok(Deed::nothing(before));
        }
        let text = serde_json::to_string(&new).map_err(|error| Failure::Broken(format!("settings: {error}")))?;
        let entry = Entry::new("settings.change", "settings/xpert")
            .before(Facts::of(&stands, &PLAIN))
            .after(Facts::of(&new, &PLAIN));
        Ok(Deed::new(entry, [store::write(&text)], text))
    };
    let (_, text) = recorded(call, &actor, prepare).await?;
    answer(call, &text)
}
