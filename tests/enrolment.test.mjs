/** A host becomes a node whatever happens on the way: one token makes one key, and a new key costs no byte. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, beforeEach, test } from 'node:test';

import { FaultProxy, faults, isReport } from './support/fault-proxy.mjs';
import { FleetNode, MIB, startFleet, until } from './support/fleet.mjs';
import { ScriptedNode } from './support/scripted-node.mjs';

const ENROL = '/agent/v1/enroll';
const USED = 'weir-agent: the panel refused: the token has enrolled another key\n';
const isEnrolment = ({ path: where }) => where === ENROL;
/** A test that takes so long hangs. */
const timeout = 180_000;

/** How often an enrolment is killed at each point before it may end. */
const KILLS = 3;

let fleet;
let slots;
let hosts = 0;
/** The node that a test makes. @type {{id: number, token: string}} */
let created;

before(async () => {
  fleet = await startFleet({ users: [{ name: 'anna' }, { name: 'boris' }] });
  slots = await fleet.slots();
});
after(() => fleet?.stop());

beforeEach(async () => {
  hosts += 1;
  created = await fleet.api('POST', '/api/v1/nodes', { name: `made-${hosts}`, address: '127.0.0.1' });
});

/** A host that nobody has enrolled. */
async function newHost() {
  const name = `host-${fleet.nodes.length + 1}`;
  const host = await ScriptedNode.make({ folder: path.join(fleet.folder, name) });
  const node = new FleetNode({ id: created.id, name, host, proxy: await FaultProxy.start({ target: fleet.panel.url }) });
  fleet.nodes.push(node);
  return node;
}

/** `weir-agent enroll`, once. */
function enrol({ host, proxy }, { token = created.token, crash } = {}) {
  if (crash) host.env.WEIR_CRASH = crash;
  const done = host.agent('enroll', proxy.url, token);
  delete host.env.WEIR_CRASH;
  return done;
}

async function assertEnrolled(node, outcome) {
  assert.deepEqual(outcome, { code: 0, signal: null, output: `enrolled as node ${created.id} ("made-${hosts}") of ${node.proxy.url}\n` });
  const { results: keys } = await fleet.panel.db.prepare('SELECT expires_at FROM node_keys WHERE node = ?1').bind(created.id).all();
  assert.deepEqual(keys, [{ expires_at: null }], 'one key');
}

/** The agent runs, and what moves is counted. */
async function assertCounts(node) {
  node.host.startAgent();
  await fleet.explained(fleet.loadedOn(created.id));
  for (const slot of slots.values()) assert.ok(node.core.once(slot, 1000, 2000));
  const [books] = await fleet.settled({ nodes: [node] });
  assert.deepEqual(books, { up: 1000 * slots.size, down: 2000 * slots.size, unknown: 0, unattributed: 0, foreign: 0 });
}

test('a reply that is lost costs nothing: the same command enrols the same key', { timeout }, async () => {
  const node = await newHost();
  const lost = node.proxy.inject(faults.loseReply(), { when: isEnrolment });
  const { code, output } = await enrol(node);
  assert.equal(code, 1);
  assert.match(output, /^weir-agent: /);
  assert.equal((await lost)[0].replies[0].status, 200, 'the panel had enrolled it');
  await assertEnrolled(node, await enrol(node));
  const hashes = node.proxy.exchanges.map(({ message }) => message.key_hash);
  assert.equal(hashes.length, 2);
  assert.equal(hashes[0], hashes[1]);
  await assertCounts(node);
});

for (const point of ['EnrolBegun', 'EnrolAnswered', 'EnrolBound']) {
  test(`an enrolment that is killed at ${point} is finished by the same command`, { timeout }, async () => {
    const node = await newHost();
    for (let kill = 0; kill < KILLS; kill += 1) {
      const killed = await enrol(node, { crash: `${point}:1` });
      assert.deepEqual([killed.signal, killed.output], ['SIGKILL', '']);
    }
    await assertEnrolled(node, await enrol(node));
    const asked = node.proxy.exchanges.filter(isEnrolment);
    assert.equal(asked.length, point === 'EnrolBegun' ? 1 : KILLS + 1);
    await assertCounts(node);
  });
}

test('a token that a host has used enrols no other one, and says so', { timeout }, async () => {
  const [first, second] = [await newHost(), await newHost()];
  await assertEnrolled(first, await enrol(first));
  const { code, output } = await enrol(second);
  assert.equal(code, 1);
  assert.equal(output, USED);
  const [{ replies }] = second.proxy.exchanges;
  assert.equal(replies[0].status, 409);
  const { code: code2, output: output2 } = await second.host.agent('run');
  assert.equal(code2, 1);
  assert.match(output2, /this host is not enrolled: run `weir-agent enroll/);
  await assertCounts(first);
});

test('two hosts that use a token at one moment: one of them becomes the node', { timeout }, async () => {
  const both = [await newHost(), await newHost()];
  const outcomes = await Promise.all(both.map((node) => enrol(node)));
  assert.deepEqual(outcomes.map(({ code }) => code).sort(), [0, 1]);
  const winner = outcomes.findIndex(({ code }) => code === 0);
  assert.equal(outcomes[1 - winner].output, USED);
  await assertEnrolled(both[winner], outcomes[winner]);
  await assertCounts(both[winner]);
});

test('a host that is enrolled twice is the same node with all that it counted', { timeout }, async () => {
  const node = await newHost();
  await assertEnrolled(node, await enrol(node));
  await assertCounts(node);
  // Bytes that wait for the panel are no reason to refuse it: the node is the same.
  node.proxy.isolate();
  for (const slot of slots.values()) assert.ok(node.core.once(slot, 5, 7));
  await node.core.heard();
  await node.host.stopAgent();
  node.proxy.restore();
  await assertEnrolled(node, await enrol(node));
  node.host.startAgent();
  const [books] = await fleet.settled({ nodes: [node] });
  assert.deepEqual([books.up, books.down], [1005 * slots.size, 2007 * slots.size]);
});

test('a key that is rotated while bytes flow, with every reply on the way lost once, costs no byte', { timeout }, async () => {
  const node = await newHost();
  const { core, host, proxy } = node;
  await assertEnrolled(node, await enrol(node));
  await assertCounts(node);
  const flows = [...slots.values()].map((slot) => core.flow(slot, { rate: MIB }));
  const keys = async () => {
    const { results } = await fleet.panel.db.prepare('SELECT hash, fresh, expires_at IS NULL AS lasts FROM node_keys WHERE node = ?1 ORDER BY created_at, fresh').bind(node.id).all();
    return results;
  };
  const acknowledged = async (what) => {
    const from = proxy.exchanges.length;
    await until(what, () => proxy.exchanges.slice(from).some((exchange) => isReport(exchange) && exchange.answer?.ack >= exchange.report.seq));
  };

  const [old] = await keys();
  const { token } = await fleet.api('POST', `/api/v1/nodes/${node.id}/rotate-key`);
  await acknowledged('the old key works after the token was made');
  // The ledger is the agent's while it runs; an agent that cannot be told of the new key goes on with the old one.
  await host.stopAgent();
  const lost = proxy.inject(faults.loseReply(), { when: isEnrolment });
  assert.equal((await enrol(node, { token })).code, 1);
  assert.equal((await lost)[0].replies[0].status, 200);
  assert.deepEqual((await keys()).map(({ fresh, lasts }) => [fresh, lasts]), [[0, 0], [1, 1]]);
  host.startAgent();
  await acknowledged('the old key works until the new one is used');
  assert.equal((await keys()).length, 2);

  await host.stopAgent();
  assert.equal((await enrol(node, { token })).code, 0);
  const first = proxy.inject(faults.loseReply());
  host.startAgent();
  assert.equal((await first)[0].replies[0].status, 200, 'the first report with the new key took effect');
  await acknowledged('the new key works');
  const [only, ...others] = await keys();
  assert.deepEqual([only.fresh, only.lasts, others], [0, 1, []], 'and has ended the old one');
  assert.notEqual(only.hash, old.hash);
  for (const flow of flows) flow.stop();
  await core.heard();
  const [books] = await fleet.settled({ nodes: [node] });
  const sum = (way) => [...slots.values()].reduce((all, slot) => all + core.moved.get(slot)[way], 0);
  assert.deepEqual(books, { up: sum('up'), down: sum('down'), unknown: 0, unattributed: 0, foreign: 0 });
});
