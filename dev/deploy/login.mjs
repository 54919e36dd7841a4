/** The first operator and the first API key: generated, entered as hashes, and kept on this machine alone. */
import { createHash, randomBytes } from 'node:crypto';

const ALL_SCOPES = 'users:read users:write nodes:read nodes:write stats:read settings:read settings:write audit:read backup:read backup:write channels:read channels:write plans:read plans:write';
/** How the key is called in the database, so that a new login can end it. */
const KEY_NAME = 'deploy';

const sha256Hex = (text) => createHash('sha256').update(text).digest('hex');

/** @returns {{username: string, password: string, api_key: string}} 128 bits each: there is nothing to guess */
export function makeLogin() {
  return { username: 'admin', password: randomBytes(16).toString('hex'), api_key: `weir_${randomBytes(16).toString('hex')}` };
}

/** @returns {boolean} whether an operator of the database has this login */
export function isEntered(login, operators) {
  const name = login.username.toLowerCase();
  return operators.some((operator) => operator.name.toLowerCase() === name && operator.hash === sha256Hex(login.password));
}

/**
 * Which login is to be entered.
 *
 * @param {object} known
 * @param {{name: string, hash: string}[]} known.operators of the database
 * @param {object} [known.kept] the login that is in force as far as this machine knows
 * @param {object} [known.begun] the login of a run that did not end
 * @param {boolean} [known.anew] a new one is wanted
 * @param {boolean} [known.alone] nobody else is to keep a way in
 * @returns {object|undefined} undefined if somebody can sign in already
 */
export function loginToEnter({ operators, kept, begun, anew = false, alone = false }) {
  if (anew) return { ...makeLogin(), replaces: true, ...(alone && { alone }) };
  // Of another machine's operator this one cannot know the password.
  if (begun && (begun.replaces || operators.length === 0 || isEntered(begun, operators))) return begun;
  if (operators.length > 0) return undefined;
  return kept ? { username: kept.username, password: kept.password, api_key: kept.api_key } : makeLogin();
}

/**
 * The statements that enter a login; a second time they change nothing.
 *
 * @param {{username: string, password: string, api_key: string, replaces?: boolean, alone?: boolean}} login
 * @returns {string[]}
 */
export function enterStatements({ username, password, api_key: apiKey, replaces = false, alone = false }) {
  const hash = sha256Hex(password);
  const key = sha256Hex(apiKey);
  const operator = `SELECT '${username}', '${hash}', unixepoch()`;
  const scoped = `SELECT '${key}', '${KEY_NAME}', '${ALL_SCOPES}', unixepoch()`;
  const intoOperators = 'INSERT INTO operators (name, password_hash, created_at)';
  const intoKeys = 'INSERT OR IGNORE INTO api_keys (hash, name, scopes, created_at)';
  if (!replaces) {
    return [
      `${intoOperators} ${operator} WHERE NOT EXISTS (SELECT 1 FROM operators)`,
      `${intoKeys} ${scoped} WHERE NOT EXISTS (SELECT 1 FROM api_keys)
        AND EXISTS (SELECT 1 FROM operators WHERE password_hash = '${hash}')`,
    ];
  }
  return [
    // "WHERE true": without it the parser takes ON for a part of a join.
    // Whoever is locked out of his own panel may have lost his second factor too, or was shut out by another owner.
    `${intoOperators} ${operator} WHERE true ON CONFLICT (name) DO UPDATE SET password_hash = excluded.password_hash,
      role = 'owner', disabled_at = NULL, user_allowance = NULL, byte_allowance = NULL, totp = NULL, totp_since = NULL`,
    `DELETE FROM recovery_codes WHERE operator = (SELECT id FROM operators WHERE name = '${username}')`,
    `DELETE FROM passkeys WHERE operator = (SELECT id FROM operators WHERE name = '${username}')`,
    'DELETE FROM sessions',
    // Somebody may have been locked out by guesses.
    'DELETE FROM sign_ins',
    alone ? `DELETE FROM api_keys WHERE hash <> '${key}'` : `DELETE FROM api_keys WHERE name = '${KEY_NAME}' AND hash <> '${key}'`,
    `${intoKeys} ${scoped}`,
    ...(alone ? endOthers(username) : []),
  ];
}

/**
 * The statements that take every other way in: who has been there may have made himself one. Other operators stay with what they own, disabled and with
 * a password that nobody has, until the first one lets them in again; tokens by which hosts enrol end, and texts that stand for a link end, which a copy
 * of the database shows.
 */
function endOthers(username) {
  const nobodys = sha256Hex(randomBytes(32));
  return [
    `UPDATE operators SET disabled_at = coalesce(disabled_at, unixepoch()), password_hash = '${nobodys}', totp = NULL, totp_since = NULL WHERE name <> '${username}'`,
    'DELETE FROM recovery_codes',
    'DELETE FROM passkeys',
    'DELETE FROM aliases',
    // Those that an undone deletion would give back.
    `UPDATE bulk_chunks SET steps = (SELECT json_group_array(json_remove(value, '$.before.aliases')) FROM json_each(steps)) WHERE steps LIKE '%"aliases":%'`,
    'UPDATE nodes SET token_expires = 0 WHERE token_hash IS NOT NULL',
  ];
}
