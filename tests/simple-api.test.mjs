/** The simple JSON API, as existing scripts call it. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { signInOwner } from './support/operators.mjs';
import { startPanel } from './support/panel.mjs';
import { seedAgent } from './support/seed.mjs';
import { slotCredentials } from './support/wire.mjs';

const GIB = 2 ** 30;

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

const add = (body) => panel.api('POST', '/api/add_user', body);
const get = async (name) => (await panel.api('GET', `/api/user/${name}`)).body;
const put = (name, body) => panel.api('PUT', `/api/user/${name}`, body);
const slotOf = async (name) => (await panel.db.prepare('SELECT slot FROM users WHERE name = ?1 AND deleted_at IS NULL').bind(name).first()).slot;

async function spend(name, up, down) {
  seq += 1;
  const { status } = await agent.sync({ report: agent.report({ seq, users: [[await slotOf(name), up, down]] }) });
  assert.equal(status, 200);
}

test('a user is added with the password of his slot, and read back whole', async () => {
  const { status, body } = await add({ username: 'Anna', email: 'anna@example.org' });
  assert.equal(status, 200);
  const { password } = slotCredentials(panel.slotKey, await slotOf('Anna'));
  assert.deepEqual(body, { success: true, password });
  const user = await get('anna');
  assert.match(user.created_at, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/);
  assert.deepEqual({ ...user, created_at: '' }, {
    username: 'Anna', password, email: 'anna@example.org', created_at: '', status: 'active', reason: null,
    monthly_quota: 100, total_quota: 0, reset_day: 1, monthly_used: 0, total_used: 0,
  });
});

test('the same name again is a conflict', async () => {
  await add({ username: 'twice' });
  const { status, body } = await add({ username: 'TWICE' });
  assert.equal(status, 409);
  assert.equal(typeof body.error, 'string');
});

test('fields that a change lacks stay, and a status alone is enough', async () => {
  await add({ username: 'carl', monthly_quota: 5, total_quota: 50 });
  assert.deepEqual((await put('carl', { status: 'disabled' })).body, { success: true });
  let user = await get('carl');
  assert.deepEqual([user.status, user.reason, user.monthly_quota, user.total_quota], ['disabled', 'person', 5, 50]);
  await put('carl', { status: 'active', monthly_quota: 7, reset_day: 12, email: 'c@example.org' });
  user = await get('carl');
  assert.deepEqual([user.status, user.reason, user.monthly_quota, user.total_quota, user.reset_day, user.email], ['active', null, 7, 50, 12, 'c@example.org']);
});

test('what was read can be sent back, and changes nothing', async () => {
  await add({ username: 'dora', monthly_quota: 1 });
  await spend('dora', 0, GIB);
  const limited = await get('dora');
  assert.deepEqual([limited.status, limited.reason, limited.monthly_used], ['disabled', 'month', GIB]);
  assert.equal((await put('dora', limited)).status, 200);
  assert.deepEqual(await get('dora'), limited);
  await put('dora', { ...limited, monthly_quota: 2 });
  assert.equal((await get('dora')).status, 'active', 'no person has shut her out');
});

test('a quota that is no whole number of gigabytes stays when it is sent back as it was read', async () => {
  const created = await panel.api('POST', '/api/v1/users', { name: 'half', monthly_quota: GIB / 2, total_quota: 3 * GIB / 2 });
  assert.equal(created.status, 201, created.text);
  const quotas = async () => {
    const { monthly_quota: month, total_quota: total } = (await panel.api('GET', '/api/v1/users/half')).body;
    return [month, total];
  };
  const read = await get('half');
  assert.deepEqual([read.monthly_quota, read.total_quota], [1, 2], 'rounded up: 0 would be no limit');
  assert.equal((await put('half', { ...read, email: 'half@example.org' })).status, 200);
  assert.equal((await get('half')).email, 'half@example.org');
  assert.deepEqual(await quotas(), [GIB / 2, 3 * GIB / 2]);
  await put('half', { ...read, monthly_quota: 2 });
  assert.deepEqual(await quotas(), [2 * GIB, 3 * GIB / 2], 'what was changed is written, and nothing beside it');
});

test('a reset clears the period and never the lifetime', async () => {
  await add({ username: 'emil' });
  await spend('emil', 10, 20);
  assert.deepEqual((await panel.api('POST', '/api/reset_traffic/emil')).body, { success: true });
  const { monthly_used: month, total_used: total } = await get('emil');
  assert.deepEqual([month, total], [0, 30]);
});

test('the statistics count users, who may pass, and bytes of all time', async () => {
  const before_ = (await panel.api('GET', '/api/stats')).body;
  await add({ username: 'fred' });
  await add({ username: 'gina' });
  await put('gina', { status: 'disabled' });
  await spend('fred', 3, 4);
  assert.deepEqual((await panel.api('GET', '/api/stats')).body, {
    total_users: before_.total_users + 2, active_users: before_.active_users + 1, total_traffic: before_.total_traffic + 7,
  });
  await panel.api('DELETE', '/api/user/fred');
  assert.equal((await panel.api('GET', '/api/stats')).body.total_traffic, before_.total_traffic + 7, 'of deleted users too');
});

test('a deleted user is not found', async () => {
  await add({ username: 'hugo' });
  assert.deepEqual((await panel.api('DELETE', '/api/user/hugo')).body, { success: true });
  for (const [method, where, body] of [['GET', '/api/user/hugo'], ['PUT', '/api/user/hugo', {}], ['DELETE', '/api/user/hugo'], ['POST', '/api/reset_traffic/hugo']]) {
    const answer = await panel.api(method, where, body);
    assert.equal(answer.status, 404, `${method} ${where}`);
    assert.deepEqual(answer.body, { error: 'User not found' });
  }
});

test('without a credential the paths of its own say so, and the shared ones in both dialects', async () => {
  for (const [method, where] of [['POST', '/api/add_user'], ['POST', '/api/reset_traffic/anna'], ['GET', '/api/stats']]) {
    const { status, body } = await panel.request(method, where);
    assert.deepEqual([status, body], [401, { error: 'Unauthorized' }], where);
  }
  const { status, body, headers } = await panel.request('GET', '/api/user/anna');
  assert.deepEqual([status, body, headers.get('www-authenticate')], [401, { detail: 'Not authenticated', error: 'Unauthorized' }, 'Bearer']);
  const wrong = await panel.request('GET', '/api/stats', { key: 'weir_wrong' });
  assert.deepEqual([wrong.status, wrong.body], [401, { error: 'Unauthorized' }]);
});

test('a session does the same as a key, and changes nothing from another page', async () => {
  const browser = await signInOwner(panel);
  const [as, foreign] = [(...ask) => browser.api(...ask), (method, where, body) => browser.api(method, where, body, { origin: 'https://evil.example' })];
  const steps = [
    ['POST', '/api/add_user', { username: 'by-session', monthly_quota: 3 }],
    ['PUT', '/api/user/by-session', { status: 'disabled' }],
    ['POST', '/api/reset_traffic/by-session', undefined],
    ['DELETE', '/api/user/by-session', undefined],
  ];
  for (const [method, where, body] of steps) {
    const refused = await foreign(method, where, body);
    assert.deepEqual([refused.status, Object.keys(refused.body)], [403, ['error']], where);
    const done = await as(method, where, body);
    assert.deepEqual([done.status, done.body.success], [200, true], where);
    if (method === 'PUT') assert.equal((await as('GET', '/api/user/by-session')).body.reason, 'person');
  }
  assert.equal((await as('GET', '/api/stats')).status, 200);
});

test('a user without anything said has 100 GB a month and no limit over his lifetime', async () => {
  await add({ username: 'plain' });
  const { monthly_quota: month, total_quota: total, email, reset_day: day } = await get('plain');
  assert.deepEqual([month, total, email, day], [100, 0, null, 1]);
  await add({ username: 'free', monthly_quota: 0 });
  assert.equal((await get('free')).monthly_quota, 0, '0 is no limit');
});

test('bad values name their field and change nothing', async () => {
  await add({ username: 'ida', monthly_quota: 3 });
  for (const [field, value] of [
    ['monthly_quota', -1], ['monthly_quota', 1.5], ['monthly_quota', '5'], ['total_quota', 8_388_608], ['reset_day', 0],
    ['status', 'limited'], ['email', 'nobody'], ['username', 'x'], ['password', 'my own'],
  ]) {
    const { status, body } = await put('ida', { [field]: value });
    assert.equal(status, 422, field);
    assert.equal(body.field, field, JSON.stringify(body));
    assert.equal(typeof body.error, 'string');
  }
  assert.equal((await get('ida')).monthly_quota, 3);
  assert.equal((await add({})).body.field, 'username');
});
