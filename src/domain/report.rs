//! What a report means: whether it is the next one, when its bytes flowed, and to whom they belong.

use std::collections::HashSet;

use weir_wire::Second;
use weir_wire::sync::{Report, Skip};

use super::period::{Cycle, Period};

/// Whether a report is the next one of its epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It follows on this number: apply it.
    Next(u64),
    /// It was applied before, with the same contents: acknowledge it again.
    Repeated,
    /// Another report was applied under its number: the ledger is a copy.
    Fork,
    /// Its number was applied so long ago that nobody can tell what it was: the ledger is a copy.
    Old,
    /// This number is needed first.
    Expect(u64),
}

/// Judges a report by the epoch's last number and the digests of its last reports (newest last).
#[must_use]
pub fn judge(report: &Report, skip: Option<Skip>, last_seq: u64, digests: &[String]) -> Verdict {
    let next = last_seq.saturating_add(1);
    if report.seq == next {
        return Verdict::Next(last_seq);
    }
    if report.seq > next {
        let skipped = skip.is_some_and(|skip| skip.from == next && skip.to == report.seq);
        return if skipped { Verdict::Next(last_seq) } else { Verdict::Expect(next) };
    }
    let age = usize::try_from(last_seq - report.seq).unwrap_or(usize::MAX);
    match digests.iter().rev().nth(age) {
        Some(digest) if *digest == report.digest => Verdict::Repeated,
        Some(_) => Verdict::Fork,
        None => Verdict::Old,
    }
}

/// When a report's bytes flowed, as far as the panel believes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The second that decides hour and billing period: `to - 1`.
    pub at: Second,
    /// The end as applied; the next report cannot end before it.
    pub to: Second,
    /// The report claimed another end.
    pub clamped: bool,
}

/// A report is never refused for its times: they are moved between the end of the last one and the end of this second.
#[must_use]
pub fn window(report: &Report, last_to: Second, now: Second) -> Window {
    // The end is exclusive: what flowed in this very second lies before the next one.
    let end = now.plus(1);
    let to = report.to.min(end).max(last_to.min(end));
    Window { at: to.plus(-1), to, clamped: to != report.to }
}

/// A user's place in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// His current period.
    pub period: Period,
    /// When his usage begins anew.
    pub cycle: Cycle,
}

/// Where bytes of one instant land for a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Landing {
    /// In the current period.
    Current,
    /// In this period, which begins now.
    Roll(Period),
    /// In a period that has ended: this one, if it began and ended unnoticed, as far as it is not another one's that was noticed.
    Late(Period),
}

/// Decides where bytes that flowed at `at` land.
#[must_use]
pub fn land(standing: Standing, at: Second) -> Landing {
    if at >= standing.period.end {
        Landing::Roll(standing.cycle.containing(at, standing.period.start))
    } else if at >= standing.period.start {
        Landing::Current
    } else {
        Landing::Late(standing.cycle.containing(at, standing.period.start))
    }
}

/// The first line whose slot stood in an earlier line; a well-formed report names each slot once.
#[must_use]
pub fn repeated_slot(report: &Report) -> Option<usize> {
    let mut seen = HashSet::with_capacity(report.users.len());
    report.users.iter().position(|usage| !seen.insert(&usage.slot))
}

#[cfg(test)]
mod tests {
    use weir_wire::Bytes;

    use super::*;

    fn report(seq: u64, digest: &str) -> Report {
        Report {
            seq,
            from: Second::clamped(100),
            to: Second::clamped(200),
            users: Vec::new(),
            unattributed: Bytes::ZERO,
            foreign: Bytes::ZERO,
            leaves: None,
            digest: digest.into(),
        }
    }

    fn digests() -> Vec<String> {
        ["five", "six", "seven"].map(String::from).to_vec()
    }

    #[test]
    fn only_the_next_report_is_applied() {
        assert_eq!(judge(&report(8, "x"), None, 7, &digests()), Verdict::Next(7));
        assert_eq!(judge(&report(9, "x"), None, 7, &digests()), Verdict::Expect(8));
        assert_eq!(judge(&report(1, "x"), None, 0, &[]), Verdict::Next(0));
    }

    #[test]
    fn an_old_report_is_repeated_only_with_its_own_digest() {
        assert_eq!(judge(&report(7, "seven"), None, 7, &digests()), Verdict::Repeated);
        assert_eq!(judge(&report(5, "five"), None, 7, &digests()), Verdict::Repeated);
        assert_eq!(judge(&report(6, "seven"), None, 7, &digests()), Verdict::Fork);
        assert_eq!(judge(&report(4, "four"), None, 7, &digests()), Verdict::Old, "older than what is kept");
    }

    #[test]
    fn a_skip_counts_only_when_it_begins_at_the_expected_report() {
        let skip = |from, to| Some(Skip { from, to });
        assert_eq!(judge(&report(12, "x"), skip(8, 12), 7, &digests()), Verdict::Next(7));
        assert_eq!(judge(&report(12, "x"), skip(9, 12), 7, &digests()), Verdict::Expect(8));
        assert_eq!(judge(&report(12, "x"), skip(8, 11), 7, &digests()), Verdict::Expect(8));
    }

    #[test]
    fn times_are_moved_between_the_last_end_and_now() {
        let second = Second::clamped;
        let case = |last_to, now| window(&report(1, "x"), second(last_to), second(now));
        assert_eq!(case(100, 500), Window { at: second(199), to: second(200), clamped: false });
        assert_eq!(case(300, 500), Window { at: second(299), to: second(300), clamped: true });
        assert_eq!(case(0, 150), Window { at: second(150), to: second(151), clamped: true });
        assert_eq!(
            case(900, 150),
            Window { at: second(150), to: second(151), clamped: true },
            "the panel's clock fell"
        );
    }
}
