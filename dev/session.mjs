/** What `make up` runs in a session of its own: the panel with its jobs, and the demo. Started by dev/up.mjs alone. */
import { appendFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { Home, Trouble } from './home.mjs';

/** The trigger of wrangler.toml: every five minutes of the clock. */
const CRON_MS = 60_000;

const started = performance.now();
const home = new Home(process.env.WEIR_HOME);
const port = Number(process.env.PORT);
const stop = new AbortController();
/** What has been started, each with how it is stopped; the last one is stopped first. */
const cleanups = [];

/** Whoever reads the output may go away before we do; that is no error of ours. */
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});

function say(text) {
  const seconds = String(Math.floor((performance.now() - started) / 1000)).padStart(3);
  process.stderr.write(`up: [${seconds}s] ${text}\n`);
}

/** @param {string} text for a person who looks for a cause */
async function log(text) {
  await appendFile(home.log, `${new Date().toISOString()} ${text}\n`);
}

let askedAt = Infinity;
function onAsked() {
  // One wish may come several times: a group gets a signal, and a parent passes its own on.
  if (performance.now() - askedAt > 1_000) {
    say('asked again: everything is killed; what the agent had not reported stays in its ledger');
    // By the exit handlers of those who started it.
    process.exit(1);
  }
  askedAt = Math.min(askedAt, performance.now());
  stop.abort();
}

/** A signal to this process means the same. To be called again when somebody else has taken the signals for an order to exit. */
function takeSignals() {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.removeAllListeners(signal).on(signal, onAsked);
}

takeSignals();
process.on('message', onAsked);
// The process in front is gone, and with it whoever could ask.
process.on('disconnect', () => stop.abort());

async function startPanel() {
  say('panel: starting workerd with a local D1');
  const module = await import('../tests/support/panel.mjs');
  let panel;
  try {
    panel = await module.startPanel({
      folder: path.join(home.data, 'panel'),
      port,
      bucket: true,
      // Numbers shall move while somebody looks on: in production a light user is reported every quarter-hour.
      vars: { SYNC_SECONDS: '2', REPORT_SECONDS: '2' },
      onLog: (level, line) => void log(`panel ${level}: ${line}`),
    });
  } catch (error) {
    const code = error.cause?.code;
    if (code === 'EADDRINUSE') throw new Trouble(`port ${port} is taken: stop what listens there, or choose another: make up PORT=9000`);
    if (code === 'EACCES') throw new Trouble(`port ${port} needs root: choose another: make up PORT=9000`);
    throw error;
  }
  cleanups.push(['panel', () => panel.stop()]);
  takeSignals();
  await home.note('panel', panel.pid);
  return panel;
}

/** Run the jobs now, because some may have become due while nothing ran, and then whenever the platform would. */
async function startCron(panel) {
  const run = async () => {
    const outcome = await panel.trigger().catch((error) => error.message);
    await log(`jobs: ${outcome}`);
  };
  await run();
  let timer;
  const plan = () => {
    timer = setTimeout(() => run().finally(plan), CRON_MS - (Date.now() % CRON_MS));
  };
  plan();
  cleanups.push(['jobs', async () => clearTimeout(timer)]);
}

async function start() {
  const left = await home.claim();
  if (left.length > 0) say(`ended what an earlier run left behind: ${left.join(', ')}`);
  cleanups.push(['', () => home.release()]);
  const panel = await startPanel();
  stop.signal.throwIfAborted();
  await startCron(panel);
  const login = { url: panel.url, ...panel.operator, api_key: panel.apiKey };
  await home.writeLogin(login);
  if (process.env.DEMO === '1') {
    const { startDemo } = await import('./demo.mjs');
    await startDemo({ panel, home, say, log, signal: stop.signal, onStop: (name, how) => cleanups.push([name, how]) });
  }
  stop.signal.throwIfAborted();
  say('ready; Ctrl-C stops it, the data stays');
  process.stdout.write(`
  panel     ${login.url}
  username  ${login.username}
  password  ${login.password}
  api key   ${login.api_key}

  kept for scripts in ${path.relative('', home.login)}

`);
}

/** Stop everything that was started, whatever fails meanwhile. @returns {Promise<boolean>} whether nothing failed */
async function clean() {
  let isClean = true;
  const names = cleanups.map(([name]) => name).filter(Boolean);
  if (names.length > 0) say(`stopping ${names.reverse().join(', ')}`);
  for (const [name, how] of cleanups.reverse()) {
    try {
      await how();
    } catch (error) {
      isClean = false;
      say(`${name} did not stop in order: ${error.message}`);
    }
  }
  return isClean;
}

/** @returns {Promise<number>} the exit code */
async function run() {
  let code = 0;
  try {
    await start();
    while (!stop.signal.aborted) await sleep(60_000, undefined, { signal: stop.signal }).catch(() => {});
  } catch (error) {
    if (!stop.signal.aborted) {
      code = 1;
      if (!(error instanceof Trouble)) await log(error.stack).catch(() => {});
      say(`error: ${error.message.split('\n')[0]}`);
    }
  }
  const isClean = await clean();
  if (code === 0) say('stopped');
  return isClean ? code : 1;
}

process.exit(await run());
