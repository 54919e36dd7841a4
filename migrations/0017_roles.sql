-- Roles of operators, the users and allowances of resellers, where sessions were begun, and the second factor.

-- Whoever was an operator before there were roles may do everything; so may the one that a deployment enters.
ALTER TABLE operators ADD COLUMN role TEXT NOT NULL DEFAULT 'owner' CHECK (role IN ('owner', 'admin', 'reseller', 'viewer'));
ALTER TABLE operators ADD COLUMN disabled_at INTEGER;
-- Of a reseller: users at most, and bytes at most that his users may use in a month; NULL = no limit.
ALTER TABLE operators ADD COLUMN user_allowance INTEGER;
ALTER TABLE operators ADD COLUMN byte_allowance INTEGER;
-- Never 1: a batch that breaks an allowance fails here as a whole (src/store/allowances.rs).
ALTER TABLE operators ADD COLUMN over_users INTEGER NOT NULL DEFAULT 0 CONSTRAINT user_allowance_holds CHECK (over_users = 0);
ALTER TABLE operators ADD COLUMN over_bytes INTEGER NOT NULL DEFAULT 0 CONSTRAINT byte_allowance_holds CHECK (over_bytes = 0);
-- The second factor: its secret, sealed under CREDENTIAL_KEY; since when it is asked for, NULL = not yet confirmed; and the last
-- 30 s step whose code was taken, so that none is taken twice.
ALTER TABLE operators ADD COLUMN totp TEXT;
ALTER TABLE operators ADD COLUMN totp_since INTEGER;
ALTER TABLE operators ADD COLUMN totp_step INTEGER NOT NULL DEFAULT 0;

-- Somebody must always be able to manage the operators.
CREATE TRIGGER operators_keep_an_owner AFTER UPDATE OF role, disabled_at ON operators
WHEN OLD.role = 'owner' AND OLD.disabled_at IS NULL
  AND NOT EXISTS (SELECT 1 FROM operators WHERE role = 'owner' AND disabled_at IS NULL)
BEGIN
  SELECT RAISE(ABORT, 'no owner would be left');
END;
CREATE TRIGGER operators_delete_no_last_owner AFTER DELETE ON operators
WHEN OLD.role = 'owner' AND OLD.disabled_at IS NULL
  AND NOT EXISTS (SELECT 1 FROM operators WHERE role = 'owner' AND disabled_at IS NULL)
BEGIN
  SELECT RAISE(ABORT, 'no owner would be left');
END;

-- The operator whose user this is; NULL = the panel's own. Only a reseller's users pay for the index.
ALTER TABLE users ADD COLUMN owner INTEGER;
CREATE INDEX users_owner ON users (owner, deleted_at) WHERE owner IS NOT NULL;

-- Where a session was begun, so that its operator can tell it from others.
ALTER TABLE sessions ADD COLUMN address TEXT;
ALTER TABLE sessions ADD COLUMN user_agent TEXT NOT NULL DEFAULT '';

-- SHA-256 of codes that stand in for the second factor, each once.
CREATE TABLE recovery_codes (
  hash TEXT PRIMARY KEY,
  operator INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
