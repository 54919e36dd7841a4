//! Digests by which the agent knows a configuration again.

use sha2::{Digest as _, Sha256};

/// The first 64 bits of a hash, in hex.
pub(super) fn cut(hash: Sha256) -> String {
    hex::encode(hash.finalize().iter().take(8).copied().collect::<Vec<u8>>())
}
