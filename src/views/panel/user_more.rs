//! The rarer fields of a user, in the forms that add and change one.

use super::form::decimal;
use super::plans::{STRATEGIES, strategies};
use super::say::Say;
use super::words::plans::{self, PlanWords};
use super::words::user_more::{self, UserMore as Words};
use crate::domain::plan::NextValues;
use crate::store::plans::Plan;
use crate::store::users::User;

const DAY: u128 = 86_400;

/// Options of a field: what the API calls each, and its words.
type Options<'a> = Vec<(&'a str, &'a str)>;

/// The fields as a form writes them.
pub(crate) struct More<'a> {
    pub(crate) words: &'static Words,
    pub(crate) plan_words: &'static PlanWords,
    /// What an emptied field means to the API: `null` of a user who is there; of a new one it is not said at all.
    pub(crate) none: &'static str,
    pub(crate) strategy: &'static str,
    pub(crate) strategies: Options<'static>,
    pub(crate) day: String,
    pub(crate) zone: String,
    pub(crate) streams: String,
    pub(crate) addresses: String,
    pub(crate) devices: String,
    pub(crate) hold: String,
    pub(crate) delete_after: String,
    pub(crate) next: &'a str,
    pub(crate) nexts: Options<'a>,
    /// What is queued instead of a plan. Nobody enters it here; whoever changes when it begins says it again.
    pub(crate) values: Option<NextValues>,
    pub(crate) either: &'static str,
    pub(crate) eithers: Options<'static>,
    pub(crate) rest: &'static str,
    pub(crate) rests: Options<'static>,
}

impl<'a> More<'a> {
    /// Of somebody new: empty, as the plan says.
    pub(crate) fn empty(say: &Say, plans: &'a [Plan]) -> Self {
        let (words, plan_words) = (user_more::of(say.language), plans::of(say.language));
        let nexts = core::iter::once(("", words.next_none));
        Self {
            words,
            plan_words,
            none: "-",
            strategy: "",
            strategies: core::iter::once(("", words.as_plan)).chain(strategies(plan_words)).collect(),
            day: String::new(),
            zone: String::new(),
            streams: String::new(),
            addresses: String::new(),
            devices: String::new(),
            hold: String::new(),
            delete_after: String::new(),
            next: "",
            nexts: nexts.chain(plans.iter().map(|plan| (plan.name.as_str(), plan.name.as_str()))).collect(),
            values: None,
            either: "true",
            eithers: vec![("true", words.on_either), ("false", words.on_both)],
            rest: "false",
            rests: vec![("false", words.rest_lost), ("true", words.rest_kept)],
        }
    }

    /// As a user has them.
    pub(crate) fn of(say: &Say, user: &'a User, plans: &'a [Plan]) -> Self {
        let number = |limit: Option<u32>| limit.map(|limit| limit.to_string()).unwrap_or_default();
        let mut more = Self::empty(say, plans);
        more.none = "null";
        let named = STRATEGIES.iter().find(|(_, strategy)| *strategy == user.cycle.strategy);
        more.strategy = named.map_or("", |(name, _)| name);
        more.strategies = strategies(more.plan_words).collect();
        more.day = user.cycle.day.get().to_string();
        more.zone = user.cycle.zone.to_string();
        more.streams = user.stream_limit.to_string();
        more.addresses = number(user.address_limit);
        more.devices = number(user.hwid_limit);
        more.hold = if user.hold > 0 { days(user.hold) } else { String::new() };
        more.delete_after = number(user.delete_after_days);
        more.next = user.next_plan.as_deref().unwrap_or_default();
        more.values = NextValues::stored(user.next_values.as_deref());
        if let (Some(_), Some(first)) = (more.values, more.nexts.first_mut()) {
            first.1 = more.words.next_values;
        }
        more.either = if user.next_plan.is_some() && user.next_on_either == 0 { "false" } else { "true" };
        more.rest = if user.next_plan.is_some() && user.next_keeps_rest == 1 { "true" } else { "false" };
        more
    }
}

/// Seconds as days, with three places at most.
fn days(seconds: i64) -> String {
    decimal(u128::from(seconds.unsigned_abs()) * 1_000 / DAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hold_is_written_in_days_as_short_as_it_is() {
        for (seconds, text) in [(30 * 86_400, "30"), (43_200, "0.5"), (3_600, "0.041")] {
            assert_eq!(days(seconds), text);
        }
    }
}
