/** Two cores of different kinds on one host, each with an agent of its own: one user's bytes and limit over both. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { makeCertificate } from './support/certificate.mjs';
import { clientOf } from './support/client.mjs';
import { LocalNode } from './support/node.mjs';
import { startPanel } from './support/panel.mjs';
import { MIB, QUICK, Site, until } from './support/site.mjs';
import { V2RayNode } from './support/v2ray-node.mjs';

const QUOTA = 24 * MIB;
const RATE = 2 * MIB;
const PROTOCOLS = ['vmess', 'trojan'];

let certificate;
let folder;
let site;
/** Both cores: node, its id in the panel, client and laboratory. */
const cores = [];

before(async () => {
  certificate = await makeCertificate();
  folder = await mkdtemp(path.join(tmpdir(), 'weir-together-'));
  site = new Site(await startPanel({ vars: QUICK }));
  await site.api('POST', '/api/v1/users', { name: 'ann', total_quota: QUOTA });
  await site.api('POST', '/api/v1/users', { name: 'bob' });
  for (const [name, Kind] of Object.entries({ v2ray: V2RayNode, 'sing-box': LocalNode })) {
    const { id, token } = await site.api('POST', '/api/v1/nodes', { name, address: '127.0.0.1' });
    const node = await Kind.make({ folder: path.join(folder, name), certificate });
    cores.push({ name, id, node });
    await node.enroll(site.panel.url, token);
    node.startAgent();
    await explained(site.loadedOn(id));
    Object.assign(cores.at(-1), await clientOf(site, node, ['ann', 'bob']));
  }
});
after(async () => {
  for (const { lab, client, node } of cores) {
    await lab?.stop();
    await client?.stop();
    await node.stop();
  }
  await site?.panel.stop();
  await certificate?.remove();
  if (folder) await rm(folder, { recursive: true, force: true });
});

const explained = (promise) =>
  promise.catch(async (error) => {
    const logs = await Promise.all(cores.map(async ({ name, node }) => `--- ${name}\n${await node.logs()}`));
    throw new Error(`${error.message}\n${logs.join('\n')}\n--- panel\n${site.panel.log()}`, { cause: error });
  });

/** What both ends of a user's connections through both cores have seen. */
function accounted(user) {
  const sums = cores.map(({ lab }) => lab.account.sum({ user }));
  const sum = (direction, bound) => sums.reduce((bytes, one) => bytes + one[direction][bound], 0);
  return { up: [sum('up', 'low'), sum('up', 'high')], down: [sum('down', 'low'), sum('down', 'high')] };
}

const within = (bytes, [low, high]) => low <= bytes && bytes <= high;

test('the panel has two nodes, of two kinds', async () => {
  for (const { name, id } of cores) assert.equal((await site.nodeInPanel(id)).status.core, name);
});

test("a user's bytes through both cores are his, to the byte", async () => {
  // His first bytes on each make that node ask for a grant.
  for (const { lab } of cores) {
    for (const protocol of PROTOCOLS) {
      for (const user of ['ann', 'bob']) {
        const entry = await lab.tcp({ user, protocol, up: 65_537, down: 262_144 });
        assert.equal(entry.outcome, 'complete', `${user} by ${protocol}: ${entry.reason}`);
      }
    }
  }
  const whole = async () => {
    const history = await site.history();
    return ['ann', 'bob'].every((user) => {
      const [has, { up, down }] = [history.get(user), accounted(user)];
      return has && within(has.up, up) && within(has.down, down);
    });
  };
  for (const user of ['ann', 'bob']) {
    const { up, down } = accounted(user);
    assert.deepEqual([up[0], down[0]], [up[1], down[1]], 'the account itself is exact');
  }
  await explained(until('the panel has every byte', whole));
});

test('at the limit, which both used up together, he is refused by both, and the other user by none', async () => {
  const downloads = cores.map(({ lab }) => lab.download({ user: 'ann', protocol: 'trojan', rate: RATE }));
  const held = cores.map(({ lab }) => lab.idle({ user: 'bob', protocol: 'vmess' }));
  await Promise.all(held.map(({ ready }) => ready));
  const refused = async () => {
    const entries = await Promise.all(cores.map(({ lab }) => lab.tcp({ user: 'ann', protocol: 'vmess', up: 100, down: 100 })));
    return entries.every(({ outcome }) => outcome !== 'complete');
  };
  await explained(until('both refuse him', refused, { limitMs: 120_000, everyMs: 500 }));
  // V2Ray refuses new connections and lets old ones run: docs/cores.md.
  await downloads[1].ended;
  await downloads[0].stop();
  for (const { broken } of held) assert.equal(broken, null);
  for (const { lab } of cores) assert.equal((await lab.tcp({ user: 'bob', protocol: 'trojan', up: 1_000, down: 1_000 })).outcome, 'complete');
  const { status } = await site.api('GET', '/api/v1/users/ann');
  assert.equal(status, 'limited');
});
