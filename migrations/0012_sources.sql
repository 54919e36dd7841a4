-- Subscriptions of others: what their fetches need beside what they have, and when the published list is behind them.
-- A fetch writes two rows: one that says that it was begun (so that one which is cut off says so, and is not begun again at
-- once) and one that says how it ended.

-- From when on it is due, and failures in a row.
ALTER TABLE xpert_sources ADD COLUMN next_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE xpert_sources ADD COLUMN failures INTEGER NOT NULL DEFAULT 0;
-- Rises with each begun fetch and each change of where or how to fetch: only the newest fetch may write its end.
ALTER TABLE xpert_sources ADD COLUMN ticket INTEGER NOT NULL DEFAULT 0;
-- How the good copy was written, and JSON {reason: count} of what of the last answer is not in it.
ALTER TABLE xpert_sources ADD COLUMN format TEXT;
ALTER TABLE xpert_sources ADD COLUMN left_out TEXT NOT NULL DEFAULT '{}';
-- What the provider wants to hear again, so that it need not send what has not changed.
ALTER TABLE xpert_sources ADD COLUMN etag TEXT;
ALTER TABLE xpert_sources ADD COLUMN last_modified TEXT;

-- `links` is a JSON list of [name, link, key] in the order of the provider, at most 500,000 bytes. Links
-- of one key lead to the same place with the same credentials.

-- The published list is of the sources as they were at this version; it is behind while the two differ.
ALTER TABLE xpert_state ADD COLUMN sources_version INTEGER NOT NULL DEFAULT 0;
ALTER TABLE xpert_state ADD COLUMN sources_published INTEGER NOT NULL DEFAULT 0;
-- What of the sources is not in it, in a sentence.
ALTER TABLE xpert_state ADD COLUMN sources_note TEXT;

CREATE TRIGGER xpert_sources_changed AFTER UPDATE OF enabled, priority, links ON xpert_sources
WHEN OLD.enabled <> NEW.enabled OR OLD.priority <> NEW.priority OR OLD.links <> NEW.links
BEGIN
  UPDATE xpert_state SET sources_version = sources_version + 1 WHERE id = 1;
END;

CREATE TRIGGER xpert_sources_gone AFTER DELETE ON xpert_sources
BEGIN
  UPDATE xpert_state SET sources_version = sources_version + 1 WHERE id = 1;
END;

-- A direct config is never renamed and never left out: links of sources give way to it.
CREATE TRIGGER xpert_direct_published AFTER UPDATE OF direct ON xpert_state
WHEN OLD.direct <> NEW.direct AND EXISTS (SELECT 1 FROM xpert_sources)
BEGIN
  UPDATE xpert_state SET sources_version = sources_version + 1 WHERE id = 1;
END;

INSERT INTO jobs (name) VALUES ('sources');
