/** Packages: bought once for each order, used after the quota, taken back as far as they are unused. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { startPanel } from './support/panel.mjs';
import { seedAgent, usageOf } from './support/seed.mjs';
import { now } from './support/wire.mjs';

const GIB = 2 ** 30;
const DAY = 86_400;

let panel;
let agent;
let seq = 0;
before(async () => {
  panel = await startPanel();
  agent = await seedAgent(panel);
  assert.equal(await panel.cron(), 'ok');
  await agent.sync();
});
after(() => panel?.stop());

async function create(fields) {
  const { status, body } = await panel.api('POST', '/api/v1/users', { name: `user-${Math.random().toString(36).slice(2, 10)}`, ...fields });
  assert.equal(status, 201, JSON.stringify(body));
  const { slot } = await panel.db.prepare('SELECT slot FROM users WHERE id = ?1').bind(body.id).first();
  return { ...body, slot };
}
const get = async ({ name }) => (await panel.api('GET', `/api/v1/users/${name}`)).body;
const buy = ({ name }, body) => panel.api('POST', `/api/v1/users/${name}/packages`, body);
const refund = ({ name }, order) => panel.api('POST', `/api/v1/users/${name}/packages/${encodeURIComponent(order)}/refund`);

async function spend(user, bytes) {
  seq += 1;
  const { status } = await agent.sync({ report: agent.report({ seq, users: [[user.slot, 0, bytes]] }) });
  assert.equal(status, 200);
}

test('a package opens a user whom the quota closed, and is used after the quota', async () => {
  const user = await create({ monthly_quota: GIB });
  await spend(user, GIB);
  assert.equal((await get(user)).reason, 'month');
  const { status, body } = await buy(user, { order: 'shop:1#7', bytes: 2 * GIB, note: '5 EUR' });
  assert.equal(status, 201);
  assert.deepEqual({ ...body, bought_at: 0 },
    {
      order: 'shop:1#7', bytes: 2 * GIB, left: 2 * GIB, used: 0, note: '5 EUR', price: '', entered_by: 'local', bought_at: 0, expires_at: null,
      expired_at: null, expired_bytes: null, refunded_at: null, refunded_bytes: null,
    });
  const opened = await get(user);
  assert.deepEqual([opened.status, opened.bonus_left, opened.monthly_used], ['active', 2 * GIB, GIB]);
  await spend(user, 3);
  const after_ = await get(user);
  assert.deepEqual([after_.bonus_left, after_.monthly_used, after_.total_used], [2 * GIB - 3, GIB, GIB + 3]);
});

test('a purchase that is repeated, also at the same instant, counts once', async () => {
  const user = await create({ monthly_quota: GIB });
  const statuses = (await Promise.all(Array.from({ length: 5 }, () => buy(user, { order: 'twice', bytes: GIB })))).map(({ status }) => status);
  assert.deepEqual(statuses.sort(), [200, 200, 200, 200, 201]);
  assert.equal((await buy(user, { order: 'twice', bytes: GIB })).status, 200);
  assert.equal((await get(user)).bonus_left, GIB);
});

test('an order with other contents is a conflict and changes nothing', async () => {
  const [user, other] = [await create({}), await create({})];
  await buy(user, { order: 'same', bytes: 5 });
  for (const [who, bytes] of [[user, 6], [other, 5]]) {
    const { status, body } = await buy(who, { order: 'same', bytes });
    assert.deepEqual([status, body.error.code], [409, 'order_differs']);
  }
  assert.equal((await get(other)).bonus_left, 0);
});

test('a refund takes back what is left, once, and shuts the user if a quota says so', async () => {
  const user = await create({ monthly_quota: 100 });
  await spend(user, 100);
  await buy(user, { order: 'back', bytes: 50 });
  await spend(user, 20);
  const { status, body } = await refund(user, 'back');
  assert.deepEqual([status, body.refunded_bytes], [200, 30]);
  assert.deepEqual([(await get(user)).bonus_left, (await get(user)).reason], [0, 'month']);
  assert.equal((await refund(user, 'back')).body.refunded_bytes, 30);
  const { revision } = await usageOf(panel, user.id);
  await refund(user, 'back');
  assert.equal((await usageOf(panel, user.id)).revision, revision, 'a repeated refund changes nothing');
});

test('what is left of each package follows from the order in which they are used, without a row written for it', async () => {
  const user = await create({ monthly_quota: 100 });
  const order = (name) => `${user.name}.${name}`;
  await buy(user, { order: order('old'), bytes: 50, price: '3 EUR' });
  await buy(user, { order: order('week'), bytes: 40, expires_at: now() + 7 * DAY });
  await buy(user, { order: order('day'), bytes: 30, expires_at: now() + DAY });
  const left = async () => {
    const { body } = await panel.api('GET', `/api/v1/users/${user.name}/packages`);
    return Object.fromEntries(body.items.map((item) => [item.order.split('.')[1], [item.left, item.used]]));
  };
  for (const [bytes, expected] of [
    [100, { old: [50, 0], week: [40, 0], day: [30, 0] }],
    [10, { old: [50, 0], week: [40, 0], day: [20, 10] }],
    [45, { old: [50, 0], week: [15, 25], day: [0, 30] }],
  ]) {
    await spend(user, bytes);
    assert.deepEqual(await left(), expected);
    const { results } = await panel.db.prepare('SELECT remaining FROM packages WHERE user = ?1 ORDER BY id').bind(user.id).all();
    assert.deepEqual(results.map(({ remaining }) => remaining), [50, 40, 30], 'as of the last purchase');
  }
  assert.deepEqual((await refund(user, order('week'))).body.refunded_bytes, 15);
  assert.deepEqual(await left(), { old: [50, 0], week: [0, 25], day: [0, 30] });
  assert.equal((await get(user)).bonus_left, 50);
});

test('a package ends at its time, wakes the job that ends it, and shuts whom nothing else opens', async () => {
  const user = await create({ monthly_quota: 100 });
  await spend(user, 100);
  const ends = now() + 3;
  assert.equal((await buy(user, { order: `${user.name}-3s`, bytes: 50, expires_at: ends, price: 'a gift' })).status, 201);
  await spend(user, 20);
  assert.equal(await panel.cron('packages'), 'ok');
  assert.equal((await get(user)).status, 'active', 'it has not ended');
  assert.equal((await panel.db.prepare("SELECT next_at FROM jobs WHERE name = 'packages'").first()).next_at, ends);
  while (now() <= ends) await sleep(100);
  // When many jobs are due at once, some wait for the next minute.
  for (let minute = 0; minute < 5; minute += 1) assert.equal(await panel.trigger(), 'ok');
  assert.deepEqual([(await get(user)).bonus_left, (await get(user)).reason], [0, 'month']);
  const { body } = await panel.api('GET', `/api/v1/users/${user.name}/packages`);
  const [{ left, used, expired_bytes: expired, price }] = body.items;
  assert.deepEqual([left, used, expired, price], [0, 20, 30, 'a gift']);
  // A shop that repeats itself is answered as before, although the time is over.
  assert.equal((await buy(user, { order: `${user.name}-3s`, bytes: 50, expires_at: ends })).status, 200);
  assert.equal((await buy(user, { order: `${user.name}-3s`, bytes: 50, expires_at: ends + 1 })).status, 409);
  assert.deepEqual((await refund(user, `${user.name}-3s`)).body.refunded_bytes, 0, 'there is nothing left to take back');
});

test('a night in which no package ends costs next to nothing', async (t) => {
  assert.equal(await panel.cron('packages'), 'ok');
  const { body } = await panel.api('GET', '/api/v1/jobs');
  const { queries, rows_read: read, rows_written: written } = body.items.find(({ name }) => name === 'packages');
  t.diagnostic(JSON.stringify({ queries, read, written }));
  // The row of the job itself is read and written when it begins.
  assert.ok(queries <= 3 && read <= 3 && written <= 1, JSON.stringify({ queries, read, written }));
});

test('the history says who bought what, the newest first', async () => {
  const user = await create({});
  for (const order of ['first', 'second', 'third']) await buy(user, { order: `${user.name}.${order}`, bytes: 1 });
  const { body } = await panel.api('GET', `/api/v1/users/${user.name}/packages`);
  assert.deepEqual(body.items.map(({ order }) => order.split('.')[1]), ['third', 'second', 'first']);
  assert.equal(body.total, 3);
});

test('bad purchases name their field, and other users\' packages are not found', async () => {
  const [user, other] = [await create({}), await create({})];
  for (const [field, body] of [
    ['order', { bytes: 1 }],
    ['order', { order: '', bytes: 1 }],
    ['order', { order: 'a b', bytes: 1 }],
    ['bytes', { order: 'x' }],
    ['bytes', { order: 'x', bytes: 0 }],
    ['bytes', { order: 'x', bytes: -1 }],
    ['bytes', { order: 'x', bytes: 2 ** 53 }],
    ['gift', { order: 'x', bytes: 1, gift: true }],
    ['expires_at', { order: 'x', bytes: 1, expires_at: now() }],
    ['expires_at', { order: 'x', bytes: 1, expires_at: '2030-01-01' }],
    ['price', { order: 'x', bytes: 1, price: '5\nEUR' }],
    ['price', { order: 'x', bytes: 1, price: 'x'.repeat(65) }],
  ]) {
    const answer = await buy(user, body);
    assert.equal(answer.status, 422, JSON.stringify(body));
    assert.ok(answer.body.error.field === field || answer.body.error.message.includes(field), JSON.stringify(answer.body));
  }
  await buy(user, { order: 'mine', bytes: 1 });
  assert.equal((await refund(other, 'mine')).status, 404);
  assert.equal((await refund(user, 'none')).status, 404);
  assert.equal((await buy({ name: 'nobody' }, { order: 'y', bytes: 1 })).status, 404);
});

test('a purchase costs a handful of rows', async (t) => {
  const user = await create({ monthly_quota: GIB });
  const { cost } = await buy(user, { order: `cost-${user.name}`, bytes: 1 });
  t.diagnostic(JSON.stringify(cost));
  assert.ok(cost.written <= 10 && cost.read <= 28 && cost.queries <= 12, JSON.stringify(cost));
});
