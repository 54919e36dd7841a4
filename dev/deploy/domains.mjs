/**
 * Domains of the operator's own. They are attached one by one, and not by wrangler's list of routes: where nobody can be asked, wrangler
 * takes a domain away from another Worker, and replaces a DNS record that is in its way.
 */
import { Trouble } from '../home.mjs';
import { Api } from './api.mjs';

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
  #api;
  #where = '/workers/domains';

  /** @param {import('./wrangler.mjs').Wrangler} wrangler knows the credential @param {string} account its id */
  constructor(wrangler, account) {
    this.#api = new Api(wrangler, account);
  }

  /**
   * @param {string} domain
   * @param {string} worker
   * @returns {Promise<boolean>} whether the domain leads to that Worker already
   * @throws {Trouble} if it leads to another one
   */
  async leadsTo(domain, worker) {
    const [attached] = await this.#api.call('GET', `${this.#where}?hostname=${domain}`);
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
      await this.#api.call('PUT', this.#where, { hostname: domain, service: worker, environment: 'production' });
    } catch (error) {
      throw error instanceof Trouble ? new Trouble(`${domain}: ${error.message}`) : error;
    }
  }
}
