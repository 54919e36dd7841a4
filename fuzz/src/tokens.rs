//! Bearers that strangers bring: tokens of Marzban's API and of its subscription links, sealed texts, and what a browser says with a
//! passkey. What passes was made with the key, says what it said then, and no letter of it can be another.
//!
//! An input is a token, what one says, or what an authenticator says.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use sha2::{Digest as _, Sha256};
use weir::domain::jwt::{self, Claims};
use weir::domain::marzban::token;
use weir::domain::passkey::{Ceremony, challenge, plain_signature, said};
use weir::domain::{seal, totp};
use weir_wire::Second;
use weir_wire::credential::hmac_sha256;

const KEY: &[u8] = b"0123456789abcdef0123456789abcdef";
const NOW: Second = Second::clamped(1_795_867_200);
const SITE: &str = "panel.weir.test";
const ORIGIN: &str = "https://panel.weir.test";

/// Reads an input as each of those that there are.
///
/// # Panics
/// Something passes that must not.
pub fn check(data: &[u8]) {
    if let Ok(text) = core::str::from_utf8(data) {
        foreign(text);
        of_link(text);
        sealed(text);
    }
    signed(data);
    passkey(data);
}

/// A token that came from outside: whoever cannot sign gets nowhere.
fn foreign(text: &str) {
    if let Some(claims) = jwt::verified(KEY, text, NOW) {
        assert!(jwt::is_token(text) && text.len() <= 2_048, "{text}");
        lasts(&claims);
    }
    if let Some(claim) = token::read(text, KEY, NOW) {
        assert!(token::is_token(text) && (jwt::is_token(text) || !claim.name.is_empty()), "{text}");
    }
    let _ = totp::plain_recovery_code(text);
    if let Some(secret) = totp::Secret::read(text) {
        assert_eq!(totp::Secret::read(&secret.text()).map(|again| again.text()), Some(secret.text()));
    }
}

fn lasts(claims: &Claims) {
    assert!(claims.exp.is_none_or(|exp| NOW < exp) && claims.iat.since(NOW) <= 60, "{claims:?}");
    let again = jwt::sign(KEY, claims);
    let read = jwt::verified(KEY, &again, NOW);
    assert!(read.as_ref() == Some(claims) || again.len() > 2_048, "{claims:?}: {again}");
}

/// A header and claims, a line each, with our own signature: what they say is read, and by no other algorithm.
fn signed(data: &[u8]) {
    let at = data.iter().position(|byte| *byte == b'\n').unwrap_or(0);
    let (header, claims) = data.split_at(at);
    let header: &[u8] = if at == 0 { br#"{"alg":"HS256","typ":"JWT"}"# } else { header };
    let claims = claims.strip_prefix(b"\n").unwrap_or(claims);
    let text = format!("{}.{}", BASE64.encode(header), BASE64.encode(claims));
    let token = format!("{text}.{}", BASE64.encode(hmac_sha256(KEY, text.as_bytes())));
    let _ = token::read(&token, KEY, NOW);
    let Some(read) = jwt::verified(KEY, &token, NOW) else { return };
    lasts(&read);
    let said: serde_json::Value = serde_json::from_slice(header).expect("a header that passes is JSON");
    assert_eq!(said["alg"], "HS256");
    assert_eq!(jwt::verified(b"another key, which nobody has....", &token, NOW), None);
    assert_eq!(jwt::verified(KEY, &other(&token), NOW), None, "{token}");
}

/// The text with one letter changed, in the middle.
fn other(text: &str) -> String {
    let mut letters = text.as_bytes().to_vec();
    let middle = letters.len() / 2;
    letters[middle] = if letters[middle] == b'A' { b'B' } else { b'A' };
    String::from_utf8(letters).expect("tokens are ASCII")
}

/// What a link says, with a Marzban's signature.
fn of_link(said: &str) {
    let data = BASE64.encode(said);
    let digest = Sha256::new().chain_update(&data).chain_update(KEY).finalize();
    let signature: String = BASE64.encode(digest).chars().take(10).collect();
    let text = format!("{data}{signature}");
    let Some(claim) = token::read(&text, KEY, NOW) else { return };
    let (name, second) = said.split_once(',').expect("a name and a second");
    assert_eq!((claim.name.as_str(), Ok(claim.made_at.get())), (name, second.parse()), "{said}");
    assert_eq!(token::read(&other(&text), KEY, NOW), None, "{text}");
    assert!(claim.holds(claim.made_at.get(), None) && !claim.holds(claim.made_at.get() + 1, None));
}

fn sealed(text: &str) {
    assert_eq!(seal::open(KEY, "fuzz", text), None, "nobody seals by chance");
    let closed = seal::seal(KEY, "fuzz", [7; seal::NONCE], text);
    assert_eq!(seal::open(KEY, "fuzz", &closed).as_deref(), Some(text));
    assert_eq!(seal::open(KEY, "other", &closed), None);
    assert_eq!(seal::open(KEY, "fuzz", &other(&closed)), None, "{closed}");
}

fn passkey(data: &[u8]) {
    for ceremony in [Ceremony::Create, Ceremony::Get] {
        if let Some(text) = challenge(data, ceremony, ORIGIN) {
            let said: serde_json::Value = serde_json::from_slice(data).expect("what passes is JSON");
            assert_eq!((&said["origin"], &said["challenge"]), (&ORIGIN.into(), &BASE64.encode(text).into()));
        }
    }
    assert!(said(data, SITE).is_none() || data.starts_with(&Sha256::digest(SITE)));
    let whole = [Sha256::digest(SITE).as_slice(), data].concat();
    if let Some(said) = said(&whole, SITE) {
        assert!(data[0] & 5 == 5 && data[1..5] == said.count.to_be_bytes());
        assert!(said.credential.is_none_or(|id| data.windows(id.len().max(1)).any(|part| part == id) || id.is_empty()));
    }
    let _ = plain_signature(data);
    // Two numbers as an authenticator writes them come out as they went in.
    let number = |bytes: &[u8]| {
        let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len().saturating_sub(1));
        let plain = &bytes[start..];
        let sign: &[u8] = if plain.first().is_none_or(|first| *first >= 0x80) { &[0] } else { &[] };
        let body = [sign, plain].concat();
        [&[2, u8::try_from(body.len()).expect("at most 33")], body.as_slice()].concat()
    };
    if let Some((numbers, _)) = data.split_first_chunk::<64>() {
        let (r, s) = numbers.split_at(32);
        let body = [number(r), number(s)].concat();
        let der = [&[0x30, u8::try_from(body.len()).expect("at most 70")], body.as_slice()].concat();
        assert_eq!(plain_signature(&der).as_ref(), Some(numbers), "{der:?}");
        assert_eq!(plain_signature(&[der.as_slice(), &[0]].concat()), None, "nothing may follow");
    }
}
