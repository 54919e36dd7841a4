/** What each job costs by the clock: D1's rows and the CPU of a run, with 10,000 users and 50 nodes that have reported. */
import { setTimeout as sleep } from 'node:timers/promises';

import { jobCosts, panelWithUsers, reportingNodes } from './panels.mjs';
import { usedExactly } from './process.mjs';
import { figure, median } from './report.mjs';

const USERS = 10_000;
const NODES = 50;
const WARM_UP_ROUNDS = 1;
const LOG_LIMIT_MS = 10_000;
/** What the panel takes for never, too: a smaller second far ahead is one that a wrong clock wrote. */
const NEVER = Number.MAX_SAFE_INTEGER;

/** @param {{say: (line: string) => void, rounds?: number}} options @returns {Promise<import('./report.mjs').Section>} */
export async function run({ say, rounds = 9 }) {
  say(`a panel with ${USERS} users and ${NODES} nodes`);
  const costs = [];
  const { panel, users } = await panelWithUsers(USERS, { bucket: true, onLog: (_, line) => costs.push(...jobCosts(line)) });
  try {
    await reportingNodes(panel, users, NODES);
    const { results } = await panel.db.prepare('SELECT name FROM jobs ORDER BY name').all();
    const measured = new Map([['no job is due', []], ...results.map(({ name }) => [name, []])]);
    for (let round = -WARM_UP_ROUNDS; round < rounds; round += 1) {
      say(round < 0 ? 'warming up' : `round ${round + 1} of ${rounds}`);
      for (const [name, runs] of measured) {
        const one = await runOf(panel, name, costs);
        if (round >= 0) runs.push(one);
      }
    }
    return section(measured, rounds);
  } finally {
    await panel.stop();
  }
}

/** One run of the trigger at which this job alone is due. */
async function runOf(panel, name, costs) {
  await panel.db.prepare('UPDATE jobs SET next_at = CASE WHEN name = ?1 THEN 0 ELSE ?2 END').bind(name, NEVER).run();
  const before = costs.length;
  const { cpu, result } = await usedExactly(panel.pid, () => panel.trigger());
  if (result !== 'ok') throw new Error(`${name} ended with ${result}\n${panel.log()}`);
  const failed = await panel.db.prepare('SELECT error FROM jobs WHERE name = ?1 AND failures > 0').bind(name).first('error');
  if (failed) throw new Error(`${name} failed: ${failed}`);
  const isJob = await panel.db.prepare('SELECT count(*) AS jobs FROM jobs WHERE name = ?1').bind(name).first('jobs');
  const deadline = performance.now() + LOG_LIMIT_MS;
  while (isJob && costs.length === before && performance.now() < deadline) await sleep(5);
  return { cpu, ...costs[before] };
}

function section(measured, rounds) {
  const [idle] = measured.values();
  const rows = [...measured].map(([name, runs]) => {
    const each = (value) => median(runs.map(value));
    const costs = ['queries', 'read', 'written'].map((kind) => (runs[0][kind] === undefined ? '-' : each((one) => one[kind]).toLocaleString('en')));
    return [name, ...costs, figure(each(({ cpu }) => cpu * 1000)), figure(each(({ cpu }, round) => cpu / idle[round].cpu))];
  });
  return {
    title: `Jobs, ${USERS.toLocaleString('en')} users and ${NODES} nodes`,
    tables: [{ head: ['job', 'queries', 'read', 'written', 'CPU ms', 'x a minute without'], rows }],
    notes: [
      `Medians of ${rounds} runs of each, with hardly anything to do for it; what much to do costs: the sweep among the rows. A minute without a job reads the table of jobs.`,
      'CPU is that of the whole workerd process: the Worker, and a local D1, which in production is another machine.',
    ],
  };
}
