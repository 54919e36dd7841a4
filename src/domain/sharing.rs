//! Accounts that more people use than may: how many addresses are too many, and what follows.

use serde::{Deserialize, Serialize};
use weir_wire::Second;
use weir_wire::address::{self, AddressSet, LEASE, MAX_ADDRESS_SETS, MAX_ADDRESSES, MAX_ADDRESSES_IN_ALL};

use super::settings::Area;

/// Seconds for which nothing more is noted about a user who was noted and not cut.
const QUIET: i64 = 1_800;

/// What follows when a user has too many addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It is noted, and the operator is told.
    #[default]
    Log,
    /// And the user's gate is shut for a while.
    Cut,
}

/// When an account counts as shared. The window is [`weir_wire::address::WINDOW`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sharing {
    /// Addresses at once that a user without a limit of his own may have; 0 = as many as he likes.
    pub limit: u32,
    /// What follows.
    pub action: Action,
    /// For how many minutes a gate is shut.
    pub cut_minutes: u32,
    /// For how many days suspicious activity is kept.
    pub keep_days: u32,
}

impl Default for Sharing {
    fn default() -> Self {
        Self { limit: 3, action: Action::Log, cut_minutes: 30, keep_days: 90 }
    }
}

impl Area for Sharing {
    const NAME: &'static str = "sharing";
    const PLAIN: &'static [&'static str] = &["action"];

    fn check(&self) -> Result<(), (&'static str, &'static str)> {
        if self.limit > 1_000 {
            return Err(("limit", "an integer from 0 to 1000, 0 = no limit"));
        }
        // What a node told before the cut, and could not take back since, counts for a quarter of an hour.
        if !(15..=10_080).contains(&self.cut_minutes) {
            return Err(("cut_minutes", "an integer from 15 to 10080"));
        }
        if !(1..=3_650).contains(&self.keep_days) {
            return Err(("keep_days", "an integer from 1 to 3650"));
        }
        Ok(())
    }
}

impl Sharing {
    /// Until when a user is cut who is found to share at `now`; `None` when he is not.
    #[must_use]
    pub fn cut_until(&self, now: Second) -> Option<Second> {
        (self.action == Action::Cut).then(|| now.plus(i64::from(self.cut_minutes) * 60))
    }

    /// Until when nothing more is noted about him. Whoever goes on after a cut is noted, and cut, again.
    #[must_use]
    pub fn quiet_until(&self, now: Second) -> Second {
        self.cut_until(now).unwrap_or_else(|| now.plus(QUIET))
    }
}

/// Since when a set that a node told must have been told to count at `now`.
#[must_use]
pub const fn counts_since(now: Second) -> Second {
    now.plus(-LEASE)
}

/// Whether the sets of one sync are within their bounds.
///
/// # Errors
/// The field, and the rule that it breaks.
pub fn check(sets: &[AddressSet]) -> Result<(), (String, String)> {
    if sets.len() > MAX_ADDRESS_SETS {
        return Err(("addresses".into(), format!("at most {MAX_ADDRESS_SETS} users")));
    }
    if sets.iter().map(|set| set.hashes.len()).sum::<usize>() > MAX_ADDRESSES_IN_ALL {
        return Err(("addresses".into(), format!("at most {MAX_ADDRESSES_IN_ALL} addresses")));
    }
    let mut slots = std::collections::HashSet::new();
    for (index, set) in sets.iter().enumerate() {
        if set.hashes.len() > MAX_ADDRESSES {
            return Err((format!("addresses[{index}]"), format!("at most {MAX_ADDRESSES} addresses of a user")));
        }
        if !slots.insert(&set.slot) {
            return Err((format!("addresses[{index}]"), "each slot once".into()));
        }
    }
    Ok(())
}

/// Whether the day of a set can be compared with those of other nodes: a node that was not heard since midnight has
/// yesterday's key still. Another set is left alone; the reply hands down the right key.
#[must_use]
pub fn is_of_today_or_yesterday(set: &AddressSet, now: Second) -> bool {
    let today = address::day(now);
    set.day == today || set.day.checked_add(1) == Some(today)
}

#[cfg(test)]
mod tests {
    use weir_wire::address::{AddressHash, AddressKey};

    use super::*;

    const NOW: Second = Second::clamped(1_800_000_000);

    fn set(slot: &str, addresses: usize) -> AddressSet {
        let slot = slot.parse().unwrap();
        let key = AddressKey::derive(b"key", 1);
        let hash = |number: usize| -> AddressHash { key.hash(&slot, [10, 0, 0, u8::try_from(number).unwrap()].into()) };
        let hashes = (0..addresses).map(hash).collect();
        AddressSet { slot, day: 1, hashes }
    }

    #[test]
    fn settings_out_of_their_range_are_refused_by_name() {
        assert_eq!(Sharing::default().check(), Ok(()));
        let wrong = |sharing: Sharing| sharing.check().unwrap_err().0;
        assert_eq!(wrong(Sharing { limit: 1_001, ..Sharing::default() }), "limit");
        assert_eq!(wrong(Sharing { cut_minutes: 14, ..Sharing::default() }), "cut_minutes");
        assert_eq!(wrong(Sharing { cut_minutes: 10_081, ..Sharing::default() }), "cut_minutes");
        assert_eq!(wrong(Sharing { keep_days: 0, ..Sharing::default() }), "keep_days");
    }

    #[test]
    fn one_who_was_cut_is_noted_again_when_the_cut_ends_and_one_who_was_not_after_half_an_hour() {
        let log = Sharing::default();
        assert_eq!((log.cut_until(NOW), log.quiet_until(NOW)), (None, NOW.plus(1_800)));
        let cut = Sharing { action: Action::Cut, cut_minutes: 60, ..Sharing::default() };
        assert_eq!((cut.cut_until(NOW), cut.quiet_until(NOW)), (Some(NOW.plus(3_600)), NOW.plus(3_600)));
    }

    #[test]
    fn a_sync_with_too_much_is_refused_by_place_and_rule() {
        assert_eq!(check(&[set("alice", 0), set("bobby", MAX_ADDRESSES)]), Ok(()));
        let field = |sets: &[AddressSet]| check(sets).unwrap_err().0;
        assert_eq!(field(&[set("alice", 1), set("bobby", MAX_ADDRESSES + 1)]), "addresses[1]");
        assert_eq!(field(&[set("alice", 1), set("alice", 2)]), "addresses[1]");
        let many = |count: usize, of: usize| -> Vec<_> { (0..count).map(|at| set(&format!("user{at}"), of)).collect() };
        assert_eq!(check(&many(MAX_ADDRESS_SETS, 1)), Ok(()));
        assert_eq!(field(&many(MAX_ADDRESS_SETS + 1, 1)), "addresses");
        assert_eq!(field(&many(MAX_ADDRESSES_IN_ALL / 32 + 1, 32)), "addresses");
    }

    #[test]
    fn a_day_that_no_other_node_has_is_not_counted() {
        let today = address::day(NOW);
        let of = |day| is_of_today_or_yesterday(&AddressSet { day, ..set("alice", 1) }, NOW);
        assert_eq!([today - 2, today - 1, today, today + 1, u32::MAX].map(of), [false, true, true, false, false]);
    }
}
