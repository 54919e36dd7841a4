//! Whether the parts of what was charged add up to it, and what may have made a difference.

use core::fmt;

use serde::{Deserialize, Serialize, Serializer};
use weir_wire::{Bytes, Second};

use super::flow::Stretch;
use super::when;
use crate::domain::user::Standing;

/// Charged bytes of what a node counted, at `coefficient` per mille; fractions are left out.
#[must_use]
pub fn charged(bytes: Bytes, coefficient: u32) -> Bytes {
    let thousandths = u128::from(bytes.get()) * u128::from(coefficient);
    Bytes::saturating(u64::try_from(thousandths / 1_000).unwrap_or(u64::MAX))
}

/// A user's sums when his period began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// Charged over the lifetime.
    pub lifetime: Bytes,
    /// Bonus spent.
    pub bonus_spent: Bytes,
}

/// What was charged since a period began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Charged {
    /// To the monthly quota.
    pub month: Bytes,
    /// To the bonus; `null` when the period began before this was noted.
    pub bonus: Option<Bytes>,
    /// To periods before, by reports that came late.
    pub late: Option<Bytes>,
    /// Since the account was made, bonus included.
    pub lifetime: Bytes,
}

/// See [`Charged`].
#[must_use]
pub fn since(standing: &Standing, mark: Option<Mark>) -> Charged {
    let bonus = mark.map(|mark| standing.bonus_spent.minus(mark.bonus_spent));
    let late =
        mark.zip(bonus).map(|(mark, bonus)| standing.lifetime.minus(mark.lifetime).minus(bonus).minus(standing.month));
    Charged { month: standing.month, bonus, late, lifetime: standing.lifetime }
}

/// What may have made a remainder. Displayed and told by the API in English.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Because {
    /// The period began within this hour, day or month.
    Shared {
        /// `hour`, `day` or `month`.
        by: &'static str,
        /// Its begin.
        start: Second,
        /// All that was counted in it.
        bytes: Bytes,
    },
    /// Clients reported these on the day on which the period began.
    Clients(Bytes),
    /// At most so many of the bonus may have been taken by late reports.
    Bonus(Bytes),
    /// Coefficients that are not whole.
    Fractions,
    /// Another coefficient then, or bytes that nobody reported.
    Otherwise,
}

impl fmt::Display for Because {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shared { by, start, bytes } => write!(
                f,
                "the {by} of {} holds {bytes} bytes; the period began within it, and how many of them it has is not kept",
                when(*start)
            ),
            Self::Clients(bytes) => write!(
                f,
                "of {bytes} bytes that clients reported on the day on which the period began, some belong to it"
            ),
            Self::Bonus(most) => write!(
                f,
                "up to {most} bytes of the bonus may have been taken by reports of bytes that flowed before the period"
            ),
            Self::Fractions => f.write_str("coefficients that are not whole leave fractions of bytes"),
            Self::Otherwise => f.write_str(
                "a node's coefficient was another one when its bytes were charged, or bytes were charged that no node and no client \
                 reported, such as usage that was imported",
            ),
        }
    }
}

impl Serialize for Because {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Whether the parts add up to what was charged, and why they may not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Charged in the period: to the monthly quota and to the bonus.
    pub total: Bytes,
    /// The sum of the nodes' and the clients' parts.
    pub explained: Bytes,
    /// `total - explained`.
    pub remainder: i64,
    /// What may have made the remainder; empty when there is none.
    pub because: Vec<Because>,
}

/// Bytes of clients' reports that were charged: on days that lie in the period, and on the day on which it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct External {
    /// Within the period.
    pub charged: Bytes,
    /// On the day in which it began after midnight of UTC; some of them may belong to the period before.
    pub shared: Bytes,
}

/// Compares what was charged with its parts. `nodes` is what the nodes' bytes make at today's coefficients, with what was brought along from
/// another panel; `coefficients` are those.
#[must_use]
pub fn check(charges: &Charged, nodes: Bytes, coefficients: &[u32], external: External, shared: &[Stretch]) -> Check {
    let total = charges.month.plus(charges.bonus.unwrap_or_default());
    let explained = nodes.plus(external.charged);
    let remainder = total.signed() - explained.signed();
    let mut because = Vec::new();
    let mut open = remainder;
    let mut may = |bytes: Bytes, reason: Because| {
        because.push(reason);
        open -= bytes.signed();
    };
    if remainder > 0 {
        let largest = coefficients.iter().copied().max().unwrap_or(1_000);
        for Stretch { by, start, up, down } in shared {
            let bytes = up.plus(*down);
            may(charged(bytes, largest), Because::Shared { by, start: *start, bytes });
        }
        if !external.shared.is_zero() {
            may(external.shared, Because::Clients(external.shared));
        }
        if let Some(bonus) = charges.bonus.filter(|bonus| !bonus.is_zero()) {
            let most = bonus.min(Bytes::saturating(remainder.unsigned_abs()));
            may(most, Because::Bonus(most));
        }
    }
    let fractions = coefficients.iter().any(|coefficient| coefficient % 1_000 != 0);
    let few = i64::try_from(coefficients.len()).unwrap_or(i64::MAX);
    if remainder != 0 && fractions && (-1..=few).contains(&remainder) {
        because.push(Because::Fractions);
    } else if remainder < 0 || open > 0 {
        because.push(Because::Otherwise);
    }
    Check { total, explained, remainder, because }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Second = Second::clamped(1_793_491_200 + 5_400);

    fn bytes(count: u64) -> Bytes {
        Bytes::saturating(count)
    }

    #[test]
    fn charges_since_the_period_began_are_told_from_late_ones() {
        let standing =
            Standing { month: bytes(40), lifetime: bytes(175), bonus_spent: bytes(25), ..Standing::default() };
        let mark = Mark { lifetime: bytes(100), bonus_spent: bytes(5) };
        let charges = since(&standing, Some(mark));
        assert_eq!((charges.bonus, charges.late), (Some(bytes(20)), Some(bytes(15))));
        assert_eq!(since(&standing, None).late, None);
    }

    #[test]
    fn a_difference_is_stated_with_what_may_have_made_it() {
        let charges =
            Charged { month: bytes(90), bonus: Some(bytes(10)), late: Some(Bytes::ZERO), lifetime: bytes(100) };
        let checked = |nodes, coefficients: &[u32], external: u64, shared: &[Stretch]| {
            let external = External { charged: bytes(external), shared: Bytes::ZERO };
            check(&charges, bytes(nodes), coefficients, external, shared)
        };
        let exact = checked(70, &[1_000], 30, &[]);
        assert_eq!(
            (exact.total, exact.explained, exact.remainder, exact.because.len()),
            (bytes(100), bytes(100), 0, 0)
        );
        let first = Stretch { by: "hour", start: START.hour(), up: bytes(3), down: bytes(4) };
        let shared = checked(93, &[1_000], 0, &[first]);
        assert_eq!(shared.remainder, 7);
        assert!(
            shared.because[0].to_string().starts_with("the hour of 2026-11-01 01:00:00 UTC holds 7 bytes"),
            "{:?}",
            shared.because
        );
        assert_eq!(
            checked(99, &[1_500], 0, &[]).because.last().unwrap().to_string(),
            "coefficients that are not whole leave fractions of bytes"
        );
        for (nodes, shared) in [(200, vec![]), (50, vec![first])] {
            let check = checked(nodes, &[1_000], 0, &shared);
            assert!(check.because.last().unwrap().to_string().starts_with("a node's coefficient"), "{check:?}");
        }
    }
}
