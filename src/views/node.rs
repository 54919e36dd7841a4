//! A node as a card.

use weir_wire::status::{NodeStatus, Reload};
use weir_wire::{Bytes, Second};

use super::format::Moment;
use super::note::{Event, Note, notes};
use super::panel::Say;
use super::panel::words::{State, reload as reload_words};
use crate::domain::ledgers::SILENT_AFTER;

/// What is known of a node.
pub(crate) struct NodeFacts<'a> {
    /// Number.
    pub(crate) id: u32,
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
    /// Bytes of users outside the roster.
    pub(crate) foreign: Bytes,
    /// Two hosts use its key.
    pub(crate) two_hosts: bool,
    /// Seconds by which its clock is ahead.
    pub(crate) clock_off: i64,
    /// What happened to it, the newest first: when, kind, detail.
    pub(crate) events: Vec<(i64, String, String)>,
}

#[cfg(test)]
impl NodeFacts<'static> {
    /// A node about which there is nothing to say, and that has not been heard of.
    pub(crate) fn of_a_well_node(status: NodeStatus) -> Self {
        Self {
            id: 1,
            name: "fra",
            address: "vpn.example",
            seen_at: None,
            agent: "0.1.0",
            status,
            bytes: Bytes::gib(3),
            unattributed: Bytes::ZERO,
            unknown: Bytes::ZERO,
            foreign: Bytes::ZERO,
            two_hosts: false,
            clock_off: 0,
            events: Vec::new(),
        }
    }
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
    /// Number.
    pub(crate) id: u32,
    /// Name.
    pub(crate) name: &'a str,
    /// What clients connect to.
    pub(crate) address: &'a str,
    /// `online`, `silent` or `new`.
    pub(crate) state: &'static str,
    /// The same for people.
    pub(crate) state_name: &'static str,
    /// Its last sync, and that in words.
    pub(crate) seen: Option<(Moment, String)>,
    /// "sing-box 1.14.4".
    pub(crate) core: String,
    /// "agent 0.1.0".
    pub(crate) agent: String,
    /// Its numbers.
    pub(crate) facts: Vec<Fact>,
    /// The last reload of its core, and that in words: why it was, and what it cut.
    pub(crate) reload: Option<(Moment, String)>,
    /// What is wrong now.
    pub(crate) problems: Vec<String>,
    /// Figures that should be zero.
    pub(crate) notes: Vec<Note>,
    /// What happened, the newest first.
    pub(crate) events: Vec<Event>,
}

impl NodeFacts<'_> {
    /// Whether it was heard of a moment ago.
    pub(crate) fn is_online(&self, now: Second) -> bool {
        self.seen_at.is_some_and(|at| now.since(at) <= SILENT_AFTER)
    }
}

impl NodeFacts<'_> {
    /// How it stands.
    pub(crate) fn state(&self, now: Second) -> State {
        match self.seen_at {
            None => State::New,
            Some(_) if self.is_online(now) => State::Online,
            Some(_) => State::Silent,
        }
    }
}

impl<'a> NodeView<'a> {
    /// The card in this language. What happened is the operator's log: it is in English, as the API tells it.
    pub(crate) fn new(facts: &NodeFacts<'a>, say: &Say) -> Self {
        let (state, now) = (facts.state(say.now), say.now);
        let seen = |at| (say.moment(at), say.timed(say.words.seen, at));
        Self {
            id: facts.id,
            name: facts.name,
            address: facts.address,
            state: state.name(),
            state_name: (say.words.state_of)(state),
            seen: facts.seen_at.map(seen),
            core: core(&facts.status, say),
            agent: say.words.agent.replace("{version}", facts.agent),
            facts: if state == State::New { Vec::new() } else { lines(facts, state == State::Online, say) },
            reload: facts.status.reloaded.map(|last| reload(last, say)),
            problems: Some(facts.status.last_error.clone()).filter(|error| !error.is_empty()).into_iter().collect(),
            notes: notes(facts, say),
            events: facts.events.iter().map(|event| told(event, now)).collect(),
        }
    }
}

/// A core that does not answer has no version.
fn core(status: &NodeStatus, say: &Say) -> String {
    match (status.core.as_str(), status.core_version.as_str()) {
        ("", _) => say.words.no_core.to_owned(),
        (core, "") => say.words.core_down.replace("{core}", core),
        (core, version) => format!("{core} {version}"),
    }
}

/// "right", or by how much the clock is ahead or behind.
fn clock(off: i64, say: &Say) -> String {
    let words = match off {
        -1..=1 => return say.words.clock_right.to_owned(),
        2.. => say.words.ahead,
        _ => say.words.behind,
    };
    words.replace("{time}", &say.span(off.saturating_abs()))
}

fn lines(facts: &NodeFacts<'_>, is_online: bool, say: &Say) -> Vec<Fact> {
    let (status, words) = (&facts.status, say.words);
    let line = |name, value, title| Fact { name, value, title };
    let mut lines = Vec::with_capacity(7);
    if is_online {
        lines.push(line(words.online_users, say.count(status.online.into()), words.online_users_how));
        lines.push(line(words.connections, say.count(status.connections.into()), ""));
        // May break before the second arrow and nowhere else.
        let [up, down] = [status.rate_up, status.rate_down].map(|bytes| say.rate(bytes).replace(' ', "\u{a0}"));
        lines.push(line(words.speed, format!("↑\u{a0}{up} ↓\u{a0}{down}"), ""));
    }
    lines.push(line(words.traffic, say.size(facts.bytes), words.node_traffic_how));
    if is_online {
        lines.push(line(words.reloads, say.count(status.reloads.into()), words.reloads_how));
        lines.push(line(words.clock, clock(facts.clock_off, say), words.clock_how));
        if status.held_back > 0 {
            lines.push(line(words.held_back, say.count(status.held_back), words.held_back_how));
        }
    }
    // A figure that is not zero is a note.
    if facts.unattributed.is_zero() {
        lines.push(line(words.unattributed, say.size(facts.unattributed), words.unattributed_how));
    }
    lines
}

fn reload(last: Reload, say: &Say) -> (Moment, String) {
    let words = reload_words::of(say.language);
    let said = say.timed(words.said, last.at);
    (say.moment(last.at), said.replace("{why}", words.why(last.why)).replace("{cut}", &say.count(last.cut.into())))
}

fn told((at, kind, detail): &(i64, String, String), now: Second) -> Event {
    Event { at: Moment::new(Second::clamped(*at), now), kind: kind.clone(), detail: detail.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::notice::texts::Language;
    use crate::domain::zone::Zone;
    use weir_wire::status::ReloadReason;

    const NOW: Second = Second::clamped(1_796_083_200);

    fn say() -> Say {
        Say::new(Language::En, Zone::UTC, NOW)
    }

    fn facts(seen_at: Option<Second>) -> NodeFacts<'static> {
        let status = NodeStatus { core: "sing-box".into(), core_version: "1.14.4".into(), ..NodeStatus::default() };
        NodeFacts { seen_at, ..NodeFacts::of_a_well_node(status) }
    }

    #[test]
    fn a_node_is_new_then_online_and_silent_when_it_says_nothing() {
        let state = |seen| NodeView::new(&facts(seen), &say()).state;
        assert_eq!(state(None), "new");
        assert_eq!(state(Some(NOW.plus(-SILENT_AFTER))), "online");
        assert_eq!(state(Some(NOW.plus(-SILENT_AFTER - 1))), "silent");
    }

    #[test]
    fn a_core_that_does_not_run_has_no_version() {
        let mut node = facts(Some(NOW));
        assert_eq!(NodeView::new(&node, &say()).core, "sing-box 1.14.4");
        node.status.core_version.clear();
        assert_eq!(NodeView::new(&node, &say()).core, "sing-box, not running");
        node.status.core.clear();
        assert_eq!(NodeView::new(&node, &say()).core, "no core");
    }

    #[test]
    fn a_silent_node_shows_no_numbers_that_are_over() {
        let names = |seen| {
            let view = NodeView::new(&facts(Some(seen)), &say());
            view.facts.iter().map(|fact| fact.name).collect::<Vec<_>>()
        };
        assert!(names(NOW).contains(&"Online users"));
        assert!(!names(NOW.plus(-3_600)).contains(&"Online users"));
        assert!(names(NOW.plus(-3_600)).contains(&"Unattributed"));
    }

    #[test]
    fn trouble_is_said_and_nothing_else() {
        assert_eq!(NodeView::new(&facts(Some(NOW)), &say()).problems, Vec::<String>::new());
        let mut odd = facts(Some(NOW));
        odd.status.last_error = "core does not answer".into();
        assert_eq!(NodeView::new(&odd, &say()).problems, ["core does not answer"]);
    }

    #[test]
    fn connections_that_were_held_back_are_told_when_there_were_any() {
        let mut node = facts(Some(NOW));
        let told = |node: &NodeFacts<'_>| {
            let facts = NodeView::new(node, &say()).facts;
            facts.into_iter().find(|fact| fact.name == "Connections held back").map(|fact| fact.value)
        };
        assert_eq!(told(&node), None);
        node.status.held_back = 1_200;
        assert_eq!(told(&node), Some("1,200".to_owned()));
    }

    #[test]
    fn the_last_reload_says_when_why_and_what_it_cut() {
        let mut node = facts(Some(NOW));
        assert!(NodeView::new(&node, &say()).reload.is_none());
        node.status.reloaded = Some(Reload { at: NOW.plus(-3_600), why: ReloadReason::Template, cut: 1 });
        let (_, told) = NodeView::new(&node, &say()).reload.unwrap();
        assert_eq!(told, "Last reload 1 h ago: the template was saved; connections cut: 1.");
    }

    #[test]
    fn an_unattributed_byte_moves_from_the_facts_to_the_notes() {
        let mut node = facts(Some(NOW));
        node.unattributed = Bytes::mib(1);
        let view = NodeView::new(&node, &say());
        assert!(view.facts.iter().all(|fact| fact.name != "Unattributed"));
        assert_eq!(view.notes.into_iter().map(|note| note.what).collect::<Vec<_>>(), ["1 MB unattributed"]);
    }
}
