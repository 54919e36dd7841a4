-- What Marzban's API keeps beside what a node is, and its templates of users (docs/marzban.md).

-- Ports that Marzban would reach a node's own service at. Nothing here is reached so: they are kept, and shown again.
ALTER TABLE nodes ADD COLUMN port INTEGER NOT NULL DEFAULT 62050;
ALTER TABLE nodes ADD COLUMN api_port INTEGER NOT NULL DEFAULT 62051;

CREATE TABLE user_templates (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  -- Bytes, and seconds; NULL = not said, 0 = none.
  data_limit INTEGER,
  expire_duration INTEGER,
  username_prefix TEXT,
  username_suffix TEXT,
  -- JSON list of tags.
  inbounds TEXT NOT NULL DEFAULT '[]'
) STRICT;
