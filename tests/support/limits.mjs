/**
 * A panel and a node whose users have limits of speed, devices and connections, and clients that come from whatever address of
 * loopback they like, straight to a SOCKS inbound of the real core.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { Account } from './account.mjs';
import { makeCertificate } from './certificate.mjs';
import { startTargets, tcpRequest } from './echo-server.mjs';
import { LocalNode } from './node.mjs';
import { startPanel } from './panel.mjs';
import { QUICK, Site, until } from './site.mjs';
import { socksAssociate, socksConnect, SocksError } from './socks5.mjs';
import { slotCredentials } from './wire.mjs';

export { until };

/** A handshake that takes longer hangs. */
const HANG_LIMIT_MS = 60_000;
/** The default of GRANT_FLOOR_BYTES. */
const FLOOR = 2 ** 20;
/** More than any test moves. */
const ENDLESS = 2 ** 50;
const CHUNK = Buffer.alloc(64 << 10, 0x77);

/** The template's inbound speaks SOCKS alone: over HTTP a client could name any address. @param {object} template */
export function overSocks(template) {
  return { ...template, inbounds: template.inbounds.map((inbound) => (inbound.type === 'mixed' ? { ...inbound, type: 'socks' } : inbound)) };
}

/** See the module's description. Made by {@link startLimits}. */
export class Limits extends Site {
  #certificate;
  #folder;
  #targets;
  #slots;
  #open;
  #streams = new Set();

  constructor({ panel, certificate, folder }) {
    super(panel);
    this.#certificate = certificate;
    this.#folder = folder;
    this.account = new Account();
  }

  async start({ users, settings, change, host, open, targets }) {
    /** Where clients find the core. */
    this.host = host;
    this.#open = open;
    for (const user of users) await this.api('POST', '/api/v1/users', user);
    const { id, token } = await this.api('POST', '/api/v1/nodes', { name: 'node', address: '127.0.0.1' });
    this.nodeId = id;
    this.node = await LocalNode.make({ folder: this.#folder, certificate: this.#certificate, protocols: ['mixed'], settings, change: (template) => change(overSocks(template)) });
    this.#targets = await targets(this.account);
    await this.node.enroll(this.panel.url, token);
    this.node.startAgent();
    await this.loadedOn(id).catch(async (error) => {
      throw new Error(`${error.message}\n${await this.node.logs()}`, { cause: error });
    });
    this.#slots = await this.slots();
    await Promise.all(users.filter((user) => !user.monthly_quota).map(({ name }) => this.#granted(name)));
  }

  /** Let a user move more than a node lets pass before the panel has granted anything: from then on no limit but his own cuts him. */
  async #granted(user) {
    await until(`${user} has a grant`, async () => {
      const flood = await this.flood(user, 'down', { rate: 4 * FLOOR });
      await Promise.race([flood.ended, until(`${user} passes`, () => flood.over || flood.passed > 2 * FLOOR)]);
      const { over } = flood;
      flood.end();
      return !over;
    });
  }

  /** @returns {number} the target's port for connections */
  get tcpPort() {
    return this.#targets.tcpPort;
  }

  /** @returns {number} the target's port for datagrams */
  get udpPort() {
    return this.#targets.udpPort;
  }

  #proxy(user, from) {
    const slot = this.#slots.get(user);
    const { password } = slotCredentials(this.panel.slotKey, slot);
    return { socksPort: this.node.ports.mixed, username: slot, password, localAddress: from, host: this.host, open: this.#open, signal: AbortSignal.timeout(HANG_LIMIT_MS) };
  }

  /** @param {string} user @returns {string} his slot */
  slotOf(user) {
    return this.#slots.get(user);
  }

  /** @param {string} user @param {string} [from] address of the client @returns {Promise<import('node:net').Socket>} to the target */
  connect(user, from) {
    return socksConnect(this.#proxy(user, from), this.#targets.tcpPort, this.#targets.host);
  }

  /** @param {string} user @param {string} [from] @returns {Promise<{control: import('node:net').Socket, relayPort: number}>} */
  associate(user, from) {
    return socksAssociate(this.#proxy(user, from));
  }

  /**
   * A connection on which one side sends as much as passes.
   *
   * @param {string} user
   * @param {'up'|'down'} direction
   * @param {{from?: string, rate?: number}} [options] address of the client; the most bytes a second that the target sends
   * @returns {Promise<Flood>} one that is over, if the connection was ended or refused before it stood
   */
  async flood(user, direction, { from, rate } = {}) {
    const entry = this.account.open({ user, protocol: 'mixed', network: 'tcp' });
    const socket = await this.connect(user, from).catch((error) => {
      if (!(error instanceof SocksError)) throw error;
      const none = new net.Socket();
      none.destroy();
      return none;
    });
    const flood = new Flood(socket, entry, direction, rate);
    this.#streams.add(flood);
    return flood;
  }

  /** What a user may have. @param {string} user @param {object} fields as the API takes them */
  async allow(user, fields) {
    await this.api('PATCH', `/api/v1/users/${user}`, fields);
    await this.heldOn(this.nodeId);
  }

  /** Bytes that passed between now and then, by flood, measured at their receivers. @returns {Promise<{seconds: number, bytes: number[]}>} */
  async during(milliseconds, floods) {
    const before = floods.map((flood) => flood.passed);
    const start = performance.now();
    await sleep(milliseconds);
    const seconds = (performance.now() - start) / 1000;
    return { seconds, bytes: floods.map((flood, index) => flood.passed - before[index]) };
  }

  /** End every flood. */
  hush() {
    for (const flood of this.#streams) flood.end();
    this.#streams.clear();
  }

  async stop() {
    this.hush();
    await this.#targets?.stop();
    await this.node?.stop();
    await this.panel.stop();
    await this.#certificate.remove();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** See {@link Limits.flood}. */
export class Flood {
  #socket;
  #entry;
  #direction;

  constructor(socket, entry, direction, rate) {
    this.#socket = socket;
    this.#entry = entry;
    this.#direction = direction;
    /** Whether the connection has ended, by whomever. */
    this.over = false;
    /** Resolves when it has. @type {Promise<void>} */
    this.ended = new Promise((resolve) => {
      socket.once('close', () => {
        this.over = true;
        this.endedAt = performance.now();
        resolve();
      });
    });
    socket.on('error', () => socket.destroy());
    socket.on('end', () => socket.destroy());
    const up = direction === 'up';
    socket.on('data', (chunk) => (entry.clientReceived += chunk.length));
    this.#write(tcpRequest({ id: entry.id, mode: rate ? 'paced' : 'duplex', up: up ? ENDLESS : 0, down: up ? 0 : (rate ?? ENDLESS) }));
    if (up) this.#pump();
    socket.resume();
  }

  #pump() {
    const socket = this.#socket;
    const pump = () => {
      while (socket.writable && this.#write(CHUNK));
    };
    socket.on('drain', pump);
    pump();
  }

  #write(bytes) {
    this.#entry.clientSent += bytes.length;
    return this.#socket.write(bytes);
  }

  /** @returns {number} bytes that have arrived where they go */
  get passed() {
    return this.#direction === 'up' ? this.#entry.targetReceived : this.#entry.clientReceived;
  }

  /** @returns {string|null} whom the target sees */
  get from() {
    return this.#entry.from;
  }

  end() {
    this.#socket.destroy();
  }
}

/**
 * @param {object} options
 * @param {Array<object>} options.users as the API takes them
 * @param {Record<string, unknown>} [options.settings] of the agent
 * @param {(template: object) => object} [options.change] makes the operator's template from the usual one
 * @param {string} [options.host] where clients find the core, instead of 127.0.0.1
 * @param {(to: object) => import('node:net').Socket} [options.open] makes clients' connections
 * @param {(account: Account) => Promise<object>} [options.targets] starts the targets, instead of on 127.0.0.1
 * @returns {Promise<Limits>}
 */
export async function startLimits({ users, settings = {}, change = (template) => template, host, open, targets = startTargets }) {
  const certificate = await makeCertificate();
  const folder = await mkdtemp(path.join(tmpdir(), 'weir-limits-'));
  const panel = await startPanel({ vars: QUICK });
  const limits = new Limits({ panel, certificate, folder });
  try {
    await limits.start({ users, settings, change, host, open, targets });
  } catch (error) {
    await limits.stop();
    throw error;
  }
  return limits;
}
