/** A real sing-box process: started, waited for, reloaded, killed, and its log kept. */
import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { enginePath } from './engines.mjs';

/** A core with 2,000 users is up in 0.3 s; ten times that is a hang. */
const START_LIMIT_MS = 10_000;
const STOP_LIMIT_MS = 5_000;

/** Cores that still run. If the test process itself ends early, nobody else would stop them. */
const running = new Set();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/**
 * Start sing-box and wait until `readyPort` answers on 127.0.0.1.
 *
 * @param {object} options
 * @param {object} [options.config] a configuration, written to a temporary directory that goes when the core stops
 * @param {string} [options.configPath] a configuration file that somebody else writes (exactly one of the two)
 * @param {number} options.readyPort a TCP port that the configuration listens on
 * @param {Record<string, string>} [options.env] added to the core's environment, e.g. `GOGC`
 * @param {string} [options.name] what error messages call this core
 * @param {string} [options.binary] another release than the one that the nodes run
 * @returns {Promise<SingBox>}
 * @throws {Error} with the end of the log, if the core exits or does not answer within 10 s
 */
export async function startSingBox({ config, configPath, readyPort, env = {}, name = 'sing-box', binary = enginePath('sing-box') }) {
  if ((config === undefined) === (configPath === undefined)) throw new Error('give exactly one of config, configPath');
  if (!Number.isInteger(readyPort)) throw new Error(`readyPort: must be a port, got ${readyPort}`);
  const directory = await mkdtemp(path.join(tmpdir(), 'weir-sing-box-'));
  const file = configPath ?? path.join(directory, 'config.json');
  if (config !== undefined) await writeFile(file, JSON.stringify(config));
  const core = new SingBox({ directory, file, env, name, binary });
  try {
    await core.answers(readyPort);
  } catch (error) {
    await core.stop();
    throw error;
  }
  return core;
}

/** One running core. Made by {@link startSingBox}. */
export class SingBox {
  #child;
  #directory;
  #logPath;
  #name;
  #log = '';

  constructor({ directory, file, env, name, binary }) {
    this.#directory = directory;
    this.#name = name;
    this.#logPath = path.join(directory, 'sing-box.log');
    // A file, not a pipe: a core that logs much must never wait for a busy test process to read it.
    const log = openSync(this.#logPath, 'a');
    this.#child = spawn(binary, ['run', '--disable-color', '-D', directory, '-c', file], {
      stdio: ['ignore', log, log],
      env: { ...process.env, ...env },
    });
    closeSync(log);
    running.add(this.#child);
    /** Resolves once the process has ended. @type {Promise<{code: number|null, signal: string|null}>} */
    this.exited = new Promise((resolve) => {
      this.#child.once('error', (error) => resolve({ code: null, signal: null, error }));
      this.#child.once('exit', (code, signal) => resolve({ code, signal }));
    }).then((end) => {
      running.delete(this.#child);
      return end;
    });
  }

  /** @returns {number} the process id */
  get pid() {
    return this.#child.pid;
  }

  /** @returns {boolean} whether the process has not ended yet */
  get alive() {
    return running.has(this.#child);
  }

  /**
   * Wait until something listens on a TCP port of 127.0.0.1.
   *
   * @param {number} port
   * @throws {Error} with the end of the log, if the core ended or 10 s have passed
   */
  async answers(port) {
    const deadline = performance.now() + START_LIMIT_MS;
    while (!(await listens(port))) {
      if (!this.alive) throw new Error(`${this.#name} ended before port ${port} answered:\n${await this.#logEnd()}`);
      if (performance.now() > deadline) {
        throw new Error(`${this.#name}: port ${port} did not answer within ${START_LIMIT_MS} ms:\n${await this.#logEnd()}`);
      }
      await sleep(20);
    }
  }

  /** Make the core read its configuration again; this cuts every connection and zeroes every counter of the core. */
  reload() {
    this.#child.kill('SIGHUP');
  }

  /** End the core as a crash would, and wait for its end. */
  async kill() {
    this.#child.kill('SIGKILL');
    return this.#ended();
  }

  /** End the core in order, by force after 5 s, and delete its temporary directory. Harmless when it has ended already. */
  async stop() {
    this.#child.kill('SIGTERM');
    const force = setTimeout(() => this.#child.kill('SIGKILL'), STOP_LIMIT_MS);
    const end = await this.#ended();
    clearTimeout(force);
    return end;
  }

  /** @returns {Promise<string>} everything the core has logged; stays readable after its end */
  async log() {
    try {
      this.#log = await readFile(this.#logPath, 'utf8');
    } catch (error) {
      if (error.code !== 'ENOENT') throw error; // deleted at the end: the copy below is complete
    }
    return this.#log;
  }

  async #ended() {
    const end = await this.exited;
    await this.log();
    await rm(this.#directory, { recursive: true, force: true });
    return end;
  }

  async #logEnd() {
    return (await this.log()).split('\n').slice(-15).join('\n');
  }
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
