//! What the sweep does with the users who are due, one chunk at a time.

use weir_wire::Second;

use super::due::{self, Due, Event};
use super::plans::{self, Begins, Gift, Plan};
use super::quotas::{self, Roll};
use super::{Statement, gates, holds, slots, users};
use crate::domain::period::{Cycle, Period};

/// Whether [`chunk`] needs the plans.
#[must_use]
pub fn needs_plans(due: &[Due], now: Second) -> bool {
    due.iter().any(|due| due.event(now) == Event::NextPlan)
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
    let plan_of = |due: &Due| plans.iter().find(|plan| Some(&plan.name) == due.next_plan.as_ref());
    let gifts: Vec<Gift<'_>> =
        due.iter().filter_map(|due| plan_of(due).map(|plan| begin_next(due, plan, now))).collect();
    if gifts.is_empty() { plans::forget_next(&ids(due), now) } else { plans::give(&gifts, salt, now) }
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
        plan,
        period_start: now.max(Second::clamped(due.period_start)),
        period_end: period.end,
        begins: Some(Begins {
            expires_at: plan.expires(now),
            total_from_now: if total.is_zero() { total } else { spent.plus(total) },
            bonus: rest,
        }),
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
