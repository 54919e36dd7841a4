/**
 * The empty Rust Worker in a workerd of its own, behind the same static assets as the panel: what the platform costs on this machine in
 * this minute.
 */
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { convertV4MiniflareOptions, Log, LogLevel, Miniflare } from 'miniflare';
import { unstable_getMiniflareWorkerOptions } from 'wrangler';

import { ROOT } from '../tests/support/panel.mjs';
import { freePort } from '../tests/support/ports.mjs';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const BUILD = path.join(HERE, 'empty-worker/build');
const HOST = '127.0.0.1';

/**
 * Build it and serve it.
 *
 * @returns {Promise<{url: string, pid: number, stop: () => Promise<void>}>}
 */
export async function startEmptyWorker() {
  await build();
  const port = await freePort();
  const { workerOptions: panel } = unstable_getMiniflareWorkerOptions(path.join(ROOT, 'wrangler.toml'), undefined, { envFiles: [] });
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      host: HOST,
      port,
      cf: false,
      telemetry: { enabled: false },
      log: new Log(LogLevel.NONE),
      workers: [
        {
          name: 'empty',
          compatibilityDate: panel.compatibilityDate,
          assets: panel.assets,
          modulesRoot: BUILD,
          modules: [
            { type: 'ESModule', path: path.join(BUILD, 'index.js') },
            { type: 'CompiledWasm', path: path.join(BUILD, 'index_bg.wasm') },
          ],
        },
      ],
    }),
  );
  await miniflare.ready;
  return { url: `http://${HOST}:${port}`, pid: workerdOf(port), stop: () => miniflare.dispose() };
}

/** Its progress goes to the terminal. */
function build() {
  return new Promise((resolve, reject) => {
    const child = spawn(path.join(HERE, 'build-empty-worker'), { stdio: ['ignore', 'ignore', 'inherit'] });
    child.once('error', reject);
    child.once('exit', (code) => (code === 0 ? resolve() : reject(new Error(`bench/build-empty-worker ended with ${code}`))));
  });
}

/** Our own child that serves the port. */
function workerdOf(port) {
  const children = readdirSync('/proc/self/task').flatMap((task) =>
    readFileSync(`/proc/self/task/${task}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number),
  );
  const found = children.find((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(`--socket-addr=entry=${HOST}:${port}`));
  if (!found) throw new Error('workerd was started, but its process was not seen');
  return found;
}
