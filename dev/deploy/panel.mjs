/** The deployed panel, asked as anybody can ask it. */
import { setTimeout as sleep } from 'node:timers/promises';

const EVERY_MS = 2_000;
const TELL_EVERY_MS = 10_000;

/**
 * Wait until the panel answers that it is in order. A new address takes its time to spread.
 *
 * @param {string} url
 * @param {{patience: number, say: (text: string) => void}} options `patience` in milliseconds
 * @returns {Promise<{version?: string, why?: string}>} the panel's version, or why there is none
 */
export async function awaitPanel(url, { patience, say }) {
  const deadline = performance.now() + patience;
  let toldAt = performance.now();
  for (;;) {
    const { version, why } = await ask(url);
    if (version !== undefined || performance.now() > deadline) return { version, why };
    if (performance.now() - toldAt > TELL_EVERY_MS) {
      say(`waiting for ${url}: ${why}`);
      toldAt = performance.now();
    }
    await sleep(EVERY_MS);
  }
}

async function ask(url) {
  try {
    const response = await fetch(`${url}/health`, { signal: AbortSignal.timeout(10_000) });
    const text = await response.text();
    if (response.status !== 200) return { why: `it answers ${response.status}: ${text.slice(0, 200)}` };
    const { status, version } = JSON.parse(text);
    return status === 'ok' ? { version } : { why: `it answers ${text.slice(0, 200)}` };
  } catch (error) {
    return { why: error.cause?.code ?? error.message };
  }
}
