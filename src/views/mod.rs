//! Templates, and the structs that fill them.

mod asset;
mod format;
mod home;
mod install;
mod login;
mod node;
mod note;
mod refusal;
mod subscription;
mod user;

pub(crate) use home::{Cards, Home, Live, Paging};
pub(crate) use install::{Programs, digest, script};
pub(crate) use login::Login;
pub(crate) use node::{NodeFacts, NodeView};
pub(crate) use refusal::Refusal;
pub(crate) use subscription::{Facts as SubscriptionFacts, Gone as SubscriptionGone, Page as SubscriptionPage};
pub(crate) use user::{UserFacts, UserView};
