/** A SQLite file of another panel, read and never written. */
import { existsSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';

import { Trouble } from '../home.mjs';

/** @param {string} file @returns {Tables} */
export function openTables(file) {
  if (!existsSync(file)) throw new Trouble(`${file} is missing`);
  try {
    const database = new DatabaseSync(file, { readOnly: true });
    database.prepare('SELECT count(*) FROM sqlite_schema').get();
    return new Tables(database, file);
  } catch (error) {
    throw new Trouble(`${file} is no SQLite database that can be read: ${error.message}`);
  }
}

class Tables {
  #database;
  #file;

  constructor(database, file) {
    this.#database = database;
    this.#file = file;
  }

  /** @param {string} table @returns {string[]} none if there is no such table */
  columns(table) {
    return this.#database.prepare('SELECT name FROM pragma_table_info(?)').all(table).map(({ name }) => name);
  }

  /** @param {string} table @returns {object[]} every row; integers beyond 2^53 become inexact */
  rows(table) {
    const statement = this.#database.prepare(`SELECT * FROM "${table}"`);
    statement.setReadBigInts(true);
    const number = (value) => (typeof value === 'bigint' ? Number(value) : value);
    return statement.all().map((row) => Object.fromEntries(Object.entries(row).map(([name, value]) => [name, number(value)])));
  }

  /** @param {string[]} names @throws {Trouble} if one is missing */
  need(...names) {
    const missing = names.filter((name) => this.columns(name).length === 0);
    if (missing.length > 0) throw new Trouble(`${this.#file} has no table ${missing.join(', ')}`);
  }

  close() {
    this.#database.close();
  }
}
