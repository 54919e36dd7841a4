/** A node with a real sing-box, for the one thing that a core which a test plays cannot show: what the core's file says of a gate. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';

import { until } from '../site.mjs';

const REFUSE = 'weir-refuse';
const NAME = 'witness-real';
/** The file follows a gate within five seconds. */
/** An agent may wait for a minute after many failures. */
const OPENS_WITHIN_MS = 240_000;
const FILE_WITHIN_MS = 8_000;

export class RealGate {
  #turn = Promise.resolve();

  /** @param {import('./run.mjs').Run} run @param {Record<string, string>} env of its agent @returns {Promise<RealGate>} */
  static async make(run, env) {
    const gate = new RealGate();
    gate.run = run;
    await run.fleet.api('POST', '/api/v1/users', { name: NAME });
    gate.slot = (await run.fleet.slots()).get(NAME);
    gate.node = await run.clocks.addNode({ real: true, protocols: ['trojan'] });
    // The others are those whose bytes are counted.
    run.fleet.nodes.splice(run.fleet.nodes.indexOf(gate.node), 1);
    Object.assign(gate.node.host.env, env);
    await gate.node.host.killAgent();
    gate.node.host.startAgent();
    return gate;
  }

  /** Shut it while the core is down, kill the agent, and start the core alone. */
  gate() {
    this.#turn = this.#turn.then(() => this.#shutAndStart());
    return this.#turn;
  }

  get #isOpen() {
    const { outbounds } = JSON.parse(readFileSync(this.node.host.in('core/config.json'), 'utf8'));
    return outbounds.find(({ tag }) => tag === `weir:${this.slot}`)?.default !== REFUSE;
  }

  async #shutAndStart() {
    const { run, node } = this;
    const { host } = node;
    // A copy that was put back may be from while he was disabled.
    await run.product.ask(undefined, 'POST', `/api/v1/users/${NAME}/enable`);
    await until('the file lets the witness pass', () => this.#isOpen, { limitMs: OPENS_WITHIN_MS });
    await host.stopCore('SIGKILL');
    await run.product.ask(undefined, 'POST', `/api/v1/users/${NAME}/disable`);
    await run.patiently(() => run.fleet.heldOn(node.id));
    const isShut = () => !this.#isOpen && !existsSync(host.in('state/cache.db'));
    await until('the file is written', isShut, { limitMs: FILE_WITHIN_MS }).catch(() => {});
    await host.killAgent();
    assert.ok(isShut(), `${node.name}: the core's file opens a gate that is shut, and the agent is gone`);
    await host.startCore();
    host.startAgent();
    await run.product.ask(undefined, 'POST', `/api/v1/users/${NAME}/enable`);
  }
}
