/**
 * `make chaos`: everything goes wrong at the same time; docs/reliability.md says what, and what must hold.
 *
 *   FAULTS=10000    so many
 *   MINUTES=        or until so many minutes are over
 *   SEED=           the same seed makes the same sequence of faults; without it another one each time
 *   WITHOUT=LINE    with a protective line taken out: it must fail. `each`: with one after the other, and fails if one run does not
 */
import { randomInt } from 'node:crypto';

import { LINES, Run } from '../tests/support/chaos/run.mjs';

const FAULTS = Number(process.env.FAULTS || 10_000);
const MINUTES = Number(process.env.MINUTES || Infinity);
const SEED = Number(process.env.SEED || randomInt(1, 2 ** 31));
const WITHOUT = process.env.WITHOUT || undefined;
/** So many faults find every line that is missing. */
const FAULTS_TO_FIND = 1000;

const say = (text) => process.stdout.write(`chaos: ${text}\n`);
const minutes = (ms) => `${(ms / 60_000).toFixed(1)} min`;

/** @returns {Promise<{run: Run, error?: Error}>} how far it came, and what ended it */
async function chaos({ seed, faults, without }) {
  const began = performance.now();
  const run = await Run.start({ seed, real: true, without });
  try {
    while (run.done.faults < faults && performance.now() - began < MINUTES * 60_000) {
      await run.round();
      const { faults: so, checks, restores } = run.done;
      const passed = performance.now() - began;
      say(`${so} of ${faults} faults, ${checks} checks, ${restores} restores, seed ${seed}; ${minutes(passed)}, about ${minutes((passed / so) * (faults - so))} are left`);
    }
    return { run };
  } catch (error) {
    return { run, error };
  } finally {
    await run.stop();
  }
}

async function eachLine() {
  const found = [];
  for (const line of Object.keys(LINES)) {
    const { run, error } = await chaos({ seed: SEED, faults: FAULTS_TO_FIND, without: line });
    found.push([line, error]);
    say(`without ${line}: ${error ? `found in the round after ${run.done.faults} faults: ${error.message.split('\n')[0]}` : 'NOT FOUND'}`);
  }
  process.exitCode = found.every(([, error]) => error) ? 0 : 1;
}

if (WITHOUT !== undefined && WITHOUT !== 'each' && !LINES[WITHOUT]) {
  say(`WITHOUT is one of ${Object.keys(LINES).join(', ')}, or each`);
  process.exitCode = 2;
} else if (WITHOUT === 'each') {
  await eachLine();
} else {
  const { run, error } = await chaos({ seed: SEED, faults: FAULTS, without: WITHOUT });
  const { faults, checks, restores, backups, overshoot, kinds } = run.done;
  say(`${faults} faults, ${checks} checks, ${backups} backups, ${restores} restores; the sequence of faults is ${run.digest}`);
  say(`nobody passed his quota by more than ${(overshoot / 2 ** 20).toFixed(2)} MiB`);
  say(JSON.stringify(kinds));
  if (error) {
    say(`FAILED with seed ${SEED} in the round after ${faults} faults: ${error.stack}`);
    say(`make chaos SEED=${SEED}${WITHOUT ? ` WITHOUT=${WITHOUT}` : ''} makes the same faults again`);
    process.exitCode = 1;
  }
}
