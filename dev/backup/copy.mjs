/** A backup on this machine: a folder with a manifest and its parts, as the panel hands them out. */
import { createHash } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';

import { Trouble } from '../home.mjs';

const MANIFEST = 'manifest.json';
/** The format of src/cron/backup/run.rs that this checkout reads. */
const FORMAT = 1;

const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');

/**
 * @typedef {{name: string, rows: number, bytes: number, sha256: string}} PartOf
 * @typedef {{table: string, columns: string[], kind: 'rows'|'changes', rows: number}} Header
 */

/** See the module's description. */
export class Copy {
  /** @param {string} folder @param {object} manifest */
  constructor(folder, manifest) {
    this.folder = folder;
    this.manifest = manifest;
  }

  /**
   * Fetch a backup into a folder. What is there already is not fetched again; the manifest comes last, as in the bucket.
   *
   * @param {string} folder
   * @param {(name?: string) => Promise<Buffer|undefined>} fetchPart a part by its name, without one the manifest
   * @returns {Promise<Copy>}
   */
  static async fetch(folder, fetchPart) {
    const text = await fetchPart();
    if (text === undefined) throw new Trouble('there is no such backup, or it is not complete');
    const manifest = readManifest(text, 'the backup');
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const strange = strangeTo(manifest, await readdir(folder));
    if (strange !== undefined) throw new Trouble(`${folder} holds ${strange}, which is no part of this backup: choose an empty folder`);
    for (const part of manifest.parts) {
      const file = path.join(folder, part.name);
      const there = await readFile(file).catch(() => undefined);
      if (there && sha256(there) === part.sha256) continue;
      const bytes = await fetchPart(part.name);
      if (bytes === undefined) throw new Trouble(`${part.name} is missing in the bucket`);
      check(part, bytes);
      await write(file, bytes);
    }
    await write(path.join(folder, MANIFEST), text);
    return new Copy(folder, manifest);
  }

  /**
   * Which backup a run has begun to fetch that was cut off: parts are called after the run that made them.
   *
   * @param {string} folder
   * @param {number[]} instants of the backups that there are
   * @param {(instant: number) => Promise<Buffer|undefined>} fetchManifest
   * @returns {Promise<number|undefined>} its instant; undefined if nothing is in the folder
   * @throws {Trouble} if the folder holds anything else
   */
  static async begun(folder, instants, fetchManifest) {
    const names = await readdir(folder).catch(() => []);
    if (names.length === 0) return undefined;
    if (names.includes(MANIFEST)) throw new Trouble(`${folder} holds a whole backup: choose an empty folder`);
    for (const instant of instants) {
      const text = await fetchManifest(instant);
      if (text !== undefined && strangeTo(readManifest(text, `the backup ${instant}`), names) === undefined) return instant;
    }
    throw new Trouble(`${folder} holds ${names[0]}, which is no part of a backup that there is: choose an empty folder`);
  }

  /** @param {string} folder @returns {Promise<Copy>} @throws {Trouble} if it holds no complete backup */
  static async open(folder) {
    const text = await readFile(path.join(folder, MANIFEST)).catch((error) => {
      throw new Trouble(`${folder} holds no complete backup: ${MANIFEST} cannot be read (${error.code})`);
    });
    return new Copy(folder, readManifest(text, path.join(folder, MANIFEST)));
  }

  /** What tells this backup from every other one. @returns {string} */
  get digest() {
    return sha256(JSON.stringify(this.manifest));
  }

  /**
   * Look at every part before anything is done with one.
   *
   * @returns {Promise<Header[]>} their first lines, in the manifest's order
   * @throws {Trouble} if a part is missing or is not what the manifest says
   */
  async verify() {
    const headers = [];
    for (const part of this.manifest.parts) headers.push((await this.read(part)).header);
    const missing = this.manifest.tables.find((table) => !headers.some((header) => header.table === table));
    if (missing !== undefined) throw new Trouble(`the backup has no part of the table ${missing}`);
    return headers;
  }

  /** @param {PartOf} part @returns {Promise<{header: Header, lines: string[]}>} @throws {Trouble} if it is not what the manifest says */
  async read(part) {
    const bytes = await readFile(path.join(this.folder, part.name)).catch((error) => {
      throw new Trouble(`${part.name} cannot be read (${error.code})`);
    });
    check(part, bytes);
    const [first, ...lines] = bytes.toString('utf8').split('\n');
    const header = JSON.parse(first);
    if (header.rows !== lines.length || header.rows !== part.rows) throw new Trouble(`${part.name} has ${lines.length} rows and should have ${part.rows}`);
    return { header, lines };
  }
}

function readManifest(text, where) {
  let manifest;
  try {
    manifest = JSON.parse(text);
  } catch {
    throw new Trouble(`${where} is damaged: it is no JSON`);
  }
  if (manifest.format !== FORMAT) throw new Trouble(`${where} has the format ${manifest.format}, and this checkout reads ${FORMAT}: update the checkout`);
  const named = (name) => typeof name === 'string' && /^[A-Za-z0-9_.]+$/.test(name) && name !== MANIFEST;
  const wrong = manifest.parts.find(({ name }) => !named(name));
  if (wrong !== undefined) throw new Trouble(`${where} names a part ${JSON.stringify(wrong.name)}`);
  return manifest;
}

/** @returns {string|undefined} the first name that no file of this backup has, nor one that was being written */
function strangeTo(manifest, names) {
  return names.find((name) => ![MANIFEST, ...manifest.parts.map((part) => part.name)].some((own) => name === own || name === `${own}.part`));
}

function check(part, bytes) {
  if (bytes.length !== part.bytes || sha256(bytes) !== part.sha256) {
    throw new Trouble(`${part.name} is damaged: its SHA-256 is not the one of the manifest`);
  }
}

/** On the disk when it returns, and whole or not there. A backup holds names and the hashes of every key: it is for nobody else. */
async function write(file, bytes) {
  await rm(`${file}.part`, { force: true });
  const opened = await open(`${file}.part`, 'wx', 0o600);
  try {
    await opened.writeFile(bytes);
    await opened.sync();
  } finally {
    await opened.close();
  }
  await rename(`${file}.part`, file);
}
