/** The clocks of a fleet: the panel's, and each host's own, all of which a test moves. */
import { rename, writeFile } from 'node:fs/promises';
import os from 'node:os';

import { until } from './site.mjs';

export const MINUTE = 60;
export const HOUR = 3600;
export const DAY = 86_400;
/** Steps are no longer than this, so that nothing that waits for some time sees more than it waits for. */
const LONGEST_STEP = 10 * MINUTE;

export class Clocks {
  #hosts = new Map();
  #markers = new Map();

  /** @param {import('./fleet.mjs').Fleet} fleet */
  constructor(fleet) {
    this.fleet = fleet;
    /** Seconds by which the panel's clock is ahead of this machine's. */
    this.ahead = 0;
  }

  /** @returns {number} the panel's second */
  get now() {
    return Math.floor(Date.now() / 1000) + this.ahead;
  }

  /** Set the panel's clock, before there are nodes. @param {number} second */
  async begin(second) {
    this.ahead = second - Math.floor(Date.now() / 1000);
    await this.fleet.panel.setClock(this.ahead);
  }

  /**
   * Add a node whose host has clocks of its own.
   *
   * @param {{wall?: number} & Parameters<import('./fleet.mjs').Fleet['addNode']>[0]} [options] seconds by which its wall clock is
   *   ahead of the panel's, and what the fleet wants to know of a node
   * @returns {Promise<import('./fleet.mjs').FleetNode>}
   */
  async addNode({ wall = 0, ...options } = {}) {
    const file = `${this.fleet.folder}/clock-${this.fleet.nodes.length + 1}`;
    const moved = { file, wall: (this.ahead + wall) * 1000, boot: 0 };
    await write(moved);
    const node = await this.fleet.addNode({ ...options, env: { WEIR_CLOCK: file } });
    this.#hosts.set(node, moved);
    return node;
  }

  /** Step the wall clock of one host. @param {import('./fleet.mjs').FleetNode} node @param {number} seconds */
  async stepWall(node, seconds) {
    const moved = this.#hosts.get(node);
    moved.wall += seconds * 1000;
    await write(moved);
  }

  /** Let a host boot: its clock since the boot begins anew. Its agent must not run. @param {import('./fleet.mjs').FleetNode} node */
  async boot(node, name) {
    const moved = this.#hosts.get(node);
    moved.boot = 1000 - Math.floor(os.uptime() * 1000);
    await write(moved);
    node.host.env.WEIR_BOOT = name;
  }

  /**
   * Let time pass for the panel and for all hosts. Nobody must hear anybody meanwhile, because their clocks do not move at one instant.
   *
   * @param {number} second what the panel's clock shows then
   * @param {{longest?: number}} [options] seconds of one step
   */
  async passUntil(second, { longest = LONGEST_STEP } = {}) {
    while (this.now < second) {
      const step = Math.min(second - this.now, longest);
      this.ahead += step;
      for (const moved of this.#hosts.values()) {
        moved.wall += step * 1000;
        moved.boot += step * 1000;
        await write(moved);
      }
      await this.fleet.panel.setClock(this.ahead);
    }
  }

  /**
   * Enter a user who expires at a second: that a node shuts his gate shows that it has seen that second pass.
   *
   * @param {number} second
   */
  async mark(second) {
    const name = `until-${second}`;
    await this.fleet.api('POST', '/api/v1/users', { name, expires_at: second });
    this.#markers.set(second, (await this.fleet.slots()).get(name));
  }

  /** Let time pass until a marked second, and until all hosts have seen it. @param {number} second */
  async passMark(second) {
    const slot = this.#markers.get(second);
    // A host's own idea of the panel's clock is right to the second.
    await this.passUntil(second + 1);
    for (const node of this.fleet.nodes) await until(`${node.name} has seen ${second}`, () => node.core.gates.get(slot) === false, { everyMs: 20 });
  }
}

/** The agent may look at any moment, and must not find half a file. */
async function write({ file, wall, boot }) {
  await writeFile(`${file}.new`, `${wall} ${boot} 0\n`);
  await rename(`${file}.new`, file);
}
