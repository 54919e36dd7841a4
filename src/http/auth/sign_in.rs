//! Signing in and out.

use core::net::IpAddr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use worker::Request;

use super::{actor, address_of, cookie, session};
use crate::domain::audit::{Actor, ActorKind, Entry, Facts};
use crate::domain::password;
use crate::domain::role::Role;
use crate::domain::seal::{self, NONCE};
use crate::domain::totp;
use crate::http::audit::{Deed, recorded};
use crate::http::call::{Call, sha256_hex};
use crate::http::failure::Failure;
use crate::http::two_factor;
use crate::random;
use crate::store::sign_ins::{self, Attempt, Candidate, LOCKED_FOR, Last};

pub(super) use crate::store::sign_ins::Bucket;
use crate::store::{Statement, operators, sessions};

/// Letters of a name that somebody tried, in the audit log.
const MOST_LETTERS: usize = 100;
/// Letters that are kept of what a browser calls itself.
const MOST_AGENT: usize = 200;
/// Seconds for which somebody who gave his password may look for his second factor.
const TICKET_LASTS: i64 = 300;
/// What a ticket is sealed for.
const TICKET: &str = "sign-in";

/// How an attempt to sign in ended.
pub(crate) enum Entered {
    /// He is signed in.
    In {
        /// His session's token.
        token: String,
        /// His role.
        role: Role,
    },
    /// Name and password are right, the second factor is missing: the ticket that comes back with it.
    Code(String),
    /// Name, password or code is wrong, or the ticket is too old.
    Wrong,
}

/// What somebody tries to sign in with.
#[derive(Serialize, Deserialize)]
pub(crate) struct Attempted {
    name: String,
    /// SHA-256 of the password, in hex.
    hash: String,
    /// When the ticket ends that this was read from.
    #[serde(default)]
    until: i64,
}

impl Attempted {
    /// From the form.
    pub(crate) fn new(name: &str, password: &str) -> Self {
        Self { name: name.to_owned(), hash: sha256_hex(password), until: 0 }
    }

    /// From a ticket that [`sign_in`] gave; none when it is not ours or too old.
    pub(crate) fn read(call: &Call, ticket: &str) -> Result<Option<Self>, Failure> {
        let opened = seal::open(&call.secret("AUTH_KEY")?, TICKET, ticket);
        let attempted: Option<Self> = opened.and_then(|text| serde_json::from_str(&text).ok());
        Ok(attempted.filter(|attempted| attempted.until > call.now.get()))
    }

    fn ticket(&self, call: &Call) -> Result<String, Failure> {
        let until = call.now.plus(TICKET_LASTS).get();
        let text = serde_json::to_string(&Self { name: self.name.clone(), hash: self.hash.clone(), until })
            .map_err(|error| Failure::Broken(format!("ticket: {error}")))?;
        Ok(seal::seal(&call.secret("AUTH_KEY")?, TICKET, random::bytes::<NONCE>()?, &text))
    }
}

/// Signs an operator in, for so many seconds.
///
/// Guesses are counted per address by the platform and in D1, and per name in D1, whether somebody has that name or not; a right
/// password with a wrong code counts like a wrong password. Rows of a failed attempt: 3 read, 2 written.
pub(crate) async fn sign_in(
    request: &Request,
    call: &Call,
    attempted: &Attempted,
    code: &str,
    lasts: i64,
) -> Result<Entered, Failure> {
    // Whoever is locked out himself does not count against the name that he tries.
    let Doorstep { bucket: of_address, attempt: from_there } = doorstep(request, call).await?;
    let of_name = bucket_of(&attempted.name);
    let for_name = count(call, of_name).await?;
    let candidate: Option<Candidate> = call.db.first(sign_ins::find(&attempted.name)).await?;
    let candidate = candidate.ok_or_else(|| Failure::Broken("one row gave none".into()))?;
    // Compared even for a name that nobody has: the time must not tell.
    let stored = candidate.password_hash.clone().unwrap_or_else(|| sha256_hex(""));
    let right = password::is(&call.secret("AUTH_KEY")?, &stored, &attempted.hash);
    if let Some(operator) = candidate.id.filter(|_| right) {
        if candidate.totp.is_some() && code.trim().is_empty() {
            call.db.run(sign_ins::forgive(of_address)).await?;
            return Ok(Entered::Code(attempted.ticket(call)?));
        }
        let opening = Opening { request, operator, attempted, code, forgiven: [of_name, of_address], lasts };
        if let Some(token) = opening.open(call, &candidate).await? {
            let role = candidate.role.unwrap_or(Role::Viewer);
            return Ok(Entered::In { token, role });
        }
    }
    for (bucket, attempt) in [(of_name, for_name), (of_address, from_there)] {
        if attempt.failures == bucket.most() {
            lock(request, call, &attempted.name, bucket).await?;
        }
    }
    Ok(Entered::Wrong)
}

/// An attempt as it counts for the address that it comes from.
pub(super) struct Doorstep {
    /// Where it is counted.
    pub(super) bucket: Bucket,
    /// How many there were.
    pub(super) attempt: Attempt,
}

/// Counts an attempt against its address, by the platform and in D1. Rows: 1 read, 1 written.
pub(super) async fn doorstep(request: &Request, call: &Call) -> Result<Doorstep, Failure> {
    let address = address_of(request)?.unwrap_or_else(|| "local".to_owned());
    if let Ok(limiter) = call.env.rate_limiter("LOGIN_LIMIT")
        && !limiter.limit(address.clone()).await?.success
    {
        return Err(Failure::TooOften(60));
    }
    let bucket = Bucket::Address(digest(&network(&address)));
    Ok(Doorstep { bucket, attempt: count(call, bucket).await? })
}

/// What the browser calls itself, as it is kept with a session.
pub(super) fn agent(request: &Request) -> Result<String, Failure> {
    let agent = request.headers().get("user-agent")?.unwrap_or_default();
    Ok(agent.chars().filter(|letter| !letter.is_control()).take(MOST_AGENT).collect())
}

/// Counts an attempt, unless the bucket is locked. Rows: 1 read, 1 written.
pub(crate) async fn count(call: &Call, bucket: Bucket) -> Result<Attempt, Failure> {
    if let Some(attempt) = call.db.first(sign_ins::attempt(bucket, call.now)).await? {
        return Ok(attempt);
    }
    let last: Option<Last> = call.db.first(sign_ins::last(bucket)).await?;
    let wait = last.map_or(0, |last| last.last_at).saturating_add(LOCKED_FOR).saturating_sub(call.now.get());
    Err(Failure::TooOften(u32::try_from(wait.max(1)).unwrap_or(1)))
}

/// A session that begins if the second factor is right.
struct Opening<'a> {
    request: &'a Request,
    operator: i64,
    attempted: &'a Attempted,
    code: &'a str,
    forgiven: [Bucket; 2],
    lasts: i64,
}

impl Opening<'_> {
    /// The session's token, or none if the code is wrong. It is always a new one, and a session that the browser had ends.
    async fn open(&self, call: &Call, candidate: &Candidate) -> Result<Option<String>, Failure> {
        let token = hex::encode(random::bytes::<32>()?);
        let before = session(self.request, call).await?;
        let agent = agent(self.request)?;
        let actor =
            Actor { role: candidate.role, ..actor(self.request, ActorKind::Operator, self.attempted.name.clone())? };
        let from = sessions::From { address: actor.address.as_deref(), user_agent: &agent };
        let prepare = async || {
            let Some(spent) = self.spend(call).await? else { return Ok(Deed::nothing(false)) };
            let mut batch: Vec<Statement> = self.forgiven.map(sign_ins::forgive).to_vec();
            batch.extend(before.as_ref().map(|session| sessions::end(&session.hash)));
            batch.push(sessions::open(&sha256_hex(&token), self.operator, from, call.now, self.lasts));
            batch.push(operators::signed_in(self.operator, call.now));
            batch.extend(spent);
            let entry = Entry::new("session.open", format!("operators/{}", self.attempted.name));
            Ok(Deed::new(entry, batch, true))
        };
        let (_, opened) = recorded(call, &actor, prepare).await?;
        Ok(opened.then_some(token))
    }

    /// What uses the code up; none if it is wrong. Read anew under the audit head, so of two who send the same code at once one fails.
    async fn spend(&self, call: &Call) -> Result<Option<Vec<Statement>>, Failure> {
        let found: Option<Candidate> = call.db.first(sign_ins::find(&self.attempted.name)).await?;
        let key = call.secret("AUTH_KEY")?;
        // He was disabled, renamed or given another password meanwhile.
        let still = found.filter(|now| {
            let stored = now.password_hash.as_deref().unwrap_or_default();
            now.id == Some(self.operator) && password::is(&key, stored, &self.attempted.hash)
        });
        let Some(found) = still else { return Ok(None) };
        let Some(sealed) = &found.totp else { return Ok(Some(Vec::new())) };
        let secret = two_factor::open(call, sealed)?;
        if let Some(step) = secret.step(self.code, call.now, found.totp_step) {
            return Ok(Some(vec![operators::take(self.operator, step)]));
        }
        let hash = sha256_hex(&totp::plain_recovery_code(self.code));
        let holder: Option<operators::Holder> = call.db.first(operators::has_code(self.operator, &hash)).await?;
        Ok(holder.map(|_| vec![operators::spend_code(self.operator, &hash)]))
    }
}

/// Records that a name or an address is locked from now on. It has happened already: what counts attempts must count them all, also
/// those whose request ends here.
pub(super) async fn lock(request: &Request, call: &Call, name: &str, bucket: Bucket) -> Result<(), Failure> {
    let name: String = name.chars().filter(|letter| !letter.is_control()).take(MOST_LETTERS).collect();
    let actor = actor(request, ActorKind::Stranger, name.clone())?;
    let subject = match bucket {
        Bucket::Name(_) => format!("operators/{name}"),
        Bucket::Address(_) => format!("addresses/{}", actor.address.as_deref().unwrap_or("local")),
    };
    let prepare = async || {
        let facts = Facts::new().plain("failures", bucket.most()).plain("seconds", LOCKED_FOR);
        Ok(Deed::new(Entry::new("session.lock", subject.clone()).after(facts), [], ()))
    };
    recorded(call, &actor, prepare).await.map(drop)
}

/// Ends a session; returns the `Set-Cookie` value that makes the browser forget it.
pub(crate) async fn sign_out(request: &Request, call: &Call) -> Result<String, Failure> {
    if let Some(session) = session(request, call).await? {
        let entry = || Entry::new("session.end", format!("operators/{}", session.name));
        let actor = session.actor(request)?;
        recorded(call, &actor, async || Ok(Deed::new(entry(), [sessions::end(&session.hash)], ()))).await?;
    }
    Ok(cookie::set(request, "", 0))
}

/// What is counted as one address: of IPv6 the /64 that one customer has whole.
fn network(address: &str) -> String {
    match address.parse() {
        Ok(IpAddr::V6(address)) => {
            let [one, two, three, four, ..] = address.segments();
            format!("{one:x}:{two:x}:{three:x}:{four:x}::/64")
        }
        _ => address.to_owned(),
    }
}

/// Where attempts for a name are counted.
pub(crate) fn bucket_of(name: &str) -> Bucket {
    Bucket::Name(digest(&name.to_lowercase()))
}

fn digest(text: &str) -> u16 {
    let digest = Sha256::digest(text);
    digest.iter().take(2).fold(0, |bucket, byte| (bucket << 8) | u16::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::network;

    #[test]
    fn a_customers_whole_network_is_one_address() {
        assert_eq!(network("2001:db8:1:2::7"), network("2001:db8:1:2:ffff::1"));
        assert_ne!(network("2001:db8:1:2::7"), network("2001:db8:1:3::7"));
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
    }
}
