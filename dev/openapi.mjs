/**
 * Writes the APIs' OpenAPI documents and their pages into public/, from what openapi/ says: `node dev/openapi.mjs [FOLDER]`.
 * dev/build-worker runs it; it needs nothing but Node.js.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

import { marzban } from '../openapi/marzban/index.mjs';
import { weir } from '../openapi/weir/index.mjs';
import { Marks, page } from './openapi/page.mjs';

const PUBLIC = fileURLToPath(new URL('../public/', import.meta.url));

/** The documents by the address that they are served at, without extension. @returns {Record<string, object>} */
export const documents = () => ({ openapi: weir(), 'openapi/marzban': marzban() });

/** @param {string} [folder] of static files; it has the style sheets and scripts that pages name */
export async function write(folder = PUBLIC) {
  await mkdir(path.join(folder, 'openapi'), { recursive: true });
  const marks = new Marks((name) => readFile(path.join(folder, name)));
  const all = documents();
  for (const [name, document] of Object.entries(all)) {
    await writeFile(path.join(folder, `${name}.json`), `${JSON.stringify(document, null, 1)}\n`);
    await writeFile(path.join(folder, `${name}.html`), await page(name, all, marks));
  }
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) await write(process.argv[2]);
