/** What the panel does with reports that are well-formed and strange: each is taken, no byte is lost, and the operator is told. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { startPanel } from './support/panel.mjs';
import { seedAgent, seedUsers, usageOf } from './support/seed.mjs';
import { now, randomSlot, utc } from './support/wire.mjs';

const YEAR = 365 * 86_400;
const MOST_BYTES = 2 ** 53 - 1;

let panel;
let agent;
let ann;
let seq = 0;

before(async () => {
  panel = await startPanel();
  agent = await seedAgent(panel);
  [ann] = await seedUsers(panel, 1);
  await agent.sync();
});
after(() => panel?.stop());

const lifetime = async (user = ann) => (await usageOf(panel, user.id)).lifetime;
const epochRow = () => panel.db.prepare('SELECT * FROM epochs WHERE epoch = ?1').bind(agent.epoch).first();

/** The report is applied, as the next of its epoch. */
async function taken(fields) {
  seq += 1;
  const answer = await agent.sync({ report: agent.report({ seq, ...fields }) });
  assert.deepEqual([answer.status, answer.body.ack], [200, seq], answer.text);
  return answer;
}

test('fields that the panel does not know are tolerated', async () => {
  assert.equal((await agent.sync({ invention: { of: 'tomorrow' } })).status, 200);
});

test('bytes of an unknown slot are acknowledged and counted as unknown', async () => {
  const before = (await epochRow()).unknown;
  await taken({ users: [[randomSlot(), 40, 2], [ann.slot, 1, 0]] });
  assert.equal((await epochRow()).unknown, before + 42);
  assert.equal(await lifetime(), 1);
});

test('bytes of a vacant slot count as unknown, and nobody gets that slot any more', async () => {
  const slot = randomSlot();
  await panel.db.prepare("INSERT INTO slots (name, gate, born, changed) VALUES (?1, 'vacant', 1, 1)").bind(slot).run();
  const before = (await epochRow()).unknown;
  const { body } = await taken({ users: [[slot, 5, 5]] });
  assert.equal((await epochRow()).unknown, before + 10);
  assert.deepEqual(body.roster.removals, [slot]);
});

test('late bytes of a deleted user are credited to him', async () => {
  const [gone] = await seedUsers(panel, 1);
  await panel.db.batch([
    panel.db.prepare('UPDATE users SET deleted_at = unixepoch() WHERE id = ?1').bind(gone.id),
    panel.db.prepare("UPDATE slots SET gate = 'retired' WHERE name = ?1").bind(gone.slot),
  ]);
  await taken({ users: [[gone.slot, 60, 6]] });
  assert.equal(await lifetime(gone), 66);
});

test('times that are off by a year are moved to now, counted, and shown to the operator', async () => {
  const before = await lifetime();
  const at = now();
  await taken({ from: at + YEAR - 60, to: at + YEAR, users: [[ann.slot, 1, 0]] });
  assert.ok(Math.abs((await epochRow()).last_to - at) <= 60);
  // Before the last report's end: moved up to it.
  await taken({ from: at - YEAR - 60, to: at - YEAR, users: [[ann.slot, 1, 0]] });
  assert.ok(Math.abs((await epochRow()).last_to - at) <= 60);
  assert.equal(await lifetime(), before + 2);
  const { events } = (await panel.api('GET', `/api/v1/nodes/${agent.node}`)).body;
  const moved = events.filter(({ kind }) => kind === 'clock').map(({ detail }) => detail);
  assert.equal(moved.length, 2);
  assert.match(moved[0], new RegExp(`^report ${seq} ended at ${utc(at - YEAR)}, applied as \\d.* UTC$`));
  assert.match(moved[1], new RegExp(`^report ${seq - 1} ended at ${utc(at + YEAR)}, applied as \\d.* UTC$`));
});

test("a host whose clock is off by a year syncs, and the panel knows by how much", async () => {
  await panel.db.prepare('UPDATE epochs SET seen_at = 0 WHERE epoch = ?1').bind(agent.epoch).run();
  assert.equal((await agent.sync({ clock: now() - YEAR })).status, 200);
  assert.ok(Math.abs((await panel.api('GET', `/api/v1/nodes/${agent.node}`)).body.clock_off + YEAR) <= 60);
});

test('a node that was deleted is told so, and 25 h later its key is gone', async () => {
  const other = await seedAgent(panel);
  await other.sync();
  const before = await lifetime();
  const set = (ago) => panel.db.prepare('UPDATE node_keys SET deleted_at = unixepoch() - ?2 WHERE node = ?1').bind(other.node, ago).run();
  await set(60);
  const { status, body } = await other.sync({ report: other.report({ seq: 1, users: [[ann.slot, 9, 0]] }), asks: [[ann.slot, 9, 0]] });
  assert.deepEqual([status, body.deleted, body.ack, body.limits], [200, true, 1, []]);
  assert.equal(await lifetime(), before + 9);
  await set(25 * 3600);
  assert.deepEqual((({ status: code, body: refusal }) => [code, refusal.code])(await other.sync()), [410, 'deleted']);
});

test('the largest count is taken, and sums stick at their end: every list that shows them goes on', async () => {
  const [greedy] = await seedUsers(panel, 1);
  const glutton = await seedAgent(panel);
  for (let count = 1; count <= 3; count += 1) {
    const report = glutton.report({ seq: count, users: [[greedy.slot, MOST_BYTES, MOST_BYTES], [randomSlot(), MOST_BYTES, 0]], unattributed: MOST_BYTES, foreign: MOST_BYTES });
    assert.equal((await glutton.sync({ report })).body.ack, count);
    assert.deepEqual([(await usageOf(panel, greedy.id)).month, await lifetime(greedy)], [MOST_BYTES, MOST_BYTES]);
  }
  const { status, body } = await panel.api('GET', '/api/v1/users?sort=-used');
  assert.deepEqual([status, body.items[0].monthly_used, body.items[0].total_used], [200, MOST_BYTES, MOST_BYTES]);
  const node = await panel.api('GET', `/api/v1/nodes/${glutton.node}`);
  assert.deepEqual([node.body.up, node.body.down, node.body.unknown], [MOST_BYTES, MOST_BYTES, MOST_BYTES]);
  const { username: name, password } = panel.operator;
  const headers = { origin: panel.url, 'content-type': 'application/x-www-form-urlencoded' };
  const signedIn = await panel.request('POST', '/login', { headers, body: new URLSearchParams({ name, password }).toString() });
  const cookie = signedIn.headers.get('set-cookie').split(';')[0];
  for (const where of ['/', '/users', '/nodes', `/nodes/${glutton.node}`, `/users/${body.items[0].name}`]) {
    assert.equal((await panel.request('GET', where, { headers: { cookie } })).status, 200, where);
  }
});
