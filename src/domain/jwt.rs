//! Bearers in the form that Marzban's clients know: JSON Web Tokens signed with HS256 (RFC 7519, RFC 7515).
//!
//! The header's algorithm is compared with the one that there is and never chosen by it, so no token can name another or none.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use weir_wire::Second;
use weir_wire::credential::hmac_sha256;

use super::token::same;

/// Seconds by which the clock of whoever signed may be ahead.
const AHEAD: i64 = 60;
/// Longest token that is read, in bytes: Marzban's have 200.
const LONGEST: usize = 2_048;
const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

/// What an operator may do, in Marzban's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// Everything.
    Sudo,
    /// What is his own.
    Admin,
}

/// What a token says. Marzban's have these claims without `jti`, and no others (`app/utils/jwt.py` of 0.8.4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The operator's name.
    pub sub: String,
    /// What he may do.
    pub access: Access,
    /// When it was made.
    pub iat: Second,
    /// When it ends; none for never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exp: Option<Second>,
    /// In this deployment's own: the token of the session that it is. Marzban's have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jti: Option<String>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
}

/// Whether a bearer has the form of a token: an API key has no dots.
#[must_use]
pub fn is_token(bearer: &str) -> bool {
    bearer.split('.').count() == 3
}

/// The key of this deployment's own tokens: `HMAC-SHA256(AUTH_KEY, "weir/jwt/1")`.
#[must_use]
pub fn own_key(auth_key: &[u8]) -> [u8; 32] {
    hmac_sha256(auth_key, b"weir/jwt/1")
}

/// Signs.
#[must_use]
pub fn sign(key: &[u8], claims: &Claims) -> String {
    let payload = serde_json::to_vec(claims).unwrap_or_default();
    let signed = format!("{}.{}", BASE64.encode(HEADER), BASE64.encode(payload));
    let signature = BASE64.encode(hmac_sha256(key, signed.as_bytes()));
    format!("{signed}.{signature}")
}

/// Reads a token that was signed with `key` and lasts at `now`; none for any other.
#[must_use]
pub fn verified(key: &[u8], token: &str, now: Second) -> Option<Claims> {
    let claims: Claims = signed(key, token)?;
    let lasts = claims.exp.is_none_or(|exp| now < exp) && claims.iat.since(now) <= AHEAD;
    lasts.then_some(claims)
}

/// The claims of a token that was signed with `key`, whatever they say; none for any other.
#[must_use]
pub fn signed<T: DeserializeOwned>(key: &[u8], token: &str) -> Option<T> {
    if token.len() > LONGEST {
        return None;
    }
    let (signed, signature) = token.rsplit_once('.')?;
    let (header, payload) = signed.split_once('.')?;
    if !same(&BASE64.decode(signature).ok()?, &hmac_sha256(key, signed.as_bytes())) {
        return None;
    }
    let header: Header = read(header)?;
    let claims = read(payload)?;
    (header.alg == "HS256").then_some(claims)
}

/// A part of a token. As text: a reader of bytes passes over a field that nobody asks for without looking whether it is text.
fn read<T: DeserializeOwned>(part: &str) -> Option<T> {
    let text = String::from_utf8(BASE64.decode(part).ok()?).ok()?;
    serde_json::from_str(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &[u8] = b"0000000000000000000000000000000000000000000000000000000000000000";
    const NOW: Second = Second::clamped(1_795_867_200);

    fn claims() -> Claims {
        Claims { sub: "ann".into(), access: Access::Sudo, iat: NOW, exp: Some(NOW.plus(60)), jti: None }
    }

    fn with(header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
        let signed = format!("{}.{}", BASE64.encode(header), BASE64.encode(payload));
        format!("{signed}.{}", BASE64.encode(hmac_sha256(KEY, signed.as_bytes())))
    }

    #[test]
    fn a_token_that_another_hand_made_is_read() {
        // Made with PyJWT 2.15 as Marzban does it.
        let token = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhZG1pbiIsImFjY2VzcyI6InN1ZG8iLCJpYXQiOjE3OTU4NjcyMDAsImV4cCI6MTc5NTk1MzYwMH0.Oupsva2ZOpqLbfeQGLQ80L8t93h7X68oVOtVIcmdpiw";
        let read =
            Claims { sub: "admin".into(), access: Access::Sudo, iat: NOW, exp: Some(NOW.plus(86_400)), jti: None };
        assert_eq!(verified(KEY, token, NOW), Some(read));
    }

    #[test]
    fn what_was_signed_reads_back_until_it_ends() {
        let token = sign(KEY, &claims());
        assert!(is_token(&token));
        assert_eq!(verified(KEY, &token, NOW), Some(claims()));
        assert_eq!(verified(KEY, &token, NOW.plus(59)), Some(claims()));
        assert_eq!(verified(KEY, &token, NOW.plus(60)), None, "it has ended");
        assert_eq!(verified(KEY, &token, NOW.plus(-AHEAD)), Some(claims()), "a clock may be ahead a little");
        assert_eq!(verified(KEY, &token, NOW.plus(-AHEAD - 1)), None);
        assert_eq!(verified(b"another", &token, NOW), None);
        let endless = Claims { exp: None, ..claims() };
        assert_eq!(verified(KEY, &sign(KEY, &endless), Second::LAST), Some(endless));
    }

    #[test]
    fn what_is_no_text_is_no_token_even_in_a_field_that_nobody_asks_for() {
        let payload = serde_json::to_string(&claims()).unwrap();
        let header = |more: &[u8]| [b"{\"alg\":\"HS256\",\"more\":\"", more, b"\"}"].concat();
        assert!(verified(KEY, &with(header(b"x"), &payload), NOW).is_some());
        assert_eq!(verified(KEY, &with(header(b"\x95"), &payload), NOW), None);
    }

    #[test]
    fn no_letter_of_it_can_be_another() {
        let token = sign(KEY, &claims());
        for place in 0..token.len() {
            let mut letters = token.clone().into_bytes();
            letters[place] = if letters[place] == b'A' { b'B' } else { b'A' };
            assert_eq!(verified(KEY, std::str::from_utf8(&letters).unwrap(), NOW), None, "letter {place}");
        }
    }

    #[test]
    fn another_algorithm_or_none_is_refused_whoever_signed() {
        let payload = serde_json::to_string(&claims()).unwrap();
        assert!(verified(KEY, &with(HEADER, &payload), NOW).is_some());
        for header in [r#"{"alg":"none"}"#, r#"{"alg":"HS512"}"#, r#"{"alg":"hs256"}"#, "{}", "", "[]"] {
            assert_eq!(verified(KEY, &with(header, &payload), NOW), None, "{header}");
        }
        let unsigned = format!("{}.{}.", BASE64.encode(r#"{"alg":"none"}"#), BASE64.encode(&payload));
        assert_eq!(verified(KEY, &unsigned, NOW), None);
    }

    #[test]
    fn claims_that_lack_something_are_none() {
        for payload in [
            r#"{"sub":"ann","iat":1795867200}"#,
            r#"{"access":"sudo","iat":1795867200}"#,
            r#"{"sub":"ann","access":"root","iat":1795867200}"#,
            r#"{"sub":"ann","access":"subscription","iat":1795867200}"#,
            r#"{"sub":"ann","access":"sudo"}"#,
            "",
        ] {
            assert_eq!(verified(KEY, &with(HEADER, payload), NOW), None, "{payload}");
        }
    }

    #[test]
    fn nothing_makes_it_panic() {
        for text in ["", ".", "..", "...", "a.b.c", "ä.ö.ü", &".".repeat(5_000), &"A".repeat(5_000)] {
            assert_eq!(verified(KEY, text, NOW), None);
        }
        assert!(!is_token("weir_0123456789abcdef"));
    }
}
