/** Channels and deliveries in a real browser: entered, tried, changed, switched, sent again and deleted, with real endpoints. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { startBrowser } from './support/browser.mjs';
import { Endpoint } from './support/endpoint.mjs';
import { addChannel, later, quietly } from './support/notices.mjs';
import { addOperator, signInOwner } from './support/operators.mjs';
import { startPanel } from './support/panel.mjs';
import { assertPages, MARKUP, text, visitAs } from './support/visits.mjs';

const TOKEN = '123456:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw';

let panel;
let browser;
let endpoint;
let owner;

before(async () => {
  panel = await startPanel({ vars: { NOTIFY_PRIVATE: '1' } });
  browser = await startBrowser();
  endpoint = await Endpoint.start();
  owner = await signInOwner(panel);
});

after(async () => {
  await browser?.stop();
  await panel?.stop();
  await endpoint?.stop();
});

const visit = (where) => visitAs(panel, browser, owner, where);

const channels = async () => (await panel.api('GET', '/api/v1/channels')).body.items;
const named = async (name) => (await channels()).find((one) => one.name === name);
/** What the browser says of an answer that is an error, which here is meant to be one. */
const forgive = (page) => (page.complaints.length = 0);

test('a webhook is added from the empty page, its secret is shown once, and a test tells how it went', async () => {
  const page = await visit('/alerts');
  await page.getByText('No channel yet.').waitFor();
  await page.getByText('Nothing was sent yet.').waitFor();
  await page.getByRole('link', { name: 'Add channel' }).first().click();
  await page.waitForURL(/\/new\/channel$/);
  // Errors stand beside their field, and nothing is made.
  await page.getByLabel('Name').fill('shop');
  await page.getByLabel('Address').fill('no address');
  await page.getByRole('button', { name: 'Add channel' }).click();
  await page.locator('[data-error="webhook.url"]').waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.name), 'webhook.url');
  assert.deepEqual(await channels(), []);
  forgive(page);
  await page.getByLabel('Address').fill(`${endpoint.url}/hook`);
  await page.getByLabel('Daily report').uncheck();
  await page.getByLabel('User created').check();
  await page.getByLabel('From', { exact: true }).fill('22:00');
  await page.getByLabel('To', { exact: true }).fill('07:30');
  await page.getByRole('button', { name: 'Add channel' }).click();
  await page.getByText('The channel is there.').waitFor();
  assert.match(await text(page.locator('#secret-text')), /^whsec_[0-9a-f]{48}$/);
  const made = await named('shop');
  assert.deepEqual([made.type, made.enabled, made.quiet, made.severity], ['webhook', true, { from: '22:00', to: '07:30' }, 'info']);
  assert.ok(made.kinds.includes('user.created') && made.kinds.includes('node.silent') && !made.kinds.includes('report.daily') && !made.kinds.includes('user.reset'));

  await page.getByRole('link', { name: 'To the channel' }).click();
  await page.waitForURL(`${panel.url}/alerts/${made.id}`);
  await page.getByRole('button', { name: 'Send a test' }).click();
  await page.getByText('Delivered. Status: 204').waitFor();
  assert.equal(endpoint.taken()[0].json[0].kind, 'channel.test');
  endpoint.answer = () => 500;
  await page.getByRole('button', { name: 'Send a test' }).click();
  await page.getByText(/^Not delivered:/).waitFor();
  assert.equal(await page.getByText('Delivered. Status:').isVisible(), false);
  assert.doesNotMatch(await page.content(), /whsec_/);
  endpoint.answer = () => 204;
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('a channel is changed by what was changed: quiet hours go, its secret stays', async () => {
  const { id } = await named('shop');
  const page = await visit(`/alerts/${id}`);
  assert.equal(await page.getByLabel('Daily report').isChecked(), false);
  const sent = page.waitForRequest((request) => request.method() === 'PATCH');
  await page.getByLabel('Name').fill('store');
  await page.getByLabel('From', { exact: true }).fill('');
  await page.getByLabel('To', { exact: true }).fill('');
  await page.getByLabel('At least').selectOption('warning');
  await page.getByRole('button', { name: 'Save' }).click();
  assert.deepEqual((await sent).postDataJSON(), { name: 'store', quiet: null, severity: 'warning' });
  await page.locator('h1').getByText('store').waitFor();
  const changed = await named('store');
  assert.deepEqual([changed.quiet, changed.severity, changed.target.url], [null, 'warning', `${endpoint.url}/hook`]);
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('a bot and a mail have forms of their own, and what is secret of them never comes back', async () => {
  endpoint.taken();
  const page = await visit('/new/channel');
  await page.getByRole('link', { name: 'Telegram' }).click();
  await page.waitForURL(/type=telegram/);
  await page.getByLabel('Name').fill('bot');
  await page.getByLabel('Bot token').fill(TOKEN);
  await page.getByLabel('Chat').fill('@weir');
  await page.getByRole('button', { name: 'Add channel' }).click();
  await page.getByText('The channel is there.').waitFor();
  assert.equal(await page.locator('#secret-text').isVisible(), false);
  assert.deepEqual((await named('bot')).target, { chat_id: '@weir', api: 'https://api.telegram.org' });

  await page.goto(`${panel.url}/new/channel?type=email`);
  await page.getByLabel('Name').fill('mail');
  await page.getByLabel('Sender').fill('weir@example.com');
  await page.getByLabel('Address of the mail API').fill(`${endpoint.url}/send`);
  await page.getByLabel('Headers of the request').fill('Authorization: Bearer very-secret\nX-Kind: weir: panel');
  await page.getByLabel('Body of the request').fill('{"to":"{to}","s":"{subject}","t":"{text}"}');
  await page.getByLabel('Who is told').selectOption('user');
  await page.getByRole('button', { name: 'Add channel' }).click();
  await page.getByText('The channel is there.').waitFor();
  const mail = await named('mail');
  assert.deepEqual([mail.audience, mail.target.headers, mail.target.body], ['user', ['Authorization', 'X-Kind'], { to: '{to}', s: '{subject}', t: '{text}' }]);

  await page.goto(`${panel.url}/alerts/${mail.id}`);
  await page.getByText('Kept: Authorization, X-Kind.').waitFor();
  await page.getByLabel('Mail address for the test').fill('ann@example.com');
  await page.getByRole('button', { name: 'Send a test' }).click();
  await page.getByText('Delivered.').waitFor();
  const [got] = endpoint.taken();
  assert.deepEqual([got.path, got.headers.authorization, got.headers['x-kind'], got.json.to], ['/send', 'Bearer very-secret', 'weir: panel', 'ann@example.com']);
  // The mail's fields go as one, and the headers stay.
  await page.getByLabel('Sender').fill('panel@example.com');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.locator('.where').getByText('panel@example.com').waitFor();
  assert.deepEqual((await named('mail')).target.headers, ['Authorization', 'X-Kind']);
  for (const { id } of await channels()) assert.doesNotMatch((await panel.request('GET', `/alerts/${id}`, { headers: { cookie: owner.cookie } })).text, /very-secret|AAHdqTcv/);
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('a channel is switched off and on in the list, without leaving it', async () => {
  const page = await visit('/alerts');
  const card = page.getByRole('article', { name: 'bot' });
  await card.getByRole('button', { name: 'Switch off' }).click();
  await card.getByText('off', { exact: true }).waitFor();
  assert.equal((await named('bot')).enabled, false);
  await card.getByRole('button', { name: 'Switch on' }).click();
  await card.getByText('on', { exact: true }).waitFor();
  assert.equal((await named('bot')).enabled, true);
  assert.match(await text(page.getByRole('article', { name: 'mail' })), /tells each user himself.*Gets: Quota nearly used up, Quota used up/);
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('the log shows what waits and what was given up, with the error, and sends it again', async () => {
  for (const { id } of await channels()) assert.equal((await panel.api('DELETE', `/api/v1/channels/${id}`)).status, 204);
  const channel = await addChannel(panel, { name: MARKUP.slice(0, 64), webhook: { url: `${endpoint.url}/hook` }, kinds: ['user.created', 'user.disabled'] });
  endpoint.answer = () => ({ status: 503, body: MARKUP });
  await quietly(panel);
  assert.equal((await panel.api('POST', '/api/v1/users', { name: 'ann' })).status, 201);
  assert.equal(await panel.trigger(), 'ok');
  const page = await visit('/alerts?state=waiting');
  const row = page.getByRole('row').filter({ hasText: 'User created' });
  assert.match(await text(row), /Waiting .* 1 next try in .* it answered 503/);
  assert.match(await text(page.getByRole('article').first()), /failing .*failures in a row: 1, next try in/);
  // After three days it is given up.
  await later(panel, 4 * 86_400);
  assert.equal(await panel.trigger(), 'ok');
  await page.getByRole('link', { name: 'Given up' }).click();
  await page.waitForURL(/state=dead/);
  await row.getByText('Given up').waitFor();
  endpoint.answer = () => 204;
  endpoint.taken();
  await row.getByRole('button', { name: 'Send again' }).click();
  await page.getByText('None here.').waitFor();
  assert.equal(await panel.trigger(), 'ok');
  assert.deepEqual(endpoint.events.map(({ kind }) => kind), ['user.created']);
  await page.goto(`${panel.url}/alerts?state=delivered&channel=${channel.id}`);
  await row.getByText('Delivered').waitFor();
  assert.match(await text(page.locator('#deliveries h2')), /^Delivery log of <img/);
  // All of a channel's are sent again at once.
  await panel.db.prepare("UPDATE deliveries SET state = 'dead'").run();
  await page.goto(`${panel.url}/alerts/${channel.id}`);
  await page.getByRole('button', { name: 'Send all given up again' }).click();
  await page.getByText('To be sent again: 1').waitFor();
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('the log goes on by the last delivery of a page', async () => {
  const channel = (await channels())[0].id;
  const events = Array.from({ length: 120 }, (_, at) => 10_000 + at);
  await panel.db.batch(events.flatMap((number) => [
    panel.db.prepare("INSERT INTO events (number, key, at, kind) VALUES (?1, ?2, 1, 'user.disabled')").bind(number, `e${number}`),
    panel.db.prepare("INSERT INTO deliveries (event, channel, subject, queued_at, state) VALUES (?1, ?2, 's', 1, 'delivered')").bind(number, channel),
  ]));
  const page = await visit('/alerts');
  let count = await page.locator('tbody tr').count();
  assert.equal(count, 50);
  while (await page.getByRole('link', { name: 'More' }).count()) {
    await page.getByRole('link', { name: 'More' }).click();
    await page.waitForLoadState();
    count += await page.locator('tbody tr').count();
  }
  assert.equal(count, 121);
  await page.getByRole('link', { name: 'To the first page' }).click();
  await page.waitForURL(/\/alerts$/);
  const { cost } = await panel.request('GET', '/alerts', { headers: { cookie: owner.cookie } });
  assert.ok(cost.written === 0 && cost.read <= 2 + 20 + 2 * 51 && cost.queries <= 3, JSON.stringify(cost));
  for (const [query, isStill] of [['', 0], ['?state=dead', 0], ['?state=waiting', 0], ['?state=delivered', 1], [`?channel=${channel}`, 1], [`?state=dead&channel=${channel}`, 0]]) {
    await page.goto(`${panel.url}/alerts${query}`);
    assert.equal(await page.locator('#live[data-still]').count(), isStill, `what passes over many rows does not refresh itself: ${query}`);
  }
  await page.context().close();
});

test('a channel whose address can no longer be opened says so and can be deleted, which is asked first', async () => {
  const { id } = await addChannel(panel, { name: 'lost', webhook: { url: `${endpoint.url}/hook` } });
  await panel.db.prepare("UPDATE channels SET target = 'sealed by another key' WHERE id = ?1").bind(id).run();
  const page = await visit(`/alerts/${id}`);
  await page.getByText('Its address was sealed under another key').waitFor();
  await page.getByRole('button', { name: 'Delete' }).click();
  const dialog = page.getByRole('dialog', { name: 'Delete lost?' });
  await dialog.getByRole('button', { name: 'Cancel' }).click();
  assert.ok(await named('lost'));
  await page.getByRole('button', { name: 'Delete' }).click();
  await dialog.getByRole('button', { name: 'Delete' }).click();
  await page.waitForURL(`${panel.url}/alerts`);
  assert.equal(await named('lost'), undefined);
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('the pages of alerts are complete in every language, wide and on a phone', async () => {
  const [{ id }] = await channels();
  const types = ['webhook', 'telegram', 'email'].map((type) => `/new/channel?type=${type}`);
  await assertPages(panel, browser, owner, ['/alerts', '/alerts?state=dead', `/alerts/${id}`, ...types]);
});

test('a viewer looks at channels and is offered nothing, a reseller is refused, a stranger signs in first', async () => {
  const [{ id }] = await channels();
  const viewer = await addOperator(panel, owner, { name: 'a-viewer', role: 'viewer' });
  for (const where of ['/alerts', `/alerts/${id}`]) {
    const page = await visitAs(panel, browser, viewer, where);
    assert.equal(await page.locator('main').locator('button, form, a[href^="/new"]').count(), 0, where);
    assert.deepEqual(page.complaints, []);
    await page.context().close();
  }
  const reseller = await addOperator(panel, owner, { name: 'a-reseller', role: 'reseller' });
  const status = async ({ cookie }, where) => (await panel.request('GET', where, { headers: { cookie } })).status;
  assert.equal(await status(viewer, '/new/channel'), 403);
  for (const where of ['/alerts', `/alerts/${id}`, '/new/channel']) {
    assert.equal(await status(reseller, where), 403, where);
    assert.equal((await panel.request('GET', where)).headers.get('location'), '/login', where);
  }
  for (const where of ['/alerts/4711', '/alerts/x']) assert.equal(await status(owner, where), 404, where);
});
