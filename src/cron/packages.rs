//! Packages whose time has come: what is left of them leaves the bonus.

use weir_wire::Second;

use super::Next;
use crate::http::call::Call;
use crate::http::failure::Failure;
use crate::store::packages::{self, Due, NextDue};
use crate::{bell, random};

/// Packages of one chunk, and chunks of one run: 7 queries each.
const CHUNK: u32 = 200;
const CHUNKS: usize = 3;

/// Rows read when nothing is due: 2 at most, and none unless some package is going to end. The next run is when the next package ends; a purchase calls for it as well.
pub(super) async fn run(call: &Call) -> Result<Next, Failure> {
    let mut done = false;
    let mut ended = false;
    for _ in 0..CHUNKS {
        let due: Vec<Due> = call.db.all(packages::due(call.now, CHUNK)).await?;
        done = due.len() < usize::try_from(CHUNK).unwrap_or(usize::MAX);
        if !due.is_empty() {
            call.db.batch(&packages::expire(&due, random::salt()?, call.now)).await?;
            ended = true;
        }
        if done {
            break;
        }
    }
    if ended {
        bell::ring(&call.env).await;
    }
    if !done {
        return Ok(Next::At(call.now));
    }
    let next: Option<NextDue> = call.db.first(packages::next()).await?;
    Ok(next.and_then(|next| next.expires_at).map_or(Next::Regular, |at| Next::At(Second::clamped(at))))
}
