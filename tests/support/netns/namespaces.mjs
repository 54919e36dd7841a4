/** Network namespaces for a test: made, joined by a line with a delay, and removed. Needs root, iproute2 and /dev/net/tun. */
import { execFileSync, spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import net from 'node:net';
import path from 'node:path';

const FOLDER = import.meta.dirname;

/** @returns {string} why there can be no namespaces here; empty if there can */
export function missing() {
  if (process.getuid() !== 0) return 'namespaces need root';
  try {
    execFileSync('ip', ['-V'], { stdio: 'ignore' });
    accessSync('/dev/net/tun', constants.R_OK | constants.W_OK);
  } catch (error) {
    return error.code === 'ENOENT' && error.path === 'ip' ? 'iproute2 is not installed' : error.message;
  }
  const probe = `weir-probe-${process.pid}`;
  try {
    ip('netns', 'add', probe);
    ip('netns', 'del', probe);
  } catch (error) {
    return `no namespace can be made: ${error.stderr ?? error.message}`;
  }
  return '';
}

/** `ip ARGS`. @param {...string} args */
export function ip(...args) {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'], encoding: 'utf8' });
}

/** A child that says `ready` and ends with its standard input. @returns {Promise<() => Promise<void>>} ends it */
export async function helper(program, args) {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = new Promise((resolve) => child.once('close', resolve));
  await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => reject(new Error(`${program} ${args[0]} ended with ${code}`)));
    child.stdout.once('data', resolve);
  });
  return async () => {
    child.stdin.end();
    await ended;
  };
}

/**
 * A file of tests, run in a namespace.
 *
 * @param {string} namespace
 * @param {string} file
 * @param {...string} args
 * @returns {Promise<{code: number|null, output: string}>} with its report
 */
export function runWithin(namespace, file, ...args) {
  // Told that it is a test of its own, not a part of this one: its report is for people.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const within = ['netns', 'exec', namespace, process.execPath, '--test-reporter=spec', file, ...args];
  const child = spawn('ip', within, { stdio: ['ignore', 'pipe', 'pipe'], env });
  let output = '';
  child.stdout.on('data', (data) => (output += data));
  child.stderr.on('data', (data) => (output += data));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, output }));
  });
}

/** Addresses of the line: the host's, and those of clients. */
export const HOST = '198.18.0.1';
export const CLIENTS = ['198.18.0.2', '198.18.0.3', '198.18.0.4'];
export const HOST6 = 'fd00:0:0:1::1';
/** Two of one network of 64 bits, and one of another. */
export const CLIENTS6 = ['fd00:0:0:2::1', 'fd00:0:0:2::2', 'fd00:0:0:3::1'];

/**
 * Join the namespace that this process runs in to another by a line.
 *
 * @param {string} other
 * @param {number} delayMs each way
 * @param {string} folder for the portal's socket
 * @returns {Promise<{open: (to: object) => net.Socket, stop: () => Promise<void>}>} `open` makes a connection there
 */
export async function join(other, delayMs, folder) {
  const [here, there] = ['weir-line', 'weir-client'];
  const cut = await helper('python3', [path.join(FOLDER, 'delay.py'), String(delayMs), here, other, there]);
  const at = (...args) => ip('-n', other, ...args);
  ip('link', 'set', 'lo', 'up');
  ip('address', 'add', `${HOST}/24`, 'dev', here);
  ip('address', 'add', `${HOST6}/64`, 'dev', here, 'nodad');
  ip('link', 'set', here, 'up');
  ip('route', 'add', 'fd00::/16', 'dev', here);
  at('link', 'set', 'lo', 'up');
  for (const client of CLIENTS) at('address', 'add', `${client}/24`, 'dev', there);
  for (const client of CLIENTS6) at('address', 'add', `${client}/64`, 'dev', there, 'nodad');
  at('link', 'set', there, 'up');
  at('route', 'add', 'fd00::/16', 'dev', there);
  const socket = path.join(folder, 'portal');
  const shut = await helper('ip', ['netns', 'exec', other, process.execPath, path.join(FOLDER, 'portal.mjs'), socket]);
  return {
    open(to) {
      const connection = net.connect({ path: socket, allowHalfOpen: true });
      connection.write(`${JSON.stringify(to)}\n`);
      return connection;
    },
    async stop() {
      await shut();
      await cut();
    },
  };
}
