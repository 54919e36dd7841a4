//! The parts of `weir-agent`, as a library, so that tests can run them against real cores.

pub mod clock;
pub mod config;
pub mod cores;
pub mod ledger;
pub mod outbox;
pub mod panel_url;
pub mod rate;
pub mod tally;
