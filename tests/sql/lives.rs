//! Random lives of a few users: whatever persons, nodes and time do, in whatever order, the books agree.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::{Value as Json, json};
use weir::domain::due::{Account, Next};
use weir::domain::user::gate;
use weir::store::users::{Action, User};
use weir::store::{StoreError, gates};
use weir_wire::{Second, SlotName};

use crate::scene::{DAY, Scene};

/// Users at most.
const USERS: usize = 4;

#[derive(Clone, Debug)]
enum Step {
    Create {
        name: usize,
        fields: Json,
    },
    Change {
        user: usize,
        fields: Json,
    },
    Act {
        user: usize,
        action: &'static str,
    },
    Delete {
        user: usize,
    },
    Suspend {
        user: usize,
        seconds: i64,
    },
    /// A node's bytes that flowed so many seconds ago; with credentials that the user had `back` revocations ago.
    Report {
        user: usize,
        bytes: u64,
        ago: i64,
        back: usize,
    },
    Wait {
        seconds: i64,
        sweep: bool,
    },
}

fn fields() -> impl Strategy<Value = Json> {
    let quota = || prop_oneof![Just(0_u64), 1_u64..2_000];
    let expiry = prop_oneof![2 => Just(None), 3 => (-5_i64..40).prop_map(Some)];
    prop_oneof![
        quota().prop_map(|quota| json!({ "monthly_quota": quota })),
        quota().prop_map(|quota| json!({ "total_quota": quota })),
        (quota(), quota()).prop_map(|(month, total)| json!({ "monthly_quota": month, "total_quota": total })),
        (1_u32..32).prop_map(|day| json!({ "reset_day": day })),
        expiry.prop_map(|days| json!({ "days_left": days })),
        (0_i64..20, prop_oneof![Just(None), (0_i64..9).prop_map(Some)])
            .prop_map(|(days, until)| json!({ "hold_days": days, "hold_until_days": until })),
        (prop_oneof![Just("free"), Just("unlimited")], any::<bool>(), any::<bool>())
            .prop_map(|(plan, rest, either)| json!({
            "next_plan": { "plan": plan, "add_remaining_traffic": rest, "fire_on_either": either } })),
        prop_oneof![Just(None), (0_u32..9).prop_map(Some)].prop_map(|days| json!({ "delete_after_days": days })),
        Just(json!({})),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let user = || 0..USERS;
    let seconds = prop_oneof![0_i64..2, 0_i64..4_000, 0..5 * DAY, 0..70 * DAY];
    let ago = prop_oneof![3 => 0_i64..60, 1 => 0_i64..4_000];
    prop_oneof![
        3 => (user(), fields()).prop_map(|(name, fields)| Step::Create { name, fields }),
        3 => (user(), fields()).prop_map(|(user, fields)| Step::Change { user, fields }),
        3 => (user(), prop_oneof![Just("reset"), Just("enable"), Just("disable"), Just("revoke")])
            .prop_map(|(user, action)| Step::Act { user, action }),
        1 => user().prop_map(|user| Step::Delete { user }),
        1 => (user(), 1..3 * DAY).prop_map(|(user, seconds)| Step::Suspend { user, seconds }),
        8 => (user(), 0_u64..900, ago, prop_oneof![4 => Just(0_usize), 1 => 0_usize..3])
            .prop_map(|(user, bytes, ago, back)| Step::Report { user, bytes, ago, back }),
        4 => (seconds, any::<bool>()).prop_map(|(seconds, sweep)| Step::Wait { seconds, sweep }),
    ]
}

/// What time may change of a user as he stands.
fn account(user: &User) -> Account {
    let next = if user.next_on_either == 1 { Next::OnEither } else { Next::OnBoth };
    Account {
        standing: user.standing(),
        period_end: Second::clamped(user.period_end),
        delete_after_days: user.delete_after_days,
        next: user.next_plan.as_ref().map(|_| next),
    }
}

/// What the test itself knows of a user.
#[derive(Debug)]
struct Life {
    id: i64,
    name: usize,
    slots: Vec<SlotName>,
    bytes: u64,
    created_at: i64,
    disabled: bool,
    deleted: bool,
}

struct Lives {
    scene: Scene,
    users: Vec<Life>,
    /// The roster as a node keeps it that takes each change.
    node: BTreeMap<SlotName, (String, Option<i64>)>,
    held: u64,
}

impl Lives {
    fn new() -> Self {
        let scene = Scene::new();
        scene.add_slots(64);
        let mut lives = Self { scene, users: Vec::new(), node: BTreeMap::new(), held: 0 };
        lives.sync();
        lives
    }

    /// Days as instants; an expiry ends a hold, and a hold has no expiry.
    fn fields(&self, fields: &Json) -> Json {
        let now = self.scene.now.get();
        let after = |days: &Json| days.as_i64().map(|days| now.plus(days * DAY));
        if let Some(days) = fields.get("days_left") {
            json!({ "expires_at": after(days), "hold": 0, "hold_until": null })
        } else if let Some(days) = fields.get("hold_days") {
            let seconds = days.as_i64().unwrap() * DAY;
            let until = after(&fields["hold_until_days"]).filter(|_| seconds > 0);
            json!({ "expires_at": null, "hold": seconds, "hold_since": now, "hold_until": until })
        } else {
            fields.clone()
        }
    }

    /// Who has a name, if anybody does.
    fn living(&self, name: usize) -> Option<usize> {
        self.users.iter().position(|life| life.name == name && !life.deleted)
    }

    fn step(&mut self, step: &Step) {
        let now = self.scene.now.get();
        match step {
            Step::Create { name, fields } => {
                let outcome = self.scene.try_create(&format!("user-{name}"), &self.fields(fields));
                if self.living(*name).is_some() {
                    assert_eq!(outcome, Err(StoreError::Taken));
                } else if let Some(user) = outcome.unwrap() {
                    self.users.push(Life {
                        id: user.id,
                        name: *name,
                        slots: vec![user.slot],
                        bytes: 0,
                        created_at: now.get(),
                        disabled: false,
                        deleted: false,
                    });
                }
            }
            Step::Change { user, fields } => {
                let Some(life) = self.living(*user) else { return };
                self.scene.change(self.users[life].id, &self.fields(fields));
            }
            Step::Act { user, action } => {
                let Some(life) = self.living(*user) else { return };
                self.act(life, action);
            }
            Step::Delete { user } => {
                let Some(life) = self.living(*user) else { return };
                self.scene.delete(self.users[life].id);
                self.users[life].deleted = true;
            }
            Step::Suspend { user, seconds } => {
                let Some(life) = self.living(*user) else { return };
                let batch = gates::suspend(&[self.users[life].id], now.plus(*seconds), self.scene.salt(), now);
                self.scene.sqlite.batch(&batch).unwrap();
            }
            Step::Report { user, bytes, ago, back } => {
                // Deleted users' bytes come late as well.
                let Some(life) = self.users.iter_mut().rev().find(|life| life.name == *user) else { return };
                let to = now.plus(-ago);
                if to.get() <= life.created_at {
                    return;
                }
                let slot = &life.slots[life.slots.len().saturating_sub(1 + back)];
                self.scene.report(slot, *bytes, to);
                life.bytes += bytes;
            }
            Step::Wait { seconds, sweep } => {
                self.scene.wait(*seconds);
                if *sweep {
                    self.sweep();
                }
            }
        }
    }

    /// The sweep may delete whom nobody has extended after his expiry, and nobody else.
    fn sweep(&mut self) {
        let now = self.scene.now.get();
        let over = |user: &User| {
            let deleted = user.expires_at.zip(user.delete_after_days).map(|(at, days)| at + i64::from(days) * DAY);
            let begun = user.hold_until.filter(|_| user.hold > 0).map(|until| until + user.hold);
            let late = begun.zip(user.delete_after_days).map(|(at, days)| at + i64::from(days) * DAY);
            user.disabled_at.is_none() && deleted.or(late).is_some_and(|at| at <= now.get())
        };
        let may_go: BTreeSet<i64> =
            self.users.iter().filter_map(|life| self.scene.user(life.id)).filter(over).map(|user| user.id).collect();
        self.scene.sweep();
        assert_eq!(self.scene.due(), []);
        for life in self.users.iter_mut().filter(|life| !life.deleted) {
            if self.scene.user(life.id).is_none() {
                assert!(may_go.contains(&life.id), "the sweep deleted {life:?}");
                life.deleted = true;
            }
        }
    }

    fn act(&mut self, life: usize, action: &str) {
        let life = &mut self.users[life];
        let action = match action {
            "reset" => Action::Reset,
            "revoke" => Action::Revoke,
            other => {
                life.disabled = other == "disable";
                if life.disabled { Action::Disable } else { Action::Enable }
            }
        };
        let user = self.scene.act(life.id, &action);
        if life.slots.last() != Some(&user.slot) {
            life.slots.push(user.slot);
        }
    }

    /// The node takes what changed since the version that it holds.
    fn sync(&mut self) {
        for (slot, entry) in self.scene.changed_since(self.held) {
            if entry.0 == "retired" {
                self.node.remove(&slot)
            } else {
                self.node.insert(slot, entry)
            };
        }
        self.held = self.scene.roster();
    }

    /// What holds after every step.
    fn check(&mut self) {
        self.sync();
        let whole: BTreeMap<SlotName, (String, Option<i64>)> =
            self.scene.changed_since(0).into_iter().filter(|(_, (gate, _))| gate != "retired").collect();
        assert_eq!(self.node, whole, "a node that takes each change has the whole roster");

        let alive: Vec<&Life> = self.users.iter().filter(|life| !life.deleted).collect();
        let counter =
            |name: &str| self.scene.sqlite.value::<usize>(&format!("SELECT value FROM counters WHERE name = '{name}'"));
        assert_eq!(counter("users"), alive.len());
        assert_eq!(counter("users_open"), whole.values().filter(|(gate, _)| gate == "open").count());

        let given: Vec<&SlotName> = self.users.iter().flat_map(|life| &life.slots).collect();
        assert_eq!(given.iter().collect::<BTreeSet<_>>().len(), given.len(), "no slot is given twice");

        for life in &self.users {
            let sums = format!("SELECT lifetime FROM usage WHERE user = {}", life.id);
            assert_eq!(self.scene.sqlite.value::<u64>(&sums), life.bytes, "every byte is his: {life:?}");
            let month: i64 = self.scene.sqlite.value(&format!("SELECT month FROM usage WHERE user = {}", life.id));
            let ended: i64 = self.scene.periods(life.id).iter().map(|period| period[3]).sum();
            assert_eq!(month + ended, i64::try_from(life.bytes).unwrap(), "and lies in one period: {life:?}");
            match self.scene.user(life.id) {
                None => assert!(life.deleted),
                Some(user) => self.check_living(life, &user),
            }
        }
    }

    fn check_living(&self, life: &Life, user: &User) {
        assert_eq!(user.disabled_at.is_some(), life.disabled, "only a person's word counts: {life:?}");
        assert_eq!(Some(&user.slot), life.slots.last());
        let gate = self.scene.gate(life.id);
        assert_eq!(gate == "disabled", life.disabled, "{life:?}");
        let mirrored: String = self.scene.sqlite.value(&format!("SELECT gate FROM users WHERE id = {}", life.id));
        assert_eq!(mirrored, gate);
        for old in life.slots.iter().rev().skip(1) {
            assert!(!self.node.contains_key(old), "revoked credentials stay revoked");
        }
    }

    /// What holds once the sweep has been by.
    fn check_swept(&mut self) {
        self.sweep();
        self.check();
        let now = self.scene.now.get();
        for life in self.users.iter().filter(|life| !life.deleted) {
            let user = self.scene.user(life.id).unwrap();
            let expected = serde_json::to_value(gate(&user.standing(), now)).unwrap();
            assert_eq!(Json::from(self.scene.gate(life.id)), expected, "{user:?}");
            assert!((user.period_start..user.period_end).contains(&now.get()), "{user:?}");
            // A report that begins an account or its period may have left an earlier second behind: it harms nothing.
            let due: i64 = self.scene.sqlite.value(&format!("SELECT due_at FROM users WHERE id = {}", life.id));
            assert!(due > now.get() && due <= account(&user).due_at(now).get(), "{user:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn the_books_agree_whatever_happens(steps in prop::collection::vec(step(), 1..50)) {
        let mut lives = Lives::new();
        for step in &steps {
            lives.step(step);
            lives.check();
        }
        lives.check_swept();
    }

    #[test]
    fn a_sweep_after_every_step_leaves_every_gate_as_its_user_stands(steps in prop::collection::vec(step(), 1..30)) {
        let mut lives = Lives::new();
        for step in &steps {
            lives.step(step);
            lives.check_swept();
        }
    }
}
