/** Requests that may be repeated, and many of them at a time. */
import { setTimeout as sleep } from 'node:timers/promises';

import { Trouble } from '../home.mjs';

/** No answer came: nobody knows whether it was done. */
export class Unanswered extends Trouble {}

/** Tries of one request, and the wait before the second one; it doubles. */
const TRIES = 6;
const WAIT_MS = 200;
const HANG_LIMIT_MS = 60_000;

/**
 * Send a request and read its JSON. What is busy (429, 502 to 504) and, where the request may be repeated, what does not answer is asked again.
 *
 * @param {string} url
 * @param {{method?: string, headers?: Record<string, string>, body?: string, again?: boolean}} [options] `again`: it may come twice
 * @returns {Promise<{status: number, body: any}>}
 * @throws {Unanswered}
 */
export async function ask(url, { method = 'GET', headers = {}, body, again = method === 'GET' } = {}) {
  for (let tries = 1; ; tries += 1) {
    const wait = WAIT_MS * 2 ** (tries - 1);
    try {
      const response = await fetch(url, { method, headers, body, signal: AbortSignal.timeout(HANG_LIMIT_MS) });
      const text = await response.text();
      if ([429, 502, 503, 504].includes(response.status) && tries < TRIES) {
        await sleep(Number(response.headers.get('retry-after') ?? 0) * 1_000 || wait);
        continue;
      }
      return { status: response.status, body: parsed(text) };
    } catch (error) {
      if (!again || tries >= TRIES) throw new Unanswered(`${method} ${url}: ${error.cause?.message ?? error.message}`);
      await sleep(wait);
    }
  }
}

function parsed(text) {
  try {
    return text === '' ? undefined : JSON.parse(text);
  } catch {
    return text;
  }
}

/**
 * Do something with each item, `atOnce` of them at a time.
 *
 * @template T
 * @param {T[]} items
 * @param {number} atOnce
 * @param {(item: T, index: number) => Promise<void>} deed
 */
export async function each(items, atOnce, deed) {
  let next = 0;
  const worker = async () => {
    while (next < items.length) {
      const index = next;
      next += 1;
      await deed(items[index], index);
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker));
}
