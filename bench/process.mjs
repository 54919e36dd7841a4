/** What the kernel says a process has used. */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/** Ticks a second of the times in /proc/PID/stat. */
const TICKS = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

/** @param {number} pid @returns {number} seconds of CPU, of all its threads, in user and kernel mode; in steps of a tick (10 ms) */
export function cpuSeconds(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The second field is the program's name in brackets and may hold anything.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
}

/**
 * @param {number} pid
 * @returns {{rss: number, peak: number, anonymous: number}} bytes: resident now, the most so far, and the part of it that is no file
 */
export function memory(pid) {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const bytes = (name) => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)[1]) * 1024;
  return { rss: bytes('VmRSS'), peak: bytes('VmHWM'), anonymous: bytes('RssAnon') };
}

/**
 * CPU of a process while something runs.
 *
 * @param {number} pid
 * @param {() => Promise<T>} work
 * @returns {Promise<{cpu: number, wall: number, result: T}>} both in seconds
 * @template T
 */
export async function used(pid, work) {
  const [cpu, wall] = [cpuSeconds(pid), performance.now()];
  const result = await work();
  return { cpu: cpuSeconds(pid) - cpu, wall: (performance.now() - wall) / 1000, result };
}

/**
 * As {@link used}, to the microsecond, for a process whose threads stay: what a thread used that ended meanwhile is not in it.
 *
 * @param {number} pid
 * @param {() => Promise<T>} work
 * @returns {Promise<{cpu: number, wall: number, result: T}>} both in seconds
 * @template T
 */
export async function usedExactly(pid, work) {
  const [before, wall] = [nanosecondsByThread(pid), performance.now()];
  const result = await work();
  const after = nanosecondsByThread(pid);
  const ends = performance.now();
  let spent = 0;
  for (const [thread, time] of after) spent += time - (before.get(thread) ?? 0);
  return { cpu: spent / 1e9, wall: (ends - wall) / 1000, result };
}

/** @param {number} pid @returns {Map<string, number>} what each of its threads has been on a core for */
function nanosecondsByThread(pid) {
  const times = new Map();
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    try {
      times.set(thread, Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]));
    } catch (error) {
      // It has ended since the folder was read.
      if (error.code !== 'ENOENT' && error.code !== 'ESRCH') throw error;
    }
  }
  return times;
}
