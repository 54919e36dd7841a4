/** Many users by Marzban's API, on the real Worker: lists, usage, resets and expired accounts, and what a list costs. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { callers, NOT_ALLOWED, ok, refused, refusedFor, tokensOf } from './support/marzban.mjs';
import { startPanel } from './support/panel.mjs';
import { seedAgent, seedUsers } from './support/seed.mjs';

const seconds = () => Math.floor(Date.now() / 1_000);

let panel;
let tokens;

const { by, sudo, plain, make } = callers(() => ({ panel, tokens }));

const idOf = async (name) => (await panel.db.prepare('SELECT id FROM users WHERE name = ?1').bind(name).first()).id;
const use = async (name, month, lifetime = month) => {
  await panel.db.prepare('UPDATE usage SET month = ?2, lifetime = ?3 WHERE user = ?1').bind(await idOf(name), month, lifetime).run();
};

before(async () => {
  panel = await startPanel();
  tokens = await tokensOf(panel);
  for (const name of ['ams', 'fra']) await seedAgent(panel, { name });
  const inbounds = JSON.stringify([{ tag: 'v1', protocol: 'vless', port: 443, tls: false }, { tag: 't1', protocol: 'trojan', port: 8443, tls: false }]);
  await panel.db.prepare('UPDATE nodes SET inbounds = ?1').bind(inbounds).run();
});
after(() => panel?.stop());

const namesOf = ({ users }) => users.map(({ username }) => username);

test('a list is filtered, sorted and paged, and says how many there are before paging', async () => {
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
  assert.deepEqual(await ok(by(tokens.rival)('GET', '/api/users?admin=shop')), { users: [], total: 0 });
  await refused(by(tokens.viewer)('GET', '/api/users'), 403, NOT_ALLOWED);
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
  await refused(plain('POST', '/api/users/reset'), 403, NOT_ALLOWED);
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
  await refused(by(tokens.viewer)('DELETE', '/api/users/expired'), 403, NOT_ALLOWED);
});

test('what was done to many stands in the log', async () => {
  const { items } = (await panel.api('GET', '/api/v1/audit?limit=200')).body;
  assert.deepEqual(items.find(({ action }) => action === 'user.delete').before, { names: ['shops'] });
  assert.ok(items.some(({ action, actor }) => action === 'bulk.start' && actor === panel.operator.username));
});

test('100 users of 2,000 in key order cost at most 500 rows, links included, and a user 15', async (t) => {
  await seedUsers(panel, 2_000);
  await panel.db.prepare("UPDATE users SET owner = (SELECT id FROM operators WHERE name = 'rival') WHERE name LIKE 'user-%'").run();
  // Everybody has fetched this hour: what is told of it costs a row.
  await panel.db.prepare(`INSERT INTO fetch_log (day, user, hour, entries) SELECT unixepoch() / 86400, id, unixepoch() / 3600 * 3600, '[["v2rayng","links",1800000000]]' FROM users WHERE name LIKE 'user-%' OR name = 'delta'`).run();
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
    assert.ok(body.users.filter(({ sub_last_user_agent: client }) => client === 'v2rayng').length > 90);
  }
  await cost(sudo('GET', '/api/users?username=user-900&username=delta'), 25);
  const { cost: { written } } = await cost(sudo('GET', '/api/user/delta'), 15);
  assert.equal(written, 0);
});
