//! Subscriptions of others: what is read of an answer, what of it is kept, and the list that is made of all of them.

mod clash;
mod document;
mod draft;
pub mod gather;
pub mod ladder;
pub mod merge;
pub mod rules;
mod sing_box;
mod sip008;
mod tree;
pub mod userinfo;
mod xray;
mod yaml;
