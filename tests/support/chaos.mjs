/** Everything that can go wrong between agents and panel, by chance that can be repeated, and the account that must come out. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';

import { faults, isReport, isSync } from './fault-proxy.mjs';
import { until } from './site.mjs';

/** What the network and the panel do to a sync, and how often of a hundred. Most faults have a number, such as milliseconds. */
const MENU = [
  { name: 'loseReply', share: 8, make: () => faults.loseReply() },
  { name: 'delayReply', share: 8, millis: [100, 1500], make: (ms) => faults.delayReply(ms) },
  { name: 'double', share: 5, make: () => faults.double() },
  { name: 'doubleAtOnce', share: 5, make: () => faults.doubleAtOnce() },
  { name: 'loseRequest', share: 4, make: () => faults.loseRequest() },
  { name: 'reorder', share: 3, millis: [1000, 3000], make: (ms) => faults.reorder(ms) },
  { name: 'truncateRequest', share: 2, bytes: [0, 200], make: (bytes) => faults.truncateRequest(bytes) },
  { name: 'truncateReply', share: 2, bytes: [0, 80], make: (bytes) => faults.truncateReply(bytes) },
  { name: 'cutReply', share: 2, bytes: [0, 80], make: (bytes) => faults.cutReply(bytes) },
  { name: 'answer500', share: 1, make: () => faults.answer(500) },
  { name: 'answer502', share: 1, make: () => faults.answerInstead(502) },
  { name: 'answer429', share: 1, make: () => faults.answer(429, { headers: { 'retry-after': '1' }, body: '' }) },
  { name: 'stall', share: 1, millis: [500, 2000], make: (ms) => faults.stall(ms) },
  { name: 'crashPanel', share: 6, trips: [0, 5], make: (trips) => faults.crashPanel(trips), when: isReport },
];
const ALL_SHARES = MENU.reduce((sum, { share }) => sum + share, 0);

/** @returns {number|undefined} the number of a fault; what is in milliseconds is divided by `pace` */
function numberOf({ millis, bytes, trips }, dice, pace) {
  if (millis) return Math.ceil(dice.from(...millis) / pace);
  const range = bytes ?? trips;
  return range && dice.from(...range);
}

/** Chooses for {@link import('./fault-proxy.mjs').FaultProxy.disturb}. @param {import('./dice.mjs').Dice} dice */
export function chance(dice) {
  return (exchange) => {
    if (!isSync(exchange)) return null;
    let roll = dice.from(0, 100);
    for (const entry of MENU) {
      const { name, share, make, when = () => true } = entry;
      if (roll < share) return when(exchange) ? { name, fault: make(numberOf(entry, dice, 1)) } : null;
      roll -= share;
    }
    return null;
  };
}

/**
 * One fault, whatever sync will meet it.
 *
 * @param {import('./dice.mjs').Dice} dice
 * @param {number} [pace] how many times shorter than usual whatever takes time is
 * @returns {{name: string, text: string, fault: import('./fault-proxy.mjs').Fault}} `text` is the name and the number
 */
export function drawn(dice, pace = 1) {
  let roll = dice.from(0, ALL_SHARES);
  const entry = MENU.find(({ share }) => (roll -= share) < 0);
  const number = numberOf(entry, dice, pace);
  return { name: entry.name, text: number === undefined ? entry.name : `${entry.name} ${number}`, fault: entry.make(number) };
}

/**
 * Traffic of some users through a core that the test plays, until `stop`: a long connection each, and short ones that live for less
 * than 100 ms.
 *
 * @param {import('./scripted-core.mjs').ScriptedCore} core
 * @param {string[]} slots
 * @param {import('./dice.mjs').Dice} dice
 * @returns {() => void} ends it
 */
export function traffic(core, slots, dice) {
  const flows = slots.map((slot) => core.flow(slot, { rate: dice.from(20_000, 400_000) }));
  const open = new Set();
  const timer = setInterval(() => {
    const connection = core.connect(dice.one(slots));
    if (!connection) return;
    core.move(connection, dice.from(1, 2000), dice.from(1, 60_000));
    open.add(connection);
    setTimeout(() => {
      core.move(connection, 1, dice.from(1, 1000));
      core.end(connection);
      open.delete(connection);
    }, dice.from(1, 100));
  }, 20);
  return () => {
    clearInterval(timer);
    for (const flow of flows) flow.stop();
    for (const connection of open) core.end(connection);
  };
}

/** Connections that live and end while nobody looks. @param {import('./scripted-core.mjs').ScriptedCore} core */
export function inTheGap(core, slots, dice, count = 200) {
  for (let index = 0; index < count; index += 1) core.once(dice.one(slots), dice.from(1, 500), dice.from(1, 20_000));
}

/**
 * Kill an agent at a point, or at any moment, let connections live in the gap, and start it again.
 *
 * @param {import('./fleet.mjs').FleetNode} node
 * @param {string|null} point of agent/src/faults.rs, null: any moment
 * @param {{slots: string[], dice: import('./dice.mjs').Dice}} options
 */
export async function killed({ host, core, name }, point, { slots, dice }) {
  if (point) {
    await host.killAgent();
    host.startAgent({ WEIR_CRASH: `${point}:${dice.from(1, 4)}` });
    const dead = Symbol('dead');
    const late = sleep(60_000, null, { ref: false });
    const end = await Promise.race([host.agentEnded.then((how) => ({ ...how, dead })), late]);
    assert.ok(end?.signal === 'SIGKILL', `${name}: the agent did not pass ${point}: ${JSON.stringify(end)}`);
  } else {
    await sleep(dice.from(0, 1500));
    await host.killAgent();
  }
  inTheGap(core, slots, dice);
  host.startAgent();
}

/** Wait until an agent has heard the panel since now. @param {import('./fleet.mjs').FleetNode} node */
export async function heard({ proxy, name }) {
  const from = proxy.exchanges.length;
  await until(`${name} is heard`, () => proxy.exchanges.slice(from).some(({ answer }) => answer?.ack !== undefined));
}

/**
 * What must hold of a fleet at rest, after whatever: nobody is billed more than he moved, every byte of every core is somewhere, and
 * the panel's own sums agree with each other.
 *
 * @param {import('./fleet.mjs').Fleet} fleet
 * @param {{exact: boolean}} options nothing is unattributed: nobody was killed
 */
export async function assertAccount(fleet, { exact }) {
  const books = await fleet.settled();
  const slots = await fleet.slots();
  const history = await fleet.history();
  for (const [name, slot] of slots) {
    const moved = fleet.nodes.reduce((sum, { core }) => {
      const { up, down } = core.moved.get(slot) ?? { up: 0, down: 0 };
      return { up: sum.up + up, down: sum.down + down };
    }, { up: 0, down: 0 });
    const billed = history.get(name) ?? { up: 0, down: 0 };
    if (exact) assert.deepEqual(billed, moved, name);
    else assert.ok(billed.up <= moved.up && billed.down <= moved.down, `${name}: ${JSON.stringify({ billed, moved })}`);
  }
  for (const { unknown, foreign, unattributed } of books) {
    assert.deepEqual([unknown, foreign], [0, 0]);
    if (exact) assert.equal(unattributed, 0);
  }
  await assertSums(fleet.panel);
  return books;
}

/** Usage, history, periods and ledgers say the same. No coefficient and no bonus are in play. @param {import('./panel.mjs').Panel} panel */
async function assertSums({ db }) {
  const rows = async (sql) => (await db.prepare(sql).all()).results;
  const users = await rows(`
    SELECT users.name, usage.lifetime, usage.month,
      coalesce((SELECT sum(bytes) FROM periods WHERE periods.user = usage.user), 0) AS periods,
      coalesce((SELECT sum(up + down) FROM history WHERE history.user = usage.user), 0) AS history
    FROM usage JOIN users ON users.id = usage.user`);
  for (const { name, lifetime, month, periods, history } of users) {
    assert.deepEqual({ history, months: month + periods }, { history: lifetime, months: lifetime }, name);
  }
  const nodes = await rows(`
    SELECT node, sum(up) AS up, sum(down) AS down,
      coalesce((SELECT sum(up) FROM history WHERE history.node = epochs.node), 0) AS history_up,
      coalesce((SELECT sum(down) FROM history WHERE history.node = epochs.node), 0) AS history_down
    FROM epochs GROUP BY node`);
  for (const { node, up, down, history_up: historyUp, history_down: historyDown } of nodes) {
    assert.deepEqual({ historyUp, historyDown }, { historyUp: up, historyDown: down }, `node ${node}`);
  }
}
