/** Users by Marzban's API, on the real Worker: every route, the statuses and sentences that clients compare, and each role. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { addOperator, askToken, signInOwner } from './support/operators.mjs';
import { startPanel } from './support/panel.mjs';
import { seedAgent, seedUsers, usageOf } from './support/seed.mjs';

const UUID = '11111111-2222-4333-8444-555555555555';
const GIB = 1024 ** 3;
const NOT_ALLOWED = { detail: "You're not allowed" };
const seconds = () => Math.floor(Date.now() / 1_000);

let panel;
let owner;
let tokens;

/** Calls as a Marzban's client does, with the bearer of somebody. */
const by = (token) => (method, where, body) =>
  panel.request(method, where, { key: token, body: body === undefined ? undefined : JSON.stringify(body) });
const sudo = (...call) => by(tokens.sudo)(...call);
const plain = (...call) => by(tokens.reseller)(...call);

/** What a call answers that must work. */
async function ok(answer) {
  const { status, body, text } = await answer;
  assert.equal(status, 200, text);
  return body;
}

/** A call that must be refused, with the whole body of the refusal. */
async function refused(answer, status, detail) {
  const { status: got, body, text } = await answer;
  assert.equal(got, status, text);
  if (detail !== undefined) assert.deepEqual(body, { detail }, text);
  return body;
}

/** A call that must be refused for a field. */
async function refusedFor(answer, field) {
  const { detail } = await refused(answer, 422);
  assert.deepEqual(Object.keys(detail), [field], JSON.stringify(detail));
  return detail[field];
}

const make = (username, more = {}) => ok(sudo('POST', '/api/user', { username, proxies: { vless: {} }, ...more }));

before(async () => {
  panel = await startPanel();
  owner = await signInOwner(panel);
  const reseller = await addOperator(panel, owner, { name: 'shop', role: 'reseller' });
  const other = await addOperator(panel, owner, { name: 'rival', role: 'reseller' });
  const viewer = await addOperator(panel, owner, { name: 'looker', role: 'viewer' });
  const token = async (who) => (await askToken(panel, who && { username: who.name, password: who.password })).body.access_token;
  tokens = { sudo: await token(), reseller: await token(reseller), other: await token(other), viewer: await token(viewer) };
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
  const user = await ok(sudo('PUT', '/api/user/owned/set-owner?admin_username=shop'));
  assert.deepEqual(user.admin, { username: 'shop', is_sudo: false, telegram_id: null, discord_webhook: null, users_usage: null });
  await refused(sudo('PUT', '/api/user/owned/set-owner?admin_username=nobody'), 404, 'Admin not found');
  await refusedFor(sudo('PUT', '/api/user/owned/set-owner'), 'admin_username');
  await refused(plain('PUT', '/api/user/owned/set-owner?admin_username=shop'), 403, NOT_ALLOWED.detail);
  assert.deepEqual(await ok(plain('GET', '/api/user/OWNED')), user);
  const other = by(tokens.other);
  const calls = [['GET', ''], ['PUT', '', {}], ['DELETE', ''], ['POST', '/reset'], ['POST', '/revoke_sub'], ['GET', '/usage'], ['POST', '/active-next']];
  for (const [method, rest, body] of calls) {
    await refused(other(method, `/api/user/owned${rest}`, body), 403, NOT_ALLOWED.detail);
    await refused(plain(method, `/api/user/chosen${rest}`, body), 403, NOT_ALLOWED.detail);
    await refused(plain(method, `/api/user/nobody${rest}`, body), 404, 'User not found');
    await refused(by(`${tokens.sudo}x`)(method, `/api/user/owned${rest}`, body), 401, 'Could not validate credentials');
  }
  await refused(by(tokens.viewer)('GET', '/api/user/owned'), 403, NOT_ALLOWED.detail);
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

const namesOf = ({ users }) => users.map(({ username }) => username);

test('a list is filtered, sorted and paged, and says how many there are before paging', async () => {
  await panel.db.prepare('UPDATE users SET deleted_at = 1 WHERE deleted_at IS NULL').run();
  const list = (query = '') => ok(sudo('GET', `/api/users${query}`));
  await make('delta', { data_limit: 40, note: 'Paid', expire: seconds() + 400 });
  await make('Alpha', { data_limit: 30, expire: seconds() + 100 });
  await make('charlie', { data_limit: 0, note: 'friend' });
  await ok(plain('POST', '/api/user', { username: 'bravo', proxies: { vless: {} }, data_limit: 30 }));
  await use('Alpha', 30);
  await use('charlie', 20);
  const all = await list();
  assert.deepEqual([namesOf(all), all.total], [['delta', 'Alpha', 'charlie', 'bravo'], 4], 'the oldest first');
  assert.deepEqual(all.users[3], await ok(sudo('GET', '/api/user/bravo')));
  const page = await list('?offset=1&limit=2');
  assert.deepEqual([namesOf(page), page.total], [['Alpha', 'charlie'], 4]);
  assert.deepEqual(namesOf(await list('?limit=0')), namesOf(all));
  const orders = {
    username: ['Alpha', 'bravo', 'charlie', 'delta'], '-username': ['delta', 'charlie', 'bravo', 'Alpha'],
    used_traffic: ['delta', 'bravo', 'charlie', 'Alpha'], '-used_traffic': ['Alpha', 'charlie', 'delta', 'bravo'],
    data_limit: ['charlie', 'Alpha', 'bravo', 'delta'], 'data_limit,-username': ['charlie', 'bravo', 'Alpha', 'delta'],
    '-expire,username': ['delta', 'Alpha', 'bravo', 'charlie'], '-created_at': ['bravo', 'charlie', 'Alpha', 'delta'],
  };
  for (const [sort, names] of Object.entries(orders)) assert.deepEqual(namesOf(await list(`?sort=${sort}`)), names, sort);
  assert.deepEqual(namesOf(await list('?sort=-username&offset=1&limit=2')), ['charlie', 'bravo']);
  assert.deepEqual(namesOf(await list('?sort=-created_at&offset=3&limit=2')), ['delta']);
  await refused(sudo('GET', '/api/users?sort=username,-age'), 400, '"-age" is not a valid sort option');
  const filters = {
    'username=ALPHA&username=bravo&username=nobody': ['Alpha', 'bravo'], 'search=paid': ['delta'], 'search=AL': ['Alpha'],
    'status=limited': ['Alpha'], 'status=active&sort=username': ['bravo', 'charlie', 'delta'], 'status=on_hold': [],
    'admin=shop': ['bravo'], 'admin=rival': [], 'admin=rival&admin=SHOP': ['bravo'], 'search=a&username=charlie&username=delta&sort=-username': ['delta', 'charlie'],
  };
  for (const [filter, names] of Object.entries(filters)) {
    const { users, total } = await list(`?${filter}`);
    assert.deepEqual([namesOf({ users }), total], [names, names.length], filter);
  }
  const second = await list('?status=active&sort=username&offset=1&limit=1');
  assert.deepEqual([namesOf(second), second.total], [['charlie'], 3]);
  for (const query of ['offset=-1', 'limit=x', 'status=gone']) await refusedFor(sudo('GET', `/api/users?${query}`), query.split('=')[0]);
});

test('a reseller’s list has his own users, whatever he asks for', async () => {
  for (const query of ['', '?admin=rival', '?sort=-created_at', '?search=b']) {
    const { users, total } = await ok(plain('GET', `/api/users${query}`));
    assert.deepEqual([namesOf({ users }), total], [['bravo'], 1], query);
  }
  assert.deepEqual(await ok(by(tokens.other)('GET', '/api/users?admin=shop')), { users: [], total: 0 });
  await refused(by(tokens.viewer)('GET', '/api/users'), 403, NOT_ALLOWED.detail);
  await refused(panel.request('GET', '/api/users'), 401, 'Not authenticated');
});

test('the usage of all users, of an admin’s, and of a reseller’s own comes by node', async () => {
  const { results: nodes } = await panel.db.prepare('SELECT id FROM nodes ORDER BY id').all();
  const hour = seconds() - (seconds() % 3_600);
  await panel.db.prepare('INSERT INTO history VALUES (?1, ?2, ?3, 7, 8)').bind(await idOf('bravo'), hour, nodes[1].id).run();
  await panel.db.prepare('INSERT INTO node_hours (node, hour, up, down) VALUES (?1, ?2, 50, 50)').bind(nodes[0].id, hour).run();
  const bytes = async (call) => (await ok(call)).usages.map(({ used_traffic: used }) => used);
  assert.deepEqual(await bytes(sudo('GET', '/api/users/usage')), [0, 100, 0]);
  assert.deepEqual(await bytes(sudo('GET', '/api/users/usage?admin=shop')), [0, 0, 15]);
  assert.deepEqual(await bytes(sudo('GET', '/api/users/usage?admin=rival')), [0, 0, 0]);
  assert.deepEqual(await bytes(plain('GET', '/api/users/usage?admin=rival')), [0, 0, 15]);
  await refused(sudo('GET', '/api/users/usage?end=x'), 400, 'Invalid date range or format');
  await refused(panel.request('GET', '/api/users/usage'), 401, 'Not authenticated');
});

test('a reset of all users is a sudo’s, and begins a new period for each', async () => {
  await refused(plain('POST', '/api/users/reset'), 403, NOT_ALLOWED.detail);
  await ok(sudo('PUT', '/api/user/charlie', { status: 'disabled' }));
  assert.deepEqual(await ok(sudo('POST', '/api/users/reset')), { detail: 'Users successfully reset.' });
  const { users } = await ok(sudo('GET', '/api/users?sort=username'));
  assert.deepEqual(users.map((user) => [user.status, user.used_traffic]), [['active', 0], ['active', 0], ['disabled', 0], ['active', 0]]);
  assert.equal(users[0].lifetime_used_traffic, 30);
});

test('users whose account has ended are told and deleted by when it ended, a reseller’s own to him alone', async () => {
  const ended = async (call, username, ago) => ok(call('POST', '/api/user', { username, proxies: { vless: {} }, expire: seconds() - ago }));
  await ended(sudo, 'old_one', 40 * 86_400);
  await ended(sudo, 'new_one', 86_400);
  await ended(plain, 'shops', 86_400);
  assert.equal((await ok(sudo('GET', '/api/user/new_one'))).status, 'expired', 'at once');
  assert.deepEqual(await ok(sudo('GET', '/api/users/expired')), ['new_one', 'shops'], 'of the last 30 days');
  assert.deepEqual(await ok(sudo('GET', '/api/users/expired?expired_after=2020-01-01')), ['new_one', 'old_one', 'shops']);
  assert.deepEqual(await ok(plain('GET', '/api/users/expired')), ['shops']);
  const before = new Date((seconds() - 2 * 86_400) * 1_000).toISOString();
  assert.deepEqual(await ok(sudo('DELETE', `/api/users/expired?expired_after=2020-01-01&expired_before=${before}`)), ['old_one']);
  assert.deepEqual(await ok(plain('DELETE', '/api/users/expired')), ['shops']);
  await refused(plain('DELETE', '/api/users/expired'), 404, 'No expired users found in the specified date range');
  await refused(sudo('GET', '/api/users/expired?expired_after=x'), 400, 'Invalid date range or format');
  assert.deepEqual(await ok(sudo('GET', '/api/users/expired')), ['new_one']);
  await refused(by(tokens.viewer)('DELETE', '/api/users/expired'), 403, NOT_ALLOWED.detail);
});

test('what was done stands in the log with who did it, and no credential does', async () => {
  const { items } = (await panel.api('GET', '/api/v1/audit?limit=200')).body;
  const actions = new Set(items.map(({ action }) => action));
  for (const action of ['user.create', 'user.change', 'user.delete', 'user.reset', 'user.revoke', 'user.own', 'bulk.start']) assert.ok(actions.has(action), action);
  assert.deepEqual(items.find(({ action }) => action === 'user.delete').before, { names: ['shops'] });
  assert.ok(!JSON.stringify(items).includes(UUID) && !JSON.stringify(items).includes('of the old panel'));
});

test('100 users of 2,000 in key order cost at most 500 rows, links included, a user 15, and a token 6', async (t) => {
  await seedUsers(panel, 2_000);
  await panel.db.prepare("UPDATE users SET owner = (SELECT id FROM operators WHERE name = 'rival') WHERE name LIKE 'user-%'").run();
  const cost = async (call, most) => {
    const answer = await call;
    assert.equal(answer.status, 200, answer.text);
    t.diagnostic(`${answer.cost.read} read, ${answer.cost.written} written, ${answer.cost.queries} queries (<= ${most} read)`);
    assert.ok(answer.cost.read <= most, `${answer.cost.read} rows read, budget ${most}`);
    return answer;
  };
  for (const sort of ['', '&sort=username', '&sort=-username', '&sort=created_at', '&sort=-created_at']) {
    const { body, cost: { written } } = await cost(sudo('GET', `/api/users?limit=100${sort}`), 500);
    assert.deepEqual([body.users.length, body.total, written], [100, 2_004 + 1, 0], sort);
    assert.ok(body.users.every(({ links }) => links.length > 0));
  }
  await cost(sudo('GET', '/api/users?username=user-900&username=delta'), 20);
  const { cost: { written } } = await cost(sudo('GET', '/api/user/delta'), 15);
  assert.equal(written, 0);
  await cost(askToken(panel), 6);
  const usage = await usageOf(panel, await idOf('delta'));
  assert.equal(usage.month, 0);
});
