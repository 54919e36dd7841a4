//! The only place that reads the clock. In a Worker it advances only across I/O, so one request sees one instant.

use weir_wire::Second;

/// Now.
#[must_use]
pub(crate) fn now() -> Second {
    let seconds = millis() / 1_000;
    #[cfg(feature = "faults")]
    let seconds = seconds.saturating_add(crate::faults::clock_offset());
    Second::clamped(seconds)
}

/// Milliseconds since 1970, for how long something took.
#[must_use]
pub(crate) fn millis() -> i64 {
    #[expect(clippy::disallowed_methods, reason = "this is the clock module")]
    let millis = worker::Date::now().as_millis();
    i64::try_from(millis).unwrap_or(i64::MAX)
}
