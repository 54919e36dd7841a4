//! The one place that draws random numbers.

use weir_wire::Epoch;

use crate::node::reply::Dice;

fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // Linux fails here only before its pool is filled, which is over long before any service starts.
    let _ = getrandom::fill(&mut bytes);
    bytes
}

/// Random bytes of a secret.
///
/// # Errors
/// The kernel gives none; a secret that can be guessed must not be used.
pub(crate) fn secret() -> Result<[u8; 32], String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| format!("the kernel gives no random numbers: {error}"))?;
    Ok(bytes)
}

/// Jitter.
#[must_use]
pub(crate) fn byte() -> u8 {
    bytes::<1>().first().copied().unwrap_or_default()
}

/// The name of a new ledger.
#[must_use]
pub(crate) fn epoch() -> Epoch {
    Epoch::from_random(u64::from_be_bytes(bytes()))
}

/// Dice for one reply.
#[must_use]
pub(crate) fn dice() -> Dice {
    Dice { jitter: u32::from_be_bytes(bytes()), epoch: epoch() }
}
