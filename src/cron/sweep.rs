//! The sweep: what time alone changes. Periods end, accounts begin, expire and are deleted, queued plans begin, deleted nodes and
//! ended sessions are forgotten.
//!
//! Each run is restartable and repeats nothing: what is due is found by an index, and what was done is not due any more.

use weir_wire::{NodeId, Second};

use super::Next;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::store::d1::Db;
use crate::store::due::{self, Due, NextDue};
use crate::store::node_list::{self, Created};
use crate::store::plans::{self, Plan};
use crate::store::{restored, sessions, sweep as chunks, usage};
use crate::{bell, random};

/// Users of one chunk, and queries of one run: half of the platform's 50. What is left over is done a minute later.
const CHUNK: u32 = 500;
const QUERIES: usize = 23;
/// Seconds after its deletion for which a node may still report.
const NODE_HEARD_FOR: i64 = 25 * 3600;

/// Does what is due now. The next run is when the next user is due, or by the schedule, because an earlier one may come in between.
pub(super) async fn run(call: &Call) -> Result<Next, Failure> {
    let (db, now) = (&call.db, call.now);
    let mut moved = has_ended(db, now).await?;
    forget_nodes(db, now).await?;
    db.run(sessions::forget(now)).await?;
    let mut done = false;
    while !done {
        let due: Vec<Due> = db.all(due::due(now, CHUNK)).await?;
        let plans: Vec<Plan> = if chunks::needs_plans(&due, now) { db.all(plans::all()).await? } else { Vec::new() };
        let batch = chunks::chunk(&due, &plans, random::salt()?, now);
        if batch.is_empty() || db.cost().queries + batch.len() > QUERIES {
            done = batch.is_empty();
            break;
        }
        db.batch(&batch).await?;
        moved = true;
    }
    if moved {
        bell::ring(&call.env).await;
    }
    if !done {
        return Ok(Next::At(now));
    }
    let next: Option<NextDue> = db.first(due::next()).await?;
    Ok(next.and_then(|next| next.due_at).map_or(Next::Regular, |at| Next::At(Second::clamped(at))))
}

/// Nodes that never came back are not waited for any longer after the panel was restored.
async fn has_ended(db: &Db, now: Second) -> Result<bool, Failure> {
    let outcomes = db.batch(&restored::end(now)).await?;
    Ok(outcomes.first().is_some_and(|ended| ended.changes() > 0))
}

/// What a node that was deleted long ago never reported blocks its users' quota no longer.
async fn forget_nodes(db: &Db, now: Second) -> Result<(), Failure> {
    let gone: Option<Created> = db.first(node_list::gone(now.plus(-NODE_HEARD_FOR))).await?;
    if let Some(Created { id }) = gone {
        let node = NodeId(id);
        db.batch(&[usage::leave_node(node), node_list::forgotten(node, now)]).await?;
    }
    Ok(())
}
