/**
 * The panel dies between any two of its round trips to the database, or a protective line is taken out of it. The Worker is built with
 * faults on demand (src/faults.rs).
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { startPanel } from './support/panel.mjs';
import { seedAgent, seedUsers, usageOf } from './support/seed.mjs';
import { now } from './support/wire.mjs';

const MIB = 2 ** 20;
const HOUR = 3600;

const panels = {};
before(async () => {
  for (const mutant of ['', 'last_seq', 'digest', 'ask_n']) {
    panels[mutant] = await startPanel({ faults: true, vars: { WEIR_MUTANT: mutant } });
  }
});
after(async () => {
  for (const panel of Object.values(panels)) await panel.stop();
});

const post = (agent, message, headers) => agent.send(JSON.stringify(message), headers);
const state = async ({ db }) => {
  const all = async (table, columns = '*') => (await db.prepare(`SELECT ${columns} FROM ${table} ORDER BY 1, 2, 3`).all()).results;
  return { usage: await all('usage'), history: await all('history'), epochs: await all('epochs', 'node, epoch, last_seq, up, down, digests'), slots: await all('slots', 'name, user, gate') };
};

test('a report and its asks are whole after the panel died before any round trip', async () => {
  const panel = panels[''];
  const [user, full] = [...(await seedUsers(panel, 1, { monthlyQuota: 100 * MIB })), ...(await seedUsers(panel, 1, { monthlyQuota: MIB }))];
  const agent = await seedAgent(panel);
  await agent.sync();
  let seq = 0;
  let died = 0;
  for (let trips = 0; ; trips += 1) {
    seq += 1;
    const report = agent.report({ seq, users: [[user.slot, 1, 2], [full.slot, 0, MIB]] });
    const asks = [[user.slot, 3 * seq, 0]];
    const was = await state(panel);
    const first = await post(agent, agent.message({ report, asks }), { 'weir-fault-crash': String(trips) });
    if (first.status === 200) break;
    assert.equal(first.status, 500, first.text);
    died += 1;
    const now_ = await state(panel);
    if (now_.epochs.find(({ epoch }) => epoch === agent.epoch).last_seq < seq) assert.deepEqual(now_, was, `died after ${trips} round trips`);
    const second = await agent.sync({ report, asks });
    assert.equal(second.body.ack, seq);
    const { lifetime, known } = await usageOf(panel, user.id);
    assert.deepEqual({ lifetime, known }, { lifetime: 3 * seq, known: 0 }, `died after ${trips} round trips`);
    assert.equal((await usageOf(panel, full.id)).lifetime, MIB * seq);
  }
  assert.ok(died >= 4, `only ${died} places to die at`);
});

test('a user is created whole or not at all, wherever the panel died', async () => {
  const panel = panels[''];
  await panel.cron();
  const users = () => panel.db.prepare('SELECT count(*) AS count FROM users').first();
  for (let trips = 0; ; trips += 1) {
    const before = (await users()).count;
    const body = JSON.stringify({ name: `born-${trips}` });
    const answer = await panel.request('POST', '/api/v1/users', { key: panel.apiKey, body, headers: { 'weir-fault-crash': String(trips) } });
    if (answer.status === 201) break;
    assert.equal(answer.status, 500);
    assert.ok(trips < 20);
    assert.equal((await users()).count, before);
    const loose = await panel.db.prepare(`SELECT count(*) AS count FROM slots WHERE gate = 'open' AND user NOT IN (SELECT id FROM users)`).first();
    assert.equal(loose.count, 0);
  }
});

test('a node is deleted together with what it holds or not at all, wherever the panel died', async () => {
  const panel = panels[''];
  const [user] = await seedUsers(panel, 1, { monthlyQuota: 100 * MIB });
  const agent = await seedAgent(panel);
  await agent.sync();
  await agent.sync({ asks: [[user.slot, 0, 0]] });
  const { out } = await usageOf(panel, user.id);
  assert.ok(out > 0, 'it holds something');
  const isDeleted = async () => (await panel.db.prepare('SELECT deleted_at FROM nodes WHERE id = ?1').bind(agent.node).first()).deleted_at !== null;
  for (let trips = 0; !(await isDeleted()); trips += 1) {
    assert.ok(trips < 20);
    assert.equal((await usageOf(panel, user.id)).out, out);
    const answer = await panel.request('DELETE', `/api/v1/nodes/${agent.node}`, { key: panel.apiKey, headers: { 'weir-fault-crash': String(trips) } });
    assert.ok([204, 500].includes(answer.status), answer.text);
  }
  // Whoever sends it again finds no node, so this must stand with the first that came through.
  assert.equal((await usageOf(panel, user.id)).out, 0);
});

/** What one report does when it is sent twice at the same instant, again later, and with other contents. */
async function doubled(panel) {
  const [user] = await seedUsers(panel, 1);
  const agent = await seedAgent(panel);
  await agent.sync();
  const report = agent.report({ seq: 1, users: [[user.slot, 10, 20]] });
  const statuses = (await Promise.all([agent.sync({ report }), agent.sync({ report }), agent.sync({ report })])).map(({ status }) => status);
  statuses.push((await agent.sync({ report })).status);
  const { lifetime } = await usageOf(panel, user.id);
  const other = await agent.sync({ report: agent.report({ seq: 1, users: [[user.slot, 11, 20]] }) });
  return { statuses, lifetime, other: other.status };
}

test('a report that arrives three times at once and once more counts once, and other contents are a fork', async () => {
  assert.deepEqual(await doubled(panels['']), { statuses: [200, 200, 200, 200], lifetime: 30, other: 409 });
});

test('without the guard on last_seq a doubled report counts twice', async () => {
  // The reports must meet: the check before the batch keeps them apart otherwise.
  for (let round = 0; round < 200; round += 1) if ((await doubled(panels.last_seq)).lifetime > 30) return;
  assert.fail('the guard was taken out and nothing was counted twice: the test does not bite');
});

test('without the look at the digest a forked report is taken for a repeated one', async () => {
  assert.equal((await doubled(panels.digest)).other, 200);
});

/** An old ask arrives after a newer one. @returns {Promise<number>} what the panel then takes the node to hold */
async function lateAsk(panel) {
  const [user] = await seedUsers(panel, 1, { monthlyQuota: 100 * MIB });
  const agent = await seedAgent(panel);
  await agent.sync();
  const old = agent.message({ asks: [[user.slot, 0, 0]] });
  await agent.sync({ asks: [[user.slot, 40 * MIB, 50 * MIB]] });
  const known = (await usageOf(panel, user.id)).known;
  await post(agent, old);
  return (await usageOf(panel, user.id)).known - known;
}

test('an ask that was overtaken changes nothing', async () => {
  assert.equal(await lateAsk(panels['']), 0);
});

test('without the guard on n an overtaken ask takes back what the node has counted', async () => {
  assert.equal(await lateAsk(panels.ask_n), -40 * MIB);
});

test('a report from before the turn of a month lands in the month that has ended', async () => {
  const panel = panels[''];
  const [user] = await seedUsers(panel, 1, { monthlyQuota: 100 * MIB });
  const agent = await seedAgent(panel);
  await agent.sync();
  const { period_end: end } = await usageOf(panel, user.id);
  await panel.setClock(end - now() + 2 * HOUR);
  try {
    // Two hours without the panel, across the end of the month.
    await agent.sync({ report: agent.report({ seq: 1, from: end - HOUR, to: end, users: [[user.slot, 0, 7]] }) });
    assert.equal((await usageOf(panel, user.id)).month, 7);
    await agent.sync({ report: agent.report({ seq: 2, from: end, to: end + HOUR, users: [[user.slot, 0, 5]] }) });
    const usage = await usageOf(panel, user.id);
    assert.deepEqual([usage.month, usage.lifetime, usage.period_start], [5, 12, end]);
    const kept = await panel.db.prepare('SELECT end, bytes FROM periods WHERE user = ?1').bind(user.id).all();
    assert.deepEqual(kept.results, [{ end, bytes: 7 }]);
    const hours = await panel.db.prepare('SELECT hour, down FROM history WHERE user = ?1 ORDER BY hour').bind(user.id).all();
    assert.deepEqual(hours.results.map(({ down }) => down), [7, 5]);
  } finally {
    await panel.setClock(0);
  }
});
