/**
 * `make backup`: a backup of a running panel, made now and fetched into a folder; docs/backup.md says how it is used.
 *
 *   TO=DIR         the folder; it is made
 *   NAME=weir-b    of that deployment, instead of the one that make deploy makes without a name
 *   LOCAL=DIR      of the panel that make up runs with WEIR_HOME=DIR (.weir)
 *   INSTANT=n      that backup, which is there already, instead of a new one
 *
 * A run that was cut off while it fetched is taken up again by the next one: it goes on with the backup that the folder has parts of.
 */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { Copy } from './backup/copy.mjs';
import { readWishes } from './deploy/wishes.mjs';
import { Trouble } from './home.mjs';

/** The panel works at it once a minute, a megabyte or two each time on the free plan. */
const PATIENCE_MS = 6 * 3_600_000;
const EVERY_MS = 2_000;

const say = (text) => process.stderr.write(`backup: ${text}\n`);

async function readLogin({ LOCAL: local, ...env }) {
  const file = path.join(local ? path.resolve(local) : readWishes(env).folder, 'login.json');
  try {
    return JSON.parse(await readFile(file, 'utf8'));
  } catch (error) {
    throw new Trouble(`the login of the panel cannot be read from ${file}: ${error.code ?? error.message}`);
  }
}

class Panel {
  #url;
  #key;

  constructor({ url, api_key: key }) {
    this.#url = url;
    this.#key = key;
  }

  /** @returns {Promise<Response>} */
  async ask(method, where) {
    try {
      return await fetch(`${this.#url}/api/v1/backups${where}`, { method, headers: { authorization: `Bearer ${this.#key}` } });
    } catch (error) {
      throw new Trouble(`${this.#url} cannot be asked: ${error.cause?.code ?? error.message}`);
    }
  }

  async #accepted(method, where) {
    const response = await this.ask(method, where);
    if (response.ok) return response;
    const text = await response.text();
    let message = text.slice(0, 200);
    try {
      message = JSON.parse(text).error.message;
    } catch {
      // It is what it is.
    }
    throw new Trouble(`the panel answers ${response.status}: ${message}`);
  }

  /** @returns {Promise<number[]>} instants of the complete ones, the newest first */
  async complete() {
    const { items } = await (await this.#accepted('GET', '')).json();
    return items.filter(({ complete }) => complete).map(({ instant }) => instant);
  }

  /** Make one now, and wait until it is complete. @returns {Promise<number>} its instant */
  async make() {
    const newest = async () => (await this.complete())[0] ?? 0;
    const before = await newest();
    await this.#accepted('POST', '');
    say('the panel makes a backup; it begins within a minute');
    const deadline = performance.now() + PATIENCE_MS;
    while (performance.now() < deadline) {
      const instant = await newest();
      if (instant > before) return instant;
      await sleep(EVERY_MS);
    }
    throw new Trouble('the backup is not complete yet: look at the job backup of GET /api/v1/jobs');
  }

  async fetch(instant, part) {
    const where = part === undefined ? `/${instant}` : `/${instant}/${part}`;
    const response = await this.ask('GET', where);
    return response.status === 404 ? undefined : Buffer.from(await (await this.#checked(response)).arrayBuffer());
  }

  async #checked(response) {
    if (!response.ok) throw new Trouble(`the panel answers ${response.status}`);
    return response;
  }
}

/** The backup that the folder has parts of, or a new one. */
async function chooseInstant(panel, folder) {
  const begun = await Copy.begun(folder, await panel.complete(), (instant) => panel.fetch(instant));
  if (begun === undefined) return panel.make();
  say(`going on with the backup ${begun}, of which ${folder} has parts`);
  return begun;
}

try {
  if (!process.env.TO) throw new Trouble('TO= says the folder that the backup goes into');
  const panel = new Panel(await readLogin(process.env));
  const folder = path.resolve(process.env.TO);
  const instant = process.env.INSTANT || (await chooseInstant(panel, folder));
  const { manifest } = await Copy.fetch(folder, (part) => panel.fetch(instant, part));
  say(`${folder} holds the backup ${instant}: ${manifest.rows} rows, ${manifest.bytes} bytes, as of ${new Date(manifest.at * 1000).toISOString()}`);
} catch (error) {
  if (!(error instanceof Trouble)) throw error;
  say(`error: ${error.message}`);
  process.exitCode = 1;
}
