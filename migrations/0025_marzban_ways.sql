-- What was chosen of the ways in holds at the nodes too (docs/marzban.md). As in users: the roster reads no other table. For whom something is
-- chosen already, he appears in every node's next roster change.

ALTER TABLE slots ADD COLUMN marzban TEXT;
UPDATE slots SET marzban = (SELECT marzban FROM users WHERE users.id = slots.user), changed = 1 + (SELECT max(number) FROM roster_versions)
WHERE gate <> 'retired' AND EXISTS (SELECT 1 FROM users WHERE users.id = slots.user AND marzban IS NOT NULL);
INSERT INTO roster_versions (number, salt)
SELECT max(number) + 1, abs(random()) % 4294967296 FROM roster_versions
HAVING EXISTS (SELECT 1 FROM slots WHERE changed > (SELECT max(number) FROM roster_versions));
