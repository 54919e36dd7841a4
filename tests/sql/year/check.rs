//! Whether the panel says of its users what the model says.

use std::collections::BTreeMap;

use serde::Deserialize;
use weir::domain::bonus;
use weir::domain::user::{Status, gate, status};
use weir::store::packages::{self, OpenRow, Package};
use weir::store::user_list::{self, Query, Total};
use weir::store::users::User;
use weir_wire::Bytes;

use super::world::{Life, World, name};

/// The gates of a user as they are stored, and his bytes in all his periods.
#[derive(Debug, Deserialize)]
struct Stored {
    id: i64,
    gate: String,
    mirror: String,
    ended: u64,
}

const STORED: &str = "
SELECT json_group_array(json_object('id', users.id, 'gate', slots.gate, 'mirror', users.gate,
  'ended', (SELECT coalesce(sum(bytes), 0) FROM periods WHERE periods.user = users.id)))
FROM users JOIN slots ON slots.name = users.slot WHERE users.deleted_at IS NULL";

impl World {
    /// What is shown of one user now is what the model says.
    pub(super) fn check(&self, life: &Life) {
        match self.scene.user(life.id) {
            Some(user) => self.check_user(life, &user),
            None => assert!(life.account.deleted, "{} is gone: {}", life.id, story(life)),
        }
    }

    fn check_user(&self, life: &Life, user: &User) {
        let (now, account) = (self.now(), &life.account);
        assert!(!account.deleted, "{} is still there: {}", life.id, story(life));
        // As the API shows him: a period that has ended unnoticed counts no more.
        let mut standing = user.standing();
        if user.period_end <= now {
            standing.month = Bytes::ZERO;
        }
        let at = self.scene.now.get();
        let period = user.period(at);
        let shown = (status(&standing, at).name(), gate(&standing, at).reason(), standing.month.get());
        let expected = (account.status(now), account.reason(now), account.used_at(now));
        assert_eq!(shown, expected, "status, reason, used at {now} of {}", story(life));
        let shown = (period.start.get(), period.end.get());
        assert_eq!(shown, account.period_at(now, &self.calendar), "the period at {now} of {}", story(life));
        let shown = (user.lifetime.get(), user.bonus_left.get(), user.bonus_spent.get());
        let expected = (account.lifetime, account.bonus_left(), account.bonus_spent);
        assert_eq!(shown, expected, "lifetime, bonus left, bonus spent at {now} of {}", story(life));
        let shown = (standing.ends_at().map(weir_wire::Second::get), standing.is_waiting(at), standing.disabled);
        let expected = (account.ends(), account.waits(now), account.disabled);
        assert_eq!(shown, expected, "expiry, hold, a person's word at {now} of {}", story(life));
        let shown = (user.monthly_quota.get(), user.total_quota.get(), user.plan.clone(), user.next_plan.clone());
        let plan = account.plan.map(|(plan, _)| name(plan));
        let next = account.next.map(|next| name(next.plan));
        let expected = (account.month_quota, account.total_quota, plan, next);
        assert_eq!(shown, expected, "quotas and plans at {now} of {}", story(life));
        assert_eq!(user.plan_version, account.plan.map_or(0, |(_, version)| version));
    }

    /// The same of everybody, and the sums of their periods. After cron has run the stored gates are right as well.
    pub(super) fn check_all(&self, is_swept: bool) {
        let listed: Vec<User> = {
            let sql = weir::store::Statement::made(
                user_list::list(&query(None), self.scene.now.get()).sql.replace("LIMIT ?1", "LIMIT 100000 + ?1"),
            );
            self.scene.sqlite.all(&sql.bind(0_i64).bind(0_i64)).unwrap()
        };
        let users: BTreeMap<i64, User> = listed.into_iter().map(|user| (user.id, user)).collect();
        let stored: String = self.scene.sqlite.value(STORED);
        let stored: Vec<Stored> = serde_json::from_str(&stored).unwrap();
        let stored: BTreeMap<i64, Stored> = stored.into_iter().map(|row| (row.id, row)).collect();
        let now = self.now();
        assert_eq!(users.len(), self.lives.iter().filter(|life| !life.account.deleted).count());
        for life in self.lives.iter().filter(|life| !life.account.deleted) {
            let Some(user) = users.get(&life.id) else { panic!("{} is gone: {}", life.id, story(life)) };
            self.check_user(life, user);
            let row = &stored[&life.id];
            let sum = row.ended + user.month.get() + user.bonus_spent.get();
            assert_eq!(sum, life.account.lifetime, "every byte lies in one period of {}", story(life));
            assert_eq!(row.gate, row.mirror);
            // Persons' words need no job.
            assert_eq!(row.gate == "disabled", life.account.disabled, "{}", story(life));
            if is_swept {
                let gate = life
                    .account
                    .reason(now)
                    .map_or("open", |reason| if reason == "person" { "disabled" } else { reason });
                assert_eq!(row.gate, gate, "the gate at {now} of {}", story(life));
            }
        }
        self.check_filters();
    }

    /// The list of each status is as long as it must be.
    fn check_filters(&self) {
        for status in Status::ALL {
            let statement = user_list::count(&query(Some(status)), self.scene.now.get());
            let total: Vec<Total> = self.scene.sqlite.all(&statement).unwrap();
            let expected = self.lives.iter().filter(|life| life.account.status(self.now()) == status.name()).count();
            assert_eq!(usize::try_from(total[0].total).unwrap(), expected, "{status:?}");
        }
    }

    /// What is left of each package.
    pub(super) fn check_packages(&self) {
        for life in self.lives.iter().filter(|life| !life.account.deleted) {
            let row: OpenRow = self.scene.sqlite.all(&packages::open(life.id)).unwrap().remove(0);
            let open: Vec<bonus::Open> = serde_json::from_str(&row.open).unwrap();
            let left = bonus::left(&open, row.bonus_left);
            let rows: Vec<Package> = self.scene.sqlite.all(&packages::of_user(life.id)).unwrap();
            let left = |package: &Package| left.get(&package.id).map_or(0, |left| left.get());
            let shown: BTreeMap<u32, u64> = rows
                .iter()
                .map(|row| (row.order_id.parse().unwrap(), left(row)))
                .filter(|(_, left)| *left > 0)
                .collect();
            let packages = life.account.packages.iter().filter(|package| package.left > 0);
            let expected: BTreeMap<u32, u64> = packages.map(|package| (package.order, package.left)).collect();
            assert_eq!(shown, expected, "packages of {}", story(life));
        }
    }
}

fn query(status: Option<Status>) -> Query {
    Query { status, limit: 200, ..Query::default() }
}

/// What last happened to a user, for whom something is wrong.
fn story(life: &Life) -> String {
    let last = life.journal.len().saturating_sub(25);
    format!("user {}: {:#?}\n{:?}", life.id, &life.account, &life.journal[last..])
}
