//! Where a user stands, in a sentence: what keeps him out, and what he may still use.

use core::fmt;

use serde::{Serialize, Serializer};
use weir_wire::{Bytes, Second};

use super::when;
use crate::domain::user::{Gate, Standing};

/// What a user may still use, bonus included, when `known` bytes are spent beside those reported; none without a quota.
#[must_use]
pub fn remaining(standing: &Standing, known: Bytes) -> Option<Bytes> {
    let left = |quota: Bytes, used: Bytes| (!quota.is_zero()).then(|| quota.minus(used));
    let month = left(standing.monthly_quota, standing.month);
    let total = left(standing.total_quota, standing.lifetime.minus(standing.bonus_spent));
    let quota = match (month, total) {
        (Some(month), Some(total)) => month.min(total),
        (one, other) => one.or(other)?,
    };
    Some(quota.plus(standing.bonus_left).minus(known))
}

/// Where a user stands and why. Displayed and told by the API in English.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stand {
    /// What keeps him out, if anything does.
    pub gate: Gate,
    /// What he may still use; none without a quota.
    pub left: Option<Bytes>,
    /// When usage begins anew; none = never.
    pub anew: Option<Second>,
    /// The quota that is used up, if one is.
    pub quota: Bytes,
    /// When the account ended, until when it is shut for sharing, or when a person disabled it.
    pub at: Option<Second>,
}

impl Stand {
    /// Of a standing; `disabled_at`: when a person shut him out.
    #[must_use]
    pub fn new(
        gate: Gate,
        standing: &Standing,
        left: Option<Bytes>,
        anew: Option<Second>,
        disabled_at: Option<Second>,
    ) -> Self {
        let quota = if gate == Gate::Total { standing.total_quota } else { standing.monthly_quota };
        let at = match gate {
            Gate::Expired => standing.ends_at(),
            Gate::Sharing => standing.suspended_until,
            Gate::Disabled => disabled_at,
            Gate::Open | Gate::Month | Gate::Total => None,
        };
        Self { gate, left, anew, quota, at }
    }
}

impl fmt::Display for Stand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let anew = self
            .anew
            .map_or_else(|| "usage never begins anew".to_owned(), |end| format!("usage begins anew at {}", when(end)));
        let at = |word: &str| self.at.map_or_else(String::new, |at| format!(" {word} {}", when(at)));
        let quota = gb(self.quota);
        match (self.gate, self.left) {
            (Gate::Open, None) => f.write_str("may pass: no quota limits the account"),
            (Gate::Open, Some(left)) => write!(f, "may pass: {} are left; {anew}", gb(left)),
            (Gate::Month, _) => {
                write!(f, "may not pass: the monthly quota of {quota} is used up and no bonus is left; {anew}")
            }
            (Gate::Total, _) => write!(f, "may not pass: the total quota of {quota} is used up and no bonus is left"),
            (Gate::Expired, _) => write!(f, "may not pass: the account has expired{}", at("at")),
            (Gate::Sharing, _) => {
                write!(f, "may not pass: the account was shared with too many addresses; it is shut{}", at("until"))
            }
            (Gate::Disabled, _) => write!(f, "may not pass: a person disabled the account{}", at("at")),
        }
    }
}

impl Serialize for Stand {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Gigabytes of 1,024^3 bytes with two places, cut.
fn gb(bytes: Bytes) -> String {
    let hundredths = (u128::from(bytes.get()) * 100) >> 30;
    format!("{}.{:02} GB", hundredths / 100, hundredths % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Second = Second::clamped(1_793_491_200 + 5_400);

    fn bytes(count: u64) -> Bytes {
        Bytes::saturating(count)
    }

    #[test]
    fn what_remains_is_the_nearer_quota_with_the_bonus_and_without_what_is_known() {
        let standing = Standing {
            monthly_quota: bytes(100),
            month: bytes(30),
            total_quota: bytes(1_000),
            lifetime: bytes(960),
            bonus_spent: bytes(10),
            bonus_left: bytes(7),
            ..Standing::default()
        };
        assert_eq!(remaining(&standing, bytes(5)), Some(bytes(52)));
        assert_eq!(remaining(&Standing { total_quota: Bytes::ZERO, ..standing }, bytes(5)), Some(bytes(72)));
        assert_eq!(remaining(&standing, bytes(500)), Some(Bytes::ZERO));
        assert_eq!(remaining(&Standing { bonus_left: bytes(7), ..Standing::default() }, Bytes::ZERO), None);
    }

    #[test]
    fn every_gate_has_its_sentence() {
        let standing = Standing {
            monthly_quota: Bytes::gib(10),
            total_quota: Bytes::mib(1_536),
            expires_at: Some(START),
            ..Standing::default()
        };
        let say = |gate, left| Stand::new(gate, &standing, left, Some(START), Some(START)).to_string();
        let cases = [
            (say(Gate::Open, None), "may pass: no quota limits the account"),
            (
                say(Gate::Open, Some(Bytes::mib(1_530))),
                "may pass: 1.49 GB are left; usage begins anew at 2026-11-01 01:30:00 UTC",
            ),
            (
                say(Gate::Month, Some(Bytes::ZERO)),
                "may not pass: the monthly quota of 10.00 GB is used up and no bonus is left; usage begins anew at 2026-11-01 01:30:00 UTC",
            ),
            (say(Gate::Total, None), "may not pass: the total quota of 1.50 GB is used up and no bonus is left"),
            (say(Gate::Expired, None), "may not pass: the account has expired at 2026-11-01 01:30:00 UTC"),
            (say(Gate::Disabled, None), "may not pass: a person disabled the account at 2026-11-01 01:30:00 UTC"),
        ];
        for (said, expected) in cases {
            assert_eq!(said, expected);
        }
    }
}
