/** A node on this machine: a real sing-box with the operator's template, and the real agent beside it. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { AgentHost } from './agent-host.mjs';
import { enginePath } from './engines.mjs';
import { freePorts } from './ports.mjs';
import { makeSsKey, serverTemplate, USER_PROTOCOLS } from './singbox-config.mjs';

/** Hang limit: ten times what it takes. */
const STOP_LIMIT_MS = 15_000;

/** A second start in the same folder goes on with its ledger and its ports. */
export class LocalNode extends AgentHost {
  /**
   * @param {object} options
   * @param {string} options.folder
   * @param {{certificatePath: string, keyPath: string}} options.certificate
   * @param {string[]} [options.protocols] of the template's inbounds
   * @param {Record<string, unknown>} [options.settings] of the agent, beside those that this machine needs
   * @param {boolean} [options.faults] the agent that is built with faults on demand
   * @param {string} [options.binary] another release of the core than the usual one
   * @param {(template: object) => object} [options.change] makes the operator's template from the usual one
   * @returns {Promise<LocalNode>}
   */
  static async make({ folder, certificate, protocols = USER_PROTOCOLS, settings = {}, faults = false, binary = enginePath('sing-box'), change = (template) => template }) {
    const file = path.join(folder, 'node.json');
    let kept;
    try {
      kept = JSON.parse(await readFile(file, 'utf8'));
    } catch (error) {
      if (error.code !== 'ENOENT') throw error;
      const [apiPort, ...inbounds] = await freePorts(1 + protocols.length);
      kept = { apiPort, ports: Object.fromEntries(protocols.map((protocol, index) => [protocol, inbounds[index]])), ssServerKey: makeSsKey() };
    }
    // A folder of an earlier version has none.
    if (!kept.relayPort) [kept.relayPort, kept.backPort] = await freePorts(2);
    const node = new LocalNode(folder, { ...kept, faults, binary });
    await mkdir(path.join(folder, 'core'), { recursive: true });
    await writeFile(file, JSON.stringify(kept), { mode: 0o600 });
    await node.writeTemplate(change(serverTemplate({ ...kept, certificate, apiSecret: 'of the operator' })));
    await node.#prepare(settings);
    return node;
  }

  constructor(folder, { apiPort, relayPort, backPort, ports, ssServerKey, faults, binary }) {
    super(folder, { faults });
    this.ports = ports;
    this.binary = binary;
    /** Of the relay of speed limits, and of the core's inbound behind it. */
    this.relay = { relay_port: relayPort, back_port: backPort };
    this.ssServerKey = ssServerKey;
    this.api = { apiPort, apiSecret: 'of the operator' };
  }

  /** @param {object} template what the operator writes */
  async writeTemplate(template) {
    this.template = template;
    await writeFile(this.in('template.json'), JSON.stringify(template));
  }

  async #prepare(settings) {
    // Started the way a service manager would: in its own session, its number in a file. A core that runs is left alone.
    const script = [
      `test -f ${quote(this.in('core.pid'))} && grep -aqF ${quote(this.in('core'))} /proc/$(cat ${quote(this.in('core.pid'))})/cmdline 2>/dev/null && exit 0`,
      `setsid ${quote(this.binary)} --disable-color -D ${quote(this.in('core'))} -c ${quote(this.in('core/config.json'))} run >>${quote(this.in('core.log'))} 2>&1 </dev/null &`,
      `echo $! >${quote(this.in('core.pid'))}`,
    ];
    await writeFile(this.in('start-core'), `${script.join('\n')}\n`);
    const { core = {}, speed = {}, ...top } = settings;
    const ofCore = {
      binary: this.binary,
      template: this.in('template.json'),
      output: this.in('core/config.json'),
      cache_file: this.in('state/cache.db'),
      working_dir: this.in('core'),
      pid_file: this.in('core.pid'),
      start_command: ['sh', this.in('start-core')],
      api_port: this.api.apiPort,
      ...core,
    };
    await this.writeSettings(top, ofCore, { speed: { ...this.relay, ...speed } });
  }

  /** @returns {number|undefined} the core's process id while it runs */
  get corePid() {
    try {
      const pid = Number(readFileSync(this.in('core.pid'), 'utf8'));
      // A number may have been given to another process since.
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(this.in('core')) ? pid : undefined;
    } catch {
      return undefined;
    }
  }

  /** Start the core as the service manager would, with the file that is there. */
  async startCore() {
    const child = spawn('sh', [this.in('start-core')], { stdio: 'ignore' });
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
    await super.stop();
  }

  /** End both at once, without waiting. */
  killAll() {
    super.killAll();
    const pid = this.corePid;
    if (pid !== undefined) process.kill(pid, 'SIGKILL');
  }

  /** @returns {Promise<string>} the ends of both logs */
  async logs() {
    return `${await this.end('agent.log')}\n${await this.end('core.log')}`;
  }
}

function quote(text) {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
