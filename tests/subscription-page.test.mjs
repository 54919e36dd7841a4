/** The page that a browser gets at a subscription's address: the real Worker in a real Chromium. */
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { startBrowser } from './support/browser.mjs';
import { startPanel } from './support/panel.mjs';
import { seedAgent, seedUsers } from './support/seed.mjs';
import { now } from './support/wire.mjs';
import { authKeyOf, tokenOf } from './support/xpert.mjs';

const GB = 2 ** 30;
const DAY = 86_400;
const HTML = 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8';
const CHROME = 'Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Mobile Safari/537.36';
const LANGUAGES = ['en', 'zh', 'ru', 'fa'];

let panel;
let browser;
let authKey;
let ann;

before(async () => {
  panel = await startPanel({ vars: { SUBSCRIPTION_TITLE: 'Blue River', SUPPORT_URL: 'https://example.com/help' } });
  browser = await startBrowser();
  authKey = await authKeyOf(panel);
  const node = await seedAgent(panel, { name: 'Zürich 🚀' });
  const inbounds = ['trojan', 'vless', 'hysteria2'].map((protocol, index) => ({ tag: protocol, protocol, port: 20_000 + index, tls: true }));
  assert.equal((await node.sync({ inbounds })).status, 200);
  ann = await user({ monthlyQuota: 50 * GB, month: Math.round(31.4 * GB) });
  await change(ann, `expires_at = ${now() + 90 * DAY - 600}, plan = 'premium'`);
  const today = now() - (now() % DAY);
  const days = Array.from({ length: 30 }, (_, back) => [ann.id, today - back * DAY, node.node, ((back * 7) % 11) * 0.02 * GB, ((back * 5) % 13) * 0.2 * GB]);
  for (const [table, column, rows] of [['history', 'hour', days.slice(0, 7)], ['history_days', 'day', days.slice(7)]]) {
    await panel.db.prepare(`INSERT INTO ${table} (user, ${column}, node, up, down)
      SELECT value ->> 0, value ->> 1, value ->> 2, CAST(value ->> 3 AS INTEGER), CAST(value ->> 4 AS INTEGER) FROM json_each(?1)`).bind(JSON.stringify(rows)).run();
  }
});
after(async () => {
  await browser?.stop();
  await panel?.stop();
});

async function user(usage) {
  const [one] = await seedUsers(panel, 1, usage);
  return { ...one, where: `/sub/${tokenOf(authKey, one)}` };
}
const change = (one, set) => panel.db.prepare(`UPDATE users SET ${set} WHERE id = ?1`).bind(one.id).run();
const ask = (one, headers = {}, method = 'GET', rest = '') =>
  panel.request(method, one.where + rest, { headers: { 'user-agent': CHROME, accept: HTML, ...headers } });

/** Opens the page of a user. WEIR_SHOTS names a folder for pictures of it. */
async function open(one, options = {}, query = '') {
  const page = await browser.open(options);
  await page.goto(panel.url + one.where + query);
  return page;
}
async function shoot(page, name) {
  const folder = process.env.WEIR_SHOTS;
  if (!folder) return;
  await mkdir(folder, { recursive: true });
  await page.screenshot({ path: path.join(folder, `${name}.png`), fullPage: true });
}
const text = async (locator) => (await locator.innerText()).replace(/\s+/g, ' ').trim();
const isWide = (page) => page.evaluate(() => document.documentElement.scrollWidth > innerWidth);

test('a browser gets the page, an app at the same address its list', async () => {
  const { status, headers, text: html } = await ask(ann);
  assert.equal(status, 200);
  assert.equal(headers.get('content-type'), 'text/html; charset=utf-8');
  assert.match(html, /^<!doctype html>/);
  for (const asked of [{ accept: '*/*' }, { 'user-agent': 'okhttp/4.12' }, { 'user-agent': 'v2rayNG/1.10.5' }]) {
    assert.equal((await ask(ann, asked)).headers.get('content-type'), 'text/plain; charset=utf-8', JSON.stringify(asked));
  }
  assert.equal((await ask(ann, {}, 'GET', '/links')).headers.get('content-type'), 'text/plain; charset=utf-8', 'a format wins');
  assert.equal((await ask(ann, { 'user-agent': 'curl', accept: '*/*' }, 'GET', '/page')).headers.get('content-type'), 'text/html; charset=utf-8');
});

test('nobody may keep, list or frame the page, and nothing in it is inline', async () => {
  const { headers, text: html } = await ask(ann);
  assert.equal(headers.get('cache-control'), 'no-store');
  assert.equal(headers.get('x-robots-tag'), 'noindex');
  assert.equal(headers.get('referrer-policy'), 'no-referrer');
  assert.equal(headers.get('vary'), 'User-Agent, Accept, Accept-Language');
  assert.match(headers.get('content-security-policy'), /default-src 'none'.*frame-ancestors 'none'/);
  assert.match(html, /<meta name="robots" content="noindex">/);
  assert.doesNotMatch(html, /style=|<style|<script>|\son[a-z]+=/);
  const head = await ask(ann, {}, 'HEAD');
  assert.deepEqual([head.status, head.text, head.headers.get('content-type')], [200, '', 'text/html; charset=utf-8']);
});

test('it shows what was used of what, until when, and on which days', async () => {
  const page = await open(ann);
  assert.equal(await page.title(), 'Blue River');
  const hero = await text(page.locator('.hero'));
  for (const part of [`${ann.name} Active`, '31.4 GB of 50 GB', '18.6 GB left', 'Plan premium', 'New traffic', 'Valid until', 'in 89 days'])
    assert.ok(hero.includes(part), `${part}: ${hero}`);
  assert.equal(await page.locator('.ring text').textContent(), '62%');
  assert.equal(await page.locator('.ring .filled').getAttribute('stroke-dasharray'), '62 100');
  assert.ok((await page.locator('.chart rect').count()) >= 27);
  await page.getByText('Numbers by day').click();
  const table = await text(page.locator('.days'));
  assert.match(table, /^Day Traffic \d+ \w+ /);
  assert.deepEqual(page.complaints, []);
});

test('one tap imports it into an app, those of the reader’s system first', async () => {
  const page = await open(ann);
  const address = panel.url + ann.where;
  assert.equal(await page.locator('.apps details[open] summary').count(), 1);
  const links = Object.fromEntries(await page.locator('.apps a').evaluateAll((all) => all.map((a) => [a.textContent, a.getAttribute('href')])));
  const encoded = encodeURIComponent(address);
  assert.equal(links.Hiddify, `hiddify://import/${address}#Blue%20River`);
  assert.equal(links['Clash Verge'], `clash://install-config?url=${encoded}&name=Blue%20River`);
  assert.equal(links['sing-box'], `sing-box://import-remote-profile?url=${encoded}#Blue%20River`);
  assert.equal(links.v2rayNG, `v2rayng://install-sub?url=${encoded}#Blue%20River`);
  assert.equal(links.Happ, `happ://add/${address}`);
  assert.equal(links.Shadowrocket, `sub://${Buffer.from(address).toString('base64')}#Blue%20River`);
  for (const [agent, first] of [[CHROME, 'Android'], ['Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X)', 'iPhone · iPad'], ['Mozilla/5.0 (Windows NT 10.0)', 'Windows']]) {
    const { text: html } = await ask(ann, { 'user-agent': agent });
    assert.match(html, new RegExp(`<details open>\\s*<summary>${first}`));
  }
});

test('its link is copied by a button, and single servers have links and pictures that load when they are opened', async () => {
  const page = await open(ann);
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write'], { origin: panel.url });
  const pictures = [];
  page.on('request', (request) => { if (request.url().includes('/qr?')) pictures.push(request.url()); });
  await page.locator('.link button').click();
  await page.getByRole('button', { name: 'Copied' }).waitFor();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), panel.url + ann.where);
  const servers = page.locator('.servers details');
  const { text: list } = await ask(ann, {}, 'GET', '/links');
  const lines = list.trim().split('\n');
  assert.equal(await servers.count(), lines.length);
  assert.deepEqual(await page.locator('.servers code').allTextContents(), lines);
  assert.deepEqual(pictures, []);
  await servers.nth(1).locator('summary').click();
  const picture = servers.nth(1).locator('img');
  await picture.evaluate((img) => img.complete || new Promise((done) => { img.onload = done; }));
  assert.ok((await picture.evaluate((img) => img.naturalWidth)) > 0);
  assert.deepEqual(pictures, [`${panel.url}${ann.where}/qr?link=1`]);
  assert.deepEqual(page.complaints, []);
});

test('the picture of a server that is not there is refused', async () => {
  for (const [query, status] of [['link=0', 200], ['link=99', 404], ['link=x', 422], ['', 422]]) {
    const answer = await ask(ann, {}, 'GET', `/qr?${query}`);
    assert.equal(answer.status, status, query);
    if (status === 200) assert.equal(answer.headers.get('content-type'), 'image/svg+xml');
  }
});

test('without scripts everything but the copy button is there', async () => {
  const page = await open(ann, { scripts: false });
  assert.equal(await page.locator('.link button').isVisible(), false);
  assert.equal(await page.locator('.link svg.qr').isVisible(), true);
  assert.equal(await page.locator('.link code').innerText(), panel.url + ann.where);
  await page.getByText('Numbers by day').click();
  assert.equal(await page.locator('.days').isVisible(), true);
});

test('it speaks the browser’s language or the one that is chosen, Persian from the right', async () => {
  for (const [accepted, query, lang] of [['fa-IR,fa;q=0.9', '', 'fa'], ['de,ru;q=0.5', '', 'ru'], ['fa', '?lang=zh', 'zh'], ['de', '', 'en'], ['ru', '?lang=xx', 'ru']]) {
    const { headers, text: html } = await ask(ann, { 'accept-language': accepted }, 'GET', query);
    assert.ok(html.includes(`<html lang="${lang}" dir="${lang === 'fa' ? 'rtl' : 'ltr'}">`), `${accepted} ${query}`);
    assert.equal(headers.get('content-language'), lang);
  }
  const page = await open(ann);
  await page.getByRole('link', { name: 'فارسی' }).click();
  await page.waitForURL(/lang=fa/);
  const hero = await text(page.locator('.hero'));
  assert.match(hero, /۳۱٫۴ گیگابایت/);
  assert.doesNotMatch(hero.replace(ann.name, ''), /[0-9]/);
  assert.ok((await page.locator('.ring').boundingBox()).x > (await page.locator('.figures').boundingBox()).x, 'the ring stands on the right');
});

test('whoever may not pass reads why and what happens next, and gets no server', async () => {
  const full = await user({ monthlyQuota: GB, month: GB });
  const [expired, disabled, paused] = [await user(), await user(), await user()];
  await change(expired, `expires_at = ${now() - DAY}`);
  await change(disabled, `disabled_at = ${now()}`);
  await change(paused, `suspended_until = ${now() + 1790}`);
  for (const [name, one, title, next] of [
    ['limited', full, 'Your traffic is used up', /New traffic comes on 1 \w+ \d{4}\./],
    ['expired', expired, 'Your subscription has ended', /It ended on \d+ \w+ \d{4}\./],
    ['disabled', disabled, 'Your account is switched off', /Only they can/],
    ['paused', paused, 'Your account is paused', /opens by itself: in 29 minutes\./],
  ]) {
    const page = await open(one, { width: 390, height: 844, touch: true });
    const why = await text(page.locator('.why'));
    assert.ok(why.startsWith(title), why);
    assert.match(why, next);
    assert.equal(await page.locator('.why').getByRole('link', { name: 'Get help' }).getAttribute('href'), 'https://example.com/help');
    assert.equal(await page.locator('.servers').count(), 0);
    assert.equal((await ask(one, {}, 'GET', '/qr?link=0')).status, 404);
    await shoot(page, `phone-${name}`);
    assert.deepEqual(page.complaints, []);
  }
});

test('it fits a phone of 360 pixels, dark or light, in every language', async () => {
  for (const lang of LANGUAGES) {
    for (const dark of [false, true]) {
      for (const [kind, size] of [['phone', { width: 360, height: 740, touch: true }], ['desktop', { width: 1280, height: 900 }]]) {
        const page = await open(ann, { ...size, dark }, `?lang=${lang}`);
        assert.equal(await isWide(page), false, `${lang} ${kind} scrolls sideways`);
        const small = await page.locator('.apps details[open] a, .link button').evaluateAll((all) => all.filter((one) => one.getBoundingClientRect().height < 44 && one.offsetParent).length);
        if (kind === 'phone') assert.equal(small, 0, 'what is tapped is large enough');
        await shoot(page, `${kind}-${lang}-${dark ? 'dark' : 'light'}`);
        assert.deepEqual(page.complaints, []);
        await page.context().close();
      }
    }
  }
});

test('printed, it keeps the numbers and the code, and leaves the buttons out', async () => {
  const page = await open(ann);
  await page.emulateMedia({ media: 'print' });
  assert.deepEqual(await Promise.all(['.hero', '.link svg.qr', '.apps', '.servers'].map((part) => page.locator(part).isVisible())), [true, true, false, false]);
  await shoot(page, 'print');
});

test('a page costs four queries at most and its log stands under browsers', async (t) => {
  const one = await user({ monthlyQuota: GB });
  const first = await ask(one);
  assert.ok(first.cost.queries <= 4 && first.cost.read <= 5 && first.cost.written === 1, JSON.stringify(first.cost));
  const again = await ask(one);
  assert.ok(again.cost.queries <= 3 && again.cost.read <= 6 && again.cost.written === 0, JSON.stringify(again.cost));
  const busy = await ask(ann);
  t.diagnostic(`30 days on one node: ${JSON.stringify(busy.cost)}`);
  assert.ok(busy.cost.read <= 4 + 30 + 2 && busy.cost.queries <= 3, JSON.stringify(busy.cost));
  const picture = await ask(one, {}, 'GET', '/qr?link=0');
  assert.ok(picture.cost.queries === 1 && picture.cost.read <= 4 && picture.cost.written === 0, JSON.stringify(picture.cost));
  const { entries } = await panel.db.prepare('SELECT entries FROM fetch_log WHERE user = ?1').bind(one.id).first();
  assert.deepEqual(JSON.parse(entries).map(([family, format]) => [family, format]), [['browser', 'page']]);
});

test('a link that belongs to nobody says so to a person in his language, and costs no query when it is forged', async () => {
  const forged = { where: ann.where.slice(0, -1) + (ann.where.endsWith('A') ? 'B' : 'A') };
  const { status, cost, headers, text: html } = await ask(forged, { 'accept-language': 'fa' });
  assert.deepEqual([status, cost], [404, { queries: 0, read: 0, written: 0 }]);
  assert.deepEqual([headers.get('content-language'), headers.get('x-robots-tag'), headers.get('cache-control')], ['fa', 'noindex', 'no-store']);
  assert.match(html, /dir="rtl"/);
  const app = await ask(forged, { 'user-agent': 'v2rayNG/1.10.5' });
  assert.deepEqual([app.status, app.text], [404, 'subscription not found\n']);
  const revoked = await user();
  await change(revoked, 'generation = 2');
  const page = await open(revoked, { width: 390, height: 844, touch: true });
  assert.match(await text(page.locator('.card')), /^Blue River This link does not work .* Get help$/);
  await shoot(page, 'phone-gone');
});

test('a page with many servers stays light, and long names do not widen it', async (t) => {
  const crowded = await startPanel();
  try {
    const node = await seedAgent(crowded, { name: 'A name that is so long that it must be broken somewhere 0123456789'.replaceAll(' ', '_') });
    const inbounds = Array.from({ length: 40 }, (_, index) => ({ tag: `in-${index}`, protocol: 'vless', port: 20_000 + index, tls: true, server_name: 'weir.test' }));
    assert.equal((await node.sync({ inbounds })).status, 200);
    const [one] = await seedUsers(crowded, 1, { monthlyQuota: GB });
    const where = `/sub/${tokenOf(await authKeyOf(crowded), one)}`;
    const { text: html, status } = await crowded.request('GET', where, { headers: { 'user-agent': CHROME, accept: HTML } });
    assert.equal(status, 200);
    t.diagnostic(`40 servers: ${html.length} bytes`);
    assert.ok(html.length < 80_000, `${html.length} bytes`);
    const page = await browser.open({ width: 360, height: 740, touch: true });
    await page.goto(crowded.url + where);
    assert.equal(await page.locator('.servers details').count(), 40);
    assert.equal(await isWide(page), false);
    assert.deepEqual(page.complaints, []);
  } finally {
    await crowded.stop();
  }
});
