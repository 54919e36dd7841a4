/** The main journey of an operator through the panel's pages, in English and in Persian: the real Worker in a real browser. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { startBrowser } from './support/browser.mjs';
import { startPanel } from './support/panel.mjs';
import { enrol, seedAgent } from './support/seed.mjs';
import { ScriptedAgent, randomEpoch } from './support/wire.mjs';
import { MARKUP, text, visitAs } from './support/visits.mjs';

const MB = 2 ** 20;
const GB = 2 ** 30;
/** The page asks for news every 5 s. */
const NEWS_LIMIT_MS = 50_000;
/** Everything that the first page needs, over the wire. */
const MOST_BYTES = 60 * 1024;

let panel;
let browser;
let node;
let cookies;
/** Reports of the node. */
let seq = 0;

before(async () => {
  panel = await startPanel({ vars: { SYNC_SECONDS: '1', REPORT_SECONDS: '1' } });
  browser = await startBrowser();
  node = await seedAgent(panel, { name: MARKUP.slice(0, 32) });
  await node.sync({ status: { core: 'sing-box', core_version: '1.14.4', last_error: MARKUP } });
  const page = await browser.open();
  await page.goto(panel.url);
  await page.getByLabel('Name').fill(panel.operator.username);
  await page.getByLabel('Password').fill(panel.operator.password);
  await page.keyboard.press('Enter');
  await page.waitForURL(`${panel.url}/`);
  cookies = await page.context().cookies();
  await page.context().close();
});

after(async () => {
  await browser?.stop();
  await panel?.stop();
});

const visit = (where) => visitAs(panel, browser, { cookie: `sid=${cookies[0].value}` }, where);

async function report(name, up, down) {
  const { slot } = await panel.db.prepare('SELECT slot FROM users WHERE name = ?1').bind(name).first();
  seq += 1;
  const { status, text } = await node.sync({ report: node.report({ seq, users: [[slot, up, down]] }) });
  assert.equal(status, 200, text);
}

const userOf = async (name) => (await panel.api('GET', `/api/v1/users/${name}`)).body;

/** What the pages of a language call things: enough of it to drive the journey as its reader does. */
const LANGUAGES = {
  en: { own: 'English', direction: 'ltr', users: 'Users', add: 'Add user', name: 'Name', plan: 'Plan', quota: 'Quota per period, GB', active: 'Active', limited: 'Limited',
    why: 'monthly quota used up', size: 'Size, GB', buy: 'Add package', bonus: 'bonus 2 GB', disable: 'Disable', enable: 'Enable', disabled: 'Disabled', used: '1.2 GB of 1 GB',
    remove: 'Delete', rule: '3 to 32 of A-Z a-z 0-9 _ . @ -' },
  fa: { own: 'فارسی', direction: 'rtl', users: 'کاربران', add: 'افزودن کاربر', name: 'نام', plan: 'طرح', quota: 'سهمیهٔ هر دوره، گیگابایت', active: 'فعال', limited: 'محدود',
    why: 'سهمیهٔ دوره تمام شده', size: 'اندازه، گیگابایت', buy: 'افزودن بسته', bonus: 'مازاد ۲ گیگابایت', disable: 'غیرفعال‌کردن', enable: 'فعال‌کردن', disabled: 'غیرفعال',
    used: '۱٫۲ گیگابایت از ۱ گیگابایت', remove: 'حذف', rule: '3 تا 32 نویسه از A-Z a-z 0-9 _ . @ -' },
};

for (const [code, words] of Object.entries(LANGUAGES)) {
  test(`an operator adds a user, reads why he is shut, sells him a package and sees him open again (${code})`, async () => {
    const name = `ann-${code}`;
    const page = await visit('/');
    await page.getByRole('button', { name: words.own }).click();
    await page.waitForFunction((direction) => document.documentElement.dir === direction, words.direction);
    assert.equal(await page.evaluate(() => document.documentElement.lang), code);
    await page.getByRole('link', { name: words.users, exact: true }).click();
    await page.getByRole('link', { name: words.add }).first().click();
    await page.waitForURL(`${panel.url}/new/user`);

    // Errors stand beside the field, with the rule, and nothing is created.
    const field = (label) => page.getByLabel(label, { exact: true });
    await field(words.name).fill('a b');
    await page.getByRole('button', { name: words.add }).click();
    await page.locator('#name-error').getByText(words.rule).waitFor();
    assert.equal(await field(words.name).getAttribute('aria-invalid'), 'true');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'name');
    assert.deepEqual(page.complaints.splice(0), ['console: Failed to load resource: the server responded with a status of 422 (Unprocessable Entity)']);

    // The plan's values are shown in the fields that are left empty.
    await field(words.name).fill(name);
    await field(words.plan).selectOption('basic');
    assert.equal(await field(words.quota).getAttribute('placeholder'), '100');
    await field(words.quota).fill(code === 'fa' ? '۱' : '1');
    await page.getByRole('button', { name: words.add }).click();
    await page.waitForURL(`${panel.url}/users/${name}`);
    const made = await userOf(name);
    assert.deepEqual([made.plan, made.monthly_quota, made.device_limit, made.speed_limit], ['basic', GB, 5, 5120 * 1024]);
    assert.equal(await text(page.locator('h1')), `${name} ${words.active}`);
    assert.equal(await text(page.locator('#address')), made.subscription_url);

    // He reaches his limit; the page turns by itself and says why.
    await report(name, 100 * MB, 1129 * MB);
    await page.locator('h1').getByText(words.limited).waitFor({ timeout: NEWS_LIMIT_MS });
    assert.equal(await text(page.locator('.reason')), words.why);
    assert.match(await text(page.locator('#live')), new RegExp(words.used));

    await field(words.size).fill('2');
    await page.getByRole('button', { name: words.buy }).click();
    await page.locator('h1').getByText(words.active).waitFor();
    assert.equal(await field(words.size).inputValue(), '');
    assert.match(await text(page.locator('#live')), new RegExp(words.bonus));
    assert.equal((await userOf(name)).bonus_left, 2 * GB);

    await page.getByRole('button', { name: words.disable, exact: true }).click();
    await page.locator('h1').getByText(words.disabled).waitFor();
    await page.getByRole('button', { name: words.enable, exact: true }).click();
    await page.locator('h1').getByText(words.active, { exact: true }).waitFor();

    await page.getByRole('button', { name: words.remove }).click();
    const dialog = page.locator('dialog#delete');
    assert.match(await text(dialog.locator('h2')), new RegExp(name));
    await dialog.getByRole('button', { name: words.remove }).click();
    await page.waitForURL(`${panel.url}/users`);
    assert.equal((await panel.api('GET', `/api/v1/users/${name}`)).status, 404);
    assert.deepEqual(page.complaints, []);
    await page.context().close();
  });
}

test('a user is changed by what was changed in the form and by nothing else', async () => {
  assert.equal((await panel.api('POST', '/api/v1/users', { name: 'ben', monthly_quota: 100 * MB + 1, note: MARKUP })).status, 201);
  const page = await visit('/users/ben/edit');
  assert.equal(await page.getByLabel('Note').inputValue(), MARKUP);
  await page.getByLabel('Total quota, GB').fill('1.5');
  await page.getByLabel('Expires on (UTC)').fill('2030-01-02');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.waitForURL(`${panel.url}/users/ben`);
  const { monthly_quota: monthly, total_quota: total, expires_at: expires, note } = await userOf('ben');
  assert.deepEqual([monthly, total, expires, note], [100 * MB + 1, 1.5 * GB, Date.UTC(2030, 0, 2) / 1000, MARKUP]);
  await page.goto(`${panel.url}/users/ben/edit`);
  await page.getByLabel('Expires on (UTC)').fill('');
  await page.getByLabel('Plan', { exact: true }).selectOption('free');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.waitForURL(`${panel.url}/users/ben`);
  const given = await userOf('ben');
  assert.deepEqual([given.expires_at, given.plan, given.monthly_quota], [null, 'free', 10 * GB]);
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('a note of several lines is written as it is, and keeps its lines when something else is changed', async () => {
  const page = await visit('/new/user');
  await page.getByLabel('Name').fill('una');
  await page.getByLabel('Note').fill('Hall 3\nsecond floor');
  await page.getByRole('button', { name: 'Add user' }).click();
  await page.waitForURL(`${panel.url}/users/una`);
  assert.equal((await userOf('una')).note, 'Hall 3\nsecond floor');

  await page.goto(`${panel.url}/users/una/edit`);
  assert.equal(await page.getByLabel('Note').inputValue(), 'Hall 3\nsecond floor');
  await page.getByLabel('Quota per period, GB').fill('2');
  const sent = page.waitForRequest((request) => request.method() === 'PATCH');
  await page.getByRole('button', { name: 'Save' }).click();
  assert.deepEqual((await sent).postDataJSON(), { monthly_quota: 2 * GB });
  await page.waitForURL(`${panel.url}/users/una`);
  const { note, monthly_quota: quota } = await userOf('una');
  assert.deepEqual([note, quota], ['Hall 3\nsecond floor', 2 * GB]);

  await page.goto(`${panel.url}/users/una/edit`);
  await page.getByLabel('Note').fill('Hall 3\nsecond floor\nleft');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.waitForURL(`${panel.url}/users/una`);
  assert.equal((await userOf('una')).note, 'Hall 3\nsecond floor\nleft');
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('a node is added, its one command is shown once, and it is seen to come', async () => {
  const page = await visit('/new/node');
  await page.getByLabel('Name').fill('Oslo');
  await page.getByLabel('Address').fill('not a host!');
  await page.getByRole('button', { name: 'Add node' }).click();
  await page.locator('#address-error').waitFor();
  page.complaints.length = 0;
  await page.getByLabel('Address').fill('oslo.example');
  await page.getByRole('button', { name: 'Add node' }).click();
  await page.locator('#install').waitFor();
  const command = await text(page.locator('#install-command'));
  assert.match(command, new RegExp(`^curl -fsSL ${panel.url}/install\\.sh \\| sh -s -- [0-9a-f]{32}$`));
  assert.equal(await page.locator('form.form').isVisible(), false);
  await page.getByRole('link', { name: 'To the node' }).click();
  await page.waitForURL(/\/nodes\/\d+$/);
  await page.locator('h1').getByText('new').waitFor();
  const { key } = await enrol(panel, command.split(' ').at(-1));
  await new ScriptedAgent({ panel, key, epoch: randomEpoch() }).sync({ status: { core: 'sing-box', core_version: '1.14.4' } });
  await page.locator('h1').getByText('online').waitFor({ timeout: NEWS_LIMIT_MS });
  await page.getByRole('button', { name: 'Rotate key' }).click();
  await page.locator('#install-command').getByText('install.sh').waitFor();
  assert.notEqual(await text(page.locator('#install-command')), command);
  await page.getByRole('button', { name: 'Delete' }).click();
  await page.locator('dialog#delete').getByRole('button', { name: 'Delete' }).click();
  await page.waitForURL(`${panel.url}/nodes`);
  assert.equal(await page.getByText('Oslo').count(), 0);
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('from a node the way leads to those who use it, and the list can be narrowed to them', async () => {
  assert.equal((await panel.api('POST', '/api/v1/users', { name: 'kim' })).status, 201);
  await report('kim', 1, 2);
  const page = await visit(`/nodes/${node.node}`);
  await page.getByRole('link', { name: 'Users of this node' }).click();
  await page.waitForURL(`${panel.url}/users?node=${node.node}`);
  const shown = () => page.locator('table.users a.name').allInnerTexts();
  assert.ok((await shown()).includes('kim') && !(await shown()).includes('ben'), String(await shown()));
  assert.equal(await page.getByLabel('Nodes').inputValue(), String(node.node));
  const { items, total } = (await panel.api('GET', `/api/v1/users?node=${node.node}`)).body;
  assert.deepEqual([items.length, items.some(({ name }) => name === 'kim')], [total, true]);
  await page.getByLabel('Nodes').selectOption('');
  await page.waitForURL((url) => !url.searchParams.get('node'));
  assert.ok((await shown()).includes('ben'));
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('the keyboard leads everywhere', async () => {
  const page = await visit('/');
  for (const [key, where] of [['u', '/users'], ['n', '/nodes'], ['d', '/']]) {
    // One right after the other, however long a busy machine takes to hear of the first.
    await Promise.all([page.keyboard.press('g'), page.keyboard.press(key)]);
    await page.waitForURL(panel.url + where);
  }
  await page.keyboard.press('?');
  await page.getByRole('dialog', { name: 'Keyboard shortcuts' }).waitFor();
  await page.keyboard.press('Escape');
  await page.locator('dialog#help').waitFor({ state: 'hidden' });
  await page.keyboard.press('/');
  await page.waitForURL(/\/users/);
  await page.waitForFunction(() => document.activeElement?.type === 'search');
  await page.keyboard.type('gun?');
  assert.equal(await page.getByRole('searchbox').inputValue(), 'gun?', 'letters in a field are letters');
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('every page keeps the strict content security policy, shows what others have written as text, and is complete in every language', async () => {
  const page = await visit('/');
  for (const language of ['en', 'zh', 'ru', 'fa']) {
    await page.context().addCookies([{ name: 'language', value: language, url: panel.url }]);
    for (const where of ['/', '/users', '/users/ben', '/users/ben/edit', '/new/user', '/nodes', `/nodes/${node.node}`, '/new/node']) {
      const answer = await page.goto(panel.url + where);
      assert.equal(answer.status(), 200, where);
      assert.match(answer.headers()['content-security-policy'], /script-src 'self'; style-src 'self'/);
      const live = await page.evaluate(() => [...document.querySelectorAll('*')].flatMap((element) =>
        [...element.attributes].filter(({ name, value }) => name === 'style' || name.startsWith('on') || (name === 'src' && value === 'x')).map(({ name }) => name)));
      assert.deepEqual(live, [], where);
      assert.doesNotMatch(await page.locator('body').innerText(), /\{[a-z]+\}/, `${where} in ${language}: a word with a hole`);
      assert.equal(await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth), 0, where);
    }
  }
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('the browser says which language its reader knows, and a choice of his own wins', async () => {
  const page = async (headers) => (await panel.request('GET', '/', { headers: { cookie: `sid=${cookies[0].value}`, ...headers } })).text;
  assert.match(await page({ 'accept-language': 'ru-RU,ru;q=0.9' }), /<html lang="ru" dir="ltr">/);
  assert.match(await page({ 'accept-language': 'ru', cookie: `language=fa; sid=${cookies[0].value}` }), /<html lang="fa" dir="rtl">/);
  const choose = (body, origin = panel.url) => panel.request('POST', '/language', { body: new URLSearchParams(body).toString(),
    headers: { origin, 'content-type': 'application/x-www-form-urlencoded' } });
  const chosen = await choose({ language: 'zh', back: '/users?q=a' });
  assert.deepEqual([chosen.status, chosen.headers.get('location')], [303, '/users?q=a']);
  assert.match(chosen.headers.get('set-cookie'), /^language=zh; Path=\/; HttpOnly; SameSite=Lax/);
  assert.equal((await choose({ language: 'zh', back: '//evil.example/' })).headers.get('location'), '/');
  assert.equal((await choose({ language: 'zh' }, 'https://evil.example')).status, 403);
  assert.equal((await choose({ language: 'tlh' })).status, 422);
});

test('without a session every page leads to the sign-in, and a user or a node that is not there is said to be missing', async () => {
  for (const where of ['/', '/users', '/users/ben', '/users/ben/edit', '/new/user', '/nodes', '/nodes/1', '/new/node']) {
    const { status, headers } = await panel.request('GET', where);
    assert.deepEqual([status, headers.get('location')], [303, '/login'], where);
  }
  for (const where of ['/users/nobody', '/users/nobody/edit', '/nodes/4711', '/nodes/x']) {
    assert.equal((await panel.request('GET', where, { headers: { cookie: `sid=${cookies[0].value}` } })).status, 404, where);
  }
});

test('the first page weighs less than 60 KiB with everything', async (t) => {
  const page = await browser.open({ cookies });
  let bytes = 0;
  const cdp = await page.context().newCDPSession(page);
  await cdp.send('Network.enable');
  cdp.on('Network.loadingFinished', ({ encodedDataLength }) => (bytes += encodedDataLength));
  await page.goto(panel.url, { waitUntil: 'networkidle' });
  t.diagnostic(`${bytes} bytes, as the local server sends them`);
  assert.ok(bytes > 5_000 && bytes < MOST_BYTES, `${bytes}`);
  await page.context().close();
});
