/** Why a user stands where he stands, on the real Worker: parts that add up to the byte, and a stated remainder where they cannot. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { startPanel } from './support/panel.mjs';
import { assertRefused } from './support/refusals.mjs';
import { seedAgent, usageOf } from './support/seed.mjs';
import { now, utc } from './support/wire.mjs';
import { authKeyOf, reportOf, send, setSettings, tokenOf } from './support/xpert.mjs';

const GIB = 2 ** 30;
const DAY = 86_400;

let panel;
let plain;
let dear;
const seqs = new Map();
before(async () => {
  panel = await startPanel();
  plain = await seedAgent(panel, { name: 'plain' });
  dear = await seedAgent(panel, { name: 'dear', coefficient: 2000 });
  assert.equal(await panel.cron(), 'ok');
  for (const agent of [plain, dear]) await agent.sync();
});
after(() => panel?.stop());

async function create(fields) {
  const answer = await panel.api('POST', '/api/v1/users', { name: `user-${Math.random().toString(36).slice(2, 10)}`, ...fields });
  assert.equal(answer.status, 201, answer.text);
  const { slot } = await panel.db.prepare('SELECT slot FROM users WHERE id = ?1').bind(answer.body.id).first();
  return { ...answer.body, slot };
}
async function spend(agent, user, up, down, to = now() + 1) {
  const seq = (seqs.get(agent) ?? 0) + 1;
  seqs.set(agent, seq);
  const { status, body } = await agent.sync({ report: agent.report({ seq, to, users: [[user.slot, up, down]] }) });
  assert.deepEqual([status, body.ack], [200, seq]);
}
const explain = async ({ name }) => {
  const answer = await panel.api('GET', `/api/v1/users/${name}/explain`);
  assert.equal(answer.status, 200, answer.text);
  return answer.body;
};
const post = async (where, body, status) => {
  const answer = await panel.api('POST', where, body);
  assert.equal(answer.status, status, answer.text);
  return answer.body;
};

test('an account without traffic is explained by zeros', async () => {
  const user = await create({});
  const { as_of: asOf, period, ...rest } = await explain(user);
  assert.ok(Math.abs(asOf - now()) < 60);
  assert.deepEqual(period, { start: user.period_start, end: user.period_end, monthly_quota: 0, total_quota: 0, began: 'first' });
  assert.deepEqual(rest, {
    name: user.name,
    status: 'active',
    reason: null,
    sentence: 'may pass: no quota limits the account',
    brought: 0,
    charged: { month: 0, bonus: 0, late: 0, lifetime: 0 },
    external: { charged: 0, shared: 0 },
    nodes: [],
    timeline: [],
    shared: [],
    bonus: { left: 0, spent: 0, without_package: 0, packages: [] },
    periods: [],
    held: { known: 0, out: 0, nodes: [] },
    remaining: null,
    free: null,
    check: { total: 0, explained: 0, remainder: 0, because: [] },
  });
});

test('bytes of two nodes, of packages and of clients add up to what was charged', async () => {
  const user = await create({ monthly_quota: 1000 });
  await spend(plain, user, 100, 300);
  await spend(dear, user, 50, 250);
  await post(`/api/v1/users/${user.name}/packages`, { order: `a-${user.name}`, bytes: 200, expires_at: now() + DAY }, 201);
  await post(`/api/v1/users/${user.name}/packages`, { order: `b-${user.name}`, bytes: 500 }, 201);
  await spend(dear, user, 0, 125);
  await setSettings(panel, { quota_counting: 'all' });
  const token = tokenOf(await authKeyOf(panel), user);
  assert.equal((await send(panel, reportOf(token, { bytes_uploaded: 30, bytes_downloaded: 20 }))).status, 200);

  const told = await explain(user);
  const usage = await usageOf(panel, user.id);
  assert.deepEqual(told.nodes, [
    { node: plain.node, name: 'plain', coefficient: 1000, up: 100, down: 300, charged: 400 },
    { node: dear.node, name: 'dear', coefficient: 2000, up: 50, down: 375, charged: 850 },
  ]);
  assert.deepEqual(told.external, { charged: 50, shared: 0 });
  assert.deepEqual(told.charged, { month: 1000, bonus: 300, late: 0, lifetime: 1300 });
  assert.deepEqual([usage.month, usage.bonus_spent], [1000, 300]);
  assert.deepEqual(told.check, { total: 1300, explained: 1300, remainder: 0, because: [] });
  assert.equal(told.timeline.reduce((sum, { up, down }) => sum + up + down, 0), 825);
  assert.deepEqual(told.bonus.packages.map(({ order, left, used }) => [order[0], left, used]), [['b', 400, 100], ['a', 0, 200]],
    'the one that ends first is used first');
  assert.deepEqual([told.bonus.left, told.bonus.without_package, told.remaining], [400, 0, 400]);
  assert.match(told.sentence, /^may pass: 0\.00 GB are left; usage begins anew at \d{4}-\d\d-01 00:00:00 UTC$/);
});

test('what nodes hold and have not reported counts as spent, and is told by node', async () => {
  const user = await create({ monthly_quota: 100 * GIB });
  for (const agent of [plain, dear]) while ((await agent.sync()).body.roster);
  await plain.sync({ asks: [[user.slot, 700, 0]] });
  await dear.sync({ asks: [[user.slot, 0, 0]] });
  const told = await explain(user);
  const usage = await usageOf(panel, user.id);
  const byNode = Object.fromEntries(told.held.nodes.map(({ node, ...rest }) => [node, rest]));
  assert.deepEqual([byNode[plain.node].unreported, byNode[plain.node].known, byNode[dear.node].unreported], [700, 700, 0]);
  assert.deepEqual([told.held.known, told.held.out], [usage.known, usage.out]);
  assert.equal(told.held.nodes.reduce((sum, { spendable }) => sum + spendable, 0), usage.out);
  assert.deepEqual([told.remaining, told.free], [100 * GIB - 700, 100 * GIB - 700 - usage.out]);
});

test('a reset, and reports that came late for the time before it, are told apart', async () => {
  const user = await create({ monthly_quota: 1000 });
  await panel.db.prepare('UPDATE usage SET period_start = period_start - 86400 * 40 WHERE user = ?1').bind(user.id).run();
  await panel.db.prepare('DELETE FROM periods WHERE user = ?1').bind(user.id).run();
  await spend(plain, user, 0, 600);
  await post(`/api/v1/users/${user.name}/reset`, undefined, 200);
  // A ledger that was away reports what flowed two days ago.
  const away = await seedAgent(panel, { name: 'away' });
  await spend(away, user, 0, 70, now() - 2 * DAY);
  const told = await explain(user);
  assert.equal(told.period.began, 'reset');
  assert.deepEqual(told.charged, { month: 0, bonus: 0, late: 70, lifetime: 670 });
  assert.deepEqual(told.periods.map(({ bytes, reset }) => [bytes, reset]), [[670, true]]);
  assert.deepEqual([told.check.total, told.check.remainder], [0, 0]);
  assert.deepEqual(told.nodes, [], 'none of it flowed since');
});

test('bytes of the hour in which a period began are no more than an upper bound, and are called that', async () => {
  const user = await create({ monthly_quota: 1000 });
  await spend(plain, user, 0, 600);
  await post(`/api/v1/users/${user.name}/reset`, undefined, 200);
  const { period_start: start } = await usageOf(panel, user.id);
  await new Promise((resolve) => setTimeout(resolve, 1100));
  await spend(plain, user, 0, 55);
  const told = await explain(user);
  if (told.nodes.length > 0) return; // The hour has turned in between: everything is told.
  assert.deepEqual(told.shared, [{ by: 'hour', start: start - (start % 3600), up: 0, down: 655 }]);
  assert.deepEqual([told.check.total, told.check.explained, told.check.remainder], [55, 0, 55]);
  assert.ok(told.check.because[0].startsWith(`the hour of ${utc(start - (start % 3600))} holds 655 bytes`), told.check.because[0]);
  assert.equal(told.check.because.length, 1);
});

test('what nobody reported is a stated remainder', async () => {
  const user = await create({});
  await spend(plain, user, 1, 9);
  await panel.db.prepare('UPDATE usage SET month = month + 32, lifetime = lifetime + 32 WHERE user = ?1').bind(user.id).run();
  const { check } = await explain(user);
  assert.deepEqual([check.total, check.explained, check.remainder, check.because.length], [42, 10, 32, 1]);
  assert.match(check.because[0], /imported/);
});

test('days and months that were folded explain the same', async () => {
  const user = await create({ reset_strategy: 'no_reset' });
  const away = await seedAgent(panel, { name: 'long away' });
  await panel.db.prepare('UPDATE usage SET period_start = ?2 WHERE user = ?1').bind(user.id, now() - 500 * DAY - (now() % DAY)).run();
  for (const ago of [50 * DAY, 20 * DAY, 10 * DAY, 0]) await spend(away, user, 1, 2, now() + 1 - ago);
  assert.equal(await panel.cron('rollup'), 'ok');
  const told = await explain(user);
  assert.deepEqual(told.check, { total: 12, explained: 12, remainder: 0, because: [] });
  assert.deepEqual(told.timeline.map(({ by }) => by), ['day', 'day', 'day', 'hour']);
  assert.deepEqual([told.period.end, told.charged.month], [null, 12]);
});

test('who may not pass is told why, until when, and a period that has ended unnoticed is not counted', async () => {
  const user = await create({ monthly_quota: 100 });
  await spend(plain, user, 0, 100);
  const limited = await explain(user);
  assert.deepEqual([limited.status, limited.reason, limited.remaining], ['limited', 'month', 0]);
  assert.match(limited.sentence, /^may not pass: the monthly quota of 0\.00 GB is used up/);
  await panel.db.prepare('UPDATE usage SET period_start = period_start - 86400 * 60, period_end = unixepoch() - 5 WHERE user = ?1').bind(user.id).run();
  const anew = await explain(user);
  assert.deepEqual([anew.status, anew.charged.month, anew.check.total, anew.period.began], ['active', 0, 0, 'schedule']);
  await post(`/api/v1/users/${user.name}/disable`, undefined, 200);
  assert.match((await explain(user)).sentence, /^may not pass: a person disabled the account at /);
  assertRefused(await panel.api('GET', '/api/v1/users/nobody/explain'), 404, 'not_found');
});
