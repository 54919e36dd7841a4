/** Clocks that are wrong, and hours that end while nobody listens: every byte lands in the hour and the period in which it flowed. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';

import { Clocks, DAY, HOUR, MINUTE } from './support/clocks.mjs';
import { startFleet, until } from './support/fleet.mjs';
import { leftOut } from './support/selection.mjs';

const USERS = ['anna', 'boris'];
const RATE = 100_000;
const YEAR = 365 * DAY;
/** The agent knows the panel's clock to the second, and says its own in seconds. */
const TOLERANCE = 2;
/** A test that takes so long hangs. */
const timeout = 600_000;

let fleet;
let clocks;
/** Bytes that the cores moved, by user, hour and node. */
let book;

beforeEach(async () => {
  fleet = await startFleet();
  clocks = new Clocks(fleet);
  book = new Map();
});
afterEach(() => fleet?.stop());

/** Users, and the seconds that a test waits for. */
async function enter(...marks) {
  for (const name of USERS) await fleet.api('POST', '/api/v1/users', { name });
  for (const mark of marks) await clocks.mark(mark);
}

function note(name, node, { up, down }) {
  const key = `${name} ${clocks.now - (clocks.now % HOUR)} ${node.id}`;
  const sum = book.get(key) ?? { up: 0, down: 0 };
  book.set(key, { up: sum.up + up, down: sum.down + down });
}

/**
 * Let bytes flow through all nodes until `work` is done, and enter them in the book under the hour that it is then.
 *
 * @param {(until?: unknown) => Promise<void>} work must end in the hour in which it began
 */
async function flowing(work) {
  const slots = await fleet.slots();
  const before = new Map(fleet.nodes.map((node) => [node, new Map(node.core.moved)]));
  const flows = fleet.nodes.flatMap(({ core }) => USERS.map((name, index) => core.flow(slots.get(name), { rate: RATE * (index + 1) })));
  await some(flows);
  await work();
  await some(flows);
  for (const flow of flows) flow.stop();
  for (const node of fleet.nodes) {
    await node.core.heard();
    for (const name of USERS) {
      const [is, was] = [node.core.moved, before.get(node)].map((moved) => moved.get(slots.get(name)) ?? { up: 0, down: 0 });
      note(name, node, { up: is.up - was.up, down: is.down - was.down });
    }
  }
}

/** Something passes on every flow. */
async function some(flows) {
  const passed = flows.map((flow) => flow.passed);
  await until('bytes flow', () => flows.every((flow, index) => flow.passed > passed[index]), { everyMs: 20 });
}

async function assertHours() {
  await fleet.settled();
  const sql = 'SELECT name, hour, node, up, down FROM history JOIN users ON users.id = history.user ORDER BY name, hour, node';
  const { results } = await fleet.panel.db.prepare(sql).all();
  const found = Object.fromEntries(results.map(({ name, hour, node, up, down }) => [`${name} ${hour} ${node}`, { up, down }]));
  assert.deepEqual(found, Object.fromEntries(book));
}

function isolate() {
  for (const { proxy } of fleet.nodes) proxy.isolate();
}

function restore(nodes = fleet.nodes) {
  for (const { proxy } of nodes) proxy.restore();
}

/** Nobody was told no, and no time of a report was moved. */
async function assertNothingRefused() {
  for (const node of fleet.nodes) {
    const statuses = new Set(node.proxy.exchanges.flatMap(({ replies }) => replies.map(({ status }) => status)));
    assert.deepEqual([...statuses], [200], node.name);
    assert.deepEqual((await fleet.nodeInPanel(node.id)).events, [], node.name);
  }
}

async function clockShown(node, seconds) {
  let shown;
  const isRight = async () => {
    shown = (await fleet.nodeInPanel(node.id)).clock_off;
    return Math.abs(shown - seconds) <= TOLERANCE;
  };
  await until(`${node.name} is shown to be off by ${seconds} s`, isRight).catch((error) => {
    throw new Error(`${error.message}, but by ${shown} s`);
  });
}

/** The first second of the month after the next day. */
function nextMonth() {
  const day = new Date(Date.now() + DAY * 1000);
  return Date.UTC(day.getUTCFullYear(), day.getUTCMonth() + 1) / 1000;
}

test('two hours without the panel over the end of a month: all bytes land in their hours and months', { timeout }, async () => {
  const month = nextMonth();
  const begin = month - 55 * MINUTE;
  await clocks.begin(begin);
  const quarters = Array.from({ length: 8 }, (_, index) => begin + 10 * MINUTE + index * 15 * MINUTE);
  await enter(...quarters);
  const [away, there] = [await clocks.addNode(), await clocks.addNode()];
  const ofMonth = [{}, {}];
  const reports = () => away.proxy.exchanges.filter(({ report }) => report).length;
  let before;
  const moved = (name) => book.entries().filter(([key]) => key.startsWith(`${name} `)).reduce((sum, [, { up, down }]) => sum + up + down, 0);
  for (const end of [...quarters, null]) {
    // The other node tells the panel of the new month while this one is away.
    restore(end === null ? fleet.nodes : [there]);
    await flowing(async () => {
      if (end === null) return;
      isolate();
      // On a busy machine it may have reported its first bytes before it was away.
      before ??= reports();
      await clocks.passUntil(end - 5 * MINUTE);
      restore([there]);
    });
    isolate();
    if (end === month) for (const name of USERS) ofMonth[0][name] = moved(name);
    // Jobs of the panel run meanwhile as well.
    if (end === month + 15 * MINUTE) assert.equal(await fleet.panel.cron(), 'ok');
    if (end !== null) await clocks.passMark(end);
  }
  for (const name of USERS) ofMonth[1][name] = moved(name) - ofMonth[0][name];
  assert.equal(reports(), before, 'it has reported nothing since it is away');
  restore();
  await assertHours();
  const sql = `SELECT name, usage.month, usage.lifetime, period_start, periods.end, periods.bytes FROM usage
    JOIN users ON users.id = usage.user LEFT JOIN periods ON periods.user = usage.user WHERE name IN ('anna', 'boris') ORDER BY name`;
  const { results } = await fleet.panel.db.prepare(sql).all();
  const should = USERS.map((name) => ({
    name,
    month: ofMonth[1][name],
    lifetime: ofMonth[0][name] + ofMonth[1][name],
    period_start: month,
    end: month,
    bytes: ofMonth[0][name],
  }));
  assert.deepEqual(results, should);
  await assertNothingRefused();
});

test('a host whose clock is a year ahead and one whose clock is a year behind count as if they were right', { timeout, skip: leftOut('year', 40) }, async () => {
  const hour = Math.ceil(Date.now() / 1000 / HOUR) * HOUR + HOUR;
  await clocks.begin(hour - 30 * MINUTE);
  await enter(hour);
  const [ahead, behind] = [await clocks.addNode({ wall: YEAR }), await clocks.addNode({ wall: -YEAR })];
  await flowing(async () => {
    await clockShown(ahead, YEAR);
    await clockShown(behind, -YEAR);
  });
  isolate();
  await clocks.passMark(hour);
  restore();
  await flowing(async () => {});
  await assertHours();
  await assertNothingRefused();
});

test('a host whose clock steps by an hour, with and without the panel, counts as if it did not', { timeout, skip: leftOut('step', 40) }, async () => {
  const hour = Math.ceil(Date.now() / 1000 / HOUR) * HOUR + HOUR;
  await clocks.begin(hour - 30 * MINUTE);
  await enter(hour, hour + HOUR);
  const [forth, back] = [await clocks.addNode(), await clocks.addNode()];
  const step = async (by) => {
    await clocks.stepWall(forth, by);
    await clocks.stepWall(back, -by);
  };
  await flowing(async () => {
    await step(HOUR);
    await clockShown(forth, HOUR);
    await clockShown(back, -HOUR);
    await step(-HOUR);
    await clockShown(forth, 0);
    await clockShown(back, 0);
  });
  isolate();
  await flowing(() => step(HOUR));
  await clocks.passMark(hour);
  await flowing(() => step(-2 * HOUR));
  await clocks.passMark(hour + HOUR);
  restore();
  await flowing(async () => {
    await clockShown(forth, -HOUR);
    await clockShown(back, HOUR);
  });
  await assertHours();
  await assertNothingRefused();
});

test('a host that boots while the panel is away reports what flowed before under the hour in which it flowed', { timeout, skip: leftOut('boot', 40) }, async () => {
  const hour = Math.ceil(Date.now() / 1000 / HOUR) * HOUR + HOUR;
  await clocks.begin(hour - 30 * MINUTE);
  await enter(hour, hour + HOUR);
  const node = await clocks.addNode();
  await flowing(async () => {});
  await fleet.settled();
  let isAway = true;
  // The line is cut after the request was seen: what it says was in the ledger before.
  const through = async (exchange) => (isAway ? exchange.cut() : exchange.reply(await exchange.forward()));
  void node.proxy.inject(through, { times: Infinity, when: () => true });
  await flowing(async () => {});
  await clocks.passMark(hour);
  await flowing(async () => {});
  const seen = node.proxy.exchanges.length;
  await until('what was counted is in the ledger', () => node.proxy.exchanges.length > seen);
  // A power cut ends everything at once.
  await node.host.killAgent();
  node.core.kill();
  await clocks.boot(node, 'the next boot');
  node.core.start();
  node.host.startAgent();
  await node.core.heard();
  await flowing(async () => {});
  await clocks.passMark(hour + HOUR);
  await flowing(async () => {});
  isAway = false;
  await assertHours();
  await assertNothingRefused();
});
