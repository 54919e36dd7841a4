/** Limits of speed, on a real core and the agent's relay: exact for all of a user's connections together, both ways, and nobody else's. */
import assert from 'node:assert/strict';
import dgram from 'node:dgram';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { UDP_REQUEST_BYTES, writeUdpRequest } from './support/echo-server.mjs';
import { startLimits, until } from './support/limits.mjs';
import { datagramHeader, datagramPayload } from './support/socks5.mjs';
import { areAsFastAsTheyMay, DATAGRAM, limited, MANY, SPEED, sum, TOLERANCE, WINDOW_MS, WINDOWS } from './support/speed.mjs';

const TUNNEL = '127.0.0.9';
const QUOTA = 6 * 2 ** 20;

let limits;

before(async () => {
  limits = await startLimits({
    users: [
      ...limited('down-one', 'down-many', 'up-one', 'up-many', 'datagrams', 'changing', 'counted'),
      { ...limited('quota')[0], monthly_quota: QUOTA },
      { name: 'free' },
    ],
    // Whoever leaves by the final outbound comes from there.
    change: (template) => ({
      ...template,
      outbounds: [...template.outbounds, { type: 'direct', tag: 'tunnel', inet4_bind_address: TUNNEL }],
      route: { ...template.route, final: 'tunnel' },
    }),
  });
});
after(() => limits?.stop());

const floods = (user, direction, count) => Promise.all(Array.from({ length: count }, () => limits.flood(user, direction)));

test('a user is as fast as he may be within 5 % over 10 s, with 1 and 16 connections, both ways', { timeout: 240_000 }, async (context) => {
  const users = [
    ['down-one', await floods('down-one', 'down', 1)],
    ['down-many', await floods('down-many', 'down', MANY)],
    ['up-one', await floods('up-one', 'up', 1)],
    ['up-many', await floods('up-many', 'up', MANY)],
  ];
  await areAsFastAsTheyMay(limits, users, context);
  for (const [user, own] of users) assert.ok(own.every(({ over }) => !over), `${user} was not cut`);
  limits.hush();
});

test('a limited user leaves by the final outbound of the template, as everybody does', async () => {
  for (const user of ['down-one', 'free']) {
    const flood = await limits.flood(user, 'down', { rate: SPEED });
    await until(`${user} passes bytes`, () => flood.passed > 0);
    assert.equal(flood.from, TUNNEL, user);
  }
  limits.hush();
});

test('datagrams of a limited user pass at his speed and no faster', { timeout: 120_000 }, async (context) => {
  const { control, relayPort } = await limits.associate('datagrams');
  control.resume();
  const entry = limits.account.open({ user: 'datagrams', protocol: 'mixed', network: 'udp' });
  const socket = dgram.createSocket({ type: 'udp4', recvBufferSize: 1 << 20 });
  let answered = 0;
  socket.on('message', (message) => (answered += datagramPayload(message).length));
  const head = datagramHeader(limits.udpPort);
  const send = (sequence) => {
    const datagram = Buffer.alloc(DATAGRAM);
    writeUdpRequest(datagram, { id: entry.id, sequence: sequence & 65_535, answer: UDP_REQUEST_BYTES });
    socket.send([head, datagram], relayPort, '127.0.0.1');
  };
  // Twice as many as may pass, ten at a time.
  let sent = 0;
  const start = performance.now();
  const timer = setInterval(() => {
    for (const due = ((performance.now() - start) / 1000) * 2 * SPEED; sent * DATAGRAM < due; sent += 1) send(sent);
  }, 5);
  try {
    await until('datagrams arrive', () => entry.targetReceived > SPEED / 2);
    let best = 0;
    for (let window = 0; window < WINDOWS && best < 1 - TOLERANCE; window += 1) {
      const [before, begin] = [entry.targetReceived, performance.now()];
      await sleep(WINDOW_MS / 2);
      const share = (entry.targetReceived - before) / ((SPEED * (performance.now() - begin)) / 1000);
      context.diagnostic(`${(100 * share).toFixed(2)} % of his speed`);
      assert.ok(share <= 1 + TOLERANCE, `${share}`);
      best = Math.max(best, share);
    }
    assert.ok(best >= 1 - TOLERANCE, `${best}`);
    assert.ok(answered > 0, 'answers come back');
  } finally {
    clearInterval(timer);
    socket.close();
    control.destroy();
  }
});

test('a limit that changes counts at once in what is under way, and needs no reload', { timeout: 120_000 }, async () => {
  const { reloads } = (await limits.node.statusAfter()).node;
  const [flood] = await floods('changing', 'down', 1);
  await until('it passes', () => flood.passed > 0);
  await limits.allow('changing', { speed_limit: 100_000 });
  // What the kernel holds behind the relay has passed it already.
  await sleep(1000);
  const { seconds, bytes } = await limits.during(3000, [flood]);
  assert.ok(bytes[0] <= 100_000 * (seconds + 0.2), `${bytes[0]} bytes in ${seconds} s`);
  assert.equal(flood.over, false);
  // Without a limit he is led past the relay, which ends his connections once.
  await limits.allow('changing', { speed_limit: 0 });
  await flood.ended;
  await until('he is fast', async () => {
    const again = await limits.flood('changing', 'down', { rate: 8 * SPEED });
    const passed = await limits.during(1000, [again]);
    again.end();
    return passed.bytes[0] > 2 * SPEED;
  });
  assert.equal((await limits.node.statusAfter()).node.reloads, reloads);
});

test('his bytes are counted once, and nothing is unattributed or foreign', { timeout: 120_000 }, async () => {
  const [flood] = await floods('counted', 'down', 1);
  await until('it passes', () => flood.passed > SPEED);
  flood.end();
  const account = () => limits.account.sum({ user: 'counted' });
  const own = await until('the panel has all of them, and they stay', async () => {
    const first = (await limits.history()).get('counted');
    await sleep(3000);
    const second = (await limits.history()).get('counted');
    return first?.down === second?.down && first.down >= account().down.low && second;
  });
  const { up, down } = account();
  assert.ok(own.up >= up.low && own.up <= up.high, `${own.up} up`);
  assert.ok(own.down <= down.high, `${own.down} down of ${down.high} that were sent`);
  const { foreign } = await until('nothing is unattributed', async () => {
    const books = await limits.booksOf(limits.nodeId);
    return books.unattributed === 0 && books;
  });
  assert.equal(foreign, 0);
});

test('a limited user is cut at his quota like everybody', { timeout: 120_000 }, async () => {
  let passed = 0;
  await until('he is at his quota', async () => {
    const [flood] = await floods('quota', 'down', 1);
    await Promise.race([flood.ended, sleep(500)]);
    flood.end();
    passed += flood.passed;
    return (await limits.api('GET', '/api/v1/users/quota')).status === 'limited';
  });
  // The floor, and what passes while the agent looks.
  assert.ok(passed <= QUOTA + 2 ** 20 + SPEED, `${passed} bytes`);
  const refused = await limits.flood('quota', 'down');
  await refused.ended;
  assert.equal(refused.passed, 0);
});

test('while the agent is away limited users are refused and others pass, and all pass when it is back', { timeout: 120_000 }, async () => {
  const free = await limits.flood('free', 'down', { rate: 4 * SPEED });
  const [slow] = await floods('down-one', 'down', 1);
  await until('both pass', () => free.passed > 0 && slow.passed > 0);
  await limits.node.killAgent();
  await slow.ended;
  const refused = await limits.flood('down-one', 'down');
  await refused.ended;
  assert.equal(refused.passed, 0);
  const { bytes } = await limits.during(500, [free]);
  assert.ok(bytes[0] > 0 && !free.over);
  limits.node.startAgent();
  await until('the limited user passes again', async () => {
    const again = await limits.flood('down-one', 'down');
    await Promise.race([again.ended, sleep(500)]);
    return again.passed > 0;
  });
  assert.equal(free.over, false);
  limits.hush();
});
