/**
 * A sing-box before 1.14, whose users go through the agent's relay: what happens to bytes and gates when core, agent, template and limits
 * change. inbound-types.test.mjs has every type of inbound. The seed chooses the release; make test-long has both.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { after, before, describe, test } from 'node:test';

import { Dice } from './support/dice.mjs';
import { BYSTANDER, RELEASES, Scene } from './support/inbound-types.mjs';
import { LONG } from './support/selection.mjs';
import { MIB, until } from './support/site.mjs';

const KIB = 1024;
const TYPES = ['trojan', 'vmess'];
const [ANN, BEN] = TYPES;
const RATE = MIB;
const LIMIT = 256 * KIB;
/** What a bucket may give at once, and what stands in buffers of core and client: a limit holds over seconds. */
const SLACK = 0.15;

const relayed = RELEASES.filter((release) => release.relayed);
const chosen = LONG ? relayed : [new Dice().one(relayed)];

for (const release of chosen) {
  describe(release.name, () => {
    /** @type {Scene} */
    let scene;
    let lab;
    before(async () => {
      scene = await Scene.start(release, TYPES, { reload_every_seconds: 0 });
      lab = scene.labs.get(ANN);
    });
    after(() => scene?.stop());

    const tries = (user) => lab.tcp({ user, protocol: user, up: KIB, down: KIB, hangMs: 5000 });
    const passes = (user) => until(`${user} passes`, async () => (await tries(user)).outcome === 'complete', { limitMs: 30_000 });
    const flowing = async (user, rate = RATE) => {
      const download = lab.download({ user, protocol: user, rate });
      await until('it flows', () => download.received > rate / 2);
      return download;
    };
    const exact = async () => {
      for (const user of [ANN, BEN]) await scene.counted(user, user);
      const { unknown, unattributed, foreign } = await scene.site.booksOf(scene.id);
      assert.deepEqual({ unknown, unattributed, foreign }, { unknown: 0, unattributed: 0, foreign: 0 });
    };
    const reloads = async () => (await scene.node.statusAfter()).node.reloads;

    test('the agent chooses by itself to count in the relay, and says in sentences what that means', async () => {
      const { output } = await scene.node.agent('doctor');
      assert.match(output, /all users go through the agent's relay/);
      const { status } = await scene.site.nodeInPanel(scene.id);
      assert.ok(status.limits.some((limit) => /limits of devices are not enforced/.test(limit)), JSON.stringify(status.limits));
      assert.ok(status.core_version.startsWith(release.name.replace('sing-box-', '')), status.core_version);
      await passes(ANN);
      await passes(BEN);
      await exact();
    });

    test('a core that is killed takes nobody bytes with it, and lets in whom it let in before', async () => {
      const download = await flowing(ANN);
      await scene.node.stopCore('SIGKILL');
      await download.ended;
      assert.ok(download.broken);
      await until('the agent says that the core is down', async () => !(await scene.node.statusAfter()).core_up);
      await scene.node.startCore();
      await passes(ANN);
      await exact();
      assert.equal(await reloads(), 1);
    });

    test('the agent ends all connections when it ends, has counted them, and needs no reload when it is back', async () => {
      const download = await flowing(BEN);
      const { corePid } = scene.node;
      await scene.node.stopAgent();
      await download.ended;
      assert.notEqual((await tries(BEN)).outcome, 'complete', 'without the agent nobody is let in');
      scene.node.startAgent();
      await passes(BEN);
      await exact();
      assert.deepEqual([scene.node.corePid, await reloads()], [corePid, 1]);
    });

    test('a limit of speed holds in the connection that is open, and is taken away in it', async (t) => {
      const held = lab.idle({ user: ANN, protocol: ANN });
      await held.ready;
      const set = (speed) => scene.site.api('PATCH', `/api/v1/users/${ANN}`, { speed_limit: speed });
      await set(LIMIT);
      await scene.site.heldOn(scene.id);
      const start = performance.now();
      const bytes = 5 * LIMIT;
      const { outcome } = await lab.tcp({ user: ANN, protocol: ANN, down: bytes });
      const seconds = (performance.now() - start) / 1000;
      assert.equal(outcome, 'complete');
      t.diagnostic(`${Math.round(bytes / seconds / KIB)} KiB a second of ${LIMIT / KIB}`);
      assert.ok(seconds >= 5 * (1 - SLACK), `${bytes} bytes in ${seconds} s`);
      await set(0);
      await scene.site.heldOn(scene.id);
      assert.equal(held.broken, null);
      await held.stop();
      await exact();
    });

    test('a template that was saved is loaded by one reload, which counts what it cuts', async () => {
      const download = await flowing(BEN);
      await scene.node.writeTemplate({ ...scene.node.template, log: { level: 'error' } });
      await download.ended;
      await until('the agent tells of the reload', async () => {
        const { reloaded } = (await scene.node.status()).node;
        return reloaded?.why === 'template' && reloaded.cut >= 1;
      });
      assert.equal(await reloads(), 2);
      await passes(BEN);
      await exact();
    });

    test('a template that the core does not come up with is taken back, and everybody passes again', async () => {
      const occupied = net.createServer().listen(0, '127.0.0.1');
      await once(occupied, 'listening');
      const good = scene.node.template;
      try {
        const more = { type: 'mixed', tag: 'more', listen: '127.0.0.1', listen_port: occupied.address().port };
        await scene.node.writeTemplate({ ...good, inbounds: [...good.inbounds, more] });
        await until('the agent says why', async () => (await scene.node.status()).troubles.some((trouble) => /the last good one is back/.test(trouble)));
        await passes(ANN);
        await passes(BEN);
      } finally {
        await scene.node.writeTemplate(good);
        occupied.close();
      }
      await exact();
    });

    test('when its package is renewed to 1.14, the core says itself what users move, after one reload', async () => {
      await scene.node.stopAgent();
      await scene.node.stopCore();
      await scene.renew(RELEASES.find((one) => !one.relayed).path);
      await scene.node.startCore();
      scene.node.startAgent();
      await until('the newer core is loaded', async () => {
        const { core_up: isUp, node: status } = await scene.node.status();
        return isUp && status.core_version.startsWith('1.14.') && status.pending_reload === 0;
      });
      await passes(ANN);
      await passes(BEN);
      await exact();
    });

    test('nobody has bytes that nobody moved', async () => {
      assert.deepEqual([...(await scene.site.history()).keys()].filter((name) => name !== BYSTANDER).sort(), [...TYPES].sort());
    });
  });
}
