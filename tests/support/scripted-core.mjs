/**
 * A proxy core that a test plays for a real agent (agent/src/cores/scripted.rs): slots, gates, connections and counters as the real
 * one has them, without a byte on any wire. It keeps the exact account: what it says that it moved is what it moved.
 *
 * What it does as sing-box does: connections are told when they begin and end and with every tick while they move; its own totals
 * once a second; a new subscriber gets a list of all live connections and of the last ones that ended; a gate that is shut ends its
 * slot's connections; gates outlive a restart in a memory of choices, which outranks the file.
 */
import net from 'node:net';

import { Flow } from './scripted-flow.mjs';

import { until } from './site.mjs';

const HOST = '127.0.0.1';
/** Ended connections that are in the list for a new subscriber. */
const REMEMBERED = 1000;
const TOTALS_EVERY_MS = 1000;
/** Until the agent asks for another. */
const FIRST_TICK_MS = 100;

/** One connection. Bytes move by {@link ScriptedCore.move}. */
class Connection {
  constructor(id, slot, source, startedAt) {
    this.id = id;
    this.slot = slot;
    this.source = source;
    this.startedAt = startedAt;
    this.up = 0;
    this.down = 0;
    this.closed = false;
  }
}

export class ScriptedCore {
  #server;
  #sockets = new Set();
  #watchers = new Set();
  #connections = new Map();
  #ended = [];
  #changed = new Set();
  #next = 1;
  #timer = null;
  #tickMs = FIRST_TICK_MS;
  #totals;
  /** What the file says, and the choices that outrank it: gates by slot. */
  #file = new Map();
  #choices = new Map();
  #incarnation = 0;
  #flows = new Set();
  /** New subscribers who are kept waiting, or null. */
  #mute = null;

  /** @param {{port: number}} options where the agent looks for it @returns {Promise<ScriptedCore>} not started yet */
  static async listen({ port }) {
    const core = new ScriptedCore();
    await new Promise((resolve, reject) => core.#server.once('error', reject).listen(port, HOST, resolve));
    return core;
  }

  constructor() {
    this.#server = net.createServer((socket) => this.#serve(socket));
    this.isUp = false;
    /** Slots that are loaded, with their gates. @type {Map<string, boolean>} */
    this.gates = new Map();
    /** Bytes by slot over the core's whole life, all incarnations. @type {Map<string, {up: number, down: number}>} */
    this.moved = new Map();
    /** This incarnation's own totals. */
    this.up = 0;
    this.down = 0;
    /** All bytes of ended incarnations. */
    this.before = 0;
    /** Starts. */
    this.starts = 0;
    /** Connections that a reload or a gate has ended. */
    this.cut = 0;
    /** The next reload fails with this answer. @type {object|null} */
    this.refusal = null;
    /** Say the end of every connection twice, as a busy core sometimes does. */
    this.repeats = false;
    /** What had moved by slot whenever a new subscriber was given the list of connections. @type {Array<ScriptedCore['moved']>} */
    this.lists = [];
  }

  /** @returns {number} bytes of all incarnations */
  get total() {
    return this.before + this.up + this.down;
  }

  /** Start, or start anew, with the file that is there. */
  start() {
    if (this.isUp) return;
    this.isUp = true;
    this.starts += 1;
    this.#incarnation = Math.max(Date.now(), this.#incarnation + 1);
    this.gates = new Map([...this.#file].map(([slot, open]) => [slot, this.#choices.get(slot) ?? open]));
    this.#timer = setInterval(() => this.#tell(), this.#tickMs);
    this.#totals = setInterval(() => this.#tellTotals(), TOTALS_EVERY_MS);
  }

  /** End at once, as by kill -9: no end of a connection is told. */
  kill() {
    if (!this.isUp) return;
    this.isUp = false;
    clearInterval(this.#timer);
    clearInterval(this.#totals);
    for (const connection of this.#connections.values()) connection.closed = true;
    this.#connections.clear();
    this.#ended = [];
    this.#changed.clear();
    this.before += this.up + this.down;
    this.up = 0;
    this.down = 0;
    for (const socket of this.#sockets) socket.destroy();
    this.#watchers.clear();
    this.#mute?.clear();
  }

  /** End it and everything that flows. */
  async stop() {
    for (const flow of this.#flows) flow.stop();
    this.kill();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /**
   * @param {string} slot
   * @param {string} [source] the client's `address:port`
   * @returns {Connection|null} null when the core is down, does not know the slot, or its gate is shut
   */
  connect(slot, source) {
    return this.isUp && this.gates.get(slot) ? this.#open(slot, source) : null;
  }

  #open(slot, source) {
    const connection = new Connection(`${this.#incarnation}-${this.#next}`, slot, source, Date.now());
    this.#next += 1;
    this.#connections.set(connection.id, connection);
    this.#send({ connections: { reset: false, events: [told(connection, true)] } });
    return connection;
  }

  /** Bytes pass, unless the connection has ended. @returns {boolean} whether they did */
  move(connection, up, down) {
    if (connection.closed) return false;
    connection.up += up;
    connection.down += down;
    this.up += up;
    this.down += down;
    const sum = this.moved.get(connection.slot) ?? { up: 0, down: 0 };
    this.moved.set(connection.slot, { up: sum.up + up, down: sum.down + down });
    this.#changed.add(connection);
    return true;
  }

  /** The client ends a connection. */
  end(connection) {
    if (connection.closed) return;
    connection.closed = true;
    this.#connections.delete(connection.id);
    this.#changed.delete(connection);
    this.#ended.push(connection);
    if (this.#ended.length > REMEMBERED) this.#ended.shift();
    const message = { connections: { reset: false, events: [told(connection, false)] } };
    this.#send(message);
    if (this.repeats) this.#send({ connections: { reset: false, events: [told(connection, true)] } });
  }

  /** One short connection. @returns {boolean} whether it passed */
  once(slot, up, down) {
    const connection = this.connect(slot);
    if (!connection) return false;
    this.move(connection, up, down);
    this.end(connection);
    return true;
  }

  /**
   * Move bytes at a steady rate, over one connection as long as it lives, and over new ones as soon as they pass.
   *
   * @param {string} slot
   * @param {{rate: number, upShare?: number}} options bytes per second, and which part of them the client sends
   * @returns {Flow}
   */
  flow(slot, options) {
    const flow = new Flow(this, slot, options);
    this.#flows.add(flow);
    return flow;
  }

  /** @param {Flow} flow */
  forget(flow) {
    this.#flows.delete(flow);
  }

  /** Tell new subscribers nothing, as a core that is too busy to answer, until {@link ScriptedCore.speak}. */
  hush() {
    this.#mute ??= new Set();
  }

  /** Tell everybody who waits. */
  speak() {
    const waiting = this.#mute ?? [];
    this.#mute = null;
    for (const socket of waiting) this.#greet(socket);
  }

  /**
   * Wait until the agent has taken in everything that moved until now: it hears events in their order, and ends a connection of a slot
   * whose gate is shut.
   */
  async heard() {
    this.#tell();
    const [shut] = [...this.gates].find(([, open]) => !open) ?? [];
    if (!this.isUp || !shut) throw new Error('this needs a core that runs and a slot whose gate is shut');
    const last = this.#open(shut);
    await until('the agent has heard everything', () => last.closed, { everyMs: 10 });
    this.cut -= 1;
  }

  /** @param {string} slot @returns {boolean|undefined} whether its gate would be open if the core began anew and remembered nothing */
  filed(slot) {
    return this.#choices.get(slot) ?? this.#file.get(slot);
  }

  /** @returns {number} live connections */
  get live() {
    return this.#connections.size;
  }

  #serve(socket) {
    this.#sockets.add(socket);
    socket.on('error', () => {}).once('close', () => {
      this.#sockets.delete(socket);
      this.#watchers.delete(socket);
    });
    if (!this.isUp) {
      // A core that is down has nothing that listens; its file can be written all the same.
      socket.once('data', (data) => this.#down(socket, JSON.parse(String(data).split('\n')[0])));
      return;
    }
    let text = '';
    socket.on('data', (data) => {
      text += data;
      for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n')) {
        const line = text.slice(0, end);
        text = text.slice(end + 1);
        this.#call(socket, JSON.parse(line));
      }
    });
  }

  #down(socket, call) {
    if (call.write) socket.end(`${JSON.stringify({ ok: this.#write(call) })}\n`);
    else if (call.reload) {
      this.#file = new Map(call.reload);
      this.start();
      socket.end(`${JSON.stringify({ ok: { incarnation: this.#incarnation, cut: 0 } })}\n`);
    } else socket.destroy();
  }

  #call(socket, call) {
    if (call.tick !== undefined) this.#tickEvery(call.tick);
    if ('watch' in call) this.#greet(socket);
    if ('watch' in call || call.tick !== undefined) return;
    // A reload ends every line but the one that it came on.
    if (call.reload) this.#sockets.delete(socket);
    const answer = this.#answer(call);
    socket.end(`${JSON.stringify(answer)}\n`);
  }

  #tickEvery(ms) {
    if (ms === this.#tickMs) return;
    this.#tickMs = ms;
    clearInterval(this.#timer);
    this.#timer = setInterval(() => this.#tell(), ms);
  }

  #answer(call) {
    if (call.gate) {
      const [slot, open] = call.gate;
      if (!this.gates.has(slot)) return { config: `${slot} is not loaded` };
      this.gates.set(slot, open);
      this.#choices.set(slot, open);
      if (!open) for (const connection of [...this.#connections.values()]) if (connection.slot === slot) this.#cutOff(connection);
      return { ok: null };
    }
    if (call.close) {
      const connection = this.#connections.get(call.close);
      if (connection) this.#cutOff(connection);
      return { ok: null };
    }
    if (call.write) return { ok: this.#write(call) };
    if (call.reload) return this.#reload(call.reload);
    return { ok: [...this.gates] };
  }

  #write({ write, forget }) {
    this.#file = new Map(write);
    if (forget && !this.isUp) this.#choices.clear();
    return null;
  }

  #reload(slots) {
    if (this.refusal) {
      const refusal = this.refusal;
      this.refusal = null;
      return refusal;
    }
    this.#file = new Map(slots);
    const live = [...this.#connections.values()];
    for (const connection of live) this.#cutOff(connection);
    this.kill();
    this.start();
    return { ok: { incarnation: this.#incarnation, cut: live.length } };
  }

  #cutOff(connection) {
    this.cut += 1;
    this.end(connection);
  }

  #greet(socket) {
    if (this.#mute) {
      this.#mute.add(socket);
      return;
    }
    this.lists.push(new Map(this.moved));
    this.#post(socket, { up: { incarnation: this.#incarnation, version: '0-script' } });
    const all = [...this.#connections.values(), ...this.#ended].map((connection) => told(connection, true));
    this.#post(socket, { connections: { reset: true, events: all } });
    this.#post(socket, { totals: { up: this.up, down: this.down } });
    this.#watchers.add(socket);
  }

  #tell() {
    if (this.#changed.size === 0) return;
    const events = [...this.#changed].map((connection) => told(connection, false));
    this.#changed.clear();
    this.#send({ connections: { reset: false, events } });
  }

  #tellTotals() {
    this.#send({ totals: { up: this.up, down: this.down } });
  }

  #send(message) {
    for (const socket of this.#watchers) this.#post(socket, message);
  }

  #post(socket, message) {
    if (socket.writable) socket.write(`${JSON.stringify(message)}\n`);
  }
}

function told({ id, slot, source, up, down, closed }, named) {
  return { id, ...(named && { user: slot, source }), up, down, closed };
}
