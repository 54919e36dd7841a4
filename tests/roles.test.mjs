/** What each role may do: every route with every role, and a reseller within his own users and allowances. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { addOperator, signInOwner } from './support/operators.mjs';
import { ROOT, startPanel } from './support/panel.mjs';
import { assertRefused, dump } from './support/refusals.mjs';
import { CHANGES, READS } from './support/role-tables.mjs';
import { until } from './support/site.mjs';

const GIB = 2 ** 30;
const LOWER = ['admin', 'reseller', 'viewer'];

let panel;
let owner;
/** @type {Record<string, import('./support/operators.mjs').Browser>} */
const people = {};

before(async () => {
  panel = await startPanel();
  owner = await signInOwner(panel);
  for (const role of LOWER) people[role] = await addOperator(panel, owner, { name: `the-${role}`, role });
  await owner.api('POST', '/api/v1/operators', { name: 'other', role: 'viewer' });
  assert.equal((await panel.api('POST', '/api/v1/users', { name: 'ann' })).status, 201);
  assert.equal((await panel.api('POST', '/api/v1/nodes', { name: 'node', address: 'node.example' })).status, 201);
  // Users are counted by whoever asks first, and then for a while by nobody.
  assert.equal((await panel.api('GET', '/metrics')).status, 200);
});
after(() => panel?.stop());

/** The day of the month in so many days. */
const dayIn = (days) => new Date(Date.now() + days * 86_400_000).getUTCDate();

/** An object that no route takes: what is let in ends with 422 or 404, and changes nothing. */
const send = (method, where, headers) => panel.request(method, where, { body: '{"no such field":1}', headers });
const letterOf = (role) => role[0].toUpperCase();

test('every unsafe route that the panel has is in the table here', async () => {
  const texts = await Promise.all(['src/route.rs', 'src/route/accounts.rs', 'src/route/aliases.rs', 'src/route/nodes.rs', 'src/route/operators.rs', 'src/route/xpert.rs']
    .map((file) => readFile(path.join(ROOT, file), 'utf8')));
  const count = texts.join('\n').split('#[cfg(test)]').flatMap((text) => text.match(/[,|] "(POST|PUT|PATCH|DELETE)"\) =>/g) ?? []).length;
  // Agents, the login form and its like for Marzban's clients, signing out, the choice of a language and the webhook of clients have ways in of their own; four verbs of a user share the one line that has none.
  const others = ['/agent/v1/sync', '/agent/v1/enroll', '/login', '/logout', '/language', '/api/admin/token', '/api/xpert/traffic-webhook'];
  assert.equal(CHANGES.length, count - others.length + 4);
});

test('an unsafe route does nothing without a session, without Origin, and for a foreign page, whoever is signed in', async () => {
  const before = await dump(panel);
  for (const [method, where] of CHANGES) {
    assert.equal((await send(method, where, {})).status, 401, `${method} ${where} without a session`);
    assert.equal((await send(method, where, { cookie: 'sid=nobodys', origin: panel.url })).status, 401, `${method} ${where} with a made-up one`);
    for (const { cookie } of [owner, people.viewer]) {
      for (const origin of [{}, { origin: 'null' }, { origin: 'https://evil.example' }, { origin: `${panel.url}.evil.example` }]) {
        const { status } = await send(method, where, { cookie, ...origin });
        assert.equal(status, 403, `${method} ${where} from ${JSON.stringify(origin)}`);
      }
    }
  }
  assert.deepEqual(await dump(panel), before);
});

for (const role of LOWER) {
  test(`the role ${role} reaches what the table says, and nothing else changes`, async () => {
    const { cookie } = people[role];
    const before = await dump(panel);
    for (const [method, where, letters] of CHANGES) {
      // What needs no body would be done; that an admin may is seen elsewhere.
      if (letters.includes(letterOf(role)) || letters === 'own') continue;
      const { status, text } = await send(method, where, { cookie, origin: panel.url });
      // A reseller is let through to users; that this one is not his he is told as of one whom nobody has, or by the body's own error.
      const hidden = role === 'reseller' && /\/users?\/ann|reset_traffic/.test(where) && !where.endsWith('/owner');
      assert.ok(hidden ? [404, 422].includes(status) : status === 403, `${method} ${where}: ${status} ${text}`);
    }
    assert.deepEqual(await dump(panel), before);
    for (const [where, letters, found = 200] of READS) {
      const { status, text } = await panel.request('GET', where, { headers: { cookie } });
      const hidden = role === 'reseller' && /\/users?\/ann/.test(where);
      // A page sends him to what he may see.
      const barred = where === '/' ? 303 : 403;
      assert.equal(status, letters.includes(letterOf(role)) ? found : hidden ? 404 : barred, `GET ${where}: ${text}`);
    }
    assert.deepEqual(await dump(panel), before, 'reading writes nothing');
  });

  test(`the role ${role} is let in where the table says so`, async () => {
    const { cookie } = people[role];
    for (const [method, where, letters] of CHANGES.filter(([, , found]) => found.includes(letterOf(role)))) {
      // Without a body these would really be done, to the user that the other tests need.
      if (method === 'DELETE' || /(reset|enable|disable|revoke|rotate-key|reset_traffic\/ann|backups|run|update|apply|cleanup)$/.test(where)) continue;
      const { status, text } = await send(method, where, { cookie, origin: panel.url });
      assert.ok([200, 404, 409, 422].includes(status), `${method} ${where}: ${status} ${text}`);
    }
  });
}

test('a viewer sees users and not what lets them in', async () => {
  const { body } = await people.viewer.api('GET', '/api/v1/users/ann');
  assert.deepEqual([body.name, body.subscription_url], ['ann', null]);
  const { body: list } = await people.viewer.api('GET', '/api/v1/users');
  assert.ok(list.items.length > 0 && list.items.every((user) => user.subscription_url === null));
  assert.match((await people.admin.api('GET', '/api/v1/users/ann')).body.subscription_url, /\/sub\//);
});

test('a viewer sees to which host a channel sends, and not the rest of its address, by which the receiver knows the sender', async () => {
  const entered = { url: 'https://hooks.example:8443/services/T0/B0/XXXX?key=1', form: 'weir' };
  const { status, body: made, text: why } = await people.admin.api('POST', '/api/v1/channels', { name: 'chat', webhook: { url: entered.url } });
  assert.equal(status, 201, why);
  const where = `/api/v1/channels/${made.id}`;
  const pages = ['/alerts', `/alerts/${made.id}`];
  for (const [person, target] of [[owner, entered], [people.admin, entered], [people.viewer, { url: 'https://hooks.example:8443/…', form: 'weir' }]]) {
    assert.deepEqual((await person.api('GET', where)).body.target, target);
    assert.deepEqual((await person.api('GET', '/api/v1/channels')).body.items.map((channel) => channel.target), [target]);
    const [list, one] = await Promise.all(pages.map(async (page) => (await panel.request('GET', page, { headers: { cookie: person.cookie } })).text));
    assert.ok(list.includes('https://hooks.example:8443/…') && !list.includes('XXXX'), 'lists are short for everybody');
    assert.equal(one.includes('XXXX'), target === entered, 'it stands in the form of who may change it');
  }
  assert.deepEqual(made.target, entered);
  assert.equal((await people.admin.api('DELETE', where)).status, 204);
});

test('an admin makes a backup and cannot read it', async () => {
  assertRefused(await people.admin.api('GET', '/api/v1/backups'), 403, 'forbidden');
  assert.notEqual((await people.admin.api('POST', '/api/v1/backups')).status, 403);
});

test('a reseller does everything with his users, and finds no others', async () => {
  const shop = await addOperator(panel, owner, { name: 'shop', role: 'reseller' });
  const rival = await addOperator(panel, owner, { name: 'rival', role: 'reseller' });
  assert.equal((await shop.api('POST', '/api/v1/users', { name: 'sold', monthly_quota: GIB })).status, 201);
  assert.equal((await rival.api('POST', '/api/v1/users', { name: 'rivals' })).status, 201);
  const names = async (browser, query = '') => (await browser.api('GET', `/api/v1/users${query}`)).body;
  for (const sort of ['name', '-name', 'used', '-used', 'created', '-created']) {
    const { items, total } = await names(shop, `?sort=${sort}`);
    assert.deepEqual([items.map(({ name }) => name), total], [['sold'], 1], sort);
  }
  assert.equal((await names(shop, '?search=rivals')).total, 0);
  assert.equal((await names(shop, `?owner=${rival.id}`)).items[0].name, 'sold', 'he cannot ask for those of another');
  assert.equal((await names(owner, `?owner=${rival.id}`)).items[0].name, 'rivals');
  for (const [method, where, body, status] of [
    ['GET', '', undefined, 200], ['PATCH', '', { note: 'paid' }, 200], ['POST', '/disable', undefined, 200], ['POST', '/enable', undefined, 200],
    ['POST', '/revoke', undefined, 200], ['POST', '/reset', undefined, 200], ['POST', '/packages', { order: 'o-1', bytes: GIB }, 201],
    ['POST', '/packages/o-1/refund', undefined, 200], ['GET', '/credentials', undefined, 200], ['GET', '/explain', undefined, 200],
    ['GET', '/usage', undefined, 200], ['GET', '/subscription', undefined, 200], ['DELETE', '/devices', undefined, 204], ['DELETE', '', undefined, 204],
  ]) {
    const foreign = await rival.api(method, `/api/v1/users/sold${where}`, body);
    assert.equal(foreign.status, 404, `${method} ${where} of another's: ${foreign.text}`);
    const own = await shop.api(method, `/api/v1/users/sold${where}`, body);
    assert.equal(own.status, status, `${method} ${where}: ${own.text}`);
  }
});

test('a reseller works with the simple API too, on his own users', async () => {
  const shop = await addOperator(panel, owner, { name: 'simple', role: 'reseller' });
  assert.equal((await shop.api('POST', '/api/add_user', { username: 'plain' })).body.success, true);
  assert.equal((await shop.api('GET', '/api/user/plain')).body.status, 'active');
  const foreign = await shop.api('GET', '/api/user/ann');
  assert.deepEqual([foreign.status, foreign.body], [404, { error: 'User not found' }]);
  assert.deepEqual((await shop.api('DELETE', '/api/user/ann')).body, { error: 'User not found' });
});

test('a reseller creates as many users as he may, however many he asks for at once', async () => {
  const shop = await addOperator(panel, owner, { name: 'five', role: 'reseller', user_allowance: 5 });
  const answers = await Promise.all(Array.from({ length: 12 }, (_, at) => shop.api('POST', '/api/v1/users', { name: `five-${at}` })));
  const names = answers.filter(({ status }) => status === 201).map(({ body }) => body.name);
  const created = names.length;
  assert.ok(created >= 1 && created <= 5, `${created}`);
  for (const answer of answers.filter(({ status }) => status !== 201)) assert.ok([409, 503].includes(answer.status), answer.text);
  for (let at = created; at < 5; at += 1) assert.equal((await shop.api('POST', '/api/v1/users', { name: `more-${at}` })).status, 201);
  const before = await dump(panel);
  assertRefused(await shop.api('POST', '/api/v1/users', { name: 'sixth' }), 409, 'user_allowance');
  assert.deepEqual(await dump(panel), before);
  assert.equal((await shop.api('DELETE', `/api/v1/users/${names[0]}`)).status, 204);
});

test('a reseller hands out as many bytes as he may, and finds no way round it', async () => {
  const shop = await addOperator(panel, owner, { name: 'bytes', role: 'reseller', byte_allowance: 10 * GIB });
  const refused = async (method, where, body) => {
    const before = await dump(panel);
    assertRefused(await shop.api(method, where, body), 409, 'byte_allowance');
    assert.deepEqual(await dump(panel), before, `${method} ${where}`);
  };
  await refused('POST', '/api/v1/users', { name: 'b-free' });
  await refused('POST', '/api/v1/users', { name: 'b-much', monthly_quota: 11 * GIB });
  await refused('POST', '/api/v1/users', { name: 'b-daily', monthly_quota: GIB, reset_strategy: 'day' });
  await refused('POST', '/api/v1/users', { name: 'b-plan', plan: 'unlimited' });
  assert.equal((await shop.api('POST', '/api/v1/users', { name: 'b-one', monthly_quota: 6 * GIB, reset_day: dayIn(10) })).status, 201);
  assert.equal((await shop.api('PATCH', '/api/v1/users/b-one', { reset_day: dayIn(10), reset_strategy: 'calendar_month' })).status, 200, 'as it is');
  await refused('POST', '/api/v1/users', { name: 'b-two', monthly_quota: 5 * GIB });
  assert.equal((await shop.api('POST', '/api/v1/users', { name: 'b-two', total_quota: 3 * GIB })).status, 201);
  await refused('PATCH', '/api/v1/users/b-two', { total_quota: 5 * GIB });
  await refused('PATCH', '/api/v1/users/b-two', { total_quota: 0 });
  await refused('PATCH', '/api/v1/users/b-two', { next_plan: { plan: 'unlimited' } });
  await refused('PATCH', '/api/v1/users/b-one', { plan: 'premium' });
  await refused('PATCH', '/api/v1/users/b-one', { reset_day: dayIn(3) });
  await refused('POST', '/api/v1/users/b-one/reset');
  await refused('POST', '/api/v1/users/b-one/packages', { order: 'b-order', bytes: 2 * GIB });
  assert.equal((await shop.api('POST', '/api/v1/users/b-one/packages', { order: 'b-order', bytes: GIB })).status, 201);
  assert.deepEqual((await shop.api('GET', '/api/v1/me')).body.handed_out, { users: 2, bytes: 10 * GIB });
  assert.equal((await shop.api('DELETE', '/api/v1/users/b-one')).status, 204);
  await refused('POST', '/api/v1/users', { name: 'b-again', monthly_quota: 6 * GIB });
  const simple = await shop.api('POST', '/api/add_user', { username: 'b-simple', monthly_quota: 2 });
  assert.equal(simple.status, 409);
  assert.equal(typeof simple.body.error, 'string');
});

test('whatever period a user was made with, whoever deletes him has handed out his bytes for 31 days', async () => {
  const shop = await addOperator(panel, owner, { name: 'quick', role: 'reseller', byte_allowance: 10 * GIB });
  const make = (name, more) => shop.api('POST', '/api/v1/users', { name, monthly_quota: 10 * GIB, ...more });
  const ending = { reset_strategy: 'month', period_start: Math.floor(Date.now() / 1000) - 30 * 86_400 + 3 };
  assert.equal((await make('q-one', ending)).status, 201);
  assert.equal((await shop.api('DELETE', '/api/v1/users/q-one')).status, 204);
  const ended = async () => (await panel.db.prepare("SELECT period_end <= unixepoch() AS ended FROM usage JOIN users ON users.id = usage.user WHERE name = 'q-one'").first()).ended;
  await until('his period has ended', ended);
  assertRefused(await make('q-two', ending), 409, 'byte_allowance');
  assert.deepEqual((await shop.api('GET', '/api/v1/me')).body.handed_out, { users: 0, bytes: 10 * GIB });
  await panel.db.prepare("UPDATE users SET deleted_at = deleted_at - 31 * 86400 WHERE name = 'q-one'").run();
  assert.equal((await make('q-two', ending)).status, 201);
});

test('a period that has ended unnoticed is no way to a sooner one', async () => {
  const shop = await addOperator(panel, owner, { name: 'idle', role: 'reseller', byte_allowance: 10 * GIB });
  assert.equal((await shop.api('POST', '/api/v1/users', { name: 'i-one', monthly_quota: GIB, reset_day: dayIn(10) })).status, 201);
  await panel.db.prepare("UPDATE usage SET period_start = period_start - 40 * 86400, period_end = unixepoch() - 86400 WHERE user = (SELECT id FROM users WHERE name = 'i-one')").run();
  assertRefused(await shop.api('PATCH', '/api/v1/users/i-one', { reset_day: dayIn(3) }), 409, 'byte_allowance');
});

test('a user is handed to a reseller within his allowance, and taken back', async () => {
  const shop = await addOperator(panel, owner, { name: 'gets', role: 'reseller', user_allowance: 1, byte_allowance: 5 * GIB });
  for (const [name, quota] of [['give-1', GIB], ['give-2', GIB], ['give-3', 6 * GIB]]) await panel.api('POST', '/api/v1/users', { name, monthly_quota: quota });
  const hand = (name, operator) => people.admin.api('PUT', `/api/v1/users/${name}/owner`, { operator });
  assertRefused(await hand('give-3', 'gets'), 409, 'byte_allowance');
  assert.equal((await hand('give-1', 'GETS')).status, 204);
  assertRefused(await hand('give-2', 'gets'), 409, 'user_allowance');
  assertRefused(await hand('give-2', 'nobody'), 422, 'invalid', 'operator');
  assert.equal((await shop.api('GET', '/api/v1/users')).body.items[0].name, 'give-1');
  assert.equal((await hand('give-1', null)).status, 204);
  assert.equal((await shop.api('GET', '/api/v1/users')).body.total, 0);
});

test('an allowance costs three rows read for each of his users, and writes none', async () => {
  const shop = await addOperator(panel, owner, { name: 'budget', role: 'reseller', user_allowance: 50, byte_allowance: 50 * GIB });
  const create = async (name) => {
    const { status, cost, text } = await shop.api('POST', '/api/v1/users', { name, monthly_quota: GIB });
    assert.equal(status, 201, text);
    return cost;
  };
  // The first may have to make slots.
  await create('budget-0');
  const few = await create('budget-1');
  for (let at = 2; at < 11; at += 1) await create(`budget-${at}`);
  const many = await create('budget-11');
  assert.ok(many.read - few.read <= 3 * 10, JSON.stringify([few, many]));
  assert.deepEqual([many.written, many.queries], [few.written, few.queries]);
});
