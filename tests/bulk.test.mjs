/** Actions on many users at once over HTTP: looked at, done, stopped and undone, on the real Worker and database. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { apiUsers } from './support/api-users.mjs';
import { startPanel } from './support/panel.mjs';
import { assertRefused, dump, keyWith } from './support/refusals.mjs';
import { now } from './support/wire.mjs';

const GIB = 2 ** 30;
const DAY = 86_400;
const MANY = 600;

let panel;
let users;

before(async () => {
  panel = await startPanel();
  users = await apiUsers(panel);
});
after(() => panel?.stop());

const of = (...names) => ({ users: names });
const preview = (selection, action, query = '') => users.ok(200, 'POST', `/api/v1/bulk/preview${query}`, { selection, action });
const start = (selection, action, expect) => users.ok(202, 'POST', '/api/v1/bulk', { selection, action, expect });
const undo = (id) => users.ok(202, 'POST', `/api/v1/bulk/${id}/undo`);
const look = (id) => users.ok(200, 'GET', `/api/v1/bulk/${id}`);
const counts = ({ state, total, done, skipped, undone, kept }) => [state, total, done, skipped, undone, kept];

/** The job, until nothing is left. */
async function finish(id) {
  for (let run = 0; run < 20; run += 1) {
    const bulk = await look(id);
    if (!['running', 'undoing'].includes(bulk.state)) return bulk;
    assert.equal(await panel.cron('bulk'), 'ok');
  }
  assert.fail(`bulk ${id} goes on and on`);
}

test('a preview says what would change for whom and why it would not, and changes nothing', async () => {
  await users.create('pre-a', { monthly_quota: 5 * GIB, expires_at: now() + DAY });
  await users.create('pre-b', { monthly_quota: 9 * GIB });
  const before = await dump(panel);
  const change = await preview({ search: 'PRE-' }, { change: { monthly_quota: 9 * GIB } });
  assert.deepEqual([change.total, change.next], [2, null]);
  const [a, b] = change.items;
  assert.deepEqual([a.name, a.before, a.after], ['pre-a', { monthly_quota: 5 * GIB }, { monthly_quota: 9 * GIB }]);
  assert.deepEqual([b.name, b.why, b.after], ['pre-b', 'he has it already', undefined]);
  const extend = await preview(of('pre-b', 'PRE-A'), { extend: { days: 30 } }, '?limit=1');
  assert.deepEqual([extend.items.length, extend.total, extend.next], [1, 2, 1]);
  assert.equal(extend.items[0].after.expires_at - extend.items[0].before.expires_at, 30 * DAY);
  assert.deepEqual(await dump(panel), before);
});

test('a change reaches everybody of a selection at once, the nodes in one roster change, and is taken back but where somebody changed it since', async () => {
  for (const name of ['gold-1', 'gold-2', 'gold-3']) await users.create(name, { plan: 'free', note: 'gold' });
  const was = await users.get('gold-2');
  await users.changes();
  const bulk = await start({ search: 'gold', plan: 'FREE' }, { change: { plan: 'PREMIUM', delete_after_days: 7 } }, 3);
  assert.deepEqual(counts(bulk), ['done', 3, 3, 0, 0, 0]);
  assert.ok(Math.abs(bulk.undo_until - now() - DAY) < 60);
  assert.deepEqual([bulk.entered_by, bulk.action.change.plan], ['local', 'premium'], 'as the plan is written');
  const changed = await users.get('gold-2');
  assert.deepEqual([changed.plan, changed.monthly_quota, changed.device_limit, changed.delete_after_days], ['premium', 500 * GIB, 10, 7]);
  const slots = await Promise.all(['gold-1', 'gold-2', 'gold-3'].map((name) => users.slotOf(name)));
  const entries = (await users.agent.sync()).body.roster?.upserts ?? [];
  assert.deepEqual(Object.fromEntries(entries.map(({ slot, devices }) => [slot, devices])), Object.fromEntries(slots.map((slot) => [slot, 10])));
  await users.change('gold-1', { monthly_quota: GIB });
  await undo(bulk.id);
  const undone = await finish(bulk.id);
  assert.deepEqual(counts(undone), ['undone', 3, 3, 0, 2, 1]);
  assert.deepEqual(undone.kept_users.map(({ name, why }) => [name, why]), [['gold-1', 'somebody changed it since']]);
  assert.deepEqual([undone.undo_until, await users.get('gold-2')], [null, was]);
  assert.deepEqual((await users.get('gold-1')).plan, 'premium');
  assertRefused(await panel.api('POST', `/api/v1/bulk/${bulk.id}/undo`), 409, 'not_undoable');
});

test('a reset of many opens whom the quota had shut, and taken back shuts them again with every byte', async () => {
  await users.create('reset-a', { monthly_quota: 1000 });
  await users.create('reset-b', { monthly_quota: 5000 });
  const [a, b] = [await users.slotOf('reset-a'), await users.slotOf('reset-b')];
  await users.spend(a, 1000);
  await users.spend(b, 700);
  const was = await users.get('reset-a');
  assert.equal(was.status, 'limited');
  const bulk = await start(of('reset-a', 'reset-b'), 'reset');
  assert.deepEqual(counts(bulk), ['done', 2, 2, 0, 0, 0]);
  assert.deepEqual(await users.changes(), { [a]: 'open', [b]: 'open' });
  await users.spend(a, 40);
  assert.deepEqual([(await users.get('reset-a')).monthly_used, (await users.get('reset-b')).monthly_used], [40, 0]);
  await undo(bulk.id);
  assert.deepEqual(counts(await finish(bulk.id)), ['undone', 2, 2, 0, 2, 0]);
  const now = await users.get('reset-a');
  assert.deepEqual([now.monthly_used, now.total_used, now.status, now.period_start, now.period_end], [1040, 1040, 'limited', was.period_start, was.period_end]);
  assert.equal((await users.get('reset-b')).monthly_used, 700);
  assert.deepEqual(await users.changes(), { [a]: 'month', [b]: 'open' });
  const { items } = await users.ok(200, 'GET', '/api/v1/users/reset-a/periods');
  assert.deepEqual(items.filter(({ start }) => start > was.period_start), [], 'the period of the reset is no more');
});

test('whoever was deleted with many comes back with his link and his usage, unless his name was given away', async () => {
  for (const name of ['del-a', 'del-b', 'del-c']) await users.create(name, { email: `${name}@example.org` });
  const was = await users.get('del-a');
  const slot = await users.slotOf('del-a');
  await users.spend(slot, 123);
  for (const alias of ['old-a', 'given-on']) await users.ok(201, 'POST', '/api/v1/users/del-a/aliases', { alias });
  const ahead = await preview({ search: 'del-' }, 'delete');
  assert.deepEqual(ahead.items[0].before, {}, 'a preview tells no alias');
  const bulk = await start({ search: 'del-' }, 'delete', 3);
  assert.deepEqual(counts(bulk), ['done', 3, 3, 0, 0, 0]);
  assert.equal((await panel.api('GET', '/api/v1/users/del-a')).status, 404);
  assert.equal(await users.subscription(was.subscription_url), 404);
  assert.equal((await users.changes())[slot], 'gone');
  await users.create('DEL-B');
  const alias = (text) => users.subscription(was.subscription_url.replace(/[^/]+$/, text));
  assert.equal(await alias('old-a'), 404);
  await users.ok(201, 'POST', '/api/v1/users/DEL-B/aliases', { alias: 'given-on' });
  await undo(bulk.id);
  const undone = await finish(bulk.id);
  assert.deepEqual(counts(undone), ['undone', 3, 3, 0, 2, 1]);
  assert.deepEqual(undone.kept_users.map(({ name }) => name), ['del-b']);
  const back = await users.get('del-a');
  assert.deepEqual([back.id, back.email, back.total_used, back.subscription_url, back.status], [was.id, was.email, 123, was.subscription_url, 'active']);
  assert.notEqual(await users.slotOf('del-a'), slot);
  assert.equal((await users.changes())[await users.slotOf('del-a')], 'open');
  assert.notEqual(await users.subscription(was.subscription_url), 404);
  assert.notEqual(await alias('old-a'), 404);
  const aliases = async (name) => (await users.ok(200, 'GET', `/api/v1/users/${name}/aliases`)).items.map((one) => one.alias);
  assert.deepEqual([await aliases('del-a'), await aliases('DEL-B')], [['old-a'], ['given-on']], 'what was given on stays there');
});

test('who is disabled with many is opened again, and who was disabled before is not', async () => {
  for (const name of ['shut-a', 'shut-b']) await users.create(name);
  await users.act('shut-b', 'disable');
  const bulk = await start(of('shut-a', 'shut-b'), 'disable');
  assert.deepEqual(counts(bulk), ['done', 2, 1, 1, 0, 0]);
  assert.deepEqual((await look(bulk.id)).skipped_users.map(({ name, why }) => [name, why]), [['shut-b', 'he has it already']]);
  assert.equal((await users.get('shut-a')).status, 'disabled');
  await undo(bulk.id);
  await finish(bulk.id);
  assert.deepEqual([(await users.get('shut-a')).status, (await users.get('shut-b')).status], ['active', 'disabled']);
});

test(`${MANY} users are done in chunks: the first at once, the others by the job, which can be stopped and everything undone`, async (t) => {
  const names = Array.from({ length: MANY }, (_, index) => `many-${index}`);
  for (const name of names) await users.create(name, { monthly_quota: 7 });
  const answer = await panel.api('POST', '/api/v1/bulk', { selection: { search: 'many-' }, action: { extend: { days: 3 } }, expect: MANY });
  assert.equal(answer.status, 202, answer.text);
  assert.equal(answer.headers.get('location'), `/api/v1/bulk/${answer.body.id}`);
  assert.deepEqual(counts(await finish(answer.body.id)), ['done', MANY, 0, MANY, 0, 0], 'nobody of them expires');
  const created = await panel.api('POST', '/api/v1/bulk', { selection: { search: 'many-' }, action: { change: { monthly_quota: 9 } } });
  const { id, done } = created.body;
  t.diagnostic(`${done} users at once: ${JSON.stringify(created.cost)}`);
  assert.ok(done >= 250 && done < MANY, `${done}`);
  assert.ok(created.cost.written <= 12 * done + 20, `${created.cost.written} rows written for ${done} users`);
  assert.ok(created.cost.queries < 50, `${created.cost.queries} queries`);
  const stopped = await users.ok(200, 'POST', `/api/v1/bulk/${id}/stop`);
  assert.deepEqual([stopped.state, stopped.done], ['stopped', done]);
  assert.equal(await panel.cron('bulk'), 'ok');
  assert.equal((await look(id)).done, done);
  assertRefused(await panel.api('POST', `/api/v1/bulk/${id}/stop`), 409, 'not_running');
  await undo(id);
  assert.deepEqual(counts(await finish(id)), ['undone', MANY, done, 0, done, 0]);
  const quotas = await panel.db.prepare("SELECT DISTINCT monthly_quota AS quota FROM usage JOIN users ON users.id = usage.user WHERE name LIKE 'many-%'").all();
  assert.deepEqual(quotas.results, [{ quota: 7 }]);
});

test('the audit log says who did what to how many, and its chain holds', async () => {
  const { items } = await users.ok(200, 'GET', '/api/v1/audit?action=bulk.start&limit=1');
  assert.deepEqual([items[0].actor, items[0].after.users, items[0].after.action], ['local', MANY, { change: { monthly_quota: 9 } }]);
  assert.equal((await users.ok(200, 'GET', '/api/v1/audit?action=bulk.undo&limit=1')).items.length, 1);
  assert.equal((await users.ok(200, 'GET', '/api/v1/audit?action=bulk.stop&limit=1')).items.length, 1);
  assert.equal((await users.ok(200, 'GET', '/api/v1/audit/verify')).ok, true);
});

test('they are listed, the newest first, page by page', async () => {
  const first = await users.ok(200, 'GET', '/api/v1/bulk?limit=2');
  assert.equal(first.items.length, 2);
  const second = await users.ok(200, 'GET', `/api/v1/bulk?limit=200&before=${first.next}`);
  assert.deepEqual([second.next, second.items.at(-1).id], [null, 1]);
  assert.equal(first.items[1].id, second.items[0].id + 1);
});

test('what breaks a rule names its field and changes nothing', async () => {
  await users.create('rule');
  const cases = [
    [422, 'invalid', 'selection', { action: 'reset' }],
    [422, 'invalid', 'selection.all', { selection: {}, action: 'reset' }],
    [422, 'invalid', 'selection.all', { selection: { all: true, search: 'x' }, action: 'reset' }],
    [422, 'invalid', 'selection.users', { selection: { users: ['rule'], plan: 'free' }, action: 'reset' }],
    [422, 'invalid', 'selection.users', { selection: { users: [] }, action: 'reset' }],
    [422, 'invalid', 'selection.users[1]', { selection: of('rule', 'nobody'), action: 'reset' }],
    [422, 'invalid', 'selection.status', { selection: { status: 'asleep' }, action: 'reset' }],
    [422, 'invalid', 'selection.colour', { selection: { colour: 'red' }, action: 'reset' }],
    [422, 'invalid', 'selection', { selection: { search: 'no such user' }, action: 'reset' }],
    [422, 'invalid', 'action', { selection: of('rule') }],
    [422, 'invalid', 'action', { selection: of('rule'), action: 'explode' }],
    [422, 'invalid', 'action.extend.days', { selection: of('rule'), action: { extend: { days: 0 } } }],
    [422, 'invalid', 'action.extend.days', { selection: of('rule'), action: { extend: {} } }],
    [422, 'invalid', 'action.change', { selection: of('rule'), action: { change: {} } }],
    [422, 'invalid', 'action.change.name', { selection: of('rule'), action: { change: { name: 'other' } } }],
    [422, 'invalid', 'action.change.email', { selection: of('rule'), action: { change: { email: 'a@example.org' } } }],
    [422, 'invalid', 'action.change.monthly_quota', { selection: of('rule'), action: { change: { monthly_quota: -1 } } }],
    [422, 'invalid', 'action.change.plan', { selection: of('rule'), action: { change: { plan: 'nobodys' } } }],
    [422, 'invalid', 'expect', { selection: of('rule'), action: 'reset', expect: -1 }],
    [409, 'selection_changed', undefined, { selection: of('rule'), action: 'reset', expect: 2 }],
  ];
  const before = await dump(panel);
  for (const [status, code, field, body] of cases) assertRefused(await panel.api('POST', '/api/v1/bulk', body), status, code, field);
  for (const where of ['/api/v1/bulk/0', '/api/v1/bulk/none']) assertRefused(await panel.api('GET', where), 404, 'not_found');
  const reader = await keyWith(panel, 'users:read');
  const body = JSON.stringify({ selection: of('rule'), action: 'reset' });
  const headers = { 'content-type': 'application/json' };
  assertRefused(await panel.request('POST', '/api/v1/bulk', { key: reader, headers, body }), 403, 'forbidden');
  assertRefused(await panel.request('POST', '/api/v1/bulk', { headers, body }), 401, 'unauthorized');
  assert.equal((await panel.request('POST', '/api/v1/bulk/preview', { key: reader, headers, body })).status, 200, 'who may read may look');
  const { api_keys: ignored, ...rest } = await dump(panel);
  const { api_keys: before_keys, ...expected } = before;
  assert.deepEqual(rest, expected);
});
