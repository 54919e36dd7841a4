-- Credentials that were set by hand, for users who come from another panel and keep what their clients have.

-- Sealed under CREDENTIAL_KEY; NULL: derived from the slot's name. A slot's credentials never change: others are another slot.
-- In both tables, because a sync reads slots alone and a subscription users alone.
ALTER TABLE slots ADD COLUMN credentials TEXT;
ALTER TABLE users ADD COLUMN credentials TEXT;

-- No two users of an inbound may prove themselves with the same thing: the core would refuse them all. A mark is a keyed hash of
-- one credential, so that a copy of the database tells nobody what it is.
CREATE TABLE credential_marks (
  mark TEXT PRIMARY KEY,
  slot TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX credential_marks_slot ON credential_marks (slot);

CREATE TRIGGER slots_credentials AFTER UPDATE OF gate ON slots WHEN NEW.gate = 'retired' AND OLD.credentials IS NOT NULL
BEGIN
  DELETE FROM credential_marks WHERE slot = NEW.name;
END;
