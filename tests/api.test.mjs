/** The own API's users over HTTP: what each route answers, what it changes, and what nodes and subscriptions make of it. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { startPanel } from './support/panel.mjs';
import { assertRefused } from './support/refusals.mjs';
import { seedAgent, usageOf } from './support/seed.mjs';
import { now } from './support/wire.mjs';

const MIB = 2 ** 20;
const GIB = 2 ** 30;
const DAY = 86_400;

let panel;
let agent;
let seq = 0;

before(async () => {
  panel = await startPanel();
  agent = await seedAgent(panel);
  // The pool of vacant slots, which a node has loaded before anybody is created.
  assert.equal(await panel.cron(), 'ok');
  await agent.sync();
});
after(() => panel?.stop());

/** The answer's body, if it has this status. */
async function ok(status, method, where, body) {
  const answer = await panel.api(method, where, body);
  assert.equal(answer.status, status, `${method} ${where}: ${answer.text}`);
  return answer.body;
}
const create = (name, fields = {}) => ok(201, 'POST', '/api/v1/users', { name, ...fields });
const get = (name) => ok(200, 'GET', `/api/v1/users/${name}`);
const change = (name, fields) => ok(200, 'PATCH', `/api/v1/users/${name}`, fields);
const act = (name, verb) => ok(200, 'POST', `/api/v1/users/${name}/${verb}`);
const remove = (name) => ok(204, 'DELETE', `/api/v1/users/${name}`);
const names = (answer) => answer.items.map(({ name }) => name);
const list = (query) => ok(200, 'GET', `/api/v1/users?${query}`);
const slotOf = async (name) => (await panel.db.prepare('SELECT slot FROM users WHERE name = ?1 AND deleted_at IS NULL').bind(name).first()).slot;

/** What a roster change says of each slot in it: its gate, or `gone`. */
function changesIn({ roster = { upserts: [] } }) {
  const gates = roster.upserts.map(({ slot, gate }) => [slot, gate]);
  return Object.fromEntries([...gates, ...(roster.removals ?? []).map((slot) => [slot, 'gone'])]);
}

/** The node reports bytes of a slot, half up and half down. @returns what it learns of the roster in the same answer */
async function spend(slot, bytes) {
  seq += 1;
  const { status, body, text } = await agent.sync({ report: agent.report({ seq, users: [[slot, Math.floor(bytes / 2), Math.ceil(bytes / 2)]] }) });
  assert.deepEqual([status, body?.ack], [200, seq], text);
  return changesIn(body);
}

/** What the node learns of the roster when it has nothing to say. */
const changes = async () => changesIn((await agent.sync()).body);

/** The subscription's status, or the name of its only entry. */
async function subscription(url) {
  const answer = await panel.request('GET', `${new URL(url).pathname}/links`);
  return answer.status === 200 ? decodeURIComponent(answer.text.trim().split('#').at(-1)) : answer.status;
}

test('a user is created with 201, the place where he is found, and everything that he did not choose', async () => {
  const answer = await panel.api('POST', '/api/v1/users', { name: 'ann' });
  assert.equal(answer.status, 201, answer.text);
  assert.equal(answer.headers.get('location'), '/api/v1/users/ann');
  const { id, created_at: createdAt, period_start: start, period_end: end, subscription_url: url, ...rest } = answer.body;
  assert.ok(Number.isInteger(id) && Math.abs(createdAt - now()) <= 60);
  const today = new Date();
  const month = (by) => Date.UTC(today.getUTCFullYear(), today.getUTCMonth() + by) / 1000;
  assert.deepEqual([start, end], [month(0), month(1)], 'the UTC month');
  assert.ok(url.startsWith(`${panel.url}/sub/`));
  assert.deepEqual(rest, {
    name: 'ann',
    email: null,
    note: '',
    status: 'active',
    reason: null,
    expires_at: null,
    monthly_quota: 0,
    total_quota: 0,
    reset_strategy: 'calendar_month',
    reset_day: 1,
    time_zone: 'UTC',
    monthly_used: 0,
    total_used: 0,
    bonus_left: 0,
    last_seen_at: null,
  });
  assert.deepEqual(await ok(200, 'GET', answer.headers.get('location')), answer.body);
  assert.equal(await subscription(url), 'No server is connected yet');
});

test('a user is created with everything that can be said of him', async () => {
  const fields = {
    email: 'ben@example.org',
    note: 'pays cash\nuntil May',
    monthly_quota: 100 * GIB,
    total_quota: 2 ** 53 - 1,
    reset_day: 31,
    expires_at: now() + 30 * DAY,
  };
  const user = await create('Ben_1.x@y-z', fields);
  assert.deepEqual(Object.fromEntries(Object.keys(fields).map((key) => [key, user[key]])), fields);
  assert.deepEqual(await get('ben_1.X@Y-z'), user, 'a name is found in any case');
  assert.deepEqual(await get('ben_1.x%40y-z'), user, 'and escaped');
});

test('creating takes a slot that the node has loaded: its gate opens, and no slot is new', async () => {
  const known = new Map((await panel.db.prepare('SELECT name, gate FROM slots').all()).results.map(({ name, gate }) => [name, gate]));
  await changes();
  await create('carl');
  const slot = await slotOf('carl');
  assert.equal(known.get(slot), 'vacant');
  assert.deepEqual(await changes(), { [slot]: 'open' });
  assert.equal((await panel.db.prepare('SELECT count(*) AS n FROM slots').first()).n, known.size);
});

test('users who are created at the same instant get different slots, and of one name there is one', async () => {
  const answers = await Promise.all(
    Array.from({ length: 12 }, (_, index) => panel.api('POST', '/api/v1/users', { name: index < 8 ? `crowd-${index}` : 'Crowd' })),
  );
  assert.deepEqual(answers.map(({ status }) => status).sort(), [...Array(9).fill(201), ...Array(3).fill(409)]);
  const { results } = await panel.db.prepare("SELECT slot FROM users WHERE name LIKE 'crowd%'").all();
  assert.equal(new Set(results.map(({ slot }) => slot)).size, 9);
});

test('when no slot is vacant some are made, and the user gets one', async () => {
  const fresh = await startPanel();
  try {
    const answer = await fresh.api('POST', '/api/v1/users', { name: 'first' });
    assert.equal(answer.status, 201, answer.text);
    const gates = async () => (await fresh.db.prepare('SELECT gate, count(*) AS n FROM slots GROUP BY gate ORDER BY gate').all()).results;
    assert.deepEqual(await gates(), [{ gate: 'open', n: 1 }, { gate: 'vacant', n: 63 }]);
    await fresh.api('POST', '/api/v1/users', { name: 'second' });
    assert.deepEqual(await gates(), [{ gate: 'open', n: 2 }, { gate: 'vacant', n: 62 }]);
  } finally {
    await fresh.stop();
  }
});

test('a name that is taken is 409 in any case, for a creation and for a change', async () => {
  await create('dora');
  await create('emil');
  for (const name of ['dora', 'DORA', 'Dora']) {
    assertRefused(await panel.api('POST', '/api/v1/users', { name }), 409, 'taken');
    assertRefused(await panel.api('PATCH', '/api/v1/users/emil', { name, monthly_quota: 5 }), 409, 'taken');
  }
  assert.equal((await get('emil')).monthly_quota, 0, 'nothing of a change that is refused is done');
  assert.equal((await change('dora', { name: 'Dora' })).name, 'Dora');
  assert.equal((await change('Dora', { name: 'theodora' })).name, 'theodora');
  assertRefused(await panel.api('GET', '/api/v1/users/dora'), 404, 'not_found');
  await create('dora');
});

test('a change keeps what it does not name, and null clears what a user may be without', async () => {
  const before = await create('fred', { email: 'fred@example.org', note: 'a note', monthly_quota: 5 * GIB, total_quota: 9 * GIB, expires_at: now() + DAY });
  assert.deepEqual(await change('fred', {}), before);
  assert.deepEqual(await change('fred', { monthly_quota: 6 * GIB }), { ...before, monthly_quota: 6 * GIB });
  assert.deepEqual(await change('fred', { email: null }), { ...before, monthly_quota: 6 * GIB, email: null });
  assert.deepEqual(await change('fred', { note: null, expires_at: null, total_quota: 0 }), {
    ...before, monthly_quota: 6 * GIB, email: null, note: '', expires_at: null, total_quota: 0,
  });
  for (const field of ['name', 'monthly_quota', 'total_quota', 'reset_day']) {
    assertRefused(await panel.api('PATCH', '/api/v1/users/fred', { [field]: null }), 422, 'invalid', field);
  }
});

test('a reset day moves the end of the period and neither its start nor what was used', async () => {
  const before = await create('gina', { monthly_quota: GIB });
  await spend(await slotOf('gina'), 1000);
  const date = new Date((await panel.db.prepare('SELECT unixepoch() AS at').first()).at * 1000);
  const tomorrow = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate() + 1));
  const moved = await change('gina', { reset_day: tomorrow.getUTCDate() });
  assert.deepEqual([moved.period_start, moved.period_end], [before.period_start, tomorrow / 1000]);
  assert.deepEqual([moved.monthly_used, moved.reset_day], [1000, tomorrow.getUTCDate()]);
});

test('a quota limits and opens at once, on the node and in the subscription', async () => {
  const { subscription_url: url } = await create('hanna');
  const slot = await slotOf('hanna');
  await spend(slot, 3000);
  await changes();
  const cases = [
    [{ monthly_quota: 3001 }, 'active', null, 'open', 'No server is connected yet'],
    [{ monthly_quota: 3000 }, 'limited', 'month', 'month', /^Traffic used up, new on \d{4}-\d\d-01$/],
    [{ monthly_quota: 0 }, 'active', null, 'open', 'No server is connected yet'],
    [{ total_quota: 2999 }, 'limited', 'total', 'total', 'Traffic used up'],
    [{ expires_at: now() - 1 }, 'expired', 'expired', 'expired', 'Subscription expired'],
    [{ total_quota: 0 }, 'expired', 'expired', 'expired', 'Subscription expired'],
    [{ expires_at: now() + DAY }, 'active', null, 'open', 'No server is connected yet'],
  ];
  for (const [fields, status, reason, gate, entry] of cases) {
    const user = await change('hanna', fields);
    assert.deepEqual([user.status, user.reason], [status, reason], JSON.stringify(fields));
    // Also when the gate stays: a node that holds a limit for him has to ask anew.
    assert.deepEqual(await changes(), { [slot]: gate }, JSON.stringify(fields));
    if (typeof entry === 'string') assert.equal(await subscription(url), entry);
    else assert.match(await subscription(url), entry);
  }
});

test('what a gate does not depend on is changed without a word to the nodes', async () => {
  await create('ida');
  await changes();
  await change('ida', { name: 'ida-2', email: 'ida@example.org', note: 'x' });
  assert.deepEqual(await changes(), {});
});

test('used bytes are shown, and a report that uses the quota up limits', async () => {
  await create('jack', { monthly_quota: 5000 });
  const slot = await slotOf('jack');
  await spend(slot, 4999);
  let user = await get('jack');
  assert.deepEqual([user.monthly_used, user.total_used, user.status], [4999, 4999, 'active']);
  assert.ok(Math.abs(user.last_seen_at - now()) <= 60);
  await changes();
  assert.deepEqual(await spend(slot, 1), { [slot]: 'month' });
  user = await get('jack');
  assert.deepEqual([user.monthly_used, user.status, user.reason], [5000, 'limited', 'month']);
});

test('a reset begins a new period, keeps the lifetime, and opens whom the month had shut', async () => {
  await create('kate', { monthly_quota: 100, total_quota: 250 });
  const slot = await slotOf('kate');
  for (const [total, status] of [[100, 'active'], [200, 'active'], [300, 'limited']]) {
    await spend(slot, 100);
    const user = await act('kate', 'reset');
    assert.deepEqual([user.monthly_used, user.total_used, user.status], [0, total, status]);
    assert.ok(Math.abs(user.period_start - now()) <= 60);
  }
  assert.equal((await get('kate')).reason, 'total', 'a reset is no present');
  const { id } = await get('kate');
  const { bytes } = await panel.db.prepare('SELECT sum(bytes) AS bytes FROM periods WHERE user = ?1').bind(id).first();
  assert.equal(bytes, 300);
});

test("a person's disable stands against quotas, resets and the clock until a person enables", async () => {
  const { subscription_url: url } = await create('lena', { monthly_quota: 100 });
  const slot = await slotOf('lena');
  await changes();
  const disabled = await act('lena', 'disable');
  assert.deepEqual([disabled.status, disabled.reason], ['disabled', 'person']);
  assert.deepEqual(await changes(), { [slot]: 'disabled' });
  assert.equal(await subscription(url), 'Account disabled');
  await spend(slot, 50);
  await act('lena', 'disable');
  await act('lena', 'reset');
  await change('lena', { monthly_quota: 0, expires_at: now() + DAY });
  assert.equal(await panel.cron(), 'ok');
  assert.equal((await get('lena')).status, 'disabled');
  const enabled = await act('lena', 'enable');
  assert.deepEqual([enabled.status, enabled.reason, enabled.total_used], ['active', null, 50]);
  assert.equal((await changes())[slot], 'open');
  assert.deepEqual(await act('lena', 'enable'), enabled);
});

test('enabling opens nobody whose quota is used up', async () => {
  await create('max', { monthly_quota: 10 });
  await spend(await slotOf('max'), 10);
  await act('max', 'disable');
  assert.deepEqual((({ status, reason }) => [status, reason])(await act('max', 'enable')), ['limited', 'month']);
});

test('revoking gives new credentials and a new link, ends the old ones, and keeps the account', async () => {
  const before = await create('nora', { monthly_quota: 1000 });
  const slot = await slotOf('nora');
  await spend(slot, 400);
  await changes();
  const after = await act('nora', 'revoke');
  const fresh = await slotOf('nora');
  assert.notEqual(fresh, slot);
  assert.notEqual(after.subscription_url, before.subscription_url);
  assert.deepEqual({ ...after, subscription_url: 0 }, { ...before, monthly_used: 400, total_used: 400, last_seen_at: after.last_seen_at, subscription_url: 0 });
  assert.equal(await subscription(before.subscription_url), 404);
  assert.equal(await subscription(after.subscription_url), 'No server is connected yet');
  assert.deepEqual(await changes(), { [slot]: 'gone', [fresh]: 'open' });
  // Late bytes of the old credentials are his, and shut the new ones in the same answer.
  assert.deepEqual(await spend(slot, 600), { [fresh]: 'month' });
  const user = await get('nora');
  assert.deepEqual([user.monthly_used, user.status], [1000, 'limited']);
});

test('a quota can be spent to its end by new credentials, though the old ones were granted half of it', async () => {
  await create('oona', { monthly_quota: 100 * MIB });
  const old = await slotOf('oona');
  const limitOf = async (slot, count, held) => new Map((await agent.sync({ asks: [[slot, count, held]] })).body.limits).get(slot);
  assert.equal(await limitOf(old, 0, 0), 50 * MIB);
  await act('oona', 'revoke');
  const fresh = await slotOf('oona');
  let limit = 0;
  for (let asks = 0; asks < 40 && limit < 100 * MIB; asks += 1) limit = await limitOf(fresh, limit, limit);
  assert.equal(limit, 100 * MIB);
});

test('a deleted user is gone for everybody, and his name is free', async () => {
  const gone = await create('olaf', { monthly_quota: 1000 });
  const slot = await slotOf('olaf');
  await spend(slot, 400);
  await changes();
  await remove('olaf');
  assert.deepEqual(await changes(), { [slot]: 'gone' });
  assert.equal(await subscription(gone.subscription_url), 404);
  for (const [method, where, body] of [
    ['GET', 'olaf'], ['PATCH', 'olaf', {}], ['DELETE', 'olaf'], ['POST', 'olaf/reset'], ['POST', 'olaf/enable'], ['POST', 'olaf/disable'], ['POST', 'olaf/revoke'],
  ]) assertRefused(await panel.api(method, `/api/v1/users/${where}`, body), 404, 'not_found');
  assert.deepEqual(names(await list('search=olaf')), []);
  const again = await create('Olaf');
  assert.notEqual(again.id, gone.id);
  assert.equal(again.total_used, 0);
  await spend(slot, 60);
  assert.equal((await get('Olaf')).total_used, 0, 'the late bytes are not the namesake’s');
  assert.equal((await usageOf(panel, gone.id)).lifetime, 460);
});

test('a list counts, filters, sorts and pages', async () => {
  const fresh = await startPanel();
  try {
    const node = await seedAgent(fresh);
    const users = [
      ['Zoe', { note: 'Ärger' }, 30],
      ['anna', { email: 'X@example.org' }, 10],
      ['Bert', { monthly_quota: 20 }, 20],
      ['clara', { expires_at: now() - 1 }, 0],
      ['dirk', { total_quota: 5 }, 5],
      ['eve', {}, 40],
    ];
    for (const [name, fields] of users) {
      assert.equal((await fresh.api('POST', '/api/v1/users', { name, ...fields })).status, 201);
      await fresh.db.prepare('UPDATE users SET created_at = 1000 + id').run();
    }
    await fresh.api('POST', '/api/v1/users/eve/disable');
    const slots = new Map((await fresh.db.prepare('SELECT name, slot FROM users').all()).results.map(({ name, slot }) => [name, slot]));
    const lines = users.map(([name, , bytes]) => [slots.get(name), bytes, 0]);
    assert.equal((await node.sync({ report: node.report({ seq: 1, users: lines }) })).status, 200);
    const found = async (query) => {
      const answer = await fresh.api('GET', `/api/v1/users?${query}`);
      assert.equal(answer.status, 200, answer.text);
      assert.deepEqual(Object.keys(answer.body).sort(), ['items', 'next', 'total']);
      return answer.body;
    };
    const all = await found('');
    assert.deepEqual([names(all), all.total, all.next], [['anna', 'Bert', 'clara', 'dirk', 'eve', 'Zoe'], 6, null]);
    assert.deepEqual(all.items[0], (await fresh.api('GET', '/api/v1/users/anna')).body);
    for (const [query, expected] of [
      ['sort=name', ['anna', 'Bert', 'clara', 'dirk', 'eve', 'Zoe']],
      ['sort=-name', ['Zoe', 'eve', 'dirk', 'clara', 'Bert', 'anna']],
      ['sort=used', ['clara', 'dirk', 'anna', 'Bert', 'Zoe', 'eve']],
      ['sort=-used', ['eve', 'Zoe', 'Bert', 'anna', 'dirk', 'clara']],
      ['sort=created', ['Zoe', 'anna', 'Bert', 'clara', 'dirk', 'eve']],
      ['sort=-created', ['eve', 'dirk', 'clara', 'Bert', 'anna', 'Zoe']],
      ['status=active', ['anna', 'Zoe']],
      ['status=limited', ['Bert', 'dirk']],
      ['status=expired', ['clara']],
      ['status=disabled', ['eve']],
      ['search=ER', ['Bert', 'Zoe']],
      ['search=x%40EXAMPLE', ['anna']],
      [`search=${encodeURIComponent('Ärg')}`, ['Zoe']],
      ['search=%25', []],
      [`search=${encodeURIComponent("' OR 1=1 --")}`, []],
      ['search=a&status=active&sort=-name', ['anna']],
      ['search=&status=&sort=', ['anna', 'Bert', 'clara', 'dirk', 'eve', 'Zoe']],
    ]) {
      const answer = await found(query);
      assert.deepEqual([names(answer), answer.total, answer.next], [expected, expected.length, null], query);
    }
    for (const query of ['sort=name', 'sort=-name', 'sort=used', 'sort=-created', 'search=e', 'status=active']) {
      const whole = await found(query);
      const paged = [];
      let next = 0;
      while (next !== null) {
        const page = await found(`${query}&limit=2&offset=${next}`);
        assert.equal(page.total, whole.total);
        assert.ok(page.items.length <= 2);
        paged.push(...page.items);
        next = page.next;
      }
      assert.deepEqual(paged, whole.items, query);
    }
    const beyond = await found('offset=600');
    assert.deepEqual([beyond.items, beyond.total, beyond.next], [[], 6, null]);
  } finally {
    await fresh.stop();
  }
});

test('a list has 50 users unless told, and at most 200', async () => {
  const crowd = await startPanel();
  try {
    for (let index = 0; index < 205; index += 5) {
      await Promise.all(Array.from({ length: 5 }, (_, of) => crowd.api('POST', '/api/v1/users', { name: `user-${index + of}` })));
    }
    const page = async (query) => {
      const { items, total, next } = (await crowd.api('GET', `/api/v1/users${query}`)).body;
      return [items.length, total, next];
    };
    assert.deepEqual(await page(''), [50, 205, 50]);
    assert.deepEqual(await page('?limit=200'), [200, 205, 200]);
    assert.deepEqual(await page('?limit=200&offset=200'), [5, 205, null]);
    // More were created than one pool holds, and each got a slot of his own.
    const { results } = await crowd.db.prepare('SELECT count(DISTINCT slot) AS slots FROM users').all();
    assert.equal(results[0].slots, 205);
  } finally {
    await crowd.stop();
  }
});

test('a period that ended is shown as ended before the sweep has come by', async () => {
  await create('paul', { monthly_quota: 100 });
  const { id } = await get('paul');
  await spend(await slotOf('paul'), 100);
  await panel.db.prepare('UPDATE usage SET period_start = 1, period_end = unixepoch() - 5 WHERE user = ?1').bind(id).run();
  await panel.db.prepare('UPDATE users SET due_at = unixepoch() - 5 WHERE id = ?1').bind(id).run();
  assert.deepEqual((({ monthly_used: used, status }) => [used, status])(await get('paul')), [0, 'active']);
  await changes();
  assert.equal(await panel.cron(), 'ok');
  assert.deepEqual(await changes(), { [await slotOf('paul')]: 'open' });
  const user = await get('paul');
  assert.ok(user.period_start > 1 && user.period_end > now());
  assert.deepEqual([user.monthly_used, user.total_used, user.status], [0, 100, 'active']);
});

test('an account expires by the sweep, also on the node', async () => {
  await create('quinn', { expires_at: now() + DAY });
  const slot = await slotOf('quinn');
  await changes();
  const { id } = await get('quinn');
  await panel.db.prepare('UPDATE users SET expires_at = unixepoch() - 1, due_at = unixepoch() - 1 WHERE id = ?1').bind(id).run();
  assert.equal(await panel.cron(), 'ok');
  assert.deepEqual(await changes(), { [slot]: 'expired' });
  assert.equal((await get('quinn')).status, 'expired');
});
