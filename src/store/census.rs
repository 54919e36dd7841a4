//! How many users there are of each status that Marzban's API shows, counted now and then: a dashboard that asks every few seconds must not read every user
//! each time. The count stands in the table of settings under a name that no area of the API has.

use serde::{Deserialize, Serialize};
use weir_wire::Second;

use super::marzban_users::status_at_marzban;
use super::overview::Totals;
use super::{Statement, settings};

/// Seconds that count as "online a moment ago" for Marzban's clients.
const ONLINE: i64 = 86_400;
/// Seconds that a count lasts at most.
const LASTS: i64 = 600;

/// Users by status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Census {
    /// All.
    pub total: u32,
    /// Who may pass.
    pub active: u32,
    /// Who waits for his first use.
    pub on_hold: u32,
    /// Whom a person or sharing has shut out.
    pub disabled: u32,
    /// Whose time is over, and whose bytes are not used up.
    pub expired: u32,
    /// Whose bytes are used up, whether his time is over or not.
    pub limited: u32,
    /// Who used something within a day.
    pub online: u32,
}

/// A count that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// When it was counted.
    pub at: Second,
    /// The counters of users and of open users then.
    pub counters: (u64, u64),
    /// What was counted.
    pub census: Census,
}

impl Kept {
    /// Whether it is still good enough: it lasts the longer the more users were read for it, and the shorter when the counters tell
    /// that something has changed. So counting costs 40 rows a second at most, however often somebody asks.
    #[must_use]
    pub fn lasts(&self, now: Second, totals: &Totals) -> bool {
        let share = if self.counters == (totals.users, totals.users_open) { 5 } else { 20 };
        now.since(self.at) < (i64::from(self.census.total) / share).min(LASTS)
    }
}

fn area(owner: Option<i64>) -> String {
    owner.map_or_else(|| "census".to_owned(), |owner| format!("census/{owner}"))
}

/// The last count, of all users or of an operator's.
#[must_use]
pub fn read(owner: Option<i64>) -> Statement {
    settings::read(&area(owner))
}

/// Keeps a count.
#[must_use]
pub fn write(owner: Option<i64>, kept: &Kept) -> Statement {
    settings::write(&area(owner), &serde_json::to_string(kept).unwrap_or_default())
}

macro_rules! count {
    ($own:literal) => {
        concat!(
            "SELECT count(*) AS total, count(*) FILTER (WHERE status = 'active') AS active,
  count(*) FILTER (WHERE status = 'on_hold') AS on_hold, count(*) FILTER (WHERE status = 'disabled') AS disabled,
  count(*) FILTER (WHERE status = 'expired') AS expired, count(*) FILTER (WHERE status = 'limited') AS limited,
  count(*) FILTER (WHERE last_at > CAST(?1 AS INTEGER) - CAST(?2 AS INTEGER)) AS online
FROM (SELECT u.last_at, ",
            status_at_marzban!(),
            " AS status
  FROM users JOIN usage AS u ON u.user = users.id WHERE ",
            $own,
            "deleted_at IS NULL)"
        )
    };
}
// Rows read: 2 per user.
const ALL: &str = count!("");
// Rows read: 2 per user of his.
const OWN: &str = count!("owner = CAST(?3 AS INTEGER) AND ");

/// Counts.
#[must_use]
pub fn count(owner: Option<i64>, now: Second) -> Statement {
    let of = |sql| Statement::new(sql).bind(now).bind(ONLINE);
    match owner {
        Some(owner) => of(OWN).bind(owner),
        None => of(ALL),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_of_many_users_lasts_longer_and_one_that_has_changed_shorter() {
        let at = Second::clamped(1_800_000_000);
        let kept = |total: u32| Kept { at, counters: (9, 5), census: Census { total, ..Census::default() } };
        let lasts = |total, after, users_open| kept(total).lasts(at.plus(after), &Totals { users: 9, users_open });
        assert!(!lasts(4, 0, 5), "a few are counted each time");
        assert!(lasts(100, 19, 5) && !lasts(100, 20, 5));
        assert!(lasts(100, 4, 4) && !lasts(100, 5, 4));
        assert!(lasts(1_000_000, 599, 5) && !lasts(1_000_000, 600, 5));
    }
}
