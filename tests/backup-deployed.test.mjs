/** `make deploy BACKUP=`, `make backup` and `make restore` as an operator meets them, on the account of support/cloudflare.mjs. */
import assert from 'node:assert/strict';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { startCloudflare } from './support/cloudflare.mjs';
import { Machine, rows } from './support/machine.mjs';
import { seedUsers } from './support/seed.mjs';

const timeout = 300_000;
let cloudflare;
let machine;
let panel;
let login;

before(async () => {
  cloudflare = await startCloudflare();
  machine = await Machine.make(cloudflare);
});
after(async () => {
  await cloudflare?.stop();
  await machine?.remove();
});

const folderOf = (name) => path.join(machine.home, name);
const restore = (env) => machine.run('restore.mjs', env);
const bound = (worker) => cloudflare.workers.get(worker).bindings.filter(({ type }) => type === 'r2_bucket').map(({ name, bucket_name: bucket }) => [name, bucket]);

test('a bucket is made and bound when it is asked for, and stays bound', { timeout }, async () => {
  await machine.refused({ BACKUP: 'No_Bucket' }, /BACKUP is 'No_Bucket': a bucket's name has 3 to 63/);
  const { said } = await machine.deployed({ BACKUP: 'weir-backup' });
  assert.match(said, /creating the bucket weir-backup/);
  assert.deepEqual(bound('weir'), [['BACKUP', 'weir-backup']]);
  const second = await machine.deployed({});
  assert.doesNotMatch(second.said, /bucket/);
  assert.deepEqual(bound('weir'), [['BACKUP', 'weir-backup']]);
  assert.equal((await machine.kept('weir', 'deployment.json')).bucket, 'weir-backup');
  // Of another machine, which does not know that it is there.
  const other = await Machine.make(cloudflare);
  assert.equal((await other.run('deploy.mjs', { BACKUP: 'weir-backup' })).code, 0);
  await other.remove();
});

test('a bucket stays bound when another machine deploys, which asks the Worker for it or uploads nothing', { timeout }, async () => {
  const other = await Machine.make(cloudflare);
  try {
    const { uploads } = cloudflare.workers.get('weir');
    cloudflare.onCall = ({ where }, when) => {
      if (when === 'before' && where === '/workers/scripts/weir/settings') throw new Error('it is out of order');
    };
    await other.refused({}, /whether the Worker weir has a bucket for backups cannot be read: it is out of order .*; run make deploy again, or name it with BACKUP=/);
    assert.equal(cloudflare.workers.get('weir').uploads, uploads);
    cloudflare.onCall = () => {};
    const { said } = await other.deployed();
    assert.match(said, /the Worker has the bucket weir-backup for backups, and keeps it/);
    assert.deepEqual(bound('weir'), [['BACKUP', 'weir-backup']]);
    assert.equal((await other.kept('weir', 'deployment.json')).bucket, 'weir-backup');
  } finally {
    cloudflare.onCall = () => {};
    await other.remove();
  }
});

test('a backup of the deployed panel comes into a folder by one command', { timeout }, async () => {
  panel = await cloudflare.panel('weir');
  login = await machine.kept('weir', 'login.json');
  await seedUsers(panel, 30);
  const making = machine.run('backup.mjs', { TO: folderOf('copy') });
  const trigger = setInterval(() => void cloudflare.trigger('weir'), 1_000);
  const { code, said } = await making.finally(() => clearInterval(trigger));
  assert.equal(code, 0, said);
  assert.match(said, /holds the backup \d+: \d+ rows/);
  assert.ok((await readdir(folderOf('copy'))).includes('manifest.json'));
});

test('a database that is lost comes back from the bucket, and no half of one is ever deployed', { timeout }, async () => {
  const kept = await rows(panel, 'SELECT * FROM users ORDER BY id');
  const { items } = (await panel.request('GET', '/api/v1/backups', { key: login.api_key })).body;
  const instant = String(items.find(({ complete }) => complete).instant);

  const full = await restore({ FROM: instant });
  assert.equal(full.code, 1);
  assert.match(full.errors[0], /the database is not empty, it has a table \w+: a backup is restored into an empty one only/);

  const { database } = await machine.kept('weir', 'deployment.json');
  await cloudflare.dropDatabase(database);
  // Cut off in the middle of loading.
  const { isKilled } = await machine.killedAt({ FROM: instant }, (call, when) => when === 'after' && /INSERT OR REPLACE INTO "slots"/.test(call.sql ?? ''), { file: 'restore.mjs' });
  assert.ok(isKilled);
  const half = await machine.deploy({});
  assert.equal(half.code, 1);
  assert.match(half.errors[0], /is gone|restore into this database was cut off/);
  // As another machine finds it, which knows no database of this name.
  const other = await Machine.make(cloudflare);
  const there = await other.run('deploy.mjs');
  assert.match(there.errors[0], /a restore into this database was cut off: run make restore again/);
  await other.remove();

  const again = await restore({ FROM: instant });
  assert.equal(again.code, 0, again.said);
  assert.match(again.said, /going on with a restore that was cut off/);
  assert.match(again.said, /now run make deploy/);
  await machine.deployed({});
  panel = await cloudflare.panel('weir');
  assert.deepEqual(await rows(panel, 'SELECT * FROM users ORDER BY id'), kept);
  assert.equal((await panel.request('GET', '/api/v1/users', { key: login.api_key })).body.total, 30);
  assert.deepEqual(await rows(panel, "SELECT count(*) AS n FROM meta WHERE name = 'restored_at'"), [{ n: 1 }]);
  const applied = await rows(panel, 'SELECT name FROM d1_migrations ORDER BY id');
  assert.ok(applied.length > 0);
});

test('secrets that are not those of the backup are refused', { timeout }, async () => {
  await mkdir(folderOf('deploy/weir-two'), { recursive: true });
  await writeFile(path.join(folderOf('deploy/weir-two'), 'secrets.json'), JSON.stringify({ SLOT_KEY: 'x', AUTH_KEY: 'y' }));
  const wrong = await restore({ FROM: folderOf('copy'), NAME: 'weir-two' });
  assert.equal(wrong.code, 1);
  assert.match(wrong.errors[0], /(SLOT|AUTH)_KEY of .* is not the one that the backup's users depend on/);
  assert.ok(![...cloudflare.databases.values()].some(({ name }) => name === 'weir-two'));
  const right = await restore({ FROM: folderOf('copy'), NAME: 'weir-three' });
  assert.equal(right.code, 0, right.said);
  assert.match(right.said, /secrets.json is not on this machine: make deploy goes on only if the Worker still has its secrets/);
  // Which this one has not.
  const deployed = await machine.deploy({ NAME: 'weir-three' });
  assert.match(deployed.errors[0], /the Worker has no SLOT_KEY, and the one that the 30 users in the database depend on is not on this machine/);
  await rm(folderOf('deploy/weir-three'), { recursive: true });
});

test('a machine that restores from a bucket knows it from then on and binds it, also if the last batch was the last thing it did', { timeout }, async () => {
  const { items } = (await panel.request('GET', '/api/v1/backups', { key: login.api_key })).body;
  const other = await Machine.make(cloudflare);
  try {
    const words = { FROM: String(items[0].instant), BUCKET: 'weir-backup', NAME: 'weir-four' };
    const { isKilled } = await other.killedAt(words, (call, when) => when === 'after' && /DROP TABLE restoring/.test(call.sql ?? ''), { file: 'restore.mjs' });
    assert.ok(isKilled);
    const { code, said } = await other.run('restore.mjs', words);
    assert.equal(code, 0, said);
    assert.match(said, /going on with a restore that was cut off when all rows were there/);
    assert.match(said, /make deploy will bind the bucket weir-backup for backups; BACKUP= names another one/);
    assert.equal((await other.kept('weir-four', 'deployment.json')).bucket, 'weir-backup');
    await other.deployed({ NAME: 'weir-four', ROTATE: 'SLOT_KEY,AUTH_KEY,AUDIT_KEY,CREDENTIAL_KEY' });
    assert.deepEqual(bound('weir-four'), [['BACKUP', 'weir-backup']]);
    assert.deepEqual(await rows(await cloudflare.panel('weir-four'), "SELECT * FROM meta WHERE name = 'restored_from'"), []);
    // It has come to its end, so the same words are a restore into a panel's database.
    assert.match((await other.run('restore.mjs', { ...words, WITHOUT_SECRETS: '1' })).errors[0], /the database is not empty/);
  } finally {
    await other.remove();
  }
});
