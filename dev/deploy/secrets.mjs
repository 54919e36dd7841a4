/**
 * The Worker's secrets: made once, and never again by accident. Every user's credentials come from SLOT_KEY and every subscription
 * link from AUTH_KEY, so a panel that is given other ones locks everybody out; without its CREDENTIAL_KEY it cannot open the secrets
 * of its channels. Cloudflare never shows a secret again. Therefore the database keeps the SHA-256 of each one that was made for it,
 * and whoever brings a secret can see whether it is that one.
 */
import { createHash, randomBytes } from 'node:crypto';

import { Trouble } from '../home.mjs';

/** All that the Worker needs. */
export const SECRETS = ['SLOT_KEY', 'AUTH_KEY', 'AUDIT_KEY', 'CREDENTIAL_KEY'];
/** Those of them that a panel of an earlier version lacks: while the database has no mark of one, nothing depends on it. */
const LATER = ['AUDIT_KEY', 'CREDENTIAL_KEY'];

/** @returns {string} what the database says about a secret; 256 random bits cannot be found from it */
export function markOf(name, value) {
  return createHash('sha256').update(`weir ${name} ${value}`).digest('hex');
}

/**
 * Which secrets are to be uploaded.
 *
 * @param {object} known
 * @param {string[]} known.held names that the Worker has
 * @param {Record<string, string>} known.marks what the database says, by name
 * @param {number} known.users how many would be locked out
 * @param {Record<string, string>} [known.kept] values that are in force as far as this machine knows
 * @param {Record<string, string>} [known.begun] values of a run that did not end
 * @param {string[]} [known.rotate] names that get another value on purpose
 * @returns {Record<string, string>} values by name
 * @throws {Trouble} if one is missing that users depend on
 */
export function secretsToUpload({ held, marks, users, kept = {}, begun = {}, rotate = [] }) {
  const upload = {};
  for (const name of SECRETS) {
    const isMarked = (value) => value !== undefined && markOf(name, value) === marks[name];
    if (rotate.includes(name)) {
      upload[name] = randomBytes(32).toString('hex');
    } else if (isMarked(begun[name])) {
      // That run got as far as the mark, and perhaps further: the same value again does no harm.
      upload[name] = begun[name];
    } else if (held.includes(name)) {
      continue;
    } else if (isMarked(kept[name]) || (kept[name] !== undefined && marks[name] === undefined)) {
      upload[name] = kept[name];
    } else if (users > 0 && !(LATER.includes(name) && marks[name] === undefined)) {
      throw new Trouble(
        `the Worker has no ${name}, and the one that the ${users} users in the database depend on is not on this machine: ` +
          `put secrets.json back, or give every user a new start with ROTATE=${name}`,
      );
    } else {
      upload[name] = randomBytes(32).toString('hex');
    }
  }
  return upload;
}

/**
 * The statements that mark secrets as those of this database. A mark moves only from the value that was read, so that of two machines
 * that deploy at the same time one is refused.
 *
 * @param {Record<string, string>} upload
 * @param {Record<string, string>} marks that were read
 * @returns {string[]}
 */
export function markStatements(upload, marks) {
  return Object.entries(upload)
    .map(([name, value]) => [name, markOf(name, value)])
    .filter(([name, mark]) => mark !== marks[name])
    .map(
      ([name, mark]) =>
        `INSERT INTO meta (name, value) VALUES ('${name} mark', '${mark}') ` +
        `ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE value = '${marks[name] ?? ''}'`,
    );
}

/**
 * Every agent takes the whole roster again, and with it what comes of another SLOT_KEY: a version that no node holds, and no older one.
 */
export const NEW_ROSTER = [
  `INSERT INTO roster_versions (number, salt) SELECT max(number) + 1, abs(random()) % 4294967296 FROM roster_versions`,
  `DELETE FROM roster_versions WHERE number < (SELECT max(number) FROM roster_versions)`,
];
