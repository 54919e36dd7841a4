/** What the agents' face says to input that is wrong: a status, a sentence, and nothing is changed. */
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { after, before, test } from 'node:test';
import { gzipSync } from 'node:zlib';

import { sha256Hex } from './support/panel-secrets.mjs';
import { startPanel } from './support/panel.mjs';
import { assertSentence, chunked, dump, sendRaw } from './support/refusals.mjs';
import { seedAgent, seedNode, seedUsers } from './support/seed.mjs';
import { makeReport, PROTOCOL, randomSlot } from './support/wire.mjs';

const MOST_BODY = 256 * 1024;
const MOST_ENROLMENT = 64 * 1024;
const MOST_INFLATED = 1024 * 1024;
/** What is read before its key is asked for. */
const MOST_LIGHT = 4 * 1024;

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

/** The answer is a refusal of this kind, in a sentence for people that tells nothing of our insides. */
function refused(answer, status, code, field) {
  assert.deepEqual([answer.status, answer.body?.code], [status, code], answer.text);
  assertSentence(answer.body.message);
  if (field !== undefined) assert.equal(answer.body.field, field);
}

/** Everything in `work` is refused, and leaves no trace. */
async function withoutTrace(work) {
  const before = await dump(panel);
  await work();
  assert.deepEqual(await dump(panel), before);
}

/** @param {string} body @returns {Promise<import('./support/panel.mjs').Answer>} */
const enrolWith = (body) => panel.request('POST', '/agent/v1/enroll', { body });

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

test('a body that is not JSON is malformed', async () => {
  await withoutTrace(async () => {
    const whole = JSON.stringify(agent.message());
    for (const body of ['', '{', `${whole}x`, whole + whole, 'sync', '\uFEFF{}']) {
      refused(await agent.send(body), 400, 'malformed');
      refused(await enrolWith(body), 400, 'malformed');
    }
  });
});

test('JSON that is no object is invalid, a list with the right values too', async () => {
  await withoutTrace(async () => {
    for (const body of ['[]', 'null', '1', '"x"', JSON.stringify(Object.values(agent.message()))]) {
      refused(await agent.send(body), 422, 'invalid', 'body');
      refused(await enrolWith(body), 422, 'invalid', 'body');
    }
  });
});

test('a missing field is named', async () => {
  await withoutTrace(async () => {
    const report = agent.report({ seq: seq + 1, users: [[ann.slot, 1, 1]] });
    const without = (object, field) => Object.fromEntries(Object.entries(object).filter(([name]) => name !== field));
    for (const field of ['protocol', 'agent', 'epoch', 'n', 'clock', 'held', 'loaded']) {
      refused(await agent.send(JSON.stringify(without(agent.message({ report }), field))), 422, 'invalid', field);
    }
    for (const field of ['seq', 'from', 'to', 'users', 'unattributed', 'foreign', 'digest']) {
      refused(await agent.sync({ report: without(report, field) }), 422, 'invalid', `report.${field}`);
    }
  });
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
  await withoutTrace(async () => {
    for (const [change, field] of cases) {
      const answer = await agent.sync(change);
      refused(answer, 422, 'invalid');
      assert.ok(answer.body.field.startsWith(field), `${JSON.stringify(change).slice(0, 80)}: field is ${answer.body.field}`);
    }
  });
});

test('bytes below 0, from 2^53 and with a fraction are refused with the field, and nothing is counted', async () => {
  await withoutTrace(async () => {
    for (const bad of [-1, 2 ** 53, 1.5, '1', null, 1e300]) {
      for (const users of [[[ann.slot, 1, 1], [randomSlot(), bad, 1]], [[ann.slot, 1, 1], [randomSlot(), 1, bad]]]) {
        const answer = await agent.sync({ report: agent.report({ seq: seq + 1, users }) });
        refused(answer, 422, 'invalid');
        assert.ok(answer.body.field.startsWith('report.users[1]'), `${bad}: field is ${answer.body.field}`);
      }
      for (const field of ['unattributed', 'foreign', 'from', 'to']) {
        refused(await agent.sync({ report: agent.report({ seq: seq + 1, from: 1, to: 2, [field]: bad }) }), 422, 'invalid', `report.${field}`);
      }
    }
  });
});

test('2,000 slots are taken, and 2,001 are refused', async () => {
  const users = (count) => Array.from({ length: count }, () => [randomSlot(), 1, 1]);
  refused(await agent.sync({ report: agent.report({ seq: seq + 1, users: users(2001) }) }), 422, 'invalid', 'report.users');
  seq += 1;
  assert.equal((await agent.sync({ report: agent.report({ seq, users: users(2000) }) })).body.ack, seq);
});

test('a body that is too large is refused before it is parsed, or even sent', async () => {
  await withoutTrace(async () => {
    for (const [where, most, whole] of [['sync', MOST_BODY, agent.message()], ['enroll', MOST_ENROLMENT, { protocol: PROTOCOL }]]) {
      const length = { 'content-length': most + 1 };
      const coding = { 'transfer-encoding': 'chunked' };
      // A fine message but for its length; what is no JSON at all; only the head; and a length that nobody tells.
      for (const [headers, body] of [[length, JSON.stringify(whole).padEnd(most + 1)], [length, 'x'.repeat(most + 1)], [length, ''], [coding, chunked(2 * most)]]) {
        const answer = await sendRaw(panel, 'POST', `/agent/v1/${where}`, { authorization: `Bearer ${agent.key}`, ...headers }, body);
        refused(answer, 413, 'too_large');
      }
    }
  });
  assert.equal((await agent.send(JSON.stringify(agent.message()).padEnd(MOST_BODY))).status, 200);
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
  const body = JSON.stringify(agent.message({ report: agent.report({ seq: seq + 1, users: [[ann.slot, 1, 1]] }) }));
  const headers = [{}, { authorization: 'Bearer ' }, { authorization: 'Bearer wrong' }, { authorization: `Basic ${agent.key}` },
    { authorization: `Bearer ${panel.apiKey}` }];
  await withoutTrace(async () => {
    for (const one of headers) refused(await panel.request('POST', '/agent/v1/sync', { body, headers: one }), 401, 'key');
    for (const one of headers) assert.equal(await bell(one), 401);
  });
});

test('whoever has no key makes the panel unpack and parse nothing', async () => {
  const gzip = { 'content-encoding': 'gzip' };
  const mebibyte = gzipSync(JSON.stringify(agent.message()).padEnd(MOST_INFLATED, ' '));
  // What the right key is told of each, and nobody else: so nobody else's was looked into.
  const heavy = [
    ['a bomb', gzipSync(Buffer.alloc(100 * MOST_INFLATED, 0x20)), gzip, 413],
    ['gzip of 1 MiB', mebibyte, gzip, 200],
    ['no gzip', 'not gzip', gzip, 400],
    ['half of a gzip', mebibyte.subarray(0, 20), gzip, 400],
    ['a large body that is no JSON', 'x'.repeat(MOST_BODY), {}, 400],
    ['a large body of another protocol', JSON.stringify({ protocol: 9 }).padEnd(MOST_LIGHT + 1), {}, 426],
  ];
  await withoutTrace(async () => {
    for (const [what, body, headers] of heavy) {
      for (const [key, rows] of [['f'.repeat(64), 1], [agent.key.toUpperCase(), 0], [agent.key.slice(1), 0], [panel.apiKey, 0], ['', 0]]) {
        const answer = await panel.request('POST', '/agent/v1/sync', { key, body, headers });
        refused(answer, 401, 'key');
        assert.ok(answer.cost.read <= rows && answer.cost.queries <= rows, `${what}: ${JSON.stringify(answer.cost)}`);
      }
    }
  });
  for (const [what, body, headers, status] of heavy) assert.equal((await agent.send(body, headers)).status, status, what);
});

test('the bell is for WebSockets', async () => {
  refused(await panel.request('GET', '/agent/v1/bell', { key: agent.key }), 426, 'protocol');
});

test('another protocol version is 426 with both versions, whatever else is in the body', async () => {
  await withoutTrace(async () => {
    for (const protocol of [0, PROTOCOL + 1, 4_000_000_000]) {
      const answer = await agent.send(JSON.stringify({ protocol, something: 'new' }));
      refused(answer, 426, 'protocol');
      assert.match(answer.body.message, new RegExp(`protocol ${protocol}, this panel ${PROTOCOL}`));
    }
  });
});

test('another method is 405 with the ones that work', async () => {
  for (const [path, method, allow] of [['sync', 'GET', 'POST'], ['sync', 'DELETE', 'POST'], ['enroll', 'GET', 'POST'], ['bell', 'POST', 'GET']]) {
    const answer = await panel.request(method, `/agent/v1/${path}`);
    assert.equal(answer.status, 405);
    assert.equal(answer.headers.get('allow'), allow);
    assert.match(answer.body.message, new RegExp(allow));
  }
});

test('an enrolment that is wrong is refused with its reason, and takes no token', async () => {
  const { token } = await seedNode(panel);
  const key = 'of the node';
  const ask = { protocol: PROTOCOL, agent: 'test', token, key_hash: sha256Hex(key) };
  const enrol = (change) => enrolWith(JSON.stringify({ ...ask, ...change }));
  await withoutTrace(async () => {
    for (const field of ['protocol', 'agent', 'token', 'key_hash']) refused(await enrol({ [field]: undefined }), 422, 'invalid', field);
    for (const [field, values] of Object.entries({
      agent: [7, null, []],
      token: [7, null, {}],
      key_hash: [7, null, '', 'A'.repeat(64), 'a'.repeat(63), 'a'.repeat(65), 'g'.repeat(64)],
      protocol: ['1', -1, 1.5, null],
    })) {
      for (const value of values) refused(await enrol({ [field]: value }), 422, 'invalid', field);
    }
    for (const protocol of [0, PROTOCOL + 1]) refused(await enrol({ protocol }), 426, 'protocol');
    for (const other of ['', 'no such token', sha256Hex(token), `${token} `, token.toUpperCase().replace(/^\d+$/, 'x')]) refused(await enrol({ token: other }), 404, 'token');
    assert.equal((await panel.request('GET', '/agent/v1/enroll')).headers.get('allow'), 'POST');
  });
  assert.equal((await enrol({ invention: 'of tomorrow' })).status, 200);
  refused(await enrol({ key_hash: sha256Hex('of another') }), 409, 'token_used');
});
