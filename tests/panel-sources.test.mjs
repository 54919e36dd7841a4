/** Sources, direct configs and the rules of clients in a real browser: every action of their pages, against a real subscription. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { startBrowser } from './support/browser.mjs';
import { addOperator, signInOwner } from './support/operators.mjs';
import { startPanel } from './support/panel.mjs';
import { startSource } from './support/sources.mjs';
import { assertPages, MARKUP, text, visitAs } from './support/visits.mjs';

const GB = 2 ** 30;
const link = (host, name) => `trojan://secret@${host}:443?security=tls&sni=${host}&type=tcp#${encodeURIComponent(name)}`;

let panel;
let browser;
let source;
let owner;

before(async () => {
  source = await startSource();
  panel = await startPanel({ vars: { XPERT_SOURCES_ALLOW: source.authority, XPERT_RESOLVER: `${source.url}/dns-query` } });
  browser = await startBrowser();
  owner = await signInOwner(panel);
  const headers = { 'subscription-userinfo': `upload=${GB}; download=${GB}; total=${5 * GB}; expire=1900000000` };
  source.answer('/list', { headers, body: [link('one.example', 'One'), link('two.example', MARKUP), 'nonsense'].join('\n') });
});

after(async () => {
  await browser?.stop();
  await panel?.stop();
  await source?.stop();
});

const visit = (where) => visitAs(panel, browser, owner, where);

const forgive = (page) => (page.complaints.length = 0);
const sources = async () => (await panel.api('GET', '/api/xpert/sources')).body.sources;
const configs = async () => (await panel.api('GET', '/api/xpert/direct-configs')).body.configs;
const rules = async () => (await panel.api('GET', '/api/v1/client-rules')).body;

test('a source is tried before it is added, added, fetched, and tells what it gave', async () => {
  const page = await visit('/sources');
  await page.getByText('No source yet.').waitFor();
  await page.getByRole('link', { name: 'Add source' }).first().click();
  await page.waitForURL(/\/new\/source$/);
  await page.getByLabel('Name', { exact: true }).fill(MARKUP);
  await page.getByLabel('Address').fill('http://10.0.0.1/list');
  await page.getByRole('button', { name: 'Try the address' }).click();
  await page.getByText('Nothing would come of it:').waitFor();
  await page.getByRole('button', { name: 'Add source' }).click();
  await page.locator('#url-error').waitFor();
  forgive(page);
  await page.getByLabel('Address').fill(`${source.url}/list`);
  await page.getByLabel('Minutes between fetches').fill('1');
  await page.getByRole('button', { name: 'Add source' }).click();
  await page.locator('[data-error="rules.interval_minutes"]').getByText('an integer from 5 to 10080').waitFor();
  assert.deepEqual(await sources(), []);
  forgive(page);
  await page.getByLabel('Minutes between fetches').fill('30');
  await page.getByRole('button', { name: 'Try the address' }).click();
  await page.getByText('Links that would be kept: 2 (links)').waitFor();
  assert.equal(await page.locator('#tested li').count(), 2);
  assert.equal(await page.getByText('Nothing would come of it:').isVisible(), false);
  await page.getByRole('button', { name: 'Add source' }).click();
  await page.waitForURL(`${panel.url}/sources`);
  const [made] = await sources();
  assert.deepEqual([made.name, made.url, made.rules.interval_minutes, made.rules.max_nodes], [MARKUP, `${source.url}/list`, 30, 500]);

  const card = page.getByRole('article', { name: MARKUP });
  await card.getByText('not fetched yet').waitFor();
  await card.getByRole('button', { name: 'Fetch now' }).click();
  await card.getByText('on', { exact: true }).waitFor();
  assert.match(await text(card), /Links 2 .*Format links .*The provider’s own numbers 2 GB of 5 GB until 17 March 2030 .*Left out .* 1 .*Last fetch/);
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('a source that fails says why, is switched, changed as a whole where the API wants it, and deleted when it is asked twice', async () => {
  source.answer('/broken', { status: 500, body: '' });
  const [{ id }] = await sources();
  const page = await visit(`/sources/${id}`);
  await page.getByLabel('Address').fill(`${source.url}/broken`);
  await page.getByLabel('Keep names with').fill('One\nTwo');
  const sent = page.waitForRequest((request) => request.method() === 'PUT');
  await page.getByRole('button', { name: 'Save' }).click();
  const { url, rules: changed, ...rest } = (await sent).postDataJSON();
  assert.deepEqual([url, changed.include, changed.interval_minutes, changed.exclude, rest], [`${source.url}/broken`, ['One', 'Two'], 30, [], {}]);
  await page.waitForURL(`${panel.url}/sources`);
  const card = page.getByRole('article').first();
  await page.getByRole('button', { name: 'Fetch all now' }).click();
  await card.getByText('it answered 500').waitFor();
  await card.getByText('failing').waitFor();
  await card.getByRole('button', { name: 'Switch off' }).click();
  await card.getByText('off', { exact: true }).waitFor();
  assert.equal((await sources())[0].is_active, false);
  await card.getByRole('link', { name: 'Edit' }).click();
  await page.waitForURL(`${panel.url}/sources/${id}`);
  await page.getByRole('button', { name: 'Delete' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await page.waitForURL(`${panel.url}/sources`);
  assert.deepEqual(await sources(), []);
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('direct configs are checked, added a line at a time with an answer for each, put in order, switched and deleted', async () => {
  const page = await visit('/sources');
  await page.getByText('No direct config yet.').waitFor();
  await page.locator('summary', { hasText: 'Check a link' }).click();
  await page.locator('details').getByLabel('Link').fill(link('check.example', 'Checked'));
  await page.getByRole('button', { name: 'Check a link' }).click();
  await page.getByText('It can be handed out: Checked · trojan · check.example:443').waitFor();
  await page.locator('details').getByLabel('Link').fill('trojan://nothing');
  await page.getByRole('button', { name: 'Check a link' }).click();
  await page.getByText('It cannot be handed out:').waitFor();
  assert.deepEqual(await configs(), []);

  const lines = [link('a.example', 'A'), '<b>no link</b>', link('b.example', MARKUP), link('a.example', 'A'), link('c.example', 'C')];
  await page.getByLabel('Links, one a line').fill(lines.join('\n'));
  await page.getByRole('button', { name: 'Add links' }).click();
  await page.getByText('Added: 3').waitFor();
  await page.getByText('Not added: 2').waitFor();
  assert.match(await text(page.locator('#added ul').nth(1)), /<b>no link<\/b>.*this link is there already/);
  assert.equal(await page.getByLabel('Links, one a line').inputValue(), '');
  const order = async () => (await page.locator('tbody th bdi').allInnerTexts()).map((name) => name.trim());
  await page.locator('tbody tr').nth(2).waitFor();
  assert.deepEqual(await order(), ['A', MARKUP, 'C']);

  await page.getByRole('button', { name: 'Up: C' }).click();
  await page.locator('tbody tr').nth(1).getByText('C', { exact: true }).waitFor();
  await page.getByRole('button', { name: 'Down: A' }).click();
  await page.locator('tbody tr').nth(0).getByText('C', { exact: true }).waitFor();
  assert.deepEqual(await order(), ['C', 'A', MARKUP]);
  assert.deepEqual((await configs()).map(({ name }) => name), ['C', 'A', MARKUP]);
  await page.getByRole('button', { name: 'Switch off: A' }).click();
  await page.getByRole('button', { name: 'Switch on: A' }).waitFor();
  await page.getByRole('button', { name: 'Make permanent: A' }).click();
  await page.getByRole('button', { name: 'No longer permanent: A' }).waitFor();
  assert.deepEqual((await configs()).map(({ is_active: on, is_permanent: stays }) => [on, stays]), [[true, false], [false, true], [true, false]]);
  await page.getByRole('button', { name: 'Edit C' }).click();
  const edit = page.getByRole('dialog', { name: 'Edit C' });
  assert.equal(await edit.getByLabel('Link').inputValue(), link('c.example', 'C'));
  await edit.getByLabel('Link').fill('trojan://nothing');
  await edit.getByRole('button', { name: 'Save' }).click();
  await edit.locator('[data-error="raw"]:visible').waitFor();
  await edit.getByRole('button', { name: 'Cancel' }).click();
  await page.getByRole('button', { name: 'Edit C' }).click();
  assert.equal(await edit.locator('[data-error]:visible').count(), 0, 'what was refused before is not there any more');
  assert.equal(await edit.getByLabel('Link').inputValue(), link('c.example', 'C'));
  await edit.getByLabel('Note').fill('of a friend');
  await edit.getByRole('button', { name: 'Save' }).click();
  await page.locator('tbody').getByText('of a friend').waitFor();
  await page.getByRole('button', { name: 'Edit C' }).click();
  await edit.getByLabel('Link').fill(link('d.example', 'C'));
  await edit.getByRole('button', { name: 'Save' }).click();
  await page.locator('tbody').getByText('d.example:443').waitFor();
  assert.deepEqual((await configs()).map(({ server, remarks }) => [server, remarks]), [['d.example', 'of a friend'], ['a.example', ''], ['b.example', '']]);
  await page.getByRole('button', { name: 'Delete: C' }).click();
  const dialog = page.getByRole('dialog', { name: 'Delete C?' });
  await dialog.getByRole('button', { name: 'Delete' }).click();
  await page.getByRole('button', { name: 'Delete: C' }).waitFor({ state: 'detached' });
  assert.deepEqual(await order(), ['A', MARKUP]);
  assert.deepEqual(page.complaints, ['console: Failed to load resource: the server responded with a status of 422 (Unprocessable Entity)']);
  await page.context().close();
});

test('many direct configs are shown a page at a time, and one is moved over its end', async () => {
  const many = Array.from({ length: 60 }, (_, at) => link(`n${at}.example`, `N${at}`));
  assert.equal((await panel.api('POST', '/api/xpert/direct-configs/batch', { configs: many })).status, 200);
  const page = await visit('/sources');
  assert.equal(await page.locator('tbody tr').count(), 50);
  await page.getByRole('link', { name: 'More' }).click();
  await page.waitForURL(/offset=50/);
  assert.equal(await page.locator('tbody tr').count(), 12);
  const first = await text(page.locator('tbody th bdi').first());
  await page.getByRole('button', { name: `Up: ${first}`, exact: true }).click();
  await page.getByRole('button', { name: `Up: ${first}`, exact: true }).waitFor({ state: 'detached' });
  assert.equal((await configs())[49].name, first);
  const { cost } = await panel.request('GET', '/sources', { headers: { cookie: owner.cookie } });
  assert.ok(cost.written === 0 && cost.queries <= 4 && cost.read <= 2 + 1 + 2 * 62 + 2, JSON.stringify(cost));
  await page.context().close();
});

test('a rule is added before all, tried out, put elsewhere, changed and deleted, and the defaults come back', async () => {
  const page = await visit('/settings/clients');
  await page.getByText('These are the rules that Weir ships').waitFor();
  const shipped = (await rules()).rules;
  assert.equal(await page.locator('.log > li').count(), shipped.length);
  await page.getByLabel('User-Agent').fill('Stash/2.7.1 Clash/1.9.0');
  await page.getByRole('button', { name: 'Try it out' }).click();
  await page.getByText('Rule: Stash (5)').waitFor();
  await page.getByLabel('User-Agent').fill('nobody/1');
  await page.getByRole('button', { name: 'Try it out' }).click();
  await page.getByText('No rule fits.').waitFor();
  assert.match(await text(page.locator('#tried')), /Format: base64/);
  await page.getByLabel('User-Agent').fill('Mozilla/5.0');
  await page.getByLabel('Accept header, if it sends one').fill('text/html');
  await page.getByRole('button', { name: 'Try it out' }).click();
  await page.getByText('Rule: Browsers (1)').waitFor();

  await page.getByRole('link', { name: 'Add rule' }).click();
  await page.waitForURL(/\/new\/rule$/);
  await page.getByLabel('Name', { exact: true }).fill(MARKUP);
  await page.getByLabel('Format').selectOption('sing-box');
  await page.getByLabel('begins with').fill('OurApp/\nOurTV/');
  await page.getByLabel('Product').fill('OurApp');
  await page.getByLabel('in a version before').fill('two');
  await page.getByLabel('Headers', { exact: true }).fill('profile-update-interval: 1');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.locator('[data-error="when[0]"]').waitFor();
  assert.deepEqual((await rules()).rules, shipped);
  forgive(page);
  await page.getByLabel('in a version before').fill('2.0');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.waitForURL(`${panel.url}/settings/clients`);
  await page.getByText('These are your own rules.').waitFor();
  const own = { name: MARKUP, when: [{ header: 'user-agent', starts: ['OurApp/', 'OurTV/'], before: { product: 'OurApp', version: [2, 0] } }], format: 'sing-box', headers: { 'profile-update-interval': '1' } };
  assert.deepEqual((await rules()).rules, [own, ...shipped]);
  assert.match(await text(page.locator('.log > li').first()), /user-agent begins with OurApp\/ or OurTV\/; names a version before OurApp 2\.0/);

  await page.getByRole('button', { name: `Down: ${MARKUP}` }).click();
  await page.locator('.log > li').nth(1).getByText(MARKUP).waitFor();
  await page.getByRole('link', { name: MARKUP }).first().click();
  await page.waitForURL(/\/settings\/clients\/2$/);
  assert.equal(await page.getByLabel('Name', { exact: true }).inputValue(), MARKUP);
  await page.getByLabel('Name', { exact: true }).fill('Ours');
  await page.getByLabel('Product').first().fill('');
  await page.getByLabel('in a version before').first().fill('');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.waitForURL(`${panel.url}/settings/clients`);
  const changed = { ...own, name: 'Ours', when: [{ header: 'user-agent', starts: ['OurApp/', 'OurTV/'] }] };
  assert.deepEqual((await rules()).rules, [shipped[0], changed, ...shipped.slice(1)]);

  // Somebody else was quicker: nothing of his is lost.
  assert.equal((await panel.api('PUT', '/api/v1/client-rules', { rules: [changed] })).status, 200);
  await page.getByRole('button', { name: 'Up: Ours' }).click();
  await page.getByText('The rules were changed meanwhile.').waitFor();
  assert.deepEqual((await rules()).rules, [changed]);
  await page.locator('.log > li').nth(1).waitFor({ state: 'detached' });
  await page.getByRole('button', { name: 'Delete: Ours' }).click();
  await page.getByRole('dialog', { name: 'Delete Ours?' }).getByRole('button', { name: 'Delete' }).click();
  await page.getByText('No rule: every app gets base64 links.').waitFor();
  assert.deepEqual((await rules()).rules, []);
  await page.getByRole('button', { name: 'Restore the defaults' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Restore the defaults' }).click();
  await page.getByText('These are the rules that Weir ships').waitFor();
  assert.deepEqual(await rules(), { rules: shipped, shipped: true });
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('rules that cannot be read are told, and the shipped ones are shown', async () => {
  await panel.db.prepare("INSERT INTO settings (area, value) VALUES ('clients', 'no rules')").run();
  const page = await visit('/settings/clients');
  await page.getByText('The stored rules cannot be read').waitFor();
  await panel.db.prepare("DELETE FROM settings WHERE area = 'clients'").run();
  await page.context().close();
});

test('the pages are complete in every language, wide and on a phone', async () => {
  const added = await panel.api('POST', '/api/xpert/sources', { name: MARKUP, url: `${source.url}/list`, rules: { include: [MARKUP] } });
  assert.equal(added.status, 200, added.text);
  await panel.api('POST', '/api/xpert/update', { id: added.body.id });
  const written = await panel.api('PUT', '/api/v1/client-rules', { rules: [{ name: MARKUP, when: [{ starts: [MARKUP] }], format: 'clash', headers: { 'x-note': MARKUP } }] });
  assert.equal(written.status, 200, written.text);
  await assertPages(panel, browser, owner, ['/sources', '/sources?offset=50', `/sources/${added.body.id}`, '/new/source', '/settings/clients', '/settings/clients/1', '/new/rule']);
});

test('a viewer looks, sees no address and no control, and may try a client out; a reseller is refused; a stranger signs in first', async () => {
  const [{ id }] = await sources();
  const viewer = await addOperator(panel, owner, { name: 'a-viewer', role: 'viewer' });
  const page = await visitAs(panel, browser, viewer, '/sources');
  assert.equal(await page.locator('main').locator('button, form, a[href^="/new"]').count(), 0);
  assert.doesNotMatch(await page.content(), new RegExp(`${source.authority}|secret@`));
  await page.goto(`${panel.url}/settings/clients`);
  assert.deepEqual(await page.locator('main button').allInnerTexts(), ['Try it out']);
  await page.getByLabel('User-Agent').fill('any');
  await page.getByRole('button', { name: 'Try it out' }).click();
  await page.getByText('No rule fits.').waitFor();
  assert.deepEqual(page.complaints, []);
  await page.context().close();
  const status = async ({ cookie }, where) => (await panel.request('GET', where, { headers: { cookie } })).status;
  const reseller = await addOperator(panel, owner, { name: 'a-reseller', role: 'reseller' });
  for (const where of [`/sources/${id}`, '/new/source', '/settings/clients/1', '/new/rule']) assert.equal(await status(viewer, where), 403, where);
  for (const where of ['/sources', `/sources/${id}`, '/new/source', '/settings/clients', '/settings/clients/1', '/new/rule']) {
    assert.equal(await status(reseller, where), 403, where);
    assert.equal((await panel.request('GET', where)).headers.get('location'), '/login', where);
  }
  for (const where of ['/sources/4711', '/sources/x', '/settings/clients/0', '/settings/clients/99', '/settings/clients/x']) assert.equal(await status(owner, where), 404, where);
});
