//! The rules of Weir, as pure functions on values: no Worker, no clock, no randomness, no SQL.

pub mod period;
pub mod report;
