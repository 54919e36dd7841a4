/** The operator's machine: `make deploy` started on it, refused, killed, and what it keeps. The program and wrangler are the real ones. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { ROOT } from './panel.mjs';

/** A run takes ten seconds on an idle machine, and half a minute when it waits for a new secret to spread. */
const HANG_LIMIT_MS = 300_000;
/** What a generated secret looks like. */
export const SECRET = /^[0-9a-f]{64}$/;

/**
 * @typedef {{code: number|null, said: string, told: string, errors: string[]}} Run what went to stderr and to stdout; the lines that
 *   are errors; no code if it was killed
 */

/** See the module's description. */
export class Machine {
  #cloudflare;

  /** @param {import('./cloudflare.mjs').Cloudflare} cloudflare @returns {Promise<Machine>} on which nothing was ever deployed */
  static async make(cloudflare) {
    return new Machine(cloudflare, await mkdtemp(path.join(tmpdir(), 'weir-machine-')));
  }

  constructor(cloudflare, home) {
    this.#cloudflare = cloudflare;
    this.home = home;
  }

  async remove() {
    await rm(this.home, { recursive: true, force: true });
  }

  /**
   * One run of a program.
   *
   * @param {string} file in dev/
   * @param {Record<string, string|undefined>} env
   * @param {(child: import('node:child_process').ChildProcess) => void} [onStart]
   * @returns {Promise<Run>}
   */
  async run(file, env = {}, onStart = () => {}) {
    const { CLOUDFLARE_API_TOKEN: _, CLOUDFLARE_ACCOUNT_ID: __, ...rest } = process.env;
    const child = spawn(process.execPath, ['--disable-warning=UNDICI-EHPA', `dev/${file}`], {
      cwd: ROOT,
      // Nobody's own login of wrangler is to be found.
      env: { ...rest, HOME: this.home, XDG_CONFIG_HOME: this.home, ...this.#cloudflare.env, WEIR_HOME: this.home, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      // A group of its own, as a shell makes for what runs in the terminal.
      detached: true,
    });
    const hung = setTimeout(() => process.kill(-child.pid, 'SIGKILL'), HANG_LIMIT_MS);
    let said = '';
    let told = '';
    child.stderr.on('data', (data) => (said += data));
    child.stdout.on('data', (data) => (told += data));
    onStart(child);
    const code = await new Promise((resolve) => child.once('close', resolve));
    clearTimeout(hung);
    return { code, said, told, errors: said.split('\n').filter((line) => /^[a-z]+: error:/.test(line)) };
  }

  /** One run of `make deploy`. @param {Record<string, string|undefined>} [env] @param {Parameters<Machine['run']>[2]} [onStart] @returns {Promise<Run>} */
  async deploy(env, onStart) {
    return this.run('deploy.mjs', env, onStart);
  }

  /** A run that must succeed. @param {Record<string, string|undefined>} [env] @returns {Promise<Run>} */
  async deployed(env) {
    const run = await this.deploy(env);
    assert.equal(run.code, 0, run.said);
    return run;
  }

  /** A run that must be refused with one line that a person can act upon. @param {Record<string, string|undefined>} env @param {RegExp} line */
  async refused(env, line) {
    const { code, said, told, errors } = await this.deploy(env);
    assert.equal(code, 1, said);
    assert.equal(told, '');
    assert.equal(errors.length, 1, said);
    assert.match(errors[0], line);
  }

  /**
   * A run that is killed in the middle of a call of the API, which it never gets an answer to.
   *
   * @param {Record<string, string>} env
   * @param {(call: {method: string, where: string, sql?: string}, when: 'before'|'after') => boolean} isMoment
   * @param {{leaveWrangler?: boolean, file?: string}} [options] `leaveWrangler`: the wrangler that it started goes on, and gets its
   *   answer; `file`: the program in dev/
   * @returns {Promise<{isKilled: boolean, run: Run}>} the run reaches its end if the moment never comes
   */
  async killedAt(env, isMoment, { leaveWrangler = false, file = 'deploy.mjs' } = {}) {
    let child;
    let isKilled = false;
    this.#cloudflare.onCall = (call, when) => {
      if (isKilled || !isMoment(call, when)) return;
      isKilled = true;
      process.kill(leaveWrangler ? child.pid : -child.pid, 'SIGKILL');
      // Before its effect, such a call has none.
      if (!leaveWrangler) throw new Error('the caller is gone');
    };
    try {
      const run = await this.run(file, env, (started) => (child = started));
      return { isKilled, run };
    } finally {
      this.#cloudflare.onCall = () => {};
    }
  }

  /** @param {string} name of a deployment @returns {string} the folder where it is kept */
  folder(name) {
    return path.join(this.home, 'deploy', ...(name === 'weir' ? [] : [name]));
  }

  /** @param {string} name of a deployment @param {string} file @returns {Promise<any>} */
  async kept(name, file) {
    return JSON.parse(await readFile(path.join(this.folder(name), file), 'utf8'));
  }

  /** @param {string} name of a deployment @returns {Promise<string[]>} names of what is kept of it */
  async files(name) {
    return (await readdir(this.folder(name))).filter((file) => file.endsWith('.json')).sort();
  }

  /** Every secret of the Worker is the one that this machine keeps. @param {string} name of a deployment */
  async assertSecretsKept(name) {
    const secrets = await this.kept(name, 'secrets.json');
    assert.deepEqual(Object.keys(secrets).sort(), ['AUDIT_KEY', 'AUTH_KEY', 'CREDENTIAL_KEY', 'SLOT_KEY']);
    for (const [secret, value] of Object.entries(secrets)) {
      assert.match(value, SECRET);
      assert.equal(this.#cloudflare.secret(name, secret), value, secret);
    }
  }
}

/**
 * Sign in through the form of the panel.
 *
 * @param {{url: string, request: Function}} panel
 * @param {{username: string, password: string}} login
 * @returns {Promise<{status: number, cookie?: string}>} 303 when it is right
 */
export async function signIn(panel, { username, password }) {
  const headers = { origin: panel.url, 'content-type': 'application/x-www-form-urlencoded' };
  const answer = await panel.request('POST', '/login', { headers, body: `name=${username}&password=${password}` });
  return { status: answer.status, cookie: answer.headers.get('set-cookie')?.split(';')[0] };
}

/** @param {{db: D1Database}} panel @param {string} sql @returns {Promise<object[]>} */
export async function rows(panel, sql) {
  return (await panel.db.prepare(sql).all()).results;
}
