/**
 * `make up`: a whole Weir on this machine.
 *
 *   PORT=9000     serves on 127.0.0.1:9000 instead of 8787
 *   DEMO=0        no demo node, no demo users, no traffic
 *   WEIR_HOME=DIR keeps data and login there instead of in .weir
 *
 * This process only stands in front: what it starts runs in a session of its own, because Ctrl-C reaches every process of the terminal
 * at once, and then the panel would be gone before the agent has reported what it holds.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { Home, Trouble } from './home.mjs';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/** @returns {{port: number, demo: boolean, home: Home}} what the environment asks for */
function wishes({ PORT = '8787', DEMO = '1', WEIR_HOME = path.join(ROOT, '.weir') }) {
  const port = Number(PORT);
  if (!/^\d+$/.test(PORT) || port < 1 || port > 65_535) throw new Trouble(`PORT is '${PORT}': it must be a number from 1 to 65535`);
  if (!['0', '1'].includes(DEMO)) throw new Trouble(`DEMO is '${DEMO}': it must be 0 or 1`);
  return { port, demo: DEMO === '1', home: new Home(path.resolve(WEIR_HOME)) };
}

/** What is missing would otherwise end in an error of somebody else's. */
function checkTools({ demo }) {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < 22 || (major === 22 && minor < 12)) throw new Trouble(`this is Node.js ${process.versions.node}: 22.12 or newer is needed`);
  const needed = [
    ['node_modules/miniflare', 'npm packages are missing', 'make setup'],
    ['build/index.js', 'the Worker is not built', 'make build'],
  ];
  for (const [file, what, cure] of needed) {
    if (!existsSync(path.join(ROOT, file))) throw new Trouble(`${what}: run ${cure}`);
  }
  if (!demo) return;
  const agent = process.env.WEIR_AGENT_BIN ?? path.resolve(ROOT, process.env.CARGO_TARGET_DIR ?? 'target', 'release/weir-agent');
  if (!existsSync(agent)) throw new Trouble(`${agent} is missing: run make build-agent`);
  const core = process.env.SING_BOX_BIN;
  if (!core) throw new Trouble('SING_BOX_BIN is not set: run make setup, then . .weir/env');
  if (!existsSync(core)) throw new Trouble(`SING_BOX_BIN: ${core} is missing: run make setup`);
  const hasOpenssl = (process.env.PATH ?? '').split(path.delimiter).some((folder) => existsSync(path.join(folder, 'openssl')));
  if (!hasOpenssl) throw new Trouble('openssl is missing: install it, or run make up DEMO=0');
}

/** @returns {Promise<number>} the exit code */
async function run() {
  const { port, demo, home } = wishes(process.env);
  checkTools({ demo });
  const session = spawn(process.execPath, [fileURLToPath(new URL('./session.mjs', import.meta.url))], {
    detached: true,
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: { ...process.env, PORT: String(port), DEMO: demo ? '1' : '0', WEIR_HOME: home.folder },
  });
  for (const signal of SIGNALS) process.on(signal, () => session.connected && session.send('stop'));
  const { code, signal } = await new Promise((resolve, reject) => {
    session.once('error', reject);
    session.once('exit', (exitCode, exitSignal) => resolve({ code: exitCode, signal: exitSignal }));
  });
  if (signal === null) return code;
  await home.clear();
  throw new Trouble(`ended by ${signal}; what it had started is stopped`);
}

try {
  process.exitCode = await run();
} catch (error) {
  if (!(error instanceof Trouble)) throw error;
  process.stderr.write(`up: error: ${error.message}\n`);
  process.exitCode = 1;
}
