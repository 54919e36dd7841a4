/** Limits: how exact a speed is, what it costs those without one, and how soon a device too many is shown out. */
import { setTimeout as sleep } from 'node:timers/promises';

import { startLimits, until } from '../tests/support/limits.mjs';
import { cpuSeconds } from './process.mjs';
import { figure, median, verdict } from './report.mjs';

const SPEEDS = [1_000_000, 10_000_000];
const COUNTS = [1, 16];
const WARM_UP_MS = 1_000;
/** Each a connection of a device too many, and as many of a limit of connections. */
const CLOSES = 50;
const REST_MS = 60;
const STORM_LOOPS = 16;
const STORM_MS = 5_000;
const OFF_AIM = 5;
const CLOSE_AIM_MS = 50;
const RATIO_AIM = 95;
/** In turns, because a machine's speed drifts. */
const TURNS = 5;
const TURN_MS = 2_000;

/** @param {{say: (line: string) => void, seconds?: number}} options of each measurement of a speed @returns {Promise<import('./report.mjs').Section>} */
export async function run({ say, seconds = 10 }) {
  say('a panel and a node');
  // Each measurement has a user of its own: what core and kernel still hold of an upload that was given up would draw from the next one's speed.
  const cases = SPEEDS.flatMap((speed) => COUNTS.flatMap((count) => ['down', 'up'].map((direction) => ({ speed, count, direction }))));
  const users = cases.map((one) => ({ name: userOf(one), speed_limit: one.speed }));
  const limits = await startLimits({
    users: [...users, { name: 'beside', speed_limit: SPEEDS[0] }, { name: 'free' }, { name: 'single', device_limit: 1 }, { name: 'stormy', device_limit: 1 }],
  });
  try {
    const speeds = [];
    for (const one of cases) {
      say(`${one.speed / 1e6} MB/s ${one.direction}, ${one.count} connections`);
      speeds.push({ ...one, ...(await exactness(limits, { ...one, seconds })) });
    }
    say('an unlimited user beside a limited one');
    const ratio = await beside(limits);
    say('devices over the limit');
    const closes = await closings(limits);
    say('a storm');
    const storm = await storming(limits);
    return section({ speeds, ratio, closes, storm, seconds });
  } catch (error) {
    throw new Error(`${error.message}\n${await limits.node.logs()}`, { cause: error });
  } finally {
    await limits.stop();
  }
}

const userOf = ({ speed, count, direction }) => `at-${speed / 1e6}-${direction}-${count}`;
const sum = (numbers) => numbers.reduce((all, one) => all + one, 0);

/** The share of the speed that passes, and what agent and core take meanwhile. */
async function exactness(limits, { speed, count, direction, seconds }) {
  const floods = await Promise.all(Array.from({ length: count }, () => limits.flood(userOf({ speed, count, direction }), direction)));
  await sleep(WARM_UP_MS);
  const { agentPid, corePid } = limits.node;
  const cpu = [cpuSeconds(agentPid), cpuSeconds(corePid)];
  const measured = await limits.during(seconds * 1000, floods);
  const used = [cpuSeconds(agentPid) - cpu[0], cpuSeconds(corePid) - cpu[1]].map((time) => (100 * time) / measured.seconds);
  limits.hush();
  return { share: (100 * sum(measured.bytes)) / (speed * measured.seconds), used };
}

/** An unlimited user's throughput with a limited user beside him, and without. */
async function beside(limits) {
  const ratios = [];
  for (let turn = 0; turn < TURNS; turn += 1) {
    const free = await limits.flood('free', 'down');
    await sleep(WARM_UP_MS);
    const alone = await limits.during(TURN_MS, [free]);
    const slow = await Promise.all(Array.from({ length: 16 }, () => limits.flood('beside', 'down')));
    await sleep(WARM_UP_MS);
    const together = await limits.during(TURN_MS, [free]);
    for (const flood of slow) flood.end();
    await sleep(WARM_UP_MS);
    const after = await limits.during(TURN_MS, [free]);
    const speed = ({ bytes, seconds }) => bytes[0] / seconds;
    ratios.push({ ratio: (100 * speed(together)) / ((speed(alone) + speed(after)) / 2), alone: speed(alone) });
    limits.hush();
  }
  return { ratio: median(ratios.map(({ ratio }) => ratio)), alone: median(ratios.map(({ alone }) => alone)) };
}

/** From the client's knowledge that it is connected until its connection has ended. */
async function closings(limits) {
  const first = await limits.flood('single', 'down', { from: '127.0.0.2', rate: 100_000 });
  await until('the first device passes', () => first.passed > 0);
  const [took, bytes] = [[], []];
  for (let index = 0; index < CLOSES; index += 1) {
    const start = performance.now();
    const second = await limits.flood('single', 'down', { from: '127.0.0.3' });
    await second.ended;
    took.push(second.endedAt - start);
    bytes.push(second.passed);
    await sleep(REST_MS);
  }
  limits.hush();
  return { took: took.sort((a, b) => a - b), bytes };
}

/** Clients that come again at once, and what they cost. */
async function storming(limits) {
  const first = await limits.flood('stormy', 'down', { from: '127.0.0.2', rate: 100_000 });
  await until('the first device passes', () => first.passed > 0);
  first.end();
  const keeper = await limits.connect('stormy', '127.0.0.2');
  await sleep(WARM_UP_MS);
  const { agentPid, corePid } = limits.node;
  const cpu = [cpuSeconds(agentPid), cpuSeconds(corePid)];
  const start = performance.now();
  let attempts = 0;
  const loop = async () => {
    while (performance.now() - start < STORM_MS) {
      const socket = await limits.connect('stormy', '127.0.0.3').catch(() => null);
      if (!socket) continue;
      await new Promise((resolve) => socket.once('close', resolve).once('error', resolve).once('end', resolve).resume());
      socket.destroy();
      attempts += 1;
    }
  };
  await Promise.all(Array.from({ length: STORM_LOOPS }, loop));
  const seconds = (performance.now() - start) / 1000;
  keeper.destroy();
  return { rate: attempts / seconds, agent: (100 * (cpuSeconds(agentPid) - cpu[0])) / seconds, core: (100 * (cpuSeconds(corePid) - cpu[1])) / seconds };
}

function section({ speeds, ratio, closes, storm, seconds }) {
  const rows = speeds.map(({ speed, count, direction, share, used }) => [
    `${speed / 1e6} MB/s ${direction}, ${count} connection${count > 1 ? 's' : ''}`,
    `${share.toFixed(2)} %`,
    ...used.map(figure),
    verdict(Math.abs(share - 100), OFF_AIM),
  ]);
  const { took, bytes } = closes;
  return {
    title: `Limits (aims: speed within ${OFF_AIM} %, a device too many ended within ${CLOSE_AIM_MS} ms)`,
    tables: [
      { title: `Speed over ${seconds} s`, head: ['limit', 'of it passed', 'agent CPU %', 'sing-box CPU %', ''], rows },
      {
        title: 'A device over the limit: connection begun .. ended at its client, ms',
        head: ['what', 'best', 'median', 'worst', ''],
        rows: [['device over the limit', figure(took[0]), figure(median(took)), figure(took.at(-1)), verdict(median(took), CLOSE_AIM_MS)]],
      },
    ],
    notes: [
      `An unlimited user beside one of 1 MB/s on 16 connections: ${figure(ratio.ratio)} % of his ${figure(ratio.alone / 2 ** 20)} MiB/s alone` +
        ` (aim ${RATIO_AIM} %${ratio.ratio < RATIO_AIM ? ': missed' : ''}).`,
      `A device over the limit moved ${figure(median(bytes) / 1024)} KiB in the median before its end, ${figure(Math.max(...bytes) / 1024)} KiB at most, of a target that floods.`,
      `A storm of ${STORM_LOOPS} clients that come again at once: ${figure(storm.rate)} connections/s, agent ${figure(storm.agent)} % of a core, sing-box ${figure(storm.core)} %.`,
    ],
  };
}
