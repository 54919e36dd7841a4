//! Passwords as they are stored. One that the panel made has 128 random bits, so its SHA-256 can be stored: nobody finds it by trying.
//! One that somebody chose through Marzban's API could be found so, therefore it is stored under a key that is not in the database:
//! a copy of the database alone lets nobody try a single word.

use sha2::{Digest as _, Sha256};
use weir_wire::credential::hmac_sha256;

use super::token::same;

/// Characters that a chosen password has at least.
pub const SHORTEST: usize = 8;
/// Characters that a chosen password has at most.
pub const LONGEST: usize = 256;
/// Random bytes that keep equal passwords apart.
pub const SALT: usize = 16;
const VERSION: &str = "k1:";

/// What a chosen password must be, if it is not.
#[must_use]
pub fn breaks(password: &str) -> Option<String> {
    let fits = (SHORTEST..=LONGEST).contains(&password.chars().count());
    (!fits).then(|| format!("{SHORTEST} to {LONGEST} characters"))
}

/// SHA-256 in hex: how a password comes to what compares it, and how one that the panel made is stored.
#[must_use]
pub fn digest(password: &str) -> String {
    hex::encode(Sha256::digest(password))
}

/// A chosen password as it is stored: `k1:<salt>:<HMAC-SHA256(key, salt || SHA-256 of the password in hex)>`, the key being
/// `HMAC-SHA256(AUTH_KEY, "weir/password/1")`. Another `AUTH_KEY` ends all of them.
#[must_use]
pub fn kept(auth_key: &[u8], salt: [u8; SALT], password: &str) -> String {
    let salt = hex::encode(salt);
    let keyed = keyed(auth_key, &salt, &digest(password));
    format!("{VERSION}{salt}:{keyed}")
}

/// Whether what is stored is that of a password with this digest. It takes the same time for either form.
#[must_use]
pub fn is(auth_key: &[u8], stored: &str, digest: &str) -> bool {
    let parts = stored.strip_prefix(VERSION).and_then(|parts| parts.split_once(':'));
    let keyed = keyed(auth_key, parts.map_or("", |(salt, _)| salt), digest);
    match parts {
        Some((_, stored)) => same(keyed.as_bytes(), stored.as_bytes()),
        None => same(digest.as_bytes(), stored.as_bytes()),
    }
}

fn keyed(auth_key: &[u8], salt: &str, digest: &str) -> String {
    let key = hmac_sha256(auth_key, b"weir/password/1");
    hex::encode(hmac_sha256(&key, format!("{salt}{digest}").as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &[u8] = b"0123456789abcdef0123456789abcdef";

    #[test]
    fn a_chosen_password_is_known_again_under_its_key_alone() {
        let stored = kept(KEY, [7; SALT], "correct horse");
        assert!(is(KEY, &stored, &digest("correct horse")));
        assert!(!is(KEY, &stored, &digest("correct Horse")));
        assert!(!is(b"another key of thirty-two bytes!!", &stored, &digest("correct horse")));
        assert!(!stored.contains(&digest("correct horse")), "{stored}");
    }

    #[test]
    fn equal_passwords_are_stored_apart() {
        assert_ne!(kept(KEY, [1; SALT], "correct horse"), kept(KEY, [2; SALT], "correct horse"));
    }

    #[test]
    fn a_password_that_the_panel_made_is_known_by_its_digest() {
        assert!(is(KEY, &digest("made"), &digest("made")));
        for other in ["", "made", "k1:", "k1::", "k1:00", &digest("")] {
            assert!(!is(KEY, other, &digest("made")), "{other}");
        }
        // What is stored is nothing to sign in with.
        let stored = kept(KEY, [7; SALT], "correct horse");
        assert!(!is(KEY, &stored, &stored) && !is(KEY, &stored, &digest(&stored)));
    }

    #[test]
    fn a_short_password_and_an_endless_one_are_refused() {
        assert!(breaks("1234567").is_some() && breaks("12345678").is_none() && breaks("гусеница").is_none());
        assert!(breaks(&"x".repeat(256)).is_none() && breaks(&"x".repeat(257)).is_some());
    }
}
