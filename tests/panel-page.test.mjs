/** The panel as an operator meets it: the real Worker's pages in a real browser. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { startBrowser } from './support/browser.mjs';
import { startPanel } from './support/panel.mjs';
import { seedAgent, seedUsers } from './support/seed.mjs';
import { now, randomEpoch, randomSlot, ScriptedAgent } from './support/wire.mjs';

const MB = 2 ** 20;
const GB = 2 ** 30;
/** The page asks for news every 5 s. */
const NEWS_LIMIT_MS = 50_000;
/** Users on a page of the list. */
const PAGE = 50;
const CROWD = 120;
/** Markup that would run, and words that would not fit, if names were not treated as text. */
const MARKUP = '<img src=x onerror=alert(1)>';
const LONG = 'a-name-as-long-as-a-name-can-be1';

let panel;
let browser;
let node;
/** The page that signs in. @type {import('playwright-core').Page & {complaints: string[]}} */
let page;

before(async () => {
  panel = await startPanel({ vars: { SYNC_SECONDS: '1', REPORT_SECONDS: '1' } });
  browser = await startBrowser();
  await seedUsers(panel, CROWD);
  node = await seedAgent(panel, { name: 'Frankfurt' });
  await node.sync({
    status: { core: 'sing-box', core_version: '1.14.4', incarnation: 1, uptime: 5, online: 2, connections: 7, rate_up: 2048, rate_down: 3 * MB },
  });
  await create({ name: 'ann', note: 'the first one', monthly_quota: 100 * MB, total_quota: 10 * GB });
  await create({ name: 'ben', monthly_quota: MB });
  await create({ name: 'cleo' });
  await create({ name: 'dora', expires_at: now() - 7200 });
  await create({ name: 'emil', note: MARKUP });
  await panel.api('POST', '/api/v1/users/cleo/disable');
  await report([['ann', 10 * MB, 85 * MB], ['ben', 0, 2 * MB], ['dora', 1, 2]], { unattributed: 3 * MB });
});

after(async () => {
  await browser?.stop();
  await panel?.stop();
});

async function create(fields) {
  const { status, text } = await panel.api('POST', '/api/v1/users', fields);
  assert.equal(status, 201, text);
}

/** The node reports bytes of users by name. */
let seq = 0;
async function report(users, fields = {}) {
  const lines = [];
  for (const [name, up, down] of users) {
    const { slot } = await panel.db.prepare('SELECT slot FROM users WHERE name = ?1').bind(name).first();
    lines.push([slot, up, down]);
  }
  seq += 1;
  const { status, text } = await node.sync({ report: node.report({ seq, users: lines, ...fields }) });
  assert.equal(status, 200, text);
}

/** A page that is signed in already. */
async function signedIn(options = {}) {
  const other = await browser.open({ cookies: await page.context().cookies(), ...options });
  await other.goto(`${panel.url}/users`);
  return other;
}

const row = (on, name) => on.locator('tbody tr', { has: on.getByText(name, { exact: true }) });
const text = async (locator) => (await locator.innerText()).replace(/\s+/g, ' ').trim();
const names = (on) => on.locator('tbody .name').allInnerTexts();
const focused = (on) => on.evaluate(() => document.activeElement.innerText || document.activeElement.name || document.activeElement.id);

test('without a session every page is the sign-in', async () => {
  page = await browser.open();
  await page.goto(`${panel.url}/?q=ann`);
  assert.equal(new URL(page.url()).pathname, '/login');
  assert.equal(await page.title(), 'Sign in · Weir');
});

test('a wrong password is told, and the name stays for another try', async () => {
  await page.getByLabel('Name').fill('admin');
  await page.getByLabel('Password').fill('wrong');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('alert').waitFor();
  assert.equal(await text(page.getByRole('alert')), 'Name or password is wrong.');
  assert.equal(await page.getByLabel('Name').inputValue(), 'admin');
  assert.equal(await focused(page), 'password');
  assert.deepEqual(page.complaints.splice(0), ['console: Failed to load resource: the server responded with a status of 401 (Unauthorized)']);
});

test('the right one opens the dashboard, by keyboard alone', async () => {
  await page.keyboard.type(panel.operator.password);
  await page.keyboard.press('Enter');
  await page.waitForURL(`${panel.url}/`);
  const cards = (await page.locator('.stat').allInnerTexts()).map((card) => card.split('\n'));
  assert.deepEqual(cards, [['Users', '125'], ['Active', '122'], ['Online now', '2'], ['Traffic, all time', '97 MB']]);
});

test('the dashboard shows the days, the users with the most traffic, the nodes at a glance, and what the day costs', async () => {
  assert.equal(await panel.cron('alerts'), 'ok');
  await page.reload();
  assert.match(await text(page.locator('section', { hasText: 'Traffic, last 30 days' }).last()), /97 MB in all 97 MB/);
  assert.deepEqual(await page.locator('.ranks .name').allInnerTexts(), ['ann', 'ben', 'dora']);
  assert.match(await text(page.locator('.glance li')), /^Frankfurt online sing-box 1\.14\.4 · seen .* Online users 2 Connections 7/);
  await page.getByRole('link', { name: 'Users', exact: true }).click();
  await page.waitForURL(`${panel.url}/users`);
});

test('each user has his status with its reason, his quotas, and when he was last online', async () => {
  const told = {};
  for (const name of ['ann', 'ben', 'cleo', 'dora']) told[name] = await text(row(page, name));
  assert.match(told.ann, /^ann the first one Active 95 MB of 100 MB resets in \d+ (d|h|min) 95 MB of 10 GB online, just now$/);
  assert.match(told.ben, /^ben Limited monthly quota used up 2 MB of 1 MB resets in .* 2 MB online, just now$/);
  assert.match(told.cleo, /^cleo Disabled by a person (just now|\d+ s ago) 0 B 0 B never$/);
  assert.match(told.dora, /^dora Expired ended 2 h ago 3 B 3 B online, just now$/);
  const bar = page.getByRole('progressbar', { name: 'Traffic of ann in this period' });
  assert.deepEqual([await bar.getAttribute('value'), await bar.getAttribute('max'), await bar.getAttribute('class')], ['950', '1000', 'high']);
});

test('the node says when it was last seen, its core, its version, and what it could not attribute', async () => {
  await page.goto(`${panel.url}/nodes`);
  const card = await text(page.getByRole('article', { name: 'Frankfurt' }));
  for (const part of ['Frankfurt online', 'sing-box 1.14.4 · agent test · seen ', 'Online users 2', 'Connections 7', '↑ 2 KB/s ↓ 3 MB/s',
    'Traffic 97 MB', 'Reloads 0', 'Clock right', '3 MB unattributed The core counted them']) assert.ok(card.includes(part), `${part}: ${card}`);
  assert.ok(!card.includes('Events'), card);
});

test('a node that has seen trouble says each figure with one sentence on what to do, and lists what happened', async () => {
  const odd = await seedAgent(panel, { name: 'Oslo' });
  await odd.sync({ report: odd.report({ seq: 3, users: [[randomSlot(), 0, 5 * MB]], foreign: 4 * MB }), skip: { from: 1, to: 3 } });
  const beside = new ScriptedAgent({ panel, key: odd.key, epoch: randomEpoch() });
  await beside.sync({ report: beside.report({ seq: 1, leaves: { epoch: odd.epoch, seq: 4, ambiguous: MB } }) });
  // As if the second ledger had begun a minute ago, and the first had been left for long.
  await panel.db.prepare('UPDATE epochs SET created_at = created_at - CASE epoch WHEN ?1 THEN 120 ELSE 60 END, seen_at = seen_at - 61 WHERE node = ?2')
    .bind(odd.epoch, odd.node).run();
  await odd.sync();
  await panel.db.prepare('UPDATE epochs SET seen_at = seen_at - 5 WHERE epoch = ?1').bind(odd.epoch).run();
  await beside.sync({ clock: now() - 7260, status: {
    core: 'sing-box', core_version: '1.14.4', reloads: 3, cut: 12, reloaded: { at: now() - 3600, why: 'users', cut: 5 }, rejected: 1, gaps: 2, forks: 1,
    ambiguous: MB, lost_estimate: 2 * MB, last_loss: { at: now() - 7200, bytes: MB }, bypasses: ['inbound "own" keeps users of its own'],
    pending_reload: 1, last_error: 'the core does not answer' } });
  await page.goto(`${panel.url}/nodes`);
  const card = page.getByRole('article', { name: 'Oslo' });
  const notes = (await card.locator('.notes strong').allInnerTexts()).sort();
  assert.deepEqual(notes, ['1 MB ambiguous', '1 fork', '1 report refused', '1 user waits for a reload', '12 connections cut by reloads',
    '2 MB lost with killed cores, by estimate, last 2 h ago', '2 reports missing', '4 MB foreign', '5 MB unknown',
    'Bypass: inbound "own" keeps users of its own', 'Clock 2 h behind', 'Two hosts use this key'].sort());
  for (const advice of await card.locator('.notes small').allInnerTexts()) assert.match(advice, /^[A-Z].*: .*\.$/);
  assert.match(await text(card), /Last reload 1 h ago: users had no loaded slot; connections cut: 5\./);
  assert.match(await text(card), /the core does not answer/);
  assert.equal(await card.locator('details ol').isVisible(), false);
  await card.getByText('Events (2)').click();
  assert.deepEqual(await card.locator('details li strong').allInnerTexts(), ['fork', 'gap']);
  // A refresh leaves open what a person has opened.
  await beside.sync({ report: beside.report({ seq: 2, to: now() + 7200 }) });
  await card.getByText('Events (3)').waitFor({ timeout: NEWS_LIMIT_MS });
  assert.equal(await card.locator('details ol').isVisible(), true);
  await panel.api('DELETE', `/api/v1/nodes/${odd.node}`);
});

test('what people have typed is shown as text', async () => {
  await page.goto(`${panel.url}/users`);
  assert.equal(await text(row(page, 'emil').locator('.note')), MARKUP);
});

test('the list goes on page by page, forth and back, with each user once', async () => {
  const seen = [];
  for (;;) {
    const shown = await names(page);
    seen.push(shown);
    const more = page.getByRole('link', { name: 'More' });
    if ((await more.count()) === 0) break;
    await more.click();
    await page.waitForFunction((first) => (document.querySelector('tbody .name')?.innerText ?? first) !== first, shown[0]);
  }
  assert.deepEqual(seen.map(({ length }) => length), [PAGE, PAGE, 25]);
  assert.equal(new Set(seen.flat()).size, 125);
  assert.equal(seen[0][0], 'emil', 'the newest first');
  for (const before of [seen[1], seen[0]]) {
    await page.getByRole('link', { name: 'Back' }).click();
    await page.waitForFunction((first) => document.querySelector('tbody .name')?.innerText === first, before[0]);
    assert.deepEqual(await names(page), before);
  }
  assert.equal(await page.getByRole('link', { name: 'Back' }).count(), 0);
});

test('a search finds names and notes, goes on page by page, and says when nobody fits', async () => {
  const field = page.getByRole('searchbox');
  const search = async (words) => {
    await field.fill(words);
    await field.press('Enter');
    await page.waitForURL((url) => (url.searchParams.get('q') ?? '') === words);
  };
  await search('first');
  assert.deepEqual(await names(page), ['ann']);
  assert.equal(await field.inputValue(), 'first');
  await search('user-');
  assert.equal((await names(page)).length, PAGE);
  await page.getByRole('link', { name: 'More' }).click();
  await page.waitForURL((url) => url.searchParams.get('offset') === '50' && url.searchParams.get('q') === 'user-');
  assert.equal((await names(page)).length, PAGE);
  await search('nobody has this name');
  assert.match(await text(page.locator('.empty')), /^No user fits\. Show all$/);
  await page.getByRole('link', { name: 'Show all' }).click();
  await page.waitForURL(`${panel.url}/users`);
});

test('the list is narrowed down by status and sorted by name and usage', async () => {
  const choose = async (name, key, value) => {
    await page.locator('.chips').getByRole('link', { name, exact: true }).click();
    await page.waitForURL((url) => url.searchParams.get(key) === value);
    assert.equal(await text(page.locator(`.chips a[aria-current="true"]`, { hasText: name })), name);
  };
  await choose('Limited', 'status', 'limited');
  assert.deepEqual(await names(page), ['ben']);
  await choose('Expired', 'status', 'expired');
  assert.deepEqual(await names(page), ['dora']);
  await choose('Disabled', 'status', 'disabled');
  assert.deepEqual(await names(page), ['cleo']);
  await page.goto(`${panel.url}/users`);
  await choose('Most used', 'sort', 'used');
  assert.deepEqual((await names(page)).slice(0, 3), ['ann', 'ben', 'dora']);
  await choose('Name', 'sort', 'name');
  const sorted = await names(page);
  assert.deepEqual(sorted, [...sorted].sort((a, b) => a.toLowerCase().localeCompare(b.toLowerCase(), 'en')));
  assert.equal(sorted[0], 'ann');
});

test('numbers refresh themselves, and what is being typed, the focus and the caret stay', async () => {
  await page.goto(`${panel.url}/users`);
  const field = page.getByRole('searchbox');
  await field.fill('half a word');
  await page.evaluate(() => {
    globalThis.mark = 'not loaded anew';
    document.querySelector('input[type=search]').setSelectionRange(2, 5);
  });
  await report([['ann', 0, 3 * MB]]);
  await row(page, 'ann').getByText('98 MB').first().waitFor({ timeout: NEWS_LIMIT_MS });
  assert.deepEqual(
    await page.evaluate(() => {
      const { value, selectionStart, selectionEnd } = document.activeElement;
      return { mark: globalThis.mark, value, selectionStart, selectionEnd };
    }),
    { mark: 'not loaded anew', value: 'half a word', selectionStart: 2, selectionEnd: 5 },
  );
});

test('a new user appears in the list by himself, and a user at his limit turns', async () => {
  await create({ name: 'fritz', monthly_quota: MB });
  await row(page, 'fritz').getByText('Active').waitFor({ timeout: NEWS_LIMIT_MS });
  await report([['fritz', 0, MB]]);
  await row(page, 'fritz').getByText('monthly quota used up').waitFor({ timeout: NEWS_LIMIT_MS });
});

test('everything is reached by the keyboard, in the order of the page, and what has the focus is marked', async () => {
  await page.goto(`${panel.url}/users`);
  const reached = [];
  for (let step = 0; step < 28; step += 1) {
    await page.keyboard.press('Tab');
    reached.push(await focused(page));
    const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outline);
    assert.match(outline, /solid 2px|2px solid/, `${reached.at(-1)}: ${outline}`);
  }
  assert.deepEqual(reached, ['To the content', 'Weir', 'Dashboard', 'Users', 'Nodes', 'Plans', 'Sources', 'Alerts', 'Audit', 'Settings',
    panel.operator.username, 'Sign out', 'q', 'Any plan\nbasic\nfree\npremium\nunlimited', 'Any node\nFrankfurt', 'Search', 'Saved lists', 'Add user',
    'All', 'Active', 'On hold', 'Limited', 'Expired', 'Disabled', 'Newest', 'Name', 'Most used', 'pick-page']);
  await page.goto(panel.url);
  await page.keyboard.press('Tab');
  assert.ok(await page.getByRole('link', { name: 'To the content' }).isVisible());
  await page.keyboard.press('Enter');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'content');
});

/** Text whose contrast to what lies behind it is less than 4.5 to 1 (WCAG AA). Runs in the page. */
function faint() {
  const parse = (colour) => (colour.match(/[\d.]+/g) ?? []).map(Number);
  const luminance = ([red, green, blue]) => {
    const [r, g, b] = [red, green, blue].map((part) => (part <= 10.31475 ? part / 3294.6 : ((part / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const colour = parse(getComputedStyle(one).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let checked = 0;
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.nodeValue.trim() || !element.checkVisibility()) continue;
    checked += 1;
    const [a, b] = [luminance(parse(getComputedStyle(element).color)), luminance(ground(element))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) found.push(`${walker.currentNode.nodeValue.trim()}: ${contrast.toFixed(2)}`);
  }
  return checked < 4 ? ['nothing was checked'] : [...new Set(found)];
}

test('light and dark follow the system, and every word can be read in both', async () => {
  const grounds = [];
  for (const dark of [false, true]) {
    const other = await signedIn({ dark });
    for (const where of ['/users', '/', '/nodes', `/nodes/${node.node}`, '/users/ann', '/users/ben', '/users/ann/edit', '/new/user', '/new/node']) {
      await other.goto(panel.url + where);
      assert.deepEqual(await other.evaluate(faint), [], `${where} ${dark ? 'dark' : 'light'}`);
    }
    grounds.push(await other.evaluate(() => getComputedStyle(document.body).backgroundColor.match(/\d+/g).map(Number)));
    assert.deepEqual(other.complaints, []);
    const stranger = await browser.open({ dark });
    await stranger.goto(`${panel.url}/login`);
    assert.deepEqual(await stranger.evaluate(faint), [], dark ? 'dark sign-in' : 'light sign-in');
    await Promise.all([other, stranger].map((one) => one.context().close()));
  }
  const [light, dark] = grounds.map((parts) => Math.max(...parts));
  assert.ok(light > 200 && dark < 60, `${light} ${dark}`);
});

test('nothing is wider than the window, down to a small phone', async () => {
  await create({ name: LONG, note: LONG.repeat(4), monthly_quota: 1023 * GB, total_quota: 1023 * GB });
  for (const width of [360, 320, 768, 1024]) {
    const other = await signedIn({ width, height: 800, touch: width < 500 });
    await row(other, LONG).waitFor();
    const wide = () => other.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.equal(await wide(), 0, `the users at ${width}`);
    for (const where of ['/', '/nodes', `/nodes/${node.node}`, `/users/${LONG}`, `/users/${LONG}/edit`, '/new/user', '/new/node']) {
      await other.goto(panel.url + where);
      assert.equal(await wide(), 0, `${where} at ${width}`);
    }
    assert.equal(await other.evaluate(() => innerWidth), width, `zoomed out at ${width}`);
    await other.context().clearCookies();
    await other.goto(`${panel.url}/login`);
    assert.equal(await wide(), 0, `the sign-in at ${width}`);
    await other.context().close();
  }
});

test('on a phone every value says what it is', async () => {
  const phone = await signedIn({ width: 390, height: 844, touch: true });
  const labels = await row(phone, 'ann').locator('td[data-label]').evaluateAll((cells) =>
    cells.map((cell) => getComputedStyle(cell, '::before').content));
  assert.deepEqual(labels, ['"This period"', '"Total"', '"Last online"']);
  await phone.context().close();
});

test('without scripts the page works the same and stands still', async () => {
  const plain = await signedIn({ scripts: false });
  assert.match(await text(row(plain, 'ann')), /98 MB of 100 MB/);
  await plain.getByRole('searchbox').fill('first');
  await plain.getByRole('button', { name: 'Search' }).click();
  await plain.waitForURL((url) => url.searchParams.get('q') === 'first');
  assert.deepEqual(await names(plain), ['ann']);
  await plain.context().close();
});

test('no page has broken its own content security policy, or complained of anything else', async () => {
  assert.deepEqual(page.complaints, []);
  const blocked = await page.evaluate(() => new Promise((resolve) => {
    document.addEventListener('securitypolicyviolation', (event) => resolve(event.effectiveDirective));
    const script = document.createElement('script');
    script.textContent = 'globalThis.broken = true';
    document.body.append(script);
  }));
  assert.equal(blocked, 'script-src-elem');
  assert.equal(await page.evaluate(() => globalThis.broken), undefined);
  page.complaints.length = 0;
});

test('while the panel is away the page says so and goes on when it is back', async () => {
  const other = await signedIn();
  await panel.kill();
  await other.getByText('No connection. Trying again.').waitFor({ timeout: NEWS_LIMIT_MS });
  await panel.start();
  await other.waitForFunction(() => document.getElementById('pulse').textContent === '', undefined, { timeout: NEWS_LIMIT_MS });
  assert.equal((await names(other)).length, PAGE);
  await other.context().close();
  page.complaints.length = 0;
});
