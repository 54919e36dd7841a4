//! The one place that reads clocks.
//!
//! Everything that must not be fooled by a stepped wall clock runs on [`Moment`], which is `CLOCK_BOOTTIME`: it never
//! goes back, and it also runs while the host is suspended. The panel's time is derived from it ([`PanelClock`]).

use std::fs;
use std::io;

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use weir_wire::Second;

use crate::faults;

/// Milliseconds of `CLOCK_BOOTTIME`: an instant within one boot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Moment(u64);

impl Moment {
    /// `millis` after the boot.
    #[must_use]
    pub(crate) const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// `millis` later.
    #[must_use]
    pub(crate) const fn plus(self, millis: u64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// Milliseconds since `earlier`; 0 when that is later.
    #[must_use]
    pub(crate) const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// The kernel's random name of one boot. A [`Moment`] means nothing in another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct BootId(pub(crate) String);

/// The clocks at one instant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reading {
    /// The monotonic clock.
    pub(crate) now: Moment,
    /// The wall clock in unix milliseconds. Only shown, stated to the panel, and used to guess the panel's time in the
    /// first seconds after a boot.
    pub(crate) wall: i64,
    /// Milliseconds of this boot for which the host was suspended: what `CLOCK_BOOTTIME` counts and `CLOCK_MONOTONIC`
    /// does not.
    pub(crate) suspended: u64,
}

impl Reading {
    /// `CLOCK_MONOTONIC` in milliseconds: the time of this boot for which the host was awake.
    #[must_use]
    pub(crate) const fn awake(self) -> u64 {
        self.now.0.saturating_sub(self.suspended)
    }

    /// The wall clock in seconds.
    #[must_use]
    pub(crate) const fn wall_second(self) -> Second {
        Second::clamped(self.wall.div_euclid(1_000))
    }
}

/// Which boot this is. Fails when `/proc` is not mounted.
pub(crate) fn boot() -> io::Result<BootId> {
    if let Some(name) = faults::boot() {
        return Ok(BootId(name));
    }
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    Ok(BootId(id.trim().to_owned()))
}

/// The host's clocks now.
pub(crate) fn read() -> Reading {
    let (wall, boot, stood) = faults::clock();
    let now = millis(ClockId::Boottime);
    // Read second: a pause of this thread in between makes the difference smaller, never larger.
    let suspended = now.saturating_sub(millis(ClockId::Monotonic)).saturating_add(stood);
    Reading {
        now: moment(now.saturating_add(boot)),
        wall: millis(ClockId::Realtime).saturating_add(wall),
        suspended: u64::try_from(suspended).unwrap_or_default(),
    }
}

/// The monotonic clock now.
pub(crate) fn now() -> Moment {
    moment(millis(ClockId::Boottime).saturating_add(faults::clock().1))
}

fn moment(millis: i64) -> Moment {
    Moment(u64::try_from(millis).unwrap_or_default())
}

fn millis(clock: ClockId) -> i64 {
    let time = clock_gettime(clock);
    time.tv_sec.saturating_mul(1_000).saturating_add(time.tv_nsec / 1_000_000)
}

/// The panel's clock, as far as this host knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PanelClock {
    /// The boot that `ahead_of_boot` belongs to.
    pub(crate) boot: BootId,
    /// Panel's unix milliseconds minus [`Moment`] milliseconds.
    pub(crate) ahead_of_boot: i64,
    /// Panel's clock minus the wall clock in milliseconds, as last learnt; what the next boot begins with.
    pub(crate) ahead_of_wall: i64,
    /// A sync of this boot has told the time; before that it is a guess from the wall clock.
    pub(crate) learnt: bool,
}

impl PanelClock {
    /// The panel's clock at the start of the agent, from what the ledger holds.
    #[must_use]
    pub(crate) fn resume(stored: Option<&Self>, boot: &BootId, reading: Reading) -> Self {
        match stored {
            Some(stored) if stored.boot == *boot => stored.clone(),
            other => {
                let ahead_of_wall = other.map_or(0, |stored| stored.ahead_of_wall);
                let ahead_of_boot = reading.wall.saturating_add(ahead_of_wall).saturating_sub(signed(reading.now));
                Self { boot: boot.clone(), ahead_of_boot, ahead_of_wall, learnt: false }
            }
        }
    }

    /// Learns from a reply that named the panel's second. Takes the midpoint of the round trip, and the middle of the
    /// second. Returns by how many milliseconds the panel's clock was ahead of what was believed.
    pub(crate) fn learn(&mut self, sent: Moment, received: Reading, panel: Second) -> i64 {
        let midpoint = signed(sent).midpoint(signed(received.now));
        let panel = panel.get().saturating_mul(1_000).saturating_add(500);
        let ahead = panel.saturating_sub(midpoint);
        let jump = ahead.saturating_sub(self.ahead_of_boot);
        let wall_at_midpoint = received.wall.saturating_sub(signed(received.now).saturating_sub(midpoint));
        // Within the second that the panel's clock is cut to, the old value is as good as the new one: keeping it
        // spares a ledger write per sync and makes no boundary wander.
        if !self.learnt || jump.abs() > 1_000 {
            self.ahead_of_boot = ahead;
        }
        self.ahead_of_wall = self.ahead_of_boot.saturating_add(midpoint).saturating_sub(wall_at_midpoint);
        let first = !self.learnt;
        self.learnt = true;
        if first { 0 } else { jump }
    }

    /// The panel's unix milliseconds at a moment of this boot.
    #[must_use]
    pub(crate) fn millis(&self, at: Moment) -> i64 {
        signed(at).saturating_add(self.ahead_of_boot)
    }

    /// The panel's second at a moment of this boot.
    #[must_use]
    pub(crate) fn second(&self, at: Moment) -> Second {
        Second::clamped(self.millis(at).div_euclid(1_000))
    }

    /// The moment of this boot at which the panel's clock shows `second`; the boot itself when that was earlier.
    #[must_use]
    pub(crate) fn moment(&self, second: Second) -> Moment {
        let millis = second.get().saturating_mul(1_000).saturating_sub(self.ahead_of_boot);
        Moment(u64::try_from(millis).unwrap_or_default())
    }
}

fn signed(moment: Moment) -> i64 {
    i64::try_from(moment.0).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boot(name: &str) -> BootId {
        BootId(name.to_owned())
    }

    fn reading(now: u64, wall: i64) -> Reading {
        Reading { now: Moment(now), wall, suspended: 0 }
    }

    #[test]
    fn the_host_has_a_boot_and_its_clock_runs() {
        assert!(!super::boot().unwrap().0.is_empty());
        let first = read();
        assert!(now() >= first.now && first.wall > 1_600_000_000_000);
    }

    #[test]
    fn a_stepped_wall_clock_moves_no_panel_time() {
        let mut panel = PanelClock::resume(None, &boot("a"), reading(10_000, 5_000_000));
        assert_eq!(panel.second(Moment(10_000)).get(), 5_000, "a guess from the wall clock");
        panel.learn(Moment(10_000), reading(10_200, 5_000_200), Second::clamped(9_000));
        assert_eq!(panel.second(Moment(10_100)).get(), 9_000);
        let resumed = PanelClock::resume(Some(&panel), &boot("a"), reading(20_000, 77_000_000));
        assert_eq!(resumed.second(Moment(20_100)).get(), 9_010);
    }

    #[test]
    fn the_next_boot_begins_with_the_stored_distance_to_the_wall_clock() {
        let mut panel = PanelClock::resume(None, &boot("a"), reading(10_000, 5_000_000));
        panel.learn(Moment(10_000), reading(10_000, 5_000_000), Second::clamped(5_060));
        let next = PanelClock::resume(Some(&panel), &boot("b"), reading(1_000, 6_000_000));
        assert!(!next.learnt);
        assert_eq!(next.second(Moment(1_000)).get(), 6_060);
    }

    #[test]
    fn a_jump_of_the_panels_clock_is_told_and_jitter_is_not_followed() {
        let mut panel = PanelClock::resume(None, &boot("a"), reading(0, 0));
        assert_eq!(panel.learn(Moment(0), reading(0, 0), Second::clamped(100)), 0);
        assert!(panel.learn(Moment(1_000), reading(1_000, 1_000), Second::clamped(101)).abs() <= 1_000);
        assert_eq!(panel.millis(Moment(0)), 100_500);
        assert_eq!(panel.learn(Moment(2_000), reading(2_000, 2_000), Second::clamped(402)), 300_000);
        assert_eq!(panel.second(Moment(2_000)).get(), 402);
        assert_eq!(panel.moment(Second::clamped(403)), Moment(2_500));
    }
}
