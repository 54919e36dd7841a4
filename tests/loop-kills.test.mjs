/** The agent killed at every point beside a real sing-box, and the sing-box itself killed, under long and short connections. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { heard } from './support/chaos.mjs';
import { MIB, startFleet, until } from './support/fleet.mjs';
import { LONG, leftOut } from './support/selection.mjs';
import { USER_PROTOCOLS } from './support/singbox-config.mjs';

const POINTS = ['Credit', 'Save', 'Commit', 'Seal', 'Send', 'Reply', 'Ack'];
const KILLS = LONG ? [...Array(3).fill(POINTS).flat(), ...Array(20).fill(null)] : ['Commit', 'Send', 'Ack', null];
/** Connections that live and end in each gap. */
const IN_THE_GAP = 200;
const USERS = ['anna', 'boris', 'clara', 'dora', 'emil'];
/** A test that takes so long hangs. */
const timeout = LONG ? 1_800_000 : 300_000;

let fleet;
let node;
before(async () => {
  fleet = await startFleet({ users: USERS.map((name) => ({ name })) });
  node = await fleet.addNode({ real: true });
  await fleet.connect(node, USERS);
});
after(() => fleet?.stop());

const protocolOf = (user) => USER_PROTOCOLS[USERS.indexOf(user)];

/** Short connections of every user, until `isOver`. */
async function short(isOver) {
  const one = async (user) => {
    for (let round = 0; !isOver(); round += 1) {
      await node.lab.tcp({ user, protocol: protocolOf(user), up: 100 + round, down: 5000, lingerMs: 40 });
    }
  };
  await Promise.all(USERS.map(one));
}

/** A long download of every user, and short connections, while `work` is done. */
async function under(work) {
  const downloads = USERS.map((user) => node.lab.download({ user, protocol: protocolOf(user), rate: MIB / 4, retry: true }));
  await until('all download', () => downloads.every(({ startedAt }) => startedAt !== null));
  let isOver = false;
  const shorts = short(() => isOver);
  try {
    await work(downloads);
  } finally {
    isOver = true;
    await shorts;
    await Promise.all(downloads.map((download) => download.stop()));
  }
  return downloads;
}

/** Nobody is billed more than both ends of his connections have sent. @returns {Promise<number>} bytes of all users */
async function assertNobodyOverbilled() {
  const history = await fleet.history();
  let all = 0;
  for (const user of USERS) {
    const { up, down } = node.lab.account.sum({ user });
    const billed = history.get(user);
    assert.ok(billed.up <= up.high && billed.down <= down.high, `${user}: ${JSON.stringify({ billed, up, down })}`);
    all += billed.up + billed.down;
  }
  return all;
}

test(`an agent that is killed ${KILLS.length} times beside a real core doubles nothing, breaks nobody, and states the rest to the byte`, { timeout }, async (context) => {
  const downloads = await under(async () => {
    for (const point of KILLS) {
      if (point) {
        await node.host.killAgent();
        node.host.startAgent({ WEIR_CRASH: `${point}:2` });
        const { signal } = await node.host.agentEnded;
        assert.equal(signal, 'SIGKILL', `the agent did not pass ${point}`);
      } else {
        await node.host.killAgent();
      }
      const jobs = Array.from({ length: IN_THE_GAP }, (_, index) => () => {
        const user = USERS[index % USERS.length];
        return node.lab.tcp({ user, protocol: protocolOf(user), up: index, down: 2 * index });
      });
      const lived = await node.lab.many(jobs, 50);
      assert.deepEqual(lived.filter(({ outcome }) => outcome !== 'complete').map(({ reason }) => reason), []);
      node.host.startAgent();
      await heard(node);
    }
  });
  assert.deepEqual(downloads.map(({ broken }) => broken).filter(Boolean), []);
  const [books] = await fleet.settled();
  const billed = await assertNobodyOverbilled();
  assert.equal(billed, books.up + books.down);
  assert.deepEqual([books.unknown, books.foreign], [0, 0]);
  context.diagnostic(`${books.unattributed} bytes are unattributed, of ${billed}`);
});

test('a core that is killed is told with an estimate, nothing is doubled, and everybody goes on with the next', { timeout, skip: leftOut('core killed', 40) }, async (context) => {
  const before = (await fleet.nodeInPanel(node.id)).status.lost_estimate;
  const downloads = await under(async (running) => {
    await sleep(2000);
    await node.host.stopCore('SIGKILL');
    await node.host.startCore();
    await until('all download again', () => running.every(({ restoredAt }) => restoredAt !== null));
  });
  assert.ok(downloads.every(({ broken }) => broken), 'every connection died with the core');
  const estimate = await until('the estimate is told', async () => {
    const { status } = await fleet.nodeInPanel(node.id);
    return status.lost_estimate > before && status.lost_estimate - before;
  });
  await heard(node);
  await assertNobodyOverbilled();
  context.diagnostic(`estimate ${estimate} bytes: five downloads of ${MIB / 4} bytes a second, a tenth of a second`);
});
