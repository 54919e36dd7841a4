/**
 * Everything at once: clients, nodes, webhooks, operators and Marzban's clients ask the same Worker, 64 of them at any time. Nobody is told
 * that the panel is at fault, and afterwards every sum is exact. `make test` has 1,500 requests of it, WEIR_LONG=1 all 10,000.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Dice, SEED } from './support/dice.mjs';
import { askToken, signInOwner } from './support/operators.mjs';
import { startPanel } from './support/panel.mjs';
import { seedAgent, seedUsers } from './support/seed.mjs';
import { LONG } from './support/selection.mjs';
import { authKeyOf, reportOf, send, setSettings, tokenOf } from './support/xpert.mjs';

const REQUESTS = LONG ? 10_000 : 1_500;
const AT_ONCE = 64;
const USERS = 60;
const NODES = 16;
/** A quota that is granted in parts, and never reached. */
const QUOTA = 2 ** 50;
const MOST_BYTES = 5_000_000;
const timeout = 1_800_000;

/** What there is of everything: of a hundred requests about so many. */
const MENU = [
  ['subscription', 30], ['sync', 22], ['webhook', 20], ['page', 10], ['list', 9], ['marzban', 6], ['change', 3],
];
const FORMATS = ['', '/base64', '/links', '/clash', '/sing-box', '/xray', '/info'];
const PAGES = ['/', '/users', '/users?sort=-used', '/nodes', '/plans', '/settings', '/audit', '/alerts', '/sources', '/account'];
const INBOUNDS = [
  { tag: 'trojan', protocol: 'trojan', port: 8443, tls: true },
  { tag: 'vless', protocol: 'vless', port: 443, tls: true, transport: { type: 'ws', path: '/ws' } },
];

const dice = new Dice();
let panel;
let users;
let agents;
let cookie;
let bearer;
let authKey;
/** What was sent and taken: bytes by user and node, and by user of other people's servers. */
const moved = new Map();
const outside = new Map();
/** Milliseconds of every answer by kind, and statuses. */
const lasted = new Map();
const statuses = {};
/** What was not answered with 200. */
const wrong = [];
let made = 0;

before(async () => {
  panel = await startPanel({ vars: { XPERT_LIMIT_FACTOR: '1000' } });
  authKey = await authKeyOf(panel);
  users = [...(await seedUsers(panel, USERS / 2)), ...(await seedUsers(panel, USERS / 2, { monthlyQuota: QUOTA }))];
  agents = await Promise.all(Array.from({ length: NODES }, (_, index) => seedAgent(panel, { name: `node-${index}` })));
  for (const agent of agents) {
    assert.equal((await agent.sync({ inbounds: INBOUNDS })).status, 200);
    Object.assign(agent, { seq: 0, isBusy: false, counts: new Map(), sent: { up: 0, down: 0 }, last: null });
  }
  await setSettings(panel, { quota_counting: 'all' });
  ({ cookie } = await signInOwner(panel));
  bearer = (await askToken(panel)).body.access_token;
});
after(() => panel?.stop());

/** One request, counted and timed. What is answered otherwise than with 200 is noted: the others go on, as they would. @param {string} kind @param {() => Promise<import('./support/panel.mjs').Answer>} ask */
async function asked(kind, ask) {
  made += 1;
  const from = performance.now();
  const answer = await ask();
  if (!lasted.has(kind)) lasted.set(kind, []);
  lasted.get(kind).push(performance.now() - from);
  statuses[answer.status] = (statuses[answer.status] ?? 0) + 1;
  if (answer.status !== 200) wrong.push(`${kind}: ${answer.status} ${answer.text.slice(0, 300)}`);
  return answer;
}

const add = (sums, key, up, down) => {
  const sum = sums.get(key) ?? { up: 0, down: 0 };
  sums.set(key, { up: sum.up + up, down: sum.down + down });
};
const bytes = () => dice.from(0, MOST_BYTES);

const KINDS = {
  subscription() {
    const format = dice.one(FORMATS);
    return asked('subscription', () => panel.request('GET', `/sub/${tokenOf(authKey, dice.one(users))}${format}`, { headers: { 'user-agent': dice.one(['v2rayNG/1.9.0', 'clash-verge/v2.4.0', 'Mozilla/5.0 (X11; Linux x86_64)']) } }));
  },

  /** The next report of a node, sometimes twice at the same time, sometimes the one before once more, sometimes none at all. */
  async sync() {
    const agent = agents.find(({ isBusy }) => !isBusy);
    if (!agent) return KINDS.subscription();
    agent.isBusy = true;
    agents.push(agents.shift());
    try {
      await report(agent);
    } finally {
      agent.isBusy = false;
    }
    return undefined;
  },

  /** Most have a key, and of those every third comes twice. */
  async webhook() {
    const user = dice.one(users);
    const [up, down] = [bytes(), bytes()];
    const body = reportOf(tokenOf(authKey, user), { server: `s${dice.from(0, 5)}.example`, bytes_uploaded: up, bytes_downloaded: down });
    const key = dice.next() < 0.8 ? { 'idempotency-key': `key-${made}-${dice.from(0, 1e9)}` } : {};
    const times = key['idempotency-key'] && dice.next() < 0.33 ? 2 : 1;
    const answers = await Promise.all(Array.from({ length: times }, () => asked('webhook', () => send(panel, body, key))));
    if (answers.some(({ status }) => status === 200)) add(outside, user.id, up, down);
  },

  page() {
    const where = dice.one([...PAGES, `/users/${dice.one(users).name}`, `/nodes/${dice.one(agents).node}`]);
    return asked('page', () => panel.request('GET', where, { headers: { cookie } }));
  },

  list() {
    const { name } = dice.one(users);
    const where = dice.one(['users?sort=-used', 'users?search=user-1', 'nodes', 'usage', 'audit', `users/${name}`, `users/${name}/usage`, `users/${name}/explain`]);
    return asked('list', () => panel.api('GET', `/api/v1/${where}`));
  },

  marzban() {
    const { name } = dice.one(users);
    const where = dice.one(['users?limit=20', `user/${name}`, `user/${name}/usage`, 'system', 'nodes']);
    return asked('marzban', () => panel.request('GET', `/api/${where}`, { key: bearer }));
  },

  change() {
    return asked('change', () => panel.api('PATCH', `/api/v1/users/${dice.one(users).name}`, { note: `of ${made}` }));
  },
};

async function report(agent) {
  if (agent.last && dice.next() < 0.05) {
    // A report that came before is not the next one.
    const { status, body } = await asked('sync', () => agent.send(agent.last));
    if (status === 200) assert.equal(body.ack, agent.seq);
    return;
  }
  if (dice.next() < 0.2) {
    await asked('sync', () => agent.sync());
    return;
  }
  const lines = dice.shuffled(users).slice(0, dice.from(1, 9)).map((user) => [user, bytes(), bytes()]);
  agent.seq += 1;
  for (const [user, up, down] of lines) {
    add(moved, `${user.id} ${agent.node}`, up, down);
    agent.counts.set(user.slot, (agent.counts.get(user.slot) ?? 0) + up + down);
    agent.sent = { up: agent.sent.up + up, down: agent.sent.down + down };
  }
  const count = (user) => agent.counts.get(user.slot);
  const asks = lines.filter(([{ id }]) => id > USERS / 2).map(([user]) => [user.slot, count(user), count(user)]);
  agent.last = JSON.stringify(agent.message({ report: agent.report({ seq: agent.seq, users: lines.map(([user, up, down]) => [user.slot, up, down]) }), asks }));
  const times = dice.next() < 0.2 ? 2 : 1;
  // An agent sends its report until it is acknowledged.
  for (let taken = []; taken.length === 0; ) {
    const answers = await Promise.all(Array.from({ length: times }, () => asked('sync', () => agent.send(agent.last))));
    taken = answers.filter(({ status }) => status === 200);
    for (const { body } of taken) assert.equal(body.ack, agent.seq);
  }
}

/** A kind of request, as often as the menu says. */
function chosen() {
  let roll = dice.from(0, 100);
  return MENU.find(([, share]) => (roll -= share) < 0)[0];
}

const part = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))].toFixed(0);

test(`${REQUESTS} requests of every kind, ${AT_ONCE} at a time, are all answered (WEIR_SEED=${SEED})`, { timeout }, async (t) => {
  const from = performance.now();
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    while (made < REQUESTS) await KINDS[chosen()]();
  }));
  const seconds = (performance.now() - from) / 1000;
  t.diagnostic(`${made} requests in ${seconds.toFixed(1)} s, ${(made / seconds).toFixed(0)} a second: ${JSON.stringify(statuses)}`);
  for (const [kind, times] of lasted) {
    const sorted = times.toSorted((a, b) => a - b);
    t.diagnostic(`${kind}: ${times.length}, half within ${part(sorted, 0.5)} ms, 99 of 100 within ${part(sorted, 0.99)} ms, all within ${part(sorted, 1)} ms`);
  }
  assert.deepEqual(wrong, []);
  assert.deepEqual(Object.keys(statuses), ['200']);
  assert.doesNotMatch(panel.log(), /request failed|panicked|exception/i);
});

test('every byte that was reported is counted once: by user, by node, and by user and node', async () => {
  const history = await panel.db.prepare('SELECT user, node, sum(up) AS up, sum(down) AS down FROM history GROUP BY user, node').all();
  const counted = new Map(history.results.filter(({ up, down }) => up + down > 0).map(({ user, node, up, down }) => [`${user} ${node}`, { up, down }]));
  const sums = [...moved].filter(([, { up, down }]) => up + down > 0);
  assert.deepEqual(new Map([...counted].sort()), new Map(sums.sort()));
  for (const agent of agents) {
    const { results: [row, ...others] } = await panel.db.prepare('SELECT last_seq, up, down, unknown, unattributed FROM epochs WHERE node = ?1').bind(agent.node).all();
    assert.deepEqual([row, others], [{ last_seq: agent.seq, ...agent.sent, unknown: 0, unattributed: 0 }, []], `node ${agent.node}`);
    const { body } = await panel.api('GET', `/api/v1/nodes/${agent.node}`);
    assert.deepEqual([body.up, body.down], [agent.sent.up, agent.sent.down]);
  }
});

test("the bytes of other people's servers are exact, and a report that came twice is counted once", async () => {
  const { results } = await panel.db.prepare('SELECT user, sum(up) AS up, sum(down) AS down, sum(charged) AS charged FROM xpert_fresh GROUP BY user ORDER BY user').all();
  const expected = [...outside].sort(([a], [b]) => a - b).map(([user, { up, down }]) => ({ user, up, down, charged: up + down }));
  assert.deepEqual(results, expected);
});

test('a user is charged with both together, and the panel, its API and that of Marzban say the same', async () => {
  for (const { id, name } of users) {
    const own = agents.reduce((sum, { node }) => { const { up, down } = moved.get(`${id} ${node}`) ?? { up: 0, down: 0 }; return sum + up + down; }, 0);
    const { up, down } = outside.get(id) ?? { up: 0, down: 0 };
    const total = own + up + down;
    const usage = await panel.db.prepare('SELECT month, lifetime FROM usage WHERE user = ?1').bind(id).first();
    assert.deepEqual(usage, { month: total, lifetime: total }, name);
    assert.equal((await panel.api('GET', `/api/v1/users/${name}`)).body.total_used, total, name);
    assert.equal((await panel.request('GET', `/api/user/${name}`, { key: bearer })).body.lifetime_used_traffic, total, name);
  }
});

test('whatever operators changed meanwhile stands in the log, whose chain is whole', async () => {
  const { body } = await panel.api('GET', '/api/v1/audit/verify?limit=1000');
  assert.equal(body.ok, true, JSON.stringify(body));
  const { n } = await panel.db.prepare("SELECT count(*) AS n FROM audit WHERE action = 'user.change'").first();
  assert.equal(n, lasted.get('change').length);
});
