//! Templates, and the structs that fill them.

mod asset;
mod format;
mod home;
mod login;
mod node;
mod note;
mod refusal;
mod user;

pub(crate) use home::{Cards, Home, Live, Paging};
pub(crate) use login::Login;
pub(crate) use node::{NodeFacts, NodeView};
pub(crate) use refusal::Refusal;
pub(crate) use user::{UserFacts, UserView};
