//! How Marzban's API says things: pure rules beside its handlers in `http/marzban`.

pub mod choice;
pub mod config;
pub mod hosts;
pub mod inbounds;
pub mod instant;
pub mod log;
pub mod node;
pub mod offered;
pub mod status;
pub mod token;
pub mod username;
