/**
 * REALITY from the operator's template to bytes: the agent derives the public key, the Worker's subscription carries it, and mihomo connects
 * with it. This sing-box is built without uTLS and serves no REALITY, so a mihomo with the private key stands where the core would, and its
 * bytes are not counted.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import tls from 'node:tls';
import { promisify } from 'node:util';

import { makeCertificate, TEST_DOMAIN } from './support/certificate.mjs';
import { enginePath } from './support/engines.mjs';
import { letsThrough, proxiesOf, runMihomo, serveMihomo } from './support/mihomo.mjs';
import { LocalNode } from './support/node.mjs';
import { startPanel } from './support/panel.mjs';
import { freePort, freePorts } from './support/ports.mjs';
import { labUser } from './support/singbox-config.mjs';
import { QUICK, Site, until } from './support/site.mjs';
import { TrafficLab } from './support/traffic.mjs';
import { slotCredentials } from './support/wire.mjs';

const KIB = 1024;
const USER = 'ann';
/** `sing-box generate reality-keypair` */
const REALITY = { privateKey: 'yCxvSGH6ATpRwzrIZg_Qkq19HyqXB0bjm_pixe62704', publicKey: '9jQXZ0r8iconXBewyMJcPmlk5bMUmaE-cfsqmeRasTY', shortId: '0123abcd' };
/** Bob's of RFC 7748: a key, and not this one. */
const OTHER_KEY = '3p7bfXt9wbTTW2HC7OQ1Nz-DQ8hbeGdNrfx-FG-IK08';

const run = promisify(execFile);

let folder;
let certificate;
let panel;
let site;
let node;
let created;
let borrowed;
let server;
let vision;
let grpc;
let subscription;

before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'weir-reality-'));
  certificate = await makeCertificate();
  let handshake;
  [vision, grpc, handshake] = await freePorts(3);
  borrowed = await startSite(handshake);
  panel = await startPanel({ vars: QUICK });
  site = new Site(panel);
  await site.api('POST', '/api/v1/users', { name: USER });
  created = await site.api('POST', '/api/v1/nodes', { name: 'Graz', address: '127.0.0.1' });
  const reality = { enabled: true, handshake: { server: '127.0.0.1', server_port: handshake }, private_key: REALITY.privateKey, short_id: [REALITY.shortId] };
  const inbound = (tag, port, more = {}) => ({
    type: 'vless', tag, listen: '127.0.0.1', listen_port: port, tls: { enabled: true, server_name: TEST_DOMAIN, reality }, ...more,
  });
  node = await LocalNode.make({
    folder: path.join(folder, 'node'),
    certificate,
    protocols: [],
    change: (template) => ({ ...template, inbounds: [inbound('vision', vision), inbound('grpc', grpc, { transport: { type: 'grpc', service_name: 'R' } })] }),
  });
  await node.enroll(panel.url, created.token);
  node.startAgent();
  // The agent tells the inbounds of a template whether its core can run it or not.
  await until('the agent has told its inbounds', async () => (await inbounds()).length === 2);
  const { uuid } = slotCredentials(panel.slotKey, (await site.slots()).get(USER));
  const listener = (name, port, user, more = {}) => ({
    name, type: 'vless', port, listen: '127.0.0.1', users: [{ username: USER, uuid, ...user }],
    'reality-config': { dest: `127.0.0.1:${handshake}`, 'private-key': REALITY.privateKey, 'short-id': [REALITY.shortId], 'server-names': [TEST_DOMAIN] },
    ...more,
  });
  server = await serveMihomo([listener('vision', vision, { flow: 'xtls-rprx-vision' }), listener('grpc', grpc, {}, { 'grpc-service-name': 'R' })], vision);
  subscription = new URL((await site.api('GET', `/api/v1/users/${USER}`)).subscription_url).pathname;
});
after(async () => {
  await node?.stop();
  await server?.stop();
  await panel?.stop();
  await borrowed?.stop();
  await certificate?.remove();
  if (folder) await rm(folder, { recursive: true, force: true });
});

const inbounds = async () => (await site.api('GET', `/api/v1/nodes/${created.id}/inbounds`)).items;

async function fetched(format) {
  const answer = await panel.request('GET', `${subscription}/${format}`, { headers: { 'accept-encoding': 'identity' } });
  assert.equal(answer.status, 200, answer.text);
  return answer.text;
}

/** The proxies of mihomo's YAML, named for the laboratory: Vision's, then gRPC's. */
const proxies = async () => proxiesOf(await fetched('mihomo')).map((proxy) => ({ ...proxy, name: labUser(USER, proxy.port === vision ? 'vision' : 'grpc') }));

test('the public key leaves the host, and the private one does not', async () => {
  assert.deepEqual((await inbounds()).map(({ reality: { public_key: key, short_ids: ids } }) => [key, ids]), Array(2).fill([REALITY.publicKey, [REALITY.shortId]]));
  const stored = JSON.stringify((await panel.db.prepare('SELECT * FROM nodes').all()).results);
  assert.ok(stored.includes(REALITY.publicKey) && !stored.includes(REALITY.privateKey));
});

test('mihomo carries bytes with Vision and over gRPC, with what its YAML says', async () => {
  const ways = await proxies();
  assert.deepEqual(ways.map(({ flow }) => flow ?? null), ['xtls-rprx-vision', null]);
  const socksPort = await freePort();
  const client = await runMihomo({ listenPort: socksPort, proxies: ways });
  const lab = await TrafficLab.start({ socksPort });
  try {
    await letsThrough(socksPort, { user: USER, protocol: 'vision' });
    for (const protocol of ['vision', 'grpc']) {
      const entry = await lab.tcp({ user: USER, protocol, up: 64 * KIB, down: 256 * KIB });
      assert.equal(entry.outcome, 'complete', `${protocol}: ${entry.reason}\n${client.log()}\n--- server\n${server.log()}`);
    }
  } finally {
    await lab.stop();
    await client.stop();
  }
});

test('with another key nothing passes', async () => {
  const [first, second] = await proxies();
  const wrong = { ...first, 'reality-opts': { ...first['reality-opts'], 'public-key': OTHER_KEY } };
  const socksPort = await freePort();
  const client = await runMihomo({ listenPort: socksPort, proxies: [wrong, second] });
  const lab = await TrafficLab.start({ socksPort });
  try {
    // The other one of the two is right, and shows when the client is ready.
    await letsThrough(socksPort, { user: USER, protocol: 'grpc' });
    assert.notEqual((await lab.tcp({ user: USER, protocol: 'vision', up: KIB, down: KIB })).outcome, 'complete');
  } finally {
    await lab.stop();
    await client.stop();
  }
});

test('sing-box takes its JSON as far as this build can judge it', async (t) => {
  const { stdout } = await run(enginePath('sing-box'), ['version']);
  if (!stdout.includes('with_utls')) t.diagnostic('this sing-box is built without uTLS: it can neither serve REALITY nor connect by it, only read it');
  const { outbounds } = JSON.parse(await fetched('sing-box'));
  const own = outbounds.filter(({ tls: of }) => of?.reality);
  assert.deepEqual(own.map(({ tls: { reality, utls }, flow }) => [reality.public_key, reality.short_id, utls.enabled, flow ?? null]), [
    [REALITY.publicKey, REALITY.shortId, true, 'xtls-rprx-vision'],
    [REALITY.publicKey, REALITY.shortId, true, null],
  ]);
  const file = path.join(folder, 'reality.json');
  await writeFile(file, JSON.stringify({ outbounds: own }));
  await run(enginePath('sing-box'), ['format', '-c', file]);
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
