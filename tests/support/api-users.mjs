/** Users of a panel through its own API, with a node that reports their bytes and takes what the roster says. */
import assert from 'node:assert/strict';

import { seedAgent } from './seed.mjs';

/** What a roster change says of each slot in it: its gate, or `gone`. */
function changesIn({ roster = { upserts: [] } }) {
  const gates = roster.upserts.map(({ slot, gate }) => [slot, gate]);
  return Object.fromEntries([...gates, ...(roster.removals ?? []).map((slot) => [slot, 'gone'])]);
}

/** Every call asserts its status. Made by {@link apiUsers}. */
export class ApiUsers {
  #seq = 0;

  constructor(panel, agent) {
    this.panel = panel;
    /** @type {import('./wire.mjs').ScriptedAgent & {node: number}} */
    this.agent = agent;
  }

  /** @param {number} status @param {string} method @param {string} where @param {unknown} [body] @returns {Promise<any>} the answer's body */
  async ok(status, method, where, body) {
    const answer = await this.panel.api(method, where, body);
    assert.equal(answer.status, status, `${method} ${where}: ${answer.text}`);
    return answer.body;
  }

  /** @param {string} name @param {object} [fields] */
  create(name, fields = {}) {
    return this.ok(201, 'POST', '/api/v1/users', { name, ...fields });
  }

  /** @param {string} name */
  get(name) {
    return this.ok(200, 'GET', `/api/v1/users/${name}`);
  }

  /** @param {string} name @param {object} fields */
  change(name, fields) {
    return this.ok(200, 'PATCH', `/api/v1/users/${name}`, fields);
  }

  /** @param {string} name @param {'reset'|'enable'|'disable'|'revoke'} verb */
  act(name, verb) {
    return this.ok(200, 'POST', `/api/v1/users/${name}/${verb}`);
  }

  /** @param {string} name */
  remove(name) {
    return this.ok(204, 'DELETE', `/api/v1/users/${name}`);
  }

  /** @param {string} query */
  list(query) {
    return this.ok(200, 'GET', `/api/v1/users?${query}`);
  }

  /** @param {string} name @returns {Promise<string>} */
  async slotOf(name) {
    const found = await this.panel.db.prepare('SELECT slot FROM users WHERE name = ?1 AND deleted_at IS NULL').bind(name).first();
    return found.slot;
  }

  /** The node reports bytes of a slot, half up and half down. @returns {Promise<Record<string, string>>} what it learns of the roster */
  async spend(slot, bytes) {
    this.#seq += 1;
    const report = this.agent.report({ seq: this.#seq, users: [[slot, Math.floor(bytes / 2), Math.ceil(bytes / 2)]] });
    const { status, body, text } = await this.agent.sync({ report });
    assert.deepEqual([status, body?.ack], [200, this.#seq], text);
    return changesIn(body);
  }

  /** @returns {Promise<Record<string, string>>} what the node learns of the roster when it has nothing to say */
  async changes() {
    return changesIn((await this.agent.sync()).body);
  }

  /** @param {string} url of a subscription @returns {Promise<string|number>} the name of its last entry, or the status */
  async subscription(url) {
    const answer = await this.panel.request('GET', `${new URL(url).pathname}/links`);
    return answer.status === 200 ? decodeURIComponent(answer.text.trim().split('#').at(-1)) : answer.status;
  }
}

/**
 * A node that has loaded a full pool of vacant slots before anybody is created.
 *
 * @param {import('./panel.mjs').Panel} panel
 * @returns {Promise<ApiUsers>}
 */
export async function apiUsers(panel) {
  const agent = await seedAgent(panel);
  assert.equal(await panel.cron(), 'ok');
  assert.equal((await agent.sync()).status, 200);
  return new ApiUsers(panel, agent);
}
