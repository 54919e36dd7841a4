/** Usage over time on the real Worker: by hour, day and month, of users, nodes and all; folded by the nightly job without a byte changed. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { apiUsers } from './support/api-users.mjs';
import { startPanel } from './support/panel.mjs';
import { assertRefused, keyWith } from './support/refusals.mjs';
import { seedAgent, seedUsers } from './support/seed.mjs';
import { now } from './support/wire.mjs';

const HOUR = 3600;
const DAY = 86_400;

let panel;
let users;
let west;
before(async () => {
  panel = await startPanel();
  users = await apiUsers(panel);
  west = await seedAgent(panel);
});
after(() => panel?.stop());

const put = (sql) => panel.db.prepare(sql).run();
const get = async (where) => {
  const answer = await panel.api('GET', where);
  assert.equal(answer.status, 200, answer.text);
  return answer.body;
};
const startOf = { hour: (at) => at - (at % HOUR), day: (at) => at - (at % DAY), month: (at) => {
  const date = new Date(at * 1000);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth()) / 1000;
} };

/** A chart as it must be, of `[at, node, up, down]`. */
function chart(flows, by, split = false) {
  const sums = new Map();
  for (const [at, node, up, down] of flows) {
    const key = `${String(startOf[by](at)).padStart(12)} ${split ? node : 0}`;
    const sum = sums.get(key) ?? { start: startOf[by](at), ...(split && { node }), up: 0, down: 0 };
    sums.set(key, { ...sum, up: sum.up + up, down: sum.down + down });
  }
  return [...sums.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, bucket]) => bucket);
}

/** The last run of a job, by the line that it logs. */
function costOf(job) {
  const line = panel.log().split('\n').filter((one) => one.includes(`job=${job}`)).at(-1);
  return Object.fromEntries(['queries', 'read', 'written'].map((name) => [name, Number(new RegExp(`${name}=(\\d+)`).exec(line)[1])]));
}

test('a chart tells the same bytes by hour, day and month, before and after they are folded', async () => {
  await users.create('ann');
  await users.create('bob');
  const slots = { ann: await users.slotOf('ann'), bob: await users.slotOf('bob') };
  const flows = { ann: [], bob: [] };
  for (const [seq, ago] of [45 * DAY, 30 * DAY, 30 * DAY - 3 * HOUR, 9 * DAY, 2 * DAY, 0].entries()) {
    for (const [one, agent] of [users.agent, west].entries()) {
      const to = now() + 1 - ago;
      const report = agent.report({ seq: seq + 1, to, users: [[slots.ann, 10 ** one, 7 + seq], [slots.bob, seq, 1000]] });
      assert.equal((await agent.sync({ report })).body.ack, seq + 1);
      flows.ann.push([to - 1, agent.node, 10 ** one, 7 + seq]);
      flows.bob.push([to - 1, agent.node, seq, 1000]);
    }
  }
  const from = now() - 50 * DAY;
  const all = [...flows.ann, ...flows.bob];
  const expect = async (by) => {
    const since = `by=${by}&from=${by === 'hour' ? now() - 8 * DAY : from}`;
    const within = (list) => (by === 'hour' ? list.filter(([at]) => at >= startOf.hour(now() - 8 * DAY)) : list);
    for (const name of ['ann', 'bob']) {
      const body = await get(`/api/v1/users/${name}/usage?${since}`);
      assert.deepEqual(body.items, chart(within(flows[name]), by), `${name} by ${by}`);
      assert.deepEqual([body.up, body.total], [body.items.reduce((sum, { up }) => sum + up, 0), body.items.length]);
      const split = await get(`/api/v1/users/${name}/usage?${since}&split=node`);
      assert.deepEqual(split.items, chart(within(flows[name]), by, true));
      const one = await get(`/api/v1/users/${name}/usage?${since}&node=${west.node}`);
      assert.deepEqual(one.items, chart(within(flows[name]).filter(([, node]) => node === west.node), by));
    }
    const west_ = await get(`/api/v1/nodes/${west.node}/usage?${since}`);
    assert.deepEqual(west_.items, chart(within(all).filter(([, node]) => node === west.node), by));
    assert.deepEqual((await get(`/api/v1/usage?${since}`)).items, chart(within(all), by));
    assert.deepEqual((await get(`/api/v1/usage?${since}&split=node`)).items, chart(within(all), by, true));
  };
  for (const by of ['hour', 'day', 'month']) await expect(by);
  assert.equal((await get('/api/v1/users/ann/usage?by=hour')).whole_since, 0, 'nothing was folded yet');

  assert.equal(await panel.cron('rollup'), 'ok');
  for (const by of ['hour', 'day', 'month']) await expect(by);
  const { whole_since: since } = await get('/api/v1/users/ann/usage?by=hour');
  assert.equal(since, startOf.day(now()) - 7 * DAY);
  const left = await panel.db.prepare('SELECT min(hour) AS oldest FROM history').first();
  assert.ok(left.oldest >= since, 'older hours are days now');

  await panel.api('PUT', '/api/v1/settings/retention', { hours_days: 2, days_days: 40 });
  assert.equal(await panel.cron('rollup'), 'ok');
  await expect('month');
  const old = await get(`/api/v1/users/ann/usage?by=day&from=${from}`);
  assert.ok(old.whole_since > now() - 75 * DAY && old.whole_since <= now() - 40 * DAY, 'the bound says where days begin to lack');
  await panel.api('PUT', '/api/v1/settings/retention', {});
});

test('a late report for an hour that was folded is told, and folded by the next run', async () => {
  const late = await seedAgent(panel);
  const slot = await users.slotOf('ann');
  const before = await get('/api/v1/users/ann/usage?by=month');
  const at = now() - 20 * DAY;
  assert.equal((await late.sync({ report: late.report({ seq: 1, to: at, users: [[slot, 3, 4]] }) })).status, 200);
  for (let run = 0; run < 3; run += 1) {
    const after_ = await get('/api/v1/users/ann/usage?by=month');
    assert.deepEqual([after_.up, after_.down], [before.up + 3, before.down + 4], `after ${run} folds`);
    assert.equal(await panel.cron('rollup'), 'ok');
  }
  assert.deepEqual((await get(`/api/v1/nodes/${late.node}/usage`)).items, [{ start: startOf.day(at - 1), up: 3, down: 4 }]);
});

test('a report that is repeated adds to no hour', async () => {
  const agent = await seedAgent(panel);
  const report = agent.report({ seq: 1, users: [[await users.slotOf('bob'), 5, 6]] });
  for (let times = 0; times < 3; times += 1) await agent.sync({ report });
  const { up, down } = await get(`/api/v1/nodes/${agent.node}/usage?by=hour`);
  assert.deepEqual([up, down], [5, 6]);
});

test('what is wrong in a query is named, and a node or user that is not there is not found', async () => {
  for (const [query, field] of [
    ['by=week', 'by'], ['from=yesterday', 'from'], ['from=-1', 'from'], ['to=253402300800', 'to'], ['from=200000&to=100000', 'to'],
    ['from=5&to=5', 'to'], ['by=hour&from=0', 'from'], [`by=hour&from=${now() - 1001 * HOUR}`, 'from'], ['split=user', 'split'],
    ['node=west', 'node'], [`by=day&split=node&from=${now() - 201 * DAY}`, 'from'],
  ]) assertRefused(await panel.api('GET', `/api/v1/users/ann/usage?${query}`), 422, 'invalid', field);
  assertRefused(await panel.api('GET', '/api/v1/users/nobody/usage'), 404, 'not_found');
  assertRefused(await panel.api('GET', '/api/v1/users/nobody/periods'), 404, 'not_found');
  for (const id of ['999999', 'x']) assertRefused(await panel.api('GET', `/api/v1/nodes/${id}/usage`), 404, 'not_found');
  assertRefused(await panel.api('POST', '/api/v1/usage', {}), 405, 'method_not_allowed');
  for (const [where, scopes] of [['/api/v1/usage', 'users:read nodes:read'], ['/api/v1/users/ann/usage', 'stats:read'], ['/api/v1/users/ann/periods', 'nodes:read'],
    ['/api/v1/users/ann/explain', 'nodes:read'], [`/api/v1/nodes/${west.node}/usage`, 'users:read']]) {
    assertRefused(await panel.request('GET', where, { key: await keyWith(panel, scopes) }), 403, 'forbidden');
  }
});

test('periods that have ended come the newest first, in pages, and say which of them a person ended', async () => {
  const { id } = await users.create('carl', { monthly_quota: 500 });
  const agent = await seedAgent(panel);
  const report = agent.report({ seq: 1, users: [[await users.slotOf('carl'), 40, 60]] });
  assert.equal((await agent.sync({ report })).status, 200);
  await users.act('carl', 'reset');
  const rows = Array.from({ length: 4 }, (_, index) => [id, 1000 * index + 1, 1000 * (index + 1) + 1, 500, index]);
  await panel.db.prepare(`INSERT INTO periods (user, start, end, quota, bytes, planned_end)
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 2 FROM json_each(?1)`).bind(JSON.stringify(rows)).run();
  const first = await get('/api/v1/users/carl/periods?limit=2');
  assert.deepEqual([first.total, first.next, first.items.map(({ bytes, quota, reset }) => [bytes, quota, reset])],
    [5, 2, [[100, 500, true], [3, 500, false]]]);
  const rest = await get('/api/v1/users/carl/periods?limit=3&offset=2');
  assert.deepEqual([rest.next, rest.items.map(({ start, end }) => [start, end])], [null, [[2001, 3001], [1001, 2001], [1, 1001]]]);
  for (const [query, field] of [['limit=0', 'limit'], ['offset=x', 'offset']]) {
    assertRefused(await panel.api('GET', `/api/v1/users/carl/periods?${query}`), 422, 'invalid', field);
  }
});

test('a chart of 30 days reads a row for each day and node, and those of the hours', async (t) => {
  const [user] = await seedUsers(panel, 1);
  const nodes = 3;
  const today = startOf.day(now());
  const rows = (count, step, end) => JSON.stringify(Array.from({ length: count }, (_, index) => end - (index + 1) * step));
  for (let node = 1; node <= nodes; node += 1) {
    await panel.db.prepare('INSERT INTO history_days SELECT ?1, value, ?2, 1, 1 FROM json_each(?3)').bind(user.id, node, rows(400, DAY, today - 7 * DAY)).run();
    await panel.db.prepare('INSERT INTO history SELECT ?1, value, ?2, 1, 1 FROM json_each(?3)').bind(user.id, node, rows(7 * 24, HOUR, today)).run();
  }
  const { cost, body } = await panel.api('GET', `/api/v1/users/${user.name}/usage?by=day`);
  t.diagnostic(JSON.stringify(cost));
  assert.equal(body.items.length, 29, 'today has none');
  assert.ok(cost.read <= nodes * (30 + 7 * 24) + 10, `${cost.read} rows read`);
  assert.deepEqual([cost.written, cost.queries <= 6], [0, true]);
  const explained = await panel.api('GET', `/api/v1/users/${user.name}/explain`);
  t.diagnostic(`explain ${JSON.stringify(explained.cost)}`);
  assert.ok(explained.cost.read <= nodes * (31 + 7 * 24) + 60, `${explained.cost.read} rows read`);
});

test('a night of 5,000 users is folded in chunks, each within half of the platform\'s queries, for a row written per row', async (t) => {
  const seeded = [];
  for (let count = 0; count < 5_000; count += 1_000) seeded.push(...(await seedUsers(panel, 1_000)));
  const first = startOf.day(now()) - 8 * DAY;
  // Every second one was busy for four hours on two nodes of the day that is due.
  const busy = JSON.stringify(seeded.filter((_, index) => index % 2 === 0).map(({ id }) => id));
  await panel.db.prepare(`INSERT INTO history SELECT u.value, ${first} + h.value * 3600, n.value, 1, 2
    FROM json_each(?1) AS u, json_each('[3,4,5,20]') AS h, json_each('[1,2]') AS n`).bind(busy).run();
  const total = async () => (await panel.db.prepare('SELECT sum(up) AS up, sum(down) AS down FROM (SELECT up, down FROM history UNION ALL SELECT up, down FROM history_days UNION ALL SELECT up, down FROM history_months)').first());
  const sum = await total();
  const old = async () => (await panel.db.prepare('SELECT count(*) AS n FROM history WHERE hour < ?1').bind(first + DAY).first()).n;
  const [taken, made] = [2_500 * 8, 2_500 * 2];
  assert.equal(await old(), taken);
  const cost = { queries: 0, read: 0, written: 0, runs: 0 };
  await put("UPDATE jobs SET next_at = 9e15 WHERE name <> 'rollup'");
  await put("UPDATE jobs SET next_at = 0, cursor = NULL WHERE name = 'rollup'");
  for (let due = true; due; cost.runs += 1) {
    assert.equal(await panel.trigger(), 'ok');
    const one = costOf('rollup');
    assert.ok(one.queries <= 24, `${one.queries} queries`);
    for (const name of ['queries', 'read', 'written']) cost[name] += one[name];
    assert.deepEqual(await total(), sum, 'between two runs no byte is missing');
    const { next_at: next, failures } = await panel.db.prepare("SELECT next_at, failures FROM jobs WHERE name = 'rollup'").first();
    assert.equal(failures, 0);
    due = next <= now();
    assert.ok(cost.runs < 10, 'it comes to an end');
  }
  await put('UPDATE jobs SET next_at = 0 WHERE next_at = 9e15');
  t.diagnostic(JSON.stringify(cost));
  assert.equal(await old(), 0);
  // Beside the rows: two marks, and in each run its begin, its end and the cursor.
  assert.ok(cost.written <= taken + made + 2 + 4 * cost.runs, `${cost.written} rows written`);
  assert.ok(cost.read <= 7 * taken + 3 * seeded.length, `${cost.read} rows read`);
});
