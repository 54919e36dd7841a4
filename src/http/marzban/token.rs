//! Signing in as Marzban's clients do.

use serde_json::json;
use worker::{Request, Response};

use super::admin_json::is_sudo;
use super::refusal::unknown;
use crate::domain::jwt::{self, Access, Claims};
use crate::domain::percent::form_field;
use crate::http::auth::{self, Attempted, Entered};
use crate::http::body;
use crate::http::call::Call;
use crate::http::failure::Failure;

/// Seconds that a token lasts: Marzban's default, 1,440 minutes.
const LASTS: i64 = 86_400;

/// `POST /api/admin/token`
///
/// A password form of `OAuth2`: `username` and `password`; `totp` for whoever has a second factor. The token is the operator's session in
/// another form: it stands in the list of his sessions, and ends with it. Rows of a wrong password: 3 read, 2 written; of a right one, without
/// a second factor, 6 and 6.
pub(in crate::http) async fn enter(mut request: Request, call: &Call) -> Result<Response, Failure> {
    let form = body::form(&mut request).await?;
    let field = |name: &str| form_field(&form, name).filter(|text| !text.is_empty());
    let (Some(name), Some(password)) = (field("username"), field("password")) else {
        let missing = if field("username").is_none() { "username" } else { "password" };
        return Ok(Response::from_json(&json!({ "detail": { missing: "Field required" } }))?.with_status(422));
    };
    if field("grant_type").is_some_and(|kind| kind != "password") {
        let detail = json!({ "detail": { "grant_type": "String should match pattern '^password$'" } });
        return Ok(Response::from_json(&detail)?.with_status(422));
    }
    let attempted = Attempted::new(&name, &password);
    match auth::sign_in(&request, call, &attempted, &field("totp").unwrap_or_default(), LASTS).await? {
        Entered::In { token, role } => {
            let claims = Claims {
                sub: name,
                access: if is_sudo(role) { Access::Sudo } else { Access::Admin },
                iat: call.now,
                exp: Some(call.now.plus(LASTS)),
                jti: Some(token),
            };
            let token = jwt::sign(&jwt::own_key(&call.secret("AUTH_KEY")?), &claims);
            Ok(Response::from_json(&json!({ "access_token": token, "token_type": "bearer" }))?)
        }
        Entered::Code(_) => unknown("This account has a second factor: send its code as totp, or use an API key"),
        Entered::Wrong => unknown("Incorrect username or password"),
    }
}
