/** What a panel's folder keeps beside the database: the secrets of its Worker, and a login. */
import { createHash, randomBytes } from 'node:crypto';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';

const SECRETS = ['SLOT_KEY', 'AUTH_KEY', 'AUDIT_KEY', 'CREDENTIAL_KEY'];
const ALL_SCOPES = 'users:read users:write nodes:read nodes:write stats:read settings:read settings:write audit:read backup:read backup:write channels:read channels:write plans:read plans:write';

/** @param {string} text @returns {string} how the panel stores keys, tokens and passwords */
export function sha256Hex(text) {
  return createHash('sha256').update(text).digest('hex');
}

/**
 * Random on the first start, the same ever after: other ones would lock every user out. A folder of an older release gets what is new.
 *
 * @param {string} folder
 * @returns {Promise<Record<string, string>>} the Worker's secrets
 */
export async function keepSecrets(folder) {
  const file = path.join(folder, 'secrets.json');
  const make = () => Object.fromEntries(SECRETS.map((name) => [name, randomBytes(32).toString('hex')]));
  const kept = await keepFile(file, make);
  if (SECRETS.every((name) => name in kept)) return kept;
  await writeFile(file, `${JSON.stringify({ ...make(), ...kept }, null, 2)}\n`, { mode: 0o600 });
  return keepFile(file, make);
}

/**
 * The first operator and a key with every scope, which are entered in the database.
 *
 * @param {string} folder
 * @param {D1Database} database
 * @returns {Promise<{username: string, password: string, api_key: string}>}
 */
export async function keepLogin(folder, database) {
  const file = path.join(folder, 'login.json');
  const login = await keepFile(file, () => ({
    username: 'admin',
    password: randomBytes(16).toString('hex'),
    api_key: `weir_${randomBytes(16).toString('hex')}`,
  }));
  // Entered on every start and not only when the file is made: a start that was cut short in between would lock out for good.
  await database.batch([
    database
      .prepare(
        `INSERT INTO operators (name, password_hash, created_at) SELECT ?1, ?2, unixepoch()
        WHERE NOT EXISTS (SELECT 1 FROM operators)`,
      )
      .bind(login.username, sha256Hex(login.password)),
    database
      // As one that was used a moment ago: the first use of an hour is noted, and would be a row of whatever a test counts.
      .prepare('INSERT OR IGNORE INTO api_keys (hash, name, scopes, created_at, last_used_at) VALUES (?1, ?2, ?3, unixepoch(), unixepoch())')
      .bind(sha256Hex(login.api_key), 'local', ALL_SCOPES),
  ]);
  return login;
}

async function keepFile(file, make) {
  try {
    return JSON.parse(await readFile(file, 'utf8'));
  } catch (error) {
    if (error.code !== 'ENOENT') throw error;
  }
  const made = make();
  await writeFile(file, `${JSON.stringify(made, null, 2)}\n`, { mode: 0o600 });
  await chmod(file, 0o600);
  return made;
}
