//! What callers know who come from Marzban: its tokens.

mod bearer;
mod secret;
mod token;

pub(super) use bearer::authorize;
pub(super) use secret::answer;
pub(super) use token::enter;
