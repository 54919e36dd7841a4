//! The core's configuration: shown as far as agents tell it, and a document that a client puts there and finds again.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use worker::{Request, Response};

use super::offered;
use crate::domain::audit::{Entry, Facts, Secret};
use crate::domain::marzban::config::{check, view};
use crate::domain::seal::{self, NONCE};
use crate::http::audit::{Deed, recorded};
use crate::http::auth::authorize;
use crate::http::body;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::random;
use crate::store::settings as store;

const AREA: &str = "marzban_core";
/// The secret under which it is sealed, because such a document has private keys in it; and what the seal says that it is.
const KEY: &str = "CREDENTIAL_KEY";
const PURPOSE: &str = "marzban/core";
/// Bytes of a document at most.
const LONGEST: usize = 256 << 10;

#[derive(Serialize, Deserialize)]
struct Stored {
    sealed: String,
}

/// The document that was put there. Under another key there is none.
async fn kept(call: &Call) -> Result<Option<Value>, Failure> {
    let Some(row) = call.db.first::<store::Row>(store::read(AREA)).await? else { return Ok(None) };
    let broken = |error: serde_json::Error| Failure::Broken(format!("settings/{AREA}: {error}"));
    let stored: Stored = serde_json::from_str(&row.value).map_err(broken)?;
    let text = seal::open(&call.secret(KEY)?, PURPOSE, &stored.sealed);
    text.map(|text| serde_json::from_str(&text).map_err(broken)).transpose()
}

/// `GET /api/core/config`
pub(super) async fn show(request: &Request, call: &Call) -> Result<Response, Failure> {
    authorize(request, call, "nodes:links").await?;
    let document = match kept(call).await? {
        Some(document) => document,
        None => view(&offered::nodes(call).await?),
    };
    Ok(Response::from_json(&document)?)
}

fn facts(document: Option<&Value>) -> Facts {
    let Some(document) = document else { return Facts::new().plain("document", Value::Null) };
    let inbounds = document.get("inbounds").and_then(Value::as_array);
    let tags: Vec<Value> = inbounds.into_iter().flatten().filter_map(|one| one.get("tag").cloned()).collect();
    Facts::new().plain("inbounds", tags).hidden("document", Secret::new(document.to_string()))
}

/// `PUT /api/core/config`
///
/// Answers the document, and shows it from then on. It reaches no host: what a core runs stands there. The one that is shown
/// without any, put back as it was, ends it.
pub(super) async fn change(mut request: Request, call: &Call) -> Result<Response, Failure> {
    let actor = authorize(&request, call, "settings:write").await?;
    let document: Map<String, Value> = body::parse(&body::read(&mut request, LONGEST).await?)?;
    let shown = view(&offered::nodes(call).await?);
    let is_shown = shown.as_object() == Some(&document);
    if !is_shown {
        check(&document).map_err(Failure::Refused)?;
    }
    let document = Value::Object(document);
    let write = if is_shown {
        store::forget(AREA)
    } else {
        let sealed = seal::seal(&call.secret(KEY)?, PURPOSE, random::bytes::<NONCE>()?, &document.to_string());
        let value = serde_json::to_string(&Stored { sealed });
        store::write(AREA, &value.map_err(|error| Failure::Broken(format!("settings: {error}")))?)
    };
    let prepare = async || {
        let was = kept(call).await?;
        let after = Some(&document).filter(|_| !is_shown);
        if was.as_ref() == after {
            return Ok(Deed::nothing(()));
        }
        let entry = Entry::new("settings.change", format!("settings/{AREA}"));
        Ok(Deed::new(entry.before(facts(was.as_ref())).after(facts(after)), [write.clone()], ()))
    };
    recorded(call, &actor, prepare).await?;
    Ok(Response::from_json(&document)?)
}
