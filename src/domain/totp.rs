//! Time-based one-time passwords (RFC 6238) as every authenticator app has them: HMAC-SHA-1, six digits, steps of 30 s; and the recovery
//! codes that stand in for them.

use data_encoding::BASE32_NOPAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use weir_wire::Second;

use super::percent;
use super::token::same;

/// Bytes of a secret: as long as the digest, as RFC 4226 recommends.
pub const SECRET: usize = 20;
/// Recovery codes that an operator gets.
pub const RECOVERY_CODES: usize = 10;
/// Random bytes of a recovery code.
pub const RECOVERY: usize = 10;
/// Seconds that a code lasts.
const STEP: i64 = 30;
/// Steps by which a clock may be early or late.
const SKEW: i64 = 1;

/// The secret of an operator's second factor.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl core::fmt::Debug for Secret {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Secret {
    /// A secret of random bytes.
    #[must_use]
    pub fn new(random: [u8; SECRET]) -> Self {
        Self(random.to_vec())
    }

    /// Reads what [`Self::text`] wrote.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        BASE32_NOPAD.decode(text.as_bytes()).ok().map(Self)
    }

    /// As it is typed into an authenticator app: base32.
    #[must_use]
    pub fn text(&self) -> String {
        BASE32_NOPAD.encode(&self.0)
    }

    /// As an authenticator app scans it (Google's key URI format). It names the host, so that one app can hold many panels.
    #[must_use]
    pub fn uri(&self, host: &str, operator: &str) -> String {
        let (host, operator) = (percent::encode(host), percent::encode(operator));
        format!("otpauth://totp/Weir%20{host}:{operator}?secret={}&issuer=Weir%20{host}", self.text())
    }

    /// The six digits of a step.
    fn code(&self, step: i64) -> Option<String> {
        let mut mac = Hmac::<Sha1>::new_from_slice(&self.0).ok()?;
        mac.update(&u64::try_from(step).ok()?.to_be_bytes());
        let digest = mac.finalize().into_bytes();
        let offset = usize::from(digest.last()? & 0xf);
        let four: [u8; 4] = digest.get(offset..offset + 4)?.try_into().ok()?;
        Some(format!("{:06}", (u32::from_be_bytes(four) & 0x7fff_ffff) % 1_000_000))
    }

    /// The step of a code that is right at `now` or one step beside it, and later than `last`, the last step whose code was taken: so
    /// none is taken twice. All steps are looked at whatever is found.
    #[must_use]
    pub fn step(&self, code: &str, now: Second, last: i64) -> Option<i64> {
        let code: String = code.chars().filter(|letter| !letter.is_whitespace()).collect();
        let present = now.get().div_euclid(STEP);
        let right = |step: &i64| self.code(*step).is_some_and(|right| same(right.as_bytes(), code.as_bytes()));
        let found: Vec<i64> = (present - SKEW..=present + SKEW).filter(right).collect();
        found.into_iter().find(|step| *step > last)
    }
}

/// A recovery code as it is shown: `abcd-efgh-ijkl-mnop`, 80 random bits.
#[must_use]
pub fn recovery_code(random: [u8; RECOVERY]) -> String {
    let letters = BASE32_NOPAD.encode(&random).to_ascii_lowercase();
    let groups: Vec<String> =
        letters.chars().collect::<Vec<_>>().chunks(4).map(|group| group.iter().collect()).collect();
    groups.join("-")
}

/// A recovery code as it is kept, however it was typed.
#[must_use]
pub fn plain_recovery_code(typed: &str) -> String {
    typed.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B, SHA-1; of its eight digits the last six.
    #[test]
    fn codes_are_those_of_the_standard() {
        let secret = Secret(b"12345678901234567890".to_vec());
        for (at, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(secret.code(at / STEP).as_deref(), Some(code), "{at}");
            assert_eq!(secret.step(code, Second::clamped(at), 0), Some(at / STEP));
        }
    }

    const NOW: i64 = 1_800_000_000;

    fn secret() -> Secret {
        Secret::new([7; SECRET])
    }

    #[test]
    fn a_clock_may_be_a_step_off_and_no_more() {
        let present = NOW / STEP;
        for (step, taken) in
            [(present - 2, false), (present - 1, true), (present, true), (present + 1, true), (present + 2, false)]
        {
            let code = secret().code(step).unwrap();
            assert_eq!(secret().step(&code, Second::clamped(NOW), 0), taken.then_some(step));
        }
    }

    #[test]
    fn a_code_is_taken_once_and_none_before_it_either() {
        let (present, now) = (NOW / STEP, Second::clamped(NOW));
        let code = |step| secret().code(step).unwrap();
        assert_eq!(secret().step(&code(present), now, present - 1), Some(present));
        assert_eq!(secret().step(&code(present), now, present), None);
        assert_eq!(secret().step(&code(present - 1), now, present), None);
        assert_eq!(secret().step(&code(present + 1), now, present), Some(present + 1));
    }

    #[test]
    fn what_is_no_code_is_refused() {
        let now = Second::clamped(NOW);
        let right = secret().code(NOW / STEP).unwrap();
        let spaced = format!(" {} {} ", &right[..3], &right[3..]);
        assert!(secret().step(&spaced, now, 0).is_some(), "apps show it in two groups");
        for wrong in ["", "0", "000000000", "abcdef", &right[..5], &format!("{right}0"), "١٢٣٤٥٦"] {
            assert_eq!(secret().step(wrong, now, 0), None, "{wrong}");
        }
    }

    #[test]
    fn a_secret_is_read_as_it_is_written_and_never_logged() {
        assert_eq!(Secret::read(&secret().text()), Some(secret()));
        assert_eq!(secret().text().len(), 32);
        assert_eq!(Secret::read("not base32"), None);
        assert_eq!(format!("{:?}", secret()), "Secret(..)");
        let uri = secret().uri("panel.example:8443", "ann b");
        assert!(uri.starts_with("otpauth://totp/Weir%20panel.example%3A8443:ann%20b?secret="), "{uri}");
    }

    #[test]
    fn a_recovery_code_may_be_typed_in_any_way() {
        let code = recovery_code([0xa5; RECOVERY]);
        assert_eq!(code.len(), 19);
        let plain = plain_recovery_code(&code);
        assert_eq!(plain.len(), 16);
        assert_eq!(plain_recovery_code(&code.to_uppercase().replace('-', " ")), plain);
    }
}
