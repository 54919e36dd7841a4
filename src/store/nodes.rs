//! Nodes: the operator's hosts, and the keys that their agents speak with.

use super::Statement;
use weir_wire::{NodeId, Second};

const SETTLE_KEY: &str = "UPDATE node_keys SET fresh = 0 WHERE hash = ?1";
const DROP_OTHER_KEYS: &str = "DELETE FROM node_keys WHERE node = ?2 AND hash <> ?1";

/// The first sync with a new key ends the node's older keys.
#[must_use]
pub fn settle_key(hash: &str, node: NodeId) -> [Statement; 2] {
    [Statement::new(SETTLE_KEY).bind(hash), Statement::new(DROP_OTHER_KEYS).bind(hash).bind(node)]
}

const SET_INBOUNDS: &str = "UPDATE nodes SET inbounds = ?2 WHERE id = ?1 AND inbounds <> ?2";

/// Stores what clients can connect to, if it changed.
#[must_use]
pub fn set_inbounds(node: NodeId, inbounds: &str) -> Statement {
    Statement::new(SET_INBOUNDS).bind(node).bind(inbounds)
}

// Rows read: the token's index entry and row; `meta` 1.
const TOKEN: &str = "
SELECT id, name, coefficient, created_at, token_expires, token_key, (SELECT value FROM meta WHERE name = 'panel') AS panel
FROM nodes WHERE token_hash = ?1 AND deleted_at IS NULL";

/// A node that an enrolment token was made for.
#[derive(Clone, Debug, serde::Deserialize, PartialEq, Eq)]
pub struct TokenRow {
    /// Node.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// Per mille.
    pub coefficient: u32,
    /// When it was created.
    pub created_at: i64,
    /// When the token ends.
    pub token_expires: Option<i64>,
    /// Hash of the key that used the token.
    pub token_key: Option<String>,
    /// Identity of this database.
    pub panel: String,
}

/// Finds the node of an enrolment token.
#[must_use]
pub fn by_token(token_hash: &str) -> Statement {
    Statement::new(TOKEN).bind(token_hash)
}

const CLAIM: &str = "UPDATE nodes SET token_key = ?2 WHERE id = ?1 AND (token_key IS NULL OR token_key = ?2)";
const ADD_KEY: &str = "
INSERT INTO node_keys (hash, node, coefficient, node_since, created_at, inbound_plans)
SELECT ?2, id, coefficient, created_at, ?3, inbound_plans FROM nodes WHERE id = ?1 AND token_key = ?2
ON CONFLICT (hash) DO NOTHING";
const AGE_OTHER_KEYS: &str = "
UPDATE node_keys SET expires_at = ?3 WHERE node = ?1 AND hash <> ?2 AND expires_at IS NULL
  AND EXISTS (SELECT 1 FROM nodes WHERE id = ?1 AND token_key = ?2)";

/// A rotated key works for this long, if the node does not use the new one before.
pub const OLD_KEY_LASTS: i64 = 24 * 3600;

/// Enrols a key with a node's token: the first key to come takes the token; the same key may come again.
#[must_use]
pub fn enroll(node: NodeId, key_hash: &str, now: Second) -> [Statement; 3] {
    [
        Statement::new(CLAIM).bind(node).bind(key_hash),
        Statement::new(ADD_KEY).bind(node).bind(key_hash).bind(now),
        Statement::new(AGE_OTHER_KEYS).bind(node).bind(key_hash).bind(now.plus(OLD_KEY_LASTS)),
    ]
}
