/** Limits of devices and connections, on a real core whose clients come from several addresses. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { startLimits, until } from './support/limits.mjs';

const FIRST = '127.0.0.2';
const SECOND = '127.0.0.3';
const THIRD = '127.0.0.4';
/** What nobody shows out goes on for so long at least. */
const A_WHILE_MS = 1000;
const RATE = 100_000;

let limits;

before(async () => {
  limits = await startLimits({
    users: [
      { name: 'family', device_limit: 2 },
      { name: 'single', device_limit: 1 },
      { name: 'narrow', stream_limit: 3 },
      { name: 'free' },
      { name: 'stormy', device_limit: 1 },
    ],
  });
});
after(() => limits?.stop());

const flood = (user, from) => limits.flood(user, 'down', { from, rate: RATE });
const passes = (what, one) => until(`${what} passes bytes`, () => one.passed > 0);

/** Nothing of these ends, and all of them go on. */
async function assertGoOn(...floods) {
  const { bytes } = await limits.during(A_WHILE_MS, floods);
  assert.deepEqual(floods.map(({ over }) => over), floods.map(() => false));
  assert.ok(bytes.every((passed) => passed > 0), `${bytes}`);
}

/** What the agent says of those whom it held back. */
async function heldBack(user) {
  const { held_back: list } = await limits.node.status();
  return list.find(({ slot }) => slot === limits.slotOf(user));
}

test('the device over the limit is shown out, the devices before it and everybody else go on', async () => {
  const [first, again, second, other] = [await flood('family', FIRST), await flood('family', FIRST), await flood('family', SECOND), await flood('free', THIRD)];
  await passes('the second device', second);
  const third = await flood('family', THIRD);
  await third.ended;
  await assertGoOn(first, again, second, other);
  const told = await until('the status names him', () => heldBack('family'));
  assert.deepEqual([told.devices >= 1, told.streams], [true, 0]);
  const { output } = await limits.node.agent('status');
  assert.match(output, new RegExp(`held back {2}${limits.slotOf('family')}: \\d+ connections from one device too many`));
  const node = await until('the panel knows how many', async () => {
    const { status } = await limits.nodeInPanel(limits.nodeId);
    return status?.held_back >= 1 && status;
  });
  assert.ok(node.held_back >= told.devices);
  limits.hush();
});

test('a device that leaves makes room for another', async () => {
  const first = await flood('single', FIRST);
  await passes('the first device', first);
  await (await flood('single', SECOND)).ended;
  first.end();
  await until('the second device is let in', async () => {
    const second = await flood('single', SECOND);
    await Promise.race([second.ended, sleep(A_WHILE_MS)]);
    const stays = !second.over && second.passed > 0;
    if (!stays) second.end();
    return stays;
  });
  await (await flood('single', FIRST)).ended;
  limits.hush();
});

test('the connection over the limit of connections ends and those before it go on', async () => {
  const three = [await flood('narrow', FIRST), await flood('narrow', FIRST), await flood('narrow', SECOND)];
  await passes('the third connection', three[2]);
  await (await flood('narrow', FIRST)).ended;
  await (await flood('narrow', THIRD)).ended;
  await assertGoOn(...three);
  limits.hush();
});

test('a limit that is lowered ends what is too much of what is under way, and a restarted agent holds to it', { timeout: 120_000 }, async () => {
  const [first, second] = [await flood('free', FIRST), await flood('free', SECOND)];
  await passes('the second device', second);
  await limits.allow('free', { device_limit: 1 });
  await second.ended;
  await assertGoOn(first);
  await limits.node.stopAgent();
  limits.node.startAgent();
  await until('the agent is back and shows the second device out', async () => {
    const again = await flood('free', SECOND);
    await Promise.race([again.ended, sleep(A_WHILE_MS)]);
    again.end();
    return again.over && again.endedAt;
  });
  await assertGoOn(first);
  limits.hush();
});

test('a client that comes again as soon as it is shown out is slowed down and costs the agent little', { timeout: 120_000 }, async (context) => {
  const first = await flood('stormy', FIRST);
  await passes('the first device', first);
  const loops = 8;
  const lasts = 5000;
  const end = performance.now() + lasts;
  let attempts = 0;
  const storm = async () => {
    while (performance.now() < end) {
      await (await flood('stormy', SECOND)).ended;
      attempts += 1;
    }
  };
  await Promise.all(Array.from({ length: loops }, storm));
  context.diagnostic(`${attempts} connections of ${loops} loops in ${lasts / 1000} s`);
  // Each loop is answered ten times a second, after the first twenty ends of each second.
  assert.ok(attempts <= (lasts / 1000 + 2) * (10 * loops + 20), `${attempts} attempts`);
  await assertGoOn(first);
  limits.hush();
});
