/** Passkeys: made and used in a real browser with a virtual authenticator, and what must never let anybody in. */
import assert from 'node:assert/strict';
import { createCipheriv, createHmac, randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';

import { Authenticator } from './support/authenticator.mjs';
import { startBrowser } from './support/browser.mjs';
import { addOperator, sendLogin, signInOwner } from './support/operators.mjs';
import { startPanel } from './support/panel.mjs';
import { assertRefused, dump } from './support/refusals.mjs';
import { codeOf } from './support/totp.mjs';
import { now } from './support/wire.mjs';
import { authKeyOf } from './support/xpert.mjs';

const MARKUP = '<img src=x onerror=alert(1)>';

let panel;
let browser;
let owner;
/** The panel by a host name: browsers bind no passkey to an address. */
let site;

before(async () => {
  panel = await startPanel();
  browser = await startBrowser();
  owner = await signInOwner(panel);
  site = `http://localhost:${panel.port}`;
});

after(async () => {
  await browser?.stop();
  await panel?.stop();
});

const text = async (locator) => (await locator.innerText()).replace(/\s+/g, ' ').trim();
const audit = async (action) => (await panel.api('GET', '/api/v1/audit?limit=50')).body.items.filter((entry) => entry.action === action);

/** Somebody's calls to the panel by its host name. */
function named(somebody) {
  return async (method, where, body) => {
    const headers = { cookie: somebody.cookie, origin: site, 'content-type': 'application/json' };
    const answer = await fetch(site + where, { method, headers, body: body && JSON.stringify(body), redirect: 'manual' });
    const said = await answer.text();
    return { status: answer.status, headers: answer.headers, text: said, body: said && JSON.parse(said) };
  };
}

/** The form of the sign-in page, by the host name. */
let addresses = 0;
async function enter(fields, headers = {}) {
  addresses += 1;
  const own = { origin: site, 'cf-connecting-ip': `198.19.0.${addresses}`, 'content-type': 'application/x-www-form-urlencoded' };
  const answer = await fetch(`${site}/login`, { method: 'POST', headers: { ...own, ...headers }, body: new URLSearchParams(fields).toString(), redirect: 'manual' });
  return { status: answer.status, cookie: answer.headers.get('set-cookie'), text: await answer.text() };
}
const challenge = async () => (await (await fetch(`${site}/login/challenge`)).json()).challenge;

/** Somebody with a passkey in software. */
async function holder(name, algorithm) {
  const person = await addOperator(panel, owner, { name, role: 'viewer' });
  const api = named(person);
  const asked = await api('POST', '/api/v1/me/passkeys/challenge', { password: person.password });
  assert.equal(asked.status, 200, asked.text);
  const key = new Authenticator(site, algorithm);
  const made = await api('POST', '/api/v1/me/passkeys', key.make('in software', asked.body.challenge));
  assert.equal(made.status, 201, made.text);
  return { ...person, named: api, key };
}

/** A page whose browser has a fingerprint reader. */
async function openWithReader() {
  const page = await browser.open();
  const cdp = await page.context().newCDPSession(page);
  await cdp.send('WebAuthn.enable');
  const { authenticatorId } = await cdp.send('WebAuthn.addVirtualAuthenticator', { options: { protocol: 'ctap2', transport: 'internal',
    hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true } });
  return { page, cdp, authenticatorId };
}

test('an operator makes a passkey, signs in with it alone though he has a second factor, and removes it', async () => {
  const ann = await addOperator(panel, owner, { name: 'ann', role: 'viewer' });
  const { page } = await openWithReader();
  await page.goto(`${site}/login`);
  await page.getByLabel('Name').fill('ann');
  await page.getByLabel('Password').fill(ann.password);
  await page.keyboard.press('Enter');
  await page.waitForURL(`${site}/`);
  const { body: { secret } } = await ann.api('POST', '/api/v1/me/two-factor', { password: ann.password });
  await ann.api('POST', '/api/v1/me/two-factor/confirm', { code: codeOf(secret) });
  await page.goto(`${site}/login`);
  await page.getByLabel('Name').fill('ann');
  await page.getByLabel('Password').fill(ann.password);
  await page.keyboard.press('Enter');
  await page.getByLabel('Code of your').waitFor();
  await panel.db.prepare("UPDATE operators SET totp_step = 0 WHERE name = 'ann'").run();
  await page.getByLabel('Code of your').fill(codeOf(secret));
  await page.keyboard.press('Enter');
  await page.waitForURL(`${site}/`);

  await page.goto(`${site}/account`);
  await page.locator('#passkey-name').fill(MARKUP);
  await page.locator('#passkey-password').fill('wrong');
  await page.getByRole('button', { name: 'Add passkey' }).click();
  await page.locator('#passkey-password-error').getByText('it is wrong').waitFor();
  await page.locator('#passkey-password').fill(ann.password);
  await page.getByRole('button', { name: 'Add passkey' }).click();
  const line = page.locator('section:has(#passkeys-title) li');
  await line.waitFor();
  assert.ok((await text(line)).startsWith(MARKUP));
  assert.match(await text(line), /last used: never Delete$/);
  page.complaints.splice(0);

  // The same device again: the browser itself says that it has one.
  await page.locator('#passkey-name').fill('again');
  await page.locator('#passkey-password').fill(ann.password);
  await page.getByRole('button', { name: 'Add passkey' }).click();
  await page.getByText('This device has a passkey of yours already.').waitFor();

  let sent;
  page.on('request', (request) => {
    if (request.method() === 'POST' && request.url() === `${site}/login`) sent = request.postData();
  });
  await page.getByRole('button', { name: 'Sign out', exact: true }).first().click();
  await page.waitForURL(`${site}/login`);
  await page.getByRole('button', { name: 'Sign in with a passkey' }).click();
  await page.waitForURL(`${site}/`);
  const [opened] = await audit('session.open');
  assert.deepEqual([opened.subject, opened.after], ['operators/ann', { passkey: MARKUP }]);
  assert.equal((await audit('passkey.add')).length, 1);

  // What the browser sent opens nothing a second time.
  const before = await dump(panel);
  const again = await enter(Object.fromEntries(new URLSearchParams(sent)));
  assert.deepEqual([again.status, again.cookie], [401, null]);
  assert.match(again.text, /That passkey is not known here, or was refused\./);
  assert.deepEqual(await dump(panel), before);

  await page.goto(`${site}/account`);
  assert.match(await text(line), /last used: just now Delete$/);
  await line.getByRole('button').click();
  await page.locator('dialog[open]').getByRole('button', { name: 'Delete' }).click();
  await line.waitFor({ state: 'detached' });
  assert.equal((await audit('passkey.remove')).length, 1);
  await page.getByRole('button', { name: 'Sign out', exact: true }).first().click();
  await page.waitForURL(`${site}/login`);
  await page.getByRole('button', { name: 'Sign in with a passkey' }).click();
  await page.getByText('That passkey is not known here, or was refused.').waitFor();
  assert.deepEqual(page.complaints.filter((complaint) => !complaint.includes('status of 401')), []);
  await page.context().close();
});

for (const algorithm of ['ES256', 'RS256']) {
  test(`a passkey lets its owner in, and only as it was signed (${algorithm})`, async () => {
    const ben = await holder(`ben-${algorithm}`, algorithm);
    const right = async (how) => ben.key.show(ben.id, await challenge(), { count: 0, ...how });
    assert.match((await enter(await right())).cookie, /^sid=[0-9a-f]{64}; Path=\/; HttpOnly/);
    const other = new Authenticator(site, algorithm);
    const before = await dump(panel);
    for (const [why, fields] of [
      ['for another origin', await right({ origin: 'https://evil.example' })],
      ['for another port', await right({ origin: 'http://localhost:1' })],
      ['for another site', await right({ site: 'evil.example' })],
      ['nobody showed who he is', await right({ flags: 0x01 })],
      ['nobody was there', await right({ flags: 0x04 })],
      ['made, not shown', await right({ type: 'webauthn.create' })],
      ['a challenge of nobody', ben.key.show(ben.id, 'v1.AAAA')],
      ['somebody else\'s user', ben.key.show(1, await challenge())],
      ['no user', { ...(await right()), user: '' }],
      ['of another key', { ...other.show(ben.id, await challenge()), passkey: Buffer.from(ben.key.id).toString('base64url') }],
      ['of an unknown key', other.show(ben.id, await challenge())],
      ['without a signature', { ...(await right()), signature: '' }],
      ['no base64', { ...(await right()), authenticator_data: '***' }],
      ['the signature of another sign-in', { ...(await right()), signature: (await right()).signature }],
    ]) {
      const answer = await enter(fields);
      assert.deepEqual([answer.status, answer.cookie], [401, null], why);
    }
    assert.deepEqual(await dump(panel), before);
    assert.equal((await enter(await right(), { origin: 'https://evil.example' })).status, 403);
  });
}

test('a challenge to add a passkey signs nobody in, and one to sign in adds none', async () => {
  const cleo = await holder('cleo');
  const asked = await cleo.named('POST', '/api/v1/me/passkeys/challenge', { password: cleo.password });
  assert.deepEqual([asked.body.rp.id, asked.body.algorithms, asked.body.known.length], ['localhost', [-7, -257], 1]);
  assert.equal((await enter(cleo.key.show(cleo.id, asked.body.challenge))).status, 401);
  const second = new Authenticator(site);
  assertRefusedFor(await cleo.named('POST', '/api/v1/me/passkeys', second.make('x', await challenge())), 'client_data');
  const dora = await holder('dora');
  assertRefusedFor(await dora.named('POST', '/api/v1/me/passkeys', second.make('x', asked.body.challenge)), 'client_data');
  assertRefusedFor(await cleo.named('POST', '/api/v1/me/passkeys', second.make('x', asked.body.challenge, { origin: 'https://evil.example' })), 'client_data');
  assertRefusedFor(await cleo.named('POST', '/api/v1/me/passkeys', second.make('x', asked.body.challenge, { flags: 0x01 })), 'authenticator_data');
  assertRefusedFor(await cleo.named('POST', '/api/v1/me/passkeys', { ...second.make('x', asked.body.challenge), algorithm: -8 }), 'algorithm');
  assertRefusedFor(await cleo.named('POST', '/api/v1/me/passkeys', { ...second.make('x', asked.body.challenge), public_key: 'AAAA' }), 'public_key');
  assertRefusedFor(await cleo.named('POST', '/api/v1/me/passkeys', second.make('', asked.body.challenge)), 'name');
  assert.equal((await cleo.named('POST', '/api/v1/me/passkeys', second.make('x', asked.body.challenge))).status, 201);
  const third = new Authenticator(site);
  const taken = await cleo.named('POST', '/api/v1/me/passkeys', third.make('y', asked.body.challenge));
  assert.deepEqual([taken.status, taken.body.error.code], [409, 'taken'], 'a challenge is answered once');
  assertRefused(await cleo.api('POST', '/api/v1/me/passkeys/challenge', { password: cleo.password }), 409, 'no_host_name');
  assertRefused(await cleo.api('POST', '/api/v1/me/passkeys/challenge', { password: 'x' }), 422, 'invalid', 'password');
});

function assertRefusedFor({ status, body }, field) {
  assert.deepEqual([status, body.error?.field], [422, field]);
}

test('an authenticator whose counter goes back is a copy: it is refused, and the log says so', async () => {
  const eve = await holder('eve');
  const count = async (number) => enter(eve.key.show(eve.id, await challenge(), { count: number }));
  assert.equal((await count(5)).status, 303);
  for (const number of [5, 4, 0]) assert.equal((await count(number)).status, 401, String(number));
  const [entry] = await audit('passkey.copied');
  assert.deepEqual([entry.subject, entry.after], ['operators/eve', { passkey: 'in software', counted: 5, said: 0 }]);
  assert.equal((await audit('passkey.copied')).length, 3);
  assert.equal((await count(6)).status, 303);
});

test('a challenge ends after five minutes, and nobody but the panel makes one', async () => {
  const fred = await holder('fred');
  const key = await authKeyOf(panel);
  const sealed = (until, purpose = 'passkey sign-in', secret = key) => {
    const nonce = randomBytes(12);
    const cipher = createCipheriv('aes-256-gcm', createHmac('sha256', secret).update('weir seal v1').digest(), nonce).setAAD(Buffer.from(purpose));
    const parts = [nonce, cipher.update(String(until)), cipher.final()];
    return `v1.${Buffer.concat([...parts, cipher.getAuthTag()]).toString('base64').replaceAll('=', '')}`;
  };
  const show = async (text) => (await enter(fred.key.show(fred.id, text))).status;
  assert.equal(await show(sealed(now() - 30)), 401, 'it has ended');
  assert.equal(await show(sealed(now() + 300, 'sign-in')), 401, 'it is a ticket for something else');
  assert.equal(await show(sealed(now() + 300, 'passkey sign-in', 'guessed')), 401);
  assert.equal(await show(sealed(now() + 300)), 303, 'the same, as the panel makes it');
  const { until } = await panel.db.prepare('SELECT max(expires_at) AS until FROM passkey_challenges').first();
  assert.ok(until <= now() + 301);
});

test('passkeys end with their operator, and with a password that an owner gives him', async () => {
  const gus = await holder('gus');
  const show = async () => (await enter(gus.key.show(gus.id, await challenge()))).status;
  await owner.api('POST', '/api/v1/operators/gus/disable');
  assert.equal(await show(), 401);
  await owner.api('POST', '/api/v1/operators/gus/enable');
  assert.equal(await show(), 303);
  await owner.api('POST', '/api/v1/operators/gus/reset-password');
  assert.equal(await show(), 401);
  const hal = await holder('hal');
  await owner.api('DELETE', '/api/v1/operators/hal');
  assert.equal((await enter(hal.key.show(hal.id, await challenge()))).status, 401);
  assert.deepEqual((await panel.db.prepare('SELECT name FROM passkeys WHERE operator IN (?1, ?2)').bind(gus.id, hal.id).all()).results, []);
});

test('failures with passkeys lock their address and no name', async () => {
  const ida = await holder('ida');
  const from = { 'cf-connecting-ip': '203.0.113.99' };
  const wrong = async () => (await enter(ida.key.show(1, await challenge()), from)).status;
  let tries = 0;
  while ((await wrong()) === 401 && tries < 40) tries += 1;
  assert.ok(tries < 40, 'the address is locked');
  assert.equal((await enter(ida.key.show(ida.id, await challenge()))).status, 303);
  assert.equal((await sendLogin(panel, { name: 'ida', password: ida.password })).status, 303);
});

test('the sign-in page speaks four languages, and offers no passkey where a browser would bind none', async () => {
  const page = await browser.open({ width: 360, height: 740, touch: true });
  for (const [own, word, wrong, direction] of [['English', 'Sign in with a passkey', 'Name or password is wrong.', 'ltr'], ['中文', '使用通行密钥登录', '用户名或密码错误。', 'ltr'],
    ['Русский', 'Войти с ключом доступа', 'Неверное имя или пароль.', 'ltr'], ['فارسی', 'ورود با کلید عبور', 'نام یا گذرواژه نادرست است.', 'rtl']]) {
    await page.goto(`${site}/login`);
    await page.getByRole('button', { name: own }).click();
    await page.getByRole('button', { name: word }).waitFor();
    assert.equal(await page.evaluate(() => document.documentElement.dir), direction);
    await page.locator('#name').fill(MARKUP);
    await page.locator('#password').fill('x');
    await page.keyboard.press('Enter');
    await page.getByText(wrong).waitFor();
    assert.equal(await page.locator('#name').inputValue(), MARKUP);
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth), 0, own);
  }
  assert.deepEqual(page.complaints.filter((complaint) => !complaint.includes('status of 401')), []);
  await page.goto(`${panel.url}/login`);
  assert.equal(await page.locator('form[data-passkey]').count(), 0);
  await page.context().close();
});
