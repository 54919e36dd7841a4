/** One deployment, from what is there to what shall be there. */
import { setTimeout as sleep } from 'node:timers/promises';

import { Trouble } from '../home.mjs';
import { chooseAccount, signedInAccounts } from './account.mjs';
import { Api } from './api.mjs';
import { boundBucket } from './bucket.mjs';
import { makeConfig } from './config.mjs';
import { createDatabase, Database, EMPTY, listDatabases, migrationFiles } from './database.mjs';
import { Domains } from './domains.mjs';
import { Kept } from './kept.mjs';
import { enterStatements, isEntered, loginToEnter } from './login.mjs';
import { awaitPanel } from './panel.mjs';
import { markOf, markStatements, NEW_ROSTER, SECRETS, secretsToUpload } from './secrets.mjs';
import { Wrangler, WranglerTrouble } from './wrangler.mjs';

/** How long a new address is waited for. */
const PATIENCE_MS = 60_000;
/** Until no instance of the Worker runs that has the old secret. */
const SPREAD_MS = 15_000;
const KNOWN = 'deployment.json';
const CONFIG = 'wrangler.json';
const SECRETS_FILE = 'secrets.json';
const LOGIN_FILE = 'login.json';
/** What a run has begun to bring into force. It is renamed when Cloudflare has it, so the next run can finish it. */
const NEW_SECRETS_FILE = 'secrets.new.json';
const NEW_LOGIN_FILE = 'login.new.json';

/**
 * The steps. Each looks before it acts, and what cannot be made a second time is on this machine's disk before Cloudflare hears of it.
 */
export class Deployment {
  #wishes;
  #say;
  #kept;
  #wrangler;
  #database;
  #domains;
  #api;
  /** Account, database, addresses and domains. */
  #known;
  /** Names of the Worker's secrets; undefined if there is no Worker. */
  #held;
  #nodes = 0;
  #secrets = {};
  #login;

  /**
   * @param {import('./wishes.mjs').Wishes} wishes
   * @param {(text: string) => void} say
   */
  constructor(wishes, say) {
    this.#wishes = wishes;
    this.#say = say;
    this.#kept = new Kept(wishes.folder);
    this.#wrangler = new Wrangler(this.#kept, say);
    this.#database = new Database(this.#wrangler);
  }

  /**
   * Deploy.
   *
   * @param {(login: object|undefined, where: {addresses: string[], file?: string}) => void} show called at the end: with the login if it
   *   is a new one, the panel's addresses, and the file that holds the login if this machine has one
   * @throws {Trouble}
   */
  async deploy(show) {
    await this.#claim();
    const accounts = await signedInAccounts(this.#wrangler);
    await this.#look(accounts);
    const database = this.#known.database === undefined ? await this.#createDatabase() : await this.#database.examine();
    // From here on it is ours, and in this account.
    await this.#remember({});
    if (database.pending.length > 0) await this.#migrate(database);
    await this.#enter(database.state);
    await this.#bindBucket();
    await this.#uploadWorker();
    for (const domain of this.#wishes.domains) await this.#attach(domain);
    await this.#awaitPanel();
    await this.#finish(show);
  }

  /**
   * Say what {@link Deployment#deploy} would do, and build what it would upload. Without a login it tells what a new account would get.
   *
   * @throws {Trouble} where a deployment would end in one
   */
  async rehearse() {
    await this.#claim();
    const would = (text) => this.#say(`would ${text}`);
    const accounts = await signedInAccounts(this.#wrangler);
    let database = { pending: await migrationFiles(), state: EMPTY };
    if (accounts === undefined) {
      this.#say('not logged in to Cloudflare: this is what a new account would get');
    } else {
      await this.#look(accounts);
      if (this.#known.database !== undefined) database = await this.#database.examine();
    }
    await this.#decide(database.state);
    if (this.#known.database === undefined) would(`create the database ${this.#wishes.name}`);
    if (database.pending.length > 0) would(`apply the migrations ${database.pending.join(', ')}`);
    if (this.#isNewBucket) would(`create the bucket ${this.#wishes.bucket} and bind it for backups`);
    const secrets = Object.keys(this.#secrets);
    would(secrets.length > 0 ? `set the secrets ${new Intl.ListFormat('en-GB').format(secrets)}` : 'keep the secrets as they are');
    would(this.#login ? `enter the operator ${this.#login.username} and an API key` : 'keep operators and API keys as they are');
    if (this.#login?.alone) would('end every other operator, API key, session and token of a host');
    const { entries } = await this.#wrangler.run('building', ['deploy', '--dry-run']);
    const { raw_bytes: raw, gzip_bytes: compressed } = entries.find(({ type }) => type === 'deploy').bundle_size;
    would(`upload the Worker ${this.#wishes.name}: ${kilobytes(raw)} kB, ${kilobytes(compressed)} kB compressed`);
    for (const domain of this.#wishes.domains) would(`let ${domain} lead to it`);
  }

  async #claim() {
    await this.#kept.claim();
    this.#known = (await this.#kept.read(KNOWN)) ?? {};
    await this.#configure();
  }

  async #remember(news) {
    this.#known = { ...this.#known, ...news };
    await this.#kept.write(KNOWN, this.#known);
  }

  get #isNewBucket() {
    return this.#wishes.bucket !== undefined && this.#wishes.bucket !== this.#known.bucket;
  }

  /** The bucket of backups: made if it is not there, and bound by this and every later run. */
  async #bindBucket() {
    const { bucket } = this.#wishes;
    if (!this.#isNewBucket) return;
    this.#say(`creating the bucket ${bucket}`);
    try {
      await this.#api.call('POST', '/r2/buckets', { name: bucket });
    } catch (error) {
      // It is there, and of this account.
      if (!/\[code: 10004\]/.test(error.message)) throw new Trouble(`creating the bucket ${bucket}: ${error.message}`);
    }
    await this.#remember({ bucket });
    await this.#configure();
  }

  async #configure() {
    const { account, database, bucket } = this.#known;
    await this.#kept.write(CONFIG, makeConfig({ folder: this.#kept.folder, name: this.#wishes.name, account, database, bucket }));
  }

  /** Whose account it is, and what of this deployment is there. */
  async #look(accounts) {
    const { name } = this.#wishes;
    const account = chooseAccount(accounts, { wished: process.env.CLOUDFLARE_ACCOUNT_ID || undefined, known: this.#known.account });
    this.#wrangler.useAccount(account);
    this.#known = { ...this.#known, account };
    this.#domains = new Domains(this.#wrangler, account);
    this.#api = new Api(this.#wrangler, account);
    await this.#configure();
    const [databases, held] = await Promise.all([listDatabases(this.#wrangler), this.#heldSecrets()]);
    this.#held = held;
    if (this.#known.database !== undefined && !databases.some(({ uuid }) => uuid === this.#known.database)) {
      throw new Trouble(
        `the database ${this.#known.database} of this deployment is gone: to begin with an empty one, delete ${this.#kept.path(KNOWN)}`,
      );
    }
    this.#known.database ??= databases.find((database) => database.name === name)?.uuid;
    await this.#configure();
    const isOurs = this.#known.database !== undefined || this.#held === undefined || SECRETS.some((secret) => this.#held.includes(secret));
    if (!isOurs) throw new Trouble(`the account has a Worker ${name} that is something else: choose another name with NAME=`);
    await this.#findBucket();
    for (const domain of this.#wishes.domains) await this.#domains.leadsTo(domain, name);
    const where = this.#known.database === undefined ? 'no database' : 'a database';
    this.#say(`account ${account}: ${where} and ${this.#held === undefined ? 'no Worker' : 'a Worker'} named ${name}`);
  }

  /** The bucket that another machine has bound: a version keeps only those bindings that it is uploaded with. */
  async #findBucket() {
    if (this.#held === undefined || (this.#known.bucket ?? this.#wishes.bucket) !== undefined) return;
    const bucket = await boundBucket(this.#api, this.#wishes.name);
    if (bucket === undefined) return;
    this.#say(`the Worker has the bucket ${bucket} for backups, and keeps it`);
    this.#known.bucket = bucket;
    await this.#configure();
  }

  async #heldSecrets() {
    try {
      const secrets = await this.#wrangler.json('looking for the Worker', ['secret', 'list', '--format', 'json']);
      return secrets.map(({ name }) => name);
    } catch (error) {
      if (error instanceof WranglerTrouble && /Worker "[^"]*" not found/.test(error.message)) return undefined;
      throw error;
    }
  }

  async #createDatabase() {
    this.#say(`creating the database ${this.#wishes.name}`);
    await this.#remember({ database: await createDatabase(this.#wrangler, this.#wishes.name) });
    await this.#configure();
    return { pending: await migrationFiles(), isNew: true, state: EMPTY };
  }

  async #migrate({ pending, isNew }) {
    if (!isNew) {
      const bookmark = await this.#database.bookmark();
      this.#say(`the database as it is now can be restored by its bookmark ${bookmark}`);
      await this.#remember({ before: { migration: pending[0], bookmark } });
    }
    this.#say(`applying the migrations ${pending.join(', ')}`);
    await this.#database.migrate();
  }

  /** Which secrets and which login are to be brought into force. */
  async #decide(state) {
    const { rotate, newLogin, compromised } = this.#wishes;
    this.#nodes = state.nodes;
    this.#secrets = secretsToUpload({
      held: this.#held ?? [],
      marks: state.marks,
      users: state.users,
      kept: await this.#kept.read(SECRETS_FILE),
      begun: await this.#kept.read(NEW_SECRETS_FILE),
      rotate,
    });
    this.#login = loginToEnter({
      operators: state.operators,
      kept: await this.#kept.read(LOGIN_FILE),
      begun: await this.#kept.read(NEW_LOGIN_FILE),
      anew: newLogin,
      alone: compromised,
    });
  }

  /** @param {import('./database.mjs').State} before */
  async #enter(before) {
    await this.#decide(before);
    const statements = markStatements(this.#secrets, before.marks);
    if (Object.keys(this.#secrets).length > 0) await this.#kept.write(NEW_SECRETS_FILE, this.#secrets);
    if (this.#login) {
      this.#say(`entering the operator ${this.#login.username}${this.#login.alone ? ', and ending every other way in' : ''}`);
      await this.#kept.write(NEW_LOGIN_FILE, this.#login);
      statements.push(...enterStatements(this.#login));
    }
    if (statements.length === 0) return;
    const after = await this.#database.change('entering operator and secrets', statements);
    const isOurs = Object.entries(this.#secrets).every(([name, value]) => after.marks[name] === markOf(name, value));
    if (!isOurs || (this.#login && !isEntered(this.#login, after.operators))) {
      throw new Trouble(`another machine deploys ${this.#wishes.name} at this moment: run make deploy again when it has ended`);
    }
  }

  async #uploadWorker() {
    this.#say(`uploading the Worker ${this.#wishes.name}`);
    const names = Object.keys(this.#secrets);
    const file = names.length > 0 ? ['--secrets-file', this.#kept.path(NEW_SECRETS_FILE)] : [];
    const { entries } = await this.#wrangler.run('uploading the Worker', ['deploy', ...file]);
    const deployed = entries.find(({ type }) => type === 'deploy');
    if (!deployed?.version_id) throw new Trouble(`wrangler uploaded nothing, and says why in ${this.#kept.path('deploy.log')}`);
    const address = deployed.targets.find((target) => /^https:\/\/.*\.workers\.dev$/.test(target));
    await this.#remember({ address, version: deployed.version_id });
  }

  async #attach(domain) {
    const { domains = [] } = this.#known;
    await this.#domains.attach(domain, this.#wishes.name);
    this.#say(`${domain} leads to the Worker; its certificate may take some minutes`);
    if (!domains.includes(domain)) await this.#remember({ domains: [...domains, domain] });
  }

  /** Every address that the panel has; the first one is what is told. */
  get #addresses() {
    const { address, domains = [] } = this.#known;
    return [...domains.map((domain) => `https://${domain}`), address].filter(Boolean);
  }

  async #awaitPanel() {
    // A domain that is new answers much later than the address that every Worker has.
    const url = this.#known.address ?? this.#addresses[0];
    if (url === undefined) return this.#say('the Worker has no address: give it one with DOMAIN=, or switch on workers.dev');
    const { version, why } = await awaitPanel(url, { patience: PATIENCE_MS, say: this.#say });
    this.#say(version ? `Weir ${version} answers at ${url}` : `${url} does not answer as it should yet: ${why}; look again: curl ${url}/health`);
  }

  async #finish(show) {
    const url = this.#addresses[0];
    if (Object.keys(this.#secrets).length > 0) {
      if (this.#secrets.SLOT_KEY && this.#nodes > 0) await this.#renewRoster();
      await this.#kept.write(SECRETS_FILE, { ...(await this.#kept.read(SECRETS_FILE)), ...this.#secrets });
    }
    await this.#kept.remove(NEW_SECRETS_FILE);
    const kept = await this.#kept.read(LOGIN_FILE);
    const { replaces, alone, ...login } = this.#login ?? kept ?? {};
    if (login.username) await this.#kept.write(LOGIN_FILE, { url, ...login, ...(url && { url }) });
    show(this.#login && login, { addresses: this.#addresses, file: kept || this.#login ? this.#kept.path(LOGIN_FILE) : undefined });
    // Not before it was shown.
    await this.#kept.remove(NEW_LOGIN_FILE);
  }

  async #renewRoster() {
    this.#say('waiting until the new SLOT_KEY has spread, then every node takes its users again');
    await sleep(SPREAD_MS);
    await this.#database.change('renewing the roster', NEW_ROSTER);
  }
}

function kilobytes(bytes) {
  return Math.round(bytes / 1000);
}
