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
mod enroll;
mod faults;
mod gate;
mod health;
mod identity;
mod ledger;
mod limiter;
mod loading;
mod monitor;
mod node;
mod outbox;
mod panel_url;
mod random;
mod rate;
mod roster;
mod run;
mod tally;
mod way;

/// This version of the agent.
const VERSION: &str = env!("CARGO_PKG_VERSION");
