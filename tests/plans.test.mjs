/** Plans over HTTP and through a scripted node: what is built in, what the roster carries, where the quota cuts, and applying changes. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { apiUsers } from './support/api-users.mjs';
import { startPanel } from './support/panel.mjs';
import { assertRefused } from './support/refusals.mjs';
import { now } from './support/wire.mjs';

const GIB = 2 ** 30;
const KB = 1024;
const DAY = 86_400;
const BUILT_IN = [
  { name: 'basic', monthly_quota: 100 * GIB, speed_limit: 5120 * KB, device_limit: 5 },
  { name: 'free', monthly_quota: 10 * GIB, speed_limit: 1024 * KB, device_limit: 2 },
  { name: 'premium', monthly_quota: 500 * GIB, speed_limit: 10_240 * KB, device_limit: 10 },
  { name: 'unlimited', monthly_quota: 0, speed_limit: 0, device_limit: 0 },
];
const OTHERWISE = { version: 1, total_quota: 0, reset_strategy: 'calendar_month', reset_day: null, duration_days: 0, stream_limit: 0, address_limit: null };

let panel;
let users;

before(async () => {
  panel = await startPanel();
  users = await apiUsers(panel);
});
after(() => panel?.stop());

/** The roster entry of a user as a node that holds nothing gets it. */
async function entryOf(name) {
  const slot = await users.slotOf(name);
  const { body } = await users.agent.sync({ held: [0, 0] });
  return body.roster.upserts.find((entry) => entry.slot === slot);
}
/** What has been given by the job, which needs one run for a few hundred users. */
async function applied(name, version) {
  await users.ok(202, 'POST', `/api/v1/plans/${name}/apply`, { version });
  assert.equal(await panel.cron('plans'), 'ok');
}
const changesOf = (name, query = '') => users.ok(200, 'GET', `/api/v1/plans/${name}/changes${query}`);

test('four plans are built in', async () => {
  const { items, total, next } = await users.ok(200, 'GET', '/api/v1/plans');
  assert.deepEqual([total, next], [4, null]);
  assert.deepEqual(items, BUILT_IN.map((plan) => ({ ...OTHERWISE, ...plan })));
  assert.deepEqual(await users.ok(200, 'GET', '/api/v1/plans/FREE'), { ...items[1], users: 0, outdated: 0, applying: null });
});

for (const { name: plan, monthly_quota: quota, speed_limit: speed, device_limit: devices } of BUILT_IN) {
  test(`a user of the plan ${plan} has its values, on the nodes as well, and is cut at its quota and not before`, async () => {
    const name = `of-${plan}`;
    const user = await users.create(name, { plan });
    assert.deepEqual(
      [user.plan, user.plan_version, user.monthly_quota, user.speed_limit, user.device_limit, user.stream_limit, user.address_limit, user.expires_at],
      [plan, 1, quota, speed, devices, 0, null, null],
    );
    const { speed: held, devices: most, streams, gate } = await entryOf(name);
    // What is unlimited is left out of the message.
    assert.deepEqual([held, most, streams, gate], [speed || undefined, devices || undefined, undefined, 'open']);
    const slot = await users.slotOf(name);
    await users.spend(slot, (quota || 600 * GIB) - 1);
    assert.equal((await users.get(name)).status, 'active');
    const change = await users.spend(slot, 1);
    assert.deepEqual(change, quota === 0 ? {} : { [slot]: 'month' }, 'the node is told in the reply to the report that crosses the quota');
    const { status, reason } = await users.get(name);
    assert.deepEqual([status, reason], quota === 0 ? ['active', null] : ['limited', 'month']);
  });
}

test('what the body of a creation names is not the plan\'s', async () => {
  const user = await users.create('own', { plan: 'Basic', monthly_quota: 7, device_limit: 0, address_limit: 0, reset_day: 9 });
  assert.deepEqual([user.plan, user.monthly_quota, user.speed_limit, user.device_limit, user.address_limit, user.reset_day], ['basic', 7, 5120 * KB, 0, 0, 9]);
});

test('a plan of so many days gives a new user his expiry, unless he is told another one or waits for his first use', async () => {
  const plan = { name: 'week', duration_days: 7, reset_strategy: 'no_reset', total_quota: GIB, reset_day: 3, address_limit: 3, stream_limit: 100 };
  const answer = await panel.api('POST', '/api/v1/plans', plan);
  assert.equal(answer.status, 201, answer.text);
  assert.equal(answer.headers.get('location'), '/api/v1/plans/week');
  assert.deepEqual(answer.body, { ...OTHERWISE, monthly_quota: 0, speed_limit: 0, device_limit: 0, ...plan });
  const user = await users.create('weekly', { plan: 'week' });
  assert.ok(Math.abs(user.expires_at - now() - 7 * DAY) <= 60);
  assert.deepEqual([user.reset_strategy, user.reset_day, user.total_quota, user.address_limit, user.stream_limit, user.next_reset_at], ['no_reset', 3, GIB, 3, 100, null]);
  assert.equal((await users.create('endless', { plan: 'week', expires_at: null })).expires_at, null);
  const waiting = await users.create('waiting', { plan: 'week', hold_seconds: DAY });
  assert.deepEqual([waiting.status, waiting.expires_at, waiting.hold_seconds], ['on_hold', null, DAY]);
});

test('a user who is given another plan has its values at once, and keeps them when it is taken from him', async () => {
  await users.create('moving', { plan: 'free', expires_at: now() + DAY });
  const slot = await users.slotOf('moving');
  await users.changes();
  const moved = await users.change('moving', { plan: 'premium', device_limit: 3 });
  assert.deepEqual([moved.plan, moved.plan_version, moved.monthly_quota, moved.speed_limit, moved.device_limit], ['premium', 1, 500 * GIB, 10_240 * KB, 3]);
  assert.ok(moved.expires_at > now(), 'his expiry stays');
  const { body } = await users.agent.sync();
  const [entry] = body.roster.upserts;
  assert.deepEqual([entry.slot, entry.speed, entry.devices], [slot, 10_240 * KB, 3]);
  const left = await users.change('moving', { plan: null });
  assert.deepEqual([left.plan, left.plan_version, left.monthly_quota], [null, 0, 500 * GIB]);
});

test('a changed plan is seen before it is applied, is applied once, and only as it was seen', async () => {
  await users.ok(201, 'POST', '/api/v1/plans', { name: 'club', monthly_quota: GIB, device_limit: 2 });
  for (const name of ['club-a', 'club-b', 'club-c']) await users.create(name, { plan: 'club' });
  await users.change('club-b', { device_limit: 9 });
  const plan = await users.ok(200, 'PATCH', '/api/v1/plans/club', { monthly_quota: 2 * GIB });
  assert.deepEqual([plan.version, plan.monthly_quota, plan.device_limit], [2, 2 * GIB, 2]);
  assert.equal((await users.ok(200, 'PATCH', '/api/v1/plans/club', { monthly_quota: 2 * GIB })).version, 2, 'nothing changed');
  assert.equal((await users.get('club-a')).monthly_quota, GIB);

  const seen = await changesOf('club');
  assert.deepEqual([seen.version, seen.total, seen.next, seen.fields.monthly_quota, seen.fields.device_limit, seen.fields.speed_limit], [2, 3, null, 3, 1, 0]);
  assert.deepEqual(seen.items[1], {
    user: 'club-b',
    before: { device_limit: 9, monthly_quota: GIB },
    after: { device_limit: 2, monthly_quota: 2 * GIB },
  });
  const page = await changesOf('club', '?limit=2');
  assert.deepEqual([page.items.length, page.next], [2, 2]);
  assert.deepEqual((await changesOf('club', '?limit=2&offset=2')).items.map(({ user }) => user), ['club-c']);

  assertRefused(await panel.api('POST', '/api/v1/plans/club/apply', { version: 1 }), 409, 'plan_changed');
  await users.changes();
  await applied('club', 2);
  const slots = await Promise.all(['club-a', 'club-b', 'club-c'].map((name) => users.slotOf(name)));
  assert.deepEqual(Object.keys(await users.changes()).sort(), slots.sort(), 'nodes hear of it');
  const { monthly_quota: quota, device_limit: devices, plan_version: version } = await users.get('club-b');
  assert.deepEqual([quota, devices, version], [2 * GIB, 2, 2]);
  const after = await users.ok(200, 'GET', '/api/v1/plans/club');
  assert.deepEqual([after.users, after.outdated, after.applying], [3, 0, null]);
  assert.equal((await changesOf('club')).total, 0);
  await applied('club', 2);
  assert.deepEqual(await users.changes(), {}, 'a second time changes nothing');
});

test('a change stops what is being applied, because nobody has seen it', async () => {
  await users.ok(202, 'POST', '/api/v1/plans/club/apply', { version: 2 });
  assert.deepEqual((await users.ok(200, 'GET', '/api/v1/plans/club')).applying, { plan: 'club', version: 2, done: 0 });
  await users.ok(200, 'PATCH', '/api/v1/plans/club', { speed_limit: 1 });
  assert.equal(await panel.cron('plans'), 'ok');
  assert.equal((await users.get('club-a')).speed_limit, 0);
  assert.equal((await changesOf('club')).total, 3);
});

test('a plan is deleted when nobody has it or waits for it', async () => {
  await users.ok(201, 'POST', '/api/v1/plans', { name: 'gone' });
  await users.create('leaver', { plan: 'gone' });
  await users.create('later', { next_plan: { plan: 'gone' } });
  assertRefused(await panel.api('DELETE', '/api/v1/plans/gone'), 409, 'in_use');
  await users.remove('leaver');
  assertRefused(await panel.api('DELETE', '/api/v1/plans/gone'), 409, 'in_use');
  await users.change('later', { next_plan: null });
  await users.ok(204, 'DELETE', '/api/v1/plans/gone');
  assertRefused(await panel.api('GET', '/api/v1/plans/gone'), 404, 'not_found');
});

test('what breaks a rule names its field and changes nothing', async () => {
  const before = await users.ok(200, 'GET', '/api/v1/plans');
  for (const [body, field] of [
    [{}, 'name'],
    [{ name: 'a b' }, 'name'],
    [{ name: '' }, 'name'],
    [{ name: 'x', monthly_quota: -1 }, 'monthly_quota'],
    [{ name: 'x', monthly_quota: null }, 'monthly_quota'],
    [{ name: 'x', device_limit: 65_536 }, 'device_limit'],
    [{ name: 'x', address_limit: -1 }, 'address_limit'],
    [{ name: 'x', duration_days: 36_501 }, 'duration_days'],
    [{ name: 'x', reset_day: 32 }, 'reset_day'],
    [{ name: 'x', reset_strategy: 'hour' }, 'reset_strategy'],
    [{ name: 'x', version: 3 }, 'version'],
  ]) {
    assertRefused(await panel.api('POST', '/api/v1/plans', body), 422, 'invalid', field);
  }
  assertRefused(await panel.api('POST', '/api/v1/plans', { name: 'FREE' }), 409, 'taken');
  assertRefused(await panel.api('PATCH', '/api/v1/plans/free', { name: 'gratis' }), 422, 'invalid', 'name');
  assertRefused(await panel.api('POST', '/api/v1/plans/free/apply', {}), 422, 'invalid', 'version');
  assertRefused(await panel.api('GET', '/api/v1/plans/none/changes'), 404, 'not_found');
  assertRefused(await panel.api('POST', '/api/v1/users', { name: 'nobody', plan: 'none' }), 422, 'invalid', 'plan');
  assertRefused(await panel.api('PATCH', '/api/v1/users/own', { next_plan: { plan: 'none' } }), 422, 'invalid', 'next_plan.plan');
  assert.deepEqual(await users.ok(200, 'GET', '/api/v1/plans'), before);
});
