/** The own API's nodes over HTTP: created with a one-time token, enrolled, heard, given new keys, and deleted without losing a byte. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';

import { sha256Hex } from './support/panel-secrets.mjs';
import { startPanel } from './support/panel.mjs';
import { assertRefused, dump } from './support/refusals.mjs';
import { enrol, seedUsers, usageOf } from './support/seed.mjs';
import { now, PROTOCOL, randomEpoch, randomSlot, ScriptedAgent, utc } from './support/wire.mjs';

const HOUR = 3600;
const MIB = 2 ** 20;

let panel;

before(async () => {
  panel = await startPanel();
});
after(() => panel?.stop());

/** The answer's body, if it has this status. */
async function ok(status, method, where, body) {
  const answer = await panel.api(method, where, body);
  assert.equal(answer.status, status, `${method} ${where}: ${answer.text}`);
  return answer.body;
}
const create = (name, fields = {}) => ok(201, 'POST', '/api/v1/nodes', { name, address: 'node.example', ...fields });
const get = (id) => ok(200, 'GET', `/api/v1/nodes/${id}`);
const remove = (id) => ok(204, 'DELETE', `/api/v1/nodes/${id}`);

/** The agent of a node: it uses the token, and has synced once. */
async function agentOf({ id, token }) {
  const { key, answer } = await enrol(panel, token);
  assert.equal(answer.status, 200, answer.text);
  const agent = Object.assign(new ScriptedAgent({ panel, key }), { node: id });
  assert.equal((await agent.sync()).status, 200);
  return agent;
}

test('a node is created with 201, the place where it is found, and a token that is shown this once', async () => {
  const answer = await panel.api('POST', '/api/v1/nodes', { name: 'Zürich 🚀', address: '2001:db8::1' });
  assert.equal(answer.status, 201, answer.text);
  const { id, token, token_expires: expires, install, created_at: createdAt, ...rest } = answer.body;
  assert.equal(answer.headers.get('location'), `/api/v1/nodes/${id}`);
  assert.match(token, /^[0-9a-f]{32}$/);
  assert.ok(Math.abs(createdAt - now()) <= 60);
  assert.equal(expires, createdAt + HOUR);
  assert.equal(install, `curl -fsSL ${panel.url}/install.sh | sh -s -- ${token}`);
  assert.deepEqual(rest, {
    name: 'Zürich 🚀',
    address: '2001:db8::1',
    country: null,
    coefficient: 1000,
    enrolled: false,
    seen_at: null,
    clock_off: null,
    agent: null,
    roster_held: null,
    roster_loaded: null,
    up: 0,
    down: 0,
    unknown: 0,
    unattributed: 0,
    foreign: 0,
    two_hosts: false,
    status: null,
    inbounds: [],
    events: [],
  });
  const { events, ...shown } = await ok(200, 'GET', answer.headers.get('location'));
  assert.deepEqual({ ...shown, events }, { id, created_at: createdAt, ...rest });
  assert.deepEqual((await ok(200, 'GET', '/api/v1/nodes')).items, [shown], 'a list lacks the events');
  const all = JSON.stringify(await dump(panel));
  assert.ok(!all.includes(token) && all.includes(sha256Hex(token)), 'the token stands in the database as its hash');
});

test('with the first node the pool is filled, so that its core loads the slots of users to come', async () => {
  const { n } = await panel.db.prepare("SELECT count(*) AS n FROM slots WHERE gate = 'vacant'").first();
  assert.equal(n, 64);
  await create('second');
  assert.equal((await panel.db.prepare('SELECT count(*) AS n FROM slots').first()).n, 64, 'a full pool stays as it is');
});

test('a token enrols one key: the same again is answered alike, another is refused', async () => {
  const { id, token, name } = await create('enrolling');
  const { key, answer } = await enrol(panel, token);
  assert.deepEqual([answer.status, answer.body.node, answer.body.name], [200, id, name]);
  assert.equal((await get(id)).enrolled, true);
  assert.equal((await enrol(panel, token, key)).answer.status, 200);
  const other = await enrol(panel, token);
  assert.deepEqual([other.answer.status, other.answer.body.code], [409, 'token_used']);
  assert.equal((await new ScriptedAgent({ panel, key: other.key }).sync()).status, 401, 'the key that was refused opens nothing');
  assert.equal((await new ScriptedAgent({ panel, key }).sync()).status, 200);
});

test('of many hosts that use one token at the same instant one is enrolled', async () => {
  const { token } = await create('raced');
  const tries = await Promise.all(Array.from({ length: 8 }, () => enrol(panel, token)));
  assert.deepEqual(tries.map(({ answer }) => answer.status).sort(), [200, ...Array(7).fill(409)]);
  const syncs = await Promise.all(tries.map(({ key }) => new ScriptedAgent({ panel, key }).sync()));
  assert.deepEqual(syncs.map(({ status }) => status).sort(), [200, ...Array(7).fill(401)]);
});

test('a token that has expired enrols nobody, and says so as an unknown one does', async () => {
  const { id, token } = await create('tardy');
  await panel.db.prepare('UPDATE nodes SET token_expires = unixepoch() WHERE id = ?1').bind(id).run();
  const unknown = (await enrol(panel, randomBytes(16).toString('hex'))).answer;
  const expired = (await enrol(panel, token)).answer;
  assert.deepEqual([expired.status, expired.body], [404, unknown.body]);
  assert.equal((await get(id)).enrolled, false);
});

test('a node is shown as it last said it is', async () => {
  const node = await create('speaking');
  const agent = await agentOf(node);
  await panel.db.prepare('UPDATE epochs SET seen_at = 0 WHERE node = ?1').bind(node.id).run();
  const status = { core: 'sing-box', core_version: '1.14.0', incarnation: 1_795_000_000_123, uptime: 77, online: 3, connections: 9, rejected: 2, last_error: 'disk full' };
  const inbounds = [{ tag: 'in', protocol: 'trojan', port: 443, tls: true, server_name: 'node.example', insecure: false }];
  const { status: answer } = await agent.sync({ agent: '9.8.7', clock: now() - 300, status, inbounds });
  assert.equal(answer, 200);
  const shown = await get(node.id);
  assert.ok(Math.abs(shown.seen_at - now()) <= 60);
  assert.ok(Math.abs(shown.clock_off + 300) <= 60);
  assert.deepEqual([shown.agent, shown.roster_held, shown.roster_loaded], ['9.8.7', agent.roster[0], agent.roster[0]]);
  assert.deepEqual(Object.fromEntries(Object.keys(status).map((key) => [key, shown.status[key]])), status);
  assert.deepEqual(shown.inbounds, inbounds);
});

test('the last reload, the last loss and what could not be told are shown, and a reason of a later agent is no error', async () => {
  const node = await create('troubled');
  const agent = await agentOf(node);
  const status = { reloads: 3, cut: 12, reloaded: { at: now() - 60, why: 'template', cut: 5 }, gaps: 2, forks: 1, last_loss: { at: now() - 90, bytes: 7 } };
  const tell = async (told) => {
    await panel.db.prepare('UPDATE epochs SET seen_at = 0 WHERE node = ?1').bind(node.id).run();
    assert.equal((await agent.sync({ status: told })).status, 200);
    return (await get(node.id)).status;
  };
  const shown = await tell(status);
  assert.deepEqual(Object.fromEntries(Object.keys(status).map((key) => [key, shown[key]])), status);
  assert.equal((await tell({ reloaded: { ...status.reloaded, why: 'full_moon' } })).reloaded.why, 'other');
});

test('an agent is told the bytes of its ledger that the panel knows nobody for', async () => {
  const agent = await agentOf(await create('leaky'));
  assert.equal((await agent.sync()).body.unknown, 0);
  await agent.sync({ report: agent.report({ seq: 1, users: [[randomSlot(), 3, 4]] }) });
  assert.equal((await agent.sync()).body.unknown, 7);
});

test('what an operator should know of a node is shown, the newest first and not for ever', async () => {
  const node = await create('eventful');
  const agent = await agentOf(node);
  await agent.sync({ report: agent.report({ seq: 3 }), skip: { from: 1, to: 3 } });
  const at = now() + 5 * HOUR;
  await agent.sync({ report: agent.report({ seq: 4, to: at }) });
  const other = new ScriptedAgent({ panel, key: agent.key, epoch: randomEpoch() });
  await other.sync({ report: other.report({ seq: 1, leaves: { epoch: agent.epoch, seq: 5, ambiguous: 77 } }) });
  const { events } = await get(node.id);
  assert.deepEqual(events.map(({ kind }) => kind), ['fork', 'clock', 'gap']);
  assert.ok(events.every((event) => Math.abs(event.at - now()) <= 60));
  assert.equal(events[0].detail, `left epoch ${agent.epoch} at report 5: 77 bytes ambiguous`);
  assert.match(events[1].detail, new RegExp(`^report 4 ended at ${utc(at)}, applied as \\d.* UTC$`));
  assert.equal(events[2].detail, 'reports 1 to 2 are lost');
  for (let seq = 2; seq <= 25; seq += 1) await other.sync({ report: other.report({ seq, to: at }) });
  const later = (await get(node.id)).events;
  assert.deepEqual([later.length, later[0].detail.split(' ')[1]], [20, '25']);
});

test("a node's bytes are the sums of all its ledgers, and two that both go on are told", async () => {
  const node = await create('summing');
  const first = await agentOf(node);
  const [ann] = await seedUsers(panel, 1);
  const second = new ScriptedAgent({ panel, key: first.key, epoch: randomEpoch() });
  const send = async (agent, seq, fields) => assert.equal((await agent.sync({ report: agent.report({ seq, ...fields }) })).body.ack, seq);
  await send(first, 1, { users: [[ann.slot, 10, 20], [randomSlot(), 3, 4]], unattributed: 5, foreign: 6 });
  await send(first, 2, { users: [[ann.slot, 1, 2]], unattributed: 8, foreign: 9 });
  let shown = await get(node.id);
  assert.deepEqual([shown.up, shown.down, shown.unknown, shown.unattributed, shown.foreign, shown.two_hosts], [11, 22, 7, 8, 9, false]);
  await send(second, 1, { users: [[ann.slot, 100, 200]], unattributed: 80, foreign: 90 });
  // As if the second had begun five seconds ago, and the first five before it.
  await panel.db.prepare('UPDATE epochs SET seen_at = seen_at - 5, created_at = created_at - CASE epoch WHEN ?1 THEN 10 ELSE 5 END WHERE node = ?2')
    .bind(first.epoch, node.id).run();
  shown = await get(node.id);
  assert.deepEqual([shown.up, shown.down, shown.unknown, shown.unattributed, shown.foreign], [111, 222, 7, 88, 99]);
  assert.equal(shown.two_hosts, false, 'a ledger that was left is no second host');
  await send(first, 3, {});
  assert.equal((await get(node.id)).two_hosts, true, 'one that goes on beside the other is');
  await panel.db.prepare('UPDATE epochs SET seen_at = seen_at - 601 WHERE epoch = ?1').bind(first.epoch).run();
  assert.equal((await get(node.id)).two_hosts, false, 'until it has been silent for ten minutes');
});

test('a coefficient decides what of a byte is charged', async () => {
  const [ann] = await seedUsers(panel, 1, { monthlyQuota: 1000 });
  for (const [coefficient, expected] of [[500, 50], [2000, 250], [0, 250], [1, 250], [100_000, 10_250]]) {
    const agent = await agentOf(await create(`coefficient-${coefficient}`, { coefficient }));
    assert.equal((await get(agent.node)).coefficient, coefficient);
    await agent.sync({ report: agent.report({ seq: 1, users: [[ann.slot, 60, 40]] }) });
    assert.equal((await usageOf(panel, ann.id)).month, expected, `${coefficient} per mille`);
    const { up, down } = await get(agent.node);
    assert.deepEqual([up, down], [60, 40], 'the node shows what flowed');
  }
});

test('nodes are listed by name', async () => {
  const fresh = await startPanel();
  try {
    const names = ['beta', 'Alpha', 'gamma'];
    for (const name of names) assert.equal((await fresh.api('POST', '/api/v1/nodes', { name, address: 'x.example' })).status, 201);
    const { items, total, next } = (await fresh.api('GET', '/api/v1/nodes')).body;
    assert.deepEqual([items.map(({ name }) => name), total, next], [['Alpha', 'beta', 'gamma'], 3, null]);
  } finally {
    await fresh.stop();
  }
});

test('a name that is taken is 409 in any case, and free once its node is deleted', async () => {
  const { id } = await create('Frankfurt');
  for (const name of ['Frankfurt', 'frankfurt', 'FRANKFURT']) {
    assertRefused(await panel.api('POST', '/api/v1/nodes', { name, address: 'other.example' }), 409, 'taken');
  }
  await remove(id);
  const again = await create('frankfurt');
  assert.notEqual(again.id, id);
});

test('a deleted node is gone from the API and from every subscription at once', async () => {
  const kept = await agentOf(await create('kept', { address: 'kept.example' }));
  const gone = await agentOf(await create('gone', { address: 'gone.example' }));
  const inbounds = [{ tag: 'in', protocol: 'vmess', port: 443 }];
  for (const agent of [kept, gone]) await agent.sync({ inbounds });
  const { subscription_url: url } = await ok(201, 'POST', '/api/v1/users', { name: 'subscriber' });
  const links = async () => (await panel.request('GET', `${new URL(url).pathname}/links`)).text;
  const hosts = async () => [...(await links()).matchAll(/vmess:\/\/(\S+)/g)].map(([, json]) => JSON.parse(Buffer.from(json, 'base64').toString()).add);
  assert.deepEqual((await hosts()).sort(), ['gone.example', 'kept.example']);
  await remove(gone.node);
  assert.deepEqual(await hosts(), ['kept.example']);
  for (const [method, where] of [['GET', ''], ['DELETE', ''], ['POST', '/rotate-key']]) {
    assertRefused(await panel.api(method, `/api/v1/nodes/${gone.node}${where}`), 404, 'not_found');
  }
  assert.ok(!(await ok(200, 'GET', '/api/v1/nodes')).items.some(({ id }) => id === gone.node));
});

test('a deleted node is told so, reports what it still holds for 25 hours, and is then unknown', async () => {
  const agent = await agentOf(await create('leaving'));
  const [ann] = await seedUsers(panel, 1, { monthlyQuota: 100 * MIB });
  assert.equal((await agent.sync({ asks: [[ann.slot, 0, 0]] })).body.limits.length, 1);
  assert.ok((await usageOf(panel, ann.id)).out > 0);
  await remove(agent.node);
  assert.equal((await usageOf(panel, ann.id)).out, 0, 'what it was granted is free for others');
  const report = agent.report({ seq: 1, users: [[ann.slot, 30, 3]] });
  const { status, body } = await agent.sync({ report, asks: [[ann.slot, 33, 0]] });
  assert.deepEqual([status, body.deleted, body.ack, body.limits, body.roster], [200, true, 1, [], undefined]);
  assert.equal((await usageOf(panel, ann.id)).month, 33);
  await panel.db.prepare('UPDATE node_keys SET deleted_at = deleted_at - ?2 WHERE node = ?1').bind(agent.node, 25 * HOUR).run();
  const late = await agent.sync({ report: agent.report({ seq: 2, users: [[ann.slot, 1, 0]] }) });
  assert.deepEqual([late.status, late.body.code], [410, 'deleted']);
  assert.equal((await usageOf(panel, ann.id)).month, 33);
});

test('what a deleted node counted and never reported blocks a quota for 25 hours and no longer', async () => {
  const agent = await agentOf(await create('silent'));
  const [ann] = await seedUsers(panel, 1, { monthlyQuota: 100 * MIB });
  await agent.sync({ asks: [[ann.slot, 40 * MIB, 0]] });
  await remove(agent.node);
  const known = async () => (await usageOf(panel, ann.id)).known;
  assert.equal(await panel.cron(), 'ok');
  assert.equal(await known(), 40 * MIB);
  await panel.db.prepare('UPDATE nodes SET deleted_at = deleted_at - ?2 WHERE id = ?1').bind(agent.node, 25 * HOUR).run();
  for (let run = 0; run < 5; run += 1) assert.equal(await panel.cron(), 'ok');
  assert.equal(await known(), 0);
});

test('the token of a deleted node enrols nobody', async () => {
  const { id, token } = await create('never enrolled');
  await remove(id);
  assert.deepEqual((({ status, body }) => [status, body.code])((await enrol(panel, token)).answer), [404, 'token']);
});

test('a new key works beside the old one until it is used, and then alone', async () => {
  const old = await agentOf(await create('rotating'));
  const { token, token_expires: expires, enrolled, id } = await ok(200, 'POST', `/api/v1/nodes/${old.node}/rotate-key`);
  assert.deepEqual([id, enrolled], [old.node, false]);
  assert.ok(Math.abs(expires - now() - HOUR) <= 60);
  assert.equal((await old.sync()).status, 200);
  const { key, answer } = await enrol(panel, token);
  assert.equal(answer.body.node, old.node);
  assert.equal((await old.sync()).status, 200, 'the new key was not heard yet: its host may have lost the answer');
  const fresh = new ScriptedAgent({ panel, key, epoch: old.epoch });
  fresh.n = old.n;
  assert.equal((await fresh.sync()).status, 200);
  assert.deepEqual((({ status, body }) => [status, body.code])(await old.sync()), [401, 'key']);
  assert.equal((await fresh.sync()).status, 200);
});

test('an old key ends a day after the rotation, though the new one was never used', async () => {
  const old = await agentOf(await create('forgetful'));
  const { token } = await ok(200, 'POST', `/api/v1/nodes/${old.node}/rotate-key`);
  await enrol(panel, token);
  const { expires_at: expires } = await panel.db.prepare('SELECT expires_at FROM node_keys WHERE hash = ?1').bind(sha256Hex(old.key)).first();
  assert.ok(Math.abs(expires - now() - 24 * HOUR) <= 60);
  await panel.db.prepare('UPDATE node_keys SET expires_at = unixepoch() WHERE hash = ?1').bind(sha256Hex(old.key)).run();
  assert.equal((await old.sync()).status, 401);
});

test('a second rotation ends the token of the first', async () => {
  const { id, token: first } = await create('impatient');
  const { token: second } = await ok(200, 'POST', `/api/v1/nodes/${id}/rotate-key`);
  const { token: third } = await ok(200, 'POST', `/api/v1/nodes/${id}/rotate-key`);
  for (const token of [first, second]) assert.equal((await enrol(panel, token)).answer.status, 404);
  assert.equal((await enrol(panel, third)).answer.status, 200);
});

test('an enrolment says who it is, in the words that the agent binds its ledger to', async () => {
  const { id, token } = await create('binding');
  const { answer } = await enrol(panel, token);
  const { value } = await panel.db.prepare("SELECT value FROM meta WHERE name = 'panel'").first();
  assert.deepEqual({ ...answer.body, time: 0 }, { node: id, name: 'binding', panel: value, time: 0 });
  assert.ok(Math.abs(answer.body.time - now()) <= 60);
  const other = await panel.request('POST', '/agent/v1/enroll', { body: JSON.stringify({ protocol: PROTOCOL + 1 }) });
  assert.deepEqual([other.status, other.body.code], [426, 'protocol']);
});
