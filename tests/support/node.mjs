/** A node on this machine: a real sing-box with the operator's template, and the real agent beside it. */
import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { enginePath } from './engines.mjs';
import { ROOT } from './panel.mjs';
import { freePorts } from './ports.mjs';
import { makeSsKey, serverTemplate, USER_PROTOCOLS } from './singbox-config.mjs';

const AGENT = process.env.WEIR_AGENT_BIN ?? path.resolve(ROOT, process.env.CARGO_TARGET_DIR ?? 'target', 'release/weir-agent');
/** Hang limits: ten times what each takes. */
const STOP_LIMIT_MS = 15_000;

/** Nodes that still run. If this process ends early, nobody else would stop their processes. */
const nodes = new Set();
process.on('exit', () => {
  for (const node of nodes) node.killAll();
});

/** A node in a folder of its own. A second start in the same folder goes on with its ledger and its ports. */
export class LocalNode {
  #child = null;
  #exited = Promise.resolve();

  /**
   * @param {object} options
   * @param {string} options.folder
   * @param {{certificatePath: string, keyPath: string}} options.certificate
   * @param {string[]} [options.protocols] of the template's inbounds
   * @param {Record<string, unknown>} [options.settings] of the agent, beside those that this machine needs
   * @returns {Promise<LocalNode>}
   */
  static async make({ folder, certificate, protocols = USER_PROTOCOLS, settings = {} }) {
    const file = path.join(folder, 'node.json');
    let kept;
    try {
      kept = JSON.parse(await readFile(file, 'utf8'));
    } catch (error) {
      if (error.code !== 'ENOENT') throw error;
      const [apiPort, ...inbounds] = await freePorts(1 + protocols.length);
      kept = { apiPort, ports: Object.fromEntries(protocols.map((protocol, index) => [protocol, inbounds[index]])), ssServerKey: makeSsKey() };
    }
    const node = new LocalNode(folder, kept);
    await mkdir(path.join(folder, 'core'), { recursive: true });
    await mkdir(path.join(folder, 'state'), { recursive: true });
    await writeFile(file, JSON.stringify(kept), { mode: 0o600 });
    await node.writeTemplate(serverTemplate({ ...kept, certificate, apiSecret: 'of the operator' }));
    await node.#writeSettings(settings);
    return node;
  }

  constructor(folder, { apiPort, ports, ssServerKey }) {
    this.folder = folder;
    this.ports = ports;
    this.ssServerKey = ssServerKey;
    this.api = { apiPort, apiSecret: 'of the operator' };
  }

  /** @param {object} template what the operator writes */
  async writeTemplate(template) {
    this.template = template;
    await writeFile(this.#in('template.json'), JSON.stringify(template));
  }

  async #writeSettings(settings) {
    // Started the way a service manager would: in its own session, its number in a file. A core that runs is left alone.
    const script = [
      `test -f ${quote(this.#in('core.pid'))} && grep -aqF ${quote(this.#in('core'))} /proc/$(cat ${quote(this.#in('core.pid'))})/cmdline 2>/dev/null && exit 0`,
      `setsid ${quote(enginePath('sing-box'))} --disable-color -D ${quote(this.#in('core'))} -c ${quote(this.#in('core/config.json'))} run >>${quote(this.#in('core.log'))} 2>&1 </dev/null &`,
      `echo $! >${quote(this.#in('core.pid'))}`,
    ];
    await writeFile(this.#in('start-core'), `${script.join('\n')}\n`);
    const { core = {}, ...top } = settings;
    const lines = [
      ['state_dir', this.#in('state')],
      ['reload_every_seconds', 1],
      ...Object.entries(top),
    ].map(([name, value]) => `${name} = ${JSON.stringify(value)}`);
    const coreLines = Object.entries({
      binary: enginePath('sing-box'),
      template: this.#in('template.json'),
      output: this.#in('core/config.json'),
      cache_file: this.#in('state/cache.db'),
      working_dir: this.#in('core'),
      pid_file: this.#in('core.pid'),
      start_command: ['sh', this.#in('start-core')],
      api_port: this.api.apiPort,
      ...core,
    }).map(([name, value]) => `${name} = ${JSON.stringify(value)}`);
    await writeFile(this.#in('agent.toml'), [...lines, '[core]', ...coreLines, ''].join('\n'));
  }

  /** @returns {boolean} whether this folder's ledger belongs to a node already */
  get isEnrolled() {
    return existsSync(this.#in('state/enrolled'));
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
    await writeFile(this.#in('state/enrolled'), '');
  }

  /** Run the agent's program once. @param {...string} args @returns {Promise<{code: number|null, output: string}>} */
  agent(...args) {
    return new Promise((resolve, reject) => {
      const child = spawn(AGENT, ['--config', this.#in('agent.toml'), ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
      let output = '';
      child.stdout.on('data', (data) => (output += data));
      child.stderr.on('data', (data) => (output += data));
      child.once('error', reject);
      child.once('close', (code) => resolve({ code, output }));
    });
  }

  /** Start `weir-agent run`. */
  startAgent() {
    if (this.#child) throw new Error('the agent runs already');
    const log = openSync(this.#in('agent.log'), 'a');
    const child = spawn(AGENT, ['--config', this.#in('agent.toml'), 'run'], { stdio: ['ignore', log, log] });
    closeSync(log);
    this.#child = child;
    nodes.add(this);
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

  /** End the agent in order: it reports what it has. @returns {Promise<{code: number|null, signal?: string}>} */
  async stopAgent() {
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

  /** @returns {number|undefined} the core's process id while it runs */
  get corePid() {
    try {
      const pid = Number(readFileSync(this.#in('core.pid'), 'utf8'));
      // A number may have been given to another process since.
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(this.#in('core')) ? pid : undefined;
    } catch {
      return undefined;
    }
  }

  /** Start the core as the service manager would, with the file that is there. */
  async startCore() {
    const child = spawn('sh', [this.#in('start-core')], { stdio: 'ignore' });
    await new Promise((resolve) => child.once('exit', resolve));
  }

  /** Send the core a signal. @param {string} signal */
  signalCore(signal) {
    const pid = this.corePid;
    if (pid === undefined) throw new Error('the core does not run');
    process.kill(pid, signal);
  }

  /** End the core and wait for its end. @param {string} [signal] */
  async stopCore(signal = 'SIGTERM') {
    if (this.corePid === undefined) return;
    this.signalCore(signal);
    const deadline = performance.now() + STOP_LIMIT_MS;
    while (this.corePid !== undefined) {
      if (performance.now() > deadline) this.signalCore('SIGKILL');
      await sleep(20);
    }
  }

  /** End both; the folder stays. */
  async stop() {
    await this.stopAgent();
    await this.stopCore();
    nodes.delete(this);
  }

  /** End both at once, without waiting. */
  killAll() {
    this.#child?.kill('SIGKILL');
    const pid = this.corePid;
    if (pid !== undefined) process.kill(pid, 'SIGKILL');
  }

  /** End both and delete the folder. */
  async remove() {
    await this.stop();
    await rm(this.folder, { recursive: true, force: true });
  }

  /** @returns {Promise<string>} the ends of both logs */
  async logs() {
    const end = async (name) => `--- ${name}\n${(await readFile(this.#in(name), 'utf8').catch(() => '')).split('\n').slice(-40).join('\n')}`;
    return `${await end('agent.log')}\n${await end('core.log')}`;
  }

  /** @returns {Promise<object>} what `weir-agent status --json` says, some seconds old */
  async status() {
    return JSON.parse(await readFile(this.#in('state/status.json'), 'utf8'));
  }

  #in(name) {
    return path.join(this.folder, name);
  }
}

function quote(text) {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
