//! The panel's statements on plain `SQLite`: every noun's SQL is tested as SQL, in one binary.

mod grants;
mod reports;
mod sqlite;
