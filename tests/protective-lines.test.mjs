/**
 * The lines of the agent that keep bytes from being lost or doubled: each is taken out (agent/src/faults.rs), and what it protects
 * breaks. Those of the panel are in report-faults.test.mjs, the gate's in gates-restarts.test.mjs.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { MIB, startFleet, until } from './support/fleet.mjs';

/** A test that takes so long hangs. */
const timeout = 180_000;

let fleet;
let slot;
before(async () => {
  fleet = await startFleet({ users: [{ name: 'anna' }] });
  slot = (await fleet.slots()).get('anna');
});
after(() => fleet?.stop());

/** What happened to a node so far, by kind. */
async function events({ id }) {
  return (await fleet.nodeInPanel(id)).events.map(({ kind }) => kind);
}

/** Bytes of a node that its users are billed for. */
async function billed({ id }) {
  const { up, down } = await fleet.booksOf(id);
  return up + down;
}

/**
 * An agent with a ledger of some reports dies after the panel has applied another one and before the answer, and is started again
 * with every line in place.
 *
 * @param {Record<string, string>} env of the one that dies
 */
async function diesBeforeTheAnswer(node, env = {}) {
  node.core.once(slot, 1000, 2000);
  await fleet.settled({ nodes: [node] });
  await node.host.stopAgent();
  node.host.startAgent(env);
  const flow = node.core.flow(slot, { rate: MIB });
  const reports = () => node.proxy.exchanges.filter(({ report, answer }) => report && answer?.ack).length;
  const before = reports();
  await until('reports are acknowledged', () => reports() >= before + 3);
  await node.proxy.inject(async (exchange) => {
    await exchange.forward();
    await node.host.killAgent();
    exchange.cut();
  });
  node.host.startAgent();
  const then = reports();
  await until('it reports again', () => reports() > then);
  flow.stop();
}

test('an agent that dies before the answer sends the same report again, because it was on disk before it was sent', { timeout }, async () => {
  const node = await fleet.addNode();
  await diesBeforeTheAnswer(node);
  await fleet.settled({ nodes: [node] });
  assert.equal(await billed(node), node.core.total);
  assert.deepEqual(await events(node), []);
});

test('without the fsync before the sending, that is a fork', { timeout }, async () => {
  const node = await fleet.addNode();
  await diesBeforeTheAnswer(node, { WEIR_MUTANT: 'FsyncBeforeSend' });
  await until('the panel finds a ledger that has forgotten what it said', async () => (await events(node)).includes('fork'));
});

/** A core tells the end of every connection twice. @returns {Promise<number>} bytes that are billed beyond those that were moved */
async function tellsEveryEndTwice(node) {
  node.core.repeats = true;
  for (let count = 0; count < 50; count += 1) assert.ok(node.core.once(slot, 1000, 2000));
  await until('the bytes are billed', async () => (await billed(node)) >= node.core.total);
  // One more report, so that a second count of the last ends would be in it.
  node.core.repeats = false;
  node.core.once(slot, 1, 1);
  await until('one more report is billed', async () => (await billed(node)) >= node.core.total);
  return (await billed(node)) - node.core.total;
}

test('a connection whose end is told twice counts once, because ended ones are remembered', { timeout }, async () => {
  const node = await fleet.addNode();
  assert.equal(await tellsEveryEndTwice(node), 0);
});

test('without that memory it counts twice', { timeout }, async () => {
  const node = await fleet.addNode({ env: { WEIR_MUTANT: 'DoneSet' } });
  assert.ok((await tellsEveryEndTwice(node)) > 0);
});
