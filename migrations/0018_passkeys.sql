-- When operators and API keys came last, so that one that nobody needs any more is seen; and passkeys.

-- The last sign-in; NULL = none since this migration.
ALTER TABLE operators ADD COLUMN signed_in_at INTEGER;
-- The last use, to the hour: a write for every request would cost more than the request.
ALTER TABLE api_keys ADD COLUMN last_used_at INTEGER;

-- Passkeys (Web Authentication): each stands for password and second factor together.
CREATE TABLE passkeys (
  -- The credential's id, in base64url.
  id TEXT PRIMARY KEY,
  operator INTEGER NOT NULL,
  name TEXT NOT NULL,
  -- COSE: -7 ES256, -257 RS256.
  algorithm INTEGER NOT NULL,
  -- SubjectPublicKeyInfo, in base64url.
  public_key TEXT NOT NULL,
  -- How often its authenticator had signed; 0 for one that does not count.
  sign_count INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  last_used_at INTEGER
) STRICT, WITHOUT ROWID;

-- SHA-256 of challenges that were answered, until they end by themselves: none is answered twice.
CREATE TABLE passkey_challenges (
  hash TEXT PRIMARY KEY,
  expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
