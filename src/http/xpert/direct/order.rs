//! In which order direct configs stand.

use serde::Deserialize;

use super::NONE;
use crate::http::failure::Failure;

/// Either the whole order, or one config that is put in another one's place.
#[derive(Deserialize)]
pub(super) struct Reorder {
    #[serde(default)]
    ids: Option<Vec<i64>>,
    #[serde(default)]
    source_id: Option<i64>,
    #[serde(default)]
    target_id: Option<i64>,
}

/// The order that is wanted of configs that stand in this one.
pub(super) fn ordered(mut order: Vec<i64>, wanted: &Reorder) -> Result<Vec<i64>, Failure> {
    let place = |order: &[i64], id: i64| order.iter().position(|other| *other == id).ok_or(NONE);
    match (&wanted.ids, wanted.source_id, wanted.target_id) {
        (Some(first), None, None) => {
            for (index, id) in first.iter().enumerate() {
                place(&order, *id)?;
                if first.iter().take(index).any(|other| other == id) {
                    return Err(Failure::invalid("ids", "each config once"));
                }
            }
            order.retain(|id| !first.contains(id));
            Ok(first.iter().copied().chain(order).collect())
        }
        (None, Some(source), Some(target)) => {
            let (from, to) = (place(&order, source)?, place(&order, target)?);
            let moved = order.remove(from);
            order.insert(to.min(order.len()), moved);
            Ok(order)
        }
        _ => Err(Failure::invalid("ids", "a list of numbers, or source_id and target_id instead")),
    }
}
