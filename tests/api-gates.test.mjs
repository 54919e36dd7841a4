/** What opens and shuts a user over HTTP: quotas, resets, persons, new credentials and time; on the node and in his subscription. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { apiUsers } from './support/api-users.mjs';
import { startPanel } from './support/panel.mjs';
import { now } from './support/wire.mjs';

const MIB = 2 ** 20;
const DAY = 86_400;

let panel;
let users;

before(async () => {
  panel = await startPanel();
  users = await apiUsers(panel);
});
after(() => panel?.stop());

test('a quota limits and opens at once, on the node and in the subscription', async () => {
  const { subscription_url: url } = await users.create('hanna');
  const slot = await users.slotOf('hanna');
  await users.spend(slot, 3000);
  await users.changes();
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
    const user = await users.change('hanna', fields);
    assert.deepEqual([user.status, user.reason], [status, reason], JSON.stringify(fields));
    // Also when the gate stays: a node that holds a limit for him has to ask anew.
    assert.deepEqual(await users.changes(), { [slot]: gate }, JSON.stringify(fields));
    if (typeof entry === 'string') assert.equal(await users.subscription(url), entry);
    else assert.match(await users.subscription(url), entry);
  }
});

test('used bytes are shown, and a report that uses the quota up limits', async () => {
  await users.create('jack', { monthly_quota: 5000 });
  const slot = await users.slotOf('jack');
  await users.spend(slot, 4999);
  let user = await users.get('jack');
  assert.deepEqual([user.monthly_used, user.total_used, user.status], [4999, 4999, 'active']);
  assert.ok(Math.abs(user.last_seen_at - now()) <= 60);
  await users.changes();
  assert.deepEqual(await users.spend(slot, 1), { [slot]: 'month' });
  user = await users.get('jack');
  assert.deepEqual([user.monthly_used, user.status, user.reason], [5000, 'limited', 'month']);
});

test('a reset begins a new period, keeps the lifetime, and opens whom the month had shut', async () => {
  await users.create('kate', { monthly_quota: 100, total_quota: 250 });
  const slot = await users.slotOf('kate');
  for (const [total, status] of [[100, 'active'], [200, 'active'], [300, 'limited']]) {
    await users.spend(slot, 100);
    const user = await users.act('kate', 'reset');
    assert.deepEqual([user.monthly_used, user.total_used, user.status], [0, total, status]);
    assert.ok(Math.abs(user.period_start - now()) <= 60);
  }
  assert.equal((await users.get('kate')).reason, 'total', 'a reset is no present');
  const { id } = await users.get('kate');
  const { bytes } = await panel.db.prepare('SELECT sum(bytes) AS bytes FROM periods WHERE user = ?1').bind(id).first();
  assert.equal(bytes, 300);
});

test("a person's disable stands against quotas, resets and the clock until a person enables", async () => {
  const { subscription_url: url } = await users.create('lena', { monthly_quota: 100 });
  const slot = await users.slotOf('lena');
  await users.changes();
  const disabled = await users.act('lena', 'disable');
  assert.deepEqual([disabled.status, disabled.reason], ['disabled', 'person']);
  assert.deepEqual(await users.changes(), { [slot]: 'disabled' });
  assert.equal(await users.subscription(url), 'Account disabled');
  await users.spend(slot, 50);
  await users.act('lena', 'disable');
  await users.act('lena', 'reset');
  await users.change('lena', { monthly_quota: 0, expires_at: now() + DAY });
  assert.equal(await panel.cron(), 'ok');
  assert.equal((await users.get('lena')).status, 'disabled');
  const enabled = await users.act('lena', 'enable');
  assert.deepEqual([enabled.status, enabled.reason, enabled.total_used], ['active', null, 50]);
  assert.equal((await users.changes())[slot], 'open');
  assert.deepEqual(await users.act('lena', 'enable'), enabled);
});

test('enabling opens nobody whose quota is used up', async () => {
  await users.create('max', { monthly_quota: 10 });
  await users.spend(await users.slotOf('max'), 10);
  await users.act('max', 'disable');
  assert.deepEqual((({ status, reason }) => [status, reason])(await users.act('max', 'enable')), ['limited', 'month']);
});

test('revoking gives new credentials and a new link, ends the old ones, and keeps the account', async () => {
  const before = await users.create('nora', { monthly_quota: 1000 });
  const slot = await users.slotOf('nora');
  await users.spend(slot, 400);
  await users.changes();
  const after = await users.act('nora', 'revoke');
  const fresh = await users.slotOf('nora');
  assert.notEqual(fresh, slot);
  assert.notEqual(after.subscription_url, before.subscription_url);
  assert.deepEqual({ ...after, subscription_url: 0 }, { ...before, monthly_used: 400, total_used: 400, last_seen_at: after.last_seen_at, subscription_url: 0 });
  assert.equal(await users.subscription(before.subscription_url), 404);
  assert.equal(await users.subscription(after.subscription_url), 'No server is connected yet');
  assert.deepEqual(await users.changes(), { [slot]: 'gone', [fresh]: 'open' });
  // Late bytes of the old credentials are his, and shut the new ones in the same answer.
  assert.deepEqual(await users.spend(slot, 600), { [fresh]: 'month' });
  const user = await users.get('nora');
  assert.deepEqual([user.monthly_used, user.status], [1000, 'limited']);
});

test('when no slot is vacant some are made, and the user is revoked', async () => {
  const { subscription_url: before } = await users.create('pia');
  const slot = await users.slotOf('pia');
  await panel.db.prepare("UPDATE slots SET gate = 'retired' WHERE gate = 'vacant'").run();
  const { subscription_url: after } = await users.act('pia', 'revoke');
  assert.notEqual(after, before);
  assert.notEqual(await users.slotOf('pia'), slot);
});

test('a quota can be spent to its end by new credentials, though the old ones were granted half of it', async () => {
  await users.create('oona', { monthly_quota: 100 * MIB });
  const old = await users.slotOf('oona');
  const limitOf = async (slot, count, held) => new Map((await users.agent.sync({ asks: [[slot, count, held]] })).body.limits).get(slot);
  assert.equal(await limitOf(old, 0, 0), 50 * MIB);
  await users.act('oona', 'revoke');
  const fresh = await users.slotOf('oona');
  let limit = 0;
  for (let asks = 0; asks < 40 && limit < 100 * MIB; asks += 1) limit = await limitOf(fresh, limit, limit);
  assert.equal(limit, 100 * MIB);
});

test('a period that ended is shown as ended before the sweep has come by', async () => {
  await users.create('paul', { monthly_quota: 100 });
  const { id } = await users.get('paul');
  await users.spend(await users.slotOf('paul'), 100);
  await panel.db.prepare('UPDATE usage SET period_start = 1, period_end = unixepoch() - 5 WHERE user = ?1').bind(id).run();
  await panel.db.prepare('UPDATE users SET due_at = unixepoch() - 5 WHERE id = ?1').bind(id).run();
  assert.deepEqual((({ monthly_used: used, status }) => [used, status])(await users.get('paul')), [0, 'active']);
  await users.changes();
  assert.equal(await panel.cron(), 'ok');
  assert.deepEqual(await users.changes(), { [await users.slotOf('paul')]: 'open' });
  const user = await users.get('paul');
  assert.ok(user.period_start > 1 && user.period_end > now());
  assert.deepEqual([user.monthly_used, user.total_used, user.status], [0, 100, 'active']);
});

test('an account expires by the sweep, also on the node', async () => {
  await users.create('quinn', { expires_at: now() + DAY });
  const slot = await users.slotOf('quinn');
  await users.changes();
  const { id } = await users.get('quinn');
  await panel.db.prepare('UPDATE users SET expires_at = unixepoch() - 1, due_at = unixepoch() - 1 WHERE id = ?1').bind(id).run();
  assert.equal(await panel.cron(), 'ok');
  assert.deepEqual(await users.changes(), { [slot]: 'expired' });
  assert.equal((await users.get('quinn')).status, 'expired');
});
