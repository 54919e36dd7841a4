/** What the agents' face says to input that is wrong, and what it does with input that is merely strange. */
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { connect } from 'node:net';
import { after, before, test } from 'node:test';
import { gzipSync } from 'node:zlib';

import { startPanel } from './support/panel.mjs';
import { seedAgent, seedNode, seedUsers, usageOf } from './support/seed.mjs';
import { makeReport, now, PROTOCOL, randomSlot } from './support/wire.mjs';

const YEAR = 365 * 86_400;
const MOST_BODY = 256 * 1024;
const MOST_INFLATED = 1024 * 1024;
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

/** The answer is a refusal of this kind, in a sentence for people that tells nothing of our insides. */
function refused(answer, status, code, field) {
  assert.deepEqual([answer.status, answer.body?.code], [status, code], answer.text);
  assert.match(answer.body.message, /\w+ \w+/, 'a sentence');
  assert.doesNotMatch(answer.body.message, /D1|SQL|panicked|\.rs|stack|struct /i, 'nothing of our insides');
  if (field !== undefined) assert.equal(answer.body.field, field);
}

/** The status that an upgrade to the bell's WebSocket is answered with; `fetch` cannot ask for one. */
function bell(headers) {
  const upgrade = { upgrade: 'websocket', connection: 'Upgrade', 'sec-websocket-version': '13', 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==' };
  return new Promise((resolve, reject) => {
    const ask = request(`${panel.url}/agent/v1/bell`, { headers: { ...headers, ...upgrade } });
    ask.once('response', (answer) => resolve(answer.resume().statusCode));
    ask.once('upgrade', (answer, socket) => {
      socket.destroy();
      resolve(answer.statusCode);
    });
    ask.once('error', reject).end();
  });
}

/** The report is applied, as the next of its epoch. */
async function taken(fields) {
  seq += 1;
  const answer = await agent.sync({ report: agent.report({ seq, ...fields }) });
  assert.deepEqual([answer.status, answer.body.ack], [200, seq], answer.text);
  return answer;
}

test('a body that is not JSON is malformed', async () => {
  const whole = JSON.stringify(agent.message());
  for (const body of ['', '{', `${whole}x`, whole + whole, 'sync', '\uFEFF{}']) refused(await agent.send(body), 400, 'malformed');
});

test('JSON of another shape names what is wrong', async () => {
  for (const body of ['[]', 'null', '1', '"x"']) refused(await agent.send(body), 422, 'invalid');
});

test('a missing field is named', async () => {
  for (const field of ['epoch', 'n', 'clock', 'held', 'loaded', 'agent']) {
    const message = agent.message();
    delete message[field];
    const answer = await agent.send(JSON.stringify(message));
    refused(answer, 422, 'invalid');
    assert.match(answer.body.message, new RegExp(`\`?${field}\`?`));
  }
});

test('a field of the wrong type is named with its path and its rule', async () => {
  const report = (change) => ({ report: { ...makeReport(agent.epoch, { seq: seq + 1, users: [[ann.slot, 1, 1]] }), ...change } });
  const cases = [
    [{ n: 'one' }, 'n'],
    [{ n: -1 }, 'n'],
    [{ n: 1.5 }, 'n'],
    [{ n: 2 ** 53 }, 'n'],
    [{ epoch: 'xyz' }, 'epoch'],
    [{ epoch: 7 }, 'epoch'],
    [{ clock: -1 }, 'clock'],
    [{ held: [1] }, 'held'],
    [{ held: { number: 1, salt: 2 } }, 'held'],
    [{ asks: {} }, 'asks'],
    [{ asks: [[ann.slot, 0]] }, 'asks[0]'],
    [{ asks: [[ann.slot, 0, 0], ['Not A Slot', 0, 0]] }, 'asks[1]'],
    [{ asks: [[ann.slot, -1, 0]] }, 'asks[0]'],
    [{ asks: Array.from({ length: 257 }, () => [randomSlot(), 0, 0]) }, 'asks'],
    [report({ seq: 0 }), 'report.seq'],
    [report({ from: 2, to: 1 }), 'report.to'],
    [report({ users: 'all' }), 'report.users'],
    [report({ users: [['x', 1, 1]] }), 'report.users[0]'],
    [report({ users: [[ann.slot, 1, 1], [ann.slot, 1, 1]] }), 'report.users[1]'],
    [report({ unattributed: -1 }), 'report.unattributed'],
    [report({ digest: '0'.repeat(32) }), 'report.digest'],
    [{ status: { online: 'many' } }, 'status.online'],
    [{ inbounds: [{ tag: 'a', protocol: 'trojan', port: 65_536 }] }, 'inbounds[0].port'],
  ];
  for (const [change, field] of cases) {
    const answer = await agent.sync(change);
    refused(answer, 422, 'invalid');
    assert.ok(answer.body.field.startsWith(field), `${JSON.stringify(change).slice(0, 80)}: field is ${answer.body.field}`);
  }
  assert.equal(await lifetime(), 0);
});

test('bytes below 0, from 2^53 and with a fraction are refused with the field, and nothing is counted', async () => {
  for (const bad of [-1, 2 ** 53, 1.5, '1', null, 1e300]) {
    for (const users of [[[ann.slot, 1, 1], [randomSlot(), bad, 1]], [[ann.slot, 1, 1], [randomSlot(), 1, bad]]]) {
      const answer = await agent.sync({ report: agent.report({ seq: seq + 1, users }) });
      refused(answer, 422, 'invalid');
      assert.ok(answer.body.field.startsWith('report.users[1]'), `${bad}: field is ${answer.body.field}`);
    }
  }
  assert.equal(await lifetime(), 0);
});

test('the largest count is taken, and sums stick at the end instead of wrapping', async () => {
  const [greedy] = await seedUsers(panel, 1);
  await taken({ users: [[greedy.slot, MOST_BYTES, 0]] });
  assert.equal(await lifetime(greedy), MOST_BYTES);
  await taken({ users: [[greedy.slot, MOST_BYTES, MOST_BYTES]] });
  assert.ok((await lifetime(greedy)) >= MOST_BYTES);
  await taken({ users: [[ann.slot, 0, 0]] });
});

test('2,000 slots are taken, and 2,001 are refused', async () => {
  const users = (count) => Array.from({ length: count }, () => [randomSlot(), 1, 1]);
  refused(await agent.sync({ report: agent.report({ seq: seq + 1, users: users(2001) }) }), 422, 'invalid', 'report.users');
  await taken({ users: users(2000) });
});

test('a body over 256 KiB is refused before it is parsed, or even sent', async () => {
  refused(await agent.send('x'.repeat(MOST_BODY + 1)), 413, 'too_large');
  // Only the head is sent: an answer that comes can not have waited for the body.
  const status = await new Promise((resolve, reject) => {
    const socket = connect(panel.port, '127.0.0.1');
    socket.setTimeout(30_000, () => reject(new Error('no answer to the head of a request')));
    socket.once('data', (bytes) => {
      resolve(Number(bytes.toString('latin1').split(' ')[1]));
      socket.destroy();
    });
    socket.once('error', reject);
    socket.write(`POST /agent/v1/sync HTTP/1.1\r\nHost: weir.test\r\nAuthorization: Bearer ${agent.key}\r\n`
      + `Content-Type: application/json\r\nContent-Length: ${10 * MOST_BODY}\r\n\r\n`);
  });
  assert.equal(status, 413);
});

test('a body without a length that grows over the limit is refused', async () => {
  const chunk = new Uint8Array(64 * 1024).fill(0x20);
  const stream = new ReadableStream({
    pull(controller) {
      this.sent = (this.sent ?? 0) + 1;
      if (this.sent > 8) controller.close();
      else controller.enqueue(chunk);
    },
  });
  const headers = { authorization: `Bearer ${agent.key}` };
  const response = await fetch(`${panel.url}/agent/v1/sync`, { method: 'POST', headers, body: stream, duplex: 'half' });
  assert.equal(response.status, 413);
  assert.equal((await response.json()).code, 'too_large');
});

test('a gzipped sync is taken; gzip that unpacks to more than 1 MiB, or is none, is refused', async () => {
  const gzip = { 'content-encoding': 'gzip' };
  assert.equal((await agent.send(gzipSync(JSON.stringify(agent.message())), gzip)).status, 200);
  const bomb = gzipSync(Buffer.alloc(100 * MOST_INFLATED, 0x20));
  assert.ok(bomb.length < MOST_BODY, 'small as sent');
  refused(await agent.send(bomb, gzip), 413, 'too_large');
  const full = JSON.stringify(agent.message()).padEnd(MOST_INFLATED, ' ');
  assert.equal((await agent.send(gzipSync(full), gzip)).status, 200);
  refused(await agent.send(gzipSync(`${full} `), gzip), 413, 'too_large');
  refused(await agent.send('not gzip', gzip), 400, 'malformed');
  refused(await agent.send(gzipSync('x'.repeat(1000)).subarray(0, 20), gzip), 400, 'malformed');
});

test('a key that is missing, wrong or of another scheme is 401', async () => {
  const body = JSON.stringify(agent.message());
  const headers = [{}, { authorization: 'Bearer ' }, { authorization: 'Bearer wrong' }, { authorization: `Basic ${agent.key}` },
    { authorization: `Bearer ${panel.apiKey}` }];
  for (const one of headers) refused(await panel.request('POST', '/agent/v1/sync', { body, headers: one }), 401, 'key');
  for (const one of headers) assert.equal(await bell(one), 401);
});

test('the bell is for WebSockets', async () => {
  refused(await panel.request('GET', '/agent/v1/bell', { key: agent.key }), 426, 'protocol');
});

test('another protocol version is 426 with both versions, whatever else is in the body', async () => {
  for (const protocol of [0, PROTOCOL + 1, 4_000_000_000]) {
    const answer = await agent.send(JSON.stringify({ protocol, something: 'new' }));
    refused(answer, 426, 'protocol');
    assert.match(answer.body.message, new RegExp(`protocol ${protocol}, this panel ${PROTOCOL}`));
  }
});

test('another method is 405 with the ones that work', async () => {
  for (const [path, method, allow] of [['sync', 'GET', 'POST'], ['sync', 'DELETE', 'POST'], ['enroll', 'GET', 'POST'], ['bell', 'POST', 'GET']]) {
    const answer = await panel.request(method, `/agent/v1/${path}`);
    assert.equal(answer.status, 405);
    assert.equal(answer.headers.get('allow'), allow);
    assert.match(answer.body.message, new RegExp(allow));
  }
});

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
  const { results } = await panel.db.prepare("SELECT detail FROM node_events WHERE node = ?1 AND kind = 'clock'").bind(agent.node).all();
  assert.equal(results.length, 2);
});

test("a host whose clock is off by a year syncs, and the panel knows by how much", async () => {
  await panel.db.prepare('UPDATE epochs SET seen_at = 0 WHERE epoch = ?1').bind(agent.epoch).run();
  assert.equal((await agent.sync({ clock: now() - YEAR })).status, 200);
  assert.ok(Math.abs((await epochRow()).clock_off + YEAR) <= 60);
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
  refused(await other.sync(), 410, 'deleted');
});

test('an enrolment with a bad field names it', async () => {
  const { token } = await seedNode(panel);
  const ask = { protocol: PROTOCOL, agent: 'test', token, key_hash: 'a'.repeat(64) };
  const enrol = (change) => panel.request('POST', '/agent/v1/enroll', { body: JSON.stringify({ ...ask, ...change }) });
  refused(await enrol({ key_hash: 'A'.repeat(64) }), 422, 'invalid', 'key_hash');
  refused(await enrol({ key_hash: 'a'.repeat(63) }), 422, 'invalid', 'key_hash');
  refused(await enrol({ token: 7 }), 422, 'invalid', 'token');
  refused(await enrol({ protocol: PROTOCOL + 1 }), 426, 'protocol');
  refused(await panel.request('POST', '/agent/v1/enroll', { body: 'x'.repeat(65 * 1024) }), 413, 'too_large');
});
