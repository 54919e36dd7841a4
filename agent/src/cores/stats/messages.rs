//! The few messages of these services that the agent sends and reads, by their field numbers on the wire.

use std::collections::BTreeMap;

/// A request without fields.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct Nothing {}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct GetStatsRequest {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(bool, tag = "2")]
    pub(super) reset: bool,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct QueryStatsRequest {
    #[prost(string, tag = "1")]
    pub(super) pattern: String,
    #[prost(bool, tag = "2")]
    pub(super) reset: bool,
    #[prost(string, repeated, tag = "3")]
    pub(super) patterns: Vec<String>,
    #[prost(bool, tag = "4")]
    pub(super) regexp: bool,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct Stat {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(int64, tag = "2")]
    pub(super) value: i64,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct QueryStatsResponse {
    #[prost(message, repeated, tag = "1")]
    pub(super) stat: Vec<Stat>,
}

/// Of the ten figures of `GetSysStats`, the one that is needed.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct SysStats {
    /// Whole seconds since the service was made.
    #[prost(uint32, tag = "10")]
    pub(super) uptime: u32,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct IpList {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    /// Unix seconds of the last use, by address.
    #[prost(btree_map = "string, int64", tag = "2")]
    pub(super) ips: BTreeMap<String, i64>,
}

/// A message with its name. `google.protobuf.Any` has the same form, and the cores take the name alone for its URL.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct TypedMessage {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) value: Vec<u8>,
}

impl TypedMessage {
    /// `message` under its full name.
    #[must_use]
    pub(crate) fn of(name: String, message: &impl prost::Message) -> Self {
        Self { name, value: message.encode_to_vec() }
    }
}

/// A change of one inbound, as the `HandlerService` takes it.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct AlterInbound {
    #[prost(string, tag = "1")]
    pub(crate) tag: String,
    #[prost(message, optional, tag = "2")]
    pub(crate) operation: Option<TypedMessage>,
}

/// The change that lets a user in.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct AddUser {
    #[prost(message, optional, tag = "1")]
    pub(crate) user: Option<User>,
}

/// A user and his account.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct User {
    #[prost(uint32, tag = "1")]
    pub(crate) level: u32,
    #[prost(string, tag = "2")]
    pub(crate) email: String,
    #[prost(message, optional, tag = "3")]
    pub(crate) account: Option<TypedMessage>,
}

/// The change that keeps a user out.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct RemoveUser {
    #[prost(string, tag = "1")]
    pub(crate) email: String,
}

/// The answer, which says nothing.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct Altered {}
