/** What makes up a user's numbers, and what is taken from him, on his pages: the real Worker in a real browser. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { startBrowser } from './support/browser.mjs';
import { addOperator, signInOwner } from './support/operators.mjs';
import { startPanel } from './support/panel.mjs';
import { seedAgent } from './support/seed.mjs';
import { MARKUP, text, visitAs } from './support/visits.mjs';

const MB = 2 ** 20;
const GB = 2 ** 30;
const NEWS_LIMIT_MS = 50_000; // the page asks for news every 5 s

let panel;
let browser;
let owner;
let nodes;
let seq = 0;

before(async () => {
  panel = await startPanel({ vars: { SYNC_SECONDS: '1', REPORT_SECONDS: '1' } });
  browser = await startBrowser();
  owner = await signInOwner(panel);
  nodes = [await seedAgent(panel, { name: 'Frankfurt' }), await seedAgent(panel, { name: MARKUP.slice(0, 32) })];
});

after(async () => {
  await browser?.stop();
  await panel?.stop();
});

const visit = (where, session = owner, language) => visitAs(panel, browser, session, where, { language });

async function report(node, name, up, down) {
  const { slot } = await panel.db.prepare('SELECT slot FROM users WHERE name = ?1').bind(name).first();
  seq += 1;
  const { status, text } = await node.sync({ report: node.report({ seq, users: [[slot, up, down]] }) });
  assert.equal(status, 200, text);
}

const userOf = async (name) => (await panel.api('GET', `/api/v1/users/${name}`)).body;

async function add(name, more = {}) {
  const { status, text: said } = await panel.api('POST', '/api/v1/users', { name, ...more });
  assert.equal(status, 201, said);
}

test('the details say why, what each node counted and holds, hour by hour, and who fetched the link', async () => {
  await add('ann', { monthly_quota: GB });
  await report(nodes[0], 'ann', 10 * MB, 90 * MB);
  seq = 0;
  await report(nodes[1], 'ann', 0, 50 * MB);
  const { subscription_url: link } = await userOf('ann');
  const agent = { 'user-agent': 'clash-verge/v2.4.0' };
  assert.equal((await panel.request('GET', new URL(link).pathname, { headers: agent })).status, 200);
  const page = await visit('/users/ann');
  await page.getByRole('link', { name: 'Details' }).click();
  await page.waitForURL(`${panel.url}/users/ann/details`);
  const content = await text(page.locator('main'));
  assert.match(content, /Charged in this period 150 MB Explained 150 MB/);
  assert.match(content, /Frankfurt 100 MB × 1\.000 = 100 MB/);
  assert.match(content, /<img src=x onerror=alert\(1\)> 50 MB/);
  assert.match(content, /clash-verge mihomo|clash-verge clash/);
  assert.equal(await page.locator('.chart rect[class]').count(), 2);
  assert.equal(await page.locator('main img').count(), 0);
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('a package is taken back and a device removed after a second click, and a new link is given after a question', async () => {
  await add('bea', { monthly_quota: GB });
  const bought = await panel.api('POST', '/api/v1/users/bea/packages', { order: 'shop#1:a', bytes: 5 * GB, note: MARKUP });
  assert.equal(bought.status, 201, bought.text);
  const { id } = await userOf('bea');
  await panel.db.prepare('INSERT INTO devices (user, id, name, first_at, last_at) VALUES (?1, ?2, ?3, 1, 1)').bind(id, 'ab'.repeat(16), MARKUP).run();
  const was = await userOf('bea');
  const page = await visit('/users/bea');
  await page.getByRole('button', { name: `Take back: ${MARKUP}` }).click();
  assert.equal(await page.getByRole('button', { name: `Take back: ${MARKUP}` }).innerText(), 'Really?');
  assert.equal((await userOf('bea')).bonus_left, 5 * GB, 'one click takes nothing');
  await page.getByRole('button', { name: `Take back: ${MARKUP}` }).click();
  await page.getByText('taken back').waitFor({ timeout: NEWS_LIMIT_MS });
  assert.equal((await userOf('bea')).bonus_left, 0);
  const remove = page.getByRole('button', { name: `Remove: ${MARKUP}` });
  await remove.click();
  await remove.click();
  await page.getByText('No device has told of itself').waitFor({ timeout: NEWS_LIMIT_MS });
  await page.getByRole('button', { name: 'New link and credentials' }).click();
  const dialog = page.getByRole('dialog', { name: 'Give bea a new link and new credentials?' });
  await dialog.getByRole('button', { name: 'New link and credentials' }).click();
  await page.waitForFunction((old) => document.getElementById('address')?.textContent !== old, was.subscription_url, { timeout: NEWS_LIMIT_MS });
  assert.notEqual((await userOf('bea')).subscription_url, was.subscription_url);
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('a viewer reads the details and is offered nothing to take away, and nobody reads them of another reseller\'s user', async () => {
  await add('cay');
  await panel.api('POST', '/api/v1/users/cay/packages', { order: '1', bytes: GB });
  const viewer = await addOperator(panel, owner, { name: 'looker', role: 'viewer' });
  const reseller = await addOperator(panel, owner, { name: 'shop', role: 'reseller' });
  const status = async (where, cookie) => (await panel.request('GET', where, { headers: cookie ? { cookie } : {} })).status;
  assert.deepEqual(
    [await status('/users/cay/details', viewer.cookie), await status('/users/cay/details', reseller.cookie), await status('/users/nobody/details', viewer.cookie), await status('/users/cay/details')],
    [200, 404, 404, 303],
  );
  const page = await visit('/users/cay', viewer);
  assert.equal(await page.locator('[data-call]:visible, [data-opens]:visible:not(.foot *)').count(), 0);
  await page.goto(`${panel.url}/users/cay/details`);
  assert.equal(await page.getByRole('link', { name: 'audit log' }).count(), 0);
  await page.context().close();
});

test('the details are complete in every language', async () => {
  for (const [language, heading] of [['en', 'Details'], ['zh', '详情'], ['ru', 'Подробности'], ['fa', 'جزئیات']]) {
    const page = await visit('/users/ann/details', owner, language);
    await page.getByRole('heading', { level: 1, name: heading }).waitFor();
    assert.deepEqual(page.complaints, []);
    await page.context().close();
  }
});
