/** Chance that can be repeated: the same seed makes the same choices. */
import { randomInt } from 'node:crypto';

/** The seed of this run: `WEIR_SEED`, or a new one. What fails says it. */
export const SEED = Number(process.env.WEIR_SEED ?? randomInt(1, 2 ** 31));

export class Dice {
  #state;

  /** @param {number} [seed] 1..2^31-1 */
  constructor(seed = SEED) {
    this.#state = seed >>> 0;
  }

  /** @returns {number} 0 <= x < 1 (the mulberry32 generator) */
  next() {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** @param {number} low @param {number} high @returns {number} an integer from low up to and without high */
  from(low, high) {
    return low + Math.floor(this.next() * (high - low));
  }

  /** @param {T[]} all @returns {T} @template T */
  one(all) {
    return all[this.from(0, all.length)];
  }

  /** @param {T[]} all @returns {T[]} in another order @template T */
  shuffled(all) {
    const rest = [...all];
    return all.map(() => rest.splice(this.from(0, rest.length), 1)[0]);
  }

  /** @returns {Dice} another row of choices, so that what runs at the same time does not disturb this one */
  split() {
    return new Dice(this.from(1, 2 ** 31));
  }
}
