/**
 * Inbounds from the operator's template to links: a real agent describes them and gives a real core its users, and the real Worker makes
 * a subscription of that, with what the operator says of how they are reached and by whom. kinds.test.mjs carries bytes through each
 * kind; REALITY, which this sing-box is built without, has a file of its own.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import tls from 'node:tls';

import { makeCertificate, TEST_DOMAIN } from './support/certificate.mjs';
import { letsThrough, proxiesOf, runMihomo } from './support/mihomo.mjs';
import { LocalNode } from './support/node.mjs';
import { askToken } from './support/operators.mjs';
import { startPanel } from './support/panel.mjs';
import { freePort, freePorts } from './support/ports.mjs';
import { labUser } from './support/singbox-config.mjs';
import { QUICK, Site, until } from './support/site.mjs';
import { TrafficLab } from './support/traffic.mjs';

const KIB = 1024;
const USER = 'ann';

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

/** What the Worker says in this format. */
async function fetched(format) {
  const answer = await panel.request('GET', `${subscription}/${format}`, { headers: { 'accept-encoding': 'identity' } });
  assert.equal(answer.status, 200, answer.text);
  return answer;
}

/** The proxies of mihomo's YAML, named for the laboratory. */
async function mihomoProxies() {
  return proxiesOf((await fetched('mihomo')).text).map((proxy) => ({ ...proxy, name: labUser(USER, tagAt(proxy.port)) }));
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

/** Bytes that showed when a client was ready, which the node counts like any others. */
const probed = { up: 0, down: 0 };

async function ready(socksPort, tag) {
  const { up, down } = await letsThrough(socksPort, { user: USER, protocol: tag });
  probed.up += up;
  probed.down += down;
}

/** The panel has every byte of this laboratory under the user's name. */
async function counted(lab) {
  const { up, down } = lab.account.sum({ user: USER });
  assert.deepEqual([up.low, down.low], [up.high, down.high], 'the account itself is exact');
  const wanted = { up: probed.up + up.low, down: probed.down + down.low };
  let found;
  await explained(
    until('the panel has every byte', async () => {
      found = (await site.history()).get(USER);
      return found?.up === wanted.up && found?.down === wanted.down;
    }).catch((error) => {
      throw new Error(`${error.message}: ${JSON.stringify(found)} of ${JSON.stringify(wanted)}`);
    }),
  );
}

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
  // Each reads back as what it was made of.
  const [by, ...rest] = await Promise.all(links.map((raw) => site.api('POST', '/api/xpert/direct-configs/validate', { raw })));
  assert.deepEqual([by.name, by.port], ['Wien by proxy', ports['vless-proxied']], 'what has an address comes first');
  assert.deepEqual(rest.map(({ valid, server, port }) => [valid, server, tagAt(port)]), Object.keys(ports).filter((tag) => tag !== 'vless-proxied').map((tag) => [true, '127.0.0.1', tag]));
});

test('mihomo carries bytes through a proxy that ends TLS before an inbound, at the address that the operator gave, and all are counted', async () => {
  const proxies = await mihomoProxies();
  const tags = ['vless-proxied', 'ss-old'];
  assert.deepEqual(proxies.map(({ name }) => name).sort(), Object.keys(ports).filter((tag) => tag !== 'naive').map((tag) => labUser(USER, tag)).sort());
  const listenPort = await freePort();
  const client = await runMihomo({ listenPort, proxies });
  const lab = await TrafficLab.start({ socksPort: listenPort });
  try {
    await ready(listenPort, tags[0]);
    await carried(lab, tags, client.log);
    await counted(lab);
  } finally {
    await lab.stop();
    await client.stop();
  }
});

test('an inbound that was not chosen for somebody refuses him, who has its link all the same, and takes him when the choice is the other way round', async (t) => {
  const [{ id }] = (await site.api('GET', '/api/v1/nodes')).items;
  const [one, other] = ['trojan-ws', 'vless-grpc'];
  const proxies = (await mihomoProxies()).filter(({ name }) => [one, other, 'anytls'].some((tag) => name === labUser(USER, tag)));
  assert.equal(proxies.length, 3);
  const listenPort = await freePort();
  const client = await runMihomo({ listenPort, proxies });
  const lab = await TrafficLab.start({ socksPort: listenPort });
  const pid = node.corePid;
  const { reloads } = (await node.statusAfter()).node;
  const tries = (tag) => lab.tcp({ user: USER, protocol: tag, up: 0, down: 64 * 1024 * KIB });
  const { access_token: token } = (await askToken(panel)).body;
  /** As Marzban's clients choose: a protocol is his with the tags that are named, and others are not his at all. */
  const choose = async (body) => {
    const answer = await panel.request('PUT', `/api/user/${USER}`, { key: token, body: JSON.stringify(body) });
    assert.equal(answer.status, 200, answer.text);
    await site.heldOn(id);
    return answer.body;
  };
  try {
    await ready(listenPort, one);
    await carried(lab, [one, other, 'anytls'], client.log);
    const [held, elsewhere, unnamed] = [lab.idle({ user: USER, protocol: one }), lab.idle({ user: USER, protocol: other }), lab.idle({ user: USER, protocol: 'anytls' })];
    await Promise.all([held.ready, elsewhere.ready, unnamed.ready]);
    const chosen = await choose({ proxies: { vless: {}, trojan: {} }, inbounds: { vless: [other], trojan: ['trojan-alpn'] } });
    assert.ok(chosen.excluded_inbounds.trojan.includes(one) && chosen.excluded_inbounds.vless.includes('vless-upgrade'));
    await held.ended;
    assert.ok(held.broken, 'what was under way ends');
    const passed = [];
    for (let time = 0; time < 3; time += 1) {
      const { outcome, clientReceived } = await tries(one);
      assert.notEqual(outcome, 'complete');
      passed.push(clientReceived);
    }
    t.diagnostic(`bytes that passed on loopback before the end of each: ${passed}`);
    await carried(lab, [other, 'anytls'], client.log);
    assert.deepEqual([elsewhere.broken, unnamed.broken], [null, null], 'where he may be, nothing of his was touched');
    // The other way round: the protocol is taken from him whole.
    await choose({ proxies: { trojan: {} }, inbounds: { trojan: [one] } });
    await elsewhere.ended;
    assert.notEqual((await tries(other)).outcome, 'complete');
    await until('he may come in again', async () => (await tries(one)).outcome === 'complete');
    await carried(lab, [one, 'anytls'], client.log);
    assert.equal(unnamed.broken, null, 'what Marzban cannot name is everybody’s');
    await choose({ proxies: { vmess: {}, vless: {}, trojan: {}, shadowsocks: {} }, inbounds: { trojan: [], vless: [] } });
    await until('everything is his again', async () => (await tries(other)).outcome === 'complete');
    assert.deepEqual([node.corePid, (await node.statusAfter()).node.reloads], [pid, reloads], 'nobody was reloaded');
  } finally {
    await lab.stop();
    await client.stop();
  }
});

test('an inbound for some plans lets in nobody else, who has its link all the same, and a change of plan needs no reload', async (t) => {
  const [{ id }] = (await site.api('GET', '/api/v1/nodes')).items;
  const tag = 'trojan-alpn';
  const proxies = (await mihomoProxies()).filter(({ name }) => [tag, 'vmess-ws'].some((one) => name === labUser(USER, one)));
  assert.equal(proxies.length, 2);
  const listenPort = await freePort();
  const client = await runMihomo({ listenPort, proxies });
  const lab = await TrafficLab.start({ socksPort: listenPort });
  const pid = node.corePid;
  const { reloads } = (await node.statusAfter()).node;
  // So much takes many times as long as the agent needs to end a connection.
  const tries = () => lab.tcp({ user: USER, protocol: tag, up: 0, down: 64 * 1024 * KIB });
  try {
    await ready(listenPort, tag);
    await carried(lab, [tag], client.log);
    const [held, elsewhere] = [lab.idle({ user: USER, protocol: tag }), lab.idle({ user: USER, protocol: 'vmess-ws' })];
    await Promise.all([held.ready, elsewhere.ready]);
    assert.deepEqual([held.broken, elsewhere.broken], [null, null]);
    // It has no speed limit: a user who gets one comes by another way from then on, and his connections end once.
    await site.api('POST', '/api/v1/plans', { name: 'club' });
    const { id: address } = await site.api('POST', `/api/v1/nodes/${id}/addresses`, { inbound: tag, remark: 'for the club', plans: ['club'] });
    assert.ok(!(await fetched('links')).text.includes('for%20the%20club'), 'who has no such plan is told of no link');
    // What was under way ends, and what begins anew ends as well.
    await held.ended;
    assert.ok(held.broken, 'it was ended by the node');
    const passed = [];
    for (let time = 0; time < 5; time += 1) {
      const { outcome, clientReceived } = await tries();
      assert.notEqual(outcome, 'complete');
      passed.push(clientReceived);
    }
    t.diagnostic(`bytes that passed on loopback before the end of each: ${passed}`);
    assert.equal(elsewhere.broken, null, 'where he may be, nothing of his was touched');
    await site.api('PATCH', `/api/v1/users/${USER}`, { plan: 'club' });
    assert.ok((await fetched('links')).text.includes('for%20the%20club'));
    await site.heldOn(id);
    await until('he may come in again', async () => (await tries()).outcome === 'complete');
    await carried(lab, [tag], client.log);
    assert.equal(elsewhere.broken, null);
    assert.deepEqual([node.corePid, (await node.statusAfter()).node.reloads], [pid, reloads]);
    await site.api('DELETE', `/api/v1/nodes/${id}/addresses/${address}`);
  } finally {
    await lab.stop();
    await client.stop();
  }
});
