/** Exact: what client and target counted is what the panel shows, per user and direction, to the byte. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { MIB, startLoop } from './support/loop.mjs';

/** What the product promises to count. A protocol that the node does not offer must fail here, so the list is not taken from it. */
const PROTOCOLS = ['trojan', 'vless', 'vmess', 'shadowsocks', 'hysteria2'];
const USERS = Array.from({ length: 20 }, (_, index) => `user-${String(index + 1).padStart(2, '0')}`);
const AT_ONCE = 200;
/** On and beside the limits of packets, TLS records and copy buffers. */
const SIZES = [0, 1, 2, 31, 1399, 1400, 4096, 16_383, 16_384, 16_385, 65_535, 65_536, 65_537, 250_000];
const LARGE = [8 * MIB, 32 * MIB];
const TCP_EACH = 376;
const UDP_EACH = 32;
/**
 * Milliseconds from a connection's last byte to its end: a client takes some round trips on the Internet, or its time. They
 * differ, so that 200 connections are open at once without all of them beginning and ending in the same instant: the core keeps no
 * more than 64 such messages for the agent.
 */
const LINGER_MS = [300, 900];
/** More datagrams at once overflow a socket's buffer, and where they were lost nobody can say. */
const UDP_AT_ONCE = 8;

let loop;

before(async () => {
  loop = await startLoop({ users: USERS.map((name) => ({ name })) });
  // A user's first bytes make the node ask for his grant, and only the floor may pass until the answer is there.
  assertComplete(await loop.lab.many(USERS.map((user) => () => loop.lab.tcp({ user, protocol: PROTOCOLS[0], up: 100, down: 100 }))));
  await loop.settled();
});

after(() => loop?.stop());

/** Bytes that the panel has and credits to nobody. */
function nobodys({ unknown, unattributed, foreign }) {
  return { unknown, unattributed, foreign };
}

function assertComplete(entries) {
  const faults = entries.filter(({ outcome }) => outcome !== 'complete');
  assert.deepEqual(faults.map(({ user, protocol, network, outcome, reason }) => `${user} ${protocol} ${network}: ${outcome} ${reason}`), []);
}

/** The laboratory's books in the form of the panel's, by user. */
function accounted(filter = {}) {
  return new Map(
    USERS.map((user) => {
      const { up, down } = loop.lab.account.sum({ ...filter, user });
      assert.deepEqual([up.low, down.low], [up.high, down.high], `${user}: the account itself is exact`);
      return [user, { up: up.low, down: down.low }];
    }),
  );
}

for (const [place, protocol] of PROTOCOLS.entries()) {
  test(`${protocol}: every byte of ${TCP_EACH} connections and ${UDP_EACH} associations of 20 users is counted once`, { timeout: 120_000 }, async () => {
    const { lab } = loop;
    const lingerMs = (index) => LINGER_MS[0] + ((index * 7919) % (LINGER_MS[1] - LINGER_MS[0]));
    const tcp = Array.from({ length: TCP_EACH }, (_, index) => () =>
      lab.tcp({
        user: USERS[(index + place) % USERS.length],
        protocol,
        up: SIZES[index % SIZES.length],
        down: SIZES[(index * 5 + 3) % SIZES.length],
        duplex: index % 2 === 1,
        lingerMs: lingerMs(index),
      }),
    );
    const large = LARGE.flatMap((size, index) => [
      () => lab.tcp({ user: USERS[(place + index) % USERS.length], protocol, up: size, lingerMs: lingerMs(index) }),
      () => lab.tcp({ user: USERS[(place + index + 7) % USERS.length], protocol, down: size, lingerMs: lingerMs(index) }),
    ]);
    const udp = Array.from({ length: UDP_EACH }, (_, index) => () =>
      lab.udp({ user: USERS[(index * 3 + place) % USERS.length], protocol, count: 1 + (index % 9), size: 12 + index * 40, answer: 1400 - index * 40, lingerMs: lingerMs(index) }),
    );
    // One after the other: beside a full line, hysteria2 drops datagrams, as it may.
    const entries = [...(await lab.many([...large, ...tcp], AT_ONCE)), ...(await lab.many(udp, UDP_AT_ONCE))];
    assertComplete(entries);
    assert.equal(entries.length, TCP_EACH + UDP_EACH + 2 * LARGE.length);
    const { books } = await loop.settled({ attributed: true });
    assert.deepEqual(nobodys(books), { unknown: 0, unattributed: 0, foreign: 0 });
    assert.deepEqual(Object.fromEntries(await loop.history()), Object.fromEntries(accounted()));
  });
}

test('the API shows the same bytes: of the node by direction, of each user their sum', async () => {
  const wanted = accounted();
  const sum = (direction) => [...wanted.values()].reduce((bytes, user) => bytes + user[direction], 0);
  const { up, down } = await loop.nodeInPanel();
  assert.deepEqual({ up, down }, { up: sum('up'), down: sum('down') });
  const { items } = await loop.api('GET', '/api/v1/users?limit=200');
  const shown = (field) => Object.fromEntries(items.map((user) => [user.name, user[field]]));
  const both = Object.fromEntries(USERS.map((name) => [name, wanted.get(name).up + wanted.get(name).down]));
  assert.deepEqual(shown('total_used'), both);
  assert.deepEqual(shown('monthly_used'), both);
});

test('at least 2,000 connections ran, over every protocol by TCP and by UDP, in one incarnation of the core', async () => {
  const { account } = loop.lab;
  assert.ok(account.sum().complete >= 2000, `${account.sum().complete} connections`);
  for (const protocol of PROTOCOLS) {
    for (const network of ['tcp', 'udp']) assert.ok(account.sum({ protocol, network }).complete > 0, `${protocol} by ${network}`);
  }
  assert.equal((await loop.node.statusAfter()).node.reloads, 1);
});
