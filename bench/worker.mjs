/**
 * What a request costs the Worker, as a ratio to an empty Rust Worker that is measured in the same seconds: both change with the
 * machine and with whatever else runs on it, the ratio hardly does.
 */
import { CONNECTIONS, connections, gets, measure, SLICE_MS } from './cpu.mjs';
import { startEmptyWorker } from './empty.mjs';
import { panelWithUsers, settledAgent, signIn, subscriptionPath } from './panels.mjs';
import { figure } from './report.mjs';

const USERS = 10_000;

/** @param {{say: (line: string) => void, rounds?: number}} options @returns {Promise<import('./report.mjs').Section>} */
export async function run({ say, rounds = 9 }) {
  say('building the empty Worker (half a minute the first time)');
  const empty = await startEmptyWorker();
  say(`a panel with ${USERS} users`);
  const { panel, users } = await panelWithUsers(USERS);
  try {
    const loads = await prepare(panel, users, empty);
    return section(await measure(loads, { rounds, say }));
  } finally {
    await panel.stop();
    await empty.stop();
  }
}

/** @returns {Promise<import('./cpu.mjs').Load[]>} */
async function prepare(panel, users, empty) {
  const syncs = async (what, reported) => ({
    what,
    pid: panel.pid,
    sessions: await Promise.all(connections(panel.url).map((connection, index) => syncing(panel, connection, reported, index, users))),
  });
  const cookie = await signIn(panel);
  return [
    gets('empty Rust Worker', empty, { path: '/' }),
    // What the panel costs without the database, and what one small query adds: the simulated database is most of the rest.
    gets('subscription, forged token: no query', panel, { path: `/sub/${'A'.repeat(32)}`, expect: 404 }),
    gets('health: one query', panel, { path: '/health' }),
    await syncs('sync, nothing to say', 0),
    await syncs('sync with a report of 1 user', 1),
    await syncs('sync with a report of 100 users', 100),
    await syncs('sync with a report of 1,000 users', 1000),
    gets('subscription of five links', panel, { path: await subscriptionPath(panel, users[0].name) }),
    gets('users page, 50 of 10,000', panel, { path: '/users', headers: { cookie } }),
  ];
}

/** A node of its own that syncs, about users of its own: two nodes that report the same users at once would repeat each other. */
async function syncing(panel, connection, reported, index, users) {
  const agent = await settledAgent(panel);
  const headers = { authorization: `Bearer ${agent.key}`, 'content-type': 'application/json' };
  const lines = users.slice(index * reported, (index + 1) * reported).map(({ slot }) => [slot, 1, 2]);
  let seq = 0;
  return () => {
    seq += 1;
    const fields = reported > 0 ? { report: agent.report({ seq, users: lines }) } : {};
    return connection.send({ method: 'POST', path: '/agent/v1/sync', headers, body: JSON.stringify(agent.message(fields)) });
  };
}

function section(rows) {
  const figures = ({ what, cpu, cpuRatio, rate, rateRatio }) => [what, ...[cpu * 1000, cpuRatio, rate, rateRatio].map(figure)];
  return {
    title: 'The Worker beside an empty Rust Worker',
    tables: [{ head: ['request', 'CPU ms', 'x empty', 'requests/s', 'x empty'], rows: rows.map(figures) }],
    notes: [
      `Medians of the rounds. Each asks for everything in turn, ${SLICE_MS / 1000} s each, on ${CONNECTIONS} connections.`,
      'CPU is that of the whole workerd process: HTTP, the Worker, and a local D1, which in production is another machine.',
    ],
  };
}
