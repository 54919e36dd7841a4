//! What the sweep does with the users who are due, one chunk at a time.

use weir_wire::{Bytes, Second};

use super::due::{self, Due, Event};
use super::plans::{self, Begins, Gift, Given, Plan};
use super::quotas::{self, Roll};
use super::{Statement, gates, holds, slots, users};
use crate::domain::period::{Cycle, Period};
use crate::domain::plan::NextValues;

/// Whether [`chunk`] needs the plans.
#[must_use]
pub fn needs_plans(due: &[Due], now: Second) -> bool {
    due.iter().any(|due| due.event(now) == Event::NextPlan && due.next_values.is_none())
}

/// One batch for users who are due: for those for whom only a period ends or a gate moves, which are most, and for those of one
/// rarer event. The others stay due. At most 10 statements; none if nobody is due.
#[must_use]
pub fn chunk(due: &[Due], plans: &[Plan], salt: u32, now: Second) -> Vec<Statement> {
    let of = |event: Event| due.iter().filter(|due| due.event(now) == event).collect::<Vec<_>>();
    let turning = of(Event::Turn);
    let mut batch = if turning.is_empty() { Vec::new() } else { due::turn(&turning, salt, now) };
    let (ending, beginning, over) = (of(Event::Ends), of(Event::NextPlan), of(Event::Delete));
    if !ending.is_empty() {
        batch.extend(end(&ending, salt, now));
    } else if !beginning.is_empty() {
        batch.extend(begin_all(&beginning, plans, salt, now));
    } else if !over.is_empty() {
        batch.extend(delete(&over, salt, now));
    }
    batch
}

fn ids(due: &[&Due]) -> Vec<i64> {
    due.iter().map(|due| due.id).collect()
}

/// Begins the plans that are queued; a plan that is gone is forgotten once no other is left to begin.
fn begin_all(due: &[&Due], plans: &[Plan], salt: u32, now: Second) -> Vec<Statement> {
    let gifts: Vec<Gift<'_>> = due.iter().filter_map(|due| next_gift(due, plans, now)).collect();
    if gifts.is_empty() { plans::forget_next(&ids(due), now) } else { plans::give(&gifts, salt, now) }
}

/// What is queued for a user, to begin at `now`; none if it is a plan that is gone.
fn next_gift<'a>(due: &Due, plans: &'a [Plan], now: Second) -> Option<Gift<'a>> {
    if let Some(values) = NextValues::stored(due.next_values.as_deref()) {
        return Some(begin_values(due, values, now));
    }
    let plan = plans.iter().find(|plan| Some(&plan.name) == due.next_plan.as_ref())?;
    Some(begin_next(due, plan, now))
}

/// Begins what is queued for a user before its time; none if nothing is, or a plan that is gone.
#[must_use]
pub fn begin_early(due: &Due, plans: &[Plan], salt: u32, now: Second) -> Option<Vec<Statement>> {
    Some(plans::give(&[next_gift(due, plans, now)?], salt, now))
}

/// Ends holds and suspensions of those who are due for [`Event::Ends`].
///
/// One batch. Each statement looks itself whether it is still so, because a person may have come in between. Rows read: at
/// most 22 per user; written: 9.
fn end(due: &[&Due], salt: u32, now: Second) -> Vec<Statement> {
    let ids = ids(due);
    let [time_out, end_holds] = holds::time_out(&ids, now);
    vec![
        quotas::roll(&ended_periods(due, now)),
        time_out,
        end_holds,
        gates::end_suspensions(&ids, now),
        gates::settle_moved(&ids, now),
        slots::number_change(salt),
        gates::schedule(&ids, now),
    ]
}

/// Begins the plan that is queued for one who is due for [`Event::NextPlan`]: its quotas count from now on, and the account
/// lasts as long as a new one of that plan.
fn begin_next<'a>(due: &Due, plan: &'a Plan, now: Second) -> Gift<'a> {
    let standing = due.standing(now);
    let rest = standing.quota_left().filter(|_| due.next_keeps_rest == 1).unwrap_or_default();
    let total = plan.total_quota;
    let spent = standing.lifetime.minus(standing.bonus_spent);
    let day = plan.reset_day.unwrap_or(due.cycle.day);
    let period = Cycle { strategy: plan.reset_strategy, day, ..due.cycle }.first(now);
    Gift {
        user: due.id,
        revision: due.revision,
        lifetime: due.lifetime,
        terms: Given::Plan(plan),
        period_start: now.max(Second::clamped(due.period_start)),
        period_end: period.end,
        begins: Some(Begins {
            expires_at: plan.expires(now),
            total_from_now: Some(if total.is_zero() { total } else { spent.plus(total) }),
            bonus: rest,
        }),
    }
}

/// Begins the values that are queued for a user instead of a plan. What is left of the quota is added to the new one, because whoever
/// queues values reads nothing but a quota; without any quota nothing can be added.
fn begin_values(due: &Due, values: NextValues, now: Second) -> Gift<'static> {
    let quota = values.data_limit;
    let rest = due.standing(now).quota_left().filter(|_| due.next_keeps_rest == 1).unwrap_or_default();
    Gift {
        user: due.id,
        revision: due.revision,
        lifetime: due.lifetime,
        terms: Given::Quota { monthly_quota: if quota.is_zero() { quota } else { quota.plus(rest) } },
        period_start: now.max(Second::clamped(due.period_start)),
        period_end: due.cycle.first(now).end,
        begins: Some(Begins { expires_at: values.expire, total_from_now: None, bonus: Bytes::ZERO }),
    }
}

/// Deletes accounts that have expired long ago, as a person does.
fn delete(due: &[&Due], salt: u32, now: Second) -> Vec<Statement> {
    let read: Vec<(i64, i64)> = due.iter().map(|due| (due.id, due.revision)).collect();
    users::delete_read(&read, salt, now)
}

fn ended_periods(due: &[&Due], now: Second) -> Vec<Roll> {
    let ended = due.iter().filter(|due| due.period_end <= now.get());
    let roll = |due: &&Due| {
        let Period { start, end } = due.period(now);
        Roll(due.id, Second::clamped(due.period_end), start, end)
    };
    ended.map(roll).collect()
}
