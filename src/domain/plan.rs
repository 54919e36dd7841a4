//! What a plan gives a user, and what applying a changed plan to him would change.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use weir_wire::{Bytes, Second};

use super::limits::Count;
use super::period::{AnchorDay, Strategy};

/// What a user has of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// Bytes per period, 0 = unlimited.
    pub monthly_quota: Bytes,
    /// Bytes over the lifetime, 0 = unlimited.
    pub total_quota: Bytes,
    /// How usage begins anew.
    pub reset_strategy: Strategy,
    /// On which day of the month.
    pub reset_day: AnchorDay,
    /// Bytes a second in each direction, 0 = unlimited.
    pub speed_limit: Bytes,
    /// Client addresses with a live connection, 0 = unlimited.
    pub device_limit: Count,
    /// Streams, 0 = unlimited.
    pub stream_limit: Count,
    /// Addresses in five minutes over all nodes, 0 = unlimited; none = the deployment's own limit.
    pub address_limit: Option<Count>,
}

/// Values that begin instead of a plan, when an account is used up or has expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextValues {
    /// Bytes per period, 0 = unlimited.
    pub data_limit: Bytes,
    /// When the account expires then, if it does.
    pub expire: Option<Second>,
}

impl NextValues {
    /// As they are stored. What cannot be read is none.
    #[must_use]
    pub fn stored(text: Option<&str>) -> Option<Self> {
        serde_json::from_str(text?).ok()
    }
}

/// The fields that differ: what they are before, and after.
#[must_use]
pub fn differences(before: &Terms, after: &Terms) -> (Map<String, Value>, Map<String, Value>) {
    let fields = |terms: &Terms| match serde_json::to_value(terms) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    };
    let (mut old, mut new) = (fields(before), fields(after));
    let same: Vec<String> =
        old.iter().filter(|(name, value)| new.get(*name) == Some(value)).map(|(name, _)| name.clone()).collect();
    for name in same {
        old.remove(&name);
        new.remove(&name);
    }
    (old, new)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_differs_is_told() {
        let before = Terms {
            monthly_quota: Bytes::mib(1),
            total_quota: Bytes::ZERO,
            reset_strategy: Strategy::CalendarMonth,
            reset_day: AnchorDay::FIRST,
            speed_limit: Bytes::ZERO,
            device_limit: Count::default(),
            stream_limit: Count::default(),
            address_limit: None,
        };
        assert_eq!(differences(&before, &before), (Map::new(), Map::new()));
        let after = Terms {
            monthly_quota: Bytes::mib(2),
            reset_strategy: Strategy::Week,
            address_limit: Some(Count::default()),
            ..before
        };
        let (old, new) = differences(&before, &after);
        let was = json!({ "monthly_quota": 1_048_576, "reset_strategy": "calendar_month", "address_limit": null });
        let is = json!({ "monthly_quota": 2_097_152, "reset_strategy": "week", "address_limit": 0 });
        assert_eq!((Value::from(old), Value::from(new)), (was, is));
    }
}
