-- Whoever revokes a user's link ends every text that stands for it: an alias is as good as the link.
CREATE TRIGGER aliases_revoked AFTER UPDATE OF generation ON users WHEN NEW.generation <> OLD.generation
BEGIN
  DELETE FROM aliases WHERE user = NEW.id;
END;
