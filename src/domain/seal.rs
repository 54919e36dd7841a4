//! Secrets that must be read again are stored sealed: AES-256-GCM under a key that is not in the database.

use aes_gcm::aead::{Aead as _, Payload};
use aes_gcm::{Aes256Gcm, KeyInit as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use weir_wire::credential::hmac_sha256;

/// Random bytes that a seal takes. They must never come twice under one key.
pub const NONCE: usize = 12;
const VERSION: &str = "v1.";

/// Seals `text`. `purpose` says what it is: it opens as nothing else.
#[must_use]
pub fn seal(secret: &[u8], purpose: &str, nonce: [u8; NONCE], text: &str) -> String {
    let payload = Payload { msg: text.as_bytes(), aad: purpose.as_bytes() };
    // It fails for texts of 64 GiB and more.
    let sealed = cipher(secret).encrypt(&nonce.into(), payload).unwrap_or_default();
    let mut bytes = nonce.to_vec();
    bytes.extend(sealed);
    format!("{VERSION}{}", BASE64.encode(bytes))
}

/// Opens what [`seal`] made; none when it was made under another secret, for another purpose, or was changed.
#[must_use]
pub fn open(secret: &[u8], purpose: &str, sealed: &str) -> Option<String> {
    let bytes = BASE64.decode(sealed.strip_prefix(VERSION)?).ok()?;
    let (nonce, sealed) = bytes.split_at_checked(NONCE)?;
    let nonce: [u8; NONCE] = nonce.try_into().ok()?;
    let payload = Payload { msg: sealed, aad: purpose.as_bytes() };
    String::from_utf8(cipher(secret).decrypt(&nonce.into(), payload).ok()?).ok()
}

/// The secret is a text of any length; the key is derived from it, and is for seals alone.
fn cipher(secret: &[u8]) -> Aes256Gcm {
    Aes256Gcm::new(&hmac_sha256(secret, b"weir seal v1").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

    #[test]
    fn what_was_sealed_opens_under_the_same_secret_and_purpose_only() {
        let sealed = seal(SECRET, "channel", [7; NONCE], "a secret");
        assert!(!sealed.contains("secret"));
        assert_eq!(open(SECRET, "channel", &sealed).as_deref(), Some("a secret"));
        assert_eq!(open(b"another secret", "channel", &sealed), None);
        assert_eq!(open(SECRET, "user", &sealed), None);
        assert_ne!(seal(SECRET, "channel", [8; NONCE], "a secret"), sealed);
    }

    #[test]
    fn a_seal_that_was_changed_does_not_open() {
        let sealed = seal(SECRET, "channel", [7; NONCE], "a secret");
        let bytes = BASE64.decode(sealed.strip_prefix(VERSION).unwrap()).unwrap();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert_eq!(open(SECRET, "channel", &format!("{VERSION}{}", BASE64.encode(changed))), None, "byte {at}");
        }
        for odd in ["", "v1.", "v1.AAAA", "v2.AAAA", "plain"] {
            assert_eq!(open(SECRET, "channel", odd), None, "{odd}");
        }
    }
}
