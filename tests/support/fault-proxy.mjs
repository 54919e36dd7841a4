/**
 * The network between agent and panel, with faults on demand: an HTTP/1.1 proxy on 127.0.0.1 that takes each request whole and then
 * does with it, and with its answer, what the test has asked for. Without a fault it passes everything on, the doorbell's WebSocket
 * too.
 *
 * A fault is a function that is given one {@link Exchange} and decides what becomes of it; a new kind of fault is a new function.
 */
import http from 'node:http';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';

const HOST = '127.0.0.1';
/** What is said by the hop itself and must not be handed on. */
const HOP_HEADERS = ['connection', 'keep-alive', 'transfer-encoding', 'upgrade', 'content-length'];
/** Exchanges that are remembered. */
const MOST_REMEMBERED = 10_000;

/**
 * @typedef {{status: number, headers: http.IncomingHttpHeaders, body: Buffer}} Reply
 * @typedef {(exchange: Exchange) => Promise<void>} Fault
 * @typedef {(exchange: Exchange) => boolean} Condition
 */

/** One request of the agent, and what becomes of it. */
export class Exchange {
  #proxy;
  #response;

  constructor(proxy, request, body, response) {
    this.#proxy = proxy;
    this.#response = response;
    this.method = request.method;
    this.path = request.url;
    this.headers = request.headers;
    /** As it was sent. @type {Buffer} */
    this.body = body;
    /** The request's JSON, unpacked; undefined when it is none. @type {any} */
    this.message = parse(request.headers, body);
    /** What the panel answered, each time that it was asked. @type {Reply[]} */
    this.replies = [];
    /** The name of the fault that it met. @type {string|null} */
    this.fault = null;
    /** Ends when the proxy stops. @type {AbortSignal} */
    this.signal = proxy.signal;
  }

  /** The report in it, if there is one. */
  get report() {
    return this.message?.report ?? undefined;
  }

  /** The JSON of the panel's last answer. @returns {any} */
  get answer() {
    const last = this.replies.at(-1);
    return last && parse(last.headers, last.body);
  }

  /**
   * Ask the panel. May be called more than once.
   *
   * @param {{bytes?: number, headers?: Record<string, string>}} [options] send only so many bytes of the body, then cut the line; say
   *   more in the head
   * @returns {Promise<Reply>}
   * @throws {Error} if the panel is away or cuts the line, which it does after half a body
   */
  async forward({ bytes, headers = {} } = {}) {
    const { method, path, body } = this;
    const reply = await this.#proxy.ask({ method, path, body, headers: { ...this.headers, ...headers } }, bytes);
    this.replies.push(reply);
    return reply;
  }

  /** Answer the agent. @param {Reply} reply */
  reply({ status, headers, body }) {
    if (this.#response.destroyed) return;
    this.#response.writeHead(status, { ...endToEnd(headers), 'content-length': body.length });
    this.#response.end(body);
  }

  /** Promise the agent the whole answer, send it so many bytes, and cut the line. @param {Reply} reply @param {number} bytes */
  async replyInPart({ status, headers, body }, bytes) {
    this.#response.writeHead(status, { ...endToEnd(headers), 'content-length': body.length });
    await new Promise((resolve) => this.#response.write(body.subarray(0, bytes), resolve));
    this.cut();
  }

  /** Cut the agent's line without another byte. */
  cut() {
    this.#response.destroy();
  }

  /** @param {number} ms ends early when the proxy stops */
  async wait(ms) {
    await sleep(ms, undefined, { signal: this.signal }).catch(() => {});
  }
}

/** The faults. Each makes a {@link Fault}. */
export const faults = {
  /** The request never arrives. */
  loseRequest: () => async (exchange) => exchange.cut(),
  /** It arrives and takes effect; the answer is lost. */
  loseReply: () => async (exchange) => {
    await exchange.forward();
    exchange.cut();
  },
  /** It arrives after so many milliseconds. */
  delayRequest: (ms) => async (exchange) => {
    await exchange.wait(ms);
    exchange.reply(await exchange.forward());
  },
  /** Its answer arrives after so many milliseconds. */
  delayReply: (ms) => async (exchange) => {
    const reply = await exchange.forward();
    await exchange.wait(ms);
    exchange.reply(reply);
  },
  /** It arrives twice, one after the other; the agent gets the second answer. */
  double: () => async (exchange) => {
    await exchange.forward();
    exchange.reply(await exchange.forward());
  },
  /** It arrives twice at the same time; the agent gets the answer that comes first. */
  doubleAtOnce: () => async (exchange) => {
    const both = [exchange.forward(), exchange.forward()];
    exchange.reply(await Promise.any(both));
    await Promise.allSettled(both);
  },
  /** The agent's line is cut and the request arrives `ms` later, after others that were sent after it. */
  reorder: (ms) => async (exchange) => {
    exchange.cut();
    await exchange.wait(ms);
    await exchange.forward();
  },
  /** Only so many bytes of the request's body arrive. */
  truncateRequest: (bytes) => async (exchange) => {
    await exchange.forward({ bytes }).catch(() => {});
    exchange.cut();
  },
  /** The answer ends in order after so many bytes of its body. */
  truncateReply: (bytes) => async (exchange) => {
    const reply = await exchange.forward();
    exchange.reply({ ...reply, body: reply.body.subarray(0, bytes) });
  },
  /** The line is cut after so many bytes of the answer's body. */
  cutReply: (bytes) => async (exchange) => exchange.replyInPart(await exchange.forward(), bytes),
  /** Somebody in between answers, and the panel hears nothing. */
  answer: (status, { headers = { 'content-type': 'text/html' }, body = '<h1>error</h1>' } = {}) => async (exchange) =>
    exchange.reply({ status, headers, body: Buffer.from(body) }),
  /** It takes effect, and somebody in between answers instead of the panel. */
  answerInstead: (status, { headers = { 'content-type': 'text/html' }, body = '<h1>error</h1>' } = {}) => async (exchange) => {
    await exchange.forward();
    exchange.reply({ status, headers, body: Buffer.from(body) });
  },
  /** The panel dies after so many round trips to its database; needs a Worker with faults on demand. */
  crashPanel: (trips) => async (exchange) => exchange.reply(await exchange.forward({ headers: { 'weir-fault-crash': String(trips) } })),
  /** It arrives nowhere, and no answer comes for so long. */
  stall: (ms = Infinity) => async (exchange) => {
    await exchange.wait(Math.min(ms, 2 ** 31 - 1));
    exchange.cut();
  },
};

/** Conditions of {@link FaultProxy.inject}. */
export const isReport = (exchange) => exchange.report !== undefined;
export const isSync = (exchange) => exchange.path === '/agent/v1/sync';

/** See the module's description. Made by {@link FaultProxy.start}. */
export class FaultProxy {
  #server;
  #sockets = new Set();
  #stopped = new AbortController();
  #injections = [];
  #disturbance = null;
  #away = false;
  #underWay = new Set();

  /** @param {{target: string}} options the panel's URL, `http://127.0.0.1:PORT`. The panel may come and go. @returns {Promise<FaultProxy>} */
  static async start({ target }) {
    const proxy = new FaultProxy(new URL(target));
    await new Promise((resolve, reject) => proxy.#server.once('error', reject).listen(0, HOST, resolve));
    return proxy;
  }

  constructor(target) {
    this.target = target;
    this.signal = this.#stopped.signal;
    /** The last exchanges, in the order of their requests. @type {Exchange[]} */
    this.exchanges = [];
    this.#server = http.createServer((request, response) => this.#take(request, response));
    this.#server.on('connection', (socket) => {
      if (this.#away) socket.destroy();
      else this.#keep(socket);
    });
    this.#server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head));
  }

  /** @returns {string} what the agent takes for the panel */
  get url() {
    return `http://${HOST}:${this.#server.address().port}`;
  }

  /**
   * Let the next requests meet a fault.
   *
   * @param {Fault} fault of {@link faults}, or one's own
   * @param {{times?: number, when?: Condition, name?: string}} [options] how many requests, and which
   * @returns {Promise<Exchange[]>} those that met it, once each of them is over
   */
  inject(fault, { times = 1, when = isReport, name = 'fault' } = {}) {
    return new Promise((resolve) => this.#injections.push({ fault, when, name, left: times, met: [], pending: times, resolve }));
  }

  /**
   * Decide of every request from now on what it meets, if no injection does.
   *
   * @param {((exchange: Exchange) => {name: string, fault: Fault}|null)|null} choose null: nothing any more
   */
  disturb(choose) {
    this.#disturbance = choose;
  }

  /** @returns {Exchange[]} what is still under way, such as a request that arrives late */
  get underWay() {
    return [...this.#underWay];
  }

  /** Pull the plug: every line is cut, on either side, and none comes up until {@link FaultProxy.restore}. */
  isolate() {
    this.#away = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Put the plug back. */
  restore() {
    this.#away = false;
  }

  /** End every line and the proxy. */
  async stop() {
    this.#stopped.abort();
    this.isolate();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #keep(socket) {
    this.#sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.once('close', () => this.#sockets.delete(socket));
  }

  async #take(request, response) {
    const chunks = [];
    try {
      for await (const chunk of request) chunks.push(chunk);
    } catch {
      return; // the agent has given up before its request was whole
    }
    // Whatever time the answer names is the panel's.
    response.sendDate = false;
    const exchange = new Exchange(this, request, Buffer.concat(chunks), response);
    this.exchanges.push(exchange);
    if (this.exchanges.length > MOST_REMEMBERED) this.exchanges.shift();
    const injection = this.#injections.find(({ left, when }) => left > 0 && when(exchange));
    if (injection) injection.left -= 1;
    const met = injection ?? this.#disturbance?.(exchange) ?? null;
    exchange.fault = met?.name ?? null;
    const pass = async () => exchange.reply(await exchange.forward());
    this.#underWay.add(exchange);
    // Whatever goes wrong on the way looks to the agent like a line that is cut.
    await (met ? met.fault(exchange) : pass()).catch(() => exchange.cut());
    this.#underWay.delete(exchange);
    if (injection) this.#met(injection, exchange);
  }

  #met(injection, exchange) {
    injection.met.push(exchange);
    injection.pending -= 1;
    if (injection.pending > 0) return;
    this.#injections.splice(this.#injections.indexOf(injection), 1);
    injection.resolve(injection.met);
  }

  /** Ask the panel for {@link Exchange.forward}. */
  ask({ method, path, headers, body }, bytes) {
    return new Promise((resolve, reject) => {
      if (this.#away) throw new Error('the plug is pulled');
      const { hostname: host, port } = this.target;
      const sent = { ...endToEnd(headers), 'content-length': body.length };
      const request = http.request({ host, port, method, path, headers: sent, agent: false, signal: this.signal });
      request.once('error', reject);
      request.once('response', async (response) => {
        const chunks = [];
        try {
          for await (const chunk of response) chunks.push(chunk);
          resolve({ status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks) });
        } catch (error) {
          reject(error);
        }
      });
      if (bytes === undefined) request.end(body);
      else request.write(body.subarray(0, bytes), () => request.destroy(new Error(`cut after ${bytes} bytes`)));
    });
  }

  #upgrade(request, socket, head) {
    const upstream = net.connect(Number(this.target.port), this.target.hostname);
    this.#keep(upstream);
    socket.once('close', () => upstream.destroy());
    upstream.once('close', () => socket.destroy());
    upstream.once('connect', () => {
      const lines = [`${request.method} ${request.url} HTTP/1.1`];
      for (let index = 0; index < request.rawHeaders.length; index += 2) lines.push(`${request.rawHeaders[index]}: ${request.rawHeaders[index + 1]}`);
      upstream.write(`${lines.join('\r\n')}\r\n\r\n`);
      upstream.write(head);
      socket.pipe(upstream).pipe(socket);
    });
  }
}

function endToEnd(headers) {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !HOP_HEADERS.includes(name)));
}

function parse(headers, body) {
  try {
    return JSON.parse(headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body);
  } catch {
    return undefined;
  }
}
