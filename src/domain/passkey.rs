//! Passkeys: what a browser and its authenticator say in a ceremony of Web Authentication (W3C, level 3, sections 7.1 and 7.2), without
//! the signature itself, which the platform verifies.

use core::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

/// Length of authenticator data up to its optional parts: hash of the site, flags, counter.
const HEAD: usize = 37;
/// Length of an authenticator's model, which stands before the length of a credential's id.
const MODEL: usize = 16;
/// Somebody was there.
const PRESENT: u8 = 0x01;
/// He has shown who he is: with a finger, a face, or the device's code.
const VERIFIED: u8 = 0x04;
/// A new credential follows.
const ATTESTED: u8 = 0x40;
/// Bytes of each of the two numbers of a signature with P-256.
const SCALAR: usize = 32;

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ceremony {
    /// A passkey is made.
    Create,
    /// Somebody signs in with one.
    Get,
}

impl Ceremony {
    const fn kind(self) -> &'static str {
        match self {
            Self::Create => "webauthn.create",
            Self::Get => "webauthn.get",
        }
    }
}

/// How passkeys sign, by the numbers of COSE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// ECDSA with P-256 and SHA-256: phones, keys, browsers.
    Es256,
    /// RSA PKCS #1 v1.5 with SHA-256: Windows Hello on older chips.
    Rs256,
}

impl Algorithm {
    /// Every one that is taken, the best first.
    pub const EVERY: [Self; 2] = [Self::Es256, Self::Rs256];

    /// Its number.
    #[must_use]
    pub const fn number(self) -> i32 {
        match self {
            Self::Es256 => -7,
            Self::Rs256 => -257,
        }
    }

    /// Of a number.
    #[must_use]
    pub fn numbered(number: i32) -> Option<Self> {
        Self::EVERY.into_iter().find(|algorithm| algorithm.number() == number)
    }
}

/// The site that passkeys are bound to: the host of an origin. None for an address, to which browsers bind none.
#[must_use]
pub fn site(origin: &str) -> Option<&str> {
    let (_, host) = origin.split_once("://")?;
    if host.starts_with('[') {
        return None;
    }
    let host = host.split(':').next()?;
    (!host.is_empty() && host.parse::<IpAddr>().is_err()).then_some(host)
}

#[derive(Deserialize)]
struct ClientData {
    #[serde(rename = "type")]
    kind: String,
    challenge: String,
    origin: String,
    #[serde(default, rename = "crossOrigin")]
    is_cross_origin: bool,
}

/// The challenge that the browser answers; none if it does another ceremony, or does it for another page than one of `origin`.
#[must_use]
pub fn challenge(client_data: &[u8], ceremony: Ceremony, origin: &str) -> Option<String> {
    // As text: a reader of bytes passes over a field that nobody asks for without looking whether it is text.
    let said: ClientData = serde_json::from_str(core::str::from_utf8(client_data).ok()?).ok()?;
    let fits = said.kind == ceremony.kind() && said.origin == origin && !said.is_cross_origin;
    let challenge = fits.then(|| URL_SAFE_NO_PAD.decode(said.challenge).ok())??;
    String::from_utf8(challenge).ok()
}

/// What an authenticator says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said<'a> {
    /// How often it has signed; 0 for one that does not count.
    pub count: u32,
    /// The id of the credential that it has made.
    pub credential: Option<&'a [u8]>,
}

/// Reads authenticator data; none if it is cut, for another site, or nobody has shown who he is.
#[must_use]
pub fn said<'a>(data: &'a [u8], site: &str) -> Option<Said<'a>> {
    let (head, rest) = data.split_at_checked(HEAD)?;
    let (hash, head) = head.split_at_checked(32)?;
    let (&flags, count) = head.split_first()?;
    if hash != Sha256::digest(site).as_slice() || flags & (PRESENT | VERIFIED) != PRESENT | VERIFIED {
        return None;
    }
    let credential = if flags & ATTESTED == 0 {
        None
    } else {
        let (_, rest) = rest.split_at_checked(MODEL)?;
        let (length, rest) = rest.split_at_checked(2)?;
        let length = usize::from(u16::from_be_bytes(length.try_into().ok()?));
        Some(rest.get(..length)?)
    };
    Some(Said { count: u32::from_be_bytes(count.try_into().ok()?), credential })
}

/// Whether an authenticator's counter goes on from the stored one. One that goes back is of a copy, or of what was copied;
/// one that does not count says 0 always.
#[must_use]
pub const fn goes_on(stored: u32, said: u32) -> bool {
    said > stored || (stored == 0 && said == 0)
}

/// The two numbers of an ECDSA signature side by side, as the platform wants them, from the DER that authenticators give
/// (RFC 3279, section 2.2.3); none if it is anything else.
#[must_use]
pub fn plain_signature(der: &[u8]) -> Option<[u8; 2 * SCALAR]> {
    let (body, []) = element(der, 0x30)? else { return None };
    let (r, rest) = element(body, 0x02)?;
    let (s, []) = element(rest, 0x02)? else { return None };
    let mut plain = [0; 2 * SCALAR];
    let (left, right) = plain.split_at_mut(SCALAR);
    for (place, number) in [(left, r), (right, s)] {
        let number = number.strip_prefix(&[0]).unwrap_or(number);
        let begin = SCALAR.checked_sub(number.len())?;
        place.get_mut(begin..)?.copy_from_slice(number);
    }
    Some(plain)
}

/// What stands in an element of DER with a short length, and what follows it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    match der {
        [kind, length @ 0..=127, rest @ ..] if *kind == tag => rest.split_at_checked(usize::from(*length)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: &str = "https://panel.example";

    fn client_data(kind: &str, challenge: &str, origin: &str) -> Vec<u8> {
        let challenge = URL_SAFE_NO_PAD.encode(challenge);
        format!(r#"{{"type":"{kind}","challenge":"{challenge}","origin":"{origin}","crossOrigin":false,"other":1}}"#)
            .into()
    }

    fn data(site: &str, flags: u8, count: u32, rest: &[u8]) -> Vec<u8> {
        [Sha256::digest(site).as_slice(), &[flags], &count.to_be_bytes(), rest].concat()
    }

    #[test]
    fn passkeys_are_bound_to_names_and_never_to_addresses() {
        assert_eq!(site("https://panel.example"), Some("panel.example"));
        assert_eq!(site("http://localhost:8787"), Some("localhost"));
        for address in ["http://127.0.0.1:8787", "https://[::1]", "https://[::1]:8787", "https://", "panel"] {
            assert_eq!(site(address), None, "{address}");
        }
    }

    #[test]
    fn a_challenge_is_answered_by_our_own_pages_in_the_same_ceremony_only() {
        let right = client_data("webauthn.get", "once", ORIGIN);
        assert_eq!(challenge(&right, Ceremony::Get, ORIGIN).as_deref(), Some("once"));
        assert_eq!(challenge(&right, Ceremony::Create, ORIGIN), None);
        for foreign in ["https://evil.example", "http://panel.example", "https://panel.example:8443", ""] {
            assert_eq!(
                challenge(&client_data("webauthn.get", "once", foreign), Ceremony::Get, ORIGIN),
                None,
                "{foreign}"
            );
        }
        let right = String::from_utf8(right).unwrap();
        assert_eq!(challenge(right.replace("false", "true").as_bytes(), Ceremony::Get, ORIGIN), None, "framed");
        assert_eq!(challenge(b"{}", Ceremony::Get, ORIGIN), None);
        let with_more = |more: &[u8]| [&right.as_bytes()[..right.len() - 1], b",\"more\":\"", more, b"\"}"].concat();
        assert_eq!(challenge(&with_more(b"x"), Ceremony::Get, ORIGIN).as_deref(), Some("once"));
        assert_eq!(
            challenge(&with_more(b"\x95"), Ceremony::Get, ORIGIN),
            None,
            "no text, in a field that nobody asks for"
        );
    }

    #[test]
    fn an_authenticator_must_have_seen_who_it_is_and_for_which_site() {
        let get = data("panel.example", PRESENT | VERIFIED, 7, &[]);
        assert_eq!(said(&get, "panel.example"), Some(Said { count: 7, credential: None }));
        assert_eq!(said(&get, "evil.example"), None);
        for flags in [0, PRESENT, VERIFIED] {
            assert_eq!(said(&data("panel.example", flags, 7, &[]), "panel.example"), None, "{flags}");
        }
        for cut in 0..get.len() {
            assert_eq!(said(get.get(..cut).unwrap(), "panel.example"), None, "{cut}");
        }
    }

    #[test]
    fn a_new_credential_has_its_id() {
        let rest = [&[0; MODEL][..], &[0, 3], b"abc", b"the key"].concat();
        let create = data("panel.example", PRESENT | VERIFIED | ATTESTED, 0, &rest);
        assert_eq!(said(&create, "panel.example").unwrap().credential, Some(&b"abc"[..]));
        assert_eq!(said(create.get(..HEAD + MODEL + 4).unwrap(), "panel.example"), None);
    }

    #[test]
    fn a_counter_that_goes_back_or_stands_tells_of_a_copy() {
        assert!(goes_on(0, 0) && goes_on(0, 1) && goes_on(7, 8));
        assert!(!goes_on(7, 7) && !goes_on(7, 6) && !goes_on(7, 0));
    }

    #[test]
    fn a_signature_is_its_two_numbers_at_full_length() {
        let der = [&[0x30, 8, 0x02, 2, 0, 0x80][..], &[0x02, 2, 1, 2]].concat();
        let plain = plain_signature(&der).unwrap();
        assert_eq!((plain[31], plain[62], plain[63]), (0x80, 1, 2));
        assert!(plain[..31].iter().chain(&plain[32..62]).all(|byte| *byte == 0));
        let long = [&[0x30, 38, 0x02, 33, 1][..], &[0; 32], &[0x02, 1, 1]].concat();
        for wrong in [&long, &der[..9].to_vec(), &[&der[..], &[0]].concat(), &vec![], &vec![0x30, 0x80]] {
            assert_eq!(plain_signature(wrong), None, "{wrong:?}");
        }
    }
}
