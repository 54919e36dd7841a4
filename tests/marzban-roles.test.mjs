/** Marzban's API, route by route: nobody without a bearer, and each role as far as it reaches. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { addOperator, signInOwner } from './support/operators.mjs';
import { ROOT, startPanel } from './support/panel.mjs';
import { dump } from './support/refusals.mjs';
import { MARZBAN, NOT_ASKED } from './support/role-tables.mjs';

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
  const known = new Set(MARZBAN.map(([method, where]) => `${method} ${where.replace(/\/(the-reseller|ann|1)(?=\/|$)/g, '/{}')}`));
  const said = [...source.matchAll(/\/\/\/ `(GET|POST|PUT|DELETE) (\/api\/[^`]+)`/g)].map(([, method, where]) => `${method} ${where.replace(/\{\w+\}/g, '{}')}`);
  // A WebSocket has its own ways in: tests/marzban-logs.test.mjs.
  const missing = said.filter((one) => !known.has(one) && !one.endsWith('/logs'));
  assert.deepEqual(missing, []);
  assert.equal(known.size, said.filter((one) => !one.endsWith('/logs')).length);
});

test('nobody gets anywhere without a bearer that is ours, also with the cookie of a session', async () => {
  const before = await dump(panel);
  for (const [method, where] of MARZBAN) {
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
    for (const [method, where, letters] of MARZBAN) {
      if (letters.includes(letter) || NOT_ASKED.has(`${letter} ${method} ${where}`)) continue;
      const { status, body } = await send(method, where, { authorization: `Bearer ${tokens[role]}` });
      assert.deepEqual([status, body.detail], [403, "You're not allowed"], `${method} ${where}`);
    }
    assert.deepEqual(await dump(panel), before);
    for (const [method, where, letters] of MARZBAN.filter(([method]) => isRead(method))) {
      if (!letters.includes(letter)) continue;
      const { status, text } = await send(method, where, { authorization: `Bearer ${tokens[role]}` });
      assert.ok(status === 200 || (status === 404 && where === '/api/user_template/1'), `${method} ${where}: ${status} ${text}`);
    }
  });
}
