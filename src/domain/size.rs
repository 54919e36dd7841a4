//! How sizes are written for people.

use weir_wire::Bytes;

/// A size with three digits at most. Units count in 1,024s and are called as operators and providers call them: GB.
#[must_use]
pub fn size(bytes: Bytes) -> String {
    const UNITS: [(u32, &str); 5] = [(50, "PB"), (40, "TB"), (30, "GB"), (20, "MB"), (10, "KB")];
    let count = u128::from(bytes.get());
    let Some((shift, unit)) = UNITS.into_iter().find(|(shift, _)| count >> shift > 0) else {
        return format!("{count} B");
    };
    let hundredths = (count * 100 + (1 << (shift - 1))) >> shift;
    let (whole, rest) = (hundredths / 100, hundredths % 100);
    match whole {
        0..10 if rest % 10 > 0 => format!("{whole}.{rest:02} {unit}"),
        0..100 if rest >= 10 => format!("{whole}.{} {unit}", rest / 10),
        _ => format!("{whole} {unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_three_digits_at_most() {
        let gib = 1_u64 << 30;
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1 KB"),
            (1_572_864, "1.5 MB"),
            (gib, "1 GB"),
            (gib * 5 / 4, "1.25 GB"),
            (gib * 12 + gib / 3, "12.3 GB"),
            (gib * 50, "50 GB"),
            (gib * 123 + gib / 2, "123 GB"),
            (gib * 1024 * 2, "2 TB"),
            (Bytes::MAX.get(), "8 PB"),
        ] {
            assert_eq!(size(Bytes::saturating(bytes)), text, "{bytes}");
        }
    }
}
