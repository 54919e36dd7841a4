/** Accounts over HTTP: limits, accounts that wait for their first use, cuts for sharing, queued plans, deletion after the expiry. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { apiUsers } from './support/api-users.mjs';
import { startPanel } from './support/panel.mjs';
import { assertRefused } from './support/refusals.mjs';
import { seedAgent } from './support/seed.mjs';
import { now } from './support/wire.mjs';

const GIB = 2 ** 30;
const DAY = 86_400;

let panel;
let users;

before(async () => {
  panel = await startPanel({ faults: true });
  users = await apiUsers(panel);
});
after(() => panel?.stop());

const sql = (text, ...values) => panel.db.prepare(text).bind(...values).run();

/** What the node is told of a user. */
async function entryOf(name) {
  const slot = await users.slotOf(name);
  const { body } = await users.agent.sync({ held: [0, 0] });
  return body.roster.upserts.find((entry) => entry.slot === slot);
}

test('limits are told as they are set, and nodes get those that they enforce', async () => {
  const fields = { speed_limit: 2 ** 20, device_limit: 3, stream_limit: 500, address_limit: 4, delete_after_days: 30 };
  const ann = await users.create('ann', fields);
  const told = ({ speed_limit, device_limit, stream_limit, address_limit, delete_after_days }) => ({ speed_limit, device_limit, stream_limit, address_limit, delete_after_days });
  assert.deepEqual(told(ann), fields);
  assert.equal(ann.next_reset_at, ann.period_end);
  const { speed, devices, streams } = await entryOf('ann');
  assert.deepEqual([speed, devices, streams], [2 ** 20, 3, 500]);
  const changed = await users.change('ann', { speed_limit: 0, address_limit: null, delete_after_days: null });
  assert.deepEqual(told(changed), { ...fields, speed_limit: 0, address_limit: null, delete_after_days: null });
  assert.deepEqual(Object.keys(await entryOf('ann')).sort(), ['devices', 'gate', 'secret', 'slot', 'streams']);
});

test('an account on hold begins with the report of its first use, once', async () => {
  const bob = await users.create('bob', { hold_seconds: 30 * DAY, hold_until: now() + 90 * DAY });
  assert.deepEqual([bob.status, bob.reason, bob.expires_at, bob.hold_seconds], ['on_hold', null, null, 30 * DAY]);
  assert.ok(Math.abs(bob.hold_until - now() - 90 * DAY) <= 60);
  assert.deepEqual((await users.list('status=on_hold')).items.map(({ name }) => name), ['bob']);
  const slot = await users.slotOf('bob');
  const { gate, until } = await entryOf('bob');
  assert.deepEqual([gate, until], ['open', bob.hold_until + 30 * DAY], 'the latest second at which it can end');
  assert.deepEqual(await users.spend(slot, 0), {});
  assert.equal((await users.get('bob')).status, 'on_hold', 'no byte is no use');
  assert.deepEqual(await users.spend(slot, 100), { [slot]: 'open' }, 'nodes learn the new end');
  const begun = await users.get('bob');
  assert.deepEqual([begun.status, begun.hold_seconds, begun.hold_until], ['active', null, null]);
  assert.ok(Math.abs(begun.expires_at - now() - 30 * DAY) <= 60);
  await users.spend(slot, 100);
  assert.equal((await users.get('bob')).expires_at, begun.expires_at);
  assert.equal((await users.list('status=on_hold')).total, 0);
});

test('a report of a first use costs six rows more, and one query', async () => {
  const spend = async (name) => {
    const slot = await users.slotOf(name);
    const agent = await seedAgent(panel);
    await agent.sync();
    const { status, cost } = await agent.sync({ report: agent.report({ seq: 1, users: [[slot, 5, 5]] }) });
    assert.equal(status, 200);
    return cost;
  };
  await users.create('plain');
  await users.create('held', { hold_seconds: DAY });
  const [plain, held] = [await spend('plain'), await spend('held')];
  // And one row for the roster's next version, one for the index by which expiries are announced.
  assert.ok(held.written - plain.written <= 4 + 2, `${held.written} and ${plain.written} rows written`);
  assert.ok(held.queries - plain.queries <= 1, `${held.queries} and ${plain.queries} queries`);
});

test('a hold ends at its time-out, by a person, and by an expiry', async () => {
  const cyd = await users.create('cyd', { hold_seconds: DAY, hold_until: now() + 60 });
  await panel.setClock(120);
  const begun = await users.get('cyd');
  assert.deepEqual([begun.status, begun.expires_at, begun.hold_seconds], ['active', cyd.hold_until + DAY, null], 'before the job has come by');
  assert.equal(await panel.cron(), 'ok');
  assert.deepEqual(await users.get('cyd'), begun);
  await panel.setClock(0);
  assert.equal((await users.change('cyd', { hold_seconds: 60 })).expires_at, null, 'a hold takes the expiry with it');
  assert.deepEqual([(await users.change('cyd', { hold_seconds: null })).status, (await users.get('cyd')).hold_until], ['active', null]);
  await users.change('cyd', { hold_seconds: 60 });
  const ended = await users.change('cyd', { expires_at: now() + DAY });
  assert.deepEqual([ended.status, ended.hold_seconds], ['active', null]);
});

test('who is shut for sharing is opened by time or by a person, and told why until then', async () => {
  for (const name of ['dan', 'eve']) {
    const { id } = await users.create(name);
    await sql('UPDATE users SET suspended_until = unixepoch() + 600, due_at = unixepoch() + 600 WHERE id = ?1', id);
    await sql("UPDATE slots SET gate = 'sharing', changed = 1 + (SELECT max(number) FROM roster_versions) WHERE user = ?1", id);
    await sql('INSERT INTO roster_versions (number, salt) SELECT max(number) + 1, 5 FROM roster_versions');
  }
  const dan = await users.get('dan');
  assert.deepEqual([dan.status, dan.reason], ['disabled', 'sharing']);
  assert.ok(Math.abs(dan.suspended_until - now() - 600) <= 60);
  assert.equal((await entryOf('dan')).gate, 'disabled', 'the agent need not know why');
  assert.equal(await users.subscription(dan.subscription_url), 'Account shared with too many devices');
  const simple = await panel.request('GET', '/api/user/dan', { key: panel.apiKey });
  assert.deepEqual([simple.body.status, simple.body.reason], ['disabled', 'sharing']);
  const eve = await users.act('eve', 'enable');
  assert.deepEqual([eve.status, eve.suspended_until], ['active', null]);
  await panel.setClock(700);
  assert.equal(await panel.cron(), 'ok');
  const open = await users.get('dan');
  assert.deepEqual([open.status, open.reason, open.suspended_until], ['active', null, null]);
  assert.equal((await entryOf('dan')).gate, 'open');
  await panel.setClock(0);
});

test('a queued plan begins as soon as a report uses the account up', async () => {
  const next = { plan: 'premium', add_remaining_traffic: false, fire_on_either: true };
  const gil = await users.create('gil', { monthly_quota: 1000, next_plan: { plan: 'premium' } });
  assert.deepEqual(gil.next_plan, next);
  const slot = await users.slotOf('gil');
  assert.equal((await users.spend(slot, 1000))[slot], 'month');
  // The report itself has made the job due: the next minute runs it, or one of those after it when many jobs are due at once.
  for (let minute = 0; minute < 5; minute += 1) assert.equal(await panel.trigger(), 'ok');
  const begun = await users.get('gil');
  assert.deepEqual([begun.status, begun.plan, begun.monthly_quota, begun.monthly_used, begun.total_used, begun.next_plan], ['active', 'premium', 500 * GIB, 0, 1000, null]);
  assert.equal((await entryOf('gil')).gate, 'open');
});

test('an account that expired so many days ago is deleted, unless a person has shut it', async () => {
  for (const name of ['hal', 'ida']) await users.create(name, { expires_at: now() + 60, delete_after_days: 2 });
  await users.act('ida', 'disable');
  await panel.setClock(2 * DAY + 120);
  assert.equal(await panel.cron(), 'ok');
  assert.equal((await panel.api('GET', '/api/v1/users/hal')).status, 404);
  assert.equal((await users.get('ida')).status, 'disabled');
  await panel.setClock(0);
});

test('the dates on which usage will begin anew are told as they are and as they might be, and nothing is changed', async () => {
  const joe = await users.create('joe', { reset_day: 31 });
  const resets = async (query = '') => (await users.ok(200, 'GET', `/api/v1/users/joe/resets${query}`)).items;
  const all = await resets();
  assert.deepEqual([all.length, all[0]], [12, joe.next_reset_at]);
  const day = (second) => new Date(second * 1000);
  // Day 31 or the last day of a shorter month: the day after is a month's first, or it is day 31.
  for (const second of all) assert.ok(day(second).getUTCDate() === 31 || day(second + DAY).getUTCDate() === 1, day(second).toISOString());
  const tehran = await resets('?reset_day=1&time_zone=Asia/Tehran&limit=2');
  assert.deepEqual([tehran.length, ...tehran.map((second) => day(second).toISOString().slice(11, 19))], [2, '20:30:00', '20:30:00']);
  assert.deepEqual(await resets('?reset_strategy=no_reset'), []);
  assert.deepEqual(await users.get('joe'), joe);
  const moved = await users.change('joe', { reset_day: 1, time_zone: 'Asia/Tehran' });
  assert.deepEqual([moved.next_reset_at, moved.period_start], [tehran[0], joe.period_start], 'as was told');
  for (const [query, field] of [['reset_day=32', 'reset_day'], ['reset_strategy=hour', 'reset_strategy'], ['time_zone=Mars/Base', 'time_zone'], ['limit=61', 'limit']]) {
    assertRefused(await panel.api('GET', `/api/v1/users/joe/resets?${query}`), 422, 'invalid', field);
  }
});

test('what breaks a rule names its field and changes nothing', async () => {
  const before = await users.get('ann');
  for (const [body, field] of [
    [{ speed_limit: -1 }, 'speed_limit'],
    [{ speed_limit: null }, 'speed_limit'],
    [{ device_limit: 65_536 }, 'device_limit'],
    [{ stream_limit: 1.5 }, 'stream_limit'],
    [{ address_limit: 'three' }, 'address_limit'],
    [{ hold_seconds: -1 }, 'hold_seconds'],
    [{ hold_seconds: 3_153_600_001 }, 'hold_seconds'],
    [{ hold_seconds: 60, expires_at: now() + DAY }, 'expires_at'],
    [{ hold_until: now() + DAY }, 'hold_until'],
    [{ hold_seconds: 0, hold_until: now() + DAY }, 'hold_until'],
    [{ delete_after_days: 36_501 }, 'delete_after_days'],
    [{ next_plan: 'basic' }, 'next_plan'],
    [{ next_plan: {} }, 'next_plan'],
    [{ next_plan: { plan: 'basic', fire: true } }, 'next_plan.fire'],
    [{ suspended_until: now() }, 'suspended_until'],
    [{ plan_version: 7 }, 'plan_version'],
    [{ hold_since: 7 }, 'hold_since'],
  ]) {
    assertRefused(await panel.api('PATCH', '/api/v1/users/ann', body), 422, 'invalid', field);
    assertRefused(await panel.api('POST', '/api/v1/users', { name: 'nobody', ...body }), 422, 'invalid', field);
  }
  assert.deepEqual(await users.get('ann'), before);
  assertRefused(await panel.api('GET', '/api/v1/users?status=sharing'), 422, 'invalid', 'status');
});
