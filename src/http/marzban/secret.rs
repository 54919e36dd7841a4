//! The secret that a Marzban signs its tokens with, `jwt.secret_key` of its database. Who imports it lets in whom Marzban lets in.

use serde::{Deserialize, Serialize};
use serde_json::json;
use worker::{Method, Request, Response};

use crate::domain::audit::{Entry, Facts};
use crate::domain::seal;
use crate::http::api::settings;
use crate::http::audit::{Deed, recorded};
use crate::http::auth::authorize;
use crate::http::body;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::random;
use crate::store::settings as store;

const AREA: &str = "marzban";
/// The secret under which it is sealed, and what the seal says that it is.
const KEY: &str = "CREDENTIAL_KEY";
const PURPOSE: &str = "marzban/jwt";
const FIELD: &str = "jwt_secret_key";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    jwt_secret_key: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    sealed: String,
}

/// The key that the imported Marzban signs with; none while none was imported, or when it was sealed under another
/// `CREDENTIAL_KEY`. Rows read: 1.
pub(in crate::http) async fn key(call: &Call) -> Result<Option<Vec<u8>>, Failure> {
    let Some(stored) = stored(call).await? else { return Ok(None) };
    Ok(seal::open(&call.secret(KEY)?, PURPOSE, &stored.sealed).map(String::into_bytes))
}

async fn stored(call: &Call) -> Result<Option<Stored>, Failure> {
    settings::stored(call, AREA).await
}

/// `GET`, `PUT` and `PATCH /api/v1/settings/marzban`
pub(in crate::http) async fn answer(mut request: Request, call: &Call) -> Result<Response, Failure> {
    // It has one field: to replace it and to change it is the same.
    if matches!(request.method(), Method::Put | Method::Patch) {
        return replace(&mut request, call).await;
    }
    authorize(&request, call, "settings:read").await?;
    told(stored(call).await?.is_some())
}

async fn replace(request: &mut Request, call: &Call) -> Result<Response, Failure> {
    let actor = authorize(request, call, "settings:write").await?;
    let body: Body = body::json(request).await?;
    let fits = |text: &String| text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
    if body.jwt_secret_key.as_ref().is_some_and(|text| !fits(text)) {
        return Err(Failure::invalid(
            FIELD,
            "64 hexadecimal digits, as in the table jwt of Marzban's database, or null",
        ));
    }
    let is_set = body.jwt_secret_key.is_some();
    let write = match body.jwt_secret_key {
        Some(text) => {
            let sealed = seal::seal(&call.secret(KEY)?, PURPOSE, random::bytes()?, &text);
            let value = serde_json::to_string(&Stored { sealed });
            store::write(AREA, &value.map_err(|error| Failure::Broken(format!("settings: {error}")))?)
        }
        None => store::forget(AREA),
    };
    let prepare = async || {
        let was_set = stored(call).await?.is_some();
        let entry = Entry::new("settings.change", format!("settings/{AREA}"))
            .before(Facts::new().plain("jwt_secret_key_set", was_set))
            .after(Facts::new().plain("jwt_secret_key_set", is_set));
        Ok(Deed::new(entry, [write.clone()], ()))
    };
    recorded(call, &actor, prepare).await?;
    told(is_set)
}

/// The secret itself is never told.
fn told(is_set: bool) -> Result<Response, Failure> {
    Ok(Response::from_json(&json!({ "jwt_secret_key_set": is_set }))?)
}
