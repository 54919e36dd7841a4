/**
 * Domains of the operator's own. They are attached one by one, and not by wrangler's list of routes: where nobody can be asked, wrangler
 * takes a domain away from another Worker, and replaces a DNS record that is in its way.
 */
import { Trouble } from '../home.mjs';

const HOST = /^(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])$/;

/** @param {string} text host names, with spaces or commas between @returns {string[]} @throws {Trouble} if one is none */
export function readDomains(text) {
  const domains = text.toLowerCase().split(/[\s,]+/).filter(Boolean);
  const wrong = domains.find((domain) => !HOST.test(domain));
  if (wrong !== undefined) throw new Trouble(`DOMAIN: '${wrong}' is not a host name such as panel.example.com`);
  return [...new Set(domains)];
}

/** Domains of one account. */
export class Domains {
  #wrangler;
  #where;
  #credential;

  /** @param {import('./wrangler.mjs').Wrangler} wrangler knows the credential @param {string} account its id */
  constructor(wrangler, account) {
    this.#wrangler = wrangler;
    this.#where = `/accounts/${account}/workers/domains`;
  }

  /**
   * @param {string} domain
   * @param {string} worker
   * @returns {Promise<boolean>} whether the domain leads to that Worker already
   * @throws {Trouble} if it leads to another one
   */
  async leadsTo(domain, worker) {
    const [attached] = await this.#call('GET', `${this.#where}?hostname=${domain}`);
    if (attached && attached.service !== worker) {
      throw new Trouble(`${domain} leads to the Worker ${attached.service}: take it away there first`);
    }
    return attached !== undefined;
  }

  /**
   * Let a domain lead to a Worker.
   *
   * @param {string} domain of a zone of this account
   * @param {string} worker
   * @throws {Trouble} if something else has it, or it is in no zone of the account
   */
  async attach(domain, worker) {
    if (await this.leadsTo(domain, worker)) return;
    try {
      await this.#call('PUT', this.#where, { hostname: domain, service: worker, environment: 'production' });
    } catch (error) {
      throw error instanceof Trouble ? new Trouble(`${domain}: ${error.message}`) : error;
    }
  }

  async #call(method, where, body) {
    this.#credential ??= await this.#wrangler.json('reading the credential', ['auth', 'token', '--json'], { isSecret: true });
    return call(this.#credential, method, where, body);
  }
}

async function call({ type, token, key, email }, method, where, body) {
  const base = process.env.CLOUDFLARE_API_BASE_URL ?? 'https://api.cloudflare.com/client/v4';
  const headers = type === 'api_key' ? { 'x-auth-key': key, 'x-auth-email': email } : { authorization: `Bearer ${token}` };
  let answer;
  try {
    const response = await fetch(base + where, {
      method,
      headers: { ...headers, 'content-type': 'application/json' },
      body: body && JSON.stringify(body),
    });
    answer = await response.json();
  } catch (error) {
    throw new Trouble(`Cloudflare cannot be asked: ${error.cause?.code ?? error.message}`);
  }
  if (!answer.success) throw new Trouble((answer.errors ?? []).map(({ code, message }) => `${message} [code: ${code}]`).join('; '));
  return answer.result;
}
