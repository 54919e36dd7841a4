/** A real mihomo as a subscription's client: it fetches the link list itself and says what it made of it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import net from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { enginePath } from './engines.mjs';
import { freePort } from './ports.mjs';
import { LAB_PASSWORD } from './singbox-config.mjs';
import { TrafficLab } from './traffic.mjs';

/** Clients that still run. If this process ends early, nobody else would stop them. */
const running = new Set();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** It loads a list within a second; ten times that is a hang. */
const LIMIT_MS = 15_000;

/**
 * Let mihomo fetch a subscription.
 *
 * @param {string} url
 * @param {{between?: () => Promise<void>}} [options] `between`: what happens before it is told to fetch once more
 * @returns {Promise<{proxies: Array<{name: string, type: string}>, subscriptionInfo?: {Upload: number, Download: number, Total: number,
 *   Expire: number}, log: string}>} what it loaded; no proxies when it refused the list
 * @throws {Error} if mihomo is missing or does not start within 15 s
 */
export async function loadWithMihomo(url, { between } = {}) {
  const folder = await mkdtemp(path.join(tmpdir(), 'weir-mihomo-'));
  const port = await freePort();
  const where = `http://127.0.0.1:${port}/providers/proxies/weir`;
  // JSON is YAML. Nothing here leaves this machine: no DNS, no databases, no health checks.
  const config = {
    'mixed-port': 0,
    'bind-address': '127.0.0.1',
    'external-controller': `127.0.0.1:${port}`,
    'geo-auto-update': false,
    dns: { enable: false },
    'proxy-providers': {
      // Its own fetches would go by its rules too.
      weir: { type: 'http', url, path: './weir.txt', interval: 3600, proxy: 'DIRECT', 'health-check': { enable: false, url: 'http://127.0.0.1:1/', interval: 0 } },
    },
    'proxy-groups': [{ name: 'ALL', type: 'select', use: ['weir'] }],
    rules: ['MATCH,ALL'],
  };
  const file = path.join(folder, 'config.yaml');
  await writeFile(file, JSON.stringify(config));
  const child = spawn(enginePath('mihomo'), ['-d', folder, '-f', file], { stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = once(child, 'exit');
  let log = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (log += data));
  try {
    const deadline = Date.now() + LIMIT_MS;
    for (;;) {
      let provider = await fetch(where).then((answer) => answer.json(), () => undefined);
      if (between && provider?.proxies?.length > 0) {
        await between();
        const again = await fetch(where, { method: 'PUT' });
        if (!again.ok) throw new Error(`mihomo does not fetch again: ${await again.text()}`);
        provider = await (await fetch(where)).json();
      }
      const isRefused = log.includes('initial proxy provider');
      if (provider?.proxies?.length > 0 || (provider && isRefused)) return { ...provider, proxies: provider.proxies ?? [], log };
      if (child.exitCode !== null || Date.now() > deadline) throw new Error(`mihomo loaded nothing:\n${log}`);
      await sleep(50);
    }
  } finally {
    if (child.exitCode === null) {
      child.kill('SIGKILL');
      await ended;
    }
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * Run mihomo as a client whose local SOCKS inbound sends each user through the proxy of his name, and anybody else nowhere.
 *
 * @param {{listenPort: number, proxies: Array<{name: string}>}} options proxies as a subscription has them
 * @returns {Promise<{stop: () => Promise<void>, log: () => string}>} once it listens
 * @throws {Error} with its log, if it refuses the proxies or does not listen within 15 s
 */
export async function runMihomo({ listenPort, proxies }) {
  const names = proxies.map(({ name }) => name);
  const config = {
    'socks-port': listenPort,
    'bind-address': '127.0.0.1',
    'allow-lan': true,
    'geo-auto-update': false,
    dns: { enable: false },
    authentication: names.map((name) => `${name}:${LAB_PASSWORD}`),
    proxies,
    rules: [...names.map((name) => `IN-USER,${name},${name}`), 'MATCH,REJECT'],
  };
  return serve(config, listenPort);
}

/**
 * Run mihomo as a client that fetches subscriptions itself, and whose local SOCKS inbound sends each user through one of the proxies in
 * them, and anybody else nowhere.
 *
 * @param {{listenPort: number, lists: Record<string, string>, ways: Array<{name: string, list: string, proxy: string}>,
 *   trusted?: string}} options `lists`: URLs by a name; `ways`: the laboratory's user, and which proxy of which list is his; `trusted`: a
 *   file of the certificates that it trusts
 * @returns {Promise<{stop: () => Promise<void>, log: () => string, loaded: Record<string, string[]>}>} once it has loaded every list;
 *   `loaded` names the proxies of each, by mihomo's own word
 * @throws {Error} with its log, if it does not listen or a list is empty after 15 s
 */
export async function runSubscribed({ listenPort, lists, ways, trusted }) {
  const controller = await freePort();
  const provider = (url, index) => ({ type: 'http', url, path: `./${index}.txt`, interval: 3600, proxy: 'DIRECT', 'health-check': { enable: false, url: 'http://127.0.0.1:1/', interval: 0 } });
  const config = {
    'socks-port': listenPort,
    'bind-address': '127.0.0.1',
    'allow-lan': true,
    'external-controller': `127.0.0.1:${controller}`,
    'geo-auto-update': false,
    dns: { enable: false },
    authentication: ways.map(({ name }) => `${name}:${LAB_PASSWORD}`),
    'proxy-providers': Object.fromEntries(Object.entries(lists).map(([list, url], index) => [list, provider(url, index)])),
    'proxy-groups': ways.map(({ name, list, proxy }) => ({ name, type: 'select', use: [list], filter: `^${proxy}$` })),
    rules: [...ways.map(({ name }) => `IN-USER,${name},${name}`), 'MATCH,REJECT'],
  };
  const client = await serve(config, listenPort, trusted === undefined ? {} : { SSL_CERT_FILE: trusted });
  try {
    const deadline = Date.now() + LIMIT_MS;
    for (;;) {
      const answer = await fetch(`http://127.0.0.1:${controller}/providers/proxies`).then((got) => got.json(), () => undefined);
      const proxies = Object.keys(lists).map((list) => [list, (answer?.providers[list]?.proxies ?? []).map(({ name }) => name)]);
      if (proxies.every(([, names]) => names.length > 0)) return { ...client, loaded: Object.fromEntries(proxies) };
      if (Date.now() > deadline) throw new Error(`mihomo has not loaded every list:\n${client.log()}`);
      await sleep(50);
    }
  } catch (error) {
    await client.stop();
    throw error;
  }
}

/**
 * The proxies of a subscription for mihomo.
 *
 * @param {string} yaml as the panel writes it
 * @returns {Array<{name: string, port: number}>}
 */
export function proxiesOf(yaml) {
  const lines = yaml.split('\n').filter((line) => line.startsWith('  - {"name":') && line.includes('"server":'));
  return lines.map((line) => JSON.parse(line.slice(4)));
}

/**
 * Wait until a client lets connections through: mihomo listens a moment before, and drops what comes then.
 *
 * @param {number} socksPort of the client
 * @param {{user: string, protocol: string}} way as the laboratory names it
 * @returns {Promise<{up: number, down: number}>} what this took, which a node counts like any other bytes
 * @throws {Error} if it lets none through within 15 s
 */
export async function letsThrough(socksPort, way) {
  const probe = await TrafficLab.start({ socksPort });
  try {
    const deadline = Date.now() + LIMIT_MS;
    for (;;) {
      const { outcome, reason, clientSent: up, clientReceived: down } = await probe.tcp(way);
      if (outcome === 'complete') return { up, down };
      if (Date.now() > deadline) throw new Error(`the client lets nothing through: ${outcome} ${reason}`);
      await sleep(50);
    }
  } finally {
    await probe.stop();
  }
}

/**
 * Run mihomo as a server.
 *
 * @param {object[]} listeners as its configuration has them
 * @param {number} readyPort of one of them
 * @returns {Promise<{stop: () => Promise<void>, log: () => string}>} once that port answers
 * @throws {Error} with its log, if it ends or does not listen within 15 s
 */
export async function serveMihomo(listeners, readyPort) {
  const config = { 'geo-auto-update': false, dns: { enable: false }, listeners, rules: ['MATCH,DIRECT'] };
  return serve(config, readyPort);
}

/** Runs mihomo in a folder of its own, and waits until a port answers. */
async function serve(config, port, env = {}) {
  const folder = await mkdtemp(path.join(tmpdir(), 'weir-mihomo-'));
  const file = path.join(folder, 'config.yaml');
  await writeFile(file, JSON.stringify(config));
  const child = spawn(enginePath('mihomo'), ['-d', folder, '-f', file], { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } });
  running.add(child);
  const ended = once(child, 'exit');
  let log = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (log += data));
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL');
      await ended;
    }
    running.delete(child);
    await rm(folder, { recursive: true, force: true });
  };
  const deadline = Date.now() + LIMIT_MS;
  while (!(await listens(port))) {
    if (child.exitCode !== null || Date.now() > deadline) {
      await stop();
      throw new Error(`mihomo does not listen:\n${log}`);
    }
    await sleep(50);
  }
  return { stop, log: () => log };
}

function listens(port) {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
