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
