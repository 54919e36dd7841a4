//! How the panel says no to an agent.

use serde::{Deserialize, Serialize};

/// The body of every reply to an agent whose status is not 200.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// What the agent has to do.
    pub code: Code,
    /// A sentence for people.
    pub message: String,
    /// The field that is wrong, as a path such as `report.users[3].up` (422 only).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// With [`Code::Expect`]: the report that the panel needs next. With [`Code::Fork`]: the report, if another one was
    /// applied under its number; without it nobody can tell whether it was applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
}

/// What a refusal means for the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// 401: the key is unknown. The agent keeps everything and goes on trying.
    Key,
    /// 409: this seq was applied with other contents, or is older than what the panel can compare: the ledger is a copy.
    Fork,
    /// 409: the panel lacks earlier reports; replay from `seq`.
    Expect,
    /// 409: the enrolment token was used with another key.
    TokenUsed,
    /// 404: the enrolment token is unknown or expired.
    Token,
    /// 410: the node was deleted more than 25 h ago.
    Deleted,
    /// 400: the body is not JSON of the expected shape.
    Malformed,
    /// 413: the body is too large.
    TooLarge,
    /// 422: a field breaks its rule.
    Invalid,
    /// 426: the other side speaks another protocol version.
    Protocol,
    /// 429: too many requests.
    TooOften,
    /// 500 or 503: the panel's own trouble; try again later.
    Unavailable,
}
