/** The D1 database of a deployment: found or made, migrated, asked. */
import { readdir } from 'node:fs/promises';
import path from 'node:path';

import { Trouble } from '../home.mjs';
import { ROOT } from './config.mjs';
import { SECRETS } from './secrets.mjs';
import { WranglerTrouble } from './wrangler.mjs';

/** One statement, so that all of it is of one moment; of tables that the first migration makes. */
const STATE = `SELECT json_object(
  'users', (SELECT value FROM counters WHERE name = 'users'),
  'nodes', (SELECT count(*) FROM nodes WHERE deleted_at IS NULL),
  'operators', json((SELECT json_group_array(json_object('name', name, 'hash', password_hash)) FROM operators)),
  'marks', json((SELECT json_group_object(substr(name, 1, length(name) - 5), value) FROM meta
    WHERE name IN (${SECRETS.map((name) => `'${name} mark'`).join(', ')})))) AS state`;
const APPLIED = 'SELECT name FROM d1_migrations ORDER BY id';
const TABLES = `SELECT name FROM sqlite_master WHERE type = 'table' AND substr(name, 1, 3) NOT IN ('sql', '_cf') AND name <> 'd1_migrations'`;

/**
 * What a deployment has to know of its database.
 *
 * @typedef {{users: number, nodes: number, operators: {name: string, hash: string}[], marks: Record<string, string>}} State
 */

/** A database that has only just been made. @type {State} */
export const EMPTY = { users: 0, nodes: 0, operators: [], marks: {} };

/** @returns {Promise<string[]>} names of this checkout's migrations, in order */
export async function migrationFiles() {
  return (await readdir(path.join(ROOT, 'migrations'))).filter((name) => name.endsWith('.sql')).sort();
}

/**
 * @param {import('./wrangler.mjs').Wrangler} wrangler
 * @returns {Promise<{name: string, uuid: string}[]>} the account's databases
 */
export async function listDatabases(wrangler) {
  return wrangler.json('looking for the database', ['d1', 'list', '--json']);
}

/** @returns {Promise<string>} the id of a new database */
export async function createDatabase(wrangler, name) {
  try {
    const { output } = await wrangler.run('creating the database', ['d1', 'create', name]);
    const [id] = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/.exec(output) ?? [];
    if (id !== undefined) return id;
  } catch (error) {
    // A run that was killed may have left its wrangler behind, which has only just created it.
    if (!(error instanceof WranglerTrouble && /already exists/.test(error.message))) throw error;
  }
  const found = (await listDatabases(wrangler)).find((database) => database.name === name);
  if (found === undefined) throw new Trouble(`the database ${name} was created, and is not in the list: run make deploy again`);
  return found.uuid;
}

/** See the module's description. */
export class Database {
  #wrangler;

  /** @param {import('./wrangler.mjs').Wrangler} wrangler whose configuration names the database as DB */
  constructor(wrangler) {
    this.#wrangler = wrangler;
  }

  /**
   * @returns {Promise<{pending: string[], isNew: boolean, state: State}>} `pending`: migrations that are still to be applied
   * @throws {Trouble} if the database has migrations that this checkout does not know, or belongs to something else
   */
  async examine() {
    const files = await migrationFiles();
    let rows;
    let state;
    try {
      [rows, [{ state }]] = await this.#query('reading the database', [APPLIED, STATE]);
    } catch (error) {
      if (!(error instanceof WranglerTrouble && /no such table/.test(error.message))) throw error;
      const [tables] = await this.#query('reading the database', [TABLES]);
      if (tables.some(({ name }) => name === 'restoring')) throw new Trouble('a restore into this database was cut off: run make restore again');
      const [foreign] = tables;
      if (foreign) throw new Trouble(`the database of this name holds something else (${foreign.name}): choose another name with NAME=`);
      return { pending: files, isNew: true, state: EMPTY };
    }
    const applied = rows.map(({ name }) => name);
    const unknown = applied.filter((name) => !files.includes(name));
    if (unknown.length > 0) {
      throw new Trouble(`the database is newer than this checkout, which has no ${unknown.join(', ')}: update the checkout`);
    }
    return { pending: files.filter((name) => !applied.includes(name)), isNew: false, state: JSON.parse(state) };
  }

  async migrate() {
    await this.#wrangler.run('applying the migrations', ['d1', 'migrations', 'apply', 'DB', '--remote']);
  }

  /** @returns {Promise<string>} a bookmark, by which the database can be taken back to what it is now */
  async bookmark() {
    const { bookmark } = await this.#wrangler.json('reading the bookmark', ['d1', 'time-travel', 'info', 'DB', '--json']);
    return bookmark;
  }

  /**
   * Run statements in order.
   *
   * @param {string} what they do, for a person who waits
   * @param {string[]} statements
   * @returns {Promise<State>} what the database is like afterwards
   */
  async change(what, statements) {
    const [{ state }] = (await this.#query(what, [...statements, STATE])).at(-1);
    return JSON.parse(state);
  }

  async #query(what, statements) {
    const args = ['d1', 'execute', 'DB', '--remote', '--json', '--command', statements.join(';\n')];
    return (await this.#wrangler.json(what, args)).map(({ results }) => results);
  }
}
