/**
 * Free ports on 127.0.0.1. Servers under test get their port in a configuration file, so they cannot bind port 0 themselves.
 */
import { randomInt } from 'node:crypto';
import dgram from 'node:dgram';
import net from 'node:net';

const HOST = '127.0.0.1';
/**
 * Below 32768, where Linux begins to take the local ports of outgoing connections by default (net.ipv4.ip_local_port_range): a port
 * from that range could be gone again before its server binds it, because a test opens hundreds of connections.
 */
const LOWEST = 15_000;
const HIGHEST = 32_000;
/** Ports that this process has tried: one that was found free stays unbound until its server starts, so it must not be found twice. */
const tried = new Set();
const MOST_ATTEMPTS = 1000;

/**
 * Find ports that are free for TCP and for UDP alike (a hysteria2 inbound needs the latter).
 *
 * @param {number} count how many, 1..=200
 * @returns {Promise<number[]>} distinct ports, never handed out before in this process
 * @throws {RangeError} if `count` is out of range
 * @throws {Error} if no more free ports were found
 */
export async function freePorts(count) {
  if (!Number.isInteger(count) || count < 1 || count > 200) {
    throw new RangeError(`count: must be a whole number from 1 to 200, got ${count}`);
  }
  const found = [];
  for (let attempt = 0; found.length < count; attempt += 1) {
    if (attempt === MOST_ATTEMPTS) throw new Error(`found only ${found.length} of ${count} free ports on ${HOST}`);
    const port = randomInt(LOWEST, HIGHEST);
    if (tried.has(port)) continue;
    tried.add(port);
    if (await isFree(port)) found.push(port);
  }
  return found;
}

/**
 * Find one port that is free for TCP and UDP.
 *
 * @returns {Promise<number>}
 */
export async function freePort() {
  const [port] = await freePorts(1);
  return port;
}

/** @returns {Promise<boolean>} whether nobody holds the port for TCP or UDP */
function isFree(port) {
  return new Promise((resolve) => {
    const tcp = net.createServer();
    tcp.once('error', () => resolve(false));
    tcp.listen(port, HOST, () => {
      const udp = dgram.createSocket('udp4');
      udp.once('error', () => tcp.close(() => resolve(false)));
      udp.bind(port, HOST, () => udp.close(() => tcp.close(() => resolve(true))));
    });
  });
}
