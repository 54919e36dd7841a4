//! A panel's database in which users are created, changed and reported as the faces do it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use serde_json::Value as Json;
use weir::domain::period::{Cycle, Period};
use weir::domain::report::{self, Standing};
use weir::store::epochs::{self, Guard, Seen, Sums};
use weir::store::plans::{self, Plan};
use weir::store::slots::{self, EntryRow, Holder};
use weir::store::usage::{self, AnswerRow, AskRow, Charge, Late};
use weir::store::users::{self, Action, User};
use weir::store::{Statement, StoreError, due, gates, holds, sweep};
use weir_wire::grant::{COEFFICIENT_ONE, Rules};
use weir_wire::roster::RosterVersion;
use weir_wire::sync::Report;
use weir_wire::{Bytes, Epoch, NodeId, Second, SlotName};

use crate::sqlite::Sqlite;

/// 15 November 2026, 12:00 UTC: in the middle of a month.
pub(crate) const NOW: Second = Second::clamped(1_794_744_000);
pub(crate) const DAY: i64 = 86_400;
const NODE: NodeId = NodeId(3);

/// What a scene does has its own clock: `now` is the test's.
pub(crate) struct Scene {
    pub(crate) sqlite: Sqlite,
    pub(crate) now: Cell<Second>,
    seq: Cell<u64>,
    salt: Cell<u32>,
    born: Cell<u64>,
    last_report: RefCell<Vec<Statement>>,
}

impl Scene {
    /// A panel without users whose pool is full.
    pub(crate) fn new() -> Self {
        let scene = Self {
            sqlite: Sqlite::new(),
            now: Cell::new(NOW),
            seq: Cell::new(0),
            salt: Cell::new(0),
            born: Cell::new(0),
            last_report: RefCell::default(),
        };
        scene.sqlite.execute(
            "INSERT INTO node_keys (hash, node, coefficient, node_since, created_at) VALUES ('key', 3, 1000, 0, 0)",
        );
        scene.add_slots(64);
        scene
    }

    pub(crate) fn salt(&self) -> u32 {
        self.salt.set(self.salt.get() + 1);
        self.salt.get()
    }

    /// Lets time pass.
    pub(crate) fn wait(&self, seconds: i64) {
        self.now.set(self.now.get().plus(seconds));
    }

    /// Adds vacant slots, named by a running number.
    pub(crate) fn add_slots(&self, count: u64) -> Vec<SlotName> {
        let first = self.born.replace(self.born.get() + count);
        let names: Vec<SlotName> =
            (first..first + count).map(|number| format!("slot{number:04}").parse().unwrap()).collect();
        self.sqlite.batch(&[slots::add_vacant(&names), slots::number_change(self.salt())]).unwrap();
        names
    }

    /// Creates a user of these fields; the others are as when the caller of the API leaves them out.
    pub(crate) fn try_create(&self, name: &str, fields: &Json) -> Result<Option<User>, StoreError> {
        let mut user = serde_json::json!({
            "name": name, "email": null, "note": null, "monthly_quota": 0, "total_quota": 0,
            "reset_strategy": "calendar_month", "reset_day": 1, "time_zone": "UTC", "expires_at": null,
        });
        user.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let now = self.now.get();
        let period = serde_json::from_value::<Cycle>(user.clone()).unwrap().first(now);
        let batch = users::create(&user, name, None, (period.start, period.end), self.salt(), now);
        Ok(self.sqlite.batch_last(&batch)?.pop())
    }

    /// Creates a user for whom there is a slot.
    pub(crate) fn create(&self, name: &str, fields: &Json) -> User {
        self.try_create(name, fields).unwrap().unwrap()
    }

    /// Does what a person does to a user.
    pub(crate) fn act(&self, user: i64, action: &Action<'_, Json>) -> User {
        self.try_act(user, action).unwrap()
    }

    pub(crate) fn try_act(&self, user: i64, action: &Action<'_, Json>) -> Result<User, StoreError> {
        let now = self.now.get();
        let before = self.user(user).unwrap();
        let batch = users::act(&before, action, self.salt(), now);
        Ok(self.sqlite.batch_last(&batch)?.pop().unwrap())
    }

    /// Changes a user's fields.
    pub(crate) fn change(&self, user: i64, fields: &Json) -> User {
        let day = fields.get("reset_day").map(|day| serde_json::from_value(day.clone()).unwrap());
        let end = day.map(|day| Cycle { day, ..self.user(user).unwrap().cycle }.first(self.now.get()).end);
        self.act(user, &Action::Change(fields, end))
    }

    pub(crate) fn delete(&self, user: i64) {
        self.sqlite.batch(&users::delete(user, self.salt(), self.now.get())).unwrap();
    }

    pub(crate) fn user(&self, user: i64) -> Option<User> {
        self.sqlite.all(&users::by_id(user)).unwrap().pop()
    }

    /// The node reports that `bytes` of a slot flowed until just before `to`.
    pub(crate) fn report(&self, slot: &SlotName, bytes: u64, to: Second) {
        let at = to.plus(-1);
        let seq = self.seq.get() + 1;
        let guard = Guard { node: NODE, epoch: epoch(), last_seq: seq - 1 };
        let holder: Holder = self.sqlite.all(&slots::find(&[slot])).unwrap().pop().unwrap();
        let user = holder.user.unwrap();
        let begins = holder.begins(Bytes::saturating(bytes), at);
        let movable = holder.movable(begins);
        let end = Second::clamped(holder.period_end);
        let period = Period { start: Second::clamped(holder.period_start), end };
        let (landing, period) = match report::land(Standing { period, cycle: holder.cycle }, at) {
            report::Landing::Current => (usage::Landing::Current, period),
            report::Landing::Roll(next) => (usage::Landing::Roll, next),
            report::Landing::Late(own) => (usage::Landing::Late, own),
        };
        let key = usage::entry_key(NODE, epoch(), slot);
        let (start, end) = (period.start, period.end);
        let charge =
            Charge(user, key, Bytes::saturating(bytes), holder.revision, landing, start, end, begins.is_some(), false);
        let mut batch = Vec::new();
        if begins.is_some() {
            batch.push(holds::begin(&[user], &guard, at));
        }
        let late = (landing == usage::Landing::Late).then_some(Late(user, start, end));
        batch.extend(late.map(|late| usage::open_late(&[late], &guard, at)));
        batch.push(usage::apply(&[charge], &guard, COEFFICIENT_ONE, at));
        batch.extend(late.map(|late| usage::apply_late(&[late], &guard, at)));
        if let Some(movable) = movable {
            batch.push(slots::decide(&[movable], &guard, self.now.get()));
            batch.push(slots::number_change(self.salt()));
        }
        if let Some(user) = holder.queued() {
            batch.push(gates::schedule(&[user], self.now.get()));
        }
        let sums = Sums { up: Bytes::ZERO, down: Bytes::saturating(bytes), unknown: Bytes::ZERO };
        batch.push(epochs::advance(&message(seq, to), &guard, to, sums, &seen(self.now.get())));
        self.sqlite.batch(&batch).unwrap();
        self.seq.set(seq);
        self.last_report.replace(batch);
    }

    /// The last report is applied again, as by a request that had been prepared at the same instant.
    pub(crate) fn repeat_report(&self) {
        self.sqlite.batch(&self.last_report.borrow()).unwrap();
    }

    /// The node asks for a slot's limit in its sync number `n`; with the answer, if it gets one.
    pub(crate) fn ask(&self, slot: &SlotName, n: u64, count: u64, stated: u64) -> Option<u64> {
        let bytes = Bytes::saturating;
        let row = AskRow(slot.clone(), usage::entry_key(NODE, epoch(), slot), bytes(count), bytes(stated), false);
        let statement = usage::ask(&[row], n, COEFFICIENT_ONE, Rules::default(), self.now.get());
        let answer: AnswerRow = self.sqlite.all(&statement).unwrap().pop()?;
        Some(serde_json::from_str::<(SlotName, u64)>(&answer.answer).unwrap().1)
    }

    /// The node says which roster version it holds.
    pub(crate) fn hold(&self, held: u64) {
        let seen = Seen { held, ..seen(self.now.get()) };
        self.sqlite.run(&epochs::see(NODE, epoch(), &seen)).unwrap();
    }

    /// Users whom the sweep would look at now.
    pub(crate) fn due(&self) -> Vec<due::Due> {
        self.sqlite.all(&due::due(self.now.get(), 1_000)).unwrap()
    }

    /// What the sweep does with the users that it has read.
    pub(crate) fn turn(&self, due: &[due::Due]) {
        let plans: Vec<Plan> = self.sqlite.all(&plans::all()).unwrap();
        self.sqlite.batch(&sweep::chunk(due, &plans, self.salt(), self.now.get())).unwrap();
    }

    /// One run of the sweep.
    pub(crate) fn sweep(&self) {
        for _ in 0..8 {
            let due = self.due();
            if due.is_empty() {
                return;
            }
            self.turn(&due);
        }
    }

    /// The gate of a user's slot.
    pub(crate) fn gate(&self, user: i64) -> String {
        self.sqlite.value(&format!("SELECT gate FROM slots WHERE name = (SELECT slot FROM users WHERE id = {user})"))
    }

    /// Number of the newest roster version.
    pub(crate) fn roster(&self) -> u64 {
        self.sqlite.value("SELECT max(number) FROM roster_versions")
    }

    /// Slots in the roster change since version `number`.
    pub(crate) fn changed_since(&self, number: u64) -> BTreeMap<SlotName, (String, Option<i64>)> {
        let rows: Vec<EntryRow> = self.sqlite.all(&slots::changed_since(RosterVersion { number, salt: 0 })).unwrap();
        rows.into_iter().map(|row| (row.name, (row.gate, row.until))).collect()
    }

    /// The ended periods of a user: `[start, end, quota, bytes]`.
    pub(crate) fn periods(&self, user: i64) -> Vec<[i64; 4]> {
        let rows: String = self.sqlite.value(&format!(
            "SELECT json_group_array(json_array(start, end, quota, bytes)) FROM
              (SELECT * FROM periods WHERE user = {user} ORDER BY start)"
        ));
        serde_json::from_str(&rows).unwrap()
    }
}

fn epoch() -> Epoch {
    Epoch::from_random(5)
}

/// The report of this number, which ends before `to`. What it leads to stands beside it.
pub(crate) fn message(seq: u64, to: Second) -> Report {
    Report {
        seq,
        from: to,
        to,
        users: Vec::new(),
        unattributed: Bytes::ZERO,
        foreign: Bytes::ZERO,
        leaves: None,
        digest: seq.to_string(),
    }
}

/// A node as it is heard at `now`.
pub(crate) fn seen(now: Second) -> Seen {
    Seen { now, clock_off: 0, agent: "1".into(), held: 1, loaded: 1, status: None }
}
