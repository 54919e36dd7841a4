//! Credentials that a person sets, as slots.

use serde_json::{Map, Value};
use weir_wire::SlotName;

use super::call::Call;
use super::failure::Failure;
use crate::domain::credentials::{marks, read, sealed};
use crate::random;
use crate::store::slots::{self, ByHandSlot, Mark};

/// The secret under which they are sealed.
const KEY: &str = "CREDENTIAL_KEY";

/// A new slot with these credentials; none if there are none in them. `own` is the slot that their user has: it is to be retired, so
/// it may have the same. Rows read: 2 per credential.
pub(crate) async fn slot(
    call: &Call,
    field: &str,
    said: &Map<String, Value>,
    own: Option<&SlotName>,
) -> Result<Option<ByHandSlot>, Failure> {
    let under = |name: &str| if field.is_empty() { name.to_owned() } else { format!("{field}.{name}") };
    let by_hand = read(said).map_err(|(name, rule)| Failure::invalid(under(&name), rule))?;
    if by_hand.is_empty() {
        return Ok(None);
    }
    let key = call.secret(KEY)?;
    let (fields, marks): (Vec<_>, Vec<_>) = marks(&key, &by_hand).into_iter().unzip();
    let taken: Option<Mark> = call.db.first(slots::marked(&marks, own)).await?;
    if let Some(taken) = taken {
        let place = marks.iter().position(|mark| *mark == taken.mark);
        let name = place.and_then(|place| fields.get(place)).copied().unwrap_or_default();
        return Err(Failure::Conflict {
            code: "taken",
            message: format!("{}: another user has the same", under(name)),
        });
    }
    let name = SlotName::from_random(random::bytes()?);
    let sealed = sealed(&key, &name, random::bytes()?, &by_hand);
    Ok(Some(ByHandSlot { name, sealed, marks }))
}
