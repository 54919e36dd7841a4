/**
 * The operator's tool. `node dev/weir.mjs import` brings users of another panel into this one; docs/import.md says how it is used.
 *
 *   import marzban --url URL --username NAME --password WORD   from a running Marzban, through its API
 *   import 3x-ui   --file x-ui.db                              from the database file of a 3x-ui
 *   import sqlite  --file old.db                               from a home-made database: users, monthly_stats, traffic_logs
 *
 *   --to URL, --key weir_...   the panel, and a key of it; also WEIR_URL, WEIR_KEY. The password also as OLD_PASSWORD,
 *                              the secret as OLD_SECRET: what stands in a command line is told to everybody on the machine
 *   --apply                    writes; without it nothing is changed
 *   --overwrite                gives users who exist the old panel's values
 *   --secret HEX               of Marzban: jwt.secret_key of its database, with which its links go on to work
 *   --revoked FILE             of Marzban: lines "name,second" of links that were revoked there
 *   --quotas gb|bytes          of sqlite: what quotas are counted in (gb)
 *   --report FILE              the report as JSON as well
 *   --at-once N                requests at a time, 1 to 32 (8)
 *
 * --help prints this. Exit code: 0 all went well, 2 something was not carried or differs, 1 it could not be done at all.
 */
import { open, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { Trouble } from './home.mjs';
import { Panel } from './import/panel.mjs';
import { printed, printedPasswords } from './import/report.mjs';
import { importInto } from './import/run.mjs';

const OPTIONS = {
  help: { type: 'boolean', short: 'h', default: false },
  url: { type: 'string' },
  username: { type: 'string' },
  password: { type: 'string', default: process.env.OLD_PASSWORD },
  file: { type: 'string' },
  to: { type: 'string', default: process.env.WEIR_URL },
  key: { type: 'string', default: process.env.WEIR_KEY },
  apply: { type: 'boolean', default: false },
  overwrite: { type: 'boolean', default: false },
  // One that is set to nothing is none.
  secret: { type: 'string', default: process.env.OLD_SECRET || undefined },
  revoked: { type: 'string' },
  quotas: { type: 'string', default: 'gb' },
  report: { type: 'string' },
  'at-once': { type: 'string', default: '8' },
};

/** Each source: what it needs, and what reads it. */
const SOURCES = {
  marzban: { needs: ['url', 'username', 'password'], load: async () => (await import('./import/marzban.mjs')).read },
  '3x-ui': { needs: ['file'], load: async () => (await import('./import/x-ui.mjs')).read },
  sqlite: { needs: ['file'], load: async () => (await import('./import/sqlite.mjs')).read },
};

/** What ends an import early. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'];

const say = (text) => process.stderr.write(`import: ${text}\n`);

function wishes(argv) {
  let parsed;
  try {
    parsed = parseArgs({ args: argv, options: OPTIONS, allowPositionals: true });
  } catch (error) {
    throw new Trouble(error.message);
  }
  if (parsed.values.help) return undefined;
  const [command, from, ...more] = parsed.positionals;
  const source = SOURCES[from];
  if (command !== 'import' || !source || more.length > 0) throw new Trouble(`usage: node dev/weir.mjs import ${Object.keys(SOURCES).join('|')} [options], see docs/import.md`);
  const { values } = parsed;
  const missing = [...source.needs, 'to', 'key'].filter((name) => !values[name]);
  if (missing.length > 0) throw new Trouble(`import ${from} needs ${missing.map((name) => `--${name}`).join(', ')}`);
  const atOnce = Number(values['at-once']);
  if (!Number.isInteger(atOnce) || atOnce < 1 || atOnce > 32) throw new Trouble('--at-once: a number from 1 to 32');
  if (!['gb', 'bytes'].includes(values.quotas)) throw new Trouble('--quotas: gb or bytes');
  // What stands in the environment for a Marzban is nothing to the others.
  const secret = from === 'marzban' ? values.secret : undefined;
  if (secret !== undefined && !/^[0-9a-f]{64}$/i.test(secret)) throw new Trouble('--secret: 64 hexadecimal digits, as in the table jwt of its database');
  return { ...values, secret, from, source, atOnce };
}

/** What stands at the head of this file. */
async function help() {
  const [, head] = /^\/\*\*\n([^]*?) \*\//.exec(await readFile(fileURLToPath(import.meta.url), 'utf8'));
  process.stdout.write(head.replaceAll(/^ \* ?/gm, ''));
  return 0;
}

/** Writes what is for nobody else: it holds notes and what people use. */
async function writePrivately(file, text) {
  const opened = await open(file, 'w', 0o600);
  try {
    // The mode is that of a file that is made; one that was there may be open to everybody. What is no file (`/dev/stdout`) stays as it is.
    if ((await opened.stat()).isFile()) await opened.chmod(0o600);
    await opened.writeFile(text);
  } finally {
    await opened.close();
  }
}

/** Imports and prints the report; whatever ends it early, the passwords of operators that it has created are printed. */
async function imported(panel, old, options) {
  const passwords = [];
  const tell = () => process.stdout.write(printedPasswords(passwords.splice(0)));
  const end = (signal) => {
    tell();
    // Nobody listens any more: it ends the process as if nobody had.
    process.kill(process.pid, signal);
  };
  for (const signal of SIGNALS) process.once(signal, end);
  try {
    const report = await importInto(panel, old, { ...options, passwords });
    process.stdout.write(printed(report, passwords));
    passwords.length = 0;
    return report;
  } finally {
    for (const signal of SIGNALS) process.removeListener(signal, end);
    tell();
  }
}

async function run() {
  const options = wishes(process.argv.slice(2));
  if (!options) return help();
  const read = await options.source.load();
  const panel = new Panel(options.to, options.key);
  const old = await read({ ...options, say });
  const report = await imported(panel, old, { ...options, say });
  if (options.report) await writePrivately(options.report, `${JSON.stringify(report, undefined, 1)}\n`);
  return report.allWell ? 0 : 2;
}

try {
  process.exitCode = await run();
} catch (error) {
  if (!(error instanceof Trouble)) throw error;
  say(error.message);
  process.exitCode = 1;
}
