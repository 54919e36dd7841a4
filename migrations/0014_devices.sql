-- What a fetch of a subscription needs beside its user, and the devices that fetch it.

-- One row, so that a fetch reads one however many settings concern it. The triggers below keep it like what it mirrors.
CREATE TABLE subscription_state (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  -- Mirror of meta's 'endpoints'.
  endpoints TEXT NOT NULL DEFAULT '[]',
  -- Mirrors of the settings 'clients' and 'devices'; NULL while nobody has set them.
  clients TEXT,
  devices TEXT
) STRICT;

INSERT INTO subscription_state (id, endpoints) SELECT 1, value FROM meta WHERE name = 'endpoints';

CREATE TRIGGER subscription_endpoints AFTER UPDATE OF value ON meta WHEN NEW.name = 'endpoints'
BEGIN
  UPDATE subscription_state SET endpoints = NEW.value WHERE id = 1;
END;

CREATE TRIGGER subscription_settings_new AFTER INSERT ON settings WHEN NEW.area IN ('clients', 'devices')
BEGIN
  UPDATE subscription_state SET clients = iif(NEW.area = 'clients', NEW.value, clients),
    devices = iif(NEW.area = 'devices', NEW.value, devices) WHERE id = 1;
END;

CREATE TRIGGER subscription_settings_changed AFTER UPDATE OF value ON settings WHEN NEW.area IN ('clients', 'devices')
BEGIN
  UPDATE subscription_state SET clients = iif(NEW.area = 'clients', NEW.value, clients),
    devices = iif(NEW.area = 'devices', NEW.value, devices) WHERE id = 1;
END;

CREATE TRIGGER subscription_settings_gone AFTER DELETE ON settings WHEN OLD.area IN ('clients', 'devices')
BEGIN
  UPDATE subscription_state SET clients = iif(OLD.area = 'clients', NULL, clients),
    devices = iif(OLD.area = 'devices', NULL, devices) WHERE id = 1;
END;

-- Devices that may fetch a user's subscription; none = as many as the setting says, 0 = any number.
ALTER TABLE users ADD COLUMN hwid_limit INTEGER;

-- Devices that told an id with their fetches. The id itself is never kept: `id` is a keyed hash of it, another one for each user.
CREATE TABLE devices (
  user INTEGER NOT NULL,
  id TEXT NOT NULL,
  -- What an operator calls it.
  name TEXT NOT NULL DEFAULT '',
  -- What the device last said of itself, and the client's family.
  os TEXT NOT NULL DEFAULT '',
  os_version TEXT NOT NULL DEFAULT '',
  model TEXT NOT NULL DEFAULT '',
  client TEXT NOT NULL DEFAULT '',
  first_at INTEGER NOT NULL,
  -- Told at most once an hour.
  last_at INTEGER NOT NULL,
  PRIMARY KEY (user, id)
) STRICT, WITHOUT ROWID;

-- A deleted user's row stays for his history; what his devices are called is nobody's business any more.
CREATE TRIGGER users_devices AFTER UPDATE OF deleted_at ON users WHEN OLD.deleted_at IS NULL AND NEW.deleted_at IS NOT NULL
BEGIN
  DELETE FROM devices WHERE user = NEW.id;
END;
