//! Signing in and out.

use worker::{Request, Response};

use super::{go_to, page};
use crate::domain::percent::form_field;
use crate::http::auth::{self, Attempted, Entered};
use crate::http::body;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::store::sessions::LASTS;
use crate::views::Login;

/// `GET /login`, also HEAD
pub(crate) async fn ask(request: &Request, call: &Call) -> Result<Response, Failure> {
    match auth::session(request, call).await? {
        Some(_) => go_to("/"),
        None => page(&Login::default(), 200),
    }
}

/// `POST /login`
pub(crate) async fn enter(mut request: Request, call: &Call) -> Result<Response, Failure> {
    if !auth::is_own_origin(&request)? {
        return Err(Failure::Foreign);
    }
    let form = body::form(&mut request).await?;
    let field = |name: &str| form_field(&form, name).unwrap_or_default();
    let (name, ticket, code) = (field("name"), field("ticket"), field("code"));
    let attempted = if ticket.is_empty() {
        Some(Attempted::new(&name, &field("password")))
    } else {
        Attempted::read(call, &ticket)?
    };
    let refused = |problem: &str, status| {
        let again = Some(ticket.clone()).filter(|ticket| attempted.is_some() && !ticket.is_empty());
        page(&Login { name: name.clone(), problem: Some(problem.to_owned()), ticket: again }, status)
    };
    let Some(attempted) = &attempted else { return refused("That took too long. Sign in again.", 401) };
    match auth::sign_in(&request, call, attempted, &code, LASTS).await {
        Ok(Entered::In { token, .. }) => {
            let response = go_to("/")?;
            response.headers().set("set-cookie", &auth::keep(&request, &token))?;
            Ok(response)
        }
        Ok(Entered::Code(ticket)) => page(&Login { ticket: Some(ticket), ..Login::default() }, 200),
        Ok(Entered::Wrong) if ticket.is_empty() => refused("Name or password is wrong.", 401),
        Ok(Entered::Wrong) => refused("That code is wrong, or was used before.", 401),
        Err(Failure::TooOften(wait)) => {
            let response = refused(&format!("Too many attempts. Try again in {} min.", wait.div_ceil(60)), 429)?;
            response.headers().set("retry-after", &wait.to_string())?;
            Ok(response)
        }
        Err(failure) => Err(failure),
    }
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
