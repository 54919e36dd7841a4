/** The panel's promise to agents, at the HTTP level: a report counts once, whatever is lost, doubled, delayed or killed. */
import assert from 'node:assert/strict';
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { startPanel } from './support/panel.mjs';
import { enrol, seedAgent, seedNode, seedUsers, usageOf } from './support/seed.mjs';
import { randomEpoch, reportDigest, ScriptedAgent, slotCredentials } from './support/wire.mjs';

let panel;
let agent;
let ann;

before(async () => {
  panel = await startPanel();
  agent = await seedAgent(panel);
  [ann] = await seedUsers(panel, 1);
});
after(() => panel?.stop());

const lifetime = async (user) => (await usageOf(panel, user.id)).lifetime;

test('a sync without a key, and with a wrong one, is 401 with a sentence', async () => {
  for (const key of [undefined, 'wrong']) {
    const answer = await panel.request('POST', '/agent/v1/sync', { key, body: JSON.stringify(agent.message()) });
    assert.equal(answer.status, 401);
    assert.equal(answer.body.code, 'key');
    assert.match(answer.body.message, /^[a-z].* .*/);
    assert.equal(answer.headers.get('www-authenticate'), 'Bearer');
  }
});

test('enrolling again with the same key is answered alike, with another key it is refused', async () => {
  const { id, token } = await seedNode(panel, { name: 'twice' });
  const { key, answer: first } = await enrol(panel, token);
  const { answer: second } = await enrol(panel, token, key);
  const { answer: other } = await enrol(panel, token);
  assert.deepEqual([first.status, first.body.node, first.body.name], [200, id, 'twice']);
  assert.deepEqual({ ...second.body, time: 0 }, { ...first.body, time: 0 });
  assert.deepEqual([other.status, other.body.code], [409, 'token_used']);
});

test('an unknown and an expired token enrol nobody', async () => {
  const { token } = await seedNode(panel, { expires: 1 });
  for (const bad of [token, 'no such token']) {
    const { answer } = await enrol(panel, bad);
    assert.deepEqual([answer.status, answer.body.code], [404, 'token']);
  }
});

test('the first sync hands out the roster with the secret of every slot', async () => {
  const { status, body } = await agent.sync();
  assert.equal(status, 200, JSON.stringify(body));
  assert.deepEqual([body.n, body.ack, body.roster.full, body.roster.more], [agent.n, 0, true, false]);
  const entry = body.roster.upserts.find(({ slot }) => slot === ann.slot);
  assert.equal(entry.gate, 'open');
  assert.equal(entry.secret, slotCredentials(panel.slotKey, ann.slot).secret);
  const again = await agent.sync();
  assert.equal(again.body.roster, undefined);
});

test('a report is credited, and a repeated copy is acknowledged and adds nothing', async () => {
  const report = agent.report({ seq: 1, users: [[ann.slot, 1000, 234]] });
  const answers = [await agent.sync({ report }), await agent.sync({ report }), await agent.sync()];
  assert.deepEqual(answers.map(({ status, body }) => [status, body.ack]), [[200, 1], [200, 1], [200, 1]]);
  assert.equal(await lifetime(ann), 1234);
});

test('the same number with another digest is a fork', async () => {
  const report = agent.report({ seq: 1, users: [[ann.slot, 1000, 235]] });
  const { status, body } = await agent.sync({ report });
  assert.deepEqual([status, body.code], [409, 'fork']);
  assert.match(body.message, /another report 1$/);
  assert.equal(body.seq, 1);
  assert.equal(await lifetime(ann), 1234);
});

test('a gap is refused with the number that is needed, and the missing reports are taken afterwards', async () => {
  const reports = [2, 3, 4].map((seq) => agent.report({ seq, users: [[ann.slot, seq, 0]] }));
  const early = await agent.sync({ report: reports[2] });
  assert.deepEqual([early.status, early.body.code, early.body.seq], [409, 'expect', 2]);
  for (const report of reports) assert.equal((await agent.sync({ report })).body.ack, report.seq);
  assert.equal(await lifetime(ann), 1234 + 9);
});

test('a gap that the agent declares is taken and noted', async () => {
  const report = agent.report({ seq: 7, users: [[ann.slot, 7, 0]] });
  assert.equal((await agent.sync({ report, skip: { from: 5, to: 7 } })).body.ack, 7);
  const note = await panel.db.prepare("SELECT detail FROM node_events WHERE node = ?1 AND kind = 'gap'").bind(agent.node).first();
  assert.match(note.detail, /5 to 6/);
  assert.equal(await lifetime(ann), 1234 + 9 + 7);
});

test('two copies of one report at the same instant count once', async () => {
  const before = await lifetime(ann);
  const report = agent.report({ seq: 8, users: [[ann.slot, 100, 0]] });
  const answers = await Promise.all(Array.from({ length: 8 }, () => agent.sync({ report })));
  assert.deepEqual(answers.map(({ status, body }) => [status, body.ack]), Array(8).fill([200, 8]));
  assert.equal(await lifetime(ann), before + 100);
});

test('reports of ten nodes about one user at the same instant are all counted', async () => {
  const before = await lifetime(ann);
  const agents = await Promise.all(Array.from({ length: 10 }, () => seedAgent(panel)));
  const send = async (one, seq) => {
    const report = one.report({ seq, users: [[ann.slot, 0, 1]] });
    for (;;) {
      const { status, body } = await one.sync({ report });
      if (status === 200) return body.ack;
      // Busy is the panel's word for "overtaken too often": an agent sends the same bytes again.
      assert.deepEqual([status, body.code], [503, 'unavailable']);
    }
  };
  for (const seq of [1, 2, 3]) assert.deepEqual(await Promise.all(agents.map((one) => send(one, seq))), Array(10).fill(seq));
  assert.equal(await lifetime(ann), before + 30);
});

test('a second ledger of the same node counts for itself', async () => {
  const before = await lifetime(ann);
  const other = new ScriptedAgent({ panel, key: agent.key, epoch: randomEpoch() });
  assert.equal((await other.sync({ report: other.report({ seq: 1, users: [[ann.slot, 5, 0]] }) })).body.ack, 1);
  assert.equal(await lifetime(ann), before + 5);
});

test('a panel that is killed keeps what it acknowledged and goes on where it stood', async () => {
  const before = await lifetime(ann);
  const { pid } = panel;
  const report = agent.report({ seq: 9, users: [[ann.slot, 1, 1]] });
  assert.equal((await agent.sync({ report })).body.ack, 9);
  await panel.kill();
  await assert.rejects(agent.sync(), 'nothing answers any more');
  assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' });
  await panel.start();
  assert.equal((await agent.sync({ report })).body.ack, 9);
  assert.equal(await lifetime(ann), before + 2);
});

test('killed in the middle of reports, the panel has counted each wholly or not at all', async () => {
  const users = await seedUsers(panel, 300);
  const one = await seedAgent(panel);
  const lines = users.map(({ slot }) => [slot, 1, 0]);
  let seq = 0;
  const stream = async () => {
    for (;;) {
      const report = one.report({ seq: seq + 1, users: lines });
      const { body } = await one.sync({ report });
      seq = body.ack;
    }
  };
  const cut = stream().catch(() => {});
  while (seq < 3) await new Promise((resolve) => setTimeout(resolve, 5));
  await panel.kill();
  await cut;
  await panel.start();
  // Only what is repeated tells whether the last one, whose answer was lost, was applied: both are right.
  const { body } = await one.sync({ report: one.report({ seq: seq + 1, users: lines }) });
  assert.equal(body.ack ?? seq + 1, seq + 1);
  const { results } = await panel.db
    .prepare('SELECT DISTINCT lifetime FROM usage WHERE user >= ?1 AND user <= ?2').bind(users[0].id, users.at(-1).id).all();
  assert.deepEqual(results.map((row) => row.lifetime), [seq + 1]);
});

test('secrets and login stay the same and are readable by their owner alone', async () => {
  const login = { ...panel.operator, key: panel.apiKey };
  await panel.restart();
  assert.deepEqual({ ...panel.operator, key: panel.apiKey }, login);
  for (const name of ['login.json', 'secrets.json']) {
    assert.equal((await stat(path.join(panel.folder, name))).mode & 0o777, 0o600, name);
  }
});

test('a digest differs when anything that has an effect does', () => {
  const report = { seq: 1, from: 1, to: 2, users: [['abcd', 1, 2]], unattributed: 0, foreign: 0 };
  const epoch = '0'.repeat(16);
  const others = [{ seq: 2 }, { from: 0 }, { to: 3 }, { users: [['abcd', 2, 1]] }, { unattributed: 1 }, { foreign: 1 },
    { leaves: { epoch, seq: 1, ambiguous: 0 } }];
  const digests = new Set([{}, ...others].map((change) => reportDigest(epoch, { ...report, ...change })));
  assert.equal(digests.size, others.length + 1);
});
