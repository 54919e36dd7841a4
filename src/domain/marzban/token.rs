//! Subscription tokens of a Marzban: its links go on to work here once its secret was imported.
//!
//! `base64url("name,second")` and behind it the first 10 letters of `base64url(SHA-256(that text and the secret))`, or in links of its first
//! releases a JSON Web Token. Both tell when they were made, which has to be after the user was, and after his links were last revoked.

use base64::Engine as _;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use weir_wire::Second;

use crate::domain::jwt;
use crate::domain::token::same;

/// Letters of the signature: 60 bits.
const SIGNATURE: usize = 10;
/// Shorter ones are none.
const SHORTEST: usize = 15;
/// Names have at most 32 letters, instants 10: beyond this there is nothing to read.
const LONGEST: usize = 1_024;

/// Who a token says that it is for, and when it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The user's name, in any case.
    pub name: String,
    /// When.
    pub made_at: Second,
}

impl Claim {
    /// Whether it lets in a user who was created at `created_at` and whose links were last revoked at `links_since`.
    #[must_use]
    pub fn holds(&self, created_at: i64, links_since: Option<i64>) -> bool {
        created_at.max(links_since.unwrap_or(created_at)) <= self.made_at.get()
    }
}

/// Claims of a token of the first releases.
#[derive(Deserialize)]
struct Legacy {
    sub: String,
    access: String,
    iat: Second,
    #[serde(default)]
    exp: Option<Second>,
}

/// Whether a text can be such a token, whoever signed it: what cannot be one need not be compared with any secret.
#[must_use]
pub fn is_token(text: &str) -> bool {
    text.len() <= LONGEST && (jwt::is_token(text) || parts(text).is_some())
}

/// Reads a token that was signed with `secret`, the text of `jwt.secret_key`; none for any other.
#[must_use]
pub fn read(text: &str, secret: &[u8], now: Second) -> Option<Claim> {
    if text.len() > LONGEST {
        return None;
    }
    if jwt::is_token(text) {
        let Legacy { sub, access, iat, exp } = jwt::signed(secret, text)?;
        let lasts = exp.is_none_or(|exp| now < exp);
        return (access == "subscription" && lasts).then_some(Claim { name: sub, made_at: iat });
    }
    let (data, signature, claim) = parts(text)?;
    let digest = Sha256::new().chain_update(data).chain_update(secret).finalize();
    let expected: String = URL_SAFE.encode(digest).chars().take(SIGNATURE).collect();
    same(expected.as_bytes(), signature.as_bytes()).then_some(claim)
}

/// What is signed, the signature, and what the token says.
fn parts(text: &str) -> Option<(&str, &str, Claim)> {
    if text.len() < SHORTEST {
        return None;
    }
    let (data, signature) = text.split_at_checked(text.len() - SIGNATURE)?;
    let said = String::from_utf8(URL_SAFE_NO_PAD.decode(data).ok()?).ok()?;
    let (name, second) = said.split_once(',')?;
    let made_at = Second::try_from(second.parse::<i64>().ok()?).ok()?;
    (!name.is_empty()).then(|| (data, signature, Claim { name: name.to_owned(), made_at }))
}

#[cfg(test)]
mod tests {
    use weir_wire::credential::hmac_sha256;

    use super::*;

    const SECRET: &[u8] = b"0000000000000000000000000000000000000000000000000000000000000000";
    const NOW: Second = Second::clamped(1_795_867_200);
    /// Made by Marzban 0.8.4 for `alice` at 1700000000, and at 1700000000.2.
    const TOKENS: [(&str, i64); 2] =
        [("YWxpY2UsMTcwMDAwMDAwMAOoi4OsFbpe", 1_700_000_000), ("YWxpY2UsMTcwMDAwMDAwMQGAxv1HZqyd", 1_700_000_001)];

    fn legacy(payload: &str) -> String {
        let signed =
            format!("{}.{}", URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#), URL_SAFE_NO_PAD.encode(payload));
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(hmac_sha256(SECRET, signed.as_bytes())))
    }

    #[test]
    fn what_a_marzban_made_is_read() {
        for (token, made_at) in TOKENS {
            let claim = Claim { name: "alice".into(), made_at: Second::clamped(made_at) };
            assert!(is_token(token));
            assert_eq!(read(token, SECRET, NOW), Some(claim));
            assert_eq!(read(token, b"another", NOW), None);
        }
    }

    #[test]
    fn no_letter_of_it_can_be_another_and_none_can_be_missing() {
        let (token, _) = TOKENS[0];
        for place in 0..token.len() {
            let mut letters = token.as_bytes().to_vec();
            letters[place] = if letters[place] == b'A' { b'B' } else { b'A' };
            assert_eq!(read(std::str::from_utf8(&letters).unwrap(), SECRET, NOW), None, "letter {place}");
            assert_eq!(read(&token[..place], SECRET, NOW), None, "the first {place}");
        }
        assert_eq!(read(&format!("{token}A"), SECRET, NOW), None);
    }

    #[test]
    fn a_token_of_the_first_releases_is_read() {
        let token = legacy(r#"{"sub":"Alice","access":"subscription","iat":1700000000}"#);
        let claim = Claim { name: "Alice".into(), made_at: Second::clamped(1_700_000_000) };
        assert!(is_token(&token));
        assert_eq!(read(&token, SECRET, NOW), Some(claim));
        assert_eq!(read(&token, b"another", NOW), None);
        for payload in [
            r#"{"sub":"alice","access":"admin","iat":1700000000}"#,
            r#"{"sub":"alice","access":"sudo","iat":1700000000}"#,
            r#"{"sub":"alice","access":"subscription"}"#,
            r#"{"sub":"alice","access":"subscription","iat":1700000000,"exp":1700000001}"#,
        ] {
            assert_eq!(read(&legacy(payload), SECRET, NOW), None, "{payload}");
        }
    }

    #[test]
    fn a_token_from_before_the_user_or_his_last_revocation_lets_nobody_in() {
        let claim = Claim { name: "alice".into(), made_at: Second::clamped(1_000) };
        assert!(claim.holds(1_000, None) && claim.holds(1, Some(1_000)));
        assert!(!claim.holds(1_001, None) && !claim.holds(1, Some(1_001)) && !claim.holds(1_001, Some(1)));
    }

    #[test]
    fn what_cannot_be_a_token_is_known_without_any_secret() {
        let long = "A".repeat(2_000);
        for text in ["", "short", "AAAABwAAAAL0lExww6GA3L0fDPYznN0G", "user123", "ü".repeat(9).as_str(), &long] {
            assert!(!is_token(text), "{text}");
            assert_eq!(read(text, SECRET, NOW), None, "{text}");
        }
        // "ab,", and a name that is missing.
        for said in ["alice", "alice,", "alice,x", ",1700000000", "alice,1,2", "alice,-1"] {
            assert!(!is_token(&format!("{}AAAAAAAAAA", URL_SAFE_NO_PAD.encode(said))), "{said}");
        }
    }
}
