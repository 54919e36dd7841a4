//! A user as a row of the table.

use weir_wire::{Bytes, Second};

use super::format::Moment;
use super::panel::Say;
use crate::domain::user::{Gate, Standing, gate, status};

/// What is known of a user.
pub(crate) struct UserFacts<'a> {
    /// Name.
    pub(crate) name: &'a str,
    /// Note.
    pub(crate) note: &'a str,
    /// What decides his gate.
    pub(crate) standing: Standing,
    /// When a person shut him out.
    pub(crate) disabled_at: Option<Second>,
    /// End of his period.
    pub(crate) period_end: Second,
    /// End of the newest report with bytes of his; the beginning of time before the first.
    pub(crate) last_at: Second,
    /// Whoever was heard of within so many seconds counts as online.
    pub(crate) online_within: i64,
}

/// A quota with its bar.
pub(crate) struct Quota {
    /// What it is called, for those who cannot see the bar.
    pub(crate) label: String,
    /// Used.
    pub(crate) used: String,
    /// "of 50 GB"; none when unlimited.
    pub(crate) limit: Option<String>,
    /// Per mille, cut to 1,000.
    pub(crate) filled: u64,
    /// `low`, `high` or `full`, by which the bar is coloured.
    pub(crate) level: &'static str,
}

/// A row of the table.
pub(crate) struct UserView<'a> {
    /// Name.
    pub(crate) name: &'a str,
    /// Note.
    pub(crate) note: &'a str,
    /// `active`, `on_hold`, `limited`, `expired` or `disabled`.
    pub(crate) status: &'static str,
    /// The same for people.
    pub(crate) status_name: &'static str,
    /// Why he may not pass, or how long he still may.
    pub(crate) reason: Option<String>,
    /// The exact time that the reason speaks of.
    pub(crate) reason_at: Option<String>,
    /// The period's quota.
    pub(crate) month: Quota,
    /// The lifetime's.
    pub(crate) total: Quota,
    /// When the period ends, for a user with a monthly quota, and that in words.
    pub(crate) resets: Option<(Moment, String)>,
    /// What is left of his bonus.
    pub(crate) bonus: Option<String>,
    /// Bytes flowed a moment ago.
    pub(crate) is_online: bool,
    /// When bytes last flowed.
    pub(crate) last: Option<Moment>,
}

impl<'a> UserView<'a> {
    /// The row in this language.
    pub(crate) fn new(facts: &UserFacts<'a>, say: &Say) -> Self {
        let now = say.now;
        let mut standing = facts.standing;
        // The period has ended, and the job that begins the next one has not come by yet.
        let is_over = facts.period_end <= now;
        if is_over {
            standing.month = Bytes::ZERO;
        }
        let gate = gate(&standing, now);
        let told = reason(gate, facts, say);
        let name = facts.name;
        let last = (facts.last_at > Second::EPOCH).then(|| say.moment(facts.last_at));
        let state = status(&standing, now);
        Self {
            name,
            note: facts.note,
            status: state.name(),
            status_name: (say.words.status_of)(state),
            reason: told.as_ref().map(|(text, _)| text.clone()),
            reason_at: told.and_then(|(_, at)| at),
            month: quota(say.words.period_of, name, standing.month, standing.monthly_quota, say),
            total: quota(
                say.words.total_of,
                name,
                standing.lifetime.minus(standing.bonus_spent),
                standing.total_quota,
                say,
            ),
            resets: (!standing.monthly_quota.is_zero() && !is_over && facts.period_end < Second::LAST)
                .then(|| (say.moment(facts.period_end), say.timed(say.words.resets, facts.period_end))),
            bonus: (!standing.bonus_left.is_zero())
                .then(|| say.words.bonus.replace("{size}", &say.size(standing.bonus_left))),
            is_online: last.is_some() && now.since(facts.last_at) <= facts.online_within,
            last,
        }
    }
}

/// Why, in words, and the exact time behind them.
fn reason(gate: Gate, facts: &UserFacts<'_>, say: &Say) -> Option<(String, Option<String>)> {
    let words = say.words;
    let with = |text: &str, at: Second| Some((say.timed(text, at), Some(say.moment(at).exact)));
    let plain = || Some(((words.reason_of)(gate).to_owned(), None));
    match gate {
        Gate::Open if facts.standing.is_waiting(say.now) => Some((words.waits.to_owned(), None)),
        Gate::Open => facts.standing.ends_at().and_then(|at| with(words.expires, at)),
        Gate::Month | Gate::Total => plain(),
        Gate::Expired => facts.standing.ends_at().map_or_else(plain, |at| with(words.ended, at)),
        Gate::Disabled => facts.disabled_at.map_or_else(plain, |at| with(words.by_person, at)),
        Gate::Sharing => facts.standing.suspended_until.map_or_else(plain, |at| with(words.for_sharing, at)),
    }
}

fn quota(label: &str, name: &str, used: Bytes, quota: Bytes, say: &Say) -> Quota {
    let filled = u128::from(used.get()) * 1_000 / u128::from(quota.get().max(1));
    let filled = if quota.is_zero() { 0 } else { u64::try_from(filled.min(1_000)).unwrap_or(1_000) };
    Quota {
        label: label.replace("{name}", name),
        used: say.size(used),
        limit: (!quota.is_zero()).then(|| say.words.of.replace("{quota}", &say.size(quota))),
        filled,
        level: match filled {
            1_000 => "full",
            800.. => "high",
            _ => "low",
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::notice::texts::Language;
    use crate::domain::user::Hold;
    use crate::domain::zone::Zone;

    const NOW: Second = Second::clamped(1_796_083_200);

    fn say() -> Say {
        Say::new(Language::En, Zone::UTC, NOW)
    }

    fn facts(standing: Standing) -> UserFacts<'static> {
        UserFacts {
            name: "ann",
            note: "",
            standing,
            disabled_at: None,
            period_end: NOW.plus(86_400 * 3),
            last_at: NOW.plus(-30),
            online_within: 600,
        }
    }

    fn gib(count: u64) -> Bytes {
        Bytes::gib(count)
    }

    #[test]
    fn a_bar_is_as_full_as_the_quota_and_never_fuller() {
        let view = |month| {
            let standing = Standing { month: gib(month), monthly_quota: gib(10), ..Standing::default() };
            UserView::new(&facts(standing), &say())
        };
        for (month, filled, level, status) in [
            (0, 0, "low", "active"),
            (8, 800, "high", "active"),
            (10, 1_000, "full", "limited"),
            (20, 1_000, "full", "limited"),
        ] {
            let view = view(month);
            assert_eq!((view.month.filled, view.month.level, view.status), (filled, level, status));
        }
        assert_eq!(view(10).reason.as_deref(), Some("monthly quota used up"));
        assert_eq!(view(10).resets.unwrap().1, "resets in 3 d");
    }

    #[test]
    fn an_unlimited_user_has_no_bar_and_no_reset() {
        let view = UserView::new(&facts(Standing { month: gib(1), ..Standing::default() }), &say());
        assert_eq!((view.month.limit, view.resets), (None, None));
    }

    #[test]
    fn a_period_that_is_over_counts_no_more() {
        let standing = Standing { month: gib(10), monthly_quota: gib(10), ..Standing::default() };
        let view = UserView::new(&UserFacts { period_end: NOW, ..facts(standing) }, &say());
        assert_eq!((view.status, view.month.used.as_str()), ("active", "0 B"));
    }

    #[test]
    fn whoever_was_heard_of_a_moment_ago_is_online() {
        let view =
            |ago: i64| UserView::new(&UserFacts { last_at: NOW.plus(-ago), ..facts(Standing::default()) }, &say());
        assert!(view(600).is_online);
        assert!(!view(601).is_online);
        let never = UserView::new(&UserFacts { last_at: Second::EPOCH, ..facts(Standing::default()) }, &say());
        assert!(!never.is_online && never.last.is_none());
    }

    #[test]
    fn the_reason_says_since_when() {
        let expired = Standing { expires_at: Some(NOW.plus(-7_200)), ..Standing::default() };
        assert_eq!(UserView::new(&facts(expired), &say()).reason.as_deref(), Some("ended 2 h ago"));
        let soon = Standing { expires_at: Some(NOW.plus(7_200)), ..Standing::default() };
        assert_eq!(UserView::new(&facts(soon), &say()).reason.as_deref(), Some("expires in 2 h"));
        let disabled = Standing { disabled: true, ..Standing::default() };
        let by_a_person = UserFacts { disabled_at: Some(NOW.plus(-60)), ..facts(disabled) };
        assert_eq!(UserView::new(&by_a_person, &say()).reason.as_deref(), Some("by a person 1 min ago"));
        let sharing = Standing { suspended_until: Some(NOW.plus(600)), ..Standing::default() };
        let view = UserView::new(&facts(sharing), &say());
        assert_eq!((view.status, view.reason.as_deref()), ("disabled", Some("for sharing, ends in 10 min")));
        let hold = Standing { hold: Some(Hold { seconds: 600, until: None }), ..Standing::default() };
        let view = UserView::new(&facts(hold), &say());
        assert_eq!((view.status, view.reason.as_deref()), ("on_hold", Some("waits for its first use")));
    }
}
