//! A user's account: whether he may pass, why not, and what is left.

use serde::{Deserialize, Serialize};
use weir_wire::{Bytes, Second};

/// An account that waits for its first use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    /// How long the account lasts from its first use on, in seconds, from 1.
    pub seconds: i64,
    /// When it begins unused.
    pub until: Option<Second>,
}

/// Everything that decides whether a user may pass. Charged bytes, as in [`weir_wire::grant::Account`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// A person shut him out.
    pub disabled: bool,
    /// Until this second he is shut for sharing his account.
    pub suspended_until: Option<Second>,
    /// From this second on he may not pass. None while he is on hold.
    pub expires_at: Option<Second>,
    /// His account waits for its first use.
    pub hold: Option<Hold>,
    /// Per period, 0 = unlimited.
    pub monthly_quota: Bytes,
    /// Over the lifetime, 0 = unlimited.
    pub total_quota: Bytes,
    /// Used in the current period, without bonus.
    pub month: Bytes,
    /// Used since the account was made, bonus included.
    pub lifetime: Bytes,
    /// Bonus left.
    pub bonus_left: Bytes,
    /// Bonus spent; counts in neither quota.
    pub bonus_spent: Bytes,
}

impl Standing {
    /// From which second on he may not pass at the latest, whether his account waits or not.
    #[must_use]
    pub fn ends_at(&self) -> Option<Second> {
        match self.hold {
            Some(hold) => hold.until.map(|until| until.plus(hold.seconds)),
            None => self.expires_at,
        }
    }

    /// Whether the account waits for its first use at `now`.
    #[must_use]
    pub fn is_waiting(&self, now: Second) -> bool {
        self.hold.is_some_and(|hold| hold.until.is_none_or(|until| now < until))
    }

    /// Whether he is shut for sharing at `now`.
    #[must_use]
    pub fn is_suspended(&self, now: Second) -> bool {
        self.suspended_until.is_some_and(|until| now < until)
    }

    /// The quota that shuts him, if one does. A bonus keeps him open.
    #[must_use]
    pub fn used_up(&self) -> Option<Gate> {
        let used_up = |used: Bytes, quota: Bytes| !quota.is_zero() && used >= quota;
        if !self.bonus_left.is_zero() {
            None
        } else if used_up(self.month, self.monthly_quota) {
            Some(Gate::Month)
        } else if used_up(self.lifetime.minus(self.bonus_spent), self.total_quota) {
            Some(Gate::Total)
        } else {
            None
        }
    }

    /// What is left of both quotas, the smaller of the two, without the bonus; none without any quota.
    #[must_use]
    pub fn quota_left(&self) -> Option<Bytes> {
        let left = |quota: Bytes, used: Bytes| (!quota.is_zero()).then(|| quota.minus(used));
        let month = left(self.monthly_quota, self.month);
        let total = left(self.total_quota, self.lifetime.minus(self.bonus_spent));
        month.into_iter().chain(total).min()
    }
}

/// Where a user's gate stands, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Gate {
    /// He may pass.
    Open,
    /// The monthly quota is used up.
    Month,
    /// The total quota is used up.
    Total,
    /// The account has expired.
    Expired,
    /// A person shut him out.
    Disabled,
    /// He is shut for sharing his account.
    Sharing,
}

/// What callers and pages say of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// He may pass.
    Active,
    /// He may pass, and his account's time has not begun.
    OnHold,
    /// A quota is used up.
    Limited,
    /// The account has expired.
    Expired,
    /// A person shut him out, or sharing did.
    Disabled,
}

impl Status {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Active, Self::OnHold, Self::Limited, Self::Expired, Self::Disabled];

    /// The status of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }

    /// As the API and the pages call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::OnHold => "on_hold",
            Self::Limited => "limited",
            Self::Expired => "expired",
            Self::Disabled => "disabled",
        }
    }
}

impl Gate {
    /// As the database calls it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Month => "month",
            Self::Total => "total",
            Self::Expired => "expired",
            Self::Disabled => "disabled",
            Self::Sharing => "sharing",
        }
    }

    /// Why the user may not pass: `month`, `total`, `expired`, `person` or `sharing`.
    #[must_use]
    pub const fn reason(self) -> Option<&'static str> {
        match self {
            Self::Open => None,
            Self::Disabled => Some("person"),
            other => Some(other.name()),
        }
    }
}

/// Decides a gate. A person's decision outranks a cut for sharing, that one the expiry, that one the quotas; a bonus keeps
/// the gate open.
///
/// The store decides the same in SQL, from rows that it must not read first; a test holds the two against each other.
#[must_use]
pub fn gate(standing: &Standing, now: Second) -> Gate {
    if standing.disabled {
        Gate::Disabled
    } else if standing.is_suspended(now) {
        Gate::Sharing
    } else if standing.ends_at().is_some_and(|end| end <= now) {
        Gate::Expired
    } else {
        standing.used_up().unwrap_or(Gate::Open)
    }
}

/// What a user is shown as: his gate, and whether his account's time has begun.
#[must_use]
pub fn status(standing: &Standing, now: Second) -> Status {
    match gate(standing, now) {
        Gate::Open if standing.is_waiting(now) => Status::OnHold,
        Gate::Open => Status::Active,
        Gate::Month | Gate::Total => Status::Limited,
        Gate::Expired => Status::Expired,
        Gate::Disabled | Gate::Sharing => Status::Disabled,
    }
}

/// What is used of what, for one bar or one header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// Bytes used.
    pub used: Bytes,
    /// Bytes that may be used, bonus included; 0 = unlimited.
    pub quota: Bytes,
}

/// The quota that will end first. Without any, what was used in the period.
#[must_use]
pub fn allowance(standing: &Standing) -> Allowance {
    let month = Allowance { used: standing.month, quota: standing.monthly_quota };
    let total = Allowance { used: standing.lifetime.minus(standing.bonus_spent), quota: standing.total_quota };
    let left = |allowance: Allowance| allowance.quota.minus(allowance.used);
    let nearest = match (month.quota.is_zero(), total.quota.is_zero()) {
        (true, true) => return month,
        (true, false) => total,
        (false, false) if left(total) < left(month) => total,
        (false, _) => month,
    };
    Allowance { quota: nearest.quota.plus(standing.bonus_left), ..nearest }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Second = Second::clamped(1_000);

    fn bytes(count: u64) -> Bytes {
        Bytes::saturating(count)
    }

    /// An account of so many seconds that begins unused at this second from now.
    fn hold(seconds: i64, until: Option<i64>) -> Standing {
        let hold = Hold { seconds, until: until.map(|after| NOW.plus(after)) };
        Standing { hold: Some(hold), ..Standing::default() }
    }

    #[test]
    fn a_gate_has_one_reason_and_the_strongest_wins() {
        let used_up = Standing { monthly_quota: bytes(10), month: bytes(10), ..Standing::default() };
        let total =
            Standing { total_quota: bytes(10), lifetime: bytes(12), bonus_spent: bytes(2), ..Standing::default() };
        let expired = |standing: Standing| Standing { expires_at: Some(NOW), ..standing };
        let suspended = |standing: Standing, more: i64| Standing { suspended_until: Some(NOW.plus(more)), ..standing };
        let cases = [
            ("nothing is limited", Standing::default(), Gate::Open),
            ("one byte is left", Standing { month: bytes(9), ..used_up }, Gate::Open),
            ("the month is used up", used_up, Gate::Month),
            ("a bonus opens", Standing { bonus_left: bytes(1), ..used_up }, Gate::Open),
            ("the total is used up", total, Gate::Total),
            ("spent bonus does not count", Standing { bonus_spent: bytes(3), ..total }, Gate::Open),
            (
                "the month is named first",
                Standing { total_quota: bytes(1), lifetime: bytes(10), ..used_up },
                Gate::Month,
            ),
            ("expiry outranks quotas", expired(used_up), Gate::Expired),
            (
                "a bonus does not outlive the account",
                expired(Standing { bonus_left: bytes(1), ..used_up }),
                Gate::Expired,
            ),
            ("the last second before", Standing { expires_at: Some(NOW.plus(1)), ..Standing::default() }, Gate::Open),
            ("sharing outranks the expiry", suspended(expired(used_up), 1), Gate::Sharing),
            ("a suspension ends by itself", suspended(used_up, 0), Gate::Month),
            ("a person outranks all", Standing { disabled: true, ..suspended(expired(used_up), 1) }, Gate::Disabled),
            ("an account that waits is open", hold(5, None), Gate::Open),
            ("and for as long as it lasts after its time-out", hold(5, Some(-4)), Gate::Open),
            ("and then it has expired", hold(5, Some(-5)), Gate::Expired),
            ("one that waits can be used up", Standing { hold: hold(5, None).hold, ..used_up }, Gate::Month),
        ];
        for (name, standing, expected) in cases {
            assert_eq!(gate(&standing, NOW), expected, "{name}");
        }
    }

    #[test]
    fn a_status_says_whether_the_time_of_an_open_account_has_begun() {
        let used_up = Standing { monthly_quota: bytes(10), month: bytes(10), ..Standing::default() };
        let cases = [
            (Standing::default(), Status::Active, None),
            (hold(5, None), Status::OnHold, None),
            (hold(5, Some(1)), Status::OnHold, None),
            (hold(5, Some(0)), Status::Active, None),
            (Standing { disabled: true, ..hold(5, None) }, Status::Disabled, Some("person")),
            (Standing { suspended_until: Some(NOW.plus(1)), ..hold(5, None) }, Status::Disabled, Some("sharing")),
            (Standing { hold: hold(5, None).hold, ..used_up }, Status::Limited, Some("month")),
            (Standing { expires_at: Some(NOW), ..used_up }, Status::Expired, Some("expired")),
        ];
        for (standing, expected, reason) in cases {
            assert_eq!((status(&standing, NOW), gate(&standing, NOW).reason()), (expected, reason), "{standing:?}");
            assert_eq!(serde_json::to_value(expected).unwrap(), expected.name());
            assert_eq!(Status::named(expected.name()), Some(expected));
        }
    }

    #[test]
    fn the_allowance_is_the_quota_that_ends_first_with_the_bonus() {
        let standing = Standing {
            monthly_quota: bytes(100),
            month: bytes(20),
            total_quota: bytes(1_000),
            lifetime: bytes(990),
            ..Standing::default()
        };
        assert_eq!(allowance(&standing), Allowance { used: bytes(990), quota: bytes(1_000) });
        let fresh = Standing { lifetime: bytes(20), bonus_left: bytes(5), ..standing };
        assert_eq!(allowance(&fresh), Allowance { used: bytes(20), quota: bytes(105) });
        let unlimited = Standing { monthly_quota: Bytes::ZERO, total_quota: Bytes::ZERO, ..fresh };
        assert_eq!(allowance(&unlimited), Allowance { used: bytes(20), quota: Bytes::ZERO });
    }
}
