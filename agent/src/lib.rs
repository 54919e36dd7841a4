//! The parts of `weir-agent`, as a library, so that tests can run them against real cores.

pub mod clock;
pub mod config;
pub mod cores;
pub mod gate;
pub mod ledger;
pub mod limiter;
pub mod loading;
pub mod outbox;
pub mod panel_url;
pub mod rate;
pub mod roster;
pub mod tally;
