/** Every page of the panel, in both themes and on a phone, as axe-core sees it: WCAG 2.2 AA, in real Chromium. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';

import { startBrowser } from './support/browser.mjs';
import { signInOwner } from './support/operators.mjs';
import { fullPanel, PAGES } from './support/pages.mjs';

const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

let panel;
let browser;
let owner;
let axe;

before(async () => {
  axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
  panel = await fullPanel();
  browser = await startBrowser();
  owner = await signInOwner(panel);
});

after(async () => {
  await browser?.stop();
  await panel?.stop();
});

const COOKIES = (language) => (language ? [`language=${language}`] : []);

/** What axe-core finds on a page, one line a kind. */
async function faults(where, { language, signedIn = true, ...options } = {}) {
  const pairs = [...(signedIn ? [owner.cookie] : []), ...COOKIES(language)].map((pair) => pair.split('='));
  const page = await browser.open({ cookies: pairs.map(([name, value]) => ({ name, value, url: panel.url })), ...options });
  assert.equal((await page.goto(panel.url + where)).status(), 200, where);
  // The page's own policy forbids scripts of others; a debugger's are not the page's.
  await page.evaluate(axe);
  const { violations } = await page.evaluate((rules) => globalThis.axe.run(document, { runOnly: rules }), RULES);
  await page.context().close();
  return violations.map(({ id, help, nodes }) => `${id} (${help}): ${nodes.map(({ target }) => target.join(' ')).slice(0, 3).join(' | ')}`);
}

for (const { name, where, ...more } of PAGES) {
  test(`nothing is found on ${name}, in light and dark, on a phone, from right to left`, async () => {
    const forms = [{}, { dark: true }, { width: 360, height: 740, touch: true, dark: true, language: 'fa' }];
    const found = [];
    for (const form of forms) found.push(...(await faults(where, { ...more, ...form })).map((line) => `${JSON.stringify(form)} ${line}`));
    assert.deepEqual(found, []);
  });
}
