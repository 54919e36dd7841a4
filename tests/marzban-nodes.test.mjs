/** Nodes over Marzban's API: they are our own, which dial out. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { assertBreaks, assertDetail, callersOfEachRole, NOT_ALLOWED } from './support/marzban-bearer.mjs';
import { startPanel } from './support/panel.mjs';
import { enrol, seedAgent, seedUsers, usageOf } from './support/seed.mjs';
import { now, ScriptedAgent } from './support/wire.mjs';

const RUNNING = { core: 'sing-box', core_version: '1.14.4', incarnation: 1_700_000_000_000 };
const KEYS = ['name', 'address', 'port', 'api_port', 'usage_coefficient', 'id', 'xray_version', 'status', 'message'];

let panel;
let owner;
let callers;
const add = async (fields) => {
  const { status, body, text } = await owner('POST', '/api/node', fields);
  assert.equal(status, 200, text);
  return body;
};
const nodes = async () => (await owner('GET', '/api/nodes')).body;
const one = async (id) => (await owner('GET', `/api/node/${id}`)).body;

before(async () => {
  panel = await startPanel();
  callers = await callersOfEachRole(panel);
  ({ owner } = callers);
});
after(() => panel?.stop());

test('a node’s settings name no certificate, because none is needed', async () => {
  assert.deepEqual((await owner('GET', '/api/node/settings')).body, { min_node_version: 'v0.2.0', certificate: '' });
});

test('a node that is added is connecting, and its message is the command that enrols it', async () => {
  const wien = await add({ name: 'Wien', address: 'wien.example', add_as_new_host: true });
  assert.deepEqual(Object.keys(wien), KEYS);
  const { id, message, ...rest } = wien;
  assert.deepEqual(rest, { name: 'Wien', address: 'wien.example', port: 62_050, api_port: 62_051, usage_coefficient: 1, xray_version: null, status: 'connecting' });
  const [, where, token] = /^curl -fsSL (\S+)\/install\.sh \| sh -s -- ([0-9a-f]{32})$/.exec(message);
  assert.equal(where, panel.url);
  const { key, answer } = await enrol(panel, token);
  assert.equal(answer.status, 200, answer.text);
  assert.equal((await one(id)).status, 'connecting');
  assert.equal((await new ScriptedAgent({ panel, key }).sync({ status: RUNNING })).status, 200);
  assert.deepEqual(await one(id), { ...wien, status: 'connected', xray_version: '1.14.4', message: null });
  assert.deepEqual((await panel.api('GET', `/api/v1/nodes/${id}`)).body.name, 'Wien');
});

test('the token of a node that was added before is told to nobody again', async () => {
  const { id, message } = await add({ name: 'Bern', address: '192.0.2.7' });
  const shown = await one(id);
  assert.ok(!shown.message.includes(message.split(' ').at(-1)) && shown.message.includes('rotate-key'), shown.message);
});

test('ports and coefficient are kept, also at the creation', async () => {
  const node = await add({ name: 'Linz', address: 'linz.example', port: 1, api_port: 65_535, usage_coefficient: 0.5 });
  assert.deepEqual([node.port, node.api_port, node.usage_coefficient], [1, 65_535, 0.5]);
  assert.equal((await panel.api('GET', `/api/v1/nodes/${node.id}`)).body.coefficient, 500);
});

test('a name that is taken is refused by name', async () => {
  const before = await nodes();
  assertDetail(await owner('POST', '/api/node', { name: 'wien', address: 'x.example' }), 409, 'Node "wien" already exists');
  assertDetail(await owner('PUT', `/api/node/${before[1].id}`, { name: 'Wien' }), 409, 'Node "Wien" already exists');
  assert.deepEqual(await nodes(), before);
});

test('a rule that is broken is named with its field, and nothing is changed', async () => {
  const before = await nodes();
  const breaks = {
    name: ['', ' x', 'x'.repeat(33), 7],
    address: ['', 'https://x.example', 'x.example:443', 7],
    port: [-1, 65_536, '62050', 1.5],
    api_port: [-1, 65_536, '62051'],
    usage_coefficient: [0, -1, 101, '1'],
  };
  for (const [field, values] of Object.entries(breaks)) {
    for (const value of values) {
      assertBreaks(await owner('POST', '/api/node', { name: 'bad', address: 'bad.example', [field]: value }), field);
      assertBreaks(await owner('PUT', `/api/node/${before[0].id}`, { [field]: value }), field);
    }
  }
  for (const field of ['name', 'address']) {
    assertBreaks(await owner('POST', '/api/node', { name: 'bad', address: 'bad.example', [field]: undefined }), field);
  }
  for (const status of ['disabled', 'unknown', 7]) assertBreaks(await owner('PUT', `/api/node/${before[0].id}`, { status }), 'status');
  assert.deepEqual(await nodes(), before);
});

test('a change leaves what it does not name, and is in the log', async () => {
  const linz = (await nodes()).find(({ name }) => name === 'Linz');
  const at = `/api/node/${linz.id}`;
  assert.deepEqual((await owner('PUT', at, {})).body, linz);
  assert.deepEqual((await owner('PUT', at, { name: null, usage_coefficient: null, status: 'connecting' })).body, linz);
  const changed = (await owner('PUT', at, { name: 'Graz', address: 'graz.example', port: 2, usage_coefficient: 1.25 })).body;
  assert.deepEqual(changed, { ...linz, name: 'Graz', address: 'graz.example', port: 2, usage_coefficient: 1.25 });
  const entry = (await panel.api('GET', '/api/v1/audit?limit=1')).body.items[0];
  assert.deepEqual([entry.action, entry.subject, entry.before.name, entry.after.name, entry.after.coefficient], ['node.change', 'nodes/Linz', 'Linz', 'Graz', 1_250]);
});

test('another coefficient is that of the reports to come', async () => {
  const agent = await seedAgent(panel, { name: 'Ulm' });
  const [user] = await seedUsers(panel, 1);
  const report = async (seq) => {
    const answer = await agent.sync({ status: RUNNING, report: agent.report({ seq, users: [[user.slot, 600, 400]] }) });
    assert.equal(answer.status, 200, answer.text);
  };
  await report(1);
  assert.equal((await owner('PUT', `/api/node/${agent.node}`, { usage_coefficient: 2 })).body.usage_coefficient, 2);
  await report(2);
  const { month, lifetime } = await usageOf(panel, user.id);
  assert.deepEqual([month, lifetime], [3_000, 3_000]);
});

test('a node says of itself that its core is down, or that nothing was heard of it', async () => {
  const agent = await seedAgent(panel, { name: 'Kiel' });
  await agent.sync({ status: { ...RUNNING, incarnation: 0, last_error: 'no such file' } });
  const shown = async () => (({ status, message }) => [status, message])(await one(agent.node));
  assert.deepEqual(await shown(), ['error', 'no such file']);
  await panel.db.prepare('UPDATE epochs SET seen_at = ?2 WHERE node = ?1').bind(agent.node, now() - 1_000).run();
  const [status, message] = await shown();
  assert.equal(status, 'error');
  assert.match(message, /^Last heard of at \d{4}-\d\d-\d\dT[\d:]{8} UTC$/);
});

test('usage goes by node and span, “Master” first without a byte', async () => {
  const usages = async (query = '') => (await owner('GET', `/api/nodes/usage${query}`)).body.usages;
  const all = await usages();
  assert.deepEqual(all[0], { node_id: null, node_name: 'Master', uplink: 0, downlink: 0 });
  assert.deepEqual(all.slice(1).map(({ node_id: id }) => id), (await nodes()).map(({ id }) => id));
  const ulm = all.find(({ node_name: name }) => name === 'Ulm');
  assert.deepEqual([ulm.uplink, ulm.downlink], [1_200, 800], 'as the node counted them, without the coefficient');
  const day = 86_400;
  const at = (seconds) => new Date(seconds * 1_000).toISOString().slice(0, 19);
  const old = Math.floor((now() - 40 * day) / day) * day;
  await panel.db.prepare('INSERT INTO node_days (node, day, up, down) VALUES (?1, ?2, 7, 5)').bind(ulm.node_id, old).run();
  const ofUlm = async (query) => (({ uplink, downlink }) => [uplink, downlink])((await usages(query)).find(({ node_name: name }) => name === 'Ulm'));
  assert.deepEqual(await ofUlm(''), [1_200, 800], 'thirty days');
  assert.deepEqual(await ofUlm(`?start=${at(old - day)}`), [1_207, 805]);
  assert.deepEqual(await ofUlm(`?start=${at(old + 5)}&end=${at(old + day - 1)}`), [7, 5]);
  assert.deepEqual(await ofUlm(`?start=${at(old + day)}&end=${at(old + 2 * day)}`), [0, 0]);
  assertDetail(await owner('GET', '/api/nodes/usage?start=yesterday'), 400, 'Invalid date range or format');
  assertDetail(await owner('GET', '/api/nodes/usage?start=2024-02-01&end=2024-01-01'), 400, 'Start date must be before end date');
});

test('a node is asked to come back, and one that is deleted is gone', async () => {
  const { id } = (await nodes()).find(({ name }) => name === 'Graz');
  assertDetail(await owner('POST', `/api/node/${id}/reconnect`), 200, 'Reconnection task scheduled');
  const gone = await owner('DELETE', `/api/node/${id}`);
  assert.deepEqual([gone.status, gone.body], [200, {}]);
  for (const [method, where, body] of [['GET', ''], ['PUT', '', {}], ['DELETE', ''], ['POST', '/reconnect']]) {
    assertDetail(await owner(method, `/api/node/${id}${where}`, body), 404, 'Node not found');
    assertDetail(await owner(method, `/api/node/4294967296${where}`, body), 404, 'Node not found');
    assertBreaks(await owner(method, `/api/node/x${where}`, body), 'node_id');
  }
  assert.ok(!(await nodes()).some((node) => node.id === id));
});

test('only sudo sees and changes nodes; a viewer sees them', async () => {
  const { admin, reseller, viewer } = callers;
  const [{ id }] = await nodes();
  const reads = [['GET', '/api/nodes'], ['GET', `/api/node/${id}`], ['GET', '/api/node/settings'], ['GET', '/api/nodes/usage']];
  const writes = [['POST', '/api/node', { name: 'no', address: 'no.example' }], ['PUT', `/api/node/${id}`, {}], ['DELETE', `/api/node/${id}`], ['POST', `/api/node/${id}/reconnect`]];
  for (const request of [...reads, ...writes]) assertDetail(await reseller(...request), 403, NOT_ALLOWED);
  for (const request of writes) assertDetail(await viewer(...request), 403, NOT_ALLOWED);
  for (const request of reads) {
    for (const caller of [admin, viewer]) assert.equal((await caller(...request)).status, 200);
  }
});
