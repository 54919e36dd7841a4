/** Operators: created with generated passwords, changed, disabled, deleted; and there is always an owner. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { addOperator, sendLogin, signIn, signInOwner } from './support/operators.mjs';
import { sha256Hex } from './support/panel-secrets.mjs';
import { startPanel } from './support/panel.mjs';
import { assertRefused, dump, keyWith } from './support/refusals.mjs';
import { now } from './support/wire.mjs';

const GIB = 2 ** 30;

let panel;
let owner;

before(async () => {
  panel = await startPanel();
  owner = await signInOwner(panel);
});
after(() => panel?.stop());

const get = async (name) => (await owner.api('GET', `/api/v1/operators/${name}`)).body;

test('whoever was an operator before there were roles is an owner', async () => {
  const { status, body } = await owner.api('GET', '/api/v1/me');
  assert.equal(status, 200);
  assert.deepEqual({ ...body, created_at: 0, signed_in_at: 0 }, {
    id: 1, name: panel.operator.username, role: 'owner', created_at: 0, disabled_at: null, user_allowance: null, byte_allowance: null,
    two_factor_since: null, recovery_codes: 0, signed_in_at: 0, handed_out: { users: 0, bytes: 0 },
  });
});

test('an operator is created with a generated password, which is shown once and kept as a digest', async () => {
  const { status, body, headers } = await owner.api('POST', '/api/v1/operators', { name: 'Anna', role: 'admin' });
  assert.equal(status, 201);
  assert.equal(headers.get('location'), '/api/v1/operators/Anna');
  assert.match(body.password, /^[0-9a-f]{32}$/);
  const shown = (await owner.api('GET', '/api/v1/operators/anna')).body;
  assert.deepEqual([shown.name, shown.role, shown.password], ['Anna', 'admin', undefined]);
  const all = JSON.stringify(await dump(panel));
  assert.ok(!all.includes(body.password));
  assert.ok(all.includes(sha256Hex(body.password)));
  const anna = await signIn(panel, 'anna', body.password);
  assert.equal((await anna.api('GET', '/api/v1/me')).body.role, 'admin');
  const { items } = (await panel.api('GET', '/api/v1/audit')).body;
  const entry = items.find(({ action }) => action === 'operator.create');
  assert.deepEqual([entry.subject, entry.after.role, JSON.stringify(entry).includes(body.password)], ['operators/Anna', 'admin', false]);
});

test('a name is taken without case, and bad fields are named and change nothing', async () => {
  await owner.api('POST', '/api/v1/operators', { name: 'taken', role: 'viewer' });
  const before = await dump(panel);
  assertRefused(await owner.api('POST', '/api/v1/operators', { name: 'TAKEN', role: 'viewer' }), 409, 'taken');
  for (const [field, body] of [
    ['name', { role: 'admin' }], ['name', { name: 'a b', role: 'admin' }], ['name', { name: '', role: 'admin' }], ['name', { name: '<b>', role: 'admin' }],
    ['role', { name: 'x' }], ['role', { name: 'x', role: 'root' }], ['role', { name: 'x', role: null }],
    ['user_allowance', { name: 'x', role: 'admin', user_allowance: 1 }], ['byte_allowance', { name: 'x', role: 'viewer', byte_allowance: 1 }],
    ['user_allowance', { name: 'x', role: 'reseller', user_allowance: -1 }], ['byte_allowance', { name: 'x', role: 'reseller', byte_allowance: 1.5 }],
    ['password', { name: 'x', role: 'admin', password: 'my own' }],
  ]) {
    assertRefused(await owner.api('POST', '/api/v1/operators', body), 422, 'invalid', field);
  }
  assertRefused(await owner.api('PATCH', '/api/v1/operators/nobody', { role: 'admin' }), 404, 'not_found');
  assert.deepEqual(await dump(panel), before);
});

test('a role and allowances are changed, and count in sessions that are open already', async () => {
  const bob = await addOperator(panel, owner, { name: 'bob', role: 'viewer' });
  assertRefused(await bob.api('POST', '/api/v1/users', { name: 'ofbob' }), 403, 'forbidden');
  const { status, body } = await owner.api('PATCH', '/api/v1/operators/bob', { role: 'reseller', user_allowance: 3, byte_allowance: 5 * GIB });
  assert.deepEqual([status, body.role, body.user_allowance, body.byte_allowance], [200, 'reseller', 3, 5 * GIB]);
  assert.equal((await bob.api('POST', '/api/v1/users', { name: 'ofbob', monthly_quota: GIB })).status, 201);
  assert.deepEqual((await get('bob')).handed_out, { users: 1, bytes: GIB });
  assert.equal((await owner.api('PATCH', '/api/v1/operators/bob', { byte_allowance: null })).body.byte_allowance, null);
  assert.equal((await get('bob')).user_allowance, 3, 'what is missing stays');
  const admin = (await owner.api('PATCH', '/api/v1/operators/bob', { role: 'admin' })).body;
  assert.deepEqual([admin.role, admin.user_allowance], ['admin', null], 'only resellers have allowances');
});

test('a new password ends the old one and every session', async () => {
  const carl = await addOperator(panel, owner, { name: 'carl', role: 'viewer' });
  const { status, body } = await owner.api('POST', '/api/v1/operators/carl/reset-password');
  assert.equal(status, 200);
  assert.match(body.password, /^[0-9a-f]{32}$/);
  assert.equal((await carl.api('GET', '/api/v1/me')).status, 401);
  assert.equal((await sendLogin(panel, { name: 'carl', password: carl.password })).status, 401);
  await signIn(panel, 'carl', body.password);
});

test('a disabled operator is signed out everywhere, and told the same as a stranger', async () => {
  const dora = await addOperator(panel, owner, { name: 'dora', role: 'admin' });
  const { body } = await owner.api('POST', '/api/v1/operators/dora/disable');
  assert.ok(body.disabled_at >= now() - 60);
  assert.equal((await dora.api('GET', '/api/v1/users')).status, 401);
  const refused = await sendLogin(panel, { name: 'dora', password: dora.password });
  assert.equal(refused.status, 401);
  assert.match(refused.text, /Name or password is wrong\./);
  assert.equal((await owner.api('POST', '/api/v1/operators/dora/enable')).body.disabled_at, null);
  await signIn(panel, 'dora', dora.password);
});

test('a deleted operator is gone with his sessions, and his users are the panel\'s own', async () => {
  const emil = await addOperator(panel, owner, { name: 'emil', role: 'reseller' });
  const { body: user } = await emil.api('POST', '/api/v1/users', { name: 'ofemil' });
  assert.equal(user.owner_id, emil.id);
  assert.equal((await owner.api('DELETE', '/api/v1/operators/emil')).status, 204);
  assert.equal((await emil.api('GET', '/api/v1/me')).status, 401);
  assert.equal((await sendLogin(panel, { name: 'emil', password: emil.password })).status, 401);
  assert.equal((await panel.api('GET', '/api/v1/users/ofemil')).body.owner_id, null);
  assertRefused(await owner.api('GET', '/api/v1/operators/emil'), 404, 'not_found');
});

test('the last owner stays an owner, whoever asks and however many ask at once', async () => {
  const me = panel.operator.username;
  for (const [method, where, body] of [
    ['PATCH', `/api/v1/operators/${me}`, { role: 'admin' }], ['POST', `/api/v1/operators/${me}/disable`], ['DELETE', `/api/v1/operators/${me}`],
  ]) {
    const before = await dump(panel);
    assertRefused(await owner.api(method, where, body), 409, 'last_owner');
    assert.deepEqual(await dump(panel), before, `${method} ${where}`);
  }
  const second = await addOperator(panel, owner, { name: 'second', role: 'owner' });
  // Each shuts the other out at the same moment: one of them must be left.
  const answers = await Promise.all([owner.api('POST', '/api/v1/operators/second/disable'), second.api('POST', `/api/v1/operators/${me}/disable`)]);
  const done = answers.filter(({ status }) => status === 200).length;
  assert.ok(done <= 1, JSON.stringify(answers.map(({ status }) => status)));
  const { left } = await panel.db.prepare("SELECT count(*) AS left FROM operators WHERE role = 'owner' AND disabled_at IS NULL").first();
  assert.ok(left >= 1);
  await panel.db.prepare('UPDATE operators SET disabled_at = NULL').run();
  owner = await signInOwner(panel);
});

test('an API key manages operators with its own scope only', async () => {
  assertRefused(await panel.api('GET', '/api/v1/operators'), 403, 'forbidden');
  const key = await keyWith(panel, 'operators:read operators:write');
  assert.equal((await panel.request('GET', '/api/v1/operators', { key })).status, 200);
  const made = await panel.request('POST', '/api/v1/operators', { key, body: JSON.stringify({ name: 'bykey', role: 'viewer' }) });
  assert.equal(made.status, 201);
  assertRefused(await panel.request('GET', '/api/v1/me', { key }), 403, 'forbidden');
});

test('an owner hands out API keys, which are shown once and end when he says so', async () => {
  const { status, body } = await owner.api('POST', '/api/v1/keys', { name: 'shop', scopes: ['users:read', 'stats:read', 'users:read'], expires_at: now() + 3600 });
  assert.equal(status, 201);
  assert.match(body.key, /^weir_[0-9a-f]{32}$/);
  assert.deepEqual(body.scopes, ['users:read', 'stats:read']);
  const use = (where) => panel.request('GET', where, { key: body.key });
  assert.equal((await use('/api/v1/users')).status, 200);
  assertRefused(await use('/api/v1/nodes'), 403, 'forbidden');
  assert.ok(!JSON.stringify(await dump(panel)).includes(body.key));
  const listed = (await owner.api('GET', '/api/v1/keys')).body.items.find(({ name }) => name === 'shop');
  assert.deepEqual([listed.id, listed.key, listed.expires_at], [body.id, undefined, body.expires_at]);
  assert.equal((await owner.api('DELETE', `/api/v1/keys/${body.id}`)).status, 204);
  assertRefused(await use('/api/v1/users'), 401, 'unauthorized');
  assertRefused(await owner.api('DELETE', `/api/v1/keys/${body.id}`), 404, 'not_found');
});

test('a key for channels alone has nobody’s link sent to where it says', async () => {
  const send = async (scopes, method, where, body) => panel.request(method, where, { key: await keyWith(panel, scopes), body: JSON.stringify(body) });
  const hook = (name, form) => ({ name, webhook: { url: 'https://hooks.example/x', form } });
  const theirs = { webhook: { url: 'https://hooks.example/x', form: 'marzban', secret: '0123456789abcdef' } };
  const refused = await send('channels:write', 'POST', '/api/v1/channels', hook('theirs', 'marzban'));
  assertRefused(refused, 403, 'forbidden');
  assert.match(refused.text, /users:read/);
  const { status, body } = await send('channels:read channels:write', 'POST', '/api/v1/channels', hook('ours', 'weir'));
  assert.equal(status, 201);
  assertRefused(await send('channels:write', 'PATCH', `/api/v1/channels/${body.id}`, theirs), 403, 'forbidden');
  assert.equal((await send('channels:write', 'PATCH', `/api/v1/channels/${body.id}`, { enabled: false })).status, 200);
  assert.equal((await send('channels:write users:read', 'PATCH', `/api/v1/channels/${body.id}`, theirs)).status, 200);
  assert.equal((await send('channels:write', 'DELETE', `/api/v1/channels/${body.id}`)).status, 204);
});

test('a key cannot make a key, and bad fields of one are named', async () => {
  const key = await keyWith(panel, 'keys:read keys:write operators:write');
  assertRefused(await panel.request('POST', '/api/v1/keys', { key, body: JSON.stringify({ name: 'x', scopes: ['backup:read'] }) }), 403, 'forbidden');
  const before = await dump(panel);
  for (const [field, body] of [
    ['name', { scopes: ['users:read'] }], ['name', { name: ' ', scopes: ['users:read'] }], ['scopes', { name: 'x' }], ['scopes', { name: 'x', scopes: [] }],
    ['scopes[1]', { name: 'x', scopes: ['users:read', 'users:*'] }], ['scopes[0]', { name: 'x', scopes: ['keys:write'] }],
    ['expires_at', { name: 'x', scopes: ['users:read'], expires_at: now() }],
  ]) {
    assertRefused(await owner.api('POST', '/api/v1/keys', body), 422, 'invalid', field);
  }
  assertRefused(await owner.api('POST', '/api/v1/keys', { name: 'LOCAL', scopes: ['users:read'] }), 409, 'taken');
  assert.deepEqual(await dump(panel), before);
});
