/**
 * `GET /metrics`: what Prometheus reads, on the real Worker. The answer is parsed more strictly than Prometheus does it, its numbers are compared
 * with what was done, and the dashboard and the alert rules of docs/ ask for nothing that is not in it.
 */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { readExposition, valueOf } from './support/exposition.mjs';
import { ROOT, startPanel } from './support/panel.mjs';
import { keyWith } from './support/refusals.mjs';
import { seedAgent, seedNode, seedUsers } from './support/seed.mjs';
import { now } from './support/wire.mjs';

const ODD = 'a "node"\\ with\nlines, ü';
const JOBS = ['alerts', 'backup', 'bulk', 'outbox', 'packages', 'plans', 'pool', 'report', 'reports', 'retention', 'rollup', 'sources', 'sweep'];

let panel;
let key;
let agent;

before(async () => {
  panel = await startPanel();
  key = await keyWith(panel, 'stats:read');
  agent = await seedAgent(panel, { name: 'fra' });
});
after(() => panel?.stop());

/** Scrape, as Prometheus does. */
async function scrape() {
  const answer = await panel.request('GET', '/metrics', { key });
  assert.equal(answer.status, 200, answer.text);
  return { families: readExposition(answer.text), ...answer };
}

/** The next scrape counts users anew, as it does a minute after the last count. */
async function forgetCount() {
  await panel.db.prepare("DELETE FROM settings WHERE area = 'metrics'").run();
}

test('only a key with the scope reads it, and every refusal is a line of text', async () => {
  const keyed = (credential, method = 'GET') => panel.request(method, '/metrics', { key: credential });
  for (const [credential, status, method] of [
    [undefined, 401],
    ['weir_0123456789abcdef0123456789abcdef', 401],
    [await keyWith(panel, 'stats:read', now() - 1), 401],
    [await keyWith(panel, 'users:read nodes:read settings:read'), 403],
    [key, 405, 'POST'],
  ]) {
    const answer = await keyed(credential, method);
    assert.equal(answer.status, status);
    assert.match(answer.headers.get('content-type'), /^text\/plain/);
    assert.match(answer.text, /^[^\n{<]+\n$/);
    if (status === 401) assert.equal(answer.headers.get('www-authenticate'), 'Bearer');
  }
});

test('the answer is of format 0.0.4, is kept by nobody, and HEAD has the same head', async () => {
  const { headers, families } = await scrape();
  assert.equal(headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8');
  assert.equal(headers.get('cache-control'), 'no-store');
  const { version } = JSON.parse(await readFile(path.join(ROOT, 'package.json'), 'utf8'));
  assert.equal(valueOf(families, 'weir_build_info', { version }), 1);
  const head = await panel.request('HEAD', '/metrics', { key });
  assert.deepEqual([head.status, head.text, head.headers.get('content-type')], [200, '', headers.get('content-type')]);
});

test('bytes are told by node and direction as the reports had them, and never fall', async () => {
  const [ann] = await seedUsers(panel, 1);
  await agent.sync();
  const first = agent.report({ seq: 1, users: [[ann.slot, 3_000_000_000, 5_000_000_000]], unattributed: 700, foreign: 11 });
  assert.equal((await agent.sync({ report: first })).body.ack, 1);
  let { families } = await scrape();
  const bytes = (direction, node = 'fra') => valueOf(families, 'weir_node_bytes_total', { node, direction });
  assert.deepEqual([bytes('up'), bytes('down')], [3_000_000_000, 5_000_000_000]);
  assert.equal(valueOf(families, 'weir_node_unattributed_bytes_total', { node: 'fra' }), 700);
  assert.equal(valueOf(families, 'weir_node_foreign_bytes_total', { node: 'fra' }), 11);
  await agent.sync({ report: agent.report({ seq: 2, users: [[ann.slot, 1, 0]] }) });
  ({ families } = await scrape());
  assert.equal(bytes('up'), 3_000_000_001);
});

test('how long ago a node reported and was heard of is told, and of one that never was, nothing', async () => {
  await seedNode(panel, { name: ODD });
  await panel.db.prepare('UPDATE epochs SET last_to = ?1, seen_at = ?2, status = ?3 WHERE epoch = ?4')
    .bind(now() - 500, now() - 70, JSON.stringify({ online: 4, connections: 9 }), agent.epoch).run();
  const { families } = await scrape();
  const lag = valueOf(families, 'weir_node_report_lag_seconds', { node: 'fra' });
  assert.ok(lag >= 500 && lag < 560, String(lag));
  const seen = valueOf(families, 'weir_node_last_seen_timestamp_seconds', { node: 'fra' });
  assert.ok(Math.abs(seen - (now() - 70)) < 60, String(seen));
  assert.deepEqual(['online_users', 'connections'].map((what) => valueOf(families, `weir_node_${what}`, { node: 'fra' })), [4, 9]);
  assert.equal(valueOf(families, 'weir_node_bytes_total', { node: ODD, direction: 'up' }), 0, 'whatever it is called');
  for (const name of ['weir_node_report_lag_seconds', 'weir_node_last_seen_timestamp_seconds']) assert.equal(valueOf(families, name, { node: ODD }), undefined);
});

test('a deleted node is told no more, and its name may be another one', async () => {
  const create = async () => (await panel.api('POST', '/api/v1/nodes', { name: 'short-lived', address: 'node.example' })).body.id;
  assert.equal((await panel.api('DELETE', `/api/v1/nodes/${await create()}`)).status, 204);
  assert.equal(valueOf((await scrape()).families, 'weir_node_connections', { node: 'short-lived' }), undefined);
  await create();
  assert.equal(valueOf((await scrape()).families, 'weir_node_connections', { node: 'short-lived' }), 0);
});

test('users are told by the status that the list shows', async () => {
  const create = (user) => panel.api('POST', '/api/v1/users', user);
  await create({ name: 'held', hold_seconds: 3_600 });
  await create({ name: 'gone', expires_at: now() - 5 });
  await create({ name: 'shut' });
  await panel.api('POST', '/api/v1/users/shut/disable');
  await seedUsers(panel, 3, { monthlyQuota: 10, month: 10 });
  await forgetCount();
  const { families } = await scrape();
  for (const status of ['active', 'on_hold', 'limited', 'expired', 'disabled']) {
    const { total } = (await panel.api('GET', `/api/v1/users?status=${status}&limit=1`)).body;
    assert.equal(valueOf(families, 'weir_users', { status }), total, status);
    assert.ok(total > 0, status);
  }
  assert.ok(Math.abs(valueOf(families, 'weir_users_counted_timestamp_seconds') - now()) < 60);
});

test('what waits and what was given up is told by channel', async () => {
  const channel = await panel.api('POST', '/api/v1/channels', {
    name: 'ops "1"', kinds: ['user.created'], webhook: { url: 'https://hooks.example/weir' },
  });
  assert.equal(channel.status, 201, channel.text);
  const deliver = (event, state) => panel.db.prepare("INSERT INTO deliveries (event, channel, subject, state, queued_at) VALUES (?1, ?2, 'x', ?3, 1)")
    .bind(event, channel.body.id, state).run();
  for (const [event, state] of [[101, 'waiting'], [102, 'waiting'], [103, 'dead'], [104, 'delivered']]) await deliver(event, state);
  await panel.db.prepare('UPDATE channels SET failures = 7').run();
  const { families } = await scrape();
  const told = (state) => valueOf(families, 'weir_outbox_deliveries', { channel: 'ops "1"', state });
  assert.deepEqual([told('pending'), told('failed')], [2, 1]);
  assert.equal(valueOf(families, 'weir_channel_failures', { channel: 'ops "1"' }), 7);
});

test('jobs tell when they ran, and which of them fail', async () => {
  assert.equal(await panel.cron('sweep', 'pool'), 'ok');
  await panel.db.prepare("UPDATE jobs SET failures = 3, error = 'no', started_at = 1795867200, ended_at = 1795867201, lasted_ms = 1234 WHERE name = 'rollup'").run();
  const { families } = await scrape();
  const told = (metric, name) => valueOf(families, `weir_job_${metric}`, { name });
  assert.deepEqual(families.get('weir_job_failures').samples.map(({ labels }) => labels.name).sort(), JOBS);
  assert.deepEqual([told('last_run_success', 'sweep'), told('failures', 'sweep')], [1, 0]);
  assert.ok(Math.abs(told('last_run_timestamp_seconds', 'sweep') - now()) < 60);
  assert.deepEqual(
    ['last_run_success', 'failures', 'last_run_timestamp_seconds', 'last_duration_seconds'].map((metric) => told(metric, 'rollup')),
    [0, 3, 1_795_867_200, 1.234],
  );
  assert.equal(told('last_run_timestamp_seconds', 'backup'), undefined, 'it has not run');
});

test("the day's rows and requests are told as instances have told them", async () => {
  const day = Math.floor(now() / 86_400);
  await panel.db.prepare('INSERT OR REPLACE INTO cost_days (day, requests, queries, rows_read, rows_written) VALUES (?1, 11, 22, 33, 44), (?2, 1, 1, 1, 1)')
    .bind(day, day - 1).run();
  const { families } = await scrape();
  assert.deepEqual(
    [valueOf(families, 'weir_requests_today'), valueOf(families, 'weir_d1_queries_today'), valueOf(families, 'weir_d1_rows_today', { operation: 'read' }), valueOf(families, 'weir_d1_rows_today', { operation: 'written' })],
    [11, 22, 33, 44],
  );
});

test('a scrape stays within its row budget with 2,000 users', async (t) => {
  await seedUsers(panel, 2_000);
  await forgetCount();
  const rows = async (sql) => (await panel.db.prepare(`SELECT count(*) AS n FROM ${sql}`).first()).n;
  const [users, nodes, ledgers, jobs] = await Promise.all(['users', 'nodes', 'epochs', 'jobs'].map(rows));
  // The key, the day's cost and the last count; a channel with three deliveries.
  const base = 3 + nodes + 3 * ledgers + jobs + 4;
  const counting = await scrape();
  t.diagnostic(`with a count of ${users} users: ${JSON.stringify(counting.cost)}`);
  assert.ok(counting.cost.queries <= 4 && counting.cost.written <= 2 && counting.cost.read <= base + 2 * users, JSON.stringify([counting.cost, base]));
  const usual = await scrape();
  t.diagnostic(`usual, of ${nodes} nodes, ${ledgers} ledgers, ${jobs} jobs: ${JSON.stringify(usual.cost)}`);
  assert.ok(usual.cost.queries === 2 && usual.cost.written === 0 && usual.cost.read <= base, JSON.stringify([usual.cost, base]));
});

test('the dashboard and the alert rules ask for what there is', async () => {
  const { families } = await scrape();
  const named = (text) => new Set(text.match(/\bweir_[a-z0-9_]+/g));
  const dashboard = JSON.parse(await readFile(path.join(ROOT, 'docs/grafana/weir.json'), 'utf8'));
  const asked = dashboard.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr));
  assert.ok(asked.length >= 20);
  const rules = await readFile(path.join(ROOT, 'docs/grafana/alerts.yml'), 'utf8');
  assert.ok((rules.match(/- alert: /g) ?? []).length >= 10);
  const docs = await readFile(path.join(ROOT, 'docs/monitoring.md'), 'utf8');
  for (const [what, text] of [['dashboard', asked.join('\n')], ['rules', rules], ['docs', docs]]) {
    for (const name of named(text)) assert.ok(families.has(name), `${what}: ${name}`);
  }
  const [shown, written] = [named(asked.join('\n')), named(docs)];
  for (const [name, { samples }] of families) {
    assert.ok(shown.has(name), `${name} stands in no panel`);
    assert.ok(written.has(name), `${name} stands in no row of docs/monitoring.md`);
    assert.ok(samples.length > 0, name);
    for (const { labels } of samples) {
      for (const label of Object.keys(labels)) assert.ok(!['job', 'instance'].includes(label), `${name}: Prometheus has its own ${label}`);
    }
  }
});
