/**
 * The panel as it runs on Cloudflare, on this machine: the built Worker in a real workerd, with a real D1 (SQLite) database and the
 * Durable Object of the doorbell, served on 127.0.0.1 over HTTP. What wrangler.toml says is taken from there, so that a binding
 * cannot be right here and wrong in production.
 */
import diagnostics from 'node:diagnostics_channel';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { Log, LogLevel, Miniflare, convertV4MiniflareOptions } from 'miniflare';
import { unstable_getMiniflareWorkerOptions } from 'wrangler';

import { migrate } from './panel-database.mjs';
import { keepLogin, keepSecrets } from './panel-secrets.mjs';
import { freePort } from './ports.mjs';

const HOST = '127.0.0.1';
/** The root of the project. */
export const ROOT = fileURLToPath(new URL('../../', import.meta.url));
/** Lines of the Worker's log that are kept for a test that fails. */
const LOG_LINES = 1000;

/**
 * Start a panel. On its first start in a folder the database is made, and an operator and an API key with every scope are entered.
 *
 * @param {object} [options]
 * @param {string} [options.folder] where data, secrets and login are kept; without it a temporary one, deleted by `stop`
 * @param {number} [options.port] on 127.0.0.1; without it a free one
 * @param {Record<string, string>} [options.vars] variables of the Worker, such as `SYNC_SECONDS: '1'`; `WEIR_SHOW_COST` is always on
 * @param {boolean} [options.bucket] with an R2 bucket for backups
 * @param {boolean} [options.faults] the Worker that is built with faults on demand (src/faults.rs)
 * @param {string} [options.assets] the folder of static files, instead of public/
 * @param {boolean} [options.inspector] with the inspector of the runtime, whose address is `await panel.inspector()`
 * @param {boolean} [options.mail] with the platform's binding for mails, as `[[send_email]]` in wrangler.toml makes it
 * @param {(level: string, line: string) => void} [options.onLog] told each line that the Worker or the runtime logs
 * @returns {Promise<Panel>}
 * @throws {Error} if the Worker is not built, the port is taken, or the runtime does not start
 */
export async function startPanel({ folder, port, vars = {}, bucket = false, faults = false, mail = false, inspector = false, assets, onLog = () => {} } = {}) {
  const temporary = folder === undefined;
  const home = temporary ? await mkdtemp(path.join(tmpdir(), 'weir-panel-')) : path.resolve(folder);
  await mkdir(home, { recursive: true });
  const panel = new Panel({ folder: home, temporary, port: port ?? (await freePort()), vars, bucket, faults, mail, inspector, assets, onLog });
  try {
    await panel.start();
  } catch (error) {
    await panel.stop();
    throw error;
  }
  return panel;
}

/** A panel. Made by {@link startPanel}. */
export class Panel {
  #miniflare = null;
  #runtime = null;
  #database = null;
  #temporary;
  #onLog;
  #log = [];
  #faults;
  #bucket;
  #mail;
  #inspector;
  #assets;
  #clock = 0;

  constructor({ folder, temporary, port, vars, bucket, faults, mail, inspector, assets, onLog }) {
    this.#faults = faults;
    this.#assets = assets;
    this.#mail = mail;
    this.#inspector = inspector;
    this.#bucket = bucket;
    this.folder = folder;
    this.port = port;
    /** Variables of the Worker; a change counts from the next start. */
    this.vars = vars;
    this.#temporary = temporary;
    this.#onLog = onLog;
    /** The first operator. @type {{username: string, password: string}} */
    this.operator = undefined;
    /** Has every scope. @type {string} */
    this.apiKey = undefined;
    /** The secret that slots' credentials are derived from. @type {string} */
    this.slotKey = undefined;
  }

  /** @returns {string} without a trailing slash */
  get url() {
    return `http://${HOST}:${this.port}`;
  }

  /** @returns {number|undefined} the process id of workerd while the panel runs */
  get pid() {
    return this.#runtime?.pid;
  }

  /** The database, as `env.DB` is in a Worker: `db.prepare(sql).bind(..).all()`. @returns {D1Database} */
  get db() {
    if (!this.#database) throw new Error('the panel is not running');
    return this.#database;
  }

  /** Start in the same folder and on the same port. */
  async start() {
    if (this.#miniflare) throw new Error('the panel runs already');
    const secrets = await keepSecrets(this.folder);
    const bindings = { ...secrets, WEIR_SHOW_COST: '1', ...this.vars };
    await assertFree(this.port);
    const watch = ({ process: child }) => {
      // The arguments are known only once the child was spawned, which follows in the same tick.
      setImmediate(() => {
        if (child.spawnargs?.includes(`--socket-addr=entry=${HOST}:${this.port}`)) this.#runtime = child;
      });
    };
    diagnostics.subscribe('child_process', watch);
    try {
      this.#miniflare = new Miniflare(workerOptions({ folder: this.folder, port: this.port, bindings, bucket: this.#bucket, faults: this.#faults, mail: this.#mail, inspector: this.#inspector, assets: this.#assets, log: (...line) => this.#note(...line) }));
      await this.#miniflare.ready;
      if (!this.#runtime) throw new Error('workerd was started, but its process was not seen');
    } finally {
      diagnostics.unsubscribe('child_process', watch);
    }
    this.#database = await this.#miniflare.getD1Database('DB');
    await migrate(this.#database);
    const login = await keepLogin(this.folder, this.#database);
    this.operator = { username: login.username, password: login.password };
    this.apiKey = login.api_key;
    this.slotKey = secrets.SLOT_KEY;
    if (this.#clock !== 0) await this.setClock(this.#clock);
  }

  /** Move the Worker's clock; it stays moved over restarts. Needs `faults`. @param {number} seconds ahead of this machine's */
  async setClock(seconds) {
    if (!this.#faults) throw new Error('this panel was started without faults');
    this.#clock = seconds;
    await this.request('GET', '/health', { headers: { 'weir-fault-clock': String(seconds) } });
  }

  /** The bucket of backups, as `env.BACKUP` is in a Worker. @returns {Promise<R2Bucket>} */
  bucket() {
    return this.#miniflare.getR2Bucket('BACKUP');
  }

  /** Where the runtime's inspector listens, in Chrome's protocol. @returns {Promise<URL>} */
  inspector() {
    return this.#miniflare.getInspectorURL();
  }

  /** End the panel; a temporary folder goes with it. */
  async stop() {
    await this.#end();
    if (this.#temporary) await rm(this.folder, { recursive: true, force: true });
  }

  /** End workerd as a crash or a power cut would, in the middle of whatever it does. The data stays for `start`. */
  async kill() {
    await this.#end(() => process.kill(this.#runtime.pid, 'SIGKILL'));
  }

  /** End the panel, by force or in order, and start it again on its folder and port. @param {{force?: boolean}} [options] */
  async restart({ force = false } = {}) {
    await (force ? this.kill() : this.#end());
    await this.start();
  }

  /**
   * Run the Worker's scheduled handler, as the platform does every minute: the jobs that are due.
   *
   * @returns {Promise<string>} its outcome, `ok` unless it was ended by the runtime
   */
  async trigger() {
    const worker = await this.#miniflare.getWorker();
    return (await worker.scheduled({ cron: '* * * * *' })).outcome;
  }

  /**
   * Run jobs now, whether they are due or not, and no others.
   *
   * @param {...string} [jobs] without any the pool of slots and the sweep
   * @returns {Promise<string>} `ok`, or what went wrong
   */
  async cron(...jobs) {
    const names = JSON.stringify(jobs.length > 0 ? jobs : ['pool', 'sweep']);
    const put = (sql) => this.db.prepare(sql).bind(names).run();
    const never = Number.MAX_SAFE_INTEGER;
    await put(`UPDATE jobs SET next_at = CASE WHEN name IN (SELECT value FROM json_each(?1)) THEN 0 ELSE ${never} END`);
    const outcome = await this.trigger();
    const { results } = await this.db.prepare('SELECT name, error FROM jobs WHERE failures > 0 AND name IN (SELECT value FROM json_each(?1))').bind(names).all();
    await put(`UPDATE jobs SET next_at = 0 WHERE next_at = ${never} AND ?1 <> ''`);
    return results.length === 0 ? outcome : JSON.stringify(results);
  }

  /**
   * Call the panel's own API with the key of every scope.
   *
   * @param {string} method
   * @param {string} where path and query
   * @param {unknown} [body] sent as JSON
   * @returns {Promise<Answer>}
   */
  async api(method, where, body) {
    return this.request(method, where, { key: this.apiKey, body: body === undefined ? undefined : JSON.stringify(body) });
  }

  /**
   * Send any request. Redirects are answers, not followed.
   *
   * @param {string} method
   * @param {string} where path and query
   * @param {{key?: string, body?: string|Uint8Array, headers?: Record<string, string>}} [options]
   * @returns {Promise<Answer>}
   *
   * @typedef {{status: number, headers: Headers, text: string, body: unknown, cost: Cost|null}} Answer
   * `body` is the parsed JSON, or undefined when the answer is none
   * @typedef {{queries: number, read: number, written: number}} Cost what D1 bills for it
   */
  async request(method, where, { key, body, headers = {} } = {}) {
    const sent = { ...headers };
    if (key !== undefined) sent.authorization = `Bearer ${key}`;
    if (body !== undefined) sent['content-type'] ??= 'application/json';
    const response = await fetch(this.url + where, { method, headers: sent, body, redirect: 'manual' });
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.startsWith('application/json');
    return {
      status: response.status,
      headers: response.headers,
      text,
      body: isJson && text !== '' ? JSON.parse(text) : undefined,
      cost: parseCost(response.headers.get('weir-cost')),
    };
  }

  /** @returns {string} the last lines that Worker and runtime logged */
  log() {
    return this.#log.join('\n');
  }

  async #end(first = () => {}) {
    const miniflare = this.#miniflare;
    this.#miniflare = null;
    this.#database = null;
    if (!miniflare) return;
    // Begun first: otherwise miniflare takes the end of its workerd for an accident and starts another one.
    const disposed = miniflare.dispose();
    first();
    this.#runtime = null;
    await disposed;
  }

  #note(level, line) {
    this.#log.push(`${level}: ${line}`);
    if (this.#log.length > LOG_LINES) this.#log.shift();
    this.#onLog(level, line);
  }
}

/** Miniflare's warnings, which would otherwise go to the terminal of the tests. */
class QuietLog extends Log {
  #note;

  constructor(note) {
    super(LogLevel.WARN);
    this.#note = note;
  }

  log(message) {
    this.#note('runtime', message);
  }

  error(error) {
    this.#note('runtime', String(error));
  }
}

function workerOptions({ folder, port, bindings, bucket, faults, mail, inspector, assets, log }) {
  const { workerOptions: worker, main: deployed } = unstable_getMiniflareWorkerOptions(path.join(ROOT, 'wrangler.toml'), undefined, {
    envFiles: [], // a developer's .dev.vars must not change what a test sees
  });
  const main = faults ? path.join(ROOT, 'build-faults', path.basename(deployed)) : deployed;
  if (!existsSync(main)) throw new Error(`${path.relative(ROOT, main)} is missing: run make ${faults ? 'build-faults' : 'build'}`);
  const build = path.dirname(main);
  // The rules find modules by name; the two of a worker-build bundle are known, and version 5 takes a list only.
  const { modulesRules, ...rest } = worker;
  return convertV4MiniflareOptions({
    host: HOST,
    port,
    // Otherwise it asks workers.cloudflare.com for the `cf` object of this machine.
    cf: false,
    telemetry: { enabled: false },
    ...(inspector && { inspectorPort: 0 }),
    log: new QuietLog(log),
    handleStructuredLogs: ({ level, message }) => log(level, message),
    // Where `wrangler dev --persist-to FOLDER` keeps it, so that wrangler's commands work on the same data.
    resourcePersistencePath: path.join(folder, 'v3'),
    workers: [
      {
        ...rest,
        name: 'weir',
        modulesRoot: build,
        modules: [
          { type: 'ESModule', path: main },
          { type: 'CompiledWasm', path: path.join(build, 'index_bg.wasm') },
        ],
        ...(assets && { assets: { ...rest.assets, directory: assets } }),
        bindings: { ...rest.bindings, ...bindings },
        ...(bucket && { r2Buckets: { BACKUP: 'backup' } }),
        ...(mail && { email: { send_email: [{ name: 'EMAIL' }] } }),
      },
    ],
  });
}

/** A sentence instead of the runtime's own, which names a flag of another program. */
function assertFree(port) {
  return new Promise((resolve, reject) => {
    const probe = net.createServer();
    probe.once('error', (error) => reject(new Error(`port ${port} on ${HOST} cannot be used: ${error.code}`, { cause: error })));
    probe.listen(port, HOST, () => probe.close(resolve));
  });
}

function parseCost(header) {
  if (header === null) return null;
  return Object.fromEntries(header.split(' ').map((part) => [part.split('=')[0], Number(part.split('=')[1])]));
}
