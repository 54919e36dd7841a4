/**
 * Every kind of inbound, from the operator's template to bytes through it: a real agent describes them and gives a real core its users,
 * the real Worker makes a subscription of that, and real clients connect with what it says.
 *
 * What the engines here cannot do is listed, not left out: this sing-box is built without uTLS, so it is neither a server nor a client
 * of REALITY, and no client here speaks naive or TLS with an imitated browser but mihomo. For REALITY a mihomo stands where the core would.
 */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import tls from 'node:tls';
import { promisify } from 'node:util';

import { makeCertificate, TEST_DOMAIN } from './support/certificate.mjs';
import { enginePath } from './support/engines.mjs';
import { runMihomo } from './support/mihomo.mjs';
import { LocalNode } from './support/node.mjs';
import { startPanel } from './support/panel.mjs';
import { freePort, freePorts } from './support/ports.mjs';
import { clientAround, labUser } from './support/singbox-config.mjs';
import { startSingBox } from './support/singbox.mjs';
import { QUICK, Site, until } from './support/site.mjs';
import { TrafficLab } from './support/traffic.mjs';
import { slotCredentials } from './support/wire.mjs';

const KIB = 1024;
const USER = 'ann';
/** `sing-box generate reality-keypair` */
const REALITY = { privateKey: 'yCxvSGH6ATpRwzrIZg_Qkq19HyqXB0bjm_pixe62704', publicKey: '9jQXZ0r8iconXBewyMJcPmlk5bMUmaE-cfsqmeRasTY', shortId: '0123abcd' };

const run = promisify(execFile);

let folder;
let certificate;
let panel;
let site;
let node;
let proxy;
let ports;
let subscription;

/** The template's inbounds by tag: what the operator writes, without users. */
function inboundsWith({ certificatePath, keyPath }) {
  const secured = (more = {}) => ({ tls: { enabled: true, server_name: TEST_DOMAIN, certificate_path: certificatePath, key_path: keyPath, ...more } });
  return {
    'trojan-ws': { type: 'trojan', ...secured(), transport: { type: 'ws', path: '/ws', max_early_data: 2048, early_data_header_name: 'Sec-WebSocket-Protocol' } },
    'trojan-alpn': { type: 'trojan', ...secured({ alpn: ['h2', 'http/1.1'] }) },
    'vless-grpc': { type: 'vless', ...secured(), transport: { type: 'grpc', service_name: 'Tunnel' } },
    'vless-upgrade': { type: 'vless', ...secured(), transport: { type: 'httpupgrade', path: '/up', host: TEST_DOMAIN } },
    'vless-h2': { type: 'vless', ...secured(), transport: { type: 'http', path: '/h2', host: [TEST_DOMAIN] } },
    'vmess-ws': { type: 'vmess', transport: { type: 'ws', path: '/vm' } },
    'vless-proxied': { type: 'vless', transport: { type: 'ws', path: '/behind' } },
    hysteria2: { type: 'hysteria2', ...secured(), obfs: { type: 'salamander', password: 'cry me a river' } },
    tuic: { type: 'tuic', ...secured({ alpn: ['h3'] }), congestion_control: 'cubic' },
    anytls: { type: 'anytls', ...secured() },
    'ss-128': { type: 'shadowsocks', method: '2022-blake3-aes-128-gcm', password: Buffer.alloc(16, 7).toString('base64') },
    'ss-256': { type: 'shadowsocks', method: '2022-blake3-aes-256-gcm', password: Buffer.alloc(32, 7).toString('base64') },
    'ss-old': { type: 'shadowsocks', method: 'aes-256-gcm' },
    naive: { type: 'naive', ...secured() },
  };
}
/** The core serves it, and no client here speaks it. */
const UNSPOKEN = ['naive'];

before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'weir-inbounds-'));
  certificate = await makeCertificate();
  const inbounds = inboundsWith(certificate);
  const tags = Object.keys(inbounds);
  const free = await freePorts(tags.length + 1);
  ports = Object.fromEntries(tags.map((tag, index) => [tag, free[index]]));
  proxy = await startProxy(free.at(-1), ports['vless-proxied']);
  panel = await startPanel({ vars: QUICK });
  site = new Site(panel);
  await site.api('POST', '/api/v1/users', { name: USER });
  const created = await site.api('POST', '/api/v1/nodes', { name: 'Wien', address: '127.0.0.1' });
  node = await LocalNode.make({
    folder: path.join(folder, 'node'),
    certificate,
    protocols: [],
    change: (template) => ({
      ...template,
      inbounds: tags.map((tag) => ({ tag, listen: '127.0.0.1', listen_port: ports[tag], ...inbounds[tag] })),
      weir: { self_signed: tags.filter((tag) => inbounds[tag].tls) },
    }),
  });
  await node.enroll(panel.url, created.token);
  node.startAgent();
  await explained(site.loadedOn(created.id));
  await site.api('POST', `/api/v1/nodes/${created.id}/addresses`, {
    inbound: 'vless-proxied',
    remark: '{NODE} by proxy',
    port: free.at(-1),
    security: 'tls',
    sni: TEST_DOMAIN,
    host: TEST_DOMAIN,
    insecure: true,
  });
  ports['vless-proxied'] = free.at(-1);
  subscription = new URL((await site.api('GET', `/api/v1/users/${USER}`)).subscription_url).pathname;
});
after(async () => {
  await node?.stop();
  await panel?.stop();
  await proxy?.stop();
  await certificate?.remove();
  if (folder) await rm(folder, { recursive: true, force: true });
});

const explained = (promise) =>
  promise.catch(async (error) => {
    throw new Error(`${error.message}\n${await node?.logs()}\n--- panel\n${panel.log()}`, { cause: error });
  });

/** What a web server before an inbound does: it ends TLS and passes the rest on. */
async function startProxy(port, to) {
  const [key, cert] = await Promise.all([readFile(certificate.keyPath), readFile(certificate.certificatePath)]);
  const sockets = new Set();
  const server = tls.createServer({ key, cert }, (socket) => {
    const upstream = net.connect(to, '127.0.0.1');
    for (const [one, other] of [[socket, upstream], [upstream, socket]]) {
      sockets.add(one);
      one.on('error', () => other.destroy()).once('close', () => sockets.delete(one) && other.end());
      one.pipe(other);
    }
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    async stop() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** What the Worker says in this format, without what is not of this test's ports. */
async function fetched(format, where = subscription) {
  const answer = await panel.request('GET', `${where}/${format}`, { headers: { 'accept-encoding': 'identity' } });
  assert.equal(answer.status, 200, answer.text);
  return answer;
}

/** The proxies of mihomo's YAML, named for the laboratory; `tagOf` finds a proxy's inbound by its port. */
async function mihomoProxies(tagOf, where = subscription) {
  const lines = (await fetched('mihomo', where)).text.split('\n').filter((line) => line.startsWith('  - {"name":') && line.includes('"server":'));
  return lines.map((line) => JSON.parse(line.slice(4))).map((proxy) => ({ ...proxy, name: labUser(USER, tagOf(proxy.port)) }));
}

const tagAt = (port) => Object.keys(ports).find((tag) => ports[tag] === port);

/** Carry bytes through each inbound, and see that every one of them arrives. */
async function carried(lab, tags, log) {
  for (const tag of tags) {
    const entry = await lab.tcp({ user: USER, protocol: tag, up: 64 * KIB, down: 256 * KIB });
    assert.equal(entry.outcome, 'complete', `${tag}: ${entry.outcome} ${entry.reason}\n${await log()}\n${await node.logs()}`);
    assert.equal(entry.clientReceived, 256 * KIB, tag);
  }
}

/** Bytes of {@link lets}, which the node counts like any others. */
const probed = { up: 0, down: 0 };

/** Wait until a client lets connections through: mihomo listens a moment before, and drops what comes then. */
async function lets(socksPort, tag) {
  const probe = await TrafficLab.start({ socksPort });
  try {
    await until('the client lets connections through', async () => {
      const entry = await probe.tcp({ user: USER, protocol: tag });
      if (entry.outcome !== 'complete') return false;
      probed.up += entry.clientSent;
      probed.down += entry.clientReceived;
      return true;
    });
  } finally {
    await probe.stop();
  }
}

/** The panel has every byte of this laboratory, and of those before it, under the user's name. */
async function counted(labs) {
  const wanted = { ...probed };
  for (const lab of labs) {
    const { up, down } = lab.account.sum({ user: USER });
    assert.deepEqual([up.low, down.low], [up.high, down.high], 'the account itself is exact');
    wanted.up += up.low;
    wanted.down += down.low;
  }
  let found;
  await explained(
    until('the panel has every byte', async () => {
      found = (await site.history()).get(USER);
      return found?.up === wanted.up && found?.down === wanted.down;
    }).catch((error) => {
      throw new Error(`${error.message}: ${JSON.stringify(found)} of ${JSON.stringify(wanted)}`);
    }),
  );
  return found;
}

const labs = [];

test('the panel shows what the agent says of each inbound, and makes links of all of them', async () => {
  const [{ id }] = (await site.api('GET', '/api/v1/nodes')).items;
  const { items } = await site.api('GET', `/api/v1/nodes/${id}/inbounds`);
  assert.deepEqual(items.map(({ tag }) => tag), Object.keys(ports));
  assert.deepEqual(items.filter(({ why_not: reason }) => reason), []);
  const told = Object.fromEntries(items.map((item) => [item.tag, item]));
  assert.deepEqual(told['trojan-ws'].transport, { type: 'ws', path: '/ws', early_data: 2048 });
  assert.deepEqual([told['vless-grpc'].transport.service, told['vless-upgrade'].transport.host], ['Tunnel', TEST_DOMAIN]);
  assert.deepEqual(told.hysteria2.obfs, { type: 'salamander', password: 'cry me a river' });
  const links = (await fetched('links')).text.trim().split('\n');
  assert.equal(links.length, Object.keys(ports).length);
});

test('mihomo carries bytes through every inbound that it speaks with what its YAML says, and all are counted', async (t) => {
  const proxies = await mihomoProxies(tagAt);
  const tags = Object.keys(ports).filter((tag) => !UNSPOKEN.includes(tag));
  t.diagnostic(`not spoken by mihomo: ${UNSPOKEN}`);
  assert.deepEqual(proxies.map(({ name }) => name).sort(), tags.map((tag) => labUser(USER, tag)).sort());
  const listenPort = await freePort();
  const client = await runMihomo({ listenPort, proxies });
  const lab = await TrafficLab.start({ socksPort: listenPort });
  labs.push(lab);
  try {
    await lets(listenPort, tags[0]);
    await carried(lab, tags, client.log);
    await counted(labs);
  } finally {
    await lab.stop();
    await client.stop();
  }
});

test('sing-box carries bytes through every inbound that its build speaks with what its JSON says, and all are counted', async (t) => {
  const { outbounds } = JSON.parse((await fetched('sing-box')).text);
  const own = outbounds.filter(({ server_port: port }) => tagAt(port));
  const tagged = own.map((outbound) => ({ ...outbound, tag: labUser(USER, tagAt(outbound.server_port)) }));
  const spoken = tagged.filter(({ type }) => !UNSPOKEN.includes(type));
  t.diagnostic(`not spoken by this build of sing-box: ${UNSPOKEN}`);
  const tags = Object.keys(ports).filter((tag) => !UNSPOKEN.includes(tag));
  assert.deepEqual(spoken.map(({ tag }) => tag).sort(), tags.map((tag) => labUser(USER, tag)).sort());
  const listenPort = await freePort();
  const client = await startSingBox({ config: clientAround({ listenPort, outbounds: spoken }), readyPort: listenPort, name: 'client' });
  const lab = await TrafficLab.start({ socksPort: listenPort });
  labs.push(lab);
  try {
    await carried(lab, tags, () => client.log());
    await counted(labs);
  } finally {
    await lab.stop();
    await client.stop();
  }
});

test('an inbound for some plans lets in nobody else, who has its link all the same, and a change of plan needs no reload', async () => {
  const [{ id }] = (await site.api('GET', '/api/v1/nodes')).items;
  const tag = 'trojan-alpn';
  const proxies = (await mihomoProxies(tagAt)).filter(({ name }) => [tag, 'vmess-ws'].some((one) => name === labUser(USER, one)));
  assert.equal(proxies.length, 2);
  const listenPort = await freePort();
  const client = await runMihomo({ listenPort, proxies });
  const lab = await TrafficLab.start({ socksPort: listenPort });
  const pid = node.corePid;
  const reloads = (await node.status()).node.reloads;
  // So much takes many times as long as the agent needs to end a connection.
  const tries = () => lab.tcp({ user: USER, protocol: tag, up: 0, down: 64 * 1024 * KIB });
  try {
    await lets(listenPort, tag);
    await carried(lab, [tag], client.log);
    const [held, elsewhere] = [lab.idle({ user: USER, protocol: tag }), lab.idle({ user: USER, protocol: 'vmess-ws' })];
    await Promise.all([held.ready, elsewhere.ready]);
    assert.deepEqual([held.broken, elsewhere.broken], [null, null]);
    const { id: address } = await site.api('POST', `/api/v1/nodes/${id}/addresses`, { inbound: tag, remark: 'for premium', plans: ['premium'] });
    assert.ok(!(await fetched('links')).text.includes('for%20premium'), 'who has no such plan is told of no link');
    // What was under way ends, and what begins anew ends as well.
    await held.ended;
    assert.ok(held.broken, 'it was ended by the node');
    for (let time = 0; time < 5; time += 1) assert.notEqual((await tries()).outcome, 'complete');
    assert.equal(elsewhere.broken, null, 'where he may be, nothing of his was touched');
    await site.api('PATCH', `/api/v1/users/${USER}`, { plan: 'premium' });
    assert.ok((await fetched('links')).text.includes('for%20premium'));
    await site.heldOn(id);
    await until('he may come in again', async () => (await tries()).outcome === 'complete');
    await carried(lab, [tag], client.log);
    assert.equal(elsewhere.broken, null);
    assert.deepEqual([node.corePid, (await node.status()).node.reloads], [pid, reloads]);
    await site.api('DELETE', `/api/v1/nodes/${id}/addresses/${address}`);
  } finally {
    await lab.stop();
    await client.stop();
  }
});

test('with REALITY, mihomo connects to a server that has only what the operator wrote and the agent derived', async (t) => {
  const check = await run(enginePath('sing-box'), ['version']);
  if (!check.stdout.includes('with_utls')) t.diagnostic('this sing-box is built without uTLS: it serves no REALITY, and its bytes are not counted here');
  const [vision, grpc, site443] = await freePorts(3);
  const reality = {
    enabled: true,
    handshake: { server: '127.0.0.1', server_port: site443 },
    private_key: REALITY.privateKey,
    short_id: [REALITY.shortId],
  };
  const inbound = (tag, port, more = {}) => ({
    type: 'vless', tag, listen: '127.0.0.1', listen_port: port, tls: { enabled: true, server_name: TEST_DOMAIN, reality }, ...more,
  });
  const created = await site.api('POST', '/api/v1/nodes', { name: 'Graz', address: '127.0.0.1' });
  const second = await LocalNode.make({
    folder: path.join(folder, 'second'),
    certificate,
    protocols: [],
    change: (template) => ({ ...template, inbounds: [inbound('vision', vision), inbound('grpc', grpc, { transport: { type: 'grpc', service_name: 'R' } })] }),
  });
  const target = await startSite(site443);
  let server;
  let client;
  let lab;
  try {
    await second.enroll(panel.url, created.token);
    second.startAgent();
    // The agent tells the inbounds of a template whether its core can run it or not.
    const told = await until('the agent has told its inbounds', async () => {
      const { items } = await site.api('GET', `/api/v1/nodes/${created.id}/inbounds`);
      return items.length === 2 && items;
    });
    assert.deepEqual(told.map(({ reality: { public_key: key, short_ids: ids } }) => [key, ids]), Array(2).fill([REALITY.publicKey, [REALITY.shortId]]));
    const stored = JSON.stringify((await panel.db.prepare('SELECT * FROM nodes').all()).results);
    assert.ok(stored.includes(REALITY.publicKey) && !stored.includes(REALITY.privateKey), 'the private key stays on the host');

    const { uuid } = slotCredentials(panel.slotKey, (await site.slots()).get(USER));
    const listener = (name, port, user, more = {}) => ({
      name, type: 'vless', port, listen: '127.0.0.1', users: [{ username: USER, uuid, ...user }],
      'reality-config': { dest: `127.0.0.1:${site443}`, 'private-key': REALITY.privateKey, 'short-id': [REALITY.shortId], 'server-names': [TEST_DOMAIN] },
      ...more,
    });
    server = await startListeners([
      listener('vision', vision, { flow: 'xtls-rprx-vision' }),
      listener('grpc', grpc, {}, { 'grpc-service-name': 'R' }),
    ], vision);
    const tagOf = (port) => ({ [vision]: 'vision', [grpc]: 'grpc' })[port];
    const proxies = (await mihomoProxies((port) => tagOf(port) ?? `other-${port}`)).filter(({ port }) => tagOf(port));
    assert.deepEqual(proxies.map(({ flow }) => flow ?? null), ['xtls-rprx-vision', null]);
    const listenPort = await freePort();
    client = await runMihomo({ listenPort, proxies });
    lab = await TrafficLab.start({ socksPort: listenPort });
    await lets(listenPort, 'vision');
    await carried(lab, ['vision', 'grpc'], () => `${client.log()}\n--- server\n${server.log()}`);

    // With another key nothing passes: what the agent derives is what lets clients in.
    const wrong = proxies.map((one) => ({ ...one, 'reality-opts': { ...one['reality-opts'], 'public-key': '3p7bfXt9wbTTW2HC7OQ1Nz-DQ8hbeGdNrfx-FG-IK08' } }));
    await client.stop();
    // The other one of the two is right, and shows when the client is ready.
    client = await runMihomo({ listenPort, proxies: [wrong[0], proxies[1]] });
    await lets(listenPort, 'grpc');
    assert.notEqual((await lab.tcp({ user: USER, protocol: 'vision', up: KIB, down: KIB })).outcome, 'complete');

    // sing-box takes both as far as its build can judge: the fields are known, uTLS is not built in.
    const { outbounds } = JSON.parse((await fetched('sing-box')).text);
    const file = path.join(folder, 'reality.json');
    await writeFile(file, JSON.stringify({ outbounds: outbounds.filter(({ server_port: port }) => tagOf(port)) }));
    await run(enginePath('sing-box'), ['format', '-c', file]);
  } finally {
    await lab?.stop();
    await client?.stop();
    await server?.stop();
    await target.stop();
    await second.stop();
    await site.api('DELETE', `/api/v1/nodes/${created.id}`);
  }
});

/** The site whose handshake REALITY borrows. */
async function startSite(port) {
  const [key, cert] = await Promise.all([readFile(certificate.keyPath), readFile(certificate.certificatePath)]);
  const server = tls.createServer({ key, cert, ALPNProtocols: ['h2', 'http/1.1'], minVersion: 'TLSv1.3' }, (socket) => socket.on('error', () => {}));
  const sockets = new Set();
  server.on('connection', (socket) => sockets.add(socket.once('close', () => sockets.delete(socket))));
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    async stop() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** A mihomo that serves `listeners`; `readyPort` is one of theirs. */
async function startListeners(listeners, readyPort) {
  const home = await mkdtemp(path.join(tmpdir(), 'weir-mihomo-'));
  const file = path.join(home, 'config.yaml');
  const config = { 'geo-auto-update': false, dns: { enable: false }, listeners, rules: ['MATCH,DIRECT'] };
  await writeFile(file, JSON.stringify(config));
  const child = spawn(enginePath('mihomo'), ['-d', home, '-f', file], { stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = once(child, 'exit');
  process.once('exit', () => child.kill('SIGKILL'));
  let log = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (log += data));
  const stop = async () => {
    if (child.exitCode === null) child.kill('SIGKILL');
    await ended;
    await rm(home, { recursive: true, force: true });
  };
  try {
    await until('mihomo listens', () => {
      if (child.exitCode !== null) throw new Error(`mihomo ended:\n${log}`);
      return new Promise((resolve) => {
        const socket = net.connect(readyPort, '127.0.0.1', () => resolve(socket.destroy() && true));
        socket.once('error', () => resolve(false));
      });
    });
  } catch (error) {
    await stop();
    throw new Error(`${error.message}\n${log}`, { cause: error });
  }
  return { stop, log: () => log };
}
