/**
 * What a request costs the Worker, as a ratio to Workers that do next to nothing, measured in the same seconds: all of them change with the
 * machine and with whatever else runs on it, the ratio hardly does.
 */
import { CONNECTIONS, connections, floors, gets, measure, SLICE_MS } from './cpu.mjs';
import { startFloor } from './floor.mjs';
import { panelWithUsers, settledAgent, subscriptionPath } from './panels.mjs';
import { figure, verdict } from './report.mjs';
import { another, requestsOf, syncOf } from './requests.mjs';

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
  const load = (what, sessions) => ({ what, pid: panel.pid, sessions });
  const asks = (what, next) => load(what, connections(panel.url).map((connection) => () => connection.send(next())));
  // Nodes of their own that tell of users of their own: two that report the same users at once would repeat each other. They offer nothing, so that
  // links are those of one node.
  const syncs = async (what, reported) => {
    const nexts = connections(panel.url).map(async (connection, index) => {
      const next = syncOf(await settledAgent(panel, []), users.slice(index * reported, (index + 1) * reported));
      return () => connection.send(next());
    });
    return load(what, await Promise.all(nexts));
  };
  await settledAgent(panel);
  const { username, password } = panel.operator;
  const requests = await requestsOf(panel, users);
  const common = (...names) => names.map((name) => asks(name, requests[name]));
  return [
    ...floors(floor),
    ...common('subscription, forged token: no query', 'health: one query'),
    await syncs('sync, nothing to say', 0),
    await syncs('sync with a report of 1 user', 1),
    await syncs('sync with a report of 100 users', 100),
    await syncs('sync with a report of 1,000 users', 1000),
    gets('subscription of five links', panel, { path: await subscriptionPath(panel, users[0].name) }),
    ...common('webhook of a client', 'webhook with an Idempotency-Key'),
    asks('sign-in', () => signingIn('/login', { name: username, password }, { origin: panel.url, expect: 303 })),
    ...common('users page, 50 of 10,000', 'API: list of 50 of 10,000', 'API: one user'),
    asks('Marzban: token', () => signingIn('/api/admin/token', { username, password })),
    ...common('Marzban: list of 50 with 5 links each', 'Marzban: one user'),
  ];
}

/** From an address of its own: attempts are counted by address. */
function signingIn(path, fields, { origin, expect } = {}) {
  const address = `10.${[16, 8, 0].map((bits) => (another() >> bits) & 255).join('.')}`;
  const headers = { 'content-type': FORM, 'cf-connecting-ip': address, ...(origin && { origin }) };
  return { method: 'POST', path, headers, body: new URLSearchParams(fields).toString(), expect };
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
