/**
 * The target of test traffic (`echo-server.mjs`) in a network namespace of its own, so that what goes there leaves the host by a line.
 * It is a process of its own there, which tells its counts ten times a second. `node target.mjs ADDRESS` is that process.
 */
import { spawn } from 'node:child_process';

import { startTargets } from '../echo-server.mjs';

const TELL_MS = 100;

/**
 * @param {string} namespace
 * @param {string} address the target's there
 * @param {import('../account.mjs').Account} account into which its counts go
 * @returns {Promise<{host: string, tcpPort: number, udpPort: number, stop: () => Promise<void>}>}
 */
export async function targetIn(namespace, address, account) {
  const child = spawn('ip', ['netns', 'exec', namespace, process.execPath, import.meta.filename, address], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  const ports = await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`the target ended with ${code}`)));
    child.once('message', resolve);
  });
  child.on('message', (counts) => {
    for (const [id, count] of counts) Object.assign(account.find(id) ?? {}, count);
  });
  return {
    ...ports,
    host: address,
    async stop() {
      if (child.connected) child.disconnect();
      await ended;
    },
  };
}

/** Knows every connection that comes. */
class Everybody {
  #entries = new Map();

  find(id) {
    if (!this.#entries.has(id)) this.#entries.set(id, { targetReceived: 0, targetSent: 0, from: null });
    return this.#entries.get(id);
  }

  get all() {
    return [...this.#entries];
  }
}

if (process.argv[1] === import.meta.filename) {
  const everybody = new Everybody();
  const { tcpPort, udpPort } = await startTargets(everybody, 0, process.argv[2]);
  process.send({ tcpPort, udpPort });
  setInterval(() => process.connected && process.send(everybody.all), TELL_MS);
  process.once('disconnect', () => process.exit());
}
