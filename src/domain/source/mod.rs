//! Subscriptions of others: what is read of an answer, what of it is kept, and the list that is made of all of them.

pub mod gather;
pub mod ladder;
pub mod merge;
pub mod rules;
pub mod userinfo;
