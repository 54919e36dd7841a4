//! The cookie that carries a session.

use worker::Request;

use crate::http::address;
use crate::http::failure::Failure;
use crate::store::sessions;

fn is_https(request: &Request) -> bool {
    address::origin(request).starts_with("https:")
}

/// Without TLS (a local server) browsers refuse both `Secure` and the `__Host-` prefix.
fn name(request: &Request) -> &'static str {
    if is_https(request) { "__Host-sid" } else { "sid" }
}

/// The session's token, if the request has one.
pub(super) fn read(request: &Request) -> Result<Option<String>, Failure> {
    let name = name(request);
    let header = request.headers().get("cookie")?.unwrap_or_default();
    let pairs = header.split(';').filter_map(|pair| pair.trim().split_once('='));
    Ok(pairs.into_iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_owned()))
}

/// The `Set-Cookie` value that makes a browser keep a session.
pub(crate) fn keep(request: &Request, token: &str) -> String {
    set(request, token, sessions::LASTS)
}

/// The `Set-Cookie` value that makes a browser keep a token for so many seconds.
pub(super) fn set(request: &Request, token: &str, seconds: i64) -> String {
    let secure = if is_https(request) { "; Secure" } else { "" };
    let name = name(request);
    format!("{name}={token}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}")
}
