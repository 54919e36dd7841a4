//! What of a node is not as it should be: each figure with its value and one sentence on what to do.

use weir_wire::Bytes;
use weir_wire::figure::{CLOCK_TOLERANCE, Figure};
use weir_wire::status::ReloadReason;

use super::format::Moment;
use super::node::NodeFacts;
use super::panel::Say;
use super::panel::words::figures::{self, Figures};

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

/// All notes of a node, those that press first.
pub(super) fn notes(facts: &NodeFacts<'_>, say: &Say) -> Vec<Note> {
    let words = figures::of(say.language);
    let mut notes = Vec::new();
    if facts.two_hosts {
        notes.push(Note { what: words.two_hosts.to_owned(), advice: words.two_hosts_how, is_urgent: true });
    }
    if facts.clock_off.unsigned_abs() > CLOCK_TOLERANCE {
        let side = if facts.clock_off > 0 { words.clock_ahead } else { words.clock_behind };
        let what = side.replace("{time}", &say.span(facts.clock_off.saturating_abs()));
        notes.push(Note { what, advice: words.clock_how, is_urgent: true });
    }
    let figures = bytes(facts, words, say).into_iter().chain(counts(facts, words, say)).flatten();
    notes.extend(figures.map(|(what, figure)| Note { what, advice: (words.advice)(figure), is_urgent: false }));
    let bypass = |rule: &String| words.bypass.replace("{rule}", rule);
    let bypasses = facts.status.bypasses.iter().map(bypass);
    notes.extend(bypasses.map(|what| Note { what, advice: words.bypass_how, is_urgent: false }));
    // A core's limits are told in sentences that the agent made.
    let limits = facts.status.limits.iter().cloned();
    notes.extend(limits.map(|what| Note { what, advice: words.limit_how, is_urgent: false }));
    notes
}

fn bytes(facts: &NodeFacts<'_>, words: &Figures, say: &Say) -> [Option<(String, Figure)>; 6] {
    let status = &facts.status;
    [
        (facts.unattributed, Figure::Unattributed),
        (facts.foreign, Figure::Foreign),
        (facts.unknown, Figure::Unknown),
        (status.ambiguous, Figure::Ambiguous),
        (status.lost_estimate, Figure::Lost),
        (status.overshoot, Figure::Overshoot),
    ]
    .map(|(number, figure): (Bytes, Figure)| {
        let last = status.last_loss.filter(|_| figure == Figure::Lost);
        let last = last.map_or_else(String::new, |last| format!(", {}", say.timed(words.last, last.at)));
        let named = (words.name)(figure, number.get()).replace("{n}", &say.size(number));
        (!number.is_zero()).then(|| (named + &last, figure))
    })
}

fn counts(facts: &NodeFacts<'_>, words: &Figures, say: &Say) -> [Option<(String, Figure)>; 5] {
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
        (number > 0).then(|| ((words.name)(figure, number).replace("{n}", &say.count(number)), figure))
    })
}

#[cfg(test)]
mod tests {
    use weir_wire::Second;
    use weir_wire::status::{Loss, NodeStatus, Reload};

    use super::*;
    use crate::domain::notice::texts::Language;
    use crate::domain::zone::Zone;

    const NOW: Second = Second::clamped(1_796_083_200);

    fn say(language: Language) -> Say {
        Say::new(language, Zone::UTC, NOW)
    }

    fn facts(status: NodeStatus) -> NodeFacts<'static> {
        NodeFacts { seen_at: Some(NOW), ..NodeFacts::of_a_well_node(status) }
    }

    fn told(facts: &NodeFacts<'_>) -> Vec<String> {
        notes(facts, &say(Language::En)).into_iter().map(|note| note.what).collect()
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
    fn every_language_tells_every_figure_with_its_number_and_what_to_do() {
        let mut told = Vec::new();
        for language in [Language::En, Language::Zh, Language::Ru, Language::Fa] {
            let words = figures::of(language);
            for figure in Figure::ALL {
                assert_eq!((words.name)(figure, 2).matches("{n}").count(), 1, "{language:?} {figure:?}");
                told.push((words.advice)(figure));
            }
        }
        let all = told.len();
        told.sort_unstable();
        told.dedup();
        assert_eq!(told.len(), all, "two figures, or two languages, say the same");
    }

    #[test]
    fn a_note_is_in_the_language_of_the_page() {
        let mut odd = facts(NodeStatus { gaps: 6, ..NodeStatus::default() });
        odd.clock_off = 7_200;
        let told: Vec<_> = notes(&odd, &say(Language::Ru)).into_iter().map(|note| note.what).collect();
        assert_eq!(told, ["Часы спешат на 2 ч", "Недостающих отчётов: 6"]);
    }
}
