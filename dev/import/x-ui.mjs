/**
 * Reads the database file of a 3x-ui. Its users are clients of inbounds; clients with one subscription (`subId`) are one user here, who has
 * the credentials of each protocol.
 */
import path from 'node:path';

import { openTables } from './database.mjs';
import { hidden, wishOf } from './user.mjs';

const UUIDS = { vless: 'vless_uuid', vmess: 'vmess_uuid' };
/** Where Shadowsocks' key belongs, by its method. */
const KEYS = { '2022-blake3-aes-128-gcm': 'shadowsocks_key_16', '2022-blake3-aes-256-gcm': 'shadowsocks_key_32' };

/** @param {{file: string}} options */
export async function read({ file }) {
  const tables = openTables(file);
  tables.need('inbounds', 'client_traffics');
  const traffic = new Traffic(tables.rows('client_traffics'));
  const users = new Map();
  const todo = [];
  for (const inbound of tables.rows('inbounds')) {
    const settings = parsed(inbound.settings);
    const { clients = [] } = settings ?? {};
    const place = `${inbound.protocol} on port ${inbound.port}${inbound.remark ? ` ("${inbound.remark}")` : ''}`;
    if (settings === undefined) todo.push(`the inbound ${place} has settings that cannot be read: its clients were not looked at`);
    todo.push(`the inbound ${place}: an inbound of a node's template, docs/agent.md`);
    for (const client of clients) add(users, inbound, settings, client, traffic.take(client.email));
  }
  tables.close();
  return { source: `3x-ui in ${path.basename(file)}`, users: [...users.values()], operators: [], plans: [], todo };
}

/** What clients have used. A client of several inbounds is a client of each and has one row, which counts once. */
class Traffic {
  #exact;
  #anyCase;
  #taken = new Set();

  constructor(rows) {
    this.#exact = new Map(rows.map((row) => [row.email, row]));
    this.#anyCase = new Map(rows.map((row) => [lower(row.email), row]));
  }

  /** @param {string|undefined} email @returns {object|undefined} his row, for whoever asks first */
  take(email) {
    // 3x-ui takes emails that differ in case for one; a file from before it did may have a row of each.
    const row = this.#exact.get(email) ?? this.#anyCase.get(lower(email));
    if (row === undefined || this.#taken.has(row)) return undefined;
    this.#taken.add(row);
    return row;
  }
}

const lower = (email) => email?.toLowerCase();

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Adds a client to the user of its subscription. */
function add(users, inbound, settings, client, row) {
  const email = client.email || `client-${inbound.id}-${users.size + 1}`;
  const key = client.subId || `email ${email}`;
  const first = users.get(key);
  const wish = first ?? wishOf(email);
  const account = accountOf(client);
  if (!first) {
    users.set(key, wish);
    wish.account = account;
    wish.disabled = client.enable === false;
    wish.alias = client.subId || null;
    wish.brought = { monthly_used: 0, total_used: 0 };
    const created = Math.floor((client.created_at ?? 0) / 1_000);
    if (created > 0) wish.brought.created_at = created;
  } else {
    for (const [field, value] of Object.entries(account)) {
      if (JSON.stringify(wish.account[field]) !== JSON.stringify(value)) wish.lost.push({ field, value, why: `of his client ${email}; the one of ${wish.was} counts` });
    }
  }
  const used = (row?.up ?? 0) + (row?.down ?? 0);
  wish.brought.monthly_used += used;
  wish.brought.total_used += Math.max(used, row?.all_time ?? 0);
  if (client.reset > 0) wish.lost.push({ field: 'reset', value: client.reset, why: 'a renewal of so many days after the expiry: a bulk action or next_plan does it here' });
  secret(wish, inbound, settings, client);
}

function accountOf(client) {
  const expiry = client.expiryTime ?? 0;
  return {
    note: client.comment ?? '',
    monthly_quota: client.totalGB ?? 0,
    reset_strategy: 'no_reset',
    expires_at: expiry > 0 ? Math.floor(expiry / 1_000) : null,
    // A negative one is a length from the first use on.
    hold_seconds: expiry < 0 ? Math.floor(-expiry / 1_000) : null,
    device_limit: client.limitIp ?? 0,
  };
}

function secret(wish, inbound, settings, client) {
  const { protocol } = inbound;
  let field;
  let value;
  if (protocol in UUIDS) [field, value] = [UUIDS[protocol], client.id?.toLowerCase()];
  else if (protocol === 'trojan') [field, value] = ['trojan_password', client.password];
  else if (protocol === 'shadowsocks') [field, value] = [KEYS[settings.method] ?? 'shadowsocks_password', client.password];
  if (!field || !value) {
    wish.lost.push({ field: `credentials.${protocol}`, value: hidden(), why: 'users of this protocol have none here, or the client has none' });
  } else if (wish.credentials[field] !== undefined && wish.credentials[field] !== value) {
    wish.lost.push({ field: `credentials.${field}`, value: hidden(), why: `of his client ${client.email}; a user has one` });
  } else {
    wish.credentials[field] = value;
  }
}
