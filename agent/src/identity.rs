//! Who this host is to its panel, as the ledger holds it.

use core::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use weir_wire::NodeId;

use crate::ledger::{Batch, Ledger, LedgerError, Table, put_meta};
use crate::panel_url::PanelUrl;

const META: &str = "identity";
const PENDING: &str = "enrolling";

/// The secret that a node speaks with: 32 random bytes in hex. Never logged, not even by accident.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct NodeKey(String);

impl fmt::Debug for NodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NodeKey(..)")
    }
}

impl NodeKey {
    /// A key out of random bytes.
    #[must_use]
    pub(crate) fn from_random(bytes: [u8; 32]) -> Self {
        Self(hex::encode(bytes))
    }

    /// What the panel knows the key by: its SHA-256 in hex.
    #[must_use]
    pub(crate) fn hash(&self) -> String {
        hex::encode(Sha256::digest(&self.0))
    }

    /// The value of an `Authorization` header.
    #[must_use]
    pub(crate) fn bearer(&self) -> String {
        format!("Bearer {}", self.0)
    }
}

/// The node that this ledger belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    /// Where its panel is.
    pub(crate) panel: PanelUrl,
    /// The identity of the panel's database: the same panel may move to another address.
    pub(crate) database: String,
    /// Its number there.
    pub(crate) node: NodeId,
    /// Its name there.
    pub(crate) name: String,
    /// What it speaks with.
    pub(crate) key: NodeKey,
}

impl Identity {
    /// Reads it; `None` before the first enrolment.
    pub(crate) fn load(ledger: &Ledger) -> Result<Option<Self>, LedgerError> {
        ledger.get(Table::Meta, META.as_bytes())
    }

    /// Puts it into a batch.
    pub(crate) fn write(&self, batch: &mut Batch) {
        put_meta(batch, META, self);
    }
}

/// The enrolment that was begun last. Its key is kept, because the answer may have been lost after the panel took it; also
/// once this host is the node, because the same command may be given again by somebody who was not told so.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pending {
    /// SHA-256 of the token in hex.
    pub(crate) token_hash: String,
    /// The key that was, or will be, sent with it.
    pub(crate) key: NodeKey,
}

impl Pending {
    /// Reads it; `None` before the first.
    pub(crate) fn load(ledger: &Ledger) -> Result<Option<Self>, LedgerError> {
        ledger.get(Table::Meta, PENDING.as_bytes())
    }

    /// The enrolment that was begun with this token, or a new one with `fresh`.
    pub(crate) fn of_token(ledger: &Ledger, token: &str, fresh: [u8; 32]) -> Result<Self, LedgerError> {
        let token_hash = hex::encode(Sha256::digest(token));
        let begun = Self::load(ledger)?.filter(|begun| begun.token_hash == token_hash);
        Ok(begun.unwrap_or_else(|| Self { token_hash, key: NodeKey::from_random(fresh) }))
    }

    /// Puts it into a batch.
    pub(crate) fn write(&self, batch: &mut Batch) {
        put_meta(batch, PENDING, self);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_token_finds_the_key_that_was_begun_with_and_another_one_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&folder.path().join("ledger")).unwrap();
        let first = Pending::of_token(&ledger, "token", [1; 32]).unwrap();
        let mut batch = Batch::default();
        first.write(&mut batch);
        ledger.commit_now(&batch).unwrap();
        assert_eq!(Pending::of_token(&ledger, "token", [2; 32]).unwrap(), first);
        assert_ne!(Pending::of_token(&ledger, "other", [2; 32]).unwrap().key, first.key);
    }

    #[test]
    fn a_key_does_not_show_itself() {
        assert_eq!(format!("{:?}", NodeKey::from_random([7; 32])), "NodeKey(..)");
    }
}
