/**
 * How long each page of the panel takes with 10,000 users and 50 nodes: the median, as a ratio to an empty Rust Worker that is asked in the same
 * seconds, and the CPU of it.
 */
import { Connection } from './client.mjs';
import { startEmptyWorker } from './empty.mjs';
import { INBOUNDS, panelWithUsers, signIn } from './panels.mjs';
import { used } from './process.mjs';
import { figure, median } from './report.mjs';
import { seedAgent } from '../tests/support/seed.mjs';

const USERS = 10_000;
const NODES = 50;
/** Requests of a page in a round, one after the other. */
const REQUESTS = 20;
const WARM_UP_ROUNDS = 1;

/** @param {{say: (line: string) => void, rounds?: number}} options @returns {Promise<import('./report.mjs').Section>} */
export async function run({ say, rounds = 9 }) {
  say('building the empty Worker (half a minute the first time)');
  const empty = await startEmptyWorker();
  say(`a panel with ${USERS} users and ${NODES} nodes`);
  const { panel, users } = await panelWithUsers(USERS);
  try {
    await fill(panel, users);
    const headers = { cookie: await signIn(panel) };
    const pages = pagesOf(users[USERS / 2].name);
    const loads = [load('empty Rust Worker', empty, { path: '/' })];
    for (const [what, path] of Object.entries(pages)) loads.push(load(what, panel, { path, headers }));
    return section(await measure(loads, rounds, say), rounds);
  } finally {
    await panel.stop();
    await empty.stop();
  }
}

const load = (what, server, request) => ({ what, pid: server.pid, connection: new Connection(server.url), request });

/** Every page that is more than a form. */
const pagesOf = (user) => ({
  dashboard: '/',
  'users, the newest': '/users',
  'users, the most used': '/users?sort=used',
  'users, a search': '/users?q=user',
  'one user': `/users/${user}`,
  'his details': `/users/${user}/details`,
  nodes: '/nodes',
  'one node': '/nodes/1',
  plans: '/plans',
  'one plan': '/plans/basic',
  sources: '/sources',
  alerts: '/alerts',
  audit: '/audit',
  settings: '/settings',
  clients: '/settings/clients',
  operators: '/settings/operators',
  jobs: '/settings/jobs',
  'your sign-in': '/account',
});

/** Nodes that have reported of some users, as they do every minute, and hours that were summed up. */
async function fill(panel, users) {
  for (let index = 0; index < NODES; index += 1) {
    const agent = await seedAgent(panel, { name: `node ${index}` });
    const share = users.slice(index * 200, (index + 1) * 200).map(({ slot }, place) => [slot, place * 1000, place * 9000]);
    const { status, text } = await agent.sync({
      inbounds: INBOUNDS,
      status: { core: 'sing-box', core_version: '1.14.4', online: 40, connections: 300, rate_up: 1000, rate_down: 90_000 },
      report: agent.report({ seq: 1, users: share }),
    });
    if (status !== 200) throw new Error(`node ${index}: ${status} ${text}`);
  }
  await panel.cron('summary');
}

/** @returns {Promise<Array<{what: string, ms: number, ratio: number, cpu: number, cpuRatio: number}>>} medians of the rounds' medians */
async function measure(loads, rounds, say) {
  const measured = loads.map(() => []);
  for (let round = -WARM_UP_ROUNDS; round < rounds; round += 1) {
    say(round < 0 ? 'warming up' : `round ${round + 1} of ${rounds}`);
    for (const [index, one] of loads.entries()) {
      const slice = await time(one);
      if (round >= 0) measured[index].push(slice);
    }
  }
  return loads.map(({ what }, index) => {
    const each = (value) => median(measured[index].map(value));
    return {
      what,
      ms: each(({ ms }) => ms),
      ratio: each(({ ms }, round) => ms / measured[0][round].ms),
      cpu: each(({ cpu }) => cpu),
      cpuRatio: each(({ cpu }, round) => cpu / measured[0][round].cpu),
    };
  });
}

async function time({ pid, connection, request }) {
  const times = [];
  const { cpu } = await used(pid, async () => {
    for (let index = 0; index < REQUESTS; index += 1) {
      const begin = performance.now();
      await connection.send(request);
      times.push(performance.now() - begin);
    }
  });
  return { ms: median(times), cpu: cpu / REQUESTS };
}

function section(rows, rounds) {
  return {
    title: `Pages of the panel, ${USERS.toLocaleString('en')} users and ${NODES} nodes`,
    tables: [
      {
        head: ['page', 'p50 ms', 'x empty', 'CPU ms', 'x empty'],
        rows: rows.map(({ what, ms, ratio, cpu, cpuRatio }) => [what, figure(ms), figure(ratio), figure(cpu * 1000), figure(cpuRatio)]),
      },
    ],
    notes: [
      `Medians of ${rounds} rounds of ${REQUESTS} requests each, one after the other, everything in turn. Aim: an answer within 100 ms.`,
      'CPU is that of the whole workerd process: HTTP, the Worker, and a local D1, which in production is another machine.',
    ],
  };
}
