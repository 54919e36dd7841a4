/** Something is done to many users at once in the panel, looked at before and undone after: the real Worker in a real browser. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { startBrowser } from './support/browser.mjs';
import { addOperator, signInOwner } from './support/operators.mjs';
import { startPanel } from './support/panel.mjs';
import { clickTwice, MARKUP, text, visitAs } from './support/visits.mjs';

const GB = 2 ** 30;
const NEWS_LIMIT_MS = 50_000; // the page asks for news every 5 s

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

const visit = (where, session = owner, language) => visitAs(panel, browser, session, where, { language });

const add = async (name, more = {}) => assert.equal((await panel.api('POST', '/api/v1/users', { name, ...more })).status, 201);
const userOf = async (name) => (await panel.api('GET', `/api/v1/users/${name}`)).body;
const pick = (page, name) => page.getByRole('checkbox', { name: `Select ${name}` });

/** Shows what would change, and does it. */
async function carryOut(page) {
  await page.getByRole('button', { name: 'Do it' }).click();
  await page.waitForURL(`${panel.url}/bulk`);
}

test('users who were selected get a plan as the preview says, nobody else does, and an undo takes it back', async () => {
  for (const name of ['gold-1', 'gold-2', 'gold-3']) await add(name, { monthly_quota: 5 * GB });
  const page = await visit('/users');
  const bar = page.getByRole('form', { name: 'Many users at once' });
  assert.equal(await bar.isVisible(), false);
  await pick(page, 'gold-1').check();
  await pick(page, 'gold-3').check();
  assert.match(await text(bar), /^Selected: 2/);
  await page.getByLabel('What to do').selectOption('Give a plan');
  await bar.getByLabel('Plan').selectOption('premium');
  await page.getByRole('button', { name: 'Preview' }).click();
  const dialog = page.getByRole('dialog', { name: 'What would change' });
  assert.match(await text(dialog), /gold-1 .*Quota per period, GB: 5 → 500.*Plan: none → premium.*gold-3/);
  assert.doesNotMatch(await text(dialog), /gold-2|plan_version/);
  assert.equal((await userOf('gold-1')).plan, null, 'a preview changes nothing');
  await carryOut(page);
  assert.deepEqual(await Promise.all(['gold-1', 'gold-2', 'gold-3'].map(async (name) => (await userOf(name)).plan)), ['premium', null, 'premium']);
  assert.match(await text(page.locator('#live')), /Plan: premium done .* by admin · gold-1, gold-3 Users: 2 \/ 2 Undo can be undone for another 2[34] h/);
  await page.getByRole('button', { name: 'Undo' }).click();
  await page.getByText('is being undone').or(page.getByText('undone', { exact: true })).first().waitFor();
  assert.equal(await panel.cron('bulk'), 'ok');
  await page.getByText('restored: 2').waitFor({ timeout: NEWS_LIMIT_MS });
  assert.deepEqual([(await userOf('gold-1')).plan, (await userOf('gold-1')).monthly_quota], [null, 5 * GB]);
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('who is selected stays selected when the list moves beneath him', async () => {
  for (const name of ['stay-1', 'stay-2']) await add(name);
  const page = await visit('/users?q=stay-');
  await pick(page, 'stay-1').check();
  await add('stay-3');
  await pick(page, 'stay-3').waitFor({ timeout: NEWS_LIMIT_MS });
  const checked = await page.locator('.pick:checked').evaluateAll((boxes) => boxes.map((box) => box.value));
  assert.deepEqual(checked, ['stay-1']);
  await page.getByLabel('What to do').selectOption('Disable');
  await page.getByRole('button', { name: 'Preview' }).click();
  await carryOut(page);
  assert.deepEqual(await Promise.all(['stay-1', 'stay-2', 'stay-3'].map(async (name) => (await userOf(name)).status)), ['disabled', 'active', 'active']);
  await page.context().close();
});

test('all that fit a list are one choice, and are those that the preview counted', async () => {
  for (let number = 1; number <= 12; number += 1) await add(`all-${number}`, { expires_at: Math.floor(Date.now() / 1000) + 86_400 });
  const was = (await userOf('all-7')).expires_at;
  const page = await visit('/users?q=all-');
  await page.locator('#pick-page').check();
  await page.getByRole('button', { name: 'All that fit this list' }).click();
  await page.getByLabel('What to do').selectOption('Move the expiry');
  await page.getByLabel('Days, negative for shorter').fill('30');
  await page.getByRole('button', { name: 'Preview' }).click();
  const dialog = page.getByRole('dialog', { name: 'What would change' });
  assert.match(await text(dialog), /and 4 more.*Rows written at most: 144/);
  await add('all-13', { expires_at: was });
  await page.getByRole('button', { name: 'Do it' }).click();
  await page.getByText('the selection has 13 users now, not 12: look again').waitFor();
  assert.equal((await userOf('all-7')).expires_at, was, 'what nobody has seen is not done');
  await dialog.getByRole('button', { name: 'Cancel' }).click();
  await page.getByRole('button', { name: 'Preview' }).click();
  await carryOut(page);
  assert.equal((await userOf('all-7')).expires_at, was + 30 * 86_400);
  assert.match(await text(page.locator('#live li').first()), /^30 days longer done .* all- Users: 13 \/ 13/);
  await page.context().close();
});

test('what the API refuses is said in the bar, and a change of nothing cannot be done', async () => {
  await add('none-1');
  const page = await visit('/users?q=none-');
  await pick(page, 'none-1').check();
  await page.getByLabel('What to do').selectOption('Move the expiry');
  await page.getByLabel('Days, negative for shorter').fill('0');
  await page.getByRole('button', { name: 'Preview' }).click();
  await page.getByText('an integer of days from -3650 to 3650, not 0').waitFor();
  await page.getByLabel('What to do').selectOption('Enable');
  await page.getByRole('button', { name: 'Preview' }).click();
  await page.getByText('Nothing would change for anybody.').waitFor();
  assert.equal(await page.getByRole('button', { name: 'Do it' }).isDisabled(), true);
  await page.context().close();
});

test('a second click while the next page is on its way does nothing more, and whoever comes back is not offered it again', async () => {
  await add('twice-1');
  const page = await visit('/users?q=twice-');
  await pick(page, 'twice-1').check();
  await page.getByLabel('What to do').selectOption('Disable');
  await page.getByRole('button', { name: 'Preview' }).click();
  await page.getByRole('dialog').waitFor();
  const { posts, states } = await clickTwice(page, `${panel.url}/bulk`, '#bulk-do', ['#bulk-preview', 'open']);
  assert.deepEqual([posts, states], [['/api/v1/bulk'], [true, false]]);
  assert.equal(await page.locator('#live li', { hasText: 'twice-1' }).count(), 1);
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('who may change nobody is offered no selection, and a reseller does not see what was done to many', async () => {
  const viewer = await addOperator(panel, owner, { name: 'looker', role: 'viewer' });
  const reseller = await addOperator(panel, owner, { name: 'shop', role: 'reseller' });
  for (const operator of [viewer, reseller]) {
    const page = await visit('/users', operator);
    assert.equal(await page.locator('.pick, #bulk').count(), 0);
    await page.context().close();
  }
  const look = async ({ cookie }) => (await panel.request('GET', '/bulk', { headers: { cookie } })).status;
  assert.deepEqual([await look(viewer), await look(reseller)], [200, 403]);
  const page = await visit('/bulk', viewer);
  assert.equal(await page.locator('[data-call]:visible').count(), 0);
  await page.context().close();
});

test('a list that is saved under a name is a choice from then on, until it is forgotten', async () => {
  await add('saved-1', { plan: 'free' });
  const page = await visit('/users?q=saved-&plan=free&offset=0');
  const menu = page.getByLabel('Saved lists');
  await menu.selectOption('Save this list…');
  await page.getByLabel('Name of the list').fill(MARKUP);
  await page.getByRole('dialog').getByRole('button', { name: 'Save' }).click();
  assert.equal(await menu.evaluate((select) => select.selectedOptions[0].text), MARKUP);
  await page.goto(`${panel.url}/users`);
  assert.equal(await menu.evaluate((select) => select.selectedOptions[0].text), 'Saved lists');
  await menu.selectOption(MARKUP);
  await page.waitForURL(`${panel.url}/users?plan=free&q=saved-`);
  assert.equal(await page.locator('tbody tr').count(), 1);
  await menu.selectOption('Forget this list');
  await page.reload();
  assert.deepEqual(await menu.locator('option').allInnerTexts(), ['Saved lists', 'Save this list…']);
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('the page is complete in every language, and what others wrote is text on it', async () => {
  await add('written-1', { note: MARKUP });
  const { status } = await panel.api('POST', '/api/v1/bulk', { selection: { search: MARKUP }, action: { change: { note: MARKUP } } });
  assert.equal(status, 202);
  for (const [language, heading] of [['en', 'Bulk changes'], ['zh', '批量更改'], ['ru', 'Массовые изменения'], ['fa', 'تغییرهای گروهی']]) {
    const page = await visit('/bulk', owner, language);
    await page.getByRole('heading', { level: 1, name: heading }).waitFor();
    assert.match(await text(page.locator('#live')), /<img src=x onerror=alert\(1\)>/);
    assert.equal(await page.locator('#live img').count(), 0);
    assert.deepEqual(page.complaints, []);
    await page.context().close();
  }
});
