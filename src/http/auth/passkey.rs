//! Signing in with a passkey: the device and whoever unlocks it are two factors in one, so neither password nor code is asked for.

use sha2::{Digest as _, Sha256};
use worker::Request;

use super::sign_in::{Bucket, Doorstep, doorstep, lock};
use super::{actor, session};
use crate::domain::audit::{Actor, ActorKind, Entry, Facts};
use crate::domain::passkey::{self, Algorithm};
use crate::http::address;
use crate::http::audit::{Deed, recorded};
use crate::http::call::{Call, sha256_hex};
use crate::http::failure::Failure;
use crate::http::passkeys::{self, Answer, For};
use crate::random;
use crate::store::passkeys::{self as store, Passkey};
use crate::store::{Statement, operators, sessions, sign_ins};

/// What a browser answers to a challenge; bytes in base64url.
pub(crate) struct Assertion {
    /// The credential's id.
    pub(crate) id: String,
    /// Whose it is: what the panel once told the authenticator.
    pub(crate) user: String,
    /// What the browser says.
    pub(crate) client_data: String,
    /// What the authenticator says.
    pub(crate) authenticator_data: String,
    /// Its signature over both.
    pub(crate) signature: String,
}

/// A passkey whose signature is right.
struct Shown {
    answer: Answer,
    passkey: Passkey,
    count: u32,
}

/// Signs an operator in, for so many seconds; returns his session's token, none if the passkey is refused.
///
/// Attempts are counted per address as those with a password are. Nobody can guess a signature, so no name is locked by them, and a
/// locked one does not keep its owner out here. Rows of a failed attempt: 4 read, 1 written.
pub(crate) async fn by_passkey(
    request: &Request,
    call: &Call,
    given: &Assertion,
    lasts: i64,
) -> Result<Option<String>, Failure> {
    let step = doorstep(request, call).await?;
    if let Some(shown) = shown(request, call, given).await?
        && let Some(token) = open(request, call, given, &shown, (step.bucket, lasts)).await?
    {
        return Ok(Some(token));
    }
    let Doorstep { bucket, attempt } = step;
    if attempt.failures == bucket.most() {
        lock(request, call, "passkey", bucket).await?;
    }
    Ok(None)
}

/// Checks all but the counter, which is read anew under the audit head.
async fn shown(request: &Request, call: &Call, given: &Assertion) -> Result<Option<Shown>, Failure> {
    let origin = address::origin(request);
    let Some(site) = passkey::site(&origin) else { return Ok(None) };
    let parts = [&given.client_data, &given.authenticator_data, &given.signature, &given.user]
        .map(|part| passkeys::decode(part));
    let [Some(client_data), Some(data), Some(signature), Some(user)] = parts else { return Ok(None) };
    let Some(answer) = Answer::read(call, &client_data, &origin, For::SignIn)? else { return Ok(None) };
    let Some(said) = passkey::said(&data, site) else { return Ok(None) };
    let found: Option<Passkey> = call.db.first(store::find(&given.id)).await?;
    let Some(found) = found.filter(|found| found.operator.to_string().as_bytes() == user) else { return Ok(None) };
    let (algorithm, key) = (Algorithm::numbered(found.algorithm), passkeys::decode(&found.public_key));
    let (Some(algorithm), Some(key)) = (algorithm, key) else { return Ok(None) };
    let message = [&data[..], &Sha256::digest(&client_data)].concat();
    let is_signed = passkeys::is_signed(algorithm, &key, &signature, &message).await;
    Ok(is_signed.then_some(Shown { answer, passkey: found, count: said.count }))
}

/// What opening a session found under the audit head.
enum Outcome {
    Opened,
    /// The challenge was answered before, or the passkey is gone.
    Refused,
}

/// Opens a session. A challenge that was answered before opens none; nor does a counter that goes back, which is recorded.
async fn open(
    request: &Request,
    call: &Call,
    given: &Assertion,
    shown: &Shown,
    (bucket, lasts): (Bucket, i64),
) -> Result<Option<String>, Failure> {
    let token = hex::encode(random::bytes::<32>()?);
    let before = session(request, call).await?;
    let agent = super::sign_in::agent(request)?;
    let Passkey { operator, operator_name, role, name, .. } = &shown.passkey;
    let who = Actor { role: Some(*role), ..actor(request, ActorKind::Operator, operator_name.clone())? };
    let from = sessions::From { address: who.address.as_deref(), user_agent: &agent };
    let subject = || format!("operators/{operator_name}");
    let prepare = async || {
        let (found, spent) = (call.db.first::<Passkey>(store::find(&given.id)).await?, shown.answer.spend(call).await?);
        let (Some(found), Some(spent)) = (found, spent) else { return Ok(Deed::nothing(Outcome::Refused)) };
        let facts = Facts::new().plain("passkey", name.as_str());
        if !passkey::goes_on(found.sign_count, shown.count) {
            let facts = facts.plain("counted", found.sign_count).plain("said", shown.count);
            return Ok(Deed::new(Entry::new("passkey.copied", subject()).after(facts), spent, Outcome::Refused));
        }
        let mut batch: Vec<Statement> = spent.to_vec();
        batch.push(sign_ins::forgive(bucket));
        batch.extend(before.as_ref().map(|session| sessions::end(&session.hash)));
        batch.push(sessions::open(&sha256_hex(&token), *operator, from, call.now, lasts));
        batch.push(operators::signed_in(*operator, call.now));
        batch.push(store::used(&given.id, shown.count, call.now));
        Ok(Deed::new(Entry::new("session.open", subject()).after(facts), batch, Outcome::Opened))
    };
    let (_, outcome) = recorded(call, &who, prepare).await?;
    Ok(matches!(outcome, Outcome::Opened).then_some(token))
}
