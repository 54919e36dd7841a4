/** What the own API, the sign-in and the subscriptions say to input that is wrong: a status, a sentence, and nothing is changed. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { startPanel } from './support/panel.mjs';
import { assertRefused, assertSentence, chunked, dump, sendRaw } from './support/refusals.mjs';

const MOST_BODY = 64 * 1024;
const MOST_FORM = 4 * 1024;
const MOST_NUMBER = 2 ** 53 - 1;

/** Every route of the API that takes a body. */
const WITH_BODY = [['POST', '/api/v1/users'], ['PATCH', '/api/v1/users/ann'], ['POST', '/api/v1/nodes']];
/** Wrong values of each field of a user, beside values of another type. */
const WRONG = {
  name: ['', 'ab', 'a b', 'a/b', 'ännchen', '<b>bold</b>', 'x'.repeat(33), 'ann\n', 7, null, ['ann'], { name: 'ann' }, true],
  email: ['', 'ann', '@example.org', 'ann@', 'ann@host', 'a b@example.org', `${'x'.repeat(250)}@e.org`, 'ann@exämple.org', 7, [], true],
  note: ['x'.repeat(1001), 'a\u0000b', 'a\u001bb', 7, [], {}],
  monthly_quota: [-1, 1.5, MOST_NUMBER + 1, 1e300, '1', '', null, [], {}, true],
  total_quota: [-1, 0.1, MOST_NUMBER + 1, '100', null, [1], false],
  reset_day: [0, 32, -1, 1.5, '1', 2 ** 32, null, []],
  time_zone: ['', 'Nowhere/City', 'Asia', 7, null, []],
  expires_at: [-1, 1.5, MOST_NUMBER + 1, 'tomorrow', '2026-01-01', [], {}, true],
};
/** What a creation may be told and a change not, and the other way round. */
const NULL_IS_FINE = { POST: ['email', 'note', 'expires_at'], PATCH: ['email', 'note', 'expires_at'] };
const WRONG_NODE = {
  name: ['', ' node', 'node ', 'x'.repeat(33), 'a\nb', 7, null, []],
  address: ['', 'http://node.example', 'node.example:443', '1.2.3', '1.2.3.400', 'a b', 'münchen.de', '[::1]', 7, null, []],
  coefficient: [-1, 1.5, 100_001, '1000', null, []],
};

let panel;
let subscription;

before(async () => {
  panel = await startPanel();
  const { status, body } = await panel.api('POST', '/api/v1/users', { name: 'ann', monthly_quota: 5 });
  assert.equal(status, 201);
  subscription = new URL(body.subscription_url).pathname;
  assert.equal((await panel.api('POST', '/api/v1/nodes', { name: 'node', address: 'node.example' })).status, 201);
});
after(() => panel?.stop());

const send = (method, where, body) => panel.request(method, where, { key: panel.apiKey, body });

/** Everything in `work` is refused, and leaves no trace. */
async function withoutTrace(work) {
  const before = await dump(panel);
  await work();
  assert.deepEqual(await dump(panel), before);
}

test('a body that is not JSON is malformed', async () => {
  await withoutTrace(async () => {
    for (const [method, where] of WITH_BODY) {
      for (const body of ['', ' ', '{', '{"name":"ben"', '{"name":"ben"}}', '{"name":"ben"}{}', "{'name':'ben'}", 'name=ben', '\uFEFF{"name":"ben"}',
        new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x7d]), '{"name":"\\ud800"}', '[', `${'['.repeat(10_000)}`]) {
        assertRefused(await send(method, where, body), 400, 'malformed');
      }
    }
  });
});

test('JSON that is no object is invalid, a list with the right values too', async () => {
  await withoutTrace(async () => {
    for (const [method, where] of WITH_BODY) {
      for (const body of ['[]', '["ben"]', '["ben","node.example",1000]', 'null', '1', '"ben"', 'true']) assertRefused(await send(method, where, body), 422, 'invalid', 'body');
    }
  });
});

test('a field that is missing is named', async () => {
  await withoutTrace(async () => {
    assertRefused(await send('POST', '/api/v1/users', '{}'), 422, 'invalid', 'name');
    assertRefused(await send('POST', '/api/v1/users', '{"monthly_quota":1}'), 422, 'invalid', 'name');
    assertRefused(await send('POST', '/api/v1/nodes', '{"address":"a.example"}'), 422, 'invalid', 'name');
    assertRefused(await send('POST', '/api/v1/nodes', '{"name":"a"}'), 422, 'invalid', 'address');
  });
});

test('a field that nobody knows is named, and so is one that is said twice', async () => {
  await withoutTrace(async () => {
    const whole = { users: { name: 'ben' }, 'users/ann': {}, nodes: { name: 'ben', address: 'a.example' } };
    for (const [method, where] of WITH_BODY) {
      const known = whole[where.slice('/api/v1/'.length)];
      for (const unknown of ['quota', 'Name', 'id', 'status', 'slot', 'lifetime', '__proto__']) {
        const body = JSON.stringify(known).replace(/\}$/, `${Object.keys(known).length ? ',' : ''}"${unknown}":1}`);
        assertRefused(await send(method, where, body), 422, 'invalid', unknown);
      }
    }
    assertRefused(await send('POST', '/api/v1/users', '{"name":"ben","name":"bob"}'), 422, 'invalid', 'name');
  });
});

test('a value of the wrong type or out of its range is named with its field', async () => {
  await withoutTrace(async () => {
    for (const [method, where, wrong, rest] of [
      ['POST', '/api/v1/users', WRONG, { name: 'ben' }],
      ['PATCH', '/api/v1/users/ann', WRONG, { note: 'changed' }],
      ['POST', '/api/v1/nodes', WRONG_NODE, { name: 'ben', address: 'a.example' }],
    ]) {
      for (const [field, values] of Object.entries(wrong)) {
        for (const value of values.filter((one) => one !== null || !NULL_IS_FINE[method].includes(field))) {
          const answer = await send(method, where, JSON.stringify({ ...rest, [field]: value }));
          assert.equal(answer.status, 422, `${method} ${where} ${field}=${JSON.stringify(value)}: ${answer.text}`);
          assertRefused(answer, 422, 'invalid', field);
        }
      }
    }
  });
});

test('numbers at the ends of their ranges are taken', async () => {
  for (const fields of [
    { monthly_quota: 0, total_quota: 0, reset_day: 1, expires_at: 0 },
    { monthly_quota: MOST_NUMBER, total_quota: MOST_NUMBER, reset_day: 31, expires_at: MOST_NUMBER, name: 'x'.repeat(32), note: 'ö'.repeat(1000) },
  ]) {
    const created = await send('POST', '/api/v1/users', JSON.stringify({ name: 'ends', ...fields }));
    assert.equal(created.status, 201, created.text);
    const changed = await send('PATCH', `/api/v1/users/${created.body.name}`, JSON.stringify(fields));
    assert.equal(changed.status, 200, changed.text);
    for (const [field, value] of Object.entries(fields)) assert.equal(changed.body[field], value, field);
    assert.equal((await send('GET', '/api/v1/users?sort=-used')).status, 200);
    assert.equal((await panel.request('GET', new URL(changed.body.subscription_url).pathname)).status, 200);
    assert.equal((await send('DELETE', `/api/v1/users/${created.body.name}`)).status, 204);
  }
});

test('a query that makes no sense is named', async () => {
  await withoutTrace(async () => {
    for (const [field, values] of Object.entries({
      limit: ['0', '201', '-1', '1.5', 'all', '', '1e2', '99999999999999999999', '%00'],
      offset: ['-1', '1.5', 'x', '', '4294967296'],
      sort: ['id', 'NAME', '--name', 'name,used', '%27'],
      status: ['open', 'ACTIVE', 'vacant', 'active,limited', '0'],
    })) {
      for (const value of values) assertRefused(await send('GET', `/api/v1/users?${field}=${value}`), 422, 'invalid', field);
    }
  });
});

test('a body that is too large is refused before it is parsed, or even sent', async () => {
  await withoutTrace(async () => {
    const authorization = `Bearer ${panel.apiKey}`;
    for (const [method, where] of WITH_BODY) {
      // What would be a fine creation, but for its length; what is no JSON at all; only the head; and a length that nobody tells.
      const padded = JSON.stringify({ name: 'large', address: 'a.example' }).padEnd(MOST_BODY + 1, ' ');
      const length = { 'content-length': MOST_BODY + 1 };
      const coding = { 'transfer-encoding': 'chunked' };
      for (const [headers, body] of [[length, padded], [length, 'x'.repeat(MOST_BODY + 1)], [length, ''], [coding, chunked(2 * MOST_BODY)]]) {
        const answer = await sendRaw(panel, method, where, { authorization, ...headers }, body);
        assert.deepEqual([answer.status, answer.body.error.code], [413, 'too_large'], JSON.stringify(headers));
        assertSentence(answer.body.error.message);
      }
    }
  });
  const most = JSON.stringify({ note: 'as large as may be' }).padEnd(MOST_BODY, ' ');
  assert.equal((await send('PATCH', '/api/v1/users/ann', most)).status, 200);
});

test('who may not call is told so before his body is read', async () => {
  for (const [method, where] of WITH_BODY) {
    assert.equal((await sendRaw(panel, method, where, { authorization: 'Bearer wrong', 'content-length': 10 * MOST_BODY })).status, 401);
    assertRefused(await panel.request(method, where, { body: '{' }), 401, 'unauthorized');
  }
});

test('an unknown path is 404, and another method is 405 with the ones that work', async () => {
  await withoutTrace(async () => {
    for (const where of ['/api', '/api/v1', '/api/v2/users', '/api/v1/user', '/api/v1/users/ann/fly', '/api/v1/users/ann/reset/now', '/api/v1/nodes/1/keys',
      '//api/v1/users', '/api/v1//users', '/API/v1/users', '/health/x']) {
      for (const method of ['GET', 'POST']) {
        const answer = await send(method, where, method === 'GET' ? undefined : '{}');
        assert.equal(answer.status, 404, `${method} ${where}`);
        if (where.startsWith('/api') || where.startsWith('//api')) assertRefused(answer, 404, 'not_found');
      }
    }
    for (const [where, allow] of [
      ['/api/v1/users', 'GET, POST'],
      ['/api/v1/users/ann', 'GET, PATCH, DELETE'],
      ['/api/v1/users/ann/reset', 'POST'],
      ['/api/v1/users/ann/enable', 'POST'],
      ['/api/v1/users/ann/disable', 'POST'],
      ['/api/v1/users/ann/revoke', 'POST'],
      ['/api/v1/nodes', 'GET, POST'],
      ['/api/v1/nodes/1', 'GET, PATCH, DELETE'],
      ['/api/v1/nodes/1/inbounds', 'GET'],
      ['/api/v1/nodes/1/addresses', 'GET, POST'],
      ['/api/v1/nodes/1/addresses/reorder', 'POST'],
      ['/api/v1/nodes/1/addresses/1', 'GET, PATCH, DELETE'],
      ['/api/v1/nodes/1/rotate-key', 'POST'],
      ['/health', 'GET, HEAD'],
    ]) {
      for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'].filter((one) => !allow.split(', ').includes(one))) {
        const answer = await send(method, where);
        assert.deepEqual([answer.status, answer.headers.get('allow')], [405, allow], `${method} ${where}`);
        if (method !== 'HEAD') assertRefused(answer, 405, 'method_not_allowed');
      }
    }
  });
});

test('what does not exist is 404, whatever the name looks like', async () => {
  await withoutTrace(async () => {
    for (const name of ['nobody', 'x', '%00', '%zz', '%ff', '%2e%2e', "ann'--", '*', 'x'.repeat(2000), 'Änn', '1']) {
      for (const [method, where, body] of [['GET', ''], ['PATCH', '', '{"monthly_quota":1}'], ['DELETE', ''], ['POST', '/reset'], ['POST', '/revoke']]) {
        assertRefused(await send(method, `/api/v1/users/${encodeURI(name).replaceAll('%25', '%')}${where}`, body), 404, 'not_found');
      }
    }
    for (const id of ['0', '999', '-1', '1.0', 'node', '99999999999', '%31x']) {
      for (const [method, where] of [['GET', ''], ['DELETE', ''], ['POST', '/rotate-key'], ['GET', '/inbounds'], ['GET', '/addresses'], ['GET', '/addresses/1'], ['DELETE', '/addresses/1']]) assertRefused(await send(method, `/api/v1/nodes/${id}${where}`), 404, 'not_found');
    }
  });
});

test('every answer of the API forbids what a browser might do with it', async () => {
  for (const answer of [await send('GET', '/api/v1/users'), await send('GET', '/api/v1/nowhere'), await panel.request('GET', '/api/v1/users'), await send('GET', '/health')]) {
    assert.equal(answer.headers.get('content-type'), 'application/json');
    assert.equal(answer.headers.get('cache-control'), 'no-store');
    assert.equal(answer.headers.get('x-content-type-options'), 'nosniff');
    assert.match(answer.headers.get('content-security-policy'), /^default-src 'none'/);
    assert.equal(answer.headers.get('access-control-allow-origin'), null);
  }
});

test('a sign-in form that is wrong is refused and opens no session', async () => {
  const headers = { origin: panel.url, 'content-type': 'application/x-www-form-urlencoded', 'cf-connecting-ip': '203.0.113.250' };
  const { username: name, password } = panel.operator;
  await withoutTrace(async () => {
    for (const [body, status] of [
      [new Uint8Array([0x6e, 0x3d, 0xff]), 400],
      ['', 401],
      ['name', 401],
      [`name=${name}`, 401],
      [`password=${password}`, 401],
      [JSON.stringify({ name, password }), 401],
      [`name[]=${name}&password[]=${password}`, 401],
      [`name=${name}%00&password=${password}`, 401],
    ]) {
      const answer = await panel.request('POST', '/login', { body, headers });
      assert.deepEqual([answer.status, answer.headers.get('set-cookie')], [status, null], `${answer.status} ${String(body).slice(0, 60)}`);
      assert.match(answer.headers.get('content-type'), /^text\/html/);
    }
    const right = `name=${name}&password=${password}&pad=`;
    for (const body of ['', 'x'.repeat(MOST_FORM + 1), right.padEnd(MOST_FORM + 1, 'x')]) {
      assert.equal((await sendRaw(panel, 'POST', '/login', { ...headers, 'content-length': MOST_FORM + 1 }, body)).status, 413);
    }
    for (const [where, method, allow] of [['/login', 'PUT', 'GET, HEAD, POST'], ['/logout', 'GET', 'POST'], ['/', 'POST', 'GET, HEAD']]) {
      const answer = await panel.request(method, where);
      assert.deepEqual([answer.status, answer.headers.get('allow')], [405, allow], where);
    }
  });
});

test('a subscription that is asked for wrongly is refused in plain text', async () => {
  await withoutTrace(async () => {
    for (const [method, where, status] of [
      ['GET', '/sub/nonsense', 404],
      ['GET', '/sub', 404],
      ['GET', `${subscription}/links/more`, 404],
      ['GET', `${subscription}x`, 404],
      ['GET', `${subscription}/carrier-pigeon`, 422],
      ['POST', subscription, 405],
      ['DELETE', `${subscription}/links`, 405],
    ]) {
      const answer = await panel.request(method, where);
      assert.equal(answer.status, status, `${method} ${where}`);
      assert.match(answer.headers.get('content-type'), /^text\/plain/, where);
      assertSentence(answer.text);
      if (status === 405) assert.equal(answer.headers.get('allow'), 'GET, HEAD');
    }
  });
});

test('/health is 200 while all is well', async () => {
  for (const method of ['GET', 'HEAD']) {
    const answer = await panel.request(method, '/health');
    assert.equal(answer.status, 200);
    if (method === 'GET') assert.deepEqual(Object.keys(answer.body), ['status', 'version']);
  }
});

test('/health is 503 with what is missing, and nothing else fails open', async () => {
  for (const [vars, what] of [[{ SLOT_KEY: 'short' }, /SLOT_KEY/], [{ AUTH_KEY: '' }, /AUTH_KEY/], [{ AUDIT_KEY: '' }, /AUDIT_KEY/]]) {
    const odd = await startPanel({ vars });
    try {
      const health = await odd.request('GET', '/health');
      assertRefused(health, 503, 'unconfigured');
      assert.match(health.body.error.message, what);
      const created = await odd.api('POST', '/api/v1/users', { name: 'ann' });
      if (vars.AUTH_KEY === '') assert.equal(created.status, 503, 'a link that anybody could forge is not handed out');
      if (vars.AUDIT_KEY === '') {
        assertRefused(created, 503, 'unconfigured');
        assert.equal((await odd.db.prepare('SELECT count(*) AS n FROM users').first()).n, 0, 'what cannot be recorded is not done');
      }
      if (vars.AUTH_KEY === '') assert.equal((await odd.request('GET', subscription)).status, 503);
    } finally {
      await odd.stop();
    }
  }
  const empty = await startPanel();
  try {
    await empty.db.prepare('DELETE FROM counters').run();
    assertRefused(await empty.request('GET', '/health'), 503, 'unconfigured');
    await empty.db.prepare('DROP TABLE slots').run();
    const health = await empty.request('GET', '/health');
    assertRefused(health, 503, 'unconfigured');
    assert.match(health.body.error.message, /migrations/);
  } finally {
    await empty.stop();
  }
});
