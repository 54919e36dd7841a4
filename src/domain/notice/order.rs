//! What of a channel's waiting deliveries leaves next: in order for each subject, many at once where nothing speaks against
//! it, and alone what the endpoint has refused before.

use std::collections::HashSet;

use weir_wire::Second;

/// A delivery that waits. The slice that is given stands in the order of events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Number of its event.
    pub event: i64,
    /// Events of one subject leave in their order.
    pub subject: String,
    /// How often the endpoint took offence at this very event.
    pub refusals: u32,
    /// Not before then.
    pub next_at: Second,
}

/// Indexes of the deliveries that go into the next message, `most` at most; none when nothing may leave now.
///
/// A subject's later event waits for its earlier ones. One that was refused goes alone, when none that was not may leave: so the
/// others get through first, and the endpoint is not asked to take all or nothing. The first one to an endpoint that fails goes
/// alone too (`probing`).
#[must_use]
pub fn next_message(waiting: &[Waiting], most: usize, probing: bool, now: Second) -> Vec<usize> {
    let most = if probing { 1 } else { most };
    let mut held: HashSet<&str> = HashSet::new();
    let mut message = Vec::new();
    let mut again = None;
    for (index, delivery) in waiting.iter().enumerate() {
        let free = delivery.next_at <= now && !held.contains(delivery.subject.as_str());
        if free && delivery.refusals == 0 && message.len() < most {
            message.push(index);
            continue;
        }
        if free && delivery.refusals > 0 {
            again = again.or(Some(index));
        }
        held.insert(&delivery.subject);
    }
    if message.is_empty() { again.into_iter().collect() } else { message }
}

/// When the next message may leave: now if any may.
#[must_use]
pub fn next_at(waiting: &[Waiting], now: Second) -> Option<Second> {
    let mut seen: HashSet<&str> = HashSet::new();
    let heads = waiting.iter().filter(|delivery| seen.insert(&delivery.subject));
    heads.map(|delivery| delivery.next_at.max(now)).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Second = Second::clamped(1_000);

    /// `subject refusals wait`, numbered as they come.
    fn waiting(rows: &[(&str, u32, i64)]) -> Vec<Waiting> {
        let row = |(event, (subject, refusals, wait)): (i64, &(&str, u32, i64))| Waiting {
            event,
            subject: (*subject).to_owned(),
            refusals: *refusals,
            next_at: NOW.plus(*wait),
        };
        (1..).zip(rows).map(row).collect()
    }

    #[test]
    fn events_leave_together_in_their_order() {
        let rows = waiting(&[("ann", 0, 0), ("bob", 0, 0), ("ann", 0, 0)]);
        assert_eq!(next_message(&rows, 20, false, NOW), [0, 1, 2]);
        assert_eq!(next_message(&rows, 2, false, NOW), [0, 1]);
        assert_eq!(next_message(&rows, 1, false, NOW), [0]);
        assert_eq!(next_message(&rows, 20, true, NOW), [0], "an endpoint that fails is tried with one");
        assert_eq!(next_message(&[], 20, false, NOW), [0_usize; 0]);
    }

    #[test]
    fn what_waits_after_a_refusal_holds_back_its_own_subject_only() {
        let rows = waiting(&[("ann", 1, 60), ("bob", 0, 0), ("ann", 0, 0), ("cleo", 0, 0)]);
        assert_eq!(next_message(&rows, 20, false, NOW), [1, 3]);
        assert_eq!(next_message(&rows, 20, false, NOW.plus(60)), [1, 3], "nor when its time has come");
        let rows = waiting(&[("ann", 1, 60), ("ann", 0, 0)]);
        assert_eq!(next_message(&rows, 20, false, NOW), [0_usize; 0]);
        assert_eq!(next_message(&rows, 20, false, NOW.plus(60)), [0], "then it goes alone");
    }

    #[test]
    fn what_was_not_refused_goes_before_whatever_was() {
        let rows = waiting(&[("ann", 1, 0), ("bob", 3, 0), ("cleo", 0, 0), ("bob", 0, 0)]);
        for probing in [false, true] {
            assert_eq!(next_message(&rows, 20, probing, NOW), [2]);
        }
        assert_eq!(next_message(&rows[..2], 20, false, NOW), [0], "then the oldest");
    }

    #[test]
    fn one_that_was_refused_joins_no_others() {
        let rows = waiting(&[("bob", 0, 0), ("ann", 1, 0), ("ann", 0, 0), ("cleo", 0, 0)]);
        assert_eq!(next_message(&rows, 20, false, NOW), [0, 3]);
        let rows = waiting(&[("ann", 1, 0), ("ann", 0, 0)]);
        assert_eq!(next_message(&rows, 20, false, NOW), [0]);
    }

    #[test]
    fn a_message_that_is_full_lets_nobody_overtake_himself() {
        let rows = waiting(&[("ann", 0, 0), ("ann", 0, 0), ("ann", 0, 0)]);
        assert_eq!(next_message(&rows, 2, false, NOW), [0, 1]);
    }

    #[test]
    fn the_next_message_waits_for_the_first_event_of_any_subject() {
        assert_eq!(next_at(&[], NOW), None);
        assert_eq!(next_at(&waiting(&[("ann", 1, 60), ("ann", 0, 0)]), NOW), Some(NOW.plus(60)));
        assert_eq!(next_at(&waiting(&[("ann", 1, 60), ("bob", 0, 0)]), NOW), Some(NOW));
    }
}
