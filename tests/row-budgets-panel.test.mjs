/**
 * What pages, the API, subscriptions and the sweep cost in D1's currency among 10,000 users, on the real database: rows written, rows
 * read, queries. Every operator pays for them with each change.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { startPanel } from './support/panel.mjs';
import { seedAgent, seedUsers } from './support/seed.mjs';
import { now } from './support/wire.mjs';

const USERS = 10_000;
const MONTH = 30 * 86_400;

let panel;

before(async () => {
  panel = await startPanel();
  // Put straight into the database; the API creates a few more.
  for (let count = 0; count < USERS; count += 2000) await seedUsers(panel, 2000);
  await seedAgent(panel);
  // Refills the pool of vacant slots, 10 % of the users.
  assert.equal(await panel.cron(), 'ok');
});
after(() => panel?.stop());

/** A price within its budget: rows and queries at most. */
function within(t, what, cost, { written, read, queries }) {
  t.diagnostic(`${what}: ${cost.written} written (<= ${written}), ${cost.read} read (<= ${read}), ${cost.queries} queries (<= ${queries})`);
  assert.ok(cost.written <= written, `${what}: ${cost.written} rows written, budget ${written}`);
  assert.ok(cost.read <= read, `${what}: ${cost.read} rows read, budget ${read}`);
  assert.ok(cost.queries <= queries, `${what}: ${cost.queries} queries, budget ${queries}`);
}

/** A call of the API, judged by its price. */
async function call(t, what, status, [method, where, body], budget) {
  const answer = await panel.api(method, where, body);
  assert.equal(answer.status, status, answer.text);
  within(t, what, answer.cost, budget);
  return answer.body;
}

/** One run of the sweep, judged by its price. */
async function sweep(t, what, budget) {
  assert.equal(await panel.cron(), 'ok');
  const line = panel.log().split('\n').filter((one) => one.includes('job=sweep')).at(-1);
  const [queries, read, written] = ['queries', 'read', 'written'].map((name) => Number(new RegExp(`${name}=(\\d+)`).exec(line)[1]));
  within(t, what, { queries, read, written }, budget);
}

/** Ends the period of this many users who are not due yet; a `gate` shuts them first. */
async function endPeriods(count, { gate } = {}) {
  const { results } = await panel.db.prepare('SELECT id FROM users WHERE due_at IS NULL AND deleted_at IS NULL LIMIT ?1').bind(count).all();
  const ids = JSON.stringify(results.map(({ id }) => id));
  assert.equal(results.length, count);
  const month = gate ? 5 : 3;
  await panel.db.batch([
    panel.db.prepare('UPDATE usage SET period_start = ?2, period_end = ?3, month = ?4, lifetime = ?4, monthly_quota = 5 WHERE user IN (SELECT value FROM json_each(?1))')
      .bind(ids, now() - MONTH, now() - 60, month),
    panel.db.prepare('UPDATE users SET due_at = ?2 WHERE id IN (SELECT value FROM json_each(?1))').bind(ids, now() - 60),
    ...(gate ? [panel.db.prepare('UPDATE slots SET gate = ?2 WHERE user IN (SELECT value FROM json_each(?1))').bind(ids, gate)] : []),
  ]);
}

const dueLeft = async () => (await panel.db.prepare('SELECT count(*) AS n FROM users WHERE due_at <= unixepoch()').first()).n;

/** @returns {Promise<string>} the cookie of a session */
async function signIn() {
  const { username: name, password } = panel.operator;
  const headers = { origin: panel.url, 'content-type': 'application/x-www-form-urlencoded' };
  const signedIn = await panel.request('POST', '/login', { headers, body: new URLSearchParams({ name, password }).toString() });
  return signedIn.headers.get('set-cookie').split(';')[0];
}

test('a page of 50 users in the order of a key reads at most 150 rows, in the panel and in the API', async (t) => {
  const page = { written: 0, read: 150, queries: 4 };
  const cookie = await signIn();
  for (const where of ['/users', '/users?older=5000', '/users?newer=5000']) {
    const { status, cost } = await panel.request('GET', where, { headers: { cookie } });
    assert.equal(status, 200);
    within(t, `panel ${where}`, cost, page);
  }
  for (const query of ['', '?sort=name', '?sort=-name']) {
    const { items, total } = await call(t, `API ${query}`, 200, ['GET', `/api/v1/users${query}`], page);
    assert.deepEqual([items.length, total], [50, USERS]);
  }
});

test('the nodes read no more than the last ten events of one that has seen much', async (t) => {
  const node = await panel.db.prepare('SELECT id FROM nodes LIMIT 1').first();
  const insert = panel.db.prepare("INSERT INTO node_events (node, at, kind, detail) VALUES (?1, unixepoch(), 'clock', 'x')").bind(node.id);
  await panel.db.batch(Array.from({ length: 100 }, () => insert));
  const { status, text, cost } = await panel.request('GET', '/nodes', { headers: { cookie: await signIn() } });
  assert.equal(status, 200);
  assert.equal(text.match(/<strong>clock<\/strong>/g).length, 10);
  within(t, 'nodes', cost, { written: 0, read: 20, queries: 2 });
  await panel.db.prepare('DELETE FROM node_events').run();
});

test('a page further on costs a row for each user before it', async (t) => {
  await call(t, 'API offset 1000', 200, ['GET', '/api/v1/users?offset=1000'], { written: 0, read: 150 + 1000, queries: 4 });
});

test('a search, a filter and an order by usage scan the users once for the page and once for its count', async (t) => {
  for (const query of ['search=user-77', 'status=active', 'sort=-used']) {
    await call(t, query, 200, ['GET', `/api/v1/users?${query}`], { written: 0, read: 4 * USERS + 200, queries: 4 });
  }
});

// Each change's two rows in the audit log are in it.
test('one user costs a few rows, however many there are', async (t) => {
  const user = await call(t, 'create', 201, ['POST', '/api/v1/users', { name: 'ann', monthly_quota: 5 }], { written: 14, read: 29, queries: 11 });
  await call(t, 'get', 200, ['GET', '/api/v1/users/ann'], { written: 0, read: 4, queries: 2 });
  await call(t, 'describe', 200, ['PATCH', '/api/v1/users/ann', { note: 'x' }], { written: 3, read: 14, queries: 8 });
  await call(t, 'change a quota', 200, ['PATCH', '/api/v1/users/ann', { monthly_quota: 9 }], { written: 8, read: 36, queries: 13 });
  await call(t, 'disable', 200, ['POST', '/api/v1/users/ann/disable'], { written: 10, read: 36, queries: 11 });
  await call(t, 'reset', 200, ['POST', '/api/v1/users/ann/reset'], { written: 8, read: 28, queries: 10 });
  await call(t, 'revoke', 200, ['POST', '/api/v1/users/ann/revoke'], { written: 12, read: 56, queries: 13 });
  const { subscription_url: url } = await call(t, 'get', 200, ['GET', '/api/v1/users/ann'], { written: 0, read: 4, queries: 2 });
  assert.notEqual(url, user.subscription_url);
  for (const method of ['GET', 'HEAD']) {
    const { status, cost } = await panel.request(method, new URL(url).pathname);
    assert.equal(status, 200);
    within(t, `subscription ${method}`, cost, { written: 1, read: 4, queries: 2 });
  }
  await call(t, 'delete', 204, ['DELETE', '/api/v1/users/ann'], { written: 10, read: 26, queries: 9 });
});

test('a list of nodes costs seven rows for each', async (t) => {
  for (let count = 0; count < 9; count += 1) await (await seedAgent(panel)).sync();
  const { items } = await call(t, 'nodes', 200, ['GET', '/api/v1/nodes'], { written: 0, read: 1 + 7 * 10, queries: 2 });
  assert.equal(items.length, 10);
});

test('a monitor costs two rows, however often it asks', async (t) => {
  const { status, cost } = await panel.request('GET', '/health');
  assert.equal(status, 200);
  within(t, 'health', cost, { written: 0, read: 2, queries: 1 });
});

test('a sweep that has nothing to do costs next to nothing', async (t) => {
  // Its own row in the table of jobs is the one that is written.
  await sweep(t, 'nothing due', { written: 1, read: 50, queries: 8 });
});

for (const count of [1, 1000, 3000]) {
  test(`the end of ${count} periods costs five rows written and five read each, within 24 queries`, async (t) => {
    await endPeriods(count);
    await sweep(t, `${count} periods`, { written: 5 * count + 1, read: 5 * count + 40, queries: 24 });
    assert.equal(await dueLeft(), 0);
  });
}

test('a gate that opens with the new period costs four rows written more', async (t) => {
  const count = 500;
  await endPeriods(count, { gate: 'month' });
  await sweep(t, `${count} periods and gates`, { written: 9 * count + 1, read: 14 * count + 40, queries: 24 });
  assert.equal(await dueLeft(), 0);
  assert.equal((await panel.db.prepare("SELECT count(*) AS n FROM slots WHERE gate = 'month'").first()).n, 0);
});

test('more periods than one run can end are ended in the next, the oldest first', async (t) => {
  await endPeriods(4700);
  await sweep(t, 'first run', { written: 5 * 4500, read: 5 * 4500 + 510 * 2, queries: 24 });
  assert.equal(await dueLeft(), 200);
  await sweep(t, 'second run', { written: 5 * 200, read: 5 * 200 + 40, queries: 24 });
  assert.equal(await dueLeft(), 0);
});

test('what comes to accounts more rarely than a period costs ten rows written for each, in runs of 24 queries', async (t) => {
  const count = 300;
  const some = async (change) => {
    const { results } = await panel.db.prepare("SELECT id FROM users WHERE due_at > unixepoch() AND deleted_at IS NULL AND gate = 'open' LIMIT ?1").bind(count).all();
    assert.equal(results.length, count);
    const ids = JSON.stringify(results.map(({ id }) => id));
    await panel.db.batch(change.map((sql) => panel.db.prepare(sql).bind(ids)));
  };
  const of = (column) => `${column} IN (SELECT value FROM json_each(?1))`;
  const due = `UPDATE users SET due_at = unixepoch() - 9 WHERE ${of('id')}`;
  await some([`UPDATE usage SET hold = 900, hold_until = unixepoch() - 9 WHERE ${of('user')}`, due]);
  await some([`UPDATE users SET suspended_until = unixepoch() - 9 WHERE ${of('id')}`, `UPDATE slots SET gate = 'sharing' WHERE ${of('user')}`, due]);
  await some([`UPDATE users SET expires_at = unixepoch() - 9, delete_after_days = 0 WHERE ${of('id')}`, due]);
  await some([`UPDATE users SET expires_at = unixepoch() - 9, next_plan = 'basic' WHERE ${of('id')}`, due]);
  let runs = 0;
  for (; (await dueLeft()) > 0; runs += 1) {
    assert.ok(runs < 4, `${await dueLeft()} are still due`);
    await sweep(t, `run ${runs + 1}`, { written: 10 * 4 * count, read: 24 * 4 * count, queries: 24 });
  }
  const counted = await panel.db.prepare(`SELECT sum(plan = 'basic') AS given, sum(expires_at > unixepoch() AND plan IS NULL) AS begun,
    sum(suspended_until IS NOT NULL) AS shut, sum(deleted_at IS NOT NULL) AS deleted FROM users WHERE name <> 'ann'`).first();
  assert.deepEqual(counted, { given: count, begun: count, shut: 0, deleted: count });
});

test('the dashboard reads at most 200 rows with 50 nodes, the day after a month of traffic too', async (t) => {
  for (let count = 0; count < 49; count += 1) await (await seedAgent(panel)).sync();
  const week = JSON.stringify(Array.from({ length: 7 * 24 }, (_, hour) => now() - (now() % 3600) - hour * 3600));
  await panel.db.prepare('INSERT INTO node_hours (node, hour, up, down) SELECT nodes.id, value, 1, 1073741824 FROM nodes, json_each(?1)').bind(week).run();
  await panel.db.prepare("DELETE FROM settings WHERE area = 'summary'").run();
  await panel.db.prepare('UPDATE usage SET month = user * 1048576, lifetime = user * 1048576 WHERE user % 100 = 0').run();
  assert.equal(await panel.cron('alerts'), 'ok');
  const cookie = await signIn();
  const { status, text, cost } = await panel.request('GET', '/', { headers: { cookie } });
  assert.equal(status, 200);
  assert.equal(text.match(/<rect /g).length >= 7, true, 'the days are there');
  assert.equal(text.match(/<li><a href="\/users\/user-/g).length, 8, 'and the users with the most traffic');
  within(t, 'dashboard', cost, { written: 0, read: 200, queries: 8 });
  await panel.db.batch([panel.db.prepare('DELETE FROM node_hours'), panel.db.prepare('UPDATE usage SET month = 0, lifetime = 0'),
    panel.db.prepare('DELETE FROM nodes WHERE id <> (SELECT min(id) FROM nodes)'), panel.db.prepare('DELETE FROM epochs WHERE node <> (SELECT min(id) FROM nodes)')]);
});

test('the page of a user who never sleeps, on many nodes, reads at most 400 rows', async (t) => {
  const cookie = await signIn();
  const { id, name } = await panel.db.prepare('SELECT id, name FROM users LIMIT 1').first();
  const list = (length, at) => JSON.stringify(Array.from({ length }, (_, index) => at(index)));
  const nodes = '(SELECT value AS node FROM json_each(\'[1,2,3,4,5]\'))';
  await panel.db.batch([
    panel.db.prepare(`INSERT INTO history (user, hour, node, up, down) SELECT ?1, value, node, 5, 7 FROM json_each(?2), ${nodes}`)
      .bind(id, list(7 * 24, (hour) => now() - (now() % 3600) - hour * 3600)),
    panel.db.prepare(`INSERT INTO history_days (user, day, node, up, down) SELECT ?1, value, node, 5, 7 FROM json_each(?2), ${nodes}`)
      .bind(id, list(22, (day) => now() - (now() % 86400) - (day + 8) * 86400)),
    panel.db.prepare("INSERT INTO packages (user, order_id, bytes, entered_by, bought_at) SELECT ?1, 'order-' || value, 5, 'x', 1 FROM json_each(?2)").bind(id, list(40, (order) => order)),
    panel.db.prepare("INSERT INTO devices (user, id, first_at, last_at) SELECT ?1, 'd' || value, 1, 1 FROM json_each(?2)").bind(id, list(40, (device) => device)),
  ]);
  const { status, text, cost } = await panel.request('GET', `/users/${name}`, { headers: { cookie } });
  assert.equal(status, 200);
  assert.match(text, /are too many for this page/, 'and says that it does not show everything');
  within(t, 'user page', cost, { written: 0, read: 400, queries: 7 });
  await panel.db.batch(['history', 'history_days', 'packages', 'devices'].map((table) => panel.db.prepare(`DELETE FROM ${table} WHERE user = ?1`).bind(id)));
});
