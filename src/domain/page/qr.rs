//! QR codes as the path of an SVG, which needs no style and no script.

use core::fmt::Write as _;

use qrcodegen::{Mask, QrCode, QrCodeEcc, QrSegment, Version};

/// Light modules around the code, as ISO 18004 demands.
const QUIET: i32 = 4;

/// A code in a square of `size` by `size` units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Qr {
    /// Modules of a side, the quiet zone included.
    pub size: i32,
    /// The `d` of a path: a rectangle for each run of dark modules in a row.
    pub path: String,
}

impl Qr {
    /// The code of a text; none when it is longer than any code holds (2,953 bytes).
    ///
    /// The mask is fixed: readers undo any, and looking for the prettiest one costs eight times the whole rest.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        let segments = QrSegment::make_segments(text);
        let mask = Some(Mask::new(3));
        let code =
            QrCode::encode_segments_advanced(&segments, QrCodeEcc::Low, Version::MIN, Version::MAX, mask, true).ok()?;
        let mut path = String::new();
        for y in 0..code.size() {
            let mut x = 0;
            while x < code.size() {
                let begin = x;
                while code.get_module(x, y) {
                    x += 1;
                }
                let run = x - begin;
                if run > 0 {
                    // Writing to a string cannot fail.
                    let _ = write!(path, "M{} {}h{run}v1h-{run}z", begin + QUIET, y + QUIET);
                }
                x += 1;
            }
        }
        Some(Self { size: code.size() + 2 * QUIET, path })
    }

    /// As a picture of its own, dark on light whatever the page's colours: many readers know it only so.
    #[must_use]
    pub fn svg(&self) -> String {
        let Self { size, path } = self;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {size} {size}\" shape-rendering=\"crispEdges\">\
             <path fill=\"#fff\" d=\"M0 0h{size}v{size}H0z\"/><path d=\"{path}\"/></svg>"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_its_three_finders_and_a_quiet_zone() {
        let qr = Qr::of("https://example.com/sub/AAAABwAAAAL0lExww6GA3L0fDPYznN0G").unwrap();
        // Version 4: 33 modules, and 4 on each side.
        assert_eq!(qr.size, 41);
        assert!(qr.path.starts_with("M4 4h7v1h-7z"), "{}", qr.path);
        assert!(qr.path.contains("M30 4h7v1h-7z") && qr.path.contains("M4 30h7v1h-7z"));
        assert!(qr.svg().starts_with("<svg") && !qr.svg().contains("style"));
    }

    /// What another project's reader makes of the picture.
    fn read(qr: &Qr) -> String {
        let side = usize::try_from(qr.size).unwrap();
        let mut dark = vec![false; side * side];
        for run in qr.path.split_terminator('z') {
            let numbers: Vec<usize> =
                run.split(['M', ' ', 'h', 'v', '-']).filter_map(|text| text.parse().ok()).collect();
            for x in numbers[0]..numbers[0] + numbers[2] {
                dark[numbers[1] * side + x] = true;
            }
        }
        let scale = 4;
        let shade = |x: usize, y: usize| if dark[y / scale * side + x / scale] { 0 } else { 255 };
        let mut image = rqrr::PreparedImage::prepare_from_greyscale(side * scale, side * scale, shade);
        let grids = image.detect_grids();
        grids[0].decode().unwrap().1
    }

    #[test]
    fn a_reader_reads_what_was_written() {
        let long =
            format!("vless://{}@[2001:db8::1]:443?type=ws&path=%2F{}#Z%C3%BCrich", "a".repeat(36), "b".repeat(600));
        for text in [
            "https://example.com/sub/AAAABwAAAAL0lExww6GA3L0fDPYznN0G",
            "1234567890",
            "HTTPS://A.B/",
            &long,
            "Zürich \u{1f680}",
        ] {
            assert_eq!(read(&Qr::of(text).unwrap()), text);
        }
    }

    #[test]
    fn a_text_that_no_code_holds_has_none() {
        assert!(Qr::of(&"x".repeat(2_953)).is_some());
        assert_eq!(Qr::of(&"x".repeat(2_954)), None);
    }
}
