//! A user's account: whether he may pass, why not, and what is left.

use serde::{Deserialize, Serialize};
use weir_wire::{Bytes, Second};

/// Everything that decides whether a user may pass. Charged bytes, as in [`weir_wire::grant::Account`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// A person shut him out.
    pub disabled: bool,
    /// From this second on he may not pass.
    pub expires_at: Option<Second>,
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
}

/// What callers and pages say of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// He may pass.
    Active,
    /// A quota is used up.
    Limited,
    /// The account has expired.
    Expired,
    /// A person shut him out.
    Disabled,
}

impl Gate {
    /// The status that this gate is shown as.
    #[must_use]
    pub const fn status(self) -> Status {
        match self {
            Self::Open => Status::Active,
            Self::Month | Self::Total => Status::Limited,
            Self::Expired => Status::Expired,
            Self::Disabled => Status::Disabled,
        }
    }

    /// Why the user may not pass: `month`, `total`, `expired` or `person`.
    #[must_use]
    pub const fn reason(self) -> Option<&'static str> {
        match self {
            Self::Open => None,
            Self::Month => Some("month"),
            Self::Total => Some("total"),
            Self::Expired => Some("expired"),
            Self::Disabled => Some("person"),
        }
    }
}

/// Decides a gate. A person's decision outranks the expiry, that one the quotas; a bonus keeps the gate open.
///
/// The store decides the same in SQL, from rows that it must not read first; a test holds the two against each other.
#[must_use]
pub fn gate(standing: &Standing, now: Second) -> Gate {
    let used_up = |used: Bytes, quota: Bytes| !quota.is_zero() && used >= quota;
    if standing.disabled {
        Gate::Disabled
    } else if standing.expires_at.is_some_and(|expires| expires <= now) {
        Gate::Expired
    } else if !standing.bonus_left.is_zero() {
        Gate::Open
    } else if used_up(standing.month, standing.monthly_quota) {
        Gate::Month
    } else if used_up(standing.lifetime.minus(standing.bonus_spent), standing.total_quota) {
        Gate::Total
    } else {
        Gate::Open
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

    #[test]
    fn a_gate_has_one_reason_and_the_strongest_wins() {
        let used_up = Standing { monthly_quota: bytes(10), month: bytes(10), ..Standing::default() };
        let total =
            Standing { total_quota: bytes(10), lifetime: bytes(12), bonus_spent: bytes(2), ..Standing::default() };
        let expired = |standing: Standing| Standing { expires_at: Some(NOW), ..standing };
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
            ("a person outranks all", Standing { disabled: true, ..expired(used_up) }, Gate::Disabled),
        ];
        for (name, standing, expected) in cases {
            assert_eq!(gate(&standing, NOW), expected, "{name}");
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
