/**
 * A backup into an empty database.
 *
 * Until the last batch the database has a table `restoring` and no list of migrations: no `make deploy` binds a Worker to it, and a
 * run that was cut off is taken up again where it stood. The last batch gives it the triggers, the list of migrations and the mark of a
 * panel that was restored, all at once, and the digest of the backup, by which a run that was cut off after it is taken up again.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';

import { unstable_splitSqlQuery as split } from 'wrangler';

import { ROOT } from '../deploy/config.mjs';
import { migrationFiles } from '../deploy/database.mjs';
import { Trouble } from '../home.mjs';
import { restoredStatements } from './restored.mjs';

/** Characters of one insert's rows: D1 takes 2 MB a value. */
const INSERT = 500_000;
/** Rows of a page that is read back at most, and its bytes by and large. */
const PAGE = 5_000;
const PAGE_BYTES = 1_000_000;
/** The row of `meta` with the digest of the backup, from the last batch until nothing is left to do. */
const RESTORED = 'restored_from';
/** The platform's own tables and SQLite's. */
const TABLES = `SELECT name FROM sqlite_schema WHERE type = 'table' AND substr(name, 1, 7) <> 'sqlite_' AND substr(name, 1, 4) <> '_cf_'`;

const name = (text) => `"${text.replaceAll('"', '""')}"`;
const literal = (text) => `'${text.replaceAll("'", "''")}'`;

/**
 * @typedef {object} Target an empty database
 * @property {(statements: string[]) => Promise<object[][]>} batch run in one transaction; the rows of each
 * @property {(sql: string, value: string) => Promise<object[]>} bound run one with its only parameter
 */

/** See the module's description. */
export class Restoring {
  #copy;
  #target;
  #say;
  /** First lines of the parts. */
  #headers;
  #keys = new Map();

  /**
   * @param {import('./copy.mjs').Copy} copy
   * @param {Target} target
   * @param {(text: string) => void} say
   */
  constructor(copy, target, say) {
    this.#copy = copy;
    this.#target = target;
    this.#say = say;
  }

  /**
   * Restore.
   *
   * @returns {Promise<{tables: number, rows: number}>}
   * @throws {Trouble} if the backup is damaged or too new, or the database is not empty
   */
  async run() {
    const { manifest } = this.#copy;
    this.#say(`verifying ${manifest.parts.length} parts, ${manifest.bytes} bytes`);
    this.#headers = await this.#copy.verify();
    const files = await migrationFiles();
    const unknown = manifest.migrations.find((file) => !files.includes(file));
    if (unknown !== undefined) throw new Trouble(`the backup is newer than this checkout, which has no ${unknown}: update the checkout`);
    const state = await this.#begin();
    const rows = state.isLoaded ? await this.#countRows() : await this.#fill(state);
    await this.#migrate(files);
    return { tables: manifest.tables.length, rows };
  }

  /** Nothing is left to do: from now on the database is a full one for this backup as well. */
  async forget() {
    await this.#target.batch([`DELETE FROM meta WHERE name = ${literal(RESTORED)}`]);
  }

  /** @returns {Promise<number>} rows */
  async #fill(state) {
    await this.#makeSchema(state);
    await this.#load(state);
    const rows = await this.#verify();
    await this.#end(state);
    return rows;
  }

  /** What is newer than the backup, and was not applied by a run that was cut off. */
  async #migrate(files) {
    const [rows] = await this.#target.batch(['SELECT name FROM d1_migrations']);
    const applied = rows.map((row) => row.name);
    for (const file of files.filter((one) => !applied.includes(one))) {
      this.#say(`applying ${file}, which is newer than the backup`);
      await this.#target.batch([...(await statementsOf(file)), `INSERT INTO d1_migrations (name) VALUES (${literal(file)})`]);
    }
  }

  /** @returns {Promise<{migrations: number, triggers: string|null, parts: number}|{isLoaded: true}>} how far an earlier run has got */
  async #begin() {
    const [tables] = await this.#target.batch([TABLES]);
    if (tables.length === 0) {
      await this.#target.batch([
        `CREATE TABLE restoring (digest TEXT NOT NULL, migrations INTEGER NOT NULL DEFAULT 0, triggers TEXT, parts INTEGER NOT NULL DEFAULT 0)`,
        `INSERT INTO restoring (digest) VALUES (${literal(this.#copy.digest)})`,
      ]);
    } else if (!tables.some((table) => table.name === 'restoring')) {
      if (await this.#isLoaded(tables)) {
        this.#say('going on with a restore that was cut off when all rows were there: they are not loaded again');
        return { isLoaded: true };
      }
      throw new Trouble(`the database is not empty, it has a table ${tables[0].name}: a backup is restored into an empty one only`);
    }
    const [[state]] = await this.#target.batch(['SELECT digest, migrations, triggers, parts FROM restoring']);
    if (state.digest !== this.#copy.digest) {
      throw new Trouble('another backup was being restored into this database: go on with that one, or begin with an empty database');
    }
    if (tables.length > 0) this.#say('going on with a restore that was cut off');
    return state;
  }

  /** Whether the last batch of this backup was the last thing that a run did. */
  async #isLoaded(tables) {
    if (!['meta', 'd1_migrations'].every((own) => tables.some((table) => table.name === own))) return false;
    const [[row]] = await this.#target.batch([`SELECT value FROM meta WHERE name = ${literal(RESTORED)}`]);
    return row?.value === this.#copy.digest;
  }

  async #makeSchema(state) {
    const { migrations, tables } = this.#copy.manifest;
    for (const [index, file] of migrations.entries()) {
      if (index < state.migrations) continue;
      await this.#target.batch([...(await statementsOf(file)), `UPDATE restoring SET migrations = ${index + 1}`]);
    }
    this.#say(`the schema is that of ${migrations.at(-1)}`);
    if (state.triggers !== null) return;
    // Without triggers, which would count what is already counted, and without the rows that migrations make.
    const [triggers] = await this.#target.batch([`SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' ORDER BY rowid`]);
    state.triggers = JSON.stringify(triggers.map(({ sql }) => sql));
    await this.#target.batch([
      ...triggers.map((trigger) => `DROP TRIGGER ${name(trigger.name)}`),
      ...tables.map((table) => `DELETE FROM ${name(table)}`),
      `UPDATE restoring SET triggers = ${literal(state.triggers)}`,
    ]);
  }

  /** Parts by the order in which they are loaded: changes after all rows. @returns {{part: object, header: object}[]} */
  #parts() {
    const all = this.#copy.manifest.parts.map((part, index) => ({ part, header: this.#headers[index] }));
    return ['rows', 'changes'].flatMap((kind) => all.filter(({ header }) => header.kind === kind));
  }

  async #load(state) {
    for (const [index, { part }] of this.#parts().entries()) {
      if (index < state.parts) continue;
      const { header, lines } = await this.#copy.read(part);
      const isChanges = header.kind === 'changes';
      for (const text of chunksOf(lines)) {
        if (isChanges) await this.#target.bound(await this.#deletion(header), text);
        await this.#target.bound(insertion(header), text);
      }
      await this.#target.batch([`UPDATE restoring SET parts = ${index + 1}`]);
      if ((index + 1) % 20 === 0) this.#say(`${index + 1} of ${this.#copy.manifest.parts.length} parts`);
    }
  }

  async #deletion({ table }) {
    const key = await this.#key(table);
    const values = key.map((_, place) => `value ->> '$[0][${place}]'`);
    return `DELETE FROM ${name(table)} WHERE (${key.map(name).join(', ')}) IN (SELECT ${values.join(', ')} FROM json_each(?1))`;
  }

  /** @returns {Promise<string[]>} columns of a table's primary key */
  async #key(table) {
    if (!this.#keys.has(table)) {
      const [columns] = await this.#target.batch([`SELECT name FROM pragma_table_info(${literal(table)}) WHERE pk > 0 ORDER BY pk`]);
      this.#keys.set(table, columns.length > 0 ? columns.map((column) => column.name) : ['rowid']);
    }
    return this.#keys.get(table);
  }

  /** Reads everything back. @returns {Promise<number>} rows */
  async #verify() {
    let rows = 0;
    for (const table of this.#copy.manifest.tables) {
      const [should, is] = [await this.#expected(table), await this.#found(table)];
      if (should.text !== is.text) throw new Trouble(`${table} is not what the backup says: ${is.rows} rows, of ${should.rows}, or others`);
      rows += is.rows;
    }
    this.#say(`read back ${rows} rows of ${this.#copy.manifest.tables.length} tables: they are those of the backup`);
    return rows;
  }

  async #countRows() {
    let rows = 0;
    for (const table of this.#copy.manifest.tables) rows += (await this.#expected(table)).rows;
    return rows;
  }

  async #expected(table) {
    const parts = this.#parts().filter(({ header }) => header.table === table);
    const sum = new Sum();
    const changed = new Map();
    for (const { part, header } of parts.filter((one) => one.header.kind === 'changes')) {
      for (const line of (await this.#copy.read(part)).lines) {
        const [key, row] = JSON.parse(line);
        changed.set(JSON.stringify(key), row && { header, row });
      }
    }
    const key = await this.#key(table);
    for (const { part, header } of parts.filter((one) => one.header.kind === 'rows')) {
      const places = key.map((column) => header.columns.indexOf(column));
      for (const line of (await this.#copy.read(part)).lines) {
        const row = JSON.parse(line);
        if (changed.size === 0 || !changed.has(JSON.stringify(places.map((place) => row[place])))) sum.add(header.columns, row);
      }
    }
    for (const change of changed.values()) if (change) sum.add(change.header.columns, change.row);
    return sum;
  }

  async #found(table) {
    const key = await this.#key(table);
    const columns = key.map(name).join(', ');
    const widest = Math.max(1, ...this.#parts().filter(({ header }) => header.table === table).map(({ part }) => part.bytes / (part.rows + 1)));
    const page = Math.min(PAGE, Math.max(1, Math.floor(PAGE_BYTES / widest)));
    const sum = new Sum();
    let after;
    for (;;) {
      const beyond = after ? `WHERE (${columns}) > (${key.map((_, place) => `${literal(after)} ->> ${place}`).join(', ')})` : '';
      const [rows] = await this.#target.batch([`SELECT * FROM ${name(table)} ${beyond} ORDER BY ${columns} LIMIT ${page}`]);
      for (const row of rows) sum.add(Object.keys(row), Object.values(row));
      if (rows.length < page) return sum;
      after = JSON.stringify(key.map((column) => rows.at(-1)[column]));
    }
  }

  async #end({ triggers }) {
    const { migrations, sequences, at } = this.#copy.manifest;
    await this.#target.batch([
      ...JSON.parse(triggers),
      ...restoredStatements(at, Math.floor(Date.now() / 1000)),
      // As wrangler makes it.
      `CREATE TABLE "d1_migrations"(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL)`,
      ...sequences.flatMap(([table, last]) => [
        `DELETE FROM sqlite_sequence WHERE name = ${literal(table)}`,
        `INSERT INTO sqlite_sequence (name, seq) VALUES (${literal(table)}, ${last})`,
      ]),
      ...migrations.map((file) => `INSERT INTO d1_migrations (name) VALUES (${literal(file)})`),
      `INSERT INTO meta (name, value) VALUES (${literal(RESTORED)}, ${literal(this.#copy.digest)}) ON CONFLICT (name) DO UPDATE SET value = excluded.value`,
      'DROP TABLE restoring',
    ]);
  }
}

/** A sum over rows that does not depend on their order, nor on that of the columns. */
class Sum {
  #digest = Buffer.alloc(32);
  rows = 0;

  add(columns, row) {
    const fields = columns.map((column, place) => [column, row[place]]).sort(([a], [b]) => (a < b ? -1 : 1));
    const digest = createHash('sha256').update(JSON.stringify(fields)).digest();
    for (let place = 0; place < 32; place += 1) this.#digest[place] ^= digest[place];
    this.rows += 1;
  }

  get text() {
    return `${this.rows} ${this.#digest.toString('hex')}`;
  }
}

async function statementsOf(file) {
  return split(await readFile(path.join(ROOT, 'migrations', file), 'utf8'));
}

/** Each is a second time what it was the first time: a run that was cut off in the middle of a part loads it again. */
function insertion({ table, columns, kind }) {
  const isChanges = kind === 'changes';
  const values = columns.map((_, place) => `value ->> '$${isChanges ? '[1]' : ''}[${place}]'`);
  const where = isChanges ? `WHERE json_type(value, '$[1]') = 'array'` : '';
  return `INSERT OR REPLACE INTO ${name(table)} (${columns.map(name).join(', ')}) SELECT ${values.join(', ')} FROM json_each(?1) ${where}`;
}

function* chunksOf(lines) {
  let chunk = [];
  let length = 0;
  for (const line of lines) {
    if (chunk.length > 0 && length + line.length > INSERT) {
      yield `[${chunk.join(',')}]`;
      [chunk, length] = [[], 0];
    }
    chunk.push(line);
    length += line.length;
  }
  if (chunk.length > 0) yield `[${chunk.join(',')}]`;
}
