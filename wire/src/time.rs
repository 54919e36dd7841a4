//! Instants.

use core::fmt;

use serde::{Deserialize, Serialize};

/// An instant in unix seconds, UTC, `0..=2^53-1`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct Second(i64);

/// The number is negative or above 2^53 - 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAnInstant;

impl fmt::Display for NotAnInstant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an instant is an integer of unix seconds from 0 to 9007199254740991")
    }
}

impl std::error::Error for NotAnInstant {}

impl Second {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self(0);
    /// The last instant.
    pub const LAST: Self = Self(9_007_199_254_740_991);

    /// The instant `seconds` after 1970, moved to the nearest valid one.
    #[must_use]
    pub const fn clamped(seconds: i64) -> Self {
        if seconds < 0 {
            Self(0)
        } else if seconds > Self::LAST.0 {
            Self::LAST
        } else {
            Self(seconds)
        }
    }

    /// Unix seconds.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }

    /// The instant `seconds` later (earlier when negative), moved to the nearest valid one.
    #[must_use]
    pub const fn plus(self, seconds: i64) -> Self {
        Self::clamped(self.0.saturating_add(seconds))
    }

    /// Seconds from `earlier` to this instant; negative when `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> i64 {
        self.0 - earlier.0
    }

    /// The start of the hour that contains this instant.
    #[must_use]
    pub const fn hour(self) -> Self {
        Self(self.0 - self.0 % 3600)
    }

    /// The start of the quarter-hour that contains this instant: no parcel straddles one, because every zone's
    /// midnight, and so every billing period's boundary, falls on a quarter-hour.
    #[must_use]
    pub const fn quarter(self) -> Self {
        Self(self.0 - self.0 % 900)
    }
}

impl TryFrom<i64> for Second {
    type Error = NotAnInstant;

    fn try_from(seconds: i64) -> Result<Self, NotAnInstant> {
        if (0..=Self::LAST.0).contains(&seconds) { Ok(Self(seconds)) } else { Err(NotAnInstant) }
    }
}

impl From<Second> for i64 {
    fn from(second: Second) -> Self {
        second.0
    }
}

impl fmt::Display for Second {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
