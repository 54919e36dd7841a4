/** Reads a running Marzban through its API, as one of its sudo admins. */
import { readFile } from 'node:fs/promises';

import { Trouble } from '../home.mjs';
import { ask } from './http.mjs';
import { wishOf } from './user.mjs';

const PAGE = 200;
/** Readings of all users, while one of them is not whole. */
const READINGS = 2;
const DAY = 86_400;
/** Seconds of a rolling period. */
const PERIODS = { day: DAY, week: 7 * DAY, month: 30 * DAY, year: 365 * DAY };
/** The method that Marzban gives to whoever chose none. */
const METHOD = 'chacha20-ietf-poly1305';

/**
 * @param {{url: string, username: string, password: string, revoked?: string, say: (text: string) => void}} options
 * @returns {Promise<Parameters<typeof import('./run.mjs').importInto>[1]>}
 */
export async function read({ url, username, password, revoked, say }) {
  const old = new Marzban(url);
  await old.signIn(username, password);
  const [admins, templates, nodes, hosts] = [await old.get('/api/admins'), await old.get('/api/user_template'), await old.get('/api/nodes'), await old.get('/api/hosts')];
  const found = await old.users(say);
  const since = await readRevoked(revoked);
  const now = Math.floor(Date.now() / 1_000);
  const owners = new Set(found.map(({ admin }) => admin?.username).filter(Boolean));
  const todo = nodes.map(nodeToDo);
  const plans = [];
  for (const template of templates) {
    const plan = planOf(template);
    if (typeof plan === 'string') todo.push(plan);
    else plans.push(plan);
  }
  return {
    source: `Marzban at ${url}`,
    users: found.map((user) => wish(user, since, now)),
    operators: admins.filter((admin) => owners.has(admin.username) || !admin.is_sudo).map((admin) => ({ name: admin.username, isSudo: admin.is_sudo })),
    plans,
    templates: templates.filter(({ name }) => name).map(({ id: _, ...template }) => template),
    hosts,
    todo,
  };
}

class Marzban {
  #origin;
  #token;

  constructor(url) {
    this.#origin = url.replace(/\/+$/, '');
  }

  async signIn(username, password) {
    const { status, body } = await ask(`${this.#origin}/api/admin/token`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({ grant_type: 'password', username, password }).toString(),
      again: true,
    });
    if (status !== 200) throw new Trouble(`${this.#origin} does not let ${username} in: ${told(body, status)}`);
    this.#token = body.access_token;
  }

  async get(where) {
    const { status, body } = await ask(this.#origin + where, { headers: { authorization: `Bearer ${this.#token}` } });
    if (status !== 200) throw new Trouble(`GET ${this.#origin}${where}: ${told(body, status)}`);
    return body;
  }

  /** All of them: where a reading is not whole, by another from the beginning. */
  async users(say) {
    for (let readings = 1; ; readings += 1) {
      const { found, totals, isWhole } = await this.#reading(say);
      if (isWhole) return [...found.values()];
      const numbers = `${found.size} were read, and it told of ${totals[0]} at the beginning and ${totals.at(-1)} at the end`;
      if (readings === READINGS) throw new Trouble(`${this.#origin}: its users changed each time that they were read, at last so: ${numbers}. Leave it alone meanwhile, and begin again`);
      say(`users changed there while they were read (${numbers}): they are read once more`);
    }
  }

  /**
   * By pages in the order of creation, so that one who is created meanwhile comes last; by name where that is the same second. One who is deleted meanwhile moves those after him forward,
   * one of them over the edge of a page. That the numbers agree does not tell it, because he counts himself if he was read: so each page begins with
   * the last user of the one before.
   */
  async #reading(say) {
    const found = new Map();
    const totals = [];
    let isJoined = true;
    for (let offset = 0; ; offset += PAGE - 1) {
      const { users, total } = await this.get(`/api/users?offset=${offset}&limit=${PAGE}&sort=created_at,username`);
      isJoined &&= offset === 0 || found.has(users[0]?.username);
      for (const user of users) found.set(user.username, user);
      totals.push(total);
      say(`read ${found.size} of ${total} users`);
      if (users.length < PAGE || offset + PAGE >= total) return { found, totals, isWhole: isJoined && found.size === total };
    }
  }
}

const told = (body, status) => (typeof body?.detail === 'string' ? body.detail : `status ${status}`);

/** Its API does not tell when links were revoked. @param {string|undefined} file @returns {Promise<Map<string, number>>} by name in small letters */
async function readRevoked(file) {
  if (file === undefined) return new Map();
  const text = await readFile(file, 'utf8').catch((error) => {
    throw new Trouble(`--revoked: ${error.message}`);
  });
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  return new Map(
    lines.map((line, index) => {
      const [, name, second] = /^\s*([^,|\s]+)\s*[,|\s]\s*(\d+)(?:\.\d+)?\s*$/.exec(line) ?? [];
      if (!name) throw new Trouble(`--revoked: line ${index + 1} is not "name,second"`);
      return [name.toLowerCase(), Number(second)];
    }),
  );
}

/** An instant of its API, which has no offset and is UTC. @returns {number|null} unix seconds */
function second(text) {
  if (text === null || text === undefined) return null;
  const at = Date.parse(/(?:Z|[+-]\d\d:?\d\d)$/i.test(text) ? text : `${text}Z`);
  return Number.isNaN(at) ? null : Math.floor(at / 1_000);
}

/** @returns {import('./user.mjs').Wish} */
function wish(user, since, now) {
  const made = wishOf(user.username);
  const created = second(user.created_at) ?? now;
  const strategy = user.data_limit_reset_strategy ?? 'no_reset';
  made.status = user.status;
  made.disabled = user.status === 'disabled';
  made.owner = user.admin?.username ?? null;
  const waits = user.status === 'on_hold';
  made.account = {
    note: (user.note ?? '').replaceAll('\r\n', '\n'),
    monthly_quota: user.data_limit ?? 0,
    reset_strategy: strategy,
    expires_at: waits ? null : user.expire || null,
    hold_seconds: waits ? user.on_hold_expire_duration : null,
    hold_until: waits ? second(user.on_hold_timeout) : null,
    delete_after_days: user.auto_delete_in_days >= 0 ? user.auto_delete_in_days : null,
    next_plan: nextPlan(user.next_plan),
    protocols: protocols(user),
  };
  const used = user.used_traffic ?? 0;
  made.brought = { created_at: created, monthly_used: used, total_used: Math.max(used, user.lifetime_used_traffic ?? 0) };
  // It does not tell when the period began; resets by the clock come whole periods after the creation.
  const length = PERIODS[strategy];
  made.brought.period_start = length ? created + Math.max(0, Math.floor((now - created) / length)) * length : created;
  const revoked = since.get(user.username.toLowerCase());
  if (revoked !== undefined) made.brought.links_since = revoked;
  credentials(user, made);
  return made;
}

function nextPlan(next) {
  if (!next) return null;
  return {
    monthly_quota: next.data_limit ?? 0,
    ...(next.expire && { expires_at: next.expire }),
    add_remaining_traffic: next.add_remaining_traffic,
    fire_on_either: next.fire_on_either,
  };
}

/** The protocols that he has, and the inbounds of them that he has not. */
function protocols(user) {
  const entry = ([name, settings]) => {
    const excluded = user.excluded_inbounds?.[name] ?? [];
    const method = name === 'shadowsocks' && settings.method !== METHOD ? settings.method : undefined;
    return [name, { ...(settings.flow && { flow: settings.flow }), ...(method && { method }), ...(excluded.length > 0 && { excluded }) }];
  };
  return Object.fromEntries(Object.entries(user.proxies ?? {}).map(entry));
}

const SECRETS = { vmess: ['id', 'vmess_uuid'], vless: ['id', 'vless_uuid'], trojan: ['password', 'trojan_password'], shadowsocks: ['password', 'shadowsocks_password'] };

function credentials(user, made) {
  for (const [protocol, settings] of Object.entries(user.proxies ?? {})) {
    const [from, to] = SECRETS[protocol] ?? [];
    if (to && settings[from]) made.credentials[to] = from === 'id' ? settings.id.toLowerCase() : settings[from];
    else made.lost.push({ field: `proxies.${protocol}`, value: Object.keys(settings), why: 'a protocol that is not known' });
  }
}

/** @returns {object|string} a plan, or why there is none */
function planOf(template) {
  const name = (template.name ?? '').replace(/[^A-Za-z0-9_.-]/g, '-').slice(0, 32);
  const days = (template.expire_duration ?? 0) / DAY;
  if (name === '') return template.name ? `the template ${template.name} is no plan here: its name has nothing that a plan's may have` : 'a template without a name: nothing can be made of it';
  if (!Number.isInteger(days)) return `the template ${template.name} lasts ${template.expire_duration} seconds, which is no number of days: it is no plan here`;
  return { name, monthly_quota: template.data_limit ?? 0, duration_days: days, reset_strategy: 'no_reset' };
}

function nodeToDo({ name, address, usage_coefficient: coefficient, status }) {
  return `the node ${name} (${address}, ${status}, coefficient ${coefficient}): create it here and install the agent on its host, docs/agent.md`;
}
