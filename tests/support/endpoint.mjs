/** A receiver of notifications on this machine: a plain HTTP server that keeps what it got and answers as the test wants. */
import { createServer } from 'node:http';

/**
 * @typedef {{method: string, path: string, headers: Record<string, string>, text: string, json: unknown, status: number}} Received
 */

export class Endpoint {
  #server;

  /** @param {(received: Received) => number | {status: number, body?: unknown, headers?: Record<string, string>} | 'hang' | 'cut'} answer */
  constructor(answer = () => 204) {
    /** How it answers; may be changed at any time. */
    this.answer = answer;
    /** Everything that came, the oldest first. @type {Received[]} */
    this.received = [];
    this.#server = createServer((request, response) => this.#take(request, response));
  }

  /** @param {ConstructorParameters<typeof Endpoint>[0]} [answer] @returns {Promise<Endpoint>} that listens */
  static async start(answer) {
    const endpoint = new Endpoint(answer);
    await new Promise((resolve, reject) => endpoint.#server.once('error', reject).listen(0, '127.0.0.1', resolve));
    return endpoint;
  }

  get url() {
    return `http://127.0.0.1:${this.#server.address().port}`;
  }

  /** The events of webhooks that were answered with success, in the order in which they came. */
  get events() {
    return this.received.filter(({ status }) => status >= 200 && status < 300).flatMap(({ json }) => json);
  }

  /** What came since the last call. @returns {Received[]} */
  taken() {
    return this.received.splice(0);
  }

  async stop() {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #take(request, response) {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString('utf8');
    const received = { method: request.method, path: request.url, headers: request.headers, text, json: parse(text), status: 0 };
    const answer = this.answer(received);
    this.received.push(received);
    if (answer === 'hang') return;
    if (answer === 'cut') {
      request.socket.destroy();
      return;
    }
    const { status, body = '', headers = {} } = typeof answer === 'number' ? { status: answer } : answer;
    received.status = status;
    response.writeHead(status, headers);
    response.end(typeof body === 'string' ? body : JSON.stringify(body));
  }
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
