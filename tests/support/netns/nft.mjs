/** The tests of `netns-nft.test.mjs`, within their namespace. `node nft.mjs TARGETS_NAMESPACE`. */
import assert from 'node:assert/strict';
import dgram from 'node:dgram';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { UDP_REQUEST_BYTES, writeUdpRequest } from '../echo-server.mjs';
import { startLimits, until } from '../limits.mjs';
import { datagramHeader, datagramPayload } from '../socks5.mjs';
import { DATAGRAM, limited, MANY, SPEED, sum, TOLERANCE, WINDOW_MS, WINDOWS } from '../speed.mjs';
import { ip } from './namespaces.mjs';
import { countFrom, nft, tables } from './tables.mjs';
import { targetIn } from './target.mjs';

const [, , namespace] = process.argv;
const [HERE, THERE] = ['198.18.1.1', '198.18.1.2'];
/** Everything takes a minute; a run of all tests has half of one. */
const skip = process.env.WEIR_LONG === '1' ? false : 'with WEIR_LONG=1';
/** What the user without a limit asks for. */
const FREE = 8 * SPEED;
/** What may pass at once: so many bytes, and what passes in so many milliseconds. */
const [BURST, BURST_MS] = [64 << 10, 1000];
/** What may be held, on its way to the client, of what has passed the rules. */
const HELD_MS = 300;
/** Folders with programs, but none with nft. */
const WITHOUT_NFT = '/usr/local/bin:/usr/bin:/bin';

let limits;

before(async () => {
  ip('link', 'set', 'lo', 'up');
  ip('link', 'add', 'weir-line', 'type', 'veth', 'peer', 'name', 'weir-target', 'netns', namespace);
  ip('address', 'add', `${HERE}/24`, 'dev', 'weir-line');
  ip('link', 'set', 'weir-line', 'up');
  ip('-n', namespace, 'address', 'add', `${THERE}/24`, 'dev', 'weir-target');
  ip('-n', namespace, 'link', 'set', 'weir-target', 'up');
  limits = await startLimits({
    users: [
      ...limited('down-one', 'down-many', 'up-one', 'up-many', 'datagrams', 'answers', 'changing'),
      { name: 'free' },
    ],
    settings: { speed: { by: 'nft' } },
    targets: (account) => targetIn(namespace, THERE, account),
  });
});
after(() => limits?.stop());

const floods = (user, direction, count) => Promise.all(Array.from({ length: count }, () => limits.flood(user, direction)));
const status = async () => (await limits.node.status()).node;
/** How many of the tables' own packets went which way is not told: that they are there is. */
const isHeld = () => assert.deepEqual(tables().filter((table) => table.endsWith(' weir')).sort(), ['inet weir', 'netdev weir']);

test('a user is as fast as he may be within 5 % over 10 s, with 1 and 16 connections, TCP and UDP, both ways, and one without a limit is as fast as before', { timeout: 240_000 }, async (context) => {
  isHeld();
  const free = await limits.flood('free', 'down', { rate: FREE });
  const users = [
    ['down-one', await floods('down-one', 'down', 1)],
    ['down-many', await floods('down-many', 'down', MANY)],
    ['up-one', await floods('up-one', 'up', 1)],
    ['up-many', await floods('up-many', 'up', MANY)],
    ['datagrams', [await datagrams('datagrams', { length: DATAGRAM, answer: UDP_REQUEST_BYTES })]],
    ['answers', [await datagrams('answers', { length: UDP_REQUEST_BYTES, answer: DATAGRAM })]],
  ];
  const all = users.flatMap(([, own]) => own);
  try {
    for (const [user, own] of users) await until(`${user} passes bytes`, () => sum(own.map(({ passed }) => passed)) > SPEED);
    const associations = all.filter(({ isDatagrams }) => isDatagrams);
    await until('the datagrams that waited for a program have passed', async () => {
      const { seconds, bytes } = await limits.during(500, associations);
      return bytes.every((passed) => passed <= 1.1 * SPEED * seconds);
    });
    const exact = new Set();
    for (let window = 0; window < WINDOWS && exact.size <= users.length; window += 1) {
      const { seconds, bytes } = await limits.during(WINDOW_MS, [free, ...all]);
      const ofFree = bytes.shift() / (FREE * seconds);
      context.diagnostic(`free: ${(100 * ofFree).toFixed(2)} % of what he asks for`);
      if (ofFree >= 1 - TOLERANCE) exact.add('free');
      for (const [user, own] of users) {
        const passed = sum(bytes.splice(0, own.length));
        const share = passed / (SPEED * seconds);
        context.diagnostic(`${user}: ${(100 * share).toFixed(2)} % of his speed`);
        // Where programs wait for a processor, what waited for them before a window counts in it: of datagrams seconds' worth.
        assert.ok(own[0].isDatagrams || passed <= (1 + TOLERANCE) * SPEED * (seconds + HELD_MS / 1000), `${user}: ${passed} bytes in ${seconds} s`);
        if (Math.abs(share - 1) <= TOLERANCE) exact.add(user);
      }
    }
    assert.deepEqual([...exact].sort(), ['free', ...users.map(([user]) => user)].sort());
    for (const [user, own] of [['free', [free]], ...users]) assert.ok(own.every(({ over }) => !over), `${user} was not cut`);
  } finally {
    for (const one of all) one.end();
    limits.hush();
  }
});

test('a limit that changes counts at once in what is under way, which is not cut, and needs no reload', { timeout: 120_000 }, async () => {
  const { reloads } = await status();
  const [flood] = await floods('changing', 'down', 1);
  await until('it passes', () => flood.passed > SPEED / 2);
  // What has passed the rules may wait in the core for a packet that was dropped, and then arrive all at once.
  const counter = countFrom('weir-line', limits.tcpPort);
  try {
    for (const speed of [200_000, 3 * SPEED]) {
      await limits.allow('changing', { speed_limit: speed });
      await sleep(500);
      // TCP takes some seconds to find out that it may send faster.
      await until('he is as fast as he may be now', async () => {
        const before = counter.bytes();
        const { seconds } = await limits.during(1000, []);
        const passed = counter.bytes() - before;
        assert.ok(passed <= speed * (1 + TOLERANCE) * (seconds + BURST_MS / 1000) + BURST, `${passed} bytes in ${seconds} s of ${speed}`);
        return passed >= (speed * seconds) / 2;
      });
      assert.equal(flood.over, false);
    }
  } finally {
    counter.remove();
  }
  // Without a limit he is led out without a mark, which ends his connections once.
  await limits.allow('changing', { speed_limit: 0 });
  await flood.ended;
  await until('he is fast', async () => {
    const again = await limits.flood('changing', 'down', { rate: FREE });
    const passed = await limits.during(1000, [again]);
    again.end();
    return passed.bytes[0] > FREE / 2;
  });
  assert.equal((await status()).reloads, reloads);
  limits.hush();
});

test('rules that another program takes away come back', { skip, timeout: 60_000 }, async () => {
  nft('flush', 'ruleset');
  assert.deepEqual(tables(), []);
  await until('they are back', () => tables().length === 2);
  const [flood] = await floods('down-one', 'down', 1);
  await until('it passes', () => flood.passed > SPEED / 2);
  const { seconds, bytes } = await limits.during(2000, [flood]);
  assert.ok(bytes[0] <= SPEED * (seconds + HELD_MS / 1000), `${bytes[0]} bytes in ${seconds} s`);
  limits.hush();
});

test('while an agent that was killed is away limits hold, nobody is cut, and none of it counts twice', { skip, timeout: 120_000 }, async () => {
  const [flood] = await floods('down-one', 'down', 1);
  await until('it passes', () => flood.passed > SPEED / 2);
  await limits.node.killAgent();
  isHeld();
  const { seconds, bytes } = await limits.during(2000, [flood]);
  assert.ok(bytes[0] > SPEED && bytes[0] <= SPEED * (seconds + HELD_MS / 1000), `${bytes[0]} bytes in ${seconds} s`);
  limits.node.startAgent();
  await limits.heldOn(limits.nodeId);
  await limits.during(1000, [flood]);
  assert.equal(flood.over, false);
  limits.hush();
  const books = await until('nothing is unattributed', async () => {
    const of = await limits.booksOf(limits.nodeId);
    return of.unattributed === 0 && of;
  });
  assert.equal(books.foreign, 0);
});

test('an agent that ends takes its rules away', { timeout: 60_000 }, async () => {
  await limits.node.stopAgent();
  assert.deepEqual(tables(), []);
});

test('without nft users with a limit go through the relay at their speed, and the agent says so', { timeout: 120_000 }, async () => {
  const { reloads } = await status();
  limits.node.env = { PATH: WITHOUT_NFT };
  limits.node.startAgent();
  await until('the agent says so', async () => (await limits.node.status()).troubles.some((trouble) => /by the relay, not by nft: there is no program nft in PATH/.test(trouble)));
  const { output } = await limits.node.agent('doctor');
  assert.match(output, /^note +Users with a speed limit go through the agent's relay/m);
  const [flood] = await floods('down-one', 'down', 1);
  const share = await until('he passes at his speed', async () => {
    const { seconds, bytes } = await limits.during(2000, [flood]);
    return bytes[0] / (SPEED * seconds) > 0.5 && bytes[0] / (SPEED * seconds);
  });
  assert.ok(share <= 1 + TOLERANCE + HELD_MS / 2000, `${share}`);
  limits.hush();
  await limits.node.stopAgent();
  limits.node.env = {};
  limits.node.startAgent();
  await until('the kernel holds them again', async () => tables().length === 2 && (await limits.node.status()).troubles.length === 0);
  const { output: again } = await limits.node.agent('doctor');
  assert.match(again, /^good +Speed limits are held by nftables v/m);
  const [back] = await floods('down-one', 'down', 1);
  await until('it passes', () => back.passed > SPEED / 2);
  assert.equal((await status()).reloads, reloads);
  limits.hush();
});

/** Datagrams of a user, twice as many as may pass, and what arrives of them where they go. */
async function datagrams(user, { length, answer }) {
  const { control, relayPort } = await limits.associate(user);
  control.resume();
  const entry = limits.account.open({ user, protocol: 'mixed', network: 'udp' });
  const socket = dgram.createSocket({ type: 'udp4', recvBufferSize: 4 << 20 });
  const counts = { answered: 0, over: false };
  control.once('close', () => (counts.over = true));
  socket.on('message', (message) => (counts.answered += datagramPayload(message).length));
  const head = datagramHeader(limits.udpPort, THERE);
  const moved = Math.max(length, answer);
  let sent = 0;
  const start = performance.now();
  const timer = setInterval(() => {
    for (const due = ((performance.now() - start) / 1000) * 2 * SPEED; sent * moved < due; sent += 1) {
      const datagram = Buffer.alloc(length);
      writeUdpRequest(datagram, { id: entry.id, sequence: sent & 65_535, answer });
      socket.send([head, datagram], relayPort, '127.0.0.1');
    }
  }, 5);
  return {
    isDatagrams: true,
    get passed() {
      return length > answer ? entry.targetReceived : counts.answered;
    },
    get over() {
      return counts.over;
    },
    end() {
      clearInterval(timer);
      socket.close();
      control.destroy();
    },
  };
}
