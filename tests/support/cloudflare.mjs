/**
 * An account at Cloudflare, on this machine: those parts of the API that `wrangler` and `make deploy` call, over real workerd and a
 * real D1. What is uploaded runs: with the bindings, secrets and assets of the upload, at its address, behind TLS. So a test can ask the
 * panel that was deployed and not only what was sent. Answers and error codes are those of the public API documentation and of
 * wrangler's own handling of them.
 */
import { createHash, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import http from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import tls from 'node:tls';

import { convertV4MiniflareOptions, Miniflare } from 'miniflare';
import { unstable_splitSqlQuery } from 'wrangler';

import { makeCertificate } from './certificate.mjs';
import { formOf, Worker } from './cloudflare-worker.mjs';

const HOST = '127.0.0.1';
/** Of this account. */
const SUBDOMAIN = 'operator';
const TOKEN = 'a-token-of-the-test';

/** An answer of the API that is an error. */
class Refusal extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

const noWorker = () => new Refusal(404, 10007, 'This Worker does not exist on your account.');

/** @returns {Promise<Cloudflare>} an account without anything in it */
export async function startCloudflare() {
  const cloudflare = new Cloudflare(await mkdtemp(path.join(tmpdir(), 'weir-cloudflare-')));
  try {
    await cloudflare.start();
  } catch (error) {
    await cloudflare.stop();
    throw error;
  }
  return cloudflare;
}

/** See the module's description. Made by {@link startCloudflare}. */
export class Cloudflare {
  #folder;
  #certificate;
  #api;
  #edge;
  #proxy;
  #miniflare;
  #sockets = new Set();
  /** Asset uploads that are not a part of a version yet, by their token. */
  #sessions = new Map();

  constructor(folder) {
    this.#folder = folder;
    this.accounts = [{ id: createHash('md5').update(folder).digest('hex'), name: "Operator's account" }];
    /** By id. @type {Map<string, {name: string, binding: string}>} */
    this.databases = new Map();
    /** Names. @type {Set<string>} */
    this.buckets = new Set();
    /** By name. @type {Map<string, Worker>} */
    this.workers = new Map();
    /** Worker's name by host name. @type {Map<string, string>} */
    this.domains = new Map();
    /** Host names that have a DNS record of somebody else. */
    this.records = new Set();
    /**
     * Every call, `where` without the account's part, `sql` if it is a query.
     * @type {{method: string, where: string, sql?: string}[]}
     */
    this.calls = [];
    /**
     * Told of each call before it has an effect and after that, but before it is answered: there a test can break something.
     * @type {(call: {method: string, where: string, sql?: string}, when: 'before'|'after') => void}
     */
    this.onCall = () => {};
  }

  async start() {
    this.#certificate = await makeCertificate([`*.${SUBDOMAIN}.workers.dev`, '*.operator.test']);
    this.#miniflare = new Miniflare(await this.#options());
    await this.#miniflare.ready;
    this.#api = await this.#listen(http.createServer((request, response) => void this.#answer(request, response)));
    const context = { cert: readFileSync(this.#certificate.certificatePath), key: readFileSync(this.#certificate.keyPath) };
    this.#edge = http.createServer((request, response) => void this.#serve(request, response));
    this.#proxy = await this.#listen(http.createServer());
    // Whoever wants an address of this account is connected to its edge, whatever the name resolves to.
    this.#proxy.on('connect', (request, socket) => {
      socket.write('HTTP/1.1 200 Connection Established\r\n\r\n');
      const secured = new tls.TLSSocket(socket, { isServer: true, secureContext: tls.createSecureContext(context) });
      secured.on('error', () => socket.destroy());
      this.#edge.emit('connection', secured);
    });
  }

  async stop() {
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all([this.#api, this.#proxy].map((server) => server && new Promise((resolve) => server.close(resolve))));
    await this.#miniflare?.dispose();
    await this.#certificate?.remove();
    await rm(this.#folder, { recursive: true, force: true });
  }

  /** @returns {Record<string, string>} what makes a program take this for Cloudflare, and logs it in */
  get env() {
    return {
      CLOUDFLARE_API_BASE_URL: `http://${HOST}:${this.#api.address().port}/client/v4`,
      CLOUDFLARE_API_TOKEN: TOKEN,
      HTTPS_PROXY: `http://${HOST}:${this.#proxy.address().port}`,
      NO_PROXY: HOST,
      NODE_USE_ENV_PROXY: '1',
      NODE_EXTRA_CA_CERTS: this.#certificate.certificatePath,
    };
  }

  /** @param {string} name @returns {string} the address that the platform gives a Worker */
  address(name) {
    return `https://${name}.${SUBDOMAIN}.workers.dev`;
  }

  /**
   * The panel that was deployed under a name, to be asked and looked into as one of `tests/support/panel.mjs`.
   *
   * @param {string} name
   * @param {string} [url] one of its addresses, without a trailing slash
   * @returns {Promise<{url: string, db: D1Database, request: Function}>}
   */
  async panel(name, url = this.address(name)) {
    const { bindings } = this.workers.get(name);
    const { id } = bindings.find(({ type }) => type === 'd1');
    return {
      url,
      db: await this.#d1(id),
      request: async (method, where, { key, body, headers = {} } = {}) => {
        const sent = { ...(body && { 'content-type': 'application/json' }), ...(key && { authorization: `Bearer ${key}` }), ...headers };
        const response = await this.#fetch(url + where, { method, headers: sent, body });
        const text = await response.text();
        const isJson = response.headers.get('content-type')?.startsWith('application/json');
        return { status: response.status, headers: response.headers, text, body: isJson ? JSON.parse(text) : undefined };
      },
    };
  }

  /** The value of a secret, which Cloudflare itself never shows. @param {string} worker @param {string} name @returns {string|undefined} */
  secret(worker, name) {
    return this.workers.get(worker)?.bindings.find((binding) => binding.name === name && binding.type === 'secret_text')?.text;
  }

  /** @param {string} name @returns {Promise<string>} the id of a database that is there before anybody deploys */
  async createDatabase(name) {
    if ([...this.databases.values()].some((database) => database.name === name)) {
      throw new Refusal(400, 7502, `Database with name '${name}' already exists`);
    }
    const id = randomUUID();
    this.databases.set(id, { name, binding: id });
    await this.#reload();
    return id;
  }

  /** Lose a database with all that it holds. @param {string} id */
  async dropDatabase(id) {
    this.databases.delete(id);
    await this.#reload();
  }

  /** Run a Worker's scheduled handler once. @param {string} name */
  async trigger(name) {
    await (await this.#miniflare.getWorker(name)).scheduled({ cron: this.workers.get(name).schedules[0] });
  }

  /** @param {string} id @param {string} sql @param {unknown[]} [params] of a single statement */
  async query(id, sql, params) {
    const database = await this.#d1(id);
    if (params) return [await database.prepare(sql).bind(...params).all()];
    return database.batch(unstable_splitSqlQuery(sql).map((statement) => database.prepare(statement)));
  }

  /** A Worker that somebody else has put there. @param {string} name */
  async addWorker(name) {
    this.workers.set(name, new Worker(name));
  }

  async #d1(id) {
    if (!this.databases.has(id)) throw new Refusal(404, 7404, `The database ${id} could not be found`);
    return this.#miniflare.getD1Database(this.databases.get(id).binding, 'store');
  }

  async #reload() {
    await this.#miniflare.setOptions(await this.#options());
  }

  async #options() {
    const store = {
      name: 'store',
      modules: true,
      script: 'export default { fetch() { return new Response("store") } }',
      d1Databases: Object.fromEntries([...this.databases].map(([id, { binding }]) => [binding, id])),
      r2Buckets: Object.fromEntries([...this.buckets].map((bucket) => [bucket, bucket])),
    };
    const live = [...this.workers.values()].filter((worker) => worker.modules.length > 0);
    return convertV4MiniflareOptions({
      host: HOST,
      cf: false,
      telemetry: { enabled: false },
      resourcePersistencePath: path.join(this.#folder, 'data'),
      workers: [store, ...(await Promise.all(live.map((worker) => worker.options(this.#folder, this.#hostsOf(worker.name)))))],
    });
  }

  #hostsOf(name) {
    return [new URL(this.address(name)).host, ...[...this.domains].filter(([, worker]) => worker === name).map(([host]) => host)];
  }

  async #fetch(url, init) {
    const { host, pathname } = new URL(url);
    const worker = [...this.workers.values()].find(({ name }) => this.#hostsOf(name).includes(host));
    // Assets come before the Worker. Miniflare forgets them where it chooses a Worker by the host name.
    const asset = init.method === 'GET' && worker?.assets.get(pathname);
    if (asset) return new Response(asset);
    return this.#miniflare.dispatchFetch(url, { ...init, redirect: 'manual' });
  }

  #listen(server) {
    server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => this.#sockets.delete(socket));
    });
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(0, HOST, () => resolve(server));
    });
  }

  /** The edge: a request to an address of this account. */
  async #serve(request, response) {
    const host = request.headers.host;
    const suffix = `.${SUBDOMAIN}.workers.dev`;
    const name = host.endsWith(suffix) ? host.slice(0, -suffix.length) : this.domains.get(host);
    const worker = this.workers.get(name);
    if (!worker || (host.endsWith(suffix) && !worker.isOnWorkersDev)) return response.writeHead(404).end('error code: 1042');
    const answer = await this.#fetch(`https://${host}${request.url}`, { method: request.method, headers: request.headers });
    response.writeHead(answer.status, Object.fromEntries(answer.headers)).end(Buffer.from(await answer.arrayBuffer()));
  }

  /** The API: a request of wrangler. */
  async #answer(request, response) {
    const { pathname, searchParams } = new URL(request.url, 'http://api');
    const call = { method: request.method, where: pathname.replace('/client/v4', '').replace(`/accounts/${this.accounts[0].id}`, '') };
    this.calls.push(call);
    let status = 200;
    let answer;
    let raw;
    try {
      const body = await bodyOf(request);
      if (call.where.endsWith('/query')) call.sql = JSON.parse(body).sql;
      this.onCall(call, 'before');
      if (![TOKEN, ...this.#sessions.keys()].some((token) => request.headers.authorization === `Bearer ${token}`)) throw new Refusal(401, 1000, 'Invalid API Token');
      raw = await this.#object(call);
      const result = raw ?? await this.#route(call, searchParams, body, request.headers);
      answer = { success: true, errors: [], messages: [], result };
      if (call.where === '/accounts' || call.where === '/memberships') answer.result_info = { page: 1, per_page: 50, count: 1, total_count: 1 };
      this.onCall(call, 'after');
    } catch (error) {
      // A call that is not known must not look like something that is not there.
      status = error.status ?? 500;
      const code = error.code ?? 7500;
      answer = { success: false, errors: [{ code, message: error.message }], messages: [], result: null };
    }
    if (raw) return void response.writeHead(status).end(raw);
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
  }

  async #route({ method, where }, search, body, headers) {
    const [, ...segments] = where.split('/');
    const json = () => JSON.parse(body.toString() || '{}');
    if (segments[0] === 'd1') return this.#routeDatabases(method, segments.slice(2), search, json);
    if (method === 'GET' && where.startsWith('/r2/buckets/')) {
      if (!this.buckets.has(segments[2])) throw new Refusal(404, 10006, 'The specified bucket does not exist.');
      return { name: segments[2] };
    }
    if (segments[0] === 'workers' && segments[1] === 'scripts') return this.#routeScript(method, segments.slice(2), json, body, headers);
    switch (`${method} ${where}`) {
      case 'GET /user':
        return { id: 'operator', email: 'operator@example.com' };
      case 'GET /user/tokens/verify':
        return { id: 'token', status: 'active' };
      case 'GET /accounts':
        return this.accounts;
      case 'GET /memberships':
        return this.accounts.map((account) => ({ id: account.id, account }));
      case 'POST /r2/buckets':
        return this.#createBucket(json());
      case 'GET /workers/subdomain':
        return { subdomain: SUBDOMAIN };
      case 'POST /workers/assets/upload':
        return this.#takeAssets(headers, body);
      case 'GET /workers/domains':
        return [...this.domains].filter(([host]) => host === search.get('hostname')).map(([hostname, service]) => ({ hostname, service }));
      case 'PUT /workers/domains':
        return this.#attachDomain(json());
    }
    if (method === 'GET' && where.startsWith('/workers/services/')) return this.#worker(segments[2]).service();
    if (method === 'GET' && where.startsWith('/workers/workers/')) return { subdomain: this.#worker(segments[2]).subdomain() };
    throw new Refusal(501, 7500, `this test knows no ${method} ${where}`);
  }

  /** @returns {Promise<Buffer|undefined>} what an object of a bucket holds; undefined if the call is about something else */
  async #object({ method, where }) {
    const [, bucket, key] = /^\/r2\/buckets\/([^/]+)\/objects\/(.+)$/.exec(where) ?? [];
    if (bucket === undefined || method !== 'GET') return undefined;
    const object = this.buckets.has(bucket) && (await (await this.#miniflare.getR2Bucket(bucket, 'store')).get(key));
    if (!object) throw new Refusal(404, 10007, 'The specified key does not exist.');
    return Buffer.from(await object.arrayBuffer());
  }

  async #createBucket({ name }) {
    if (this.buckets.has(name)) throw new Refusal(409, 10004, 'The bucket you tried to create already exists, and you own it.');
    this.buckets.add(name);
    await this.#reload();
    return { name };
  }

  #worker(name) {
    const worker = this.workers.get(name);
    if (!worker) throw noWorker();
    return worker;
  }

  async #routeDatabases(method, [id, action, detail], search, json) {
    if (id === undefined && method === 'POST') {
      const { name } = json();
      return { uuid: await this.createDatabase(name), name };
    }
    const shown = [...this.databases].map(([uuid, { name }]) => ({ uuid, name, version: 'production' }));
    if (id === undefined) return shown.slice((search.get('page') - 1) * search.get('per_page'), search.get('page') * search.get('per_page'));
    if (action === undefined) return shown.find(({ uuid, name }) => id === uuid || id === name) ?? this.#d1(id);
    if (action === 'query') return (await this.query(id, json().sql, json().params)).map(({ results, meta }) => ({ results, meta, success: true }));
    if (`${action}/${detail}` === 'time_travel/bookmark') return { bookmark: '00000001-00000002-00000003-0123456789abcdef' };
    throw new Refusal(501, 7500, `this test knows no ${method} of a database's ${action}`);
  }

  async #routeScript(method, [name, part], json, body, headers) {
    switch (`${method} ${part ?? ''}`) {
      case 'PUT ':
        return this.#upload(name, body, headers, this.workers.get(name) ?? new Worker(name));
      case 'POST versions':
        return this.#upload(name, body, headers, this.#worker(name));
      case 'POST deployments':
      case 'GET deployments':
        return { deployments: [this.#worker(name).deployment()] };
      case 'GET secrets':
        return this.#worker(name).bindings.filter(({ type }) => type === 'secret_text').map(({ name: secret, type }) => ({ name: secret, type }));
      case 'GET settings':
        return this.#worker(name).settings();
      case 'POST assets-upload-session':
        return this.#beginAssets(json());
      case 'GET subdomain':
        return this.#worker(name).subdomain();
      case 'POST subdomain':
        this.#worker(name).isOnWorkersDev = json().enabled;
        return this.#worker(name).subdomain();
      case 'PUT schedules':
        this.#worker(name).schedules = json().map(({ cron }) => cron);
        return {};
      case 'PATCH script-settings':
        return {};
    }
    throw new Refusal(501, 7500, `this test knows no ${method} of a Worker's ${part}`);
  }

  /** @returns {object} which files are wanted, and the token to bring them with */
  #beginAssets({ manifest }) {
    const jwt = `asset-${randomUUID()}`;
    this.#sessions.set(jwt, { manifest, files: new Map() });
    return { jwt, buckets: [Object.values(manifest).map(({ hash }) => hash)] };
  }

  async #takeAssets(headers, body) {
    const jwt = headers.authorization.replace('Bearer ', '');
    const { files } = this.#sessions.get(jwt);
    for (const [hash, file] of await formOf(headers, body)) files.set(hash, Buffer.from(await file.text(), 'base64'));
    return { jwt };
  }

  async #upload(name, body, headers, worker) {
    await worker.take(await formOf(headers, body), (jwt) => this.#sessions.get(jwt));
    this.workers.set(name, worker);
    await this.#reload();
    return {
      id: worker.version,
      deployment_id: worker.version.replaceAll('-', ''),
      startup_time_ms: 1,
      resources: { script: { etag: 'etag' } },
    };
  }

  async #attachDomain({ hostname, service }) {
    this.#worker(service);
    if (!hostname.endsWith('.operator.test')) throw new Refusal(400, 100_116, `no zone of this account contains ${hostname}`);
    if (this.records.has(hostname)) {
      throw new Refusal(409, 100_117, `Hostname '${hostname}' already has externally managed DNS records (A, CNAME, etc).`);
    }
    this.domains.set(hostname, service);
    await this.#reload();
    return { hostname, service };
  }
}

async function bodyOf(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return Buffer.concat(parts);
}
