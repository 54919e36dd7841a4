/** CPU of a Worker under requests, as a ratio to floors that are asked in the same seconds: an empty Worker, and one that reads a row. */
import { Connection } from './client.mjs';
import { FLOORS } from './floor.mjs';
import { usedExactly } from './process.mjs';
import { median } from './report.mjs';

/** At once. More would only wait for each other: a Worker's isolate has one thread. */
export const CONNECTIONS = 4;
export const SLICE_MS = 1000;
const WARM_UP_ROUNDS = 2;

/**
 * @typedef {{what: string, pid: number, sessions: Array<() => Promise<unknown>>}} Load `sessions` run side by side, each again and again
 * @typedef {{what: string, median: (key: string) => number, ratio: (key: string, floor: number) => number}} Measured the median of the rounds,
 *   and that of what it was in each round beside the first or the second load
 */

/** The floors, which stand in front of every list of loads. @param {{url: string, pid: number}} floor @returns {Load[]} */
export function floors(floor) {
  return FLOORS.map(({ what, path }) => gets(what, floor, { path }));
}

/** @param {string} url @returns {Connection[]} */
export function connections(url) {
  return Array.from({ length: CONNECTIONS }, () => new Connection(url));
}

/**
 * @param {string} what
 * @param {{url: string, pid: number}} server
 * @param {Parameters<Connection['send']>[0]} request
 * @returns {Load} the same request all the time
 */
export function gets(what, server, request) {
  return { what, pid: server.pid, sessions: connections(server.url).map((connection) => () => connection.send(request)) };
}

/**
 * Asks for everything in turn, round after round.
 *
 * @template T
 * @param {Array<T & {what: string}>} loads the floors first
 * @param {{rounds: number, say: (line: string) => void, slice?: (load: T) => Promise<Record<string, number>>}} options `slice` measures a load
 *   once; without it by {@link forASecond}
 * @returns {Promise<Measured[]>} one of each load
 */
export async function measure(loads, { rounds, say, slice = forASecond }) {
  const measured = loads.map(() => []);
  for (let round = -WARM_UP_ROUNDS; round < rounds; round += 1) {
    say(round < 0 ? 'warming up' : `round ${round + 1} of ${rounds}`);
    for (const [index, load] of loads.entries()) {
      const one = await slice(load);
      if (round >= 0) measured[index].push(one);
    }
  }
  return loads.map(({ what }, index) => ({
    what,
    median: (key) => median(measured[index].map((one) => one[key])),
    ratio: (key, floor) => median(measured[index].map((one, round) => one[key] / measured[floor][round][key])),
  }));
}

/**
 * As much as a load's sessions get answered in {@link SLICE_MS}.
 *
 * @param {Load} load
 * @returns {Promise<{cpu: number, rate: number}>} seconds of CPU a request, and requests a second
 */
async function forASecond({ pid, sessions }) {
  const until = performance.now() + SLICE_MS;
  const loop = async (session) => {
    let done = 0;
    while (performance.now() < until) {
      await session();
      done += 1;
    }
    return done;
  };
  const { cpu, wall, result } = await usedExactly(pid, () => Promise.all(sessions.map(loop)));
  const requests = result.reduce((sum, done) => sum + done, 0);
  return { cpu: cpu / requests, rate: requests / wall };
}
