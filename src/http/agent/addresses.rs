//! Where clients connect from: what a node tells of it, and what follows when a user comes from too many places.

use weir_wire::NodeId;
use weir_wire::address::{AddressKey, AddressSet, day};
use weir_wire::sync::SyncRequest;

use crate::domain::sharing::{self, Sharing};
use crate::http::api::settings;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::store::addresses::{self, Seen, Suspect};
use crate::store::d1::Outcome;
use crate::store::epochs::Caller;
use crate::store::gates;
use crate::{bell, random};

/// Whether what a sync tells is within its bounds.
pub(super) fn validate(sync: &SyncRequest) -> Result<(), Failure> {
    sharing::check(&sync.addresses).map_err(|(field, rule)| Failure::invalid(field, rule))
}

/// Today's key, for a node that has another day's.
pub(super) fn key(call: &Call, sync: &SyncRequest) -> Result<Option<AddressKey>, Failure> {
    let today = day(call.now);
    if sync.address_day.is_none_or(|held| held == today) {
        return Ok(None);
    }
    Ok(Some(AddressKey::derive(&call.secret("AUTH_KEY")?, today)))
}

/// Takes what a node tells. A sync without addresses costs nothing here; one with those of k users 3 queries in two calls,
/// a row written for each whose set differs, and another batch only for users who are noted.
pub(super) async fn take(call: &Call, caller: &Caller, sync: &SyncRequest) -> Result<(), Failure> {
    let sets = sync.addresses.iter().filter(|set| sharing::is_of_today_or_yesterday(set, call.now));
    let sets: Vec<&AddressSet> = sets.collect();
    if sets.is_empty() {
        return Ok(());
    }
    let settings: Sharing = settings::read(call).await?;
    let outcomes = call.db.batch(&addresses::tell(NodeId(caller.node), &sets, call.now)).await?;
    let seen: Vec<Seen> = outcomes.last().map(Outcome::rows).transpose()?.unwrap_or_default();
    let suspects: Vec<Suspect> = seen.into_iter().filter_map(|seen| suspect(seen, &settings, call)).collect();
    if !suspects.is_empty() {
        act(call, &suspects, &settings).await?;
    }
    Ok(())
}

/// A user who has more addresses than he may, and was not noted a moment ago.
fn suspect(seen: Seen, settings: &Sharing, call: &Call) -> Option<Suspect> {
    let limit = seen.own_limit.unwrap_or(settings.limit);
    let shares = limit > 0 && seen.count > limit && seen.quiet_until <= call.now.get();
    shares.then_some(Suspect(seen.user, seen.count, limit))
}

/// Notes users who share their accounts, and cuts them if the operator wants that: all that follows is this one batch.
async fn act(call: &Call, suspects: &[Suspect], settings: &Sharing) -> Result<(), Failure> {
    let cut_until = settings.cut_until(call.now);
    let mut batch = addresses::note(suspects, settings.quiet_until(call.now), cut_until, call.now);
    if let Some(until) = cut_until {
        let users: Vec<i64> = suspects.iter().map(|suspect| suspect.0).collect();
        batch.extend(gates::suspend(&users, until, random::salt()?, call.now));
    }
    call.db.batch(&batch).await?;
    if cut_until.is_some() {
        bell::ring(&call.env).await;
    }
    Ok(())
}
