//! What is done to users who are there: by a person to one, or to many at once.

use serde::Serialize;
use weir_wire::Second;

use super::{User, by_id};
use crate::store::quotas::Roll;
use crate::store::slots::{self, ByHandSlot};
use crate::store::{Statement, gates, quotas};

// What is changed of users: `[{user, set, period_end}]`.
macro_rules! given {
    () => {
        "
FROM (SELECT value ->> 'user' AS of_user, value -> 'set' AS given FROM json_each(?1))
WHERE id = of_user AND deleted_at IS NULL"
    };
}

// Fields that `set` lacks stay; `null` clears. Rows per user: 3 read, 1 written.
const CHANGE: &str = concat!(
    "
UPDATE users SET
  email = CASE WHEN json_type(given, '$.email') IS NULL THEN email ELSE given ->> 'email' END,
  note = CASE WHEN json_type(given, '$.note') IS NULL THEN note ELSE coalesce(given ->> 'note', '') END,
  expires_at = CASE WHEN json_type(given, '$.expires_at') IS NULL THEN expires_at ELSE given ->> 'expires_at' END,
  disabled_at = CASE WHEN json_type(given, '$.disabled_at') IS NULL THEN disabled_at ELSE given ->> 'disabled_at' END,
  suspended_until = CASE WHEN json_type(given, '$.suspended_until') IS NULL THEN suspended_until
    ELSE given ->> 'suspended_until' END,
  speed_limit = coalesce(given ->> 'speed_limit', speed_limit),
  device_limit = coalesce(given ->> 'device_limit', device_limit),
  stream_limit = coalesce(given ->> 'stream_limit', stream_limit),
  address_limit = CASE WHEN json_type(given, '$.address_limit') IS NULL THEN address_limit ELSE given ->> 'address_limit' END,
  hwid_limit = CASE WHEN json_type(given, '$.hwid_limit') IS NULL THEN hwid_limit ELSE given ->> 'hwid_limit' END,
  delete_after_days = CASE WHEN json_type(given, '$.delete_after_days') IS NULL THEN delete_after_days
    ELSE given ->> 'delete_after_days' END,
  marzban = CASE WHEN json_type(given, '$.marzban') IS NULL THEN marzban ELSE given -> '$.marzban' END,
  next_keeps_rest = coalesce(given ->> '$.next_plan.add_remaining_traffic', next_keeps_rest),
  next_on_either = coalesce(given ->> '$.next_plan.fire_on_either', next_on_either)",
    given!()
);

// Apart from CHANGE, because naming these columns writes their index entries again. Rows per user: 1 read, and 2 and 2 written
// of whom the change speaks.
const CHANGE_NAMES: &str =
    concat!("UPDATE users SET name = given ->> 'name'", given!(), " AND given ->> 'name' IS NOT NULL");

// The same. Rows per user: 1 read, and 3 and 3 written of whom the change speaks. A plan that was deleted meanwhile is nobody's.
const CHANGE_PLANS: &str = concat!(
    "
UPDATE users SET
  plan = CASE WHEN json_type(given, '$.plan') IS NULL THEN plan ELSE (SELECT p.name FROM plans AS p WHERE p.name = given ->> 'plan') END,
  plan_version = CASE WHEN json_type(given, '$.plan') IS NULL THEN plan_version ELSE coalesce(given ->> 'plan_version', 0) END,
  next_plan = CASE WHEN json_type(given, '$.next_plan') IS NULL THEN next_plan
    WHEN json_type(given, '$.next_plan.values') = 'object' THEN ''
    ELSE (SELECT p.name FROM plans AS p WHERE p.name = given ->> '$.next_plan.plan') END,
  next_values = CASE WHEN json_type(given, '$.next_plan') IS NULL THEN next_values ELSE given -> '$.next_plan.values' END",
    given!(),
    "
  AND (json_type(given, '$.plan') IS NOT NULL OR json_type(given, '$.next_plan') IS NOT NULL)"
);

/// What is changed of a user: fields that `set` lacks when serialised stay, `null` clears. A changed cycle comes with the
/// period's new end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Put<'a, T> {
    /// User.
    pub user: i64,
    /// The fields, as the API names them; a hold's length as `hold`.
    pub set: &'a T,
    /// The end of his period, if it moves.
    pub period_end: Option<Second>,
}

/// Changes fields of users. [`gates::settle_all`] and [`gates::schedule`] must follow, if a gate may depend on them.
fn put<T: Serialize>(puts: &[Put<'_, T>]) -> [Statement; 3] {
    [CHANGE, CHANGE_NAMES, CHANGE_PLANS].map(|sql| Statement::new(sql).bind_json(&puts))
}

// Rows per user: 2 read, 1 written. A person who enables a user ends a suspension as well.
const ENABLE: &str = "
UPDATE users SET disabled_at = NULL, suspended_until = NULL
WHERE id IN (SELECT value FROM json_each(?1)) AND (disabled_at IS NOT NULL OR suspended_until IS NOT NULL)";
const DISABLE: &str = "
UPDATE users SET disabled_at = CAST(?2 AS INTEGER)
WHERE id IN (SELECT value FROM json_each(?1)) AND disabled_at IS NULL";

// `links_since` ends the links that another panel made. Rows per user: 4 read, 1 written. Without enough vacant slots it fails on NOT NULL, and the batch with it. The oldest vacant
// slots are those that the nodes are most likely to have loaded.
const RENEW: &str = "
UPDATE users SET generation = generation + CAST(?2 AS INTEGER),
  links_since = CASE WHEN ?2 THEN CAST(?3 AS INTEGER) ELSE links_since END, slot = new_slot, credentials = new_credentials
FROM (SELECT asked.value AS of_user, vacant.name AS new_slot, vacant.credentials AS new_credentials
  FROM (SELECT value, row_number() OVER (ORDER BY key) AS place FROM json_each(?1)) AS asked
  LEFT JOIN (SELECT name, credentials, row_number() OVER (ORDER BY born, name) AS place
    FROM (SELECT name, born, credentials FROM slots WHERE gate = 'vacant' ORDER BY born, name LIMIT json_array_length(?1))) AS vacant
    ON vacant.place = asked.place)
WHERE id = of_user AND deleted_at IS NULL";

/// Gives users new credentials; with `revokes` their subscription links end as well. A slot that they have must be retired before.
pub(in crate::store) fn renew(users: &[i64], revokes: bool, now: Second) -> Statement {
    Statement::new(RENEW).bind_json(&users).bind(i64::from(revokes)).bind(now)
}

// Rows: 1 read, 5 written (row, two indexes, the counter, by trigger).
const DELETE: &str = "UPDATE users SET deleted_at = CAST(?2 AS INTEGER), due_at = NULL WHERE id = ?1";

/// What a person does to a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action<'a, T> {
    /// Changes fields; those that the value lacks when serialised stay, `null` clears. A changed cycle comes with the
    /// period's new end.
    Change(&'a T, Option<Second>),
    /// Undoes a person's "disabled", and ends a suspension.
    Enable,
    /// Shuts him out until a person enables him again.
    Disable,
    /// Begins a new period now. A rolling one lasts its whole length; the calendar goes on as it was.
    Reset,
    /// Gives him new credentials and revokes his links.
    Revoke,
    /// Gives him these credentials, or new derived ones. His links stay. One user a batch.
    Credentials(Option<ByHandSlot>),
}

/// Does `action`: one batch that decides his gate anew, makes every node that holds a limit for him ask, and returns him.
#[must_use]
pub fn act<T: Serialize>(whole: &User, action: &Action<'_, T>, salt: u32, now: Second) -> Vec<Statement> {
    act_together(whole, &[action], salt, now)
}

/// The same with several actions, whose order is that of [`Action`].
#[must_use]
pub fn act_together<T: Serialize>(whole: &User, actions: &[&Action<'_, T>], salt: u32, now: Second) -> Vec<Statement> {
    let deeds: Vec<_> = actions.iter().map(|action| (whole, *action)).collect();
    let mut batch = act_all(&deeds, salt, now);
    batch.push(by_id(whole.id));
    batch
}

/// The same to many users, without returning them. Periods of theirs that ended unnoticed are closed first.
///
/// At most 17 statements. Rows written: at most 12 per user.
#[must_use]
pub fn act_all<T: Serialize>(deeds: &[(&User, &Action<'_, T>)], salt: u32, now: Second) -> Vec<Statement> {
    let mut users: Vec<i64> = deeds.iter().map(|(user, _)| user.id).collect();
    // Several deeds of one user stand together.
    users.dedup();
    let of = |wanted: fn(&Action<'_, T>) -> bool| -> Vec<i64> {
        deeds.iter().filter(|(_, action)| wanted(action)).map(|(user, _)| user.id).collect()
    };
    let (enabled, disabled, revoked) = (
        of(|action| matches!(action, Action::Enable)),
        of(|action| matches!(action, Action::Disable)),
        of(|action| matches!(action, Action::Revoke)),
    );
    let mut batch = Vec::with_capacity(8);
    let ended = deeds.iter().filter(|(user, _)| user.period_end <= now.get());
    let mut rolls: Vec<Roll> = ended
        .map(|(user, _)| {
            let next = user.period(now);
            Roll(user.id, Second::clamped(user.period_end), next.start, next.end)
        })
        .collect();
    rolls.dedup();
    if !rolls.is_empty() {
        batch.push(quotas::roll(&rolls));
    }
    let puts: Vec<Put<'_, T>> = deeds
        .iter()
        .filter_map(|(user, action)| match action {
            Action::Change(set, period_end) => Some(Put { user: user.id, set: *set, period_end: *period_end }),
            _ => None,
        })
        .collect();
    if !puts.is_empty() {
        batch.extend(put(&puts));
        batch.push(quotas::change(&puts));
    }
    let resets = deeds.iter().filter(|(_, action)| matches!(action, Action::Reset));
    let resets: Vec<(i64, Second)> = resets.map(|(user, _)| (user.id, user.cycle.first(now).end)).collect();
    if !resets.is_empty() {
        batch.push(quotas::reset(&resets, now));
    }
    if !enabled.is_empty() {
        batch.push(Statement::new(ENABLE).bind_json(&enabled));
    }
    if !disabled.is_empty() {
        batch.push(Statement::new(DISABLE).bind_json(&disabled).bind(now));
    }
    if !revoked.is_empty() {
        batch.push(gates::retire(&revoked));
        batch.push(renew(&revoked, true, now));
    }
    let by_hand = deeds.iter().filter_map(|(_, action)| match action {
        Action::Credentials(slot) => slot.as_ref(),
        _ => None,
    });
    let renewed = of(|action| matches!(action, Action::Credentials(_)));
    if !renewed.is_empty() {
        batch.push(gates::retire(&renewed));
        batch.extend(by_hand.flat_map(slots::add_by_hand));
        batch.push(renew(&renewed, false, now));
    }
    let marked = [enabled, disabled, revoked, renewed].concat();
    if !marked.is_empty() {
        batch.push(quotas::touch_all(&marked));
    }
    batch.extend([gates::settle_all(&users, now), slots::number_change(salt), gates::schedule(&users, now)]);
    batch
}

/// Changes fields that no gate depends on, and returns him.
#[must_use]
pub fn describe<T: Serialize>(user: i64, changes: &T) -> Vec<Statement> {
    let [change, names, _] = put(&[Put { user, set: changes, period_end: None }]);
    vec![change, names, by_id(user)]
}

// Rows per user: 3 read, 6 written (row, three index entries, the counter, by trigger).
const DELETE_READ: &str = "
UPDATE users SET deleted_at = CAST(?1 AS INTEGER), due_at = NULL
WHERE deleted_at IS NULL AND id IN (
  SELECT u.user FROM json_each(?2) JOIN usage AS u ON u.user = value ->> 0 AND u.revision = value ->> 1)";

// Rows per user: 3 read, 3 written (row, index, the user's mirror).
const RETIRE_DELETED: &str = "
UPDATE slots SET gate = 'retired', changed = 1 + (SELECT max(number) FROM roster_versions)
WHERE gate <> 'retired' AND name IN (
  SELECT slot FROM json_each(?2) JOIN users ON users.id = value ->> 0 WHERE deleted_at = CAST(?1 AS INTEGER))";

/// Deletes users as [`delete`] does, as they were read: whoever a person has changed since stays. `[user, revision]` each.
#[must_use]
pub fn delete_read(read: &[(i64, i64)], salt: u32, now: Second) -> Vec<Statement> {
    let users: Vec<i64> = read.iter().map(|(user, _)| *user).collect();
    vec![
        Statement::new(DELETE_READ).bind(now).bind_json(&read),
        Statement::new(RETIRE_DELETED).bind(now).bind_json(&read),
        slots::number_change(salt),
        quotas::touch_all(&users),
    ]
}

/// Deletes a user. His usage and history stay: bytes that are still to be reported are credited to them.
#[must_use]
pub fn delete(user: i64, salt: u32, now: Second) -> Vec<Statement> {
    vec![
        gates::retire(&[user]),
        slots::number_change(salt),
        quotas::touch_all(&[user]),
        Statement::new(DELETE).bind(user).bind(now),
    ]
}
