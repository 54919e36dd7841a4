/**
 * A panel with faults on demand and several nodes, each with a real agent behind a network that a test can disturb. A node's core is
 * a real sing-box, or one that the test plays: eight of those fit on a machine that carries three of the real ones.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { makeCertificate } from './certificate.mjs';
import { clientOf } from './client.mjs';
import { FaultProxy } from './fault-proxy.mjs';
import { LocalNode } from './node.mjs';
import { startPanel } from './panel.mjs';
import { ScriptedNode } from './scripted-node.mjs';
import { MIB, QUICK, Site, until } from './site.mjs';
import { settledStatus } from './singbox-status.mjs';

export { MIB, until };

/** One node of a {@link Fleet}. */
export class FleetNode {
  constructor({ id, name, host, proxy }) {
    /** Its number in the panel. @type {number} */
    this.id = id;
    this.name = name;
    /** @type {ScriptedNode|LocalNode} */
    this.host = host;
    /** Between its agent and the panel. @type {FaultProxy} */
    this.proxy = proxy;
    /** Traffic through a real core. @type {import('./traffic.mjs').TrafficLab|undefined} */
    this.lab = undefined;
    this.client = undefined;
  }

  /** The core that the test plays. @returns {import('./scripted-core.mjs').ScriptedCore} */
  get core() {
    return this.host.core;
  }

  /** @returns {Promise<number>} the bytes that the core has counted since it was started first */
  async counted() {
    if (this.core) return this.core.total;
    const { uplinkTotal, downlinkTotal } = await settledStatus(this.host.api);
    return uplinkTotal + downlinkTotal;
  }

  async stop() {
    await this.lab?.stop();
    await this.client?.stop();
    await this.host.stop();
    await this.proxy.stop();
  }
}

/** See the module's description. Made by {@link startFleet}. */
export class Fleet extends Site {
  #certificate = null;
  #named = 0;

  constructor(panel, folder) {
    super(panel);
    this.folder = folder;
    /** @type {FleetNode[]} */
    this.nodes = [];
  }

  /**
   * Add a node and wait until it has loaded the newest roster.
   *
   * @param {object} [options]
   * @param {boolean} [options.real] with a sing-box
   * @param {number} [options.coefficient] in per mille
   * @param {Record<string, unknown>} [options.settings] of the agent
   * @param {Record<string, string>} [options.env] of the agent
   * @param {string[]} [options.protocols] of a real core
   * @param {(template: object) => object} [options.change] of a real core's template
   * @returns {Promise<FleetNode>}
   */
  async addNode({ real = false, settings, env = {}, protocols, change, ...rest } = {}) {
    this.#named += 1;
    const name = `node-${this.#named}`;
    const { id, token } = await this.api('POST', '/api/v1/nodes', { name, address: '127.0.0.1', ...rest });
    const folder = path.join(this.folder, name);
    this.#certificate ??= real ? makeCertificate() : null;
    const host = real
      ? await LocalNode.make({ folder, certificate: await this.#certificate, protocols, settings, change, faults: true })
      : await ScriptedNode.make({ folder, settings });
    Object.assign(host.env, env);
    const node = new FleetNode({ id, name, host, proxy: await FaultProxy.start({ target: this.panel.url }) });
    this.nodes.push(node);
    await host.enroll(node.proxy.url, token);
    host.startAgent();
    await this.explained(this.loadedOn(id));
    return node;
  }

  /** Let users connect through a real core. @param {FleetNode} node @param {string[]} names */
  async connect(node, names) {
    Object.assign(node, await clientOf(this, node.host, names));
  }

  /** @param {string} name @returns {Promise<object>} a user as the API shows him */
  user(name) {
    return this.api('GET', `/api/v1/users/${name}`);
  }

  /**
   * Wait until everything that the cores have counted is in the panel's books, whomever it is credited to.
   *
   * @param {{nodes?: FleetNode[], limitMs?: number}} [options] of which nodes; of all unless told
   * @returns {Promise<import('./site.mjs').Books[]>} by node
   */
  async settled({ nodes = this.nodes, limitMs } = {}) {
    const settle = async (node) => {
      const counted = await node.counted();
      let books;
      const whole = async () => {
        books = await this.booksOf(node.id);
        return sum(books) === counted;
      };
      const failed = (error) => {
        throw new Error(`${error.message}: ${node.name} counted ${counted}, the panel has ${books && sum(books)} of it: ${JSON.stringify(books)}`);
      };
      await until(`the panel has all bytes of ${node.name}`, whole, { limitMs }).catch(failed);
      return books;
    };
    return this.explained(Promise.all(nodes.map(settle)));
  }

  /** Adds the logs to what a promise fails with. @template T @param {Promise<T>} promise @returns {Promise<T>} */
  async explained(promise) {
    return promise.catch(async (error) => {
      const logs = await Promise.all(this.nodes.map(async ({ name, host }) => `=== ${name}\n${await host.logs()}`));
      throw new Error(`${error.message}\n${logs.join('\n')}\n=== panel\n${this.panel.log()}`, { cause: error });
    });
  }

  /** End everything and delete what it kept. */
  async stop() {
    await Promise.all(this.nodes.map((node) => node.stop()));
    await this.panel.stop();
    await (await this.#certificate)?.remove();
    await rm(this.folder, { recursive: true, force: true });
  }
}

function sum({ up, down, unknown, unattributed, foreign }) {
  return up + down + unknown + unattributed + foreign;
}

/**
 * Start a panel with users and nodes.
 *
 * @param {object} [options]
 * @param {Array<object>} [options.users] as the API takes them
 * @param {number} [options.nodes] how many, with cores that the test plays
 * @param {Parameters<Fleet['addNode']>[0]} [options.node] of each of them
 * @param {Record<string, string>} [options.vars] of the Worker
 * @param {boolean} [options.bucket] of the panel, for backups
 * @returns {Promise<Fleet>}
 */
export async function startFleet({ users = [], nodes = 0, node = {}, vars = {}, bucket = false } = {}) {
  const folder = await mkdtemp(path.join(tmpdir(), 'weir-fleet-'));
  const panel = await startPanel({ folder: path.join(folder, 'up/panel'), vars: { ...QUICK, ...vars }, bucket, faults: true });
  const fleet = new Fleet(panel, folder);
  try {
    for (const user of users) await fleet.api('POST', '/api/v1/users', user);
    await Promise.all(Array.from({ length: nodes }, () => fleet.addNode(node)));
  } catch (error) {
    await fleet.stop();
    throw error;
  }
  return fleet;
}
