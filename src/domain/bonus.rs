//! What is left of each package. Traffic beyond the quotas is drawn from one counter, the user's bonus; it uses up the package
//! that ends soonest first, and of those that end at the same time the oldest.
//!
//! A bonus that came with no package (such as what a plan left over) is used before any package.

use std::collections::BTreeMap;

use serde::Deserialize;
use weir_wire::Bytes;

/// A package of which something was left when the user's packages were last settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Open {
    /// Number; a later package has a higher one.
    pub id: i64,
    /// Bytes left then.
    pub remaining: Bytes,
    /// When it ends.
    pub expires_at: Option<i64>,
}

/// What is left of each package, by number, when `bonus_left` is left of the user's bonus. The store does the same in SQL
/// ([`crate::store::packages`]); a test holds the two against each other.
#[must_use]
pub fn left(open: &[Open], bonus_left: Bytes) -> BTreeMap<i64, Bytes> {
    let mut order = open.to_vec();
    order.sort_by_key(|package| (package.expires_at.unwrap_or(i64::MAX), package.id));
    let mut drawn = open.iter().map(|package| package.remaining).sum::<Bytes>().minus(bonus_left);
    let mut left = BTreeMap::new();
    for package in order {
        let rest = package.remaining.minus(drawn);
        drawn = drawn.minus(package.remaining);
        left.insert(package.id, rest);
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_package_that_ends_soonest_is_used_first_and_then_the_oldest() {
        let package = |id, remaining, expires_at| Open { id, remaining: Bytes::saturating(remaining), expires_at };
        let open = [package(1, 10, None), package(2, 10, None), package(3, 10, Some(900)), package(4, 10, Some(100))];
        let cases = [
            (40, [10, 10, 10, 10]),
            (33, [10, 10, 10, 3]),
            (25, [10, 10, 5, 0]),
            (12, [2, 10, 0, 0]),
            (0, [0, 0, 0, 0]),
            (55, [10, 10, 10, 10]),
        ];
        for (bonus, expected) in cases {
            let left: Vec<u64> = left(&open, Bytes::saturating(bonus)).into_values().map(Bytes::get).collect();
            assert_eq!(left, expected, "{bonus} left");
        }
        assert_eq!(left(&[], Bytes::saturating(5)), BTreeMap::new());
    }
}
