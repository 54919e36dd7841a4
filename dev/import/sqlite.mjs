/**
 * Reads a home-made database of the common shape: `users` with names, passwords and quotas, `monthly_stats` with bytes by month, and `traffic_logs`
 * with bytes by instant. Columns go by several names; one that is not known is told.
 */
import path from 'node:path';

import { Trouble } from '../home.mjs';
import { openTables } from './database.mjs';
import { wishOf } from './user.mjs';

const GB = 1024 ** 3;

const USER = {
  id: ['id', 'user_id'],
  name: ['username', 'name', 'user'],
  password: ['password', 'passwd', 'pass'],
  uuid: ['uuid', 'vless_uuid', 'vmess_uuid'],
  email: ['email', 'mail'],
  note: ['note', 'notes', 'remark', 'comment'],
  created: ['created_at', 'created', 'create_time'],
  status: ['status', 'state'],
  enabled: ['enabled', 'is_active', 'active'],
  monthly: ['monthly_quota', 'month_quota', 'quota'],
  total: ['total_quota', 'lifetime_quota'],
  day: ['reset_day'],
  expires: ['expires_at', 'expire_at', 'expire', 'expiry', 'expires'],
};
const BYTES = {
  user: ['username', 'user_id', 'user', 'name'],
  up: ['upload', 'upload_bytes', 'bytes_uploaded', 'uplink', 'up', 'bytes_up'],
  down: ['download', 'download_bytes', 'bytes_downloaded', 'downlink', 'down', 'bytes_down'],
  total: ['total', 'total_bytes', 'bytes', 'traffic', 'total_traffic'],
  month: ['month', 'year_month', 'period'],
  year: ['year'],
  at: ['timestamp', 'created_at', 'time', 'logged_at', 'recorded_at', 'at', 'date'],
};

/** @param {{file: string, quotas: string}} options */
export async function read({ file, quotas }) {
  const tables = openTables(file);
  tables.need('users');
  const columns = chosen(tables.columns('users'), USER);
  if (!columns.name) throw new Trouble(`users has no column for the name: one of ${USER.name.join(', ')}`);
  const todo = columns.unknown.filter((name) => !/_used$|^(updated|last)_/.test(name)).map((name) => `the column users.${name} was not read`);
  const now = new Date();
  const used = new Used(tables, now);
  const unit = quotas === 'gb' ? GB : 1;
  const users = tables.rows('users').map((row) => wish((what) => row[columns[what]], used, unit, now));
  tables.close();
  return { source: path.basename(file), users, operators: [], plans: [], todo: [...todo, ...used.todo] };
}

/** @param {string[]} there @param {Record<string, string[]>} known @returns {Record<string, string> & {unknown: string[]}} */
function chosen(there, known) {
  const found = { unknown: [] };
  for (const [what, names] of Object.entries(known)) {
    const name = names.find((one) => there.includes(one));
    if (name) found[what] = name;
  }
  const taken = new Set(Object.values(found).flat());
  found.unknown = there.filter((name) => !taken.has(name));
  return found;
}

/** Unix seconds of whatever a column holds: seconds, milliseconds, or a text that is UTC unless it says otherwise. */
function second(value) {
  if (value === null || value === undefined || value === '' || value === 0) return null;
  if (typeof value === 'number') return Math.floor(value > 1e11 ? value / 1_000 : value);
  if (/^\d+$/.test(value)) return second(Number(value));
  const text = value.trim().replace(' ', 'T');
  const day = /^\d{4}-\d\d-\d\d$/.test(text) ? `${text}T00:00:00` : text;
  const at = Date.parse(/(?:Z|[+-]\d\d:?\d\d)$/i.test(day) ? day : `${day}Z`);
  return Number.isNaN(at) ? null : Math.floor(at / 1_000);
}

/** @returns {import('./user.mjs').Wish} */
function wish(of, used, unit, now) {
  const made = wishOf(String(of('name')));
  const status = String(of('status') ?? 'active').toLowerCase();
  const enabled = of('enabled');
  made.status = status;
  made.disabled = ['disabled', 'inactive', 'suspended', 'banned', 'blocked', '0'].includes(status) || enabled === 0 || enabled === 'false';
  const day = of('day') || 1;
  made.account = {
    note: String(of('note') ?? ''),
    email: of('email') || null,
    monthly_quota: Math.round((of('monthly') ?? 0) * unit),
    total_quota: Math.round((of('total') ?? 0) * unit),
    reset_strategy: 'calendar_month',
    reset_day: day,
    time_zone: 'UTC',
    expires_at: second(of('expires')),
  };
  const password = of('password');
  if (password) made.credentials.trojan_password = String(password);
  const uuid = of('uuid');
  if (uuid) Object.assign(made.credentials, { vless_uuid: String(uuid).toLowerCase(), vmess_uuid: String(uuid).toLowerCase() });
  const created = second(of('created'));
  const { month, total, why } = used.of({ name: made.was, id: of('id') }, periodStart(day, now), day);
  made.brought = { monthly_used: month, total_used: Math.max(month, total), ...(created && { created_at: created }) };
  if (why) made.lost.push({ field: 'monthly_used', value: month, why });
  return made;
}

/** The second at which the period began that a reset day makes, UTC; beyond a month's length it is the last day. */
function periodStart(day, now) {
  const at = (year, month) => Date.UTC(year, month, Math.min(day, new Date(Date.UTC(year, month + 1, 0)).getUTCDate())) / 1_000;
  const [year, month] = [now.getUTCFullYear(), now.getUTCMonth()];
  const here = at(year, month);
  return here * 1_000 <= now.getTime() ? here : at(year, month - 1);
}

/** What users have used, of both tables. */
class Used {
  #months = new Map();
  #logs = new Map();
  #month;
  todo = [];

  constructor(tables, now) {
    this.#month = now.toISOString().slice(0, 7);
    this.#fill(tables, 'monthly_stats', this.#months, (row, columns) => {
      const month = String(row[columns.month] ?? '');
      const year = row[columns.year];
      return year && month.length < 3 ? `${year}-${month.padStart(2, '0')}` : month.slice(0, 7);
    });
    this.#fill(tables, 'traffic_logs', this.#logs, (row, columns) => second(row[columns.at]));
  }

  /** @param {(row: object, columns: object) => unknown} when */
  #fill(tables, table, into, when) {
    const there = tables.columns(table);
    if (there.length === 0) {
      this.todo.push(`there is no table ${table}: what it would tell was not read`);
      return;
    }
    const columns = chosen(there, BYTES);
    if (!columns.user || !(columns.total || (columns.up && columns.down))) throw new Trouble(`${table} has no columns for the user and his bytes`);
    into.byNumber = columns.user === 'user_id';
    for (const row of tables.rows(table)) {
      const bytes = columns.up && columns.down ? (row[columns.up] ?? 0) + (row[columns.down] ?? 0) : (row[columns.total] ?? 0);
      const user = String(row[columns.user]);
      if (!into.has(user)) into.set(user, []);
      into.get(user).push([when(row, columns), bytes]);
    }
  }

  /** @param {{name: string, id: unknown}} user @param {number} start of the period @param {number} day on which it begins */
  of(user, start, day) {
    const [months, logs] = [this.#months, this.#logs].map((table) => table.get(String(table.byNumber ? user.id : user.name)) ?? []);
    const sum = (rows) => Math.round(rows.reduce((all, [, bytes]) => all + bytes, 0));
    const total = Math.max(sum(months), sum(logs));
    // A period of whole months is told by the month, any other by what was logged since it began.
    if (day === 1 && months.length > 0) return { month: sum(months.filter(([month]) => month === this.#month)), total };
    const since = logs.filter(([at]) => at !== null && at >= start);
    if (logs.length > 0 || months.length === 0) return { month: sum(since), total };
    const month = sum(months.filter(([of]) => of === this.#month));
    return { month, total, why: `his period begins on day ${day}, and only whole months are known: this month counts` };
  }
}
