/** What of the long tests `make test` runs: a part, which the seed of the run chooses; `make test-long` runs everything. */
import { createHash } from 'node:crypto';

import { SEED } from './dice.mjs';

/** @type {boolean} */
export const LONG = process.env.WEIR_LONG !== undefined;

/**
 * For a test's `skip`.
 *
 * @param {string} name of the test
 * @param {number} share how many of a hundred runs have it
 * @returns {string|false} why it is left out, false when it is not
 */
export function leftOut(name, share) {
  const roll = createHash('sha256').update(`${SEED} ${name}`).digest().readUInt32BE() % 100;
  return !LONG && roll >= share && `WEIR_SEED=${SEED} leaves it out; make test-long does not`;
}
