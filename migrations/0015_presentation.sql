-- How subscriptions present themselves is set in the panel, and devices are told apart in every list.

-- Mirror of the setting 'subscriptions'; NULL while nobody has set it.
ALTER TABLE subscription_state ADD COLUMN profile TEXT;
-- The same of 'subscriptions' and 'devices', for the lists of the Xpert API: a fetch there reads this row.
ALTER TABLE xpert_state ADD COLUMN profile TEXT;
ALTER TABLE xpert_state ADD COLUMN devices TEXT;

DROP TRIGGER subscription_settings_new;
DROP TRIGGER subscription_settings_changed;
DROP TRIGGER subscription_settings_gone;

CREATE TRIGGER subscription_settings_new AFTER INSERT ON settings WHEN NEW.area IN ('clients', 'devices', 'subscriptions')
BEGIN
  UPDATE subscription_state SET clients = iif(NEW.area = 'clients', NEW.value, clients),
    devices = iif(NEW.area = 'devices', NEW.value, devices),
    profile = iif(NEW.area = 'subscriptions', NEW.value, profile) WHERE id = 1;
  UPDATE xpert_state SET devices = iif(NEW.area = 'devices', NEW.value, devices),
    profile = iif(NEW.area = 'subscriptions', NEW.value, profile) WHERE id = 1 AND NEW.area <> 'clients';
END;

CREATE TRIGGER subscription_settings_changed AFTER UPDATE OF value ON settings
WHEN NEW.area IN ('clients', 'devices', 'subscriptions')
BEGIN
  UPDATE subscription_state SET clients = iif(NEW.area = 'clients', NEW.value, clients),
    devices = iif(NEW.area = 'devices', NEW.value, devices),
    profile = iif(NEW.area = 'subscriptions', NEW.value, profile) WHERE id = 1;
  UPDATE xpert_state SET devices = iif(NEW.area = 'devices', NEW.value, devices),
    profile = iif(NEW.area = 'subscriptions', NEW.value, profile) WHERE id = 1 AND NEW.area <> 'clients';
END;

CREATE TRIGGER subscription_settings_gone AFTER DELETE ON settings WHEN OLD.area IN ('clients', 'devices', 'subscriptions')
BEGIN
  UPDATE subscription_state SET clients = iif(OLD.area = 'clients', NULL, clients),
    devices = iif(OLD.area = 'devices', NULL, devices),
    profile = iif(OLD.area = 'subscriptions', NULL, profile) WHERE id = 1;
  UPDATE xpert_state SET devices = iif(OLD.area = 'devices', NULL, devices),
    profile = iif(OLD.area = 'subscriptions', NULL, profile) WHERE id = 1 AND OLD.area <> 'clients';
END;

-- What was set before.
UPDATE xpert_state SET devices = (SELECT devices FROM subscription_state WHERE id = 1) WHERE id = 1;
