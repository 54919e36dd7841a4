//! Slot secrets, and every protocol's credentials derived from them.
//!
//! Nothing secret is stored: the panel derives a slot's secret from its `SLOT_KEY` and the slot's name, hands it to the
//! node over TLS, and both derive the same uuid, passwords and keys. Changing a derivation would lock every client out,
//! so the test vectors below are part of the contract.

mod by_hand;

use core::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

pub use by_hand::{ByHand, Credentials, Key16, Key32, Password, Uuid};

use crate::id::{Malformed, SlotName};

/// HMAC-SHA256 (RFC 2104) of `message` under `key`.
#[must_use]
pub fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    // HMAC takes a key of any length, so the error arm is unreachable; an all-zero result would still fail closed.
    Hmac::<Sha256>::new_from_slice(key).map_or([0; 32], |mut mac| {
        mac.update(message);
        mac.finalize().into_bytes().into()
    })
}

/// The secret of one slot: 32 bytes, `HMAC-SHA256(SLOT_KEY, "weir/slot/1:" name)`.
///
/// Serialised as 64 hex digits, because the agent must have it; `Debug` never shows it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SlotSecret([u8; 32]);

impl fmt::Debug for SlotSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SlotSecret(..)")
    }
}

impl TryFrom<String> for SlotSecret {
    type Error = Malformed;

    fn try_from(text: String) -> Result<Self, Malformed> {
        let mut secret = [0; 32];
        hex::decode_to_slice(text, &mut secret).map_err(|_| Malformed("a slot secret is 64 hex digits"))?;
        Ok(Self(secret))
    }
}

impl From<SlotSecret> for String {
    fn from(secret: SlotSecret) -> Self {
        hex::encode(secret.0)
    }
}

impl SlotSecret {
    /// The secret of `slot` under the deployment's `SLOT_KEY`.
    #[must_use]
    pub fn derive(slot_key: &[u8], slot: &SlotName) -> Self {
        let mut message = b"weir/slot/1:".to_vec();
        message.extend_from_slice(slot.as_str().as_bytes());
        Self(hmac_sha256(slot_key, &message))
    }

    fn expand(&self, purpose: &str) -> [u8; 32] {
        hmac_sha256(&self.0, purpose.as_bytes())
    }

    fn expand_16(&self, purpose: &str) -> [u8; 16] {
        let [first, ..] = self.halves(purpose);
        first
    }

    fn halves(&self, purpose: &str) -> [[u8; 16]; 2] {
        let wide = self.expand(purpose);
        let mut halves = [[0; 16]; 2];
        for (byte, to) in wide.iter().zip(halves.iter_mut().flatten()) {
            *to = *byte;
        }
        halves
    }

    /// The uuid of vless, vmess and tuic: version 4 and variant 1 bits set, as cores and clients check for.
    #[must_use]
    pub fn uuid(&self) -> String {
        let bits = u128::from_be_bytes(self.expand_16("weir/uuid/1"));
        let bits = bits & !(0xf_u128 << 76) | (0x4 << 76);
        let bits = bits & !(0x3_u128 << 62) | (0x2 << 62);
        let text = format!("{bits:032x}");
        let mut uuid = String::with_capacity(36);
        for (place, digit) in text.chars().enumerate() {
            if matches!(place, 8 | 12 | 16 | 20) {
                uuid.push('-');
            }
            uuid.push(digit);
        }
        uuid
    }

    /// The password of trojan, hysteria2, tuic, anytls, naive, legacy Shadowsocks and the local proxies: 128 bits as 22
    /// letters of the URL-safe base64 alphabet, so that no share link has to escape it.
    #[must_use]
    pub fn password(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.expand_16("weir/password/1"))
    }

    /// The user key of `2022-blake3-aes-128-gcm`: 16 bytes in standard base64.
    #[must_use]
    pub fn shadowsocks_key_16(&self) -> String {
        STANDARD.encode(self.expand_16("weir/ss2022-16/1"))
    }

    /// The user key of `2022-blake3-aes-256-gcm`: 32 bytes in standard base64.
    #[must_use]
    pub fn shadowsocks_key_32(&self) -> String {
        STANDARD.encode(self.expand("weir/ss2022-32/1"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret() -> SlotSecret {
        SlotSecret::derive(b"0123456789abcdef0123456789abcdef", &"abcd2345".parse().unwrap())
    }

    #[test]
    fn hmac_matches_rfc_4231_case_2() {
        assert_eq!(
            hex::encode(hmac_sha256(b"Jefe", b"what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn credentials_of_a_slot_never_change() {
        // Made independently with Python's hmac, hashlib, uuid and base64.
        let secret = secret();
        assert_eq!(String::from(secret.clone()), VECTOR.0);
        assert_eq!(secret.uuid(), VECTOR.1);
        assert_eq!(secret.password(), VECTOR.2);
        assert_eq!(secret.shadowsocks_key_16(), VECTOR.3);
        assert_eq!(secret.shadowsocks_key_32(), VECTOR.4);
    }

    #[test]
    fn a_secret_is_never_printed() {
        assert_eq!(format!("{:?}", secret()), "SlotSecret(..)");
    }

    const VECTOR: (&str, &str, &str, &str, &str) = (
        "3eceedf6a56d7bd121d3969240e589cdeb3a74853f7b81d1a1b6f8af47adce7a",
        "4a451ae6-90da-4f80-a0f2-cdb4a4a2d5f2",
        "SjtHdsIEBkBrayuEVCHVfA",
        "2HB313pz5FgUJYz7Ti7QNA==",
        "oMeG/Q4qWfhln5hnZtkXBOkhnATPqQUe4XK3MIcoZss=",
    );
}
