//! The panel that is lived with for a year, and the list of what happened to each of its users.

mod cron;
mod deeds;

use weir::store::plans;
use weir_wire::{Second, SlotName};

use self::deeds::stored;
use super::calendar::Calendar;
use super::dice::Dice;
use super::model::{Account, Deed, Terms};
use crate::scene::{DAY, Scene};

/// 1 June 2027, 12:00 UTC: the year that follows has a 29 February.
const START: i64 = 1_811_851_200;
const PLANS: usize = 4;

/// A user, what happened to him, and what follows from all of it.
pub(super) struct Life {
    pub(super) id: i64,
    pub(super) journal: Vec<(i64, Deed)>,
    pub(super) account: Account,
    slots: Vec<SlotName>,
    orders: Vec<u32>,
}

pub(super) struct World {
    pub(super) scene: Scene,
    pub(super) calendar: Calendar,
    pub(super) dice: Dice,
    pub(super) lives: Vec<Life>,
    pub(super) plans: Vec<Terms>,
    /// Plans that were changed, whose users the job has still to give them to.
    applying: Vec<usize>,
    down_until: i64,
    born: usize,
    orders: u32,
    pub(super) outages: usize,
    pub(super) sweeps: usize,
}

impl World {
    pub(super) fn new(users: usize, seed: u64) -> Self {
        let scene = Scene::new();
        scene.now.set(Second::clamped(START));
        let mut world = Self {
            scene,
            calendar: Calendar::new(START - 40 * DAY, START + 480 * DAY),
            dice: Dice::new(seed),
            lives: Vec::new(),
            plans: Vec::new(),
            applying: Vec::new(),
            down_until: 0,
            born: 0,
            orders: 0,
            outages: 0,
            sweeps: 0,
        };
        for plan in 0..PLANS {
            let terms = world.terms(plan, 1);
            world.scene.sqlite.run(&plans::create(&stored(&terms, 0))).unwrap();
            world.plans.push(terms);
        }
        for _ in 0..users {
            world.create();
        }
        world
    }

    pub(super) fn now(&self) -> i64 {
        self.scene.now.get().get()
    }

    pub(super) fn is_over(&self) -> bool {
        self.now() >= START + 365 * DAY
    }

    fn second(at: i64) -> Second {
        Second::clamped(at)
    }

    /// Something happened to a user: his account is counted anew from the beginning.
    pub(super) fn note(&mut self, life: usize, deed: Deed) {
        let now = self.now();
        let life = &mut self.lives[life];
        life.journal.push((now, deed));
        life.account = Account::replay(&life.journal, &self.calendar);
    }
}

pub(super) fn name(plan: usize) -> String {
    format!("plan-{plan}")
}
