//! The pool of vacant slots.

use weir_wire::SlotName;

use super::call::Call;
use super::failure::Failure;
use crate::random;
use crate::store::slots::{self, Vacancy};

/// Makes vacant slots if less than half of the pool is left. Rows read: at most half a pool; 3 written per slot made.
pub(crate) async fn refill(call: &Call) -> Result<(), Failure> {
    let db = &call.db;
    let found: Option<Vacancy> = db.first(slots::vacancy()).await?;
    let lacking = found.map_or(0, Vacancy::lacking);
    if lacking > 0 {
        let names =
            (0..lacking).map(|_| Ok(SlotName::from_random(random::bytes()?))).collect::<Result<Vec<_>, Failure>>()?;
        db.batch(&[slots::add_vacant(&names), slots::number_change(random::salt()?)]).await?;
    }
    Ok(())
}

/// Makes vacant slots if none is left. Rows read: 2.
pub(crate) async fn refill_empty(call: &Call) -> Result<(), Failure> {
    let found: Option<Vacancy> = call.db.first(slots::is_vacant()).await?;
    if found.is_some_and(|found| found.vacant == 0) { refill(call).await } else { Ok(()) }
}
