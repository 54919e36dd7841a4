//! How a webhook is signed.

use weir_wire::Second;
use weir_wire::credential::hmac_sha256;

/// The value of `weir-signature`: `v1=` and HMAC-SHA256, in hex, over the timestamp, a dot and the body as sent. The time is
/// signed with it, so that nobody can send an old message again as a new one.
#[must_use]
pub fn sign(secret: &str, at: Second, body: &str) -> String {
    let text = format!("{}.{body}", at.get());
    format!("v1={}", hex::encode(hmac_sha256(secret.as_bytes(), text.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_the_one_that_openssl_computes() {
        // printf '1794744000.[]' | openssl dgst -sha256 -hmac secret
        let signed = sign("secret", Second::clamped(1_794_744_000), "[]");
        assert_eq!(signed, "v1=cae1f2b17397d5376708e6ee41ea39e55e084413f23bfccf16869a9c33707bc3");
    }
}
