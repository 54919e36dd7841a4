//! The only place that draws randomness.

use crate::http::failure::Failure;

/// `N` random bytes of the platform's generator. An error means that it is not available, and no secret may be made.
pub(crate) fn bytes<const N: usize>() -> Result<[u8; N], Failure> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| Failure::Broken(format!("no randomness: {error}")))?;
    Ok(bytes)
}

/// 32 random bits, the salt of a roster version.
pub(crate) fn salt() -> Result<u32, Failure> {
    bytes::<4>().map(u32::from_be_bytes)
}
