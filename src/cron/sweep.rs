//! The sweep: what time alone changes. Periods end, accounts expire, deleted nodes and ended sessions are forgotten.
//!
//! Each run is restartable and repeats nothing: what is due is found by an index, and what was done is not due any more.

use weir_wire::{NodeId, Second};

use super::Next;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::store::d1::Db;
use crate::store::due::{self, Due, NextDue};
use crate::store::node_list::{self, Created};
use crate::store::{restored, sessions, usage};
use crate::{bell, random};

/// Users of one chunk, and chunks of one run: 4 queries each, half of the platform's 50 a run together with the rest. What
/// is left over is done a minute later.
const CHUNK: u32 = 500;
const CHUNKS: usize = 5;
/// Seconds after its deletion for which a node may still report.
const NODE_HEARD_FOR: i64 = 25 * 3600;

/// Does what is due now. The next run is when the next user is due, or by the schedule, because an earlier one may come in between.
pub(super) async fn run(call: &Call) -> Result<Next, Failure> {
    let (db, now) = (&call.db, call.now);
    let (mut moved, mut done) = (false, false);
    for _ in 0..CHUNKS {
        let due: Vec<Due> = db.all(due::due(now, CHUNK)).await?;
        done = due.len() < usize::try_from(CHUNK).unwrap_or(usize::MAX);
        if !due.is_empty() {
            db.batch(&due::turn(&due, random::salt()?, now)).await?;
            moved = true;
        }
        if done {
            break;
        }
    }
    moved |= has_ended(db, now).await?;
    forget_nodes(db, now).await?;
    db.run(sessions::forget(now)).await?;
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
