//! What callers know who come from Marzban: its tokens.

mod bearer;
mod secret;

pub(super) use bearer::authorize;
pub(super) use secret::answer;
