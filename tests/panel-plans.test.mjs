/** The panel's pages of plans: the real Worker in a real browser. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { startBrowser } from './support/browser.mjs';
import { addOperator, signInOwner } from './support/operators.mjs';
import { startPanel } from './support/panel.mjs';
import { text, visitAs } from './support/visits.mjs';

const GB = 2 ** 30;
/** The page asks for news every 5 s. */
const NEWS_LIMIT_MS = 50_000;
const PAGES = ['/plans', '/new/plan', '/plans/basic'];
const REFUSED = (status) => `console: Failed to load resource: the server responded with a status of ${status}`;

let panel;
let browser;
let owner;
let viewer;
let reseller;

before(async () => {
  panel = await startPanel();
  browser = await startBrowser();
  owner = await signInOwner(panel);
  viewer = await addOperator(panel, owner, { name: 'looker', role: 'viewer' });
  reseller = await addOperator(panel, owner, { name: 'shop', role: 'reseller' });
});

after(async () => {
  await browser?.stop();
  await panel?.stop();
});

const visit = (where, { who = owner, ...look } = {}) => visitAs(panel, browser, who, where, look);

const row = (page, name) => page.getByRole('row').filter({ hasText: name });
async function ok(status, method, where, body) {
  const answer = await panel.api(method, where, body);
  assert.equal(answer.status, status, answer.text);
  return answer.body;
}

test('a plan is added with what the form says, and an error stands beside its field', async () => {
  const page = await visit('/plans');
  await page.getByRole('link', { name: 'Add plan' }).click();
  await page.getByLabel('Name', { exact: true }).fill('a b');
  await page.getByRole('button', { name: 'Add plan' }).click();
  await page.locator('#name-error').getByText('1 to 32 of A-Z a-z 0-9 _ . -').waitFor();
  assert.deepEqual(page.complaints.splice(0), [`${REFUSED(422)} (Unprocessable Entity)`]);
  await page.getByLabel('Name', { exact: true }).fill('family');
  await page.getByLabel('Quota per period, GB').fill('1.5');
  await page.getByLabel('Usage begins anew').selectOption('week');
  await page.getByLabel('Speed limit, KB/s').fill('2048');
  await page.getByLabel('Connected devices at most').fill('4');
  await page.getByLabel('Days that a new account lasts').fill('90');
  await page.getByLabel('Addresses within five minutes').fill('6');
  await page.getByRole('button', { name: 'Add plan' }).click();
  await page.waitForURL(`${panel.url}/plans/family`);
  const plan = await ok(200, 'GET', '/api/v1/plans/family');
  assert.deepEqual(plan, { name: 'family', version: 1, monthly_quota: 1.5 * GB, total_quota: 0, reset_strategy: 'week', reset_day: null, duration_days: 90, speed_limit: 2048 * 1024,
    device_limit: 4, stream_limit: 0, address_limit: 6, users: 0, outdated: 0, applying: null });
  assert.match(await text(page.locator('main')), /Nobody has it yet/);
  await page.goto(`${panel.url}/plans`);
  assert.match(await text(row(page, 'family')), /^family version 1 1\.5 GB unlimited 90 d 2 MB\/s 4 0$/);
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('a plan is changed by what was changed, its users keep what they have, and applying it is asked for, done and seen', async () => {
  for (let number = 0; number < 3; number += 1) await ok(201, 'POST', '/api/v1/users', { name: `kin-${number}`, plan: 'family' });
  await ok(200, 'PATCH', '/api/v1/plans/family', { monthly_quota: 1.5 * GB + 1 });
  await panel.db.prepare("UPDATE users SET plan_version = 2 WHERE name LIKE 'kin-%'").run();
  const page = await visit('/plans/family');
  assert.match(await text(page.locator('main')), /All of them have the plan as it stands/);
  await page.getByLabel('Speed limit, KB/s').fill('4096');
  await page.getByLabel('Addresses within five minutes').fill('');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.locator('h1').getByText('version 3').waitFor();
  const { monthly_quota: quota, speed_limit: speed, address_limit: addresses } = await ok(200, 'GET', '/api/v1/plans/family');
  assert.deepEqual([quota, speed, addresses], [1.5 * GB + 1, 4096 * 1024, null], 'a quota that the form rounds stays as it was');

  const holders = page.locator('section', { has: page.locator('#holders') });
  assert.match(await text(holders), /Have it 3 Have an older version of it 3 What applying it would change Value Users Quota per period 3 Speed limit 3 Addresses within five minutes 3/);
  assert.match(await text(holders), /kin-0 Speed limit: Now: 2 MB\/s → Then: 4 MB\/s Addresses within five minutes: Now: 6 → Then: as the settings say/);
  await page.getByRole('button', { name: 'Apply to 3 users' }).click();
  const dialog = page.locator('dialog#apply');
  assert.match(await text(dialog), /^Apply version 3 of family\?/);
  await dialog.getByRole('button', { name: 'Apply to 3 users' }).click();
  await page.waitForURL(`${panel.url}/plans/family?of=3`);
  await page.getByText('Version 3 is being given to the users. 0 of 3 have it.').waitFor();
  assert.equal(await panel.cron('plans'), 'ok');
  await page.getByText('Version 3 was given to all users of the plan.').waitFor({ timeout: NEWS_LIMIT_MS });
  await page.getByRole('link', { name: 'Show the page anew' }).click();
  await page.waitForURL(`${panel.url}/plans/family`);
  assert.match(await text(page.locator('main')), /Have it 3 Have an older version of it 0 All of them have the plan as it stands/);
  assert.equal((await ok(200, 'GET', '/api/v1/users/kin-1')).speed_limit, 4096 * 1024);
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('a version that somebody else has changed meanwhile is not applied, and the page says so', async () => {
  await ok(200, 'PATCH', '/api/v1/plans/family', { device_limit: 5 });
  const page = await visit('/plans/family');
  await ok(200, 'PATCH', '/api/v1/plans/family', { device_limit: 6 });
  await page.getByRole('button', { name: 'Apply to 3 users' }).click();
  await page.locator('dialog#apply').getByRole('button', { name: 'Apply to 3 users' }).click();
  await page.locator('dialog#apply').getByText('plan family stands at version 5: look at its changes').waitFor();
  assert.equal((await ok(200, 'GET', '/api/v1/plans/family')).applying, null);
  assert.deepEqual(page.complaints.splice(0), [`${REFUSED(409)} (Conflict)`]);
  await page.context().close();
});

test('a plan that somebody has is not deleted, and the dialog says why; one that nobody has goes', async () => {
  const page = await visit('/plans/family');
  const remove = async () => {
    await page.getByRole('button', { name: 'Delete' }).click();
    await page.locator('dialog#delete').getByRole('button', { name: 'Delete' }).click();
  };
  await remove();
  await page.locator('dialog#delete').getByText('users have the plan family or have it queued').waitFor();
  assert.deepEqual(page.complaints.splice(0), [`${REFUSED(409)} (Conflict)`]);
  await ok(201, 'POST', '/api/v1/plans', { name: 'gone' });
  await page.goto(`${panel.url}/plans/gone`);
  await remove();
  await page.waitForURL(`${panel.url}/plans`);
  assert.equal((await panel.api('GET', '/api/v1/plans/gone')).status, 404);
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('who may not change a plan sees what it gives and no control, and a reseller no number of users', async () => {
  for (const who of [viewer, reseller]) {
    assert.equal((await who.api('GET', '/new/plan')).status, 403);
    for (const where of ['/plans', '/plans/family']) {
      const page = await visit(where, { who });
      assert.equal(await page.locator('main [data-api], main [data-call], main [data-opens], main a[href^="/new"]').count(), 0, where);
      assert.equal(await page.getByText('kin-0').count(), who === viewer && where !== '/plans' ? 1 : 0, where);
      await page.context().close();
    }
  }
  assert.match((await viewer.api('GET', '/plans')).text, /href="\/users\?plan=family">3</);
  const { text: shown } = await reseller.api('GET', '/plans/family');
  assert.match(shown, /as the settings say/);
  assert.doesNotMatch(shown, /Have it|users\?plan/);
  assert.doesNotMatch((await reseller.api('GET', '/plans')).text, /users\?plan/);
});

test('every page is complete in every language, fits a phone, and shows names as text', async () => {
  for (const language of ['en', 'zh', 'ru', 'fa']) {
    const page = await visit('/plans', { language, width: 360, height: 780, touch: true });
    for (const where of [...PAGES, '/plans/family']) {
      const answer = await page.goto(panel.url + where);
      assert.equal(answer.status(), 200, where);
      assert.doesNotMatch(await page.locator('body').innerText(), /\{[a-z]+\}/, `${where} in ${language}: a word with a hole`);
      assert.equal(await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth), 0, `${where} in ${language}`);
      const levels = await page.evaluate(() => [...document.querySelectorAll('main h1, main h2, main h3')].map((one) => Number(one.localName[1])));
      assert.ok(levels.every((level, index) => level <= (levels[index - 1] ?? 0) + 1), `${where}: ${levels}`);
    }
    assert.deepEqual(page.complaints, []);
    await page.context().close();
  }
});

test('without a session the pages lead to the sign-in, and a plan that is not there is said to be missing', async () => {
  for (const where of PAGES) assert.equal((await panel.request('GET', where)).headers.get('location'), '/login', where);
  for (const where of ['/plans/nothing', '/plans/%ff', `/plans/${encodeURIComponent('<img src=x onerror=alert(1)>')}`]) {
    const { status, text: shown } = await owner.api('GET', where);
    assert.equal(status, 404, where);
    assert.doesNotMatch(shown, /onerror/);
  }
});

test('the list reads a row for each user with a plan, a plan that is being applied none for its users, and no page writes', async () => {
  const cost = async (where, headers) => (await owner.api('GET', where, undefined, headers)).cost;
  const list = await cost('/plans');
  assert.ok(list.read <= 2 + 2 * 5 + 3 * 2 && list.queries <= 3 && list.written === 0, JSON.stringify(list));
  const one = await cost('/plans/family');
  assert.ok(one.read <= 2 + 1 + 3 + 7 * 3 + 4 && one.queries <= 5 && one.written === 0, JSON.stringify(one));
  await ok(202, 'POST', '/api/v1/plans/family/apply', { version: 5 });
  const progress = await cost('/plans/family?of=3', { 'weir-part': 'live' });
  assert.ok(progress.read <= 3 + 14 && progress.queries <= 3 && progress.written === 0, JSON.stringify(progress));
});
