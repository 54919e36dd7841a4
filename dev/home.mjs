/** The folder that `make up` keeps everything in, and the list of the processes that it started, by which all of them can be ended. */
import { readFileSync } from 'node:fs';
import { chmod, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const END_LIMIT_MS = 5_000;

/** What goes wrong in a way that a person can mend. Its message is one sentence, and the whole output. */
export class Trouble extends Error {}

/** See the module's description. */
export class Home {
  #processes = new Map();

  /** @param {string} folder absolute */
  constructor(folder) {
    /** Holds `login.json`, which scripts read. */
    this.folder = folder;
    /** Database, secrets, demo node, logs. */
    this.data = path.join(folder, 'up');
    this.log = path.join(this.data, 'up.log');
    this.login = path.join(folder, 'login.json');
    this.list = path.join(this.data, 'processes.json');
  }

  /**
   * Take the folder for this process. What an earlier run left behind, because it was killed, is ended first: it would write to the same
   * database and the same ledger.
   *
   * @returns {Promise<string[]>} the names of what was ended
   * @throws {Trouble} if another `make up` runs on this folder
   */
  async claim() {
    await mkdir(this.data, { recursive: true });
    const { pid, running } = await this.#earlier();
    if (pid !== undefined) throw new Trouble(`another make up runs on ${this.data}, as process ${pid}: stop that one first`);
    await endAll(running);
    await writeFile(this.log, '');
    await this.#write();
    return running.map(({ name }) => name);
  }

  /** End what a run left behind whose own process is gone. */
  async clear() {
    const { pid, running } = await this.#earlier();
    if (pid === undefined) await endAll(running);
  }

  /**
   * Note a process, or that it has ended.
   *
   * @param {string} name
   * @param {number|undefined} pid
   */
  async note(name, pid) {
    if (pid === this.#processes.get(name)?.pid) return;
    if (pid === undefined) this.#processes.delete(name);
    else this.#processes.set(name, { pid, started: startOf(pid) });
    await this.#write();
  }

  /** Everything has been stopped. */
  async release() {
    await rm(this.list, { force: true });
  }

  /** @param {{url: string, username: string, password: string, api_key: string}} login */
  async writeLogin(login) {
    const part = `${this.login}.part`;
    await writeFile(part, `${JSON.stringify(login, null, 2)}\n`, { mode: 0o600 });
    await chmod(part, 0o600);
    await rename(part, this.login);
  }

  async #write() {
    const processes = [...this.#processes].map(([name, one]) => ({ name, ...one }));
    const list = { owner: { pid: process.pid, started: startOf(process.pid) }, processes };
    await writeFile(`${this.list}.part`, `${JSON.stringify(list, null, 2)}\n`);
    await rename(`${this.list}.part`, this.list);
  }

  async #earlier() {
    try {
      const { owner, processes } = JSON.parse(await readFile(this.list, 'utf8'));
      return { pid: runs(owner) ? owner.pid : undefined, running: processes.filter(runs) };
    } catch (error) {
      if (error.code === 'ENOENT') return { pid: undefined, running: [] };
      throw error;
    }
  }
}

/** A number alone may have been given to another process since; together with the moment of its start it is one process. */
function runs({ pid, started }) {
  return started !== undefined && startOf(pid) === started;
}

/** @returns {string|undefined} boot and clock ticks since then, when the process started; undefined if it has ended */
function startOf(pid) {
  try {
    // The name of the program stands in brackets and may hold anything; what follows it does not.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1).split(' ');
    if (fields[0] === 'Z') return undefined;
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()} ${fields[19]}`;
  } catch {
    return undefined;
  }
}

async function endAll(processes) {
  const signal = (name) => {
    for (const { pid } of processes.filter(runs)) {
      try {
        process.kill(pid, name);
      } catch (error) {
        if (error.code !== 'ESRCH') throw error;
      }
    }
  };
  signal('SIGTERM');
  const deadline = performance.now() + END_LIMIT_MS;
  while (processes.some(runs)) {
    if (performance.now() > deadline) signal('SIGKILL');
    await sleep(20);
  }
}
