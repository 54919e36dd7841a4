//! Byte counts that survive every hop: Rust, JSON, JavaScript numbers and `SQLite` integers.

use core::fmt;
use core::iter::Sum;

use serde::{Deserialize, Serialize};

/// A count of bytes, `0..=2^53-1` (9.0 PB).
///
/// The upper end is the largest integer that a JavaScript number carries exactly; D1 binds and returns numbers as such.
/// Arithmetic saturates at both ends: a counter that sticks at its end is visible, one that wraps bills somebody else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct Bytes(u64);

/// The number is above [`Bytes::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyBytes;

impl fmt::Display for TooManyBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a byte count is an integer from 0 to 9007199254740991")
    }
}

impl std::error::Error for TooManyBytes {}

impl Bytes {
    /// No bytes.
    pub const ZERO: Self = Self(0);
    /// 2^53 - 1.
    pub const MAX: Self = Self(9_007_199_254_740_991);

    /// A count known at compile time, cut to [`Bytes::MAX`].
    #[must_use]
    pub const fn saturating(count: u64) -> Self {
        if count > Self::MAX.0 { Self::MAX } else { Self(count) }
    }

    /// `mib` times 1024^2.
    #[must_use]
    pub const fn mib(mib: u64) -> Self {
        Self::saturating(mib.saturating_mul(1 << 20))
    }

    /// `gib` times 1024^3, the "GB" that operators see.
    #[must_use]
    pub const fn gib(gib: u64) -> Self {
        Self::saturating(gib.saturating_mul(1 << 30))
    }

    /// The plain number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The plain number as the signed integer that SQL speaks.
    #[must_use]
    pub const fn signed(self) -> i64 {
        self.0.cast_signed()
    }

    /// Sum, saturating at [`Bytes::MAX`].
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self::saturating(self.0.saturating_add(other.0))
    }

    /// Difference, saturating at zero.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// Whether this is zero.
    #[must_use]
    pub const fn is_zero(&self) -> bool {
        self.0 == 0
    }
}

impl TryFrom<u64> for Bytes {
    type Error = TooManyBytes;

    fn try_from(count: u64) -> Result<Self, TooManyBytes> {
        if count > Self::MAX.0 { Err(TooManyBytes) } else { Ok(Self(count)) }
    }
}

impl TryFrom<i64> for Bytes {
    type Error = TooManyBytes;

    fn try_from(count: i64) -> Result<Self, TooManyBytes> {
        u64::try_from(count).map_err(|_| TooManyBytes).and_then(Self::try_from)
    }
}

impl From<Bytes> for u64 {
    fn from(bytes: Bytes) -> Self {
        bytes.0
    }
}

impl Sum for Bytes {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self::ZERO, Self::plus)
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_to_the_53_and_negative_numbers_are_refused_in_json() {
        assert_eq!(serde_json::from_str::<Bytes>("9007199254740991").unwrap(), Bytes::MAX);
        for bad in ["9007199254740992", "-1", "1.5", "\"1\"", "null"] {
            assert!(serde_json::from_str::<Bytes>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sums_and_differences_stick_at_the_ends() {
        assert_eq!(Bytes::MAX.plus(Bytes::mib(1)), Bytes::MAX);
        assert_eq!(Bytes::ZERO.minus(Bytes::mib(1)), Bytes::ZERO);
    }
}
