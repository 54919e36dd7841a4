/** What the environment of `make deploy` asks for. */
import path from 'node:path';

import { Trouble } from '../home.mjs';
import { DEFAULT_NAME, ROOT } from './config.mjs';
import { readDomains } from './domains.mjs';
import { SECRETS } from './secrets.mjs';

/** What a Worker may be called; it becomes a part of its address. */
const NAME = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

/** What R2 calls a bucket. */
const BUCKET = /^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/;

/**
 * @typedef {object} Wishes
 * @property {string} name of the Worker and of the database
 * @property {string} folder where this deployment's ids, secrets and login are kept
 * @property {boolean} dryRun
 * @property {string[]} domains that shall lead to the panel
 * @property {boolean} newLogin
 * @property {boolean} compromised somebody else had the panel: every secret and way in is to be another one
 * @property {string[]} rotate names of secrets
 * @property {string|undefined} bucket of backups, that shall be bound
 */

/** @param {Record<string, string|undefined>} env @returns {Wishes} @throws {Trouble} */
export function readWishes(env) {
  const name = env.NAME || DEFAULT_NAME;
  if (!NAME.test(name)) throw new Trouble(`NAME is '${name}': letters a to z, digits and hyphens, 63 at most`);
  const bucket = env.BACKUP || undefined;
  if (bucket !== undefined && !BUCKET.test(bucket)) throw new Trouble(`BACKUP is '${bucket}': a bucket's name has 3 to 63 of a to z, 0 to 9 and hyphens`);
  const rotate = (env.ROTATE ?? '').split(/[\s,]+/).filter(Boolean);
  const unknown = rotate.find((secret) => !SECRETS.includes(secret));
  if (unknown !== undefined) throw new Trouble(`ROTATE: there is no secret ${unknown}, only ${SECRETS.join(' and ')}`);
  const compromised = readSwitch(env, 'COMPROMISED');
  const home = path.resolve(env.WEIR_HOME || path.join(ROOT, '.weir'), 'deploy');
  return {
    name,
    folder: name === DEFAULT_NAME ? home : path.join(home, name),
    dryRun: readSwitch(env, 'DRY_RUN'),
    domains: readDomains(env.DOMAIN ?? ''),
    newLogin: readSwitch(env, 'NEW_LOGIN') || compromised,
    compromised,
    rotate: compromised ? SECRETS : rotate,
    bucket,
  };
}

function readSwitch(env, name) {
  const text = env[name] || '0';
  if (!['0', '1'].includes(text)) throw new Trouble(`${name} is '${text}': it must be 0 or 1`);
  return text === '1';
}
