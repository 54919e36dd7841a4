//! Numbers that operators choose, each with its range.

use serde::{Deserialize, Serialize};

use super::name::Breaks;

macro_rules! ranged {
    ($(#[$doc:meta])* $name:ident, $most:literal, $rule:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "u32", into = "u32")]
        pub struct $name(u32);

        impl $name {
            /// The number.
            #[must_use]
            pub const fn get(self) -> u32 {
                self.0
            }
        }

        impl TryFrom<u32> for $name {
            type Error = Breaks;

            fn try_from(number: u32) -> Result<Self, Breaks> {
                if number <= $most { Ok(Self(number)) } else { Err(Breaks($rule)) }
            }
        }

        impl From<$name> for u32 {
            fn from(number: $name) -> Self {
                number.0
            }
        }
    };
}

ranged!(
    /// Devices, streams or addresses; 0 = unlimited.
    Count, 65_535, "an integer from 0 to 65535"
);
ranged!(
    /// Devices that may fetch a subscription; 0 = any number.
    HwidLimit, 100, "an integer from 0 to 100"
);
ranged!(
    /// A number of days.
    Days, 36_500, "an integer of days from 0 to 36500"
);
ranged!(
    /// How long an account lasts from its first use on, in seconds; 0 = it does not wait for one.
    HoldSeconds, 3_153_600_000, "an integer of seconds from 0 to 3153600000"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_beyond_its_range_is_refused_with_the_range() {
        assert_eq!(Count::try_from(65_535).map(Count::get), Ok(65_535));
        assert_eq!(Count::try_from(65_536).unwrap_err().0, "an integer from 0 to 65535");
        assert!(Days::try_from(36_501).is_err());
        assert!(HoldSeconds::try_from(u32::MAX).is_err());
        assert!(serde_json::from_str::<Days>("-1").is_err() && serde_json::from_str::<Days>("1.5").is_err());
    }
}
