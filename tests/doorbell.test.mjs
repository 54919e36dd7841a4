/** The doorbell wakes the nodes that a change concerns, has one line for each, and nothing depends on it. */
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { startDoor } from './support/doors.mjs';
import { MIB, startLoop, until } from './support/loop.mjs';
import { startPanel } from './support/panel.mjs';
import { seedAgent, seedUsers } from './support/seed.mjs';

/** A test that takes so long hangs. */
const timeout = 120_000;
/** A ring that has not come by then does not come: those that come take some milliseconds. */
const SILENCE_MS = 500;

/** An agent's line, and how often it was rung. */
class Line {
  rings = 0;
  closed = null;

  constructor(panel, key, headers = {}) {
    this.socket = new WebSocket(`${panel.url.replace('http', 'ws')}/agent/v1/bell`, { headers: { authorization: `Bearer ${key}`, ...headers } });
    this.opened = new Promise((resolve, reject) => {
      this.socket.addEventListener('open', resolve);
      this.socket.addEventListener('error', () => reject(new Error('the line was refused')));
    });
    this.socket.addEventListener('message', () => (this.rings += 1));
    this.socket.addEventListener('close', ({ code }) => (this.closed = code));
  }
}

describe('who is rung', { timeout }, () => {
  let panel;
  let agents;
  let lines;

  before(async () => {
    panel = await startPanel();
  });
  after(() => panel?.stop());

  async function connected() {
    agents = [await seedAgent(panel), await seedAgent(panel)];
    lines = agents.map(({ key }) => new Line(panel, key));
    await Promise.all(lines.map(({ opened }) => opened));
  }
  afterEach(() => {
    for (const { socket } of lines) socket.close();
  });

  /** What this does rings each line so often. */
  async function assertRings(act, expected) {
    await connected();
    await act();
    await until('the rings', () => lines.every(({ rings }, index) => rings >= expected[index]));
    await sleep(SILENCE_MS);
    assert.deepEqual(lines.map(({ rings }) => rings), expected);
  }
  const done = async (...request) => {
    const { status, text } = await panel.api(...request);
    assert.ok(status < 300, `${status} ${text}`);
  };

  test('every node, when a user changes: all carry him', async () => {
    const [{ name }] = await seedUsers(panel, 1);
    await assertRings(() => done('POST', `/api/v1/users/${name}/disable`), [1, 1]);
  });

  test('the node alone that is deleted', async () => {
    await assertRings(() => done('DELETE', `/api/v1/nodes/${agents[1].node}`), [0, 1]);
  });

  test('nobody, when nothing on a node depends on it', async () => {
    const [{ name }] = await seedUsers(panel, 1);
    await assertRings(() => done('PATCH', `/api/v1/users/${name}`, { note: 'pays late' }), [0, 0]);
  });

  test('the nodes that may hold what another one needs, and not the one that is answered', async () => {
    const [{ slot }] = await seedUsers(panel, 1, { monthlyQuota: MIB });
    await assertRings(async () => {
      for (const agent of agents) {
        const { status, text } = await agent.sync({ asks: [[slot, 0, 0]] });
        assert.equal(status, 200, text);
      }
    }, [1, 0]);
  });

  test('no other node by saying so', async () => {
    await assertRings(async () => {
      const liar = new Line(panel, agents[0].key, { 'weir-node': String(agents[1].node) });
      await liar.opened;
      await done('DELETE', `/api/v1/nodes/${agents[1].node}`);
      await sleep(SILENCE_MS);
      assert.equal(liar.rings, 0);
      liar.socket.close();
    }, [0, 1]);
  });

  test('a node once: its new line takes the place of the old one', async () => {
    await connected();
    const again = new Line(panel, agents[0].key);
    await again.opened;
    await until('the old line ends', () => lines[0].closed !== null);
    assert.equal(lines[0].closed, 4000);
    const [{ name }] = await seedUsers(panel, 1);
    await done('POST', `/api/v1/users/${name}/disable`);
    await until('the rings', () => again.rings === 1 && lines[1].rings === 1);
    again.socket.close();
  });
});

describe('a node without it', { timeout }, () => {
  const SYNC_SECONDS = 3;
  let door;
  let loop;

  before(async () => {
    const agentUrl = async ({ url }) => (door = await startDoor(url, { bell: false })).url;
    loop = await startLoop({ users: [{ name: 'ann' }], protocols: ['trojan'], vars: { SYNC_SECONDS: String(SYNC_SECONDS) }, agentUrl });
  });
  after(async () => {
    await loop?.stop();
    await door?.stop();
  });

  test('hears of a change at its next poll', async () => {
    for (let round = 0; round < 3; round += 1) {
      const connection = loop.lab.idle({ user: 'ann', protocol: 'trojan' });
      await connection.ready;
      const disabled = performance.now();
      await loop.api('POST', '/api/v1/users/ann/disable');
      await connection.ended;
      const took = connection.broken.at - disabled;
      // A second for the sync itself and the switch, on a busy machine.
      assert.ok(took <= SYNC_SECONDS * 1000 + 1000, `${took} ms`);
      await loop.api('POST', '/api/v1/users/ann/enable');
      await until('ann passes again', async () => (await loop.lab.tcp({ user: 'ann', protocol: 'trojan', down: 1, lingerMs: 0 })).outcome === 'complete');
    }
    assert.ok(door.paths.includes('ws /agent/v1/bell'), 'the agent wanted it');
  });
});
