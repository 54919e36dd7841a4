/**
 * Where the real programs are that the end-to-end tests run: a proxy core, a client, a browser. The project's set-up script installs
 * them and exports these variables.
 */
import { accessSync, constants, readdirSync } from 'node:fs';
import path from 'node:path';

const VARIABLES = { 'sing-box': 'SING_BOX_BIN', mihomo: 'MIHOMO_BIN', v2ray: 'V2RAY_BIN', chromium: 'CHROMIUM_BIN' };

/**
 * The path of a program's binary.
 *
 * @param {'sing-box'|'mihomo'|'v2ray'|'chromium'} name
 * @returns {string}
 * @throws {Error} if the program is unknown, its variable is unset, or what it names cannot be run
 */
export function enginePath(name) {
  const variable = VARIABLES[name];
  if (variable === undefined) throw new Error(`engine: must be one of ${Object.keys(VARIABLES).join(', ')}, got ${name}`);
  const binary = process.env[variable];
  if (!binary) throw new Error(`${variable} is not set: run the set-up script, or set it to the path of a ${name} binary`);
  try {
    accessSync(binary, constants.X_OK);
  } catch (error) {
    throw new Error(`${variable}: ${binary} is not an executable file`, { cause: error });
  }
  return binary;
}

/**
 * Older releases of programs that read subscriptions, as far as they are packaged for this machine.
 *
 * @returns {Array<{name: string, path: string}>} such as `sing-box-1.13`
 * @throws {Error} if the set-up has not installed any
 */
export function olderReaders() {
  const folder = process.env.OLDER_READERS;
  if (!folder) throw new Error('OLDER_READERS is not set: run the set-up script');
  return readdirSync(folder).sort().map((name) => ({ name, path: path.join(folder, name) }));
}
