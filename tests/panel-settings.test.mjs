/** The panel's pages of settings, jobs and backups: the real Worker, with a real bucket, in a real browser. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';

import { startBrowser } from './support/browser.mjs';
import { addOperator, signInOwner } from './support/operators.mjs';
import { startPanel } from './support/panel.mjs';
import { assertRefused } from './support/refusals.mjs';
import { now } from './support/wire.mjs';
import { MARKUP, text, visitAs } from './support/visits.mjs';

/** The pages ask for news every 5 s. */
const NEWS_LIMIT_MS = 50_000;
const PAGES = ['/settings', '/settings/jobs', '/settings/backups'];
const REFUSED = 'console: Failed to load resource: the server responded with a status of 422 (Unprocessable Entity)';

let panel;
let browser;
let owner;
let admin;
let viewer;
let reseller;

before(async () => {
  panel = await startPanel({ bucket: true });
  browser = await startBrowser();
  owner = await signInOwner(panel);
  admin = await addOperator(panel, owner, { name: 'admin-2', role: 'admin' });
  viewer = await addOperator(panel, owner, { name: 'looker', role: 'viewer' });
  reseller = await addOperator(panel, owner, { name: 'shop', role: 'reseller' });
});

after(async () => {
  await browser?.stop();
  await panel?.stop();
});

const visit = (where, { who = owner, ...look } = {}) => visitAs(panel, browser, who, where, look);

const settingsOf = async (area) => (await panel.api('GET', `/api/v1/settings/${area}`)).body;
const xpertOf = async () => (await panel.api('GET', '/api/xpert/settings')).body;
/** The last entry of the audit log. */
const lastDeed = async () => (await panel.api('GET', '/api/v1/audit?limit=1')).body.items[0];

test('some fields of an area are changed by PATCH and the others stay, null gives a default again, and what is wrong changes nothing', async () => {
  const patch = (area, body) => panel.api('PATCH', `/api/v1/settings/${area}`, body);
  const first = await patch('sharing', { limit: 7, action: 'cut' });
  assert.deepEqual([first.status, first.body], [200, { limit: 7, action: 'cut', cut_minutes: 30, keep_days: 90 }]);
  assert.deepEqual((await patch('sharing', { action: null, keep_days: 5 })).body, { limit: 7, action: 'log', cut_minutes: 30, keep_days: 5 });
  const { action, subject, before: was, after: is } = await lastDeed();
  assert.deepEqual([action, subject, was, is], ['settings.change', 'settings/sharing', { limit: 7, action: 'cut', cut_minutes: 30, keep_days: 90 }, { limit: 7, action: 'log', cut_minutes: 30, keep_days: 5 }]);
  const { number } = await lastDeed();
  assert.deepEqual((await patch('sharing', {})).body, await settingsOf('sharing'));
  for (const [body, field] of [[{ limit: 1001 }, 'limit'], [{ limit: 'x' }, 'limit'], [{ nothing: 1 }, 'nothing'], [{ limit: 3, cut_minutes: 1 }, 'cut_minutes']]) {
    assertRefused(await patch('sharing', body), 422, 'invalid', field);
  }
  assert.equal((await patch('nowhere', {})).status, 404);
  assert.equal((await lastDeed()).number, number, 'what changes nothing, and what is refused, is not recorded');
  assert.equal((await settingsOf('sharing')).limit, 7);
  assert.equal((await viewer.api('PATCH', '/api/v1/settings/sharing', { limit: 1 })).status, 403);
  assert.equal((await owner.api('PATCH', '/api/v1/settings/sharing', { limit: 1 }, { origin: 'https://evil.example' })).status, 403);
  await panel.api('PUT', '/api/v1/settings/sharing', {});
});

test('some of what was set about other servers is changed by PATCH, and null is the variable again', async () => {
  const patch = (body) => panel.api('PATCH', '/api/xpert/settings', body);
  assert.deepEqual((await patch({ title: 'Mine', retention_days: 9 })).body.set_here, { title: 'Mine', retention_days: 9 });
  const { body } = await patch({ title: null });
  assert.deepEqual([body.set_here, body.settings.title, body.settings.retention_days], [{ retention_days: 9 }, 'Xpert Panel', 9]);
  const wrong = await patch({ fetch_log_days: 0 });
  assert.deepEqual([wrong.status, wrong.body], [422, { detail: 'fetch_log_days: an integer from 1 to 3650' }]);
  await panel.api('PUT', '/api/xpert/settings', {});
});

/** A card of the page: what is typed or chosen, and what its area is then. */
const CARDS = [
  ['subscriptions', 'Subscriptions', async (card) => {
    assert.equal(await card.getByLabel('Title').getAttribute('placeholder'), 'Weir');
    await card.getByLabel('Title').fill(MARKUP);
    await card.getByLabel('Who may not pass gets').selectOption('empty');
  }, () => settingsOf('subscriptions'), { title: MARKUP, update_hours: null, support_url: null, barred: 'empty' }],
  ['devices', 'Devices that fetch', async (card) => {
    await card.getByLabel('Tell devices apart').check();
    await card.getByLabel('Devices of a user at most').fill('4');
  }, () => settingsOf('devices'), { enabled: true, limit: 4, without_id: 'serve' }],
  ['sharing', 'Account sharing', async (card) => {
    await card.getByLabel('Addresses at most').fill('۵');
    await card.getByLabel('Whoever has more').selectOption('cut');
  }, () => settingsOf('sharing'), { limit: 5, action: 'cut', cut_minutes: 30, keep_days: 90 }],
  ['alerts', 'Alerts', async (card) => {
    await card.getByLabel('Percent of the quota').fill('50, 80 95');
    await card.getByLabel('Days before expiry').fill('');
  }, () => settingsOf('alerts'), { quota_percent: [50, 80, 95], expiring_days: [], silent_minutes: 10, report_hour: 8, keep_days: 30 }],
  ['retention', 'History', (card) => card.getByLabel('Days that are kept day by day').fill('500'), () => settingsOf('retention'), { hours_days: 7, days_days: 500 }],
  ['backup', 'Backups', (card) => card.getByLabel('Hour of the day').fill('3'), () => settingsOf('backup'), { enabled: true, hour: 3, keep: 14, queries: 50 }],
  ['xpert', 'Traffic through other servers', async (card) => {
    await card.getByLabel('Take clients’ reports').uncheck();
    await card.getByLabel('Towards the quota count').selectOption('trusted');
    await card.getByLabel('Where clients reach the panel').fill('panel.example');
  }, async () => (await xpertOf()).set_here, { tracking_enabled: false, quota_counting: 'trusted', domain: 'panel.example' }],
];

for (const [id, title, fill, read, expected] of CARDS) {
  test(`the card "${title}" sends what was changed in it, says that it is saved, and shows it from then on`, async () => {
    const page = await visit('/settings');
    const sent = [];
    page.on('request', (request) => request.method() === 'PATCH' && sent.push(Object.keys(request.postDataJSON()).length));
    const card = page.locator(`section#${id}`);
    assert.equal(await text(card.locator('h2')), title);
    await fill(card);
    await card.getByRole('button', { name: 'Save' }).click();
    await card.getByText('Saved.').waitFor();
    assert.deepEqual(await read(), expected);
    // Once more: nothing is left to be sent.
    await card.getByRole('button', { name: 'Save' }).click();
    await page.waitForFunction((one) => document.querySelector(`#${one} form`).ariaBusy === 'false' && document.querySelector(`#${one} [data-saved]`).textContent, id);
    assert.equal(sent.at(-1), 0);
    await page.reload();
    assert.deepEqual(page.complaints, []);
    await page.context().close();
  });
}

test('a setting that cannot be is refused beside its field, also where the Xpert API refuses, and a number that is taken away has its default again', async () => {
  const page = await visit('/settings');
  for (const [id, label, value, rule] of [
    ['sharing', 'Minutes for which he is cut', '1', 'an integer from 15 to 10080'],
    ['alerts', 'Percent of the quota', '80, many', 'invalid type'],
    ['xpert', 'Days for which fetches are kept', '0', 'an integer from 1 to 3650'],
  ]) {
    const card = page.locator(`section#${id}`);
    await card.getByLabel(label).fill(value);
    await card.getByRole('button', { name: 'Save' }).click();
    await card.locator('.error:not([hidden])').getByText(rule).waitFor();
    assert.equal(await card.getByLabel(label).getAttribute('aria-invalid'), 'true');
    assert.deepEqual(page.complaints.splice(0), [REFUSED]);
  }
  const sharing = page.locator('section#sharing');
  await sharing.getByLabel('Minutes for which he is cut').fill('');
  await sharing.getByLabel('Days for which notes are kept').fill('');
  await sharing.getByRole('button', { name: 'Save' }).click();
  await sharing.getByText('Saved.').waitFor();
  assert.deepEqual(await settingsOf('sharing'), { limit: 5, action: 'cut', cut_minutes: 30, keep_days: 90 });
  await page.context().close();
});

test('a Marzban secret is imported and taken back, and never shown', async () => {
  const page = await visit('/settings');
  const card = page.locator('section#marzban');
  await card.getByLabel('Its jwt.secret_key').fill('short');
  await card.getByRole('button', { name: 'Import' }).click();
  await card.getByText('64 hexadecimal digits, as in the table jwt').waitFor();
  assert.deepEqual(page.complaints.splice(0), [REFUSED]);
  const secret = 'ab'.repeat(32);
  await card.getByLabel('Its jwt.secret_key').fill(secret);
  await card.getByRole('button', { name: 'Import' }).click();
  await page.getByText('A secret was imported.').waitFor();
  assert.doesNotMatch(await page.content(), new RegExp(secret));
  assert.deepEqual(await settingsOf('marzban'), { jwt_secret_key_set: true });
  await card.getByRole('button', { name: 'Take back' }).click();
  await page.locator('dialog#take-back').getByRole('button', { name: 'Take back' }).click();
  await page.getByText('None was imported.').waitFor();
  assert.deepEqual(await settingsOf('marzban'), { jwt_secret_key_set: false });
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('jobs show how each went and when it runs again, and are run by hand', async () => {
  await panel.db.batch([
    panel.db.prepare(`UPDATE jobs SET started_at = ?1, ended_at = ?1, lasted_ms = 2400, queries = 3, rows_read = 1200, failures = 4, error = ?2, note = ?2, next_at = ?1 + 3600 + 300
      WHERE name = 'retention'`).bind(now(), MARKUP),
    panel.db.prepare("UPDATE jobs SET started_at = ?1 - 7200, ended_at = ?1 - 7200, failures = 0, error = NULL, next_at = 9007199254740991 WHERE name = 'bulk'").bind(now()),
    panel.db.prepare("UPDATE jobs SET started_at = ?1 - 3000, failures = 1, error = NULL WHERE name = 'rollup'").bind(now()),
  ]);
  const page = await visit('/settings/jobs');
  const row = (name) => page.getByRole('row').filter({ has: page.locator('.name', { hasText: new RegExp(`^${name}$`) }) });
  const { results } = await panel.db.prepare('SELECT name FROM jobs').all();
  assert.equal(await page.locator('tbody tr').count(), results.length);
  assert.equal(await page.locator('tbody th').filter({ hasText: /^\w+$/ }).count(), 0, 'every job is explained');
  assert.match(await text(row('retention')), /failed Failures in a row: 4 .*<img src=x onerror=alert\(1\)> .*took 2 s 3 queries, 1,200 rows read, 0 written in 1 h Run now$/);
  assert.match(await text(row('bulk')), /done 2 h ago .* when it is needed Run now$/);
  assert.match(await text(row('rollup')), /cut off/);
  await row('retention').getByRole('button', { name: 'Run now: retention' }).click();
  await row('retention').getByText('within a minute').waitFor();
  const { next_at: next } = await panel.db.prepare("SELECT next_at FROM jobs WHERE name = 'retention'").first();
  assert.ok(next <= now());
  assert.equal((await lastDeed()).action, 'job.run');
  await panel.cron('retention');
  await row('retention').getByText('done').waitFor({ timeout: NEWS_LIMIT_MS });
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('a backup is made, seen to be made, listed, and each of its parts can be fetched and is what its digest says', async () => {
  const page = await visit('/settings/backups');
  assert.match(await text(page.locator('main')), /There is no backup yet\..* Once a day, from 3:00 on\. The newest 14 are kept\./);
  await page.getByRole('button', { name: 'Make a backup now' }).click();
  await page.getByText('A backup was asked for. It begins within a minute.').waitFor();
  const made = async () => (await panel.db.prepare('SELECT made_at FROM backup_state').first()).made_at;
  for (let run = 0; (await made()) === null; run += 1) {
    assert.ok(run < 10, 'a small panel takes a run or two');
    assert.equal(await panel.cron('backup'), 'ok');
  }
  await page.getByText('The newest backup is of').waitFor({ timeout: NEWS_LIMIT_MS });
  await page.getByRole('link', { name: 'Show the list anew' }).click();
  const instant = await made();
  await page.getByText(`make backup TO=$HOME/weir-backup INSTANT=${instant}`).waitFor();
  await page.getByRole('link', { name: 'Parts' }).click();
  await page.waitForURL(`${panel.url}/settings/backups/${instant}`);
  const [saved] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: 'Manifest' }).click()]);
  const manifest = JSON.parse(await readFile(await saved.path(), 'utf8'));
  assert.equal(manifest.instant, instant);
  assert.equal(await page.locator('tbody tr').count(), manifest.parts.length);
  const [part] = manifest.parts;
  const link = page.getByRole('link', { name: part.name, exact: true });
  const [file] = await Promise.all([page.waitForEvent('download'), link.click()]);
  assert.equal((await readFile(await file.path())).length, part.bytes);
  assert.match(await text(page.locator('tbody')), new RegExp(part.sha256));
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('an admin makes backups and sees none of them', async () => {
  const page = await visit('/settings/backups', { who: admin });
  assert.match(await text(page.locator('main')), /Only an owner sees and fetches them/);
  assert.equal(await page.locator('main a[href^="/settings/backups/"]').count(), 0);
  await page.getByRole('button', { name: 'Make a backup now' }).click();
  await page.getByText('A backup was asked for').waitFor();
  const { made_at: made } = await panel.db.prepare('SELECT made_at FROM backup_state').first();
  assert.equal((await admin.api('GET', `/settings/backups/${made}`)).status, 403);
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('a viewer reads settings and jobs and finds no control, and whoever may not look is refused', async () => {
  for (const where of ['/settings', '/settings/jobs']) {
    const page = await visit(where, { who: viewer });
    assert.equal(await page.locator('main [data-api], main [data-call], main [data-opens], main input, main select').count(), 0, where);
    await page.context().close();
    assert.equal((await reseller.api('GET', where)).status, 403, where);
  }
  assert.match((await viewer.api('GET', '/settings')).text, /<dt>Percent of the quota<\/dt><dd><bdi>50, 80, 95</);
  for (const who of [viewer, reseller]) {
    for (const where of ['/settings/backups', '/settings/backups/1']) assert.equal((await who.api('GET', where)).status, 403, where);
  }
});

test('every page is complete in every language, fits a phone, and shows what others have written as text', async () => {
  await panel.db.prepare("UPDATE jobs SET error = ?1, note = ?1, failures = 3 WHERE name IN ('backup', 'sources')").bind(MARKUP).run();
  const { made_at: made } = await panel.db.prepare('SELECT made_at FROM backup_state').first();
  for (const language of ['en', 'zh', 'ru', 'fa']) {
    const page = await visit('/settings', { language, width: 360, height: 780, touch: true });
    for (const where of [...PAGES, `/settings/backups/${made}`]) {
      const answer = await page.goto(panel.url + where);
      assert.equal(answer.status(), 200, where);
      assert.equal(await page.locator('main img').count(), 0, where);
      assert.doesNotMatch(await page.locator('body').innerText(), /\{[a-z]+\}/, `${where} in ${language}: a word with a hole`);
      assert.equal(await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth), 0, `${where} in ${language}`);
      const faults = await page.evaluate(() => {
        const ids = [...document.querySelectorAll('[id]')].map(({ id }) => id);
        const nameless = [...document.querySelectorAll('main input:not([type=hidden]), main select')].filter(({ labels }) => labels.length === 0);
        const levels = [...document.querySelectorAll('main h1, main h2, main h3')].map((one) => Number(one.localName[1]));
        return [ids.length - new Set(ids).size, nameless.length, levels.some((level, index) => level > (levels[index - 1] ?? 0) + 1)];
      });
      assert.deepEqual(faults, [0, 0, false], `${where}: an id twice, a field without a label, a heading that is skipped`);
    }
    assert.deepEqual(page.complaints, []);
    await page.context().close();
  }
});

test('without a session the pages lead to the sign-in, without a bucket the page of backups says how to get one, and a backup that is not there is missing', async () => {
  for (const where of [...PAGES, '/settings/backups/1']) assert.equal((await panel.request('GET', where)).headers.get('location'), '/login', where);
  for (const where of ['/settings/backups/1', '/settings/backups/x', '/settings/backups/..%2f1']) assert.equal((await owner.api('GET', where)).status, 404, where);
  const bare = await startPanel();
  try {
    const { status, text: shown } = await (await signInOwner(bare)).api('GET', '/settings/backups');
    assert.equal(status, 200);
    assert.match(shown, /make deploy BACKUP=weir-backup/);
    assert.doesNotMatch(shown, /data-api="POST \/api\/v1\/backups"/);
  } finally {
    await bare.stop();
  }
});

test('the pages cost a few rows, and write none', async () => {
  for (const [where, read, queries] of [['/settings', 2 + 2 * 7 + 1, 3], ['/settings/jobs', 2 + 14, 2], ['/settings/backups', 2 + 1 + 2 + 14, 4]]) {
    for (const headers of [{}, { 'weir-part': 'live' }]) {
      const { cost } = await owner.api('GET', where, undefined, headers);
      assert.ok(cost.read <= read && cost.queries <= queries && cost.written === 0, `${where} ${JSON.stringify(cost)}`);
    }
  }
});
