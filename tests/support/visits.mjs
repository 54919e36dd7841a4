/** Visits to the panel's pages in a real browser, and what must hold of every page. */
import assert from 'node:assert/strict';

/** What others may have written anywhere: as markup it would run. */
export const MARKUP = '<img src=x onerror=alert(1)>';

/**
 * @param {import('./panel.mjs').Panel} panel
 * @param {{cookie: string}} session of support/operators.mjs
 * @returns {import('playwright-core').Cookie[]}
 */
function cookiesOf(panel, { cookie }) {
  const [name, value] = cookie.split('=');
  return [{ name, value, url: panel.url }];
}

/**
 * A page of somebody who is signed in, that is there.
 *
 * @param {import('./panel.mjs').Panel} panel
 * @param {import('./browser.mjs').Browser} browser
 * @param {{cookie: string}} session of support/operators.mjs
 * @param {string} where
 * @param {{language?: string, width?: number, height?: number, dark?: boolean, touch?: boolean}} [look] the language is the browser's, English, unless
 *   one was chosen; the rest as a browser opens pages
 */
export async function visitAs(panel, browser, session, where, { language, ...look } = {}) {
  const chosen = language ? [{ name: 'language', value: language, url: panel.url }] : [];
  const page = await browser.open({ cookies: [...cookiesOf(panel, session), ...chosen], ...look });
  const answer = await page.goto(panel.url + where);
  assert.equal(answer.status(), 200, where);
  return page;
}

/**
 * Clicks a button that leads to another page, and once more while that page is on its way, as on a slow network; then the first page is told that
 * somebody came back to it as the browser had kept it. All of it from within: Playwright's own calls wait until the next page is there.
 *
 * @param {import('playwright-core').Page} page
 * @param {string} url of the next page
 * @param {string} button its selector
 * @param {[string, string]} state a selector and the property that is read
 * @returns {Promise<{posts: string[], states: unknown[]}>} the paths of what was sent; the property after the second click, and after the return
 */
export async function clickTwice(page, url, button, state) {
  let release;
  const released = new Promise((resolve) => (release = resolve));
  await page.route(url, async (route) => {
    await released;
    await route.continue();
  }, { times: 1 });
  const posts = [];
  page.on('request', (request) => request.method() === 'POST' && posts.push(new URL(request.url()).pathname));
  await page.evaluate(([again, place, property]) => {
    const read = () => document.querySelector(place)[property];
    navigation.addEventListener('navigate', () => setTimeout(() => {
      document.querySelector(again).click();
      const states = [read()];
      dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }));
      console.debug(JSON.stringify([...states, read()]));
    }), { once: true });
  }, [button, ...state]);
  const told = page.waitForEvent('console', (message) => message.type() === 'debug');
  const clicked = page.click(button);
  const states = JSON.parse((await told).text());
  release();
  await clicked;
  await page.waitForURL(url);
  return { posts, states };
}

/** @returns {Promise<string>} the text of a place as a reader sees it */
export const text = async (locator) => (await locator.innerText()).replace(/\s+/g, ' ').trim();

/**
 * Every page in every language, on a phone and dark as well: no markup of others, no word with a hole, nothing that reaches beyond the window, headings
 * and labels in order.
 *
 * @param {import('./panel.mjs').Panel} panel
 * @param {import('./browser.mjs').Browser} browser
 * @param {{cookie: string}} session of support/operators.mjs
 * @param {string[]} pages
 */
export async function assertPages(panel, browser, session, pages) {
  for (const look of [{}, { width: 360, height: 780, dark: true }]) {
    const page = await browser.open({ cookies: cookiesOf(panel, session), ...look });
    for (const language of ['en', 'zh', 'ru', 'fa']) {
      await page.context().addCookies([{ name: 'language', value: language, url: panel.url }]);
      for (const where of pages) {
        const what = `${where} in ${language}, ${look.width ?? 'wide'}`;
        const answer = await page.goto(panel.url + where);
        assert.equal(answer.status(), 200, what);
        assert.match(answer.headers()['content-security-policy'], /script-src 'self'; style-src 'self'/);
        const found = await page.evaluate(() => ({
          live: [...document.querySelectorAll('*')].flatMap((element) =>
            [...element.attributes].filter(({ name, value }) => name === 'style' || name.startsWith('on') || (name === 'src' && value === 'x')).map(({ name }) => name)),
          beyond: document.documentElement.scrollWidth - document.documentElement.clientWidth,
          unnamed: [...document.querySelectorAll('input:not([type=hidden]), select, textarea')].filter((field) => !field.labels?.length && !field.ariaLabel).map(({ name }) => name),
          twice: [...document.querySelectorAll('[id]')].map(({ id }) => id).filter((id, at, all) => all.indexOf(id) !== at),
          headings: [...document.querySelectorAll('main h1, main h2, main h3')].map(({ localName }) => Number(localName.at(1))),
          direction: document.documentElement.dir,
        }));
        assert.deepEqual([found.live, found.unnamed, found.twice], [[], [], []], what);
        assert.equal(found.headings[0], 1, what);
        assert.ok(found.headings.every((level, at, all) => at === 0 || level <= all[at - 1] + 1), what);
        assert.equal(found.direction, language === 'fa' ? 'rtl' : 'ltr');
        assert.doesNotMatch(await page.locator('body').innerText(), /\{[a-z]+\}/, `${what}: a word with a hole`);
        assert.equal(found.beyond, 0, `${what}: wider than the window`);
      }
    }
    assert.deepEqual(page.complaints, []);
    await page.context().close();
  }
}
