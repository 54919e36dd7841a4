/**
 * What the agent takes of its host: 1,000 and 2,000 users, and 500 new connections a second through a `mixed` inbound of a real sing-box;
 * and the same beside a release before 1.14, all of whose traffic goes through the agent. A machine that has to do something else
 * meanwhile does not make so many: `--rate` asks for fewer.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { Account } from '../tests/support/account.mjs';
import { makeCertificate } from '../tests/support/certificate.mjs';
import { startTargets, tcpRequest } from '../tests/support/echo-server.mjs';
import { enginePath, olderReaders } from '../tests/support/engines.mjs';
import { LocalNode } from '../tests/support/node.mjs';
import { seedNode } from '../tests/support/seed.mjs';
import { settledStatus } from '../tests/support/singbox-status.mjs';
import { socksConnect } from '../tests/support/socks5.mjs';
import { Site } from '../tests/support/site.mjs';
import { slotCredentials } from '../tests/support/wire.mjs';
import { panelWithUsers } from './panels.mjs';
import { cpuSeconds, memory, used } from './process.mjs';
import { figure, mebibytes, median, verdict } from './report.mjs';

/** Hosts, and what the agent may take of each: bytes of memory, % of a core. What has no aim is measured all the same. */
const HOSTS = [
  { count: 1000, rssAim: 12 * 1024 ** 2, cpuAim: 10 },
  { count: 2000, rssAim: 24 * 1024 ** 2, cpuAim: 25 },
  { count: 1000, relayed: true },
];
/** Payload of a connection, beside the request of 32 bytes: about a small page. */
const UP = 500;
const DOWN = 8000;
const WARM_UP_S = 20;
/** The core tells of what has ended within its tick of a second. */
const HEARD_MS = 3000;
const HANG_LIMIT_MS = 60_000;

/** @param {{say: (line: string) => void, seconds?: number, rate?: number}} options seconds of measuring, connections a second @returns {Promise<import('./report.mjs').Section>} */
export async function run({ say, seconds = 60, rate = 500 }) {
  const measured = [];
  for (const host of HOSTS) measured.push(await measure(host, { say, seconds, rate }));
  return {
    title: 'The agent',
    tables: measured.map(({ table }) => table),
    notes: [
      `Medians over ${seconds} s each. Connections of ${UP + 32} bytes up and ${DOWN} down through a mixed inbound; each user in turn.`,
      ...measured.map(({ note }) => note),
    ],
  };
}

/** One host. */
async function measure(host, { say, seconds, rate: wanted }) {
  const { count, relayed = false } = host;
  const release = relayed ? olderReaders().at(-1) : { name: 'sing-box-1.14', path: enginePath('sing-box') };
  say(`a panel with ${count} users, and a node of ${release.name}`);
  const { panel, users } = await panelWithUsers(count);
  const folder = await mkdtemp(path.join(tmpdir(), 'weir-bench-'));
  const certificate = await makeCertificate();
  const account = new Account();
  const targets = await startTargets(account);
  let node;
  try {
    node = await LocalNode.make({ folder, certificate, protocols: ['mixed'], binary: release.path, change: relayed ? ({ services: _, ...template }) => template : undefined });
    const { token } = await seedNode(panel);
    await node.enroll(panel.url, token);
    node.startAgent();
    await loaded(node, count);
    say(`at rest for ${seconds} s`);
    const rest = await watch(node, seconds);
    const people = users.map(({ slot }) => ({ slot, password: slotCredentials(panel.slotKey, slot).password }));
    const load = new Load({ people, account, socksPort: node.ports.mixed, targetPort: targets.tcpPort, rate: wanted });
    const loading = load.run(WARM_UP_S + seconds);
    say(`${wanted} connections a second: warming up for ${WARM_UP_S} s`);
    await sleep(WARM_UP_S * 1000);
    say(`${wanted} connections a second for ${seconds} s`);
    const begun = load.begun;
    const busy = await watch(node, seconds);
    const rate = (load.begun - begun) / busy.wall;
    await loading;
    say('until the agent has heard of every connection');
    // One of before 1.14 has no word for it.
    const core = relayed ? null : await settledStatus(node.api);
    const { node: last } = await node.statusAfter(Date.now() + HEARD_MS);
    say('until the panel has all of it');
    // The agent reports the last of it before it ends.
    await node.stopAgent();
    const wrong = wrongly(await new Site(panel).history(), users, account);
    return told(host, release, { rest, busy, rate, load, core, last, wrong });
  } catch (error) {
    throw new Error(`${error.message}\n${(await node?.logs()) ?? ''}`, { cause: error });
  } finally {
    await node?.stop();
    await targets.stop();
    await panel.stop();
    await certificate.remove();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Wait until the core runs with every user. */
async function loaded(node, count) {
  const deadline = performance.now() + HANG_LIMIT_MS;
  while (performance.now() < deadline) {
    const status = await node.status().catch(() => null);
    if (status?.core_up && status.slots >= count && status.node.pending_reload === 0 && status.node.reloads > 0) return;
    await sleep(200);
  }
  throw new Error('the core did not load the roster');
}

/** @returns {Promise<Usage>} @typedef {{cpu: number, coreCpu: number, rss: number, anonymous: number, peak: number, wall: number}} Usage */
async function watch(node, seconds) {
  const { agentPid, corePid } = node;
  const samples = [];
  const before = cpuSeconds(corePid);
  const { cpu, wall } = await used(agentPid, async () => {
    for (let second = 0; second < seconds; second += 1) {
      await sleep(1000);
      samples.push(memory(agentPid));
    }
  });
  const of = (name) => median(samples.map((sample) => sample[name]));
  return {
    cpu: (100 * cpu) / wall,
    coreCpu: (100 * (cpuSeconds(corePid) - before)) / wall,
    rss: of('rss'),
    anonymous: of('anonymous'),
    peak: samples.at(-1).peak,
    wall,
  };
}

/** Connections at a steady rate, whatever becomes of the earlier ones, each by the next user. */
class Load {
  #options;

  /** @param {{people: Array<{slot: string, password: string}>, rate: number, account: Account, socksPort: number, targetPort: number}} options */
  constructor(options) {
    this.#options = options;
    this.begun = 0;
    /** How many failed, by the reason. @type {Map<string, number>} */
    this.failures = new Map();
  }

  /** @param {number} seconds @returns {Promise<void>} once the last connection has ended */
  async run(seconds) {
    const start = performance.now();
    const open = new Set();
    for (let elapsed = 0; elapsed < seconds; elapsed = (performance.now() - start) / 1000) {
      while (this.begun < elapsed * this.#options.rate) {
        const connection = this.#exchange(this.begun).finally(() => open.delete(connection));
        open.add(connection);
        this.begun += 1;
      }
      await sleep(2);
    }
    await Promise.all(open);
  }

  async #exchange(number) {
    const { people, account, socksPort, targetPort } = this.#options;
    const { slot, password } = people[number % people.length];
    const entry = account.open({ user: slot, protocol: 'mixed', network: 'tcp' });
    try {
      const signal = AbortSignal.timeout(HANG_LIMIT_MS);
      const socket = await socksConnect({ socksPort, username: slot, password, signal }, targetPort);
      await exchange(socket, entry);
    } catch (error) {
      entry.close(error.message);
      this.failures.set(error.message, (this.failures.get(error.message) ?? 0) + 1);
    }
  }

  /** @returns {number} payload bytes of all connections, as both ends counted them */
  get bytes() {
    const { up, down } = this.#options.account.sum();
    return up.high + down.high;
  }
}

/** Send the request with its payload and read the answer; the target ends first. */
function exchange(socket, entry) {
  const request = Buffer.concat([tcpRequest({ id: entry.id, mode: 'exchange', up: UP, down: DOWN }), Buffer.alloc(UP)]);
  return new Promise((resolve, reject) => {
    socket.on('data', (chunk) => (entry.clientReceived += chunk.length));
    socket.once('error', reject);
    socket.once('end', () => {
      socket.end();
      if (entry.clientReceived < DOWN) {
        reject(new Error('ended early'));
        return;
      }
      entry.close('');
      resolve();
    });
    entry.clientSent += request.length;
    socket.write(request);
    socket.resume();
  });
}

/** How many users have other bytes in the panel than both ends counted. */
function wrongly(history, users, account) {
  const nothing = () => ({ up: { low: 0, high: 0 }, down: { low: 0, high: 0 } });
  const bounds = new Map(users.map(({ slot }) => [slot, nothing()]));
  for (const entry of account.entries()) {
    const sum = bounds.get(entry.user);
    for (const way of ['up', 'down']) {
      sum[way].low += entry[way].low;
      sum[way].high += entry[way].high;
    }
  }
  const within = (bytes, { low, high }) => bytes >= low && bytes <= high;
  return users.filter(({ name, slot }) => {
    const [found, { up, down }] = [history.get(name) ?? { up: 0, down: 0 }, bounds.get(slot)];
    return !within(found.up, up) || !within(found.down, down);
  }).length;
}

function told({ count, rssAim = Infinity, cpuAim = Infinity }, release, { rest, busy, rate, load, core, last, wrong }) {
  const row = (what, usage) => [
    what,
    mebibytes(usage.rss),
    mebibytes(usage.anonymous),
    mebibytes(usage.peak),
    figure(usage.cpu),
    figure(usage.coreCpu),
    [verdict(usage.rss, rssAim) && 'RSS', verdict(usage.cpu, cpuAim) && 'CPU'].filter(Boolean).map((name) => `${name} missed`).join(', '),
  ];
  const failed = [...load.failures].map(([reason, times]) => `${times} (${reason})`).join(', ') || 'none';
  const all = `${release.name}, ${count.toLocaleString('en')} users`;
  const aims = Number.isFinite(rssAim) ? ` (RSS at most ${mebibytes(rssAim)}, CPU ${cpuAim} %)` : '';
  return {
    table: {
      head: [`${all}${aims}`, 'RSS', 'of it anonymous', 'RSS peak', 'agent CPU %', 'sing-box CPU %', ''],
      rows: [row('at rest', rest), row(`${figure(rate)} connections/s`, busy)],
    },
    note:
      `${all}: ${load.begun.toLocaleString('en')} connections, failed: ${failed}. Both ends counted ${load.bytes.toLocaleString('en')} bytes,` +
      `${core ? ` the core ${(core.uplinkTotal + core.downlinkTotal).toLocaleString('en')}` : ' the relay what it passed'}; the agent left ${last.unattributed} unattributed, and` +
      ` ${wrong === 0 ? 'the panel has every user exactly' : `${wrong} users are not exact in the panel`}.`,
  };
}
