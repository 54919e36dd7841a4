/** A real Chromium, driven over its own protocol, and everything that it complains about. */
import { chromium } from 'playwright-core';

import { enginePath } from './engines.mjs';

/** An action that waits for longer has hung: each takes some hundred milliseconds. */
const HANG_LIMIT_MS = 15_000;

/** See the module's description. Made by {@link startBrowser}. */
export class Browser {
  #chromium;

  constructor(started) {
    this.#chromium = started;
  }

  /**
   * A page of a profile of its own: no cookie of another one.
   *
   * @param {object} [options]
   * @param {number} [options.width] of the window in CSS pixels
   * @param {number} [options.height]
   * @param {boolean} [options.dark] whether the system asks for dark colours
   * @param {boolean} [options.touch] whether this is a phone
   * @param {boolean} [options.scripts] whether pages may run scripts
   * @param {import('playwright-core').Cookie[]} [options.cookies] of another page, to be signed in as well
   * @returns {Promise<import('playwright-core').Page & {complaints: string[]}>} `complaints`: errors and warnings of the console,
   *   breaches of the content security policy, requests that failed
   */
  async open({ width = 1280, height = 800, dark = false, touch = false, scripts = true, cookies = [] } = {}) {
    const context = await this.#chromium.newContext({
      viewport: { width, height },
      colorScheme: dark ? 'dark' : 'light',
      hasTouch: touch,
      isMobile: touch,
      deviceScaleFactor: touch ? 2 : 1,
      javaScriptEnabled: scripts,
      locale: 'en',
    });
    await context.addCookies(cookies);
    context.setDefaultTimeout(HANG_LIMIT_MS);
    const page = await context.newPage();
    const complaints = [];
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) complaints.push(`console: ${message.text()}`);
    });
    page.on('pageerror', (error) => complaints.push(`script: ${error.message}`));
    page.on('requestfailed', (request) => {
      // Whoever goes on to another page does not wait for the picture, the icon or the news of this one.
      const isRead = ['image', 'other'].includes(request.resourceType()) || (request.resourceType() === 'fetch' && request.method() === 'GET');
      const isLeft = isRead && request.failure()?.errorText === 'net::ERR_ABORTED';
      if (!isLeft) complaints.push(`request: ${request.url()} ${request.failure()?.errorText}`);
    });
    return Object.assign(page, { complaints });
  }

  /** End the browser and every page. */
  async stop() {
    await this.#chromium.close();
  }
}

/**
 * @returns {Promise<Browser>}
 * @throws {Error} with a sentence, if there is no Chromium or it does not start
 */
export async function startBrowser() {
  const executablePath = enginePath('chromium');
  // Root has no user namespace of its own to shut pages into; the only pages here are ours.
  const args = process.getuid() === 0 ? ['--no-sandbox'] : [];
  return new Browser(await chromium.launch({ executablePath, args, timeout: 10 * HANG_LIMIT_MS }));
}
