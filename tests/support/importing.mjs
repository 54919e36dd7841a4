/** A Marzban-shaped server, a panel that its users are to come into, and the tool between them. */
import { spawn } from 'node:child_process';
import path from 'node:path';

import { MarzbanServer, SUDO, userOf } from './marzban-server.mjs';
import { ROOT, startPanel } from './panel.mjs';
import { keyWith } from './refusals.mjs';
import { weirTool } from './weir-tool.mjs';
import { now } from './wire.mjs';

/** What the old panel signs its links with. */
export const SECRET = 'c0ffee'.padEnd(64, '0');
/** What an import of a Marzban with admins needs of a key. */
export const SCOPES = 'users:read users:write plans:read plans:write settings:read settings:write operators:read operators:write';

/** See the module's description. */
export class Importing {
  /** @type {import('./panel.mjs').Panel} */
  panel;
  /** @type {MarzbanServer} */
  old;
  /** Of the panel, with the scopes that are needed. */
  key;
  /** When the old users were made, in seconds. */
  began = now();

  /** @param {number} users of all kinds @param {string} [more] scopes of the key @returns {Promise<Importing>} */
  static async start(users, more = '') {
    const one = new Importing();
    one.old = await MarzbanServer.start(Array.from({ length: users }, (_, index) => userOf(index, one.began)));
    one.panel = await startPanel();
    one.key = await keyWith(one.panel, `${SCOPES} ${more}`.trim());
    return one;
  }

  /** The tool with what it always needs, and more. */
  run(...more) {
    return weirTool(this.#wishes(this.panel.url, more), this.#secrets);
  }

  /**
   * The same as a process that can be ended, through something before the panel.
   *
   * @param {string} to
   * @param {string[]} more
   * @returns {{child: import('node:child_process').ChildProcess, ended: Promise<{end: number|string, out: string, err: string}>}} `end` is the exit
   *   code, or the signal that ended it
   */
  begin(to, ...more) {
    const tool = ['--disable-warning=ExperimentalWarning', path.join(ROOT, 'dev/weir.mjs')];
    const child = spawn(process.execPath, [...tool, ...this.#wishes(to, more)], { env: { PATH: process.env.PATH, ...this.#secrets }, stdio: ['ignore', 'pipe', 'pipe'] });
    const texts = { out: '', err: '' };
    child.stdout.setEncoding('utf8').on('data', (data) => (texts.out += data));
    child.stderr.setEncoding('utf8').on('data', (data) => (texts.err += data));
    const ended = new Promise((resolve, reject) => child.once('error', reject).once('close', (code, signal) => resolve({ end: signal ?? code, ...texts })));
    return { child, ended };
  }

  #wishes(to, more) {
    return ['import', 'marzban', '--url', this.old.url, '--username', SUDO.username, '--to', to, ...more];
  }

  get #secrets() {
    return { WEIR_KEY: this.key, OLD_PASSWORD: SUDO.password };
  }

  async stop() {
    await this.panel?.stop();
    await this.old?.stop();
  }
}
