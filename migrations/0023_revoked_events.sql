-- A revoked link is told of, where somebody wants to know: receivers that keep links must fetch the new one.

CREATE TRIGGER users_revoked_event AFTER UPDATE OF generation ON users
WHEN NEW.generation <> OLD.generation AND EXISTS (SELECT 1 FROM wanted WHERE kind = 'user.revoked')
BEGIN
  INSERT INTO events (key, at, kind, user, data)
  VALUES ('revoked:' || NEW.id || ':' || NEW.generation, unixepoch(), 'user.revoked', NEW.id,
    json_object('user', NEW.name, 'user_id', NEW.id))
  ON CONFLICT (key) DO NOTHING;
END;
