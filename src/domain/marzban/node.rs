//! How a node stands, in Marzban's words.

use weir_wire::Second;
use weir_wire::grant::{COEFFICIENT_MAX, COEFFICIENT_ONE};
use weir_wire::status::NodeStatus;

use super::instant::naive;
use crate::domain::ledgers::SILENT_AFTER;

/// What clients are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// `connecting`, `connected` or `error`.
    pub status: &'static str,
    /// The version of its core.
    pub version: Option<String>,
    /// Why it is not connected.
    pub message: Option<String>,
}

/// How a node stands that was last heard at `seen`. One that was never heard is connecting.
#[must_use]
pub fn told(seen: Option<Second>, status: &NodeStatus, now: Second) -> Told {
    let version = Some(status.core_version.clone()).filter(|version| !version.is_empty());
    let error = |message: String| Told { status: "error", version: version.clone(), message: Some(message) };
    let Some(seen) = seen else {
        let message = "Waiting for its agent: run the command that was shown when the node was added. \
                       POST /api/v1/nodes/{id}/rotate-key makes a new one.";
        return Told { status: "connecting", version: None, message: Some(message.to_owned()) };
    };
    if now.since(seen) > SILENT_AFTER {
        return error(format!("Last heard of at {} UTC", naive(seen)));
    }
    if status.incarnation == 0 {
        let why = if status.last_error.is_empty() { "The core does not answer" } else { &status.last_error };
        return error(why.to_owned());
    }
    Told { status: "connected", version, message: None }
}

/// Whether its core is running, as far as was heard a moment ago.
#[must_use]
pub fn runs(seen: Option<Second>, status: &NodeStatus, now: Second) -> bool {
    seen.is_some_and(|seen| now.since(seen) <= SILENT_AFTER) && status.incarnation != 0
}

/// A coefficient in per mille; none if it is not above 0, or too large.
#[must_use]
pub fn per_mille(coefficient: f64) -> Option<u32> {
    let scaled = format!("{:.0}", coefficient * f64::from(COEFFICIENT_ONE));
    scaled.parse().ok().filter(|per_mille| (1..=COEFFICIENT_MAX).contains(per_mille))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Second = Second::clamped(1_704_829_059);

    #[test]
    fn a_node_is_connecting_connected_or_in_error() {
        let runs = NodeStatus { core_version: "1.14.4".into(), incarnation: 7, ..NodeStatus::default() };
        let stands = |seen: Option<i64>, status: &NodeStatus| {
            let told = told(seen.map(|ago| NOW.plus(-ago)), status, NOW);
            (told.status, told.version.unwrap_or_default(), told.message.unwrap_or_default())
        };
        assert_eq!(stands(None, &NodeStatus::default()).0, "connecting");
        assert_eq!(stands(Some(180), &runs), ("connected", "1.14.4".into(), String::new()));
        let silent = stands(Some(181), &runs);
        assert_eq!(silent, ("error", "1.14.4".into(), "Last heard of at 2024-01-09T19:34:38 UTC".into()));
        let down = NodeStatus { incarnation: 0, last_error: "no such file".into(), ..runs };
        assert_eq!(stands(Some(1), &down), ("error", "1.14.4".into(), "no such file".into()));
        assert_eq!(stands(Some(1), &NodeStatus::default()).2, "The core does not answer");
    }

    #[test]
    fn a_coefficient_is_rounded_to_thousandths() {
        let all =
            [(1.0, Some(1_000)), (0.5, Some(500)), (1.2345, Some(1_234)), (0.001, Some(1)), (100.0, Some(100_000))];
        for (said, per_mille_) in all {
            assert_eq!(per_mille(said), per_mille_, "{said}");
        }
        for said in [0.0, -1.0, 0.0001, 100.001, f64::NAN, f64::INFINITY, 1e300] {
            assert_eq!(per_mille(said), None, "{said}");
        }
    }
}
