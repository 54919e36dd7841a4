/** Where a backup is restored to: the database of a panel on this machine, or one at Cloudflare. */
import { existsSync } from 'node:fs';
import { mkdir, rename } from 'node:fs/promises';
import path from 'node:path';

import { openDatabase } from '../../tests/support/panel-database.mjs';
import { signedInAccounts, chooseAccount } from '../deploy/account.mjs';
import { Api } from '../deploy/api.mjs';
import { makeConfig } from '../deploy/config.mjs';
import { createDatabase, listDatabases } from '../deploy/database.mjs';
import { Kept } from '../deploy/kept.mjs';
import { Wrangler } from '../deploy/wrangler.mjs';
import { Trouble } from '../home.mjs';

/**
 * Restore into the folder of a panel. The database is made beside it and moved to its place when it is whole, so no panel ever starts
 * on half of one.
 *
 * @param {string} folder of the panel
 * @param {(target: import('./restoring.mjs').Target) => Promise<T>} restore
 * @returns {Promise<T>}
 * @template T
 */
export async function intoFolder(folder, restore) {
  const place = path.join(folder, 'v3/d1');
  if (existsSync(place)) throw new Trouble(`${folder} has a database: a backup is restored into an empty folder only; move ${place} away`);
  const beside = `${folder}.restoring`;
  const { db, close } = await openDatabase(beside);
  const result = await restore({
    batch: async (statements) => (await db.batch(statements.map((sql) => db.prepare(sql)))).map(({ results }) => results),
    bound: async (sql, value) => (await db.prepare(sql).bind(value).all()).results,
  }).finally(close);
  await mkdir(path.dirname(place), { recursive: true });
  await rename(path.join(beside, 'v3/d1'), place);
  return result;
}

/** A deployment's place at Cloudflare. */
export class Place {
  #say;
  #name;

  /** @param {{folder: string, name: string}} wishes as make deploy has them @param {(text: string) => void} say */
  constructor({ folder, name }, say) {
    this.#say = say;
    this.#name = name;
    this.kept = new Kept(folder);
    this.wrangler = new Wrangler(this.kept, say);
  }

  /** Sign in. */
  async open() {
    await this.kept.claim();
    this.known = (await this.kept.read('deployment.json')) ?? {};
    await this.#configure();
    const accounts = await signedInAccounts(this.wrangler);
    const account = chooseAccount(accounts, { wished: process.env.CLOUDFLARE_ACCOUNT_ID || undefined, known: this.known.account });
    this.wrangler.useAccount(account);
    this.known = { ...this.known, account };
    this.api = new Api(this.wrangler, account);
    await this.#configure();
  }

  async #configure() {
    const { account, database, bucket } = this.known;
    await this.kept.write('wrangler.json', makeConfig({ folder: this.kept.folder, name: this.#name, account, database, bucket }));
  }

  /**
   * The database of this deployment's name, made if there is none.
   *
   * @returns {Promise<import('./restoring.mjs').Target>}
   */
  async database() {
    const all = await listDatabases(this.wrangler);
    const isThere = all.some(({ uuid }) => uuid === this.known.database);
    let id = isThere ? this.known.database : all.find((database) => database.name === this.#name)?.uuid;
    if (id === undefined) {
      this.#say(`creating the database ${this.#name}`);
      id = await createDatabase(this.wrangler, this.#name);
    }
    this.known = { ...this.known, database: id };
    await this.#configure();
    const query = (body) => this.api.call('POST', `/d1/database/${id}/query`, body);
    return {
      // The platform runs what one call brings in one transaction.
      batch: async (statements) => (await query({ sql: statements.join(';\n') })).map(({ results }) => results),
      bound: async (sql, value) => (await query({ sql, params: [value] }))[0].results,
    };
  }

  /** A deployment that knows no bucket has this one from now on. @param {string} bucket */
  adoptBucket(bucket) {
    if (this.known.bucket !== undefined) return;
    this.#say(`make deploy will bind the bucket ${bucket} for backups; BACKUP= names another one`);
    this.known = { ...this.known, bucket };
  }

  /** The database is whole: from now on `make deploy` works with it. */
  async remember() {
    await this.kept.write('deployment.json', this.known);
  }
}
