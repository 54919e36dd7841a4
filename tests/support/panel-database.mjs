/** The database of a panel: its migrations, and a look into it while the panel does not run. */
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { Miniflare, convertV4MiniflareOptions } from 'miniflare';
import { unstable_getMiniflareWorkerOptions, unstable_splitSqlQuery } from 'wrangler';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const MIGRATIONS = path.join(ROOT, 'migrations');

/**
 * The database of a panel that does not run.
 *
 * @param {string} folder of the panel
 * @returns {Promise<{db: D1Database, close: () => Promise<void>}>}
 */
export async function openDatabase(folder) {
  const { workerOptions: worker } = unstable_getMiniflareWorkerOptions(path.join(ROOT, 'wrangler.toml'), undefined, { envFiles: [] });
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      host: '127.0.0.1',
      cf: false,
      telemetry: { enabled: false },
      resourcePersistencePath: path.join(folder, 'v3'),
      workers: [{ name: 'database', modules: true, script: 'export default {}', compatibilityDate: worker.compatibilityDate, d1Databases: worker.d1Databases }],
    }),
  );
  return { db: await miniflare.getD1Database('DB'), close: () => miniflare.dispose() };
}

/** Apply what is missing, one file a transaction, entered in the table that wrangler keeps. @param {D1Database} database */
export async function migrate(database) {
  await database
    .prepare(
      `CREATE TABLE IF NOT EXISTS "d1_migrations"(
        id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL)`,
    )
    .run();
  const { results } = await database.prepare('SELECT name FROM d1_migrations').all();
  const applied = new Set(results.map(({ name }) => name));
  const files = (await readdir(MIGRATIONS)).filter((name) => name.endsWith('.sql')).sort();
  for (const name of files.filter((file) => !applied.has(file))) {
    const sql = await readFile(path.join(MIGRATIONS, name), 'utf8');
    const statements = unstable_splitSqlQuery(sql).map((statement) => database.prepare(statement));
    await database.batch([...statements, database.prepare('INSERT INTO d1_migrations (name) VALUES (?1)').bind(name)]);
  }
}
