//! Signing in and out.

use core::cell::Cell;
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
use crate::store::d1::Outcome;
use crate::store::sign_ins::{self, Attempt, Candidate, Counts, LOCKED_FOR, Last};

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
/// password with a wrong code counts like a wrong password. The password is compared before its attempt is counted, in a time that tells
/// nothing, and what came of it decides nothing before the count has said that neither is locked: so a good attempt need not be counted
/// and taken back again. Rows of a failed attempt: 3 read, 2 written; of a good one without a second factor 6 read, 6 written.
pub(crate) async fn sign_in(
    request: &Request,
    call: &Call,
    attempted: &Attempted,
    code: &str,
    lasts: i64,
) -> Result<Entered, Failure> {
    let of_address = bucket_at(request, call).await?;
    let of_name = bucket_of(&attempted.name);
    let candidate: Option<Candidate> = call.db.first(sign_ins::find(&attempted.name)).await?;
    let candidate = candidate.ok_or_else(|| Failure::Broken("one row gave none".into()))?;
    // Compared even for a name that nobody has: the time must not tell.
    let stored = candidate.password_hash.clone().unwrap_or_else(|| sha256_hex(""));
    let right = password::is(&call.secret("AUTH_KEY")?, &stored, &attempted.hash);
    let operator = candidate.id.filter(|_| right);
    let lacks_code = candidate.totp.is_some() && code.trim().is_empty();
    // A code is looked at when the count allows it, so until then it is a wrong one.
    let (for_address, for_name) = match (operator, &candidate.totp) {
        (Some(_), None) => (Counts::Passes, Counts::Clears),
        (Some(_), Some(_)) if lacks_code => (Counts::Passes, Counts::Fails),
        _ => (Counts::Fails, Counts::Fails),
    };
    let [from_there, for_name] = count_both(call, (of_address, for_address), (of_name, for_name)).await?;
    if let Some(operator) = operator {
        if lacks_code {
            return Ok(Entered::Code(attempted.ticket(call)?));
        }
        let opening = Opening { request, operator, attempted, code, buckets: [of_name, of_address], lasts };
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

/// Counts an attempt against its address and its name. Whoever is locked out himself does not count against the name that he tries.
/// Rows: 2 read, 2 written.
async fn count_both(call: &Call, address: (Bucket, Counts), name: (Bucket, Counts)) -> Result<[Attempt; 2], Failure> {
    let outcomes = call.db.batch(&sign_ins::attempt_from(address, name, call.now)).await?;
    let counted = |at: usize| -> Result<Option<Attempt>, Failure> {
        let rows: Vec<Attempt> = outcomes.get(at).map(Outcome::rows).transpose()?.unwrap_or_default();
        Ok(rows.into_iter().next())
    };
    match (counted(0)?, counted(1)?) {
        (Some(from_there), Some(for_name)) => Ok([from_there, for_name]),
        (None, _) => Err(locked(call, address.0).await?),
        (Some(_), None) => Err(locked(call, name.0).await?),
    }
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
    let bucket = bucket_at(request, call).await?;
    Ok(Doorstep { bucket, attempt: count(call, bucket).await? })
}

/// Where attempts from the address of a request are counted, once the platform has counted this one.
async fn bucket_at(request: &Request, call: &Call) -> Result<Bucket, Failure> {
    let address = address_of(request)?.unwrap_or_else(|| "local".to_owned());
    if let Ok(limiter) = call.env.rate_limiter("LOGIN_LIMIT")
        && !limiter.limit(address.clone()).await?.success
    {
        return Err(Failure::TooOften(60));
    }
    Ok(Bucket::Address(digest(&network(&address))))
}

/// What the browser calls itself, as it is kept with a session.
pub(super) fn agent(request: &Request) -> Result<String, Failure> {
    let agent = request.headers().get("user-agent")?.unwrap_or_default();
    Ok(agent.chars().filter(|letter| !letter.is_control()).take(MOST_AGENT).collect())
}

/// Counts an attempt, unless the bucket is locked. Rows: 1 read, 1 written.
pub(crate) async fn count(call: &Call, bucket: Bucket) -> Result<Attempt, Failure> {
    match call.db.first(sign_ins::attempt(bucket, call.now)).await? {
        Some(attempt) => Ok(attempt),
        None => Err(locked(call, bucket).await?),
    }
}

/// What somebody is told whose name or address is locked. Rows read: 1.
async fn locked(call: &Call, bucket: Bucket) -> Result<Failure, Failure> {
    let last: Option<Last> = call.db.first(sign_ins::last(bucket)).await?;
    let wait = last.map_or(0, |last| last.last_at).saturating_add(LOCKED_FOR).saturating_sub(call.now.get());
    Ok(Failure::TooOften(u32::try_from(wait.max(1)).unwrap_or(1)))
}

/// A session that begins if the second factor is right.
struct Opening<'a> {
    request: &'a Request,
    operator: i64,
    attempted: &'a Attempted,
    code: &'a str,
    /// Where an attempt with a code was counted.
    buckets: [Bucket; 2],
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
        let hash = sha256_hex(&token);
        let first = Cell::new(true);
        let prepare = async || {
            let mut batch: Vec<Statement> =
                before.as_ref().map(|session| sessions::end(&session.hash)).into_iter().collect();
            // Without a second factor nothing has to be read again: the batch itself fails if he has changed meanwhile.
            let found = if first.replace(false) && candidate.totp.is_none() {
                Some(candidate.clone())
            } else {
                self.find(call).await?
            };
            let Some(found) = found else { return Ok(Deed::nothing(false)) };
            if let Some(sealed) = &found.totp {
                let Some(spent) = self.spend(call, sealed, found.totp_step).await? else {
                    return Ok(Deed::nothing(false));
                };
                batch.extend(self.buckets.map(sign_ins::forgive));
                batch.push(sessions::open(&hash, self.operator, from, call.now, self.lasts));
                batch.push(operators::signed_in(self.operator, call.now));
                batch.push(spent);
            } else {
                let stored = found.password_hash.as_deref().unwrap_or_default();
                batch.push(operators::enter(self.operator, &self.attempted.name, stored, call.now));
                batch.push(sessions::open_entered(&hash, self.operator, from, call.now, self.lasts));
            }
            let entry = Entry::new("session.open", format!("operators/{}", self.attempted.name));
            Ok(Deed::new(entry, batch, true))
        };
        let (_, opened) = recorded(call, &actor, prepare).await?;
        Ok(opened.then_some(token))
    }

    /// The operator as he is under the audit head; none if he was disabled, renamed or given another password meanwhile.
    async fn find(&self, call: &Call) -> Result<Option<Candidate>, Failure> {
        let found: Option<Candidate> = call.db.first(sign_ins::find(&self.attempted.name)).await?;
        let key = call.secret("AUTH_KEY")?;
        Ok(found.filter(|now| {
            let stored = now.password_hash.as_deref().unwrap_or_default();
            now.id == Some(self.operator) && password::is(&key, stored, &self.attempted.hash)
        }))
    }

    /// What uses the code up; none if it is wrong. Read under the audit head, so of two who send the same code at once one fails.
    async fn spend(&self, call: &Call, sealed: &str, last: i64) -> Result<Option<Statement>, Failure> {
        let secret = two_factor::open(call, sealed)?;
        if let Some(step) = secret.step(self.code, call.now, last) {
            return Ok(Some(operators::take(self.operator, step)));
        }
        let hash = sha256_hex(&totp::plain_recovery_code(self.code));
        let holder: Option<operators::Holder> = call.db.first(operators::has_code(self.operator, &hash)).await?;
        Ok(holder.map(|_| operators::spend_code(self.operator, &hash)))
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
