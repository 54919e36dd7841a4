/**
 * Faults by chance: everything that a network, a panel and a host can do to each other at the same time, and the account afterwards.
 * The seed stands in every failure; `WEIR_SEED=n` repeats its choices.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { assertAccount, chance, heard, killed, traffic } from './support/chaos.mjs';
import { Dice, SEED } from './support/dice.mjs';
import { MIB, startFleet } from './support/fleet.mjs';
import { FLOOR, TICK } from './support/pull.mjs';
import { LONG } from './support/selection.mjs';

const NODES = LONG ? 8 : 3;
/** Requests that meet a fault, in all. */
const FAULTS = LONG ? 1000 : 40;
const PANEL_KILLS = LONG ? 5 : 1;
/** How often every point is passed, and how many kills at any moment. */
const EACH_POINT = LONG ? 3 : 1;
const RANDOM_KILLS = LONG ? 20 : 3;
const POINTS = ['Credit', 'Save', 'Commit', 'Seal', 'Send', 'Reply', 'Ack'];
const USERS = Array.from({ length: 6 }, (_, index) => `user-${index + 1}`);
const QUOTA = 30 * MIB;
/** A test that takes so long hangs. */
const timeout = LONG ? 3_600_000 : 600_000;

const dice = new Dice();
let fleet;
let slots;
let stops = [];

before(async () => {
  // The last two have a quota that they reach.
  const users = USERS.map((name, index) => ({ name, monthly_quota: index < 4 ? 0 : QUOTA }));
  fleet = await startFleet({ nodes: NODES, users });
  slots = [...(await fleet.slots()).values()];
});
after(() => fleet?.stop());

function flowing() {
  stops = fleet.nodes.map(({ core }) => traffic(core, slots, dice.split()));
}

function still() {
  for (const stop of stops) stop();
  stops = [];
}

function disturbed() {
  for (const { proxy } of fleet.nodes) proxy.disturb(chance(dice.split()));
}

function calm() {
  for (const { proxy } of fleet.nodes) proxy.disturb(null);
}

/** How often each fault was met. @returns {Record<string, number>} */
function met() {
  const counts = {};
  for (const { proxy } of fleet.nodes) for (const { fault } of proxy.exchanges) if (fault) counts[fault] = (counts[fault] ?? 0) + 1;
  return counts;
}

const sum = (counts) => Object.values(counts).reduce((all, count) => all + count, 0);

/** Says the seed with whatever goes wrong. */
async function seeded(work) {
  try {
    await work();
  } catch (error) {
    error.message = `WEIR_SEED=${SEED}: ${error.message}`;
    throw error;
  } finally {
    calm();
    still();
  }
}

test('whatever network and panel do, every user is billed exactly what he moved', { timeout }, async (context) => {
  await seeded(async () => {
    flowing();
    disturbed();
    let kills = 0;
    while (sum(met()) < FAULTS) {
      await sleep(500);
      if (kills < PANEL_KILLS && sum(met()) > (FAULTS * (kills + 1)) / (PANEL_KILLS + 1)) {
        kills += 1;
        await fleet.panel.kill();
        await sleep(dice.from(0, 3000));
        await fleet.panel.start();
      }
    }
    const counts = met();
    context.diagnostic(`seed ${SEED}: ${sum(counts)} faults ${JSON.stringify(counts)}; the panel was killed ${kills} times`);
    if (LONG) {
      for (const name of ['loseReply', 'delayReply', 'double', 'doubleAtOnce']) assert.ok(counts[name] >= 50, `${name}: ${counts[name]}`);
    }
    calm();
    still();
    await assertAccount(fleet, { exact: true });
  });
});

test('and nobody passed his quota by more than the bound', () => {
  for (const [name, slot] of [...slots.entries()].slice(-2).map(([index, of]) => [USERS[index], of])) {
    const used = fleet.nodes.reduce((all, { core }) => {
      const { up, down } = core.moved.get(slot) ?? { up: 0, down: 0 };
      return all + up + down;
    }, 0);
    // Each node has a long connection at 400,000 bytes a second at most, and short ones of 63,000 bytes at most every 20 ms.
    const rate = 400_000 + 50 * 63_000;
    assert.ok(used <= QUOTA + NODES * (FLOOR + rate * TICK), `WEIR_SEED=${SEED}: ${name} used ${used} of ${QUOTA}`);
  }
});

test('whoever is killed wherever, nobody is billed more than he moved, and every byte is stated', { timeout }, async (context) => {
  await seeded(async () => {
    flowing();
    disturbed();
    const work = dice.shuffled([...Array(EACH_POINT).fill(POINTS).flat(), ...Array(RANDOM_KILLS).fill(null)]);
    let kills = 0;
    await Promise.all(
      fleet.nodes.map(async (node) => {
        const own = dice.split();
        for (let point = work.pop(); point !== undefined; point = work.pop()) {
          await killed(node, point, { slots, dice: own });
          kills += 1;
          // A hang is no death: the clock goes on without the agent.
          if (own.from(0, 4) === 0) {
            node.host.freezeAgent();
            await sleep(own.from(100, 2500));
            node.host.thawAgent();
          }
          await heard(node);
        }
      }),
    );
    calm();
    still();
    const books = await assertAccount(fleet, { exact: false });
    const unattributed = books.reduce((all, { unattributed: of }) => all + of, 0);
    context.diagnostic(`seed ${SEED}: ${kills} kills, 200 connections inside each; ${unattributed} bytes are unattributed`);
  });
});

test('a core that is killed is told with an estimate, and doubles nothing', { timeout }, async (context) => {
  await seeded(async () => {
    flowing();
    await Promise.all(
      fleet.nodes.map(async ({ core }) => {
        await sleep(dice.from(1500, 2500));
        core.kill();
        await sleep(dice.from(100, 1500));
        core.start();
      }),
    );
    await sleep(2000);
    still();
    // What a core takes with it is in no counter: the books are complete when the last incarnation's bytes are there.
    let lost = 0;
    let estimate = 0;
    const books = await Promise.all(fleet.nodes.map(settledAfterLoss));
    for (const [index, node] of fleet.nodes.entries()) {
      const { up, down, unattributed } = books[index];
      lost += node.core.total - (up + down + unattributed);
      const { status } = await fleet.nodeInPanel(node.id);
      estimate += status.lost_estimate;
      assert.ok(status.lost_estimate > 0, `${node.name} tells no estimate`);
    }
    assert.ok(lost >= 0, `${-lost} bytes are counted twice`);
    const history = await fleet.history();
    for (const [name, slot] of await fleet.slots()) {
      const moved = fleet.nodes.reduce((all, { core }) => all + (core.moved.get(slot)?.up ?? 0) + (core.moved.get(slot)?.down ?? 0), 0);
      const billed = history.get(name);
      assert.ok(billed.up + billed.down <= moved, `${name} is billed ${billed.up + billed.down} of ${moved}`);
    }
    context.diagnostic(`seed ${SEED}: ${lost} bytes died with ${fleet.nodes.length} cores; the estimate is ${estimate}`);
  });
});

/** A node's books once they stand still. */
async function settledAfterLoss(node) {
  await heard(node);
  let last;
  for (let same = 0; same < 4; ) {
    const books = await fleet.booksOf(node.id);
    same = JSON.stringify(books) === last ? same + 1 : 0;
    last = JSON.stringify(books);
    await sleep(1000);
  }
  return JSON.parse(last);
}
