/** The pages of operators and API keys, driven in a real browser: added, changed, shut out, deleted; secrets are shown once. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { startBrowser } from './support/browser.mjs';
import { addOperator, sendLogin, signIn, signInOwner } from './support/operators.mjs';
import { startPanel } from './support/panel.mjs';
import { codeOf } from './support/totp.mjs';
import { now } from './support/wire.mjs';
import { MARKUP, text, visitAs } from './support/visits.mjs';

const GIB = 2 ** 30;

let panel;
let browser;
let owner;

before(async () => {
  panel = await startPanel();
  browser = await startBrowser();
  owner = await signInOwner(panel);
});

after(async () => {
  await browser?.stop();
  await panel?.stop();
});

const visit = (somebody, where, look) => visitAs(panel, browser, somebody, where, look);

const get = async (name) => owner.api('GET', `/api/v1/operators/${name}`);

async function calm(page, ...statuses) {
  const isExpected = (complaint) => statuses.some((status) => complaint.startsWith(`console: Failed to load resource: the server responded with a status of ${status}`));
  assert.deepEqual(page.complaints.filter((complaint) => !isExpected(complaint)), []);
  await page.context().close();
}

test('an operator is added, his password is shown once, and he signs in with it', async () => {
  const page = await visit(owner, '/');
  await page.getByRole('link', { name: 'Settings', exact: true }).count();
  await page.goto(`${panel.url}/settings/operators`);
  await page.getByRole('link', { name: 'Operators and keys' }).waitFor();
  await page.getByRole('link', { name: 'Add operator' }).click();
  await page.waitForURL(`${panel.url}/new/operator`);
  await page.getByLabel('Name').fill('a b');
  await page.getByRole('button', { name: 'Add operator' }).click();
  await page.locator('#name-error').getByText('1 to 32 of').waitFor();
  await page.getByLabel('Name').fill('shop');
  await page.getByLabel('Users at most').fill('5');
  await page.getByRole('button', { name: 'Add operator' }).click();
  await page.locator('#user_allowance-error').getByText('unless the role is reseller').waitFor();
  await page.getByLabel('Role').selectOption('reseller');
  await page.getByLabel('GB a month at most').fill('1.5');
  await page.getByRole('button', { name: 'Add operator' }).click();
  await page.locator('#made').waitFor();
  const password = await text(page.locator('#made-password'));
  assert.match(password, /^[0-9a-f]{32}$/);
  const { body } = await get('shop');
  assert.deepEqual([body.role, body.user_allowance, body.byte_allowance, body.signed_in_at], ['reseller', 5, 1.5 * GIB, null]);
  const shop = await signIn(panel, 'shop', password);
  assert.equal((await shop.api('POST', '/api/v1/users', { name: 'ofshop', monthly_quota: GIB })).status, 201);

  await page.getByRole('link', { name: 'To the operator' }).click();
  await page.waitForURL(`${panel.url}/settings/operators/shop`);
  assert.ok(!(await page.content()).includes(password), 'shown once');
  assert.equal(await text(page.locator('h1')), 'shop reseller');
  assert.match(await text(page.locator('section:has(#handed)')), /Users 1 of 5 What his users may use in a month 1 GB of 1\.5 GB/);
  await page.getByRole('link', { name: 'Operators and keys' }).first().click();
  const line = page.getByRole('row', { name: /shop/ });
  assert.match(await text(line), /^shop reseller off just now 1 of 5 up to 1\.5 GB a month$/);
  assert.ok(Math.abs((await get('shop')).body.signed_in_at - now()) < 600);
  await calm(page, 422);
});

test('role and allowances are changed by what was changed in the form, and he is shut out and let in', async () => {
  const bob = await addOperator(panel, owner, { name: 'bob', role: 'reseller', user_allowance: 7, byte_allowance: 3 * GIB + 1 });
  const page = await visit(owner, '/settings/operators/bob');
  await page.getByLabel('Users at most').fill('');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.waitForFunction(() => document.querySelector('#user_allowance')?.defaultValue === '');
  const { body } = await get('bob');
  assert.deepEqual([body.user_allowance, body.byte_allowance], [null, 3 * GIB + 1], 'what was not touched stays to the byte');
  await page.getByLabel('Role').selectOption('admin');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.locator('h1').getByText('admin').waitFor();
  assert.deepEqual([(await get('bob')).body.role, (await get('bob')).body.byte_allowance], ['admin', null]);

  await page.getByRole('button', { name: 'Disable' }).click();
  await page.locator('h1').getByText('Disabled').waitFor();
  assert.equal((await bob.api('GET', '/api/v1/me')).status, 401);
  await page.getByRole('button', { name: 'Enable' }).click();
  await page.locator('h1').getByText('admin').waitFor();
  await signIn(panel, 'bob', bob.password);
  await calm(page);
});

test('a password is replaced, a lost second factor ended, and of the last owner nothing is taken', async () => {
  const cleo = await addOperator(panel, owner, { name: 'cleo', role: 'viewer' });
  const { body: { secret } } = await cleo.api('POST', '/api/v1/me/two-factor', { password: cleo.password });
  assert.equal((await cleo.api('POST', '/api/v1/me/two-factor/confirm', { code: codeOf(secret) })).status, 200);
  const page = await visit(owner, '/settings/operators/cleo');
  await page.getByRole('button', { name: 'End the second factor' }).click();
  await page.locator('dialog#end-factor').getByRole('button', { name: 'End the second factor' }).click();
  await page.locator('dialog#end-factor').waitFor({ state: 'detached' });
  await signIn(panel, 'cleo', cleo.password);
  await page.getByRole('button', { name: 'New password' }).click();
  await page.locator('dialog#reset-password').getByRole('button', { name: 'New password' }).click();
  await page.locator('#made').waitFor();
  const password = await text(page.locator('#made-password'));
  assert.equal((await sendLogin(panel, { name: 'cleo', password: cleo.password })).status, 401);
  await signIn(panel, 'cleo', password);

  await page.goto(`${panel.url}/settings/operators/${panel.operator.username}`);
  await page.getByText('This is you.').waitFor();
  for (const name of ['Disable', 'Delete', 'New password']) assert.equal(await page.getByRole('button', { name }).count(), 0, name);
  await page.getByLabel('Role').selectOption('viewer');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.locator('[role=alert]').getByText('owner').first().waitFor();
  assert.equal((await get(panel.operator.username)).body.role, 'owner');
  await calm(page, 409);
});

test('a deletion says what becomes of his users, and does that', async () => {
  const dora = await addOperator(panel, owner, { name: 'dora', role: 'reseller' });
  assert.equal((await dora.api('POST', '/api/v1/users', { name: 'ofdora' })).status, 201);
  const page = await visit(owner, '/settings/operators/dora');
  await page.getByRole('button', { name: 'Delete' }).click();
  const dialog = page.locator('dialog#delete');
  assert.match(await text(dialog), /Delete dora\? .*Users of his: 1\. They become the panel's own/);
  await dialog.getByRole('button', { name: 'Cancel' }).click();
  assert.equal((await get('dora')).status, 200);
  await page.getByRole('button', { name: 'Delete' }).click();
  await dialog.getByRole('button', { name: 'Delete' }).click();
  await page.waitForURL(`${panel.url}/settings/operators`);
  assert.equal((await get('dora')).status, 404);
  assert.equal((await owner.api('GET', '/api/v1/users/ofdora')).body.owner_id, null);
  await calm(page);
});

test('a key is made of the scopes that were ticked, shown once, seen to be used, and deleted', async () => {
  const page = await visit(owner, '/new/key');
  await page.getByLabel('Name').fill(MARKUP);
  await page.getByRole('button', { name: 'Add key' }).click();
  await page.locator('#scopes-error').getByText('at least one').waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.name), 'scopes');
  await page.getByLabel('users:read').check();
  await page.getByLabel('stats:read').check();
  await page.getByLabel('Ends on (UTC)').fill('2001-01-01');
  await page.getByRole('button', { name: 'Add key' }).click();
  await page.locator('#expires_at-error').getByText('to come').waitFor();
  await page.getByLabel('Ends on (UTC)').fill('2090-01-02');
  await page.getByRole('button', { name: 'Add key' }).click();
  await page.locator('#made').waitFor();
  const key = await text(page.locator('#made-key'));
  assert.match(key, /^weir_[0-9a-f]{32}$/);
  const made = async () => (await owner.api('GET', '/api/v1/keys')).body.items.find(({ name }) => name === MARKUP);
  const { scopes, expires_at: expires, last_used_at: unused } = await made();
  assert.deepEqual([scopes, expires, unused], [['users:read', 'stats:read'], Date.UTC(2090, 0, 2) / 1000, null]);

  await page.getByRole('link', { name: 'To the keys' }).click();
  const line = page.getByRole('row', { name: MARKUP });
  assert.match(await text(line), /users:read stats:read never Delete$/);
  assert.ok(!(await page.content()).includes(key), 'shown once');
  const use = () => panel.request('GET', '/api/v1/users', { key });
  assert.equal((await use()).status, 200);
  const { last_used_at: used } = await made();
  assert.ok(Math.abs(used - now()) < 600);
  await panel.db.prepare('UPDATE api_keys SET last_used_at = last_used_at - 3000 WHERE name = ?1').bind(MARKUP).run();
  await use();
  assert.equal((await made()).last_used_at, used - 3000, 'noted once an hour');
  await panel.db.prepare('UPDATE api_keys SET last_used_at = last_used_at - 3000 WHERE name = ?1').bind(MARKUP).run();
  await use();
  assert.ok((await made()).last_used_at >= used);

  await page.reload();
  assert.match(await text(line), /just now Delete$/);
  await line.getByRole('button').click();
  const dialog = page.locator('dialog[open]');
  assert.ok((await text(dialog)).includes(`Delete ${MARKUP}?`));
  await dialog.getByRole('button', { name: 'Delete' }).click();
  await line.waitFor({ state: 'detached' });
  assert.equal((await use()).status, 401);
  await calm(page, 422);
});

test('the pages are an owner\'s alone, complete in every language, and fit a phone', async () => {
  await owner.api('POST', '/api/v1/keys', { name: MARKUP, scopes: ['users:read', 'users:write', 'nodes:read', 'stats:read'] });
  const eve = await addOperator(panel, owner, { name: 'e'.repeat(32), role: 'admin' });
  const pages = ['/settings/operators', `/settings/operators/${eve.name}`, '/new/operator', '/new/key'];
  const page = await visit(owner, '/', { width: 360, height: 740, touch: true });
  for (const [code, word] of [['en', 'Last sign-in'], ['zh', '上次登录'], ['ru', 'Последний вход'], ['fa', 'آخرین ورود']]) {
    await page.context().addCookies([{ name: 'language', value: code, url: panel.url }]);
    for (const where of pages) {
      assert.equal((await page.goto(panel.url + where)).status(), 200, where);
      assert.doesNotMatch(await page.locator('body').innerText(), /\{[a-z]+\}/, `${where} ${code}`);
      assert.equal(await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth), 0, `${where} ${code}`);
      assert.equal(await page.evaluate(() => document.querySelectorAll('[style], [onerror], img[src=x]').length), 0, where);
    }
    await page.goto(panel.url + pages[0]);
    assert.ok((await page.content()).includes(word), code);
  }
  await calm(page);
  for (const role of ['admin', 'reseller', 'viewer']) {
    const other = role === 'admin' ? eve : await addOperator(panel, owner, { name: `f-${role}`, role });
    for (const where of pages) assert.equal((await panel.request('GET', where, { headers: { cookie: other.cookie } })).status, 403, `${role} ${where}`);
    const seen = await panel.request('GET', '/account', { headers: { cookie: other.cookie } });
    assert.ok(!seen.text.includes('/settings/operators'), `${role}: no entry`);
  }
  for (const where of pages) assert.equal((await panel.request('GET', where)).headers.get('location'), '/login');
  assert.equal((await panel.request('GET', '/settings/operators/nobody', { headers: { cookie: owner.cookie } })).status, 404);
});
