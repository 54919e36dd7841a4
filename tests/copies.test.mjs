/** A ledger or a database that is there twice, or is put back: what was counted once is billed once, and what comes later is exact. */
import assert from 'node:assert/strict';
import { cp, rm } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';

import { Clocks, DAY, HOUR } from './support/clocks.mjs';
import { FaultProxy } from './support/fault-proxy.mjs';
import { MIB, startFleet, until } from './support/fleet.mjs';
import { FLOOR, TICK } from './support/pull.mjs';
import { ScriptedNode } from './support/scripted-node.mjs';
import { leftOut } from './support/selection.mjs';

const USERS = ['anna', 'boris', 'clara'];
const RATE = MIB;
/** A test that takes so long hangs. */
const timeout = 300_000;

const bytes = ({ up = 0, down = 0 } = {}) => up + down;
const sum = (numbers) => numbers.reduce((all, number) => all + number, 0);

/** Bytes by user, from bytes by slot. */
function byUser(slots, moved) {
  return Object.fromEntries([...slots].map(([name, slot]) => [name, bytes(moved.get(slot))]));
}

/** @returns {Promise<Record<string, number>>} what the panel has charged to each user */
async function billed(fleet) {
  const history = await fleet.history();
  return Object.fromEntries(USERS.map((name) => [name, bytes(history.get(name))]));
}

function flowing(slots, cores) {
  return cores.flatMap((core) => [...slots.values()].map((slot) => core.flow(slot, { rate: RATE })));
}

/** Every slot passes some bytes on connections that end, and on some that stay. */
function once(slots, core, size) {
  for (const slot of slots.values()) {
    assert.ok(core.once(slot, size, 2 * size), 'the slot is open');
    core.move(core.connect(slot), 7, size);
  }
}

/** The panel has answered everything that it was asked through this proxy. */
async function answered(proxy) {
  await until('the panel has answered', () => proxy.exchanges.every(({ replies, fault }) => fault || replies.length > 0));
}

describe('a ledger that is put back to an older copy', { timeout }, () => {
  let fleet;
  let node;
  let slots;
  /** Each start of the agent after the ledger was put back. */
  let lives;
  /** Bytes that were never billed, because a fork was found before they were reported. */
  let given = 0;

  before(async () => {
    fleet = await startFleet({ nodes: 1, users: USERS.map((name) => ({ name })) });
    [node] = fleet.nodes;
    slots = await fleet.slots();
    // With their first bytes users ask for a limit; later ones find it.
    once(slots, node.core, 1);
    await fleet.settled();
  });
  after(() => fleet?.stop());

  async function live(env) {
    lives.push({ exchanges: node.proxy.exchanges.length, lists: node.core.lists.length });
    node.host.startAgent(env);
    if (!env) return;
    const { signal } = await node.host.agentEnded;
    assert.equal(signal, 'SIGKILL', `it died at ${env.WEIR_CRASH}`);
    await answered(node.proxy);
  }

  /** What the core had told when the agent began whose sync was the last in the old epoch: that one has found the fork. */
  function told(epoch) {
    const found = lives.findLast(({ exchanges }, index) =>
      node.proxy.exchanges.slice(exchanges, lives[index + 1]?.exchanges).some(({ message }) => message?.epoch === epoch),
    );
    return byUser(slots, node.core.lists[found.lists]);
  }

  const moved = () => byUser(slots, node.core.moved);

  /**
   * Put the ledger back and see the fork through.
   *
   * @param {object} [options]
   * @param {boolean} [options.flows] bytes flow all the time
   * @param {() => Promise<void>} [options.crashes] lives that end in crashes
   * @param {boolean} [options.late] the core tells the agent nothing until that knows of the fork
   */
  async function putBack({ flows = false, crashes = async () => {}, late = false }) {
    const { core, host, proxy } = node;
    const [{ node: { forks } }, { events: old }] = [await host.status(), await fleet.nodeInPanel(node.id)];
    const { ambiguous: before = 0 } = (await fleet.nodeInPanel(node.id)).status;
    const all = flows ? flowing(slots, [core]) : [];
    await host.stopAgent();
    const putItBack = await host.keepLedger();
    const kept = await billed(fleet);
    const { last_seq: seq, epoch } = await fleet.panel.db.prepare('SELECT last_seq, epoch FROM epochs ORDER BY created_at DESC LIMIT 1').first();
    host.startAgent();
    // Some reports more, which the copy knows nothing of.
    for (let more = 1; more <= 3; more += 1) {
      once(slots, core, 10_000 * more);
      await until('another report is acknowledged', async () => {
        const row = await fleet.panel.db.prepare('SELECT last_seq FROM epochs WHERE epoch = ?1').bind(epoch).first();
        return row.last_seq >= seq + more;
      });
    }
    await host.killAgent();
    await answered(proxy);
    const had = await billed(fleet);
    await putItBack();

    lives = [];
    if (late) core.hush();
    await crashes();
    await live();
    const since = () => proxy.exchanges.slice(lives.at(-1).exchanges).map(({ message }) => message?.epoch);
    // Had it gone on at once, what the core tells now would be new to it.
    if (late) await until('the agent knows of the fork', () => since().length >= 3);
    core.speak();
    await fleet.explained(until('the agent goes on in a new epoch', () => since().some((other) => other && other !== epoch)));
    await core.heard();
    once(slots, core, 12_345);
    for (const flow of all) flow.stop();
    const list = late ? byUser(slots, core.lists.at(-1)) : told(epoch);
    const should = Object.fromEntries(USERS.map((name) => [name, had[name] + moved()[name] - list[name]]));
    await core.heard();
    await host.stopAgent();

    assert.deepEqual(await billed(fleet), should, 'what came after the fork is counted to the byte, and nothing twice');
    const { events, status } = await fleet.nodeInPanel(node.id);
    const ambiguous = sum(USERS.map((name) => list[name] - kept[name])) - given;
    given = sum(USERS.map((name) => list[name] - had[name]));
    const [found, ...others] = events.filter(({ kind }) => kind === 'fork').slice(0, events.length - old.length);
    assert.match(found.detail, new RegExp(`^left epoch ${epoch} at report ${seq + 1}: ${ambiguous} bytes ambiguous$`));
    assert.deepEqual(others, [], 'one fork is one event');
    assert.equal(status.ambiguous - before, ambiguous);
    const own = await host.status();
    assert.equal(own.node.forks, forks + 1);
    assert.match((await host.agent('status')).output, new RegExp(`inexact +${own.node.forks} forks?:`));
    host.startAgent();
  }

  test('is found out, stated, and billed to nobody', () => putBack({}));

  test('is found out while bytes flow', { skip: leftOut('flowing', 40) }, () => putBack({ flows: true }));

  test('is found out after the agent has died of finding it, twice', { skip: leftOut('died twice', 40) }, () => {
    const crashes = async () => {
      await live({ WEIR_CRASH: 'Fork:1' });
      await live({ WEIR_CRASH: 'Fork:1' });
    };
    return putBack({ flows: true, crashes });
  });

  test('is found out once when the agent dies after each commit around it', { skip: leftOut('commits', 40) }, (context) => {
    const crashes = async () => {
      for (let commit = 1; commit <= 6; commit += 1) await live({ WEIR_CRASH: `Commit:${commit}` });
      context.diagnostic(`it died ${lives.length} times`);
    };
    return putBack({ flows: true, crashes });
  });

  test('is found out before the core has told anything', { skip: leftOut('late', 40) }, () => putBack({ flows: true, late: true }));
});

describe('two hosts that go on with one ledger', { timeout }, () => {
  let fleet;
  let node;
  /** The host that was made as a copy. */
  let other;
  let slots;

  before(async () => {
    fleet = await startFleet({ nodes: 1, users: USERS.map((name) => ({ name })) });
    [node] = fleet.nodes;
    slots = await fleet.slots();
    once(slots, node.core, 1000);
    await fleet.settled();
    await node.host.stopAgent();
    const proxy = await FaultProxy.start({ target: fleet.panel.url });
    const host = await ScriptedNode.make({ folder: path.join(fleet.folder, 'copy'), settings: { panel: proxy.url } });
    other = { host, proxy, core: host.core };
    await cp(node.host.in('state'), host.in('state'), { recursive: true });
  });
  after(async () => {
    await other?.host.stop();
    await other?.proxy.stop();
    await fleet?.stop();
  });

  /** Every byte of both cores is in the panel's books, under the name of its user. */
  async function assertExact() {
    const cores = [node.core, other.core];
    const should = Object.fromEntries(
      USERS.map((name) => {
        const moved = cores.map((core) => core.moved.get(slots.get(name)) ?? { up: 0, down: 0 });
        return [name, { up: sum(moved.map(({ up }) => up)), down: sum(moved.map(({ down }) => down)) }];
      }),
    );
    const whole = async () => {
      const { up, down } = await fleet.booksOf(node.id);
      return up + down === sum(cores.map(({ total }) => total));
    };
    const failed = async (error) => {
      const found = JSON.stringify(Object.fromEntries(await fleet.history()));
      throw new Error(`${error.message}: ${JSON.stringify(should)} moved, the panel has ${found}\n${await other.host.logs()}`);
    };
    await fleet.explained(until('the panel has all bytes of both', whole, { limitMs: 20_000 }).catch(failed));
    assert.deepEqual(Object.fromEntries(await fleet.history()), should);
    const { unknown, unattributed, foreign } = await fleet.booksOf(node.id);
    assert.deepEqual([unknown, unattributed, foreign], [0, 0, 0]);
  }

  test('are both counted to the byte, and the node shows that there are two', async () => {
    assert.equal((await fleet.nodeInPanel(node.id)).two_hosts, false);
    node.host.startAgent();
    other.host.startAgent();
    await until('the copy has loaded its core', () => [...slots.values()].every((slot) => other.core.gates.get(slot)));
    const flows = flowing(slots, [node.core, other.core]);
    await until('the node shows two hosts', async () => (await fleet.nodeInPanel(node.id)).two_hosts);
    const epochs = ({ proxy }) => new Set(proxy.exchanges.filter(({ report, answer }) => report && answer?.ack >= report.seq).map(({ message }) => message.epoch));
    await until('both have reported', () => [node, other].every((one) => epochs(one).size > 0));
    for (const flow of flows) flow.stop();
    await assertExact();
    const { events, status } = await fleet.nodeInPanel(node.id);
    assert.deepEqual(events.map(({ kind }) => kind), ['fork']);
    // Whoever came second had counted these bytes itself, and the panel knows nothing of them.
    assert.match(events[0].detail, /: 0 bytes ambiguous$/);
    assert.equal(status.ambiguous, 0);
  });

  test('are two until one of them is silent for ten minutes', { skip: leftOut('silent', 40) }, async () => {
    once(slots, node.core, 5000);
    once(slots, other.core, 7000);
    await assertExact();
    await other.host.stopAgent();
    await fleet.panel.setClock(11 * 60);
    once(slots, node.core, 6000);
    await assertExact();
    assert.equal((await fleet.nodeInPanel(node.id)).two_hosts, false);
  });
});

/** Keep a fleet's database as it is now. @returns {Promise<() => Promise<void>>} puts it back */
async function databaseOf({ panel, folder, nodes }) {
  const copy = path.join(folder, 'database-copy');
  await panel.stop();
  await cp(panel.folder, copy, { recursive: true });
  await panel.start();
  return async () => {
    // Nobody may hear the panel before its clock is set as the test has set it.
    for (const { proxy } of nodes) proxy.isolate();
    await panel.stop();
    await rm(panel.folder, { recursive: true });
    await cp(copy, panel.folder, { recursive: true });
    await panel.start();
    for (const { proxy } of nodes) proxy.restore();
  };
}

test('a database that is put back is told everything again, and nobody gets more than he bought or what is another\'s', { timeout }, async () => {
  const quota = 60 * MIB;
  const fleet = await startFleet({ nodes: 2, users: [{ name: 'anna', monthly_quota: quota }, { name: 'boris' }] });
  try {
    const { nodes, panel } = fleet;
    const cores = nodes.map(({ core }) => core);
    const slots = await fleet.slots();
    for (const core of cores) once(slots, core, 1000);
    await fleet.settled();
    const putBack = await databaseOf(fleet);

    // Since the copy: two users more, a part of the quota, and reports of both nodes.
    for (const name of ['clara', 'dora']) await fleet.api('POST', '/api/v1/users', { name });
    const forgotten = [...(await fleet.slots())].filter(([name]) => !slots.has(name)).map(([, slot]) => slot);
    assert.equal(forgotten.length, 2);
    for (const slot of forgotten) for (const core of cores) await until('the new users may pass', () => core.gates.get(slot));
    for (let round = 1; round <= 3; round += 1) {
      for (const [index, core] of cores.entries()) {
        const spent = (slot) => assert.ok(core.once(slot, round * 1000, (index + 1) * MIB));
        for (const slot of [...slots.values(), ...forgotten]) spent(slot);
      }
      await fleet.settled();
    }
    await putBack();

    // Until both have told everything again nobody knows what is left of the quota.
    const rate = 2 * MIB;
    const flows = cores.map((core) => core.flow(slots.get('anna'), { rate }));
    await until('nobody is waited for', async () => !(await panel.db.prepare("SELECT 1 FROM meta WHERE name = 'restored_at'").first()));
    for (const { id, name } of nodes) {
      const { events } = await fleet.nodeInPanel(id);
      assert.ok(events.every(({ kind }) => kind === 'restored'), `${name}: ${JSON.stringify(events)}`);
    }
    for (const slot of forgotten) for (const core of cores) await until('the slots of those who are gone are shut', () => core.gates.get(slot) === false);
    for (const name of ['erik', 'fritz']) await fleet.api('POST', '/api/v1/users', { name });
    for (const [name, slot] of await fleet.slots()) assert.ok(!forgotten.includes(slot), `${name} has a slot of his own`);

    // Both gates may be shut for a moment while the last of it is asked for.
    const isSpent = async () => (await fleet.api('GET', '/api/v1/users/anna')).status === 'limited';
    await until('the quota is spent', async () => flows.every(({ passes }) => !passes) && cores.every((core) => core.gates.get(slots.get('anna')) === false) && (await isSpent()));
    for (const core of cores) assert.ok(core.once(slots.get('boris'), 5, 7), 'who has no quota is not kept waiting');
    for (const flow of flows) flow.stop();
    const books = await fleet.settled();
    const used = sum(cores.map((core) => bytes(core.moved.get(slots.get('anna')))));
    assert.ok(used <= quota + nodes.length * FLOOR + nodes.length * rate * TICK, `${used} of ${quota}`);
    assert.ok(used >= quota, `${used} of ${quota}`);
    const history = await fleet.history();
    for (const [name, slot] of slots) assert.equal(bytes(history.get(name)), sum(cores.map((core) => bytes(core.moved.get(slot)))), name);
    assert.deepEqual([...history.keys()].sort(), ['anna', 'boris']);
    for (const [index, core] of cores.entries()) assert.equal(books[index].unknown, sum(forgotten.map((slot) => bytes(core.moved.get(slot)))));
    for (const { proxy } of nodes) {
      const sent = proxy.exchanges.filter(({ report }) => report).map(({ report }) => report);
      for (const report of sent) assert.deepEqual(report, sent.find(({ seq }) => seq === report.seq), 'it was told again to the byte');
    }
  } finally {
    await fleet.stop();
  }
});

test('reports that were too old to be kept are named as lost, everything later is exact, and what is lost blocks a quota for a day and not for ever', { timeout, skip: leftOut('too old', 40) }, async () => {
  const fleet = await startFleet();
  try {
    for (const name of USERS) await fleet.api('POST', '/api/v1/users', { name });
    // Of a quota that no period renews.
    const quota = 40 * MIB;
    const { id: dora } = await fleet.api('POST', '/api/v1/users', { name: 'dora', total_quota: quota });
    const usage = () => fleet.panel.db.prepare('SELECT lifetime, known FROM usage WHERE user = ?1').bind(dora).first();
    const clocks = new Clocks(fleet);
    const node = await clocks.addNode();
    const slots = await fleet.slots();
    const reports = async (count) => {
      for (let report = 0; report < count; report += 1) {
        once(slots, node.core, 1000 + report);
        await fleet.settled();
      }
    };
    const last = async () => (await fleet.panel.db.prepare('SELECT max(last_seq) AS seq FROM epochs').first()).seq;
    await reports(2);
    const putBack = await databaseOf(fleet);
    const known = await last();
    await reports(3);
    const blocking = 12 * MIB;
    assert.ok(node.core.once(slots.get('dora'), 0, blocking), 'she may use a part of her quota');
    await fleet.settled();
    const old = await last();
    node.proxy.isolate();
    await clocks.passUntil(clocks.now + 8 * DAY, { longest: DAY });
    node.proxy.restore();
    // The next acknowledgement is the moment at which the agent looks for what is too old.
    await reports(3);
    await putBack();
    const lost = new Map();
    for (const { report } of node.proxy.exchanges) if (report?.seq > known && report.seq <= old) lost.set(report.seq, report.users);
    assert.equal(lost.size, old - known);
    const gone = sum([...lost.values()].flat().map(([, up, down]) => up + down));
    once(slots, node.core, 77);
    const whole = async () => {
      const { up, down } = await fleet.booksOf(node.id);
      return up + down === node.core.total - gone;
    };
    await fleet.explained(until('the panel has all that is kept', whole));
    const assertOneGap = async () => {
      const { events } = await fleet.nodeInPanel(node.id);
      const gap = events.filter(({ kind }) => kind !== 'restored');
      assert.deepEqual(gap.map(({ kind, detail }) => [kind, detail]), [['gap', `reports ${known + 1} to ${old} are lost`]]);
    };
    await assertOneGap();
    once(slots, node.core, 99);
    await fleet.explained(until('what comes later is exact', whole));
    await fleet.explained(until('what she used counts as used, although no report will tell it', async () => (await usage()).known >= blocking));

    node.proxy.isolate();
    await clocks.passUntil(clocks.now + 26 * HOUR, { longest: DAY });
    node.proxy.restore();
    const epochs = async () => (await fleet.panel.db.prepare('SELECT count(*) AS count FROM epochs WHERE last_seq > 0').first()).count;
    await fleet.explained(until('a day later the node goes on in a new epoch, and says so although nobody is there', async () => (await epochs()) === 2));
    assert.equal((await usage()).known, 0);
    const rate = 4 * MIB;
    const flow = node.core.flow(slots.get('dora'), { rate });
    // The gate may be shut for a moment while more is asked for.
    const isSpent = async () => !flow.passes && (await fleet.api('GET', '/api/v1/users/dora')).status === 'limited';
    await fleet.explained(until('she has got all of her quota that the panel knows to be left', isSpent));
    flow.stop();
    await fleet.explained(until('what came after the gap is exact', whole));
    const { lifetime } = await usage();
    assert.ok(lifetime >= quota && lifetime <= quota + FLOOR + rate * TICK, `${lifetime} of ${quota}`);
    await assertOneGap();
    assert.equal((await fleet.nodeInPanel(node.id)).two_hosts, false);
  } finally {
    await fleet.stop();
  }
});
