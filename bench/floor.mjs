/**
 * What the platform itself costs on this machine in this minute: a Rust Worker that does nothing, or reads one row of D1, in a workerd of its
 * own, behind the same static assets as the panel.
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
const BUILD = path.join(HERE, 'floor-worker/build');
const HOST = '127.0.0.1';

/** What everything is compared with: nothing, and one row. */
export const FLOORS = [
  { what: 'empty Rust Worker', path: '/' },
  { what: 'one row of D1', path: '/row' },
];

/**
 * Build it and serve it.
 *
 * @param {(line: string) => void} say
 * @param {{inspector?: boolean}} [options] `inspector`: with that of the runtime, whose address is `await inspector()`
 * @returns {Promise<{url: string, pid: number, inspector: () => Promise<URL>, stop: () => Promise<void>}>}
 */
export async function startFloor(say, { inspector = false } = {}) {
  say('building the floor Worker (half a minute the first time)');
  await build();
  const port = await freePort();
  const { workerOptions: panel } = unstable_getMiniflareWorkerOptions(path.join(ROOT, 'wrangler.toml'), undefined, { envFiles: [] });
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      host: HOST,
      port,
      cf: false,
      telemetry: { enabled: false },
      ...(inspector && { inspectorPort: 0 }),
      log: new Log(LogLevel.NONE),
      workers: [
        {
          name: 'floor',
          compatibilityDate: panel.compatibilityDate,
          assets: panel.assets,
          d1Databases: panel.d1Databases,
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
  const database = await miniflare.getD1Database('DB');
  await database.batch([
    database.prepare('CREATE TABLE floor (id INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT'),
    database.prepare("INSERT INTO floor VALUES (1, 'ok')"),
  ]);
  return {
    url: `http://${HOST}:${port}`,
    pid: workerdOf(port),
    inspector: () => miniflare.getInspectorURL(),
    stop: () => miniflare.dispose(),
  };
}

/** Its progress goes to the terminal. */
function build() {
  return new Promise((resolve, reject) => {
    const child = spawn(path.join(HERE, 'build-floor-worker'), { stdio: ['ignore', 'ignore', 'inherit'] });
    child.once('error', reject);
    child.once('exit', (code) => (code === 0 ? resolve() : reject(new Error(`bench/build-floor-worker ended with ${code}`))));
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
