/**
 * The whole loop on this machine: a panel, a node with its agent and core, a client core with every user's credentials, and the
 * laboratory that makes the users' traffic and keeps the books that the panel's figures are judged by.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { makeCertificate } from './certificate.mjs';
import { clientOf } from './client.mjs';
import { LocalNode } from './node.mjs';
import { startPanel } from './panel.mjs';
import { USER_PROTOCOLS } from './singbox-config.mjs';
import { readStartedAt, settledStatus } from './singbox-status.mjs';
import { MIB, QUICK, Site, until } from './site.mjs';

export { MIB, until };

/** See the module's description. Made by {@link startLoop}. */
export class Loop extends Site {
  #certificate;
  #folder;
  #extraClients = [];

  constructor({ panel, certificate, folder }) {
    super(panel);
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
    const { lab, client } = await clientOf(this, this.node, users.map(({ name }) => name));
    Object.assign(this, { lab, client });
  }

  /** @returns {Promise<object>} the node as the API shows it */
  nodeInPanel(id = this.nodeId) {
    return super.nodeInPanel(id);
  }

  /** Wait until the core has loaded every slot of the newest roster. */
  async loaded() {
    await this.#explained(this.loadedOn(this.nodeId));
  }

  /** Wait until the agent holds the newest roster; what follows from it is not done yet. */
  async held() {
    await this.#explained(this.heldOn(this.nodeId));
  }

  /**
   * More users' traffic, by a client core of their own. Ends with the loop.
   *
   * @param {string[]} names of users that the panel has now
   * @returns {Promise<TrafficLab>}
   */
  async labOf(names) {
    const { lab, client } = await clientOf(this, this.node, names);
    this.#extraClients.push({ lab, client });
    return lab;
  }

  /** @returns {Promise<import('./site.mjs').Books>} what the panel says of all bytes of the node */
  books() {
    return this.booksOf(this.nodeId);
  }

  /**
   * Wait until everything that the core has counted is in the panel's books, whomever it is credited to.
   *
   * @param {{attributed?: boolean}} [options] `attributed`: and all of it is credited to somebody. The agent leaves out for some
   * seconds what it is in doubt about
   * @returns {Promise<{books: import('./site.mjs').Books, core: {up: number, down: number}}>}
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
