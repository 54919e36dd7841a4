/**
 * The traffic laboratory: makes real connections through a client core's SOCKS5 inbound to a target of its own, and keeps an exact
 * account of the payload bytes of each user, by which the figures of a node, an agent and a panel are judged.
 */
import dgram from 'node:dgram';
import { setTimeout as sleep } from 'node:timers/promises';

import { Account } from './account.mjs';
import { readUdpRequest, sendPayload, startTargets, tcpRequest, UDP_REQUEST_BYTES, writeUdpRequest } from './echo-server.mjs';
import { Download, Idle } from './long-lived.mjs';
import { LAB_PASSWORD, labUser } from './singbox-config.mjs';
import { datagramHeader, datagramPayload, socksAssociate, socksConnect } from './socks5.mjs';

/** An exchange that has not ended by then is entered as broken; slow machines and 32 MiB through five protocols stay well below. */
const HANG_LIMIT_MS = 60_000;
/** Datagrams may be lost; one that is not answered by then counts as lost. */
const UDP_LIMIT_MS = 3000;
/** Datagrams of one association on the way at once: few enough that no socket buffer overflows. */
const UDP_WINDOW = 4;
const UDP_MOST_BYTES = 1400;
/**
 * On a real network a round trip lies between the last byte and the end of a connection; on loopback none. Without it a core under
 * load may tell a connection's end before it has added the last write to that connection's counter: for vmess, shadowsocks and
 * hysteria2 about one in 1,000 was told with an uplink of 0, though the core's own totals were exact.
 */
const LINGER_MS = 50;

/**
 * @typedef {object} Exchange
 * @property {string} user
 * @property {string} protocol
 * @property {number} [up] bytes that the client sends after the request of 32 bytes
 * @property {number} [down] bytes that the target sends
 * @property {boolean} [duplex] whether both directions run at once; otherwise the target sends after it has read everything
 * @property {boolean} [halfClose] the client ends its half directly after its last byte and goes on reading. Of the protocols here
 *   only trojan, vless and mixed can carry that; the others cut what still comes down. Otherwise the target ends first, once it has
 *   read and sent everything, which every protocol carries without loss
 * @property {number} [lingerMs] between the target's last byte and its end; {@link LINGER_MS} unless told
 * @property {number} [hangMs] when it is given up; {@link HANG_LIMIT_MS} unless told
 * @property {number} [breakAfter] the client resets the connection after that many bytes received
 */

/** See the module's description. Made by {@link TrafficLab.start}. */
export class TrafficLab {
  #targets;
  #socksPort;
  #longLived = new Set();

  constructor({ account, targets, socksPort }) {
    /** @type {Account} */
    this.account = account;
    this.#targets = targets;
    this.#socksPort = socksPort;
  }

  /**
   * @param {{socksPort: number, tcpPort?: number}} options the local inbound of a client core with
   * {@link import('./singbox-config.mjs').clientConfig}; the TCP target's port, where a core's rule names it
   * @returns {Promise<TrafficLab>}
   */
  static async start({ socksPort, tcpPort }) {
    const account = new Account();
    return new TrafficLab({ account, targets: await startTargets(account, tcpPort), socksPort });
  }

  /** @returns {number} the local inbound of the client core */
  get socksPort() {
    return this.#socksPort;
  }

  /** End every download and idle connection that still runs, and the target. */
  async stop() {
    await Promise.all([...this.#longLived].map((connection) => connection.stop()));
    await this.#targets.stop();
  }

  /**
   * One TCP connection.
   *
   * @param {Exchange} exchange
   * @returns {Promise<import('./account.mjs').Entry>} once both ends are done; a fault of the network is told in `outcome`, not thrown
   */
  async tcp({ user, protocol, up = 0, down = 0, duplex = false, halfClose = false, lingerMs = LINGER_MS, hangMs = HANG_LIMIT_MS, breakAfter = Infinity }) {
    const entry = this.account.open({ user, protocol, network: 'tcp' });
    let socket;
    try {
      socket = await this.connect(user, protocol);
    } catch (error) {
      entry.close(error.message);
      return entry;
    }
    const request = tcpRequest({ id: entry.id, mode: duplex ? 'duplex' : 'exchange', up, down, clientEnds: halfClose, lingerMs });
    const fault = await new Promise((resolve) => {
      socket.setTimeout(hangMs, () => {
        socket.destroy();
        resolve('hung');
      });
      socket.on('data', (chunk) => {
        entry.clientReceived += chunk.length;
        if (entry.clientReceived >= breakAfter) {
          socket.resetAndDestroy();
          resolve(`reset by the client after ${entry.clientReceived} bytes`);
        }
      });
      socket.once('error', (error) => resolve(error.code));
      socket.once('end', () => {
        socket.end();
        resolve('');
      });
      socket.once('close', () => resolve('closed without an end'));
      entry.clientSent += request.length;
      socket.write(request);
      sendPayload(socket, up, (bytes) => (entry.clientSent += bytes), () => {
        if (halfClose) socket.end();
      });
      socket.resume();
    });
    const whole = entry.clientReceived === down && entry.targetReceived === request.length + up;
    entry.close(fault || (whole ? '' : 'ended early'));
    return entry;
  }

  /**
   * One UDP association: `count` datagrams of `size` bytes, each answered by one of `answer` bytes.
   *
   * @param {{user: string, protocol: string, count: number, size: number, answer: number, lingerMs?: number}} exchange
   * `count` up to 65,535; sizes from 12 bytes (the request within) to 1,400: hysteria2 drops larger ones, and bursts of
   * 8,000 bytes lose some on every protocol; `lingerMs` between the last answer and the end
   * @returns {Promise<import('./account.mjs').Entry>} broken if any answer is missing
   */
  async udp({ user, protocol, count, size, answer, lingerMs = LINGER_MS }) {
    if (Math.min(size, answer) < UDP_REQUEST_BYTES || Math.max(size, answer) > UDP_MOST_BYTES) {
      throw new RangeError(`size, answer: must be from ${UDP_REQUEST_BYTES} to ${UDP_MOST_BYTES} bytes`);
    }
    const entry = this.account.open({ user, protocol, network: 'udp' });
    let association;
    try {
      association = await socksAssociate(this.#proxy(user, protocol));
    } catch (error) {
      entry.close(error.message);
      return entry;
    }
    const { control, relayPort } = association;
    const socket = dgram.createSocket({ type: 'udp4', recvBufferSize: 1 << 20 });
    const missing = await new Promise((resolve) => {
      const head = datagramHeader(this.#targets.udpPort);
      const waiting = new Map();
      let next = 0;
      const finish = () => resolve(count - answered);
      let answered = 0;
      const settle = (sequence) => {
        clearTimeout(waiting.get(sequence));
        if (waiting.delete(sequence)) fill();
      };
      const fill = () => {
        while (waiting.size < UDP_WINDOW && next < count) {
          const sequence = next;
          next += 1;
          const datagram = Buffer.alloc(size);
          writeUdpRequest(datagram, { id: entry.id, sequence, answer });
          waiting.set(sequence, setTimeout(() => settle(sequence), UDP_LIMIT_MS));
          entry.clientSent += size;
          socket.send([head, datagram], relayPort, '127.0.0.1');
        }
        if (waiting.size === 0) finish();
      };
      socket.on('message', (message) => {
        const payload = datagramPayload(message);
        entry.clientReceived += payload.length;
        answered += 1;
        settle(readUdpRequest(payload)?.sequence);
      });
      control.once('error', finish).once('close', finish);
      control.resume();
      fill();
    });
    await sleep(lingerMs);
    socket.close();
    control.destroy();
    entry.close(missing === 0 ? '' : `${missing} of ${count} answers missing`);
    return entry;
  }

  /**
   * Run many exchanges.
   *
   * @param {Array<() => Promise<T>>} jobs
   * @param {number} [parallel] how many at once, 1..=500
   * @param {(done: number, all: number) => void} [progress] called after each
   * @returns {Promise<T[]>} in the order of `jobs`
   * @template T
   */
  async many(jobs, parallel = 200, progress = () => {}) {
    const results = new Array(jobs.length);
    let next = 0;
    let done = 0;
    const worker = async () => {
      while (next < jobs.length) {
        const index = next;
        next += 1;
        results[index] = await jobs[index]();
        done += 1;
        progress(done, jobs.length);
      }
    };
    await Promise.all(Array.from({ length: Math.min(parallel, jobs.length) }, worker));
    return results;
  }

  /**
   * Start a long download at a steady rate.
   *
   * @param {{user: string, protocol: string, rate: number, retry?: boolean}} options `rate` in bytes per second; `retry`: when the
   * connection breaks, try again every 100 ms, to learn when the user is refused and when he is let in again
   * @returns {Download}
   */
  download(options) {
    return this.#keep(new Download(this, options));
  }

  /**
   * Open a connection that sends 16 bytes every 200 ms and expects them back.
   *
   * @param {{user: string, protocol: string}} options
   * @returns {Idle}
   */
  idle(options) {
    return this.#keep(new Idle(this, options));
  }

  /**
   * Open one TCP connection to the target, for scenarios of one's own; nothing is entered into the account.
   *
   * @param {string} user
   * @param {string} protocol
   * @returns {Promise<import('node:net').Socket>} paused until it gets a 'data' listener and `resume()`
   */
  async connect(user, protocol) {
    return socksConnect(this.#proxy(user, protocol), this.#targets.tcpPort);
  }

  #proxy(user, protocol) {
    const signal = AbortSignal.timeout(HANG_LIMIT_MS);
    return { socksPort: this.#socksPort, username: labUser(user, protocol), password: LAB_PASSWORD, signal };
  }

  #keep(connection) {
    this.#longLived.add(connection);
    connection.ended.then(() => this.#longLived.delete(connection));
    return connection;
  }
}
