/** Who may call the own API: keys with scopes, sessions of a browser, and what happens to whoever guesses. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { sha256Hex } from './support/panel-secrets.mjs';
import { startPanel } from './support/panel.mjs';
import { assertRefused, dump, keyWith } from './support/refusals.mjs';
import { now } from './support/wire.mjs';

const SCOPES = ['users:read', 'users:write', 'nodes:read', 'nodes:write', 'stats:read'];

/** Every route that wants a credential: method, path, the scope that it takes. */
const ROUTES = [
  ['GET', '/api/v1/users', 'users:read'],
  ['POST', '/api/v1/users', 'users:write'],
  ['GET', '/api/v1/users/ann', 'users:read'],
  ['PATCH', '/api/v1/users/ann', 'users:write'],
  ['DELETE', '/api/v1/users/ann', 'users:write'],
  ['POST', '/api/v1/users/ann/reset', 'users:write'],
  ['POST', '/api/v1/users/ann/enable', 'users:write'],
  ['POST', '/api/v1/users/ann/disable', 'users:write'],
  ['POST', '/api/v1/users/ann/revoke', 'users:write'],
  ['GET', '/api/v1/nodes', 'nodes:read'],
  ['POST', '/api/v1/nodes', 'nodes:write'],
  ['GET', '/api/v1/nodes/1', 'nodes:read'],
  ['PATCH', '/api/v1/nodes/1', 'nodes:write'],
  ['GET', '/api/v1/nodes/1/inbounds', 'nodes:read'],
  ['GET', '/api/v1/nodes/1/addresses', 'nodes:read'],
  ['POST', '/api/v1/nodes/1/addresses', 'nodes:write'],
  ['POST', '/api/v1/nodes/1/addresses/reorder', 'nodes:write'],
  ['GET', '/api/v1/nodes/1/addresses/1', 'nodes:read'],
  ['PATCH', '/api/v1/nodes/1/addresses/1', 'nodes:write'],
  ['DELETE', '/api/v1/nodes/1/addresses/1', 'nodes:write'],
  ['DELETE', '/api/v1/nodes/1', 'nodes:write'],
  ['POST', '/api/v1/nodes/1/rotate-key', 'nodes:write'],
];

let panel;
/** Addresses of people who sign in: the platform counts attempts per address. */
let people = 0;

before(async () => {
  panel = await startPanel();
  assert.equal((await panel.api('POST', '/api/v1/users', { name: 'ann' })).status, 201);
  assert.equal((await panel.api('POST', '/api/v1/nodes', { name: 'node', address: 'node.example' })).status, 201);
  assert.equal((await panel.api('POST', '/api/v1/nodes/1/addresses', { inbound: 'in' })).status, 201);
});
after(() => panel?.stop());

/** Send the form of the login page, as a page of ours and from an address of its own unless told. */
function signIn(fields, headers = {}) {
  people += 1;
  const own = { origin: panel.url, 'cf-connecting-ip': `203.0.113.${people % 256}`, 'content-type': 'application/x-www-form-urlencoded' };
  return panel.request('POST', '/login', { body: new URLSearchParams(fields).toString(), headers: { ...own, ...headers } });
}

/** @returns {Promise<string>} the `Cookie` header of a new session */
async function session() {
  const answer = await signIn({ name: panel.operator.username, password: panel.operator.password });
  assert.equal(answer.status, 303, answer.text);
  return answer.headers.get('set-cookie').split(';')[0];
}

/** What each route answers to a credential; bodies are empty objects, which no route takes for a creation. */
async function answersOf(headers) {
  const answers = [];
  for (const [method, where, scope] of ROUTES) {
    const body = method === 'GET' ? undefined : '{}';
    answers.push([await panel.request(method, where, { body, headers }), `${method} ${where}`, scope]);
  }
  return answers;
}

test('without a credential, and with one that nobody has, every route is 401 and nothing is changed', async () => {
  const expired = await keyWith(panel, SCOPES.join(' '), now() - 1);
  const atThisSecond = await keyWith(panel, SCOPES.join(' '), now());
  const before = await dump(panel);
  for (const authorization of [undefined, 'Bearer', 'Bearer ', 'Bearer weir_0123456789abcdef', `Bearer ${expired}`, `Bearer ${atThisSecond}`,
    `Bearer ${sha256Hex(panel.apiKey)}`, `Bearer ${panel.apiKey}x`, `Basic ${panel.apiKey}`, panel.apiKey]) {
    for (const [answer] of await answersOf(authorization === undefined ? {} : { authorization })) assertRefused(answer, 401, 'unauthorized');
  }
  assert.deepEqual(await dump(panel), before);
});

test('a key lets its scopes in, and every other route names the scope that is missing', async () => {
  for (const held of [...SCOPES, '', 'users', 'users:*', 'users:reader users:writer', SCOPES.join(','), 'USERS:READ']) {
    const authorization = `Bearer ${await keyWith(panel, held)}`;
    const before = await dump(panel);
    for (const [method, where, scope] of ROUTES.filter(([, , wanted]) => wanted !== held)) {
      const answer = await panel.request(method, where, { body: method === 'GET' ? undefined : '{}', headers: { authorization } });
      assertRefused(answer, 403, 'forbidden');
      assert.ok(answer.body.error.message.endsWith(` ${scope}`), answer.text);
    }
    assert.deepEqual(await dump(panel), before, held);
  }
});

test('a key of exactly its scope is let in everywhere that the scope reaches', async () => {
  for (const [method, where, scope] of ROUTES.filter(([verb]) => verb !== 'DELETE')) {
    const authorization = `bearer ${await keyWith(panel, `other:thing ${scope}`, now() + 60)}`;
    const answer = await panel.request(method, where, { body: method === 'GET' ? undefined : '{}', headers: { authorization } });
    assert.ok([200, 422].includes(answer.status), `${method} ${where}: ${answer.status} ${answer.text}`);
  }
});

test('keys, passwords and sessions stand in the database as hashes only', async () => {
  const cookie = await session();
  const all = JSON.stringify(await dump(panel));
  for (const secret of [panel.apiKey, panel.operator.password, cookie.split('=')[1]]) {
    assert.ok(!all.includes(secret));
    assert.ok(all.includes(sha256Hex(secret)));
  }
});

test('signing in sets a cookie that scripts and other sites cannot use, and opens the page', async () => {
  const answer = await signIn({ name: panel.operator.username.toUpperCase(), password: panel.operator.password });
  assert.deepEqual([answer.status, answer.headers.get('location')], [303, '/']);
  const [cookie, ...attributes] = answer.headers.get('set-cookie').split('; ');
  assert.match(cookie, /^sid=[0-9a-f]{64}$/);
  assert.deepEqual(attributes, ['Path=/', 'HttpOnly', 'SameSite=Lax', `Max-Age=${30 * 86_400}`]);
  const page = await panel.request('GET', '/users', { headers: { cookie } });
  assert.equal(page.status, 200);
  assert.match(page.text, /ann/);
  assert.equal((await panel.request('GET', '/login', { headers: { cookie } })).headers.get('location'), '/');
});

test('a session reads the API, and changes it only from our own pages', async () => {
  const cookie = await session();
  for (const [method, where] of ROUTES) {
    const body = method === 'GET' ? undefined : '{}';
    const send = (headers) => panel.request(method, where, { body, headers: { cookie, ...headers } });
    if (method === 'GET') {
      assert.equal((await send({})).status, 200, where);
      continue;
    }
    const before = await dump(panel);
    for (const origin of [undefined, 'null', 'https://evil.example', `${panel.url}.evil.example`, panel.url.replace('http:', 'https:'), `${panel.url}/`]) {
      const answer = await send(origin === undefined ? {} : { origin });
      assertRefused(answer, 403, 'foreign');
    }
    assert.deepEqual(await dump(panel), before, `${method} ${where}`);
    if (method !== 'DELETE') assert.ok([200, 422].includes((await send({ origin: panel.url })).status), `${method} ${where}`);
  }
});

test('a bearer beats a session, valid or not', async () => {
  const cookie = await session();
  const get = (authorization) => panel.request('GET', '/api/v1/users', { headers: { cookie, authorization } });
  assertRefused(await get('Bearer nobodys'), 401, 'unauthorized');
  assertRefused(await get(`Bearer ${await keyWith(panel, 'nodes:read')}`), 403, 'forbidden');
  assert.equal((await get(`Bearer ${panel.apiKey}`)).status, 200);
});

test('a session ends by signing out, by its time, and with its operator', async () => {
  const users = async (cookie) => (await panel.request('GET', '/api/v1/users', { headers: { cookie } })).status;
  const [left, old, kept] = [await session(), await session(), await session()];
  const forged = await panel.request('POST', '/logout', { headers: { cookie: left, origin: 'https://evil.example' } });
  assert.equal(forged.status, 403);
  assert.equal(await users(left), 200, 'another site signs nobody out');
  const out = await panel.request('POST', '/logout', { headers: { cookie: left, origin: panel.url } });
  assert.deepEqual([out.status, out.headers.get('location')], [303, '/login']);
  assert.match(out.headers.get('set-cookie'), /^sid=; .*Max-Age=0$/);
  await panel.db.prepare('UPDATE sessions SET expires_at = unixepoch() WHERE hash = ?1').bind(sha256Hex(old.split('=')[1])).run();
  assert.deepEqual([await users(left), await users(old), await users(kept)], [401, 401, 200]);
  assert.equal(await panel.cron(), 'ok');
  const hashes = (await dump(panel)).sessions.map(({ hash }) => hash);
  assert.ok(!hashes.includes(sha256Hex(old.split('=')[1])), 'what has ended is forgotten');
  assert.ok(hashes.includes(sha256Hex(kept.split('=')[1])));
  for (const cookie of ['sid=', 'sid=nobodys', 'other=1', `sid=${sha256Hex(kept.split('=')[1])}`]) assert.equal(await users(cookie), 401, cookie);
});

test('a wrong name and a wrong password are told alike', async () => {
  const wrong = [];
  for (const [name, password] of [['nobody', 'x'], [panel.operator.username, 'x'], [panel.operator.username, ''], ["' OR 1=1 --", 'x']]) {
    const { status, headers, text } = await signIn({ name, password });
    assert.deepEqual([status, headers.get('set-cookie'), headers.get('location')], [401, null, null]);
    assert.match(text, /Name or password is wrong\./);
    wrong.push(text.replace(/value="[^"]*"/, ''));
  }
  assert.equal(new Set(wrong).size, 1, 'nothing else differs');
});

test('a name that was guessed at ten times is locked from everywhere, the right password included, and only for a while', async () => {
  const fresh = await startPanel();
  try {
    const { username: name, password } = fresh.operator;
    const enter = (fields) => {
      people += 1;
      const headers = { origin: fresh.url, 'cf-connecting-ip': `198.51.100.${people % 256}`, 'content-type': 'application/x-www-form-urlencoded' };
      return fresh.request('POST', '/login', { body: new URLSearchParams(fields).toString(), headers });
    };
    for (let guess = 1; guess <= 9; guess += 1) assert.equal((await enter({ name, password: `guess ${guess}` })).status, 401);
    assert.equal((await enter({ name, password })).status, 303, 'nine guesses are forgiven');
    // All at once: none slips through between the counting and the looking.
    const guesses = await Promise.all(Array.from({ length: 14 }, () => enter({ name: name.toUpperCase(), password: 'guess' })));
    assert.deepEqual(guesses.map(({ status }) => status).sort(), [...Array(10).fill(401), ...Array(4).fill(429)]);
    const locked = await enter({ name, password });
    assert.equal(locked.status, 429);
    assert.match(locked.text, /Too many attempts\. Try again in 15 min\./);
    const wait = Number(locked.headers.get('retry-after'));
    assert.ok(wait > 800 && wait <= 900, `${wait} s`);
    assert.equal(locked.headers.get('set-cookie'), null);
    assert.equal((await enter({ name: 'somebody', password: 'x' })).status, 401, 'nobody else is locked out');
    // Attempts during the lock do not prolong it.
    await fresh.db.prepare('UPDATE sign_ins SET last_at = last_at - 890').run();
    assert.ok(Number((await enter({ name, password })).headers.get('retry-after')) <= 10);
    await fresh.db.prepare('UPDATE sign_ins SET last_at = last_at - 20').run();
    assert.equal((await enter({ name, password })).status, 303);
  } finally {
    await fresh.stop();
  }
});

test('a name that nobody has is locked like any other', async () => {
  for (let guess = 1; guess <= 10; guess += 1) assert.equal((await signIn({ name: 'ghost', password: 'x' })).status, 401);
  assert.equal((await signIn({ name: 'ghost', password: 'x' })).status, 429);
});

test('an address that guesses at many names is slowed down by the platform', async () => {
  const from = { 'cf-connecting-ip': '192.0.2.7' };
  const statuses = [];
  for (let guess = 1; guess <= 12; guess += 1) statuses.push((await signIn({ name: `name-${guess}`, password: 'x' }, from)).status);
  assert.deepEqual(statuses, [...Array(10).fill(401), 429, 429]);
});

test('a form of another site signs nobody in', async () => {
  const fields = { name: panel.operator.username, password: panel.operator.password };
  for (const origin of ['https://evil.example', 'null', '']) {
    const answer = await signIn(fields, { origin });
    assert.deepEqual([answer.status, answer.headers.get('set-cookie')], [403, null], origin);
  }
});
