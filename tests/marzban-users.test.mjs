/** One user by Marzban's API, on the real Worker: every route, the statuses and sentences that clients compare, and each role. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { callers, NOT_ALLOWED, ok, refused, refusedFor, tokensOf } from './support/marzban.mjs';
import { startPanel } from './support/panel.mjs';
import { seedAgent } from './support/seed.mjs';

const UUID = '11111111-2222-4333-8444-555555555555';
const GIB = 1024 ** 3;
const seconds = () => Math.floor(Date.now() / 1_000);

let panel;
let tokens;

const { by, sudo, plain, make } = callers(() => ({ panel, tokens }));

before(async () => {
  panel = await startPanel();
  tokens = await tokensOf(panel);
});
after(() => panel?.stop());

test('while no inbound is known a user is made with any of the four protocols, and every default is as Marzban has it', async () => {
  const proxies = { vmess: {}, vless: { flow: 'xtls-rprx-vision' }, trojan: null, shadowsocks: { method: 'aes-256-gcm' } };
  const user = await make('Default', { proxies });
  const { proxies: shown, links, subscription_url: url, created_at: created, ...rest } = user;
  assert.deepEqual(rest, {
    username: 'Default', status: 'active', expire: null, data_limit: null, data_limit_reset_strategy: 'no_reset',
    inbounds: { vmess: [], vless: [], trojan: [], shadowsocks: [] }, excluded_inbounds: { vmess: [], vless: [], trojan: [], shadowsocks: [] },
    note: null, sub_updated_at: null, sub_last_user_agent: null, online_at: null, on_hold_expire_duration: null, on_hold_timeout: null,
    auto_delete_in_days: null, next_plan: null, used_traffic: 0, lifetime_used_traffic: 0, admin: null,
  });
  assert.match(created, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$/, 'without an offset');
  assert.ok(url.startsWith(`${panel.url}/sub/`), url);
  assert.deepEqual(links, []);
  assert.match(shown.vmess.id, /^[0-9a-f-]{36}$/);
  assert.deepEqual([shown.vless.flow, shown.trojan.flow, shown.shadowsocks.method], ['xtls-rprx-vision', '', 'aes-256-gcm']);
  assert.ok(shown.trojan.password.length >= 16 && shown.shadowsocks.password.length >= 16);
  assert.deepEqual(await ok(sudo('GET', '/api/user/dEFAULT')), user, 'a name is the same without case');
});

test('who fetches his subscription is shown with when and with which client, as far as the log tells', async () => {
  const { subscription_url: url } = await make('fetcher');
  assert.equal((await panel.request('GET', new URL(url).pathname, { headers: { 'user-agent': 'v2rayNG/1.9.5' } })).status, 200);
  const shown = await ok(sudo('GET', '/api/user/fetcher'));
  assert.equal(shown.sub_last_user_agent, 'v2rayng');
  assert.match(shown.sub_updated_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$/);
  assert.ok(Math.abs(Date.parse(`${shown.sub_updated_at}Z`) / 1_000 - seconds()) < 60);
  const { users } = await ok(sudo('GET', '/api/users?username=fetcher'));
  assert.deepEqual(users, [shown]);
  const info = async () => (await panel.request('GET', `${new URL(url).pathname}/info`)).body;
  assert.deepEqual([(await info()).sub_updated_at, (await info()).sub_last_user_agent], [shown.sub_updated_at, 'v2rayng'], 'he is told the same');
  await panel.db.prepare('UPDATE fetch_log SET day = day - 8, hour = hour - 8 * 86400').run();
  assert.deepEqual([(await ok(sudo('GET', '/api/user/fetcher'))).sub_updated_at, (await info()).sub_updated_at], [null, null], 'a week ago');
  await ok(sudo('DELETE', '/api/user/fetcher'));
});

test('what is sent back as it was read changes nothing, and credentials that are given are taken over', async () => {
  const user = await ok(sudo('GET', '/api/user/default'));
  const slot = async () => (await panel.db.prepare("SELECT slot FROM users WHERE name = 'Default'").first()).slot;
  const before = await slot();
  assert.deepEqual(await ok(sudo('PUT', '/api/user/default', user)), user);
  assert.equal(await slot(), before);
  const given = { proxies: { vless: { id: UUID.toUpperCase() }, trojan: { password: 'of the old panel' } } };
  const changed = await ok(sudo('PUT', '/api/user/default', given));
  assert.deepEqual(changed.proxies, {
    vless: { id: UUID, flow: 'xtls-rprx-vision' }, trojan: { password: 'of the old panel', flow: '' },
  }, 'protocols that are not listed are gone');
  assert.equal(changed.subscription_url, user.subscription_url, 'his link stays');
  assert.notEqual(await slot(), before);
  const again = await ok(sudo('PUT', '/api/user/default', { proxies: { ...changed.proxies, vmess: {} } }));
  assert.equal(again.proxies.vmess.id, user.proxies.vmess.id, 'what was not said stays as it was');
  assert.deepEqual(await ok(sudo('PUT', '/api/user/default', { proxies: {} })), again, 'no proxies at all are unchanged ones');
  assert.match(JSON.stringify(await refused(sudo('POST', '/api/user', { username: 'second', ...given }), 409)), /vless_uuid: another user has the same/);
});

test('a name keeps Marzban’s rule and is nobody else’s, whatever its case', async () => {
  const create = (username) => sudo('POST', '/api/user', { username, proxies: { vless: {} } });
  const sentence = 'Value error, Username only can be 3 to 32 characters and contain a-z, 0-9, and underscores in between.';
  for (const name of ['', 'ab', 'a-b', '.abc', 'with space', 'ümlaut', 'x'.repeat(33)]) {
    assert.equal(await refusedFor(create(name), 'username'), sentence, name);
  }
  assert.equal(await refusedFor(sudo('POST', '/api/user', { proxies: { vless: {} } }), 'username'), 'Field required');
  await refusedFor(create(7), 'username');
  await make('ann@example.org');
  await refused(create('ANN@example.org'), 409, 'User already exists');
});

test('a rule that is broken is told by its field, and nobody is made', async () => {
  const create = (more) => sudo('POST', '/api/user', { username: 'never', proxies: { vless: {} }, ...more });
  const cases = {
    status: [{ status: 'disabled' }, { status: 7 }, { status: 'on_hold' }, { status: 'on_hold', on_hold_expire_duration: 0 }, { status: 'on_hold', on_hold_expire_duration: 60, expire: seconds() }],
    data_limit: [{ data_limit: '5' }, { data_limit: -1 }, { data_limit: 2 ** 53 }, { data_limit: [] }],
    expire: [{ expire: 'tomorrow' }, { expire: 1.5 }, { expire: -1 }],
    data_limit_reset_strategy: [{ data_limit_reset_strategy: 'hour' }],
    note: [{ note: 'x'.repeat(501) }, { note: 7 }],
    on_hold_timeout: [{ on_hold_timeout: 'soon' }],
    on_hold_expire_duration: [{ on_hold_expire_duration: -5 }],
    auto_delete_in_days: [{ auto_delete_in_days: 'x' }, { auto_delete_in_days: 1e6 }],
    next_plan: [{ next_plan: 'more' }],
    fire_on_either: [{ next_plan: { fire_on_either: 'yes' } }],
    proxies: [{ proxies: {} }, { proxies: null }, { proxies: [] }],
    hysteria: [{ proxies: { hysteria: {} } }],
    vless: [{ proxies: { vless: 'x' } }],
    id: [{ proxies: { vless: { id: 'x' } } }],
    flow: [{ proxies: { vless: { flow: 'xtls-rprx-direct' } } }],
    method: [{ proxies: { shadowsocks: { method: 'rc4' } } }],
    password: [{ proxies: { trojan: { password: 'x'.repeat(129) } } }],
    inbounds: [{ inbounds: { vless: ['nowhere'] } }, { inbounds: 'all' }],
  };
  for (const [field, bodies] of Object.entries(cases)) for (const body of bodies) await refusedFor(create(body), field);
  assert.equal(await refusedFor(create({ proxies: {} }), 'proxies'), 'Value error, Each user needs at least one proxy');
  assert.equal(await refusedFor(create({ inbounds: { vless: ['nowhere'] } }), 'inbounds'), "Value error, Inbound nowhere doesn't exist");
  await refused(sudo('GET', '/api/user/never'), 404, 'User not found');
});

test('nought and null are no limit, a fraction of a byte is none, and fields that nobody knows are ignored', async () => {
  const at = seconds() + 86_400;
  const user = await make('fields', { data_limit: 5.9, expire: at, note: 'a\nb', auto_delete_in_days: 7, data_limit_reset_strategy: 'week', sub_updated_at: 'x', whatever: {} });
  assert.deepEqual([user.data_limit, user.expire, user.note, user.auto_delete_in_days, user.data_limit_reset_strategy], [5, at, 'a\nb', 7, 'week']);
  const change = (body) => ok(sudo('PUT', '/api/user/fields', body));
  assert.deepEqual(await change({ data_limit: null, expire: null, note: null }), user);
  const cleared = await change({ data_limit: 0, expire: 0, note: '', auto_delete_in_days: -1 });
  assert.deepEqual([cleared.data_limit, cleared.expire, cleared.note, cleared.auto_delete_in_days], [null, null, null, null]);
  const none = await make('nothing', { data_limit: 0, expire: 0, on_hold_timeout: 0, on_hold_expire_duration: 0 });
  assert.deepEqual([none.data_limit, none.expire, none.status], [null, null, 'active']);
  const calendar = (await panel.api('POST', '/api/v1/users', { name: 'calendar' })).body;
  assert.equal((await ok(sudo('PUT', '/api/user/calendar', { data_limit_reset_strategy: 'month' }))).data_limit_reset_strategy, 'month');
  assert.equal((await panel.api('GET', '/api/v1/users/calendar')).body.reset_strategy, calendar.reset_strategy, 'what is shown as a month stays a calendar’s');
});

test('a status follows at once from limits, the expiry and the person', async () => {
  const { username } = await make('statuses', { data_limit: 100 });
  const change = async (body) => (await ok(sudo('PUT', `/api/user/${username}`, body))).status;
  await panel.db.prepare("UPDATE usage SET month = 50, lifetime = 80 WHERE user = (SELECT id FROM users WHERE name = 'statuses')").run();
  assert.equal(await change({ data_limit: 50 }), 'limited');
  assert.equal(await change({ data_limit: 51 }), 'active');
  assert.equal(await change({ expire: seconds() - 5 }), 'expired');
  assert.equal(await change({ expire: seconds() + 60 }), 'active');
  assert.equal(await change({ data_limit: 50 }), 'limited');
  assert.equal(await change({ status: 'disabled' }), 'disabled');
  assert.equal(await change({ data_limit: 0 }), 'disabled', 'a raised limit enables nobody whom a person shut out');
  assert.equal(await change({ status: 'active' }), 'active');
  await refusedFor(sudo('PUT', `/api/user/${username}`, { status: 'limited' }), 'status');
});

test('who is used up and expired at once is limited here, in lists and counts too, and expired as our own API has it', async () => {
  const stands = async (name) => (await ok(sudo('GET', `/api/user/${name}`))).status;
  const listed = async (status) => {
    const { users, total } = await ok(sudo('GET', `/api/users?search=at_once&status=${status}&sort=username`));
    assert.equal(total, users.length);
    return users.map(({ username, status: shown }) => `${username} ${shown}`);
  };
  // A count of a few users is kept for seconds.
  const counted = async () => {
    await panel.db.prepare("DELETE FROM settings WHERE area = 'census'").run();
    const { users_limited: limited, users_expired: expired } = await ok(sudo('GET', '/api/system'));
    return { limited, expired };
  };
  const before = await counted();
  for (const name of ['both_at_once', 'over_at_once', 'full_at_once']) await make(name, { data_limit: 100 });
  await use('both_at_once', 100);
  await use('full_at_once', 100);
  for (const name of ['both_at_once', 'over_at_once']) await ok(sudo('PUT', `/api/user/${name}`, { expire: seconds() - 5 }));
  assert.deepEqual([await stands('both_at_once'), await stands('over_at_once'), await stands('full_at_once')], ['limited', 'expired', 'limited']);
  assert.deepEqual(await listed('limited'), ['both_at_once limited', 'full_at_once limited']);
  assert.deepEqual(await listed('expired'), ['over_at_once expired']);
  assert.deepEqual(await counted(), { limited: before.limited + 2, expired: before.expired + 1 });
  assert.deepEqual(await ok(sudo('GET', '/api/users/expired')), ['both_at_once', 'over_at_once'], 'whose time is over, whatever they are called');
  const link = new URL((await ok(sudo('GET', '/api/user/both_at_once'))).subscription_url).pathname;
  assert.equal((await panel.request('GET', `${link}/info`)).body.status, 'limited');
  assert.equal((await panel.api('GET', '/api/v1/users/both_at_once')).body.status, 'expired');
  assert.equal((await ok(sudo('PUT', '/api/user/both_at_once', { data_limit: 101 }))).status, 'expired', 'what is left is the expiry');
  assert.equal((await ok(sudo('PUT', '/api/user/both_at_once', { status: 'disabled' }))).status, 'disabled');
  for (const name of ['both_at_once', 'over_at_once', 'full_at_once']) await ok(sudo('DELETE', `/api/user/${name}`));
});

test('an account on hold has its length and its time-out, and an expiry or "active" ends the hold', async () => {
  const timeout = '2030-01-02T03:04:05';
  const hold = { status: 'on_hold', on_hold_expire_duration: 3_600, on_hold_timeout: `${timeout}Z` };
  const user = await make('waits', hold);
  assert.deepEqual([user.status, user.expire, user.on_hold_expire_duration, user.on_hold_timeout], ['on_hold', null, 3_600, timeout]);
  const change = (body) => ok(sudo('PUT', '/api/user/waits', body));
  assert.deepEqual(await change(user), user);
  assert.equal((await change({ on_hold_expire_duration: 60, on_hold_timeout: 0 })).on_hold_timeout, null);
  const at = seconds() + 600;
  const begun = await change({ expire: at });
  assert.deepEqual([begun.status, begun.expire, begun.on_hold_expire_duration], ['active', at, null]);
  const again = await change({ status: 'on_hold', on_hold_expire_duration: 90 });
  assert.deepEqual([again.status, again.expire, again.on_hold_expire_duration], ['on_hold', null, 90]);
  const active = await change({ status: 'active' });
  assert.deepEqual([active.status, active.expire, active.on_hold_expire_duration], ['active', null, null]);
});

test('a next plan is kept by a change that does not speak of it, and dropped by null', async () => {
  const next = { data_limit: 5 * GIB, expire: seconds() + 90_000, add_remaining_traffic: true, fire_on_either: false };
  const user = await make('queue', { next_plan: { data_limit: 1 } });
  assert.deepEqual(user.next_plan, { data_limit: 1, expire: null, add_remaining_traffic: false, fire_on_either: true });
  const change = async (body) => (await ok(sudo('PUT', '/api/user/queue', body))).next_plan;
  assert.deepEqual(await change({ next_plan: next }), next);
  assert.deepEqual(await change({ note: 'x' }), next);
  const ours = (await panel.api('GET', '/api/v1/users/queue')).body.next_plan;
  assert.deepEqual(ours, { plan: null, monthly_quota: next.data_limit, expires_at: next.expire, add_remaining_traffic: true, fire_on_either: false });
  assert.equal(await change({ next_plan: null }), null);
  await panel.api('PATCH', '/api/v1/users/queue', { next_plan: { plan: 'premium' } });
  const shown = await ok(sudo('GET', '/api/user/queue'));
  assert.deepEqual(shown.next_plan, { data_limit: null, expire: null, add_remaining_traffic: false, fire_on_either: true });
  await ok(sudo('PUT', '/api/user/queue', shown));
  assert.equal((await panel.api('GET', '/api/v1/users/queue')).body.next_plan.plan, 'premium', 'a plan that was read is no values');
});

/** What a node offers, put where a sync puts it. */
const offer = (name, inbounds) => panel.db.prepare('UPDATE nodes SET inbounds = ?2 WHERE name = ?1').bind(name, JSON.stringify(inbounds)).run();
const inbound = (tag, protocol, port, more = {}) => ({ tag, protocol, port, tls: false, ...more });

test('with inbounds known, a protocol without any is refused, and what is not chosen is in no link and no list', async () => {
  await seedAgent(panel, { name: 'ams' });
  await seedAgent(panel, { name: 'fra' });
  await offer('ams', [inbound('v1', 'vless', 443), inbound('v2', 'vless', 8443), inbound('ss1', 'shadowsocks', 8388, { method: 'aes-256-gcm' })]);
  await offer('fra', [inbound('v1', 'vless', 443), inbound('t1', 'trojan', 9443), inbound('h1', 'hysteria2', 9444, { tls: true })]);
  await refused(sudo('POST', '/api/user', { username: 'never', proxies: { vless: {}, vmess: {} } }), 400, 'Protocol vmess is disabled on your server');
  await refused(sudo('PUT', '/api/user/fields', { proxies: { vmess: {} } }), 400, 'Protocol vmess is disabled on your server');

  const user = await make('chosen', { proxies: { vless: {}, shadowsocks: {} }, inbounds: { vless: ['v2'], trojan: ['nowhere'] } });
  assert.deepEqual(user.inbounds, { vless: ['v2'], shadowsocks: ['ss1'] });
  assert.deepEqual(user.excluded_inbounds, { vless: ['v1'], shadowsocks: [] });
  assert.equal(user.proxies.shadowsocks.method, 'aes-256-gcm', 'the inbound’s');
  const kinds = (links) => links.map((link) => `${link.split(':')[0]}:${new URL(link).port}`);
  assert.deepEqual(kinds(user.links).slice(0, 1), ['vless:8443']);
  assert.deepEqual(user.links.map((link) => link.split(':')[0]), ['vless', 'ss', 'hysteria2'], 'what Marzban’s API cannot name is everybody’s');
  const list = async (of) => (await panel.request('GET', `${new URL(of.subscription_url).pathname}/links`)).text.trim().split('\n');
  assert.deepEqual(await list(user), user.links, 'the list is the same');

  const change = (body) => ok(sudo('PUT', '/api/user/chosen', body));
  const all = await change({ inbounds: { vless: [] } });
  assert.deepEqual([all.inbounds.vless, all.excluded_inbounds.vless, all.links.length], [['v1', 'v2'], [], 5]);
  const fewer = await change({ inbounds: { vless: ['v1'] } });
  assert.deepEqual([fewer.inbounds.vless, fewer.inbounds.shadowsocks, fewer.links.length], [['v1'], ['ss1'], 4]);
  const trojan = await change({ proxies: { trojan: {} } });
  assert.deepEqual([Object.keys(trojan.proxies), trojan.inbounds, trojan.links.length], [['trojan'], { trojan: ['t1'] }, 2]);
  assert.equal(await refusedFor(sudo('PUT', '/api/user/chosen', { inbounds: { trojan: ['t2'] } }), 'inbounds'), "Value error, Inbound t2 doesn't exist");
  assert.deepEqual(await ok(sudo('GET', '/api/user/chosen')), trojan, 'what was refused changed nothing');
  await offer('ams', [inbound('v1', 'vless', 443), inbound('v2', 'vless', 8443), inbound('t2', 'trojan', 9555), inbound('ss1', 'shadowsocks', 8388, { method: 'aes-256-gcm' })]);
  assert.deepEqual((await ok(sudo('GET', '/api/user/chosen'))).inbounds, { trojan: ['t2', 't1'] }, 'an inbound that comes later is his');
  assert.deepEqual(Object.keys((await ok(sudo('GET', '/api/user/calendar'))).proxies).sort(), ['shadowsocks', 'trojan', 'vless'], 'for whom nothing was chosen has all');
});

test('a method that no inbound has is refused by its field, but not the one that clients send when nobody chose', async () => {
  const create = (method) => sudo('POST', '/api/user', { username: `m-${method}`.slice(0, 32).replace('m-', 'met_'), proxies: { shadowsocks: { method } } });
  assert.match(await refusedFor(create('aes-128-gcm'), 'method'), /^the inbounds have aes-256-gcm/);
  for (const method of ['aes-256-gcm', 'chacha20-ietf-poly1305']) assert.equal((await ok(create(method))).proxies.shadowsocks.method, 'aes-256-gcm');
});

const idOf = async (name) => (await panel.db.prepare('SELECT id FROM users WHERE name = ?1').bind(name).first()).id;
const use = async (name, month, lifetime = month) => {
  await panel.db.prepare('UPDATE usage SET month = ?2, lifetime = ?3 WHERE user = ?1').bind(await idOf(name), month, lifetime).run();
};

test('a reset keeps history, lifetime and a disabled status, and drops what is queued', async () => {
  await make('again', { data_limit: 10, next_plan: { data_limit: 5 } });
  const id = await idOf('again');
  await use('again', 10, 25);
  await panel.db.prepare('INSERT INTO history (user, hour, node, up, down) VALUES (?1, ?2, 1, 3, 4)').bind(id, seconds() - (seconds() % 3_600)).run();
  assert.equal((await ok(sudo('GET', '/api/user/again'))).status, 'limited');
  const user = await ok(sudo('POST', '/api/user/again/reset'));
  assert.deepEqual([user.status, user.used_traffic, user.lifetime_used_traffic, user.next_plan], ['active', 0, 25, null]);
  assert.equal((await panel.db.prepare('SELECT count(*) AS rows FROM history WHERE user = ?1').bind(id).first()).rows, 1);
  await ok(sudo('PUT', '/api/user/again', { status: 'disabled' }));
  assert.equal((await ok(sudo('POST', '/api/user/again/reset'))).status, 'disabled');
  await refused(sudo('POST', '/api/user/nobody/reset'), 404, 'User not found');
});

test('a revoked user has another link and other credentials', async () => {
  const before = await make('revoked', { proxies: { vless: { id: '31111111-2222-4333-8444-555555555555' } } });
  const after = await ok(sudo('POST', '/api/user/revoked/revoke_sub'));
  assert.notEqual(after.subscription_url, before.subscription_url);
  assert.notEqual(after.proxies.vless.id, before.proxies.vless.id);
  assert.equal((await panel.request('GET', new URL(before.subscription_url).pathname)).status, 404);
  assert.equal((await panel.request('GET', new URL(after.subscription_url).pathname)).status, 200);
});

test('usage names every node, those without bytes too, "Master" first', async () => {
  await make('user_of_bytes');
  const id = await idOf('user_of_bytes');
  const { results: nodes } = await panel.db.prepare('SELECT id, name FROM nodes ORDER BY id').all();
  const hour = seconds() - (seconds() % 3_600);
  const put = (table, at, node, up, down) => panel.db.prepare(`INSERT INTO ${table} VALUES (?1, ?2, ?3, ?4, ?5)`).bind(id, at, node, up, down).run();
  await put('history', hour, nodes[0].id, 3, 4);
  await put('history', hour - 40 * 86_400, nodes[0].id, 100, 100);
  await put('history_days', hour - (hour % 86_400) - 10 * 86_400, nodes[0].id, 10, 20);
  await put('history', hour, 9_999, 5, 5);
  const usages = (bytes) => [{ node_id: null, node_name: 'Master', used_traffic: 10 }, { node_id: nodes[0].id, node_name: 'ams', used_traffic: bytes }, { node_id: nodes[1].id, node_name: 'fra', used_traffic: 0 }];
  assert.deepEqual(await ok(sudo('GET', '/api/user/user_of_bytes/usage')), { username: 'user_of_bytes', usages: usages(37) });
  const day = new Date((hour - 86_400) * 1_000).toISOString().slice(0, 19);
  assert.deepEqual((await ok(sudo('GET', `/api/user/user_of_bytes/usage?start=${day}`))).usages, usages(7));
  await refused(sudo('GET', '/api/user/user_of_bytes/usage?start=yesterday'), 400, 'Invalid date range or format');
  await refused(sudo('GET', `/api/user/user_of_bytes/usage?start=${day}&end=2020-01-01`), 400, 'Start date must be before end date');
});

test('what is queued begins when asked for, and is answered with the user', async () => {
  const at = seconds() + 5_000;
  await make('begins', { data_limit: 10, next_plan: { data_limit: 100, expire: at, add_remaining_traffic: true } });
  await use('begins', 4);
  const user = await ok(sudo('POST', '/api/user/begins/active-next'));
  assert.deepEqual([user.data_limit, user.used_traffic, user.expire, user.next_plan, user.status], [106, 0, at, null, 'active']);
  await refused(sudo('POST', '/api/user/begins/active-next'), 404, "User doesn't have next plan");
  await make('fires', { data_limit: 10, next_plan: { data_limit: 20 } });
  await use('fires', 10);
  await ok(sudo('PUT', '/api/user/fires', { note: 'looked at' }));
  assert.equal(await panel.cron('sweep'), 'ok');
  const fired = await ok(sudo('GET', '/api/user/fires'));
  assert.deepEqual([fired.data_limit, fired.used_traffic, fired.status, fired.next_plan], [20, 0, 'active', null]);
});

test('an owner is set by the name of an admin and shown with the user, and others may not touch him', async () => {
  await make('owned');
  await panel.db.prepare("UPDATE operators SET discord_webhook = 'https://discord.com/api/webhooks/secret' WHERE name = 'shop'").run();
  const user = await ok(sudo('PUT', '/api/user/owned/set-owner?admin_username=shop'));
  // Whoever has that webhook can write there.
  assert.deepEqual(user.admin, { username: 'shop', is_sudo: false, telegram_id: null, discord_webhook: null, users_usage: null });
  await refused(sudo('PUT', '/api/user/owned/set-owner?admin_username=nobody'), 404, 'Admin not found');
  await refusedFor(sudo('PUT', '/api/user/owned/set-owner'), 'admin_username');
  await refused(plain('PUT', '/api/user/owned/set-owner?admin_username=shop'), 403, NOT_ALLOWED);
  assert.deepEqual(await ok(plain('GET', '/api/user/OWNED')), user);
  const other = by(tokens.rival);
  const calls = [['GET', ''], ['PUT', '', {}], ['DELETE', ''], ['POST', '/reset'], ['POST', '/revoke_sub'], ['GET', '/usage'], ['POST', '/active-next']];
  for (const [method, rest, body] of calls) {
    await refused(other(method, `/api/user/owned${rest}`, body), 403, NOT_ALLOWED);
    await refused(plain(method, `/api/user/chosen${rest}`, body), 403, NOT_ALLOWED);
    await refused(plain(method, `/api/user/nobody${rest}`, body), 404, 'User not found');
    await refused(by(`${tokens.sudo}x`)(method, `/api/user/owned${rest}`, body), 401, 'Could not validate credentials');
  }
  await refused(by(tokens.viewer)('GET', '/api/user/owned'), 403, NOT_ALLOWED);
  await refused(panel.request('POST', '/api/user', { body: '{}' }), 401, 'Not authenticated');
});

test('a reseller’s user is his own, from the creation to the deletion', async () => {
  const user = await ok(plain('POST', '/api/user', { username: 'bought', proxies: { vless: {} }, data_limit: GIB }));
  assert.equal(user.admin.username, 'shop');
  assert.equal((await ok(plain('PUT', '/api/user/bought', { data_limit: 2 * GIB }))).data_limit, 2 * GIB);
  assert.deepEqual(await ok(plain('DELETE', '/api/user/bought')), { detail: 'User successfully deleted' });
  await refused(plain('GET', '/api/user/bought'), 404, 'User not found');
  await make('ownerless');
  assert.deepEqual(await ok(sudo('DELETE', '/api/user/ownerless')), { detail: 'User successfully deleted' });
});

test('what was done stands in the log with who did it, and no credential does', async () => {
  const { items } = (await panel.api('GET', '/api/v1/audit?limit=200')).body;
  const actions = new Set(items.map(({ action }) => action));
  for (const action of ['user.create', 'user.change', 'user.delete', 'user.reset', 'user.revoke', 'user.own']) assert.ok(actions.has(action), action);
  assert.ok(!JSON.stringify(items).includes(UUID) && !JSON.stringify(items).includes('of the old panel'));
});

test('what is chosen of the ways in reaches the nodes with their next roster, whichever API says it', async () => {
  await make('chooser');
  const node = await seedAgent(panel, { name: 'ways' });
  await node.sync();
  const told = async () => (await node.sync()).body.roster?.upserts.map(({ ways }) => ways ?? null);
  assert.equal((await panel.api('PATCH', '/api/v1/users/chooser', { protocols: { trojan: { excluded: ['old'] } } })).status, 200);
  assert.deepEqual(await told(), [{ trojan: ['old'] }]);
  await ok(sudo('PUT', '/api/user/chooser', { proxies: { shadowsocks: {}, vless: { flow: 'xtls-rprx-vision' } } }));
  assert.deepEqual(await told(), [{ shadowsocks: [], vless: [] }]);
  assert.equal((await panel.api('PATCH', '/api/v1/users/chooser', { protocols: null })).status, 200);
  assert.deepEqual(await told(), [null]);
  assert.equal(await told(), undefined, 'nothing else changed');
  await ok(sudo('DELETE', '/api/user/chooser'));
});
