//! Fetching an address that somebody else wrote: every hop is looked at before it is asked, and nothing is trusted to end.

use core::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::{Either, select};
use worker::{
    AbortController, AbortSignal, CacheMode, Delay, Fetch, Headers, Request, RequestInit, RequestRedirect, Response,
};

use super::names;
use crate::domain::reach::{Place, Target};
use crate::domain::source::userinfo;

/// How long a fetch may take, redirects, names and the whole body included.
const DEADLINE: Duration = Duration::from_secs(10);
/// Most bytes of a body, unpacked.
const MOST_BYTES: usize = 2 << 20;
/// Most redirects that are followed.
const REDIRECTS: usize = 3;
/// Longest header that is kept, in bytes.
const HEADER: usize = 200;

/// How one fetch goes about it.
pub(super) struct Plan<'a> {
    /// Authorities that may be private.
    pub(super) allowed: &'a [String],
    /// Authorities that are this panel.
    pub(super) own: &'a [String],
    /// Where names are looked up.
    pub(super) resolver: &'a str,
    /// What the panel is known by to itself.
    pub(super) mark: &'a str,
    /// `User-Agent`.
    pub(super) agent: &'a str,
    /// `ETag` and `Last-Modified` of what is there already.
    pub(super) known: (Option<&'a str>, Option<&'a str>),
}

/// What came back.
pub(super) struct Answer {
    /// None: it is what is there already.
    pub(super) body: Option<Vec<u8>>,
    pub(super) userinfo: Option<String>,
    pub(super) etag: Option<String>,
    pub(super) last_modified: Option<String>,
}

/// Fetches an address.
///
/// # Errors
/// Why nothing came of it, in words for the operator.
pub(super) async fn fetch(url: &str, plan: &Plan<'_>) -> Result<Answer, String> {
    let controller = AbortController::default();
    let signal = controller.signal();
    let hops = Box::pin(hops(url, plan, &signal));
    let answer = match select(hops, Box::pin(Delay::from(DEADLINE))).await {
        Either::Left((answer, _)) => answer,
        Either::Right(_) => Err(format!("the answer was not complete within {} s", DEADLINE.as_secs())),
    };
    // Whatever still comes is not read.
    controller.abort();
    answer
}

async fn hops(url: &str, plan: &Plan<'_>, signal: &AbortSignal) -> Result<Answer, String> {
    let mut place = Place::read(url, plan.allowed).map_err(|refusal| refusal.to_string())?;
    let mut seen = Vec::new();
    loop {
        check(&place, plan, signal).await?;
        let mut response = ask(&place.url, plan, signal).await.map_err(|error| unreachable(&place, &error))?;
        let header = |name: &str| response.headers().get(name).ok().flatten().filter(|value| value.len() <= HEADER);
        let location = response.headers().get("location").ok().flatten();
        match (response.status_code(), location) {
            (301 | 302 | 303 | 307 | 308, Some(location)) => {
                seen.push(place.url.clone());
                if seen.len() > REDIRECTS {
                    return Err(format!("it redirects more than {REDIRECTS} times"));
                }
                let next = place.follow(&location, plan.allowed);
                place = next.map_err(|refusal| format!("it redirects to an address that is refused: {refusal}"))?;
                if seen.contains(&place.url) {
                    return Err("its redirects run in a circle".into());
                }
            }
            (508, _) => return Err("it leads back to this panel".into()),
            (304, _) if plan.known.0.is_some() || plan.known.1.is_some() => {
                return Ok(Answer { body: None, userinfo: told(&response), etag: None, last_modified: None });
            }
            (200, _) => {
                let (etag, last_modified) = (header("etag"), header("last-modified"));
                let userinfo = told(&response);
                return Ok(Answer { body: Some(read(&mut response).await?), userinfo, etag, last_modified });
            }
            (status, _) => return Err(format!("it answered {status}")),
        }
    }
}

fn told(response: &Response) -> Option<String> {
    response.headers().get("subscription-userinfo").ok().flatten().map(|header| userinfo::cut(&header))
}

/// Whether a place may be asked: it is not this panel, and its name means public addresses only.
async fn check(place: &Place, plan: &Plan<'_>, signal: &AbortSignal) -> Result<(), String> {
    if plan.own.contains(&place.authority) {
        return Err("it leads back to this panel".into());
    }
    match &place.target {
        Target::Ready => Ok(()),
        Target::Name(name) => names::check(name, plan.resolver, signal).await,
    }
}

async fn ask(url: &str, plan: &Plan<'_>, signal: &AbortSignal) -> worker::Result<Response> {
    let headers = Headers::new();
    headers.set("user-agent", plan.agent)?;
    headers.set("accept", "*/*")?;
    headers.set(super::MARK, plan.mark)?;
    for (name, value) in [("if-none-match", plan.known.0), ("if-modified-since", plan.known.1)] {
        if let Some(value) = value {
            headers.set(name, value)?;
        }
    }
    let mut init = RequestInit::new();
    init.with_headers(headers).with_redirect(RequestRedirect::Manual).with_cache(CacheMode::NoStore);
    Fetch::Request(Request::new_with_init(url, &init)?).send_with_signal(signal).await
}

/// The runtime's own words say little and change; they are no help to an operator.
fn unreachable(place: &Place, error: &worker::Error) -> String {
    worker::console_log!("source not reached authority={} error={error}", place.authority);
    format!("{} could not be reached", place.authority)
}

/// Reads a body as it comes, unpacked by the runtime, and stops at the limit.
async fn read(response: &mut Response) -> Result<Vec<u8>, String> {
    let too_large = || format!("the answer is larger than {} MiB", MOST_BYTES >> 20);
    let length = response.headers().get("content-length").ok().flatten().and_then(|length| length.parse().ok());
    if length.is_some_and(|length: usize| length > MOST_BYTES) {
        return Err(too_large());
    }
    let mut body = Vec::new();
    // An answer without a body has no stream.
    let Ok(mut stream) = response.stream() else { return Ok(body) };
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|_| "the answer broke off".to_owned())?;
        if body.len().saturating_add(chunk.len()) > MOST_BYTES {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
