//! Devices that fetch a user's subscription. Their ids are hashes; the ones that clients send are never kept.

use serde::Deserialize;
use serde_json::json;
use worker::{Request, Response};

use super::segment;
use super::settings;
use super::users::find;
use crate::domain::audit::{Entry, Facts};
use crate::domain::devices::Devices;
use crate::http::accounts::subject;
use crate::http::audit::{Deed, recorded};
use crate::http::auth::authorize_for_users;
use crate::http::body;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::store::devices::{self as store, Device};

/// What was looked for.
const DEVICE: Failure = Failure::NotFound("device");

/// `GET /api/v1/users/{name}/devices`
///
/// Rows read: 3, and 2 per device.
pub(crate) async fn list(request: &Request, call: &Call, name: &str) -> Result<Response, Failure> {
    let actor = authorize_for_users(request, call, "users:read").await?;
    let user = find(call, &actor, name).await?;
    let settings: Devices = settings::read(call).await?;
    let items: Vec<Device> = call.db.all(store::of_user(user.id)).await?;
    Ok(Response::from_json(&json!({
        "enabled": settings.enabled,
        "limit": user.hwid_limit.unwrap_or(settings.limit),
        "total": items.len(),
        "items": items,
        "next": null,
    }))?)
}

/// A new name.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Renamed {
    name: String,
}

/// `PATCH /api/v1/users/{name}/devices/{id}`
pub(crate) async fn rename(mut request: Request, call: &Call, name: &str, id: &str) -> Result<Response, Failure> {
    let actor = authorize_for_users(&request, call, "users:write").await?;
    let Renamed { name: new } = body::json(&mut request).await?;
    if new.chars().count() > 64 || new.chars().any(char::is_control) {
        return Err(Failure::invalid("name", "at most 64 characters without line breaks"));
    }
    let id = segment(id)?;
    let prepare = async || {
        let user = find(call, &actor, name).await?;
        let device: Device = call.db.first(store::one(user.id, &id)).await?.ok_or(DEVICE)?;
        let entry = Entry::new("device.change", about(&user.name, &id))
            .before(Facts::new().plain("name", device.name.as_str()))
            .after(Facts::new().plain("name", new.as_str()));
        Ok(Deed::new(entry, [store::rename(user.id, &id, &new)], Device { name: new.clone(), ..device }))
    };
    let (_, device) = recorded(call, &actor, prepare).await?;
    Ok(Response::from_json(&device)?)
}

/// `DELETE /api/v1/users/{name}/devices` and `DELETE /api/v1/users/{name}/devices/{id}`
///
/// Its place is free: the device comes in again with its next fetch if there is room.
pub(crate) async fn forget(request: &Request, call: &Call, name: &str, id: Option<&str>) -> Result<Response, Failure> {
    let actor = authorize_for_users(request, call, "users:write").await?;
    let id = id.map(segment).transpose()?;
    let prepare = async || {
        let user = find(call, &actor, name).await?;
        let all: Vec<Device> = call.db.all(store::of_user(user.id)).await?;
        let gone: Vec<&str> = all
            .iter()
            .map(|device| device.id.as_str())
            .filter(|other| id.as_deref().is_none_or(|id| id == *other))
            .collect();
        if gone.is_empty() {
            return if id.is_some() { Err(DEVICE) } else { Ok(Deed::nothing(())) };
        }
        let subject =
            id.as_deref().map_or_else(|| format!("{}/devices", subject(&user.name)), |id| about(&user.name, id));
        let entry = Entry::new("device.delete", subject).before(Facts::new().plain("ids", gone));
        Ok(Deed::new(entry, [store::forget(user.id, id.as_deref())], ()))
    };
    recorded(call, &actor, prepare).await?;
    Ok(Response::empty()?.with_status(204))
}

/// What the audit log calls a device.
fn about(user: &str, id: &str) -> String {
    format!("{}/devices/{id}", subject(user))
}
