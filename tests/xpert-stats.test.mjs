/** Figures about traffic through other people's servers: what they say, who may ask, what they cost. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { sha256Hex } from './support/panel-secrets.mjs';
import { startPanel } from './support/panel.mjs';
import { seedUsers } from './support/seed.mjs';
import { now } from './support/wire.mjs';
import { authKeyOf, BASE, reportOf, send, setSettings, tokenOf } from './support/xpert.mjs';

const GB = 2 ** 30;
const ORIGIN = 'https://dashboard.example';
const TODAY = () => Math.floor(now() / 86_400);

let panel;
let authKey;
let statsKey;

before(async () => {
  panel = await startPanel({
    vars: { XPERT_LIMIT_FACTOR: '1000', XPERT_ORIGINS: `http://other.example, ${ORIGIN}/`, XPERT_TRAFFIC_DB_PATH: 'data/traffic_stats.db' },
  });
  authKey = await authKeyOf(panel);
  statsKey = 'weir_stats';
  await panel.db.prepare("INSERT INTO api_keys (hash, name, scopes, created_at) VALUES (?1, 'stats', 'stats:read', 1)").bind(sha256Hex(statsKey)).run();
});
after(() => panel?.stop());

async function users(count) {
  return (await seedUsers(panel, count)).map((one) => ({ ...one, token: tokenOf(authKey, one) }));
}

/** Forget every report. */
const clear = () =>
  panel.db.batch(['xpert_fresh', 'xpert_days', 'xpert_totals', 'xpert_users', 'xpert_last_days'].map((table) => panel.db.prepare(`DELETE FROM ${table}`)));

/** Move what was reported so far into the past. */
async function age(days) {
  await panel.db.prepare('UPDATE xpert_fresh SET day = day - ?1, last_at = last_at - ?1 * 86400').bind(days).run();
}

/** Add up what was reported, as the job does. */
async function fold() {
  const { status, text } = await panel.api('POST', `${BASE}/traffic-stats/cleanup?days=3650`);
  assert.equal(status, 200, text);
}

const get = (where, key = statsKey) => panel.request('GET', BASE + where, { key });
const of = (one, query = '') => panel.request('GET', `${BASE}/traffic-stats/${one.token}${query}`);

function refused(answer, status, says) {
  assert.equal(answer.status, status, answer.text);
  assert.deepEqual(Object.keys(answer.body), ['detail']);
  assert.match(answer.body.detail, says);
}

test("a user's statistics name each server, in gigabytes with three places", async () => {
  await clear();
  const [one, other] = await users(2);
  const report = (fields) => send(panel, reportOf(one.token, fields));
  await report({ bytes_uploaded: GB, bytes_downloaded: 2 * GB });
  await report({ bytes_uploaded: GB / 2, bytes_downloaded: 0 });
  await report({ server: 'b.example', port: 8443, protocol: 'trojan', bytes_uploaded: 536_871, bytes_downloaded: 0 });
  await send(panel, reportOf(other.token, { bytes_uploaded: 7 * GB }));
  const { status, body } = await of(one);
  assert.equal(status, 200);
  const [first, second] = body.servers;
  assert.match(first.last_used, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/);
  assert.ok(Math.abs(Date.parse(`${first.last_used.replace(' ', 'T')}Z`) / 1000 - now()) < 60);
  assert.deepEqual(body, {
    user_token: one.token,
    total_gb_used: 3.501,
    period_days: 30,
    servers: [
      { server: 'vpn.example.com', port: 443, protocol: 'vless', upload_gb: 1.5, download_gb: 2, total_gb: 3.5, connections: 1, last_used: first.last_used },
      { server: 'b.example', port: 8443, protocol: 'trojan', upload_gb: 0.001, download_gb: 0, total_gb: 0.001, connections: 1, last_used: second.last_used },
    ],
  });
});

test('a window of n days is today and the n - 1 days before, folded or not', async () => {
  await clear();
  const [one] = await users(1);
  for (const days of [9, 2, 1, 1]) {
    await send(panel, reportOf(one.token, { bytes_uploaded: GB, bytes_downloaded: 0 }));
    await age(days);
    if (days === 9) await fold();
  }
  await send(panel, reportOf(one.token, { bytes_uploaded: GB, bytes_downloaded: 0 }));
  // 9 + 2 + 1 + 1 = 13 days back, folded before; 4, 2, 1 and 0 days back are fresh.
  const expected = [[1, 1], [2, 2], [3, 3], [4, 3], [5, 4], [9, 4], [10, 5], [3650, 5]];
  const windows = async () => {
    const seen = [];
    for (const [days] of expected) {
      const { body } = await of(one, `?days=${days}`);
      assert.equal(body.period_days, days);
      seen.push([days, body.total_gb_used]);
      assert.equal(body.servers[0].connections, body.total_gb_used, 'one row a day');
      const { body: all } = await get(`/traffic-stats/global?days=${days}`);
      assert.deepEqual([all.total_gb_used, all.total_connections, all.total_users], [body.total_gb_used, body.total_gb_used, 1]);
    }
    return seen;
  };
  assert.deepEqual(await windows(), expected);
  await fold();
  assert.deepEqual(await windows(), expected);
  await send(panel, reportOf(one.token, { bytes_uploaded: GB, bytes_downloaded: 0 }));
  const { body } = await of(one, '?days=1');
  assert.deepEqual([body.total_gb_used, body.servers[0].connections], [2, 1], "today's row is one, folded and fresh");
  assert.equal((await get('/traffic-stats/global?days=1')).body.total_connections, 1);
});

test('days outside 1 to 3650 are 422', async () => {
  const [one] = await users(1);
  for (const days of ['0', '-1', '3651', '1.5', 'x', '', '%2B7', '99999999999999999999']) {
    refused(await of(one, `?days=${days}`), 422, /^days: .*1 to 3650/);
    refused(await get(`/traffic-stats/global?days=${days}`), 422, /^days: /);
    refused(await get(`/marzban-traffic-stats?days=${days}`), 422, /^days: /);
    refused(await panel.api('POST', `${BASE}/traffic-stats/cleanup?days=${days}`), 422, /^days: /);
  }
});

test("a user's statistics need his token, and words in its place are none", async () => {
  const [one] = await users(1);
  const forged = one.token.slice(0, -1) + (one.token.endsWith('A') ? 'B' : 'A');
  for (const token of [forged, 'server', 'database', 'nobody', tokenOf(authKey, one, 2)]) {
    refused(await panel.request('GET', `${BASE}/traffic-stats/${token}`), 404, /not found/);
  }
  await panel.db.prepare("INSERT INTO aliases (alias, user, created_at) VALUES ('user@123', ?1, 1)").bind(one.id).run();
  await send(panel, reportOf('user@123', { bytes_uploaded: GB }));
  const { body } = await panel.request('GET', `${BASE}/traffic-stats/user%40123`);
  assert.deepEqual([body.user_token, body.total_gb_used], ['user@123', 1]);
});

test('a user who reported nothing has no server', async () => {
  const [one] = await users(1);
  assert.deepEqual((await of(one)).body, { user_token: one.token, total_gb_used: 0, period_days: 30, servers: [] });
});

test('the sums over all users are right while reports wait, after they were folded, and in between', async () => {
  await clear();
  const them = await users(5);
  const empty = { total_users: 0, total_servers: 0, total_gb_used: 0, total_connections: 0, total_protocols: 0, period_days: 30, top_servers: [] };
  assert.deepEqual((await get('/traffic-stats/global')).body, empty);
  for (const [index, one] of them.entries()) {
    for (let server = 0; server <= index * 3; server += 1) {
      await send(panel, reportOf(one.token, { server: `s${server}.example`, protocol: server % 2 ? 'trojan' : 'vless', bytes_uploaded: server * GB, bytes_downloaded: 0 }));
    }
  }
  const expected = { total_users: 5, total_servers: 13, total_gb_used: 0, total_connections: 1 + 4 + 7 + 10 + 13, total_protocols: 2, period_days: 30 };
  const bytes = new Map();
  for (const index of [0, 1, 2, 3, 4]) {
    for (let server = 0; server <= index * 3; server += 1) bytes.set(server, (bytes.get(server) ?? 0) + server);
  }
  expected.total_gb_used = [...bytes.values()].reduce((sum, one) => sum + one, 0);
  expected.top_servers = [...bytes].sort(([a, x], [b, y]) => y - x || (`s${a}` < `s${b}` ? -1 : 1)).slice(0, 10)
    .map(([server, total]) => ({ server: `s${server}.example`, port: 443, protocol: server % 2 ? 'trojan' : 'vless', total_gb: total }));
  assert.equal(expected.top_servers.length, 10);
  assert.deepEqual((await get('/traffic-stats/global')).body, expected);
  await fold();
  assert.deepEqual((await get('/traffic-stats/global')).body, expected);
  await send(panel, reportOf(them[0].token, { server: 's0.example', bytes_uploaded: 0, bytes_downloaded: GB }));
  const more = (await get('/traffic-stats/global')).body;
  assert.deepEqual([more.total_gb_used, more.total_connections, more.total_users], [expected.total_gb_used + 1, expected.total_connections, 5]);
  assert.deepEqual((await get('/marzban-traffic-stats?days=7')).body, {
    users_traffic: {
      total_users: 5, total_servers: 13, total_gb_used: expected.total_gb_used + 1, total_connections: expected.total_connections, total_protocols: 2,
      period_days: 7, external_servers: true, integration_type: 'xpert_panel', data_source: 'traffic_monitoring_system',
    },
  });
});

test('cleanup deletes older days and says how many rows, and the sums follow', async () => {
  await clear();
  const [one, two] = await users(2);
  for (const [who, days] of [[one, 40], [two, 0], [one, 5], [two, 0]]) {
    await send(panel, reportOf(who.token, { server: `s${days}.example`, bytes_uploaded: GB, bytes_downloaded: 0 }));
    await age(days);
  }
  const cleanup = (query) => panel.api('POST', `${BASE}/traffic-stats/cleanup${query}`);
  const all = async () => {
    const { body } = await get('/traffic-stats/global?days=3650');
    return [body.total_gb_used, body.total_connections, body.total_users, body.total_servers];
  };
  // 45 days back: one and two; 5 back: one; today: two.
  assert.deepEqual(await all(), [4, 4, 2, 3]);
  refused(await cleanup(''), 422, /^days: /);
  assert.deepEqual((await cleanup('?days=46')).body, { status: 'success', deleted_rows: 0, cleanup_days: 46 });
  assert.deepEqual((await cleanup('?days=45')).body, { status: 'success', deleted_rows: 1, cleanup_days: 45 });
  await setSettings(panel, { retention_days: 5 });
  const { body } = await cleanup('');
  await setSettings(panel, {});
  assert.equal(body.cleanup_days, 5);
  const [, connections] = await all();
  assert.equal(4 - 1 - body.deleted_rows, connections);
  assert.deepEqual((await cleanup('?days=1')).body.status, 'success');
  assert.deepEqual(await all(), [1, 1, 1, 1]);
  assert.equal((await of(two)).body.total_gb_used, 1);
  assert.equal((await of(one)).body.total_gb_used, 0);
});

test('a cleanup of more rows than one statement deletes goes to its end', async () => {
  await clear();
  const [one] = await users(1);
  const rows = JSON.stringify(Array.from({ length: 12_000 }, (_, index) => [TODAY() - 1 - (index % 300), `s${index}.example`]));
  await panel.db.batch([
    panel.db.prepare(`INSERT INTO xpert_days SELECT ?2, value ->> 0, value ->> 1, 443, 'vless', 1, 1, 0, 0, 1 FROM json_each(?1)`).bind(rows, one.id),
    panel.db.prepare('INSERT INTO xpert_users VALUES (?1, ?2)').bind(one.id, TODAY() - 1),
  ]);
  const { body, cost } = await panel.api('POST', `${BASE}/traffic-stats/cleanup?days=1`);
  assert.equal(body.deleted_rows, 12_000);
  assert.ok(cost.queries < 50, JSON.stringify(cost));
});

test('the database is described', async () => {
  await clear();
  const [one, two] = await users(2);
  await send(panel, reportOf(one.token));
  await fold();
  await send(panel, reportOf(one.token));
  await send(panel, reportOf(two.token, { server: 'b.example' }));
  const { status, body } = await get('/traffic-stats/database/info');
  assert.equal(status, 200);
  assert.ok(body.database_size_mb > 0.05 && body.database_size_mb < 100, `${body.database_size_mb}`);
  assert.deepEqual(body, {
    database_path: 'd1:weir', total_records: 2, unique_users: 2, unique_servers: 2, database_size_mb: body.database_size_mb, retention_days: 0,
  });
});

test('without an operator sums, cleanup and info are 401; an API key needs the scope', async () => {
  for (const [method, where] of [['GET', '/traffic-stats/global'], ['GET', '/marzban-traffic-stats'], ['GET', '/traffic-stats/database/info'],
    ['POST', '/traffic-stats/cleanup?days=3650'], ['GET', '/settings'], ['PUT', '/settings']]) {
    for (const key of [undefined, 'weir_wrong', 'x.y.z']) refused(await panel.request(method, BASE + where, { key }), 401, /credential/);
    const right = method === 'GET' && where !== '/settings' ? statsKey : panel.apiKey;
    const body = method === 'PUT' ? '{}' : undefined;
    assert.equal((await panel.request(method, BASE + where, { key: right, body })).status, 200, where);
  }
  refused(await panel.request('POST', `${BASE}/traffic-stats/cleanup?days=3650`, { key: statsKey }), 403, /nodes:write/);
});

test('a session reads sums, and changes something only from our own page', async () => {
  const form = new URLSearchParams({ name: panel.operator.username, password: panel.operator.password }).toString();
  const headers = { 'content-type': 'application/x-www-form-urlencoded', origin: panel.url };
  const signedIn = await panel.request('POST', '/login', { body: form, headers });
  const cookie = signedIn.headers.get('set-cookie').split(';')[0];
  assert.equal((await panel.request('GET', `${BASE}/marzban-traffic-stats`, { headers: { cookie } })).status, 200);
  const cleanup = (origin) => panel.request('POST', `${BASE}/traffic-stats/cleanup?days=3650`, { headers: { cookie, ...origin } });
  assert.equal((await cleanup({})).status, 403);
  assert.equal((await cleanup({ origin: ORIGIN })).status, 403);
  assert.equal((await cleanup({ origin: panel.url })).status, 200);
});

test('a listed origin may ask and read, any other gets no CORS header', async () => {
  const ask = (method, origin, key) => panel.request(method, `${BASE}/marzban-traffic-stats`, { key, headers: { origin } });
  for (const origin of [ORIGIN, 'http://other.example']) {
    const { status, text, headers } = await ask('OPTIONS', origin);
    assert.deepEqual([status, text], [204, '']);
    assert.equal(headers.get('access-control-allow-origin'), origin);
    assert.equal(headers.get('access-control-allow-headers'), 'Authorization, Content-Type, Idempotency-Key');
    assert.equal(headers.get('access-control-expose-headers'), 'Traffic-Webhook, User-Token, Subscription-Userinfo');
    assert.equal(headers.get('access-control-allow-credentials'), null);
    const answer = await ask('GET', origin, statsKey);
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get('access-control-allow-origin'), origin);
    assert.match(answer.headers.get('vary'), /Origin/);
    const refusal = await ask('GET', origin);
    assert.equal(refusal.status, 401);
    assert.equal(refusal.headers.get('access-control-allow-origin'), origin, 'so that the page can read why');
  }
  for (const origin of ['https://evil.example', 'null', 'https://dashboard.example.evil.example', 'http://dashboard.example']) {
    for (const method of ['OPTIONS', 'GET']) {
      const { headers } = await ask(method, origin, statsKey);
      assert.deepEqual([...headers.keys()].filter((name) => name.startsWith('access-control')), [], origin);
    }
  }
});

test('settings of the panel outrank the variables, and what breaks a rule is named', async () => {
  const shown = await panel.api('GET', `${BASE}/settings`);
  assert.deepEqual(shown.body, {
    settings: {
      tracking_enabled: true, retention_days: 0, fetch_log_days: 30, domain: '', title: 'Xpert Panel', direct_title: 'Xpert Direct', quota_counting: 'none',
    },
    set_here: {},
    notes: ['XPERT_TRAFFIC_DB_PATH is ignored: reports are stored in D1'],
  });
  const { status, body } = await panel.api('PUT', `${BASE}/settings`, { retention_days: 90, tracking_enabled: false });
  assert.equal(status, 200);
  assert.deepEqual([body.settings.retention_days, body.settings.tracking_enabled, body.set_here], [90, false, { retention_days: 90, tracking_enabled: false }]);
  for (const [bad, field] of [[{ retention_days: -1 }, 'retention_days'], [{ retention_days: 3651 }, 'retention_days'], [{ domain: 'a b' }, 'domain'],
    [{ quota_counting: 'some' }, 'quota_counting'], [{ path: 'x' }, 'path']]) {
    refused(await panel.api('PUT', `${BASE}/settings`, bad), 422, new RegExp(`^${field}: `));
  }
  assert.equal((await panel.api('PUT', `${BASE}/settings`, {})).body.settings.tracking_enabled, true);
});

test("variables set what the panel's settings do not", async () => {
  const other = await startPanel({
    vars: { XPERT_TRAFFIC_TRACKING_ENABLED: 'False', XPERT_TRAFFIC_RETENTION_DAYS: '7', XPERT_DOMAIN: 'vpn.example.com', XPERT_TITLE: 'My list' },
  });
  try {
    const { body } = await other.api('GET', `${BASE}/settings`);
    const { tracking_enabled: tracking, retention_days: days, domain, title } = body.settings;
    assert.deepEqual([tracking, days, domain, title], [false, 7, 'vpn.example.com', 'My list']);
    const [one] = await seedUsers(other, 1);
    const answer = await send(other, reportOf(tokenOf(await authKeyOf(other), one)));
    assert.deepEqual(answer.body, { status: 'disabled', message: 'Traffic tracking is disabled' });
    assert.equal((await other.api('POST', `${BASE}/traffic-stats/cleanup`)).body.cleanup_days, 7);
  } finally {
    await other.stop();
  }
});

test("a user's statistics read his rows of the window, and the sums read no row per user", async (t) => {
  await clear();
  const DAYS = 20;
  const SERVERS = 5;
  const them = await users(200);
  const rows = JSON.stringify(them.flatMap(({ id }) => Array.from({ length: DAYS * SERVERS }, (_, index) => [id, TODAY() - (index % DAYS), `s${Math.floor(index / DAYS)}.example`])));
  await panel.db.prepare(`INSERT INTO xpert_fresh SELECT value ->> 0, value ->> 1, value ->> 2, 443, 'vless', 1, 1, 0, 0, 1 FROM json_each(?1)`).bind(rows).run();
  await fold();
  const user = await of(them[7], `?days=${DAYS}`);
  t.diagnostic(`of a user: ${JSON.stringify(user.cost)}`);
  assert.equal(user.body.servers.length, SERVERS);
  assert.ok(user.cost.read <= DAYS * SERVERS + 4, `${user.cost.read} rows read`);
  const week = await of(them[7], '?days=7');
  assert.ok(week.cost.read <= 7 * SERVERS + 4, `${week.cost.read} rows read`);
  for (const where of ['/traffic-stats/global', '/marzban-traffic-stats']) {
    const { body, cost } = await get(`${where}?days=${DAYS}`);
    t.diagnostic(`${where}: ${JSON.stringify(cost)}`);
    assert.equal((body.users_traffic ?? body).total_connections, 200 * DAYS * SERVERS);
    // Servers by day, some of them again when they are grouped and sorted, the days, the API key. The users' rows are 200 times as many.
    assert.ok(cost.read <= 3 * DAYS * SERVERS + DAYS + 1, `${cost.read} rows read`);
  }
});
