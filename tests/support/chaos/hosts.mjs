/** What happens to a host: its agent is killed or hangs, its disk is full, its clock steps, its core ends. Each leaves it as it was. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { heard, inTheGap } from '../chaos.mjs';
import { isReport } from '../fault-proxy.mjs';
import { until } from '../site.mjs';

/** Of the disk of a host's state, in MiB. */
const DISK_MIB = 24;
/** An agent that is told to die at a point passes it by then, or there was nothing that led there. */
const DIES_WITHIN_MS = 20_000;
/** Of a node alone; it may wait for a minute after many failures. */
const SETTLES_WITHIN_MS = 240_000;
/** The core's file follows a gate within five seconds. */
const FILE_WITHIN_MS = 8_000;

/** Disks that are there. If this process ends early, nobody else would take them away. */
const disks = new Set();
process.on('exit', () => {
  for (const folder of disks) removeDisk(folder);
});

/** Gives a host's state a small disk of its own. @returns {boolean} whether that may be done here */
export function smallDisk(folder) {
  mkdirSync(path.join(folder, 'state'), { recursive: true });
  const isThere = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_MIB}m`, 'tmpfs', path.join(folder, 'state')]).status === 0;
  if (isThere) disks.add(folder);
  return isThere;
}

export function removeDisk(folder) {
  if (disks.delete(folder)) spawnSync('umount', ['-l', path.join(folder, 'state')]);
}

/** @param {string} file grows until there is no room any more */
function fill(file) {
  const handle = openSync(file, 'w');
  const zeros = Buffer.alloc(64 << 10);
  try {
    for (;;) writeSync(handle, zeros);
  } catch (error) {
    assert.equal(error.code, 'ENOSPC');
  } finally {
    closeSync(handle);
  }
}

export const hosts = {
  /** @param {{node: import('../fleet.mjs').FleetNode, run: import('./run.mjs').Run, slots: string[], dice: import('../dice.mjs').Dice}} at */
  async killAtPoint({ node, slots, dice }, order) {
    await node.host.killAgent();
    node.host.startAgent({ WEIR_CRASH: order });
    const late = new AbortController();
    const end = await Promise.race([node.host.agentEnded, sleep(DIES_WITHIN_MS, null, { signal: late.signal }).catch(() => null)]);
    late.abort();
    if (end === null) await node.host.killAgent();
    inTheGap(node.core, slots, dice, 50);
    node.host.startAgent();
  },

  async killAnyTime({ node, slots, dice }, ms) {
    await sleep(Number(ms));
    await node.host.killAgent();
    inTheGap(node.core, slots, dice, 50);
    node.host.startAgent();
  },

  /** It has sent a report, the panel has applied it, and nobody here will ever know. */
  async killBeforeAnswer({ node, slots, dice }) {
    let isOver = false;
    const met = node.proxy.inject(
      async (exchange) => {
        await exchange.forward().catch(() => {});
        await node.host.killAgent();
        exchange.cut();
      },
      { when: (exchange) => !isOver && isReport(exchange), name: 'killBeforeAnswer' },
    );
    await Promise.race([met, sleep(DIES_WITHIN_MS, undefined, { ref: false })]);
    isOver = true;
    // Without a report there was nothing to die of.
    await node.host.killAgent();
    inTheGap(node.core, slots, dice, 50);
    node.host.startAgent();
  },

  async freeze({ node }, ms) {
    node.host.freezeAgent();
    await sleep(Number(ms));
    node.host.thawAgent();
  },

  async fullDisk({ node, run }, ms) {
    if (!run.smallDisks) return hosts.freeze({ node }, ms);
    const file = node.host.in('state/full');
    fill(file);
    await sleep(Number(ms));
    rmSync(file);
  },

  async stepClock({ node, run, dice }, ms) {
    const seconds = dice.one([-1, 1]) * dice.from(60, 7200);
    await run.clocks.stepWall(node, seconds);
    await sleep(Number(ms));
    await run.clocks.stepWall(node, -seconds);
  },

  /** A busy core tells the end of every connection twice. */
  async endTwice({ node, slots, dice }, ms) {
    node.core.repeats = true;
    inTheGap(node.core, slots, dice, 50);
    await sleep(Number(ms));
    node.core.repeats = false;
  },

  /** A gate is shut while the core is down, the agent dies, and the core starts without it: one that the test plays, and a real one. */
  async gateWhileCoreIsDown(at) {
    await gateOfPlayed(at);
    await at.run.real?.gate();
  },
};

async function gateOfPlayed({ node, run, slots, dice }) {
  const { name, slot } = run.witness.get(node);
  run.still(node);
  // A copy that was put back may be from while he was disabled.
  await run.product.ask(undefined, 'POST', `/api/v1/users/${name}/enable`);
  await until('the witness may pass', () => node.core.gates.get(slot), { limitMs: SETTLES_WITHIN_MS });
  // What the agent has not reported would go with the two of them.
  await run.patiently(() => run.fleet.settled({ nodes: [node], limitMs: SETTLES_WITHIN_MS }));
  node.core.kill();
  await run.product.ask(undefined, 'POST', `/api/v1/users/${name}/disable`);
  await run.patiently(() => run.fleet.heldOn(node.id));
  await until('the file is written', () => node.core.filed(slot) === false, { limitMs: FILE_WITHIN_MS }).catch(() => {});
  await node.host.killAgent();
  node.core.start();
  assert.equal(node.core.gates.get(slot), false, `${node.name}: a shut gate is open when the core starts without the agent`);
  node.host.startAgent();
  await run.product.ask(undefined, 'POST', `/api/v1/users/${name}/enable`);
  run.flow(node, slots, dice);
}

/** @param {string} what of {@link import('./plan.mjs').Round.hosts} */
export async function happens(at, what) {
  const [name, order] = what.split(' ');
  await hosts[name](at, order);
  await heard(at.node);
}
