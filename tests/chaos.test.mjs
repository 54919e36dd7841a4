/**
 * Everything of a whole product goes wrong at the same time, and the account is made up every 50 faults: the short form of `make chaos`
 * (docs/reliability.md). The seed stands in every failure; `WEIR_SEED=n` makes the same sequence of faults again.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Copies } from './support/chaos/copies.mjs';
import { planned, ROUND } from './support/chaos/plan.mjs';
import { Run } from './support/chaos/run.mjs';
import { Dice, SEED } from './support/dice.mjs';
import { LONG } from './support/selection.mjs';

const NODES = LONG ? { ledgers: 6, hosts: 2 } : { ledgers: 3, hosts: 1 };
const FAULTS = LONG ? 1000 : 100;
/** A test that takes so long hangs. */
const timeout = LONG ? 3_600_000 : 600_000;

let run;
before(async () => {
  run = await Run.start({ seed: SEED, ...NODES });
});
after(() => run?.stop());

test('the same seed draws the same sequence of faults, and another one another', () => {
  const texts = (seed) => {
    const dice = new Dice(seed);
    return Array.from({ length: 4 }, () => planned(dice.split(), NODES).text);
  };
  assert.deepEqual(texts(SEED), texts(SEED));
  assert.notDeepEqual(texts(SEED), texts(SEED + 1));
});

test(`after each 50 of ${FAULTS} faults every user, hour, period and node has what flowed, and every notice has arrived`, { timeout }, async (context) => {
  while (run.done.faults < FAULTS) {
    await run.round().catch((error) => {
      error.message = `WEIR_SEED=${SEED}, after ${run.done.faults} faults: ${error.message}`;
      throw error;
    });
  }
  const { faults, checks, kinds } = run.done;
  assert.ok(checks >= faults / ROUND);
  assert.equal(Object.values(kinds).reduce((sum, count) => sum + count, 0), faults, 'every fault that was drawn was met');
  context.diagnostic(`seed ${SEED}: ${faults} faults (${run.digest}), ${checks} checks: ${JSON.stringify(kinds)}`);
});

test('a ledger that was put back replays to a restored panel what it still holds, before any fork has come of it', { timeout }, async () => {
  const copies = new Copies(run);
  const slots = [...(await run.fleet.slots()).values()];
  const [ledger] = run.ledgers;
  const report = async () => {
    // Among them is a witness, who is never shut.
    assert.ok(slots.reduce((sum, slot) => sum + ledger.spend(slot, 1000, 20_000), 0) > 0);
    await ledger.settle();
  };
  await report();
  await copies.backup();
  await report();
  const putBack = ledger.kept();
  const { forks } = ledger;
  await report();
  putBack();
  // The account is made up: what only the newest report had told is nowhere any more, everything else is where it was.
  await copies.restore(new Dice(SEED));
  assert.equal(ledger.forks, forks);
});
