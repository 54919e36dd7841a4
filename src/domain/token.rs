//! Subscription tokens: the secret part of a link, which the panel can make again at any time and need not store.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use weir_wire::credential::hmac_sha256;

/// Whose subscription, and which of his links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// User.
    pub user: u32,
    /// Links of lower generations are revoked.
    pub generation: u32,
}

impl Subscription {
    /// The token: 32 letters of the URL-safe base64 alphabet; user, generation, and 128 bits of
    /// `HMAC-SHA256(AUTH_KEY, "weir/sub/1:" user generation)`.
    #[must_use]
    pub fn token(self, auth_key: &[u8]) -> String {
        let mut bytes = self.claim().to_vec();
        bytes.extend(self.seal(auth_key));
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads a token. A forged one is refused here, before any row is read.
    #[must_use]
    pub fn read(token: &str, auth_key: &[u8]) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (user, rest) = bytes.split_first_chunk::<4>()?;
        let (generation, seal) = rest.split_first_chunk::<4>()?;
        let subscription = Self { user: u32::from_be_bytes(*user), generation: u32::from_be_bytes(*generation) };
        same(&subscription.seal(auth_key), seal).then_some(subscription)
    }

    fn claim(self) -> [u8; 8] {
        let mut claim = [0; 8];
        let parts = self.user.to_be_bytes().into_iter().chain(self.generation.to_be_bytes());
        for (byte, to) in parts.zip(claim.iter_mut()) {
            *to = byte;
        }
        claim
    }

    fn seal(self, auth_key: &[u8]) -> Vec<u8> {
        let mut message = b"weir/sub/1:".to_vec();
        message.extend(self.claim());
        hmac_sha256(auth_key, &message).into_iter().take(16).collect()
    }
}

/// Compares without telling by its time where two secrets differ.
#[must_use]
pub fn same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |different, (a, b)| different | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &[u8] = b"0123456789abcdef0123456789abcdef";
    const SUBSCRIPTION: Subscription = Subscription { user: 7, generation: 2 };

    #[test]
    fn a_token_never_changes() {
        // Made independently with Python's hmac and base64; another text would end every link that users hold.
        assert_eq!(SUBSCRIPTION.token(KEY), "AAAABwAAAAL0lExww6GA3L0fDPYznN0G");
    }

    #[test]
    fn a_token_reads_back_and_no_other_text_does() {
        let token = SUBSCRIPTION.token(KEY);
        assert_eq!(token.len(), 32);
        assert_eq!(Subscription::read(&token, KEY), Some(SUBSCRIPTION));
        assert_eq!(Subscription::read(&token, b"another key"), None);
        for place in 0..32 {
            let mut letters = token.clone().into_bytes();
            letters[place] = if letters[place] == b'A' { b'B' } else { b'A' };
            assert_eq!(Subscription::read(std::str::from_utf8(&letters).unwrap(), KEY), None, "letter {place}");
        }
        for bad in ["", "AAAA", &token[..31], &format!("{token}A"), &format!("{token}=")] {
            assert_eq!(Subscription::read(bad, KEY), None, "{bad}");
        }
    }
}
