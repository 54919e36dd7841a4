/** When usage begins anew, on the real Worker with a clock that the test sets. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { startPanel } from './support/panel.mjs';
import { seedAgent, usageOf } from './support/seed.mjs';
import { now } from './support/wire.mjs';

const DAY = 86_400;
const GIB = 2 ** 30;

let panel;
let agent;
let seq = 0;
before(async () => {
  panel = await startPanel({ faults: true, vars: { TIME_ZONE: 'Asia/Tehran' } });
  agent = await seedAgent(panel);
  assert.equal(await panel.cron(), 'ok');
  await agent.sync();
});
after(() => panel?.stop());

async function create(fields) {
  const { status, body } = await panel.api('POST', '/api/v1/users', { name: `user-${Math.random().toString(36).slice(2, 10)}`, ...fields });
  assert.equal(status, 201, JSON.stringify(body));
  return body;
}
const get = async ({ name }) => (await panel.api('GET', `/api/v1/users/${name}`)).body;
/** @returns {Date} as the clocks of a zone show it */
const local = (second, timeZone) => new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short', timeStyle: 'medium' }).format(new Date(second * 1000));

async function spend(user, bytes) {
  const { slot } = await panel.db.prepare('SELECT slot FROM users WHERE id = ?1').bind(user.id).first();
  seq += 1;
  const { status } = await agent.sync({ report: agent.report({ seq, users: [[slot, 0, bytes]] }) });
  assert.equal(status, 200);
}

test('a calendar month begins at midnight of the zone, the deployment\'s unless the user has his own', async () => {
  const home = await create({ reset_day: 5 });
  assert.equal(home.time_zone, 'Asia/Tehran');
  assert.match(local(home.period_end, 'Asia/Tehran'), /-05 00:00:00$/);
  const away = await create({ reset_day: 5, time_zone: 'America/New_York' });
  assert.match(local(away.period_end, 'America/New_York'), /-05 00:00:00$/);
});

test('rolling strategies begin anew so many days after they last began, and a reset begins them at once', async () => {
  for (const [strategy, days] of [['day', 1], ['week', 7], ['month', 30], ['year', 365]]) {
    const user = await create({ reset_strategy: strategy });
    assert.equal(user.period_end - user.period_start, days * DAY, strategy);
    assert.ok(Math.abs(user.period_start - now()) <= 5);
    await panel.db.prepare('UPDATE usage SET period_start = period_start - 100, period_end = period_end - 100 WHERE user = ?1').bind(user.id).run();
    const { body } = await panel.api('POST', `/api/v1/users/${user.name}/reset`);
    assert.ok(Math.abs(body.period_start - now()) <= 5);
    assert.equal(body.period_end - body.period_start, days * DAY, strategy);
  }
});

test('without a reset the quota lasts for good, and no date of a reset is told', async () => {
  const user = await create({ reset_strategy: 'no_reset', monthly_quota: GIB });
  assert.equal(user.period_end, null);
  await spend(user, GIB);
  assert.equal((await get(user)).reason, 'month');
  const { headers, text } = await panel.request('GET', new URL(`${user.subscription_url}/links`).pathname);
  assert.equal(headers.get('subscription-refill-date'), null);
  assert.match(decodeURIComponent(text), /#Traffic used up$/m);
  await panel.setClock(400 * DAY);
  assert.equal(await panel.cron(), 'ok');
  assert.equal((await get(user)).status, 'limited');
  await panel.setClock(0);
});

test('a changed strategy, day or zone moves the end alone, to the first boundary to come', async () => {
  const user = await create({ reset_day: 1, time_zone: 'UTC' });
  await spend(user, 5);
  const { body: moved } = await panel.api('PATCH', `/api/v1/users/${user.name}`, { time_zone: 'Asia/Shanghai' });
  assert.equal(moved.period_start, user.period_start);
  assert.match(local(moved.period_end, 'Asia/Shanghai'), /-01 00:00:00$/);
  assert.equal(moved.monthly_used, 5);
  const { body: rolling } = await panel.api('PATCH', `/api/v1/users/${user.name}`, { reset_strategy: 'week' });
  assert.equal(rolling.period_start, user.period_start);
  assert.ok(rolling.period_end > now() && rolling.period_end <= now() + 7 * DAY);
  assert.equal((rolling.period_end - rolling.period_start) % (7 * DAY), 0);
});

test('who was limited by the quota is opened when the period ends, and who was disabled is not', async () => {
  const [limited, disabled] = [await create({ reset_strategy: 'day', monthly_quota: 1000 }), await create({ reset_strategy: 'day', monthly_quota: 1000 })];
  await spend(limited, 1000);
  await spend(disabled, 1000);
  await panel.api('POST', `/api/v1/users/${disabled.name}/disable`);
  await panel.setClock(3 * DAY + 60);
  try {
    assert.equal(await panel.cron(), 'ok');
    assert.equal((await get(limited)).status, 'active');
    assert.equal((await get(disabled)).reason, 'person');
    const usage = await usageOf(panel, limited.id);
    assert.equal(usage.period_start, limited.period_start + 3 * DAY);
    const { results } = await panel.db.prepare('SELECT bytes FROM periods WHERE user = ?1').bind(limited.id).all();
    assert.deepEqual(results, [{ bytes: 1000 }]);
  } finally {
    await panel.setClock(0);
  }
});

test('unknown zones and strategies are refused by name', async () => {
  for (const [field, value] of [['time_zone', 'Mars/Olympus'], ['reset_strategy', 'sometimes'], ['reset_day', 32], ['time_zone', 5]]) {
    const { status, body } = await panel.api('POST', '/api/v1/users', { name: 'nobody', [field]: value });
    assert.equal(status, 422, field);
    assert.equal(body.error.field, field);
  }
});
