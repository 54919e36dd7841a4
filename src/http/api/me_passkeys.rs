//! An operator's passkeys. One stands for password and second factor together, so whoever adds one proves that he has the password.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::json;
use worker::{Request, Response};

use super::me::proven;
use crate::domain::audit::{Entry, Facts};
use crate::domain::name::ChannelName;
use crate::domain::passkey::{self, Algorithm};
use crate::http::address;
use crate::http::audit::{Deed, recorded};
use crate::http::auth::Session;
use crate::http::body;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::http::passkeys::{self, Answer, For};
use crate::store::passkeys::{self as store, Listed, MOST};

/// Longest id of a credential, in bytes (W3C, level 3, section 5.8.3).
const LONGEST_ID: usize = 1_023;

/// `GET /api/v1/me/passkeys`
pub(super) async fn list(call: &Call, session: &Session) -> Result<Response, Failure> {
    let items: Vec<_> = own(call, session)
        .await?
        .into_iter()
        .map(|key| json!({ "id": key.id, "name": key.name, "created_at": key.created_at, "last_used_at": key.last_used_at }))
        .collect();
    Ok(Response::from_json(&json!({ "total": items.len(), "items": items, "next": null }))?)
}

async fn own(call: &Call, session: &Session) -> Result<Vec<Listed>, Failure> {
    Ok(call.db.all(store::of_operator(session.operator)).await?)
}

/// `POST /api/v1/me/passkeys/challenge`
///
/// For `{"password"}` what a browser needs to make a passkey: `challenge` (a text, whose bytes are signed), `rp`, `user`, `algorithms`, and
/// `known`, the ids of those that there are. The challenge is good for five minutes and one answer.
pub(super) async fn ask(request: Request, call: &Call, session: &Session) -> Result<Response, Failure> {
    let (request, operator) = proven(request, call, session).await?;
    let origin = address::origin(&request);
    let site = passkey::site(&origin).ok_or_else(|| {
        let message = "passkeys are bound to a host name, and this panel was called by an address".to_owned();
        Failure::Conflict { code: "no_host_name", message }
    })?;
    let known: Vec<String> = own(call, session).await?.into_iter().map(|key| key.id).collect();
    Ok(Response::from_json(&json!({
        "challenge": passkeys::ask(call, For::Operator(session.operator))?,
        "rp": { "id": site, "name": "Weir" },
        "user": { "id": operator.id.to_string(), "name": operator.name, "displayName": operator.name },
        "algorithms": Algorithm::EVERY.map(Algorithm::number),
        "known": known,
    }))?)
}

/// What a browser answers to the challenge; bytes in base64url.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewPasskey {
    name: ChannelName,
    client_data: String,
    authenticator_data: String,
    public_key: String,
    algorithm: i32,
}

/// A passkey that was made for this panel by the operator who asked for it.
struct Made {
    answer: Answer,
    id: String,
    algorithm: Algorithm,
    sign_count: u32,
}

/// Checks what a browser answers. What an authenticator says of its own make is not asked for: any one will do.
async fn checked(request: &Request, call: &Call, session: &Session, new: &NewPasskey) -> Result<Made, Failure> {
    let origin = address::origin(request);
    let client_data = passkeys::decode(&new.client_data).unwrap_or_default();
    let answer = Answer::read(call, &client_data, &origin, For::Operator(session.operator))?.ok_or_else(|| {
        Failure::invalid("client_data", "the answer to a challenge of at most five minutes ago, given on this site")
    })?;
    let data = passkeys::decode(&new.authenticator_data).unwrap_or_default();
    let said = passkey::site(&origin).and_then(|site| passkey::said(&data, site));
    let made = said.and_then(|said| said.credential.map(|id| (id, said.count)));
    let (id, sign_count) = made.filter(|(id, _)| (1..=LONGEST_ID).contains(&id.len())).ok_or_else(|| {
        Failure::invalid("authenticator_data", "of a new passkey for this site, made by somebody who showed who he is")
    })?;
    let algorithm = Algorithm::numbered(new.algorithm);
    let algorithm = algorithm.ok_or_else(|| Failure::invalid("algorithm", "-7 (ES256) or -257 (RS256)"))?;
    let key = passkeys::decode(&new.public_key).unwrap_or_default();
    if !passkeys::is_key(algorithm, &key).await {
        return Err(Failure::invalid("public_key", "the key of the algorithm as SubjectPublicKeyInfo in base64url"));
    }
    Ok(Made { answer, id: URL_SAFE_NO_PAD.encode(id), algorithm, sign_count })
}

/// `POST /api/v1/me/passkeys`
///
/// 201. From now on he may sign in with it. 409 `too_many` and `taken`.
pub(super) async fn add(mut request: Request, call: &Call, session: &Session) -> Result<Response, Failure> {
    let new: NewPasskey = body::json(&mut request).await?;
    let made = checked(&request, call, session, &new).await?;
    let prepare = async || {
        let all = own(call, session).await?;
        if all.len() >= MOST {
            return Err(Failure::Conflict { code: "too_many", message: format!("there are {MOST} passkeys already") });
        }
        let taken =
            || Failure::Conflict { code: "taken", message: "that passkey, or its answer, was sent before".into() };
        if call.db.first::<store::Id>(store::is_known(&made.id)).await?.is_some() {
            return Err(taken());
        }
        let mut batch = made.answer.spend(call).await?.ok_or_else(taken)?.to_vec();
        let kept = store::New {
            id: &made.id,
            operator: session.operator,
            name: new.name.as_str(),
            algorithm: made.algorithm.number(),
            public_key: &new.public_key,
            sign_count: made.sign_count,
        };
        batch.push(store::add(&kept, call.now));
        let facts = Facts::new().plain("passkey", new.name.as_str());
        let entry = Entry::new("passkey.add", format!("operators/{}", session.name)).after(facts);
        Ok(Deed::new(entry, batch, ()))
    };
    recorded(call, &session.actor(&request)?, prepare).await?;
    let shown = json!({ "id": made.id, "name": new.name.as_str(), "created_at": call.now.get(), "last_used_at": null });
    Ok(Response::from_json(&shown)?.with_status(201))
}

/// `DELETE /api/v1/me/passkeys/{id}`
///
/// 204. Nobody signs in with it any more; sessions that it began go on.
pub(super) async fn remove(request: &Request, call: &Call, session: &Session, id: &str) -> Result<Response, Failure> {
    let prepare = async || {
        let all = own(call, session).await?;
        let key = all.iter().find(|key| key.id == id).ok_or(Failure::NotFound("passkey"))?;
        let before = Facts::new().plain("passkey", key.name.as_str());
        let entry = Entry::new("passkey.remove", format!("operators/{}", session.name)).before(before);
        Ok(Deed::new(entry, [store::remove(&key.id, session.operator)], ()))
    };
    recorded(call, &session.actor(request)?, prepare).await?;
    Ok(Response::empty()?.with_status(204))
}
