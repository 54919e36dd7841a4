//! What an account of the model is at an instant, by its plainest reading.

use super::model::{Account, Next};

const DAY: i64 = 86_400;

impl Account {
    /// Bytes used in the period that contains `now`.
    pub(super) fn used_at(&self, now: i64) -> u64 {
        if now < self.end { self.used } else { 0 }
    }

    pub(super) fn bonus_left(&self) -> u64 {
        self.loose + self.packages.iter().map(|package| package.left).sum::<u64>()
    }

    pub(super) fn waits(&self, now: i64) -> bool {
        self.hold > 0 && self.hold_until.is_none_or(|until| now < until)
    }

    /// When the account ends; none while that depends on its first use.
    pub(super) fn ends(&self) -> Option<i64> {
        if self.hold > 0 { self.hold_until.map(|until| until + self.hold) } else { self.expires }
    }

    fn used_up(&self, now: i64) -> Option<&'static str> {
        let is_up = |quota: u64, used: u64| left(quota, used) == 0;
        if self.bonus_left() > 0 {
            None
        } else if is_up(self.month_quota, self.used_at(now)) {
            Some("month")
        } else {
            is_up(self.total_quota, self.lifetime - self.bonus_spent).then_some("total")
        }
    }

    /// Why he may not pass at `now`.
    pub(super) fn reason(&self, now: i64) -> Option<&'static str> {
        if self.disabled {
            Some("person")
        } else if self.suspended.is_some_and(|until| now < until) {
            Some("sharing")
        } else if self.ends().is_some_and(|end| end <= now) {
            Some("expired")
        } else {
            self.used_up(now)
        }
    }

    pub(super) fn status(&self, now: i64) -> &'static str {
        match self.reason(now) {
            None if self.waits(now) => "on_hold",
            None => "active",
            Some("month" | "total") => "limited",
            Some("expired") => "expired",
            Some(_) => "disabled",
        }
    }

    fn is_free(&self, now: i64) -> bool {
        !matches!(self.reason(now), Some("person" | "sharing"))
    }

    pub(super) fn next_begins(&self, now: i64) -> bool {
        let expired = self.ends().is_some_and(|end| end <= now);
        let used_up = self.used_up(now).is_some();
        let comes = |next: Next| if next.on_either { expired || used_up } else { expired && used_up };
        self.is_free(now) && self.next.is_some_and(comes)
    }

    pub(super) fn is_over(&self, now: i64) -> bool {
        let end = self.expires.filter(|_| self.hold == 0).zip(self.delete_after);
        self.is_free(now) && end.is_some_and(|(end, days)| end + days * DAY <= now)
    }

    /// Whether the sweep has something to do about him at `now`.
    pub(super) fn is_due(&self, now: i64) -> bool {
        self.end <= now
            || self.suspended.is_some_and(|until| until <= now)
            || (self.hold > 0 && self.hold_until.is_some_and(|until| until <= now))
            || self.next_begins(now)
            || self.is_over(now)
    }

    /// Packages whose time has come.
    pub(super) fn ended_packages(&self, now: i64) -> Vec<u32> {
        let over = self.packages.iter().filter(|package| package.ends.is_some_and(|end| end <= now));
        over.map(|package| package.order).collect()
    }
}

/// What is left of a quota; 0 = unlimited.
pub(super) fn left(quota: u64, used: u64) -> u64 {
    if quota == 0 { u64::MAX } else { quota.saturating_sub(used) }
}
