/** The configuration that wrangler is given: wrangler.toml with the names and ids of one deployment. The tracked file is only read. */
import { createHash } from 'node:crypto';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { BINDING } from './bucket.mjs';

/** The root of the project. */
export const ROOT = fileURLToPath(new URL('../../', import.meta.url));
/** What stands for a database that is not there yet. */
export const NO_DATABASE = '00000000-0000-0000-0000-000000000000';

/** wrangler.toml, read by the only reader of TOML that is there. */
const tracked = await (async () => {
  // With these wrangler would give the whole process another way to fetch, and say so in the middle of our lines.
  const proxies = Object.entries(process.env).filter(([name]) => /^https?_proxy$/i.test(name));
  for (const [name] of proxies) delete process.env[name];
  try {
    const { experimental_readRawConfig: read } = await import('wrangler');
    return read({ config: path.join(ROOT, 'wrangler.toml') }).rawConfig;
  } finally {
    Object.assign(process.env, Object.fromEntries(proxies));
  }
})();

/** The name of the Worker and of its database, unless the operator says another. @type {string} */
export const DEFAULT_NAME = tracked.name;

/**
 * Counters are the account's, by a number: two deployments, or another Worker that took its number from the same example, would count into one.
 *
 * @param {string} name of the Worker @param {string} binding @returns {string} a number of 31 bits that no other pair has
 */
function namespaceOf(name, binding) {
  return String(1 + (createHash('sha256').update(`weir ${name} ${binding}`).digest().readUInt32BE(0) >>> 1));
}

/**
 * @param {object} deployment
 * @param {string} deployment.folder where the file will stand: its paths are relative to it
 * @param {string} deployment.name of the Worker and of its database
 * @param {string} [deployment.account]
 * @param {string} [deployment.database] its id
 * @param {string} [deployment.bucket] of backups
 * @returns {object} the content of a wrangler.json
 */
export function makeConfig({ folder, name, account, database = NO_DATABASE, bucket }) {
  // The Worker has been built by now.
  const { build, ...config } = tracked;
  const here = (file) => path.relative(folder, path.join(ROOT, file));
  return {
    ...config,
    name,
    account_id: account,
    main: here(config.main),
    assets: { ...config.assets, directory: here(config.assets.directory) },
    ratelimits: config.ratelimits.map((entry) => ({ ...entry, namespace_id: namespaceOf(name, entry.name) })),
    d1_databases: config.d1_databases.map((entry) => ({
      ...entry,
      database_name: name,
      database_id: database,
      migrations_dir: here(entry.migrations_dir),
    })),
    ...(bucket && { r2_buckets: [{ binding: BINDING, bucket_name: bucket }] }),
    // Also with a domain of one's own: agents and subscriptions that know this address go on.
    workers_dev: config.workers_dev ?? true,
    // An address of every version there ever was, over the one database.
    preview_urls: config.preview_urls ?? false,
    // What was set in the dashboard stays.
    keep_vars: config.keep_vars ?? true,
  };
}
