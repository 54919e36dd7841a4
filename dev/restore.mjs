/**
 * `make restore`: a panel's database from a backup, into an empty one; docs/backup.md says how it is used. A run that was cut off is
 * taken up again by the next one.
 *
 *   FROM=DIR             a folder that make backup has filled, or the instant of a backup in the bucket BUCKET
 *   NAME=weir-b          into the database of that deployment, instead of the one that make deploy makes without a name
 *   LOCAL=DIR            into the panel that make up runs with WEIR_HOME=DIR (.weir)
 *   BUCKET=name          where FROM's instant is looked for, and the bucket of the deployment from then on if it has none; without it
 *                        the bucket of the deployment
 *   WITHOUT_SECRETS=1    although the secrets are lost: what was handed out to users ends
 */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';

import { Copy } from './backup/copy.mjs';
import { Trouble } from './home.mjs';

// First of all those that import wrangler: it is told of no proxy there (deploy/config.mjs).
const { readWishes } = await import('./deploy/wishes.mjs');
const { markOf } = await import('./deploy/secrets.mjs');
const { Restoring } = await import('./backup/restoring.mjs');
const { intoFolder, Place } = await import('./backup/targets.mjs');

const say = (text) => process.stderr.write(`restore: ${text}\n`);
const { FROM: from, LOCAL: local, BUCKET: bucket, WITHOUT_SECRETS: withoutSecrets } = process.env;

/**
 * Every user's credentials come from SLOT_KEY and every link from AUTH_KEY.
 *
 * @param {Record<string, string>} marks of the secrets that the backup's panel had
 * @param {string} file that holds the secrets
 * @param {boolean} areNeeded nobody else can have them
 */
async function checkSecrets(marks, file, areNeeded) {
  if (withoutSecrets === '1') return;
  const text = await readFile(file, 'utf8').catch(() => undefined);
  if (text === undefined) {
    if (areNeeded) throw new Trouble(`${file} is missing, and the backup's users depend on its secrets: put it there, or set WITHOUT_SECRETS=1`);
    return say(`${file} is not on this machine: make deploy goes on only if the Worker still has its secrets`);
  }
  const secrets = JSON.parse(text);
  const wrong = Object.entries(marks).find(([name, mark]) => secrets[name] !== undefined && markOf(name, secrets[name]) !== mark);
  if (wrong) throw new Trouble(`${wrong[0]} of ${file} is not the one that the backup's users depend on: put the right file there, or set WITHOUT_SECRETS=1`);
}

async function restoreHere() {
  const folder = path.resolve(local, 'up/panel');
  const copy = await Copy.open(path.resolve(from));
  await checkSecrets(copy.manifest.secrets, path.join(folder, 'secrets.json'), true);
  const done = await intoFolder(folder, (target) => new Restoring(copy, target, say).run());
  return { done, copy, next: 'make up' };
}

async function restoreThere() {
  const wishes = readWishes(process.env);
  const place = new Place(wishes, say);
  await place.open();
  const copy = existsSync(from) ? await Copy.open(path.resolve(from)) : await fetchCopy(place, wishes);
  await checkSecrets(copy.manifest.secrets, place.kept.path('secrets.json'), false);
  const restoring = new Restoring(copy, await place.database(), say);
  const done = await restoring.run();
  await place.remember();
  await restoring.forget();
  return { done, copy, next: 'make deploy' };
}

/** Straight from the bucket: the panel may be gone. */
async function fetchCopy(place, { folder }) {
  if (!/^\d{10,}$/.test(from)) throw new Trouble(`FROM: there is no folder ${from}, and no backup is called so`);
  const name = bucket || place.known.bucket;
  if (!name) throw new Trouble(`FROM is the backup ${from}: BUCKET= says which bucket it is in`);
  const where = (part) => `/r2/buckets/${name}/objects/backup/${from}/${part}`;
  say(`fetching the backup ${from} from the bucket ${name}`);
  const copy = await Copy.fetch(path.join(folder, 'backups', from), (part = 'manifest.json') => place.api.download(where(part)));
  // It was the lost panel's, and a panel that is restored wants backups as well.
  place.adoptBucket(name);
  return copy;
}

try {
  if (!from) throw new Trouble('FROM= says the folder or the backup');
  const { done, copy, next } = await (local ? restoreHere() : restoreThere());
  say(`restored ${done.rows} rows of ${done.tables} tables, as they were at ${new Date(copy.manifest.at * 1000).toISOString()}; now run ${next}`);
  say('until all nodes have replayed what they kept, at most 25 hours, nobody with a quota is granted more than he holds');
} catch (error) {
  if (!(error instanceof Trouble)) throw error;
  say(`error: ${error.message}`);
  process.exitCode = 1;
}
