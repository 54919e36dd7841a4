//! Fetches of subscriptions: what a fetch reads, in one query, and the log of who fetched what.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use weir_wire::Second;
use weir_wire::address::day;

use super::Statement;
use super::users::{User, columns};
use crate::domain::fetch::{Fetch, MOST};

macro_rules! open {
    ($more:literal, $which:literal) => {
        concat!(
            columns!(),
            $more,
            ", s.endpoints, s.clients, s.devices AS device_settings, s.profile,
  CASE WHEN ?3 AND s.devices ->> 'enabled'
    THEN (SELECT json_group_array(json_array(d.id, d.last_at)) FROM devices AS d WHERE d.user = users.id) END AS devices,
  (SELECT entries FROM fetch_log WHERE day = CAST(?2 AS INTEGER) / 86400 AND fetch_log.user = users.id AND hour = CAST(?2 AS INTEGER)) AS logged
FROM users JOIN usage AS u ON u.user = users.id JOIN subscription_state AS s ON s.id = 1
WHERE ",
            $which,
            " AND deleted_at IS NULL"
        )
    };
}

// Rows read: 4 (user, usage, state, the hour's log), and 1 per device of the user if devices are told apart and this one says which it
// is. What settings say of fetches stands in the state's row, so that they cost none.
const OPEN: &str = open!("", "users.id = ?1");
// The same.
const OPEN_BY_NAME: &str = open!(", users.links_since", "users.name = ?1 COLLATE NOCASE");
// 1 more; of an alias that nobody has no more than that.
const OPEN_BY_ALIAS: &str = open!("", "users.id = (SELECT user FROM aliases WHERE alias = ?1)");

macro_rules! list {
    ($user:literal) => {
        concat!(
            columns!(),
            ", s.settings, s.endpoints, s.aggregated, s.direct, s.devices AS device_settings, s.profile,
  CASE WHEN ?3 AND s.devices ->> 'enabled'
    THEN (SELECT json_group_array(json_array(d.id, d.last_at)) FROM devices AS d WHERE d.user = users.id) END AS devices,
  (SELECT entries FROM fetch_log WHERE day = CAST(?2 AS INTEGER) / 86400 AND fetch_log.user = users.id AND hour = CAST(?2 AS INTEGER)) AS logged
FROM users JOIN usage AS u ON u.user = users.id JOIN xpert_state AS s ON s.id = 1
WHERE users.id = ",
            $user,
            " AND deleted_at IS NULL"
        )
    };
}

// Rows read: 4 (user, usage, state, the hour's log), and 1 per device as above; 1 more for an alias.
const LIST: &str = list!("?1");
const LIST_BY_ALIAS: &str = list!("(SELECT user FROM aliases WHERE alias = ?1)");

/// What a fetch of a subscription needs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Opened {
    /// The user.
    #[serde(flatten)]
    pub user: User,
    /// JSON list of [`crate::domain::endpoint::NodeWays`].
    pub endpoints: String,
    /// JSON of the operator's own [`crate::domain::format::Rules`].
    pub clients: Option<String>,
    /// JSON of [`crate::domain::devices::Devices`].
    pub device_settings: Option<String>,
    /// JSON list of [`crate::domain::devices::Seen`]; none when nobody asked.
    pub devices: Option<String>,
    /// JSON of [`crate::domain::presentation::Presentation`].
    pub profile: Option<String>,
    /// JSON list of [`Fetch`] of this hour.
    pub logged: Option<String>,
    /// Links from before this second that another panel made are revoked; only told by [`open_by_name`].
    #[serde(default)]
    pub links_since: Option<i64>,
}

/// What a fetch of a list of the Xpert API needs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct List {
    /// The user.
    #[serde(flatten)]
    pub user: User,
    /// JSON of [`crate::domain::xpert::settings::Stored`].
    pub settings: String,
    /// JSON list of [`crate::domain::endpoint::NodeWays`].
    pub endpoints: String,
    /// JSON list of [`crate::domain::xpert::list::Line`], from sources.
    pub aggregated: String,
    /// The same, from direct configs.
    pub direct: String,
    /// JSON of [`crate::domain::devices::Devices`].
    pub device_settings: Option<String>,
    /// JSON list of [`crate::domain::devices::Seen`]; none when nobody asked.
    pub devices: Option<String>,
    /// JSON of [`crate::domain::presentation::Presentation`].
    pub profile: Option<String>,
    /// JSON list of [`Fetch`] of this hour.
    pub logged: Option<String>,
}

/// Reads what a fetch of user's subscription needs; his devices too, if its client says which one it is on.
#[must_use]
pub fn open(user: i64, has_id: bool, now: Second) -> Statement {
    Statement::new(OPEN).bind(user).bind(now.hour()).bind(i64::from(has_id))
}

/// The same of the user of a name, without case.
#[must_use]
pub fn open_by_name(name: &str, has_id: bool, now: Second) -> Statement {
    Statement::new(OPEN_BY_NAME).bind(name).bind(now.hour()).bind(i64::from(has_id))
}

/// The same of the user of an alias.
#[must_use]
pub fn open_by_alias(alias: &str, has_id: bool, now: Second) -> Statement {
    Statement::new(OPEN_BY_ALIAS).bind(alias).bind(now.hour()).bind(i64::from(has_id))
}

/// Reads what a fetch of a user's list needs; his devices too, if its client says which one it is on.
#[must_use]
pub fn list(user: i64, has_id: bool, now: Second) -> Statement {
    Statement::new(LIST).bind(user).bind(now.hour()).bind(i64::from(has_id))
}

/// The same for the user of an alias.
#[must_use]
pub fn list_by_alias(alias: &str, has_id: bool, now: Second) -> Statement {
    Statement::new(LIST_BY_ALIAS).bind(alias).bind(now.hour()).bind(i64::from(has_id))
}

/// Days in which [`newest_of_user`] looks: today and the seven before. Clients fetch twice a day.
const LOOKED_AT: u32 = 8;

/// The entries of the newest hour of the last week in which a row of `users` has any, as an SQL expression; `now` is the parameter that is now.
///
/// The log has no index by user, which would cost a row written with every fetch that it tells of. But his part of a day is found by the key,
/// and one that is not there costs nothing, unlike an element of a list that is gone through. Rows read: 1 per user who has fetched.
pub(super) fn newest_of_user(now: &str) -> String {
    let of_day = |ago: u32| {
        format!(
            "(SELECT entries FROM fetch_log WHERE day = CAST({now} AS INTEGER) / 86400 - {ago} AND fetch_log.user = users.id \
             ORDER BY hour DESC LIMIT 1)"
        )
    };
    format!("coalesce({})", (0..LOOKED_AT).map(of_day).collect::<Vec<_>>().join(", "))
}

// Rows read: 1 of who has fetched.
static NEWEST: LazyLock<String> = LazyLock::new(|| {
    format!("SELECT {} AS entries FROM (SELECT CAST(?1 AS INTEGER) AS id) AS users", newest_of_user("?2"))
});

/// What [`newest`] returns.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Newest {
    /// JSON list of [`Fetch`]; none if he has not fetched for a week.
    pub entries: Option<String>,
}

/// The newest hour of the last week in which a user has fetched.
#[must_use]
pub fn newest(user: i64, now: Second) -> Statement {
    Statement::new(&NEWEST).bind(user).bind(now)
}

// Two fetches at the same instant enter a family once. Rows: 1 written.
const NOTE: &str = "
INSERT INTO fetch_log (day, user, hour, entries) VALUES (CAST(?1 AS INTEGER) / 86400, ?2, CAST(?1 AS INTEGER), json_array(json(?3)))
ON CONFLICT (day, user, hour) DO UPDATE SET entries = json_insert(entries, '$[#]', json(?3))
WHERE json_array_length(entries) < CAST(?4 AS INTEGER) AND instr(entries, '[\"' || ?5 || '\",') = 0";

/// Enters a fetch. Only sent when [`crate::domain::fetch::is_news`].
#[must_use]
pub fn note(user: i64, fetch: &Fetch, now: Second) -> Statement {
    let most = u32::try_from(MOST).unwrap_or(u32::MAX);
    Statement::new(NOTE).bind(now.hour()).bind(user).bind_json(fetch).bind(most).bind(fetch.0.as_str())
}

// Rows read: 2 per row shown (log, user), and the others of the oldest day that is shown, whose hours are sorted.
const SINCE: &str = "
SELECT f.user, users.name, f.entries FROM fetch_log AS f JOIN users ON users.id = f.user
WHERE f.day >= CAST(?1 AS INTEGER) / 86400 AND f.hour >= CAST(?1 AS INTEGER) ORDER BY f.day DESC, f.hour DESC, f.user LIMIT ?2";

// Rows read: 3 per day, and 2 per row of this user since then (log, user).
const SINCE_OF_USER: &str = "
SELECT f.user, users.name, f.entries FROM json_each(?1) AS days
  CROSS JOIN fetch_log AS f ON f.day = days.value AND f.user = ?2 JOIN users ON users.id = f.user
WHERE f.hour >= CAST(?3 AS INTEGER) ORDER BY f.hour DESC LIMIT ?4";

/// The fetches of one user in one hour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// User.
    pub user: i64,
    /// His name.
    pub name: String,
    /// JSON list of [`Fetch`].
    pub entries: String,
}

/// The log since `since`, the newest hour first, of all users.
#[must_use]
pub fn since(since: Second, limit: u32) -> Statement {
    Statement::new(SINCE).bind(since.hour()).bind(limit)
}

/// The log of one user since `since` and until `now`, the newest hour first.
#[must_use]
pub fn since_of_user(user: i64, since: Second, now: Second, limit: u32) -> Statement {
    let days: Vec<u32> = (day(since)..=day(now)).rev().collect();
    Statement::new(SINCE_OF_USER).bind_json(&days).bind(user).bind(since.hour()).bind(limit)
}

// Rows: 1 written per row, found by the key.
const FORGET: &str = "DELETE FROM fetch_log WHERE day < CAST(?1 AS INTEGER)";

/// Forgets fetches of the days before the one of `before`.
#[must_use]
pub fn forget(before: Second) -> Statement {
    Statement::new(FORGET).bind(day(before))
}
