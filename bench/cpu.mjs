/** CPU of a Worker under requests, as a ratio to an empty Worker that is asked in the same seconds. */
import { Connection } from './client.mjs';
import { used } from './process.mjs';
import { median } from './report.mjs';

/** At once. More would only wait for each other: a Worker's isolate has one thread. */
export const CONNECTIONS = 4;
export const SLICE_MS = 1000;
const WARM_UP_ROUNDS = 2;

/**
 * @typedef {{what: string, pid: number, sessions: Array<() => Promise<unknown>>}} Load `sessions` run side by side, each again and again
 * @typedef {{cpu: number, rate: number}} Slice seconds of CPU a request, and requests a second
 */

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
 * @param {Load[]} loads the first is what the others are compared with
 * @param {{rounds: number, say: (line: string) => void}} options
 * @returns {Promise<Array<{what: string, cpu: number, cpuRatio: number, rate: number, rateRatio: number}>>} medians of the rounds
 */
export async function measure(loads, { rounds, say }) {
  const measured = loads.map(() => []);
  for (let round = -WARM_UP_ROUNDS; round < rounds; round += 1) {
    say(round < 0 ? 'warming up' : `round ${round + 1} of ${rounds}`);
    for (const [index, load] of loads.entries()) {
      const slice = await runFor(load, SLICE_MS);
      if (round >= 0) measured[index].push(slice);
    }
  }
  const [floor] = measured;
  return loads.map(({ what }, index) => {
    const each = (value) => median(measured[index].map(value));
    return {
      what,
      cpu: each(({ cpu }) => cpu),
      cpuRatio: each(({ cpu }, round) => cpu / floor[round].cpu),
      rate: each(({ rate }) => rate),
      rateRatio: each(({ rate }, round) => rate / floor[round].rate),
    };
  });
}

/** @returns {Promise<Slice>} */
async function runFor({ pid, sessions }, length) {
  const until = performance.now() + length;
  const loop = async (session) => {
    let done = 0;
    while (performance.now() < until) {
      await session();
      done += 1;
    }
    return done;
  };
  const { cpu, wall, result } = await used(pid, () => Promise.all(sessions.map(loop)));
  const requests = result.reduce((sum, done) => sum + done, 0);
  return { cpu: cpu / requests, rate: requests / wall };
}
