//! What a run has measured.

#![expect(clippy::indexing_slicing, reason = "minutes are clamped, purposes are counted by their own list")]

use crate::args::Args;
use crate::cost::{self, For, Spent};
use crate::number::real;
use crate::plan::{DAYS, Use};
use crate::shape::{DAY, MINUTE};

/// CPU of an empty request on the machine that `bench/README.md` is from, in milliseconds: with the server's own HTTP, the
/// only absolute figure there is, and several times what the platform charges.
pub(crate) const EMPTY_MS: f64 = 2.0;

/// Bytes of a row with its indexes, measured by the growth of a file of `SQLite` 3.40 after 20,000 typical rows of the schema.
const USER_ROW: u64 = 111;
const SLOT_ROW: u64 = 71;
const USAGE_ROW: u64 = 274;
const USAGE_ENTRY: u64 = 136;
const ADDRESS_ROW: u64 = 84;
const HOUR_ROW: u64 = 26;
const DAY_ROW: u64 = 28;
const PERIOD_ROW: u64 = 51;
const FETCH_ROW: u64 = 59;
/// Days for which hours, days, fetches are kept by default; periods and months are shown for a year.
const HOURS_KEPT: u64 = 7;
const DAYS_KEPT: u64 = 400;
const FETCHES_KEPT: u64 = 30;
const MONTHS: u64 = 12;

/// What one minute took.
#[derive(Clone, Copy, Debug, Default)]
struct Load {
    requests: u64,
    written: u64,
    queries: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) users: u64,
    pub(crate) nodes: u64,
    pub(crate) days: u64,
    pub(crate) by: [Spent; For::ALL.len()],
    pub(crate) requests: u64,
    /// Requests to the Durable Object.
    pub(crate) bell: u64,
    /// Bytes.
    pub(crate) generated: u64,
    pub(crate) reported: u64,
    pub(crate) unreported: u64,
    /// Reports, and the users of the largest.
    pub(crate) reports: u64,
    pub(crate) report_users: u64,
    pub(crate) largest_report: u64,
    /// Of a reported byte, in milliseconds: the worst, and the sum over reported users.
    pub(crate) staleness: u64,
    staleness_sum: u64,
    /// Bytes beyond a quota: the worst, and how often it was beyond the bound that may be.
    pub(crate) overshoot: u64,
    pub(crate) beyond_bound: u64,
    pub(crate) limited: u64,
    /// Users on a day.
    pub(crate) active: u64,
    pub(crate) changes: u64,
    pub(crate) fetches: u64,
    /// Rows of history: hours and days of a user and node.
    pub(crate) hours: u64,
    pub(crate) line_days: u64,
    pub(crate) rollups: u64,
    /// Of the database in a year, in bytes.
    pub(crate) storage: u64,
    minutes: Vec<Load>,
}

impl Outcome {
    pub(crate) fn new(args: &Args) -> Self {
        let minutes = usize::try_from(u64::from(args.days) * DAY / MINUTE).unwrap_or(0);
        Self {
            users: u64::from(args.users),
            nodes: u64::from(args.nodes),
            days: u64::from(args.days),
            by: [Spent::default(); For::ALL.len()],
            requests: 0,
            bell: 0,
            generated: 0,
            reported: 0,
            unreported: 0,
            reports: 0,
            report_users: 0,
            largest_report: 0,
            staleness: 0,
            staleness_sum: 0,
            overshoot: 0,
            beyond_bound: 0,
            limited: 0,
            active: 0,
            changes: 0,
            fetches: 0,
            hours: 0,
            line_days: 0,
            rollups: 0,
            storage: 0,
            minutes: vec![Load::default(); minutes.max(1)],
        }
    }

    fn load(&mut self, now: u64) -> &mut Load {
        let last = self.minutes.len() - 1;
        let minute = usize::try_from(now / MINUTE).unwrap_or(last);
        &mut self.minutes[minute.min(last)]
    }

    pub(crate) fn request(&mut self, now: u64) {
        self.requests(now, 1);
    }

    pub(crate) fn requests(&mut self, now: u64, count: u64) {
        self.requests += count;
        self.load(now).requests += count;
    }

    pub(crate) fn spend(&mut self, now: u64, purpose: For, spent: Spent) {
        let load = self.load(now);
        load.written += spent.written;
        load.queries += spent.queries;
        self.by[purpose as usize] += spent;
    }

    pub(crate) fn report(&mut self, users: usize) {
        self.reports += 1;
        self.report_users += users as u64;
        self.largest_report = self.largest_report.max(users as u64);
    }

    /// Bytes became known whose oldest was so many milliseconds old.
    pub(crate) fn told(&mut self, bytes: u64, age: u64) {
        self.reported += bytes;
        self.staleness = self.staleness.max(age);
        self.staleness_sum += age;
    }

    pub(crate) fn overshoot(&mut self, over: u64, bound: u64) {
        self.overshoot = self.overshoot.max(over);
        self.beyond_bound += u64::from(over > bound);
    }

    /// What the run itself cannot see: the folding of a week ago, and the size of the database in a year.
    pub(crate) fn close(&mut self, lines: usize) {
        let mut folded = Spent::default();
        folded.add(&cost::FOLD, self.hours);
        folded.add(&cost::FOLDED, self.line_days);
        // Days become months in the same way, 400 days later.
        folded.add(&cost::FOLD, self.line_days);
        folded.add(&cost::FOLDED, self.line_days / 20);
        self.by[For::History as usize] += folded;
        let (lines, active) = (lines as u64, self.active / self.days);
        self.storage = self.users * (USER_ROW + SLOT_ROW + SLOT_ROW / 10 + USAGE_ROW)
            + lines.saturating_sub(self.users) * USAGE_ENTRY
            + active * ADDRESS_ROW
            + (self.hours * HOURS_KEPT * HOUR_ROW + self.line_days * DAYS_KEPT * DAY_ROW) / self.days
            + self.fetches / self.days * FETCHES_KEPT * FETCH_ROW
            + self.users * MONTHS * PERIOD_ROW;
    }

    pub(crate) fn sum(&self) -> Spent {
        let mut sum = Spent { requests: self.requests, ..Spent::default() };
        for spent in self.by {
            sum += spent;
        }
        sum
    }

    /// An average day.
    pub(crate) fn day(&self) -> Use {
        let (sum, days) = (self.sum(), real(self.days));
        Use {
            requests: real(sum.requests) / days,
            written: real(sum.written) / days,
            read: real(sum.read) / days,
            cpu: real(sum.cpu) / 1_000.0 * EMPTY_MS / days,
            bell: real(self.bell + self.nodes) / days,
        }
    }

    pub(crate) fn month(&self) -> Use {
        let day = self.day();
        Use {
            requests: day.requests * DAYS,
            written: day.written * DAYS,
            read: day.read * DAYS,
            cpu: day.cpu * DAYS,
            bell: day.bell * DAYS,
        }
    }

    /// Requests, rows written and queries in a second of the busiest minute of each.
    pub(crate) fn peak(&self) -> (f64, f64, f64) {
        let most = |of: fn(&Load) -> u64| real(self.minutes.iter().map(of).max().unwrap_or(0)) / 60.0;
        (most(|load| load.requests), most(|load| load.written), most(|load| load.queries))
    }

    /// In seconds, of the oldest byte of a user in a report.
    pub(crate) fn mean_staleness(&self) -> f64 {
        real(self.staleness_sum) / 1_000.0 / real(self.report_users.max(1))
    }

    /// CPU of the sync with the largest report, in thousandths of an empty request.
    pub(crate) const fn heaviest(&self) -> u64 {
        cost::SYNC.cpu + cost::REPORT.cpu + cost::REPORT_USER.cpu * self.largest_report
    }
}
