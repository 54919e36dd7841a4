//! How fast one user may go in one direction.

use core::time::Duration;
use std::sync::{Mutex, MutexGuard};

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::lock::lock;

/// What was not used for so long may be used at once, so that a busy host's late wake-ups cost nobody speed. A hundredth of ten
/// seconds.
const BURST: Duration = Duration::from_millis(100);
/// Chunks are what passes in this time, so that many connections of one user take turns quickly.
const TURN: u64 = 50;
/// Bytes of a chunk.
const LEAST_CHUNK: u64 = 1 << 10;
const MOST_CHUNK: u64 = 16 << 10;

/// A token bucket, kept as the moment at which all that was taken has passed.
#[derive(Clone, Copy, Debug)]
struct Pace {
    /// Bytes a second, 0 = unlimited.
    speed: u64,
    free: Option<Instant>,
}

impl Pace {
    /// Takes so many bytes; returns when they may pass. Whoever takes first passes first.
    fn take(&mut self, bytes: u64, now: Instant) -> Instant {
        if self.speed == 0 {
            return now;
        }
        let earliest = now.checked_sub(BURST).unwrap_or(now);
        let start = self.free.map_or(now, |free| free.max(earliest));
        let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(self.speed);
        let lasts = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        self.free = Some(start.checked_add(lasts).unwrap_or(start));
        start
    }
}

/// A bucket that all connections of a user draw from.
#[derive(Debug)]
pub(super) struct Bucket {
    pace: Mutex<Pace>,
    /// Rung when the speed changes: nobody waits by the old one.
    changed: Notify,
}

impl Default for Bucket {
    fn default() -> Self {
        Self { pace: Mutex::new(Pace { speed: 0, free: None }), changed: Notify::new() }
    }
}

impl Bucket {
    fn pace(&self) -> MutexGuard<'_, Pace> {
        lock(&self.pace)
    }

    /// Changes the speed. What was taken at another one is forgotten.
    pub(super) fn set(&self, speed: u64) {
        let mut pace = self.pace();
        if pace.speed != speed {
            *pace = Pace { speed, free: None };
            drop(pace);
            self.changed.notify_waiters();
        }
    }

    /// How much to read at once.
    pub(super) fn chunk(&self) -> usize {
        let speed = self.pace().speed;
        let chunk = if speed == 0 { MOST_CHUNK } else { (speed / TURN).clamp(LEAST_CHUNK, MOST_CHUNK) };
        usize::try_from(chunk).unwrap_or(1 << 10)
    }

    /// Waits until so many bytes may pass.
    pub(super) async fn take(&self, bytes: usize) {
        let changed = self.changed.notified();
        tokio::pin!(changed);
        // Registered before the look, so that no change falls between the two.
        changed.as_mut().enable();
        let now = Instant::now();
        let at = self.pace().take(u64::try_from(bytes).unwrap_or(u64::MAX), now);
        if at > now {
            tokio::select! {
                () = sleep_until(at) => {}
                () = changed => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use proptest::prelude::*;

    use super::*;

    fn pace(speed: u64) -> Pace {
        Pace { speed, free: None }
    }

    #[test]
    fn what_is_taken_passes_at_the_speed_in_the_order_of_taking() {
        let (mut pace, now) = (pace(1_000), Instant::now());
        let at: Vec<_> = (0..4).map(|_| pace.take(500, now).duration_since(now).as_millis()).collect();
        assert_eq!(at, [0, 500, 1_000, 1_500]);
    }

    #[test]
    fn what_was_not_used_lately_may_be_used_at_once_and_no_more() {
        let (mut pace, start) = (pace(1_000), Instant::now());
        pace.take(1, start);
        let later = start + Duration::from_mins(1);
        let at: Vec<_> = (0..4).map(|_| pace.take(50, later).saturating_duration_since(later).as_millis()).collect();
        assert_eq!(at, [0, 0, 0, 50], "two of a burst, the one that is due, and the next");
    }

    #[test]
    fn who_is_unlimited_never_waits() {
        let (mut pace, now) = (pace(0), Instant::now());
        assert!((0..9).all(|_| pace.take(u64::MAX, now) == now));
    }

    #[test]
    fn chunks_are_small_where_the_speed_is() {
        let bucket = Bucket::default();
        assert_eq!(bucket.chunk(), 16 << 10);
        for (speed, chunk) in [(1, 1 << 10), (100_000, 2_000), (1 << 40, 16 << 10)] {
            bucket.set(speed);
            assert_eq!(bucket.chunk(), chunk);
        }
    }

    #[tokio::test]
    async fn who_waits_by_an_old_speed_goes_on_at_the_new_one() {
        let bucket = Bucket::default();
        bucket.set(1);
        bucket.take(1_000_000).await;
        let waiting = bucket.take(1);
        tokio::pin!(waiting);
        assert!(waiting.as_mut().now_or_never().is_none(), "eleven days");
        bucket.set(1_000);
        waiting.await;
        bucket.set(0);
        bucket.take(usize::MAX).await;
    }

    proptest! {
        /// However many take however much whenever: no stretch of time holds more than the speed, a burst and one chunk.
        #[test]
        fn never_more_than_the_speed_passes(
            speed in 1_000_u64..100_000_000,
            takes in prop::collection::vec((1_u64..16_384, 0_u64..200), 1..200),
        ) {
            let (mut pace, start) = (pace(speed), Instant::now());
            let (mut now, mut passed) = (start, Vec::new());
            for (bytes, millis) in takes {
                now += Duration::from_millis(millis);
                passed.push((pace.take(bytes, now).max(now), bytes));
            }
            passed.sort();
            for (first, (from, _)) in passed.iter().enumerate() {
                let mut sum = 0;
                for (to, bytes) in &passed[first..] {
                    sum += bytes;
                    let time = to.duration_since(*from) + BURST + Duration::from_millis(1);
                    let most = u128::from(speed) * time.as_nanos() / 1_000_000_000 + u128::from(*bytes) + 1;
                    prop_assert!(u128::from(sum) <= most, "{sum} in {time:?}");
                }
            }
        }
    }
}
