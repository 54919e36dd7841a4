/**
 * Accounts that too many people use: agents tell where clients come from, the panel counts over all nodes, notes who has too many, and
 * cuts him for a while if the operator wants that.
 */
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { Clocks, DAY, MINUTE } from './support/clocks.mjs';
import { startFleet, until } from './support/fleet.mjs';
import { freePort } from './support/ports.mjs';
import { assertRefused } from './support/refusals.mjs';
import { seedAgent } from './support/seed.mjs';
import { clientConfig } from './support/singbox-config.mjs';
import { startSingBox } from './support/singbox.mjs';
import { TrafficLab } from './support/traffic.mjs';
import { addressHash, addressKey, dayOf, slotCredentials } from './support/wire.mjs';

const USERS = ['calm', 'late', 'noted', 'cut', 'own', 'free', 'kept', 'real', 'told'];
/** A test that takes so long hangs. */
const timeout = 600_000;
/** Of two devices that come one after the other, a sync in between tells the first alone, and the second a minute later. */
const limitMs = 150_000;

let fleet;
let clocks;
let slots;

before(async () => {
  fleet = await startFleet({ users: USERS.map((name) => ({ name })) });
  clocks = new Clocks(fleet);
  for (let node = 0; node < 2; node += 1) await clocks.addNode();
  slots = await fleet.slots();
});
after(() => fleet?.stop());

const whereabouts = (name) => fleet.api('GET', `/api/v1/users/${name}/addresses`);
const notes = async (name) => (await fleet.api('GET', `/api/v1/suspicious?user=${name}`)).items;
const settle = (fields) => fleet.api('PUT', '/api/v1/settings/sharing', fields);
const gatesOf = (name) => fleet.nodes.filter(({ core }) => core).map(({ core }) => core.gates.get(slots.get(name)));

/** Let time pass for everybody, once the agents know of all that was until now. */
async function passUntil(second) {
  for (const { core } of fleet.nodes) await core?.heard();
  await clocks.passUntil(second);
}
const asleep = (minutes) => passUntil(clocks.now + minutes * MINUTE + 1);

/** A device of a user connects to a node, and stays. */
function device(name, node, address) {
  const source = address.includes(':') ? `[${address}]:5000` : `${address}:5000`;
  const connection = fleet.nodes[node].core.connect(slots.get(name), source);
  assert.ok(connection, `${name} may pass`);
  return { end: () => fleet.nodes[node].core.end(connection) };
}

async function counts(name, expected) {
  let last;
  const told = async () => {
    last = await whereabouts(name);
    return last.count === expected;
  };
  await fleet.explained(until(`${name} has ${expected} addresses`, told, { limitMs }).catch((error) => assert.fail(`${error.message}, but ${JSON.stringify(last)}`)));
  return last;
}

/** The notes about a user, once there are so many. */
async function noted(name, many) {
  const found = async () => {
    const items = await notes(name);
    return items.length >= many && items;
  };
  const items = await fleet.explained(until(`${name} was noted`, found, { limitMs }));
  assert.equal(items.length, many);
  return items;
}

test('keys and hashes are as an independent hand makes them, and only who asks gets a key', async () => {
  const { AUTH_KEY: authKey } = JSON.parse(await readFile(path.join(fleet.panel.folder, 'secrets.json'), 'utf8'));
  const agent = await seedAgent(fleet.panel);
  const today = dayOf(clocks.now);
  const key = addressKey(authKey, today);
  await agent.sync();
  assert.ok(!('address_key' in (await agent.sync()).body), 'an older agent knows of no keys');
  assert.deepEqual((await agent.sync({ address_day: 0 })).body.address_key, [today, key.toString('hex')]);
  assert.deepEqual((await agent.sync({ address_day: today - 1 })).body.address_key[0], today);
  assert.ok(!('address_key' in (await agent.sync({ address_day: today })).body));
  // A client that a node has told of as this one is the same client.
  const slot = slots.get('told');
  const connection = device('told', 0, '192.0.2.77');
  await counts('told', 1);
  const tell = (...networks) => agent.sync({ addresses: [[slot, today, networks.map((network) => addressHash(key, slot, network))]] });
  assert.equal((await tell('192.0.2.77')).status, 200);
  assert.equal((await whereabouts('told')).count, 1);
  await tell('192.0.2.77', '192.0.2.78', '2001:db8:1:2::');
  assert.equal((await whereabouts('told')).count, 3);
  connection.end();
  await tell();
});

test('what is no set of addresses is refused by its field, and changes nothing', async () => {
  const agent = await seedAgent(fleet.panel);
  await agent.sync();
  const [slot, day, hash] = [slots.get('calm'), dayOf(clocks.now), 'AAAAAAAAAAA'];
  const many = (count) => Array.from({ length: count }, () => hash);
  const rows = async () => JSON.stringify((await fleet.panel.db.prepare('SELECT * FROM addresses ORDER BY user').all()).results.filter(({ slot: of }) => of === slot));
  const before = await rows();
  for (const [addresses, field] of [
    [[[slot, day, many(33)]], 'addresses[0]'],
    [[[slot, day, many(1)], [slot, day, many(1)]], 'addresses[1]'],
    [Array.from({ length: 513 }, (_, index) => [`user${index}`, day, []]), 'addresses'],
    [[[slot, day, ['192.0.2.1']]], 'addresses[0]'],
    [[[slot, -1, []]], 'addresses[0]'],
    ['none', 'addresses'],
  ]) {
    const answer = await agent.sync({ addresses });
    assert.ok([400, 422].includes(answer.status), answer.text);
    assert.ok(answer.text.includes('addresses'), `${field}: ${answer.text}`);
  }
  // Of a day that no other node has: left alone.
  assert.equal((await agent.sync({ addresses: [[slot, day - 2, many(1)], [slot.replace(/.$/, '9'), day + 1, many(1)]] })).status, 200);
  assert.equal(await rows(), before);
});

test('three addresses over two nodes are nothing, however many connections come from them', { timeout }, async () => {
  const devices = [
    device('calm', 0, '192.0.2.1'),
    device('calm', 0, '192.0.2.2'),
    device('calm', 1, '192.0.2.2'),
    device('calm', 1, '::ffff:192.0.2.2'),
    device('calm', 1, '2001:db8:1:2::3'),
    device('calm', 1, '2001:db8:1:2:ffff::4'),
  ];
  const { limit, window, nodes, last_seen_at: seen } = await counts('calm', 3);
  assert.deepEqual([limit, window], [3, 300]);
  assert.deepEqual(nodes.map(({ node, count }) => [node, count]), fleet.nodes.map(({ id }) => [id, 2]));
  assert.ok(Math.abs(seen - clocks.now) < MINUTE, 'when he was last seen');
  assert.deepEqual(await notes('calm'), []);
  // Devices that leave count for five minutes, and then no more.
  for (const one of devices) one.end();
  await asleep(4);
  assert.equal((await whereabouts('calm')).count, 3);
  await asleep(2);
  await counts('calm', 0);
  assert.deepEqual(await notes('calm'), []);
});

test('nobody is counted twice when a day, and with it the key, ends', { timeout }, async () => {
  const midnight = (dayOf(clocks.now) + 1) * DAY;
  await passUntil(midnight - MINUTE);
  const devices = [device('late', 0, '192.0.2.1'), device('late', 0, '192.0.2.2'), device('late', 1, '192.0.2.2'), device('late', 1, '192.0.2.3')];
  await counts('late', 3);
  await passUntil(midnight + MINUTE);
  // What a node had gathered before midnight may arrive after it, under the old key.
  await fleet.explained(
    until('both nodes have told under the new key', async () => {
      const { count } = await whereabouts('late');
      assert.ok(count <= 3, `${count} addresses around midnight`);
      const { sets } = await fleet.panel.db.prepare('SELECT sets FROM addresses WHERE slot = ?1').bind(slots.get('late')).first();
      const days = Object.values(JSON.parse(sets)).map(([, day]) => day);
      return days.length === 2 && days.every((day) => day === midnight / DAY);
    }, { everyMs: 20, limitMs }),
  );
  await counts('late', 3);
  assert.deepEqual(await notes('late'), []);
  for (const one of devices) one.end();
});

test('the fourth address is noted once, with counts by node, and nobody is cut', { timeout }, async () => {
  const first = device('noted', 0, '192.0.2.1');
  device('noted', 0, '192.0.2.2');
  device('noted', 1, '192.0.2.3');
  await counts('noted', 3);
  // The agent tells of one user once a minute.
  await asleep(1);
  device('noted', 1, '192.0.2.4');
  await counts('noted', 4);
  const [note] = await noted('noted', 1);
  const [one, other] = fleet.nodes;
  const { id, at, ...rest } = note;
  assert.ok(id > 0 && Math.abs(at - clocks.now) < MINUTE);
  assert.deepEqual(rest, { user: 'noted', count: 4, limit: 3, nodes: { [one.id]: 2, [other.id]: 2 }, cut_until: null });
  await asleep(1);
  device('noted', 0, '192.0.2.5');
  await counts('noted', 5);
  assert.equal((await notes('noted')).length, 1, 'nothing more within half an hour');
  assert.deepEqual(gatesOf('noted'), [true, true]);
  // Whoever goes on is noted again.
  for (let step = 0; step < 3; step += 1) {
    await asleep(10);
    await counts('noted', 5);
  }
  first.end();
  await asleep(6);
  await counts('noted', 4);
  const again = await noted('noted', 2);
  // Of the telling that came first after half an hour: each agent tells again in its own time, before the device has gone or after.
  assert.ok(again[0].at - again[1].at >= 30 * MINUTE && [4, 5].includes(again[0].count), JSON.stringify(again));
});

test('who is to be cut for it is shut out on every node, and comes back by himself', { timeout }, async () => {
  await settle({ action: 'cut', cut_minutes: 15 });
  const devices = [device('cut', 0, '192.0.2.1'), device('cut', 0, '192.0.2.2'), device('cut', 1, '192.0.2.3'), device('cut', 1, '192.0.2.4')];
  const [{ at, cut_until: until15, count }] = await noted('cut', 1);
  assert.deepEqual([until15 - at, count], [15 * MINUTE, 4]);
  await fleet.explained(until('the gates are shut', () => gatesOf('cut').every((open) => !open)));
  const { status, reason } = await fleet.user('cut');
  assert.deepEqual([status, reason], ['disabled', 'sharing']);
  assert.deepEqual(gatesOf('noted'), [true, true], 'nobody else');
  for (const one of devices) one.end();
  await passUntil(until15 - MINUTE);
  await fleet.panel.cron('sweep');
  assert.equal((await fleet.user('cut')).reason, 'sharing');
  await passUntil(until15 + 1);
  await fleet.panel.cron('sweep');
  await fleet.explained(until('the gates are open', () => gatesOf('cut').every((open) => open)));
  assert.equal((await fleet.user('cut')).status, 'active');
  await counts('cut', 0);
  await asleep(1);
  // With fewer devices he may go on. Whoever goes on as before is cut again.
  const back = [device('cut', 0, '192.0.2.1'), device('cut', 1, '192.0.2.3'), device('cut', 1, '192.0.2.4')];
  await counts('cut', 3);
  assert.equal((await notes('cut')).length, 1);
  assert.deepEqual(gatesOf('cut'), [true, true]);
  await asleep(1);
  device('cut', 0, '192.0.2.2');
  await noted('cut', 2);
  await fleet.explained(until('the gates are shut again', () => gatesOf('cut').every((open) => !open)));
  for (const one of back) one.end();
  await settle({});
});

test('a limit of his own comes before the deployment\'s, and 0 is none', { timeout }, async () => {
  await fleet.api('PATCH', '/api/v1/users/own', { address_limit: 1 });
  await fleet.api('PATCH', '/api/v1/users/free', { address_limit: 0 });
  for (const last of [1, 2]) device('own', 0, `192.0.2.${last}`);
  for (const last of [1, 2, 3, 4, 5]) device('free', 0, `192.0.2.${last}`);
  const [{ count, limit }] = await noted('own', 1);
  assert.deepEqual([count, limit], [2, 1]);
  assert.equal((await counts('free', 5)).limit, 0);
  assert.deepEqual(await notes('free'), []);
});

test('an agent that is killed forgets where clients came from, and the panel still knows', { timeout }, async () => {
  const devices = [device('kept', 0, '192.0.2.1'), device('kept', 1, '192.0.2.2'), device('kept', 1, '192.0.2.3')];
  await counts('kept', 3);
  const [, node] = fleet.nodes;
  const told = async () => (await whereabouts('kept')).nodes.find(({ node: id }) => id === node.id).told_at;
  const before = await told();
  await asleep(1);
  await node.host.killAgent();
  node.host.startAgent();
  assert.equal((await whereabouts('kept')).count, 3);
  // It finds the live connections in the core's list, and tells them anew.
  await until('the agent has told again', async () => (await told()) > before);
  assert.equal((await whereabouts('kept')).count, 3);
  assert.deepEqual(await notes('kept'), []);
  for (const one of devices) one.end();
});

test('no address is on any disk or in any log', { timeout }, async () => {
  const places = [fleet.panel.folder, ...fleet.nodes.map(({ host }) => host.folder)];
  let looked = 0;
  for (const place of places) {
    for (const file of await readdir(place, { recursive: true, withFileTypes: true })) {
      if (!file.isFile()) continue;
      const bytes = await readFile(path.join(file.parentPath, file.name)).catch(() => Buffer.alloc(0));
      looked += bytes.length;
      assert.ok(!bytes.includes('192.0.2.') && !bytes.includes('2001:db8'), `${file.name} of ${place} holds an address`);
    }
  }
  assert.ok(looked > 100_000, 'something was looked at');
  assert.ok(!fleet.panel.log().includes('192.0.2.'));
});

test('real clients with addresses of their own are told apart, over TCP and QUIC, whatever the protocol', { timeout }, async () => {
  const node = await clocks.addNode({ real: true, protocols: ['trojan', 'hysteria2', 'mixed'] });
  const { ports } = node.host;
  const credentials = slotCredentials(fleet.panel.slotKey, slots.get('real'));
  const addresses = ['127.0.0.2', '127.0.0.3', '127.0.0.4'];
  const listenPort = await freePort();
  const config = clientConfig({ listenPort, users: addresses.map((name) => ({ ...credentials, name })), ports: { trojan: ports.trojan, hysteria2: ports.hysteria2 } });
  for (const outbound of config.outbounds) {
    const [address] = outbound.tag.split('|');
    if (addresses.includes(address)) outbound.inet4_bind_address = address;
  }
  const client = await startSingBox({ config, readyPort: listenPort, name: 'client' });
  const lab = await TrafficLab.start({ socksPort: listenPort });
  try {
    const idle = [
      ['127.0.0.2', 'trojan'],
      ['127.0.0.2', 'hysteria2'],
      ['127.0.0.3', 'trojan'],
      ['127.0.0.4', 'hysteria2'],
    ].map(([user, protocol]) => lab.idle({ user, protocol }));
    await fleet.explained(Promise.all(idle.map(({ ready }) => ready)));
    // Who was told of while some had not come yet is told of again after a minute.
    await until('somebody was seen', async () => (await whereabouts('real')).count > 0);
    await asleep(1);
    const { nodes } = await counts('real', 3);
    assert.deepEqual(nodes.map(({ node: id, count }) => [id, count]), [[node.id, 3]]);
  } finally {
    await lab.stop();
    await client.stop();
  }
});

test('settings, lists and pages are as they are documented', async () => {
  assert.deepEqual(await fleet.api('GET', '/api/v1/settings/sharing'), { limit: 3, action: 'log', cut_minutes: 30, keep_days: 90 });
  for (const [field, value] of [['limit', 1001], ['cut_minutes', 14], ['keep_days', 0]]) {
    assertRefused(await fleet.panel.api('PUT', '/api/v1/settings/sharing', { [field]: value }), 422, 'invalid', field);
  }
  assertRefused(await fleet.panel.api('GET', '/api/v1/suspicious?limit=0'), 422, 'invalid', 'limit');
  assertRefused(await fleet.panel.api('GET', '/api/v1/suspicious?before=x'), 422, 'invalid', 'before');
  assertRefused(await fleet.panel.api('GET', '/api/v1/suspicious?user=nobody'), 404, 'not_found');
  assertRefused(await fleet.panel.api('GET', '/api/v1/users/nobody/addresses'), 404, 'not_found');
  assert.equal((await fleet.panel.request('GET', '/api/v1/suspicious')).status, 401);
  const all = await fleet.api('GET', '/api/v1/suspicious');
  const [newest, second] = all.items;
  assert.ok(newest.id > second.id && all.next === null);
  const page = await fleet.api('GET', '/api/v1/suspicious?limit=1');
  assert.deepEqual(page, { items: [newest], next: newest.id });
  const rest = await fleet.api('GET', `/api/v1/suspicious?before=${page.next}`);
  assert.deepEqual(rest.items, all.items.slice(1));
});

test('what is older than the operator keeps is forgotten', async () => {
  await fleet.panel.db.prepare('UPDATE suspicious_activity SET at = at - 3 * 86400 WHERE id = (SELECT min(id) FROM suspicious_activity)').run();
  const before = (await fleet.api('GET', '/api/v1/suspicious')).items;
  await settle({ keep_days: 3 });
  assert.equal(await fleet.panel.cron('retention'), 'ok');
  assert.deepEqual((await fleet.api('GET', '/api/v1/suspicious')).items, before.slice(0, -1));
  await settle({});
});
