//! Which pages of other hosts may read answers: those that the operator lists, and only with a credential that they send
//! themselves. Cookies never count, so nothing is allowed here that a script with the same key could not do.

use worker::{Env, Request, Response};

/// The headers that a listed page may send, and those that it may read.
const ALLOWED: &str = "Authorization, Content-Type, Idempotency-Key";
const EXPOSED: &str = "Traffic-Webhook, User-Token, Subscription-Userinfo";
const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// The page that sent a request, if its origin is listed in `XPERT_ORIGINS`.
pub(crate) struct Origin {
    listed: Option<String>,
}

impl Origin {
    /// Looks whether the request's origin is listed.
    pub(crate) fn of(request: &Request, env: &Env) -> Self {
        let list = env.var("XPERT_ORIGINS").map(|list| list.to_string()).unwrap_or_default();
        let origin = request.headers().get("origin").ok().flatten();
        let is_listed = |origin: &String| {
            let mut entries = list.split([',', ' ', '\n']).map(|entry| entry.trim().trim_end_matches('/'));
            entries.any(|entry| !entry.is_empty() && entry.eq_ignore_ascii_case(origin))
        };
        Self { listed: origin.filter(is_listed) }
    }

    /// Lets the page read the answer, if it is listed; any other gets no header.
    pub(crate) fn allow(&self, response: &mut Response) -> worker::Result<()> {
        let headers = response.headers_mut();
        headers.append("vary", "Origin")?;
        let Some(origin) = &self.listed else { return Ok(()) };
        headers.set("access-control-allow-origin", origin)?;
        headers.set("access-control-allow-headers", ALLOWED)?;
        headers.set("access-control-allow-methods", METHODS)?;
        headers.set("access-control-expose-headers", EXPOSED)?;
        headers.set("access-control-max-age", "600")
    }
}
