/** What an operator does in his first hour, from the sign-in to the audit log, in English and in Persian: the real Worker in a real browser. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { startBrowser } from './support/browser.mjs';
import { startPanel } from './support/panel.mjs';
import { enrol } from './support/seed.mjs';
import { ScriptedAgent } from './support/wire.mjs';

const MB = 2 ** 20;
const NEWS_LIMIT_MS = 50_000; // the page asks for news every 5 s

let panel;
let browser;

before(async () => {
  panel = await startPanel({ vars: { SYNC_SECONDS: '1', REPORT_SECONDS: '1' } });
  browser = await startBrowser();
});

after(async () => {
  await browser?.stop();
  await panel?.stop();
});

const text = async (locator) => (await locator.innerText()).replace(/\s+/g, ' ').trim();
const userOf = async (name) => (await panel.api('GET', `/api/v1/users/${name}`)).body;

const LANGUAGES = {
  en: { nodes: 'Nodes', addNode: 'Add node', name: 'Name', address: 'Address', toNode: 'To the node', online: 'online', users: 'Users', addUser: 'Add user', plan: 'Plan',
    quota: 'Quota per period, GB', active: 'Active', limited: 'Limited', why: 'monthly quota used up', bytes: '100 MB of 1 GB', size: 'Size, GB', buy: 'Add package', select: 'Select ', disable: 'Disable',
    preview: 'Preview', doIt: 'Do it', done: 'done', undo: 'Undo', undone: 'undone', audit: 'Audit', made: 'User · created', sold: 'Package · given' },
  fa: { nodes: 'گره‌ها', addNode: 'افزودن گره', name: 'نام', address: 'نشانی', toNode: 'به گره', online: 'آنلاین', users: 'کاربران', addUser: 'افزودن کاربر', plan: 'طرح',
    quota: 'سهمیهٔ هر دوره، گیگابایت', active: 'فعال', limited: 'محدود', why: 'سهمیهٔ دوره تمام شده', bytes: '۱۰۰ مگابایت از ۱ گیگابایت', size: 'اندازه، گیگابایت', buy: 'افزودن بسته', select: 'انتخاب ', disable: 'غیرفعال‌کردن',
    preview: 'پیش‌نمایش', doIt: 'انجام بده', done: 'انجام شد', undo: 'برگرداندن', undone: 'برگردانده شد', audit: 'گزارش کارها', made: 'کاربر · ساخته شد', sold: 'بسته · داده شد' },
};

for (const [code, words] of Object.entries(LANGUAGES)) {
  test(`sign in, enrol a node, see a user's first bytes and his limit, sell him a package, undo a bulk change, read the audit log (${code})`, async () => {
    const name = `mona-${code}`;
    const page = await browser.open({ cookies: [{ name: 'language', value: code, url: panel.url }] });
    const field = (label) => page.getByLabel(label, { exact: true });
    const button = (label) => page.getByRole('button', { name: label, exact: true });
    const menu = (label) => page.locator('.menu').getByRole('link', { name: label, exact: true });
    await page.goto(panel.url);
    await page.waitForURL(`${panel.url}/login`);
    assert.equal(await page.evaluate(() => document.documentElement.lang), code);
    await page.locator('#name').fill(panel.operator.username);
    await page.locator('#password').fill(panel.operator.password);
    await page.keyboard.press('Enter');
    await page.waitForURL(`${panel.url}/`);

    await menu(words.nodes).click();
    await page.getByRole('link', { name: words.addNode }).first().click();
    await field(words.name).fill(`Oslo ${code}`);
    await field(words.address).fill('oslo.example');
    await button(words.addNode).click();
    await page.locator('#install').waitFor();
    const command = await text(page.locator('#install-command'));
    const { key } = await enrol(panel, command.split(' ').at(-1));
    const agent = new ScriptedAgent({ panel, key });
    const first = await agent.sync({ status: { core: 'sing-box', core_version: '1.14.4' } });
    assert.equal(first.status, 200, first.text);
    await page.getByRole('link', { name: words.toNode }).click();
    await page.locator('h1').getByText(words.online).waitFor({ timeout: NEWS_LIMIT_MS });

    await menu(words.users).click();
    await page.getByRole('link', { name: words.addUser }).first().click();
    await field(words.name).fill(name);
    await field(words.plan).selectOption('basic');
    await field(words.quota).fill('1');
    await button(words.addUser).click();
    await page.waitForURL(`${panel.url}/users/${name}`);
    const { slot } = await panel.db.prepare('SELECT slot FROM users WHERE name = ?1').bind(name).first();
    const report = async (seq, down) => assert.equal((await agent.sync({ report: agent.report({ seq, users: [[slot, 0, down]] }) })).status, 200);
    await report(1, 100 * MB);
    await page.waitForFunction((bytes) => document.getElementById('live').innerText.replace(/\s+/g, ' ').includes(bytes), words.bytes, { timeout: NEWS_LIMIT_MS });
    await report(2, 924 * MB);
    await page.locator('h1').getByText(words.limited).waitFor({ timeout: NEWS_LIMIT_MS });
    assert.equal(await text(page.locator('.reason')), words.why);
    await field(words.size).fill('2');
    await button(words.buy).click();
    await page.locator('h1').getByText(words.active).waitFor();

    await menu(words.users).click();
    await page.getByRole('checkbox', { name: `${words.select}${name}` }).check();
    await page.locator('#bulk-action').selectOption(words.disable);
    await button(words.preview).click();
    await button(words.doIt).click();
    await page.waitForURL(`${panel.url}/bulk`);
    await page.locator('#live').getByText(words.done, { exact: true }).first().waitFor();
    assert.equal((await userOf(name)).status, 'disabled');
    await button(words.undo).first().click();
    await page.waitForFunction(() => document.querySelector('#live li [data-call$="/undo"]') === null, undefined, { timeout: NEWS_LIMIT_MS });
    await panel.cron('bulk');
    await page.locator('#live li').first().getByText(words.undone, { exact: true }).waitFor({ timeout: NEWS_LIMIT_MS });
    assert.equal((await userOf(name)).status, 'active');

    await menu(words.audit).click();
    await page.waitForURL(`${panel.url}/audit`, { waitUntil: 'networkidle' });
    await page.goto(`${panel.url}/audit?subject=${encodeURIComponent(`users/${name}`)}`);
    const log = await text(page.locator('main'));
    assert.match(log, new RegExp(words.made));
    assert.match(log, new RegExp(words.sold));
    assert.deepEqual(page.complaints, []);
    await page.context().close();
  });
}
