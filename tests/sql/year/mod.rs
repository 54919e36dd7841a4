//! A year of many users by chance: whatever persons, shops, nodes and cron do, and however long cron is away, everybody stands
//! where a plain recount of all that happened to him says, every byte is in one period, and the stored gates follow when the jobs
//! have run. `WEIR_SEED=n` repeats a year.

mod calendar;
mod check;
mod dice;
mod model;
mod standing;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

use dice::seed;
use world::World;

/// Lives through a year in steps of so many seconds on average; all users are looked at after every `glance` steps.
fn live(users: usize, pause: i64, glance: usize, seed: u64) {
    let mut world = World::new(users, seed);
    let mut steps = 0;
    while !world.is_over() {
        let pause = world.dice.between(1, 2 * pause);
        world.wait(pause);
        while world.lives.len() < users {
            world.create();
        }
        let life = world.dice.index(world.lives.len());
        if world.dice.percent(60) {
            world.report(life);
        } else {
            world.meddle(life);
        }
        world.check(&world.lives[life]);
        world.lives.retain(|life| !life.account.deleted);
        steps += 1;
        if steps % glance == 0 {
            let is_swept = world.cron_is_up();
            if is_swept {
                world.cron();
            }
            world.check_all(is_swept);
            if steps % (10 * glance) == 0 {
                world.check_packages();
            }
        }
    }
    world.check_all(false);
    assert!(world.outages > 3 && world.sweeps > 300, "{} outages, {} sweeps", world.outages, world.sweeps);
}

fn repeatable(users: usize, pause: i64, glance: usize, seed: u64) {
    if let Err(cause) = catch_unwind(AssertUnwindSafe(|| live(users, pause, glance, seed))) {
        let text = cause.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| cause.downcast_ref::<&str>().copied()).unwrap_or("the year failed");
        panic!("WEIR_SEED={seed}: {text}");
    }
}

#[test]
fn fifty_users_stand_for_a_year_where_a_recount_of_what_happened_says() {
    repeatable(50, 4_000, 12, seed());
}

#[test]
#[ignore = "long"]
fn a_thousand_users_stand_for_a_year_where_a_recount_of_what_happened_says() {
    repeatable(1_000, 200, 200, seed());
}
