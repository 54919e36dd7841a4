/** What a new user brings along from another panel, by the own API: each field by its rule, and what follows from it. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { addOperator, signInOwner } from './support/operators.mjs';
import { startPanel } from './support/panel.mjs';
import { assertRefused, dump } from './support/refusals.mjs';
import { now } from './support/wire.mjs';

const DAY = 86_400;

let panel;

before(async () => {
  panel = await startPanel();
  assert.equal((await panel.api('POST', '/api/v1/users', { name: 'first' })).status, 201);
});
after(() => panel?.stop());

const create = (fields) => panel.api('POST', '/api/v1/users', { name: 'ann', ...fields });

test('what breaks its rule is refused by its field, and nothing is changed', async () => {
  const before = await dump(panel);
  for (const [field, fields] of [
    ['created_at', { created_at: now() + 100 }],
    ['created_at', { created_at: null }],
    ['period_start', { period_start: now() + 100 }],
    ['links_since', { links_since: now() + 100 }],
    ['monthly_used', { monthly_used: -1 }],
    ['total_used', { total_used: 2 ** 53 }],
    ['total_used', { monthly_used: 5, total_used: 4 }],
    ['disabled', { disabled: 1 }],
    ['owner', { owner: 'nobody' }],
    ['protocols', { protocols: {} }],
    ['protocols', { protocols: { vless: { flow: 'other' } } }],
    ['next_plan', { next_plan: {} }],
    ['next_plan', { next_plan: { plan: 'basic', monthly_quota: 1 } }],
  ]) {
    assertRefused(await create(fields), 422, 'invalid', field);
  }
  assert.deepEqual(await dump(panel), before);
});

test('a user is as he was there from the first second on', async () => {
  const created = now() - 100 * DAY;
  const fields = {
    created_at: created, period_start: now() - 10 * DAY, reset_strategy: 'month', monthly_quota: 1_000, monthly_used: 999, total_used: 5_000,
    owner: panel.operator.username, protocols: { vless: { flow: 'xtls-rprx-vision', excluded: ['old'] }, shadowsocks: { method: 'aes-256-gcm' } },
    next_plan: { monthly_quota: 7, expires_at: now() + DAY, fire_on_either: false },
  };
  const { status, body } = await create(fields);
  assert.equal(status, 201);
  assert.deepEqual([body.created_at, body.period_start, body.period_end, body.monthly_used, body.total_used], [created, fields.period_start, fields.period_start + 30 * DAY, 999, 5_000]);
  assert.deepEqual(body.protocols, fields.protocols);
  assert.deepEqual(body.next_plan, { plan: null, add_remaining_traffic: false, ...fields.next_plan });
  assert.equal(body.status, 'active');
  const { results } = await panel.db.prepare('SELECT owner FROM users WHERE name = ?1').bind('ann').all();
  assert.equal(results[0].owner, body.owner_id);
  const { items } = (await panel.api('GET', '/api/v1/audit?limit=1')).body;
  assert.deepEqual([items[0].action, items[0].after.monthly_used, items[0].after.owner], ['user.create', 999, body.owner_id]);
});

test('his explanation names what he brought, and leaves nothing over', async () => {
  const { body } = await panel.api('GET', '/api/v1/users/ann/explain');
  assert.deepEqual([body.brought, body.charged.month, body.charged.late, body.check.remainder, body.check.because], [999, 999, 0, 0, []]);
  await panel.api('POST', '/api/v1/users/ann/reset');
  const { body: later } = await panel.api('GET', '/api/v1/users/ann/explain');
  assert.deepEqual([later.brought, later.charged.month, later.charged.late, later.check.remainder], [0, 0, 0, 0]);
});

test('protocols can be changed and given back', async () => {
  const changed = await panel.api('PATCH', '/api/v1/users/ann', { protocols: { trojan: {} } });
  assert.deepEqual([changed.status, changed.body.protocols], [200, { trojan: {} }]);
  assert.equal((await panel.api('PATCH', '/api/v1/users/ann', { protocols: null })).body.protocols, null);
});

test('a period of which only the length is known goes on as it would have', async () => {
  const begun = now() - 20 * DAY;
  const { body } = await panel.api('POST', '/api/v1/users', { name: 'weekly', reset_strategy: 'week', period_start: begun, monthly_used: 3 });
  assert.deepEqual([body.period_start, body.next_reset_at], [begun + 14 * DAY, begun + 21 * DAY]);
  const { body: calendar } = await panel.api('POST', '/api/v1/users', { name: 'calendar', reset_day: 1, period_start: begun });
  assert.equal(new Date(calendar.period_start * 1_000).getUTCDate(), 1);
});

test('whoever has only users of his own gives none away, and who is given one stays within his allowance', async () => {
  const owner = await signInOwner(panel);
  const seller = await addOperator(panel, owner, { name: 'seller', role: 'reseller', user_allowance: 1 });
  assertRefused(await seller.api('POST', '/api/v1/users', { name: 'given', owner: panel.operator.username }), 403, 'forbidden');
  const { status, body } = await create({ name: 'his', owner: 'Seller' });
  assert.deepEqual([status, body.owner_id], [201, seller.id]);
  assertRefused(await create({ name: 'one-too-many', owner: 'seller' }), 409, 'user_allowance');
  assert.equal((await panel.api('GET', '/api/v1/users/one-too-many')).status, 404);
});
