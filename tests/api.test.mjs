/** The own API's users over HTTP: created, changed and deleted, and what nodes and subscriptions make of it. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { apiUsers } from './support/api-users.mjs';
import { startPanel } from './support/panel.mjs';
import { assertRefused } from './support/refusals.mjs';
import { usageOf } from './support/seed.mjs';
import { now } from './support/wire.mjs';

const GIB = 2 ** 30;
const DAY = 86_400;

let panel;
let users;

before(async () => {
  panel = await startPanel();
  users = await apiUsers(panel);
});
after(() => panel?.stop());

test('a user is created with 201, the place where he is found, and everything that he did not choose', async () => {
  const answer = await panel.api('POST', '/api/v1/users', { name: 'ann' });
  assert.equal(answer.status, 201, answer.text);
  assert.equal(answer.headers.get('location'), '/api/v1/users/ann');
  const { id, created_at: createdAt, period_start: start, period_end: end, subscription_url: url, ...rest } = answer.body;
  assert.ok(Number.isInteger(id) && Math.abs(createdAt - now()) <= 60);
  const today = new Date();
  const month = (by) => Date.UTC(today.getUTCFullYear(), today.getUTCMonth() + by) / 1000;
  assert.deepEqual([start, end], [month(0), month(1)], 'the UTC month');
  assert.ok(url.startsWith(`${panel.url}/sub/`));
  assert.equal(rest.next_reset_at, end);
  delete rest.next_reset_at;
  assert.deepEqual(rest, {
    name: 'ann',
    email: null,
    note: '',
    status: 'active',
    reason: null,
    expires_at: null,
    monthly_quota: 0,
    total_quota: 0,
    reset_strategy: 'calendar_month',
    reset_day: 1,
    time_zone: 'UTC',
    monthly_used: 0,
    total_used: 0,
    bonus_left: 0,
    suspended_until: null,
    plan: null,
    plan_version: 0,
    speed_limit: 0,
    device_limit: 0,
    stream_limit: 0,
    address_limit: null,
    hwid_limit: null,
    hold_seconds: null,
    hold_until: null,
    next_plan: null,
    protocols: null,
    delete_after_days: null,
    last_seen_at: null,
    owner_id: null,
  });
  assert.deepEqual(await users.ok(200, 'GET', answer.headers.get('location')), answer.body);
  assert.equal(await users.subscription(url), 'No server is connected yet');
});

test('a user is created with everything that can be said of him', async () => {
  const fields = {
    email: 'ben@example.org',
    note: 'pays cash\nuntil May',
    monthly_quota: 100 * GIB,
    total_quota: 2 ** 53 - 1,
    reset_day: 31,
    expires_at: now() + 30 * DAY,
  };
  const user = await users.create('Ben_1.x@y-z', fields);
  assert.deepEqual(Object.fromEntries(Object.keys(fields).map((key) => [key, user[key]])), fields);
  assert.deepEqual(await users.get('ben_1.X@Y-z'), user, 'a name is found in any case');
  assert.deepEqual(await users.get('ben_1.x%40y-z'), user, 'and escaped');
});

test('creating takes a slot that the node has loaded: its gate opens, and no slot is new', async () => {
  const known = new Map((await panel.db.prepare('SELECT name, gate FROM slots').all()).results.map(({ name, gate }) => [name, gate]));
  await users.changes();
  await users.create('carl');
  const slot = await users.slotOf('carl');
  assert.equal(known.get(slot), 'vacant');
  assert.deepEqual(await users.changes(), { [slot]: 'open' });
  assert.equal((await panel.db.prepare('SELECT count(*) AS n FROM slots').first()).n, known.size);
});

test('users who are created at the same instant get different slots, and of one name there is one', async () => {
  const answers = await Promise.all(
    Array.from({ length: 12 }, (_, index) => panel.api('POST', '/api/v1/users', { name: index < 8 ? `crowd-${index}` : 'Crowd' })),
  );
  assert.deepEqual(answers.map(({ status }) => status).sort(), [...Array(9).fill(201), ...Array(3).fill(409)]);
  const { results } = await panel.db.prepare("SELECT slot FROM users WHERE name LIKE 'crowd%'").all();
  assert.equal(new Set(results.map(({ slot }) => slot)).size, 9);
});

test('when no slot is vacant some are made, and the user gets one', async () => {
  const fresh = await startPanel();
  try {
    const answer = await fresh.api('POST', '/api/v1/users', { name: 'first' });
    assert.equal(answer.status, 201, answer.text);
    const gates = async () => (await fresh.db.prepare('SELECT gate, count(*) AS n FROM slots GROUP BY gate ORDER BY gate').all()).results;
    assert.deepEqual(await gates(), [{ gate: 'open', n: 1 }, { gate: 'vacant', n: 63 }]);
    await fresh.api('POST', '/api/v1/users', { name: 'second' });
    assert.deepEqual(await gates(), [{ gate: 'open', n: 2 }, { gate: 'vacant', n: 62 }]);
  } finally {
    await fresh.stop();
  }
});

test('a name that is taken is 409 in any case, for a creation and for a change', async () => {
  await users.create('dora');
  await users.create('emil');
  for (const name of ['dora', 'DORA', 'Dora']) {
    assertRefused(await panel.api('POST', '/api/v1/users', { name }), 409, 'taken');
    assertRefused(await panel.api('PATCH', '/api/v1/users/emil', { name, monthly_quota: 5 }), 409, 'taken');
  }
  assert.equal((await users.get('emil')).monthly_quota, 0, 'nothing of a change that is refused is done');
  assert.equal((await users.change('dora', { name: 'Dora' })).name, 'Dora');
  assert.equal((await users.change('Dora', { name: 'theodora' })).name, 'theodora');
  assertRefused(await panel.api('GET', '/api/v1/users/dora'), 404, 'not_found');
  await users.create('dora');
});

test('a change keeps what it does not name, and null clears what a user may be without', async () => {
  const before = await users.create('fred', { email: 'fred@example.org', note: 'a note', monthly_quota: 5 * GIB, total_quota: 9 * GIB, expires_at: now() + DAY });
  assert.deepEqual(await users.change('fred', {}), before);
  assert.deepEqual(await users.change('fred', { monthly_quota: 6 * GIB }), { ...before, monthly_quota: 6 * GIB });
  assert.deepEqual(await users.change('fred', { email: null }), { ...before, monthly_quota: 6 * GIB, email: null });
  assert.deepEqual(await users.change('fred', { note: null, expires_at: null, total_quota: 0 }), {
    ...before, monthly_quota: 6 * GIB, email: null, note: '', expires_at: null, total_quota: 0,
  });
  for (const field of ['name', 'monthly_quota', 'total_quota', 'reset_day']) {
    assertRefused(await panel.api('PATCH', '/api/v1/users/fred', { [field]: null }), 422, 'invalid', field);
  }
});

test('a reset day moves the end of the period and neither its start nor what was used', async () => {
  const before = await users.create('gina', { monthly_quota: GIB });
  await users.spend(await users.slotOf('gina'), 1000);
  const date = new Date((await panel.db.prepare('SELECT unixepoch() AS at').first()).at * 1000);
  const tomorrow = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate() + 1));
  const moved = await users.change('gina', { reset_day: tomorrow.getUTCDate() });
  assert.deepEqual([moved.period_start, moved.period_end], [before.period_start, tomorrow / 1000]);
  assert.deepEqual([moved.monthly_used, moved.reset_day], [1000, tomorrow.getUTCDate()]);
});

test('what a gate does not depend on is changed without a word to the nodes', async () => {
  await users.create('ida');
  await users.changes();
  await users.change('ida', { name: 'ida-2', email: 'ida@example.org', note: 'x' });
  assert.deepEqual(await users.changes(), {});
});

test('a deleted user is gone for everybody, and his name is free', async () => {
  const gone = await users.create('olaf', { monthly_quota: 1000 });
  const slot = await users.slotOf('olaf');
  await users.spend(slot, 400);
  await users.changes();
  await users.remove('olaf');
  assert.deepEqual(await users.changes(), { [slot]: 'gone' });
  assert.equal(await users.subscription(gone.subscription_url), 404);
  for (const [method, where, body] of [
    ['GET', 'olaf'], ['PATCH', 'olaf', {}], ['DELETE', 'olaf'], ['POST', 'olaf/reset'], ['POST', 'olaf/enable'], ['POST', 'olaf/disable'], ['POST', 'olaf/revoke'],
  ]) assertRefused(await panel.api(method, `/api/v1/users/${where}`, body), 404, 'not_found');
  assert.deepEqual((await users.list('search=olaf')).items, []);
  const again = await users.create('Olaf');
  assert.notEqual(again.id, gone.id);
  assert.equal(again.total_used, 0);
  await users.spend(slot, 60);
  assert.equal((await users.get('Olaf')).total_used, 0, 'the late bytes are not the namesake’s');
  assert.equal((await usageOf(panel, gone.id)).lifetime, 460);
});
