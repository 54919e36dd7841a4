/** Marzban's API, route by route: nobody without a bearer, and each role as far as it reaches. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { addOperator, signInOwner } from './support/operators.mjs';
import { ROOT, startPanel } from './support/panel.mjs';
import { dump } from './support/refusals.mjs';

/** `A`, `R`, `V`: admin, reseller, viewer may too; the owner may everything. A user of another is refused, not hidden. */
const ROUTES = [
  ['GET', '/api/admin', 'ARV'],
  ['POST', '/api/admin', ''],
  ['PUT', '/api/admin/the-reseller', ''],
  ['DELETE', '/api/admin/the-reseller', ''],
  ['GET', '/api/admins', ''],
  ['POST', '/api/admin/the-reseller/users/disable', 'A'],
  ['POST', '/api/admin/the-reseller/users/activate', 'A'],
  ['POST', '/api/admin/usage/reset/the-reseller', ''],
  ['GET', '/api/admin/usage/the-reseller', ''],
  ['GET', '/api/core', 'ARV'],
  ['POST', '/api/core/restart', 'A'],
  ['GET', '/api/core/config', 'A'],
  ['PUT', '/api/core/config', 'A'],
  ['GET', '/api/system', 'ARV'],
  ['GET', '/api/inbounds', 'ARV'],
  ['GET', '/api/node/settings', 'A'],
  ['POST', '/api/node', 'A'],
  ['GET', '/api/node/1', 'A'],
  ['PUT', '/api/node/1', 'A'],
  ['DELETE', '/api/node/1', 'A'],
  ['POST', '/api/node/1/reconnect', 'A'],
  ['GET', '/api/nodes', 'A'],
  ['GET', '/api/nodes/usage', 'A'],
  ['GET', '/api/hosts', 'A'],
  ['PUT', '/api/hosts', 'A'],
  ['POST', '/api/user_template', 'A'],
  ['GET', '/api/user_template', 'ARV'],
  ['GET', '/api/user_template/1', 'ARV'],
  ['PUT', '/api/user_template/1', 'A'],
  ['DELETE', '/api/user_template/1', 'A'],
  ['POST', '/api/user', 'AR'],
  ['GET', '/api/user/ann', 'A'],
  ['PUT', '/api/user/ann', 'A'],
  ['DELETE', '/api/user/ann', 'A'],
  ['POST', '/api/user/ann/reset', 'A'],
  ['POST', '/api/user/ann/revoke_sub', 'A'],
  ['GET', '/api/user/ann/usage', 'A'],
  ['POST', '/api/user/ann/active-next', 'A'],
  ['PUT', '/api/user/ann/set-owner', 'A'],
  ['GET', '/api/users', 'AR'],
  ['POST', '/api/users/reset', 'A'],
  ['GET', '/api/users/usage', 'AR'],
  ['GET', '/api/users/expired', 'AR'],
  ['DELETE', '/api/users/expired', 'AR'],
];
/** What a role may read beyond the table, or not, as our own roles have it: a viewer sees users, never what lets them in. */
const NOT_ASKED = new Set(['V GET /api/user/ann/usage', 'V GET /api/users/usage', 'V GET /api/users/expired', 'V GET /api/nodes', 'V GET /api/node/1', 'V GET /api/nodes/usage',
  'V GET /api/node/settings', 'V GET /api/hosts', 'V GET /api/core/config', 'V GET /api/users', 'V GET /api/admins']);

let panel;
/** @type {Record<string, string>} tokens by role */
const tokens = {};
let cookie;

before(async () => {
  panel = await startPanel();
  const owner = await signInOwner(panel);
  cookie = owner.cookie;
  for (const role of ['admin', 'reseller', 'viewer']) {
    const { name, password } = await addOperator(panel, owner, { name: `the-${role}`, role });
    tokens[role] = await tokenOf(name ?? `the-${role}`, password);
  }
  tokens.owner = await tokenOf(panel.operator.username, panel.operator.password);
  assert.equal((await panel.api('POST', '/api/v1/users', { name: 'ann' })).status, 201);
  assert.equal((await panel.api('POST', '/api/v1/nodes', { name: 'node', address: 'node.example' })).status, 201);
});
after(() => panel?.stop());

async function tokenOf(username, password) {
  const headers = { 'content-type': 'application/x-www-form-urlencoded' };
  const { status, body, text } = await panel.request('POST', '/api/admin/token', { headers, body: new URLSearchParams({ username, password }).toString() });
  assert.equal(status, 200, text);
  return body.access_token;
}

const isRead = (method) => method === 'GET';
/** A body that breaks every rule: who is let in changes nothing. */
const send = (method, where, headers) => panel.request(method, where, { ...(isRead(method) ? {} : { body: '[0]' }), headers: { 'content-type': 'application/json', ...headers } });

test('every route of the table of URLs is in the table here', async () => {
  const source = await readFile(path.join(ROOT, 'src/route/marzban.rs'), 'utf8');
  const known = new Set(ROUTES.map(([method, where]) => `${method} ${where.replace(/\/(the-reseller|ann|1)(?=\/|$)/g, '/{}')}`));
  const said = [...source.matchAll(/\/\/\/ `(GET|POST|PUT|DELETE) (\/api\/[^`]+)`/g)].map(([, method, where]) => `${method} ${where.replace(/\{\w+\}/g, '{}')}`);
  // A WebSocket has its own ways in: tests/marzban-logs.test.mjs.
  const missing = said.filter((one) => !known.has(one) && !one.endsWith('/logs'));
  assert.deepEqual(missing, []);
  assert.equal(known.size, said.filter((one) => !one.endsWith('/logs')).length);
});

test('nobody gets anywhere without a bearer that is ours, also with the cookie of a session', async () => {
  const before = await dump(panel);
  for (const [method, where] of ROUTES) {
    const none = await send(method, where, {});
    const shared = /^\/api\/user\/ann$/.test(where);
    assert.deepEqual([none.status, none.body.detail, none.headers.get('www-authenticate')], [401, 'Not authenticated', 'Bearer'], `${method} ${where}`);
    const ours = await send(method, where, { cookie });
    // On the paths that the simple API shares, a session speaks that one; without an Origin it changes nothing.
    if (!shared) assert.equal(ours.status, 401, `${method} ${where} with a cookie`);
    for (const bearer of ['nonsense', 'a.b.c', `${tokens.owner.slice(0, -2)}xx`]) {
      const wrong = await send(method, where, { authorization: `Bearer ${bearer}` });
      assert.deepEqual([wrong.status, wrong.body.detail], [401, 'Could not validate credentials'], `${method} ${where} with ${bearer}`);
    }
  }
  assert.deepEqual(await dump(panel), before);
});

for (const role of ['admin', 'reseller', 'viewer']) {
  test(`the role ${role} is refused everywhere else with the sentence that clients know`, async () => {
    const before = await dump(panel);
    const letter = role[0].toUpperCase();
    for (const [method, where, letters] of ROUTES) {
      if (letters.includes(letter) || NOT_ASKED.has(`${letter} ${method} ${where}`)) continue;
      const { status, body } = await send(method, where, { authorization: `Bearer ${tokens[role]}` });
      assert.deepEqual([status, body.detail], [403, "You're not allowed"], `${method} ${where}`);
    }
    assert.deepEqual(await dump(panel), before);
    for (const [method, where, letters] of ROUTES.filter(([method]) => isRead(method))) {
      if (!letters.includes(letter)) continue;
      const { status, text } = await send(method, where, { authorization: `Bearer ${tokens[role]}` });
      assert.ok(status === 200 || (status === 404 && where === '/api/user_template/1'), `${method} ${where}: ${status} ${text}`);
    }
  });
}
