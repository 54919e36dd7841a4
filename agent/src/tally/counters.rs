//! Cores that count users, not connections: what each user was last told to have moved.
//!
//! A user is credited with `told - last`, so a reading that is repeated, skipped or read again after a restart changes no sum.
//! The last values become durable together with the credits that came of them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use weir_wire::SlotName;

use super::{Moved, Tally, Whose, signed};
use crate::cores::{Counter, Fallen};
use crate::ledger::{Batch, Ledger, LedgerError, Table};

/// The last reading of one user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Last {
    up: u64,
    down: u64,
}

/// The last readings of the present incarnation.
#[derive(Debug, Default)]
pub(super) struct Counters {
    last: BTreeMap<String, Last>,
    changed: BTreeSet<String>,
}

impl Counters {
    /// Reads what the ledger holds.
    pub(super) fn load(ledger: &Ledger) -> Result<Self, LedgerError> {
        let rows = ledger.all::<Last>(Table::Counters)?;
        let last = rows.into_iter().filter_map(|(user, last)| Some((String::from_utf8(user).ok()?, last))).collect();
        Ok(Self { last, changed: BTreeSet::new() })
    }

    /// Puts all that has changed since the last time into `batch`.
    pub(super) fn write(&mut self, batch: &mut Batch) {
        for user in core::mem::take(&mut self.changed) {
            match self.last.get(&user) {
                Some(last) => batch.put(Table::Counters, user.as_bytes(), last),
                None => batch.delete(Table::Counters, user.as_bytes()),
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.last.is_empty()
    }

    /// Forgets all, because a new incarnation has begun.
    pub(super) fn clear(&mut self) {
        self.last.clear();
        self.changed.clear();
    }

    fn forget_all_but(&mut self, told: &[Counter]) {
        let told: BTreeSet<&str> = told.iter().map(|counter| counter.user.as_str()).collect();
        let gone: Vec<String> = self.last.keys().filter(|user| !told.contains(user.as_str())).cloned().collect();
        for user in gone {
            self.last.remove(&user);
            self.changed.insert(user);
        }
    }

    /// Takes a reading over and tells what came since the one before. Within one incarnation both directions of a user begin
    /// anew together. Other users' counters say nothing of this one's: what has not fallen is never credited from zero again.
    fn step(&mut self, told: &Counter, baseline: bool, fallen: Fallen) -> (u64, u64) {
        let now = Last { up: told.up, down: told.down };
        let before = match self.last.get(&told.user) {
            Some(last) if *last == now => return (0, 0),
            Some(last) if now.up >= last.up && now.down >= last.down => *last,
            Some(_) => match fallen {
                Fallen::Zero => Last::default(),
                Fallen::Earlier => now,
            },
            None if baseline => now,
            None => Last::default(),
        };
        self.last.insert(told.user.clone(), now);
        self.changed.insert(told.user.clone());
        (now.up - before.up, now.down - before.down)
    }
}

impl Tally {
    /// Credits a reading of all users. `ours` tells the slots whose bytes count for a user; all others are foreign. The first
    /// reading of a core that ran before the ledger was made is where its counters begin.
    pub(crate) fn counters(&mut self, told: &[Counter], fallen: Fallen, ours: impl Fn(&SlotName) -> bool) -> Moved {
        let mut moved = Moved::default();
        let baseline = core::mem::take(&mut self.baseline);
        self.counters.forget_all_but(told);
        for counter in told {
            let (up, down) = self.counters.step(counter, baseline, fallen);
            if up == 0 && down == 0 {
                continue;
            }
            let owner = SlotName::try_from(counter.user.clone()).ok();
            self.credit(Whose::of(owner.as_ref(), false, &ours), signed(up), signed(down), &mut moved);
        }
        // A reading that moved nobody may still be a baseline, or have forgotten somebody.
        self.changed.whole |= !self.counters.changed.is_empty();
        moved
    }

    /// Notes bytes of a slot whose gate is shut.
    pub(crate) const fn overshot(&mut self, bytes: u64) {
        self.whole.overshoot = self.whole.overshoot.saturating_add(bytes);
        self.changed.whole = true;
    }

    /// Bytes that passed shut gates, since the ledger was made.
    #[must_use]
    pub(crate) const fn overshoot(&self) -> u64 {
        self.whole.overshoot
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use weir_wire::Second;

    use super::*;
    use crate::testing::{folder_in_memory, slot};

    fn told(users: &[(&str, u64, u64)]) -> Vec<Counter> {
        users.iter().map(|(user, up, down)| Counter { user: (*user).to_owned(), up: *up, down: *down }).collect()
    }

    fn apply(tally: &mut Tally, users: &[(&str, u64, u64)]) {
        tally.counters(&told(users), Fallen::Zero, |slot| slot.as_str() != "stranger");
    }

    /// A tally whose core began after its ledger.
    fn started() -> Tally {
        let mut tally = Tally::default();
        tally.down();
        tally.up(1, 0, Second::EPOCH);
        tally
    }

    fn unreported(tally: &Tally, user: &str) -> (u64, u64) {
        tally.count(&slot(user)).unreported()
    }

    #[test]
    fn a_reading_that_is_repeated_or_skipped_changes_no_sum() {
        let mut tally = started();
        for users in [[("alice", 10, 5)], [("alice", 10, 5)], [("alice", 40, 9)]] {
            apply(&mut tally, &users);
        }
        assert_eq!(unreported(&tally, "alice"), (40, 9));
    }

    #[test]
    fn a_core_that_ran_before_the_ledger_is_counted_from_its_present_counters() {
        let mut tally = Tally::default();
        tally.up(1, 0, Second::EPOCH);
        apply(&mut tally, &[("alice", 1_000, 2_000)]);
        assert_eq!(unreported(&tally, "alice"), (0, 0));
        // Who moves his first bytes later is counted from zero.
        apply(&mut tally, &[("alice", 1_001, 2_000), ("bobby", 7, 0)]);
        assert_eq!((unreported(&tally, "alice"), unreported(&tally, "bobby")), ((1, 0), (7, 0)));
    }

    #[test]
    fn a_new_incarnation_is_counted_from_zero_and_the_same_one_goes_on() {
        let mut tally = started();
        apply(&mut tally, &[("alice", 100, 0)]);
        tally.up(1, 0, Second::EPOCH);
        apply(&mut tally, &[("alice", 130, 0)]);
        assert_eq!(unreported(&tally, "alice"), (130, 0));
        tally.up(2, 0, Second::EPOCH);
        apply(&mut tally, &[("alice", 140, 0)]);
        assert_eq!(unreported(&tally, "alice"), (270, 0));
    }

    #[test]
    fn a_counter_that_fell_begins_anew_and_credits_nobody_else_again() {
        let mut tally = started();
        apply(&mut tally, &[("alice", 100, 50), ("bobby", 100, 50)]);
        apply(&mut tally, &[("alice", 3, 60), ("bobby", 101, 50)]);
        assert_eq!((unreported(&tally, "alice"), unreported(&tally, "bobby")), ((103, 110), (101, 50)));
    }

    #[test]
    fn a_counter_that_was_put_back_is_a_baseline() {
        let mut tally = started();
        let ours = |_: &SlotName| true;
        tally.counters(&told(&[("alice", 100, 50)]), Fallen::Earlier, ours);
        tally.counters(&told(&[("alice", 90, 45)]), Fallen::Earlier, ours);
        assert_eq!(unreported(&tally, "alice"), (100, 50));
        tally.counters(&told(&[("alice", 95, 50)]), Fallen::Earlier, ours);
        assert_eq!(unreported(&tally, "alice"), (105, 55));
    }

    #[test]
    fn a_user_that_the_core_does_not_name_any_more_begins_anew() {
        let mut tally = started();
        apply(&mut tally, &[("alice", 100, 0), ("bobby", 1, 0)]);
        apply(&mut tally, &[("bobby", 1, 0)]);
        apply(&mut tally, &[("alice", 120, 0), ("bobby", 1, 0)]);
        assert_eq!(unreported(&tally, "alice"), (220, 0));
    }

    #[test]
    fn users_outside_the_roster_are_foreign() {
        let mut tally = started();
        apply(&mut tally, &[("stranger", 3, 4), ("Not a slot", 1, 1)]);
        assert_eq!((tally.foreign(), tally.unattributed()), (9, 0));
    }

    #[test]
    fn readings_and_credits_are_durable_together() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&folder.path().join("ledger")).unwrap();
        let mut tally = started();
        apply(&mut tally, &[("alice", 100, 0), ("bobby", 9, 9)]);
        let mut batch = Batch::default();
        tally.write(&mut batch);
        ledger.commit_now(&batch).unwrap();
        // What comes after is lost with the process, and told again.
        apply(&mut tally, &[("alice", 150, 0), ("bobby", 9, 9)]);
        let mut tally = Tally::load(&ledger).unwrap();
        tally.up(1, 0, Second::EPOCH);
        apply(&mut tally, &[("alice", 160, 0), ("bobby", 9, 9)]);
        assert_eq!((unreported(&tally, "alice"), unreported(&tally, "bobby")), ((160, 0), (9, 9)));
        // A new incarnation leaves none of the old readings behind.
        tally.up(2, 0, Second::EPOCH);
        let mut batch = Batch::default();
        tally.write(&mut batch);
        ledger.commit_now(&batch).unwrap();
        let mut tally = Tally::load(&ledger).unwrap();
        tally.up(2, 0, Second::EPOCH);
        apply(&mut tally, &[("alice", 5, 0)]);
        assert_eq!(unreported(&tally, "alice"), (165, 0));
    }

    #[derive(Clone, Debug)]
    enum Step {
        Flow { user: usize, up: u64, down: u64 },
        Read,
        Restart,
        AgentRestart { saved: bool },
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let flow = (0..3_usize, 0..1_000_u64, 0..1_000_u64).prop_map(|(user, up, down)| Step::Flow { user, up, down });
        let step = prop_oneof![
            6 => flow,
            4 => Just(Step::Read),
            1 => Just(Step::Restart),
            2 => any::<bool>().prop_map(|saved| Step::AgentRestart { saved }),
        ];
        proptest::collection::vec(step, 1..60)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        /// Whatever happens, exactly those bytes are credited that the core told before it ended.
        #[test]
        fn every_byte_that_was_told_is_credited_once(steps in steps()) {
            const USERS: [&str; 3] = ["alice", "bobby", "carol"];
            let folder = folder_in_memory();
            let ledger = Ledger::open(&folder.path().join("ledger")).unwrap();
            let mut tally = started();
            let (mut counters, mut settled) = ([(0_u64, 0_u64); 3], [(0_u64, 0_u64); 3]);
            let (mut incarnation, mut read) = (1, [(0_u64, 0_u64); 3]);
            let save = |tally: &mut Tally| {
                let mut batch = Batch::default();
                tally.write(&mut batch);
                ledger.commit_now(&batch).unwrap();
            };
            let reading = |counters: &[(u64, u64); 3]| {
                let named = USERS.iter().zip(counters).filter(|(_, (up, down))| up + down > 0);
                named.map(|(user, (up, down))| Counter { user: (*user).to_owned(), up: *up, down: *down }).collect::<Vec<_>>()
            };
            save(&mut tally);
            for step in steps {
                match step {
                    Step::Flow { user, up, down } => {
                        counters[user].0 += up;
                        counters[user].1 += down;
                    }
                    Step::Read => {
                        tally.counters(&reading(&counters), Fallen::Zero, |_| true);
                        read = counters;
                    }
                    // In order: one more reading, kept before the core is touched.
                    Step::Restart => {
                        tally.counters(&reading(&counters), Fallen::Zero, |_| true);
                        save(&mut tally);
                        for (sum, counter) in settled.iter_mut().zip(counters) {
                            sum.0 += counter.0;
                            sum.1 += counter.1;
                        }
                        counters = Default::default();
                        read = counters;
                        incarnation += 1;
                        tally.up(incarnation, 0, Second::EPOCH);
                    }
                    Step::AgentRestart { saved } => {
                        if saved {
                            save(&mut tally);
                        }
                        tally = Tally::load(&ledger).unwrap();
                        tally.up(incarnation, 0, Second::EPOCH);
                        tally.counters(&reading(&counters), Fallen::Zero, |_| true);
                        read = counters;
                    }
                }
            }
            for (place, user) in USERS.iter().enumerate() {
                let expected = (settled[place].0 + read[place].0, settled[place].1 + read[place].1);
                prop_assert_eq!(unreported(&tally, user), expected);
            }
            prop_assert_eq!(tally.unattributed(), 0);
        }
    }
}
