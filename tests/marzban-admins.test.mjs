/** Admins over Marzban's API: who they are, what sudo may do to them, and the passwords that their makers choose. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { assertBreaks, assertDetail, askAt, callerOf, callersOfEachRole, NOT_ALLOWED } from './support/marzban-bearer.mjs';
import { addOperator, browserOf, sendLogin, signInOwner } from './support/operators.mjs';
import { startPanel } from './support/panel.mjs';
import { seedUsers } from './support/seed.mjs';

const PASSWORD = 'correct horse';
const HOOK = 'https://discord.com/api/webhooks/1/abc';
const FREE = { telegram_id: null, discord_webhook: null, users_usage: 0 };

let panel;
let owner;
let admin;
let reseller;
let viewer;
const names = async () => (await owner('GET', '/api/admins')).body.map((one) => one.username);
const ownerName = () => panel.operator.username;
const operatorOf = (name) => panel.db.prepare('SELECT * FROM operators WHERE name = ?1').bind(name).first();
const give = (name, users) =>
  panel.db.prepare('UPDATE users SET owner = (SELECT id FROM operators WHERE name = ?1) WHERE id IN (SELECT value FROM json_each(?2))').bind(name, JSON.stringify(users.map(({ id }) => id))).run();
const lastEntry = async () => (await panel.api('GET', '/api/v1/audit?limit=1')).body.items[0];

before(async () => {
  panel = await startPanel();
  ({ owner, admin, reseller, viewer } = await callersOfEachRole(panel));
});
after(() => panel?.stop());

test('everybody sees himself, and owners and admins are sudo', async () => {
  assert.deepEqual((await owner('GET', '/api/admin')).body, { username: ownerName(), is_sudo: true, ...FREE });
  assert.deepEqual((await admin('GET', '/api/admin')).body, { username: 'of-admin', is_sudo: true, ...FREE });
  assert.deepEqual((await reseller('GET', '/api/admin')).body, { username: 'of-reseller', is_sudo: false, ...FREE });
  assert.deepEqual((await viewer('GET', '/api/admin')).body, { username: 'of-viewer', is_sudo: false, ...FREE });
});

test('nobody is told anything without a token, and with a wrong one it is said in the words that clients know', async () => {
  const without = await panel.request('GET', '/api/admin');
  assertDetail(without, 401, 'Not authenticated');
  assert.equal(without.headers.get('www-authenticate'), 'Bearer');
  assertDetail(await panel.request('GET', '/api/admin', { key: 'a.b.c' }), 401, 'Could not validate credentials');
});

test('an admin is created with the password that was chosen, and signs in with it here and at the login page', async () => {
  const created = await owner('POST', '/api/admin', { username: 'Shop', password: PASSWORD, is_sudo: false, telegram_id: 7, discord_webhook: HOOK, more: 1 });
  assert.equal(created.status, 200);
  assert.deepEqual(created.body, { username: 'Shop', is_sudo: false, telegram_id: 7, discord_webhook: HOOK, users_usage: 0 });
  const shop = await callerOf(panel, 'Shop', PASSWORD);
  assert.deepEqual((await shop('GET', '/api/admin')).body, created.body);
  browserOf(panel, await sendLogin(panel, { name: 'shop', password: PASSWORD }));
  assertDetail(await askAt(panel, { username: 'Shop', password: 'correct Horse' }), 401, 'Incorrect username or password');
  const { role, user_allowance: users, byte_allowance: bytes } = await operatorOf('Shop');
  assert.deepEqual([role, users, bytes], ['reseller', null, null]);
  const entry = await lastEntry();
  assert.notEqual(entry.action, 'operator.create', 'he has signed in since');
  const { items } = (await panel.api('GET', '/api/v1/audit?limit=10')).body;
  const made = items.find((item) => item.action === 'operator.create' && item.subject === 'operators/Shop');
  assert.equal(made.actor, ownerName());
  assert.ok(!JSON.stringify(items).includes('webhooks/1/abc') && !JSON.stringify(items).includes(PASSWORD));
});

test('a sign-in reads 6 rows at most and writes 6, whether the password was chosen or made', async (t) => {
  let count = 0;
  // The platform counts each address of the network; the database counts them together.
  const ask = (fields) => {
    const headers = { 'content-type': 'application/x-www-form-urlencoded', 'cf-connecting-ip': `2001:db8:77:1::${(count += 1).toString(16)}` };
    return panel.request('POST', '/api/admin/token', { body: new URLSearchParams(fields).toString(), headers });
  };
  const cost = async (fields) => {
    const { status, cost, text } = await ask(fields);
    assert.equal(status, 200, text);
    t.diagnostic(JSON.stringify(cost));
    assert.ok(cost.read <= 6 && cost.written <= 6 && cost.queries <= 9, JSON.stringify(cost));
  };
  for (const fields of [{ username: 'Shop', password: PASSWORD }, panel.operator]) {
    await cost(fields);
    // From where failures are counted, and for a name of which some are.
    for (let guess = 0; guess < 3; guess += 1) assert.equal((await ask({ ...fields, password: 'wrong' })).status, 401);
    await cost(fields);
    await cost(fields);
  }
});

test('a chosen password cannot be tried on a copy of the database: its stored form needs a key and differs between equals', async () => {
  await owner('POST', '/api/admin', { username: 'twin', password: PASSWORD, is_sudo: false });
  const [one, other] = [(await operatorOf('Shop')).password_hash, (await operatorOf('twin')).password_hash];
  assert.match(one, /^k1:[0-9a-f]{32}:[0-9a-f]{64}$/);
  assert.notEqual(one, other);
  for (const stolen of [one, one.split(':')[2]]) {
    assertDetail(await askAt(panel, { username: 'Shop', password: stolen }), 401, 'Incorrect username or password');
  }
});

test('whoever has a chosen password proves himself by it in the panel, and gets one that is made there', async () => {
  await owner('POST', '/api/admin', { username: 'changer', password: PASSWORD, is_sudo: true });
  const browser = browserOf(panel, await sendLogin(panel, { name: 'changer', password: PASSWORD }));
  assert.equal((await browser.api('POST', '/api/v1/me/password', { password: 'correct Horse' })).status, 422);
  const { status, body } = await browser.api('POST', '/api/v1/me/password', { password: PASSWORD });
  assert.equal(status, 200);
  await callerOf(panel, 'changer', body.password);
  assert.equal((await askAt(panel, { username: 'changer', password: PASSWORD })).status, 401);
});

test('a name that is taken is refused, whatever its case', async () => {
  const before = await names();
  for (const username of ['Shop', 'SHOP']) {
    assertDetail(await owner('POST', '/api/admin', { username, password: PASSWORD, is_sudo: true }), 409, 'Admin already exists');
  }
  assert.deepEqual(await names(), before);
});

test('a rule that is broken is named with its field, and nobody is created', async () => {
  const before = await names();
  const good = { username: 'bad-body', password: PASSWORD, is_sudo: false };
  const breaks = {
    username: [undefined, '', 'a b', 'x'.repeat(33), 7, null],
    password: [undefined, null, '1234567', 'x'.repeat(257), 12_345_678],
    is_sudo: [undefined, null, 'yes'],
    telegram_id: ['7', 2 ** 53, 1.5],
    discord_webhook: ['http://discord.com/x', 'https://evil.example/https://discord.com', 7, `https://discord.com/${'x'.repeat(1_024)}`],
  };
  for (const [field, values] of Object.entries(breaks)) {
    for (const value of values) assertBreaks(await owner('POST', '/api/admin', { ...good, [field]: value }), field);
  }
  assertBreaks(await panel.request('POST', '/api/admin', { key: owner.token, body: '{"username":' }), 'body');
  assertBreaks(await owner('POST', '/api/admin', []), 'body');
  assert.deepEqual(await names(), before);
});

test('only an owner manages admins', async () => {
  for (const caller of [admin, reseller, viewer]) {
    assertDetail(await caller('POST', '/api/admin', { username: 'no', password: PASSWORD, is_sudo: false }), 403, NOT_ALLOWED);
    assertDetail(await caller('PUT', '/api/admin/Shop', { is_sudo: true }), 403, NOT_ALLOWED);
    assertDetail(await caller('DELETE', '/api/admin/Shop'), 403, NOT_ALLOWED);
    assertDetail(await caller('GET', '/api/admins'), 403, NOT_ALLOWED);
    assertDetail(await caller('POST', '/api/admin/usage/reset/Shop'), 403, NOT_ALLOWED);
    assertDetail(await caller('GET', '/api/admin/usage/Shop'), 403, NOT_ALLOWED);
  }
  for (const caller of [reseller, viewer]) {
    assertDetail(await caller('POST', '/api/admin/Shop/users/disable'), 403, NOT_ALLOWED);
    assertDetail(await caller('POST', '/api/admin/Shop/users/activate'), 403, NOT_ALLOWED);
  }
});

test('somebody who is not there is not found', async () => {
  const missing = [
    ['PUT', '/api/admin/nobody', { is_sudo: false }],
    ['DELETE', '/api/admin/nobody'],
    ['POST', '/api/admin/nobody/users/disable'],
    ['POST', '/api/admin/nobody/users/activate'],
    ['POST', '/api/admin/usage/reset/nobody'],
    ['GET', '/api/admin/usage/nobody'],
  ];
  for (const [method, where, body] of missing) assertDetail(await owner(method, where, body), 404, 'Admin not found');
});

test('a change leaves what it does not name, and a new password ends every token', async () => {
  const shop = await callerOf(panel, 'Shop', PASSWORD);
  const kept = await owner('PUT', '/api/admin/shop', { is_sudo: false, telegram_id: null, discord_webhook: '' });
  assert.deepEqual(kept.body, { username: 'Shop', is_sudo: false, telegram_id: 7, discord_webhook: HOOK, users_usage: 0 });
  assert.equal((await shop('GET', '/api/admin')).status, 200);
  const changed = await owner('PUT', '/api/admin/Shop', { is_sudo: false, password: 'battery staple', telegram_id: 8 });
  assert.deepEqual([changed.status, changed.body.telegram_id], [200, 8]);
  assertDetail(await shop('GET', '/api/admin'), 401, 'Could not validate credentials');
  assert.equal((await askAt(panel, { username: 'Shop', password: PASSWORD })).status, 401);
  await callerOf(panel, 'Shop', 'battery staple');
});

test('a change that breaks a rule changes nothing', async () => {
  const before = await operatorOf('Shop');
  assertBreaks(await owner('PUT', '/api/admin/Shop', { password: 'battery staple 2' }), 'is_sudo');
  assertBreaks(await owner('PUT', '/api/admin/Shop', { is_sudo: true, password: 'short' }), 'password');
  assertBreaks(await owner('PUT', '/api/admin/Shop', { is_sudo: true, discord_webhook: 'https://example.org' }), 'discord_webhook');
  assertBreaks(await owner('PUT', '/api/admin/Shop', { is_sudo: true, telegram_id: 'x' }), 'telegram_id');
  assert.deepEqual(await operatorOf('Shop'), before);
});

test('who becomes sudo stays it, is edited by himself alone, and deleted by nobody here', async () => {
  await owner('POST', '/api/admin', { username: 'riser', password: PASSWORD, is_sudo: false });
  assert.equal((await owner('PUT', '/api/admin/riser', { is_sudo: true })).body.is_sudo, true);
  assert.equal((await operatorOf('riser')).role, 'admin');
  const text = "You're not allowed to edit another sudoer's account. Use marzban-cli instead.";
  assertDetail(await owner('PUT', '/api/admin/riser', { is_sudo: false }), 403, text);
  assertDetail(await owner('DELETE', '/api/admin/riser'), 403, "You're not allowed to delete sudo accounts. Use marzban-cli instead.");
  const himself = await owner('PUT', `/api/admin/${ownerName()}`, { is_sudo: false, telegram_id: 99 });
  assert.deepEqual([himself.status, himself.body.is_sudo, himself.body.telegram_id], [200, true, 99]);
  assert.equal((await operatorOf(ownerName())).role, 'owner');
});

test('the list goes by creation, by page and by a part of the name', async () => {
  const all = await names();
  assert.deepEqual(all.slice(0, 2), [ownerName(), 'of-admin']);
  const part = async (query) => (await owner('GET', `/api/admins?${query}`)).body.map((one) => one.username);
  assert.deepEqual(await part('offset=1&limit=2'), all.slice(1, 3));
  assert.deepEqual(await part('username=OF-'), ['of-admin', 'of-reseller', 'of-viewer']);
  assert.deepEqual(await part('username=%25'), []);
  assert.deepEqual(await part('limit=0'), []);
  for (const query of ['offset=-1', 'limit=x']) assertBreaks(await owner('GET', `/api/admins?${query}`), query.split('=')[0]);
});

test("an admin's usage is what his users used since it was reset, those who were deleted among them", async () => {
  const users = await seedUsers(panel, 3, { month: 1_000 });
  await give('Shop', users);
  assert.equal((await owner('GET', '/api/admin/usage/Shop')).body, 3_000);
  const shop = await callerOf(panel, 'Shop', 'battery staple');
  assert.equal((await shop('GET', '/api/admin')).body.users_usage, 3_000);
  assert.equal((await panel.api('DELETE', `/api/v1/users/${users[0].name}`)).status, 204);
  const usage = await owner('GET', '/api/admin/usage/shop');
  assert.deepEqual([usage.body, usage.headers.get('content-type')], [3_000, 'application/json']);
  const reset = await owner('POST', '/api/admin/usage/reset/Shop');
  assert.deepEqual([reset.status, reset.body.username, reset.body.users_usage], [200, 'Shop', 0]);
  assert.deepEqual(((entry) => [entry.subject, entry.before, entry.after])(await lastEntry()), ['operators/Shop', { users_usage: 3_000 }, { users_usage: 0 }]);
  await panel.db.prepare('UPDATE usage SET lifetime = lifetime + 50 WHERE user = ?1').bind(users[1].id).run();
  const listed = (await owner('GET', '/api/admins?username=shop')).body;
  assert.deepEqual(listed.map((one) => [one.username, one.users_usage]), [['Shop', 50]]);
});

test('all users of an admin are shut out and let in again, and nobody else is touched', async () => {
  const statuses = async () => Object.fromEntries((await panel.api('GET', '/api/v1/users?limit=200')).body.items.map((user) => [user.name, user.status]));
  await owner('POST', '/api/admin', { username: 'crowd', password: PASSWORD, is_sudo: false });
  const [first, second, other] = await seedUsers(panel, 3);
  await give('crowd', [first, second]);
  const before = await statuses();
  assertDetail(await admin('POST', '/api/admin/crowd/users/disable'), 200, 'Users successfully disabled');
  assert.deepEqual(await statuses(), { ...before, [first.name]: 'disabled', [second.name]: 'disabled' });
  assert.equal((await panel.api('GET', '/api/v1/bulk?limit=1')).body.items[0].total, 2);
  assertDetail(await owner('POST', '/api/admin/crowd/users/activate'), 200, 'Users successfully activated');
  assert.deepEqual(await statuses(), before);
  assert.equal(before[other.name], 'active');
  assertDetail(await owner('POST', '/api/admin/twin/users/disable'), 200, 'Users successfully disabled');
});

test('a thousand users of an admin are shut out by few queries, and the rest by the job', async () => {
  await owner('POST', '/api/admin', { username: 'large', password: PASSWORD, is_sudo: false });
  const users = await seedUsers(panel, 1_000);
  await give('large', users);
  const answer = await owner('POST', '/api/admin/large/users/disable');
  assertDetail(answer, 200, 'Users successfully disabled');
  assert.ok(answer.cost.queries <= 50, `${answer.cost.queries} queries`);
  const open = async () => (await panel.db.prepare("SELECT count(*) AS n FROM users WHERE disabled_at IS NULL AND owner = (SELECT id FROM operators WHERE name = 'large')").first()).n;
  for (let run = 0; run < 10 && (await open()) > 0; run += 1) assert.equal(await panel.cron('bulk'), 'ok');
  assert.equal(await open(), 0);
});

test('a plain admin is deleted, his tokens end, and his users become the panel’s own', async () => {
  const crowd = await callerOf(panel, 'crowd', PASSWORD);
  assertDetail(await owner('DELETE', '/api/admin/crowd'), 200, 'Admin removed successfully');
  assert.equal((await crowd('GET', '/api/admin')).status, 401);
  assert.equal((await panel.db.prepare('SELECT count(*) AS n FROM users WHERE owner IS NOT NULL AND owner NOT IN (SELECT id FROM operators)').first()).n, 0);
  assertDetail(await owner('DELETE', '/api/admin/crowd'), 404, 'Admin not found');
});

test('an API key is shown by its own name', async () => {
  assert.equal((await panel.api('GET', '/api/admin')).body.is_sudo, true);
});

test('a viewer that somebody made sudo is an admin', async () => {
  await addOperator(panel, await signInOwner(panel), { name: 'looker', role: 'viewer' });
  await owner('PUT', '/api/admin/looker', { is_sudo: true });
  assert.equal((await operatorOf('looker')).role, 'admin');
});
