/**
 * A proxy between agent and panel that does to requests what networks do. It passes everything on until a test orders a fault; WebSockets
 * (the doorbell) are passed on as they are.
 */
import http from 'node:http';
import net from 'node:net';

/**
 * @typedef {object} Fault what to do with the requests to come
 * @property {'loseReply'|'loseRequest'|'double'} kind `loseReply`: the panel answers and the agent never hears it; `loseRequest`: the panel
 *   never sees it; `double`: the panel gets it twice, the agent the second answer
 * @property {number} [times] how often, once unless told
 * @property {(body: Buffer) => boolean} [on] which requests; all unless told
 */
export class FaultProxy {
  #server;
  #sockets = new Set();
  #faults = [];
  /** Orders that were carried out, by kind. @type {Record<string, number>} */
  done = {};

  /** @param {string} target the panel's URL @returns {Promise<FaultProxy>} listening on a free port of 127.0.0.1 */
  static async start(target) {
    const proxy = new FaultProxy(new URL(target));
    await new Promise((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  constructor(target) {
    this.target = target;
    this.#server = http.createServer((request, response) => this.#handle(request, response));
    this.#server.on('upgrade', (request, socket, head) => this.#tunnel(request, socket, head));
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
  }

  /** @returns {string} */
  get url() {
    return `http://127.0.0.1:${this.#server.address().port}`;
  }

  /** @param {Fault} fault */
  order(fault) {
    this.#faults.push({ times: 1, on: () => true, ...fault });
  }

  /** End it; agents find nobody there. */
  async stop() {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #handle(request, response) {
    const chunks = [];
    try {
      for await (const chunk of request) chunks.push(chunk);
      const body = Buffer.concat(chunks);
      const fault = this.#faults.find(({ times, on }) => times > 0 && on(body));
      if (fault) {
        fault.times -= 1;
        this.done[fault.kind] = (this.done[fault.kind] ?? 0) + 1;
      }
      if (fault?.kind === 'loseRequest') return request.socket.destroy();
      if (fault?.kind === 'double') await this.#pass(request, body);
      const answer = await this.#pass(request, body);
      if (fault?.kind === 'loseReply') return request.socket.destroy();
      response.writeHead(answer.status, answer.headers);
      response.end(answer.body);
    } catch {
      // The panel is away: so it is for the agent.
      request.socket.destroy();
    }
  }

  #pass(request, body) {
    return new Promise((resolve, reject) => {
      const { hostname: host, port } = this.target;
      const headers = { ...request.headers, host: this.target.host };
      const onward = http.request({ host, port, method: request.method, path: request.url, headers, agent: false }, async (answer) => {
        try {
          const chunks = [];
          for await (const chunk of answer) chunks.push(chunk);
          const { 'transfer-encoding': _, ...rest } = answer.headers;
          resolve({ status: answer.statusCode, headers: rest, body: Buffer.concat(chunks) });
        } catch (error) {
          reject(error);
        }
      });
      onward.once('error', reject);
      onward.end(body);
    });
  }

  #tunnel(request, socket, head) {
    const onward = net.connect(this.target.port, this.target.hostname, () => {
      const headers = Object.entries({ ...request.headers, host: this.target.host }).map(([name, value]) => `${name}: ${value}`);
      onward.write(`${request.method} ${request.url} HTTP/1.1\r\n${headers.join('\r\n')}\r\n\r\n`);
      onward.write(head);
      socket.pipe(onward).pipe(socket);
    });
    this.#sockets.add(onward);
    onward.once('close', () => this.#sockets.delete(onward));
    for (const [one, other] of [[socket, onward], [onward, socket]]) one.once('error', () => other.destroy());
  }
}
