//! The sync: report, asks, roster.

use serde::Deserialize;
use weir_wire::grant::Rules;
use weir_wire::sync::{Limit, MAX_ASKS, MAX_BODY, MAX_INFLATED, MAX_LIGHT, SyncReply, SyncRequest};
use weir_wire::{Epoch, NodeId, PROTOCOL};
use worker::{Request, Response};

use super::{addresses, apply, restoration, roster};
use crate::http::body;
use crate::http::call::{Call, bearer, sha256_hex};
use crate::http::failure::Failure;
use crate::http::settings;
use crate::random;
use crate::store::epochs::{self, Caller, Key, Seen};
use crate::store::usage::{self, AnswerRow, AskRow};
use crate::store::{nodes, slots};

/// A deleted node's reports are still applied for this long; after that its key is gone.
const DELETED_KEY_LASTS: i64 = 25 * 3600;
/// A node's state is stored when the stored one is older than this, so that an idle sync writes nothing.
const SEEN_AFTER: i64 = 60;

/// `POST /agent/v1/sync`
pub(crate) async fn sync(mut request: Request, call: &Call) -> Result<Response, Failure> {
    let key_hash = key_hash(&request)?;
    let sync = read(&mut request, call, &key_hash).await?;
    validate(&sync)?;
    let known = sync.roster_after.as_ref().map_or(sync.held, |cursor| cursor.version);
    let caller = authenticate_as(call, &key_hash, sync.epoch, sync.report.is_some(), known.number).await?;
    let seen = seen(call, &sync)?;
    if sync.acked.get() > caller.last_seq && caller.restored == 0 {
        restoration::begin(call, &caller, &sync).await?;
    }

    let ack = match &sync.report {
        Some(report) => apply::apply(call, &key_hash, caller.clone(), &sync, report, &seen).await?,
        None => caller.last_seq,
    };
    settle(call, &key_hash, &caller, &sync).await?;
    let deleted = caller.deleted_at.is_some();
    let (limits, starving) = if deleted { Default::default() } else { answer_asks(call, &caller, &sync).await? };
    // A starving user costs two queries of his own; the node's state can wait for the next sync.
    if ack == caller.last_seq && starving.is_empty() && is_news(&caller, &seen) {
        call.db.run(epochs::see(NodeId(caller.node), sync.epoch, &seen)).await?;
    }
    call_for_grants(call, &caller, &starving).await?;
    if caller.restored == 1 && restoration::is_replayed(&caller, &sync, ack) {
        restoration::end(call, &caller).await?;
    }
    if !deleted {
        addresses::take(call, &caller, &sync).await?;
    }
    let roster = if deleted { None } else { roster::change(call, &caller, &sync).await? };
    let address_key = addresses::key(call, &sync)?;
    let policy = settings::policy(&call.env);
    let inbound_plans = caller.inbound_plans.as_deref().map(serde_json::from_str).transpose();
    let inbound_plans = inbound_plans.map_err(|error| Failure::Broken(format!("inbound plans: {error}")))?;
    let (n, time, unknown) = (sync.n, call.now, caller.unknown);
    let reply = SyncReply { n, time, ack, policy, roster, limits, deleted, unknown, address_key, inbound_plans };
    Ok(Response::from_json(&reply)?)
}

/// Refuses another protocol version before anything else is read of the body.
pub(super) fn check_protocol(body: &[u8]) -> Result<(), Failure> {
    #[derive(Deserialize)]
    struct Version {
        protocol: u32,
    }
    let Version { protocol } = body::parse(body)?;
    if protocol == PROTOCOL {
        return Ok(());
    }
    Err(Failure::Protocol(format!(
        "the agent speaks protocol {protocol}, this panel {PROTOCOL}: upgrade the older one"
    )))
}

/// The message. Whoever sends what costs time to unpack or to parse is asked for his key first, for one row more; the others' is looked up with the
/// epoch that their message names.
async fn read(request: &mut Request, call: &Call, key_hash: &str) -> Result<SyncRequest, Failure> {
    let packed = request.headers().get("content-encoding")?.is_some_and(|coding| coding.eq_ignore_ascii_case("gzip"));
    let body = body::read(request, MAX_BODY).await?;
    if packed || body.len() > MAX_LIGHT {
        let key: Option<Key> = call.db.first(epochs::key(key_hash)).await?;
        let Key { expires_at, deleted_at } = key.ok_or(Failure::Unauthorized)?;
        lasts(call, expires_at, deleted_at)?;
    }
    let body = if packed { body::gunzip(&body, MAX_INFLATED)? } else { body };
    check_protocol(&body)?;
    body::parse(&body)
}

fn validate(sync: &SyncRequest) -> Result<(), Failure> {
    if sync.asks.len() > MAX_ASKS {
        return Err(Failure::invalid("asks", format!("at most {MAX_ASKS}")));
    }
    if sync.gives_back.len() > MAX_ASKS {
        return Err(Failure::invalid("gives_back", format!("at most {MAX_ASKS}")));
    }
    if weir_wire::Bytes::try_from(sync.n).is_err() {
        return Err(Failure::invalid("n", "an integer from 0 to 9007199254740991"));
    }
    addresses::validate(sync)?;
    sync.report.as_ref().map_or(Ok(()), |report| apply::validate(report, sync))
}

/// What the database knows the caller's key by. Whatever does not look like a key is none, and asks the database nothing.
fn key_hash(request: &Request) -> Result<String, Failure> {
    let key = bearer(request)?.filter(|key| is_key(key)).ok_or(Failure::Unauthorized)?;
    Ok(sha256_hex(&key))
}

/// 32 bytes in lower-case hex: a node's key, and the hash of one.
pub(super) fn is_key(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whether a key that was found is one still.
fn lasts(call: &Call, expires_at: Option<i64>, deleted_at: Option<i64>) -> Result<(), Failure> {
    if expires_at.is_some_and(|expires| expires <= call.now.get()) {
        return Err(Failure::Unauthorized);
    }
    if deleted_at.is_some_and(|deleted| deleted.saturating_add(DELETED_KEY_LASTS) <= call.now.get()) {
        return Err(Failure::Gone("this node"));
    }
    Ok(())
}

/// Finds the node that speaks.
pub(super) async fn authenticate(
    request: &Request,
    call: &Call,
    epoch: Epoch,
    with_digests: bool,
    held: u64,
) -> Result<Caller, Failure> {
    authenticate_as(call, &key_hash(request)?, epoch, with_digests, held).await
}

/// Finds the node that holds this key.
pub(super) async fn authenticate_as(
    call: &Call,
    key_hash: &str,
    epoch: Epoch,
    with_digests: bool,
    held: u64,
) -> Result<Caller, Failure> {
    let found = call.db.first(epochs::authenticate(key_hash, epoch, with_digests, held)).await?;
    let caller: Caller = found.ok_or(Failure::Unauthorized)?;
    lasts(call, caller.expires_at, caller.deleted_at)?;
    Ok(caller)
}

fn seen(call: &Call, sync: &SyncRequest) -> Result<Seen, Failure> {
    let status = sync.status.as_ref().map(serde_json::to_string).transpose();
    Ok(Seen {
        now: call.now,
        clock_off: sync.clock.since(call.now),
        agent: sync.agent.chars().take(64).collect(),
        held: sync.held.number,
        loaded: sync.loaded.number,
        status: status.map_err(|error| Failure::Broken(format!("status: {error}")))?,
    })
}

fn is_news(caller: &Caller, seen: &Seen) -> bool {
    caller.seen_at.saturating_add(SEEN_AFTER) <= seen.now.get()
        || (caller.held, caller.loaded) != (seen.held, seen.loaded)
}

/// Stores what changes rarely: the end of older keys, and the node's inbounds.
async fn settle(call: &Call, key_hash: &str, caller: &Caller, sync: &SyncRequest) -> Result<(), Failure> {
    if caller.fresh == 1 {
        call.db.batch(&nodes::settle_key(key_hash, NodeId(caller.node))).await?;
    }
    if let Some(inbounds) = &sync.inbounds {
        let text = serde_json::to_string(inbounds).map_err(|error| Failure::Broken(format!("inbounds: {error}")))?;
        call.db.run(nodes::set_inbounds(NodeId(caller.node), &text)).await?;
    }
    Ok(())
}

/// Answers the asks, and names the users for whom nothing is free while other nodes hold grants.
async fn answer_asks(call: &Call, caller: &Caller, sync: &SyncRequest) -> Result<(Vec<Limit>, Vec<Starving>), Failure> {
    if sync.asks.is_empty() {
        return Ok(Default::default());
    }
    let rows: Vec<AskRow> = sync
        .asks
        .iter()
        .map(|ask| {
            let key = usage::entry_key(NodeId(caller.node), sync.epoch, &ask.slot);
            AskRow(ask.slot.clone(), key, ask.count, ask.held, sync.gives_back.contains(&ask.slot))
        })
        .collect();
    let rules: Rules = settings::grant_rules(&call.env);
    let answers: Vec<AnswerRow> = call.db.all(usage::ask(&rows, sync.n, caller.coefficient, rules, call.now)).await?;
    let mut limits = Vec::with_capacity(answers.len());
    let mut starving = Vec::new();
    for row in answers {
        let limit: Limit = serde_json::from_str(&row.answer)
            .map_err(|error| Failure::Broken(format!("answer {}: {error}", row.answer)))?;
        if row.called_at == call.now.get() {
            starving.push(Starving { user: row.user, slot: limit.slot.clone() });
        }
        limits.push(limit);
    }
    Ok((limits, starving))
}

/// A user for whom nothing is free while other nodes hold grants.
struct Starving {
    user: i64,
    slot: weir_wire::SlotName,
}

/// Calls unspent grants back: those that will never be spent are freed, and every node that holds one is made to ask.
async fn call_for_grants(call: &Call, caller: &Caller, starving: &[Starving]) -> Result<(), Failure> {
    if starving.is_empty() {
        return Ok(());
    }
    let users: Vec<i64> = starving.iter().map(|one| one.user).collect();
    let names: Vec<_> = starving.iter().map(|one| one.slot.clone()).collect();
    let batch = [usage::free_idle(&users, call.now), slots::touch(&names), slots::number_change(random::salt()?)];
    call.db.batch(&batch).await?;
    crate::bell::ring_others(&call.env, NodeId(caller.node)).await;
    Ok(())
}
