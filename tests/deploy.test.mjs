/**
 * `make deploy` as an operator meets it, without Cloudflare: the account is that of support/cloudflare.mjs, and the panel that is asked
 * afterwards is the one that was uploaded.
 */
import assert from 'node:assert/strict';
import { readdir, readFile, stat, unlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';

import { experimental_readRawConfig } from 'wrangler';

import { markOf, secretsToUpload } from '../dev/deploy/secrets.mjs';
import { startCloudflare } from './support/cloudflare.mjs';
import { Machine, rows, SECRET, signIn } from './support/machine.mjs';
import { addOperator, askToken, browserOf, sendLogin } from './support/operators.mjs';
import { sha256Hex } from './support/panel-secrets.mjs';
import { ROOT } from './support/panel.mjs';
import { enrol, seedAgent, seedUsers } from './support/seed.mjs';
import { codeOf } from './support/totp.mjs';
import { slotCredentials } from './support/wire.mjs';

/** @type {import('./support/cloudflare.mjs').Cloudflare} */
let cloudflare;
/** @type {Machine} */
let machine;
let tracked;

before(async () => {
  tracked = await readFile(path.join(ROOT, 'wrangler.toml'), 'utf8');
  cloudflare = await startCloudflare();
  machine = await Machine.make(cloudflare);
});

after(async () => {
  await cloudflare?.stop();
  await machine?.remove();
});

describe('without an account', () => {
  const nobody = { CLOUDFLARE_API_TOKEN: undefined };

  test('a dry run builds the Worker, prints its size and what would be done, and keeps nothing', async () => {
    const { said, told } = await machine.deployed({ ...nobody, DRY_RUN: '1', NAME: 'weir-dry', DOMAIN: 'panel.operator.test' });
    assert.equal(told, '');
    const lines = said.trim().split('\n').map((line) => line.replace(/^deploy: \[ *\d+s\] /, ''));
    const migrations = (await readdir(path.join(ROOT, 'migrations'))).filter((file) => file.endsWith('.sql')).sort();
    assert.deepEqual(lines.filter((line) => !line.startsWith('would upload')), [
      'not logged in to Cloudflare: this is what a new account would get',
      'would create the database weir-dry',
      `would apply the migrations ${migrations.join(', ')}`,
      'would set the secrets SLOT_KEY, AUTH_KEY, AUDIT_KEY and CREDENTIAL_KEY',
      'would enter the operator admin and an API key',
      'would let panel.operator.test lead to it',
      'nothing was changed',
    ]);
    const [, raw, compressed] = said.match(/would upload the Worker weir-dry: (\d+) kB, (\d+) kB compressed/).map(Number);
    const wasm = (await stat(path.join(ROOT, 'build/index_bg.wasm'))).size / 1000;
    assert.ok(raw >= Math.floor(wasm) && compressed < raw, `${raw} kB, ${compressed} kB; the wasm alone has ${wasm} kB`);
    assert.deepEqual(await machine.files('weir-dry'), ['wrangler.json']);
    assert.deepEqual(cloudflare.calls, []);
  });

  test('a deployment says how to log in', async () => {
    await machine.refused(nobody, /not logged in to Cloudflare: run npx wrangler login, or set CLOUDFLARE_API_TOKEN$/);
  });

  test('a wish that cannot be fulfilled is refused by its name', async () => {
    await machine.refused({ NAME: 'Weir!' }, /NAME is 'Weir!'/);
    await machine.refused({ DRY_RUN: 'yes' }, /DRY_RUN is 'yes': it must be 0 or 1/);
    await machine.refused({ DOMAIN: 'https://panel.example.com' }, /DOMAIN: 'https:\/\/panel.example.com' is not a host name/);
    await machine.refused({ ROTATE: 'PASSWORD' }, /ROTATE: there is no secret PASSWORD/);
  });

  test('a token that Cloudflare does not accept is an error of one line', async () => {
    await machine.refused({ CLOUDFLARE_API_TOKEN: 'of-somebody-else' }, /checking the login: .*Invalid API Token/);
    await machine.refused({ CLOUDFLARE_API_BASE_URL: 'http://127.0.0.1:9/client/v4' }, /checking the login: Cloudflare cannot be reached/);
  });
});

describe('a new account', () => {
  let first;
  let panel;
  let login;

  test('gets a panel in order, and the operator his login once, by the run that ends after four that were killed', async () => {
    for (const step of [/POST .*database $/, /CREATE TABLE meta/, /INSERT INTO operators/, /PUT .*scripts\/weir $/]) {
      const { isKilled } = await machine.killedAt({}, (call, when) => when === 'after' && step.test(`${call.method} ${call.where} ${call.sql ?? ''}`));
      assert.ok(isKilled, `nothing was done that looks like ${step}`);
      await assert.rejects(machine.kept('weir', 'login.json'), { code: 'ENOENT' });
    }
    first = await machine.deployed();
    panel = await cloudflare.panel('weir');
    login = await machine.kept('weir', 'login.json');
    assert.equal(login.url, 'https://weir.operator.workers.dev');
    assert.match(login.password, /^[0-9a-f]{32}$/);
    assert.match(login.api_key, /^weir_[0-9a-f]{32}$/);
    for (const word of Object.values(login)) assert.ok(first.told.includes(word), first.told);
    assert.deepEqual(await machine.files('weir'), ['deployment.json', 'login.json', 'secrets.json', 'wrangler.json']);
    for (const file of await readdir(machine.folder('weir'))) {
      const { mode } = await stat(path.join(machine.folder('weir'), file));
      if (/json|log$/.test(file)) assert.equal(mode & 0o777, 0o600, file);
    }
    assert.equal((await stat(machine.folder('weir'))).mode & 0o777, 0o700);
    assert.match(first.said, /Weir \d+\.\d+\.\d+ answers at https:\/\/weir\.operator\.workers\.dev/);
    assert.equal(cloudflare.databases.size, 1);
  });

  test('can be signed in to, and the API key has every scope that the panel asks for, but those of operators and keys', async () => {
    assert.equal((await panel.request('GET', '/health')).status, 200);
    assert.equal((await signIn(panel, login)).status, 303);
    assert.equal((await signIn(panel, { ...login, password: 'guess' })).status, 401);
    const [{ scopes }] = await rows(panel, 'SELECT scopes FROM api_keys');
    // A key that leaks must not make operators, or more keys.
    for (const scope of await scopesOfSource()) assert.equal(scopes.split(' ').includes(scope), !/^(operators|keys):/.test(scope), scope);
    assert.equal((await panel.request('GET', '/api/v1/users', { key: login.api_key })).status, 200);
    assert.equal((await panel.request('GET', '/api/v1/nodes', { key: login.api_key })).status, 200);
  });

  test('holds neither the password nor the key, only what cannot be turned back', async () => {
    assert.deepEqual(await rows(panel, 'SELECT name, password_hash FROM operators'), [
      { name: login.username, password_hash: sha256Hex(login.password) },
    ]);
    assert.deepEqual(await rows(panel, 'SELECT hash FROM api_keys'), [{ hash: sha256Hex(login.api_key) }]);
    await machine.assertSecretsKept('weir');
    const log = await readFile(path.join(machine.folder('weir'), 'deploy.log'), 'utf8');
    const secrets = [...Object.values(await machine.kept('weir', 'secrets.json')), login.password, login.api_key, cloudflare.env.CLOUDFLARE_API_TOKEN];
    for (const secret of secrets) assert.ok(!log.includes(secret) && !first.said.includes(secret));
  });

  test('has the files, the jobs and the bindings of this checkout', async () => {
    const worker = cloudflare.workers.get('weir');
    const style = await panel.request('GET', '/weir.css');
    assert.equal(style.text, await readFile(path.join(ROOT, 'public/weir.css'), 'utf8'));
    assert.deepEqual(worker.schedules, experimental_readRawConfig({ config: path.join(ROOT, 'wrangler.toml') }).rawConfig.triggers.crons);
    assert.equal(worker.isOnWorkersDev, true);
    assert.equal(await readFile(path.join(ROOT, 'wrangler.toml'), 'utf8'), tracked);
    const applied = await rows(panel, 'SELECT name FROM d1_migrations ORDER BY id');
    assert.deepEqual(applied.map(({ name }) => name), (await readdir(path.join(ROOT, 'migrations'))).sort());
  });

  test('is left as it is by a second run, which shows no password and lets no third one run beside it', async () => {
    await seedUsers(panel, 1);
    const { cookie } = await signIn(panel, login);
    cloudflare.workers.get('weir').bindings.push({ type: 'plain_text', name: 'SUBSCRIPTION_TITLE', text: 'set in the dashboard' });
    const secrets = await machine.kept('weir', 'secrets.json');
    const uploads = cloudflare.workers.get('weir').uploads;
    let second;
    cloudflare.onCall = () => void (second ??= machine.deploy());
    const { told, said } = await machine.deployed();
    cloudflare.onCall = () => {};
    const { code, errors } = await second;
    assert.equal(code, 1);
    assert.match(errors[0], /another make deploy works on .*: wait for it$/);
    panel = await cloudflare.panel('weir');
    assert.ok(!told.includes(login.password) && !told.includes(login.api_key), told);
    assert.match(told, /login {5}in .*deploy\/login\.json/);
    assert.doesNotMatch(said, /creating|applying|entering/);
    assert.equal(cloudflare.workers.get('weir').uploads, uploads + 1);
    assert.equal(cloudflare.databases.size, 1);
    assert.deepEqual(await machine.kept('weir', 'login.json'), login);
    assert.deepEqual(await machine.kept('weir', 'secrets.json'), secrets);
    await machine.assertSecretsKept('weir');
    assert.equal((await rows(panel, 'SELECT id FROM operators')).length, 1);
    assert.equal((await panel.request('GET', '/', { headers: { cookie } })).status, 200);
    const title = cloudflare.workers.get('weir').bindings.find(({ name }) => name === 'SUBSCRIPTION_TITLE');
    assert.equal(title?.text, 'set in the dashboard');
  });

  test('is deployed from another machine without another login or other secrets', async () => {
    const secrets = ['SLOT_KEY', 'AUTH_KEY'].map((name) => cloudflare.secret('weir', name));
    const another = await Machine.make(cloudflare);
    const { told } = await another.deployed();
    await another.remove();
    assert.match(told, /not on this machine; NEW_LOGIN=1 makes another one/);
    assert.deepEqual(['SLOT_KEY', 'AUTH_KEY'].map((name) => cloudflare.secret('weir', name)), secrets);
    panel = await cloudflare.panel('weir');
    assert.equal((await signIn(panel, login)).status, 303);
  });

  test('can get a domain, which is the address that is told from then on', async () => {
    const { told } = await machine.deployed({ DOMAIN: 'panel.operator.test, spare.operator.test' });
    assert.deepEqual([...cloudflare.domains], [['panel.operator.test', 'weir'], ['spare.operator.test', 'weir']]);
    assert.match(told, /panel {5}https:\/\/panel\.operator\.test\n.*spare\.operator\.test\n.*weir\.operator\.workers\.dev\n/);
    login = { ...login, url: 'https://panel.operator.test' };
    panel = await cloudflare.panel('weir', login.url);
    assert.equal((await signIn(panel, login)).status, 303);
    assert.deepEqual(await machine.kept('weir', 'login.json'), login);
  });

  test('takes a domain away from nobody', async () => {
    await machine.refused({ NAME: 'weir-staging', DOMAIN: 'panel.operator.test' }, /panel\.operator\.test leads to the Worker weir: take it away there/);
    cloudflare.records.add('www.operator.test');
    await machine.refused({ DOMAIN: 'www.operator.test' }, /www\.operator\.test: .*already has externally managed DNS records .*100117/);
    assert.equal(cloudflare.domains.get('panel.operator.test'), 'weir');
    assert.equal(cloudflare.workers.has('weir-staging'), false);
  });

  test('gets another login and other secrets on demand; old ones end, and every node takes its users anew', async () => {
    panel = await cloudflare.panel('weir');
    const agent = await seedAgent(panel);
    const { body: before } = await agent.sync();
    const old = await machine.kept('weir', 'secrets.json');
    const [{ slot }] = await rows(panel, 'SELECT slot FROM users WHERE deleted_at IS NULL');
    const secretIn = (roster) => roster.upserts.find((entry) => entry.slot === slot).secret;
    assert.equal(secretIn(before.roster), slotCredentials(old.SLOT_KEY, slot).secret);
    const { cookie } = await signIn(panel, login);
    cloudflare.calls.length = 0;

    const { told } = await machine.deployed({ NEW_LOGIN: '1', ROTATE: 'SLOT_KEY,AUTH_KEY' });
    panel = await cloudflare.panel('weir');
    const newer = await machine.kept('weir', 'login.json');
    assert.equal(newer.url, login.url);
    assert.notEqual(newer.password, login.password);
    assert.ok(told.includes(newer.password) && told.includes(newer.api_key), told);
    assert.equal((await signIn(panel, login)).status, 401);
    assert.equal((await signIn(panel, newer)).status, 303);
    assert.equal((await panel.request('GET', '/', { headers: { cookie } })).status, 303);
    assert.equal((await panel.request('GET', '/api/v1/users', { key: login.api_key })).status, 401);
    assert.equal((await panel.request('GET', '/api/v1/users', { key: newer.api_key })).status, 200);
    login = newer;

    const secrets = await machine.kept('weir', 'secrets.json');
    assert.ok(secrets.SLOT_KEY !== old.SLOT_KEY && secrets.AUTH_KEY !== old.AUTH_KEY);
    await machine.assertSecretsKept('weir');
    agent.panel = panel;
    const { status, body, text } = await agent.sync();
    assert.equal(status, 200, text);
    assert.equal(body.roster.full, true);
    assert.equal(secretIn(body.roster), slotCredentials(secrets.SLOT_KEY, slot).secret);
    // wrangler would take domains away from others without a question.
    assert.deepEqual(cloudflare.calls.filter(({ where }) => where.includes('domains')), []);
  });

  test('ends by one command everything that somebody may have taken or made for himself', async () => {
    panel = await cloudflare.panel('weir');
    const lost = login;
    const owner = await signInAs(panel, lost);
    const insider = await addOperator(panel, owner, { name: 'insider', role: 'owner' });
    const { body: { key } } = await insider.api('POST', '/api/v1/keys', { name: 'backdoor', scopes: ['users:read', 'users:write', 'operators:write'] });
    const { body: { access_token: token } } = await askToken(panel, { username: insider.name, password: insider.password });
    const { body: { secret: factor } } = await owner.api('POST', '/api/v1/me/two-factor', { password: login.password });
    const { body: { recovery_codes: codes } } = await owner.api('POST', '/api/v1/me/two-factor/confirm', { code: codeOf(factor) });
    assert.ok(key && token && codes.length > 0);
    await panel.db.prepare("INSERT INTO passkeys (id, operator, name, algorithm, public_key, sign_count, created_at) VALUES ('AAAA', ?1, 'his', -7, 'x', 0, 1)").bind(insider.id).run();
    const { body: node } = await owner.api('POST', '/api/v1/nodes', { name: 'to come', address: 'to-come.example' });
    const { body: user } = await owner.api('POST', '/api/v1/users', { name: 'ann' });
    await panel.db.prepare("INSERT INTO aliases (alias, user, created_at) SELECT 'ann123', id, 1 FROM users WHERE name = 'ann'").run();
    await owner.api('PUT', '/api/v1/users/ann/credentials', { trojan_password: 'set-by-hand-and-taken' });
    const { body: before } = await owner.api('GET', '/api/v1/users/ann/credentials');
    assert.equal(before.trojan_password, 'set-by-hand-and-taken');
    const { body: channel } = await owner.api('POST', '/api/v1/channels', { name: 'chat', webhook: { url: 'https://hooks.example/secret' } });
    const link = new URL(user.subscription_url).pathname;
    const asked = [
      ["a session of the insider's", () => panel.request('GET', '/api/v1/me', { headers: { cookie: insider.cookie } })],
      ["a session of the first operator's", () => panel.request('GET', '/api/v1/me', { headers: { cookie: owner.cookie } })],
      ['an API key of his own', () => panel.request('GET', '/api/v1/users', { key })],
      ['the API key of make deploy', () => panel.request('GET', '/api/v1/users', { key: lost.api_key })],
      ["a token of Marzban's API", () => panel.request('GET', '/api/admin', { key: token })],
      ['a link', () => panel.request('GET', link)],
      ['an alias', () => panel.request('GET', '/api/xpert/sub?user_token=ann123')],
    ];
    for (const [what, ask] of asked) assert.equal((await ask()).status, 200, what);

    const { said } = await machine.deployed({ DRY_RUN: '1', COMPROMISED: '1' });
    for (const line of [/would set the secrets SLOT_KEY, AUTH_KEY, AUDIT_KEY and CREDENTIAL_KEY/, /would enter the operator admin/, /would end every other operator/]) assert.match(said, line);
    for (const [what, ask] of asked) assert.equal((await ask()).status, 200, `${what} after a dry run`);
    const old = await machine.kept('weir', 'secrets.json');
    await machine.deployed({ COMPROMISED: '1' });
    panel = await cloudflare.panel('weir');
    login = await machine.kept('weir', 'login.json');
    assert.deepEqual(Object.keys(login).sort(), ['api_key', 'password', 'url', 'username']);

    for (const [what, ask] of asked) assert.ok([401, 404].includes((await ask()).status), what);
    assert.equal((await signIn(panel, lost)).status, 401);
    assert.equal((await signIn(panel, { username: insider.name, password: insider.password })).status, 401);
    const now = await signInAs(panel, login);
    assert.equal((await panel.request('GET', '/api/v1/users', { key: login.api_key })).status, 200);
    assert.deepEqual(await rows(panel, 'SELECT (SELECT count(*) FROM passkeys) AS passkeys, (SELECT count(*) FROM recovery_codes) AS codes, (SELECT count(*) FROM api_keys) AS keys'),
      [{ passkeys: 0, codes: 0, keys: 1 }]);
    assert.equal((await enrol(panel, node.token)).answer.status, 404, 'a token of enrolment');
    const secrets = await machine.kept('weir', 'secrets.json');
    for (const [name, value] of Object.entries(old)) assert.notEqual(secrets[name], value, name);
    const { body: after } = await now.api('GET', '/api/v1/users/ann/credentials');
    for (const [name, value] of Object.entries(before)) if (typeof value === 'string' && value.length >= 16 && name !== 'name') assert.notEqual(after[name], value, name);
    assert.equal((await now.api('GET', `/api/v1/channels/${channel.id}`)).body.target, null, 'a channel');
    // He who is let in again by an owner gets a password of his own, and not the one that was taken.
    assert.equal((await now.api('POST', '/api/v1/operators/insider/enable')).status, 200);
    assert.equal((await signIn(panel, { username: insider.name, password: insider.password })).status, 401);
    const { body: { password } } = await now.api('POST', '/api/v1/operators/insider/reset-password');
    assert.equal((await signIn(panel, { username: insider.name, password })).status, 303);
    await now.api('DELETE', '/api/v1/users/ann');
  });

  test('gets its secrets back when the Worker was deleted, and none when nobody knows them', async () => {
    const secrets = await machine.kept('weir', 'secrets.json');
    cloudflare.workers.delete('weir');
    await unlink(path.join(machine.folder('weir'), 'secrets.json'));
    await machine.refused({}, /the Worker has no SLOT_KEY, and the one that the 1 users in the database depend on is not on this machine/);
    assert.equal(cloudflare.workers.has('weir'), false);
    const other = { ...secrets, AUTH_KEY: 'f'.repeat(64) };
    await writeFile(path.join(machine.folder('weir'), 'secrets.json'), JSON.stringify(other));
    await machine.refused({}, /the Worker has no AUTH_KEY/);
    await writeFile(path.join(machine.folder('weir'), 'secrets.json'), JSON.stringify(secrets));
    await machine.deployed();
    await machine.assertSecretsKept('weir');
    assert.equal(cloudflare.secret('weir', 'SLOT_KEY'), secrets.SLOT_KEY);
  });

  test('carries a second deployment beside the first', async () => {
    const { said } = await machine.deployed({ NAME: 'weir-staging' });
    assert.match(said, /creating the database weir-staging/);
    const staging = await cloudflare.panel('weir-staging');
    const other = await machine.kept('weir-staging', 'login.json');
    assert.equal(other.url, 'https://weir-staging.operator.workers.dev');
    const counters = ['weir', 'weir-staging'].flatMap((name) => cloudflare.workers.get(name).bindings.filter(({ type }) => type === 'ratelimit').map((one) => one.namespace_id));
    assert.ok(counters.length >= 6 && counters.every((number) => /^[1-9]\d{0,9}$/.test(number)), counters.join());
    assert.equal(new Set(counters).size, counters.length, 'no two count into one');
    assert.equal((await signIn(staging, other)).status, 303);
    assert.equal((await signIn(staging, login)).status, 401);
    assert.equal((await rows(staging, 'SELECT id FROM users')).length, 0);
    await machine.assertSecretsKept('weir-staging');
    assert.notEqual(cloudflare.secret('weir', 'SLOT_KEY'), cloudflare.secret('weir-staging', 'SLOT_KEY'));
  });
});

describe('what is somebody else\'s', () => {
  test('is never overwritten: a database, a Worker', async () => {
    const id = await cloudflare.createDatabase('shop');
    await cloudflare.query(id, 'CREATE TABLE orders (id INTEGER PRIMARY KEY)');
    await machine.refused({ NAME: 'shop' }, /the database of this name holds something else \(orders\): choose another name with NAME=/);
    await cloudflare.addWorker('blog');
    await machine.refused({ NAME: 'blog' }, /the account has a Worker blog that is something else: choose another name/);
    assert.equal(cloudflare.workers.get('blog').uploads, 0);
  });

  test('is not guessed at: a login for several accounts, or for another one', async () => {
    const [own] = cloudflare.accounts;
    cloudflare.accounts.push({ id: 'b'.repeat(32), name: 'Shop' });
    try {
      await machine.refused({ NAME: 'weir-new' }, /several accounts: set CLOUDFLARE_ACCOUNT_ID to one of .*\(Operator's account\), b{32} \(Shop\)/);
      cloudflare.accounts.splice(0, 2, { id: 'b'.repeat(32), name: 'Shop' });
      await machine.refused({}, new RegExp(`this deployment is in account ${own.id}, and the login is for b{32} \\(Shop\\): log in there`));
    } finally {
      cloudflare.accounts.splice(0, cloudflare.accounts.length, own);
    }
  });
});

describe('an upgrade', () => {
  test('applies what is missing to a database with users, after saying how to get back', async (context) => {
    const all = (await readdir(path.join(ROOT, 'migrations'))).sort();
    if (all.length < 2) return context.skip('there is one migration only');
    const id = await cloudflare.createDatabase('weir-older');
    await cloudflare.query(id, 'CREATE TABLE d1_migrations (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, applied_at TEXT)');
    for (const name of all.slice(0, -1)) {
      const sql = await readFile(path.join(ROOT, 'migrations', name), 'utf8');
      await cloudflare.query(id, `${sql}; INSERT INTO d1_migrations (name) VALUES ('${name}')`);
    }
    await cloudflare.query(id, `INSERT INTO operators (name, password_hash, created_at) VALUES ('admin', 'of another machine', 1)`);
    const { said, told } = await machine.deployed({ NAME: 'weir-older' });
    assert.match(said, new RegExp(`can be restored by its bookmark 0.*\n.*applying the migrations ${all.at(-1)}\n`));
    assert.equal((await machine.kept('weir-older', 'deployment.json')).before.migration, all.at(-1));
    const panel = await cloudflare.panel('weir-older');
    assert.deepEqual((await rows(panel, 'SELECT name FROM d1_migrations ORDER BY id')).map(({ name }) => name), all);
    assert.deepEqual(await rows(panel, 'SELECT password_hash FROM operators'), [{ password_hash: 'of another machine' }]);
    assert.match(told, /NEW_LOGIN=1/);
  });

  test('refuses a database that a newer Weir has migrated', async () => {
    const [id] = [...cloudflare.databases].find(([, { name }]) => name === 'weir');
    await cloudflare.query(id, `INSERT INTO d1_migrations (name) VALUES ('9999_future.sql')`);
    const uploads = cloudflare.workers.get('weir').uploads;
    await machine.refused({}, /the database is newer than this checkout, which has no 9999_future\.sql: update the checkout/);
    assert.equal(cloudflare.workers.get('weir').uploads, uploads);
    await cloudflare.query(id, `DELETE FROM d1_migrations WHERE name = '9999_future.sql'`);
  });
});

test('secrets are uploaded only when the Worker lacks them, and only those that belong to the database', () => {
  const both = { SLOT_KEY: 's'.repeat(64), AUTH_KEY: 'a'.repeat(64), AUDIT_KEY: 'u'.repeat(64), CREDENTIAL_KEY: 'c'.repeat(64) };
  const marks = Object.fromEntries(Object.entries(both).map(([name, value]) => [name, markOf(name, value)]));
  const held = Object.keys(both);
  const choose = (known) => secretsToUpload({ held: [], marks: {}, users: 0, ...known });
  assert.deepEqual(choose({ held, marks, users: 5 }), {});
  assert.deepEqual(choose({ held, users: 5, kept: both }), {});
  assert.deepEqual(choose({ marks, users: 5, kept: both }), both);
  // A run that did not end: its values are those of the database, or another machine has been there since.
  assert.deepEqual(choose({ held, marks, users: 5, begun: both }), both);
  assert.deepEqual(choose({ held, marks: { SLOT_KEY: 'x', AUTH_KEY: 'y', AUDIT_KEY: 'z', CREDENTIAL_KEY: 'c' }, users: 5, begun: both }), {});
  assert.throws(() => choose({ marks: { SLOT_KEY: 'x' }, users: 5, kept: both }), /has no SLOT_KEY/);
  assert.throws(() => choose({ held: ['SLOT_KEY'], users: 1 }), /has no AUTH_KEY.* 1 users/);
  // A panel of an earlier version has neither AUDIT_KEY nor CREDENTIAL_KEY, and nobody depends on one; once there is a mark, a log or
  // the channels do.
  for (const name of ['AUDIT_KEY', 'CREDENTIAL_KEY']) {
    const before = held.filter((other) => other !== name);
    const { [name]: mark, ...earlier } = marks;
    const upgraded = choose({ held: before, marks: earlier, users: 5 });
    assert.deepEqual(Object.keys(upgraded), [name]);
    assert.match(upgraded[name], SECRET);
    assert.throws(() => choose({ held: before, marks: { ...earlier, [name]: mark }, users: 5 }), new RegExp(`has no ${name}`));
  }
  // Nobody is locked out of an empty panel.
  for (const value of Object.values(choose({ marks }))) assert.match(value, SECRET);
  const rotated = choose({ held, marks, users: 5, kept: both, rotate: ['AUTH_KEY'] });
  assert.deepEqual(Object.keys(rotated), ['AUTH_KEY']);
  assert.notEqual(rotated.AUTH_KEY, both.AUTH_KEY);
});

/** Somebody who is signed in with what `make deploy` made. */
async function signInAs(panel, { username, password }) {
  return browserOf(panel, await sendLogin(panel, { name: username, password }));
}

/** @returns {Promise<Set<string>>} every scope that a handler asks for */
async function scopesOfSource() {
  const names = (await readdir(path.join(ROOT, 'src'), { recursive: true })).filter((name) => name.endsWith('.rs'));
  const texts = await Promise.all(names.map((name) => readFile(path.join(ROOT, 'src', name), 'utf8')));
  const found = new Set(texts.flatMap((text) => text.match(/"[a-z]+:(read|write)"/g) ?? []).map((scope) => scope.slice(1, -1)));
  assert.ok(found.has('users:write'), 'the scopes are written in another way now');
  return found;
}
