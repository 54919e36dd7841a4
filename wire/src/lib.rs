//! What panel and agent say to each other: ids, bytes, time, messages, credentials and the grant arithmetic.
//!
//! This crate is pure: it knows no clock, no randomness, no network and no SQL, so that every rule in it can be tested
//! with plain values. Both sides build on it, and nothing in it may depend on either of them.

pub mod address;
pub mod bytes;
pub mod credential;
pub mod digest;
pub mod enroll;
pub mod figure;
pub mod grant;
pub mod id;
pub mod inbound;
pub mod pace;
pub mod refusal;
pub mod roster;
pub mod status;
pub mod sync;
pub mod time;

pub use bytes::Bytes;
pub use id::{Epoch, NodeId, SlotName};
pub use time::Second;

/// Version of the messages in this crate. Both sides tolerate unknown fields; an unknown version is refused with a
/// sentence that names both (HTTP 426).
pub const PROTOCOL: u32 = 1;
