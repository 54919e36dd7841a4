//! What an operator sets in the panel, an area at a time.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use worker::{Method, Request, Response};

use crate::domain::audit::{Entry, Facts};
use crate::domain::settings::Area;
use crate::http::audit::{Deed, recorded};
use crate::http::auth::authorize;
use crate::http::body;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::http::marzban;
use crate::store::settings::{self as store, Row};

/// What is stored of an area; none while nothing was set. Rows read: 1.
pub(crate) async fn stored<T: DeserializeOwned>(call: &Call, area: &str) -> Result<Option<T>, Failure> {
    let row: Option<Row> = call.db.first(store::read(area)).await?;
    let read = |row: Row| {
        serde_json::from_str(&row.value).map_err(|error| Failure::Broken(format!("settings of {area}: {error}")))
    };
    row.map(read).transpose()
}

/// An area's settings: those that were set, the others as they are without anybody's doing. Rows read: 1.
pub(crate) async fn read<A: Area + DeserializeOwned + Default>(call: &Call) -> Result<A, Failure> {
    Ok(stored(call, A::NAME).await?.unwrap_or_default())
}

/// `GET /api/v1/settings/{area}`
pub(super) async fn show<A: Area + Serialize + DeserializeOwned + Default>(
    request: &Request,
    call: &Call,
) -> Result<Response, Failure> {
    authorize(request, call, "settings:read").await?;
    Ok(Response::from_json(&read::<A>(call).await?)?)
}

/// `PUT /api/v1/settings/{area}`
///
/// Replaces the area: a field that the body lacks has its default again.
pub(super) async fn replace<A: Area + Serialize + DeserializeOwned + Default>(
    request: &mut Request,
    call: &Call,
) -> Result<Response, Failure> {
    let actor = authorize(request, call, "settings:write").await?;
    let new: A = body::json(request).await?;
    new.check().map_err(|(field, rule)| Failure::invalid(field, rule))?;
    let text = serde_json::to_string(&new).map_err(|error| Failure::Broken(format!("settings: {error}")))?;
    let prepare = async || {
        let entry = Entry::new("settings.change", format!("settings/{}", A::NAME))
            .before(Facts::of(&read::<A>(call).await?, A::PLAIN))
            .after(Facts::of(&new, A::PLAIN));
        Ok(Deed::new(entry, [store::write(A::NAME, &text)], ()))
    };
    recorded(call, &actor, prepare).await?;
    Ok(Response::from_json(&new)?)
}

/// `PATCH /api/v1/settings/{area}`
///
/// Changes some fields of the area: one that the body lacks stays, one that is `null` has its default again.
pub(super) async fn change<A: Area + Serialize + DeserializeOwned + Default>(
    request: &mut Request,
    call: &Call,
) -> Result<Response, Failure> {
    let actor = authorize(request, call, "settings:write").await?;
    let changes: Map<String, Value> = body::json(request).await?;
    let prepare = async || {
        let stands = read::<A>(call).await?;
        let new: A = body::merged(&stands, &changes)?;
        new.check().map_err(|(field, rule)| Failure::invalid(field, rule))?;
        let json =
            |area: &A| serde_json::to_string(area).map_err(|error| Failure::Broken(format!("settings: {error}")));
        let text = json(&new)?;
        if text == json(&stands)? {
            return Ok(Deed::nothing(new));
        }
        let entry = Entry::new("settings.change", format!("settings/{}", A::NAME))
            .before(Facts::of(&stands, A::PLAIN))
            .after(Facts::of(&new, A::PLAIN));
        Ok(Deed::new(entry, [store::write(A::NAME, &text)], new))
    };
    let (_, new) = recorded(call, &actor, prepare).await?;
    Ok(Response::from_json(&new)?)
}

/// `/api/v1/settings/{area}`
pub(crate) async fn answer(mut request: Request, call: &Call, area: &str) -> Result<Response, Failure> {
    use crate::domain::{settings as areas, sharing};
    if area == "marzban" {
        return marzban::settings(request, call).await;
    }
    let method = request.method();
    macro_rules! areas {
        ($($area:ty),* $(,)?) => {
            $(if area == <$area>::NAME {
                return match method {
                    Method::Put => replace::<$area>(&mut request, call).await,
                    Method::Patch => change::<$area>(&mut request, call).await,
                    _ => show::<$area>(&request, call).await,
                };
            })*
        };
    }
    areas!(
        areas::Backup,
        areas::Retention,
        crate::domain::devices::Devices,
        crate::domain::notice::settings::Alerts,
        crate::domain::presentation::Presentation,
        sharing::Sharing
    );
    Err(Failure::NotFound("area of settings"))
}
