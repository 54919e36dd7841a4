/** What every bench has: a panel, asked as an operator and as the owner of its database. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';

export const MIB = 1024 * 1024;
/** Ten times what the slowest of these waits takes on a busy machine. */
const HANG_LIMIT_MS = 60_000;
const LOOK_EVERY_MS = 100;
/** Everything is synced and reported every second, so that a test need not wait for what takes minutes in production. */
export const QUICK = { SYNC_SECONDS: '1', REPORT_SECONDS: '1' };

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

/** See the module's description. */
export class Site {
  constructor(panel) {
    /** @type {import('./panel.mjs').Panel} */
    this.panel = panel;
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

  /** @param {number} id @returns {Promise<object>} a node as the API shows it */
  nodeInPanel(id) {
    return this.api('GET', `/api/v1/nodes/${id}`);
  }

  /** @param {number} id @returns {Promise<Books>} what the panel says of all bytes of a node
   *
   * @typedef {{up: number, down: number, unknown: number, unattributed: number, foreign: number}} Books */
  async booksOf(id) {
    const { up, down, unknown, unattributed, foreign } = await this.nodeInPanel(id);
    return { up, down, unknown, unattributed, foreign };
  }

  /** Wait until a node is so far with the newest roster. @param {number} id @param {(node: object, newest: number) => boolean} isReached */
  async reached(what, id, isReached) {
    await until(what, async () => {
      const { newest } = await this.panel.db.prepare('SELECT max(number) AS newest FROM roster_versions').first();
      return isReached(await this.nodeInPanel(id), newest);
    });
  }

  /** Wait until the core of a node has loaded every slot of the newest roster. @param {number} id */
  async loadedOn(id) {
    await this.reached('the core has loaded the newest roster', id, ({ roster_loaded: loaded, status }, newest) => loaded === newest && status?.incarnation > 0);
  }

  /** Wait until the agent of a node holds the newest roster; what follows from it is not done yet. @param {number} id */
  async heldOn(id) {
    await this.reached('the agent holds the newest roster', id, ({ roster_held: held }, newest) => held === newest);
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
}
