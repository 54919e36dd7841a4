//! Applying a report: once, in one batch, or not at all.

use std::collections::HashMap;

use chrono::DateTime;
use weir_wire::sync::{Report, SyncRequest};
use weir_wire::{Bytes, NodeId, Second, SlotName};

use super::sync::authenticate_as;
use crate::domain::notice::settings::Alerts;
use crate::domain::notice::warning::{self, Candidate, Use};
use crate::domain::period::Period;
use crate::domain::report::{self, Landing, Standing, Verdict, Window};
use crate::http::call::Call;
use crate::http::failure::{Failure, Unwanted};
use crate::random;
use crate::store::epochs::{self, Caller, Guard, Seen, Sums};
use crate::store::events;
use crate::store::gates;
use crate::store::history::{self, Flow};
use crate::store::holds;
use crate::store::slots::{self, Holder, Movable};
use crate::store::usage::{self, Charge, Late};
use crate::store::{Statement, StoreError};

/// A report is prepared again at most this often when somebody changes the same users at the same instant.
const ATTEMPTS: usize = 4;
/// Seconds by which a report's time may be off before the operator is told.
const CLOCK_TOLERANCE: i64 = 60;

/// Applies the report of a sync if it is the next one of its epoch, and answers the epoch's last number.
pub(super) async fn apply(
    call: &Call,
    key_hash: &str,
    mut caller: Caller,
    sync: &SyncRequest,
    report: &Report,
    seen: &Seen,
) -> Result<u64, Failure> {
    for _ in 0..ATTEMPTS {
        let digests: Vec<String> = caller.digests.as_deref().map(serde_json::from_str).transpose().map_or_else(
            |error| Err(Failure::Broken(format!("digests of node {}: {error}", caller.node))),
            |digests| Ok(digests.unwrap_or_default()),
        )?;
        let verdict = report::judge(report, sync.skip, caller.last_seq, &digests);
        #[cfg(feature = "faults")]
        let verdict = crate::faults::verdict(verdict);
        match verdict {
            Verdict::Repeated => return Ok(caller.last_seq),
            Verdict::Fork => return Err(Failure::Report(Unwanted::Fork(report.seq))),
            Verdict::Old => return Err(Failure::Report(Unwanted::Old(report.seq))),
            Verdict::Expect(seq) => return Err(Failure::Report(Unwanted::Expect(seq))),
            Verdict::Next(last_seq) => {
                let guard = Guard { node: NodeId(caller.node), epoch: sync.epoch, last_seq };
                let batch = prepare(call, &caller, sync, report, &guard, seen).await?;
                match call.db.batch(&batch).await {
                    Ok(outcomes) if outcomes.last().is_some_and(|moved| moved.changes() > 0) => return Ok(report.seq),
                    // Somebody else applied a report of this epoch, or changed one of these users, in between.
                    Ok(_) | Err(StoreError::Stale) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        caller = authenticate_as(call, key_hash, sync.epoch, true, sync.held.number).await?;
    }
    Err(Failure::Busy("a report was overtaken again and again".into()))
}

/// Everything that a report's users lead to.
#[derive(Default)]
struct Plan {
    charges: Vec<Charge>,
    flows: Vec<Flow>,
    movable: Vec<Movable>,
    late: Vec<Late>,
    /// Users whose account begins with its first use.
    begun: Vec<i64>,
    /// Users whose queued plan may begin.
    queued: Vec<i64>,
    leaked: Vec<SlotName>,
    sums: Sums,
    warnings: Vec<Candidate>,
}

async fn prepare(
    call: &Call,
    caller: &Caller,
    sync: &SyncRequest,
    report: &Report,
    guard: &Guard,
    seen: &Seen,
) -> Result<Vec<Statement>, Failure> {
    let window = report::window(report, Second::clamped(caller.last_to.max(caller.node_since)), call.now);
    let names: Vec<&SlotName> = report.users.iter().map(|usage| &usage.slot).collect();
    let holders: Vec<Holder> = if names.is_empty() { Vec::new() } else { call.db.all(slots::find(&names)).await? };
    let percents = percents(&holders)?;
    let plan = plan(report, holders, guard, window, &Warned { percents, coefficient: caller.coefficient });

    let mut batch = Vec::with_capacity(12);
    if !plan.begun.is_empty() {
        batch.push(holds::begin(&plan.begun, guard, window.at));
    }
    if !plan.late.is_empty() {
        batch.push(usage::open_late(&plan.late, guard, window.at));
    }
    if !plan.charges.is_empty() {
        batch.push(usage::apply(&plan.charges, guard, caller.coefficient, window.at));
        batch.push(history::add(&plan.flows, guard, window.at));
    }
    if !plan.late.is_empty() {
        batch.push(usage::apply_late(&plan.late, guard, window.at));
    }
    if !plan.leaked.is_empty() {
        batch.push(slots::retire_vacant(&plan.leaked, guard));
        batch.push(slots::number_change(random::salt()?));
    }
    if !plan.movable.is_empty() {
        batch.push(slots::decide(&plan.movable, guard, call.now));
        batch.push(slots::number_change(random::salt()?));
    }
    if !plan.queued.is_empty() {
        batch.push(gates::schedule(&plan.queued, call.now));
    }
    if !plan.warnings.is_empty() {
        batch.push(events::warn(&plan.warnings, guard, call.now));
    }
    batch.extend(notes(sync, report, guard, window, call.now));
    batch.push(epochs::advance(report, guard, window.to, plan.sums, seen));
    Ok(batch)
}

/// What the operator has to know about this report.
fn notes(sync: &SyncRequest, report: &Report, guard: &Guard, window: Window, now: Second) -> Vec<Statement> {
    let mut notes = Vec::new();
    if let Some(leaves) = &report.leaves {
        let detail =
            format!("left epoch {} at report {}: {} bytes ambiguous", leaves.epoch, leaves.seq, leaves.ambiguous);
        // A gap was told when it happened, and is no copy.
        notes.push(if leaves.gap {
            epochs::note_lost(guard, now, leaves.epoch, leaves.seq)
        } else {
            epochs::note(guard, now, "fork", &detail)
        });
        notes.push(usage::leave_epoch(leaves.epoch, guard));
    }
    if report.seq > guard.last_seq.saturating_add(1) {
        let (from, to) = sync.skip.map_or((guard.last_seq, report.seq), |skip| (skip.from, skip.to));
        notes.push(epochs::note(guard, now, "gap", &format!("reports {from} to {} are lost", to.saturating_sub(1))));
    }
    if window.clamped && (window.to.since(report.to)).abs() > CLOCK_TOLERANCE {
        let detail = format!("report {} ended at {}, applied as {}", report.seq, date(report.to), date(window.to));
        notes.push(epochs::note(guard, now, "clock", &detail));
    }
    notes
}

/// An instant as people read it; one that no calendar has as its number.
fn date(at: Second) -> String {
    let date = DateTime::from_timestamp(at.get(), 0);
    date.map_or_else(|| at.get().to_string(), |date| date.format("%Y-%m-%d %H:%M:%S UTC").to_string())
}

/// At which shares of their quota users are worth a warning, and how the node's bytes are charged.
struct Warned {
    percents: Vec<u32>,
    coefficient: u32,
}

/// None when nobody wants to know.
fn percents(holders: &[Holder]) -> Result<Vec<u32>, Failure> {
    Alerts::percents(holders.first().and_then(|holder| holder.percents.as_deref()))
        .map_err(|error| Failure::Broken(format!("settings of alerts: {error}")))
}

fn plan(report: &Report, holders: Vec<Holder>, guard: &Guard, window: Window, warned: &Warned) -> Plan {
    let mut plan = Plan::default();
    let mut growth: HashMap<i64, Use> = HashMap::new();
    let mut holders: HashMap<SlotName, Holder> =
        holders.into_iter().map(|holder| (holder.name.clone(), holder)).collect();
    // A user with two slots (his credentials were replaced) rolls over with the first of them only, and is late once.
    let mut earlier: HashMap<i64, usage::Landing> = HashMap::new();
    for line in &report.users {
        let bytes = line.up.plus(line.down);
        let Some((holder, user)) = holders.remove(&line.slot).and_then(|h| h.user.map(|user| (h, user))) else {
            plan.sums.unknown = plan.sums.unknown.plus(bytes);
            // Bytes of a vacant slot: somebody knows its credentials, so nobody may get it.
            plan.leaked.push(line.slot.clone());
            continue;
        };
        let before = earlier.get(&user).copied();
        let has_rolled = before == Some(usage::Landing::Roll);
        let (landing, period) =
            if has_rolled { (usage::Landing::Current, period_of(&holder)) } else { landing(&holder, window.at) };
        let revision = holder.revision + i64::from(has_rolled);
        if before.is_none() {
            earlier.insert(user, landing);
            if landing == usage::Landing::Late {
                plan.late.push(Late(user, period.start, period.end));
            }
        }
        let key = usage::entry_key(guard.node, guard.epoch, &line.slot);
        let begins = holder.begins(bytes, window.at);
        plan.begun.extend(begins.map(|_| user));
        let (start, end) = (period.start, period.end);
        let charge = Charge(user, key, bytes, revision, landing, start, end, begins.is_some(), before.is_some());
        plan.charges.push(charge);
        plan.flows.push(Flow(user, line.up, line.down));
        plan.sums.up = plan.sums.up.plus(line.up);
        plan.sums.down = plan.sums.down.plus(line.down);
        plan.movable.extend(holder.movable(begins));
        plan.queued.extend(holder.queued());
        if !warned.percents.is_empty() && landing != usage::Landing::Late {
            let before = if landing == usage::Landing::Roll { Bytes::ZERO } else { holder.month };
            let fresh = Use { before, added: Bytes::ZERO, quota: holder.monthly_quota };
            let grown = growth.entry(user).or_insert(fresh);
            grown.added = grown.added.plus(warning::charged_at_most(bytes, warned.coefficient));
        }
    }
    let crossed = |(user, used): (i64, Use)| Some((user, warning::crossed(&warned.percents, used)?));
    plan.warnings = growth.into_iter().filter_map(crossed).collect();
    plan.warnings.sort_unstable();
    plan
}

fn period_of(holder: &Holder) -> Period {
    Period { start: Second::clamped(holder.period_start), end: Second::clamped(holder.period_end) }
}

fn landing(holder: &Holder, at: Second) -> (usage::Landing, Period) {
    let period = period_of(holder);
    match report::land(Standing { period, cycle: holder.cycle }, at) {
        Landing::Current => (usage::Landing::Current, period),
        Landing::Roll(next) => (usage::Landing::Roll, next),
        Landing::Late(own) => (usage::Landing::Late, own),
    }
}

/// Whether a report's numbers are within their rules; the messages' types have checked each number by itself.
pub(super) fn validate(report: &Report, sync: &SyncRequest) -> Result<(), Failure> {
    use weir_wire::sync::MAX_USERS;
    if report.seq == 0 || Bytes::try_from(report.seq).is_err() {
        return Err(Failure::invalid("report.seq", "an integer from 1 to 9007199254740991"));
    }
    if report.from > report.to {
        return Err(Failure::invalid("report.to", "not before report.from"));
    }
    if report.users.len() > MAX_USERS {
        return Err(Failure::invalid("report.users", format!("at most {MAX_USERS} slots")));
    }
    if let Some(index) = report::repeated_slot(report) {
        return Err(Failure::invalid(format!("report.users[{index}]"), "each slot once"));
    }
    if report.digest != weir_wire::digest::report_digest(sync.epoch, report) {
        return Err(Failure::invalid("report.digest", "the digest of this report"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use weir_wire::Epoch;
    use weir_wire::sync::{Leaves, SlotUsage};

    use super::*;
    use crate::domain::period::Cycle;

    /// A slot of user 7, whose present period is 1000 to 2000.
    fn holder(name: &str) -> Holder {
        Holder {
            name: name.parse().unwrap(),
            user: Some(7),
            current: Some("newer".parse().unwrap()),
            gate: "open".into(),
            revision: 3,
            period_start: 1_000,
            period_end: 2_000,
            hold: 0,
            hold_since: 0,
            hold_until: None,
            queued: 0,
            cycle: serde_json::from_value::<Cycle>(
                serde_json::json!({ "reset_strategy": "calendar_month", "reset_day": 1, "time_zone": "UTC" }),
            )
            .unwrap(),
            month: Bytes::ZERO,
            monthly_quota: Bytes::ZERO,
            percents: None,
        }
    }

    /// What a report of two of his slots until `to` leads to: `[revision, landing, again]` of each line, and how often he is late.
    fn lines(to: i64) -> (Vec<(i64, usage::Landing, bool)>, usize) {
        let to = Second::clamped(to);
        let line = |slot: &str| SlotUsage { slot: slot.parse().unwrap(), up: Bytes::mib(1), down: Bytes::ZERO };
        let report = report_until(to, vec![line("older"), line("newer")], None);
        let guard = Guard { node: NodeId(1), epoch: Epoch::from_random(1), last_seq: 0 };
        let window = report::window(&report, Second::EPOCH, to);
        let warned = Warned { percents: Vec::new(), coefficient: 1_000 };
        let plan = plan(&report, vec![holder("older"), holder("newer")], &guard, window, &warned);
        let charges = plan.charges.iter().map(|charge| (charge.3, charge.4, charge.8));
        (charges.collect(), plan.late.len())
    }

    fn report_until(to: Second, users: Vec<SlotUsage>, leaves: Option<Leaves>) -> Report {
        let (unattributed, foreign) = (Bytes::ZERO, Bytes::ZERO);
        Report { seq: 1, from: to, to, users, unattributed, foreign, leaves, digest: String::new() }
    }

    #[test]
    fn a_ledger_that_was_left_after_a_gap_is_freed_and_called_no_copy() {
        let (to, epoch) = (Second::clamped(900), Epoch::from_random(2));
        let guard = Guard { node: NodeId(1), epoch, last_seq: 0 };
        let sync: SyncRequest = serde_json::from_value(serde_json::json!({
            "protocol": 1, "agent": "1", "epoch": epoch, "n": 1, "clock": 900, "acked": 0, "held": [1, 1],
            "loaded": [1, 1], "asks": [],
        }))
        .unwrap();
        let left = Epoch::from_random(1);
        for gap in [true, false] {
            let leaves = Leaves { epoch: left, seq: 5, ambiguous: Bytes::ZERO, gap };
            let report = report_until(to, Vec::new(), Some(leaves));
            let window = report::window(&report, Second::EPOCH, to);
            let notes: Vec<_> = notes(&sync, &report, &guard, window, to).into_iter().map(|one| one.sql).collect();
            let lost = epochs::note_lost(&guard, to, left, 5);
            let told = if gap { lost } else { epochs::note(&guard, to, "fork", "") };
            assert_eq!(notes, [told.sql, usage::leave_epoch(left, &guard).sql]);
        }
    }

    #[test]
    fn two_slots_of_one_user_are_two_lines_of_one_period() {
        use usage::Landing::{Current, Late, Roll};
        assert_eq!(lines(1_500), (vec![(3, Current, false), (3, Current, true)], 0));
        assert_eq!(lines(900), (vec![(3, Late, false), (3, Late, true)], 1));
        assert_eq!(lines(2_500), (vec![(3, Roll, false), (4, Current, true)], 0));
    }
}
