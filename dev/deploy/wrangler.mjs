/** wrangler of node_modules, run as a program: what it answers, and its errors as one line. */
import { spawn } from 'node:child_process';
import { appendFile, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { stripVTControlCharacters } from 'node:util';

import { Trouble } from '../home.mjs';
import { ROOT } from './config.mjs';

const PROGRAM = path.join(ROOT, 'node_modules/wrangler/bin/wrangler.js');
/** Seconds after which a step that says nothing looks hung. */
const PATIENCE_MS = 15_000;
const LONGEST_LINE = 400;

/** wrangler ended with an error. `code` is Cloudflare's, if it gave one; `output` is what was printed. */
export class WranglerTrouble extends Trouble {
  constructor(message, { code = 0, output = '' } = {}) {
    super(message);
    this.code = code;
    this.output = output;
  }
}

/** See the module's description. */
export class Wrangler {
  #kept;
  #say;
  #account;
  #runs = 0;

  /**
   * @param {import('./kept.mjs').Kept} kept holds `wrangler.json`; `deploy.log` gets what wrangler says
   * @param {(text: string) => void} say
   */
  constructor(kept, say) {
    this.#kept = kept;
    this.#say = say;
  }

  /** Every later command is about this account. @param {string} id */
  useAccount(id) {
    this.#account = id;
  }

  /**
   * Run a command.
   *
   * @param {string} what it does, for a person who waits
   * @param {string[]} args
   * @param {{isSecret?: boolean}} [options] `isSecret`: what it prints stays out of the log
   * @returns {Promise<{output: string, entries: object[]}>} what it printed, and the entries of its machine-readable log
   * @throws {WranglerTrouble}
   */
  async run(what, args, { isSecret = false } = {}) {
    const entriesFile = this.#kept.path(`wrangler-${process.pid}-${(this.#runs += 1)}.ndjson`);
    await this.#log(`$ wrangler ${args.join(' ')}`);
    const { code, output, all } = await this.#spawn(what, [...args, '--config', this.#kept.path('wrangler.json')], {
      ...process.env,
      ...(this.#account && { CLOUDFLARE_ACCOUNT_ID: this.#account }),
      WRANGLER_OUTPUT_FILE_PATH: entriesFile,
      WRANGLER_SEND_METRICS: 'false',
      WRANGLER_HIDE_BANNER: 'true',
      NO_COLOR: '1',
      CI: '1',
    });
    await this.#log(isSecret ? `ended with ${code}` : all);
    const entries = await readEntries(entriesFile);
    await rm(entriesFile, { force: true });
    if (code === 0) return { output, entries };
    const failed = entries.find(({ type }) => type === 'command-failed');
    const line = errorLine(all) ?? oneLine(failed?.message ?? `wrangler ended with ${code}`);
    throw new WranglerTrouble(`${what}: ${line}`, { code: failed?.code ?? Number(/\[code: (\d+)\]/.exec(all)?.[1] ?? 0), output });
  }

  /** The same for a command that answers JSON. @returns {Promise<any>} */
  async json(what, args, options) {
    const { output } = await this.run(what, args, options);
    try {
      return JSON.parse(output);
    } catch {
      throw new WranglerTrouble(`${what}: wrangler answered something else than JSON, see ${this.#kept.path('deploy.log')}`);
    }
  }

  #spawn(what, args, env) {
    return new Promise((resolve, reject) => {
      const child = spawn(process.execPath, [PROGRAM, ...args], { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'pipe'] });
      let output = '';
      let all = '';
      let last = '';
      const note = (data) => {
        const text = stripVTControlCharacters(String(data));
        all += text;
        last = text.trim().split('\n').at(-1) || last;
      };
      child.stdout.on('data', (data) => (output += data));
      child.stdout.on('data', note);
      child.stderr.on('data', note);
      const timer = setInterval(() => this.#say(`${what}: ... ${last.slice(0, 90)}`), PATIENCE_MS);
      child.once('error', reject);
      child.once('close', (code, signal) => {
        clearInterval(timer);
        resolve({ code: code ?? signal, output, all });
      });
    });
  }

  async #log(text) {
    await appendFile(this.#kept.path('deploy.log'), `${new Date().toISOString()} ${text}\n`, { mode: 0o600 });
  }
}

async function readEntries(file) {
  try {
    return (await readFile(file, 'utf8')).split('\n').filter(Boolean).map((line) => JSON.parse(line));
  } catch (error) {
    if (error.code === 'ENOENT') return [];
    throw error;
  }
}

/** What stands between the mark of an error and the hints for people who look for a bug of wrangler's. */
function errorLine(all) {
  const [, block] = all.split('[ERROR]');
  if (block === undefined) return undefined;
  const [text] = block.split(/If you think this is a bug|🪵|To continue without logging in/u);
  const line = oneLine(text);
  if (line === 'fetch failed') return 'Cloudflare cannot be reached';
  // "A request to .. failed." is followed by why.
  return line.replace(/^A request to the Cloudflare API \([^)]*\) failed\. (?=.)/, '');
}

function oneLine(text) {
  const line = text.replace(/\s+/g, ' ').trim();
  return line.length > LONGEST_LINE ? `${line.slice(0, LONGEST_LINE)}...` : line;
}
