/**
 * How long each page of the panel takes with 10,000 users and 50 nodes: the median and the CPU, each as a ratio to Workers that do next to
 * nothing, asked in the same seconds.
 */
import { Connection } from './client.mjs';
import { measure } from './cpu.mjs';
import { FLOORS, startFloor } from './floor.mjs';
import { panelWithUsers, reportingNodes, signIn } from './panels.mjs';
import { usedExactly } from './process.mjs';
import { figure, median, verdict } from './report.mjs';

const USERS = 10_000;
const NODES = 50;
/** Requests of a page in a round, one after the other. */
const REQUESTS = 20;
const CPU_AIM_MS = 10;

/** @param {{say: (line: string) => void, rounds?: number}} options @returns {Promise<import('./report.mjs').Section>} */
export async function run({ say, rounds = 9 }) {
  const floor = await startFloor(say);
  say(`a panel with ${USERS} users and ${NODES} nodes`);
  const { panel, users } = await panelWithUsers(USERS);
  try {
    await fill(panel, users);
    const headers = { cookie: await signIn(panel) };
    const pages = pagesOf(users[USERS / 2].name);
    const loads = FLOORS.map(({ what, path }) => load(what, floor, { path }));
    for (const [what, path] of Object.entries(pages)) loads.push(load(what, panel, { path, headers }));
    return section(await measure(loads, { rounds, say, slice: time }), rounds);
  } finally {
    await panel.stop();
    await floor.stop();
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
  const status = { core: 'sing-box', core_version: '1.14.4', online: 40, connections: 300, rate_up: 1000, rate_down: 90_000 };
  await reportingNodes(panel, users, NODES, status);
  await panel.cron('summary');
}

/** @returns {Promise<{ms: number, cpu: number}>} the median time of some requests, and seconds of CPU of each */
async function time({ pid, connection, request }) {
  const times = [];
  const { cpu } = await usedExactly(pid, async () => {
    for (let index = 0; index < REQUESTS; index += 1) {
      const begin = performance.now();
      await connection.send(request);
      times.push(performance.now() - begin);
    }
  });
  return { ms: median(times), cpu: cpu / REQUESTS };
}

function section(measured, rounds) {
  return {
    title: `Pages of the panel, ${USERS.toLocaleString('en')} users and ${NODES} nodes`,
    tables: [
      {
        head: ['page', 'p50 ms', 'x empty', 'CPU ms', 'x empty', 'x one row', ''],
        rows: measured.map(({ what, median: of, ratio }) => [
          what,
          ...[of('ms'), ratio('ms', 0), of('cpu') * 1000, ratio('cpu', 0), ratio('cpu', 1)].map(figure),
          verdict(of('cpu') * 1000, CPU_AIM_MS),
        ]),
      },
    ],
    notes: [
      `Medians of ${rounds} rounds of ${REQUESTS} requests each, one after the other, everything in turn. Aims: an answer within 100 ms, ${CPU_AIM_MS} ms of CPU.`,
      'CPU is that of the whole workerd process: HTTP, the Worker, and a local D1, which in production is another machine.',
    ],
  };
}
