//! Templates, and the structs that fill them.

mod asset;
mod format;
mod install;
mod login;
mod node;
mod note;
pub(crate) mod panel;
mod refusal;
mod subscription;
mod user;

pub(crate) use install::{Programs, digest, script};
pub(crate) use login::{Login, Problem};
pub(crate) use node::{NodeFacts, NodeView};
pub(crate) use refusal::Refusal;
pub(crate) use subscription::{Facts as SubscriptionFacts, Gone as SubscriptionGone, Page as SubscriptionPage};
pub(crate) use user::{UserFacts, UserView};
