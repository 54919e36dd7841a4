/** What the tests of speed limits share: who is limited, what is promised, and how it is measured. */
import assert from 'node:assert/strict';

import { until } from './limits.mjs';

/** Bytes a second in each direction. */
export const SPEED = 1_000_000;
export const WINDOW_MS = 10_000;
/** The promise. */
export const TOLERANCE = 0.05;
/** A machine that is busy with other things can only make a user slower. */
export const WINDOWS = 4;
/** Connections of a user who has many. */
export const MANY = 16;
export const DATAGRAM = 1200;

/** Users of these names who may be as fast as that. */
export const limited = (...names) => names.map((name) => ({ name, speed_limit: SPEED }));

export const sum = (numbers) => numbers.reduce((all, one) => all + one, 0);

/** Of `[user, his floods]` each user is as fast as he may be in some window, and faster in none. */
export async function areAsFastAsTheyMay(limits, users, context) {
  for (const [user, own] of users) await until(`${user} passes bytes`, () => sum(own.map(({ passed }) => passed)) > SPEED);
  const fast = new Set();
  for (let window = 0; window < WINDOWS && fast.size < users.length; window += 1) {
    const { seconds, bytes } = await limits.during(WINDOW_MS, users.flatMap(([, own]) => own));
    for (const [user, own] of users) {
      const passed = sum(bytes.splice(0, own.length));
      const share = passed / (SPEED * seconds);
      context.diagnostic(`${user}: ${(100 * share).toFixed(2)} % of his speed`);
      assert.ok(share <= 1 + TOLERANCE, `${user}: ${passed} bytes in ${seconds} s`);
      if (share >= 1 - TOLERANCE) fast.add(user);
    }
  }
  assert.deepEqual([...fast].sort(), users.map(([user]) => user).sort());
}
