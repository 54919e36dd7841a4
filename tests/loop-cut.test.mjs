/** Cut: a user at his limit is refused, nobody else notices, and neither a reload nor a crash of the core lets him in again. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { MIB, startLoop, until } from './support/loop.mjs';

const PROTOCOL = 'trojan';
const LEFT = 50 * MIB;
const RATE = 20 * MIB;
/** The default of GRANT_FLOOR_BYTES. */
const FLOOR = MIB;
/** The agent reads the core's totals at least so often. */
const TICK_S = 1;
/** So long without a byte, while the client tries ten times a second, means that he is refused. */
const QUIET_MS = 1500;
/** The aim is 2 s from the crossing. */
const REFUSAL_LIMIT_MS = 20_000;

let loop;
let bystander;
let incarnation;

before(async () => {
  loop = await startLoop({ users: [{ name: 'limited', monthly_quota: LEFT + MIB }, { name: 'bystander' }], protocols: [PROTOCOL] });
  // Both are known to the node, and the limited user has used all but what is left.
  const { lab } = loop;
  await lab.many([() => lab.tcp({ user: 'limited', protocol: PROTOCOL, down: MIB - 32 }), () => lab.tcp({ user: 'bystander', protocol: PROTOCOL, down: 100 })]);
  await loop.settled();
  bystander = lab.download({ user: 'bystander', protocol: PROTOCOL, rate: MIB });
  await until('the bystander downloads', () => bystander.received > 0);
  incarnation = await loop.incarnation();
});

after(() => loop?.stop());

/** How the users stand in the panel. */
async function user(name) {
  return loop.api('GET', `/api/v1/users/${name}`);
}

async function assertPassing(name) {
  const entry = await loop.lab.tcp({ user: name, protocol: PROTOCOL, up: 1000, down: 1000 });
  assert.equal(entry.outcome, 'complete', `${name}: ${entry.reason}`);
}

async function assertRefused(name) {
  const entry = await loop.lab.tcp({ user: name, protocol: PROTOCOL, up: 1000, down: 1000 });
  assert.equal(entry.outcome, 'refused', `${name}: ${entry.outcome}, ${entry.targetReceived} bytes passed`);
  assert.deepEqual([entry.targetReceived, entry.clientReceived], [0, 0]);
}

test('a user with 50 MiB left who downloads 20 MiB a second is refused at his limit', { timeout: 120_000 }, async (context) => {
  const download = loop.lab.download({ user: 'limited', protocol: PROTOCOL, rate: RATE, retry: true });
  const crossedAt = await until('the download crosses the limit', () => download.received >= LEFT && performance.now(), { everyMs: 1 });
  let last = { received: download.received, at: crossedAt };
  await until('no byte passes any more', async () => {
    if (download.received > last.received) last = { received: download.received, at: performance.now() };
    return performance.now() - last.at > QUIET_MS;
  }, { limitMs: REFUSAL_LIMIT_MS, everyMs: 1 });
  await download.stop();
  assert.ok(download.refused, 'the attempts after that were refused');
  const account = loop.lab.account.sum({ user: 'limited' });
  const { up, down } = await until('the panel has all of his bytes', async () => {
    const { up: sent, down: received } = (await loop.history()).get('limited');
    return sent >= account.up.low && received >= account.down.low && { up: sent, down: received };
  });
  assert.ok(up <= account.up.high && down <= account.down.high, `${up} up, ${down} down: more than he moved`);
  const overshoot = up + down - (LEFT + MIB);
  const { connections } = download;
  context.diagnostic(`overshoot ${(overshoot / MIB).toFixed(2)} MiB; last byte ${Math.round(last.at - crossedAt)} ms after the crossing; ${connections} connections`);
  assert.ok(overshoot >= 0, `cut ${-overshoot} bytes too early`);
  assert.ok(overshoot <= FLOOR + RATE * TICK_S, `${overshoot} bytes over the limit`);
  const { status, reason, monthly_used: used } = await user('limited');
  assert.deepEqual({ status, reason, used }, { status: 'limited', reason: 'month', used: up + down });
  await assertRefused('limited');
});

test("another user's download on the same inbound goes on in the same connection, and the core was not restarted", async () => {
  const { received } = bystander;
  await until('the bystander goes on', () => bystander.received > received + MIB);
  assert.equal(bystander.broken, null);
  assert.equal(bystander.connections, 1);
  assert.deepEqual(await loop.incarnation(), incarnation);
  await assertPassing('bystander');
});

test('after a SIGHUP to the core the cut user stays cut', { timeout: 120_000 }, async () => {
  await loop.node.stopAgent();
  await bystander.stop();
  loop.node.signalCore('SIGHUP');
  await restarted();
  await assertRefused('limited');
  await assertPassing('bystander');
});

test('after kill -9 of the core with the agent stopped the cut user stays cut', { timeout: 120_000 }, async () => {
  await loop.node.stopCore('SIGKILL');
  await loop.node.startCore();
  await restarted();
  await assertRefused('limited');
  await assertPassing('bystander');
});

test('when the agent is back he is still cut, and a raised limit lets him in again', { timeout: 120_000 }, async () => {
  loop.node.startAgent();
  await until('the agent is back', async () => (await loop.nodeInPanel()).status.incarnation === (await loop.incarnation()).startedAt);
  await assertRefused('limited');
  await loop.api('PATCH', '/api/v1/users/limited', { monthly_quota: 2 * LEFT });
  await until('he passes again', async () => {
    const entry = await loop.lab.tcp({ user: 'limited', protocol: PROTOCOL, up: 1000, down: 1000 });
    return entry.outcome === 'complete';
  });
});

test('a gate that was shut while the core was down is shut when the core starts, also without the agent', { timeout: 120_000 }, async () => {
  await assertPassing('bystander');
  await loop.node.stopCore('SIGKILL');
  await loop.api('POST', '/api/v1/users/bystander/disable');
  await loop.held();
  await loop.node.stopAgent();
  await loop.node.startCore();
  await restarted();
  await assertRefused('bystander');
  await assertPassing('limited');
});

/** Wait until the core answers as another incarnation than the one before. */
async function restarted() {
  const { startedAt } = incarnation;
  incarnation = await until('the core answers again', () => loop.incarnation().then((now) => now.startedAt !== startedAt && now, () => null));
}
