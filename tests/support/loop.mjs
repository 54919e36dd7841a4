/**
 * The whole loop on this machine: a panel, a node with its agent and core, a client core with every user's credentials, and the
 * laboratory that makes the users' traffic and keeps the books that the panel's figures are judged by.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { makeCertificate } from './certificate.mjs';
import { LocalNode } from './node.mjs';
import { startPanel } from './panel.mjs';
import { freePort } from './ports.mjs';
import { clientConfig, USER_PROTOCOLS } from './singbox-config.mjs';
import { readStartedAt, settledStatus } from './singbox-status.mjs';
import { startSingBox } from './singbox.mjs';
import { TrafficLab } from './traffic.mjs';
import { slotCredentials } from './wire.mjs';

export const MIB = 1024 * 1024;
/** Ten times what the slowest of these waits takes on a busy machine. */
const HANG_LIMIT_MS = 60_000;
const LOOK_EVERY_MS = 100;
/** Everything is synced and reported every second, so that a test need not wait for what takes minutes in production. */
const QUICK = { SYNC_SECONDS: '1', REPORT_SECONDS: '1' };

/**
 * Wait until something is so.
 *
 * @param {string} what for the message if it never is
 * @param {() => (T|Promise<T>)} look
 * @param {{limitMs?: number, everyMs?: number}} [options]
 * @returns {Promise<T>} the first truthy answer of `look`
 * @throws {Error} after the limit, with what `look` said or threw last
 * @template T
 */
export async function until(what, look, { limitMs = HANG_LIMIT_MS, everyMs = LOOK_EVERY_MS } = {}) {
  const deadline = performance.now() + limitMs;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (performance.now() > deadline) throw new Error(`${what}: not within ${limitMs / 1000} s`);
    await sleep(everyMs);
  }
}

/** See the module's description. Made by {@link startLoop}. */
export class Loop {
  #certificate;
  #folder;
  #extraClients = [];

  constructor({ panel, certificate, folder }) {
    /** @type {import('./panel.mjs').Panel} */
    this.panel = panel;
    this.#certificate = certificate;
    this.#folder = folder;
    /** @type {LocalNode} */
    this.node = undefined;
    /** The node's number in the panel. @type {number} */
    this.nodeId = undefined;
    /** The client core of the users that the loop began with. @type {import('./singbox.mjs').SingBox} */
    this.client = undefined;
    /** Traffic of the users that the loop began with. @type {TrafficLab} */
    this.lab = undefined;
  }

  /** @param {Required<Omit<Parameters<typeof startLoop>[0], 'vars'>>} options */
  async start({ users, protocols, settings, agentUrl }) {
    for (const user of users) await this.api('POST', '/api/v1/users', user);
    const created = await this.api('POST', '/api/v1/nodes', { name: 'node', address: '127.0.0.1' });
    this.nodeId = created.id;
    this.node = await LocalNode.make({ folder: path.join(this.#folder, 'node'), certificate: this.#certificate, protocols, settings });
    await this.node.enroll(await agentUrl(this.panel), created.token);
    this.node.startAgent();
    await this.loaded();
    const { lab, client } = await this.#clientOf(users.map(({ name }) => name));
    Object.assign(this, { lab, client });
  }

  /**
   * Call the panel's own API.
   *
   * @param {string} method
   * @param {string} where
   * @param {unknown} [body]
   * @returns {Promise<any>} the answer's JSON
   * @throws {assert.AssertionError} if the panel refuses
   */
  async api(method, where, body) {
    const answer = await this.panel.api(method, where, body);
    assert.ok(answer.status >= 200 && answer.status < 300, `${method} ${where}: ${answer.status} ${answer.text}`);
    return answer.body;
  }

  /** @returns {Promise<object>} the node as the API shows it */
  nodeInPanel() {
    return this.api('GET', `/api/v1/nodes/${this.nodeId}`);
  }

  /** Wait until the core has loaded every slot of the newest roster. */
  async loaded() {
    await this.#reached('the core has loaded the newest roster', ({ roster_loaded: loaded, status }, newest) => loaded === newest && status?.incarnation > 0);
  }

  /** Wait until the agent holds the newest roster; what follows from it is not done yet. */
  async held() {
    await this.#reached('the agent holds the newest roster', ({ roster_held: held }, newest) => held === newest);
  }

  async #reached(what, isReached) {
    const look = async () => {
      const { newest } = await this.panel.db.prepare('SELECT max(number) AS newest FROM roster_versions').first();
      return isReached(await this.nodeInPanel(), newest);
    };
    await this.#explained(until(what, look));
  }

  /**
   * More users' traffic, by a client core of their own. Ends with the loop.
   *
   * @param {string[]} names of users that the panel has now
   * @returns {Promise<TrafficLab>}
   */
  async labOf(names) {
    const { lab, client } = await this.#clientOf(names);
    this.#extraClients.push({ lab, client });
    return lab;
  }

  async #clientOf(names) {
    const slots = await this.slots();
    const users = names.map((name) => ({ ...slotCredentials(this.panel.slotKey, slots.get(name)), name }));
    const listenPort = await freePort();
    const { ports, ssServerKey } = this.node;
    const client = await startSingBox({ config: clientConfig({ listenPort, users, ports, ssServerKey }), readyPort: listenPort, name: 'client' });
    return { client, lab: await TrafficLab.start({ socksPort: listenPort }) };
  }

  /** @returns {Promise<Map<string, string>>} the slots of the users who exist, by name */
  async slots() {
    const { results } = await this.panel.db.prepare('SELECT name, slot FROM users WHERE deleted_at IS NULL').all();
    return new Map(results.map(({ name, slot }) => [name, slot]));
  }

  /** @returns {Promise<Map<string, {up: number, down: number}>>} bytes in the panel's history, by user who has any; deleted ones too */
  async history() {
    const { results } = await this.panel.db
      .prepare('SELECT name, sum(up) AS up, sum(down) AS down FROM history JOIN users ON users.id = history.user GROUP BY users.id')
      .all();
    return new Map(results.map(({ name, up, down }) => [name, { up, down }]));
  }

  /** @returns {Promise<Books>} what the panel says of all bytes of the node
   *
   * @typedef {{up: number, down: number, unknown: number, unattributed: number, foreign: number}} Books */
  async books() {
    const { up, down, unknown, unattributed, foreign } = await this.nodeInPanel();
    return { up, down, unknown, unattributed, foreign };
  }

  /**
   * Wait until everything that the core has counted is in the panel's books, whomever it is credited to.
   *
   * @param {{attributed?: boolean}} [options] `attributed`: and all of it is credited to somebody. The agent leaves out for some
   * seconds what it is in doubt about
   * @returns {Promise<{books: Books, core: {up: number, down: number}}>}
   */
  async settled({ attributed = false } = {}) {
    const { uplinkTotal: up, downlinkTotal: down } = await settledStatus(this.node.api);
    let books;
    const whole = async () => {
      books = await this.books();
      const nobodys = books.unknown + books.unattributed + books.foreign;
      return books.up + books.down + nobodys === up + down && (!attributed || books.unattributed === 0);
    };
    const figures = async () => `the core counted ${up} up, ${down} down; the panel has ${JSON.stringify(books)}; ${await this.#differences()}`;
    await this.#explained(
      until('the panel has all bytes of the core', whole).catch(async (error) => {
        throw new Error(`${error.message}; ${await figures()}`);
      }),
    );
    return { books, core: { up, down } };
  }

  /** Where the panel's history is not what the laboratory accounts for, in words. */
  async #differences() {
    const history = await this.history();
    const names = new Set(this.lab?.account.entries().map(({ user }) => user));
    const differing = [...names].flatMap((user) => {
      const { up, down } = this.lab.account.sum({ user });
      const found = history.get(user) ?? { up: 0, down: 0 };
      const off = (bounds, bytes) => (bytes < bounds.low ? bytes - bounds.low : Math.max(0, bytes - bounds.high));
      const [upOff, downOff] = [off(up, found.up), off(down, found.down)];
      return upOff || downOff ? [`${user} ${upOff} up, ${downOff} down`] : [];
    });
    return `against the laboratory: ${differing.join('; ') || 'no difference'}`;
  }

  /** @returns {Promise<{pid: number|undefined, startedAt: number}>} another answer means that every connection was cut */
  async incarnation() {
    return { pid: this.node.corePid, startedAt: await readStartedAt(this.node.api) };
  }

  async #explained(promise) {
    return promise.catch(async (error) => {
      throw new Error(`${error.message}\n${await this.node?.logs()}\n--- panel\n${this.panel.log()}`, { cause: error });
    });
  }

  /** End everything and delete what it kept. */
  async stop() {
    for (const { lab, client } of [...this.#extraClients, { lab: this.lab, client: this.client }]) {
      await lab?.stop();
      await client?.stop();
    }
    await this.node?.stop();
    await this.panel.stop();
    await this.#certificate.remove();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/**
 * Start the loop and wait until its users can pass.
 *
 * @param {object} [options]
 * @param {Array<{name: string, monthly_quota?: number, total_quota?: number}>} [options.users] as the API takes them
 * @param {Record<string, string>} [options.vars] of the Worker
 * @param {string[]} [options.protocols] of the node's inbounds
 * @param {Record<string, unknown>} [options.settings] of the agent
 * @param {(panel: import('./panel.mjs').Panel) => (string|Promise<string>)} [options.agentUrl] where the agent finds the panel
 * @returns {Promise<Loop>}
 */
export async function startLoop({ users = [], vars = {}, protocols = USER_PROTOCOLS, settings = {}, agentUrl = (panel) => panel.url } = {}) {
  const certificate = await makeCertificate();
  const folder = await mkdtemp(path.join(tmpdir(), 'weir-loop-'));
  const panel = await startPanel({ vars: { ...QUICK, ...vars } });
  const loop = new Loop({ panel, certificate, folder });
  try {
    await loop.start({ users, protocols, settings, agentUrl });
  } catch (error) {
    await loop.stop();
    throw error;
  }
  return loop;
}
