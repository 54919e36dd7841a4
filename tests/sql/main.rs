//! The panel's statements on plain `SQLite`: every noun's SQL is tested as SQL, in one binary.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test that panics has failed")]

mod accounts;
mod audit;
mod backup;
mod bulk;
mod credentials;
mod devices;
mod explain;
mod gates;
mod grants;
mod history;
mod lives;
mod marzban;
mod node_addresses;
mod notices;
mod operators;
mod packages;
mod pages;
mod passkeys;
mod plans;
mod reports;
mod scans;
mod scene;
mod sharing;
mod slots;
mod sources;
mod sqlite;
mod sweep;
mod users;
mod xpert;
mod year;
