/** What makes a database one of a panel that was restored to an earlier point: what src/store/restored.rs does when an agent finds it out. */
import { NEW_ROSTER } from '../deploy/secrets.mjs';

/** Nodes that were heard of so long before the backup's instant are waited for (`LASTS` of src/store/restored.rs). */
const ALIVE_WITHIN = 25 * 3600;

/**
 * Until the nodes that were alive have replayed what they kept, nobody with a quota is granted anything new; vacant slots are given to
 * nobody, because somebody may have got them since; every agent takes the whole roster and states the limits that it holds.
 *
 * @param {number} at the instant that the backup shows
 * @param {number} now
 * @returns {string[]} statements
 */
export function restoredStatements(at, now) {
  return [
    `INSERT INTO meta (name, value) VALUES ('restored_at', '${now}') ON CONFLICT (name) DO UPDATE SET value = excluded.value`,
    `UPDATE slots SET gate = 'retired', changed = 1 + (SELECT max(number) FROM roster_versions) WHERE gate = 'vacant'`,
    ...NEW_ROSTER,
    `UPDATE node_keys SET restored = 1 WHERE deleted_at IS NULL
      AND node IN (SELECT node FROM epochs WHERE seen_at >= (SELECT max(seen_at) FROM epochs) - ${ALIVE_WITHIN})`,
    `INSERT INTO node_events (node, at, kind, detail) SELECT DISTINCT node, ${now}, 'restored',
      'the panel was restored from the backup of ${new Date(at * 1000).toISOString()}' FROM node_keys WHERE restored = 1`,
  ];
}
