//! Between counts and fractions: the one place that may be inexact.

/// A count as a fraction; exact up to 2^53.
#[expect(clippy::cast_precision_loss, reason = "what is drawn and what is shown needs no more than 53 bits")]
pub(crate) const fn real(count: u64) -> f64 {
    count as f64
}

/// A fraction cut to a count; 0 for what is negative or none.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates at both ends")]
pub(crate) const fn whole(fraction: f64) -> u64 {
    fraction as u64
}

/// An index as it is stored.
pub(crate) fn small(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}
