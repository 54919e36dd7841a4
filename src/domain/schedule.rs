//! When jobs run.

use weir_wire::Second;

use super::zone::Zone;

/// How often a job runs when it does not say itself when it wants to run again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schedule {
    /// So many seconds after its last run began.
    Every(i64),
    /// Once an hour, at this minute, in UTC.
    Hourly(i64),
    /// Once a day, so many seconds after midnight in the deployment's time zone.
    Daily(i64),
    /// Not before somebody calls it.
    Called,
}

impl Schedule {
    /// The first instant after `now` at which the job runs.
    #[must_use]
    pub fn after(self, now: Second, zone: Zone) -> Second {
        match self {
            Self::Every(seconds) => now.plus(seconds.max(1)),
            Self::Hourly(minute) => {
                let this = now.hour().plus(minute * 60);
                if this > now { this } else { this.plus(3_600) }
            }
            Self::Daily(seconds) => {
                let today = zone.date(now);
                let candidates = [Some(today), today.succ_opt()];
                let next = candidates.into_iter().flatten().map(|date| zone.midnight(date).plus(seconds));
                next.into_iter().find(|at| *at > now).unwrap_or_else(|| now.plus(86_400))
            }
            Self::Called => Second::LAST,
        }
    }

    /// When a run that was cut off or failed is repeated: soon at first, and then at most an hour later.
    #[must_use]
    pub fn retry(failures: u32, now: Second) -> Second {
        now.plus(60_i64.saturating_mul(1 << failures.min(6)).min(3_600))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 15 November 2026, 12:00 UTC.
    const NOON: Second = Second::clamped(1_794_744_000);

    #[test]
    fn an_hourly_job_runs_at_its_minute_and_never_twice_in_it() {
        let hourly = Schedule::Hourly(5);
        assert_eq!(hourly.after(NOON, Zone::UTC), NOON.plus(300));
        assert_eq!(hourly.after(NOON.plus(300), Zone::UTC), NOON.plus(3_900));
        assert_eq!(hourly.after(NOON.plus(301), Zone::UTC), NOON.plus(3_900));
    }

    #[test]
    fn a_daily_job_runs_by_the_day_of_the_zone_over_a_change_of_clocks_too() {
        let zone: Zone = "Europe/Berlin".parse().unwrap();
        let daily = Schedule::Daily(3_600);
        // 13:00 there; 01:00 of the next day is twelve hours away.
        assert_eq!(daily.after(NOON, zone), NOON.plus(12 * 3_600));
        // 29 March 2026, 01:00 there, an hour before clocks jump: the day has 23 hours.
        let spring = Second::clamped(1_774_742_400);
        assert_eq!(daily.after(spring, zone), spring.plus(23 * 3_600));
    }

    #[test]
    fn a_job_that_fails_again_and_again_is_tried_once_an_hour() {
        let waits: Vec<i64> = (0..8).map(|failures| Schedule::retry(failures, NOON).since(NOON)).collect();
        assert_eq!(waits, [60, 120, 240, 480, 960, 1_920, 3_600, 3_600]);
    }
}
