//! What happens to users: they are made and report, and persons and shops do something to them.

use serde_json::{Value as Json, json};
use weir::domain::period::Cycle;
use weir::store::gates;
use weir::store::packages::{self, Purchase};
use weir::store::plans::{self, Plan};
use weir::store::users::Action;
use weir_wire::Bytes;

use super::{Life, PLANS, World, name};
use crate::scene::DAY;
use crate::year::calendar::ZONES;
use crate::year::model::{Account, Deed, Next, Terms};

impl World {
    fn quota(&mut self, most: u64) -> u64 {
        if self.dice.percent(30) { 0 } else { 1 + self.dice.below(most) }
    }

    fn strategy(&mut self) -> &'static str {
        self.dice.pick(&[
            "calendar_month",
            "calendar_month",
            "calendar_month",
            "day",
            "week",
            "month",
            "year",
            "no_reset",
        ])
    }

    fn anchor(&mut self) -> u32 {
        u32::try_from(1 + self.dice.below(31)).unwrap()
    }

    pub(super) fn terms(&mut self, plan: usize, version: u32) -> Terms {
        Terms {
            plan,
            version,
            month: self.quota(2_000),
            total: if self.dice.percent(70) { 0 } else { self.quota(9_000) },
            strategy: self.strategy(),
            day: self.dice.unless(50, |dice| u32::try_from(1 + dice.below(31)).unwrap()),
            days: if self.dice.percent(40) { 0 } else { self.dice.between(1, 60) },
        }
    }

    fn expiry(&mut self) -> Option<i64> {
        let now = self.now();
        self.dice.unless(35, |dice| now + dice.between(-DAY, 60 * DAY))
    }

    fn next(&mut self) -> Next {
        Next { plan: self.dice.index(PLANS), keeps_rest: self.dice.percent(50), on_either: self.dice.percent(60) }
    }

    /// A new user, of a plan or by himself, whose account begins now or with his first use.
    pub(in crate::year) fn create(&mut self) {
        let plan = self.dice.unless(50, |dice| dice.index(PLANS)).map(|plan| self.plans[plan]);
        let zone = self.dice.pick(&ZONES);
        let (strategy, day) = (self.strategy(), self.anchor());
        let (strategy, day) = plan.map_or((strategy, day), |plan| (plan.strategy, plan.day.unwrap_or(day)));
        let (month, total) = (self.quota(2_000), if self.dice.percent(70) { 0 } else { self.quota(9_000) });
        let (month, total) = plan.map_or((month, total), |plan| (plan.month, plan.total));
        let waits = self.dice.percent(25);
        let (hold, until) = (self.dice.between(600, 40 * DAY), self.hold_until());
        let expiry = if waits { None } else { self.expiry() };
        let delete_after = self.dice.unless(70, |dice| dice.between(0, 30));
        let next = if self.dice.percent(25) { Some(self.next()) } else { None };
        let now = self.now();
        let user = self.scene.try_create(
            &format!("user-{}", self.born),
            &json!({
                "monthly_quota": month, "total_quota": total, "reset_strategy": strategy, "reset_day": day,
                "time_zone": zone, "expires_at": expiry, "delete_after_days": delete_after,
                "plan": plan.map(|plan| name(plan.plan)), "plan_version": plan.map_or(0, |plan| plan.version),
                "next_plan": queued(next), "hold": if waits { hold } else { 0 }, "hold_since": now,
                "hold_until": until.filter(|_| waits),
            }),
        );
        let Some(user) = user.unwrap() else {
            self.scene.add_slots(64);
            return self.create();
        };
        self.born += 1;
        let mut journal = vec![
            (now, Deed::Created(strategy, day, zone)),
            (now, Deed::Quotas(Some(month), Some(total))),
            (now, Deed::Expiry(expiry)),
            (now, Deed::DeleteAfter(delete_after)),
            (now, Deed::Queue(next)),
        ];
        journal.extend(plan.map(|plan| (now, Deed::Plan(plan))));
        journal.extend(waits.then_some((now, Deed::Hold(hold, until))));
        let account = Account::replay(&journal, &self.calendar);
        self.lives.push(Life { id: user.id, journal, account, slots: vec![user.slot], orders: Vec::new() });
    }

    fn hold_until(&mut self) -> Option<i64> {
        let now = self.now();
        self.dice.unless(40, |dice| now + dice.between(60, 20 * DAY))
    }

    /// A node tells of bytes, mostly at once, and sometimes days later.
    pub(in crate::year) fn report(&mut self, life: usize) {
        let now = self.now();
        let ago = match self.dice.below(100) {
            0..70 => self.dice.between(0, 60),
            70..85 => self.dice.between(0, 3_600),
            _ => self.dice.between(0, 4 * DAY),
        };
        let created = self.lives[life].journal[0].0;
        let at = (now - ago).max(created);
        let most = self.dice.pick(&[10, 200, 600]);
        let bytes = self.dice.below(most);
        let slots = &self.lives[life].slots;
        // Sometimes the credentials are those that were replaced last.
        let back = if self.dice.percent(10) { 2 } else { 1 };
        let slot = slots[slots.len().saturating_sub(back)].clone();
        self.scene.report(&slot, bytes, Self::second(at + 1));
        if self.dice.percent(10) {
            self.scene.repeat_report();
        }
        self.note(life, Deed::Used(at, bytes));
    }

    fn act(&mut self, life: usize, action: &Action<'_, Json>, deed: Deed) {
        let user = self.scene.act(self.lives[life].id, action);
        let slots = &mut self.lives[life].slots;
        if slots.last() != Some(&user.slot) {
            slots.push(user.slot);
        }
        self.note(life, deed);
    }

    fn change(&mut self, life: usize, fields: &Json, deed: Deed) {
        let user = self.scene.user(self.lives[life].id).unwrap();
        let field = |name: &str, own: Json| fields.get(name).cloned().unwrap_or(own);
        let is_moved = ["reset_strategy", "reset_day", "time_zone"].iter().any(|name| fields.get(name).is_some());
        let cycle: Cycle = serde_json::from_value(json!({
            "reset_strategy": field("reset_strategy", json!(user.cycle.strategy)),
            "reset_day": field("reset_day", json!(user.cycle.day)),
            "time_zone": field("time_zone", json!(user.cycle.zone)),
        }))
        .unwrap();
        let end = is_moved.then(|| user.moved_end(cycle, self.scene.now.get()));
        self.act(life, &Action::Change(fields, end), deed);
    }

    /// A person does something to a user, or a shop, or the watch over sharing.
    pub(in crate::year) fn meddle(&mut self, life: usize) {
        let (id, now) = (self.lives[life].id, self.now());
        match self.dice.below(100) {
            0..12 => self.buy(life),
            12..18 => self.refund(life),
            18..30 => {
                let (month, total) = (self.quota(2_000), self.dice.unless(70, |dice| dice.below(20_000)));
                let fields = total.map_or_else(
                    || json!({ "monthly_quota": month }),
                    |total| json!({ "monthly_quota": month, "total_quota": total }),
                );
                self.change(life, &fields, Deed::Quotas(Some(month), total));
            }
            30..40 => self.change_cycle(life),
            40..50 => {
                let expiry = self.expiry();
                let still_waits = self.lives[life].account.waits(now) && expiry.is_none();
                let mut fields = json!({ "expires_at": expiry });
                if !still_waits {
                    fields = json!({ "expires_at": expiry, "hold": 0, "hold_until": null });
                }
                self.change(life, &fields, Deed::Expiry(expiry));
            }
            50..55 => {
                let (seconds, until) = (self.dice.between(600, 40 * DAY), self.hold_until());
                let mut fields = json!({ "expires_at": null, "hold": seconds, "hold_until": until });
                if !self.lives[life].account.waits(now) {
                    fields["hold_since"] = json!(now);
                }
                self.change(life, &fields, Deed::Hold(seconds, until));
            }
            55..58 => {
                let days = self.dice.unless(50, |dice| dice.between(0, 30));
                self.change(life, &json!({ "delete_after_days": days }), Deed::DeleteAfter(days));
            }
            58..68 => {
                let next = if self.dice.percent(80) { Some(self.next()) } else { None };
                self.change(life, &json!({ "next_plan": queued(next) }), Deed::Queue(next));
            }
            68..72 => self.take_plan(life),
            72..77 => self.act(life, &Action::Reset, Deed::Reset),
            77..84 => self.act(life, &Action::Enable, Deed::Enabled),
            84..90 => self.act(life, &Action::Disable, Deed::Disabled),
            90..93 => {
                self.scene.add_slots(1);
                self.act(life, &Action::Revoke, Deed::Revoked);
            }
            93..98 => {
                let until = now + self.dice.between(60, 3 * DAY);
                let batch = gates::suspend(&[id], Self::second(until), self.scene.salt(), self.scene.now.get());
                self.scene.sqlite.batch(&batch).unwrap();
                self.note(life, Deed::Suspended(until));
            }
            98 => {
                self.scene.delete(id);
                self.note(life, Deed::Deleted);
            }
            _ => self.change_plan(),
        }
    }

    fn change_cycle(&mut self, life: usize) {
        let (strategy, day, zone) = (self.strategy(), self.anchor(), self.dice.pick(&ZONES));
        let (fields, deed) = match self.dice.below(4) {
            0 => (json!({ "reset_strategy": strategy }), Deed::Cycle(Some(strategy), None, None)),
            1 => (json!({ "reset_day": day }), Deed::Cycle(None, Some(day), None)),
            2 => (json!({ "time_zone": zone }), Deed::Cycle(None, None, Some(zone))),
            _ => (
                json!({ "reset_strategy": strategy, "reset_day": day, "time_zone": zone }),
                Deed::Cycle(Some(strategy), Some(day), Some(zone)),
            ),
        };
        self.change(life, &fields, deed);
    }

    fn take_plan(&mut self, life: usize) {
        let plan = self.dice.index(PLANS);
        let terms = self.plans[plan];
        let mut fields = json!({
            "plan": name(plan), "plan_version": terms.version, "monthly_quota": terms.month,
            "total_quota": terms.total, "reset_strategy": terms.strategy,
        });
        if let Some(day) = terms.day {
            fields["reset_day"] = json!(day);
        }
        self.change(life, &fields, Deed::Plan(terms));
    }

    /// Changes a plan, and has it given to its users.
    fn change_plan(&mut self) {
        let plan = self.dice.index(PLANS);
        let was = self.plans[plan].version;
        let terms = self.terms(plan, was + 1);
        let changed: Vec<Plan> = self.scene.sqlite.all(&plans::change(&stored(&terms, was))).unwrap();
        assert_eq!(changed.len(), 1);
        self.scene.sqlite.run(&plans::apply(&name(plan), terms.version)).unwrap();
        self.plans[plan] = terms;
        self.applying.push(plan);
    }

    fn buy(&mut self, life: usize) {
        let (bytes, now) = (1 + self.dice.below(900), self.now());
        let ends = self.dice.unless(40, |dice| now + dice.between(1, 40 * DAY));
        self.orders += 1;
        let (order, user) = (self.orders, self.lives[life].id);
        let purchase = Purchase {
            user,
            order: &order.to_string(),
            bytes: Bytes::saturating(bytes),
            note: "",
            price: "",
            by: "shop",
            expires_at: ends.map(Self::second),
        };
        // A shop may say it twice.
        for _ in 0..=self.dice.below(2) {
            let batch = packages::buy(&purchase, self.scene.salt(), self.scene.now.get());
            self.scene.sqlite.batch(&batch).unwrap();
        }
        self.lives[life].orders.push(order);
        self.note(life, Deed::Bought(order, bytes, ends));
    }

    fn refund(&mut self, life: usize) {
        let Life { id, orders, .. } = &self.lives[life];
        if orders.is_empty() {
            return;
        }
        let (id, order) = (*id, orders[self.dice.index(orders.len())]);
        let batch = packages::refund(id, &order.to_string(), self.scene.salt(), self.scene.now.get());
        self.scene.sqlite.batch(&batch).unwrap();
        self.note(life, Deed::Refunded(order));
    }
}

fn queued(next: Option<Next>) -> Json {
    next.map_or(Json::Null, |next| {
        json!({ "plan": name(next.plan), "add_remaining_traffic": next.keeps_rest, "fire_on_either": next.on_either })
    })
}

/// A plan of these terms as it is stored.
pub(super) fn stored(terms: &Terms, version: u32) -> Plan {
    Plan {
        name: name(terms.plan),
        version,
        monthly_quota: Bytes::saturating(terms.month),
        total_quota: Bytes::saturating(terms.total),
        reset_strategy: serde_json::from_value(json!(terms.strategy)).unwrap(),
        reset_day: serde_json::from_value(json!(terms.day)).unwrap(),
        duration_days: u32::try_from(terms.days).unwrap().try_into().ok().unwrap(),
        ..Plan::default()
    }
}
