//! `weir-agent` as a library: its command line, and the cores that it can steer, which the tests run for real.

mod addresses;
mod bell;
mod civil;
pub mod cli;
mod client;
mod clock;
mod config;
pub mod cores;
mod detect;
mod doctor;
mod doors;
mod egress;
mod enroll;
mod faults;
mod gate;
mod health;
mod identity;
mod ledger;
mod limiter;
mod loading;
mod lock;
mod monitor;
mod node;
mod outbox;
mod panel_url;
mod policing;
mod presence;
mod random;
mod rate;
mod relay;
mod roster;
mod run;
mod tally;
#[cfg(test)]
mod testing;

/// This version of the agent.
const VERSION: &str = env!("CARGO_PKG_VERSION");
