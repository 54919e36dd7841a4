-- What all users get of direct configs stands in one row with everything else that lists are made of; a row of D1 has two million bytes, and one that is
-- full fails whatever writes to it, a node's sync among them.
CREATE TRIGGER xpert_direct_has_room BEFORE UPDATE OF direct ON xpert_state
WHEN length(CAST(NEW.direct AS BLOB)) > max(500000, length(CAST(OLD.direct AS BLOB)))
BEGIN
  SELECT RAISE(ABORT, 'no room for direct configs');
END;

-- No path leads to these: clients take such a part of it for the path itself, or for the one above.
DELETE FROM aliases WHERE alias IN ('.', '..');
