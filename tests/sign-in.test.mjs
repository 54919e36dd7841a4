/** Signing in: sessions that are seen and ended, lock-outs, the second factor, and what attackers try with a sign-in page. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { addOperator, browserOf, sendLogin, signIn, signInOwner } from './support/operators.mjs';
import { sha256Hex } from './support/panel-secrets.mjs';
import { startPanel } from './support/panel.mjs';
import { assertRefused, dump } from './support/refusals.mjs';
import { codeOf } from './support/totp.mjs';

let panel;
let owner;

before(async () => {
  panel = await startPanel();
  owner = await signInOwner(panel);
});
after(() => panel?.stop());

/** A code that the panel takes a moment from now too: not in the last seconds of its step. */
async function freshCode(secret, steps = 0) {
  const left = 30_000 - (Date.now() % 30_000);
  if (left < 3_000) await new Promise((resolve) => setTimeout(resolve, left + 50));
  return codeOf(secret, steps);
}

/** Takes used codes back, as half a minute does. */
const nextStep = (name) => panel.db.prepare('UPDATE operators SET totp_step = totp_step - 5 WHERE name = ?1').bind(name).run();

/** @returns {Promise<{secret: string, codes: string[]}>} of a second factor that is asked for from now on */
async function enrol(person) {
  const { status, body: { secret } } = await person.api('POST', '/api/v1/me/two-factor', { password: person.password });
  assert.equal(status, 200);
  const confirmed = await person.api('POST', '/api/v1/me/two-factor/confirm', { code: await freshCode(secret) });
  assert.equal(confirmed.status, 200, confirmed.text);
  await nextStep(person.name);
  return { secret, codes: confirmed.body.recovery_codes };
}

/** Name and password, and then the code. */
async function enterWith(person, code) {
  const first = await sendLogin(panel, { name: person.name, password: person.password });
  assert.deepEqual([first.status, first.headers.get('set-cookie')], [200, null], 'no session yet');
  return sendLogin(panel, { ticket: first.text.match(/name="ticket" value="([^"]+)"/)[1], code });
}

test('an operator sees where he is signed in, and nobody else sees it', async () => {
  const ann = await addOperator(panel, owner, { name: 'ann', role: 'viewer' });
  const phone = await signIn(panel, 'ann', ann.password, { 'cf-connecting-ip': '203.0.113.77', 'user-agent': 'Phone <b>1</b>' });
  const { body, text } = await phone.api('GET', '/api/v1/me/sessions');
  assert.equal(body.total, 2);
  const current = body.items.find((session) => session.current);
  assert.deepEqual([current.address, current.user_agent, current.expires_at - current.created_at], ['203.0.113.77', 'Phone <b>1</b>', 30 * 86_400]);
  assert.ok(!text.includes(sha256Hex(phone.cookie.split('=')[1])), 'not the whole hash');
  assert.equal((await owner.api('GET', '/api/v1/me/sessions')).body.items.some(({ id }) => id === current.id), false);
  assertRefused(await owner.api('DELETE', `/api/v1/me/sessions/${current.id}`), 404, 'not_found');
  assert.equal((await phone.api('GET', '/api/v1/me')).status, 200);
});

test('a session is ended from another one, alone or with all others', async () => {
  const bob = await addOperator(panel, owner, { name: 'bob', role: 'viewer' });
  const [phone, laptop] = [await signIn(panel, 'bob', bob.password), await signIn(panel, 'bob', bob.password)];
  const works = async (browser) => (await browser.api('GET', '/api/v1/me')).status;
  const { id } = (await phone.api('GET', '/api/v1/me/sessions')).body.items.find((session) => session.current);
  assert.equal((await bob.api('DELETE', `/api/v1/me/sessions/${id}`)).status, 204);
  assert.deepEqual([await works(bob), await works(phone), await works(laptop)], [200, 401, 200]);
  assert.equal((await laptop.api('DELETE', '/api/v1/me/sessions')).status, 204);
  assert.deepEqual([await works(bob), await works(laptop), await works(owner)], [401, 200, 200]);
  for (const wrong of [id, '', '0', "' OR 1=1", 'x'.repeat(64)]) {
    assert.notEqual((await laptop.api('DELETE', `/api/v1/me/sessions/${encodeURIComponent(wrong)}x`)).status, 204, wrong);
  }
});

test('a session that somebody planted is never the one that is signed in', async () => {
  const carl = await addOperator(panel, owner, { name: 'carl', role: 'viewer' });
  const planted = `sid=${'a'.repeat(64)}`;
  const fresh = browserOf(panel, await sendLogin(panel, { name: 'carl', password: carl.password }, { cookie: planted }));
  assert.notEqual(fresh.cookie, planted);
  assert.equal((await panel.request('GET', '/api/v1/me', { headers: { cookie: planted } })).status, 401);
  // Nor does the session of an attacker go on beside the victim's in his browser.
  const again = browserOf(panel, await sendLogin(panel, { name: 'carl', password: carl.password }, { cookie: fresh.cookie }));
  assert.notEqual(again.cookie, fresh.cookie);
  assert.equal((await fresh.api('GET', '/api/v1/me')).status, 401, 'the one before has ended');
  assert.equal((await again.api('GET', '/api/v1/me')).status, 200);
});

test('signing in leads to the panel and nowhere else, whatever the address says', async () => {
  const fields = { name: panel.operator.username, password: panel.operator.password };
  for (const query of ['next=https://evil.example', 'next=//evil.example', 'redirect=/%5Cevil.example', 'return_to=javascript:alert(1)', 'url=https:evil.example']) {
    const headers = { origin: panel.url, 'content-type': 'application/x-www-form-urlencoded', 'cf-connecting-ip': '203.0.113.90' };
    const answer = await panel.request('POST', `/login?${query}`, { headers, body: new URLSearchParams({ ...fields, next: 'https://evil.example' }).toString() });
    assert.deepEqual([answer.status, answer.headers.get('location')], [303, '/'], query);
    const page = await panel.request('GET', `/login?${query}`);
    assert.ok(!page.text.includes('evil.example') && !page.text.includes('javascript:'), query);
  }
  for (const where of ['//evil.example/login', '/%2f%2fevil.example', '/login/..//evil.example']) {
    const { headers } = await panel.request('GET', where);
    assert.ok([null, '/login', '/'].includes(headers.get('location')), where);
  }
});

test('no page can be framed by another site', async () => {
  for (const [where, headers] of [['/login', {}], ['/', { cookie: owner.cookie }], ['/api/v1/users', { cookie: owner.cookie }], ['/nowhere', {}], ['/weir.css', {}]]) {
    const answer = await panel.request('GET', where, { headers });
    assert.match(answer.headers.get('content-security-policy'), /frame-ancestors 'none'/, where);
    assert.equal(answer.headers.get('x-frame-options'), 'DENY', where);
  }
});

test('who exists is not told: by the answer, by its headers, or by queries and rows written', async () => {
  const dora = await addOperator(panel, owner, { name: 'dora', role: 'viewer' });
  await addOperator(panel, owner, { name: 'shut', role: 'viewer' });
  await owner.api('POST', '/api/v1/operators/shut/disable');
  const told = [];
  for (const [name, password] of [['dora', 'wrong'], ['nobody', 'wrong'], ['shut', 'wrong'], ['dora', ''], ['', ''], ['NOBODY2', dora.password]]) {
    const { status, headers, text, cost } = await sendLogin(panel, { name, password });
    const kept = [...headers].filter(([header]) => !['date', 'x-request-id', 'content-length', 'weir-cost'].includes(header));
    told.push(JSON.stringify([status, kept, text.replace(/value="[^"]*"/, '').replace(/ autofocus/g, ''), cost.queries, cost.written]));
    assert.ok(cost.read <= 3, JSON.stringify(cost));
  }
  assert.equal(new Set(told).size, 1, told.join('\n'));
});

test('a failed sign-in costs what its budget says', async () => {
  await sendLogin(panel, { name: 'budget', password: 'x' }, { 'cf-connecting-ip': '203.0.113.60' });
  const { cost } = await sendLogin(panel, { name: 'budget', password: 'x' }, { 'cf-connecting-ip': '203.0.113.60' });
  assert.ok(cost.queries <= 4 && cost.read <= 3 && cost.written <= 2, JSON.stringify(cost));
});

test('an address that failed thirty times is locked for every name, a whole network of IPv6 as one, and others are not', async () => {
  const emil = await addOperator(panel, owner, { name: 'emil', role: 'viewer' });
  const good = { name: 'emil', password: emil.password };
  let count = 0;
  // The platform counts each address of the network; the database counts them together.
  const from = () => ({ 'cf-connecting-ip': `2001:db8:7:7::${(count += 1).toString(16)}` });
  for (let guess = 1; guess <= 15; guess += 1) assert.equal((await sendLogin(panel, { name: `guess-${guess}`, password: 'x' }, from())).status, 401);
  // His own operator does not buy an attacker more guesses.
  assert.equal((await sendLogin(panel, good, from())).status, 303);
  for (let guess = 16; guess <= 30; guess += 1) assert.equal((await sendLogin(panel, { name: `guess-${guess}`, password: 'x' }, from())).status, 401, `${guess}`);
  const locked = await sendLogin(panel, good, from());
  assert.equal(locked.status, 429);
  assert.ok(Number(locked.headers.get('retry-after')) > 800);
  assert.equal(locked.headers.get('set-cookie'), null);
  assert.equal((await sendLogin(panel, good, { 'cf-connecting-ip': '2001:db8:7:8::1' })).status, 303, 'the network beside');
  // What is locked out does not lock others out.
  for (let guess = 1; guess <= 12; guess += 1) assert.equal((await sendLogin(panel, { name: 'emil', password: 'x' }, from())).status, 429);
  assert.equal((await sendLogin(panel, good)).status, 303);
  const { items } = (await panel.api('GET', '/api/v1/audit?limit=200')).body;
  assert.ok(items.some(({ action, subject }) => action === 'session.lock' && subject.startsWith('addresses/2001:db8:7:7:')));
});

test('of guesses that come at the same instant no more are looked at than one after the other', async () => {
  const olga = await addOperator(panel, owner, { name: 'olga', role: 'viewer' });
  const guesses = await Promise.all(Array.from({ length: 25 }, (_, index) => sendLogin(panel, { name: 'olga', password: `guess ${index}` })));
  const statuses = guesses.map(({ status }) => status).sort();
  assert.deepEqual(statuses, [...Array(10).fill(401), ...Array(15).fill(429)]);
  assert.equal((await sendLogin(panel, { name: 'olga', password: olga.password })).status, 429, 'the right one too');
});

test('whoever tries a locked name learns nothing of its password: neither from the answer nor from his own lock-out', async () => {
  const paul = await addOperator(panel, owner, { name: 'paul', role: 'viewer' });
  for (let guess = 1; guess <= 10; guess += 1) assert.equal((await sendLogin(panel, { name: 'paul', password: 'x' })).status, 401);
  const told = [];
  let network = 0;
  for (const password of ['wrong', paul.password]) {
    network += 1;
    let count = 0;
    const from = () => ({ 'cf-connecting-ip': `2001:db8:9:${network}::${(count += 1).toString(16)}` });
    const costs = new Set();
    for (let guess = 1; guess <= 30; guess += 1) {
      const { status, headers, cost } = await sendLogin(panel, { name: 'paul', password }, from());
      assert.equal(status, 429);
      assert.ok(Number(headers.get('retry-after')) > 800);
      if (guess > 1) costs.add(JSON.stringify(cost));
    }
    const other = await sendLogin(panel, { name: 'somebody', password: 'x' }, from());
    told.push([other.status, ...costs]);
  }
  assert.deepEqual(told[0], told[1]);
  assert.equal(told[0][0], 429, 'the address is locked as well');
});

test('two who sign in at the same instant both enter, and who is shut out meanwhile does not', async () => {
  const quin = await addOperator(panel, owner, { name: 'quin', role: 'viewer' });
  const fields = { name: 'quin', password: quin.password };
  const both = await Promise.all(Array.from({ length: 6 }, () => sendLogin(panel, fields)));
  assert.deepEqual(both.map(({ status }) => status), Array(6).fill(303));
  await owner.api('POST', '/api/v1/operators/quin/disable');
  assert.equal((await sendLogin(panel, fields)).status, 401);
});

test('a second factor is enrolled, confirmed, and asked for from then on', async () => {
  const fred = await addOperator(panel, owner, { name: 'fred', role: 'admin' });
  const other = await signIn(panel, 'fred', fred.password);
  assertRefused(await fred.api('POST', '/api/v1/me/two-factor', { password: 'wrong' }), 422, 'invalid', 'password');
  const { body } = await fred.api('POST', '/api/v1/me/two-factor', { password: fred.password });
  assert.match(body.secret, /^[A-Z2-7]{32}$/);
  assert.equal(body.uri, `otpauth://totp/Weir%20127.0.0.1%3A${panel.port}:fred?secret=${body.secret}&issuer=Weir%20127.0.0.1%3A${panel.port}`);
  assert.equal((await sendLogin(panel, { name: 'fred', password: fred.password })).status, 303, 'not yet confirmed');
  assertRefused(await fred.api('POST', '/api/v1/me/two-factor/confirm', { code: '000000' }), 422, 'invalid', 'code');
  const { status, body: confirmed } = await fred.api('POST', '/api/v1/me/two-factor/confirm', { code: await freshCode(body.secret) });
  assert.equal(status, 200);
  assert.equal(new Set(confirmed.recovery_codes).size, 10);
  for (const code of confirmed.recovery_codes) assert.match(code, /^[a-z2-7]{4}(-[a-z2-7]{4}){3}$/);
  assert.equal((await other.api('GET', '/api/v1/me')).status, 401, 'who was signed in elsewhere must prove it anew');
  const all = JSON.stringify(await dump(panel));
  for (const secret of [body.secret, ...confirmed.recovery_codes.flatMap((code) => [code, code.replaceAll('-', '')])]) assert.ok(!all.includes(secret), 'nothing of it is readable');
  const first = await sendLogin(panel, { name: 'fred', password: fred.password });
  assert.deepEqual([first.status, first.headers.get('set-cookie')], [200, null]);
  assert.match(first.text, /autocomplete="one-time-code"/);
  assert.ok(!first.text.includes(fred.password) && !first.text.includes(sha256Hex(fred.password)), 'what comes back is sealed');
  const me = (await fred.api('GET', '/api/v1/me')).body;
  assert.ok(me.two_factor_since > 0);
  assert.equal(me.recovery_codes, 10);
  assertRefused(await fred.api('POST', '/api/v1/me/two-factor', { password: fred.password }), 409, 'two_factor');
});

test('a code signs in once: not again, not one before it, and not at the same moment twice', async () => {
  const gina = await addOperator(panel, owner, { name: 'gina', role: 'viewer' });
  const { secret } = await enrol(gina);
  const code = await freshCode(secret);
  assert.equal((await enterWith(gina, code)).status, 303);
  const replayed = await enterWith(gina, code);
  assert.equal(replayed.status, 401);
  assert.match(replayed.text, /That code is wrong, or was used before\./);
  assert.equal((await enterWith(gina, codeOf(secret, -1))).status, 401, 'an older one');
  await nextStep('gina');
  const both = await freshCode(secret);
  const answers = await Promise.all([enterWith(gina, both), enterWith(gina, both), enterWith(gina, both)]);
  assert.equal(answers.filter(({ status }) => status === 303).length, 1, answers.map(({ status }) => status).join());
});

test('wrong codes lock the name like wrong passwords', async () => {
  const hugo = await addOperator(panel, owner, { name: 'hugo', role: 'viewer' });
  const { secret } = await enrol(hugo);
  const first = await sendLogin(panel, { name: 'hugo', password: hugo.password });
  const ticket = first.text.match(/name="ticket" value="([^"]+)"/)[1];
  const statuses = [];
  for (let guess = 1; guess <= 10; guess += 1) statuses.push((await sendLogin(panel, { ticket, code: `${100_000 + guess}` })).status);
  assert.deepEqual(statuses, [...Array(9).fill(401), 429]);
  assert.equal((await sendLogin(panel, { ticket, code: await freshCode(secret) })).status, 429, 'the right one too');
});

test('a ticket is good for its own sign-in, and only as it was given', async () => {
  const ida = await addOperator(panel, owner, { name: 'ida', role: 'viewer' });
  const { secret } = await enrol(ida);
  const first = await sendLogin(panel, { name: 'ida', password: ida.password });
  const ticket = first.text.match(/name="ticket" value="([^"]+)"/)[1];
  for (const forged of [`${ticket}x`, ticket.slice(0, -2), ticket.replace(/^v1\.(.)/, (_, first) => `v1.${first === 'A' ? 'B' : 'A'}`), 'v1.AAAA', 'null']) {
    const answer = await sendLogin(panel, { ticket: forged, code: await freshCode(secret) });
    assert.deepEqual([answer.status, answer.headers.get('set-cookie')], [401, null], forged);
  }
  const { body } = await owner.api('POST', '/api/v1/operators/ida/reset-password');
  assert.equal((await sendLogin(panel, { ticket, code: await freshCode(secret) })).status, 401, 'of a password that has ended');
  assert.equal((await enterWith({ ...ida, password: body.password }, await freshCode(secret))).status, 303);
});

test('a recovery code stands in for the app, each once and typed in any way', async () => {
  const jack = await addOperator(panel, owner, { name: 'jack', role: 'viewer' });
  const { codes } = await enrol(jack);
  const inside = browserOf(panel, await enterWith(jack, codes[0].toUpperCase().replaceAll('-', ' ')));
  assert.equal((await enterWith(jack, codes[0])).status, 401, 'used up');
  assert.equal((await inside.api('GET', '/api/v1/me')).body.recovery_codes, 9);
  const { body } = await inside.api('POST', '/api/v1/me/two-factor/recovery-codes', { password: jack.password });
  assert.equal(body.recovery_codes.length, 10);
  assert.equal((await enterWith(jack, codes[1])).status, 401, 'the old ones have ended');
  assert.equal((await enterWith(jack, body.recovery_codes[0])).status, 303);
  const kate = await addOperator(panel, owner, { name: 'kate', role: 'viewer' });
  await enrol(kate);
  assert.equal((await enterWith(kate, body.recovery_codes[1])).status, 401, 'nobody else\'s');
});

test('a second factor ends with the password, or by an owner', async () => {
  const lena = await addOperator(panel, owner, { name: 'lena', role: 'viewer' });
  await enrol(lena);
  assertRefused(await lena.api('DELETE', '/api/v1/me/two-factor', { password: 'wrong' }), 422, 'invalid', 'password');
  assertRefused(await lena.api('DELETE', '/api/v1/me/two-factor', {}), 422, 'invalid', 'password');
  assert.equal((await lena.api('DELETE', '/api/v1/me/two-factor', { password: lena.password })).status, 204);
  assert.equal((await sendLogin(panel, { name: 'lena', password: lena.password })).status, 303);
  await enrol(lena);
  assert.equal((await owner.api('DELETE', '/api/v1/operators/lena/two-factor')).status, 204);
  assert.equal((await sendLogin(panel, { name: 'lena', password: lena.password })).status, 303);
});

test('whoever finds an open browser cannot guess the password in it', async () => {
  const mona = await addOperator(panel, owner, { name: 'mona', role: 'viewer' });
  const statuses = [];
  for (let guess = 1; guess <= 11; guess += 1) statuses.push((await mona.api('POST', '/api/v1/me/password', { password: `guess ${guess}` })).status);
  assert.deepEqual(statuses, [...Array(10).fill(422), 429]);
  assert.equal((await mona.api('POST', '/api/v1/me/password', { password: mona.password })).status, 429);
});

test('an operator takes a new generated password, and his other sessions end', async () => {
  const nora = await addOperator(panel, owner, { name: 'nora', role: 'viewer' });
  const other = await signIn(panel, 'nora', nora.password);
  const { status, body } = await nora.api('POST', '/api/v1/me/password', { password: nora.password });
  assert.equal(status, 200);
  assert.match(body.password, /^[0-9a-f]{32}$/);
  assert.deepEqual([(await nora.api('GET', '/api/v1/me')).status, (await other.api('GET', '/api/v1/me')).status], [200, 401]);
  assert.equal((await sendLogin(panel, { name: 'nora', password: nora.password })).status, 401);
  await signIn(panel, 'nora', body.password);
});
