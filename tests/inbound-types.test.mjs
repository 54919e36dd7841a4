/**
 * Every type of inbound that users are written into, by every release of sing-box that is supported: a real client carries TCP and UDP
 * through it, the panel has every byte under the user's name, his quota cuts him and nobody else, and his gate shuts and opens without
 * a reload. sing-box 1.14 says itself what users move; the users of 1.12 and 1.13 go through the agent's relay.
 *
 * A short run has two types of each release, which the seed chooses; make test-long has all. A type that is left out of the table fails.
 */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';

import { makeCertificate, TEST_DOMAIN } from './support/certificate.mjs';
import { Dice } from './support/dice.mjs';
import { enginePath, olderReaders } from './support/engines.mjs';
import { startNaive } from './support/naive.mjs';
import { LocalNode } from './support/node.mjs';
import { startPanel } from './support/panel.mjs';
import { freePort, freePorts } from './support/ports.mjs';
import { LONG } from './support/selection.mjs';
import { clientAround, labUser } from './support/singbox-config.mjs';
import { startSingBox } from './support/singbox.mjs';
import { MIB, QUICK, Site, until } from './support/site.mjs';
import { TrafficLab } from './support/traffic.mjs';
import { slotCredentials } from './support/wire.mjs';

const KIB = 1024;
const BYSTANDER = 'bystander';
const SHORT_RUN = 2;
/** What is left to a user when his quota is set, and how fast he goes over it. */
const LEFT = 3 * MIB;
const RATE = 4 * MIB;
/** The default of GRANT_FLOOR_BYTES, and what may pass in a second: the agent looks at least so often, and the panel's clock has no less. */
const OVERSHOOT = MIB + RATE;
const key = (bytes) => Buffer.alloc(bytes, 7).toString('base64');

/** By name: what the operator writes, and whether its client here carries datagrams. Product point A6 names these. */
const TYPES = {
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
const NAMES = Object.keys(TYPES);
const RELEASES = [
  { name: 'sing-box-1.14', path: enginePath('sing-box'), relayed: false },
  ...olderReaders().map((release) => ({ ...release, relayed: true })),
];

const dice = new Dice();
/** The types of a run of one release. */
const chosen = () => (LONG ? NAMES : dice.shuffled(NAMES).slice(0, SHORT_RUN));

/** A panel, a node of one release, and a client of every type. */
class Scene {
  static async start({ name, path: binary, relayed }, types) {
    const scene = new Scene();
    scene.folder = await mkdtemp(path.join(tmpdir(), 'weir-types-'));
    scene.certificate = await makeCertificate();
    scene.stops = [];
    scene.labs = new Map();
    try {
      await scene.#serve(name, binary, relayed, types);
      await scene.#dial(types);
    } catch (error) {
      error.message += `\n${await scene.logs()}`;
      await scene.stop();
      throw error;
    }
    return scene;
  }

  async #serve(name, binary, relayed, types) {
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
    this.node = await LocalNode.make({ folder: path.join(this.folder, 'node'), certificate: this.certificate, protocols: [], binary, change });
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

test('the table names every type of inbound that the documentation promises', async () => {
  const text = await readFile(new URL('../docs/cores.md', import.meta.url), 'utf8');
  const [, listed] = /^Users are written into: (.+)\.$/m.exec(text) ?? [];
  assert.deepEqual(listed?.split(', '), NAMES, `docs/cores.md has to say: Users are written into: ${NAMES.join(', ')}.`);
});

test('there is a release of each line that is supported', () => {
  assert.deepEqual(RELEASES.map(({ name }) => name).sort(), ['sing-box-1.12', 'sing-box-1.13', 'sing-box-1.14']);
});

for (const release of RELEASES) {
  describe(release.name, () => {
    const types = chosen();
    let scene;
    before(async () => {
      scene = await Scene.start(release, types);
    });
    after(() => scene?.stop());

    for (const type of types) {
      test(type, { timeout: 180_000 }, (t) => row(t, scene, type));
    }

    test('nobody has bytes that nobody moved, and the core was loaded once', async () => {
      assert.deepEqual([...(await scene.site.history()).keys()].sort(), [...types, BYSTANDER].sort());
      for (const user of [...types, BYSTANDER]) await scene.counted(user, user);
      const { unknown, unattributed, foreign } = await scene.site.booksOf(scene.id);
      assert.deepEqual({ unknown, unattributed, foreign }, { unknown: 0, unattributed: 0, foreign: 0 });
      assert.equal((await scene.node.status()).node.reloads, 1);
    });
  });
}

/** All that must hold of one type. */
async function row(t, scene, type) {
  const { site } = scene;
  const lab = scene.labs.get(type);
  const passes = async (user) => {
    const entry = await lab.tcp({ user, protocol: type, up: 64 * KIB, down: 256 * KIB });
    assert.equal(entry.outcome, 'complete', `${user}: ${entry.outcome} ${entry.reason}\n${await scene.logs()}`);
  };
  // Bytes, both ways, by both networks, one connection and several at once.
  await passes(type);
  await Promise.all([passes(type), passes(type), passes(BYSTANDER)]);
  if (TYPES[type].udp) {
    const { outcome, reason } = await lab.udp({ user: type, protocol: type, count: 20, size: 500, answer: 900 });
    assert.equal(outcome, 'complete', `UDP: ${reason}\n${await scene.logs()}`);
  }
  const { up, down } = scene.account(type);
  assert.deepEqual([up.low, down.low], [up.high, down.high], 'the account itself is exact');
  const before = await scene.counted(type, type);
  await scene.counted(BYSTANDER, type);

  // His quota cuts him, and the bystander's connection through the same inbound stays.
  const bystander = lab.idle({ user: BYSTANDER, protocol: type });
  await bystander.ready;
  const used = before.up + before.down;
  await site.api('PATCH', `/api/v1/users/${type}`, { monthly_quota: used + LEFT });
  await site.heldOn(scene.id);
  const download = lab.download({ user: type, protocol: type, rate: RATE, retry: true });
  // Before that he may wait at the end of a grant.
  const standing = () => site.api('GET', `/api/v1/users/${type}`);
  await until('the panel says that he is at his limit', async () => (await standing()).status === 'limited', { limitMs: 30_000 });
  await until('his download has been cut', () => download.broken && download.refused);
  await download.stop();
  const cut = await scene.counted(type, type);
  const over = cut.up + cut.down - (used + LEFT);
  assert.ok(over >= 0 && over <= OVERSHOOT, `${over} bytes over the limit`);
  assert.equal((await standing()).reason, 'month');

  // His gate opens, shuts and opens again.
  const opens = () => until('he passes again', async () => (await lab.tcp({ user: type, protocol: type, up: KIB, down: KIB })).outcome === 'complete', { limitMs: 20_000 });
  await site.api('PATCH', `/api/v1/users/${type}`, { monthly_quota: 0 });
  await opens();
  const held = lab.idle({ user: type, protocol: type });
  await held.ready;
  assert.equal(held.broken, null);
  await site.api('POST', `/api/v1/users/${type}/disable`);
  await held.ended;
  assert.ok(held.broken, 'what he had open was ended by the node');
  const refused = await lab.tcp({ user: type, protocol: type, up: KIB, down: KIB, hangMs: 5000 });
  assert.notEqual(refused.outcome, 'complete', 'a shut gate lets nothing through');
  assert.equal(refused.targetReceived, 0);
  await site.api('POST', `/api/v1/users/${type}/enable`);
  await opens();
  assert.equal(bystander.broken, null, 'nobody else was touched');
  await bystander.stop();
  t.diagnostic(`${over} bytes over the quota at ${RATE / MIB} MiB a second`);
}
