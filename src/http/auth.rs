//! Who calls: an operator's browser by its session, or a script by an API key with scopes.

use sha2::{Digest as _, Sha256};
use worker::{Method, Request};

use super::address;
use super::audit::{Deed, recorded};
use super::call::{Call, bearer, sha256_hex};
use super::failure::Failure;
use crate::domain::audit::{Actor, ActorKind, Entry, Facts};
use crate::domain::token::same;
use crate::random;
use crate::store::api_keys::{self, ApiKey};
use crate::store::operators::{self, Attempt, Candidate, FAILURES, LOCKED_FOR};
use crate::store::sessions;

/// The header in which the platform says where a request comes from. What a caller writes there never arrives.
const ADDRESS: &str = "cf-connecting-ip";

/// Letters of a name that somebody tried, in the audit log.
const MOST_LETTERS: usize = 100;

/// A browser that is signed in.
pub(crate) struct Session {
    /// The operator.
    pub(crate) name: String,
    /// What the database knows the session by.
    hash: String,
}

/// Lets the call pass if its credential reaches `scope`: an API key as bearer, otherwise a session. Returns who calls.
///
/// A bearer beats a session, valid or not. A session's unsafe methods need our own `Origin`, because a browser sends the
/// cookie whoever wrote the page. Rows read: 1 with a key, 2 with a session, none without either.
pub(crate) async fn authorize(request: &Request, call: &Call, scope: &'static str) -> Result<Actor, Failure> {
    if let Some(key) = bearer(request)? {
        let found: Option<ApiKey> = call.db.first(api_keys::find(&sha256_hex(&key))).await?;
        let key = found.filter(|key| key.expires_at.is_none_or(|expires| expires > call.now.get()));
        let key = key.ok_or(Failure::Unauthorized)?;
        return if key.scopes.split(' ').any(|held| held == scope) {
            actor(request, ActorKind::ApiKey, key.name)
        } else {
            Err(Failure::Forbidden(scope))
        };
    }
    let session = session(request, call).await?.ok_or(Failure::Unauthorized)?;
    let safe = matches!(request.method(), Method::Get | Method::Head);
    if safe || is_own_origin(request)? {
        actor(request, ActorKind::Operator, session.name)
    } else {
        Err(Failure::Foreign)
    }
}

/// Who sends this request, for the audit log. The address is the one that the platform saw.
pub(crate) fn actor(request: &Request, kind: ActorKind, name: String) -> Result<Actor, Failure> {
    Ok(Actor { kind, name, address: request.headers().get(ADDRESS)? })
}

/// The session that the request's cookie names, if it still lasts. Rows read: 2, none without a cookie.
pub(crate) async fn session(request: &Request, call: &Call) -> Result<Option<Session>, Failure> {
    let Some(token) = cookie(request)? else { return Ok(None) };
    let hash = sha256_hex(&token);
    let found: Option<sessions::Session> = call.db.first(sessions::find(&hash)).await?;
    let lasting = found.filter(|session| session.expires_at > call.now.get());
    Ok(lasting.map(|session| Session { name: session.name, hash }))
}

/// Whether the page that sent this request is one of ours.
pub(crate) fn is_own_origin(request: &Request) -> Result<bool, Failure> {
    let own = address::origin(request);
    Ok(request.headers().get("origin")?.is_some_and(|origin| origin == own))
}

/// Signs an operator in; returns the `Set-Cookie` value of his session, or `None` when name or password are wrong.
///
/// Guesses are counted per address by the platform and per name in D1, whether somebody has that name or not.
pub(crate) async fn sign_in(
    request: &Request,
    call: &Call,
    name: &str,
    password: &str,
) -> Result<Option<String>, Failure> {
    let address = request.headers().get(ADDRESS)?.unwrap_or_else(|| "local".to_owned());
    if let Ok(limiter) = call.env.rate_limiter("LOGIN_LIMIT")
        && !limiter.limit(address).await?.success
    {
        return Err(Failure::TooOften(60));
    }
    let bucket = bucket(name);
    let outcomes = call.db.batch(&[operators::attempt(bucket, call.now), operators::find(bucket, name)]).await?;
    let [attempt, found] = outcomes.as_slice() else { return Err(Failure::Broken("a batch of two gave other".into())) };
    let candidate: Option<Candidate> = found.rows()?.pop();
    if attempt.rows::<Attempt>()?.is_empty() {
        let last = candidate.map_or(0, |candidate| candidate.last_at);
        let wait = last.saturating_add(LOCKED_FOR).saturating_sub(call.now.get());
        return Err(Failure::TooOften(u32::try_from(wait.max(1)).unwrap_or(1)));
    }
    let given = sha256_hex(password);
    let operator = candidate.and_then(|candidate| Some((candidate.id?, candidate.password_hash?)));
    // Compared even for a name that nobody has: the time must not tell.
    let stored = operator.as_ref().map_or_else(|| sha256_hex(""), |(_, hash)| hash.clone());
    let right = same(given.as_bytes(), stored.as_bytes());
    let Some((id, _)) = operator.filter(|_| right) else {
        if attempt.rows::<Attempt>()?.iter().any(|attempt| attempt.failures == FAILURES) {
            lock(request, call, name).await?;
        }
        return Ok(None);
    };
    let token = hex::encode(random::bytes::<32>()?);
    let actor = actor(request, ActorKind::Operator, name.to_owned())?;
    let prepare = async || {
        let batch = [operators::forgive(bucket), sessions::open(&sha256_hex(&token), id, call.now)];
        Ok(Deed::new(Entry::new("session.open", format!("operators/{name}")), batch, ()))
    };
    recorded(call, &actor, prepare).await?;
    Ok(Some(set_cookie(request, &token, sessions::LASTS)))
}

/// Records that a name is locked from now on. It has happened already: what counts attempts must count them all, also those
/// whose request ends here.
async fn lock(request: &Request, call: &Call, name: &str) -> Result<(), Failure> {
    let name: String = name.chars().filter(|letter| !letter.is_control()).take(MOST_LETTERS).collect();
    let actor = actor(request, ActorKind::Stranger, name.clone())?;
    let prepare = async || {
        let facts = Facts::new().plain("failures", FAILURES).plain("seconds", LOCKED_FOR);
        Ok(Deed::new(Entry::new("session.lock", format!("operators/{name}")).after(facts), [], ()))
    };
    recorded(call, &actor, prepare).await.map(drop)
}

/// Ends a session; returns the `Set-Cookie` value that makes the browser forget it.
pub(crate) async fn sign_out(request: &Request, call: &Call) -> Result<String, Failure> {
    if let Some(session) = session(request, call).await? {
        let entry = || Entry::new("session.end", format!("operators/{}", session.name));
        let actor = actor(request, ActorKind::Operator, session.name.clone())?;
        recorded(call, &actor, async || Ok(Deed::new(entry(), [sessions::end(&session.hash)], ()))).await?;
    }
    Ok(set_cookie(request, "", 0))
}

fn bucket(name: &str) -> u16 {
    let digest = Sha256::digest(name.to_lowercase());
    digest.iter().take(2).fold(0, |bucket, byte| (bucket << 8) | u16::from(*byte))
}

fn is_https(request: &Request) -> bool {
    address::origin(request).starts_with("https:")
}

/// Without TLS (a local server) browsers refuse both `Secure` and the `__Host-` prefix.
fn cookie_name(request: &Request) -> &'static str {
    if is_https(request) { "__Host-sid" } else { "sid" }
}

fn cookie(request: &Request) -> Result<Option<String>, Failure> {
    let name = cookie_name(request);
    let header = request.headers().get("cookie")?.unwrap_or_default();
    let pairs = header.split(';').filter_map(|pair| pair.trim().split_once('='));
    Ok(pairs.into_iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_owned()))
}

fn set_cookie(request: &Request, token: &str, seconds: i64) -> String {
    let secure = if is_https(request) { "; Secure" } else { "" };
    let name = cookie_name(request);
    format!("{name}={token}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}")
}
