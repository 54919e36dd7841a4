//! What is done to one of many users, and how it is taken back. Pure: who he is and the instant come in.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use weir_wire::Second;

use super::deed::Deed;
use crate::domain::period::{Cycle, Period};
use crate::domain::plan::NextValues;
use crate::http::api::user_body::UserChange;
use crate::store::bulk::Unreset;
use crate::store::plans::Plan;
use crate::store::users::User;

const DAY: i64 = 86_400;
/// Set with a hold and not read with a user: it neither tells a change nor needs to be taken back.
const HOLD_SINCE: &str = "hold_since";

/// What was done to a user: the fields that it was about, before and after. A deletion has none but his aliases, which the store keeps
/// here ([`crate::store::bulk::keep_aliases`]).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Step {
    pub(crate) user: i64,
    pub(crate) name: String,
    pub(crate) before: Map<String, Value>,
    pub(crate) after: Map<String, Value>,
}

/// Who was left as he is, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Left {
    pub(crate) user: i64,
    pub(crate) name: String,
    pub(crate) why: String,
}

/// What a step has done to the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Fields change, and with a cycle the end of the period.
    Set(Map<String, Value>, Option<Second>),
    /// A new period begins.
    Reset,
    /// A reset is taken back.
    Unreset(Unreset),
    /// He is deleted.
    Delete,
}

/// What `deed` does to a user, or why it does nothing. `plan` is the one that a change names.
pub(crate) fn plan_step(
    user: &User,
    deed: &Deed,
    plan: Option<&Plan>,
    now: Second,
) -> Result<(Step, Effect), &'static str> {
    let set = match deed {
        Deed::Change(change) => {
            let (set, end) = change_of(user, change, plan, now)?;
            return changed(user, set, end);
        }
        Deed::Extend(extension) => extended(user, extension.days.get(), now)?,
        Deed::Enable => json!({ "disabled_at": null, "suspended_until": null }),
        Deed::Disable => json!({ "disabled_at": user.disabled_at.unwrap_or(now.get()) }),
        Deed::Reset => return Ok(reset(user, now)),
        Deed::Delete => return Ok((step(user, Map::new(), Map::new()), Effect::Delete)),
    };
    changed(user, object(&set), None)
}

/// What a change comes to for a user: a plan brings its values, and an expiry or a hold what follows from how he stands.
fn change_of(
    user: &User,
    change: &UserChange,
    plan: Option<&Plan>,
    now: Second,
) -> Result<(Map<String, Value>, Option<Second>), &'static str> {
    let mut change = change.clone();
    match (plan, &change.plan) {
        (Some(plan), _) => change.take(plan),
        (None, Some(Some(_))) => return Err("the plan is gone"),
        (None, _) => {}
    }
    if change.moves_times() {
        change.settle(user, now).map_err(|_| "his expiry and his hold do not go together with it")?;
    }
    let mut set = object(&change);
    if change.plan == Some(None) {
        set.insert("plan_version".into(), json!(0));
    }
    // As it is stored.
    if let Some(note) = set.get_mut("note").filter(|note| note.is_null()) {
        *note = json!("");
    }
    Ok((set, change.period_end(user, now)))
}

/// The fields that differ, if any does.
fn changed(user: &User, set: Map<String, Value>, end: Option<Second>) -> Result<(Step, Effect), &'static str> {
    let own = fields(user);
    let (mut before, mut after) = (Map::new(), Map::new());
    for (name, value) in &set {
        let was = own.get(name).unwrap_or(&Value::Null);
        // A plan is not set without its version, also when both plans stand at the same one.
        let goes_along = name == "plan_version" && after.contains_key("plan");
        if name != HOLD_SINCE && (was != value || goes_along) {
            before.insert(name.clone(), was.clone());
            after.insert(name.clone(), value.clone());
        }
    }
    if after.is_empty() {
        return Err("he has it already");
    }
    Ok((step(user, before, after), Effect::Set(set, end)))
}

fn step(user: &User, before: Map<String, Value>, after: Map<String, Value>) -> Step {
    Step { user: user.id, name: user.name.clone(), before, after }
}

/// An expiry that is to come moves; one that has passed is counted from now on; a hold's length moves.
fn extended(user: &User, days: i64, now: Second) -> Result<Value, &'static str> {
    let seconds = days * DAY;
    let standing = user.standing();
    if standing.is_waiting(now) {
        let hold = user.hold.saturating_add(seconds);
        return if hold > 0 { Ok(json!({ "hold": hold })) } else { Err("his account would be over before it begins") };
    }
    // A hold that has timed out is over, whether the sweep has seen it or not.
    let end = standing.ends_at().ok_or("his account never expires")?;
    if end <= now && days < 0 {
        return Err("his account has expired");
    }
    let moved = end.max(now).plus(seconds);
    Ok(if user.hold > 0 {
        json!({ "expires_at": moved, "hold": 0, "hold_until": null })
    } else {
        json!({ "expires_at": moved })
    })
}

fn reset(user: &User, now: Second) -> (Step, Effect) {
    let Period { start, end } = user.period(now);
    let bytes = user.standing_at(now).month;
    let since = start.max(now);
    let before = json!({ "period_start": start, "period_end": end, "monthly_used": bytes });
    let after = json!({ "period_start": since, "period_end": user.cycle.first(now).end, "monthly_used": 0 });
    (step(user, object(&before), object(&after)), Effect::Reset)
}

/// How a step is taken back from a user as he stands now, or why he is left alone.
pub(crate) fn undo_step(step: &Step, user: Option<&User>, now: Second) -> Result<Effect, &'static str> {
    let user = user.ok_or("he was deleted since")?;
    if let (Some(since), Some(start), Some(end)) =
        (step.after.get("period_start"), step.before.get("period_start"), step.before.get("period_end"))
    {
        let (since, start, end) = (since.as_i64(), start.as_i64(), end.as_i64());
        return match (since, start, end) {
            // A period that is over would shut his gate until the sweep, and then he would have a whole new quota.
            (Some(since), _, Some(end)) if since == user.period_start && end <= now.get() => {
                Err("the period that the reset ended would be over by now")
            }
            (Some(since), Some(start), Some(end)) if since == user.period_start => {
                Ok(Effect::Unreset(Unreset { user: user.id, since, start, end }))
            }
            _ => Err("another period has begun since"),
        };
    }
    let own = fields(user);
    if step.after.iter().any(|(name, value)| own.get(name) != Some(value)) {
        return Err("somebody changed it since");
    }
    let cycle = || -> Option<Second> {
        let moved: Cycle =
            serde_json::from_value(Value::Object(own.clone().into_iter().chain(step.before.clone()).collect())).ok()?;
        (moved != user.cycle).then(|| user.moved_end(moved, now))
    };
    Ok(Effect::Set(step.before.clone(), cycle()))
}

fn object<T: Serialize>(value: &T) -> Map<String, Value> {
    match serde_json::to_value(value) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    }
}

/// What can be changed of a user, by the names that a change has when it is written.
fn fields(user: &User) -> Map<String, Value> {
    let next = user.next_plan.as_ref().map(|plan| {
        let (keeps, either) = (user.next_keeps_rest == 1, user.next_on_either == 1);
        match NextValues::stored(user.next_values.as_deref()) {
            Some(values) => json!({ "values": values, "add_remaining_traffic": keeps, "fire_on_either": either }),
            None => json!({ "plan": plan, "add_remaining_traffic": keeps, "fire_on_either": either }),
        }
    });
    let chosen = user.marzban.as_deref().and_then(|text| serde_json::from_str::<Value>(text).ok());
    object(&json!({
        "note": user.note, "plan": user.plan, "plan_version": user.plan_version,
        "monthly_quota": user.monthly_quota, "total_quota": user.total_quota,
        "reset_strategy": user.cycle.strategy, "reset_day": user.cycle.day, "time_zone": user.cycle.zone,
        "expires_at": user.expires_at, "disabled_at": user.disabled_at, "suspended_until": user.suspended_until,
        "speed_limit": user.speed_limit, "device_limit": user.device_limit, "stream_limit": user.stream_limit,
        "address_limit": user.address_limit, "hwid_limit": user.hwid_limit, "delete_after_days": user.delete_after_days, "next_plan": next,
        "hold": user.hold, "hold_until": user.hold_until, "marzban": chosen,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 15 November 2026, 12:00 UTC.
    const NOW: Second = Second::clamped(1_794_744_000);
    const MONTH: i64 = 1_793_491_200;
    const DECEMBER: i64 = 1_796_083_200;

    fn user(fields: &Value) -> User {
        let mut user = object(&json!({
            "id": 7, "name": "ann", "email": null, "note": "", "slot": "abcd2345", "generation": 1, "disabled_at": null,
            "suspended_until": null, "expires_at": null, "created_at": 0, "plan": null, "plan_version": 0,
            "speed_limit": 0, "device_limit": 0, "stream_limit": 0, "address_limit": null, "hwid_limit": null, "delete_after_days": null,
            "next_plan": null, "next_keeps_rest": 0, "next_on_either": 1, "hold": 0, "hold_until": null,
            "monthly_quota": 100, "total_quota": 0, "month": 40, "lifetime": 40, "bonus_left": 0, "bonus_spent": 0,
            "reset_strategy": "calendar_month", "reset_day": 1, "time_zone": "UTC", "period_start": MONTH,
            "period_end": DECEMBER, "last_at": 0, "revision": 3,
        }));
        user.extend(object(fields));
        serde_json::from_value(Value::Object(user)).unwrap()
    }

    fn deed(json: &Value) -> Deed {
        serde_json::from_value(json.clone()).unwrap()
    }

    /// A user as he stands after an effect, as far as fields go.
    fn with(user: &User, effect: &Effect) -> User {
        let Effect::Set(set, end) = effect else { panic!("no field is set: {effect:?}") };
        let mut fields = fields(user);
        fields.extend(set.clone());
        let next = fields.remove("next_plan").unwrap_or_default();
        let next_plan = next.get("plan").cloned().unwrap_or_default();
        let flag = |name: &str, default: u32| next.get(name).and_then(Value::as_bool).map_or(default, u32::from);
        let chosen = fields.remove("marzban").filter(|chosen| !chosen.is_null()).map(|chosen| chosen.to_string());
        fields.remove(HOLD_SINCE);
        let mut changed = user.clone();
        if let Some(end) = end {
            changed.period_end = end.get();
        }
        let rest = json!({
            "id": changed.id, "name": changed.name, "email": changed.email, "slot": changed.slot, "generation": 1,
            "created_at": 0, "month": changed.month, "lifetime": changed.lifetime, "bonus_left": 0, "bonus_spent": 0,
            "period_start": changed.period_start, "period_end": changed.period_end, "last_at": 0, "revision": 3,
            "next_plan": next_plan, "next_keeps_rest": flag("add_remaining_traffic", user.next_keeps_rest),
            "next_on_either": flag("fire_on_either", user.next_on_either), "marzban": chosen,
        });
        fields.extend(object(&rest));
        serde_json::from_value(Value::Object(fields)).unwrap()
    }

    fn days(count: i64) -> Second {
        NOW.plus(count * DAY)
    }

    #[test]
    fn an_extension_moves_an_expiry_to_come_and_counts_a_past_one_from_now_on() {
        let extend = |fields: Value, days: i64| {
            plan_step(&user(&fields), &deed(&json!({ "extend": { "days": days } })), None, NOW)
                .map(|(step, _)| step.after)
        };
        let set = |fields: Value| Ok(object(&fields));
        assert_eq!(extend(json!({ "expires_at": days(5) }), 30), set(json!({ "expires_at": days(35) })));
        assert_eq!(extend(json!({ "expires_at": days(-5) }), 30), set(json!({ "expires_at": days(30) })));
        assert_eq!(extend(json!({ "expires_at": days(5) }), -2), set(json!({ "expires_at": days(3) })));
        assert_eq!(extend(json!({ "expires_at": days(5) }), -9), set(json!({ "expires_at": days(-4) })));
        assert_eq!(extend(json!({ "expires_at": days(-5) }), -9), Err("his account has expired"));
        assert_eq!(extend(json!({}), 30), Err("his account never expires"));
        assert_eq!(extend(json!({ "hold": 3 * DAY }), 2), set(json!({ "hold": 5 * DAY })));
        assert_eq!(extend(json!({ "hold": 3 * DAY }), -3), Err("his account would be over before it begins"));
        let timed_out = json!({ "hold": 9 * DAY, "hold_until": days(-1) });
        assert_eq!(extend(timed_out, 1), set(json!({ "expires_at": days(9), "hold": 0, "hold_until": null })));
    }

    #[test]
    fn who_has_everything_already_is_left_alone() {
        let done = |fields: Value, action: Value| plan_step(&user(&fields), &deed(&action), None, NOW).err();
        let same = Some("he has it already");
        assert_eq!(done(json!({}), json!({ "change": { "monthly_quota": 100, "note": null } })), same);
        assert_eq!(done(json!({}), json!("enable")), same);
        assert_eq!(done(json!({}), json!({ "change": { "protocols": null } })), same);
        assert_eq!(done(json!({ "disabled_at": 5 }), json!("disable")), same);
        assert_eq!(done(json!({}), json!({ "change": { "plan": "gone" } })), Some("the plan is gone"));
        let waits = json!({ "hold": DAY });
        let both = json!({ "change": { "hold_until": days(1), "expires_at": days(2) } });
        assert_eq!(done(waits, both), Some("his expiry and his hold do not go together with it"));
    }

    #[test]
    fn what_was_set_is_taken_back_to_what_it_was() {
        let plan =
            Plan { name: "basic".into(), version: 4, monthly_quota: weir_wire::Bytes::gib(1), ..Plan::default() };
        let next = json!({ "plan": "free", "add_remaining_traffic": true, "fire_on_either": false });
        let actions = [
            json!({ "change": { "plan": "basic" } }),
            json!({ "change": { "plan": null, "note": "x" } }),
            json!({ "change": { "next_plan": next } }),
            json!({ "change": { "next_plan": null } }),
            json!({ "change": { "reset_day": 20, "time_zone": "Asia/Tehran" } }),
            json!({ "change": { "reset_strategy": "week" } }),
            json!({ "change": { "hold_seconds": 5 * DAY } }),
            json!({ "change": { "expires_at": days(3), "address_limit": null, "delete_after_days": 2 } }),
            json!({ "change": { "expires_at": null, "speed_limit": 5, "device_limit": 6, "stream_limit": 7 } }),
            json!({ "change": { "protocols": null, "note": "y" } }),
            json!({ "change": { "protocols": { "vless": {} } } }),
            json!({ "extend": { "days": 12 } }),
            json!("enable"),
            json!("disable"),
        ];
        let users = [
            json!({}),
            json!({ "expires_at": days(9), "plan": "free", "plan_version": 2, "address_limit": 3, "note": "was" }),
            json!({ "hold": DAY, "next_plan": "basic", "next_keeps_rest": 1, "next_on_either": 0 }),
            json!({ "disabled_at": 99, "suspended_until": days(1), "expires_at": days(-2) }),
            json!({ "marzban": json!({ "trojan": { "excluded": ["a"] } }).to_string() }),
        ];
        let mut undone = 0;
        for (who, action) in users.iter().flat_map(|user| actions.iter().map(move |action| (user, action))) {
            let (user, deed) = (user(who), deed(action));
            let gives = matches!(&deed, Deed::Change(change) if matches!(change.plan, Some(Some(_))));
            let Ok((step, effect)) = plan_step(&user, &deed, gives.then_some(&plan), NOW) else { continue };
            let changed = with(&user, &effect);
            assert_ne!(changed, user, "{action} of {who}");
            let back = undo_step(&step, Some(&changed), NOW).unwrap();
            assert_eq!(fields(&with(&changed, &back)), fields(&user), "{action} of {who}");
            assert_eq!(with(&changed, &back).period_end, user.period_end, "{action} of {who}");
            undone += 1;
        }
        assert!(undone > 30, "{undone}");
    }

    #[test]
    fn what_somebody_changed_since_is_not_taken_back() {
        let was = user(&json!({}));
        let action = deed(&json!({ "change": { "monthly_quota": 5, "total_quota": 9 } }));
        let (step, effect) = plan_step(&was, &action, None, NOW).unwrap();
        let changed = with(&was, &effect);
        let other = User { device_limit: 3, ..changed.clone() };
        assert!(undo_step(&step, Some(&other), NOW).is_ok(), "another field");
        let other = User { total_quota: weir_wire::Bytes::ZERO, ..changed };
        assert_eq!(undo_step(&step, Some(&other), NOW), Err("somebody changed it since"));
        assert_eq!(undo_step(&step, None, NOW), Err("he was deleted since"));
    }

    #[test]
    fn a_reset_is_taken_back_while_its_period_lasts() {
        let was = user(&json!({}));
        let (step, effect) = plan_step(&was, &deed(&json!("reset")), None, NOW).unwrap();
        assert_eq!(effect, Effect::Reset);
        assert_eq!(step.before["monthly_used"], 40);
        let reset = User { period_start: NOW.get(), ..was.clone() };
        let back = Unreset { user: 7, since: NOW.get(), start: MONTH, end: DECEMBER };
        assert_eq!(undo_step(&step, Some(&reset), NOW.plus(60)), Ok(Effect::Unreset(back)));
        let later = User { period_start: NOW.get() + 5, ..was };
        assert_eq!(undo_step(&step, Some(&later), NOW), Err("another period has begun since"));
        let last = Second::clamped(DECEMBER - 1);
        assert_eq!(undo_step(&step, Some(&reset), last), Ok(Effect::Unreset(back)));
        let over = Err("the period that the reset ended would be over by now");
        assert_eq!(undo_step(&step, Some(&reset), last.plus(1)), over);
        // One that ended unnoticed is over before the reset.
        let unnoticed = user(&json!({ "period_start": 1_790_812_800, "period_end": MONTH }));
        let (step, _) = plan_step(&unnoticed, &deed(&json!("reset")), None, NOW).unwrap();
        assert_eq!((&step.before["period_start"], &step.before["monthly_used"]), (&json!(MONTH), &json!(0)));
    }
}
