/** A Marzban-shaped server, a panel that its users are to come into, and the tool between them. */
import { MarzbanServer, SUDO, userOf } from './marzban-server.mjs';
import { startPanel } from './panel.mjs';
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
    const from = ['--url', this.old.url, '--username', SUDO.username, '--to', this.panel.url];
    return weirTool(['import', 'marzban', ...from, ...more], { WEIR_KEY: this.key, OLD_PASSWORD: SUDO.password });
  }

  async stop() {
    await this.panel?.stop();
    await this.old?.stop();
  }
}
