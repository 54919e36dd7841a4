//! The operator who asks: who he is, where he is signed in, and his second factor. An API key is nobody here.

use serde::Deserialize;
use serde_json::json;
use worker::{Request, Response};

use super::me_passkeys;
use super::operators::{password, subject, whole};
use crate::domain::audit::{Entry, Facts};
use crate::domain::page::qr::Qr;
use crate::domain::password::is as is_password;
use crate::domain::totp::{self, RECOVERY_CODES, Secret, plain_recovery_code};
use crate::http::address;
use crate::http::audit::{Deed, recorded};
use crate::http::auth::{self, Session};
use crate::http::body;
use crate::http::call::{Call, sha256_hex};
use crate::http::failure::Failure;
use crate::http::two_factor;
use crate::random;
use crate::route::Me;
use crate::store::operators::{self as store, Operator};
use crate::store::sessions::{self, ID, Open};
use crate::store::sign_ins::{self, Bucket};

/// Answers a request of an operator about himself.
pub(crate) async fn answer(request: Request, call: &Call, route: Me<'_>) -> Result<Response, Failure> {
    let session = auth::own(&request, call).await?;
    match route {
        Me::Get => Ok(Response::from_json(&whole(call, operator(call, &session).await?).await?)?),
        Me::ResetPassword => reset_password(request, call, &session).await,
        Me::Sessions => list(call, &session).await,
        Me::EndOthers => end_others(&request, call, &session).await,
        Me::End(id) => end(&request, call, &session, id).await,
        Me::Enrol => enrol(request, call, &session).await,
        Me::Confirm => confirm(request, call, &session).await,
        Me::RenewCodes => renew_codes(request, call, &session).await,
        Me::ForgetTwoFactor => forget_two_factor(request, call, &session).await,
        Me::Passkeys => me_passkeys::list(call, &session).await,
        Me::AskPasskey => me_passkeys::ask(request, call, &session).await,
        Me::AddPasskey => me_passkeys::add(request, call, &session).await,
        Me::RemovePasskey(id) => me_passkeys::remove(&request, call, &session, id).await,
    }
}

async fn operator(call: &Call, session: &Session) -> Result<Operator, Failure> {
    call.db.first(store::by_id(session.operator)).await?.ok_or(Failure::Unauthorized)
}

/// `GET /api/v1/me/sessions`
async fn list(call: &Call, session: &Session) -> Result<Response, Failure> {
    let open: Vec<Open> = call.db.all(sessions::of_operator(session.operator, call.now)).await?;
    let items: Vec<_> = open
        .iter()
        .map(|open| {
            json!({
                "id": open.hash.get(..ID),
                "created_at": open.created_at,
                "expires_at": open.expires_at,
                "address": open.address,
                "user_agent": open.user_agent,
                "current": open.hash == session.hash,
            })
        })
        .collect();
    Ok(Response::from_json(&json!({ "total": items.len(), "items": items, "next": null }))?)
}

/// `DELETE /api/v1/me/sessions/{id}`
///
/// 204. Of another operator's session, and of one that has ended: 404.
async fn end(request: &Request, call: &Call, session: &Session, id: &str) -> Result<Response, Failure> {
    let prepare = async || {
        let open: Vec<Open> = call.db.all(sessions::of_operator(session.operator, call.now)).await?;
        let named = open.iter().find(|open| open.hash.get(..ID) == Some(id)).ok_or(Failure::NotFound("session"))?;
        let entry = Entry::new("session.end", format!("operators/{}", session.name));
        Ok(Deed::new(entry, [sessions::end(&named.hash)], ()))
    };
    recorded(call, &session.actor(request)?, prepare).await?;
    Ok(Response::empty()?.with_status(204))
}

/// `DELETE /api/v1/me/sessions`
///
/// Ends all but the one that asks. 204.
async fn end_others(request: &Request, call: &Call, session: &Session) -> Result<Response, Failure> {
    let prepare = async || {
        let entry = Entry::new("session.end_others", format!("operators/{}", session.name));
        Ok(Deed::new(entry, [sessions::end_others(session.operator, &session.hash)], ()))
    };
    recorded(call, &session.actor(request)?, prepare).await?;
    Ok(Response::empty()?.with_status(204))
}

/// What proves that it is the operator who sits before his browser.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Proof {
    password: String,
}

/// What confirms a second factor.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Code {
    code: String,
}

/// Counts an attempt to prove something to a session, as those to sign in are counted, so that whoever finds an open browser cannot
/// guess on. Rows: 1 read, 1 written.
async fn count(call: &Call, session: &Session) -> Result<Bucket, Failure> {
    let bucket = auth::bucket_of(&session.name);
    auth::count(call, bucket).await.map(|_| bucket)
}

/// Reads the body, and holds the password in it against the operator's.
pub(super) async fn proven(
    mut request: Request,
    call: &Call,
    session: &Session,
) -> Result<(Request, Operator), Failure> {
    let Proof { password } = body::json(&mut request).await?;
    let bucket = count(call, session).await?;
    let operator = operator(call, session).await?;
    if !is_password(&call.secret("AUTH_KEY")?, &operator.password_hash, &sha256_hex(&password)) {
        return Err(Failure::invalid("password", "it is wrong"));
    }
    call.db.run(sign_ins::forgive(bucket)).await?;
    Ok((request, operator))
}

/// `POST /api/v1/me/password`
///
/// For `{"password"}`, the present one, a new generated `password`, which is shown once. All other sessions end.
async fn reset_password(request: Request, call: &Call, session: &Session) -> Result<Response, Failure> {
    let (request, operator) = proven(request, call, session).await?;
    let new = password()?;
    let prepare = async || {
        let batch =
            [store::set_password(operator.id, &sha256_hex(&new)), sessions::end_others(operator.id, &session.hash)];
        Ok(Deed::new(Entry::new("operator.password", subject(&operator)), batch, ()))
    };
    recorded(call, &session.actor(&request)?, prepare).await?;
    Ok(Response::from_json(&json!({ "name": operator.name, "password": new }))?)
}

/// `POST /api/v1/me/two-factor`
///
/// For `{"password"}` a new `secret`, its `uri` for an authenticator app, and the QR code of that as `qr`, an SVG. It is asked for once it is confirmed; 409 while one is.
async fn enrol(request: Request, call: &Call, session: &Session) -> Result<Response, Failure> {
    let (request, operator) = proven(request, call, session).await?;
    let secret = Secret::new(random::bytes()?);
    let sealed = two_factor::seal(call, &secret)?;
    let prepare = async || {
        if self::operator(call, session).await?.totp_since.is_some() {
            let message = "a second factor is asked for already; end it first".to_owned();
            return Err(Failure::Conflict { code: "two_factor", message });
        }
        let entry = Entry::new("operator.two_factor_enrol", subject(&operator));
        Ok(Deed::new(entry, [store::enrol(operator.id, Some(&sealed))], ()))
    };
    recorded(call, &session.actor(&request)?, prepare).await?;
    let origin = address::origin(&request);
    let host = origin.split_once("://").map_or(origin.as_str(), |(_, host)| host);
    let uri = secret.uri(host, &operator.name);
    let qr = Qr::of(&uri).map(|qr| qr.svg());
    Ok(Response::from_json(&json!({ "secret": secret.text(), "uri": uri, "qr": qr }))?)
}

/// `POST /api/v1/me/two-factor/confirm`
///
/// For `{"code"}` of the app the `recovery_codes`, which are shown once. From now on a sign-in needs the second factor; all other
/// sessions end.
async fn confirm(mut request: Request, call: &Call, session: &Session) -> Result<Response, Failure> {
    let Code { code } = body::json(&mut request).await?;
    let bucket = count(call, session).await?;
    let codes = recovery_codes()?;
    let prepare = async || {
        let operator = operator(call, session).await?;
        let sealed = operator.totp.as_deref().filter(|_| operator.totp_since.is_none());
        let Some(sealed) = sealed else {
            let message = "there is no second factor to confirm; begin with POST /api/v1/me/two-factor".to_owned();
            return Err(Failure::Conflict { code: "two_factor", message });
        };
        let step = two_factor::open(call, sealed)?.step(&code, call.now, operator.totp_step);
        let step = step.ok_or_else(|| Failure::invalid("code", "the six digits that the app shows now"))?;
        let facts = Facts::new().plain("two_factor_since", call.now.get());
        let batch = [
            store::confirm(operator.id, call.now, step),
            store::forget_codes(operator.id),
            store::keep_codes(operator.id, &hashes(&codes)),
            sessions::end_others(operator.id, &session.hash),
            sign_ins::forgive(bucket),
        ];
        Ok(Deed::new(Entry::new("operator.two_factor", subject(&operator)).after(facts), batch, ()))
    };
    recorded(call, &session.actor(&request)?, prepare).await?;
    Ok(Response::from_json(&json!({ "recovery_codes": codes }))?)
}

/// `POST /api/v1/me/two-factor/recovery-codes`
///
/// For `{"password"}` new `recovery_codes`, which are shown once; the old ones end.
async fn renew_codes(request: Request, call: &Call, session: &Session) -> Result<Response, Failure> {
    let (request, operator) = proven(request, call, session).await?;
    let codes = recovery_codes()?;
    let prepare = async || {
        if self::operator(call, session).await?.totp_since.is_none() {
            let message = "no second factor is asked for".to_owned();
            return Err(Failure::Conflict { code: "two_factor", message });
        }
        let batch = [store::forget_codes(operator.id), store::keep_codes(operator.id, &hashes(&codes))];
        Ok(Deed::new(Entry::new("operator.recovery_codes", subject(&operator)), batch, ()))
    };
    recorded(call, &session.actor(&request)?, prepare).await?;
    Ok(Response::from_json(&json!({ "recovery_codes": codes }))?)
}

/// `DELETE /api/v1/me/two-factor`
///
/// For `{"password"}`: the second factor is asked for no more. 204.
async fn forget_two_factor(request: Request, call: &Call, session: &Session) -> Result<Response, Failure> {
    let (request, operator) = proven(request, call, session).await?;
    let prepare = async || {
        let batch = [store::enrol(operator.id, None), store::forget_codes(operator.id)];
        Ok(Deed::new(Entry::new("operator.two_factor_end", subject(&operator)), batch, ()))
    };
    recorded(call, &session.actor(&request)?, prepare).await?;
    Ok(Response::empty()?.with_status(204))
}

fn recovery_codes() -> Result<Vec<String>, Failure> {
    (0..RECOVERY_CODES).map(|_| Ok(totp::recovery_code(random::bytes()?))).collect()
}

fn hashes(codes: &[String]) -> Vec<String> {
    codes.iter().map(|code| sha256_hex(&plain_recovery_code(code))).collect()
}
