//! The node between a scripted core, a model of the panel, a real ledger and a clock that stands still.

mod addresses;
mod core;
mod counters;
mod crowds;
mod doors;
mod ends;
mod faults;
mod gates;
mod life;
mod limits;
mod panel;
mod property;
mod refusals;
mod reports;
mod rig;
mod speeds;
mod status;
mod talk;
mod troubles;
