//! The only place that reads the clock. In a Worker it advances only across I/O, so one request sees one instant.

use weir_wire::Second;

/// Now.
#[must_use]
pub(crate) fn now() -> Second {
    #[expect(clippy::disallowed_methods, reason = "this is the clock module")]
    let millis = worker::Date::now().as_millis();
    let seconds = i64::try_from(millis / 1_000).unwrap_or(i64::MAX);
    #[cfg(feature = "faults")]
    let seconds = seconds.saturating_add(crate::faults::clock_offset());
    Second::clamped(seconds)
}
