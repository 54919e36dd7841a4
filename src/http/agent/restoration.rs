//! What a node has to do after the panel was restored to an earlier point: replay its reports and state its limits.

use weir_wire::NodeId;
use weir_wire::roster::RosterVersion;
use weir_wire::sync::{MAX_ASKS, SyncRequest};

use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::http::slots::refill;
use crate::random;
use crate::store::epochs::Caller;
use crate::store::restored;

/// This node was acknowledged more than the panel knows.
pub(super) async fn begin(call: &Call, caller: &Caller, sync: &SyncRequest) -> Result<(), Failure> {
    let (node, acked) = (NodeId(caller.node), sync.acked.get());
    call.db.batch(&restored::begin(node, sync.epoch, caller.last_seq, acked, random::salt()?, call.now)).await?;
    refill(call).await?;
    crate::bell::ring_others(&call.env, node).await;
    Ok(())
}

/// The panel has all reports again, and the node has taken the roster that made it state its limits and has no more to
/// state than this sync says.
pub(super) fn is_replayed(caller: &Caller, sync: &SyncRequest, ack: u64) -> bool {
    let newest = RosterVersion { number: caller.roster_number, salt: caller.roster_salt };
    sync.acked.get() <= ack && sync.held == newest && sync.roster_after.is_none() && sync.asks.len() < MAX_ASKS
}

/// This node is not waited for any more. If it was the last, users who were kept at their limits are granted again.
pub(super) async fn end(call: &Call, caller: &Caller) -> Result<(), Failure> {
    let outcomes = call.db.batch(&restored::replayed(NodeId(caller.node), call.now)).await?;
    if outcomes.get(1).is_some_and(|ended| ended.changes() > 0) {
        crate::bell::ring(&call.env).await;
    }
    Ok(())
}
