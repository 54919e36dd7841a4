/**
 * A whole product in which everything goes wrong at the same time: nodes report, admins and shops and clients ask, jobs run, backups
 * are made and restored, the panel is deployed anew, and 50 faults later everything comes to rest and the account is made up.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { traffic } from '../chaos.mjs';
import { Clocks } from '../clocks.mjs';
import { Dice } from '../dice.mjs';
import { isSync } from '../fault-proxy.mjs';
import { startFleet } from '../fleet.mjs';
import { until } from '../site.mjs';
import { assertAccount } from './account.mjs';
import { Copies } from './copies.mjs';
import { happens, removeDisk, smallDisk } from './hosts.mjs';
import { LedgerNode } from './ledger.mjs';
import { planned, ROUND } from './plan.mjs';
import { PEOPLE, Product } from './product.mjs';
import { RealGate } from './real-gate.mjs';
import { Receiver } from './receiver.mjs';

/** The protective lines that can be taken out, and of what. docs/reliability.md says what each of them is. */
export const LINES = {
  last_seq: 'panel',
  digest: 'panel',
  ask_n: 'panel',
  FsyncBeforeSend: 'agent',
  DoneSet: 'agent',
  GateDefault: 'agent',
};
/** Per mille; the last one of the ledgers charges more than it counts. */
const COEFFICIENTS = [1000, 1000, 1000, 1000, 1000, 1500];
const DAY = 86_400;
/** Steps of a passing time are an eighth of it, and not below this. */
const STEP = 600;
/** An agent that has failed often waits for up to a minute before it tries again. */
const SETTLES_WITHIN_MS = 240_000;

export class Run {
  #dice;
  #digest = createHash('sha256');
  #traffic = new Map();
  #copies = new Copies(this);
  #absences = 0;
  /** It has been stopped: whoever is still at work gives up. */
  isOver = false;
  /** The panel's second of the last restore. */
  restoredAt = 0;
  /** Pending while the panel is away on purpose. */
  up = Promise.resolve();
  /** Nodes without a process. @type {LedgerNode[]} */
  ledgers = [];
  /** A user of each real node who moves nothing: his gate is looked at. */
  witness = new Map();
  /** What was done, and by how many bytes somebody passed what he was allowed at most. */
  done = { faults: 0, checks: 0, restores: 0, backups: 0, overshoot: 0, kinds: {} };

  /**
   * @param {{seed: number, ledgers?: number, hosts?: number, real?: boolean, without?: string}} options `real`: with a sing-box
   * @returns {Promise<Run>} that stands still
   */
  static async start({ seed, ledgers = 6, hosts = 2, real = false, without }) {
    const run = new Run();
    run.#dice = new Dice(seed);
    const mutant = (of) => (without && LINES[without] === of ? { WEIR_MUTANT: without } : {});
    const users = [...PEOPLE.map(({ name, fields }) => ({ name, ...fields })), ...Array.from({ length: hosts }, (_, index) => ({ name: `witness-${index + 1}` }))];
    run.fleet = await startFleet({ users, vars: { XPERT_LIMIT_FACTOR: '1000', NOTIFY_PRIVATE: '1', ...mutant('panel') }, bucket: true });
    try {
      await run.#people({ ledgers, hosts, real, env: mutant('agent') });
    } catch (error) {
      await run.stop();
      throw error;
    }
    return run;
  }

  async #people({ ledgers, hosts, real, env }) {
    const { fleet } = this;
    await writeFile(path.join(fleet.folder, 'login.json'), JSON.stringify({ url: fleet.panel.url, api_key: fleet.panel.apiKey }));
    this.clocks = new Clocks(fleet);
    await this.clocks.begin(Math.floor(Date.now() / 1000));
    await fleet.panel.cron();
    this.smallDisks = true;
    for (let index = 0; index < hosts; index += 1) {
      this.smallDisks &&= smallDisk(path.join(fleet.folder, `node-${index + 1}`));
      const node = await this.clocks.addNode();
      Object.assign(node.host.env, env);
      await node.host.killAgent();
      node.host.startAgent();
      const name = `witness-${index + 1}`;
      this.witness.set(node, { name, slot: (await fleet.slots()).get(name) });
    }
    for (let index = 0; index < ledgers; index += 1) {
      const coefficient = COEFFICIENTS.at(index - ledgers);
      this.ledgers.push(await LedgerNode.make(fleet, { name: `ledger-${index + 1}`, coefficient, clock: this.clocks }));
    }
    this.product = new Product(this);
    if (real) this.real = await RealGate.make(this, env);
    this.receiver = await Receiver.start(fleet.panel);
  }

  get proxies() {
    return [...this.fleet.nodes, ...this.ledgers, ...(this.real ? [this.real.node] : [])].map(({ proxy }) => proxy);
  }

  /** @returns {number} days that have begun for the real agents: a grant lasts for one */
  get days() {
    return 1 + Math.ceil(this.clocks.ahead / DAY);
  }

  /** @returns {string} of the sequence of faults until now */
  get digest() {
    return this.#digest.copy().digest('hex').slice(0, 12);
  }

  /** Users move bytes through a real node. */
  flow(node, slots, dice) {
    if (!this.isOver && !this.#traffic.has(node)) this.#traffic.set(node, traffic(node.core, slots, dice));
  }

  /** And no more. */
  still(node) {
    this.#traffic.get(node)?.();
    this.#traffic.delete(node);
  }

  /** Some faults, all at the same time, and then the account. @param {number} [faults] */
  async round(faults = ROUND) {
    const round = planned(this.#dice.split(), { ledgers: this.ledgers.length, hosts: this.fleet.nodes.length, faults });
    this.#digest.update(round.text);
    const dice = this.#dice.split();
    this.people = await this.#slots();
    const nodes = Promise.all(this.#begin(round, dice));
    // It is awaited below; until then nobody else would.
    nodes.catch(() => {});
    if (round.backsUp) await this.#copies.backup();
    await Promise.all([nodes, ...this.#beginProduct(round, dice)]);
    for (const node of this.fleet.nodes) this.still(node);
    await this.settle();
    await assertAccount(this);
    this.done.faults += faults;
    this.done.checks += 1;
    if (round.restores && this.#copies.hasOne) await this.#copies.restore(dice);
    await this.#pass(round.passing);
  }

  async #slots() {
    const slots = await this.fleet.slots();
    return [...slots].filter(([name]) => !name.startsWith('witness')).map(([, slot]) => slot);
  }

  #met(name) {
    this.done.kinds[name] = (this.done.kinds[name] ?? 0) + 1;
  }

  /** The nodes' part of a round. */
  #begin(round, dice) {
    const ledgers = this.ledgers.map((node, index) => this.#ledger(node, round.ledgers[index], dice.split()));
    const hosts = this.fleet.nodes.flatMap((node, index) => {
      const own = dice.split();
      this.flow(node, this.people, own.split());
      return [this.#wire(node, round.wires[index]), this.#host(node, round.hosts[index], own)];
    });
    return [...ledgers, ...hosts];
  }

  #beginProduct(round, dice) {
    for (const mood of round.receiver) this.receiver.turns(mood);
    // Two admins, who may meet.
    const admins = [0, 1].map((odd) => this.#requests(round.requests.filter((_, index) => index % 2 === odd), dice.split()));
    return [...admins, this.#panel(round.panel), this.#jobs(3, dice.split()), this.#clients(5, dice.split())];
  }

  async #ledger(node, list, dice) {
    const spend = () => {
      for (let times = dice.from(1, 4); times > 0; times -= 1) node.spend(dice.one(this.people), dice.from(0, 40_000), dice.from(1, 400_000));
    };
    const asks = () => [dice.one(this.people), dice.one(this.people)];
    for (const fault of list) {
      for (let quiet = dice.from(0, 3); quiet > 0; quiet -= 1) {
        spend();
        await node.talk({ asks: asks() });
      }
      spend();
      await this.up;
      if (fault.name === 'putBack') await this.#putBack(node, spend);
      else await node.talk({ asks: asks(), fault });
      this.#met(fault.name);
    }
  }

  /** A host is put back to a snapshot: what it has reported since then stays, and what comes is new. */
  async #putBack(node, spend) {
    await this.#calm(node);
    const putBack = node.kept();
    const { epoch } = node;
    spend();
    // One report, so that the next one has its number.
    await this.#calm(node);
    if (node.epoch === epoch && !this.isOver) putBack();
    spend();
    await node.talk();
  }

  /** Everything of a node is at the panel, which may be killed meanwhile. */
  async #calm(node) {
    while (!node.isSettled && !this.isOver) {
      await this.up;
      await node.talk();
    }
  }

  async #wire(node, list) {
    for (const { name, fault } of list) {
      await this.up;
      await node.proxy.inject(fault, { name, when: isSync });
      this.#met(name);
    }
  }

  async #host(node, list, dice) {
    for (const what of list) {
      await happens({ node, run: this, slots: this.people, dice }, what);
      this.#met(what.split(' ')[0]);
    }
  }

  async #requests(list, dice) {
    for (const how of list) {
      for (let quiet = dice.from(0, 2); quiet > 0; quiet -= 1) await this.product.act(dice);
      await this.product.act(dice, how);
      this.#met(`request ${how.split(' ')[0]}`);
    }
  }

  async #clients(count, dice) {
    for (let index = 0; index < count; index += 1) await this.product[dice.one(['fetch', 'look', 'report'])](dice);
  }

  async #jobs(count, dice) {
    for (let index = 0; index < count; index += 1) {
      await sleep(dice.from(0, 400));
      // Two triggers may meet.
      await Promise.all(Array.from({ length: dice.from(1, 3) }, () => this.product.jobs()));
    }
  }

  async #panel(list) {
    for (const what of list) {
      const [name, ms] = what.split(' ');
      await sleep(Number(ms));
      if (name === 'freeze') await this.#freeze(Number(ms));
      else await this.away(() => (name === 'kill' ? this.fleet.panel.kill() : this.fleet.panel.restart()), name === 'kill');
      this.#met(`panel ${name}`);
    }
  }

  /** By another process: this one may be waiting for the panel's database in the middle of a call, and could let nobody go. */
  async #freeze(ms) {
    const { pid } = this.fleet.panel;
    const child = spawn('sh', ['-c', `kill -STOP ${pid}; sleep ${ms / 1000}; kill -CONT ${pid}`], { stdio: 'ignore' });
    await new Promise((resolve) => child.once('close', resolve));
  }

  /** The panel ends and starts: nobody may ask it before it has its clock. */
  async away(end, starts) {
    let isBack;
    this.up = new Promise((resolve) => (isBack = resolve));
    this.#absences += 1;
    const ended = end();
    for (const proxy of this.proxies) proxy.isolate();
    await ended;
    if (starts) await this.fleet.panel.start();
    for (const proxy of this.proxies) proxy.restore();
    isBack();
  }

  /** Do what fails when the panel is away, and again if it was. @template T @param {() => Promise<T>} work @returns {Promise<T>} */
  async patiently(work) {
    for (;;) {
      await this.up;
      const before = this.#absences;
      try {
        return await work();
      } catch (error) {
        if (this.isOver || this.#absences === before) throw error;
      }
    }
  }

  /** Everything comes to rest. */
  async settle() {
    const late = () => this.ledgers.flatMap(({ name, proxy }) => proxy.underWay.map(({ fault, path, replies }) => `${name}: ${path} ${fault} ${replies.length}`));
    await until('what is late has arrived', () => late().length === 0, { limitMs: SETTLES_WITHIN_MS }).catch((error) => {
      throw new Error(`${error.message}: ${late().join('; ')}\n${this.fleet.panel.log()}`);
    });
    for (const node of this.ledgers) await node.settle();
    await this.fleet.settled({ limitMs: SETTLES_WITHIN_MS });
    for (let met = await this.receiver.settled(this.product); met > 0; met -= 1) this.#met('receiver');
    for (const proxy of this.proxies) proxy.exchanges.length = 0;
  }

  /** Time passes for everybody. */
  async #pass(seconds) {
    if (seconds === 0) return;
    for (const proxy of this.proxies) proxy.isolate();
    await this.clocks.passUntil(this.clocks.now + seconds, { longest: Math.max(STEP, Math.ceil(seconds / 8)) });
    for (const proxy of this.proxies) proxy.restore();
  }

  /** End everything and delete what it kept. */
  async stop() {
    this.isOver = true;
    for (const node of this.fleet.nodes) this.still(node);
    for (const node of this.ledgers) await node.stop();
    await this.receiver?.stop();
    await this.real?.node.stop();
    await Promise.all(this.fleet.nodes.map((node) => node.stop()));
    for (const { host } of this.fleet.nodes) removeDisk(host.folder);
    await this.fleet.stop();
  }
}
