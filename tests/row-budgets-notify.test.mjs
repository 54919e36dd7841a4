/** What notifications cost in D1's currency: nothing where nobody wants them, a stated number where somebody does. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Endpoint } from './support/endpoint.mjs';
import { addChannel, quietly, waiting } from './support/notices.mjs';
import { startPanel } from './support/panel.mjs';
import { seedAgent, seedUsers } from './support/seed.mjs';
import { now } from './support/wire.mjs';

let panel;
let agent;
let hook;
let seq = 0;

before(async () => {
  panel = await startPanel({ vars: { NOTIFY_PRIVATE: '1' } });
  hook = await Endpoint.start();
  await seedUsers(panel, 1000);
  agent = await seedAgent(panel);
  let answer = await agent.sync();
  while (answer.body.roster?.more) {
    const { version, upserts } = answer.body.roster;
    answer = await agent.sync({ roster_after: { version, after: upserts.at(-1).slot } });
  }
  await agent.sync();
});
after(async () => {
  await panel?.stop();
  await hook?.stop();
});

async function cost(t, what, users, bytes, budget) {
  seq += 1;
  const answer = await agent.sync({ report: agent.report({ seq, users: users.map(({ slot }) => [slot, 0, bytes]) }) });
  assert.equal(answer.status, 200, answer.text);
  const { written, read, queries } = answer.cost;
  t.diagnostic(`${what}: ${written} written (<= ${budget.written}), ${read} read (<= ${budget.read}), ${queries} queries (<= 10)`);
  assert.ok(written <= budget.written && read <= budget.read && queries <= 10, `${what}: ${JSON.stringify(answer.cost)}`);
}

const n = 100;
const plain = { written: 2 * n + 3, read: 8 * n + 12 };
const with4 = { written: plain.written + 4 * n, read: plain.read + 4 * n + 2 };

test('a report of users who cross a threshold costs nothing more while nobody wants warnings', async (t) => {
  const users = await seedUsers(panel, n, { monthlyQuota: 100, month: 50 });
  await cost(t, '100 cross a threshold, unwanted', users, 40, plain);
});

test('a warning costs at most four rows, a limit four for the gate and four for the alert, whoever does not cross nothing', async (t) => {
  await addChannel(panel, { name: 'one', webhook: { url: hook.url } });
  await addChannel(panel, { name: 'two', webhook: { url: hook.url } });
  const users = await seedUsers(panel, n, { monthlyQuota: 100 });
  while ((await agent.sync()).body.roster);
  await cost(t, '100 below the threshold', users, 50, { ...plain, read: plain.read + 200 });
  await cost(t, '100 cross the threshold', users, 30, with4);
  await cost(t, '100 above it', users, 5, plain);
  await cost(t, '100 cross their quota', users, 20, { written: plain.written + 8 * n, read: plain.read + 12 * n });
  const { results } = await panel.db.prepare('SELECT kind, count(*) AS n FROM events GROUP BY kind ORDER BY kind').all();
  assert.deepEqual(results, [{ kind: 'user.limited', n }, { kind: 'user.quota_warning', n }]);
});

test('telling two hundred events to two channels costs what is stated', async (t) => {
  await quietly(panel);
  const ids = (await panel.api('GET', '/api/v1/channels')).body.items.map(({ id }) => id);
  let [written, runs] = [0, 0];
  while ((await waiting(panel, ids[0])) + (await waiting(panel, ids[1])) > 0) {
    await panel.trigger();
    const job = await panel.db.prepare("SELECT rows_written, queries FROM jobs WHERE name = 'outbox'").first();
    assert.ok(job.queries <= 24, `${job.queries} queries in one run`);
    written += job.rows_written;
    runs += 1;
    assert.ok(runs <= 10);
  }
  t.diagnostic(`${written} rows written for 400 deliveries in ${runs} runs`);
  // Two when a delivery is made, one when it got through; the channels' claims and releases, and the job's own rows.
  assert.ok(written <= 400 * 3 + runs * 8, `${written} rows in ${runs} runs`);
  assert.equal(hook.events.length, 400);
});

test('channels that refuse everything cost a run no more queries than those that take it', async (t) => {
  const n = 60;
  await panel.db.prepare("UPDATE deliveries SET state = 'waiting', next_at = 0 WHERE event <= (SELECT min(event) + ?1 FROM deliveries)").bind(n - 1).run();
  await panel.db.prepare("UPDATE jobs SET next_at = 0 WHERE name = 'outbox'").run();
  hook.answer = () => 422;
  hook.taken();
  for (let count = 0; count < 3; count += 1) {
    await panel.trigger();
    const job = await panel.db.prepare("SELECT rows_read, rows_written, queries FROM jobs WHERE name = 'outbox'").first();
    const messages = hook.taken();
    const tries = messages.reduce((sum, { json }) => sum + json.length, 0);
    t.diagnostic(`${messages.length} messages refused with ${tries} events: ${job.rows_written} written, ${job.rows_read} read, ${job.queries} queries`);
    assert.equal(messages.length, 24, 'a refusal ends no run');
    assert.ok(job.queries <= 18, `${job.queries} queries in one run`);
    assert.ok(job.rows_written <= 3 * tries + 8, `${job.rows_written} rows written`);
    assert.ok(job.rows_read <= 2 * (4 * n + 2 * tries) + 20, `${job.rows_read} rows read`);
  }
  hook.answer = () => 204;
  await panel.db.prepare("UPDATE deliveries SET state = 'delivered' WHERE state = 'waiting'").run();
});

test('a look at 5,000 accounts with an expiry reads only those that come near', async (t) => {
  // The first look of an hour counts for the dashboard besides.
  assert.equal(await panel.cron('alerts'), 'ok');
  await panel.db.prepare("UPDATE jobs SET cursor = NULL WHERE name = 'alerts'").run();
  await panel.db.prepare('UPDATE users SET expires_at = ?1 + id * 60').bind(now() + 40 * 86_400).run();
  const near = 7;
  await panel.db.prepare('UPDATE users SET expires_at = ?1 WHERE id IN (SELECT id FROM users LIMIT ?2)').bind(now() + 86_400, near).run();
  const look = async () => {
    assert.equal(await panel.cron('alerts'), 'ok');
    return panel.db.prepare("SELECT rows_read, rows_written, queries FROM jobs WHERE name = 'alerts'").first();
  };
  const first = await look();
  t.diagnostic(`first look: ${first.rows_read} read, ${first.rows_written} written`);
  const jobs = (await panel.db.prepare('SELECT count(*) AS n FROM jobs').first()).n;
  assert.ok(first.rows_read <= 40 + jobs + 4 * near, `${first.rows_read} rows read`);
  const idle = await look();
  t.diagnostic(`idle look: ${idle.rows_read} read, ${idle.rows_written} written`);
  assert.ok(idle.rows_read <= 30 + jobs && idle.rows_written <= 3, JSON.stringify(idle));
});

test('an outbox with nothing to do reads a row per channel and writes nothing but its job', async (t) => {
  await panel.cron('outbox');
  await panel.cron('outbox');
  const job = await panel.db.prepare("SELECT rows_read, rows_written, queries FROM jobs WHERE name = 'outbox'").first();
  t.diagnostic(`idle outbox: ${job.rows_read} read, ${job.rows_written} written, ${job.queries} queries`);
  assert.ok(job.rows_read <= 12 && job.rows_written <= 1 && job.queries <= 5, JSON.stringify(job));
});
