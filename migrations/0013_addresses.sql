-- What clients connect to, where that is not a node's own address: the operator's addresses of each inbound.

-- ISO 3166-1 code of two letters; where the node is, for people.
ALTER TABLE nodes ADD COLUMN country TEXT;

CREATE TABLE node_addresses (
  id INTEGER PRIMARY KEY,
  node INTEGER NOT NULL,
  -- Order within the node.
  position INTEGER NOT NULL,
  -- 0: not in links. An inbound all of whose addresses are off is in no links.
  is_active INTEGER NOT NULL DEFAULT 1,
  -- JSON (domain/endpoint/address.rs): the inbound's tag, and what is not as the inbound has it.
  settings TEXT NOT NULL
) STRICT;

CREATE INDEX node_addresses_node ON node_addresses (node, position);

-- The addresses stand in the row that a fetch of a subscription reads anyway. Whoever changes one touches its node's inbounds
-- (store/node_addresses.rs), so that several changes make that row anew once.
DROP TRIGGER nodes_endpoints;

CREATE TRIGGER nodes_endpoints AFTER UPDATE OF name, address, country, inbounds, deleted_at ON nodes
BEGIN
  UPDATE meta SET value = (
    SELECT json_group_array(json_object('node', name, 'address', address, 'country', country, 'inbounds', json(inbounds),
      'addresses', json((SELECT json_group_array(json_array(is_active, json(settings)))
        FROM (SELECT is_active, settings FROM node_addresses WHERE node = n.id ORDER BY position, id)))))
    FROM (SELECT id, name, address, country, inbounds FROM nodes WHERE deleted_at IS NULL AND inbounds <> '[]' ORDER BY id) AS n)
  WHERE name = 'endpoints';
END;

-- Inbounds that are for some plans only, as the agent is told (wire's InboundPlans); NULL: it never had any. Beside the key, so that
-- a sync reads no other row.
ALTER TABLE nodes ADD COLUMN inbound_plans TEXT;
ALTER TABLE node_keys ADD COLUMN inbound_plans TEXT;

-- As in users. Whoever has a plan already appears in every node's next roster change.
ALTER TABLE slots ADD COLUMN plan TEXT;
UPDATE slots SET plan = (SELECT plan FROM users WHERE users.id = slots.user), changed = 1 + (SELECT max(number) FROM roster_versions)
WHERE gate <> 'retired' AND EXISTS (SELECT 1 FROM users WHERE users.id = slots.user AND plan IS NOT NULL);
INSERT INTO roster_versions (number, salt)
SELECT max(number) + 1, abs(random()) % 4294967296 FROM roster_versions
HAVING EXISTS (SELECT 1 FROM slots WHERE changed > (SELECT max(number) FROM roster_versions));

CREATE TRIGGER nodes_addresses_gone AFTER UPDATE OF deleted_at ON nodes WHEN OLD.deleted_at IS NULL AND NEW.deleted_at IS NOT NULL
BEGIN
  DELETE FROM node_addresses WHERE node = NEW.id;
END;
