/** Debian's own V2Ray: every user's bytes to the byte, users in and out of the running core, and what it cannot do stated. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { makeCertificate } from './support/certificate.mjs';
import { clientOf } from './support/client.mjs';
import { ROOT, startPanel } from './support/panel.mjs';
import { MIB, QUICK, Site, until } from './support/site.mjs';
import { V2RAY_PROTOCOLS, V2RayNode } from './support/v2ray-node.mjs';

const USERS = ['anna', 'boris', 'clara', 'dora', 'emil', 'fritz'];
const SIZES = [0, 1, 31, 1400, 4096, 16_385, 65_537, 250_000];
const TCP_EACH = 96;
const RATE = MIB / 2;
const HOUR_MS = 3_600_000;
const timeout = 180_000;
/** The template of the operator's guide, whose certificate is the test's. */
const GUIDE = path.join(ROOT, 'docs/cores.md');

let certificate;
let folder;
let site;
let id;
let node;
const labs = [];
/** The laboratories' books of all users. */
let lab;

before(async () => {
  certificate = await makeCertificate();
  folder = await mkdtemp(path.join(tmpdir(), 'weir-v2ray-'));
  site = new Site(await startPanel({ vars: QUICK }));
  for (const name of USERS) await site.api('POST', '/api/v1/users', { name });
  const created = await site.api('POST', '/api/v1/nodes', { name: 'node', address: '127.0.0.1' });
  id = created.id;
  node = await V2RayNode.make({ folder: path.join(folder, 'node'), certificate, faults: true, kind: 'auto' });
  // The clocks of the agent's host, which a test moves: wall, since the boot, suspended.
  node.env.WEIR_CLOCK = path.join(folder, 'clock');
  await writeFile(node.env.WEIR_CLOCK, '0 0 0');
  await node.enroll(site.panel.url, created.token);
  node.startAgent();
  await explained(site.loadedOn(id));
  lab = await labOf(USERS);
  // A user's first bytes make the node ask for his grant, and only the floor may pass until the answer is there.
  await lab.many(USERS.map((user) => () => lab.tcp({ user, protocol: 'vmess', up: 100, down: 100 })));
  await settled();
});

after(async () => {
  for (const { lab: one, client } of labs) {
    await one.stop();
    await client.stop();
  }
  await node?.stop();
  await site?.panel.stop();
  await certificate?.remove();
  await rm(folder, { recursive: true, force: true });
});

async function labOf(names) {
  const made = await clientOf(site, node, names);
  labs.push(made);
  return made.lab;
}

function explained(promise) {
  return promise.catch(async (error) => {
    throw new Error(`${error.message}\n${await node?.logs()}\n--- panel\n${site.panel.log()}`, { cause: error });
  });
}

/** Bytes of a user that both ends of his connections have seen, by direction. */
function accounted(user) {
  const sum = (direction, bound) => labs.reduce((bytes, made) => bytes + made.lab.account.sum({ user })[direction][bound], 0);
  return { up: { low: sum('up', 'low'), high: sum('up', 'high') }, down: { low: sum('down', 'low'), high: sum('down', 'high') } };
}

/** Wait until the panel has, of every user, exactly what the laboratory has. */
async function settled(users = USERS) {
  const wanted = Object.fromEntries(users.map((user) => [user, { up: accounted(user).up.low, down: accounted(user).down.low }]));
  let found;
  const whole = async () => {
    const history = await site.history();
    found = Object.fromEntries(users.map((user) => [user, history.get(user) ?? { up: 0, down: 0 }]));
    return JSON.stringify(found) === JSON.stringify(wanted);
  };
  await explained(
    until('the panel has all bytes', whole, { limitMs: 30_000 }).catch((error) => {
      throw new Error(`${error.message}: ${JSON.stringify({ wanted, found })}`);
    }),
  );
}

/** What the node says of itself from now on. The panel keeps it with each report, and else once a minute. */
async function status() {
  return (await node.statusAfter()).node;
}

/** How many bytes a user's clients have received that the panel does not have. */
async function missing(user) {
  const billed = (await site.history()).get(user);
  const { up, down } = accounted(user);
  assert.ok(billed.up <= up.high && billed.down <= down.high, `${user} is billed too much: ${JSON.stringify({ billed, up, down })}`);
  const entries = labs.flatMap((made) => made.lab.account.entries()).filter((entry) => entry.user === user);
  return Math.max(0, entries.reduce((bytes, entry) => bytes + entry.clientReceived, 0) - billed.down);
}

test('the core is found to be V2Ray, and the panel is told what it is and what it cannot do', async () => {
  const { core, core_version: version, limits, incarnation } = (await site.nodeInPanel(id)).status;
  assert.equal(core, 'v2ray');
  assert.match(version, /^\d+\.\d+/);
  assert.ok(limits.some((limit) => limit.includes('go on until he ends them')), limits.join('\n'));
  assert.ok(Math.abs(Date.now() - incarnation) < 120_000, `started at ${incarnation}`);
});

for (const protocol of V2RAY_PROTOCOLS) {
  test(`${protocol}: every byte of ${TCP_EACH} connections of ${USERS.length} users is counted once, up and down apart`, { timeout }, async () => {
    const jobs = Array.from({ length: TCP_EACH }, (_, index) => () =>
      lab.tcp({
        user: USERS[index % USERS.length],
        protocol,
        up: SIZES[index % SIZES.length],
        down: SIZES[(index * 5 + 3) % SIZES.length],
        lingerMs: 50 + ((index * 7919) % 300),
      }),
    );
    jobs.push(() => lab.tcp({ user: 'anna', protocol, up: 8 * MIB }), () => lab.tcp({ user: 'boris', protocol, down: 8 * MIB }));
    const entries = await lab.many(jobs, 48);
    assert.deepEqual(entries.filter(({ outcome }) => outcome !== 'complete').map(({ user, reason }) => `${user}: ${reason}`), []);
    await settled();
    const { unknown, unattributed, foreign } = await site.booksOf(id);
    assert.deepEqual({ unknown, unattributed, foreign }, { unknown: 0, unattributed: 0, foreign: 0 });
  });
}

test('a step of the host\'s clock by an hour, either way, under traffic and over a restart of the agent, changes no byte', { timeout }, async () => {
  const pid = node.corePid;
  const download = lab.download({ user: 'clara', protocol: 'vless', rate: RATE });
  await until('it runs', () => download.startedAt !== null);
  for (const wall of [HOUR_MS, -HOUR_MS, 0]) {
    await writeFile(node.env.WEIR_CLOCK, `${wall} 0 0`);
    await sleep(1500);
    await node.killAgent();
    node.startAgent();
    await sleep(1500);
  }
  await download.stop();
  assert.equal(download.broken, null);
  await settled();
  assert.equal(node.corePid, pid);
  assert.equal((await status()).reloads, 1);
});

test('time that the host spends suspended makes no running core look new', { timeout }, async () => {
  // The core's own clock stands meanwhile, so it says that it has run for less than has passed since its start.
  await writeFile(node.env.WEIR_CLOCK, `${HOUR_MS} ${HOUR_MS} ${HOUR_MS}`);
  await node.killAgent();
  node.startAgent();
  await lab.tcp({ user: 'clara', protocol: 'vless', up: 1000, down: 1000 });
  await settled();
  await node.stopAgent();
  await writeFile(node.env.WEIR_CLOCK, '0 0 0');
  node.startAgent();
  await lab.tcp({ user: 'clara', protocol: 'vless', up: 1000, down: 1000 });
  await settled();
});

test('the template of the guide is taken by V2Ray, and doctor finds nothing missing', { timeout }, async () => {
  const section = (await readFile(GUIDE, 'utf8')).split('\n## V2Ray\n')[1];
  const [, json] = /```json\n([\s\S]*?)\n```/.exec(section);
  const template = json.replaceAll('/etc/weir/cert.pem', certificate.certificatePath).replaceAll('/etc/weir/key.pem', certificate.keyPath);
  const kept = await readFile(node.in('agent.toml'), 'utf8');
  await writeFile(node.in('guide.json'), template);
  await writeFile(node.in('agent.toml'), kept.replace('template.json', 'guide.json'));
  const checked = await node.agent('--check');
  assert.equal(checked.code, 0, checked.output);
  assert.match(checked.output, /inbound "vless-tls": vless on port 10443/);
  const examined = await node.agent('doctor');
  assert.equal(examined.code, 0, examined.output);
  assert.match(examined.output, /The core is V2Ray 4.* runs \(process \d+\)/);
  assert.match(examined.output, /The core's api answers on 127\.0\.0\.1:/);
  await writeFile(node.in('guide.json'), template.replace('"freedom"', '"nonsense"'));
  const refused = await node.agent('doctor');
  assert.equal(refused.code, 1);
  assert.match(refused.output, /MISSING .*V2Ray does not take it/);
  await writeFile(node.in('agent.toml'), kept);
});

test('users are added to the running core and removed from it under traffic, and nobody else notices', { timeout }, async (context) => {
  const pid = node.corePid;
  const downloads = ['dora', 'emil'].map((user, index) => lab.download({ user, protocol: V2RAY_PROTOCOLS[index], rate: RATE }));
  await until('they run', () => downloads.every(({ startedAt }) => startedAt !== null));
  const names = ['gustav', 'helga', 'ida'];
  const began = performance.now();
  for (const name of names) await site.api('POST', '/api/v1/users', { name });
  const newcomers = await labOf(names);
  const passes = async (user) => (await newcomers.tcp({ user, protocol: 'trojan', up: 10, down: 10 })).outcome === 'complete';
  for (const user of names) await explained(until(`${user} passes`, () => passes(user)));
  context.diagnostic(`three new users passed ${Math.round(performance.now() - began)} ms after the first was created`);
  await site.api('DELETE', '/api/v1/users/gustav');
  await explained(until('gustav is refused', async () => !(await passes('gustav'))));
  assert.ok(await passes('helga'));
  assert.equal(node.corePid, pid);
  for (const download of downloads) {
    assert.equal(download.broken, null);
    await download.stop();
  }
  await settled([...USERS, 'helga', 'ida']);
  assert.equal((await status()).reloads, 1);
});

test('who is cut is refused at once, and what his open connections still move is counted and shown', { timeout }, async (context) => {
  const download = lab.download({ user: 'fritz', protocol: 'trojan', rate: RATE });
  await until('it runs', () => download.startedAt !== null);
  await sleep(1000);
  const before = await status();
  await site.api('POST', '/api/v1/users/fritz/disable');
  // Over vmess the core keeps who is refused waiting for a minute.
  const refused = async () => (await lab.tcp({ user: 'fritz', protocol: 'vless' })).outcome !== 'complete';
  await explained(until('fritz is refused', refused));
  await sleep(3000);
  assert.equal(download.broken, null, 'the core lets open connections go on');
  await download.stop();
  await settled();
  const grown = await until('it is shown', async () => {
    const bytes = (await status()).overshoot - before.overshoot;
    return bytes >= 2 * RATE && bytes;
  });
  assert.ok(grown <= 10 * RATE, `${grown} bytes after the cut`);
  await explained(until('the panel shows it', async () => (await site.nodeInPanel(id)).status.overshoot >= grown));
  context.diagnostic(`${grown} bytes passed after the cut, at ${RATE} a second`);
  await site.api('POST', '/api/v1/users/fritz/enable');
  await explained(until('fritz passes again', async () => !(await refused())));
});

test('a core that is killed is given its users again, doubles nothing, and starts with them even without the agent', { timeout }, async (context) => {
  await settled();
  const download = lab.download({ user: 'anna', protocol: 'vmess', rate: RATE, retry: true });
  await until('it runs', () => download.startedAt !== null);
  await sleep(2000);
  await node.stopCore('SIGKILL');
  await node.startCore();
  await until('anna downloads again', () => download.restoredAt !== null);
  await download.stop();
  for (const user of USERS) {
    const entry = await explained(until(`${user} passes`, async () => {
      const one = await lab.tcp({ user, protocol: 'vless', up: 5, down: 5 });
      return one.outcome === 'complete' && one;
    }));
    assert.equal(entry.outcome, 'complete');
  }
  const lost = await explained(until('all is reported', async () => {
    const bytes = await missing('anna');
    // What flowed between the last reading and the kill: a second at most.
    return bytes <= 1.5 * RATE && { bytes };
  }));
  const { lost_estimate: estimate, reloads } = await until('the loss is told', async () => {
    const told = await status();
    return told.lost_estimate > 0 && told;
  });
  assert.equal(reloads, 1);
  context.diagnostic(`${lost.bytes} bytes were counted by nobody at ${RATE} a second; the estimate is ${estimate}`);
  // The file holds everybody whose gate is open.
  const slots = await site.slots();
  const { inbounds } = await node.coreFile();
  const emails = inbounds.find(({ tag }) => tag === 'vmess-in').settings.clients.map(({ email }) => email);
  for (const user of USERS) assert.ok(emails.includes(slots.get(user)), user);
  await node.stopAgent();
  await node.stopCore('SIGKILL');
  await node.startCore();
  await until('anna passes without the agent', async () => (await lab.tcp({ user: 'anna', protocol: 'vmess', up: 7, down: 7 })).outcome === 'complete');
  node.startAgent();
});

test('a restart that the agent causes loses no more than flowed since its last reading', { timeout }, async (context) => {
  await explained(site.heldOn(id));
  const users = ['boris'];
  const before = await missing('boris');
  const download = lab.download({ user: 'boris', protocol: 'vmess', rate: RATE, retry: true });
  await until('it runs', () => download.startedAt !== null);
  await sleep(1500);
  const pid = node.corePid;
  // The template is saved with another inbound: only a restart brings it into this core.
  await node.writeTemplate({ ...node.template, log: { loglevel: 'error' } });
  await explained(until('the core is another', () => node.corePid !== undefined && node.corePid !== pid));
  await until('boris downloads again', () => download.restoredAt !== null);
  await download.stop();
  const found = await explained(until('all is reported', async () => {
    const bytes = (await missing(users[0])) - before;
    return bytes <= RATE / 2 && { bytes };
  }));
  context.diagnostic(`${found.bytes} bytes flowed between the last reading and the end of the core, at ${RATE} a second`);
  await explained(until('its reason is told', async () => (await status()).reloaded.why === 'template'));
});

test('a template that the core does not take leaves everybody connected, and is told', { timeout }, async () => {
  const pid = node.corePid;
  const good = node.template;
  await node.writeTemplate({ ...good, outbounds: [{ protocol: 'nonsense' }] });
  await explained(until('the mistake is told', async () => (await status()).last_error.includes('does not take it')));
  assert.equal(node.corePid, pid);
  assert.equal((await lab.tcp({ user: 'dora', protocol: 'vless', up: 1, down: 1 })).outcome, 'complete');
  await node.writeTemplate(good);
  await explained(until('it is mended', async () => !(await status()).last_error.includes('does not take it')));
});
