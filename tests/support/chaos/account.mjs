/**
 * What must hold of a whole product at rest, after whatever: every byte is where it belongs, once, and every sum of the panel is the
 * sum of its parts. Nothing here asks the panel's own arithmetic: what should be comes from the nodes.
 */
import assert from 'node:assert/strict';

import { FLOOR, TICK } from '../pull.mjs';

const DAY = 86_400;
/** Bytes a second that a user moves on a node with a real agent at most: one long connection, and short ones. */
const RATE = 400_000 + 50 * 63_000;

/** @param {import('./run.mjs').Run} run */
export async function assertAccount(run) {
  const rows = async (sql, ...values) => (await run.fleet.panel.db.prepare(sql).bind(...values).all()).results;
  const owners = new Map((await rows('SELECT name, user FROM slots WHERE user IS NOT NULL')).map(({ name, user }) => [name, user]));
  const usage = await rows('SELECT usage.*, users.name FROM usage JOIN users ON users.id = usage.user');
  const books = new Books(run, owners);
  await books.read(rows);
  books.assertHours();
  await assertNodes(run, rows, books);
  for (const row of usage) assertUser(row, books);
  await assertPeriods(rows, usage);
  assertLimits(run, usage, books);
  assertEntries(run, usage);
  await assertShops(run, rows, usage);
  await assertReports(run, rows);
  await assertForks(run, rows);
  await assertAudit(run, rows);
}

/** What flowed, by user and node, as the nodes know it and as the panel does. */
class Books {
  constructor(run, owners) {
    this.run = run;
    this.owners = owners;
    /** By `user node`: bytes by hour. @type {Map<string, Map<number, {up: number, down: number}>>} */
    this.due = new Map();
    /** Bytes of slots that the panel does not know, by node. @type {Map<number, number>} */
    this.unknown = new Map();
    /** Charged thousandths of bytes, by user. @type {Map<number, number>} */
    this.charged = new Map();
    for (const node of run.ledgers) for (const [slot, hours] of node.account.billed) this.#add(node, owners.get(slot), hours);
  }

  #add(node, user, hours) {
    for (const [hour, { up, down }] of hours) {
      if (user === undefined) {
        this.unknown.set(node.id, (this.unknown.get(node.id) ?? 0) + up + down);
        continue;
      }
      if (up + down === 0) continue;
      const key = `${user} ${node.id}`;
      const mine = this.due.get(key) ?? new Map();
      const sum = mine.get(hour) ?? { up: 0, down: 0 };
      mine.set(hour, { up: sum.up + up, down: sum.down + down });
      this.due.set(key, mine);
      this.charged.set(user, (this.charged.get(user) ?? 0) + (up + down) * node.coefficient);
    }
  }

  async read(rows) {
    this.hours = await rows('SELECT user, node, hour AS since, up, down FROM history');
    this.days = await rows('SELECT user, node, day AS since, up, down FROM history_days');
    this.months = await rows('SELECT user, node, month AS since, up, down FROM history_months');
    assert.deepEqual(this.months, [], 'nothing is older than a year');
    this.real = new Set(this.run.fleet.nodes.map(({ id }) => id));
    for (const { user, node, up, down } of [...this.hours, ...this.days]) {
      if (this.real.has(node)) this.charged.set(user, (this.charged.get(user) ?? 0) + (up + down) * 1000);
    }
  }

  /** Of each user and node: each hour that is kept as an hour, and each day. */
  assertHours() {
    const found = new Map();
    const put = (map, key, at, { up, down }) => {
      const mine = map.get(key) ?? new Map();
      const sum = mine.get(at) ?? { up: 0, down: 0 };
      map.set(key, mine.set(at, { up: sum.up + up, down: sum.down + down }));
    };
    const folded = new Set(this.days.map(({ user, node, since }) => `${user} ${node} ${since}`));
    const dayOf = (second) => second - (second % DAY);
    for (const row of [...this.hours, ...this.days]) {
      if (this.real.has(row.node)) continue;
      const key = `${row.user} ${row.node}`;
      put(found, key, folded.has(`${key} ${dayOf(row.since)}`) ? `day ${dayOf(row.since)}` : row.since, row);
    }
    const due = new Map();
    for (const [key, hours] of this.due) {
      for (const [hour, bytes] of hours) put(due, key, folded.has(`${key} ${dayOf(hour)}`) ? `day ${dayOf(hour)}` : hour, bytes);
    }
    const plain = (map) => Object.fromEntries([...map].map(([key, hours]) => [key, Object.fromEntries(hours)]));
    assert.deepEqual(plain(found), plain(due), 'by user and node: what is in each hour');
  }
}

/** A node's sums are those of its users, and everything that it has counted is somewhere. */
async function assertNodes(run, rows, books) {
  const sums = await rows(`
    SELECT node, sum(up) AS up, sum(down) AS down, sum(unknown) AS unknown,
      coalesce((SELECT sum(up) FROM node_hours AS h WHERE h.node = epochs.node), 0) + coalesce((SELECT sum(up) FROM node_days AS d WHERE d.node = epochs.node), 0) AS hours_up,
      coalesce((SELECT sum(down) FROM node_hours AS h WHERE h.node = epochs.node), 0) + coalesce((SELECT sum(down) FROM node_days AS d WHERE d.node = epochs.node), 0) AS hours_down
    FROM epochs GROUP BY node`);
  const users = new Map();
  for (const { node, up, down } of [...books.hours, ...books.days]) {
    const sum = users.get(node) ?? { up: 0, down: 0 };
    users.set(node, { up: sum.up + up, down: sum.down + down });
  }
  for (const { node, up, down, unknown, hours_up: hoursUp, hours_down: hoursDown } of sums) {
    const { up: usersUp, down: usersDown } = users.get(node) ?? { up: 0, down: 0 };
    const all = { usersUp, usersDown, hoursUp, hoursDown };
    assert.deepEqual(all, { usersUp: up, usersDown: down, hoursUp: up, hoursDown: down }, `node ${node}: its users, its hours, its own sums`);
    if (!books.real.has(node)) assert.equal(unknown, books.unknown.get(node) ?? 0, `node ${node}: bytes of nobody`);
  }
  // Of a real agent that was killed some bytes are unattributed, and nobody knows whose they are.
  for (const { id, name, core } of run.fleet.nodes) {
    const moved = new Map();
    for (const [slot, { up, down }] of core.moved) moved.set(books.owners.get(slot), (moved.get(books.owners.get(slot)) ?? 0) + up + down);
    const billed = new Map();
    for (const { user, node, up, down } of [...books.hours, ...books.days]) if (node === id) billed.set(user, (billed.get(user) ?? 0) + up + down);
    for (const [user, bytes] of billed) assert.ok(bytes <= (moved.get(user) ?? 0), `${name}: user ${user} is billed ${bytes} of ${moved.get(user)}`);
  }
}

/** A lifetime is everything that flowed, at each node's coefficient. */
function assertUser({ user, name, lifetime, remainder }, { charged }) {
  assert.equal(lifetime * 1000 + remainder, charged.get(user) ?? 0, `${name}: all bytes, in thousandths`);
}

/** The periods and the bonus make the lifetime. */
async function assertPeriods(rows, usage) {
  const ended = new Map((await rows('SELECT user, sum(bytes) AS bytes FROM periods GROUP BY user')).map(({ user, bytes }) => [user, bytes]));
  for (const { user, name, month, lifetime, bonus_spent: bonus } of usage) {
    assert.equal(month + (ended.get(user) ?? 0) + bonus, lifetime, `${name}: this period, those before and the bonus make the lifetime`);
  }
  const overlapping = await rows(`
    SELECT a.user, a.start, a.end, b.start AS next FROM periods AS a JOIN periods AS b ON b.user = a.user AND b.start > a.start AND b.start < a.end`);
  assert.deepEqual(overlapping, [], 'no two periods of a user overlap');
}

/** Nobody has used more than he was ever allowed, but for the bound of docs/reliability.md. */
function assertLimits(run, usage, { owners }) {
  for (const { user, name, month, lifetime, period_start: begun } of usage) {
    const most = run.product.most.get(name);
    if (!most) continue;
    const slots = [...owners].filter(([, owner]) => owner === user).map(([slot]) => slot);
    // A ledger notes when it lets somebody pass the floor; an agent may do that once, and again when a day without a grant is over.
    const ofLedger = ({ account, coefficient }) => slots.reduce((sum, slot) => sum + ((account.floors.get(slot) ?? 0) * FLOOR * coefficient) / 1000, 0);
    const ofLedgers = run.ledgers.reduce((sum, node) => sum + ofLedger(node), 0);
    const bound = ofLedgers + run.fleet.nodes.length * run.days * (FLOOR + RATE * TICK);
    const allowed = [
      [most.total, lifetime, most.total + most.bought],
      // A restore forgets resets: what flowed in two periods is replayed into one.
      [begun > run.restoredAt ? most.monthly : 0, month, most.monthly],
    ];
    for (const [quota, used, all] of allowed.filter(([quota_]) => quota_ > 0)) {
      run.done.overshoot = Math.max(run.done.overshoot, used - all);
      assert.ok(used <= all + bound, `${name} used ${used} of ${all}, with a quota of ${quota}: more than ${bound} beyond it`);
    }
  }
}

/** What the panel takes a node to have counted and to hold is never behind what the node was answered. */
function assertEntries(run, usage) {
  for (const { name, entries } of usage) {
    const known = JSON.parse(entries);
    for (const node of run.ledgers) {
      for (const [slot, n] of node.answered) {
        const entry = known[`${node.id}:${node.epoch}:${slot}`];
        if (!entry) continue;
        assert.ok(entry[0] >= n, `${name} on ${node.name}: the panel knows of ask ${entry[0]} and has answered ${n}`);
        assert.ok(entry[3] >= node.grantOf(slot), `${name} on ${node.name}: it may pass ${node.grantOf(slot)}, and the panel thinks ${entry[3]}`);
      }
    }
  }
}

/** Every order counts once, and what was bought is left, used, taken back or ended. */
async function assertShops({ product }, rows, usage) {
  const packages = await rows('SELECT order_id, bytes, users.name FROM packages JOIN users ON users.id = packages.user');
  const found = new Map(packages.map(({ order_id: order, bytes, name }) => [order, { user: name, bytes }]));
  assert.equal(found.size, packages.length);
  assert.deepEqual(Object.fromEntries([...found].sort()), Object.fromEntries([...product.orders].sort()), 'orders');
  const sums = await rows(`
    SELECT user, sum(bytes - coalesce(refunded_bytes, 0) - coalesce(expired_bytes, 0)) AS bytes FROM packages GROUP BY user`);
  for (const { user, bytes } of sums) {
    const { name, bonus_left: left, bonus_spent: spent } = usage.find((row) => row.user === user);
    assert.equal(left + spent, bytes, `${name}: what is left and used of what was bought`);
  }
}

/** Every client's report that was taken counts once. */
async function assertReports({ product }, rows) {
  const sums = await rows(`
    SELECT users.name, sum(up + down) AS bytes FROM (SELECT user, up, down FROM xpert_fresh UNION ALL SELECT user, up, down FROM xpert_days)
    JOIN users ON users.id = user GROUP BY user`);
  const found = Object.fromEntries(sums.map(({ name, bytes }) => [name, bytes]).sort());
  assert.deepEqual(found, Object.fromEntries([...product.reported].sort()), 'what clients reported');
}

/** A fork is found where a ledger was put back, and nowhere else. */
async function assertForks(run, rows) {
  const forks = await rows("SELECT node, detail FROM node_events WHERE kind = 'fork' AND node IN (SELECT value FROM json_each(?1))", JSON.stringify(run.fleet.nodes.map(({ id }) => id)));
  assert.deepEqual(forks, [], 'a ledger that was never put back is no copy');
}

/** The newest links of the audit log's chain are as they were written. */
async function assertAudit({ fleet }, rows) {
  const [{ count }] = await rows('SELECT count FROM audit_head');
  const { ok } = await fleet.api('GET', `/api/v1/audit/verify?limit=1000&from=${Math.max(1, count - 900)}`);
  assert.ok(ok, 'the audit log is a chain');
}
