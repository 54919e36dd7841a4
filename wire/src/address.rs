//! Where a user's clients connect from, told so that nobody can read it: keyed hashes that are good for one day.
//!
//! The panel counts how many distinct addresses a user has over all nodes. For that it need not know a single one. Each
//! node hashes what it sees under the day's key, so the same client has the same hash on every node, another one
//! tomorrow, and another one for another user.

use core::fmt;
use core::net::{IpAddr, Ipv6Addr};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::credential::hmac_sha256;
use crate::id::{Malformed, SlotName};
use crate::time::Second;

/// Seconds for which an address counts after its last connection has ended.
pub const WINDOW: i64 = 300;
/// Seconds for which a told set stands when nothing more is heard of the process that told it, as of a node that went away. An
/// agent tells a set that stays as it is again before that, in case the panel does not know of its process.
pub const LEASE: i64 = 900;
/// Least seconds between two sets of one user.
pub const TELL_REST: i64 = 60;
/// A set that stays as it is is told again after so many seconds: three minutes before the panel lets it lapse, which is time for
/// a sync that failed and another.
pub const TELL_AGAIN: i64 = LEASE - 180;
/// Addresses of one user on one node at most. Whoever has more is far beyond every limit.
pub const MAX_ADDRESSES: usize = 32;
/// Users in one sync whose addresses are told at most; the others wait for the next one.
pub const MAX_ADDRESS_SETS: usize = 512;
/// Addresses in one sync at most, over all users: 64 KiB.
pub const MAX_ADDRESSES_IN_ALL: usize = 4_096;

/// A day of the panel's clock, counted from 1970-01-01 UTC; 0 stands for none.
#[must_use]
pub fn day(at: Second) -> u32 {
    u32::try_from(at.get() / 86_400).unwrap_or(u32::MAX)
}

/// What counts as one address: IPv4 whole, IPv6 its /64, because a host draws as many as it likes out of that. An IPv4
/// address written as IPv6 is the IPv4 address.
#[must_use]
pub const fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64))),
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// Whether a network can be that of a client at the other end of a proxy: not of this host, nor of a private network.
#[must_use]
pub const fn is_public(network: IpAddr) -> bool {
    match network {
        IpAddr::V4(address) => {
            !(address.is_loopback() || address.is_private() || address.is_link_local() || address.is_unspecified())
        }
        // The /64 of ::1 is that of ::.
        IpAddr::V6(address) => {
            !(address.to_bits() == 0 || address.is_unique_local() || address.is_unicast_link_local())
        }
    }
}

/// One day's key: `HMAC-SHA256(AUTH_KEY, "weir/addresses/1:" day)`.
///
/// As JSON `[day, 64 hex digits]`, because the agent must have it; `Debug` never shows it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "(u32, String)", into = "(u32, String)")]
pub struct AddressKey {
    day: u32,
    key: [u8; 32],
}

impl fmt::Debug for AddressKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AddressKey({}, ..)", self.day)
    }
}

impl TryFrom<(u32, String)> for AddressKey {
    type Error = Malformed;

    fn try_from((day, text): (u32, String)) -> Result<Self, Malformed> {
        let mut key = [0; 32];
        hex::decode_to_slice(text, &mut key).map_err(|_| Malformed("an address key is 64 hex digits"))?;
        Ok(Self { day, key })
    }
}

impl From<AddressKey> for (u32, String) {
    fn from(key: AddressKey) -> Self {
        (key.day, hex::encode(key.key))
    }
}

impl AddressKey {
    /// The key of `day` under the deployment's `AUTH_KEY`.
    #[must_use]
    pub fn derive(auth_key: &[u8], day: u32) -> Self {
        Self { day, key: hmac_sha256(auth_key, format!("weir/addresses/1:{day}").as_bytes()) }
    }

    /// Its day.
    #[must_use]
    pub const fn day(&self) -> u32 {
        self.day
    }

    /// What stands for a client of `slot` at `address` on this day.
    #[must_use]
    pub fn hash(&self, slot: &SlotName, address: IpAddr) -> AddressHash {
        let wide = hmac_sha256(&self.key, format!("{slot} {}", network(address)).as_bytes());
        let [first, second, third, fourth, fifth, sixth, seventh, eighth, ..] = wide;
        AddressHash(u64::from_be_bytes([first, second, third, fourth, fifth, sixth, seventh, eighth]))
    }
}

/// 64 bits that stand for a client's address, as 11 letters of the URL-safe base64 alphabet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AddressHash(u64);

impl TryFrom<String> for AddressHash {
    type Error = Malformed;

    fn try_from(text: String) -> Result<Self, Malformed> {
        let mut bytes = [0; 8];
        match URL_SAFE_NO_PAD.decode_slice(text, &mut bytes) {
            Ok(8) => Ok(Self(u64::from_be_bytes(bytes))),
            _ => Err(Malformed("an address is told as 11 letters of URL-safe base64, 8 bytes")),
        }
    }
}

impl From<AddressHash> for String {
    fn from(hash: AddressHash) -> Self {
        URL_SAFE_NO_PAD.encode(hash.0.to_be_bytes())
    }
}

/// `[slot, day, [hash, ...]]`: all addresses from which a slot was used on this node in the last [`WINDOW`] seconds, in
/// place of what was told before. Not a report: one that is lost or doubled changes no byte.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(SlotName, u32, Vec<AddressHash>)", into = "(SlotName, u32, Vec<AddressHash>)")]
pub struct AddressSet {
    /// Whose.
    pub slot: SlotName,
    /// The day of the key.
    pub day: u32,
    /// At most [`MAX_ADDRESSES`]; none when nobody uses the slot here any more.
    pub hashes: Vec<AddressHash>,
}

impl From<(SlotName, u32, Vec<AddressHash>)> for AddressSet {
    fn from((slot, day, hashes): (SlotName, u32, Vec<AddressHash>)) -> Self {
        Self { slot, day, hashes }
    }
}

impl From<AddressSet> for (SlotName, u32, Vec<AddressHash>) {
    fn from(set: AddressSet) -> Self {
        (set.slot, set.day, set.hashes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn slot(name: &str) -> SlotName {
        name.parse().unwrap()
    }

    #[test]
    fn one_client_has_one_hash_whatever_the_node() {
        // Made independently with Python's hmac, hashlib and base64.
        let key = AddressKey::derive(b"0123456789abcdef0123456789abcdef", 20_783);
        assert_eq!(<(u32, String)>::from(key.clone()).1, VECTOR.0);
        let hash = |text: &str| String::from(key.hash(&slot("abcd2345"), address(text)));
        assert_eq!(hash("192.0.2.7"), VECTOR.1);
        assert_eq!(hash("::ffff:192.0.2.7"), VECTOR.1);
        assert_eq!(hash("2001:db8:1:2:3:4:5:6"), VECTOR.2);
        assert_eq!(hash("2001:db8:1:2::9"), VECTOR.2);
    }

    #[test]
    fn another_day_another_user_and_another_network_have_another_hash() {
        let key = AddressKey::derive(b"key", 1);
        let hash = key.hash(&slot("abcd2345"), address("192.0.2.7"));
        assert_ne!(hash, AddressKey::derive(b"key", 2).hash(&slot("abcd2345"), address("192.0.2.7")));
        assert_ne!(hash, key.hash(&slot("abcd2346"), address("192.0.2.7")));
        assert_ne!(hash, key.hash(&slot("abcd2345"), address("192.0.2.8")));
    }

    #[test]
    fn a_key_is_never_printed() {
        assert_eq!(format!("{:?}", AddressKey::derive(b"key", 7)), "AddressKey(7, ..)");
    }

    #[test]
    fn what_stands_behind_a_proxy_is_a_public_network() {
        for own in ["127.0.0.1", "10.1.2.3", "192.168.0.1", "169.254.1.1", "0.0.0.0", "::1", "fd00::1", "fe80::1"] {
            assert!(!is_public(network(address(own))), "{own}");
        }
        for public in ["192.0.2.7", "100.64.0.1", "2001:db8::1"] {
            assert!(is_public(network(address(public))), "{public}");
        }
    }

    #[test]
    fn a_hash_that_is_none_is_refused() {
        for bad in ["", "AAAAAAAAAA", "AAAAAAAAAAAA", "AAAAAAAAAA!", "AAAAAAAAAAB"] {
            assert!(AddressHash::try_from(bad.to_owned()).is_err(), "{bad}");
        }
        assert_eq!(String::from(AddressHash::try_from("AAAAAAAAAAA".to_owned()).unwrap()), "AAAAAAAAAAA");
    }

    const VECTOR: (&str, &str, &str) =
        ("75c03532b523dc713d45751cbdad628b2ce12b7c3979a2ad97b70199dfff2399", "VN3QusstUBk", "J_E249IZPSc");
}
