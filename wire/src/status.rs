//! How a node is, as its agent tells it with each sync. The panel keeps the last one of each ledger.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::bytes::Bytes;
use crate::time::Second;

/// How a node is, as shown to the operator. Rates are averages since the sync before. What an older agent does not say
/// is taken as zero.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NodeStatus {
    /// `sing-box`, `v2ray`, `xray` or `nginx`; empty while none was found.
    pub core: String,
    /// The core's version.
    pub core_version: String,
    /// The core's start in unix milliseconds; 0 while it does not answer.
    pub incarnation: i64,
    /// Seconds since the agent started.
    pub uptime: u64,
    /// Slots with a live connection; of a core that tells none, slots that moved bytes within the last minute.
    pub online: u32,
    /// Live connections; 0 for a core that tells none.
    pub connections: u32,
    /// Bytes per second from clients.
    pub rate_up: u64,
    /// Bytes per second to clients.
    pub rate_down: u64,
    /// Gates that are shut.
    pub gates_shut: u32,
    /// Connections that were ended since the agent started, because their users had too many devices or connections.
    pub held_back: u64,
    /// Open slots that wait for a reload of the core.
    pub pending_reload: u32,
    /// Reloads since the ledger was made.
    pub reloads: u32,
    /// Connections that these reloads have cut.
    pub cut: u32,
    /// The last of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reloaded: Option<Reload>,
    /// Reports that the panel refused as malformed and the agent has set aside, since the ledger was made.
    pub rejected: u32,
    /// Reports that the panel lacks and the agent no longer had, since the ledger was made.
    pub gaps: u32,
    /// Forks since the ledger was made.
    pub forks: u32,
    /// Bytes of this epoch so far that no user could be credited with.
    pub unattributed: Bytes,
    /// Bytes of this epoch so far of users outside the roster.
    pub foreign: Bytes,
    /// Bytes that forks made ambiguous, since the ledger was made; never billed.
    pub ambiguous: Bytes,
    /// Estimate of the bytes that died uncounted with killed cores (rate x tick), since the ledger was made.
    pub lost_estimate: Bytes,
    /// The last core that died with live connections.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_loss: Option<Loss>,
    /// Bytes that running connections moved after their users' gates were shut, since the ledger was made: some cores refuse
    /// new connections alone. They are counted like all others.
    pub overshoot: Bytes,
    /// What this core cannot do, in sentences.
    pub limits: Vec<String>,
    /// Template rules that stand before the gate.
    pub bypasses: Vec<String>,
    /// The last thing that went wrong, with its time; empty when all is well.
    pub last_error: String,
}

/// A reload of the core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reload {
    /// When, by the panel's clock.
    pub at: Second,
    /// Why.
    pub why: ReloadReason,
    /// Live connections that it cut.
    pub cut: u32,
}

/// Why the core is reloaded, which cuts every connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReloadReason {
    /// It runs nothing of this panel yet, or does not run.
    First,
    /// Open slots wait for it.
    Users,
    /// The template was saved.
    Template,
    /// A loaded slot got other credentials.
    Credentials,
    /// Vacant or shut slots waited for a moment without connections.
    Quiet,
    /// One that a later agent knows.
    #[serde(other)]
    Other,
}

impl fmt::Display for ReloadReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::First => "the core ran nothing of this panel",
            Self::Users => "users had no loaded slot",
            Self::Template => "the template was saved",
            Self::Credentials => "a user got other credentials",
            Self::Quiet => "new slots, while nobody was connected",
            Self::Other => "for a reason that only a later version knows",
        })
    }
}

/// A core that died with live connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// When the next one was seen, by the panel's clock.
    pub at: Second,
    /// Estimate of the bytes that it took with it.
    pub bytes: Bytes,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_of_an_older_agent_lacks_figures_and_is_understood() {
        let status: NodeStatus = serde_json::from_str(r#"{"core":"sing-box","reloads":3}"#).unwrap();
        assert_eq!((status.reloads, status.cut, status.reloaded, status.gaps), (3, 0, None, 0));
    }

    #[test]
    fn a_status_of_a_later_agent_may_have_reasons_and_figures_that_are_not_known() {
        let told = r#"{"reloaded":{"at":5,"why":"full_moon","cut":2,"more":1},"later":true}"#;
        let status: NodeStatus = serde_json::from_str(told).unwrap();
        assert_eq!(status.reloaded, Some(Reload { at: Second::clamped(5), why: ReloadReason::Other, cut: 2 }));
    }

    #[test]
    fn what_never_happened_is_not_told() {
        let told = serde_json::to_string(&NodeStatus::default()).unwrap();
        assert!(!told.contains("reloaded") && !told.contains("last_loss"), "{told}");
    }
}
