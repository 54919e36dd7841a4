//! Where a user stands and why, in the language of the page.

use super::say::Say;
use super::words::stand::{self, StandWords};
use crate::domain::explain::{Because, Stand};
use crate::domain::user::Gate;

/// Where he stands.
pub(super) fn sentence(at: &Stand, say: &Say) -> String {
    let words = stand::of(say.language);
    let anew = at.anew.map_or_else(|| words.never.to_owned(), |end| say.timed(words.anew, end));
    let template = match (at.gate, at.left) {
        (Gate::Open, None) => words.no_quota,
        (Gate::Open, Some(_)) => words.open,
        (Gate::Month, _) => words.month,
        (Gate::Total, _) => words.total,
        (Gate::Expired, _) => words.expired,
        (Gate::Sharing, _) => words.sharing,
        (Gate::Disabled, _) => words.disabled,
    };
    let told = template.replace("{quota}", &say.size(at.quota)).replace("{anew}", &anew);
    let told = told.replace("{left}", &at.left.map(|left| say.size(left)).unwrap_or_default());
    at.at.map_or_else(|| told.replace("{time}", ""), |at| say.timed(&told, at))
}

/// What may have made a remainder.
pub(super) fn because(reason: &Because, say: &Say) -> String {
    let words = stand::of(say.language);
    let held = |template: &str, bytes| template.replace("{bytes}", &say.size(bytes));
    match *reason {
        Because::Shared { by, start, bytes } => {
            let time = if by == "hour" { [say.date(start), say.clock(start)].join(" ") } else { say.date(start) };
            held(stretch(words, by), bytes).replace("{time}", &time)
        }
        Because::Clients(bytes) => held(words.clients, bytes),
        Because::Bonus(bytes) => held(words.bonus, bytes),
        Because::Fractions => words.fractions.to_owned(),
        Because::Otherwise => words.otherwise.to_owned(),
    }
}

fn stretch(words: &StandWords, by: &str) -> &'static str {
    match by {
        "hour" => words.hour,
        "day" => words.day,
        _ => words.month_of,
    }
}

#[cfg(test)]
mod tests {
    use weir_wire::{Bytes, Second};

    use super::*;
    use crate::domain::notice::texts::Language;
    use crate::domain::zone::Zone;

    const NOW: Second = Second::clamped(1_796_083_200);

    fn stand(gate: Gate) -> Stand {
        let (quota, at) = (Bytes::mib(2_048), Some(NOW.plus(-3_600)));
        Stand { gate, left: Some(Bytes::mib(1)), anew: Some(NOW.plus(86_400)), quota, at }
    }

    #[test]
    fn every_gate_is_told_whole_in_every_language() {
        let gates = [Gate::Open, Gate::Month, Gate::Total, Gate::Expired, Gate::Sharing, Gate::Disabled];
        let mut all = Vec::new();
        for language in [Language::En, Language::Zh, Language::Ru, Language::Fa] {
            let say = Say::new(language, Zone::UTC, NOW);
            all.extend(gates.map(|gate| sentence(&stand(gate), &say)));
            let unlimited = Stand { left: None, anew: None, ..stand(Gate::Open) };
            all.push(sentence(&unlimited, &say));
            let reasons = [
                Because::Shared { by: "hour", start: NOW, bytes: Bytes::mib(3) },
                Because::Shared { by: "day", start: NOW, bytes: Bytes::mib(3) },
                Because::Shared { by: "month", start: NOW, bytes: Bytes::mib(3) },
                Because::Clients(Bytes::mib(3)),
                Because::Bonus(Bytes::mib(3)),
                Because::Fractions,
                Because::Otherwise,
            ];
            all.extend(reasons.map(|reason| because(&reason, &say)));
        }
        let count = all.len();
        assert!(all.iter().all(|told| !told.contains(['{', '}'])), "{all:#?}");
        all.sort();
        all.dedup();
        assert_eq!(all.len(), count);
    }

    #[test]
    fn the_quota_the_time_and_the_next_period_are_in_it() {
        let say = Say::new(Language::En, Zone::UTC, NOW);
        assert_eq!(
            sentence(&stand(Gate::Month), &say),
            "May not pass: the monthly quota of 2 GB is used up and no bonus is left. Usage begins anew: in 24 h."
        );
        assert_eq!(sentence(&stand(Gate::Expired), &say), "May not pass: the account expired 1 h ago.");
    }
}
