/** The pages of the APIs, as the platform serves them: found in, opened, read by everybody, under the panel's own content security policy. */
import assert from 'node:assert/strict';
import { cp, mkdtemp, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { documents, write } from '../dev/openapi.mjs';
import { startBrowser } from './support/browser.mjs';
import { operationsOf } from './support/openapi.mjs';
import { ROOT, startPanel } from './support/panel.mjs';

const PAGES = ['/openapi', '/openapi/marzban'];
const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
const PHONE = { width: 360, height: 780, dark: true };

let assets;
let panel;
let browser;

before(async () => {
  assets = await mkdtemp(path.join(tmpdir(), 'weir-assets-'));
  await cp(path.join(ROOT, 'public'), assets, { recursive: true });
  await write(assets);
  panel = await startPanel({ assets });
  browser = await startBrowser();
});
after(async () => {
  await browser?.stop();
  await panel?.stop();
  if (assets) await rm(assets, { recursive: true, force: true });
});

async function visit(where, look = {}) {
  const page = await browser.open(look);
  assert.equal((await page.goto(panel.url + where)).status(), 200);
  return page;
}
const shown = (page) => page.locator('.area:not(.rest) .op:visible').count();

test('the documents are files, kept by nobody for good, and what the sources say', async () => {
  for (const [name, document] of Object.entries(documents())) {
    const answer = await panel.request('GET', `/${name}.json`);
    assert.deepEqual(answer.body, JSON.parse(JSON.stringify(document)));
    assert.equal(answer.headers.get('cache-control'), 'no-cache');
    assert.match(answer.headers.get('content-security-policy'), /default-src 'none'/);
  }
});

test('a page names its style sheets and scripts with marks of their contents', async () => {
  const { text } = await panel.request('GET', '/openapi');
  const marked = [...text.matchAll(/(?:href|src)="(\/[\w.]+\.(?:css|js|svg))(\?v=[0-9a-f]{16})?"/g)];
  assert.ok(marked.length >= 4 && marked.every(([, , mark]) => mark), text.slice(0, 1000));
  assert.doesNotMatch(text, / style=| on\w+=|<script(?! type="module" src=)|undefined|\[object/);
});

test('every operation of a document is on its page, on a phone and in the dark as well', async () => {
  for (const look of [{}, PHONE]) {
    for (const where of PAGES) {
      const page = await visit(where, look);
      const ids = new Set(await page.locator('.area:not(.rest) .op').evaluateAll((all) => all.map(({ id }) => id)));
      const told = operationsOf(documents()[where.slice(1)]).filter(({ method }) => !['HEAD', 'OPTIONS'].includes(method));
      assert.deepEqual(told.filter(({ operation }) => !ids.has(operation.operationId)), []);
      await page.evaluate(() => document.querySelectorAll('details').forEach((one) => (one.open = true)));
      assert.equal(await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth), 0, `${where} is wider than the window`);
      const links = await page.evaluate(() => [...document.querySelectorAll('a[href^="#"]')].map((a) => a.hash.slice(1)).filter((id) => !document.getElementById(id)));
      assert.deepEqual(links, [], 'links that lead nowhere');
      assert.deepEqual(page.complaints, []);
      await page.context().close();
    }
  }
});

test('words find operations by path, method and what they do, from the keyboard alone', async () => {
  const page = await visit('/openapi');
  const all = await shown(page);
  await page.keyboard.press('/');
  await page.keyboard.type('POST bulk undo');
  assert.equal(await shown(page), 1);
  assert.equal(await page.locator('#found').textContent(), '1 operation');
  await page.keyboard.press('Enter');
  await page.keyboard.press('Enter');
  await page.locator('#undoBulk[open]').waitFor();
  await page.locator('#find').fill('pigeon');
  await page.locator('#none').waitFor();
  await page.keyboard.press('Escape');
  assert.equal(await shown(page), all);
  assert.deepEqual(page.complaints, []);
});

test('an address opens its operation, and a named schema is shown where it is spoken of', async () => {
  const page = await visit('/openapi#createUser');
  const operation = page.locator('#createUser[open]');
  await operation.waitFor();
  assert.match(await operation.innerText(), /monthly_quota[\s\S]+subscription_url/);
  await operation.getByRole('link', { name: 'CredentialsByHand' }).click();
  await page.locator('#schema-CredentialsByHand[open]').waitFor();
});

test('a call is copied as it stands', async () => {
  const page = await visit('/openapi#buyPackage');
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
  await page.locator('#buyPackage').getByRole('button', { name: 'Copy' }).click();
  await page.getByRole('button', { name: 'Copied' }).waitFor();
  const copied = await page.evaluate(() => navigator.clipboard.readText());
  assert.match(copied, /^curl -X POST "\$PANEL\/api\/v1\/users\/\$NAME\/packages" \\\n {2}-H "Authorization: Bearer \$KEY" \\\n[\s\S]+"order":"shop-1001"/);
});

test('without scripts everything can be read', async () => {
  const page = await visit('/openapi', { scripts: false });
  await page.locator('#createUser > summary').click();
  await page.locator('#createUser').getByRole('link', { name: 'NewUser' }).first().waitFor();
  assert.equal(await page.locator('#find').isVisible(), false);
});

test('axe-core finds nothing, light and dark, closed and open', async () => {
  const source = await readFile(AXE, 'utf8');
  for (const look of [{}, PHONE]) {
    for (const where of ['/openapi#createUser', '/openapi/marzban#addUser']) {
      const page = await visit(where, look);
      // By the driver: the page's own policy lets no other script in.
      await page.evaluate(source);
      const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
      assert.deepEqual(violations.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map(({ html }) => html.slice(0, 160)).join(' ')}`), [], where);
      await page.context().close();
    }
  }
});
