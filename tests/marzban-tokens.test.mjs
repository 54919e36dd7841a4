/**
 * Tokens as Marzban's clients carry them: our own, which are sessions, and those of a Marzban whose secret the operator has imported, which
 * read the figures of traffic through other servers, and nothing else.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { jwt } from './support/jwt.mjs';
import { askToken, signInOwner } from './support/operators.mjs';
import { assertRefused } from './support/refusals.mjs';
import { startPanel } from './support/panel.mjs';
import { authKeyOf } from './support/xpert.mjs';

const AREA = '/api/v1/settings/marzban';
const SECRET = 'c0ffee'.padEnd(64, '0');
const GLOBAL = '/api/xpert/traffic-stats/global';

let panel;
const seconds = () => Math.floor(Date.now() / 1_000);
const sudo = (more) => ({ sub: 'boss', access: 'sudo', iat: seconds(), exp: seconds() + 86_400, ...more });
const called = (token, where = GLOBAL, method = 'GET') => panel.request(method, where, { headers: { authorization: `Bearer ${token}` } });

before(async () => {
  panel = await startPanel();
});
after(() => panel?.stop());

test('without an imported secret no token is anything', async () => {
  assert.deepEqual((await panel.api('GET', AREA)).body, { jwt_secret_key_set: false });
  assert.equal((await called(jwt(SECRET, sudo()))).status, 401);
});

test('what is no secret of a Marzban is refused by its rule, and changes nothing', async () => {
  for (const secret of ['', 'short', 'g'.repeat(64), '0'.repeat(63), '0'.repeat(65), 7]) {
    const answer = await panel.api('PUT', AREA, { jwt_secret_key: secret });
    assert.ok([400, 422].includes(answer.status), `${secret}: ${answer.status}`);
  }
  assertRefused(await panel.api('PUT', AREA, { jwt_secret_key: 'short' }), 422, 'invalid', 'jwt_secret_key');
  assert.deepEqual((await panel.api('GET', AREA)).body, { jwt_secret_key_set: false });
});

test("a sudo admin's token reads and cleans up, and the audit log says whose it was", async () => {
  assert.deepEqual((await panel.api('PUT', AREA, { jwt_secret_key: SECRET })).body, { jwt_secret_key_set: true });
  const token = jwt(SECRET, sudo());
  for (const where of [GLOBAL, '/api/xpert/marzban-traffic-stats?days=7', '/api/xpert/traffic-stats/database/info']) {
    assert.equal((await called(token, where)).status, 200, where);
  }
  assert.equal((await called(jwt(SECRET, sudo({ exp: undefined })))).status, 200, 'a Marzban may make tokens that never end');
  assert.equal((await called(token, '/api/xpert/traffic-stats/cleanup?days=30', 'POST')).status, 200);
  const { items } = (await panel.api('GET', '/api/v1/audit?limit=2')).body;
  assert.deepEqual([items[0].actor_kind, items[0].actor], ['marzban', 'boss']);
  assert.deepEqual([items[1].subject, items[1].before, items[1].after], ['settings/marzban', { jwt_secret_key_set: false }, { jwt_secret_key_set: true }]);
});

test('a token that has ended, was made for less, or by another hand lets nobody in', async () => {
  const plain = jwt(SECRET, sudo({ access: 'admin' }));
  assert.equal((await called(plain)).status, 403, 'a plain admin sees only what is his');
  const refused = {
    ended: jwt(SECRET, sudo({ exp: seconds() - 1 })),
    'not begun': jwt(SECRET, sudo({ iat: seconds() + 3_600 })),
    'of another secret': jwt('0'.repeat(64), sudo()),
    'of a subscription': jwt(SECRET, sudo({ access: 'subscription' })),
    'of another algorithm': jwt(SECRET, sudo(), { alg: 'HS512', typ: 'JWT' }),
    'without one': `${jwt(SECRET, sudo(), { alg: 'none' }).split('.').slice(0, 2).join('.')}.`,
  };
  for (const [what, token] of Object.entries(refused)) assert.equal((await called(token)).status, 401, what);
});

test('it opens nothing of the panel itself', async () => {
  const token = jwt(SECRET, sudo());
  for (const where of ['/api/v1/users', '/api/v1/nodes', AREA, '/api/xpert/sources', '/api/xpert/settings']) {
    assert.equal((await called(token, where)).status, 401, where);
  }
});

test('the secret is told to nobody and stands nowhere in clear', async () => {
  const { results } = await panel.db.prepare("SELECT value FROM settings WHERE area = 'marzban'").all();
  assert.equal(results.length, 1);
  const { results: log } = await panel.db.prepare('SELECT * FROM audit').all();
  for (const text of [JSON.stringify(results), JSON.stringify(log), panel.log(), JSON.stringify((await panel.api('GET', AREA)).body)]) {
    assert.ok(!text.includes(SECRET));
  }
});

test('once it is taken back its tokens are nothing again', async () => {
  assert.deepEqual((await panel.api('PUT', AREA, { jwt_secret_key: null })).body, { jwt_secret_key_set: false });
  assert.equal((await called(jwt(SECRET, sudo()))).status, 401);
});

const credentials = () => ({ username: panel.operator.username, password: panel.operator.password });

test('an operator signs in with the form of OAuth2, and his token opens what his session opens', async () => {
  const { status, body } = await askToken(panel, { grant_type: 'password', ...credentials() });
  assert.equal(status, 200);
  assert.equal(body.token_type, 'bearer');
  const claims = JSON.parse(Buffer.from(body.access_token.split('.')[1], 'base64url').toString());
  assert.deepEqual([claims.sub, claims.access, claims.exp - claims.iat], [panel.operator.username, 'sudo', 86_400]);
  for (const where of ['/api/v1/users', '/api/v1/operators', GLOBAL]) assert.equal((await called(body.access_token, where)).status, 200, where);
  const created = await panel.request('POST', '/api/v1/users', { key: body.access_token, body: '{"name":"made-by-token"}' });
  assert.equal(created.status, 201, 'a bearer needs no Origin');
  const { items } = (await panel.api('GET', '/api/v1/audit?limit=1')).body;
  assert.deepEqual([items[0].actor_kind, items[0].actor], ['operator', panel.operator.username]);
});

test('the token is a session: it stands in the list, and ends with it', async () => {
  const [mine, other] = [(await askToken(panel, credentials())).body.access_token, (await askToken(panel, credentials())).body.access_token];
  assert.notEqual(mine, other);
  const session = await signInOwner(panel);
  const { items } = (await session.api('GET', '/api/v1/me/sessions')).body;
  assert.ok(items.length >= 3);
  assert.equal((await session.api('DELETE', '/api/v1/me/sessions')).status, 204);
  for (const token of [mine, other]) assert.equal((await called(token, '/api/v1/users')).status, 401);
});

test('a wrong sign-in is answered as Marzban does it, and says which field is missing', async () => {
  const wrong = await askToken(panel, { ...credentials(), password: 'wrong' });
  assert.deepEqual([wrong.status, wrong.body, wrong.headers.get('www-authenticate')], [401, { detail: 'Incorrect username or password' }, 'Bearer']);
  assert.deepEqual((await askToken(panel, { username: 'nobody', password: 'wrong' })).body, wrong.body);
  for (const [fields, field] of [[{ password: 'x' }, 'username'], [{ username: 'x' }, 'password'], [{ ...credentials(), grant_type: 'code' }, 'grant_type']]) {
    const { status, body } = await askToken(panel, fields);
    assert.equal(status, 422);
    assert.deepEqual(Object.keys(body.detail), [field]);
  }
  assert.equal((await panel.request('GET', '/api/admin/token')).status, 405);
});

test('a token that somebody else signed with the same words is none', async () => {
  const { body } = await askToken(panel, credentials());
  const claims = JSON.parse(Buffer.from(body.access_token.split('.')[1], 'base64url').toString());
  assert.equal((await called(jwt(await authKeyOf(panel), claims), '/api/v1/users')).status, 401, 'not even with AUTH_KEY itself');
  assert.equal((await called(jwt(SECRET, claims), '/api/v1/users')).status, 401);
  assert.equal((await called(body.access_token, '/api/v1/users')).status, 200);
});
