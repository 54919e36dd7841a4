//! Time that passes, and the jobs that run in it.

use weir::store::due::{self, NextDue};
use weir::store::packages::{self, Due};
use weir::store::plan_users::{self, PlanUser};
use weir::store::plans::{self, Gift, Plan};
use weir_wire::Second;

use super::{World, name};
use crate::scene::DAY;
use crate::year::model::Deed;

impl World {
    /// Lets time pass, in which cron runs at the minutes at which something is due, unless it is away.
    pub(in crate::year) fn wait(&mut self, seconds: i64) {
        let target = self.now() + seconds;
        if self.down_until <= self.now() && self.dice.below(300) == 0 {
            self.down_until = self.now() + self.dice.between(3_600, 3 * DAY);
            self.outages += 1;
        }
        loop {
            let next = self.next_due().max(self.now() + 1).max(self.down_until);
            let minute = next + (60 - next % 60) % 60;
            if minute > target {
                break;
            }
            self.scene.now.set(Self::second(minute));
            self.cron();
        }
        self.scene.now.set(Self::second(target));
    }

    pub(in crate::year) fn cron_is_up(&self) -> bool {
        self.down_until <= self.now()
    }

    /// The next second at which the panel thinks that a job has something to do.
    fn next_due(&self) -> i64 {
        if !self.applying.is_empty() {
            return 0;
        }
        let first = |rows: Vec<NextDue>| rows.first().and_then(|next| next.due_at).unwrap_or(i64::MAX);
        let swept = first(self.scene.sqlite.all(&due::next()).unwrap());
        let ends: Vec<packages::NextDue> = self.scene.sqlite.all(&packages::next()).unwrap();
        let ends = ends.first().and_then(|next| next.expires_at).unwrap_or(i64::MAX);
        swept.min(ends).min(Second::LAST.get() - 60)
    }

    /// One minute of cron: the jobs that change accounts, in any order.
    pub(in crate::year) fn cron(&mut self) {
        if self.dice.percent(50) {
            self.sweep();
        }
        self.end_packages();
        self.give_plans();
        self.sweep();
        assert_eq!(self.scene.due(), [], "the sweep is done with everybody");
        self.lives.retain(|life| !life.account.deleted);
    }

    fn sweep(&mut self) {
        self.scene.sweep();
        self.sweeps += 1;
        let now = self.now();
        for life in 0..self.lives.len() {
            let account = &self.lives[life].account;
            if !account.deleted && account.is_due(now) {
                let queued = account.next.map(|next| self.plans[next.plan]);
                self.note(life, Deed::Swept(queued));
            }
        }
    }

    fn end_packages(&mut self) {
        let now = self.now();
        let due: Vec<Due> = self.scene.sqlite.all(&packages::due(self.scene.now.get(), 200)).unwrap();
        if !due.is_empty() {
            let batch = packages::expire(&due, self.scene.salt(), self.scene.now.get());
            self.scene.sqlite.batch(&batch).unwrap();
        }
        for life in 0..self.lives.len() {
            for order in self.lives[life].account.ended_packages(now) {
                self.note(life, Deed::Ended(order));
            }
        }
    }

    fn give_plans(&mut self) {
        for plan in std::mem::take(&mut self.applying) {
            let row: Plan = self.scene.sqlite.all(&plans::by_name(&name(plan))).unwrap().pop().unwrap();
            let now = self.scene.now.get();
            loop {
                let users: Vec<PlanUser> = self.scene.sqlite.all(&plan_users::page(&row, 200, 0)).unwrap();
                if users.is_empty() {
                    break;
                }
                let gifts: Vec<Gift<'_>> = users.iter().map(|user| user.gift(&row, now)).collect();
                self.scene.sqlite.batch(&plans::give(&gifts, self.scene.salt(), now)).unwrap();
            }
            self.scene.sqlite.run(&plans::applied(&row)).unwrap();
            let terms = self.plans[plan];
            for life in 0..self.lives.len() {
                let account = &self.lives[life].account;
                let has_older = account.plan.is_some_and(|(own, version)| own == plan && version < terms.version);
                if has_older && !account.deleted {
                    self.note(life, Deed::Plan(terms));
                }
            }
        }
    }
}
