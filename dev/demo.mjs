/**
 * The demo of `make up`: a node with a real sing-box and the agent beside it, entered and enrolled as an operator would do it, and three
 * users. What is missing is made, so a second start goes on with the same node, ledger and users.
 */
import { copyFile, mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { makeCertificate } from '../tests/support/certificate.mjs';
import { LocalNode } from '../tests/support/node.mjs';
import { startTraffic } from './demo-traffic.mjs';
import { Trouble } from './home.mjs';

const NODE = 'demo';
const MB = 2 ** 20;
const GB = 2 ** 30;
/** Ten times what a slow machine needs. */
const LOAD_LIMIT_MS = 60_000;
/** What systemd would look after on a host. */
const LOOK_EVERY_MS = 2_000;

/**
 * `head`: bytes that a user has at least used in this period before the gentle part begins. `rate`: bytes per second of it.
 * The last one has 8 MB left and is cut while one looks on, after a quarter of an hour.
 */
const USERS = [
  { name: 'alice', monthly_quota: 50 * GB, note: 'family plan', head: 150 * MB, rate: 60_000 },
  { name: 'bob', monthly_quota: GB, total_quota: 10 * GB, note: 'phone and laptop', head: 320 * MB, rate: 12_000 },
  { name: 'carol', monthly_quota: 100 * MB, note: 'trial', head: 92 * MB, rate: 6_000 },
];

/**
 * @param {object} options
 * @param {import('../tests/support/panel.mjs').Panel} options.panel
 * @param {import('./home.mjs').Home} options.home
 * @param {(text: string) => void} options.say
 * @param {(text: string) => Promise<void>} options.log
 * @param {AbortSignal} options.signal ends the start
 * @param {(name: string, how: () => Promise<unknown>) => void} options.onStop told of each thing that must be stopped
 */
export async function startDemo({ panel, home, say, log, signal, onStop }) {
  const folder = path.join(home.data, 'node');
  say('demo node: starting sing-box and the agent');
  const node = await enrolled({ panel, folder });
  signal.throwIfAborted();
  onStop('sing-box', () => node.stop());
  node.startAgent();
  // Before the core: its last connections are counted, and what the agent holds is reported.
  onStop('the agent', () => node.stopAgent());
  await home.note('agent', node.agentPid);
  await loaded({ panel, node, signal, folder });
  await home.note('sing-box', node.corePid);
  onStop('', watch({ node, home, log }));
  say(`demo node: serves ${Object.keys(node.ports).join(', ')}`);
  const users = [];
  for (const { head, rate, ...fields } of USERS) users.push({ ...(await made(panel, fields)), head, rate });
  signal.throwIfAborted();
  say(`demo users: ${users.map(({ name }) => name).join(', ')}; a client makes their traffic`);
  await startTraffic({ users, node, home, log, signal, onStop });
}

/** The node of this folder, known to the panel. */
async function enrolled({ panel, folder }) {
  let entry = await nodeEntry(panel);
  // Deleted in the panel: its ledger belongs to nobody any more.
  if (!entry) await rm(folder, { recursive: true, force: true });
  const certificate = await freshCertificate(folder);
  // The panel may be on another port than when the node enrolled.
  const node = await LocalNode.make({ folder, certificate, settings: { panel: panel.url } });
  const withTls = node.template.inbounds.filter(({ tls }) => tls).map(({ tag }) => tag);
  // Clients that read the subscriptions must be told that nobody signed the certificate.
  await node.writeTemplate({ ...node.template, weir: { self_signed: withTls } });
  if (node.isEnrolled) return node;
  entry = entry
    ? await ask(panel, 'POST', `/api/v1/nodes/${entry.id}/rotate-key`)
    : await ask(panel, 'POST', '/api/v1/nodes', { name: NODE, address: '127.0.0.1' });
  await node.enroll(panel.url, entry.token);
  return node;
}

async function nodeEntry(panel) {
  const { items } = await ask(panel, 'GET', '/api/v1/nodes');
  return items.find(({ name }) => name === NODE);
}

/** Made anew with every start, in the same place: it is valid for two days only. */
async function freshCertificate(folder) {
  const made = await makeCertificate();
  const kept = { certificatePath: path.join(folder, 'certificate.pem'), keyPath: path.join(folder, 'key.pem') };
  await mkdir(folder, { recursive: true });
  for (const file of Object.keys(kept)) await copyFile(made[file], kept[file]);
  await made.remove();
  return kept;
}

/** Wait until the core runs with the panel's slots. */
async function loaded({ panel, node, signal, folder }) {
  const deadline = performance.now() + LOAD_LIMIT_MS;
  for (;;) {
    const entry = await nodeEntry(panel);
    // A second start finds what the first one said; the core itself must have answered the agent that runs now.
    if (entry?.roster_loaded > 0 && node.corePid !== undefined && (await speaks(node))) return;
    if (node.agentPid === undefined) throw new Trouble(`the demo's agent ended: ${path.join(folder, 'agent.log')} says why`);
    if (performance.now() > deadline) {
      throw new Trouble(`the demo's sing-box did not load its users within ${LOAD_LIMIT_MS / 1000} s: see the logs in ${folder}`);
    }
    await sleep(200, undefined, { signal });
  }
}

/** @returns {Promise<boolean>} whether the agent that runs has found its core */
async function speaks(node) {
  const status = await node.status().catch(() => undefined);
  return status?.pid === node.agentPid && status.core_up;
}

/** The user of that name. */
async function made(panel, fields) {
  const found = await panel.api('GET', `/api/v1/users/${fields.name}`);
  return found.status === 404 ? ask(panel, 'POST', '/api/v1/users', fields) : found.body;
}

async function ask(panel, method, where, body) {
  const { status, text, body: answer } = await panel.api(method, where, body);
  if (status >= 300) throw new Error(`${method} ${where}: ${status} ${text}`);
  return answer;
}

/** Start agent and core again when they end, as a service manager would. @returns {() => Promise<void>} how to end it */
function watch({ node, home, log }) {
  let wasUp = true;
  const look = async () => {
    if (node.agentPid === undefined) {
      await log('the agent ended and is started again');
      node.startAgent();
    }
    const isUp = node.corePid !== undefined;
    // Twice in a row: the agent itself may be about to start it.
    if (!isUp && !wasUp) {
      await log('sing-box ended and is started again');
      await node.startCore();
    }
    wasUp = isUp;
    await home.note('agent', node.agentPid);
    await home.note('sing-box', node.corePid);
  };
  return every(LOOK_EVERY_MS, look, log);
}

/** Do something again and again, never twice at a time. @returns {() => Promise<void>} how to end it */
export function every(ms, what, log) {
  const end = new AbortController();
  const running = (async () => {
    while (!end.signal.aborted) {
      await sleep(ms, undefined, { signal: end.signal }).catch(() => {});
      if (!end.signal.aborted) await what().catch((error) => log(error.stack));
    }
  })();
  return async () => {
    end.abort();
    await running;
  };
}
