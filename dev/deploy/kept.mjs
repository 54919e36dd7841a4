/** What a deployment keeps on the operator's machine: one folder, readable for nobody else, of files that are whole or not there. */
import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync } from 'node:fs';
import { open, readdir, readFile, rename, rm } from 'node:fs/promises';
import net from 'node:net';
import path from 'node:path';

import { Trouble } from '../home.mjs';

/** See the module's description. */
export class Kept {
  /** @param {string} folder absolute; made if it is not there */
  constructor(folder) {
    this.folder = folder;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    chmodSync(folder, 0o700);
  }

  /** @param {string} name of a file @returns {string} */
  path(name) {
    return path.join(this.folder, name);
  }

  /**
   * @param {string} name
   * @returns {Promise<object|undefined>} undefined if the file is not there
   * @throws {Trouble} if it holds something else than JSON
   */
  async read(name) {
    let text;
    try {
      text = await readFile(this.path(name), 'utf8');
    } catch (error) {
      if (error.code === 'ENOENT') return undefined;
      throw new Trouble(`${this.path(name)} cannot be read: ${error.code}`);
    }
    try {
      return JSON.parse(text);
    } catch {
      throw new Trouble(`${this.path(name)} is damaged: put its copy back; it holds what cannot be made again`);
    }
  }

  /** On the disk when it returns: what follows may not be undone by a power cut. @param {string} name @param {object} content */
  async write(name, content) {
    const part = `${this.path(name)}.part`;
    await rm(part, { force: true });
    const file = await open(part, 'wx', 0o600);
    try {
      await file.writeFile(`${JSON.stringify(content, null, 2)}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(part, this.path(name));
    const folder = await open(this.folder);
    await folder.sync().finally(() => folder.close());
  }

  /** @param {string} name */
  async remove(name) {
    await rm(this.path(name), { force: true });
  }

  /**
   * Keep other runs away until this process ends, however it ends: the kernel gives the name back.
   *
   * @throws {Trouble} if another run is under way
   */
  async claim() {
    const lock = net.createServer();
    await new Promise((resolve, reject) => {
      lock.once('error', reject);
      lock.listen(`\0weir-deploy-${createHash('sha256').update(this.folder).digest('hex')}`, resolve);
    }).catch((error) => {
      if (error.code === 'EADDRINUSE') throw new Trouble(`another make deploy works on ${this.folder}: wait for it`);
      throw error;
    });
    lock.unref();
    // What a run that was killed has left of files that no other run reads.
    for (const name of await readdir(this.folder)) if (/\.(ndjson|part)$/.test(name)) await this.remove(name);
  }
}
