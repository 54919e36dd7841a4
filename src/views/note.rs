//! What of a node is not as it should be: each figure with its value and one sentence on what to do.

use weir_wire::figure::{BYPASS, CLOCK, CLOCK_TOLERANCE, Figure, LIMIT};
use weir_wire::status::ReloadReason;
use weir_wire::{Bytes, Second};

use super::format::{Moment, count, size, span};
use super::node::NodeFacts;

/// What two hosts with one key mean and what to do.
const TWO_HOSTS: &str = "Both are counted, but a user may pass what each of them still holds: stop the agent on one, and \
                         enrol that host as a node of its own.";

/// A figure with its explanation.
pub(crate) struct Note {
    /// "3 MB unattributed".
    pub(crate) what: String,
    /// What it means and what to do.
    pub(crate) advice: &'static str,
    /// It gets worse while nobody looks.
    pub(crate) is_urgent: bool,
}

/// Something that happened to a node.
pub(crate) struct Event {
    /// When.
    pub(crate) at: Moment,
    /// `fork`, `gap`, `clock` or `restored`.
    pub(crate) kind: String,
    /// What exactly.
    pub(crate) detail: String,
}

/// By how much, and to which side, a clock is off.
pub(super) fn clock(off: i64) -> String {
    match off {
        -1..=1 => "right".to_owned(),
        2.. => format!("{} ahead", span(off)),
        _ => format!("{} behind", span(off.saturating_abs())),
    }
}

/// All notes of a node at second `now`, those that press first.
pub(super) fn notes(facts: &NodeFacts<'_>, now: Second) -> Vec<Note> {
    let mut notes = Vec::new();
    if facts.two_hosts {
        notes.push(Note { what: "Two hosts use this key".to_owned(), advice: TWO_HOSTS, is_urgent: true });
    }
    if facts.clock_off.unsigned_abs() > CLOCK_TOLERANCE {
        notes.push(Note { what: format!("Clock {}", clock(facts.clock_off)), advice: CLOCK, is_urgent: true });
    }
    let figures = bytes(facts, now).into_iter().chain(counts(facts)).flatten();
    notes.extend(figures.map(|(what, figure)| Note { what, advice: figure.advice(), is_urgent: false }));
    let bypasses = facts.status.bypasses.iter();
    notes.extend(bypasses.map(|rule| Note { what: format!("Bypass: {rule}"), advice: BYPASS, is_urgent: false }));
    let limits = facts.status.limits.iter();
    notes.extend(limits.map(|limit| Note { what: limit.clone(), advice: LIMIT, is_urgent: false }));
    notes
}

fn bytes(facts: &NodeFacts<'_>, now: Second) -> [Option<(String, Figure)>; 6] {
    let status = &facts.status;
    let last = status.last_loss.map(|last| Moment::new(last.at, now).words);
    [
        (facts.unattributed, Figure::Unattributed),
        (facts.foreign, Figure::Foreign),
        (facts.unknown, Figure::Unknown),
        (status.ambiguous, Figure::Ambiguous),
        (status.lost_estimate, Figure::Lost),
        (status.overshoot, Figure::Overshoot),
    ]
    .map(|(number, figure): (Bytes, Figure)| {
        let last = last.as_ref().filter(|_| figure == Figure::Lost);
        let last = last.map_or_else(String::new, |last| format!(", last {last}"));
        (!number.is_zero()).then(|| (format!("{} {}{last}", size(number), figure.name(number.get())), figure))
    })
}

fn counts(facts: &NodeFacts<'_>) -> [Option<(String, Figure)>; 5] {
    let status = &facts.status;
    let why = status.reloaded.map_or(ReloadReason::Other, |last| last.why);
    [
        (status.gaps, Figure::Gaps),
        (status.forks, Figure::Forks),
        (status.rejected, Figure::Rejected),
        (status.pending_reload, Figure::PendingReload),
        (status.cut, Figure::Cut(why)),
    ]
    .map(|(number, figure)| {
        let number = u64::from(number);
        (number > 0).then(|| (format!("{} {}", count(number), figure.name(number)), figure))
    })
}

#[cfg(test)]
mod tests {
    use weir_wire::status::{Loss, NodeStatus, Reload};

    use super::*;

    const NOW: Second = Second::clamped(1_796_083_200);

    fn facts(status: NodeStatus) -> NodeFacts<'static> {
        NodeFacts { seen_at: Some(NOW), ..NodeFacts::of_a_well_node(status) }
    }

    fn told(facts: &NodeFacts<'_>) -> Vec<String> {
        notes(facts, NOW).into_iter().map(|note| note.what).collect()
    }

    #[test]
    fn a_node_that_is_well_has_no_notes() {
        assert_eq!(told(&facts(NodeStatus { reloads: 1, ..NodeStatus::default() })), Vec::<String>::new());
    }

    #[test]
    fn every_figure_that_is_not_zero_is_told_with_its_value() {
        let reload = Reload { at: NOW, why: ReloadReason::Users, cut: 2 };
        let mut odd = facts(NodeStatus {
            ambiguous: Bytes::mib(4),
            lost_estimate: Bytes::mib(5),
            overshoot: Bytes::mib(9),
            last_loss: Some(Loss { at: NOW.plus(-120), bytes: Bytes::mib(1) }),
            gaps: 6,
            forks: 1,
            rejected: 7,
            pending_reload: 8,
            cut: 1_009,
            reloaded: Some(reload),
            bypasses: vec!["inbound \"own\" keeps users of its own".into()],
            limits: vec!["Open connections go on.".into()],
            ..NodeStatus::default()
        });
        odd.unattributed = Bytes::mib(1);
        odd.foreign = Bytes::mib(2);
        odd.unknown = Bytes::mib(3);
        odd.two_hosts = true;
        odd.clock_off = -75;
        assert_eq!(
            told(&odd),
            [
                "Two hosts use this key",
                "Clock 1 min behind",
                "1 MB unattributed",
                "2 MB foreign",
                "3 MB unknown",
                "4 MB ambiguous",
                "5 MB lost with killed cores, by estimate, last 2 min ago",
                "9 MB passed after a cut",
                "6 reports missing",
                "1 fork",
                "7 reports refused",
                "8 users wait for a reload",
                "1,009 connections cut by reloads",
                "Bypass: inbound \"own\" keeps users of its own",
                "Open connections go on.",
            ]
        );
    }

    #[test]
    fn a_clock_says_its_side() {
        assert_eq!([0, -1, 5, -7_200].map(clock), ["right", "right", "5 s ahead", "2 h behind"]);
    }
}
