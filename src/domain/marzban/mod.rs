//! How Marzban's API says things: pure rules beside its handlers in `http/marzban`.

pub mod choice;
pub mod inbounds;
pub mod instant;
pub mod token;
pub mod username;
