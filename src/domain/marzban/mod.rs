//! How Marzban's API says things: pure rules beside its handlers in `http/marzban`.

pub mod instant;
pub mod token;
