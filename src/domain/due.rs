//! When time alone changes something about an account, so that a job must look at it.

use weir_wire::Second;

use super::user::{Gate, Standing, gate};

const DAY: i64 = 86_400;

/// What time may change of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// What decides his gate; the bytes are those of the period that ends at `period_end`.
    pub standing: Standing,
    /// When his usage begins anew.
    pub period_end: Second,
    /// Days after the expiry on which the account is deleted.
    pub delete_after_days: Option<u32>,
    /// The plan that is queued.
    pub next: Option<Next>,
}

/// When a queued plan begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// When the account is used up or has expired.
    OnEither,
    /// When it is both.
    OnBoth,
}

impl Account {
    /// Whether a job may act on the account: what a person has shut, or sharing has, waits until it is open again.
    fn is_free(&self, now: Second) -> bool {
        !matches!(gate(&self.standing, now), Gate::Disabled | Gate::Sharing)
    }

    /// Whether the queued plan begins at `now`.
    #[must_use]
    pub fn next_begins(&self, now: Second) -> bool {
        let expired = self.standing.ends_at().is_some_and(|end| end <= now);
        let used_up = self.standing.used_up().is_some();
        self.is_free(now)
            && match self.next {
                None => false,
                Some(Next::OnEither) => expired || used_up,
                Some(Next::OnBoth) => expired && used_up,
            }
    }

    /// The second at which the account is deleted, if nothing is changed before.
    fn deleted_at(&self, now: Second) -> Option<Second> {
        let days = i64::from(self.delete_after_days?);
        let end = self.standing.expires_at.filter(|_| self.standing.hold.is_none() && self.is_free(now))?;
        Some(end.plus(days * DAY))
    }

    /// Whether the account is to be deleted at `now`. A plan that begins saves it.
    #[must_use]
    pub fn is_over(&self, now: Second) -> bool {
        !self.next_begins(now) && self.deleted_at(now).is_some_and(|at| at <= now)
    }

    /// The next second at which a job must look at the account; not after `now` if it must do so at once.
    ///
    /// The store says the same in SQL; a test holds the two against each other.
    #[must_use]
    pub fn due_at(&self, now: Second) -> Second {
        if self.next_begins(now) {
            return now;
        }
        let Standing { hold, suspended_until, expires_at, .. } = self.standing;
        let expiry = expires_at.filter(|expires| hold.is_none() && *expires > now);
        let hold_ends = hold.and_then(|hold| hold.until);
        let instants = [expiry, hold_ends, suspended_until, self.deleted_at(now)];
        instants.into_iter().flatten().fold(self.period_end, Second::min)
    }
}

#[cfg(test)]
mod tests {
    use weir_wire::Bytes;

    use super::*;
    use crate::domain::user::Hold;

    const NOW: Second = Second::clamped(1_000_000);
    const END: Second = Second::clamped(2_000_000);

    fn account(standing: Standing) -> Account {
        Account { standing, period_end: END, delete_after_days: None, next: None }
    }

    fn used_up() -> Standing {
        Standing { monthly_quota: Bytes::mib(1), month: Bytes::mib(1), ..Standing::default() }
    }

    fn expired(ago: i64) -> Standing {
        Standing { expires_at: Some(NOW.plus(-ago)), ..Standing::default() }
    }

    #[test]
    fn the_first_of_all_instants_is_the_next() {
        let hold = |until: Option<i64>| Standing {
            hold: Some(Hold { seconds: 50, until: until.map(|after| NOW.plus(after)) }),
            ..Standing::default()
        };
        let suspended = |after| Standing { suspended_until: Some(NOW.plus(after)), ..Standing::default() };
        let cases = [
            ("the period's end", account(Standing::default()), END),
            ("the expiry to come", account(expired(-5)), NOW.plus(5)),
            ("not one that has passed", account(expired(0)), END),
            ("nor one after the period", account(expired(-5_000_000)), END),
            ("the time-out of a hold", account(hold(Some(7))), NOW.plus(7)),
            ("one that was missed", account(hold(Some(-7))), NOW.plus(-7)),
            ("a hold without one", account(hold(None)), END),
            ("the end of a suspension", account(suspended(9)), NOW.plus(9)),
            ("one that was missed", account(suspended(-9)), NOW.plus(-9)),
            ("the deletion", Account { delete_after_days: Some(1), ..account(expired(6)) }, NOW.plus(DAY - 6)),
            ("the expiry before it", Account { delete_after_days: Some(1), ..account(expired(-6)) }, NOW.plus(6)),
            ("at once for a queued plan", Account { next: Some(Next::OnEither), ..account(used_up()) }, NOW),
            ("a queued plan that waits", Account { next: Some(Next::OnBoth), ..account(used_up()) }, END),
        ];
        for (name, account, expected) in cases {
            assert_eq!(account.due_at(NOW), expected, "{name}");
        }
    }

    #[test]
    fn a_queued_plan_begins_on_either_or_on_both_and_never_behind_a_persons_back() {
        let both = Standing { expires_at: Some(NOW), ..used_up() };
        let begins = |standing, next| Account { next, ..account(standing) }.next_begins(NOW);
        for (standing, either, on_both) in [
            (Standing::default(), false, false),
            (used_up(), true, false),
            (expired(0), true, false),
            (both, true, true),
        ] {
            assert_eq!(begins(standing, Some(Next::OnEither)), either, "{standing:?}");
            assert_eq!(begins(standing, Some(Next::OnBoth)), on_both, "{standing:?}");
            assert!(!begins(standing, None));
            assert!(!begins(Standing { disabled: true, ..standing }, Some(Next::OnEither)));
            let suspended = Standing { suspended_until: Some(NOW.plus(1)), ..standing };
            assert!(!begins(suspended, Some(Next::OnEither)));
        }
    }

    #[test]
    fn an_account_is_deleted_so_many_days_after_its_expiry_unless_a_person_shut_it_or_a_plan_begins() {
        let account = |standing| Account { delete_after_days: Some(2), ..account(standing) };
        let late = expired(2 * DAY);
        assert!(account(late).is_over(NOW));
        assert!(!account(expired(2 * DAY - 1)).is_over(NOW));
        assert!(!account(Standing { disabled: true, ..late }).is_over(NOW));
        assert!(!account(Standing { suspended_until: Some(NOW.plus(1)), ..late }).is_over(NOW));
        assert!(!Account { next: Some(Next::OnEither), ..account(late) }.is_over(NOW));
        assert!(Account { next: Some(Next::OnBoth), ..account(late) }.is_over(NOW));
        assert!(!account(used_up()).is_over(NOW), "who never expires is never deleted");
        assert!(Account { delete_after_days: Some(0), ..account(expired(0)) }.is_over(NOW));
    }
}
