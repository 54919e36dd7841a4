/** The panel's database is put back to an older copy: what nodes know is replayed, and nobody spends a byte twice meanwhile. */
import assert from 'node:assert/strict';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';

import { startPanel } from './support/panel.mjs';
import { seedAgent, seedUsers, usageOf } from './support/seed.mjs';

const MIB = 2 ** 20;
const GIB = 2 ** 30;

let home;
let panel;

beforeEach(async () => {
  home = await mkdtemp(path.join(tmpdir(), 'weir-restored-'));
  panel = await startPanel({ folder: path.join(home, 'panel') });
});
afterEach(async () => {
  await panel?.stop();
  await rm(home, { recursive: true, force: true });
});

/** Keep the database as it is now. @returns {Promise<() => Promise<void>>} puts it back */
async function copied() {
  const copy = path.join(home, 'copy');
  await panel.stop();
  await cp(panel.folder, copy, { recursive: true });
  await panel.start();
  return async () => {
    await panel.stop();
    await rm(panel.folder, { recursive: true });
    await cp(copy, panel.folder, { recursive: true });
    await panel.start();
  };
}

/** An agent with a memory of what it sent, as the real one has. */
async function replaying(node) {
  const agent = await seedAgent(panel, node);
  const sent = [];
  return Object.assign(agent, {
    sent,
    acked: 0,
    /** Sync until nothing is due, and answer with the last reply. */
    async settle(fields = {}) {
      for (let round = 0; round < 30; round += 1) {
        const due = sent.find(({ seq }) => seq > (this.ack ?? this.acked));
        const { status, body } = await this.sync({ acked: this.acked, ...(due && { report: due }), ...fields });
        assert.equal(status, 200, JSON.stringify(body));
        this.ack = body.ack;
        this.acked = Math.max(this.acked, body.ack);
        this.last = body;
        if (!body.roster && this.ack === sent.length) return body;
      }
      throw new Error('the agent did not come to rest');
    },
    spend(users) {
      sent.push(this.report({ seq: sent.length + 1, users }));
    },
  });
}

const limitOf = (body, { slot }) => body.limits.find(([name]) => name === slot)?.[1];
const waits = async () => (await panel.db.prepare("SELECT value FROM meta WHERE name = 'restored_at'").first())?.value;

test('reports that the panel has forgotten are replayed, and the totals are exact', async () => {
  const [user] = await seedUsers(panel, 1, { monthlyQuota: 10 * GIB });
  const agent = await replaying();
  agent.spend([[user.slot, 1, MIB]]);
  await agent.settle();
  const restore = await copied();
  agent.spend([[user.slot, 2, 2 * MIB]]);
  agent.spend([[user.slot, 3, 3 * MIB]]);
  await agent.settle();
  assert.equal((await usageOf(panel, user.id)).month, 6 + 6 * MIB);
  await restore();
  assert.equal((await usageOf(panel, user.id)).month, 1 + MIB);
  await agent.settle();
  assert.equal((await usageOf(panel, user.id)).month, 6 + 6 * MIB);
  const { detail } = await panel.db.prepare("SELECT detail FROM node_events WHERE kind = 'restored'").first();
  assert.match(detail, /restored to an earlier point: 2 reports/);
});

test('until every node has replayed, nobody with a quota is granted more than he holds', async () => {
  const [user, free] = [...(await seedUsers(panel, 1, { monthlyQuota: 100 * MIB })), ...(await seedUsers(panel, 1))];
  const [fra, ams] = [await replaying({ name: 'fra' }), await replaying({ name: 'ams' })];
  await fra.settle();
  await ams.settle();
  const restore = await copied();
  // Since the copy: Amsterdam was granted half of it and has passed 20 MiB of that.
  const granted = limitOf(await ams.settle({ asks: [[user.slot, 0, 0]] }), user);
  assert.equal(granted, 50 * MIB);
  ams.spend([[user.slot, 0, 20 * MIB]]);
  await ams.settle({ asks: [] });
  fra.spend([[free.slot, 0, 5]]);
  await fra.settle();
  await restore();

  // Frankfurt speaks first. Nobody knows any more what Amsterdam holds.
  await fra.settle();
  let reply = await fra.settle({ asks: [[user.slot, 0, 0], [free.slot, 5, 0]] });
  assert.equal(limitOf(reply, user), 0);
  assert.ok(limitOf(reply, free) >= GIB, 'who has no quota is not kept waiting');
  assert.ok(await waits());

  await ams.settle({ asks: [[user.slot, 20 * MIB, granted]] });
  assert.equal((await usageOf(panel, user.id)).month, 20 * MIB);
  assert.equal(await waits(), undefined, 'all that were alive have replayed');

  // 100 MiB, of which Amsterdam has used 20 and holds 30, or what the last answer made of it.
  reply = await fra.settle({ asks: [[user.slot, 0, 0]] });
  const { out, known, month } = await usageOf(panel, user.id);
  assert.ok(limitOf(reply, user) > 0);
  assert.ok(month + known + out <= 100 * MIB, `${month} used, ${known} known and ${out} granted of ${100 * MIB}`);
});

test('slots that were vacant in the copy are given to nobody', async () => {
  const agent = await replaying();
  await agent.settle();
  assert.equal(await panel.cron(), 'ok');
  const vacant = async () => (await panel.db.prepare("SELECT name FROM slots WHERE gate = 'vacant'").all()).results.map(({ name }) => name);
  await agent.settle();
  const restore = await copied();
  const before = await vacant();
  const { body: created } = await panel.request('POST', '/api/v1/users', { key: panel.apiKey, body: JSON.stringify({ name: 'anna' }) });
  assert.equal(created.name, 'anna');
  const { slot } = await panel.db.prepare("SELECT slot FROM users WHERE name = 'anna'").first();
  await agent.settle();
  agent.spend([[slot, 1, 1]]);
  await agent.settle();
  await restore();
  assert.ok((await vacant()).includes(slot));
  await agent.settle();
  const after = await vacant();
  assert.deepEqual(after.filter((name) => before.includes(name)), []);
  assert.ok(after.length >= 64);
});

test('a node that never comes back is waited for 25 hours and no longer', async () => {
  const [user] = await seedUsers(panel, 1, { monthlyQuota: 100 * MIB });
  const [fra, ams] = [await replaying({ name: 'fra' }), await replaying({ name: 'ams' })];
  await fra.settle();
  await ams.settle();
  const restore = await copied();
  fra.spend([[user.slot, 0, 5]]);
  await fra.settle();
  await restore();
  await fra.settle();
  const wait = Number(await waits());
  assert.ok(wait > 0);
  assert.equal(await panel.cron(), 'ok');
  assert.equal(Number(await waits()), wait, 'Amsterdam is still waited for');
  await panel.db.prepare("UPDATE meta SET value = CAST(value - 25 * 3600 AS TEXT) WHERE name = 'restored_at'").run();
  assert.equal(await panel.cron(), 'ok');
  assert.equal(await waits(), undefined);
  assert.ok(limitOf(await fra.settle({ asks: [[user.slot, 5, 0]] }), user) > 5);
});
