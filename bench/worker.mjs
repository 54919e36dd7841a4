/**
 * What a request costs the Worker, as a ratio to Workers that do next to nothing, measured in the same seconds: all of them change with the
 * machine and with whatever else runs on it, the ratio hardly does.
 */
import { authKeyOf, BASE, reportOf, tokenOf } from '../tests/support/xpert.mjs';
import { askAt } from '../tests/support/marzban-bearer.mjs';
import { CONNECTIONS, connections, floors, gets, measure, SLICE_MS } from './cpu.mjs';
import { startFloor } from './floor.mjs';
import { panelWithUsers, settledAgent, signIn, subscriptionPath } from './panels.mjs';
import { figure, verdict } from './report.mjs';

const USERS = 10_000;
const FORM = 'application/x-www-form-urlencoded';

/** What the design asks for, where it does: at most so many times the CPU of the Worker that reads a row, or so many milliseconds. */
const AIMS = {
  'sync, nothing to say': { rows: 1.5 },
  'subscription of five links': { rows: 1.5 },
  'sync with a report of 100 users': { ms: 5 },
  'users page, 50 of 10,000': { ms: 10 },
};

/** @param {{say: (line: string) => void, rounds?: number}} options @returns {Promise<import('./report.mjs').Section>} */
export async function run({ say, rounds = 9 }) {
  const floor = await startFloor(say);
  say(`a panel with ${USERS} users`);
  // Limits of the platform are for strangers: all of these requests are one client's.
  const { panel, users } = await panelWithUsers(USERS, { vars: { XPERT_LIMIT_FACTOR: '1000000' } });
  try {
    const loads = await prepare(panel, users, floor);
    return section(await measure(loads, { rounds, say }));
  } finally {
    await panel.stop();
    await floor.stop();
  }
}

/** @returns {Promise<import('./cpu.mjs').Load[]>} */
async function prepare(panel, users, floor) {
  const syncs = async (what, reported) => ({
    what,
    pid: panel.pid,
    sessions: await Promise.all(connections(panel.url).map((connection, index) => syncing(panel, connection, reported, index, users))),
  });
  const posts = (what, request) => ({
    what,
    pid: panel.pid,
    sessions: connections(panel.url).map((connection) => () => connection.send({ method: 'POST', ...request() })),
  });
  await settledAgent(panel);
  const cookie = await signIn(panel);
  const { username, password } = panel.operator;
  const { body } = await askAt(panel, { username, password });
  const bearer = { authorization: `Bearer ${body.access_token}` };
  const key = { authorization: `Bearer ${panel.apiKey}` };
  const authKey = await authKeyOf(panel);
  const [user] = users;
  return [
    ...floors(floor),
    // What the panel costs without the database, and what one small query adds: the simulated database is most of the rest.
    gets('subscription, forged token: no query', panel, { path: `/sub/${'A'.repeat(32)}`, expect: 404 }),
    gets('health: one query', panel, { path: '/health' }),
    await syncs('sync, nothing to say', 0),
    await syncs('sync with a report of 1 user', 1),
    await syncs('sync with a report of 100 users', 100),
    await syncs('sync with a report of 1,000 users', 1000),
    gets('subscription of five links', panel, { path: await subscriptionPath(panel, user.name) }),
    posts('webhook of a client', () => report(users, authKey)),
    posts('webhook with an Idempotency-Key', () => report(users, authKey, { 'idempotency-key': String(next()) })),
    posts('sign-in', () => signingIn('/login', { name: username, password }, { origin: panel.url, expect: 303 })),
    gets('users page, 50 of 10,000', panel, { path: '/users', headers: { cookie } }),
    gets('API: list of 50 of 10,000', panel, { path: '/api/v1/users?limit=50', headers: key }),
    gets('API: one user', panel, { path: `/api/v1/users/${user.name}`, headers: key }),
    posts('Marzban: token', () => signingIn('/api/admin/token', { username, password })),
    gets('Marzban: list of 50 with 5 links each', panel, { path: '/api/users?limit=50', headers: bearer }),
    gets('Marzban: one user', panel, { path: `/api/user/${user.name}`, headers: bearer }),
  ];
}

let counter = 0;
const next = () => (counter += 1);

/** What a client tells of another server's traffic, each time another user's. */
function report(users, authKey, headers = {}) {
  const body = JSON.stringify(reportOf(tokenOf(authKey, users[next() % users.length])));
  return { path: `${BASE}/traffic-webhook`, headers: { 'content-type': 'application/json', ...headers }, body };
}

/** From an address of its own: attempts are counted by address. */
function signingIn(path, fields, { origin, expect } = {}) {
  const address = `10.${[16, 8, 0].map((bits) => (next() >> bits) & 255).join('.')}`;
  const headers = { 'content-type': FORM, 'cf-connecting-ip': address, ...(origin && { origin }) };
  return { path, headers, body: new URLSearchParams(fields).toString(), expect };
}

/**
 * A node of its own that syncs, about users of its own: two nodes that report the same users at once would repeat each other. It offers nothing, so
 * that links are those of one node.
 */
async function syncing(panel, connection, reported, index, users) {
  const agent = await settledAgent(panel, []);
  const headers = { authorization: `Bearer ${agent.key}`, 'content-type': 'application/json' };
  const lines = users.slice(index * reported, (index + 1) * reported).map(({ slot }) => [slot, 1, 2]);
  let seq = 0;
  return () => {
    seq += 1;
    const fields = reported > 0 ? { report: agent.report({ seq, users: lines }) } : {};
    return connection.send({ method: 'POST', path: '/agent/v1/sync', headers, body: JSON.stringify(agent.message(fields)) });
  };
}

function section(measured) {
  const rows = measured.map(({ what, median, ratio }) => {
    const [ms, ofRow] = [median('cpu') * 1000, ratio('cpu', 1)];
    const { rows: most = Infinity, ms: mostMs = Infinity } = AIMS[what] ?? {};
    const aim = what in AIMS ? (most < Infinity ? `${most} x one row` : `${mostMs} ms`) : '';
    return [what, ...[ms, ratio('cpu', 0), ofRow, median('rate'), ratio('rate', 0)].map(figure), aim, verdict(ofRow, most) || verdict(ms, mostMs)];
  });
  return {
    title: 'The Worker beside Workers that do next to nothing',
    tables: [{ head: ['request', 'CPU ms', 'x empty', 'x one row', 'requests/s', 'x empty', 'aim', ''], rows }],
    notes: [
      `Medians of the rounds. Each asks for everything in turn, ${SLICE_MS / 1000} s each, on ${CONNECTIONS} connections.`,
      'CPU is that of the whole workerd process: HTTP, the Worker, and a local D1, which in production is another machine.',
    ],
  };
}
