//! Signing in and out.

use serde_json::json;
use worker::{Request, Response};

use super::visit::language;
use super::{go_to, page};
use crate::domain::passkey;
use crate::domain::percent::form_field;
use crate::http::address;
use crate::http::auth::{self, Assertion, Attempted, Entered};
use crate::http::body;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::http::passkeys::{self, For};
use crate::store::sessions::LASTS;
use crate::views::{Login, Problem};

/// `GET /login`, also HEAD
pub(crate) async fn ask(request: &Request, call: &Call) -> Result<Response, Failure> {
    match auth::session(request, call).await? {
        Some(_) => go_to("/"),
        None => page(&blank(request)?, 200),
    }
}

/// The page in the reader's language.
fn blank(request: &Request) -> Result<Login, Failure> {
    Ok(Login::new(language(request)?, passkey::site(&address::origin(request)).is_some()))
}

/// `GET /login/challenge`
///
/// What a passkey signs to sign in: `challenge`, a text whose bytes are signed, good for five minutes and one answer, and the `site` that
/// passkeys are bound to, `null` if the panel was called by an address. No rows.
pub(crate) fn challenge(request: &Request, call: &Call) -> Result<Response, Failure> {
    let site = passkey::site(&address::origin(request)).map(str::to_owned);
    Ok(Response::from_json(&json!({ "challenge": passkeys::ask(call, For::SignIn)?, "site": site }))?)
}

/// `POST /login`
pub(crate) async fn enter(mut request: Request, call: &Call) -> Result<Response, Failure> {
    if !auth::is_own_origin(&request)? {
        return Err(Failure::Foreign);
    }
    let form = body::form(&mut request).await?;
    let field = |name: &str| form_field(&form, name).unwrap_or_default();
    if !field("passkey").is_empty() {
        return by_passkey(&request, call, &field).await;
    }
    let (name, ticket, code) = (field("name"), field("ticket"), field("code"));
    let attempted = if ticket.is_empty() {
        Some(Attempted::new(&name, &field("password")))
    } else {
        Attempted::read(call, &ticket)?
    };
    let refused = |problem, status| {
        let again = Some(ticket.clone()).filter(|ticket| attempted.is_some() && !ticket.is_empty());
        page(&blank(&request)?.with_ticket(again).refused(name.clone(), problem), status)
    };
    let Some(attempted) = &attempted else { return refused(Problem::Late, 401) };
    match auth::sign_in(&request, call, attempted, &code, LASTS).await {
        Ok(Entered::In { token, .. }) => let_in(&request, &token),
        Ok(Entered::Code(ticket)) => page(&blank(&request)?.with_ticket(Some(ticket)), 200),
        Ok(Entered::Wrong) if ticket.is_empty() => refused(Problem::Wrong, 401),
        Ok(Entered::Wrong) => refused(Problem::Code, 401),
        Err(Failure::TooOften(wait)) => slow(refused(Problem::Often(wait.div_ceil(60)), 429)?, wait),
        Err(failure) => Err(failure),
    }
}

/// The same form with what a passkey has signed.
async fn by_passkey(request: &Request, call: &Call, field: &impl Fn(&str) -> String) -> Result<Response, Failure> {
    let given = Assertion {
        id: field("passkey"),
        user: field("user"),
        client_data: field("client_data"),
        authenticator_data: field("authenticator_data"),
        signature: field("signature"),
    };
    let refused = |problem, status| page(&blank(request)?.refused(String::new(), problem), status);
    match auth::by_passkey(request, call, &given, LASTS).await {
        Ok(Some(token)) => let_in(request, &token),
        Ok(None) => refused(Problem::Passkey, 401),
        Err(Failure::TooOften(wait)) => slow(refused(Problem::Often(wait.div_ceil(60)), 429)?, wait),
        Err(failure) => Err(failure),
    }
}

fn let_in(request: &Request, token: &str) -> Result<Response, Failure> {
    let response = go_to("/")?;
    response.headers().set("set-cookie", &auth::keep(request, token))?;
    Ok(response)
}

fn slow(response: Response, wait: u32) -> Result<Response, Failure> {
    response.headers().set("retry-after", &wait.to_string())?;
    Ok(response)
}

/// `POST /logout`
pub(crate) async fn leave(request: &Request, call: &Call) -> Result<Response, Failure> {
    if !auth::is_own_origin(request)? {
        return Err(Failure::Foreign);
    }
    let cookie = auth::sign_out(request, call).await?;
    let response = go_to("/login")?;
    response.headers().set("set-cookie", &cookie)?;
    Ok(response)
}
