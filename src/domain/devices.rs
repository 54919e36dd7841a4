//! Devices that fetch a subscription, by the `x-hwid` header that some clients send (Happ's protocol).
//!
//! A device's id is known to the panel as a keyed hash alone, another one for each user: nobody can tell from the database that
//! two users have the same device, or which one it is.

use serde::{Deserialize, Serialize};
use weir_wire::Second;
use weir_wire::credential::hmac_sha256;

use super::settings::Area;

/// Devices of a user that are kept at most, whatever his limit: whoever has the link could enter any number of them.
pub const MOST: usize = 100;
/// Seconds after which it is noted again that a device was seen.
const FRESH: i64 = 3_600;
/// Longest text of a device about itself, in characters.
const LONGEST: usize = 64;

/// What a client gets that does not say which device it is on, where a limit is in force.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Nameless {
    /// The list: most clients do not send an id.
    #[default]
    Serve,
    /// An entry that says why there is none.
    Refuse,
}

/// Whether devices are told apart, and how many a user may have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Devices {
    /// Whether ids are looked at.
    pub enabled: bool,
    /// Devices of a user who has no limit of his own; 0 = any number.
    pub limit: u32,
    /// What clients get that send no id.
    pub without_id: Nameless,
}

impl Area for Devices {
    const NAME: &'static str = "devices";
    const PLAIN: &'static [&'static str] = &["without_id"];

    fn check(&self) -> Result<(), (&'static str, &'static str)> {
        if usize::try_from(self.limit).is_ok_and(|limit| limit <= MOST) {
            return Ok(());
        }
        Err(("limit", "an integer from 0 to 100, 0 = any number"))
    }
}

/// A device's id as its client tells it: 10 to 64 of `A-Z a-z 0-9 = -`.
#[derive(Clone, PartialEq, Eq)]
pub struct Hwid(String);

impl Hwid {
    /// Reads the header's value.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let fits = (10..=64).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'=' | b'-'));
        fits.then(|| Self(text.to_owned()))
    }

    /// How it is stored: 128 bits of `HMAC-SHA256(AUTH_KEY, "weir/device/1:" user ":" id)` in hex.
    #[must_use]
    pub fn hash(&self, auth_key: &[u8], user: i64) -> String {
        let digest = hmac_sha256(auth_key, format!("weir/device/1:{user}:{}", self.0).as_bytes());
        hex::encode(digest.get(..16).unwrap_or_default())
    }
}

/// What a device says of itself, cut to what anybody reads and without what no text holds.
#[must_use]
pub fn told(text: Option<&str>) -> String {
    text.unwrap_or_default().trim().chars().filter(|c| !c.is_control()).take(LONGEST).collect()
}

/// A device that is known: its hash, and when it was last noted.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Seen(pub String, pub Second);

/// What follows from a fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing is to be noted.
    Known,
    /// It is known, and when it was last seen is to be noted.
    Again,
    /// It is new and may come in, if it is one of at most so many.
    New(usize),
    /// It is new and one too many.
    TooMany,
    /// The client does not say which device it is on, and gets the list all the same.
    Nameless,
    /// It does not say so, and must.
    Refused,
}

/// Judges a fetch by a device of this hash. `limit` is the user's, 0 = any number; `seen` his devices.
///
/// A limit that was lowered shuts out nobody who is known: which of the devices goes is for a person to say.
#[must_use]
pub fn judge(settings: &Devices, limit: u32, hash: Option<&str>, seen: &[Seen], now: Second) -> Verdict {
    let Some(hash) = hash else {
        let refused = limit > 0 && settings.without_id == Nameless::Refuse;
        return if refused { Verdict::Refused } else { Verdict::Nameless };
    };
    let limit = usize::try_from(limit).unwrap_or(MOST).min(MOST);
    match seen.iter().find(|device| device.0 == hash) {
        Some(device) if now.since(device.1) >= FRESH => Verdict::Again,
        Some(_) => Verdict::Known,
        None if limit > 0 && seen.len() >= limit => Verdict::TooMany,
        // Beyond what is kept a device without a limit is served and forgotten.
        None if seen.len() >= MOST => Verdict::Known,
        None => Verdict::New(if limit == 0 { MOST } else { limit }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Second = Second::clamped(1_796_083_200);
    const ON: Devices = Devices { enabled: true, limit: 0, without_id: Nameless::Serve };

    fn seen(count: usize) -> Vec<Seen> {
        (0..count).map(|number| Seen(format!("d{number}"), NOW)).collect()
    }

    #[test]
    fn an_id_is_what_clients_of_the_protocol_send() {
        let long = "a".repeat(64);
        for good in ["0123456789", "A1B2C3D4-E5F6-7890-ABCD-EF0123456789", "dGVzdA==dGVzdA==", &long] {
            assert!(Hwid::read(good).is_some(), "{good}");
        }
        for bad in ["", "123456789", &format!("{long}a"), "0123 456789", "0123_456789", "ключ-ключ-ключ"] {
            assert!(Hwid::read(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_hash_is_the_user_s_own_and_never_changes() {
        let id = Hwid::read("A1B2C3D4-E5F6-7890-ABCD-EF0123456789").unwrap();
        let key = b"0123456789abcdef0123456789abcdef";
        let hash = id.hash(key, 7);
        assert_eq!(hash.len(), 32);
        assert_eq!(id.hash(key, 7), hash);
        assert_ne!(id.hash(key, 8), hash);
        assert_ne!(id.hash(b"another key", 7), hash);
        // Made independently with Python's hmac: another text would make every device a new one.
        assert_eq!(hash, "c3cef5cd611522558e2396dbb5d551e5");
    }

    #[test]
    fn a_new_device_comes_in_while_there_is_room() {
        assert_eq!(judge(&ON, 2, Some("x"), &seen(1), NOW), Verdict::New(2));
        assert_eq!(judge(&ON, 2, Some("x"), &seen(2), NOW), Verdict::TooMany);
        assert_eq!(judge(&ON, 2, Some("x"), &seen(5), NOW), Verdict::TooMany);
        assert_eq!(judge(&ON, 0, Some("x"), &seen(5), NOW), Verdict::New(MOST));
        assert_eq!(judge(&ON, 0, Some("x"), &seen(MOST), NOW), Verdict::Known);
    }

    #[test]
    fn a_known_device_stays_whatever_the_limit_and_is_noted_once_an_hour() {
        assert_eq!(judge(&ON, 1, Some("d4"), &seen(5), NOW), Verdict::Known);
        assert_eq!(judge(&ON, 1, Some("d4"), &seen(5), NOW.plus(FRESH - 1)), Verdict::Known);
        assert_eq!(judge(&ON, 1, Some("d4"), &seen(5), NOW.plus(FRESH)), Verdict::Again);
    }

    #[test]
    fn a_client_without_an_id_is_refused_only_where_that_is_asked_for_and_a_limit_is_in_force() {
        let strict = Devices { without_id: Nameless::Refuse, ..ON };
        assert_eq!(judge(&ON, 1, None, &[], NOW), Verdict::Nameless);
        assert_eq!(judge(&strict, 1, None, &[], NOW), Verdict::Refused);
        assert_eq!(judge(&strict, 0, None, &[], NOW), Verdict::Nameless);
    }

    #[test]
    fn what_a_device_says_of_itself_is_cut() {
        assert_eq!(told(Some(" Pixel\u{0} 8\n")), "Pixel 8");
        assert_eq!(told(Some(&"я".repeat(100))).chars().count(), LONGEST);
        assert_eq!(told(None), "");
    }
}
