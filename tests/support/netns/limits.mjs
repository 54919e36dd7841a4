/** The tests of `netns-limits.test.mjs`, within their namespace. `node limits.mjs CLIENTS_NAMESPACE`. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { UDP_REQUEST_BYTES, writeUdpRequest } from '../echo-server.mjs';
import { startLimits, until } from '../limits.mjs';
import { datagramHeader } from '../socks5.mjs';
import { areAsFastAsTheyMay, DATAGRAM, limited, MANY, SPEED, TOLERANCE, WINDOW_MS, WINDOWS } from '../speed.mjs';
import { CLIENTS, CLIENTS6, HOST, HOST6, ip, join } from './namespaces.mjs';

const [, , namespace] = process.argv;
const DELAY_MS = 20;
const RATE = 100_000;

let limits;
let line;
let folder;

before(async () => {
  ip('link', 'set', 'lo', 'up');
  folder = await mkdtemp(path.join(tmpdir(), 'weir-netns-'));
  line = await join(namespace, DELAY_MS, folder);
  limits = await startLimits({
    users: [
      ...limited('down-one', 'down-many', 'up-one', 'datagrams'),
      { name: 'family', device_limit: 2 },
      { name: 'modern', device_limit: 1 },
    ],
    change: (template) => ({ ...template, inbounds: template.inbounds.map((inbound) => ({ ...inbound, listen: '::' })) }),
    host: HOST,
    open: line.open,
  });
});
after(async () => {
  await limits?.stop();
  await line?.stop();
  if (folder) await rm(folder, { recursive: true, force: true });
});

const floods = (user, direction, count) => Promise.all(Array.from({ length: count }, () => limits.flood(user, direction, { from: CLIENTS[0] })));

test('the line delays', async () => {
  const socket = line.open({ host: HOST, port: limits.node.ports.mixed });
  const start = performance.now();
  await new Promise((resolve, reject) => {
    socket.once('data', resolve).once('error', reject);
    socket.write(Buffer.from([5, 1, 2]));
  });
  const took = performance.now() - start;
  socket.destroy();
  // A handshake of TCP and one answer.
  assert.ok(took >= 4 * DELAY_MS, `${took} ms`);
});

test('a user is as fast as he may be within 5 % over 10 s', { timeout: 240_000 }, async (context) => {
  const users = [
    ['down-one', await floods('down-one', 'down', 1)],
    ['down-many', await floods('down-many', 'down', MANY)],
    ['up-one', await floods('up-one', 'up', 1)],
  ];
  await areAsFastAsTheyMay(limits, users, context);
  limits.hush();
});

test('datagrams pass at their user\'s speed and no faster', { timeout: 120_000 }, async (context) => {
  const { control, relayPort } = await limits.associate('datagrams', CLIENTS[0]);
  control.resume();
  const entry = limits.account.open({ user: 'datagrams', protocol: 'mixed', network: 'udp' });
  const socket = line.open({ host: HOST, port: relayPort, udp: true });
  const head = datagramHeader(limits.udpPort);
  let answered = 0;
  socket.on('data', (data) => (answered += data.length));
  const start = performance.now();
  let sent = 0;
  const timer = setInterval(() => {
    for (const due = ((performance.now() - start) / 1000) * 2 * SPEED; sent * DATAGRAM < due; sent += 1) {
      const datagram = Buffer.alloc(2 + head.length + DATAGRAM);
      datagram.writeUInt16BE(head.length + DATAGRAM);
      head.copy(datagram, 2);
      writeUdpRequest(datagram.subarray(2 + head.length), { id: entry.id, sequence: sent & 65_535, answer: UDP_REQUEST_BYTES });
      socket.write(datagram);
    }
  }, 5);
  try {
    await until('datagrams arrive', () => entry.targetReceived > SPEED / 2);
    let best = 0;
    for (let window = 0; window < WINDOWS && best < 1 - TOLERANCE; window += 1) {
      const [before, begin] = [entry.targetReceived, performance.now()];
      await sleep(WINDOW_MS);
      const share = (entry.targetReceived - before) / ((SPEED * (performance.now() - begin)) / 1000);
      context.diagnostic(`${(100 * share).toFixed(2)} % of his speed`);
      assert.ok(share <= 1 + TOLERANCE, `${share}`);
      best = Math.max(best, share);
    }
    assert.ok(best >= 1 - TOLERANCE, `${best}`);
    assert.ok(answered > 0, 'answers come back');
  } finally {
    clearInterval(timer);
    socket.destroy();
    control.destroy();
  }
});

test('a device is an address, and the one over the limit is shown out', async () => {
  const [first, second] = [await limits.flood('family', 'down', { from: CLIENTS[0], rate: RATE }), await limits.flood('family', 'down', { from: CLIENTS[1], rate: RATE })];
  await until('both pass', () => first.passed > 0 && second.passed > 0);
  await (await limits.flood('family', 'down', { from: CLIENTS[2], rate: RATE })).ended;
  const { bytes } = await limits.during(1000, [first, second]);
  assert.ok(bytes.every((passed) => passed > 0) && !first.over && !second.over, `${bytes}`);
  limits.hush();
});

test('addresses of one network of 64 bits are one device', async () => {
  limits.host = HOST6;
  const [first, second] = [await limits.flood('modern', 'down', { from: CLIENTS6[0], rate: RATE }), await limits.flood('modern', 'down', { from: CLIENTS6[1], rate: RATE })];
  await until('both pass', () => first.passed > 0 && second.passed > 0);
  await (await limits.flood('modern', 'down', { from: CLIENTS6[2], rate: RATE })).ended;
  const { bytes } = await limits.during(1000, [first, second]);
  assert.ok(bytes.every((passed) => passed > 0) && !first.over && !second.over, `${bytes}`);
  limits.hush();
});
