//! Base64 as links in the wild have it: either alphabet, with or without padding.

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);

/// The bytes, if it is base64 in any of the common forms.
#[must_use]
pub fn lenient(text: &str) -> Option<Vec<u8>> {
    let alphabet = if text.contains(['-', '_']) { &URL_SAFE } else { &STANDARD };
    GeneralPurpose::new(alphabet, LENIENT).decode(text).ok()
}

/// The text, if it is base64 of UTF-8.
#[must_use]
pub fn lenient_text(text: &str) -> Option<String> {
    String::from_utf8(lenient(text)?).ok()
}
