/** Proves the traffic laboratory itself: what it accounts for is what a real sing-box counts, to the byte. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { makeCertificate, TEST_DOMAIN } from './support/certificate.mjs';
import { enginePath } from './support/engines.mjs';
import { freePorts } from './support/ports.mjs';
import { clientConfig, makeCredentials, makeSsKey, PROTOCOLS, serverConfig, serverTemplate } from './support/singbox-config.mjs';
import { readStatus, settledStatus } from './support/singbox-status.mjs';
import { startSingBox } from './support/singbox.mjs';
import { TrafficLab } from './support/traffic.mjs';

const USERS = ['anna', 'boris', 'clara'].map(makeCredentials);
const NAMES = USERS.map(({ name }) => name);
const STRANGER = makeCredentials('stranger');
const MIB = 1024 * 1024;
/** Payload sizes that sit on and beside the limits of packets, TLS records and copy buffers. */
const SIZES = [0, 1, 2, 1399, 1400, 4096, 16_383, 16_384, 16_385, 65_535, 65_536, 65_537, 250_000];

let api;
let certificate;
let server;
let client;
let lab;

before(async () => {
  const [apiPort, listenPort, ...inboundPorts] = await freePorts(2 + PROTOCOLS.length);
  api = { apiPort, apiSecret: 'secret of the test' };
  const ports = Object.fromEntries(PROTOCOLS.map((protocol, index) => [protocol, inboundPorts[index]]));
  const ssServerKey = makeSsKey();
  certificate = await makeCertificate();
  const template = serverTemplate({ ports, certificate, ...api, ssServerKey });
  server = await startSingBox({ config: serverConfig(template, USERS), readyPort: apiPort, name: 'server' });
  const users = [...USERS, STRANGER];
  client = await startSingBox({ config: clientConfig({ listenPort, users, ports, ssServerKey }), readyPort: listenPort, name: 'client' });
  lab = await TrafficLab.start({ socksPort: listenPort });
});

after(async () => {
  await lab?.stop();
  await client?.stop();
  await server?.stop();
  await certificate?.remove();
});

/** Run `traffic`, and tell what the core counted and what the laboratory accounted for meanwhile. */
async function measured(traffic, filter = {}) {
  const coreBefore = await readStatus(api); // at rest: whatever ran before has ended with a settled status
  const labBefore = lab.account.sum(filter);
  await traffic();
  const coreAfter = await settledStatus(api);
  const labAfter = lab.account.sum(filter);
  const grown = (direction, bound) => labAfter[direction][bound] - labBefore[direction][bound];
  return {
    core: { up: coreAfter.uplinkTotal - coreBefore.uplinkTotal, down: coreAfter.downlinkTotal - coreBefore.downlinkTotal },
    low: { up: grown('up', 'low'), down: grown('down', 'low') },
    high: { up: grown('up', 'high'), down: grown('down', 'high') },
  };
}

function assertComplete(entries) {
  assert.deepEqual(
    entries.filter(({ outcome }) => outcome !== 'complete').map(({ protocol, network, reason }) => `${protocol} ${network}: ${reason}`),
    [],
  );
}

function assertExact({ core, low, high }) {
  assert.deepEqual(low, high);
  assert.deepEqual(core, low);
}

test('240 parallel connections of all sizes over all protocols are counted to the byte', async () => {
  const jobs = PROTOCOLS.flatMap((protocol) =>
    Array.from({ length: 40 }, (_, index) => () =>
      lab.tcp({
        user: NAMES[index % NAMES.length],
        protocol,
        up: SIZES[index % SIZES.length],
        down: SIZES[(index * 5 + 3) % SIZES.length],
        duplex: index % 2 === 1,
      }),
    ),
  );
  let entries;
  const sums = await measured(async () => {
    entries = await lab.many(jobs, 200);
  });
  assertComplete(entries);
  assertExact(sums);
});

test('datagrams are counted to the byte', async () => {
  let entries;
  const sums = await measured(async () => {
    const jobs = PROTOCOLS.flatMap((protocol) =>
      NAMES.map((user) => () => lab.udp({ user, protocol, count: 30, size: 500, answer: 1400 })),
    );
    entries = await lab.many(jobs, 4);
  });
  assertComplete(entries);
  assertExact(sums);
  assert.deepEqual(sums.core, { up: entries.length * 30 * 500, down: entries.length * 30 * 1400 });
});

for (const user of NAMES) {
  test(`the account of ${user} alone is what the core counted while only ${user} was active`, async () => {
    const sums = await measured(async () => {
      await lab.many(PROTOCOLS.map((protocol) => () => lab.tcp({ user, protocol, up: 70_001, down: 300_007 })));
    }, { user });
    assertExact(sums);
    assert.deepEqual(sums.core, { up: PROTOCOLS.length * (32 + 70_001), down: PROTOCOLS.length * 300_007 });
  });
}

test('large transfers are counted to the byte', async () => {
  let entries;
  const sums = await measured(async () => {
    entries = await lab.many(PROTOCOLS.map((protocol) => () => lab.tcp({ user: 'anna', protocol, up: 8 * MIB, down: 8 * MIB })), 2);
  });
  assertComplete(entries);
  assertExact(sums);
});

for (const protocol of PROTOCOLS) {
  test(`a ${protocol} connection that breaks midway is counted within the bounds of the account`, async () => {
    const { core, low, high } = await measured(async () => {
      await lab.tcp({ user: 'boris', protocol, up: 1000, down: 32 * MIB, breakAfter: MIB });
      await lab.tcp({ user: 'boris', protocol, up: 1000, down: MIB, halfClose: true });
    });
    for (const direction of ['up', 'down']) {
      assert.ok(
        low[direction] <= core[direction] && core[direction] <= high[direction],
        `${direction}: the core counted ${core[direction]}, the account says ${low[direction]} to ${high[direction]}`,
      );
    }
  });
}

test('nobody gets through with credentials that the server does not know, or with none', async () => {
  const { core } = await measured(async () => {
    for (const user of ['stranger', 'unheard-of']) {
      const entries = await lab.many(PROTOCOLS.map((protocol) => () => lab.tcp({ user, protocol, up: 100, down: 100 })));
      assert.deepEqual(entries.map(({ outcome }) => outcome), PROTOCOLS.map(() => 'refused'));
    }
  });
  assert.deepEqual(core, { up: 0, down: 0 });
});

test('downloads and idle connections are counted to the byte once they have been stopped', async () => {
  const downloads = [];
  const idle = [];
  const sums = await measured(async () => {
    for (const protocol of PROTOCOLS) {
      downloads.push(lab.download({ user: 'clara', protocol, rate: 2 * MIB }));
      idle.push(...NAMES.map((user) => lab.idle({ user, protocol })));
    }
    await Promise.all(idle.map(({ ready }) => ready));
    await sleep(1000);
    await Promise.all([...downloads, ...idle].map((connection) => connection.stop()));
  });
  assert.deepEqual([...downloads, ...idle].map(({ broken }) => broken), [...downloads, ...idle].map(() => null));
  for (const download of downloads) assert.ok(download.received > 0 && download.connections === 1);
  assertExact(sums);
});

test('a download and an idle connection notice their cut, a retrying download its return', { timeout: 60_000 }, async () => {
  const cut = lab.download({ user: 'anna', protocol: 'trojan', rate: MIB });
  // Not hysteria2: its client may hold a QUIC connection to a restarted server for dead only after 40 s.
  const retrying = lab.download({ user: 'anna', protocol: 'vmess', rate: MIB, retry: true });
  const idle = lab.idle({ user: 'boris', protocol: 'vless' });
  await idle.ready;
  while (cut.received === 0 || retrying.received === 0) await sleep(10);
  server.reload();
  await Promise.all([cut.ended, idle.ended]);
  assert.ok(cut.broken.received > 0);
  assert.ok(idle.broken.reason);
  while (retrying.restoredAt === null) await sleep(10);
  assert.ok(retrying.broken.at <= retrying.restoredAt);
  await retrying.stop();
});

test('a core that cannot start says so with its log', async () => {
  const [readyPort] = await freePorts(1);
  const config = { inbounds: [{ type: 'no such inbound' }] };
  await assert.rejects(startSingBox({ config, readyPort, name: 'odd core' }), /odd core ended.*no such inbound/s);
});

test('a killed core is gone at once and leaves its log', async () => {
  const [apiPort] = await freePorts(1);
  const template = serverTemplate({ ports: {}, certificate, apiPort, apiSecret: 'x', logLevel: 'info' });
  const core = await startSingBox({ config: template, readyPort: apiPort });
  const end = await core.kill();
  assert.equal(end.signal, 'SIGKILL');
  assert.equal(core.alive, false);
  assert.match(await core.log(), /api.*server started/);
});

test('a missing binary is an error that names the variable', () => {
  const kept = process.env.SING_BOX_BIN;
  try {
    delete process.env.SING_BOX_BIN;
    assert.throws(() => enginePath('sing-box'), /SING_BOX_BIN is not set/);
    process.env.SING_BOX_BIN = '/nowhere/sing-box';
    assert.throws(() => enginePath('sing-box'), /SING_BOX_BIN: \/nowhere\/sing-box is not an executable file/);
  } finally {
    process.env.SING_BOX_BIN = kept;
  }
});

test('free ports are never handed out twice, and the certificate is for the test domain', async () => {
  const ports = [...(await freePorts(50)), ...(await freePorts(50))];
  assert.equal(new Set(ports).size, 100);
  await assert.rejects(freePorts(0), /count: must be a whole number from 1 to 200/);
  const parsed = new X509Certificate(await readFile(certificate.certificatePath));
  assert.equal(parsed.checkHost(TEST_DOMAIN), TEST_DOMAIN);
});
