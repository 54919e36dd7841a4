//! The parts of `weir-agent`, as a library, so that tests can run them against real cores.

/// This version of the agent.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

pub mod bell;
pub mod client;
pub mod clock;
pub mod config;
pub mod cores;
pub mod enroll;
pub mod gate;
pub mod identity;
pub mod ledger;
pub mod limiter;
pub mod loading;
pub mod node;
pub mod outbox;
pub mod panel_url;
pub mod random;
pub mod rate;
pub mod roster;
pub mod run;
pub mod tally;
