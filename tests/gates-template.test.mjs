/** The gate in an operator's own template: one that sniffs, hijacks DNS, has a second outbound and a rule that stays in front. */
import assert from 'node:assert/strict';
import dgram from 'node:dgram';
import { after, before, test } from 'node:test';

import { MIB, startFleet, until } from './support/fleet.mjs';
import { freePorts } from './support/ports.mjs';
import { LAB_PASSWORD, labUser } from './support/singbox-config.mjs';
import { datagramHeader, datagramPayload, socksAssociate } from './support/socks5.mjs';
import { TrafficLab } from './support/traffic.mjs';

const PROTOCOL = 'trojan';
/** The node reaches targets from here, by its outbound. */
const [FINAL, SECOND] = ['127.0.0.1', '127.0.0.2'];
const NAME = 'printer.weir.test';
const ADDRESS = '192.0.2.7';
const RATE = 4 * MIB;
/** A connection past the gate is known by its first byte; so long it takes at most until it is ended, as with a limit. */
const TICK_S = 1;
/** Attempts of the gated user that are looked at. */
const ATTEMPTS = 10;
/** No datagram gets an answer after that. */
const ANSWER_LIMIT_MS = 3000;
const DNS_PORT = 53;

let fleet;
let node;
/** Traffic by the port that it goes to: any, the one whose rule is in front of the gates, the one whose rule is behind. */
let any;
let front;
let behind;
let frontRule;

before(async () => {
  fleet = await startFleet({ users: [{ name: 'allowed' }, { name: 'gated' }] });
  const [frontPort, behindPort] = await freePorts(2);
  frontRule = { outbound: 'second', port: frontPort };
  const change = (template) => ({
    ...template,
    dns: { servers: [{ type: 'hosts', tag: 'hosts', predefined: { [NAME]: ADDRESS } }], final: 'hosts' },
    outbounds: [...template.outbounds, { type: 'direct', tag: 'second', inet4_bind_address: SECOND }],
    route: {
      ...template.route,
      rules: [{ action: 'sniff' }, { protocol: 'dns', action: 'hijack-dns' }, { port: behindPort, outbound: 'second' }, frontRule],
    },
    weir: { stay_in_front: [3] },
  });
  node = await fleet.addNode({ real: true, protocols: [PROTOCOL], change });
  await fleet.connect(node, ['allowed', 'gated']);
  any = node.lab;
  front = await TrafficLab.start({ socksPort: any.socksPort, tcpPort: frontPort });
  behind = await TrafficLab.start({ socksPort: any.socksPort, tcpPort: behindPort });
});

after(async () => {
  await front?.stop();
  await behind?.stop();
  await fleet?.stop();
});

const exchange = (lab, user) => lab.tcp({ user, protocol: PROTOCOL, up: 1000, down: 1000 });

async function assertPassing(lab, user, from) {
  const entry = await exchange(lab, user);
  assert.equal(entry.outcome, 'complete', `${user}: ${entry.reason}`);
  assert.equal(entry.from, from);
}

async function assertRefused(lab, user) {
  const entry = await exchange(lab, user);
  assert.equal(entry.outcome, 'refused', `${user}: ${entry.outcome}, ${entry.targetReceived} bytes passed`);
  assert.deepEqual([entry.targetReceived, entry.clientReceived], [0, 0]);
}

/** Ask for an address through the node, at a resolver that does not exist. @returns {Promise<string|null>} the answer's last address */
async function resolve(user) {
  const signal = AbortSignal.timeout(10 * ANSWER_LIMIT_MS);
  const { control, relayPort } = await socksAssociate({ socksPort: any.socksPort, username: labUser(user, PROTOCOL), password: LAB_PASSWORD, signal });
  const labels = NAME.split('.').flatMap((label) => [label.length, ...Buffer.from(label)]);
  const query = Buffer.from([0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...labels, 0, 0, 1, 0, 1]);
  const socket = dgram.createSocket('udp4');
  try {
    return await new Promise((found) => {
      const nothing = setTimeout(() => found(null), ANSWER_LIMIT_MS);
      socket.once('message', (message) => {
        clearTimeout(nothing);
        found([...datagramPayload(message).subarray(-4)].join('.'));
      });
      control.on('error', () => {}).resume();
      socket.send([datagramHeader(DNS_PORT), query], relayPort, '127.0.0.1');
    });
  } finally {
    socket.close();
    control.destroy();
  }
}

test('a user who may pass does so through both outbounds, and the node answers his DNS queries', async () => {
  await assertPassing(any, 'allowed', FINAL);
  await assertPassing(front, 'allowed', SECOND);
  assert.equal(await resolve('allowed'), ADDRESS);
});

test('a rule that chooses an outbound and is not marked stands behind the gates, which lead to the final outbound', async () => {
  await assertPassing(behind, 'allowed', FINAL);
});

test('what lets bytes pass without asking a gate is named by the agent and in the panel', async () => {
  const said = [
    [{ action: 'hijack-dns', protocol: 'dns' }, 'has the core answer DNS queries before the gate, uncounted'],
    [frontRule, 'stands before the gate'],
  ];
  const words = said.map(([rule, does]) => `rule ${JSON.stringify(rule)} ${does}`);
  const { bypasses } = await until('the panel knows', async () => {
    const { status } = await fleet.nodeInPanel(node.id);
    return status.bypasses.length > 0 && status;
  });
  assert.deepEqual(bypasses, words);
  const { code, output } = await until('the agent says so', async () => {
    const status = await node.host.agent('status');
    return status.output.includes('bypass') && status;
  });
  assert.equal(code, 0, output);
  for (const line of words) assert.ok(output.includes(line), output);
});

test('shutting his gate ends all connections of a user, also the one that stands past the gate, and nobody else\'s', async () => {
  const of = (user) => [any, front].map((lab) => lab.idle({ user, protocol: PROTOCOL }));
  const [his, others] = [of('gated'), of('allowed')];
  await Promise.all([...his, ...others].map(({ ready }) => ready));
  await fleet.api('POST', '/api/v1/users/gated/disable');
  await until('his connections are ended', () => his.every(({ broken }) => broken));
  await assertRefused(any, 'gated');
  await assertRefused(behind, 'gated');
  const open = [any, front].flatMap((lab) => lab.account.entries({ user: 'allowed', outcome: 'open' }));
  const received = open.map((entry) => entry.clientReceived);
  await until('the others have been answered again', () => open.every((entry, index) => entry.clientReceived > received[index]));
  assert.deepEqual(others.map(({ broken }) => broken), [null, null]);
  await Promise.all(others.map((connection) => connection.stop()));
});

test('what a gated user tries past the gate is ended by its id, within a tick, and counted', async (context) => {
  const before = front.account.entries({ user: 'gated' }).length;
  const download = front.download({ user: 'gated', protocol: PROTOCOL, rate: RATE, retry: true });
  const attempts = () => front.account.entries({ user: 'gated' }).slice(before);
  await until('he has tried often enough', () => attempts().filter(({ outcome }) => outcome !== 'open').length >= ATTEMPTS);
  await download.stop();
  for (const entry of attempts().slice(0, ATTEMPTS)) {
    assert.notEqual(entry.outcome, 'complete');
    assert.ok(entry.targetSent <= RATE * TICK_S, `${entry.targetSent} bytes in one connection`);
  }
  context.diagnostic(`at most ${Math.max(...attempts().map(({ targetSent }) => targetSent))} bytes in one connection`);
  const books = await fleet.settled();
  assert.deepEqual(books.map(({ unknown, foreign }) => [unknown, foreign]), [[0, 0]]);
  const { up, down } = (await fleet.history()).get('gated');
  const sums = [any, front].map((lab) => lab.account.sum({ user: 'gated' }));
  const sum = (direction, end) => sums.reduce((bytes, of) => bytes + of[direction][end], 0);
  assert.ok(up + books[0].unattributed >= sum('up', 'low') && up <= sum('up', 'high'), `${up} up`);
  assert.ok(down + books[0].unattributed >= sum('down', 'low') && down <= sum('down', 'high'), `${down} down`);
});

test('a gated user gets no datagram through, but what the core answers itself: that is what the bypass says', async () => {
  const entry = await any.udp({ user: 'gated', protocol: PROTOCOL, count: 1, size: 100, answer: 100 });
  assert.deepEqual([entry.outcome, entry.targetReceived, entry.clientReceived], ['refused', 0, 0]);
  const { up, down } = await fleet.booksOf(node.id);
  assert.equal(await resolve('gated'), ADDRESS);
  assert.equal(await resolve('allowed'), ADDRESS);
  const books = await fleet.settled();
  assert.deepEqual(books.map((of) => [of.up, of.down]), [[up, down]]);
});

test('opening the gate again lets him pass through both outbounds', async () => {
  await fleet.api('POST', '/api/v1/users/gated/enable');
  await until('he passes', async () => (await exchange(any, 'gated')).outcome === 'complete');
  await assertPassing(any, 'gated', FINAL);
  await assertPassing(front, 'gated', SECOND);
});
