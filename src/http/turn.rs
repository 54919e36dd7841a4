//! Admin actions of one isolate go one after the other.
//!
//! This is a courtesy and protects nothing: two that meet in the database are told apart there, and one of them is prepared
//! again. In a queue it need not be. A queue of futures that wake each other will not do, because the platform ties I/O to the
//! request that began it; so each request looks again by its own timer.

use core::cell::Cell;
use core::time::Duration;

use worker::Delay;

use super::failure::Failure;
use crate::{clock, random};

/// A turn that was neither used nor given back for so many milliseconds belongs to a request that the platform has ended. No step of an action
/// takes as long, even where a hundred others wait for the database.
const LASTS: i64 = 5_000;
/// Milliseconds for which a request waits for its turn before it goes ahead without.
const PATIENCE: i64 = 20_000;
/// Milliseconds between two looks at least: of the first ones, and of those of whoever waits long.
const LOOKS: (u64, u64) = (4, 16);

thread_local! {
    static TAKEN_UNTIL: Cell<i64> = const { Cell::new(0) };
}

/// The turn, until it is dropped.
pub(super) struct Turn {
    until: i64,
}

impl Turn {
    /// Waits for the turn.
    pub(super) async fn take() -> Result<Self, Failure> {
        let began = clock::millis();
        #[cfg(feature = "faults")]
        if !crate::faults::has_turns() {
            return Ok(Self { until: 0 });
        }
        let (mut least, longest) = LOOKS;
        loop {
            let now = clock::millis();
            if TAKEN_UNTIL.get() <= now || now.saturating_sub(began) >= PATIENCE {
                let until = now.saturating_add(LASTS);
                TAKEN_UNTIL.set(until);
                return Ok(Self { until });
            }
            pause(least).await?;
            least = longest.min(least + 1);
        }
    }

    /// Keeps it for the next step, unless somebody else has it by now.
    pub(super) fn keep(&mut self) {
        if TAKEN_UNTIL.get() == self.until {
            self.until = clock::millis().saturating_add(LASTS);
            TAKEN_UNTIL.set(self.until);
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if TAKEN_UNTIL.get() == self.until {
            TAKEN_UNTIL.set(0);
        }
    }
}

/// Waits for `least` to five times as many milliseconds, by chance: those who met once do not meet again.
pub(super) async fn pause(least: u64) -> Result<(), Failure> {
    let [dice] = random::bytes::<1>()?;
    Delay::from(Duration::from_millis(least + u64::from(dice) * least / 64)).await;
    Ok(())
}
