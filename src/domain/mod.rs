//! The rules of Weir, as pure functions on values: no Worker, no clock, no randomness, no SQL.

pub mod alias;
pub mod audit;
pub mod bonus;
pub mod due;
pub mod endpoint;
pub mod explain;
pub mod fetch;
pub mod format;
pub mod history;
pub mod ledgers;
pub mod link;
pub mod name;
pub mod notice;
pub mod percent;
pub mod period;
pub mod report;
pub mod schedule;
pub mod seal;
pub mod settings;
pub mod size;
pub mod subscription;
pub mod token;
pub mod user;
pub mod xpert;
pub mod zone;
