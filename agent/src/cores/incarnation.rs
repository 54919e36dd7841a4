//! Names for the starts of cores that say how long they have run, not since when.
//!
//! The start is worked out on the clock that the core's own stands on: Go measures how long it has run with
//! `CLOCK_MONOTONIC`, which no step of the wall clock moves and which stands still while the host is suspended. So neither
//! makes a running core look new, which would credit everything that it has counted a second time.

use sha2::{Digest as _, Sha256};

use crate::clock::BootId;

/// Such a name is told from unix milliseconds, which sing-box names its starts by, by this bit.
const OF_A_BOOT: i64 = 1 << 62;
/// Bits of the milliseconds since the boot: 139 years.
const MILLIS: u32 = 42;
/// Two looks at one start differ by the second that the core cuts its answer to, and by how long it took to answer: a second at
/// most, because a later answer counts for nothing.
const TOLERANCE: i64 = 3_000;

/// The name of a start, `millis` after the boot by `CLOCK_MONOTONIC`.
#[must_use]
pub(crate) fn since(boot: &BootId, millis: u64) -> i64 {
    let hash = Sha256::digest(boot.0.as_bytes());
    let boot = hash.iter().take(3).fold(0_i64, |bits, byte| (bits << 8) | i64::from(*byte)) & ((1 << 20) - 1);
    let millis = i64::try_from(millis).unwrap_or_default() & ((1 << MILLIS) - 1);
    OF_A_BOOT | (boot << MILLIS) | millis
}

/// Whether two names may be of one start.
#[must_use]
pub(crate) const fn is_near(one: i64, other: i64) -> bool {
    one == other || (one & OF_A_BOOT != 0 && other & OF_A_BOOT != 0 && (one - other).abs() <= TOLERANCE)
}

/// The start in unix milliseconds, to be shown. `awake` is `CLOCK_MONOTONIC` and `wall` the wall clock, both now, in
/// milliseconds.
#[must_use]
pub(crate) const fn unix_millis(name: i64, awake: u64, wall: i64) -> i64 {
    if name & OF_A_BOOT == 0 {
        return name;
    }
    let millis = name & ((1 << MILLIS) - 1);
    wall.saturating_sub((awake.cast_signed()).saturating_sub(millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boot(name: &str) -> BootId {
        BootId(name.to_owned())
    }

    #[test]
    fn one_start_is_recognised_within_three_seconds_of_one_boot() {
        let start = since(&boot("a"), 1_000_000);
        assert!(is_near(start, since(&boot("a"), 1_003_000)) && is_near(start, since(&boot("a"), 997_000)));
        assert!(!is_near(start, since(&boot("a"), 1_003_001)) && !is_near(start, since(&boot("b"), 1_000_000)));
    }

    #[test]
    fn a_start_that_a_core_names_itself_is_near_itself_alone() {
        assert!(is_near(1_800_000_000_000, 1_800_000_000_000));
        assert!(!is_near(1_800_000_000_000, 1_800_000_000_001));
        assert!(!is_near(0, since(&boot("a"), 0)));
    }

    #[test]
    fn it_is_shown_in_unix_milliseconds() {
        assert_eq!(unix_millis(1_800_000_000_000, 5, 7), 1_800_000_000_000);
        assert_eq!(unix_millis(since(&boot("a"), 40_000), 100_000, 1_800_000_000_000), 1_799_999_940_000);
    }
}
