/**
 * What a sync costs in D1's currency, on the real database: rows written, rows read, queries. D1 bills rows, and the Free plan has
 * 100,000 written ones a day, so a number that grows here is a price that rises for every operator.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';

import { startPanel } from './support/panel.mjs';
import { seedAgent, seedUsers, usageOf } from './support/seed.mjs';
import { dayOf, now } from './support/wire.mjs';

const USERS = 1000;
const MONTH = 30 * 86_400;

let panel;
let agent;
let users;
let seq = 0;

before(async () => {
  panel = await startPanel();
  users = await seedUsers(panel, USERS);
  agent = await settled();
});
after(() => panel?.stop());

/** A node that holds the whole roster and whose state was just stored. */
async function settled(node) {
  const one = await seedAgent(panel, node);
  let answer = await one.sync();
  while (answer.body.roster?.more) {
    const { version, upserts } = answer.body.roster;
    answer = await one.sync({ roster_after: { version, after: upserts.at(-1).slot } });
  }
  await one.sync();
  return one;
}

/** One sync, judged by its price: rows and queries at most. */
async function price(t, what, fields, { written, read, queries }, one = agent) {
  const { status, cost, body } = await one.sync(fields);
  assert.equal(status, 200, JSON.stringify(body));
  t.diagnostic(`${what}: ${cost.written} written (<= ${written}), ${cost.read} read (<= ${read}), ${cost.queries} queries (<= ${queries})`);
  assert.ok(cost.written <= written, `${what}: ${cost.written} rows written, budget ${written}`);
  assert.ok(cost.read <= read, `${what}: ${cost.read} rows read, budget ${read}`);
  assert.ok(cost.queries <= queries, `${what}: ${cost.queries} queries, budget ${queries}`);
  return body;
}

/** The next report, with one byte up and two down for each user. */
function report(of, fields = {}) {
  seq += 1;
  return agent.report({ seq, users: of.map(({ slot }) => [slot, 1, 2]), ...fields });
}

/** A hash as an agent tells it: another one for each client of each user. */
function hashOf(client, index) {
  return Buffer.from(`${client}`.padStart(3, '0') + `${index}`.padStart(5, '0')).toString('base64url');
}

const forReport = (n, extra = {}) => ({ written: 2 * n + 3 + (extra.written ?? 0), read: 8 * n + 12 + (extra.read ?? 0), queries: 10 });
const idle = { written: 0, read: 3, queries: 5 };

test('an idle sync writes nothing', async (t) => {
  await price(t, 'idle sync', {}, idle);
});

test('once a minute a sync stores how the node is', async (t) => {
  await panel.db.prepare('UPDATE epochs SET seen_at = seen_at - 61 WHERE epoch = ?1').bind(agent.epoch).run();
  await price(t, 'idle sync after a minute', {}, { ...idle, written: 1, read: 4 });
  await price(t, 'idle sync after that', {}, idle);
});

for (const n of [0, 1, 100, 1000]) {
  test(`a report of ${n} users, the first of the hour and a later one`, async (t) => {
    await price(t, `first report of ${n}`, { report: report(users.slice(0, n)) }, forReport(n));
    await price(t, `later report of ${n}`, { report: report(users.slice(0, n)) }, forReport(n));
  });
}

test('a sync that is packed pays one row more, for its key is asked for first', async (t) => {
  const packed = { sync: (fields) => agent.send(gzipSync(JSON.stringify(agent.message(fields))), { 'content-encoding': 'gzip' }) };
  await price(t, 'packed sync that has nothing to say', {}, { ...idle, read: 4 }, packed);
  await price(t, 'packed report of 1000', { report: report(users) }, forReport(1000), packed);
});

test('a repeated report writes nothing', async (t) => {
  const again = report(users);
  await agent.sync({ report: again });
  await price(t, 'repeated report of 1000', { report: again }, { written: 0, read: 6, queries: 5 });
});

test('a report whose users cross their quota pays for each gate that shuts', async (t) => {
  const nearlyOut = await seedUsers(panel, 100, { monthlyQuota: 5 });
  await price(t, 'report of 100, none at the quota', { report: report(nearlyOut) }, forReport(100, { read: 2 * 100 }));
  await price(t, 'report of 100, all cross it', { report: report(nearlyOut) }, forReport(100, { written: 400, read: 500 }));
  const { results } = await panel.db.prepare("SELECT count(*) AS n FROM slots WHERE gate = 'month'").all();
  assert.equal(results[0].n, 100);
  await price(t, 'the next report of 100', { report: report(nearlyOut) }, forReport(100));
});

test('a report into a new period pays one row more for each user', async (t) => {
  const ended = await seedUsers(panel, 100, { periodStart: now() - 2 * MONTH, periodEnd: now() - MONTH, month: 50 });
  await agent.sync();
  await price(t, 'report of 100, a new period', { report: report(ended) }, forReport(100, { written: 100 }));
  const [one] = ended;
  assert.equal((await usageOf(panel, one.id)).month, 3);
  assert.equal((await panel.db.prepare('SELECT bytes FROM periods WHERE user = ?1').bind(one.id).first()).bytes, 50);
});

test('a late report pays one row more for each user', async (t) => {
  // A ledger whose last report lies a month back, as after a long outage.
  const back = await settled();
  const ended = await seedUsers(panel, 100, { periodStart: now() - 2 * MONTH, periodEnd: now() - MONTH, month: 50 });
  await agent.sync();
  await agent.sync({ report: report(ended) });
  await back.sync();
  // Read more than twice as much as others: each finds the period that it belongs to, and whether anybody noticed that one. They are as
  // rare as outages over a period's end.
  const late = back.report({ seq: 1, to: now() - MONTH - 86_400, users: ended.map(({ slot }) => [slot, 4, 4]) });
  await price(t, 'late report of 100', { report: late }, forReport(100, { written: 100, read: 1_100 }), back);
  const [one] = ended;
  assert.equal((await panel.db.prepare('SELECT bytes FROM periods WHERE user = ?1').bind(one.id).first()).bytes, 58);
});

for (const k of [1, 100, 500]) {
  test(`addresses of ${k} users write one row each that differs, whatever the user's other nodes have told`, async (t) => {
    const other = await settled();
    const tell = (clients) => ({ addresses: users.slice(0, k).map(({ slot }, index) => [slot, dayOf(), clients.map((client) => hashOf(client, index))]) });
    // Three queries more than another sync, two of them in one batch. Read: what json_each finds in a user's row counts as well.
    const budget = (found) => ({ written: k, read: 5 + k * found, queries: 6 });
    await price(t, `first addresses of ${k} users`, tell([1, 2]), budget(13));
    await price(t, `the same of ${k} users`, tell([1, 2]), budget(16));
    await panel.db.prepare(`UPDATE epochs SET status = '{"uptime":90000}' WHERE epoch = ?1`).bind(agent.epoch).run();
    await price(t, `the same of ${k} users, told by a process that goes on`, tell([1, 2]), { ...budget(13), written: 0 });
    await price(t, `other addresses of ${k} users`, tell([2, 3]), budget(14));
    await price(t, `addresses of ${k} users on another node`, tell([3]), budget(18), other);
    await price(t, `no addresses of ${k} users any more`, tell([]), budget(14));
    await price(t, `no addresses of ${k} users any more, on the other node`, tell([]), budget(11), other);
    await price(t, 'an idle sync after that', { address_day: dayOf() }, idle);
  });
}

test('addresses of users whom nobody has told of, and who have none, write nothing', async (t) => {
  await panel.db.prepare('DELETE FROM addresses').run();
  await price(t, 'no addresses of 100 users', { addresses: users.slice(0, 100).map(({ slot }) => [slot, dayOf(), []]) }, { written: 0, read: 5 + 100 * 4, queries: 6 });
});

test('users who are noted for too many addresses cost three rows more each', async (t) => {
  const sets = users.slice(0, 100).map(({ slot }, index) => [slot, dayOf(), [1, 2, 3, 4].map((client) => hashOf(client, index))]);
  await price(t, '100 users with 4 addresses', { addresses: sets }, { written: 100 + 3 * 100, read: 10 + 100 * 24, queries: 8 });
  await price(t, 'the same a moment later', { addresses: sets }, { written: 100, read: 5 + 100 * 17, queries: 6 });
});

test('roster changes cost two rows read an entry, and nothing is written for them', async (t) => {
  await agent.sync();
  await seedUsers(panel, 20);
  const { roster } = await price(t, 'sync with 20 roster entries', {}, { written: 0, read: 4 + 2 * 20, queries: 5 });
  assert.equal(roster.upserts.length, 20);
  // The new roster is held now, which is news of the node.
  await price(t, 'the sync after it', {}, { ...idle, written: 1, read: 4 });
});

test('a node without a roster gets it in pages of 500', async (t) => {
  const { version, upserts, more } = (
    await price(t, 'first page', { held: [0, 0], loaded: [0, 0] }, { written: 1, read: 5 + 2 * 501, queries: 5 })
  ).roster;
  assert.deepEqual([upserts.length, more], [500, true]);
  const cursor = { version, after: upserts.at(-1).slot };
  const next = await price(t, 'second page', { roster_after: cursor }, { written: 1, read: 5 + 2 * 501, queries: 5 });
  assert.ok(next.roster.upserts[0].slot > cursor.after);
  await agent.sync();
});

for (const n of [1, 10, 256]) {
  // Of a body over 4 KiB the key is asked for first, by a row of its own.
  test(`${n} asks cost a row written and four read each`, async (t) => {
    const asks = users.slice(0, n).map(({ slot }) => [slot, 0, 0]);
    const { limits } = await price(t, `${n} asks`, { asks }, { written: n, read: 3 + 4 * n + (n > 200 ? 1 : 0), queries: 5 });
    assert.equal(limits.length, n);
  });
}

test('a user who starves while another node holds grants costs three rows more, and only every half minute', async (t) => {
  const other = await settled();
  const [hungry] = await seedUsers(panel, 1, { monthlyQuota: 1000 });
  await other.sync({ asks: [[hungry.slot, 0, 0]] });
  for (const one of [agent, other]) while ((await one.sync()).body.roster);
  const call = { written: 1 + 3, read: 3 + 4 + 16, queries: 5 };
  const { limits } = await price(t, 'the ask that calls for grants', { asks: [[hungry.slot, 0, 0]] }, call);
  assert.deepEqual(limits, [[hungry.slot, 0]]);
  // It takes the roster that makes every node ask again, and says that it holds it. The panel's clock counts seconds.
  for (const one of [agent, agent]) await one.sync();
  for (const at = now(); now() <= at; ) await sleep(50);
  await price(t, 'the next ask', { asks: [[hungry.slot, 0, 0]] }, { written: 1, read: 3 + 4, queries: 5 });
  await other.sync();
});

test('asks beside a report cost what both cost', async (t) => {
  const asks = users.slice(0, 256).map(({ slot }) => [slot, 1_000_000, 0]);
  const both = { written: 2 * USERS + 3 + 256, read: 8 * USERS + 12 + 4 * 256, queries: 10 };
  await price(t, 'report of 1000 and 256 asks', { report: report(users), asks }, both);
});
