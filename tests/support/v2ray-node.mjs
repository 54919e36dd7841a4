/** A node on this machine whose core is a real V2Ray, and the real agent beside it. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

import { AgentHost } from './agent-host.mjs';
import { TEST_DOMAIN } from './certificate.mjs';
import { enginePath } from './engines.mjs';
import { freePorts } from './ports.mjs';
import { inboundTag } from './singbox-config.mjs';

/** Hang limit: ten times what it takes. */
const STOP_LIMIT_MS = 15_000;

/** What V2Ray serves to several users. */
export const V2RAY_PROTOCOLS = ['vmess', 'vless', 'trojan'];

/**
 * A node's configuration as its operator writes it: inbounds without users, and nothing of an api.
 *
 * @param {Record<string, number>} ports by protocol
 * @param {{certificatePath: string, keyPath: string}} certificate
 * @returns {object}
 */
export function v2rayTemplate(ports, certificate) {
  const certificates = [{ certificateFile: certificate.certificatePath, keyFile: certificate.keyPath }];
  const tls = { network: 'tcp', security: 'tls', tlsSettings: { serverName: TEST_DOMAIN, certificates } };
  const inbound = (protocol) => ({
    tag: inboundTag(protocol),
    protocol,
    listen: '127.0.0.1',
    port: ports[protocol],
    // As the client of these tests has it.
    ...(protocol === 'vmess' ? {} : { streamSettings: tls }),
  });
  return {
    log: { loglevel: 'warning' },
    inbounds: V2RAY_PROTOCOLS.map(inbound),
    outbounds: [{ protocol: 'freedom', tag: 'direct' }],
    weir: { self_signed: ['vless-in', 'trojan-in'] },
  };
}

/** A second start in the same folder goes on with its ledger and its ports. */
export class V2RayNode extends AgentHost {
  /**
   * @param {{folder: string, certificate: {certificatePath: string, keyPath: string}, faults?: boolean, kind?: string}} options
   * @returns {Promise<V2RayNode>}
   */
  static async make({ folder, certificate, faults = false, kind = 'v2ray' }) {
    const [apiPort, ...inbounds] = await freePorts(1 + V2RAY_PROTOCOLS.length);
    const node = new V2RayNode(folder, { faults });
    node.ports = Object.fromEntries(V2RAY_PROTOCOLS.map((protocol, index) => [protocol, inbounds[index]]));
    await mkdir(node.in('core'), { recursive: true });
    await node.writeTemplate(v2rayTemplate(node.ports, certificate));
    await node.#prepare(apiPort, kind);
    return node;
  }

  /** @param {object} template what the operator writes */
  async writeTemplate(template) {
    this.template = template;
    await writeFile(this.in('template.json'), JSON.stringify(template));
  }

  async #prepare(apiPort, kind) {
    const [pid, config] = [quote(this.in('core.pid')), quote(this.in('core/config.json'))];
    const isOurs = `grep -aqF ${config} /proc/$(cat ${pid})/cmdline 2>/dev/null`;
    const restart = [
      // As a service manager would: to its end, and then anew.
      `if test -f ${pid} && ${isOurs}; then kill $(cat ${pid}); while ${isOurs}; do sleep 0.01; done; fi`,
      `setsid ${quote(enginePath('v2ray'))} -config ${config} >>${quote(this.in('core.log'))} 2>&1 </dev/null &`,
      `echo $! >${pid}`,
    ];
    await writeFile(this.in('restart-core'), `${restart.join('\n')}\n`);
    await this.writeSettings({}, {
      kind,
      binary: enginePath('v2ray'),
      template: this.in('template.json'),
      output: this.in('core/config.json'),
      working_dir: this.in('core'),
      reload_command: ['sh', this.in('restart-core')],
      start_command: ['sh', this.in('restart-core')],
      api_port: apiPort,
    });
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
    const child = spawn('sh', [this.in('restart-core')], { stdio: 'ignore' });
    await new Promise((resolve) => child.once('exit', resolve));
  }

  /** End the core and wait for its end. @param {string} [signal] */
  async stopCore(signal = 'SIGTERM') {
    const pid = this.corePid;
    if (pid === undefined) return;
    process.kill(pid, signal);
    const deadline = performance.now() + STOP_LIMIT_MS;
    while (this.corePid !== undefined) {
      if (performance.now() > deadline) process.kill(pid, 'SIGKILL');
      await sleep(20);
    }
  }

  /** @returns {Promise<object>} the file that the core reads at its next start */
  async coreFile() {
    return JSON.parse(await readFile(this.in('core/config.json'), 'utf8'));
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
