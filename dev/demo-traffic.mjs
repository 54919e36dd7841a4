/**
 * The demo users' traffic: one real sing-box client, set up from their subscriptions, through which each user first uses up what makes
 * his row worth looking at, and then goes on gently: one steady stream, one connection that is kept alive, and a page now and then.
 */
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { freePort } from '../tests/support/ports.mjs';
import { clientAround, labUser } from '../tests/support/singbox-config.mjs';
import { startSingBox } from '../tests/support/singbox.mjs';
import { TrafficLab } from '../tests/support/traffic.mjs';
import { every } from './demo.mjs';
import { outboundOf } from './share-links.mjs';

/** A subscription is fetched this often; real clients take hours. */
const FETCH_EVERY_MS = 30_000;
/** Bytes of one download of the first part: less than what a node may grant itself before the panel has answered. */
const PIECE = 2 ** 20;
const PAGE_EVERY_MS = 4_000;
/** A user who was refused tries again so much later. */
const RETRY_MS = 10_000;

/**
 * @param {object} options
 * @param {Array<{name: string, subscription_url: string, monthly_used: number, head: number, rate: number}>} options.users
 * @param {import('../tests/support/node.mjs').LocalNode} options.node
 * @param {import('./home.mjs').Home} options.home
 * @param {(text: string) => Promise<void>} options.log
 * @param {AbortSignal} options.signal ends the start
 * @param {(name: string, how: () => Promise<unknown>) => void} options.onStop told of each thing that must be stopped
 */
export async function startTraffic({ users, node, home, log, signal, onStop }) {
  const client = new Client({ users, node, home, log });
  await client.start();
  onStop('', () => client.stop());
  const lab = await TrafficLab.start({ socksPort: client.port });
  const end = new AbortController();
  // Aborted first, so that nobody begins anew while the laboratory ends what runs.
  onStop('the traffic', async () => {
    end.abort();
    await lab.stop();
  });
  const protocols = Object.keys(node.ports);
  const ended = AbortSignal.any([signal, end.signal]);
  await Promise.all(users.map((user) => useUp(lab, user, protocols, ended)));
  users.forEach((user, index) => {
    const turn = (by) => protocols[(index + by) % protocols.length];
    const lives = [
      () => lab.download({ user: user.name, protocol: turn(0), rate: user.rate }).ended,
      () => lab.idle({ user: user.name, protocol: turn(1) }).ended,
    ];
    for (const live of lives) void goOn(live, ended);
    let page = index;
    void goOn(async () => {
      page += 1;
      await browse(lab, user, turn(page), page);
      await sleep(PAGE_EVERY_MS, undefined, { signal: ended });
    }, ended, 0);
  });
}

/** The client's core: an outbound for each link of each user. */
class Client {
  #users;
  #node;
  #home;
  #log;
  #core;
  #config;
  #stopWatch = async () => {};

  constructor({ users, node, home, log }) {
    this.#users = users.map(({ name, subscription_url: url }) => ({ name, url, outbounds: [] }));
    this.#node = node;
    this.#home = home;
    this.#log = log;
  }

  async start() {
    /** Of the local inbound. */
    this.port = await freePort();
    await this.#fetch();
    await this.#run();
    this.#stopWatch = every(FETCH_EVERY_MS, () => this.#look(), this.#log);
  }

  async stop() {
    await this.#stopWatch();
    await this.#core?.stop();
  }

  async #look() {
    const hasChanged = await this.#fetch();
    if (!this.#core.alive) await this.#run();
    else if (hasChanged) this.#core.reload();
  }

  async #run() {
    this.#core = await startSingBox({ configPath: this.#file, readyPort: this.port, name: "the demo's client" });
    await this.#home.note('client', this.#core.pid);
  }

  get #file() {
    return path.join(this.#home.data, 'client.json');
  }

  /** @returns {Promise<boolean>} whether somebody's links have changed */
  async #fetch() {
    for (const user of this.#users) {
      const answer = await fetch(`${user.url}/links`);
      const links = answer.ok ? (await answer.text()).trim().split('\n') : [];
      const ports = Object.values(this.#node.ports);
      // Someone who is cut gets one entry that says why and leads nowhere: a client keeps the servers that it knows.
      const outbounds = links.map(outboundOf).filter(({ server_port: port }) => ports.includes(port));
      if (outbounds.length > 0) user.outbounds = outbounds.map((one) => ({ ...one, tag: labUser(user.name, one.type) }));
    }
    const outbounds = this.#users.flatMap((user) => user.outbounds);
    const config = JSON.stringify(clientAround({ listenPort: this.port, outbounds, logLevel: 'fatal' }));
    if (config === this.#config) return false;
    this.#config = config;
    await writeFile(this.#file, config, { mode: 0o600 });
    return true;
  }
}

/** Download until the user has used what he shall have used in this period. */
async function useUp(lab, { name, monthly_used: used, head }, protocols, ended) {
  let missing = head - used;
  for (let turn = 0; missing > 0 && !ended.aborted; turn += 1) {
    const protocol = protocols[turn % protocols.length];
    const entry = await lab.tcp({ user: name, protocol, up: PIECE / 32, down: Math.min(PIECE, missing), lingerMs: 0 });
    missing -= entry.clientReceived + entry.clientSent;
    lab.account.forget(entry);
    // Refused: the panel's answer to the first bytes is still under way, or he is cut and was so before.
    if (entry.outcome !== 'complete') await pause(200, ended);
  }
}

/** A page: little up, more down, never twice the same. */
async function browse(lab, { name, rate }, protocol, page) {
  const entry = await lab.tcp({ user: name, protocol, up: 500 + ((page * 7_919) % 3_000), down: rate + ((page * 104_729) % (2 * rate)) });
  lab.account.forget(entry);
  if (entry.outcome !== 'complete') throw new Error(entry.reason);
}

/** Do something until the end, with a pause after each time and a longer one after a failure. */
async function goOn(what, ended, pauseMs = RETRY_MS) {
  while (!ended.aborted) {
    const failed = await what().then(() => false, () => true);
    await pause(failed ? RETRY_MS : pauseMs, ended);
  }
}

async function pause(ms, ended) {
  if (ms > 0) await sleep(ms, undefined, { signal: ended }).catch(() => {});
}
