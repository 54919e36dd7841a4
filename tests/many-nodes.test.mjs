/** Many nodes, one quota: whatever is done to the quota while a user pulls from all of them at full rate, the bound holds. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { faults, isSync } from './support/fault-proxy.mjs';
import { MIB, startFleet, until } from './support/fleet.mjs';
import { FLOOR, Pull, TICK } from './support/pull.mjs';
import { leftOut } from './support/selection.mjs';

const RATE = 4 * MIB;
/** A quota that eight nodes at this rate need six seconds for. */
const QUOTA = 200 * MIB;
/** A test that takes so long hangs. */
const timeout = 180_000;

let fleet;
before(async () => {
  fleet = await startFleet({ nodes: 8 });
});
after(() => fleet?.stop());

let last = 0;
/** A new user pulls from the first so many nodes. */
function pull({ nodes = 8, ...fields } = {}) {
  last += 1;
  return Pull.start(fleet, { name: `user-${last}`, rate: RATE, monthly_quota: QUOTA, nodes: fleet.nodes.slice(0, nodes), ...fields });
}

/** @param {Pull} user @returns {Promise<object>} as the API shows him */
const shown = ({ name }) => fleet.user(name);

for (const nodes of [2, 8]) {
  test(`a user who pulls from ${nodes} nodes at once gets his quota and no more`, { timeout, skip: nodes === 8 && leftOut('plain', 25) }, async (context) => {
    const user = await pull({ nodes, monthly_quota: nodes * 25 * MIB });
    await user.quiet();
    assert.ok(user.used >= nodes * 25 * MIB, `he was cut ${nodes * 25 * MIB - user.used} bytes too early`);
    await user.ends({ allowed: nodes * 25 * MIB, context });
    const { status, reason, monthly_used: used } = await shown(user);
    assert.deepEqual({ status, reason, used }, { status: 'limited', reason: 'month', used: user.used });
  });

  test(`a quota that is lowered while ${nodes} nodes are pulled from is called in`, { timeout, skip: leftOut(`lowered ${nodes}`, 25) }, async (context) => {
    const user = await pull({ nodes, monthly_quota: 10 * QUOTA });
    await user.reaches(20 * MIB);
    const { used } = user;
    await fleet.api('PATCH', `/api/v1/users/${user.name}`, { monthly_quota: 30 * MIB });
    await user.quiet();
    context.diagnostic(`lowered to 30 MiB at ${(used / MIB).toFixed(1)} MiB: ${(user.used / MIB).toFixed(1)} MiB`);
    // The nodes hold far more, and give it back with their next sync: it is due within a second.
    await user.ends({ allowed: Math.max(30 * MIB, used + nodes * RATE), context });
  });
}

test('the last bytes of a quota go to the node where he is, and nobody is rung for them any more', { timeout }, async (context) => {
  const quota = 2.5 * MIB;
  const user = await pull({ nodes: 2, monthly_quota: quota, rate: 200 });
  const [left, right] = user.nodes;
  await until('both nodes hold a part', async () => (await Promise.all([left, right].map((node) => user.grantedOn(node)))).every((part) => part > MIB / 8));
  const [idle, ended] = user.flows;
  idle.stop();
  ended.stop();
  // Until the other node has used up its part, the one that he left has seen nothing of him for some fifteen seconds.
  const slow = right.core.flow(user.slot, { rate: 80 * 1024 });
  user.flows.push(slow);
  const version = async () => (await fleet.panel.db.prepare('SELECT max(number) AS number FROM roster_versions').first()).number;
  const [before, held] = [await version(), await user.grantedOn(left)];
  await until('the node that he left has given back', async () => (await user.grantedOn(left)) === 0);
  const fast = right.core.flow(user.slot, { rate: RATE });
  user.flows.push(fast);
  await user.reaches(quota);
  await until('he is limited', async () => (await shown(user)).status === 'limited');
  await user.quiet();
  const rosters = (await version()) - before;
  context.diagnostic(`${(held / MIB).toFixed(2)} MiB lay idle, and ${rosters} rosters were drawn`);
  // One for each call, and one for his gate.
  assert.ok(rosters <= 4, `${rosters} rosters`);
  slow.stop();
  fast.stop();
  const passed = ended.passed + slow.passed + fast.passed;
  user.flows = [idle, { passed, stop() {} }];
  await user.ends({ allowed: quota, context });
});

test('a quota that is raised while eight nodes are pulled from is used up, and no more', { timeout, skip: leftOut('raised', 25) }, async (context) => {
  const user = await pull({ monthly_quota: 40 * MIB });
  await user.reaches(20 * MIB);
  await fleet.api('PATCH', `/api/v1/users/${user.name}`, { monthly_quota: QUOTA });
  await user.reaches(QUOTA);
  await user.quiet();
  await user.ends({ allowed: QUOTA, context });
});

test('a reset while eight nodes are pulled from gives the quota once more', { timeout, skip: leftOut('reset', 25) }, async (context) => {
  const user = await pull();
  await user.reaches(QUOTA / 2);
  await fleet.api('POST', `/api/v1/users/${user.name}/reset`);
  const atReset = user.used;
  await user.quiet();
  assert.ok(user.used >= QUOTA, 'he went on');
  await user.ends({ allowed: atReset + QUOTA, context });
});

test('traffic that is bought while eight nodes are pulled from comes on top, once', { timeout, skip: leftOut('bought', 25) }, async (context) => {
  const user = await pull({ monthly_quota: 80 * MIB });
  await user.reaches(40 * MIB);
  const order = { order: 'shop-1', bytes: 60 * MIB };
  await fleet.api('POST', `/api/v1/users/${user.name}/packages`, order);
  await fleet.panel.api('POST', `/api/v1/users/${user.name}/packages`, order);
  await user.reaches(140 * MIB);
  await user.quiet();
  await user.ends({ allowed: 140 * MIB, context });
});

test('a quota holds while replies are lost and delayed on all eight nodes', { timeout, skip: leftOut('replies', 25) }, async (context) => {
  const harm = (node, index) => (exchange) => {
    if (!isSync(exchange)) return null;
    const turn = node.proxy.exchanges.length + index;
    if (turn % 4 === 1) return { name: 'loseReply', fault: faults.loseReply() };
    return turn % 4 === 3 ? { name: 'delayReply', fault: faults.delayReply(1200) } : null;
  };
  for (const [index, node] of fleet.nodes.entries()) node.proxy.disturb(harm(node, index));
  const user = await pull();
  await user.reaches(QUOTA);
  await user.quiet();
  for (const node of fleet.nodes) node.proxy.disturb(null);
  const met = fleet.nodes.flatMap(({ proxy }) => proxy.exchanges.filter(({ fault }) => fault));
  context.diagnostic(`${met.length} replies lost or delayed`);
  assert.ok(met.length >= 16);
  await user.ends({ allowed: QUOTA, context });
});

test('a node that was away sends its chain of reports, and the quota still holds', { timeout, skip: leftOut('away', 25) }, async (context) => {
  const user = await pull();
  const [away] = fleet.nodes;
  await user.reaches(QUOTA / 4);
  away.proxy.isolate();
  const before = user.flows[0].passed;
  await user.quiet();
  context.diagnostic(`${((user.flows[0].passed - before) / MIB).toFixed(1)} MiB passed on the node that was away`);
  away.proxy.restore();
  await fleet.settled();
  // What it held and did not use is free again.
  await user.quiet();
  await user.ends({ allowed: QUOTA, context });
});

test('what a node that cannot be reached holds comes on top of a lowered quota, and nothing else', { timeout, skip: leftOut('unreachable', 25) }, async (context) => {
  const user = await pull({ monthly_quota: 4 * QUOTA });
  const [away] = fleet.nodes;
  await user.reaches(QUOTA / 4);
  away.proxy.isolate();
  const [used, onAway, held] = [user.used, user.flows[0].passed, await user.grantedOn(away)];
  await fleet.api('PATCH', `/api/v1/users/${user.name}`, { monthly_quota: 30 * MIB });
  await user.quiet();
  const passed = user.flows[0].passed - onAway;
  context.diagnostic(`it held ${(held / MIB).toFixed(1)} MiB, and ${(passed / MIB).toFixed(1)} MiB passed on it`);
  assert.ok(passed <= held + FLOOR + RATE * TICK);
  away.proxy.restore();
  await user.ends({ allowed: used + held + fleet.nodes.length * RATE, context });
});

test('a month that rolls over while eight nodes are pulled from gives a quota to each month', { timeout, skip: leftOut('month', 25) }, async (context) => {
  const user = await pull();
  await user.reaches(QUOTA / 2);
  const { period_end: end } = await fleet.panel.db.prepare('SELECT period_end FROM usage JOIN users ON users.id = user WHERE name = ?1').bind(user.name).first();
  // The panel's clock goes to the last second of the month, and the agents learn it with their next sync.
  await fleet.panel.setClock(end - 1 - Math.floor(Date.now() / 1000));
  await until('a byte of the new month is in the panel', async () => {
    const row = await fleet.panel.db.prepare('SELECT period_start FROM usage JOIN users ON users.id = user WHERE name = ?1').bind(user.name).first();
    return row.period_start >= end;
  });
  await user.quiet();
  await user.ends({ allowed: 2 * QUOTA, context });
  const { results: periods } = await fleet.panel.db.prepare('SELECT bytes FROM periods JOIN users ON users.id = user WHERE name = ?1').bind(user.name).all();
  const { monthly_used: month } = await shown(user);
  assert.equal(periods.length, 1);
  assert.equal(periods[0].bytes + month, user.used, 'every byte is in one of the two months');
  // How many in which: what is unreported when the clock jumps is stamped by hosts that do not know of it yet.
  assert.ok(periods[0].bytes > 0 && month > 0, `${periods[0].bytes} and ${month}`);
  await fleet.panel.setClock(0);
});

test('a node that is deleted gets no more, reports what it has, and the others use what is left', { timeout, skip: leftOut('deleted', 25) }, async (context) => {
  const user = await pull();
  const gone = fleet.nodes.at(-1);
  await user.reaches(QUOTA / 4);
  await fleet.api('DELETE', `/api/v1/nodes/${gone.id}`);
  await until('its gate is shut', () => gone.core.gates.get(user.slot) === false);
  const passed = user.flows.at(-1).passed;
  await user.reaches(QUOTA);
  await user.quiet();
  assert.equal(user.flows.at(-1).passed, passed, 'nothing passed on it any more');
  for (const flow of user.flows) flow.stop();
  await until('its bytes are billed', async () => {
    const { up, down } = (await fleet.history()).get(user.name);
    return up + down === user.used;
  });
  fleet.nodes.pop();
  await gone.stop();
  await user.ends({ allowed: QUOTA, context });
});
