/**
 * Every type of inbound that users are written into, by every release of sing-box that is supported: a real client carries TCP and UDP
 * through it, the panel has every byte under the user's name, his quota cuts him and nobody else, and his gate shuts and opens without
 * a reload. sing-box 1.14 says itself what users move; the users of 1.12 and 1.13 go through the agent's relay.
 *
 * A short run has two types of each release, which the seed chooses; make test-long has all. A type that is left out of the table fails.
 */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';

import { Dice } from './support/dice.mjs';
import { BYSTANDER, RELEASES, Scene, TYPES } from './support/inbound-types.mjs';
import { LONG } from './support/selection.mjs';
import { MIB, until } from './support/site.mjs';

const KIB = 1024;
const SHORT_RUN = 2;
/** What is left to a user when his quota is set, and how fast he goes over it. */
const LEFT = 3 * MIB;
const RATE = 4 * MIB;
/** The default of GRANT_FLOOR_BYTES, and what may pass in a second: the agent looks at least so often, and the panel's clock has no less. */
const OVERSHOOT = MIB + RATE;
const NAMES = Object.keys(TYPES);
const dice = new Dice();
/** The types of a run of one release. */
const chosen = () => (LONG ? NAMES : dice.shuffled(NAMES).slice(0, SHORT_RUN));

test('the table names every type of inbound that the documentation promises', async () => {
  const text = await readFile(new URL('../docs/cores.md', import.meta.url), 'utf8');
  const [, listed] = /^Users are written into: (.+)\.$/m.exec(text) ?? [];
  assert.deepEqual(listed?.split(', '), NAMES, `docs/cores.md has to say: Users are written into: ${NAMES.join(', ')}.`);
});

test('there is a release of each line that is supported', () => {
  assert.deepEqual(RELEASES.map(({ name }) => name).sort(), ['sing-box-1.12', 'sing-box-1.13', 'sing-box-1.14']);
});

for (const release of RELEASES) {
  describe(release.name, () => {
    const types = chosen();
    let scene;
    before(async () => {
      scene = await Scene.start(release, types);
    });
    after(() => scene?.stop());

    for (const type of types) {
      test(type, { timeout: 180_000 }, (t) => row(t, scene, type));
    }

    test('nobody has bytes that nobody moved, and the core was loaded once', async () => {
      assert.deepEqual([...(await scene.site.history()).keys()].sort(), [...types, BYSTANDER].sort());
      for (const user of [...types, BYSTANDER]) await scene.counted(user, user);
      const { unknown, unattributed, foreign } = await scene.site.booksOf(scene.id);
      assert.deepEqual({ unknown, unattributed, foreign }, { unknown: 0, unattributed: 0, foreign: 0 });
      assert.equal((await scene.node.statusAfter()).node.reloads, 1);
    });
  });
}

/** All that must hold of one type. */
async function row(t, scene, type) {
  const { site } = scene;
  const lab = scene.labs.get(type);
  const passes = async (user) => {
    const entry = await lab.tcp({ user, protocol: type, up: 64 * KIB, down: 256 * KIB });
    assert.equal(entry.outcome, 'complete', `${user}: ${entry.outcome} ${entry.reason}\n${await scene.logs()}`);
  };
  // Bytes, both ways, by both networks, one connection and several at once.
  await passes(type);
  await Promise.all([passes(type), passes(type), passes(BYSTANDER)]);
  if (TYPES[type].udp) {
    const { outcome, reason } = await lab.udp({ user: type, protocol: type, count: 20, size: 500, answer: 900 });
    assert.equal(outcome, 'complete', `UDP: ${reason}\n${await scene.logs()}`);
  }
  const { up, down } = scene.account(type);
  assert.deepEqual([up.low, down.low], [up.high, down.high], 'the account itself is exact');
  const before = await scene.counted(type, type);
  await scene.counted(BYSTANDER, type);

  // His quota cuts him, and the bystander's connection through the same inbound stays.
  const bystander = lab.idle({ user: BYSTANDER, protocol: type });
  await bystander.ready;
  const used = before.up + before.down;
  await site.api('PATCH', `/api/v1/users/${type}`, { monthly_quota: used + LEFT });
  await site.heldOn(scene.id);
  const download = lab.download({ user: type, protocol: type, rate: RATE, retry: true });
  // Before that he may wait at the end of a grant.
  const standing = () => site.api('GET', `/api/v1/users/${type}`);
  await until('the panel says that he is at his limit', async () => (await standing()).status === 'limited', { limitMs: 30_000 });
  await until('his download has been cut', () => download.broken && download.refused);
  await download.stop();
  const cut = await scene.counted(type, type);
  const over = cut.up + cut.down - (used + LEFT);
  assert.ok(over >= 0 && over <= OVERSHOOT, `${over} bytes over the limit`);
  assert.equal((await standing()).reason, 'month');

  // His gate opens, shuts and opens again.
  const opens = () => until('he passes again', async () => (await lab.tcp({ user: type, protocol: type, up: KIB, down: KIB })).outcome === 'complete', { limitMs: 20_000 });
  await site.api('PATCH', `/api/v1/users/${type}`, { monthly_quota: 0 });
  await opens();
  const held = lab.idle({ user: type, protocol: type });
  await held.ready;
  assert.equal(held.broken, null);
  await site.api('POST', `/api/v1/users/${type}/disable`);
  await held.ended;
  assert.ok(held.broken, 'what he had open was ended by the node');
  const refused = await lab.tcp({ user: type, protocol: type, up: KIB, down: KIB, hangMs: 5000 });
  assert.notEqual(refused.outcome, 'complete', 'a shut gate lets nothing through');
  assert.equal(refused.targetReceived, 0);
  await site.api('POST', `/api/v1/users/${type}/enable`);
  await opens();
  assert.equal(bystander.broken, null, 'nobody else was touched');
  await bystander.stop();
  t.diagnostic(`${over} bytes over the quota at ${RATE / MIB} MiB a second`);
}
