/** A Marzban as far as an import goes: its API of version 0.8.4, made from its contract, with users of every kind. Nothing of it is Marzban's code. */
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { once } from 'node:events';

const GIB = 1024 ** 3;
const DAY = 86_400;
const STRATEGIES = ['no_reset', 'day', 'week', 'month', 'year'];
const KINDS = ['active', 'limited', 'expired', 'disabled', 'on_hold', 'held_until', 'next_plan', 'unlimited'];
const NAMES = ['ann', 'Bob_', 'c.d-', 'e@f.', 'G-h_'];

export const SUDO = { username: 'root', password: 'a long one', is_sudo: true };
const ADMINS = [SUDO, { username: 'seller-a', is_sudo: false }, { username: 'seller-b', is_sudo: false }];

/** @param {number} second @returns {string} as its API says instants: no offset */
export const naive = (second) => new Date(second * 1_000).toISOString().slice(0, 19);

function proxiesOf(index) {
  const all = {
    vless: { id: randomUUID(), flow: index % 3 === 0 ? 'xtls-rprx-vision' : '' },
    vmess: { id: randomUUID() },
    trojan: { password: `trojan ${index} ${randomUUID()}`, flow: '' },
    shadowsocks: { password: randomUUID().replaceAll('-', ''), method: index % 4 === 0 ? 'aes-256-gcm' : 'chacha20-ietf-poly1305' },
  };
  // Every set of protocols but the empty one.
  const wanted = (index % 15) + 1;
  return Object.fromEntries(Object.entries(all).filter((_, bit) => wanted & (1 << bit)));
}

/** A user of the kind that his number makes him. @param {number} index @param {number} now @returns {object} */
export function userOf(index, now) {
  const kind = KINDS[index % KINDS.length];
  const proxies = proxiesOf(index);
  const waits = kind === 'on_hold' || kind === 'held_until';
  const limit = kind === 'unlimited' || waits ? null : (1 + (index % 50)) * GIB;
  const used = { limited: limit + (index % 7), unlimited: 3 * GIB + index }[kind] ?? (waits ? 0 : (index * 7919) % GIB);
  const admin = ADMINS[index % 4];
  return {
    username: `${NAMES[index % NAMES.length]}${index}`,
    status: { held_until: 'on_hold', next_plan: 'active', unlimited: 'active' }[kind] ?? kind,
    proxies,
    inbounds: Object.fromEntries(Object.keys(proxies).map((name) => [name, [`${name}-in`]])),
    excluded_inbounds: Object.fromEntries(Object.keys(proxies).map((name) => [name, index % 5 === 0 ? [`${name}-old`] : []])),
    expire: kind === 'expired' ? now - 1_000 - index : waits || index % 2 ? null : now + 90 * DAY + index,
    data_limit: limit,
    data_limit_reset_strategy: STRATEGIES[index % STRATEGIES.length],
    used_traffic: used,
    lifetime_used_traffic: used + (index % 3) * 5 * GIB,
    created_at: `${naive(now - 400 * DAY - index * 60)}.${String(index).padStart(6, '0')}`,
    note: index % 6 === 0 ? null : `ü note ${index}\nof two lines`,
    on_hold_expire_duration: waits ? 30 * DAY + index : null,
    on_hold_timeout: kind === 'held_until' ? naive(now + 10 * DAY + index) : null,
    auto_delete_in_days: [null, -1, 400][index % 3],
    next_plan: kind === 'next_plan' ? { data_limit: index % 2 ? 5 * GIB : null, expire: index % 4 < 2 ? now + 200 * DAY : null, add_remaining_traffic: index % 3 === 0, fire_on_either: index % 5 !== 0 } : null,
    sub_updated_at: null,
    sub_last_user_agent: null,
    online_at: null,
    links: [],
    subscription_url: '/sub/x',
    admin: admin ? { username: admin.username, is_sudo: admin.is_sudo, telegram_id: null, discord_webhook: null, users_usage: 0 } : null,
  };
}

const TEMPLATES = [
  { id: 1, name: 'month 50', data_limit: 50 * GIB, expire_duration: 30 * DAY, username_prefix: null, username_suffix: null, inbounds: {} },
  { id: 2, name: 'trial', data_limit: GIB, expire_duration: 3_600, username_prefix: 'try-', username_suffix: null, inbounds: {} },
];
const NODES = [{ id: 1, name: 'fra', address: '192.0.2.1', port: 62050, api_port: 62051, usage_coefficient: 1.5, xray_version: '1.8.24', status: 'connected', message: null }];
const HOSTS = { 'vless-in': [{ remark: '{USERNAME} fra', address: 'fra.example', port: 443, sni: 'sni.example', host: null, path: null, security: 'inbound_default', alpn: '', fingerprint: '', is_disabled: null }] };

/** See the module's description. */
export class MarzbanServer {
  #server;
  #tokens = new Set();
  /** Requests that were answered, as `GET /api/users`. */
  asked = [];

  /** @param {object[]} users as its API shows them */
  constructor(users) {
    this.users = users;
    this.admins = ADMINS;
    this.templates = structuredClone(TEMPLATES);
    this.hosts = structuredClone(HOSTS);
  }

  /** @param {object[]} users @returns {Promise<MarzbanServer>} */
  static async start(users) {
    const made = new MarzbanServer(users);
    made.#server = createServer((request, response) => void made.#answer(request, response));
    made.#server.listen(0, '127.0.0.1');
    await once(made.#server, 'listening');
    made.url = `http://127.0.0.1:${made.#server.address().port}`;
    return made;
  }

  async stop() {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #answer(request, response) {
    const url = new URL(request.url, this.url);
    this.asked.push(`${request.method} ${url.pathname}`);
    let body = '';
    for await (const chunk of request) body += chunk;
    const [status, answer] = this.#route(request, url, body);
    response.writeHead(status, { 'content-type': 'application/json', ...(status === 401 && { 'www-authenticate': 'Bearer' }) });
    response.end(JSON.stringify(answer));
  }

  #route(request, url, body) {
    const where = `${request.method} ${url.pathname}`;
    if (where === 'POST /api/admin/token') return this.#signIn(new URLSearchParams(body));
    const [, token] = /^Bearer (.+)$/.exec(request.headers.authorization ?? '') ?? [];
    if (token === undefined) return [401, { detail: 'Not authenticated' }];
    if (!this.#tokens.has(token)) return [401, { detail: 'Could not validate credentials' }];
    switch (where) {
      case 'GET /api/users':
        return this.#list(url.searchParams);
      case 'GET /api/admins':
        return [200, this.admins.map(({ username, is_sudo }) => ({ username, is_sudo, telegram_id: null, discord_webhook: null, users_usage: 0 }))];
      case 'GET /api/user_template':
        return [200, this.templates];
      case 'GET /api/nodes':
        return [200, NODES];
      case 'GET /api/hosts':
        return [200, this.hosts];
      default:
        return [404, { detail: 'Not Found' }];
    }
  }

  #signIn(form) {
    if (!form.get('username') || !form.get('password')) return [422, { detail: { username: 'Field required' } }];
    if (form.get('username') !== SUDO.username || form.get('password') !== SUDO.password) return [401, { detail: 'Incorrect username or password' }];
    const token = randomUUID();
    this.#tokens.add(token);
    return [200, { access_token: token, token_type: 'bearer' }];
  }

  #list(query) {
    if (![null, 'created_at', 'created_at,username'].includes(query.get('sort'))) return [400, { detail: `"${query.get('sort')}" is not a valid sort option` }];
    const sorted = [...this.users].sort((a, b) => (`${a.created_at} ${a.username}` < `${b.created_at} ${b.username}` ? -1 : 1));
    const offset = Number(query.get('offset') ?? 0);
    const limit = Number(query.get('limit') ?? sorted.length);
    return [200, { users: sorted.slice(offset, offset + limit), total: sorted.length }];
  }
}
