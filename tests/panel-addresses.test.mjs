/** A node and its addresses are changed in the panel: the real Worker in a real browser. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { startBrowser } from './support/browser.mjs';
import { addOperator, signInOwner } from './support/operators.mjs';
import { startPanel } from './support/panel.mjs';
import { seedAgent } from './support/seed.mjs';
import { clickTwice, MARKUP, text, visitAs } from './support/visits.mjs';

const NEWS_LIMIT_MS = 50_000; // the page asks for news every 5 s

let panel;
let browser;
let owner;
let node;

before(async () => {
  panel = await startPanel({ vars: { SYNC_SECONDS: '1' } });
  browser = await startBrowser();
  owner = await signInOwner(panel);
  node = await seedAgent(panel, { name: 'Frankfurt' });
  const inbound = (tag, port) => ({ tag, protocol: 'vless', port, transport: { type: 'tcp' } });
  await node.sync({ inbounds: [inbound('vless-in', 443), inbound('second', 8443)] });
});

after(async () => {
  await browser?.stop();
  await panel?.stop();
});

const visit = (where, session = owner, language) => visitAs(panel, browser, session, where, { language });

const addresses = async () => (await panel.api('GET', `/api/v1/nodes/${node.node}/addresses`)).body.items;
/** Until what is read by `read` satisfies `holds`. */
async function until(read, holds) {
  const deadline = Date.now() + NEWS_LIMIT_MS;
  for (;;) {
    const now = await read();
    if (holds(now)) return now;
    assert.ok(Date.now() < deadline, `never: ${JSON.stringify(now)}`);
  }
}

test('a node is renamed, and an error of the API stands beside its field', async () => {
  const page = await visit(`/nodes/${node.node}`);
  await page.getByRole('link', { name: 'Edit' }).click();
  assert.equal(await page.getByLabel('Name').inputValue(), 'Frankfurt');
  await page.getByLabel('Country').fill('de');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.locator('#country-error').waitFor();
  assert.equal(await page.getByLabel('Country').getAttribute('aria-invalid'), 'true');
  await page.getByLabel('Country').fill('DE');
  await page.getByLabel('Name').fill('Frankfurt 2');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.waitForURL(`${panel.url}/nodes/${node.node}`);
  const { name, country } = (await panel.api('GET', `/api/v1/nodes/${node.node}`)).body;
  assert.deepEqual([name, country], ['Frankfurt 2', 'DE']);
  assert.deepEqual(page.complaints.filter((line) => !line.includes('422')), []);
  await page.context().close();
});

test('addresses are added, changed by what was changed alone, put in another order, switched off and deleted', async () => {
  const page = await visit(`/nodes/${node.node}/edit`);
  for (const [host, remark] of [['a.example', MARKUP], ['b.example', '{FLAG} {NODE}']]) {
    await page.getByRole('link', { name: 'Add address' }).click();
    await page.getByLabel('Inbounds').selectOption('vless-in');
    await page.getByLabel('What clients call it').fill(remark);
    await page.getByLabel('Address', { exact: true }).fill(host);
    await page.getByLabel('Port').fill('2053');
    await page.getByLabel('Security').selectOption('TLS');
    await page.getByLabel('ALPN').fill('h2, http/1.1');
    await page.getByLabel('premium').check();
    await page.getByRole('button', { name: 'Save' }).click();
    await page.waitForURL(`${panel.url}/nodes/${node.node}/edit`);
  }
  const [a, b] = await addresses();
  assert.deepEqual([a.remark, a.address, a.port, a.security, a.alpn, a.plans, a.active, a.sni], [MARKUP, 'a.example', 2053, 'tls', ['h2', 'http/1.1'], ['premium'], true, null]);
  assert.equal(await page.locator('#live img').count(), 0);

  await page.getByRole('link', { name: 'b.example:2053' }).click();
  await page.getByLabel('Port').fill('');
  await page.getByLabel('SNI').fill('front.example');
  await page.getByLabel('Certificate is not checked').selectOption('yes');
  await page.getByLabel('premium').uncheck();
  await page.getByRole('button', { name: 'Save' }).click();
  await page.waitForURL(`${panel.url}/nodes/${node.node}/edit`);
  const [, changed] = await addresses();
  assert.deepEqual(changed, { ...b, port: null, sni: 'front.example', insecure: true, plans: [] });

  await page.getByRole('button', { name: 'Up: b.example' }).click();
  await until(addresses, ([first]) => first.id === b.id);
  // Until the page shows it, a button still stands where another address will be.
  await page.getByRole('button', { name: 'Down: b.example' }).waitFor({ timeout: NEWS_LIMIT_MS });
  await page.getByRole('button', { name: 'Switch off: a.example:2053' }).click();
  await page.getByRole('button', { name: 'Switch on: a.example:2053' }).waitFor({ timeout: NEWS_LIMIT_MS });
  assert.deepEqual((await addresses()).map(({ id, active }) => [id, active]), [[b.id, true], [a.id, false]]);
  const remove = page.getByRole('button', { name: 'Delete: a.example:2053' });
  await remove.click();
  assert.equal((await addresses()).length, 2, 'one click deletes nothing');
  await remove.click();
  await until(addresses, (left) => left.length === 1);
  assert.match(await text(page.locator('#live')), /^b\.example/);
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('what the API refuses of an address stands beside the field', async () => {
  const page = await visit(`/nodes/${node.node}/addresses/new`);
  await page.getByLabel('Port').fill('70000');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.locator('#port-error').waitFor();
  assert.match(await text(page.locator('#port-error')), /65535/);
  await page.context().close();
});

test('a form that leads on is sent once, however often it is clicked on the way, and is free for whoever comes back', async () => {
  const page = await visit(`/nodes/${node.node}/addresses/new`);
  await page.getByLabel('Inbounds').selectOption('vless-in');
  await page.getByLabel('Address', { exact: true }).fill('once.example');
  const { posts, states } = await clickTwice(page, `${panel.url}/nodes/${node.node}/edit`, 'form.form button.main', ['form.form', 'ariaBusy']);
  assert.deepEqual([posts, states], [[`/api/v1/nodes/${node.node}/addresses`], ['true', 'false']]);
  const made = (await addresses()).filter(({ address }) => address === 'once.example');
  assert.equal(made.length, 1);
  assert.equal((await panel.api('DELETE', `/api/v1/nodes/${node.node}/addresses/${made[0].id}`)).status, 204);
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('only who may change nodes reaches the forms, and they are complete in every language', async () => {
  const viewer = await addOperator(panel, owner, { name: 'looker', role: 'viewer' });
  const status = async (where, cookie) => (await panel.request('GET', where, { headers: cookie ? { cookie } : {} })).status;
  for (const where of [`/nodes/${node.node}/edit`, `/nodes/${node.node}/addresses/new`]) {
    assert.deepEqual([await status(where, viewer.cookie), await status(where)], [403, 303], where);
    for (const [language, save] of [['zh', '保存'], ['ru', 'Сохранить'], ['fa', 'ذخیره']]) {
      const page = await visit(where, owner, language);
      await page.getByRole('button', { name: save }).waitFor();
      assert.deepEqual(page.complaints, []);
      await page.context().close();
    }
  }
  assert.equal(await status(`/nodes/${node.node}/addresses/999`, owner.cookie), 404);
});
