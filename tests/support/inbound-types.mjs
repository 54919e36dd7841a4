/** A node of any supported release of sing-box with any types of inbound, and a real client of each. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { makeCertificate, TEST_DOMAIN } from './certificate.mjs';
import { enginePath, olderReaders } from './engines.mjs';
import { startNaive } from './naive.mjs';
import { LocalNode } from './node.mjs';
import { startPanel } from './panel.mjs';
import { freePorts } from './ports.mjs';
import { clientAround, labUser } from './singbox-config.mjs';
import { startSingBox } from './singbox.mjs';
import { QUICK, Site, until } from './site.mjs';
import { TrafficLab } from './traffic.mjs';
import { slotCredentials } from './wire.mjs';

/** Who goes by every type; the user of a type has its name and goes by it alone. */
export const BYSTANDER = 'bystander';
const key = (bytes) => Buffer.alloc(bytes, 7).toString('base64');

/** By name: what the operator writes, and whether its client here carries datagrams. Product point A6 names these. */
export const TYPES = {
  trojan: { inbound: { type: 'trojan' }, tls: {}, udp: true },
  vless: { inbound: { type: 'vless' }, tls: {}, udp: true },
  vmess: { inbound: { type: 'vmess' }, udp: true },
  'shadowsocks-2022': { inbound: { type: 'shadowsocks', method: '2022-blake3-aes-256-gcm', password: key(32) }, udp: true },
  'shadowsocks-legacy': { inbound: { type: 'shadowsocks', method: 'aes-256-gcm' }, udp: true },
  hysteria2: { inbound: { type: 'hysteria2' }, tls: {}, udp: true },
  tuic: { inbound: { type: 'tuic' }, tls: { alpn: ['h3'] }, udp: true },
  anytls: { inbound: { type: 'anytls' }, tls: {}, udp: true },
  naive: { inbound: { type: 'naive' }, tls: {}, udp: false },
  socks: { inbound: { type: 'socks' }, udp: true },
  http: { inbound: { type: 'http' }, udp: false },
  mixed: { inbound: { type: 'mixed' }, udp: true },
};

/** The releases; users of a relayed one go through the agent. @type {Array<{name: string, path: string, relayed: boolean}>} */
export const RELEASES = [
  { name: 'sing-box-1.14', path: enginePath('sing-box'), relayed: false },
  ...olderReaders().map((release) => ({ ...release, relayed: true })),
];

/** A panel, a node of one release, and a client of every type. */
export class Scene {
  /**
   * @param {{name: string, path: string, relayed: boolean}} release of {@link RELEASES}
   * @param {string[]} types of {@link TYPES}, each of which has a user of its name
   * @param {Record<string, unknown>} [settings] of the agent
   */
  static async start({ name, path: binary, relayed }, types, settings = {}) {
    const scene = new Scene();
    scene.folder = await mkdtemp(path.join(tmpdir(), 'weir-types-'));
    scene.certificate = await makeCertificate();
    scene.stops = [];
    scene.labs = new Map();
    try {
      await scene.#serve(name, binary, relayed, types, settings);
      await scene.#dial(types);
    } catch (error) {
      error.message += `\n${await scene.logs()}`;
      await scene.stop();
      throw error;
    }
    return scene;
  }

  async #serve(name, binary, relayed, types, settings) {
    this.panel = await startPanel({ vars: QUICK });
    this.site = new Site(this.panel);
    for (const user of [...types, BYSTANDER]) await this.site.api('POST', '/api/v1/users', { name: user });
    const ports = await freePorts(types.length);
    this.ports = Object.fromEntries(types.map((type, index) => [type, ports[index]]));
    const { certificatePath: certificate_path, keyPath: key_path } = this.certificate;
    const inbounds = types.map((type) => {
      const { inbound, tls } = TYPES[type];
      const secured = tls ? { tls: { enabled: true, server_name: TEST_DOMAIN, certificate_path, key_path, ...tls } } : {};
      return { tag: type, listen: '127.0.0.1', listen_port: this.ports[type], ...inbound, ...secured };
    });
    const created = await this.site.api('POST', '/api/v1/nodes', { name: name.replaceAll('.', '-'), address: '127.0.0.1' });
    this.id = created.id;
    const change = ({ services, ...template }) => ({ ...template, inbounds, ...(relayed ? {} : { services }) });
    // By a name that may come to mean another release.
    this.program = path.join(this.folder, 'sing-box');
    await symlink(binary, this.program);
    this.node = await LocalNode.make({ folder: path.join(this.folder, 'node'), certificate: this.certificate, protocols: [], settings, binary: this.program, change });
    await this.node.enroll(this.panel.url, created.token);
    this.node.startAgent();
    await this.site.loadedOn(this.id);
    for (const type of types) await this.site.api('POST', `/api/v1/nodes/${this.id}/addresses`, { inbound: type, remark: '{INBOUND}' });
  }

  /** The user of a type goes by it alone, the bystander by all. */
  async #dial(types) {
    const outbounds = [];
    for (const user of [...types, BYSTANDER]) {
      const { subscription_url: url } = await this.site.api('GET', `/api/v1/users/${user}`);
      const list = await (await fetch(`${url}/sing-box`)).json();
      const own = list.outbounds.filter(({ tag }) => types.includes(tag) && (user === BYSTANDER || tag === user));
      outbounds.push(...own.map((outbound) => ({ ...outbound, tag: labUser(user, outbound.tag) })));
    }
    const [listenPort, naivePort] = await freePorts(2);
    const config = clientAround({ listenPort, outbounds });
    const client = await startSingBox({ config, readyPort: listenPort, name: 'client', env: { SSL_CERT_FILE: this.certificate.certificatePath } });
    this.stops.push(() => client.stop());
    this.clientLog = () => client.log();
    const lab = await TrafficLab.start({ socksPort: listenPort });
    this.stops.unshift(() => lab.stop());
    const carried = new Set(outbounds.map(({ tag }) => tag.split('|')[1]));
    for (const type of types) this.labs.set(type, carried.has(type) ? lab : undefined);
    if (types.includes('naive')) this.labs.set('naive', await this.#naive(naivePort));
    for (const type of types) assert.ok(this.labs.get(type), `there is no client for ${type}`);
  }

  async #naive(listenPort) {
    const slots = await this.site.slots();
    const users = Object.fromEntries(['naive', BYSTANDER].map((user) => {
      const { name: username, password } = slotCredentials(this.panel.slotKey, slots.get(user));
      return [labUser(user, 'naive'), { username, password }];
    }));
    const client = await startNaive({ listenPort, port: this.ports.naive, serverName: TEST_DOMAIN, users });
    this.stops.push(() => client.stop());
    const lab = await TrafficLab.start({ socksPort: listenPort });
    this.stops.unshift(() => lab.stop());
    return lab;
  }

  /** The core's program becomes another one, from its next start on. @param {string} binary */
  async renew(binary) {
    await rm(this.program);
    await symlink(binary, this.program);
  }

  /** What the laboratories have of a user. */
  account(user) {
    const sums = [...new Set(this.labs.values())].map((lab) => lab.account.sum({ user }));
    const bounds = (way) => ({ low: sums.reduce((sum, of) => sum + of[way].low, 0), high: sums.reduce((sum, of) => sum + of[way].high, 0) });
    return { up: bounds('up'), down: bounds('down') };
  }

  /** Wait until the panel has all of a user's bytes, and no more. */
  async counted(user, type) {
    let found;
    const within = (bytes, { low, high }) => bytes >= low && bytes <= high;
    const is = () => within(found.up, this.account(user).up) && within(found.down, this.account(user).down);
    await until(`the panel has every byte of ${user}`, async () => {
      found = (await this.site.history()).get(user) ?? { up: 0, down: 0 };
      return is();
    }, { limitMs: 20_000 }).catch(async (error) => {
      throw new Error(`${type}: ${error.message}: ${JSON.stringify(found)} of ${JSON.stringify(this.account(user))}\n${await this.logs()}`);
    });
    return found;
  }

  async logs() {
    return `${await this.node?.logs()}\n--- client\n${await this.clientLog?.()}`;
  }

  async stop() {
    for (const stop of this.stops) await stop();
    await this.node?.stop();
    await this.panel?.stop();
    await this.certificate.remove();
    await rm(this.folder, { recursive: true, force: true });
  }
}
