//! `POST /agent/v1/enroll`: how a host becomes a node.

use serde::{Deserialize, Serialize};

use crate::id::NodeId;
use crate::time::Second;

/// The agent makes the node key, stores it durably, and sends only its hash. So a lost reply can be repeated: the same
/// token with the same hash is answered 200 again until the token expires; another hash is refused (409).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrollRequest {
    /// [`crate::PROTOCOL`] of the agent.
    pub protocol: u32,
    /// Version of the agent, for people.
    pub agent: String,
    /// The one-time token, as the panel showed it.
    pub token: String,
    /// SHA-256 of the node key's text, 64 lower-case hex digits.
    pub key_hash: String,
}

/// The host is a node now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrollReply {
    /// The node's number.
    pub node: NodeId,
    /// The node's name, as the operator chose it.
    pub name: String,
    /// Identity of the panel's database: a ledger is bound to (panel, node).
    pub panel: String,
    /// The panel's clock.
    pub time: Second,
}
