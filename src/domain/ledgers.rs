//! What the ledgers of one node say together.

/// Seconds after which a ledger that was not heard of does not go on.
pub const GOES_ON: i64 = 600;

/// A node that has said nothing for so many seconds is silent: twice the time after which one that lives is stored again.
pub const SILENT_AFTER: i64 = 180;

/// Whether a ledger goes on beside a newer one, so that two hosts use this node's key. `heard` has, of each ledger that goes
/// on, when it was begun and when it was heard of last. A ledger that was left is silent from then on, and so is a second host
/// that has ended.
#[must_use]
pub fn two_hosts(heard: &[(i64, i64)]) -> bool {
    let newest = heard.iter().map(|(begun, _)| *begun).max();
    heard.iter().any(|(begun, heard)| newest.is_some_and(|newest| *begun < newest && *heard > newest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ledger_that_was_left_is_no_second_host_and_one_that_goes_on_is() {
        assert!(!two_hosts(&[]));
        assert!(!two_hosts(&[(10, 100)]));
        assert!(!two_hosts(&[(10, 50), (50, 100)]));
        assert!(two_hosts(&[(10, 60), (50, 100)]));
    }
}
