/** Connections that live as long as a test watches them: a paced download, and one that is kept alive by small messages. */
import { setTimeout as sleep } from 'node:timers/promises';

import { STOP, tcpRequest } from './echo-server.mjs';

const RETRY_MS = 100;
const PING_MS = 200;
const PING = Buffer.alloc(16, 0x70);
/** An idle connection that gets no answer for so long is broken, even if nobody has closed it. */
const SILENCE_LIMIT_MS = 5000;
/** After its own stop a connection ends within milliseconds; one that does not is cut. */
const STOP_LIMIT_MS = 5000;

/**
 * One TCP connection with an entry of its own in the account, from opening to its end.
 * `onData` is told the bytes of each read. `done` resolves with why it ended: '' if `stop` ended it in order.
 */
class Channel {
  #socket = null;
  #stopping = false;

  constructor(lab, { user, protocol, mode, rate = 0, onData }) {
    this.entry = lab.account.open({ user, protocol, network: 'tcp' });
    this.done = this.#run(lab, { user, protocol, mode, rate, onData }).then((fault) => {
      this.entry.close(fault);
      return fault;
    });
  }

  async #run(lab, { user, protocol, mode, rate, onData }) {
    try {
      this.#socket = await lab.connect(user, protocol);
    } catch (error) {
      return error.message;
    }
    const socket = this.#socket;
    return new Promise((resolve) => {
      socket.on('data', (chunk) => {
        this.entry.clientReceived += chunk.length;
        onData(chunk.length);
      });
      socket.once('error', (error) => resolve(error.code));
      socket.once('end', () => {
        socket.end();
        resolve(this.#stopping ? '' : 'ended by the other side');
      });
      socket.once('close', () => resolve('closed without an end'));
      this.#write(tcpRequest({ id: this.entry.id, mode, down: rate }));
      socket.resume();
      if (this.#stopping) this.#write(STOP);
    });
  }

  /** Nothing follows the stop: the target looks for it at the end of what it reads. */
  send(bytes) {
    if (!this.#stopping) this.#write(bytes);
  }

  /** Ask the target to end; it does so after its last byte, so both ends have read everything. */
  async stop() {
    if (this.#stopping) return;
    this.#stopping = true;
    this.#write(STOP);
    const cut = setTimeout(() => this.cut('did not end after its stop'), STOP_LIMIT_MS);
    await this.done;
    clearTimeout(cut);
  }

  cut(reason) {
    this.#socket?.destroy(Object.assign(new Error(reason), { code: reason }));
  }

  #write(bytes) {
    if (!this.#socket?.writable) return;
    this.entry.clientSent += bytes.length;
    this.#socket.write(bytes);
  }
}

/**
 * A download at a steady rate over one connection, which notes when it broke and, with `retry`, what became of later attempts.
 * Moments are milliseconds of `performance.now()`, null until they come.
 */
export class Download {
  #lab;
  #options;
  #channel = null;
  #stopped = false;

  /** @param {import('./traffic.mjs').TrafficLab} lab @param {{user: string, protocol: string, rate: number, retry?: boolean}} options */
  constructor(lab, options) {
    if (!(options.rate > 0)) throw new RangeError(`rate: must be bytes per second above 0, got ${options.rate}`);
    this.#lab = lab;
    this.#options = options;
    /** Payload bytes received, over all attempts. */
    this.received = 0;
    /** Attempts that received at least one byte. */
    this.connections = 0;
    /** When the first byte came. @type {number|null} */
    this.startedAt = null;
    /** When the first connection broke, and why. @type {{at: number, received: number, reason: string}|null} */
    this.broken = null;
    /** The first attempt that was refused, i.e. never reached the target. @type {{at: number, reason: string}|null} */
    this.refused = null;
    /** When a byte came again after a break. @type {number|null} */
    this.restoredAt = null;
    /** Resolves when it is over: by `stop`, or by a break without `retry`. @type {Promise<void>} */
    this.ended = this.#run();
  }

  /** End it in order; afterwards its account is exact unless it broke. */
  async stop() {
    this.#stopped = true;
    await this.#channel?.stop();
    await this.ended;
  }

  async #run() {
    const { user, protocol, rate, retry = false } = this.#options;
    do {
      const channel = new Channel(this.#lab, { user, protocol, mode: 'paced', rate, onData: (bytes) => this.#count(channel, bytes) });
      this.#channel = channel;
      const reason = await channel.done;
      if (reason) this.#fault(channel, reason);
      if (retry && !this.#stopped) await sleep(RETRY_MS);
    } while (retry && !this.#stopped);
  }

  #count(channel, bytes) {
    this.received += bytes;
    this.startedAt ??= performance.now();
    if (channel.entry.clientReceived > bytes) return;
    this.connections += 1;
    if (this.broken) this.restoredAt ??= performance.now();
  }

  #fault(channel, reason) {
    const at = performance.now();
    if (channel.entry.outcome === 'refused') this.refused ??= { at, reason };
    else this.broken ??= { at, received: this.received, reason };
  }
}

/** A connection that sends 16 bytes every 200 ms and expects them back; it shows whether others' cuts touch it. */
export class Idle {
  #channel;
  #lastAnswer = performance.now();

  /** @param {import('./traffic.mjs').TrafficLab} lab @param {{user: string, protocol: string}} options */
  constructor(lab, { user, protocol }) {
    this.#channel = new Channel(lab, { user, protocol, mode: 'echo', onData: () => this.#answered() });
    this.user = user;
    this.protocol = protocol;
    /** When and why it broke; null while it lives and after an orderly stop. @type {{at: number, reason: string}|null} */
    this.broken = null;
    /** Resolves with the first answer, or when it ended without one. @type {Promise<void>} */
    this.ready = new Promise((resolve) => (this.#onReady = resolve));
    const timer = setInterval(() => this.#ping(), PING_MS);
    /** Resolves when it is over. @type {Promise<void>} */
    this.ended = this.#channel.done.then((reason) => {
      clearInterval(timer);
      if (reason) this.broken = { at: performance.now(), reason };
      this.#onReady();
    });
  }

  #onReady;

  /** End it in order; afterwards its account is exact unless it broke. */
  async stop() {
    await this.#channel.stop();
    await this.ended;
  }

  #ping() {
    if (performance.now() - this.#lastAnswer > SILENCE_LIMIT_MS) this.#channel.cut('silent');
    else this.#channel.send(PING);
  }

  #answered() {
    this.#lastAnswer = performance.now();
    this.#onReady();
  }
}
