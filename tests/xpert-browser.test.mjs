/** A dashboard of somebody else reads the panel's figures from its own page, in a real Chromium, and a page that is not listed does not. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { startBrowser } from './support/browser.mjs';
import { jwt } from './support/jwt.mjs';
import { askToken } from './support/operators.mjs';
import { sha256Hex } from './support/panel-secrets.mjs';
import { startPanel } from './support/panel.mjs';
import { seedUsers } from './support/seed.mjs';
import { startSource } from './support/sources.mjs';
import { authKeyOf, BASE, reportOf, send, tokenOf } from './support/xpert.mjs';

const GB = 2 ** 30;
const WHERE = `${BASE}/marzban-traffic-stats?days=7`;
const KEY = 'weir_stats';
/** `jwt.secret_key` of a Marzban. */
const SECRET = 'c0ffee'.padEnd(64, '0');

let panel;
let browser;
/** Servers of pages: one is listed in `XPERT_ORIGINS`, the other is nobody. */
let dashboard;
let stranger;

before(async () => {
  [dashboard, stranger] = await Promise.all([startSource(), startSource()]);
  for (const site of [dashboard, stranger]) site.answer('/', { headers: { 'content-type': 'text/html' }, body: '<!doctype html><link rel="icon" href="data:,"><title>Dashboard</title>' });
  panel = await startPanel({ vars: { XPERT_ORIGINS: dashboard.url } });
  browser = await startBrowser();
  const add = (key, scope) => panel.db.prepare('INSERT INTO api_keys (hash, name, scopes, created_at) VALUES (?1, ?2, ?2, 1)').bind(sha256Hex(key), scope).run();
  await add(KEY, 'stats:read');
  await add('weir_others', 'nodes:read');
  assert.equal((await panel.api('PUT', '/api/v1/settings/marzban', { jwt_secret_key: SECRET })).status, 200);
  const [user] = await seedUsers(panel, 1);
  const report = reportOf(tokenOf(await authKeyOf(panel), user), { bytes_uploaded: GB, bytes_downloaded: 2 * GB });
  assert.equal((await send(panel, report)).status, 200);
});
after(async () => {
  await browser?.stop();
  await panel?.stop();
  await dashboard?.stop();
  await stranger?.stop();
});

/** What a script of a page sees of an answer: its status and body, or that it may see nothing. */
async function seen(site, { credential, cookies = [], withCookies = false } = {}) {
  const page = await browser.open({ cookies });
  try {
    await page.goto(site.url);
    return await page.evaluate(
      async ([url, headers, credentials]) => {
        try {
          const answer = await fetch(url, { headers, credentials });
          return { status: answer.status, body: await answer.json() };
        } catch (error) {
          return { refused: error.name };
        }
      },
      [panel.url + WHERE, credential ? { authorization: `Bearer ${credential}`, 'content-type': 'application/json' } : {}, withCookies ? 'include' : 'omit'],
    );
  } finally {
    await page.context().close();
  }
}

async function session() {
  const body = new URLSearchParams({ name: panel.operator.username, password: panel.operator.password }).toString();
  const { headers } = await panel.request('POST', '/login', { body, headers: { 'content-type': 'application/x-www-form-urlencoded', origin: panel.url } });
  const [name, value] = headers.get('set-cookie').split(';')[0].split('=');
  return { name, value, url: panel.url };
}

/** What a Marzban gives to one of its admins. */
const marzbanToken = (access = 'sudo') => jwt(SECRET, { sub: 'boss', access, iat: Math.floor(Date.now() / 1_000) });

/** What the panel gives to whoever signs in as Marzban's clients do. */
const ownToken = async () => (await askToken(panel)).body.access_token;

const credentials = {
  'an API key': () => KEY,
  'a token of this panel': ownToken,
  'a token of the Marzban whose secret was imported': marzbanToken,
};
for (const [what, credential] of Object.entries(credentials)) {
  test(`the page of a listed dashboard reads the figures with ${what}`, async () => {
    const { status, body } = await seen(dashboard, { credential: await credential() });
    assert.equal(status, 200);
    assert.deepEqual([body.users_traffic.total_users, body.users_traffic.total_gb_used, body.users_traffic.integration_type], [1, 3, 'xpert_panel']);
  });
}

test('without a right credential it reads why not', async () => {
  for (const [credential, status] of [[undefined, 401], ['weir_wrong', 401], ['weir_others', 403], [marzbanToken('admin'), 403], [jwt('0'.repeat(64), {}), 401]]) {
    const answer = await seen(dashboard, { credential });
    assert.equal(answer.status, status);
    assert.equal(typeof answer.body.detail, 'string');
  }
});

test('a page of any other origin sees nothing, with whatever credential', async () => {
  for (const credential of [undefined, KEY, marzbanToken(), await ownToken()]) assert.deepEqual(await seen(stranger, { credential }), { refused: 'TypeError' });
});

test("an operator's session lends no page of another host his eyes, listed or not", async () => {
  const cookies = [await session()];
  for (const site of [dashboard, stranger]) assert.deepEqual(await seen(site, { cookies, withCookies: true }), { refused: 'TypeError' });
});
