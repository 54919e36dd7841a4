//! What one user's account must be, counted anew from the list of everything that happened to him. Slow and plain, and with
//! nothing of the code that it is held against: whole seconds, whole bytes, days by walking ([`Calendar`]).
//!
//! Two rules of the product are the model's own. What a job does happens when the job runs: an ended package, a queued plan, a
//! deletion. And a period that began and ended while nobody looked, which only an outage of cron brings, has the quota and the cycle
//! of the time at which its first bytes were reported.

use super::calendar::Calendar;
use super::standing::left;

const DAY: i64 = 86_400;
/// The end of what does not end, as the product writes it.
const NEVER: i64 = 9_007_199_254_740_991;

/// Values of a plan.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Terms {
    pub(super) plan: usize,
    pub(super) version: u32,
    pub(super) month: u64,
    pub(super) total: u64,
    pub(super) strategy: &'static str,
    pub(super) day: Option<u32>,
    pub(super) days: i64,
}

/// A queued plan.
#[derive(Clone, Copy, Debug)]
pub(super) struct Next {
    pub(super) plan: usize,
    pub(super) keeps_rest: bool,
    pub(super) on_either: bool,
}

/// What happened.
#[derive(Clone, Copy, Debug)]
pub(super) enum Deed {
    /// With this strategy, anchor day and zone; what else he was given follows at the same second.
    Created(&'static str, u32, &'static str),
    /// Bytes flowed at this second; the panel learns of it later.
    Used(i64, u64),
    Quotas(Option<u64>, Option<u64>),
    Cycle(Option<&'static str>, Option<u32>, Option<&'static str>),
    Expiry(Option<i64>),
    /// The account waits for its first use: how long it lasts then, and when it begins unused.
    Hold(i64, Option<i64>),
    DeleteAfter(Option<i64>),
    Queue(Option<Next>),
    /// A person gives him a plan, or the job a changed one.
    Plan(Terms),
    Reset,
    Enabled,
    Disabled,
    /// New credentials.
    Revoked,
    Suspended(i64),
    Bought(u32, u64, Option<i64>),
    Refunded(u32),
    /// The job took what was left of this package.
    Ended(u32),
    /// The sweep came by, when the plan that is queued had these values.
    Swept(Option<Terms>),
    Deleted,
}

/// A period that has ended.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: i64,
    end: i64,
    quota: u64,
    pub(super) used: u64,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Package {
    pub(super) order: u32,
    pub(super) left: u64,
    pub(super) ends: Option<i64>,
}

/// How an account stands after everything that has happened.
#[derive(Clone, Debug)]
pub(super) struct Account {
    ended: Vec<Span>,
    start: i64,
    pub(super) end: i64,
    pub(super) used: u64,
    pub(super) month_quota: u64,
    pub(super) total_quota: u64,
    pub(super) strategy: &'static str,
    pub(super) day: u32,
    pub(super) zone: &'static str,
    pub(super) lifetime: u64,
    pub(super) bonus_spent: u64,
    /// Bonus that came with no package.
    pub(super) loose: u64,
    pub(super) packages: Vec<Package>,
    pub(super) disabled: bool,
    pub(super) suspended: Option<i64>,
    pub(super) expires: Option<i64>,
    pub(super) hold: i64,
    hold_since: i64,
    pub(super) hold_until: Option<i64>,
    pub(super) delete_after: Option<i64>,
    pub(super) plan: Option<(usize, u32)>,
    pub(super) next: Option<Next>,
    pub(super) deleted: bool,
}

impl Account {
    /// Begins with nothing, and does everything that happened once more.
    pub(super) fn replay(journal: &[(i64, Deed)], calendar: &Calendar) -> Self {
        let mut account = Self {
            ended: Vec::new(),
            start: 0,
            end: NEVER,
            used: 0,
            month_quota: 0,
            total_quota: 0,
            strategy: "calendar_month",
            day: 1,
            zone: "UTC",
            lifetime: 0,
            bonus_spent: 0,
            loose: 0,
            packages: Vec::new(),
            disabled: false,
            suspended: None,
            expires: None,
            hold: 0,
            hold_since: 0,
            hold_until: None,
            delete_after: None,
            plan: None,
            next: None,
            deleted: false,
        };
        for (at, deed) in journal {
            account.happen(*at, *deed, calendar);
        }
        account
    }

    fn happen(&mut self, now: i64, deed: Deed, calendar: &Calendar) {
        // Whatever a person changes is looked at first; packages and suspensions leave periods alone.
        let looks = !matches!(
            deed,
            Deed::Used(..)
                | Deed::Bought(..)
                | Deed::Refunded(_)
                | Deed::Ended(_)
                | Deed::Suspended(_)
                | Deed::Swept(_)
                | Deed::Deleted
        );
        if looks {
            self.look(now, calendar);
        }
        match deed {
            Deed::Revoked => {}
            Deed::Created(strategy, day, zone) => {
                (self.strategy, self.day, self.zone) = (strategy, day, zone);
                let is_calendar = strategy == "calendar_month";
                self.start = if is_calendar { calendar.last(zone, day, now) } else { now };
                self.end = self.after(now, calendar);
            }
            Deed::Used(at, bytes) => self.count(at, bytes, calendar),
            Deed::Quotas(month, total) => {
                self.month_quota = month.unwrap_or(self.month_quota);
                self.total_quota = total.unwrap_or(self.total_quota);
            }
            Deed::Cycle(strategy, day, zone) => {
                self.strategy = strategy.unwrap_or(self.strategy);
                self.day = day.unwrap_or(self.day);
                self.zone = zone.unwrap_or(self.zone);
                self.end = self.moved_end(now, calendar);
            }
            Deed::Expiry(at) => {
                let still_waits = self.waits(now) && at.is_none();
                self.expires = at;
                if !still_waits {
                    (self.hold, self.hold_until) = (0, None);
                }
            }
            Deed::Hold(seconds, until) => {
                self.hold_since = if self.waits(now) { self.hold_since } else { now };
                (self.expires, self.hold, self.hold_until) = (None, seconds, until);
            }
            Deed::DeleteAfter(days) => self.delete_after = days,
            Deed::Queue(next) => self.next = next,
            Deed::Plan(terms) => {
                (self.month_quota, self.total_quota) = (terms.month, terms.total);
                let cycle = (self.strategy, self.day);
                (self.strategy, self.day) = (terms.strategy, terms.day.unwrap_or(self.day));
                if cycle != (self.strategy, self.day) {
                    self.end = self.moved_end(now, calendar);
                }
                self.plan = Some((terms.plan, terms.version));
            }
            Deed::Reset => self.begin(now, self.after(now, calendar)),
            Deed::Enabled => (self.disabled, self.suspended) = (false, None),
            Deed::Disabled => self.disabled = true,
            Deed::Suspended(until) => self.suspended = self.suspended.max(Some(until)),
            Deed::Bought(order, bytes, ends) => self.packages.push(Package { order, left: bytes, ends }),
            Deed::Refunded(order) | Deed::Ended(order) => self.packages.retain(|package| package.order != order),
            Deed::Swept(queued) => self.sweep(now, queued, calendar),
            Deed::Deleted => self.deleted = true,
        }
    }

    /// The end of a period that begins at `start`.
    fn after(&self, start: i64, calendar: &Calendar) -> i64 {
        match length(self.strategy) {
            Some(length) => start + length,
            None if self.strategy == "no_reset" => NEVER,
            None => calendar.next(self.zone, self.day, start),
        }
    }

    /// A changed cycle ends the present period at its first boundary after now, counted from where the period began.
    fn moved_end(&self, now: i64, calendar: &Calendar) -> i64 {
        let Some(length) = length(self.strategy) else { return self.after(now, calendar) };
        let mut end = self.start;
        while end <= now {
            end += length;
        }
        end
    }

    /// Begins the period that `at` lies in, if it is a later one than the present.
    fn look(&mut self, at: i64, calendar: &Calendar) {
        if at >= self.end {
            let (start, end) = self.period_at(at, calendar);
            self.begin(start, end);
        }
    }

    /// The period that `at` lies in, which is not before the present one.
    pub(super) fn period_at(&self, at: i64, calendar: &Calendar) -> (i64, i64) {
        let (mut start, mut end) = (self.start, self.end);
        while end <= at {
            (start, end) = (end, self.after(end, calendar));
        }
        (start, end)
    }

    fn begin(&mut self, start: i64, end: i64) {
        let quota = self.month_quota;
        self.ended.push(Span { start: self.start, end: self.end.min(start), quota, used: self.used });
        (self.start, self.end, self.used) = (start, end, 0);
    }

    fn count(&mut self, at: i64, bytes: u64, calendar: &Calendar) {
        if self.hold > 0 && bytes > 0 && at >= self.hold_since {
            // Who has not used it by the time-out begins then.
            self.expires = Some(self.hold_until.map_or(at, |until| at.min(until)) + self.hold);
            self.hold = 0;
        }
        self.look(at, calendar);
        self.open_unnoticed(at, calendar);
        let late = if at < self.start { self.ended.iter_mut().rev().find(|span| span.start <= at) } else { None };
        let (quota, used) = match late {
            Some(span) => (span.quota, &mut span.used),
            None => (self.month_quota, &mut self.used),
        };
        let total_left = left(self.total_quota, self.lifetime - self.bonus_spent);
        let mut beyond = bytes.saturating_sub(left(quota, *used).min(total_left));
        let mut bonus = 0;
        let loose = beyond.min(self.loose);
        self.loose -= loose;
        bonus += loose;
        beyond -= loose;
        self.packages.sort_by_key(|package| (package.ends.unwrap_or(NEVER), package.order));
        for package in &mut self.packages {
            let taken = beyond.min(package.left);
            package.left -= taken;
            bonus += taken;
            beyond -= taken;
        }
        *used += bytes - bonus;
        self.lifetime += bytes;
        self.bonus_spent += bonus;
    }

    /// Opens the period of late bytes that lies in none that was noticed.
    fn open_unnoticed(&mut self, at: i64, calendar: &Calendar) {
        let after = self.ended.iter().position(|span| span.start > at).unwrap_or(self.ended.len());
        let Some(before) = after.checked_sub(1).map(|index| self.ended[index]) else { return };
        if at >= self.start || at < before.end {
            return;
        }
        let next = self.ended.get(after).map_or(self.start, |span| span.start);
        let (start, end) = match length(self.strategy) {
            Some(length) => {
                let mut start = self.start;
                while start > at {
                    start -= length;
                }
                (start, start + length)
            }
            None if self.strategy == "no_reset" => (before.end, NEVER),
            None => (calendar.last(self.zone, self.day, at), calendar.next(self.zone, self.day, at)),
        };
        let span = Span { start: start.max(before.end), end: end.min(next), quota: self.month_quota, used: 0 };
        self.ended.insert(after, span);
    }

    fn sweep(&mut self, now: i64, queued: Option<Terms>, calendar: &Calendar) {
        let is_over = |at: Option<i64>| at.is_some_and(|at| at <= now);
        if is_over(self.suspended) || (self.hold > 0 && is_over(self.hold_until)) {
            self.look(now, calendar);
        }
        if is_over(self.suspended) {
            self.suspended = None;
        }
        if self.hold > 0 && is_over(self.hold_until) {
            self.expires = self.ends();
            self.hold = 0;
        }
        if self.next_begins(now) {
            self.begin_next(now, queued.unwrap(), calendar);
        } else if self.is_over(now) {
            self.deleted = true;
        } else {
            self.look(now, calendar);
        }
    }

    fn begin_next(&mut self, now: i64, terms: Terms, calendar: &Calendar) {
        let month = left(self.month_quota, self.used_at(now));
        let own = self.lifetime - self.bonus_spent;
        let rest = month.min(left(self.total_quota, own));
        if self.next.unwrap().keeps_rest && rest < u64::MAX {
            self.loose += rest;
        }
        (self.strategy, self.day) = (terms.strategy, terms.day.unwrap_or(self.day));
        self.begin(now, self.after(now, calendar));
        self.month_quota = terms.month;
        self.total_quota = if terms.total == 0 { 0 } else { own + terms.total };
        self.expires = (terms.days > 0).then(|| now + terms.days * DAY);
        (self.hold, self.next) = (0, None);
        self.plan = Some((terms.plan, terms.version));
    }
}

fn length(strategy: &str) -> Option<i64> {
    match strategy {
        "day" => Some(DAY),
        "week" => Some(7 * DAY),
        "month" => Some(30 * DAY),
        "year" => Some(365 * DAY),
        _ => None,
    }
}
