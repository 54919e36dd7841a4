//! What the agent alone knows on this host: one random secret, and everything derived from it.

use std::fs;
use std::io;
use std::path::Path;

use weir_wire::credential::{SlotSecret, hmac_sha256};

use super::{CoreError, files};
use crate::random;

/// 256 random bits, made once per host. Losing the file costs a reload, nothing else.
pub(super) struct HostSecret([u8; 32]);

impl HostSecret {
    /// Reads the secret, or makes it (mode 0600) when the file does not exist.
    ///
    /// # Errors
    /// [`CoreError::Disk`] when the file cannot be read, made or understood.
    fn open(path: &Path) -> Result<Self, CoreError> {
        let failed = |why: &dyn core::fmt::Display| CoreError::Disk(format!("{}: {why}", path.display()));
        match fs::read_to_string(path) {
            Ok(hex) => {
                let mut bits = [0; 32];
                let read = hex::decode_to_slice(hex.trim(), &mut bits);
                read.map_err(|_| failed(&"is not 64 hex digits; remove it to have a new one made"))?;
                Ok(Self(bits))
            }
            Err(why) if why.kind() == io::ErrorKind::NotFound => {
                let made = Self::passing()?;
                files::place(path, hex::encode(made.0).as_bytes(), 0o600)?;
                Ok(made)
            }
            Err(why) => Err(failed(&why)),
        }
    }

    /// The same in the agent's own directory, which is made when it does not exist.
    ///
    /// # Errors
    /// [`CoreError::Disk`] when the directory or the file cannot be used.
    pub(super) fn of_state(dir: &Path) -> Result<Self, CoreError> {
        fs::create_dir_all(dir).map_err(|why| CoreError::Disk(format!("{}: {why}", dir.display())))?;
        Self::open(&dir.join("host-secret"))
    }

    /// A secret that is kept nowhere.
    ///
    /// # Errors
    /// [`CoreError::Disk`] when the kernel gives no random numbers.
    pub(super) fn passing() -> Result<Self, CoreError> {
        random::secret().map(Self).map_err(CoreError::Disk)
    }

    #[cfg(test)]
    pub(super) const fn fixed(bits: [u8; 32]) -> Self {
        Self(bits)
    }

    /// The bearer secret of the core's `api` service, for a template that sets none: an empty one would let every
    /// process of the host open gates.
    pub(super) fn api(&self) -> String {
        hex::encode(hmac_sha256(&self.0, b"weir/api/1"))
    }

    /// What the core proves itself with at the agent's relay: no other process of the host may pass in a user's name.
    pub(super) fn relay(&self) -> String {
        hex::encode(hmac_sha256(&self.0, b"weir/relay/1"))
    }

    /// What the relay proves itself with when it gives back to the core, whose inbound lets out whoever knows it.
    pub(super) fn back(&self) -> String {
        hex::encode(hmac_sha256(&self.0, b"weir/relay/back/1"))
    }

    /// What a core that was started with a configuration of this digest lets in, which no other process of the host knows: so
    /// it says which one it runs.
    pub(super) fn stated(&self, digest: &str) -> String {
        hex::encode(hmac_sha256(&self.0, format!("weir/stated/1:{digest}").as_bytes()))
    }

    /// The secret of the user that keeps an inbound's list from being empty, which nobody is ever told.
    ///
    /// # Errors
    /// [`CoreError::Config`] never in practice: the derived text always has the form of a slot secret.
    pub(super) fn nobody(&self, inbound: &str) -> Result<SlotSecret, CoreError> {
        let bits = hmac_sha256(&self.0, format!("weir/nobody/1:{inbound}").as_bytes());
        SlotSecret::try_from(hex::encode(bits)).map_err(|why| CoreError::Config(why.to_string()))
    }
}
