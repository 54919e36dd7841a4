/** The real agent in a folder of its own, whatever core is beside it: its settings, its ledger, its process. */
import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, statSync } from 'node:fs';
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';

import { ROOT } from './panel.mjs';
import { until } from './site.mjs';

const AGENT = process.env.WEIR_AGENT_BIN ?? path.resolve(ROOT, process.env.CARGO_TARGET_DIR ?? 'target', 'release/weir-agent');
/** Built with faults on demand (agent/src/faults.rs) and the scripted core. */
const FAULTY_AGENT = path.join(ROOT, 'build-faults/weir-agent');
/** Hang limit: ten times what it takes. */
const STOP_LIMIT_MS = 15_000;

/** Hosts with processes that still run. If this process ends early, nobody else would stop them. */
const hosts = new Set();
process.on('exit', () => {
  for (const host of hosts) host.killAll();
});

/** A second start in the same folder goes on with its ledger. */
export class AgentHost {
  #child = null;
  #exited = Promise.resolve();
  #program;

  /** @param {string} folder @param {{faults?: boolean}} [options] `faults`: the agent that is built with faults on demand */
  constructor(folder, { faults = false } = {}) {
    this.folder = folder;
    this.#program = faults ? FAULTY_AGENT : AGENT;
    /** Variables of every agent that is started from now on. @type {Record<string, string>} */
    this.env = {};
  }

  /** @param {string} name @returns {string} a path in the folder */
  in(name) {
    return path.join(this.folder, name);
  }

  /**
   * @param {Record<string, unknown>} top
   * @param {Record<string, unknown>} core what stands under `[core]`
   * @param {Record<string, Record<string, unknown>>} [tables] what stands under others
   */
  async writeSettings(top, core, tables = {}) {
    if (!existsSync(this.#program)) throw new Error(`${path.relative(ROOT, this.#program)} is missing: run make build build-faults`);
    await mkdir(this.in('state'), { recursive: true });
    const lines = (settings) => Object.entries(settings).map(([name, value]) => `${name} = ${JSON.stringify(value)}`);
    const all = { state_dir: this.in('state'), reload_every_seconds: 1, ...top };
    const written = Object.entries({ core, ...tables }).flatMap(([name, table]) => [`[${name}]`, ...lines(table)]);
    await writeFile(this.in('agent.toml'), [...lines(all), ...written, ''].join('\n'));
  }

  /** @returns {boolean} whether this folder's ledger belongs to a node already */
  get isEnrolled() {
    return existsSync(this.in('state/enrolled'));
  }

  /**
   * `weir-agent enroll`.
   *
   * @param {string} panelUrl
   * @param {string} token
   * @throws {Error} with what the agent said
   */
  async enroll(panelUrl, token) {
    const { code, output } = await this.agent('enroll', panelUrl, token);
    if (code !== 0) throw new Error(`weir-agent enroll ended with ${code}: ${output}`);
    await writeFile(this.in('state/enrolled'), '');
  }

  /** Run the agent's program once. @param {...string} args @returns {Promise<{code: number|null, signal: string|null, output: string}>} */
  agent(...args) {
    return new Promise((resolve, reject) => {
      const child = spawn(this.#program, ['--config', this.in('agent.toml'), ...args], {
        stdio: ['ignore', 'pipe', 'pipe'],
        env: { ...process.env, ...this.env },
      });
      let output = '';
      child.stdout.on('data', (data) => (output += data));
      child.stderr.on('data', (data) => (output += data));
      child.once('error', reject);
      child.once('close', (code, signal) => resolve({ code, signal, output }));
    });
  }

  /** Start `weir-agent run`. @param {Record<string, string>} [env] variables of this start alone, such as `WEIR_CRASH` */
  startAgent(env = {}) {
    if (this.#child) throw new Error('the agent runs already');
    const log = openSync(this.in('agent.log'), 'a');
    const child = spawn(this.#program, ['--config', this.in('agent.toml'), 'run'], {
      stdio: ['ignore', log, log],
      env: { ...process.env, ...this.env, ...env },
    });
    closeSync(log);
    this.#child = child;
    hosts.add(this);
    this.#exited = new Promise((resolve) => {
      child.once('error', (error) => resolve({ code: null, error }));
      child.once('exit', (code, signal) => resolve({ code, signal }));
    }).then((end) => {
      if (this.#child === child) this.#child = null;
      return end;
    });
  }

  /** @returns {number|undefined} the agent's process id while it runs */
  get agentPid() {
    return this.#child?.pid;
  }

  /** @returns {Promise<{code: number|null, signal?: string}>} once the agent has ended, by whatever */
  get agentEnded() {
    return this.#exited;
  }

  /** End the agent in order: it reports what it has. @returns {Promise<{code: number|null, signal?: string}>} */
  async stopAgent() {
    this.#child?.kill('SIGCONT');
    this.#child?.kill('SIGTERM');
    const force = setTimeout(() => this.#child?.kill('SIGKILL'), STOP_LIMIT_MS);
    const end = await this.#exited;
    clearTimeout(force);
    return end;
  }

  /** End the agent as a crash would. */
  async killAgent() {
    this.#child?.kill('SIGKILL');
    await this.#exited;
  }

  /** Stop the agent's clock, as a host that hangs does; `thaw` lets it go on. */
  freezeAgent() {
    this.#child?.kill('SIGSTOP');
  }

  thawAgent() {
    this.#child?.kill('SIGCONT');
  }

  /**
   * Keep the ledger as it is now. The agent must not run.
   *
   * @returns {Promise<() => Promise<void>>} puts it back, as a backup or a snapshot would
   */
  async keepLedger() {
    const copy = this.in('ledger-copy');
    await cp(this.in('state/ledger.redb'), copy);
    return () => cp(copy, this.in('state/ledger.redb'));
  }

  /** End everything that runs in the folder. */
  async stop() {
    await this.stopAgent();
    hosts.delete(this);
  }

  /** End everything at once, without waiting. */
  killAll() {
    this.#child?.kill('SIGKILL');
  }

  /** End everything and delete the folder. */
  async remove() {
    await this.stop();
    await rm(this.folder, { recursive: true, force: true });
  }

  /** @returns {Promise<string>} the ends of the logs */
  async logs() {
    return this.end('agent.log');
  }

  /** @param {string} name @returns {Promise<string>} the end of a file, under its name */
  async end(name) {
    return `--- ${name}\n${(await readFile(this.in(name), 'utf8').catch(() => '')).split('\n').slice(-40).join('\n')}`;
  }

  /** @returns {Promise<object>} what `weir-agent status --json` says, some seconds old: for what is waited for, or can only grow */
  async status() {
    return JSON.parse(await readFile(this.#statusFile, 'utf8'));
  }

  /**
   * What the agent says after a moment. Takes as long as it leaves between two writings, which is seconds.
   *
   * @param {number} [moment] unix milliseconds by the clock of this machine, which need not be the agent's
   * @returns {Promise<object>} like {@link status}
   */
  async statusAfter(moment = Date.now()) {
    const isNew = () => statSync(this.#statusFile, { throwIfNoEntry: false })?.mtimeMs > moment;
    await until('the agent writes its status', isNew);
    return this.status();
  }

  get #statusFile() {
    return this.in('state/status.json');
  }
}
