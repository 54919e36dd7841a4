//! Names and numbers of things.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

/// A node's number in the panel, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeId(pub u32);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A text that is not of the form its type demands; the sentence says which form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Malformed {}

/// The identity of one ledger file: 64 random bits, made with the file, as 16 lower-case hex digits.
///
/// Reports are numbered within an epoch. A copied ledger has the same epoch, which is how the panel notices the copy.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Epoch(u64);

impl Epoch {
    /// An epoch out of random bits.
    #[must_use]
    pub const fn from_random(bits: u64) -> Self {
        Self(bits)
    }

    /// The bits.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Epoch({self})")
    }
}

impl FromStr for Epoch {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        const RULE: Malformed = Malformed("an epoch is 16 lower-case hex digits");
        if text.len() != 16 || !text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(RULE);
        }
        u64::from_str_radix(text, 16).map(Self).map_err(|_| RULE)
    }
}

impl TryFrom<String> for Epoch {
    type Error = Malformed;

    fn try_from(text: String) -> Result<Self, Malformed> {
        text.parse()
    }
}

impl From<Epoch> for String {
    fn from(epoch: Epoch) -> Self {
        epoch.to_string()
    }
}

/// The opaque, stable name of a credential slot: 4 to 32 of `a-z0-9`.
///
/// It is the user's name inside every inbound of every core, so it may hold nothing that any core's configuration, a
/// selector's tag or a JSON path would have to escape.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SlotName(String);

impl SlotName {
    const ALPHABET: &'static [u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

    /// A name out of 80 random bits: random, so that names of lost and of new slots never meet.
    #[must_use]
    pub fn from_random(bits: [u8; 10]) -> Self {
        let wide = bits.iter().fold(0_u128, |wide, byte| (wide << 8) | u128::from(*byte));
        let letter = |place: u32| {
            let index = usize::try_from((wide >> (place * 5)) & 31).unwrap_or_default();
            Self::ALPHABET.get(index).copied().map_or('a', char::from)
        };
        Self((0..16).map(letter).collect())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SlotName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for SlotName {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        Self::try_from(text.to_owned())
    }
}

impl TryFrom<String> for SlotName {
    type Error = Malformed;

    fn try_from(text: String) -> Result<Self, Malformed> {
        let fits = (4..=32).contains(&text.len()) && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'z'));
        if fits { Ok(Self(text)) } else { Err(Malformed("a slot is 4 to 32 of a-z and 0-9")) }
    }
}

impl From<SlotName> for String {
    fn from(slot: SlotName) -> Self {
        slot.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_reads_back_what_it_prints() {
        let epoch = Epoch::from_random(0x0123_4567_89ab_cdef);
        assert_eq!(epoch.to_string(), "0123456789abcdef");
        assert_eq!("0123456789abcdef".parse(), Ok(epoch));
        for bad in ["", "0123456789ABCDEF", "123456789abcdef", "0123456789abcdefg"] {
            assert!(bad.parse::<Epoch>().is_err(), "{bad}");
        }
    }

    #[test]
    fn random_slot_names_are_valid_and_use_every_bit() {
        let name = SlotName::from_random([0xff; 10]);
        assert_eq!(name.as_str(), "9999999999999999");
        for bit in 0..80 {
            let mut bits = [0_u8; 10];
            bits[bit / 8] = 1 << (bit % 8);
            let other = SlotName::from_random(bits);
            assert_ne!(other, SlotName::from_random([0; 10]), "bit {bit}");
            assert!(other.as_str().parse::<SlotName>().is_ok());
        }
    }

    #[test]
    fn names_that_a_core_would_have_to_escape_are_refused() {
        for bad in ["abc", "Abcd", "ab cd", "ab\"cd", "ab.cd", &"a".repeat(33)] {
            assert!(bad.parse::<SlotName>().is_err(), "{bad}");
        }
    }
}
