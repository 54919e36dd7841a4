/** Plain faults under traffic: nothing is doubled, and nothing is lost beyond what is stated. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';

import { FaultProxy } from './support/fault-proxy.mjs';
import { MIB, startLoop, until } from './support/loop.mjs';
import { USER_PROTOCOLS } from './support/singbox-config.mjs';

/** The panel is away for so long; a minute with `make test-long`. */
const AWAY_MS = process.env.WEIR_LONG ? 60_000 : 10_000;
const USERS = ['anna', 'boris', 'clara', 'dora', 'emil'];

let proxy;
let loop;
before(async () => {
  const users = USERS.map((name) => ({ name }));
  loop = await startLoop({ users, agentUrl: async (panel) => (proxy = await FaultProxy.start(panel.url)).url });
  // With their first bytes users ask for a limit; who has none yet may pass a MiB while the panel is silent, and then waits.
  await loop.lab.many(USERS.map((user) => () => loop.lab.tcp({ user, protocol: 'trojan', up: 1, down: 1 })), 5);
  await loop.settled();
});
after(async () => {
  await loop?.stop();
  await proxy?.stop();
});

/** @returns {boolean} whether a sync's body carries a report */
function reports(body) {
  const text = body[0] === 0x1f ? gunzipSync(body) : body;
  return text.length > 0 && JSON.parse(text).report !== undefined;
}

/** Short and longer connections of every user over every protocol, one after another until `isOver`. */
async function traffic(isOver) {
  const { lab } = loop;
  const one = async (user, protocol) => {
    for (let round = 0; !isOver(); round += 1) {
      await lab.tcp({ user, protocol, up: 1000 + round, down: 50_000, ...(round % 3 === 0 && { lingerMs: 300 }) });
    }
  };
  await Promise.all(USERS.map((user, index) => one(user, USER_PROTOCOLS[index % USER_PROTOCOLS.length])));
}

/** Do `fault` while traffic flows, and let it flow a little longer. */
async function under(fault) {
  let isOver = false;
  const flowing = traffic(() => isOver);
  try {
    await sleep(500);
    await fault();
    await sleep(1_000);
  } finally {
    isOver = true;
    await flowing;
  }
}

/** The panel has what the laboratory counted, to the byte, for every user and direction. */
async function assertExact() {
  const { books } = await loop.settled({ attributed: true });
  assert.deepEqual([books.unknown, books.unattributed, books.foreign], [0, 0, 0]);
  const history = await loop.history();
  for (const user of USERS) {
    const { connections, complete, up, down } = loop.lab.account.sum({ user });
    assert.equal(complete, connections, `${user}: every connection went through`);
    assert.deepEqual(history.get(user), { up: up.low, down: down.low }, user);
  }
}

test('replies to reports that are lost cost nothing', { timeout: 180_000 }, async () => {
  proxy.order({ kind: 'loseReply', times: 3, on: reports });
  await under(() => until('three replies were lost', () => proxy.done.loseReply === 3));
  await assertExact();
});

test('reports that are sent twice count once', { timeout: 180_000 }, async () => {
  proxy.order({ kind: 'double', times: 3, on: reports });
  await under(() => until('three reports were doubled', () => proxy.done.double === 3));
  await assertExact();
});

test('syncs that never arrive cost nothing', { timeout: 180_000 }, async () => {
  proxy.order({ kind: 'loseRequest', times: 3 });
  await under(() => until('three syncs were lost', () => proxy.done.loseRequest === 3));
  await assertExact();
});

test(`a panel that is away for ${AWAY_MS / 1000} s gets everything afterwards`, { timeout: 300_000 }, async () => {
  await under(async () => {
    await loop.panel.kill();
    await sleep(AWAY_MS);
    await loop.panel.start();
  });
  await assertExact();
});

test('an agent that is killed loses nothing of connections that outlive the gap, and states the rest to the byte', { timeout: 180_000 }, async () => {
  const { lab, node } = loop;
  const downloads = USERS.map((user) => lab.download({ user, protocol: 'trojan', rate: MIB }));
  await until('all download', () => downloads.every(({ startedAt }) => startedAt !== null));
  for (let kill = 0; kill < 3; kill += 1) {
    await sleep(700);
    await node.killAgent();
    // These live and die while nobody looks.
    await lab.many(USERS.map((user) => () => lab.tcp({ user, protocol: 'vless', up: 777, down: 3_333 })), 5);
    node.startAgent();
    await sleep(1_300);
  }
  await Promise.all(downloads.map((download) => download.stop()));
  assert.deepEqual(downloads.map(({ broken }) => broken).filter(Boolean), [], 'nobody notices that the agent is away');
  const { books, core } = await loop.settled();
  assert.equal(books.up + books.down + books.unattributed + books.foreign, core.up + core.down);
  const history = await loop.history();
  let missing = 0;
  for (const user of USERS) {
    const { up, down } = lab.account.sum({ user });
    const found = history.get(user);
    assert.ok(found.up <= up.high && found.down <= down.high, `${user} was billed for more than he moved`);
    missing += Math.max(0, up.low + down.low - found.up - found.down);
    // What lived through a gap is whole: at most his three connections inside the gaps are missing.
    assert.ok(up.high + down.high - found.up - found.down <= 3 * (777 + 3_333) + (up.high - up.low) + (down.high - down.low), user);
  }
  assert.ok(missing <= books.unattributed, `${missing} bytes are missing and ${books.unattributed} are stated`);
});
