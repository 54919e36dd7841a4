/** The page of the audit log in a real browser: who did what, found again, and whether the log is as it was written. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { startBrowser } from './support/browser.mjs';
import { addOperator, signInOwner } from './support/operators.mjs';
import { startPanel } from './support/panel.mjs';
import { assertPages, MARKUP, text, visitAs } from './support/visits.mjs';

const GB = 2 ** 30;

let panel;
let browser;
let owner;

before(async () => {
  panel = await startPanel();
  browser = await startBrowser();
  owner = await signInOwner(panel);
  const done = async (status, ...call) => assert.equal((await owner.api(...call)).status, status, call.join(' '));
  await done(201, 'POST', '/api/v1/users', { name: 'ann', monthly_quota: GB, note: MARKUP });
  await done(200, 'PATCH', '/api/v1/users/ann', { monthly_quota: 2 * GB });
  await done(200, 'POST', '/api/v1/users/ann/disable');
  await done(201, 'POST', '/api/v1/nodes', { name: MARKUP.slice(0, 32), address: 'de.example' });
  await panel.api('POST', '/api/v1/users', { name: 'ben', note: 'n'.repeat(200) });
});

after(async () => {
  await browser?.stop();
  await panel?.stop();
});

const visit = (where) => visitAs(panel, browser, owner, where);

const entries = async (page) => {
  const items = await page.locator('.log > li').all();
  return Promise.all(items.map((item) => text(item.locator('h2'))));
};

test('the log tells the newest first who did what, to what, from where, and what was so before', async () => {
  const page = await visit('/audit');
  const told = await entries(page);
  assert.deepEqual(told.slice(0, 5), ['User · created users/ben', `Node · created nodes/${MARKUP.slice(0, 32)}`, 'User · disabled users/ann',
    'User · changed users/ann', 'User · created users/ann']);
  const changed = page.locator('.log > li').nth(3);
  assert.match(await text(changed.locator('.where')), new RegExp(`${panel.operator.username} \\(operator\\) · .* · № \\d+$`));
  assert.match(await text(changed.locator('.facts')), /monthly_quota 1 GB → becomes 2 GB/);
  assert.match(await text(page.locator('.log > li').nth(4).locator('.facts')), /note <img src=x onerror=alert\(1\)>/);
  assert.match(await text(page.locator('.log > li').first().locator('.where')), /\(API key\)/);
  // A long value is folded away.
  assert.equal(await page.getByText('n'.repeat(200)).isVisible(), false);
  await page.locator('.log > li').first().locator('summary').first().click();
  assert.equal(await page.getByText('n'.repeat(200)).isVisible(), true);
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('entries are found by person, action, subject and day', async () => {
  const page = await visit('/audit');
  await page.getByLabel('What', { exact: true }).selectOption({ label: 'User · changed' });
  await page.getByRole('button', { name: 'Show', exact: true }).click();
  await page.waitForURL(/action=user.change/);
  assert.deepEqual(await entries(page), ['User · changed users/ann']);
  await page.getByRole('link', { name: 'users/ann' }).click();
  await page.waitForURL(/subject=users%2Fann$/);
  assert.deepEqual(await entries(page), ['User · disabled users/ann', 'User · changed users/ann', 'User · created users/ann']);
  assert.equal(await page.getByLabel('To what').inputValue(), 'users/ann');
  await page.locator('.where a').first().click();
  await page.waitForURL(/actor=/);
  assert.ok((await entries(page)).length > 3);
  await page.getByLabel('From').fill('2001-01-01');
  await page.getByLabel('Until').fill('2001-01-31');
  await page.getByRole('button', { name: 'Show', exact: true }).click();
  await page.getByText('No entry fits.').waitFor();
  await page.getByRole('link', { name: 'Show all' }).click();
  await page.waitForURL(/\/audit$/);
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('older entries follow by the number of the last one, and the way back leads to the newest', async () => {
  for (let count = 0; count < 50; count += 1) assert.equal((await owner.api('POST', '/api/v1/users/ann/enable')).status, 200);
  const page = await visit('/audit');
  const { results } = await panel.db.prepare('SELECT number FROM audit ORDER BY number DESC').all();
  const seen = [];
  const collect = async () => seen.push(...(await page.locator('.where > span:last-child').allInnerTexts()).map((one) => Number(one.replace(/\D/g, ''))));
  await collect();
  assert.equal(seen.length, 50);
  while (await page.getByRole('link', { name: 'Older' }).count()) {
    await page.getByRole('link', { name: 'Older' }).click();
    await page.waitForLoadState();
    await collect();
  }
  assert.deepEqual(seen, results.map(({ number }) => number));
  await page.getByRole('link', { name: 'To the newest' }).click();
  await page.waitForURL(/\/audit$/);
  await page.context().close();
});

test('the chain is verified at a press: whole, and with a head that was kept', async () => {
  const page = await visit('/audit');
  await page.locator('summary', { hasText: 'Verify the chain' }).click();
  await page.getByRole('button', { name: 'Verify the chain' }).click();
  await page.getByText(/^The log is whole: all \d+ entries/).waitFor();
  const head = await text(page.locator('#head-text'));
  assert.match(head, /^\d+:[0-9a-f]{64}$/);
  await page.getByLabel('A head that you have kept').fill(head);
  await page.getByLabel('Begin with entry').fill('3');
  await page.getByRole('button', { name: 'Verify the chain' }).click();
  await page.getByText(/from number 3 on, to the end\.$/).waitFor();
  await page.getByLabel('A head that you have kept').fill(`3:${'0'.repeat(64)}`);
  await page.getByRole('button', { name: 'Verify the chain' }).click();
  await page.getByText('does not pass through the head that you have kept').waitFor();
  assert.deepEqual(page.complaints, []);
  await page.getByLabel('A head that you have kept').fill('x');
  await page.getByRole('button', { name: 'Verify the chain' }).click();
  await page.getByText('head: a number of rows').waitFor();
  await page.context().close();
});

test('every page of the log is complete in every language, wide and on a phone', async () => {
  await assertPages(panel, browser, owner, ['/audit', '/audit?action=user.change', '/audit?subject=nothing', '/audit?before=3&from=x&to=2001-99-99&action=%3Cb%3E']);
});

test('an admin reads the log, a reseller and a viewer neither see nor get it, and a stranger signs in first', async () => {
  for (const [role, status] of [['admin', 200], ['reseller', 403], ['viewer', 403]]) {
    const { cookie } = await addOperator(panel, owner, { name: `a-${role}`, role });
    assert.equal((await panel.request('GET', '/audit', { headers: { cookie } })).status, status, role);
    const users = await panel.request('GET', '/users', { headers: { cookie } });
    assert.equal(users.text.includes('href="/audit"'), status === 200, role);
  }
  const stranger = await panel.request('GET', '/audit');
  assert.deepEqual([stranger.status, stranger.headers.get('location')], [303, '/login']);
  assert.equal((await panel.request('POST', '/audit', { headers: { cookie: owner.cookie } })).status, 405);
});

test('a page of the log costs its entries and five rows, three queries, and writes nothing', async () => {
  const { cost } = await panel.request('GET', '/audit', { headers: { cookie: owner.cookie } });
  assert.ok(cost.written === 0 && cost.read <= 55 && cost.queries <= 3, JSON.stringify(cost));
});

test('an entry that was changed behind the panel’s back is named', async () => {
  await panel.db.prepare("UPDATE audit SET after = '{\"note\":\"forged\"}' WHERE number = 4").run();
  const page = await visit('/audit');
  await page.locator('summary', { hasText: 'Verify the chain' }).click();
  await page.getByRole('button', { name: 'Verify the chain' }).click();
  await page.getByText('Entry 4 was changed, or another one stands in its place.').waitFor();
  assert.equal(await page.locator('#head-now').isVisible(), false);
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});
