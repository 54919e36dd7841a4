//! A node as a card.

use weir_wire::sync::NodeStatus;
use weir_wire::{Bytes, Second};

use super::format::{Moment, count, rate, size};

/// A node that has said nothing for so many seconds is silent: twice the time after which one that lives is stored again.
const SILENT_AFTER: i64 = 180;
/// Seconds by which a clock may be off before it is worth a word.
const CLOCK_TOLERANCE: i64 = 60;

/// What is known of a node.
pub(crate) struct NodeFacts<'a> {
    /// Name.
    pub(crate) name: &'a str,
    /// What clients connect to.
    pub(crate) address: &'a str,
    /// Its last sync; none before the first.
    pub(crate) seen_at: Option<Second>,
    /// Version of its agent.
    pub(crate) agent: &'a str,
    /// What it last said of itself.
    pub(crate) status: NodeStatus,
    /// Bytes of users, up and down, over its whole life.
    pub(crate) bytes: Bytes,
    /// Bytes that no user could be credited with.
    pub(crate) unattributed: Bytes,
    /// Bytes of credentials that nobody has.
    pub(crate) unknown: Bytes,
    /// Seconds by which its clock is ahead.
    pub(crate) clock_off: i64,
}

/// A line of a card.
pub(crate) struct Fact {
    /// What it is.
    pub(crate) name: &'static str,
    /// What it says.
    pub(crate) value: String,
    /// More, behind the value.
    pub(crate) title: &'static str,
}

/// A card.
pub(crate) struct NodeView<'a> {
    /// Name.
    pub(crate) name: &'a str,
    /// What clients connect to.
    pub(crate) address: &'a str,
    /// `online`, `silent` or `new`.
    pub(crate) state: &'static str,
    /// Its last sync.
    pub(crate) seen: Option<Moment>,
    /// "sing-box 1.14.4".
    pub(crate) core: String,
    /// Version of its agent.
    pub(crate) agent: &'a str,
    /// Its numbers.
    pub(crate) facts: Vec<Fact>,
    /// What an operator should look at.
    pub(crate) problems: Vec<String>,
}

impl NodeFacts<'_> {
    /// Whether it was heard of a moment ago.
    pub(crate) fn is_online(&self, now: Second) -> bool {
        self.seen_at.is_some_and(|at| now.since(at) <= SILENT_AFTER)
    }
}

impl<'a> NodeView<'a> {
    /// The card at second `now`.
    pub(crate) fn new(facts: &NodeFacts<'a>, now: Second) -> Self {
        let state = match facts.seen_at {
            None => "new",
            Some(_) if facts.is_online(now) => "online",
            Some(_) => "silent",
        };
        Self {
            name: facts.name,
            address: facts.address,
            state,
            seen: facts.seen_at.map(|at| Moment::new(at, now)),
            core: core(&facts.status),
            agent: facts.agent,
            facts: if state == "new" { Vec::new() } else { lines(facts, state == "online") },
            problems: problems(facts),
        }
    }
}

/// A core that does not answer has no version.
fn core(status: &NodeStatus) -> String {
    match (status.core.as_str(), status.core_version.as_str()) {
        ("", _) => "no core".to_owned(),
        (core, "") => format!("{core}, not running"),
        (core, version) => format!("{core} {version}"),
    }
}

fn lines(facts: &NodeFacts<'_>, is_online: bool) -> Vec<Fact> {
    let status = &facts.status;
    let line = |name, value, title| Fact { name, value, title };
    let mut lines = Vec::with_capacity(5);
    if is_online {
        lines.push(line("Online users", count(status.online.into()), "users with a live connection"));
        lines.push(line("Connections", count(status.connections.into()), ""));
        // May break before the second arrow and nowhere else.
        let [up, down] = [status.rate_up, status.rate_down].map(|bytes| rate(bytes).replace(' ', "\u{a0}"));
        lines.push(line("Speed", format!("↑\u{a0}{up} ↓\u{a0}{down}"), ""));
    }
    lines.push(line("Traffic", size(facts.bytes), "all users, up and down, since the node was made"));
    lines.push(line(
        "Unattributed",
        size(facts.unattributed),
        "bytes that the core counted and no user could be credited with",
    ));
    lines
}

fn problems(facts: &NodeFacts<'_>) -> Vec<String> {
    let status = &facts.status;
    let mut problems = Vec::new();
    if !status.last_error.is_empty() {
        problems.push(status.last_error.clone());
    }
    if facts.clock_off.abs() > CLOCK_TOLERANCE {
        problems.push(format!("clock off by {} s", facts.clock_off));
    }
    if !facts.unknown.is_zero() {
        problems.push(format!("{} of credentials that nobody has", size(facts.unknown)));
    }
    if !status.ambiguous.is_zero() {
        problems.push(format!("{} ambiguous after a fork, not billed", size(status.ambiguous)));
    }
    if status.rejected > 0 {
        problems.push(format!("reports that were refused: {}", status.rejected));
    }
    if status.pending_reload > 0 {
        problems.push(format!("users that wait for a reload: {}", status.pending_reload));
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Second = Second::clamped(1_796_083_200);

    fn facts(seen_at: Option<Second>) -> NodeFacts<'static> {
        NodeFacts {
            name: "fra",
            address: "vpn.example",
            seen_at,
            agent: "0.1.0",
            status: NodeStatus { core: "sing-box".into(), core_version: "1.14.4".into(), ..NodeStatus::default() },
            bytes: Bytes::gib(3),
            unattributed: Bytes::mib(1),
            unknown: Bytes::ZERO,
            clock_off: 0,
        }
    }

    #[test]
    fn a_node_is_new_then_online_and_silent_when_it_says_nothing() {
        let state = |seen| NodeView::new(&facts(seen), NOW).state;
        assert_eq!(state(None), "new");
        assert_eq!(state(Some(NOW.plus(-SILENT_AFTER))), "online");
        assert_eq!(state(Some(NOW.plus(-SILENT_AFTER - 1))), "silent");
    }

    #[test]
    fn a_core_that_does_not_run_has_no_version() {
        let mut node = facts(Some(NOW));
        assert_eq!(NodeView::new(&node, NOW).core, "sing-box 1.14.4");
        node.status.core_version.clear();
        assert_eq!(NodeView::new(&node, NOW).core, "sing-box, not running");
        node.status.core.clear();
        assert_eq!(NodeView::new(&node, NOW).core, "no core");
    }

    #[test]
    fn a_silent_node_shows_no_numbers_that_are_over() {
        let names = |seen| {
            let view = NodeView::new(&facts(Some(seen)), NOW);
            view.facts.iter().map(|fact| fact.name).collect::<Vec<_>>()
        };
        assert!(names(NOW).contains(&"Online users"));
        assert!(!names(NOW.plus(-3_600)).contains(&"Online users"));
        assert!(names(NOW.plus(-3_600)).contains(&"Unattributed"));
    }

    #[test]
    fn what_needs_a_look_is_said_and_nothing_else() {
        assert_eq!(NodeView::new(&facts(Some(NOW)), NOW).problems, Vec::<String>::new());
        let mut odd = facts(Some(NOW));
        odd.status.last_error = "core does not answer".into();
        odd.clock_off = -75;
        odd.unknown = Bytes::mib(2);
        assert_eq!(
            NodeView::new(&odd, NOW).problems,
            ["core does not answer", "clock off by -75 s", "2 MB of credentials that nobody has"]
        );
    }
}
