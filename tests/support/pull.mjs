/** One user who pulls from several nodes at once, as fast as they let him, and the bound that his quota sets him. */
import assert from 'node:assert/strict';

import { MIB, until } from './site.mjs';

/** The default of GRANT_FLOOR_BYTES. */
export const FLOOR = MIB;
/** Seconds between two looks of an agent at a user near his limit. */
export const TICK = 0.1;
/** So long without a byte, while he tries a hundred times a second, means that he is refused everywhere. */
const QUIET_MS = 1500;

export class Pull {
  /**
   * Create a user and let him pull. His first bytes flow when this returns.
   *
   * @param {import('./fleet.mjs').Fleet} fleet
   * @param {{name: string, rate: number, nodes?: import('./fleet.mjs').FleetNode[]}} options `rate` in bytes per second and node;
   *   all other fields as the API takes them
   * @returns {Promise<Pull>}
   */
  static async start(fleet, { name, rate, nodes = fleet.nodes, ...fields }) {
    await fleet.api('POST', '/api/v1/users', { name, ...fields });
    const slot = (await fleet.slots()).get(name);
    await until(`${name}'s gates are open`, () => nodes.every(({ core }) => core.gates.get(slot)));
    return new Pull(fleet, { name, slot, nodes, rate });
  }

  constructor(fleet, { name, slot, nodes, rate }) {
    this.fleet = fleet;
    this.name = name;
    this.slot = slot;
    this.nodes = nodes;
    this.rate = rate;
    this.flows = nodes.map(({ core }) => core.flow(slot, { rate }));
  }

  /** @returns {number} bytes that he has moved on all nodes */
  get used() {
    return this.flows.reduce((sum, { passed }) => sum + passed, 0);
  }

  /** Wait until he has used so many bytes. @param {number} bytes */
  async reaches(bytes) {
    await until(`${this.name} has used ${bytes} bytes`, () => this.used >= bytes, { everyMs: 10 });
  }

  /** Wait until nothing passes any more on any node. */
  async quiet() {
    let last = { used: this.used, at: performance.now() };
    await until(`nothing of ${this.name} passes any more`, async () => {
      if (this.used !== last.used) last = { used: this.used, at: performance.now() };
      return performance.now() - last.at > QUIET_MS;
    });
  }

  /** @param {import('./fleet.mjs').FleetNode} node @returns {Promise<number>} what it may still spend without asking, as the panel knows it */
  async grantedOn(node) {
    const sql = `SELECT coalesce(sum(json_extract(entry.value, '$[5]')), 0) AS spendable
      FROM usage JOIN users ON users.id = usage.user, json_each(usage.entries) AS entry
      WHERE users.name = ?1 AND deleted_at IS NULL AND entry.key LIKE ?2`;
    return (await this.fleet.panel.db.prepare(sql).bind(this.name, `${node.id}:%`).first()).spendable;
  }

  /**
   * He ends, and the panel gets every byte. What he used is within the bound, and is what he is billed for.
   *
   * @param {object} options
   * @param {number} options.allowed his quota, and whatever else he was allowed
   * @param {import('node:test').TestContext} options.context
   * @param {import('./fleet.mjs').FleetNode[]} [options.lost] nodes whose bytes never reach the panel
   */
  async ends({ allowed, context, lost = [] }) {
    for (const flow of this.flows) flow.stop();
    const nodes = this.fleet.nodes.filter((node) => !lost.includes(node));
    await this.fleet.settled({ nodes });
    const over = this.used - allowed;
    const bound = this.nodes.length * (FLOOR + this.rate * TICK);
    context.diagnostic(`overshoot ${(over / MIB).toFixed(2)} MiB of at most ${(bound / MIB).toFixed(2)} MiB, on ${this.nodes.length} nodes`);
    assert.ok(over <= bound, `${over} bytes over what was allowed; the bound is ${bound}`);
    const billed = (await this.fleet.history()).get(this.name);
    const reported = this.nodes.reduce((sum, node, index) => sum + (lost.includes(node) ? 0 : this.flows[index].passed), 0);
    assert.equal(billed.up + billed.down, reported, 'billed is what was moved');
  }
}
