/** What keeps an operator's session safe, seen from a real browser and from whoever would like to have it. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';

import { startBrowser } from './support/browser.mjs';
import { startPanel } from './support/panel.mjs';

/** A page asks for news every 5 s, and learns from the answer that nobody is signed in any more. */
const NEWS_LIMIT_MS = 50_000;

let panel;
let browser;
/** The page that signs in. @type {import('playwright-core').Page & {complaints: string[]}} */
let page;

before(async () => {
  panel = await startPanel();
  browser = await startBrowser();
  const { status } = await panel.api('POST', '/api/v1/users', { name: 'ann' });
  assert.equal(status, 201);
  page = await browser.open();
  await page.goto(panel.url);
  await page.getByLabel('Name').fill(panel.operator.username);
  await page.getByLabel('Password').fill(panel.operator.password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.waitForURL(`${panel.url}/`);
});

after(async () => {
  await browser?.stop();
  await panel?.stop();
});

/** Another window with the same cookie. */
async function signedIn() {
  const other = await browser.open({ cookies: await page.context().cookies() });
  await other.goto(panel.url);
  return other;
}

test('a session is a cookie that scripts cannot read and other sites do not send', async () => {
  const [cookie] = await page.context().cookies();
  assert.deepEqual([cookie.name, cookie.httpOnly, cookie.sameSite, cookie.path, cookie.domain], ['sid', true, 'Lax', '/', '127.0.0.1']);
  assert.equal(await page.evaluate(() => document.cookie), '');
  const stored = await panel.db.prepare('SELECT group_concat(hash) AS all_of_them FROM sessions').first();
  assert.ok(!stored.all_of_them.includes(cookie.value), 'a session is stored as a digest');
});

test('over https the cookie is bound to the host and never sent in the clear', async () => {
  const site = 'https://panel.example';
  const headers = { 'mf-original-url': `${site}/login`, origin: site, 'content-type': 'application/x-www-form-urlencoded' };
  const body = new URLSearchParams({ name: panel.operator.username, password: panel.operator.password }).toString();
  const { status, headers: answer } = await panel.request('POST', '/login', { headers, body });
  assert.equal(status, 303);
  assert.match(answer.get('set-cookie'), /^__Host-sid=[0-9a-f]{64}; Path=\/; HttpOnly; SameSite=Lax; Max-Age=\d+; Secure$/);
});

test('a page of another site cannot act in the name of an operator who is signed in', async () => {
  // Another port is another origin, but the same site: the browser does send the cookie along.
  const stranger = createServer((request, response) => {
    response.setHeader('content-type', 'text/html');
    response.end(`<form method="post" action="${panel.url}/logout"><button>A gift</button></form>`);
  });
  await new Promise((resolve) => stranger.listen(0, '127.0.0.1', resolve));
  const victim = await signedIn();
  await victim.goto(`http://127.0.0.1:${stranger.address().port}/`);
  const [answer] = await Promise.all([victim.waitForResponse((one) => one.url().endsWith('/logout')), victim.getByRole('button').click()]);
  assert.equal(answer.status(), 403);
  assert.match((await answer.request().allHeaders()).cookie, /sid=/);
  assert.match(await victim.getByRole('main').innerText(), /The request does not come from a page of this site\./);
  await victim.goto(panel.url);
  assert.equal(new URL(victim.url()).pathname, '/', 'still signed in');
  await victim.context().close();
  stranger.close();
});

test('an unsafe method with a session needs the origin of the panel, whatever the path', async () => {
  const [cookie] = await page.context().cookies();
  const session = `${cookie.name}=${cookie.value}`;
  const ask = (method, where, origin) => {
    const headers = { cookie: session, ...(origin === undefined ? {} : { origin }) };
    return panel.request(method, where, { headers, body: method === 'POST' ? '{}' : undefined });
  };
  for (const origin of [undefined, 'null', 'https://evil.example', panel.url.replace('http', 'https'), `${panel.url}.evil.example`]) {
    for (const [method, where] of [['POST', '/api/v1/users'], ['DELETE', '/api/v1/users/ann'], ['POST', '/api/v1/users/ann/disable'],
      ['POST', '/logout'], ['POST', '/login']]) {
      assert.equal((await ask(method, where, origin)).status, 403, `${method} ${where} from ${origin}`);
    }
  }
  assert.equal((await ask('GET', '/api/v1/users/ann', undefined)).body.status, 'active');
  assert.equal((await ask('POST', '/api/v1/users', panel.url)).status, 422, 'its own pages may');
});

test('pages and files carry the headers that keep a browser safe', async () => {
  const style = (await panel.request('GET', '/login')).text.match(/href="(\/weir\.css\?v=[0-9a-f]+)"/)[1];
  for (const where of ['/login', style]) {
    const { status, headers } = await panel.request('GET', where);
    assert.equal(status, 200, where);
    assert.match(headers.get('content-security-policy'), /^default-src 'none'; script-src 'self'; style-src 'self';.* frame-ancestors 'none'$/);
    assert.doesNotMatch(headers.get('content-security-policy'), /unsafe/);
    assert.equal(headers.get('x-content-type-options'), 'nosniff');
    assert.match(headers.get('strict-transport-security'), /max-age=\d{7,}/);
  }
  assert.equal((await panel.request('GET', '/login')).headers.get('cache-control'), 'no-store');
  assert.match((await panel.request('GET', style)).headers.get('cache-control'), /immutable/);
});

test('signing out ends the session here, in every window, and for whoever kept the cookie', async () => {
  const [cookie] = await page.context().cookies();
  const window = await signedIn();
  await page.goto(panel.url);
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.waitForURL(`${panel.url}/login`);
  assert.deepEqual(await page.context().cookies(), []);
  await window.waitForURL(`${panel.url}/login`, { timeout: NEWS_LIMIT_MS });
  const kept = await panel.request('GET', '/', { headers: { cookie: `sid=${cookie.value}` } });
  assert.deepEqual([kept.status, kept.headers.get('location')], [303, '/login']);
  const api = await panel.request('GET', '/api/v1/users', { headers: { cookie: `sid=${cookie.value}` } });
  assert.equal(api.status, 401);
});
