//! What is known of a live connection.

use core::fmt::Write as _;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use weir_wire::SlotName;
use weir_wire::id::Malformed;

/// A connection's id within an incarnation, in 128 bits: thousands of them are held, in memory and in the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct ConnectionKey(u128);

impl ConnectionKey {
    /// The key of an id: a uuid is taken as it is, any other text by its SHA-256, so that no two share a key.
    #[must_use]
    pub(crate) fn of(id: &str) -> Self {
        uuid(id).map_or_else(|| Self::hashed(id), Self)
    }

    fn hashed(id: &str) -> Self {
        Self(Sha256::digest(id).iter().take(16).fold(0, |bits, byte| (bits << 8) | u128::from(*byte)))
    }

    /// The key of the ledger's [`ConnectionKey::bytes`].
    #[must_use]
    pub(crate) const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }

    /// The key as bytes, for the ledger.
    #[must_use]
    pub(crate) const fn bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }
}

fn uuid(id: &str) -> Option<u128> {
    if id.len() != 36 {
        return None;
    }
    let mut bits = 0_u128;
    for (place, letter) in id.chars().enumerate() {
        match (place, letter) {
            (8 | 13 | 18 | 23, '-') => {}
            (8 | 13 | 18 | 23, _) => return None,
            (_, letter) => bits = (bits << 4) | u128::from(letter.to_digit(16)?),
        }
    }
    Some(bits)
}

impl From<ConnectionKey> for String {
    fn from(key: ConnectionKey) -> Self {
        let mut text = Self::with_capacity(32);
        // Writing to a String cannot fail.
        let _ = write!(text, "{:032x}", key.0);
        text
    }
}

impl TryFrom<String> for ConnectionKey {
    type Error = Malformed;

    fn try_from(text: String) -> Result<Self, Malformed> {
        u128::from_str_radix(&text, 16).map(Self).map_err(|_| Malformed("a connection's key is 32 hex digits"))
    }
}

/// A live connection and what it was credited with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Live {
    /// The slot that its inbound named; `None` for a name that can be no slot.
    #[serde(rename = "o")]
    pub(crate) owner: Option<SlotName>,
    /// Bytes from the client that were credited.
    #[serde(rename = "u")]
    pub(crate) up: u64,
    /// Bytes to the client that were credited.
    #[serde(rename = "d")]
    pub(crate) down: u64,
    /// It came back from the agent's relay: its bytes were counted where their user came in.
    #[serde(rename = "r", default, skip_serializing_if = "core::ops::Not::not")]
    pub(crate) back: bool,
    /// The ledger has a row of it.
    #[serde(skip)]
    pub(crate) written: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_the_ledger() {
        for id in ["96a2f674-0000-4000-8000-0123456789ab", "7", ""] {
            let key = ConnectionKey::of(id);
            assert_eq!(ConnectionKey::try_from(String::from(key)), Ok(key));
        }
        assert_ne!(ConnectionKey::of("96a2f674-0000-4000-8000-0123456789ab"), ConnectionKey::of("96a2f674"));
    }
}
