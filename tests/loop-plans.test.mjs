/** Plans on a real node: each user is cut at his own plan's quota, and a plan that is changed and applied lets him in again. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { MIB, startLoop, until } from './support/loop.mjs';

const PROTOCOL = 'trojan';
const GIB = 1024 * MIB;
/** The month's quota of each built-in plan. */
const QUOTAS = { free: 10 * GIB, basic: 100 * GIB, premium: 500 * GIB };
/** Of a quota nobody moves all in a test: it begins with so much left. */
const LEFT = 12 * MIB;
const RATE = 4 * MIB;
/** A floor, and what passes in a tick. */
const BOUND = MIB + RATE;
const LIMIT_MS = 40_000;

let loop;
let unlimited;

before(async () => {
  const plans = [...Object.keys(QUOTAS), 'unlimited'];
  loop = await startLoop({ users: plans.map((plan) => ({ name: `of-${plan}`, plan })), protocols: [PROTOCOL] });
  for (const [plan, quota] of Object.entries(QUOTAS)) {
    await loop.panel.db
      .prepare('UPDATE usage SET month = ?2, lifetime = ?2, revision = revision + 1 WHERE user = (SELECT id FROM users WHERE name = ?1)')
      .bind(`of-${plan}`, quota - LEFT)
      .run();
  }
  unlimited = loop.lab.download({ user: 'of-unlimited', protocol: PROTOCOL, rate: RATE });
});

after(() => loop?.stop());

const user = (plan) => loop.api('GET', `/api/v1/users/of-${plan}`);

/** One exchange that passes whole, or none of it. */
async function tries(plan) {
  const entry = await loop.lab.tcp({ user: `of-${plan}`, protocol: PROTOCOL, up: 1000, down: 1000 });
  return entry.outcome;
}

test('users of all built-in plans have their quotas, and the limits that nodes enforce', async () => {
  for (const [plan, speed, devices] of [['free', 1024, 2], ['basic', 5120, 5], ['premium', 10_240, 10], ['unlimited', 0, 0]]) {
    const { monthly_quota: quota, speed_limit: limit, device_limit: most } = await user(plan);
    assert.deepEqual([quota, limit, most], [QUOTAS[plan] ?? 0, speed * 1024, devices], plan);
  }
});

test('each is cut at the end of his own quota, and the one without goes on in the same connection', { timeout: 120_000 }, async (context) => {
  await Promise.all(
    Object.keys(QUOTAS).map(async (plan) => {
      const download = loop.lab.download({ user: `of-${plan}`, protocol: PROTOCOL, rate: RATE, retry: true });
      await until(`the user of ${plan} is at his limit`, async () => (await user(plan)).status === 'limited', { limitMs: LIMIT_MS });
      await until(`the user of ${plan} is refused`, () => download.refused, { limitMs: LIMIT_MS });
      await download.stop();
    }),
  );
  for (const [plan, quota] of Object.entries(QUOTAS)) {
    const { up, down } = loop.lab.account.sum({ user: `of-${plan}` });
    const used = await until('the panel has all of his bytes', async () => {
      const { monthly_used: month } = await user(plan);
      return month >= quota - LEFT + up.low + down.low && month;
    });
    context.diagnostic(`${plan}: ${((used - quota) / MIB).toFixed(2)} MiB over ${quota / GIB} GiB`);
    assert.ok(used >= quota && used <= quota + BOUND, `${plan}: ${used - quota} bytes beyond the quota`);
    assert.deepEqual([(await user(plan)).reason, await tries(plan)], ['month', 'refused']);
  }
  const { received } = unlimited;
  await until('the one without a quota goes on', () => unlimited.received > received + MIB);
  assert.equal(unlimited.connections, 1);
});

test('a plan that is raised and applied lets its user in again, and nobody else', { timeout: 120_000 }, async () => {
  const { version } = await loop.api('PATCH', '/api/v1/plans/free', { monthly_quota: QUOTAS.free + GIB });
  assert.equal((await user('free')).status, 'limited', 'until it is applied');
  await loop.api('POST', '/api/v1/plans/free/apply', { version });
  assert.equal(await loop.panel.cron('plans'), 'ok');
  assert.equal((await user('free')).monthly_quota, QUOTAS.free + GIB);
  await until('he passes', async () => (await tries('free')) === 'complete', { limitMs: LIMIT_MS });
  assert.deepEqual([await tries('basic'), await tries('premium')], ['refused', 'refused']);
  assert.equal(unlimited.connections, 1);
  await unlimited.stop();
});
