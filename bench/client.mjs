/** A plain HTTP/1.1 client that keeps its connections: what it costs itself is the same for everything that it asks. */
import http from 'node:http';

/** One connection, one request at a time. */
export class Connection {
  #agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  #at;

  /** @param {string} url of the server */
  constructor(url) {
    const { hostname, port } = new URL(url);
    this.#at = { hostname, port };
  }

  /**
   * A connection that the server has closed meanwhile, because nothing was asked for a while, is opened anew.
   *
   * @param {{method?: string, path: string, headers?: Record<string, string>, body?: string, expect?: number}} request
   * `expect`: the status, 200 unless told
   * @returns {Promise<Buffer>} the body
   * @throws {Error} on any other status
   */
  async send(request) {
    try {
      return await this.#once(request);
    } catch (error) {
      if (!error.closedWhileIdle) throw error;
      return this.#once(request);
    }
  }

  #once({ method = 'GET', path, headers = {}, body, expect = 200 }) {
    return new Promise((resolve, reject) => {
      const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) };
      const request = http.request({ ...this.#at, agent: this.#agent, method, path, headers: { ...headers, ...length } }, (response) => {
        const chunks = [];
        response.on('data', (chunk) => chunks.push(chunk));
        response.once('error', reject);
        response.once('end', () => {
          const text = Buffer.concat(chunks);
          if (response.statusCode === expect) resolve(text);
          else reject(new Error(`${method} ${path}: ${response.statusCode} ${text.toString().slice(0, 200)}`));
        });
      });
      request.once('error', (error) => {
        reject(Object.assign(error, { closedWhileIdle: request.reusedSocket && error.code === 'ECONNRESET' }));
      });
      request.end(body);
    });
  }

  /** Close it. */
  end() {
    this.#agent.destroy();
  }
}
