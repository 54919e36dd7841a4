/** The panel that is imported into, through its own API. */
import { Trouble } from '../home.mjs';
import { ask } from './http.mjs';

const PAGE = 200;

/** An answer that is no success; it is about one thing and does not stop the rest. */
export class Refused extends Error {
  /** @param {number} status @param {{code?: string, message?: string, field?: string}} error */
  constructor(status, error) {
    super(error?.message ?? `status ${status}`);
    this.status = status;
    this.code = error?.code;
    this.field = error?.field;
  }
}

/** See the module's description. */
export class Panel {
  #origin;
  #key;

  /** @param {string} url @param {string} key `weir_...` */
  constructor(url, key) {
    this.#origin = url.replace(/\/+$/, '');
    this.#key = key;
  }

  /**
   * @param {string} method
   * @param {string} where below /api/v1
   * @param {unknown} [body]
   * @returns {Promise<any>}
   * @throws {Refused} for any status but 2xx
   * @throws {Trouble} if the panel does not answer or does not take the key
   */
  async call(method, where, body) {
    const answer = await this.#ask(method, `/api/v1${where}`, body);
    if (answer.status >= 200 && answer.status < 300) return answer.body;
    const refused = new Refused(answer.status, answer.body?.error);
    if ([401, 403].includes(answer.status)) throw new Trouble(`${method} /api/v1${where}: ${refused.message}`);
    throw refused;
  }

  /**
   * The same in Marzban's form, for what our own API has no place for.
   *
   * @param {string} method
   * @param {string} where whole
   * @param {unknown} [body]
   * @returns {Promise<any>}
   * @throws {Refused} for any status but 200
   */
  async marzban(method, where, body) {
    const { status, body: answer } = await this.#ask(method, where, body);
    if (status === 200) return answer;
    const { detail } = answer ?? {};
    if (typeof detail !== 'object' || detail === null) throw new Refused(status, { message: detail });
    const [[field, rule]] = Object.entries(detail);
    throw new Refused(status, { field, message: rule });
  }

  #ask(method, where, body) {
    const headers = { authorization: `Bearer ${this.#key}`, 'content-type': 'application/json' };
    return ask(this.#origin + where, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  }

  /** Everything of a list that comes by pages. @param {string} where @returns {Promise<any[]>} */
  async all(where) {
    const items = [];
    for (let offset = 0; offset !== null; ) {
      const { items: more, next } = await this.call('GET', `${where}?limit=${PAGE}&offset=${offset}`);
      items.push(...more);
      offset = next ?? null;
    }
    return items;
  }

  /** @param {string} name of a user @param {string} [rest] @returns {string} */
  user(name, rest = '') {
    return `/users/${encodeURIComponent(name)}${rest}`;
  }
}
