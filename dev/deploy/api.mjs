/** Cloudflare's API, for what wrangler has no command for that answers a program. */
import { Trouble } from '../home.mjs';

/** Of one account. */
export class Api {
  #wrangler;
  #base;
  #credential;

  /** @param {import('./wrangler.mjs').Wrangler} wrangler knows the credential @param {string} account its id */
  constructor(wrangler, account) {
    this.#wrangler = wrangler;
    this.#base = `${process.env.CLOUDFLARE_API_BASE_URL ?? 'https://api.cloudflare.com/client/v4'}/accounts/${account}`;
  }

  /**
   * @param {string} method
   * @param {string} where after the account
   * @param {object} [body] sent as JSON
   * @returns {Promise<any>} the answer's result
   * @throws {Trouble} with what Cloudflare says
   */
  async call(method, where, body) {
    const response = await this.#fetch(method, where, body && JSON.stringify(body));
    const answer = await response.json().catch(() => ({ errors: [{ message: `it answers ${response.status}`, code: 0 }] }));
    if (!answer.success) throw new Trouble((answer.errors ?? []).map(({ code, message }) => `${message} [code: ${code}]`).join('; '));
    return answer.result;
  }

  /** @param {string} where @returns {Promise<Buffer|undefined>} what is there as it is; undefined if nothing is */
  async download(where) {
    const response = await this.#fetch('GET', where);
    if (response.status === 404) return undefined;
    if (!response.ok) throw new Trouble(`Cloudflare answers ${response.status}: ${(await response.text()).slice(0, 200)}`);
    return Buffer.from(await response.arrayBuffer());
  }

  async #fetch(method, where, body) {
    this.#credential ??= await this.#wrangler.json('reading the credential', ['auth', 'token', '--json'], { isSecret: true });
    const { type, token, key, email } = this.#credential;
    const headers = type === 'api_key' ? { 'x-auth-key': key, 'x-auth-email': email } : { authorization: `Bearer ${token}` };
    try {
      return await fetch(this.#base + where, { method, headers: { ...headers, 'content-type': 'application/json' }, body });
    } catch (error) {
      throw new Trouble(`Cloudflare cannot be asked: ${error.cause?.code ?? error.message}`);
    }
  }
}
