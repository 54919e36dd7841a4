//! API keys: who holds one may do what its scopes say, so only an owner who is signed in hands them out.

use serde::Deserialize;
use serde_json::{Value, json};
use weir_wire::Second;
use worker::{Request, Response};

use crate::domain::audit::{Entry, Facts};
use crate::domain::name::ChannelName;
use crate::domain::role;
use crate::http::audit::{Deed, recorded};
use crate::http::auth::{self, Session};
use crate::http::body;
use crate::http::call::{Call, sha256_hex};
use crate::http::failure::Failure;
use crate::random;
use crate::store::api_keys::{self as store, ID, Listed};

/// Keys of one panel.
const MOST: usize = 100;

/// An owner's session: a key must not make a mightier one.
async fn owner(request: &Request, call: &Call, action: &'static str) -> Result<Session, Failure> {
    let session = auth::own(request, call).await?;
    session.ask(action)?;
    Ok(session)
}

fn shown(key: &Listed) -> Value {
    json!({
        "id": key.hash.get(..ID),
        "name": key.name,
        "scopes": key.scopes.split(' ').filter(|scope| !scope.is_empty()).collect::<Vec<_>>(),
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "last_used_at": key.last_used_at,
    })
}

/// `GET /api/v1/keys`
pub(crate) async fn list(request: &Request, call: &Call) -> Result<Response, Failure> {
    owner(request, call, "keys:read").await?;
    let all: Vec<Listed> = call.db.all(store::all()).await?;
    let items: Vec<Value> = all.iter().map(shown).collect();
    Ok(Response::from_json(&json!({ "total": items.len(), "items": items, "next": null }))?)
}

/// The body of a creation.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewKey {
    name: ChannelName,
    scopes: Vec<String>,
    #[serde(default)]
    expires_at: Option<Second>,
}

impl NewKey {
    /// The scopes as they are stored, each once.
    fn scopes(&self) -> Result<String, Failure> {
        if self.scopes.is_empty() {
            return Err(Failure::invalid("scopes", "at least one scope"));
        }
        let unknown = self.scopes.iter().position(|scope| !role::scopes().any(|known| known == scope));
        if let Some(at) = unknown {
            let all: Vec<&str> = role::scopes().collect();
            return Err(Failure::invalid(format!("scopes[{at}]"), format!("one of {}", all.join(", "))));
        }
        let held: Vec<&str> = role::scopes().filter(|known| self.scopes.iter().any(|scope| scope == known)).collect();
        Ok(held.join(" "))
    }
}

/// `POST /api/v1/keys`
///
/// 201 with the key, and with its text as `key`, which is shown once.
pub(crate) async fn create(mut request: Request, call: &Call) -> Result<Response, Failure> {
    let session = owner(&request, call, "keys:write").await?;
    let new: NewKey = body::json(&mut request).await?;
    let scopes = new.scopes()?;
    if new.expires_at.is_some_and(|at| at <= call.now) {
        return Err(Failure::invalid("expires_at", "an instant to come, in unix seconds"));
    }
    let key = format!("weir_{}", hex::encode(random::bytes::<16>()?));
    let made = Listed {
        hash: sha256_hex(&key),
        name: new.name.as_str().to_owned(),
        scopes,
        created_at: call.now.get(),
        expires_at: new.expires_at.map(Second::get),
        last_used_at: None,
    };
    let prepare = async || {
        let all: Vec<Listed> = call.db.all(store::all()).await?;
        if all.iter().any(|other| other.name.eq_ignore_ascii_case(&made.name)) {
            return Err(Failure::Conflict { code: "taken", message: "the name is taken".into() });
        }
        if all.len() >= MOST {
            return Err(Failure::Conflict { code: "too_many", message: format!("there are {MOST} keys already") });
        }
        let facts = Facts::new().plain("scopes", made.scopes.as_str()).plain("expires_at", made.expires_at);
        let entry = Entry::new("key.create", format!("keys/{}", made.name)).after(facts);
        Ok(Deed::new(entry, [store::create(&made)], ()))
    };
    recorded(call, &session.actor(&request)?, prepare).await?;
    let mut answer = shown(&made);
    if let Some(answer) = answer.as_object_mut() {
        answer.insert("key".into(), json!(key));
    }
    Ok(Response::from_json(&answer)?.with_status(201))
}

/// `DELETE /api/v1/keys/{id}`
///
/// 204. The key ends at once.
pub(crate) async fn delete(request: &Request, call: &Call, id: &str) -> Result<Response, Failure> {
    let session = owner(request, call, "keys:write").await?;
    let prepare = async || {
        let all: Vec<Listed> = call.db.all(store::all()).await?;
        let key = all.iter().find(|key| key.hash.get(..ID) == Some(id)).ok_or(Failure::NotFound("key"))?;
        let before = Facts::new().plain("scopes", key.scopes.as_str()).plain("expires_at", key.expires_at);
        let entry = Entry::new("key.delete", format!("keys/{}", key.name)).before(before);
        Ok(Deed::new(entry, [store::delete(&key.hash)], ()))
    };
    recorded(call, &session.actor(request)?, prepare).await?;
    Ok(Response::empty()?.with_status(204))
}
