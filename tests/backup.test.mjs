/** Backup and restore: traffic goes on, workers die, agents replay, and afterwards every total is exact. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { intoFolder } from '../dev/backup/targets.mjs';
import { Copy } from '../dev/backup/copy.mjs';
import { Restoring } from '../dev/backup/restoring.mjs';
import { MIB, startFleet, until } from './support/fleet.mjs';
import { sha256Hex } from './support/panel-secrets.mjs';
import { ROOT, startPanel } from './support/panel.mjs';
import { FLOOR, TICK } from './support/pull.mjs';
import { assertRefused } from './support/refusals.mjs';
import { seedUsers } from './support/seed.mjs';

/** A test that takes so long hangs. */
const timeout = 300_000;
const DAY = 86_400;

const bytes = ({ up = 0, down = 0 } = {}) => up + down;
const sum = (numbers) => numbers.reduce((all, number) => all + number, 0);

/** One of the commands, as make runs it. @returns {Promise<{code: number, said: string}>} */
async function command(file, env) {
  const child = spawn(process.execPath, [path.join(ROOT, 'dev', file)], { cwd: ROOT, env: { ...process.env, ...env }, stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (data) => (said += data));
  return { code: await new Promise((resolve) => child.once('close', resolve)), said };
}

async function succeeded(file, env) {
  const { code, said } = await command(file, env);
  assert.equal(code, 0, said);
  return said;
}

/** It ends with one line that a person can act upon. */
async function refused(file, env, line) {
  const { code, said } = await command(file, env);
  assert.equal(code, 1, said);
  assert.match(said.trim().split('\n').at(-1), line);
}

/** Enter hours of somebody who is gone: more than leave in one batch. */
async function fill(panel, users, hours = 168, first = 900_000) {
  const numbers = `WITH RECURSIVE u(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM u WHERE n < ${users}), h(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM h WHERE n < ${hours})`;
  await panel.db.prepare(`INSERT INTO history (user, hour, node, up, down) ${numbers} SELECT ${first} + u.n, h.n, 1, u.n, 9007199254740991 FROM u, h`).run();
}

async function items(panel) {
  const answer = await panel.api('GET', '/api/v1/backups');
  assert.equal(answer.status, 200, answer.text);
  return answer.body.items;
}

async function jobOf(panel) {
  return (await panel.api('GET', '/api/v1/jobs')).body.items.find(({ name }) => name === 'backup');
}

/** Run the job until the backup that was asked for is complete. @returns {Promise<{instant: number, runs: number}>} */
async function completed(panel, { between = async () => {} } = {}) {
  const before = (await items(panel)).find(({ complete }) => complete)?.instant ?? 0;
  assert.equal((await panel.api('POST', '/api/v1/backups')).status, 202);
  assert.equal((await panel.api('GET', '/api/v1/audit?action=backup.make&limit=1')).body.items.length, 1);
  for (let runs = 1; runs < 40; runs += 1) {
    assert.equal(await panel.cron('backup'), 'ok');
    const { queries } = await jobOf(panel);
    assert.ok(queries <= 24, `${queries} queries: half of what the free plan has`);
    const newest = (await items(panel)).find(({ complete }) => complete)?.instant ?? 0;
    if (newest > before) {
      // One that tidies up, and one that finds nothing to do.
      for (let run = 0; run < 2; run += 1) assert.equal(await panel.cron('backup'), 'ok');
      return { instant: newest, runs };
    }
    await between(runs);
  }
  throw new Error(`the backup is not complete: ${JSON.stringify(await jobOf(panel))}`);
}

/** Every row of every table, but of what a restore changes on purpose. */
async function dump(db) {
  const { results: tables } = await db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND substr(name, 1, 4) <> '_cf_' AND substr(name, 1, 7) <> 'sqlite_' ORDER BY name").all();
  const rows = {};
  for (const { name } of tables) rows[name] = (await db.prepare(`SELECT * FROM "${name}"`).all()).results.map((row) => JSON.stringify(row)).sort();
  return rows;
}

const triggers = async (db) => (await db.prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' ORDER BY name").all()).results;

describe('a backup', { timeout }, () => {
  let home;
  let panel;

  before(async () => {
    home = await mkdtemp(path.join(tmpdir(), 'weir-backup-'));
    panel = await startPanel({ folder: path.join(home, 'up/panel'), bucket: true, faults: true });
    await writeFile(path.join(home, 'login.json'), JSON.stringify({ url: panel.url, api_key: panel.apiKey }));
    await seedUsers(panel, 20);
    assert.equal(await panel.cron(), 'ok');
  });
  after(async () => {
    await panel?.stop();
    await rm(home, { recursive: true, force: true });
  });

  const copyOf = async (instant, name) => {
    const folder = path.join(home, name);
    await succeeded('backup.mjs', { LOCAL: home, TO: folder, INSTANT: String(instant) });
    return Copy.open(folder);
  };

  test('of a small panel is made by one run, with every table in exactly one part', async () => {
    const { instant, runs } = await completed(panel);
    assert.equal(runs, 1);
    const job = await jobOf(panel);
    assert.equal(job.note, `the newest backup is ${instant}`);
    const copy = await copyOf(instant, 'small');
    const headers = await copy.verify();
    const { results } = await panel.db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND substr(name, 1, 4) <> '_cf_' AND substr(name, 1, 7) <> 'sqlite_'").all();
    const own = ['backup_changes', 'backup_parts', 'backup_state', 'd1_migrations'];
    const expected = results.map(({ name }) => name).filter((name) => !own.includes(name)).sort();
    assert.deepEqual(headers.map(({ table }) => table).sort(), expected);
    assert.deepEqual(copy.manifest.tables, expected);
    const [item] = await items(panel);
    const { at, rows, bytes: size } = copy.manifest;
    assert.deepEqual(item, { instant, complete: true, at, rows, bytes: size });
    assert.deepEqual(copy.manifest.migrations, (await readdir(path.join(ROOT, 'migrations'))).filter((file) => file.endsWith('.sql')).sort());
    const secrets = JSON.parse(await readFile(path.join(panel.folder, 'secrets.json'), 'utf8'));
    for (const secret of Object.values(secrets)) assert.ok(!JSON.stringify(copy.manifest).includes(secret));
  });

  test('that was being fetched when the command was cut off is gone on with, although a newer one is there', async () => {
    const [{ instant }] = await items(panel);
    const small = await copyOf(instant, 'small');
    const part = small.manifest.parts.find(({ name }) => name.startsWith('users.'));
    const folder = path.join(home, 'begun');
    await mkdir(folder);
    await cp(path.join(small.folder, part.name), path.join(folder, part.name));
    await writeFile(path.join(folder, `${small.manifest.parts[0].name}.part`), 'half of it');
    await writeFile(path.join(folder, 'manifest.json.part'), '{');
    // Parts are called after the second of their run.
    await sleep(1_100);
    const { instant: newer } = await completed(panel);
    const before = await items(panel);
    const said = await succeeded('backup.mjs', { LOCAL: home, TO: folder });
    assert.match(said, new RegExp(`going on with the backup ${instant}, of which .*begun has parts`));
    const copy = await Copy.open(folder);
    await copy.verify();
    assert.deepEqual(copy.manifest, small.manifest);
    assert.ok(newer > instant);
    assert.deepEqual(await items(panel), before, 'none was made for it');
    // No other one is made only to be refused.
    await refused('backup.mjs', { LOCAL: home, TO: folder }, /begun holds a whole backup: choose an empty folder/);
    await rm(path.join(folder, 'manifest.json'));
    await writeFile(path.join(folder, 'users.1000000000'), '');
    await refused('backup.mjs', { LOCAL: home, TO: folder }, /begun holds .*, which is no part of a backup that there is: choose an empty folder/);
    assert.deepEqual(await items(panel), before);
  });

  test('that was restored as far as the last batch is not loaded again by the next run, which does what comes after it', async () => {
    const [{ instant }] = await items(panel);
    const { folder: fetched, manifest } = await copyOf(instant, 'older');
    // Of a panel that lacks a migration, which nothing that is backed up depends on.
    const older = new Copy(fetched, { ...manifest, migrations: manifest.migrations.filter((file) => file !== '0029_room.sql') });
    const folder = path.join(home, 'last/up/panel');
    await cp(path.join(panel.folder, 'secrets.json'), path.join(folder, 'secrets.json'));
    let loaded = 0;
    /** A run that is killed after a batch. */
    const restore = (isLast) => intoFolder(folder, (target) => {
      const batch = async (statements) => {
        const results = await target.batch(statements);
        if (statements.some(isLast)) throw new Error('killed');
        return results;
      };
      const bound = (sql, value) => void (loaded += 1) ?? target.bound(sql, value);
      return new Restoring(older, { batch, bound }, () => {}).run();
    });
    await assert.rejects(restore((sql) => sql === 'DROP TABLE restoring'), /killed/);
    assert.ok(loaded > 0);
    loaded = 0;
    await assert.rejects(restore((sql) => sql.includes("'0029_room.sql'")), /killed/);
    const done = await restore(() => false);
    assert.equal(loaded, 0);
    assert.deepEqual(done, { tables: manifest.tables.length, rows: manifest.rows });
    const made = await triggers(panel.db);
    const kept = await dump(panel.db);
    const restored = await startPanel({ folder, faults: true, bucket: true });
    try {
      assert.deepEqual(await triggers(restored.db), made);
      assert.deepEqual((await dump(restored.db)).users, kept.users);
      const { results: applied } = await restored.db.prepare('SELECT name FROM d1_migrations ORDER BY name').all();
      assert.deepEqual(applied.map(({ name }) => name), manifest.migrations);
      // What is left of it disturbs no later backup.
      const { instant: later } = await completed(restored);
      await writeFile(path.join(home, 'last/login.json'), JSON.stringify({ url: restored.url, api_key: restored.apiKey }));
      await succeeded('backup.mjs', { LOCAL: path.join(home, 'last'), TO: path.join(home, 'later'), INSTANT: String(later) });
    } finally {
      await restored.stop();
    }
    const again = path.join(home, 'again/up/panel');
    await cp(path.join(panel.folder, 'secrets.json'), path.join(again, 'secrets.json'));
    await succeeded('restore.mjs', { LOCAL: path.join(home, 'again'), FROM: path.join(home, 'later') });
  });

  test('of a large table goes over several runs, survives the end of workerd between them, and is of one instant', async () => {
    await fill(panel, 500);
    let kills = 0;
    const { instant, runs } = await completed(panel, {
      between: async (run) => {
        // What was copied changes: a report comes late, a row goes, one is new.
        await panel.db.batch([
          panel.db.prepare(`UPDATE history SET up = up + ${run} WHERE user = 900001`),
          panel.db.prepare(`DELETE FROM history WHERE user = 900002 AND hour = ${run}`),
          panel.db.prepare(`INSERT INTO history (user, hour, node, up, down) VALUES (900003, ${1000 + run}, 1, 1, 1)`),
        ]);
        if (run === 1) {
          // In the middle of the next run, wherever that is by then.
          const dying = panel.cron('backup').catch(() => {});
          await sleep(150);
          await panel.kill();
          await dying;
          await panel.start();
          await panel.db.prepare('UPDATE backup_state SET held_until = 1').run();
        } else {
          await panel.restart({ force: true });
        }
        kills += 1;
      },
    });
    assert.ok(runs >= 3 && kills >= 2, `${runs} runs`);
    const copy = await copyOf(instant, 'large');
    assert.ok(copy.manifest.parts.every(({ bytes: size }) => size <= 1_000_000));
    const kept = await dump(panel.db);
    const made = await triggers(panel.db);
    assert.ok(made.every(({ name }) => !name.startsWith('backup_')), 'nothing is noted any more');
    assert.deepEqual([kept.backup_changes, kept.backup_parts], [[], []]);

    const folder = path.join(home, 'other');
    await cp(path.join(panel.folder, 'secrets.json'), path.join(folder, 'up/panel/secrets.json'));
    // Cut off in the middle, at each of its steps, and taken up again.
    let steps = 0;
    for (;;) {
      let left = 5 + steps * 30;
      const dying = (target) => {
        const step = (work) => async (...args) => {
          if ((left -= 1) < 0) throw new Error('killed');
          return work(...args);
        };
        return new Restoring(copy, { batch: step(target.batch), bound: step(target.bound) }, () => {}).run();
      };
      if (await intoFolder(path.join(folder, 'up/panel'), dying).then(() => true, (error) => assert.equal(error.message, 'killed'))) break;
      steps += 1;
      assert.deepEqual(await readdir(path.join(folder, 'up/panel')), ['secrets.json'], 'no panel starts on half of a database');
    }
    assert.ok(steps >= 2, `${steps} times`);
    const restored = await startPanel({ folder: path.join(folder, 'up/panel'), faults: true });
    try {
      const found = await dump(restored.db);
      assert.deepEqual(await triggers(restored.db), made);
      assert.deepEqual(found.history, kept.history);
      // What a restore changes on purpose, what starting a panel enters, and the job's own row.
      const others = ['meta', 'slots', 'roster_versions', 'api_keys', 'jobs', 'd1_migrations', 'backup_state'];
      for (const table of copy.manifest.tables.filter((name) => !others.includes(name))) assert.deepEqual(found[table], kept[table], table);
      assert.ok(found.meta.some((row) => row.includes('restored_at')));
      assert.equal((await restored.api('GET', '/health')).status, 200);
      assert.equal((await restored.api('GET', '/api/v1/users')).body.total, 20);
    } finally {
      await restored.stop();
    }
    await refused('restore.mjs', { LOCAL: folder, FROM: copy.folder }, /has a database: a backup is restored into an empty folder only/);
  });

  test('that is damaged, cut short or another checkout\'s is refused before anything is written', async () => {
    const [{ instant }] = await items(panel);
    const copy = await copyOf(instant, 'damaged');
    const target = path.join(home, 'empty');
    await mkdir(path.join(target, 'up/panel'), { recursive: true });
    const restore = (line, env = {}) => refused('restore.mjs', { LOCAL: target, FROM: copy.folder, ...env }, line);
    await restore(/secrets.json is missing, and the backup's users depend on its secrets/);
    await writeFile(path.join(target, 'up/panel/secrets.json'), JSON.stringify({ SLOT_KEY: 'another', AUTH_KEY: 'another' }));
    await restore(/(SLOT|AUTH)_KEY of .* is not the one that the backup's users depend on/);
    const without = { WITHOUT_SECRETS: '1' };
    const part = copy.manifest.parts.find(({ rows }) => rows > 10);
    const file = path.join(copy.folder, part.name);
    const whole = await readFile(file);
    const flipped = Buffer.from(whole);
    flipped[flipped.length >> 1] ^= 1;
    await writeFile(file, flipped);
    await restore(/is damaged: its SHA-256 is not the one of the manifest/, without);
    await writeFile(file, whole.subarray(0, whole.length - 5));
    await restore(/is damaged/, without);
    await rm(file);
    await restore(/cannot be read \(ENOENT\)/, without);
    await writeFile(file, whole);
    const manifest = path.join(copy.folder, 'manifest.json');
    const text = await readFile(manifest, 'utf8');
    const changed = (change) => writeFile(manifest, JSON.stringify({ ...copy.manifest, ...change }));
    await changed({ migrations: [...copy.manifest.migrations, '9999_later.sql'] });
    await restore(/the backup is newer than this checkout, which has no 9999_later.sql/, without);
    await changed({ format: 2 });
    await restore(/has the format 2, and this checkout reads 1/, without);
    await changed({ parts: [{ name: '../../x', rows: 1, bytes: 1, sha256: '' }] });
    await restore(/names a part "..\/..\/x"/, without);
    await rm(manifest);
    await restore(/holds no complete backup/, without);
    assert.deepEqual(await readdir(path.join(target, 'up/panel')), ['secrets.json']);
    await writeFile(manifest, text);
  });

  test('is kept as often as the settings say, and older ones go only when a newer one is complete', async () => {
    assert.equal((await panel.api('PUT', '/api/v1/settings/backup', { keep: 2 })).status, 200);
    const { instant: first } = await completed(panel);
    const { instant: second } = await completed(panel, {
      between: async () => {
        const found = await items(panel);
        assert.deepEqual(found.filter(({ complete }) => complete).map(({ instant }) => instant).slice(0, 1), [first]);
        assert.equal(found[0].complete, false);
        assert.equal((await panel.api('GET', `/api/v1/backups/${found[0].instant}`)).status, 404, 'it has no manifest yet');
      },
    });
    assert.deepEqual((await items(panel)).map(({ instant, complete }) => [instant, complete]), [[second, true], [first, true]]);
    const bucket = await panel.bucket();
    const keys = (await bucket.list()).objects.map(({ key }) => key.split('/')[1]);
    assert.deepEqual([...new Set(keys)].sort(), [String(first), String(second)]);
    for (const [body, field] of [[{ keep: 0 }, 'keep'], [{ hour: 24 }, 'hour'], [{ queries: 49 }, 'queries']]) {
      assertRefused(await panel.api('PUT', '/api/v1/settings/backup', body), 422, 'invalid', field);
    }
    assert.equal((await panel.api('PUT', '/api/v1/settings/backup', {})).status, 200);
  });

  test('is left alone by a second run for as long as the first one may go on', async () => {
    const before = await items(panel);
    assert.equal((await panel.api('POST', '/api/v1/backups')).status, 202);
    const hold = (until) => panel.db.prepare('UPDATE backup_state SET held_until = ?1').bind(until).run();
    await hold(Math.floor(Date.now() / 1000) + 600);
    assert.equal(await panel.cron('backup'), 'ok');
    assert.deepEqual(await items(panel), before);
    const { next_at: next } = await jobOf(panel);
    // Unless the day's own backup comes before.
    assert.ok(next > Date.now() / 1000 + 600 || next % 86_400 === 0, `${next}`);
    await hold(1);
    for (let run = 0; run < 6; run += 1) assert.equal(await panel.cron('backup'), 'ok');
    assert.ok((await items(panel))[0].instant > before[0].instant);
  });

  test('is begun anew when the schema has moved meanwhile', async () => {
    await fill(panel, 600, 60, 950_000);
    assert.equal((await panel.api('POST', '/api/v1/backups')).status, 202);
    assert.equal(await panel.cron('backup'), 'ok');
    const begun = (await panel.db.prepare('SELECT began_at FROM backup_state').first()).began_at;
    assert.ok(begun);
    // A backup is named by its second, and those of the tests before may have run ahead of the clock.
    while (Date.now() / 1000 <= begun + 1) await sleep(100);
    await panel.db.prepare("INSERT INTO d1_migrations (name) VALUES ('9999_test.sql')").run();
    for (let run = 0; run < 20; run += 1) assert.equal(await panel.cron('backup'), 'ok');
    await panel.db.prepare("DELETE FROM d1_migrations WHERE name = '9999_test.sql'").run();
    const [newest] = await items(panel);
    const state = await panel.db.prepare('SELECT * FROM backup_state').first();
    assert.ok(newest.complete && newest.instant > begun, JSON.stringify({ begun, newest, state, job: await jobOf(panel) }));
    assert.ok((await items(panel)).every(({ instant }) => instant !== begun), 'what was begun is gone');
  });

  test('that needs more queries at once than a run has fails with a sentence, and leaves the older ones', async () => {
    const before = await items(panel);
    // Users of a size that a run's queries cannot carry: 17 parts of usage.
    await panel.db.prepare(`INSERT INTO usage (user, entries) WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 300)
      SELECT 700000 + n, '"' || hex(zeroblob(25000)) || '"' FROM n`).run();
    assert.equal((await panel.api('POST', '/api/v1/backups')).status, 202);
    for (let run = 0; run < 12; run += 1) await panel.cron('backup');
    const { error, failures } = await jobOf(panel);
    assert.match(error, /^what must be of one moment needs \d+ queries and a run has 50: on the platform's paid plan, set `queries`/);
    assert.ok(failures > 0);
    assert.deepEqual((await items(panel)).filter(({ complete }) => complete), before);
    assert.equal((await panel.api('PUT', '/api/v1/settings/backup', { queries: 1000 })).status, 200);
    assert.equal(await panel.cron('backup'), 'ok');
    assert.ok((await items(panel))[0].complete);
    await panel.db.prepare('DELETE FROM usage WHERE user > 700000').run();
  });

  test('is for those who may see everything', async () => {
    const key = 'weir_few';
    await panel.db.prepare("INSERT INTO api_keys (hash, name, scopes, created_at) VALUES (?1, 'few', 'users:read users:write nodes:read nodes:write stats:read settings:read settings:write', 0)")
      .bind(sha256Hex(key)).run();
    const [{ instant }] = await items(panel);
    const { parts } = (await panel.api('GET', `/api/v1/backups/${instant}`)).body;
    for (const [method, where] of [['GET', ''], ['POST', ''], ['GET', `/${instant}`], ['GET', `/${instant}/${parts[0].name}`]]) {
      assertRefused(await panel.request(method, `/api/v1/backups${where}`, { key }), 403, 'forbidden');
      assertRefused(await panel.request(method, `/api/v1/backups${where}`), 401, 'unauthorized');
    }
    for (const where of ['/1', '/x', `/${instant}/nothing`, `/${instant}/..%2F..%2Fsecret`, `/${instant}/manifest.json`]) {
      assertRefused(await panel.api('GET', `/api/v1/backups${where}`), 404, 'not_found');
    }
  });
});

describe('without a bucket', { timeout }, () => {
  let panel;

  before(async () => {
    panel = await startPanel({ faults: true });
  });
  after(() => panel?.stop());

  test('the job says so in a sentence that is no error, and asks for nothing until tomorrow', async () => {
    assert.equal(await panel.cron('backup'), 'ok');
    const { note, error, failures, next_at: next } = await jobOf(panel);
    assert.match(note, /^no R2 bucket is bound as BACKUP: nothing is backed up/);
    assert.deepEqual([error, failures], [null, 0]);
    assert.ok(next > Date.now() / 1000);
    assertRefused(await panel.api('GET', '/api/v1/backups'), 503, 'unconfigured');
    assertRefused(await panel.api('POST', '/api/v1/backups'), 503, 'unconfigured');
  });
});

describe('the hour', { timeout }, () => {
  test('comes once a day, a missed one is caught up, and nothing comes when it is switched off', async () => {
    const panel = await startPanel({ bucket: true, faults: true });
    try {
      assert.equal(await panel.cron('backup'), 'ok');
      assert.equal((await items(panel)).length, 1, 'a new panel is backed up at once');
      assert.equal(await panel.cron('backup'), 'ok');
      assert.equal((await items(panel)).length, 1);
      await panel.setClock(3 * DAY);
      assert.equal(await panel.cron('backup'), 'ok');
      assert.equal((await items(panel)).length, 2, 'three missed ones are one');
      assert.equal((await panel.api('PUT', '/api/v1/settings/backup', { enabled: false })).status, 200);
      await panel.setClock(6 * DAY);
      assert.equal(await panel.cron('backup'), 'ok');
      assert.equal((await items(panel)).length, 2);
      assert.equal((await jobOf(panel)).note, 'is switched off in the settings');
    } finally {
      await panel.stop();
    }
  });
});

test('traffic runs through backup and restore: agents replay, totals are exact, nobody gets more than he bought or what is another\'s', { timeout }, async () => {
  const quota = 60 * MIB;
  const fleet = await startFleet({ nodes: 2, bucket: true, users: [{ name: 'anna', monthly_quota: quota }, { name: 'boris' }] });
  const login = path.join(fleet.folder, 'login.json');
  const proxies = fleet.nodes.map(({ proxy }) => proxy);
  try {
    const { nodes, panel } = fleet;
    await writeFile(login, JSON.stringify({ url: panel.url, api_key: panel.apiKey }));
    const cores = nodes.map(({ core }) => core);
    const slots = await fleet.slots();
    for (const core of cores) for (const slot of slots.values()) assert.ok(core.once(slot, 1000, 2000));
    await fleet.settled();
    await fill(panel, 500);

    // Traffic, and a user who comes, while the backup is made over several runs, and the Worker dies between two of them.
    const boris = cores.map((core) => core.flow(slots.get('boris'), { rate: MIB / 4 }));
    const { instant, runs } = await completed(panel, {
      between: async (run) => {
        if (run === 1) await fleet.api('POST', '/api/v1/users', { name: 'clara' });
        if (run === 2) await panel.restart({ force: true });
        for (const core of cores) core.once(slots.get('anna'), 1000, MIB / 4);
        await sleep(1_500);
      },
    });
    assert.ok(runs >= 3, `${runs} runs`);
    const folder = path.join(fleet.folder, 'copy');
    await succeeded('backup.mjs', { LOCAL: fleet.folder, TO: folder, INSTANT: String(instant) });

    // Since the backup: two users more, a part of the quota, and reports of both nodes.
    for (const name of ['dora', 'erik']) await fleet.api('POST', '/api/v1/users', { name });
    const all = await fleet.slots();
    slots.set('clara', all.get('clara'));
    const forgotten = ['dora', 'erik'].map((name) => all.get(name));
    for (const slot of forgotten) for (const core of cores) await until('the new users may pass', () => core.gates.get(slot));
    for (const core of cores) for (const slot of [...forgotten, slots.get('anna')]) assert.ok(core.once(slot, 500, 2 * MIB));
    await sleep(3_000);

    // The database is lost. Traffic goes on, and whom the nodes have opened passes.
    await panel.stop();
    await rm(path.join(panel.folder, 'v3/d1'), { recursive: true });
    for (const core of cores) core.once(slots.get('anna'), 700, MIB);
    const said = await succeeded('restore.mjs', { LOCAL: fleet.folder, FROM: folder });
    assert.match(said, /they are those of the backup/);
    for (const proxy of proxies) proxy.isolate();
    await panel.start();
    const granted = async () => (await panel.db.prepare("SELECT sum(lifetime) AS n FROM usage").first()).n;
    const old = await granted();
    assert.ok(await panel.db.prepare("SELECT 1 FROM meta WHERE name = 'restored_at'").first());
    assert.equal((await panel.db.prepare("SELECT count(*) AS n FROM slots WHERE gate = 'vacant'").first()).n, 0, 'nobody may get what somebody may have got');
    assert.equal(await panel.cron('pool'), 'ok');
    const rate = 2 * MIB;
    const anna = cores.map((core) => core.flow(slots.get('anna'), { rate }));
    for (const proxy of proxies) proxy.restore();
    await fleet.explained(until('nobody is waited for', async () => !(await panel.db.prepare("SELECT 1 FROM meta WHERE name = 'restored_at'").first())));
    assert.ok((await granted()) > old, 'reports were replayed');

    for (const name of ['fritz', 'gerda']) await fleet.api('POST', '/api/v1/users', { name });
    for (const [name, slot] of await fleet.slots()) assert.ok(!forgotten.includes(slot), `${name} has a slot of his own`);
    await fleet.explained(until('the quota is spent', () => anna.every(({ passes }) => !passes) && cores.every((core) => core.gates.get(slots.get('anna')) === false)));
    for (const flow of [...anna, ...boris]) flow.stop();
    const books = await fleet.settled();
    const used = sum(cores.map((core) => bytes(core.moved.get(slots.get('anna')))));
    assert.ok(used >= quota && used <= quota + nodes.length * FLOOR + nodes.length * rate * TICK, `${used} of ${quota}`);
    const history = await fleet.history();
    for (const [name, slot] of slots) {
      const moved = sum(cores.map((core) => bytes(core.moved.get(slot))));
      assert.equal(bytes(history.get(name)), moved, name);
      const { lifetime } = await panel.db.prepare('SELECT lifetime FROM usage WHERE user = (SELECT id FROM users WHERE name = ?1)').bind(name).first();
      assert.equal(lifetime, moved, name);
    }
    for (const [index, core] of cores.entries()) assert.equal(books[index].unknown, sum(forgotten.map((slot) => bytes(core.moved.get(slot)))));
  } finally {
    await fleet.stop();
  }
});
