/** What several areas of Marzban's API speak of. */
import { bool, either, int, lenient, list, map, nul, number, one, only, record, ref, text } from '../dsl.mjs';

const LAST = 2 ** 53 - 1;
const PROTOCOLS = ['vmess', 'vless', 'trojan', 'shadowsocks'];
const STRATEGIES = ['no_reset', 'day', 'week', 'month', 'year'];
export const bytes = (words, more) => int(0, LAST, words, more);
const unix = (words) => int(0, LAST, words ?? 'Unix seconds');
const id = int(1, undefined);
/** As Marzban writes an instant: without offset, in UTC. */
const naive = (words) =>
  text(words ?? 'UTC, without offset', { pattern: '^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}(\\.\\d{1,6})?$', examples: ['2026-11-23T09:30:00'] });
export const instant = (words) => text(words ?? 'An instant in ISO 8601', { examples: ['2026-11-23T09:30:00'] });
export const say = (detail) => record({ detail: only(detail) });
export const empty = record({}, 'Nothing');
export const window = { start: instant('Without it 30 days before `end`'), end: instant('Without it now') };
export const paging = { offset: int(0, undefined), limit: int(0, undefined) };

const perProtocol = (schema, words) => ({
  type: 'object',
  properties: Object.fromEntries(PROTOCOLS.map((name) => [name, typeof schema === 'function' ? schema(name) : schema])),
  ...(words && { description: words }),
});
const uuid = text('Made if it is missing', { format: 'uuid' });
const flow = one(['', 'xtls-rprx-vision']);
const password = text('Made if it is missing');
const settings = {
  vmess: lenient({ 'id?': uuid }),
  vless: lenient({ 'id?': uuid, 'flow?': flow }),
  trojan: lenient({ 'password?': password, 'flow?': flow }),
  shadowsocks: lenient({ 'password?': password, 'method?': one(['aes-128-gcm', 'aes-256-gcm', 'chacha20-ietf-poly1305']) }),
};
const proxies = perProtocol((name) => settings[name], 'By protocol; what is named is what the user has');
const inbounds = perProtocol(list(text()), 'Tags by protocol; none of a protocol means all');
const nextPlan = {
  data_limit: nul(bytes()),
  expire: nul(unix('An instant that is given to the user then')),
  add_remaining_traffic: bool(),
  fire_on_either: bool(),
};
const optional = (fields) => Object.fromEntries(Object.entries(fields).map(([name, schema]) => [`${name}?`, schema]));

/** What a creation and a change share. Fractions of a byte are cut. */
const fields = {
  proxies,
  inbounds,
  expire: nul(unix('0 = never')),
  data_limit: nul(number('Bytes, 0 = unlimited; a fraction is cut', { minimum: 0 })),
  data_limit_reset_strategy: nul(one(STRATEGIES)),
  note: nul(text(undefined, { maxLength: 500 })),
  on_hold_expire_duration: nul(int(0, undefined, 'Seconds from the first use on')),
  on_hold_timeout: nul(either(instant(), only(0))),
  auto_delete_in_days: nul(int(undefined, undefined, 'A negative number: never')),
  next_plan: nul(lenient(optional(nextPlan))),
};
export const user = {
  username: text(),
  status: one(['active', 'disabled', 'limited', 'expired', 'on_hold']),
  proxies: perProtocol((name) => settings[name]),
  used_traffic: bytes(),
  lifetime_used_traffic: bytes(),
  created_at: naive(),
  expire: nul(unix()),
  data_limit: nul(bytes('`null` = unlimited')),
  data_limit_reset_strategy: one(STRATEGIES),
  inbounds: map(list(text())),
  excluded_inbounds: map(list(text())),
  note: nul(text()),
  sub_updated_at: nul(naive()),
  sub_last_user_agent: nul(text()),
  online_at: nul(naive()),
  on_hold_expire_duration: nul(int(0, undefined)),
  on_hold_timeout: nul(naive()),
  auto_delete_in_days: nul(int(undefined, undefined)),
  next_plan: nul(record(nextPlan)),
  links: list(text('A share link')),
  subscription_url: text('Absolute, and the same on every read'),
  admin: nul(ref('Admin')),
};
const { admin: _admin, excluded_inbounds: _excluded, note: _note, inbounds: _inbounds, auto_delete_in_days: _days, ...subscriber } = user;
const admin = {
  username: text(),
  is_sudo: bool(),
  telegram_id: nul(int(undefined, undefined)),
  discord_webhook: nul(text('It begins with https://discord.com')),
  users_usage: nul(bytes()),
};
const node = {
  name: text(),
  address: text(),
  port: int(1, 65_535),
  api_port: int(1, 65_535),
  usage_coefficient: number(undefined, { minimum: 0 }),
};
const nodeFields = {
  'port?': int(1, 65_535, undefined, { default: 62_050 }),
  'api_port?': int(1, 65_535, undefined, { default: 62_051 }),
  'usage_coefficient?': number(undefined, { exclusiveMinimum: 0, default: 1 }),
};
const template = {
  name: nul(text()),
  data_limit: nul(bytes()),
  expire_duration: nul(int(0, undefined, 'Seconds')),
  username_prefix: nul(text(undefined, { minLength: 1, maxLength: 20 })),
  username_suffix: nul(text(undefined, { minLength: 1, maxLength: 20 })),
  inbounds: map(list(text())),
};
const host = {
  remark: text(),
  address: text(),
  'port?': nul(int(1, 65_535)),
  'sni?': nul(text()),
  'host?': nul(text()),
  'path?': nul(text()),
  'security?': one(['inbound_default', 'none', 'tls']),
  'alpn?': one(['', 'h3', 'h2', 'http/1.1', 'h3,h2,http/1.1', 'h3,h2', 'h2,http/1.1']),
  'fingerprint?': one(['', 'chrome', 'firefox', 'safari', 'ios', 'android', 'edge', '360', 'qq', 'random', 'randomized']),
  'allowinsecure?': nul(bool()),
  'is_disabled?': nul(bool()),
  'mux_enable?': nul(bool()),
  'fragment_setting?': nul(text()),
  'noise_setting?': nul(text(undefined, { maxLength: 2000 })),
  'random_user_agent?': nul(bool()),
  'use_sni_as_host?': nul(bool()),
};
export const usage = (direction) => record({ usages: list(record({ node_id: nul(id), node_name: text(), ...direction })) });
export const used = { used_traffic: bytes() };

export const one_ = (words = 'The user') => ({ 200: [words, ref('User')] });
export const at = '/api/user/{username}';
export const MISSING = { user: 'User not found', admin: 'Admin not found', node: 'Node not found', template: 'User Template not found' };
export const dates = { 400: 'Invalid date range or format, or the start is after the end' };
export const adminBody = { 'telegram_id?': admin.telegram_id, 'discord_webhook?': admin.discord_webhook };

export const schemas = {
  Error: record({ detail: text(undefined, { examples: ['User not found'] }) }),
  Invalid: record({ detail: map(text(), 'The rule by field') }, 'A field breaks its rule. Nothing was changed.'),
  Token: record({ access_token: text(), token_type: only('bearer') }),
  Admin: record(admin),
  User: record(user),
  Subscriber: record(subscriber),
  UserCreate: lenient(
    { username: text(undefined, { pattern: '^[A-Za-z0-9_.@-]{3,32}$' }), 'status?': nul(one(['active', 'on_hold'])), ...optional(fields) },
    'Other fields are ignored',
  ),
  UserModify: lenient(
    { 'status?': nul(one(['active', 'disabled', 'on_hold'])), ...optional(fields) },
    'What is missing or `null` stays; 0 clears `expire` and `data_limit`, an empty `note` clears it; other fields are ignored',
  ),
  Node: record({ ...node, id, xray_version: nul(text()), status: one(['connected', 'connecting', 'error', 'disabled']), message: nul(text()) }),
  NodeCreate: lenient({ name: text(), address: text(), ...nodeFields, 'add_as_new_host?': bool() }),
  NodeModify: lenient({
    'name?': nul(text()),
    'address?': nul(text()),
    ...Object.fromEntries(Object.entries(nodeFields).map(([name, schema]) => [name, nul(schema)])),
    'status?': nul(one(['connected', 'connecting', 'error', 'disabled'])),
  }),
  Host: lenient(host),
  UserTemplate: record({ id, ...template }),
  UserTemplateFields: lenient(optional({ ...template, inbounds: map(list(text())) })),
  System: record({
    version: text(),
    ...Object.fromEntries(
      [
        'mem_total',
        'mem_used',
        'cpu_cores',
        'total_user',
        'online_users',
        'users_active',
        'users_on_hold',
        'users_disabled',
        'users_expired',
        'users_limited',
        'incoming_bandwidth',
        'outgoing_bandwidth',
        'incoming_bandwidth_speed',
        'outgoing_bandwidth_speed',
      ].map((name) => [name, int(0, undefined)]),
    ),
    cpu_usage: number(),
  }),
};
