/**
 * A walk over the whole table of URLs on the real Worker: whatever the route, nobody gets in without its credential, no other method, no
 * body beyond the cap, no foreign page, no more rows than strangers may cost; and every answer carries the headers that protect it.
 * What each role may do is proved by tests/roles.test.mjs and tests/marzban-roles.test.mjs, from the tables that are counted here.
 */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { documents } from '../dev/openapi.mjs';
import { matches, operationsOf } from './support/openapi.mjs';
import { addOperator, askToken, sendLogin, signInOwner } from './support/operators.mjs';
import { sha256Hex } from './support/panel-secrets.mjs';
import { ROOT, startPanel } from './support/panel.mjs';
import { assertSentence, chunked, dump, keyWith, sendRaw } from './support/refusals.mjs';
import { CHANGES, MARZBAN, READS } from './support/role-tables.mjs';
import { filled, routes, timesGiven, variants } from './support/route-table.mjs';
import { ENTRIES } from './support/routes.mjs';
import { seedAgent } from './support/seed.mjs';
import { assertHardened, furnish, real, SECRET, strangers } from './support/walk.mjs';
import { PROTOCOL } from './support/wire.mjs';
import { reportOf } from './support/xpert.mjs';

/** A page of another host that the operator lists, and one that he does not. */
const LISTED = 'https://dashboard.example';
const FOREIGN = 'https://evil.example';
/** Methods that are asked for beside those that a path knows; the last one is of another protocol. */
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND'];
/** Requests at a time. */
const AT_ONCE = 8;

let panel;
let owner;
let token;
let node;
/** Bearers that let nobody in any more, or never did, by what is wrong with them. @type {Record<string, string>} */
let bearers;
/** Cookies, the same. @type {Record<string, string>} */
let cookies;

before(async () => {
  panel = await startPanel({ bucket: true, vars: { XPERT_ORIGINS: LISTED } });
  owner = await signInOwner(panel);
  token = (await askToken(panel)).body.access_token;
  node = await seedAgent(panel, { name: `${SECRET}-node` });
  await furnish(panel, { owner, token });
  ({ bearers, cookies } = await strangers(panel, { owner, token, node }));
});
after(() => panel?.stop());

/** An answer, of which everything holds that has to of every answer. */
async function ask(method, where, options = {}) {
  const answer = await panel.request(method, where, options);
  assertHardened(method, where, answer, options.headers?.origin === LISTED ? LISTED : undefined);
  return answer;
}

/** A refusal, of this status, that names nothing of what is there, and costs no more rows than this. */
async function refused(method, where, options, status, { read = 2, why = '' } = {}) {
  const answer = await ask(method, where, options);
  const of = `${method} ${where} ${why}: ${answer.text.slice(0, 200)}`;
  assert.equal(answer.status, status, of);
  assert.ok(!answer.text.includes(SECRET) && !answer.text.includes('/sub/'), of);
  assert.ok(answer.cost.read <= read && answer.cost.written === 0, `${of} ${JSON.stringify(answer.cost)}`);
  return answer;
}

/** Do it for each, some at a time. */
async function each(list, work) {
  const left = [...list];
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    for (let one = left.shift(); one !== undefined; one = left.shift()) await work(one);
  }));
}

const ofDoor = (...doors) => ENTRIES.filter(({ door }) => doors.includes(door));
const nameOf = ({ method, path: where }) => `${method} ${where}`;
/** Whether GET of the path goes by HEAD too, without the table saying so: wherever Xpert's API has it. */
const methodsOf = (where) => {
  const methods = routes().filter((route) => route.path === where).map(({ method }) => method);
  return new Set(where.startsWith('/api/xpert/') ? [...methods, 'OPTIONS', ...(methods.includes('GET') ? ['HEAD'] : [])] : methods);
};
const paths = () => [...new Set(routes().map((route) => route.path))];

test('every variant of the table says which URLs it is, and no line of it gives another one', () => {
  // The verbs of a user share a line, GET and PUT of settings have one and PATCH another; OPTIONS is answered wherever Xpert's API has something.
  const others = { 'Route::ActOnUser': [4, 0], 'Route::Settings': [1, 2], 'Xpert::Preflight': [0, 0] };
  for (const { variant, routes: named } of variants()) {
    const counts = [new Set(named.map((route) => route.path)).size, timesGiven(variant)];
    assert.deepEqual(counts, others[variant] ?? [counts[1], Math.max(1, counts[1])], `${variant}: paths in its comment, and in the table`);
  }
  assert.ok(routes().length > 260, `${routes().length} routes were read`);
});

test('every route has an entry here, every entry is a route, and every one that asks for an operator is in a table of roles', () => {
  const known = routes().filter(({ method }) => method !== 'HEAD').map(nameOf);
  assert.deepEqual(known.filter((name) => !ENTRIES.some((entry) => nameOf(entry) === name)), [], 'routes without an entry');
  assert.deepEqual(ENTRIES.map(nameOf).filter((name) => !known.includes(name)), [], 'entries without a route');
  assert.equal(new Set(ENTRIES.map(nameOf)).size, ENTRIES.length, 'an entry that comes twice');
  const tables = [...CHANGES, ...READS.map(([where]) => ['GET', where]), ...MARZBAN];
  const needRole = ofDoor('page', 'session', 'operator', 'either', 'marzban');
  assert.deepEqual(needRole.filter(({ method, path: where }) => !tables.some(([verb, one]) => verb === method && matches(where, one))).map(nameOf), [], 'in no table of roles');
});

test('the entries say of a body what the documents of the APIs say', () => {
  for (const { method, path: where, operation } of Object.values(documents()).flatMap(operationsOf)) {
    const entry = ENTRIES.find((one) => one.method === method && one.path === where.replaceAll(/\{\w+\}/g, '{x}'));
    if (entry) assert.equal(entry.cap !== null, operation.requestBody !== undefined, nameOf(entry));
  }
});

test("no bearer that ended, or never was one, lets anybody into an operator's routes, and none is told what is there", async () => {
  await each(ofDoor('operator'), async ({ method, path: where }) => {
    const body = method === 'GET' ? {} : { body: '{}' };
    await refused(method, real(where), body, 401, { read: 0, why: 'without a credential' });
    for (const [why, key] of Object.entries(bearers)) await refused(method, real(where), { ...body, key }, 401, { why });
    for (const [why, cookie] of Object.entries(cookies)) await refused(method, real(where), { ...body, headers: { cookie, origin: panel.url } }, 401, { why });
  });
});

test('nor into those of a session, where an API key is nobody either', async () => {
  await each(ofDoor('session'), async ({ method, path: where }) => {
    const body = method === 'GET' ? {} : { body: '{}' };
    await refused(method, real(where), body, 401, { read: 0 });
    for (const [why, key] of Object.entries({ ...bearers, good: panel.apiKey })) await refused(method, real(where), { ...body, key, headers: { cookie: owner.cookie, origin: panel.url } }, 403, { read: 0, why });
    for (const [why, cookie] of Object.entries(cookies)) await refused(method, real(where), { ...body, headers: { cookie, origin: panel.url } }, 401, { why });
  });
});

test('a page sends whoever has no session to sign in, and shows nothing', async () => {
  await each(ofDoor('page'), async ({ path: where }) => {
    const strangers = { without: {}, 'a key': { authorization: `Bearer ${panel.apiKey}` }, ...Object.fromEntries(Object.entries(cookies).map(([why, cookie]) => [why, { cookie }])) };
    for (const [why, headers] of Object.entries(strangers)) {
      const { headers: given, text } = await refused(why === 'without' ? 'HEAD' : 'GET', real(where), { headers }, 303, { why });
      assert.deepEqual([given.get('location'), text], ['/login', ''], `${where} ${why}`);
    }
  });
});

test("Marzban's routes know neither a bearer that ended nor a cookie", async () => {
  await each(ofDoor('marzban', 'either'), async ({ method, path: where, door }) => {
    const body = method === 'GET' ? {} : { body: '{}' };
    await refused(method, real(where), body, 401, { read: 0 });
    // A token that is none of ours is tried with the secret of an imported Marzban where numbers are read.
    for (const [why, key] of Object.entries(bearers)) await refused(method, real(where), { ...body, key }, 401, { read: 3, why });
    if (door === 'marzban') await refused(method, real(where), { ...body, headers: { cookie: owner.cookie, origin: panel.url } }, 401, { read: 0, why: 'with a session' });
    for (const [why, cookie] of Object.entries(cookies)) await refused(method, real(where), { ...body, headers: { cookie, origin: panel.url } }, 401, { why });
  });
});

test("a node's routes know its key and no other", async () => {
  const good = JSON.stringify(node.message());
  for (const [why, key] of Object.entries({ ...bearers, "an operator's": panel.apiKey, "Marzban's": token, "a node's": 'f'.repeat(64) })) {
    await refused('POST', '/agent/v1/sync', { key, body: good }, 401, { why });
  }
  await refused('POST', '/agent/v1/sync', { body: good }, 401, { read: 0 });
  // Who does not upgrade learns that he has to. With the upgrade they are refused in tests/bad-input.test.mjs and tests/marzban-logs.test.mjs.
  await refused('GET', '/agent/v1/bell', {}, 426, { read: 0 });
  for (const { path: where } of ofDoor('socket')) await refused('GET', real(where), {}, 404, { read: 0 });
});

/** What a stranger may ask, as he asks it worst: the answers, and the most rows that one of them reads. None is written beside counts of guesses. */
const STRANGERS = {
  'POST /agent/v1/enroll': { read: 1, calls: () => [[{ body: JSON.stringify({ protocol: PROTOCOL, agent: 'test', token: '0'.repeat(32), key_hash: sha256Hex('x') }) }, 404], [{ body: '{' }, 400]] },
  'GET /sub/{x}': { read: 1, calls: () => [[{}, 404, '/sub/unknown'], [{}, 404, `/sub/${'A'.repeat(32)}`], [{}, 404, `/sub/${marzbanToken()}`], [{}, 404, `/sub/${'A'.repeat(4000)}`]] },
  'GET /sub/{x}/{x}': { read: 1, calls: () => ['base64', 'info', 'usage', 'qr', 'nothing'].map((format) => [{}, 404, `/sub/${'A'.repeat(32)}/${format}`]) },
  'GET /install.sh': { read: 0, calls: () => [[{}, 404], [{}, 200]] },
  'GET /health': { read: 2, calls: () => [[{}, 200]] },
  'POST /language': { read: 0, calls: () => [[{ body: 'language=en' }, 403], [{ body: 'language=xx', headers: { origin: panel.url } }, 422], [{ body: 'language=en', headers: { origin: FOREIGN } }, 403]] },
  'GET /login': { read: 2, calls: () => [[{}, 200], [{ headers: { cookie: cookies.ended } }, 200]] },
  'GET /login/challenge': { read: 0, calls: () => [[{}, 200]] },
  'POST /logout': { read: 2, calls: () => [[{}, 403], [{ headers: { origin: FOREIGN, cookie: owner.cookie } }, 403], [{ headers: { origin: panel.url, cookie: cookies.ended } }, 303]] },
  'GET /api/xpert/traffic-stats/{x}': { read: 1, calls: () => ['unknown', 'A'.repeat(32), 'A'.repeat(4000)].map((one) => [{}, 404, `/api/xpert/traffic-stats/${one}`]) },
  'GET /api/xpert/sub': { read: 1, calls: () => [[{}, 422], ...['unknown', 'A'.repeat(32)].map((one) => [{}, 404, `/api/xpert/sub?user_token=${one}`])] },
  'GET /api/xpert/direct-configs/sub': { read: 1, calls: () => [[{}, 422], ...['unknown', 'A'.repeat(32)].map((one) => [{}, 404, `/api/xpert/direct-configs/sub?user_token=${one}`])] },
};
const marzbanToken = () => `${Buffer.from(`${SECRET},1700000000`).toString('base64url')}AAAAAAAAAA`;

/** Where guesses are counted, and the test that proves it: here, or in a file of its own. */
const LIMITED = {
  'POST /login': ['sign-in.test.mjs', 'an address that failed thirty times is locked for every name'],
  'POST /api/admin/token': ['route-walk.test.mjs', 'guesses of a password are counted'],
  'POST /api/xpert/traffic-webhook': ['xpert-webhook.test.mjs', 'the 61st report of a token within a minute'],
  'POST /api/v1/me/password': ['sign-in.test.mjs', 'whoever finds an open browser cannot guess the password in it'],
  'POST /api/v1/me/two-factor': ['route-walk.test.mjs', 'guesses of a password are counted'],
  'DELETE /api/v1/me/two-factor': ['route-walk.test.mjs', 'guesses of a password are counted'],
  'POST /api/v1/me/two-factor/confirm': ['route-walk.test.mjs', 'guesses of a password are counted'],
  'POST /api/v1/me/two-factor/recovery-codes': ['route-walk.test.mjs', 'guesses of a password are counted'],
  'POST /api/v1/me/passkeys/challenge': ['route-walk.test.mjs', 'guesses of a password are counted'],
};

test('every route that anybody may call is limited, or costs few rows', async () => {
  assert.deepEqual(ofDoor('open').map(nameOf).filter((name) => !(name in STRANGERS) && !(name in LIMITED)), []);
  for (const [file, title] of Object.values(LIMITED)) {
    assert.ok((await readFile(path.join(ROOT, 'tests', file), 'utf8')).includes(`test('${title}`), `${file} has no test "${title}"`);
  }
  const before = await dump(panel);
  for (const [name, { read, calls }] of Object.entries(STRANGERS)) {
    const [method, where] = name.split(' ');
    for (const [options, status, other = where] of calls()) {
      if (name === 'GET /install.sh' && (await ask(method, other)).status !== status) continue;
      await refused(method, other, options, status, { read });
    }
  }
  assert.deepEqual(await dump(panel), before);
});

test('guesses of a password are counted wherever one is asked for', async () => {
  const guesses = async (work) => {
    const statuses = [];
    while (statuses.length < 12 && statuses.at(-1) !== 429) statuses.push((await work(statuses.length)).status);
    return statuses;
  };
  const form = { 'content-type': 'application/x-www-form-urlencoded', 'cf-connecting-ip': '203.0.113.9' };
  const ofToken = await guesses((at) => ask('POST', '/api/admin/token', { body: `username=nobody-${at}&password=x`, headers: form }));
  assert.deepEqual(ofToken, [...Array(10).fill(401), 429], 'of an address');
  for (const name of Object.keys(LIMITED).filter((one) => one.includes('/me/'))) {
    const [method, where] = name.split(' ');
    const person = await addOperator(panel, owner, { name: `guess-${sha256Hex(name).slice(0, 8)}`, role: 'viewer' });
    const wrong = JSON.stringify(where.endsWith('confirm') ? { code: '000000' } : { password: 'wrong' });
    const headers = { cookie: person.cookie, origin: panel.url };
    const statuses = await guesses(() => ask(method, where, { body: wrong, headers }));
    assert.ok(statuses.length <= 11 && statuses.at(-1) === 429 && statuses.slice(0, -1).every((status) => [409, 422].includes(status)), `${name}: ${statuses}`);
  }
});

test('another method is 405, with the methods that the path has', async () => {
  const before = await dump(panel);
  await each(paths(), async (where) => {
    const known = methodsOf(where);
    for (const method of METHODS.filter((one) => !known.has(one))) {
      const { status, headers, cost } = await ask(method, filled(where), { headers: { cookie: owner.cookie, origin: panel.url } });
      assert.equal(status, 405, `${method} ${where}`);
      assert.deepEqual(headers.get('allow').split(', ').sort(), [...known].filter((one) => one !== 'OPTIONS').sort(), `${method} ${where}`);
      assert.equal(cost.queries, 0, `${method} ${where}`);
    }
  });
  assert.deepEqual(await dump(panel), before);
});

test('what is no path is 404 whatever the method, in the form of its face', async () => {
  for (const where of ['/nowhere', '/users/x/y/z', '/api', '/api/nowhere', '/api/v1', '/api/v1/nowhere', '/api/v1/users/x/nowhere', '/api/users/nowhere', '/api/xpert/nowhere', '/agent/v2/sync', '/sub', '/sub/a/b/c', '/%00', '/..%2f..%2fetc']) {
    for (const method of METHODS) await refused(method, where, { headers: { cookie: owner.cookie, origin: panel.url } }, 404, { read: 0 });
  }
});

test('a body beyond the cap is refused before it is read, with a length and without, and one of exactly the cap is not', async () => {
  const before = await dump(panel);
  const withBody = ENTRIES.filter(({ cap }) => cap !== null);
  assert.ok(withBody.length > 55, `${withBody.length}`);
  await each(withBody, async ({ method, path: where, cap, door }) => {
    const browser = { cookie: owner.cookie, origin: panel.url };
    const own = { open: { origin: panel.url }, marzban: { authorization: `Bearer ${token}` }, node: { authorization: `Bearer ${node.key}` } }[door] ?? browser;
    // Each from an address of its own: attempts to sign in are counted.
    const headers = { ...own, 'cf-connecting-ip': `198.51.100.${withBody.findIndex((one) => one.path === where && one.method === method)}` };
    const of = `${method} ${where}`;
    const isTooLarge = async (why, more, body) => {
      const answer = await sendRaw(panel, method, real(where), { ...headers, ...more }, body);
      assert.equal(answer.status, 413, `${of} ${why}`);
    };
    await isTooLarge('by its length alone', { 'content-length': cap + 1 }, '');
    await isTooLarge('without a length', { 'transfer-encoding': 'chunked' }, chunked(cap + 1));
    const exact = await sendRaw(panel, method, real(where), { ...headers, 'content-length': cap }, ' '.repeat(cap));
    assert.ok(exact.status < 500 && exact.status !== 413, `${of} of exactly the cap: ${exact.status}`);
  });
  assert.deepEqual(await dump(panel), before);
});

test('everything that is read is shown with the headers that protect it, and a page of another host reads Xpert alone', async () => {
  const shown = [];
  await each(ENTRIES.filter(({ method, door }) => method === 'GET' && !['socket', 'node'].includes(door)), async ({ path: where, door }) => {
    const headers = door === 'marzban' ? { authorization: `Bearer ${token}` } : { cookie: owner.cookie };
    for (const origin of [undefined, FOREIGN, LISTED]) {
      const { status, text } = await ask('GET', real(where), { headers: { ...headers, ...(origin && { origin }) } });
      if (!origin && status === 200 && text.includes(SECRET)) shown.push(where);
    }
  });
  // What strangers were not told is really there to be told.
  assert.ok(shown.length > 35, `${shown.length}: ${shown}`);
});

test('a page of another host may ask Xpert for every method that the path has, if the operator lists it, and nothing else', async () => {
  for (const where of paths()) {
    for (const origin of [LISTED, FOREIGN]) {
      const headers = { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization' };
      const answer = await ask('OPTIONS', filled(where), { headers });
      const isXpert = where.startsWith('/api/xpert/');
      assert.equal(answer.status, isXpert ? 204 : 405, where);
      const allowed = answer.headers.get('access-control-allow-methods');
      if (!isXpert || origin === FOREIGN) assert.equal(allowed, null, where);
      else assert.deepEqual([...methodsOf(where)].filter((method) => !allowed.split(', ').includes(method)), [], where);
    }
  }
});

test('a refusal of each kind is a sentence', async () => {
  for (const [options, status] of [[{}, 401], [{ key: await keyWith(panel, 'stats:read') }, 403]]) {
    const { body } = await refused('GET', '/api/v1/users', options, status);
    assertSentence(body.error.message);
  }
  const { status } = await sendLogin(panel, { name: SECRET, password: 'wrong' }, { origin: FOREIGN });
  assert.equal(status, 403);
  const report = await ask('POST', '/api/xpert/traffic-webhook', { body: JSON.stringify(reportOf('A'.repeat(32))) });
  assert.equal(report.status, 404, report.text);
});
