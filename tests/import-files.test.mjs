/** Coming from a 3x-ui, and from a home-made database: from a file that the test makes, into the real Worker, compared field by field. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, test } from 'node:test';

import { startPanel } from './support/panel.mjs';
import { now } from './support/wire.mjs';
import { weirTool } from './support/weir-tool.mjs';

const GIB = 1024 ** 3;
const DAY = 86_400;
const UUID = (digit) => `${String(digit).repeat(8)}-2222-4333-8444-555555555555`;
const KEY = Buffer.alloc(32, 7).toString('base64');

let panel;

before(async () => {
  panel = await startPanel();
});
after(() => panel?.stop());

/** @returns {string} the path of a new database */
function database(name, fill) {
  const file = path.join(panel.folder, name);
  const made = new DatabaseSync(file);
  fill(made);
  made.close();
  return file;
}

const run = (from, file, ...more) => weirTool(['import', from, '--file', file, '--to', panel.url, ...more], { WEIR_KEY: panel.apiKey });
const here = async (name) => (await panel.api('GET', `/api/v1/users/${encodeURIComponent(name)}`)).body;
const secrets = async (name) => (await panel.api('GET', `/api/v1/users/${encodeURIComponent(name)}/credentials`)).body;
const only = (object, wanted) => Object.fromEntries(Object.keys(wanted).map((field) => [field, object[field]]));

/** The tables of a 3x-ui, as far as users go. */
const XUI_TABLES = `CREATE TABLE inbounds (id INTEGER PRIMARY KEY, user_id INTEGER, up INTEGER, down INTEGER, total INTEGER, remark TEXT, enable NUMERIC,
    expiry_time INTEGER, listen TEXT, port INTEGER, protocol TEXT, settings TEXT, stream_settings TEXT, tag TEXT UNIQUE, sniffing TEXT);
  CREATE TABLE client_traffics (id INTEGER PRIMARY KEY, inbound_id INTEGER, enable NUMERIC, email TEXT UNIQUE, up INTEGER, down INTEGER,
    expiry_time INTEGER, total INTEGER, reset INTEGER, all_time INTEGER);
  CREATE TABLE settings (id INTEGER PRIMARY KEY, key TEXT, value TEXT);`;

/** Clients of all kinds. */
function xui(end) {
  return database('x-ui.db', (db) => {
    db.exec(XUI_TABLES);
    const inbound = db.prepare("INSERT INTO inbounds (id, port, protocol, remark, settings, tag, enable) VALUES (?, ?, ?, ?, ?, ?, 1)");
    const clients = (list, more = {}) => JSON.stringify({ clients: list, ...more });
    const client = (email, fields) => ({ email, enable: true, totalGB: 0, expiryTime: 0, limitIp: 0, subId: '', reset: 0, tgId: '', comment: '', ...fields });
    inbound.run(1, 443, 'vless', 'main', clients([
      client('ann', { id: UUID(1).toUpperCase(), flow: 'xtls-rprx-vision', totalGB: 50 * GIB, expiryTime: end * 1_000, limitIp: 2, subId: 'sub-ann', comment: 'paid ✓' }),
      client('bob', { id: UUID(2), expiryTime: -30 * DAY * 1_000 }),
      client('x y ü', { id: UUID(3), enable: false }),
      client('renewed', { id: UUID(4), reset: 30 }),
      client('twin', { id: UUID(2) }),
    ]), 'in-443');
    inbound.run(2, 8443, 'trojan', 'second', clients([client('ann-trojan', { password: 'of ann', totalGB: 50 * GIB, expiryTime: end * 1_000, limitIp: 3, subId: 'sub-ann', comment: 'paid ✓' })]), 'in-8443');
    inbound.run(3, 9443, 'shadowsocks', '', clients([client('ss-new', { password: KEY })], { method: '2022-blake3-aes-256-gcm', password: KEY }), 'in-9443');
    inbound.run(4, 9444, 'shadowsocks', '', clients([client('ss-old', { password: 'old word', method: 'aes-256-gcm' })], { method: 'aes-256-gcm' }), 'in-9444');
    inbound.run(5, 51820, 'wireguard', 'wg', JSON.stringify({ peers: [] }), 'in-51820');
    inbound.run(6, 1, 'vmess', 'broken', 'not JSON', 'in-1');
    const traffic = db.prepare('INSERT INTO client_traffics (email, up, down, enable) VALUES (?, ?, ?, 1)');
    for (const [email, up, down] of [['ann', 3 * GIB, 4 * GIB], ['ann-trojan', 1, 2], ['bob', 0, 0], ['x y ü', 5, 6]]) traffic.run(email, up, down);
  });
}

test('the clients of a 3x-ui come over, those of one subscription as one user', async () => {
  const end = now() + 20 * DAY;
  const file = xui(end);
  const dry = await run('3x-ui', file);
  assert.equal(dry.report.counts.created, 7, dry.out + dry.err);
  assert.equal((await panel.api('GET', '/api/v1/users')).body.total, 0);
  const { report, code, out } = await run('3x-ui', file, '--apply');
  assert.deepEqual([report.counts.found, report.counts.created, report.counts.failed, code], [7, 7, 0, 2], out);

  const ann = { status: 'active', note: 'paid ✓', monthly_quota: 50 * GIB, reset_strategy: 'no_reset', expires_at: end, device_limit: 2, monthly_used: 7 * GIB + 3, total_used: 7 * GIB + 3 };
  assert.deepEqual(only(await here('ann'), ann), ann);
  assert.deepEqual(only(await secrets('ann'), { vless_uuid: 1, trojan_password: 1, by_hand: 1 }), { vless_uuid: UUID(1), trojan_password: 'of ann', by_hand: ['vless_uuid', 'trojan_password'] });
  assert.deepEqual(only(await here('bob'), { status: 1, hold_seconds: 1, expires_at: 1 }), { status: 'on_hold', hold_seconds: 30 * DAY, expires_at: null });
  assert.deepEqual(only(await here('x_y__'), { status: 1, reason: 1, monthly_used: 1 }), { status: 'disabled', reason: 'person', monthly_used: 11 });
  const link = await panel.request('GET', '/sub/sub-ann/info');
  assert.deepEqual([link.status, link.body?.username], [200, 'ann'], 'his old link opens his list');
  assert.equal((await secrets('ss-new')).shadowsocks_key_32, KEY);
  assert.equal((await secrets('ss-old')).shadowsocks_password, 'old word');

  assert.deepEqual(report.lost.map(({ name, field }) => `${name} ${field}`).sort(), ['ann device_limit', 'renewed reset', 'twin credentials.vless_uuid', 'x_y__ name']);
  for (const pattern of [/wireguard on port 51820/, /vmess on port 1 \("broken"\) has settings that cannot be read/]) assert.ok(report.todo.some((line) => pattern.test(line)), String(pattern));
});

test('a run that was cut off before a link is taken up by the next', async () => {
  assert.equal((await panel.api('DELETE', '/api/v1/users/ann/aliases')).status, 204);
  const file = path.join(panel.folder, 'x-ui.db');
  const dry = await run('3x-ui', file);
  assert.deepEqual(dry.report.differing, [{ name: 'ann', fields: [{ field: 'alias', old: '(secret)', here: null }], overwritten: ['alias'] }]);
  assert.equal((await panel.request('GET', '/sub/sub-ann/info')).status, 404);
  await run('3x-ui', file, '--apply');
  assert.equal((await panel.request('GET', '/sub/sub-ann/info')).status, 200);
  // Somebody else has it meanwhile: it is told, and everything else goes on.
  await panel.api('DELETE', '/api/v1/users/ann/aliases');
  await panel.api('POST', '/api/v1/users/bob/aliases', { alias: 'sub-ann' });
  const { report } = await run('3x-ui', file, '--apply');
  assert.deepEqual(report.lost.filter(({ field }) => field === 'alias').map(({ name, why }) => [name, why]), [['ann', "the alias is another user's"]]);
  assert.deepEqual(report.differing.map(({ name, overwritten }) => [name, overwritten]), [['ann', []]]);
  await panel.api('DELETE', '/api/v1/users/bob/aliases');
  await panel.api('POST', '/api/v1/users/ann/aliases', { alias: 'sub-ann' });
});

test('a second run from the same file changes nothing', async () => {
  const { report, out } = await run('3x-ui', path.join(panel.folder, 'x-ui.db'), '--apply');
  assert.deepEqual([report.counts.unchanged, report.counts.created, report.counts.differing], [7, 0, 0], out);
  assert.match(out, /nothing had to be changed/);
});

test('a client of several inbounds of a 3x-ui has used once what its one row says', async () => {
  const file = database('attached.db', (db) => {
    db.exec(XUI_TABLES);
    const inbound = db.prepare('INSERT INTO inbounds (id, port, protocol, remark, settings, tag, enable) VALUES (?, ?, ?, ?, ?, ?, 1)');
    const client = (fields) => ({ enable: true, totalGB: 9 * GIB, expiryTime: 0, limitIp: 0, subId: 'sub-max', reset: 0, comment: '', ...fields });
    const inbounds = [
      ['vless', [{ email: 'Max', id: UUID(7) }]],
      ['trojan', [{ email: 'Max', password: 'of max' }, { email: 'max-2', password: 'of max' }]],
      ['vmess', [{ email: 'mAX', id: UUID(8) }]],
    ];
    for (const [index, [protocol, list]] of inbounds.entries()) inbound.run(index + 1, 1_000 + index, protocol, '', JSON.stringify({ clients: list.map(client) }), `in-${index}`);
    const traffic = db.prepare('INSERT INTO client_traffics (inbound_id, email, up, down, all_time, enable) VALUES (?, ?, ?, ?, ?, 1)');
    for (const row of [[1, 'Max', GIB, 2 * GIB, 5 * GIB], [2, 'max-2', 1, 2, 4]]) traffic.run(...row);
  });
  const { report, out } = await run('3x-ui', file, '--apply');
  assert.deepEqual([report.counts.created, report.lost, report.failed], [1, [], []], out);
  const max = { monthly_quota: 9 * GIB, monthly_used: 3 * GIB + 3, total_used: 5 * GIB + 4 };
  assert.deepEqual(only(await here('Max'), max), max);
  assert.deepEqual((await secrets('Max')).by_hand, ['vless_uuid', 'vmess_uuid', 'trojan_password']);
  assert.equal((await run('3x-ui', file, '--apply')).report.counts.unchanged, 1);
});

/** A database as people make one beside a script. */
function homeMade(name, today) {
  const month = today.toISOString().slice(0, 7);
  const before = new Date(Date.UTC(today.getUTCFullYear(), today.getUTCMonth() - 1, 15)).toISOString().slice(0, 7);
  return database(name, (db) => {
    db.exec(`CREATE TABLE users (id INTEGER PRIMARY KEY, username TEXT, password TEXT, email TEXT, created_at TEXT, status TEXT, monthly_quota REAL,
        total_quota REAL, reset_day INTEGER, favourite TEXT);
      CREATE TABLE monthly_stats (id INTEGER PRIMARY KEY, user_id INTEGER, month TEXT, upload INTEGER, download INTEGER);
      CREATE TABLE traffic_logs (id INTEGER PRIMARY KEY, username TEXT, timestamp TEXT, bytes INTEGER);`);
    const user = db.prepare('INSERT INTO users (id, username, password, email, created_at, status, monthly_quota, total_quota, reset_day) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)');
    user.run(1, 'carl', 'carls word', 'carl@example.org', '2025-03-04 05:06:07', 'active', 100, 0, 1);
    user.run(2, 'dora', 'doras word', null, '2025-03-04', 'disabled', 0.5, 1000, null);
    user.run(3, 'emil', 'emils word', null, '1741064767', 'active', 10, 0, 1);
    const stats = db.prepare('INSERT INTO monthly_stats (user_id, month, upload, download) VALUES (?, ?, ?, ?)');
    for (const row of [[1, month, 10, 20], [1, before, 300, 400], [3, month, 10 * GIB, 1]]) stats.run(...row);
    const log = db.prepare('INSERT INTO traffic_logs (username, timestamp, bytes) VALUES (?, ?, ?)');
    for (const [name, at, bytes] of [['dora', `${month}-01 00:00:00`, 7], ['dora', `${before}-10 00:00:00`, 5]]) log.run(name, at, bytes);
  });
}

test('the users of a home-made database come over with what they have used, this month and ever', async () => {
  const file = homeMade('old.db', new Date());
  const { report, code, out } = await run('sqlite', file, '--apply');
  assert.deepEqual([report.counts.found, report.counts.created, report.counts.lost, report.counts.failed, code], [3, 3, 0, 0, 0], out);
  const users = {
    carl: { status: 'active', email: 'carl@example.org', monthly_quota: 100 * GIB, total_quota: 0, reset_strategy: 'calendar_month', reset_day: 1, monthly_used: 30, total_used: 730, created_at: 1_741_064_767 },
    dora: { status: 'disabled', email: null, monthly_quota: GIB / 2, total_quota: 1_000 * GIB, reset_day: 1, monthly_used: 7, total_used: 12, created_at: 1_741_046_400 },
    emil: { status: 'limited', reason: 'month', monthly_used: 10 * GIB + 1, total_used: 10 * GIB + 1, created_at: 1_741_064_767 },
  };
  for (const [name, wanted] of Object.entries(users)) {
    assert.deepEqual(only(await here(name), wanted), wanted, name);
    assert.equal((await secrets(name)).trojan_password, `${name}s word`);
  }
  assert.ok(report.todo.includes('the column users.favourite was not read'));
  assert.equal((await run('sqlite', file, '--apply')).report.counts.unchanged, 3);
});

test('quotas in bytes are said so', async () => {
  const file = database('bytes.db', (db) => {
    db.exec("CREATE TABLE users (name TEXT, quota INTEGER, reset_day INTEGER); INSERT INTO users VALUES ('in-bytes', 12345, 31)");
    db.exec("CREATE TABLE monthly_stats (name TEXT, month TEXT, total INTEGER); INSERT INTO monthly_stats VALUES ('in-bytes', strftime('%Y-%m'), 99)");
  });
  const { report } = await run('sqlite', file, '--apply', '--quotas', 'bytes');
  const user = await here('in-bytes');
  assert.deepEqual([user.monthly_quota, user.reset_day, user.monthly_used], [12_345, 31, 99]);
  assert.deepEqual(report.lost.map(({ field }) => field), ['monthly_used'], 'a month is not his period');
  assert.ok(report.todo.some((line) => /no table traffic_logs/.test(line)));
});

test('a file that is none of these is one sentence, and nothing is changed', async () => {
  const { total } = (await panel.api('GET', '/api/v1/users?limit=1')).body;
  const text = path.join(panel.folder, 'notes.txt');
  await writeFile(text, 'no database at all, but long enough to have a header of some kind and then some more of it');
  const empty = database('empty.db', (db) => db.exec('CREATE TABLE things (x)'));
  for (const [from, file, pattern] of [
    ['3x-ui', '/nowhere.db', /is missing/],
    ['3x-ui', text, /no SQLite database/],
    ['3x-ui', empty, /has no table inbounds, client_traffics/],
    ['sqlite', empty, /has no table users/],
  ]) {
    const { code, err } = await run(from, file, '--apply');
    assert.equal(code, 1, err);
    assert.match(err, pattern);
  }
  assert.equal((await panel.api('GET', '/api/v1/users?limit=1')).body.total, total);
});
